//! The commands of this room: load, decide, record; and for what is signed: intend, commit, sign, check, record.

mod life;
mod making;
mod register;
mod stamping;
mod sweep;
mod time_stamp;

pub use life::Apply;
pub use register::{RegisterMaker, RegisterOwner};
pub use stamping::Stamped;

use super::{
    Meters,
    error::SealError,
    nouns::SealId,
    register::{MakerId, OwnerId},
};
use crate::{
    authority::{Act, Authorities, Authority, CertState},
    base::{Entropy, Refusal, Timestamp},
    document::pool::{Lane, ReadingPool},
    keys::{Keystore, SigningPool, ToSign},
    officer::{Caller, OfficerId},
    store::{Rx, Store},
};
use std::{sync::Arc, time::Duration};
use yinxin_pki::{budget::Budget, ses, x509::Cert};

/// How long a signature may take before the command gives up; a device is slow, a person does not wait longer.
const SIGN_PATIENCE: Duration = Duration::from_secs(10);

/// Judges a product of ours before it leaves, in profile `strict`, with the own authority as anchor. The composition
/// root gives one: this room makes, another judges.
pub trait ProductCheck: Send + Sync {
    /// Whether the stamped file's newest stamp passes; `Err` says what does not hold. `digest` is SM3 over the
    /// bytes that the stamp covers, computed over this very buffer before the value was put into its gap.
    fn stamped_pdf(&self, product: &[u8], digest: &[u8; 32], question: &Asked<'_>) -> Result<(), String>;

    /// Whether a bare seal passes.
    fn seal(&self, esl: &[u8], question: &Asked<'_>) -> Result<(), String>;
}

/// As of when a product is judged, with which trust, and how much work that may be.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The own authority.
    pub chain: &'a Chain,
    /// The instant.
    pub at: Timestamp,
    /// What is left of the work.
    pub budget: &'a Budget,
}

/// The certificates that a product is judged with.
#[derive(Debug, Clone)]
pub struct Chain {
    /// The own roots.
    pub anchors: Vec<Cert>,
    /// The own issuing authorities, and roots as certified by other roots.
    pub intermediates: Vec<Cert>,
}

impl Chain {
    fn of(own: &Authorities) -> Arc<Self> {
        Arc::new(Self { anchors: own.roots(), intermediates: own.between() })
    }
}

/// The commands. Cheap to clone.
#[derive(Clone)]
pub struct SealService(Arc<Room>);

struct Room {
    parts: Parts,
    meters: Meters,
}

impl std::ops::Deref for Room {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.parts
    }
}

/// What the commands work with.
pub struct Parts {
    /// The database.
    pub store: Store,
    /// The keys.
    pub keystore: Keystore,
    /// Who waits for signatures.
    pub pool: Arc<SigningPool>,
    /// Certificates and time stamps.
    pub authority: Authority,
    /// The judge of our products.
    pub check: Arc<dyn ProductCheck>,
    /// Who reads documents, and draws.
    pub readers: Arc<ReadingPool>,
    /// Chance.
    pub entropy: Arc<dyn Entropy>,
}

