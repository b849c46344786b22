//! The authority's acts. A certificate is made in five steps: intent written, committed, signed in the pool, checked by
//! our own reader and path validation, recorded. A crash between two of them leaves an intent that the next start, or
//! the same act again, completes.

use super::{
    AuthorityError, AuthoritySettings, CertId, CertState, Role, SubjectFields, paper,
    store::{self, CertRow},
};
use crate::{
    audit,
    base::{Entropy, Refusal, Timestamp},
    keys::{KeyId, KeyKind, Keystore, SigningPool},
    store::{Store, Tx},
};
use rand_core::CryptoRng;
use serde_json::json;
use std::sync::Arc;
use yinxin_pki::{
    sign::{PublicKey, Signer},
    x509::{self, Cert, Reason, issue::Issuer},
};

/// References of the authority's own certificates.
pub(super) const ROOT: &str = "authority/root";
pub(super) const ISSUING: &str = "authority/issuing";
pub(super) const MAKER: &str = "authority/seal-maker";
pub(super) const TIME_STAMPING: &str = "authority/time-stamping";

/// The certificates that [`Authority::bootstrap`] makes, in order: each issuer before what it signs.
const OWN: [(&str, Role, &str); 4] = [
    (ROOT, Role::Root, "印信根证书颁发机构"),
    (ISSUING, Role::Issuing, "印信证书颁发机构"),
    (MAKER, Role::SealMaker, "印信电子印章制作"),
    (TIME_STAMPING, Role::TimeStamping, "印信时间戳服务"),
];

/// Longest reference in octets.
const LONGEST_REFERENCE: usize = 200;
const SERIAL_BYTES: usize = 16;

/// Who acts, on which request, and when; for the audit.
#[derive(Debug, Clone, Copy)]
pub struct Act<'a> {
    /// The officer's id, or `system`.
    pub actor: &'a str,
    /// The id of the request.
    pub request: &'a str,
    /// Now.
    pub now: Timestamp,
}

/// Whose key is certified.
#[derive(Debug, Clone)]
pub enum SubjectKey {
    /// A fresh SM2 key of our keystore.
    Fresh,
    /// A key of our keystore that was made for this role.
    Kept(KeyId),
    /// A key that the subject keeps.
    Theirs(PublicKey),
}

/// What a certificate is asked for.
#[derive(Debug, Clone)]
pub struct Ask {
    /// Names what the certificate is for, `seal/<id>/owner`. Asked twice, the same certificate is the answer.
    pub reference: String,
    /// Whom it names.
    pub subject: SubjectFields,
    /// Whose key.
    pub key: SubjectKey,
}

/// A certificate of the authority.
#[derive(Debug, Clone)]
pub struct Issued {
    /// Its id here.
    pub id: CertId,
    /// What it is for.
    pub reference: String,
    /// Its role.
    pub role: Role,
    /// The key, where our keystore has it.
    pub key: Option<KeyId>,
    /// The certificate.
    pub cert: Cert,
    /// Valid or revoked.
    pub state: CertState,
}

/// The service's own certification and time-stamping authority (R-SEAL-11). Cheap to clone.
#[derive(Clone)]
pub struct Authority(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub store: Store,
    pub keystore: Keystore,
    pub pool: Arc<SigningPool>,
    pub entropy: Arc<dyn Entropy>,
    pub settings: AuthoritySettings,
}

impl Authority {
    /// An authority over these parts; nothing is made yet.
    pub fn new(
        store: Store,
        keystore: Keystore,
        pool: Arc<SigningPool>,
        entropy: Arc<dyn Entropy>,
        settings: AuthoritySettings,
    ) -> Self {
        Self(Arc::new(Inner { store, keystore, pool, entropy, settings }))
    }

    /// Makes what is missing of root, issuing, seal-maker and time-stamping certificate, and completes every intent
    /// that a crash left. Does nothing where all is there, so it runs at each start.
    pub async fn bootstrap(&self, act: &Act<'_>) -> Result<(), AuthorityError> {
        for (reference, role, name) in OWN {
            let subject = self.0.settings.own_subject(name)?;
            let ask = Ask { reference: reference.to_owned(), subject, key: SubjectKey::Fresh };
            self.issue(act, role, &ask).await?;
        }
        self.complete_intents(act).await.map(|_| ())
    }

