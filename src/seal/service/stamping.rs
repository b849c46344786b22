//! Stamping a PDF: prepare, intend and commit, sign, check our own product, record, hand out.

use super::{Asked, SealService, life, making::signer_reference};
use crate::{
    audit,
    authority::CertState,
    base::{Refusal, Timestamp, failpoint},
    document::{
        pdf::{self, Digests, Prepared, SignatureKind, StampNames},
        png,
        pool::Lane,
    },
    http::idempotency::{self, IdempotencyKey},
    keys::ToSign,
    officer::{Caller, OfficerId, Right},
    seal::{
        error::SealError,
        look::Look,
        nouns::Seal,
        stamp::{StampId, StampRecord, StampRequest, StampState, may_stamp, not_yet},
        store::{
            life::{self as rows, Tools},
            register as registers,
            stamps::{self, Search},
        },
    },
    store::Rx,
};
use axum::body::Bytes;
use serde_json::json;
use yinxin_pki::{
    budget::Budget,
    ses::{PreparedStamp, StampDraft},
    sign::PublicKey,
    x509::Cert,
};

/// Octets that a stamp needs beside the seal, the certificate and a token: signature, times, names.
const FRAME_BYTES: usize = 1024;
/// Octets kept for a time-stamp token with its certificate.
const TOKEN_BYTES: usize = 4096;

/// A stamped document.
#[derive(Debug)]
pub struct Stamped {
    /// Its line in the register of use.
    pub record: StampRecord,
    /// The stamped file: the document as it came, and the increment behind it.
    pub file: Vec<u8>,
}

/// Seal, tools and picture, loaded together.
struct Loaded {
    seal: Seal,
    tools: Tools,
    /// Who made the seal; a maker has other certificates later.
    maker: Cert,
}

/// What is to be put where, for a thread that reads documents.
struct Wanted {
    look: Look,
    placement: pdf::Placement,
    names: StampNames,
    /// Octets kept for the stamp's data.
    room: usize,
}

/// A document ready to be signed, and what is known of it.
struct Ready {
    prepared: Prepared,
    digests: Digests,
    document_bytes: usize,
}

impl SealService {
    /// Stamps a PDF. Nothing leaves that our own check, profile `strict`, does not pass.
    pub async fn stamp_pdf(
        &self,
        caller: &Caller,
        request: StampRequest,
        document: Bytes,
        key: Option<&IdempotencyKey>,
    ) -> Result<Stamped, SealError> {
        let officer = caller.officer(Right::Stamp)?.id.clone();
        if let Some(id) = IdempotencyKey::earlier_of(key) {
            return self.stamped_before(&StampId::from_row(id.to_owned()), &document).await;
        }
        let request = request.checked()?;
        let loaded = match self.load(caller, &officer, &request).await {
            Err(SealError::Refused(refusal)) => return self.refused(caller, &request, refusal).await,
            other => other?,
        };
        let ready = self.prepare(&loaded, &request, document, caller.now).await?;
        failpoint::reach("stamp.prepared");
        let record = match self.intend(caller, &officer, &request, (&loaded, &ready)).await {
            Err(SealError::Refused(refusal)) => return self.refused(caller, &request, refusal).await,
            other => other?,
        };
        failpoint::reach("stamp.committed");
        match self.finish(caller, &loaded, &request, ready).await {
            Ok((file, increment_at, product_sm3)) => {
                failpoint::reach("stamp.checked");
                let record = self.settle(caller, record, &file[increment_at..], product_sm3, key).await?;
                self.0.meters.stamped.one();
                failpoint::reach("stamp.recorded");
                Ok(Stamped { record, file })
            }
            Err(error) => {
                self.give_up(caller, &record, &error).await;
                Err(error)
            }
        }
    }

    /// The file of a stamp that was made before, from the document that is sent again: for a repeated request.
    async fn stamped_before(&self, id: &StampId, document: &[u8]) -> Result<Stamped, SealError> {
        let (record, increment) = self
            .0
            .store
            .read(async |rx| {
                let record = stamps::find(rx, id).await?;
                let record =
                    record.ok_or_else(|| SealError::Unknown { what: "stamp", id: id.to_string() })?;
                Ok::<_, SealError>((record, stamps::increment(rx, id).await?))
            })
            .await?;
        let Some(increment) = increment else {
            let says =
                "this request was answered before and its file is no longer kept; send it with a new key";
            return Err(Refusal::new("idempotency/answer-gone", says).into());
        };
        Ok(Stamped { record, file: [document, &increment].concat() })
    }

