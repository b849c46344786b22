//! Making a seal: the intent is committed, the maker signs, the product is checked, and only then it is issued.

use super::{SealService, known_owner, life, must_act_for};
use crate::{
    authority::{Ask, SubjectFields, SubjectKey},
    base::{Refusal, Timestamp, failpoint},
    keys::ToSign,
    officer::{Caller, Right},
    seal::{
        error::SealError,
        nouns::{Made, Seal, SealId, Version},
        register::Owner,
        state::Act,
        store::{
            life::{self as rows, OwnerSigner},
            register::{self as registers, MakerRow},
        },
    },
};
use yinxin_pki::{
    ses::{PictureDraft, SealDraft, SignersDraft, Version as SesVersion},
    sign::SignError,
    sm3,
    x509::Cert,
};

/// What the intent settled: everything that the product is made of.
struct Plan {
    seal: Seal,
    maker: MakerRow,
    signer: OwnerSigner,
    valid_from: Timestamp,
    valid_to: Timestamp,
}

impl Plan {
    fn made(&self, esl_sm3: &str) -> Made {
        let (valid_from, valid_to) = (self.valid_from, self.valid_to);
        let certificate = self.signer.serial.clone();
        Made { valid_from, valid_to, esl_sm3: esl_sm3.to_owned(), certificate }
    }
}

impl SealService {
    /// Makes an approved seal: its owner's key and certificate where there is none yet, then the SESeal, signed by the
    /// maker and checked in profile `strict`. A renewal supersedes the seal it renews in the same transaction.
    ///
    /// A crash in between leaves the seal in state `making`; the sweeper brings it back to `approved`.
    pub async fn make(&self, caller: &Caller, id: &SealId) -> Result<Seal, SealError> {
        let officer = caller.officer(Right::SealMake)?;
        let (seal, owner) = self
            .0
            .store
            .read(async |rx| {
                let seal = super::known_seal(rx, id).await?;
                must_act_for(rx, &seal.wish.owner, &officer.id).await?;
                seal.standing(caller.now).after(Act::Make)?;
                if let Some(old) = &seal.renews {
                    super::known_seal(rx, old).await?.standing(caller.now).after(Act::Supersede)?;
                }
                let owner = known_owner(rx, &seal.wish.owner).await?;
                Ok::<_, SealError>((seal, owner))
            })
            .await?;
        let signer = self.signer_for(caller, &owner, &seal).await?;
        failpoint::reach("seal.make.certified");
        let plan = self.intend_making(caller, id, signer).await?;
        failpoint::reach("seal.make.committed");
        match self.sign_and_issue(caller, &plan).await {
            Err(error) if error.is_decided() => {
                self.give_up_making(caller, id).await;
                Err(error)
            }
            other => other,
        }
    }

    async fn sign_and_issue(&self, caller: &Caller, plan: &Plan) -> Result<Seal, SealError> {
        let esl = self.sign_seal(caller, plan).await?;
        failpoint::reach("seal.make.checked");
        let seal = self.issue(caller, plan, &esl).await?;
        failpoint::reach("seal.make.recorded");
        Ok(seal)
    }

    /// Back to `approved` at once. Should that fail too, the sweeper does it.
    async fn give_up_making(&self, caller: &Caller, id: &SealId) {
        let outcome = self.abandon_making(caller, id, "making failed; it can be tried again").await;
        if let Err(second) = outcome {
            tracing::warn!(name: "seal.making_not_undone", seal = %id, code = second.code(), "a failed making could not be taken back; the sweeper will");
        }
    }

    /// The key and certificate that this seal stamps with. Asked again after a crash, the authority answers the same.
    async fn signer_for(
        &self,
        caller: &Caller,
        owner: &Owner,
        seal: &Seal,
    ) -> Result<OwnerSigner, SealError> {
        let subject = SubjectFields::new(&seal.wish.name)?
            .organisation(&owner.name)?
            .organisation_id(owner.credit_code.as_str())?;
        let ask = Ask { reference: signer_reference(&seal.id), subject, key: SubjectKey::Fresh };
        let issued = self.0.authority.issue_owner(&super::act(caller), &ask).await?;
        let key = issued.key.ok_or(SealError::Sign(SignError::Fault))?;
        let (cert, serial) = (issued.cert.der().to_vec(), issued.cert.serial_hex());
        Ok(OwnerSigner { key_id: key.as_str().to_owned(), cert, serial })
    }