    /// Completes intents that a crash left behind, 100 at most; answers how many.
    pub async fn complete_intents(&self, act: &Act<'_>) -> Result<usize, AuthorityError> {
        let rows = self.0.store.read(async |rx| store::intended(rx).await).await?;
        let count = rows.len();
        for row in rows {
            self.complete(act, row).await?;
        }
        Ok(count)
    }

    /// Certifies a seal maker (制作主体).
    pub async fn issue_maker(&self, act: &Act<'_>, ask: &Ask) -> Result<Issued, AuthorityError> {
        check_reference(&ask.reference)?;
        self.issue(act, Role::SealMaker, ask).await
    }

    /// Certifies a seal owner (使用主体).
    pub async fn issue_owner(&self, act: &Act<'_>, ask: &Ask) -> Result<Issued, AuthorityError> {
        check_reference(&ask.reference)?;
        self.issue(act, Role::SealOwner, ask).await
    }

    /// Revokes the certificate with this serial number (hex as [`Cert::serial_hex`] gives it). The next list says so.
    pub async fn revoke(&self, act: &Act<'_>, serial: &str, reason: Reason) -> Result<(), AuthorityError> {
        self.0
            .store
            .write(async |tx: &mut Tx| {
                let row = store::find_by_serial(tx, serial).await?;
                let row =
                    row.ok_or_else(|| AuthorityError::Unknown { what: format!("with serial {serial}") })?;
                row.state.revoke(row.role, reason, act.now)?;
                if !store::revoke(tx, &row.id, reason, act.now.whole_seconds()).await? {
                    return Err(AuthorityError::Unknown { what: format!("valid with serial {serial}") });
                }
                let detail = json!({ "reference": row.reference, "serial": serial, "reason": reason.name() });
                audit::append(tx, &act.entry("authority.certificate_revoked", &row.id, detail)).await?;
                Ok(())
            })
            .await
    }

    /// The certificate that a reference names; `None` where there is none, or only an intent.
    pub async fn find(&self, reference: &str) -> Result<Option<Issued>, AuthorityError> {
        let row = self.0.store.read(async |rx| store::find(rx, reference).await).await?;
        match row {
            Some(row) if row.state != CertState::Intended => Issued::of(row).map(Some),
            _ => Ok(None),
        }
    }

    /// The root: the anchor that others trust.
    pub async fn root(&self) -> Result<Cert, AuthorityError> {
        self.own(ROOT).await.map(|issued| issued.cert)
    }

    /// The certificates above every one that is issued: the issuing authority, then the root.
    pub async fn chain(&self) -> Result<Vec<Cert>, AuthorityError> {
        self.above().await.map(Vec::from)
    }

    pub(super) async fn above(&self) -> Result<[Cert; 2], AuthorityError> {
        Ok([self.own(ISSUING).await?.cert, self.own(ROOT).await?.cert])
    }

    /// The seal maker that [`Authority::bootstrap`] made.
    pub async fn maker(&self) -> Result<Issued, AuthorityError> {
        self.own(MAKER).await
    }

    pub(super) async fn own(&self, reference: &str) -> Result<Issued, AuthorityError> {
        self.find(reference).await?.ok_or_else(|| AuthorityError::not_ready(reference))
    }

    /// One of our own certificates with its signer, if it may sign at `now`.
    pub(super) async fn own_signer(
        &self,
        reference: &str,
        now: Timestamp,
    ) -> Result<(Cert, Arc<dyn Signer>), AuthorityError> {
        let own = self.own(reference).await?;
        let within = own.cert.not_before() <= now && now <= own.cert.not_after();
        if own.state != CertState::Valid || !within {
            return Err(AuthorityError::OutOfPeriod { reference: reference.to_owned() });
        }
        let key = own.key.ok_or_else(|| AuthorityError::not_ready(reference))?;
        Ok((own.cert, self.0.keystore.signer(&key).await?))
    }