    /// A line of the register of use.
    pub async fn stamp(&self, caller: &Caller, id: &StampId) -> Result<StampRecord, SealError> {
        caller.officer(Right::StampRead)?;
        let found = self.0.store.read(async |rx| Ok::<_, SealError>(stamps::find(rx, id).await?)).await?;
        found.ok_or_else(|| SealError::Unknown { what: "stamp", id: id.to_string() })
    }

    /// Lines of the register of use that fit a search.
    pub async fn stamps(&self, caller: &Caller, search: &Search) -> Result<Vec<StampRecord>, SealError> {
        caller.officer(Right::StampRead)?;
        self.0.store.read(async |rx| Ok(stamps::page(rx, search).await?)).await
    }

    /// Lines of the register of use to be taken away; the export itself is recorded.
    pub async fn export_stamps(
        &self,
        caller: &Caller,
        search: &Search,
    ) -> Result<Vec<StampRecord>, SealError> {
        caller.officer(Right::StampExport)?;
        self.0
            .store
            .write(async |tx| {
                let records = stamps::page(tx, search).await?;
                let detail = json!({ "lines": records.len() });
                audit::append(tx, &caller.entry("seal.stamps_exported", "stamps", detail)).await?;
                Ok(records)
            })
            .await
    }

    async fn prepare(
        &self,
        loaded: &Loaded,
        request: &StampRequest,
        document: Bytes,
        now: Timestamp,
    ) -> Result<Ready, SealError> {
        let tools = &loaded.tools;
        let token = if request.time_stamp { TOKEN_BYTES } else { 0 };
        let wanted = Wanted {
            look: loaded.seal.wish.look.clone(),
            placement: request.placement,
            names: StampNames {
                kind: SignatureKind::SesSeal,
                reason: request.purpose.clone(),
                location: None,
                signed_at: pdf_date(now),
            },
            room: tools.esl.len() + tools.cert.len() + FRAME_BYTES + token,
        };
        self.0.readers.run(Lane::Own, move |budget| ready(&wanted, &document, budget)).await?
    }

    async fn load(
        &self,
        caller: &Caller,
        officer: &OfficerId,
        request: &StampRequest,
    ) -> Result<Loaded, SealError> {
        self.0
            .store
            .read(async |rx| {
                let seal = super::known_seal(rx, &request.seal).await?;
                self.allowed(rx, caller, officer, &seal).await?;
                let tools = rows::tools(rx, &seal.id).await?;
                let tools =
                    tools.ok_or_else(|| Refusal::new("seal/wrong-state", "this seal is not made yet"))?;
                let maker = super::maker_of(&tools.esl)?;
                Ok(Loaded { seal, tools, maker })
            })
            .await
    }

    /// Whether this officer may stamp with this seal now: by the seal, its owner's members, and its certificate. One
    /// that is over or revoked stamps no more from that second on (R-SEAL-03).
    async fn allowed(
        &self,
        rx: &mut Rx,
        caller: &Caller,
        officer: &OfficerId,
        seal: &Seal,
    ) -> Result<(), SealError> {
        may_stamp(seal, registers::is_member(rx, &seal.wish.owner, officer).await?, caller.now)?;
        let issued = self.0.authority.find_in(rx, &signer_reference(&seal.id)).await?;
        let issued =
            issued.ok_or_else(|| Refusal::new("seal/certificate-revoked", "this seal has no certificate"))?;
        if matches!(issued.state, CertState::Revoked { .. }) {
            let says = "the certificate that this seal stamps with is revoked; apply for a new seal";
            return Err(Refusal::new("seal/certificate-revoked", says).into());
        }
        if caller.now < issued.cert.not_before() {
            return Err(not_yet("this seal's certificate", issued.cert.not_before()).into());
        }
        if caller.now > issued.cert.not_after() {
            let says = "the certificate that this seal stamps with has expired; renew the seal";
            return Err(Refusal::new("seal/certificate-expired", says).into());
        }
        Ok(())
    }