impl SealService {
    /// Puts the room together.
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(Room { parts, meters: Meters::default() }))
    }

    /// What it counts as it works.
    pub fn meters(&self) -> &Meters {
        &self.0.meters
    }

    /// Puts a product together and has it judged as of `at`, on a thread that reads documents, with the own authorities as
    /// this process knows them. One that does not pass is judged once more where another node made an authority since they
    /// were read.
    async fn judged<T: Send + 'static>(
        &self,
        at: Timestamp,
        make: impl FnOnce() -> Result<T, SealError> + Send + 'static,
        judge: impl Fn(&T, &Asked<'_>) -> Result<(), String> + Send + 'static,
    ) -> Result<T, SealError> {
        let known = self.0.authority.known_authorities().await?;
        let chain = Chain::of(&known);
        let work = move |budget: &Budget| {
            let product = make()?;
            let verdict = judge(&product, &Asked { chain: &chain, at, budget });
            Ok::<_, SealError>((product, judge, verdict))
        };
        let (product, judge, verdict) = self.0.readers.run(Lane::Begun, work).await??;
        let Err(says) = verdict else { return Ok(product) };
        let fresh = self.0.authority.authorities().await?;
        if Arc::ptr_eq(&fresh, &known) {
            return Err(SealError::Withheld { says });
        }
        let chain = Chain::of(&fresh);
        let again =
            move |budget: &Budget| judge(&product, &Asked { chain: &chain, at, budget }).map(|()| product);
        let judged = self.0.readers.run(Lane::Begun, again).await?;
        judged.map_err(|says| SealError::Withheld { says })
    }

    /// Whether a maker's certificate is in force at `now`, so that seals may be made with it, and those that were made with
    /// it be used: judges of a stamp ask for it too (verdicts, check 4).
    async fn maker_in_force(&self, rx: &mut Rx, cert: &Cert, now: Timestamp) -> Result<(), SealError> {
        let serial = cert.serial_hex();
        let issued = self.0.authority.find_by_serial_in(rx, &serial).await?;
        let issued = issued.ok_or(SealError::Unknown { what: "maker's certificate", id: serial })?;
        if matches!(issued.state, CertState::Revoked { .. }) {
            let says = "the certificate of this seal's maker is revoked; apply for a seal by another maker";
            return Err(Refusal::new("maker/certificate-revoked", says).into());
        }
        if now < issued.cert.not_before() {
            return Err(super::stamp::not_yet(
                "the certificate of this seal's maker",
                issued.cert.not_before(),
            )
            .into());
        }
        if now > issued.cert.not_after() {
            let says = "the certificate of this seal's maker has expired; renew the seal";
            return Err(Refusal::new("maker/certificate-expired", says).into());
        }
        Ok(())
    }

    async fn sign(&self, key_id: &str, input: ToSign) -> Result<Vec<u8>, SealError> {
        let key = crate::keys::KeyId::from_row(key_id.to_owned());
        let signer = self.0.keystore.signer(&key).await?;
        Ok(self.0.pool.sign(signer, input, SIGN_PATIENCE).await?)
    }
}

/// The certificate that a seal was made with.
fn maker_of(esl: &[u8]) -> Result<Cert, SealError> {
    let damaged = || Refusal::new("maker/damaged", "the maker's certificate cannot be read");
    let seal = ses::Seal::parse(esl).map_err(|_| damaged())?;
    Ok(Cert::parse(seal.maker_cert).map_err(|_| damaged())?)
}

/// Under which name the authority knows a maker's certificates.
fn maker_reference(maker: &MakerId) -> String {
    format!("maker/{maker}")
}

/// Who asks, in the authority's words.
fn act(caller: &Caller) -> Act<'_> {
    Act { actor: caller.actor_name(), request: &caller.request, now: caller.now }
}

/// Loads a seal or says that there is none.
async fn known_seal(rx: &mut Rx, id: &SealId) -> Result<super::nouns::Seal, SealError> {
    let found = super::store::life::find(rx, id).await?;
    found.ok_or_else(|| SealError::Unknown { what: "seal", id: id.to_string() })
}

/// Loads an owner or says that there is none.
async fn known_owner(rx: &mut Rx, id: &OwnerId) -> Result<super::register::Owner, SealError> {
    let found = super::store::register::find_owner(rx, id).await?;
    found.ok_or_else(|| SealError::Unknown { what: "owner", id: id.to_string() })
}

/// Whether an officer acts for an owner; said as a refusal where not.
async fn must_act_for(rx: &mut Rx, owner: &OwnerId, officer: &OfficerId) -> Result<(), SealError> {
    if super::store::register::is_member(rx, owner, officer).await? {
        return Ok(());
    }
    let says = "you do not act for the owner of this seal; an officer who registers owners can add you";
    Err(Refusal::new("seal/not-your-owner", says).into())
}