    async fn intend_making(
        &self,
        caller: &Caller,
        id: &SealId,
        signer: OwnerSigner,
    ) -> Result<Plan, SealError> {
        let officer = caller.officer(Right::SealMake)?;
        self.0
            .store
            .write(async |tx| {
                let seal = life::locked(tx, id).await?;
                let (seal, event) = seal.act(Act::Make, &officer.id, None, caller.now)?;
                let maker = registers::find_maker(tx, &seal.wish.maker)
                    .await?
                    .ok_or_else(|| SealError::Unknown { what: "maker", id: seal.wish.maker.to_string() })?;
                self.maker_in_force(tx, &certificate(&maker)?, caller.now).await?;
                let valid_from = caller.now.whole_seconds();
                let valid_to = valid_from.plus_days(i64::from(seal.wish.period_days));
                rows::set_signer(tx, id, &signer, valid_from, valid_to).await?;
                life::record(tx, caller, &seal, &event).await?;
                failpoint::reach("seal.make.intended");
                Ok(Plan { seal, maker, signer, valid_from, valid_to })
            })
            .await
    }

    async fn sign_seal(&self, caller: &Caller, plan: &Plan) -> Result<Vec<u8>, SealError> {
        let prepared = draft(plan).prepare()?;
        let maker = certificate(&plan.maker)?;
        let input = ToSign::Message(prepared.to_be_signed().to_vec());
        let value = self.sign(&plan.maker.key_id, input).await?;
        let token = match plan.seal.wish.version {
            Version::V4 => None,
            Version::V5 => Some(self.token_over(&value, caller).await?),
        };
        let esl = prepared.assemble(maker.der(), &value, token.as_deref())?;
        failpoint::reach("seal.make.signed");
        let (check, at) = (self.0.check.clone(), plan.valid_from);
        self.judged(at, move || Ok(esl), move |esl, asked| check.seal(esl, asked)).await
    }

    async fn issue(&self, caller: &Caller, plan: &Plan, esl: &[u8]) -> Result<Seal, SealError> {
        let officer = caller.officer(Right::SealMake)?;
        let esl_sm3 = hex::encode(sm3::digest(esl));
        self.0
            .store
            .write(async |tx| {
                if let Some(old) = &plan.seal.renews {
                    let old = life::locked(tx, old).await?;
                    let (old, event) = old.act(Act::Supersede, &officer.id, None, caller.now)?;
                    life::record(tx, caller, &old, &event).await?;
                }
                let seal = life::locked(tx, &plan.seal.id).await?;
                let (seal, event) = seal.act(Act::Issue, &officer.id, None, caller.now)?;
                rows::set_made(tx, &seal.id, esl, &esl_sm3).await?;
                life::record(tx, caller, &seal, &event).await?;
                failpoint::reach("seal.make.written");
                Ok(Seal { made: Some(plan.made(&esl_sm3)), ..seal })
            })
            .await
    }

    /// Brings a seal whose making never ended back to where it can be tried again.
    pub(super) async fn abandon_making(
        &self,
        caller: &Caller,
        id: &SealId,
        why: &str,
    ) -> Result<(), SealError> {
        self.0
            .store
            .write(async |tx| {
                let seal = life::locked(tx, id).await?;
                let by = seal.changed_by.clone();
                let (seal, event) = seal.act(Act::Abandon, &by, Some(why.to_owned()), caller.now)?;
                life::record(tx, caller, &seal, &event).await
            })
            .await
    }
}

fn certificate(maker: &MakerRow) -> Result<Cert, Refusal> {
    Cert::parse(&maker.cert)
        .map_err(|_| Refusal::new("maker/damaged", "the maker's certificate cannot be read"))
}

/// Under which name the authority knows the certificate that a seal stamps with.
pub(super) fn signer_reference(seal: &SealId) -> String {
    format!("seal/{seal}/owner")
}

fn draft(plan: &Plan) -> SealDraft {
    let wish = &plan.seal.wish;
    SealDraft {
        version: match wish.version {
            Version::V4 => SesVersion::V4,
            Version::V5 => SesVersion::V5,
        },
        code: plan.seal.code.clone(),
        vendor: plan.maker.maker.vendor.clone(),
        kind: u64::from(wish.kind),
        name: wish.name.clone(),
        signers: SignersDraft::Certs(vec![plan.signer.cert.clone()]),
        created: plan.valid_from,
        valid_from: plan.valid_from,
        valid_to: plan.valid_to,
        picture: PictureDraft {
            kind: "PNG".into(),
            bytes: wish.look.png.clone(),
            width_mm: wish.look.width_mm as u8,
            height_mm: wish.look.height_mm as u8,
        },
        ext_data: Vec::new(),
    }
}