    /// A refusal of a rule is recorded: who tried to stamp with what.
    async fn refused<T>(
        &self,
        caller: &Caller,
        request: &StampRequest,
        refusal: Refusal,
    ) -> Result<T, SealError> {
        self.0.meters.refused.one(refusal.code);
        self.0
            .store
            .write(async |tx| {
                let detail = json!({ "code": refusal.code });
                audit::append(tx, &caller.entry("seal.stamp_refused", &request.seal, detail)).await?;
                Ok::<_, SealError>(())
            })
            .await?;
        Err(refusal.into())
    }

    /// Writes the intent down. Whether it may be is looked at again, in the transaction that commits it: reading a long
    /// document takes time.
    async fn intend(
        &self,
        caller: &Caller,
        officer: &OfficerId,
        request: &StampRequest,
        (loaded, ready): (&Loaded, &Ready),
    ) -> Result<StampRecord, SealError> {
        let id = StampId::fresh(caller.now, &*self.0.entropy);
        self.0
            .store
            .write(async |tx| {
                let seal = life::locked(tx, &request.seal).await?;
                self.allowed(tx, caller, officer, &seal).await?;
                self.maker_in_force(tx, &loaded.maker, caller.now).await?;
                let record = intended(id.clone(), caller.now, officer, &seal, request, ready);
                stamps::insert(tx, &record).await?;
                let detail =
                    json!({ "seal": record.seal, "document_sm3": record.document_sm3, "page": record.page });
                audit::append(tx, &caller.entry("seal.stamp_intended", &record.id, detail)).await?;
                failpoint::reach("stamp.intended");
                Ok::<_, SealError>(record)
            })
            .await
    }

    /// Signs, assembles, embeds and checks. Answers the file, where its increment starts, and its SM3.
    async fn finish(
        &self,
        caller: &Caller,
        loaded: &Loaded,
        request: &StampRequest,
        ready: Ready,
    ) -> Result<(Vec<u8>, usize, String), SealError> {
        let draft = StampDraft {
            seal: &loaded.tools.esl,
            time: caller.now.whole_seconds(),
            digest: ready.digests.signed,
            property: &format!("PDF ByteRange; field {}", ready.prepared.field()),
            ext_data: &[],
        };
        let stamp = draft.prepare()?;
        let value = self.sign(&loaded.tools.key_id, to_sign(&loaded.tools.cert, &stamp)).await?;
        let token = match request.time_stamp {
            true => Some(self.token_over(&value, caller).await?),
            false => None,
        };
        let data = stamp.assemble(&loaded.tools.cert, &value, token.as_deref())?;
        failpoint::reach("stamp.signed");
        let check = self.0.check.clone();
        let embed = move || Ok(embed(ready, &data)?);
        let judge = move |product: &Product, asked: &Asked<'_>| {
            check.stamped_pdf(&product.file, &product.signed, asked)
        };
        let Product { file, increment_at, sm3, .. } = self.judged(caller.now, embed, judge).await?;
        Ok((file, increment_at, sm3))
    }

    async fn settle(
        &self,
        caller: &Caller,
        record: StampRecord,
        increment: &[u8],
        product_sm3: String,
        key: Option<&IdempotencyKey>,
    ) -> Result<StampRecord, SealError> {
        self.0
            .store
            .write(async |tx| {
                if !stamps::settle(tx, &record.id, Ok(&product_sm3), caller.now).await? {
                    let says = "the stamp took too long and was closed; nothing was handed out; try again";
                    return Err(Refusal::new("stamp/closed", says).into());
                }
                idempotency::record(tx, key, &record.id).await?;
                if key.is_some() {
                    stamps::keep_increment(tx, &record.id, increment, caller.now).await?;
                }
                let detail = json!({ "seal": record.seal, "product_sm3": product_sm3 });
                audit::append(tx, &caller.entry("seal.stamped", &record.id, detail)).await?;
                failpoint::reach("stamp.written");
                Ok::<_, SealError>(())
            })
            .await?;
        Ok(StampRecord {
            state: StampState::Done,
            settled_at: Some(caller.now),
            product_sm3: Some(product_sm3),
            ..record
        })
    }

    /// Settles an intent as failed. Should that fail too, the sweeper closes it.
    async fn give_up(&self, caller: &Caller, record: &StampRecord, error: &SealError) {
        self.0.meters.failed.one(error.code());
        let outcome = self
            .0
            .store
            .write(async |tx| {
                if !stamps::settle(tx, &record.id, Err(error.code()), caller.now).await? {
                    return Ok(());
                }
                let detail = json!({ "seal": record.seal, "code": error.code() });
                audit::append(tx, &caller.entry("seal.stamp_failed", &record.id, detail)).await?;
                Ok::<_, SealError>(())
            })
            .await;
        if let Err(second) = outcome {
            tracing::warn!(name: "seal.stamp_not_settled", stamp = %record.id, code = second.code(), "a failed stamp could not be settled; the sweeper will");
        }
    }
}