    async fn issue(&self, act: &Act<'_>, role: Role, ask: &Ask) -> Result<Issued, AuthorityError> {
        let row = self.0.store.read(async |rx| store::find(rx, &ask.reference).await).await?;
        let row = match row {
            Some(row) => row,
            None => self.intend(act, role, ask).await?,
        };
        if row.role != role || row.subject != ask.subject || !ask.key.fits(&row) {
            return Err(AuthorityError::Taken { reference: ask.reference.clone() });
        }
        self.complete(act, row).await
    }

    /// Steps one and two: the intent, with its key and its audit entry, in one transaction.
    async fn intend(&self, act: &Act<'_>, role: Role, ask: &Ask) -> Result<CertRow, AuthorityError> {
        let issuer = match role.issuer() {
            Some(Role::Root) => Some(self.own(ROOT).await?),
            Some(_) => Some(self.own(ISSUING).await?),
            None => None,
        };
        let intent = async |tx: &mut Tx| {
            let (key, public_key) = self.subject_key(tx, role, &ask.key, act.now).await?;
            let row = self.intended_row(role, ask, issuer.as_ref(), key, &public_key, act.now)?;
            if !store::insert(tx, &row, act.now).await? {
                // Another node was faster; an error takes our key back.
                return Err(AuthorityError::Taken { reference: ask.reference.clone() });
            }
            let detail = json!({ "reference": row.reference, "role": role.as_str(), "serial": row.serial });
            audit::append(tx, &act.entry("authority.certificate_intended", &row.id, detail)).await?;
            Ok(row)
        };
        match self.0.store.write(intent).await {
            Err(AuthorityError::Taken { reference }) => {
                let row = self.0.store.read(async |rx| store::find(rx, &reference).await).await?;
                row.ok_or(AuthorityError::Taken { reference })
            }
            other => other,
        }
    }

    async fn subject_key(
        &self,
        tx: &mut Tx,
        role: Role,
        key: &SubjectKey,
        now: Timestamp,
    ) -> Result<(Option<KeyId>, PublicKey), AuthorityError> {
        let keystore = &self.0.keystore;
        let key = match key {
            SubjectKey::Theirs(public_key) => return Ok((None, public_key.clone())),
            SubjectKey::Fresh => keystore.make(tx, role.key_purpose(), KeyKind::Sm2, now).await?,
            SubjectKey::Kept(id) => keystore.key(tx, id).await?,
        };
        key.may_serve(role.key_purpose())?;
        Ok((Some(key.id), key.public_key))
    }

    fn intended_row(
        &self,
        role: Role,
        ask: &Ask,
        issuer: Option<&Issued>,
        key: Option<KeyId>,
        public_key: &PublicKey,
        now: Timestamp,
    ) -> Result<CertRow, AuthorityError> {
        let mut serial = [0; SERIAL_BYTES];
        self.0.entropy.fill(&mut serial);
        // Positive, and never with a leading zero octet (RFC 5280 4.1.2.2).
        serial[0] = serial[0] & 0x7f | 0x40;
        let (not_before, not_after) = self.0.settings.period(role, now);
        let not_after = issuer.map_or(not_after, |issuer| not_after.min(issuer.cert.not_after()));
        let not_before = issuer.map_or(not_before, |issuer| not_before.max(issuer.cert.not_before()));
        if not_before >= not_after {
            let reference = issuer.map_or_else(|| ask.reference.clone(), |issuer| issuer.reference.clone());
            return Err(AuthorityError::OutOfPeriod { reference });
        }
        Ok(CertRow {
            id: CertId::fresh(now, &*self.0.entropy),
            reference: ask.reference.clone(),
            role,
            issuer: issuer.map(|issuer| issuer.id.clone()),
            serial: hex::encode(serial),
            key,
            public_key: x509::write_public_key(public_key),
            subject: ask.subject.clone(),
            not_before,
            not_after,
            state: CertState::Intended,
            cert: None,
        })
    }

    /// Steps three to five: sign, check, record. What is recorded already is answered as it is.
    async fn complete(&self, act: &Act<'_>, row: CertRow) -> Result<Issued, AuthorityError> {
        if row.state != CertState::Intended {
            return Issued::of(row);
        }
        let cert = match &row.issuer {
            None => self.sign_root(&row).await?,
            Some(issuer) => self.sign_under(&row, issuer, act.now).await?,
        };
        if row.role.is_listed() {
            let [issuing, root] = self.above().await?;
            paper::check_path(&row, &cert, &[issuing], &root)?;
        }
        self.record(act, row, cert).await
    }