/// The line of the register before the signature.
fn intended(
    id: StampId,
    now: Timestamp,
    officer: &OfficerId,
    seal: &Seal,
    request: &StampRequest,
    ready: &Ready,
) -> StampRecord {
    let um = |mm: f64| (mm * 1000.0).round() as i64;
    StampRecord {
        id,
        seal: seal.id.clone(),
        owner: seal.wish.owner.clone(),
        officer: officer.clone(),
        state: StampState::Intended,
        document_sm3: hex::encode(ready.digests.document),
        document_bytes: i64::try_from(ready.document_bytes).unwrap_or(i64::MAX),
        signed_sm3: hex::encode(ready.digests.signed),
        page: request.placement.page,
        x_um: um(request.placement.x_mm),
        y_um: um(request.placement.y_mm),
        purpose: request.purpose.clone(),
        time_stamped: request.time_stamp,
        intended_at: now,
        settled_at: None,
        product_sm3: None,
        failure: None,
    }
}

/// e of the stamp: the signer may be a device, which takes no more than that.
fn to_sign(cert: &[u8], stamp: &PreparedStamp) -> ToSign {
    match Cert::parse(cert).ok().and_then(|cert| cert.public_key().cloned()) {
        Some(PublicKey::Sm2(key)) => ToSign::Sm2Digest(key.digest_recurring(stamp.to_be_signed())),
        _ => ToSign::Message(stamp.to_be_signed().to_vec()),
    }
}

/// Opens the document, finds the place, and digests.
fn ready(wanted: &Wanted, document: &[u8], budget: &Budget) -> Result<Ready, SealError> {
    let Wanted { look, placement, names, room } = wanted;
    let appearance =
        png::appearance(&look.png, look.width_mm * 1000, look.height_mm * 1000, &png::Limits::default())
            .map_err(|error| Refusal::new(error.code(), error.to_string()))?;
    let limits = pdf::Limits { budget: budget.clone(), ..pdf::Limits::default() };
    let prepared = pdf::open(document, &limits)?.prepare(placement, &appearance, names, *room)?;
    let digests = prepared.digests();
    Ok(Ready { prepared, digests, document_bytes: document.len() })
}

/// The stamped file, not judged yet.
struct Product {
    file: Vec<u8>,
    /// Where what the stamp appended begins.
    increment_at: usize,
    /// SM3 over what the stamp covers.
    signed: [u8; 32],
    /// SM3 of the file, hex.
    sm3: String,
}

fn embed(ready: Ready, data: &[u8]) -> Result<Product, pdf::PdfError> {
    let (digests, increment_at) = (ready.digests, ready.document_bytes);
    let signed = digests.signed;
    let file = ready.prepared.embed(data)?;
    let sm3 = hex::encode(digests.product(&file));
    Ok(Product { file, increment_at, signed, sm3 })
}

/// `D:20261120183000+08'00'` (ISO 32000-2, 7.9.4), Beijing time.
fn pdf_date(at: Timestamp) -> String {
    let digits: String = at.beijing().chars().filter(char::is_ascii_digit).collect();
    format!("D:{digits}+08'00'")
}