    async fn sign_root(&self, row: &CertRow) -> Result<Cert, AuthorityError> {
        let key = row.key.as_ref().ok_or_else(|| AuthorityError::not_ready(ROOT))?;
        let signer = self.0.keystore.signer(key).await?;
        let row = row.clone();
        let work = move |rng: &mut dyn CryptoRng| paper::self_signed(&row, &*signer, rng);
        self.0.pool.run(work, self.0.settings.patience).await
    }

    async fn sign_under(
        &self,
        row: &CertRow,
        issuer: &CertId,
        now: Timestamp,
    ) -> Result<Cert, AuthorityError> {
        let found = self.0.store.read(async |rx| store::find_by_id(rx, issuer).await).await?;
        let found = found.ok_or_else(|| AuthorityError::not_ready(issuer.as_str()))?;
        let (cert, signer) = self.own_signer(&found.reference, now).await?;
        let (row, inner) = (row.clone(), self.0.clone());
        let work = move |rng: &mut dyn CryptoRng| {
            paper::issued(&row, &Issuer { cert: &cert, signer: &*signer }, &inner.settings, rng)
        };
        self.0.pool.run(work, self.0.settings.patience).await
    }

    async fn record(&self, act: &Act<'_>, row: CertRow, cert: Cert) -> Result<Issued, AuthorityError> {
        let state = row.state.issue()?;
        let recorded = self
            .0
            .store
            .write(async |tx: &mut Tx| {
                if !store::issue(tx, &row.id, cert.der(), act.now).await? {
                    return Ok::<_, AuthorityError>(false);
                }
                let detail = json!({
                    "reference": row.reference, "role": row.role.as_str(), "serial": row.serial,
                    "sm3": hex::encode(cert.sm3()),
                });
                audit::append(tx, &act.entry("authority.certificate_issued", &row.id, detail)).await?;
                Ok(true)
            })
            .await?;
        if recorded {
            return Issued::of(CertRow { state, cert: Some(cert.der().to_vec()), ..row });
        }
        // Another node completed the same intent; its signature is the one that counts, ours is forgotten.
        self.own(&row.reference).await
    }
}

impl Issued {
    fn of(row: CertRow) -> Result<Self, AuthorityError> {
        let cert = row.cert.as_deref().map(Cert::parse);
        let Some(Ok(cert)) = cert else {
            return Err(AuthorityError::withheld(format!("the recorded certificate {} is damaged", row.id)));
        };
        Ok(Self {
            id: row.id,
            reference: row.reference,
            role: row.role,
            key: row.key,
            cert,
            state: row.state,
        })
    }
}

impl SubjectKey {
    /// Whether the same ask may have made this row.
    fn fits(&self, row: &CertRow) -> bool {
        match self {
            Self::Fresh => row.key.is_some(),
            Self::Kept(id) => row.key.as_ref() == Some(id),
            Self::Theirs(key) => row.key.is_none() && row.public_key == x509::write_public_key(key),
        }
    }
}

impl Act<'_> {
    pub(super) fn entry(
        &self,
        action: &'static str,
        subject: &CertId,
        detail: serde_json::Value,
    ) -> audit::Entry {
        audit::Entry {
            actor: self.actor.to_owned(),
            action,
            subject: subject.to_string(),
            detail,
            request: self.request.to_owned(),
            at: self.now,
        }
    }
}

/// Printable ASCII, and not among the authority's own.
fn check_reference(reference: &str) -> Result<(), Refusal> {
    let plain = !reference.is_empty() && reference.bytes().all(|octet| octet.is_ascii_graphic());
    if !plain || reference.len() > LONGEST_REFERENCE || reference.starts_with("authority/") {
        let says = format!(
            "a reference is 1 to {LONGEST_REFERENCE} printable ASCII characters and does not begin with `authority/`"
        );
        return Err(Refusal::new("authority/reference", says));
    }
    Ok(())
}
