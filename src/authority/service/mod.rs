//! The authority's acts: its own certificates, those of others, and their end.

mod authorities;
mod issuing;
mod listing;
mod renewal;
mod succession;
mod time_stamp;

pub use authorities::Authorities;
pub use renewal::RenewList;
pub use succession::{Ending, Succession, line_of};

use super::{
    AuthorityError, AuthoritySettings, CertId, CertState, Meters, Role, SubjectFields,
    store::{self, CertRow},
};
use crate::{
    audit,
    base::{Entropy, Refusal, Timestamp},
    job,
    keys::{KeyId, Keystore, SigningPool},
    store::{Rx, Store, Tx},
};
use issuing::Draft;
use serde_json::json;
use std::sync::{Arc, Mutex};
use yinxin_pki::{
    sign::{PublicKey, Signer},
    x509::{Cert, Reason},
};

/// References of the authority's own certificates.
const ROOT: &str = "authority/root";
const ISSUING: &str = "authority/issuing";
const MAKER: &str = "authority/seal-maker";
const TIME_STAMPING: &str = "authority/time-stamping";

/// The certificates that [`Authority::bootstrap`] makes, in order: each issuer before what it signs.
const OWN: [(&str, Role, &str); 4] = [
    (ROOT, Role::Root, "印信根证书颁发机构"),
    (ISSUING, Role::Issuing, "印信证书颁发机构"),
    (MAKER, Role::SealMaker, "印信电子印章制作"),
    (TIME_STAMPING, Role::TimeStamping, "印信时间戳服务"),
];

/// Longest reference in octets.
const LONGEST_REFERENCE: usize = 200;

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
    Theirs(Box<PublicKey>),
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
    /// Who signed it; `None` for a root.
    pub issuer: Option<CertId>,
    /// What it is for: certificates that follow each other share it, and the first one bears it as its reference.
    pub line: String,
    /// From 1 in its line.
    pub generation: i64,
    /// From when on it is used in the place of the one before; `None`: from its issue on.
    pub active_from: Option<Timestamp>,
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
    pub meters: Meters,
    /// The own authorities as they were seen last.
    authorities: Mutex<Option<Arc<Authorities>>>,
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
        let (authorities, meters) = (Mutex::default(), Meters::default());
        Self(Arc::new(Inner { store, keystore, pool, entropy, settings, meters, authorities }))
    }

    /// What it counts as it works.
    pub fn meters(&self) -> &Meters {
        &self.0.meters
    }

    /// Makes what is missing of root, issuing, seal-maker and time-stamping certificate, and completes every intent
    /// that a crash left. Does nothing where all is there, so it runs at each start.
    pub async fn bootstrap(&self, act: &Act<'_>) -> Result<(), AuthorityError> {
        for (reference, role, name) in OWN {
            let subject = self.0.settings.own_subject(name)?;
            let ask = Ask { reference: reference.to_owned(), subject, key: SubjectKey::Fresh };
            self.issue(act, &Draft::first(role, ask)).await?;
        }
        self.complete_intents(act).await.map(|_| ())
    }

    /// Completes intents that a crash left behind, 100 at most, the newest first; answers how many. One that can't be
    /// completed (its key was destroyed, say) is logged and stays; it holds up neither the others nor the start.
    pub async fn complete_intents(&self, act: &Act<'_>) -> Result<usize, AuthorityError> {
        self.complete_intents_before(act, Timestamp::from_ms(i64::MAX)).await
    }

    /// The same for what was begun before `before`: younger ones another node may be at work on.
    pub async fn complete_intents_before(
        &self,
        act: &Act<'_>,
        before: Timestamp,
    ) -> Result<usize, AuthorityError> {
        let rows = self.0.store.read(async |rx| store::intended(rx, before).await).await?;
        let mut count = 0;
        for row in rows {
            let id = row.id.clone();
            match self.complete(act, row).await {
                Ok(_) => count += 1,
                Err(AuthorityError::Store(error)) => return Err(error.into()),
                Err(error) => {
                    tracing::warn!(name: "authority.intent_open", %id, code = error.code(), %error, "an intent stays open")
                }
            }
        }
        Ok(count)
    }

    /// Certifies a seal maker (制作主体).
    pub async fn issue_maker(&self, act: &Act<'_>, ask: &Ask) -> Result<Issued, AuthorityError> {
        check_reference(&ask.reference)?;
        self.issue(act, &Draft::first(Role::SealMaker, ask.clone())).await
    }

    /// Certifies a seal owner (使用主体).
    pub async fn issue_owner(&self, act: &Act<'_>, ask: &Ask) -> Result<Issued, AuthorityError> {
        check_reference(&ask.reference)?;
        self.issue(act, &Draft::first(Role::SealOwner, ask.clone())).await
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
                job::enqueue(tx, &RenewList { serial: serial.to_owned() }, act.now).await?;
                Ok(())
            })
            .await
    }

    /// The certificate that a reference names; `None` where there is none, or only an intent.
    pub async fn find(&self, reference: &str) -> Result<Option<Issued>, AuthorityError> {
        self.0.store.read(async |rx| self.find_in(rx, reference).await).await
    }

    /// The same, as seen by an act of another room: inside its transaction.
    pub async fn find_in(&self, rx: &mut Rx, reference: &str) -> Result<Option<Issued>, AuthorityError> {
        match store::find(rx, reference).await? {
            Some(row) if row.state != CertState::Intended => Issued::of(row).map(Some),
            _ => Ok(None),
        }
    }

    /// The certificate with this serial number (hex as [`Cert::serial_hex`] gives it), as seen by an act of another room:
    /// inside its transaction.
    pub async fn find_by_serial_in(
        &self,
        rx: &mut Rx,
        serial: &str,
    ) -> Result<Option<Issued>, AuthorityError> {
        match store::find_by_serial(rx, serial).await? {
            Some(row) if row.state != CertState::Intended => Issued::of(row).map(Some),
            _ => Ok(None),
        }
    }

    /// The newest root: the anchor that others trust.
    pub async fn root(&self) -> Result<Cert, AuthorityError> {
        let roots = self.authorities().await?.roots();
        roots.into_iter().next().ok_or_else(|| AuthorityError::not_ready(ROOT))
    }

    /// The certificates above all that were ever issued, the newest first of each kind: issuing authorities, roots as
    /// certified by other roots, roots.
    pub async fn chain(&self) -> Result<Vec<Cert>, AuthorityError> {
        let own = self.authorities().await?;
        Ok([own.between(), own.roots()].concat())
    }

    /// The seal maker that [`Authority::bootstrap`] made, or its successor.
    pub async fn maker(&self) -> Result<Issued, AuthorityError> {
        self.own(MAKER, Timestamp::from_ms(i64::MAX)).await
    }

    /// Every certificate of a seal maker, the revoked ones among them: nobody else whom we certified makes seals.
    pub async fn makers(&self) -> Result<Vec<Cert>, AuthorityError> {
        let rows = self.0.store.read(async |rx| store::of_role(rx, Role::SealMaker).await).await?;
        rows.into_iter().map(|row| Issued::of(row).map(|issued| issued.cert)).collect()
    }

    /// The certificate of a line that is in use at `now`, whatever became of it.
    pub async fn own(&self, line: &str, now: Timestamp) -> Result<Issued, AuthorityError> {
        let row = self.0.store.read(async |rx| store::current(rx, line, now).await).await?;
        Issued::of(row.ok_or_else(|| AuthorityError::not_ready(line))?)
    }

    /// The signer of one of our own certificates, if it may sign at `now`.
    pub(super) async fn signer_of(
        &self,
        own: &Issued,
        now: Timestamp,
    ) -> Result<Arc<dyn Signer>, AuthorityError> {
        let within = own.cert.not_before() <= now && now <= own.cert.not_after();
        if own.state != CertState::Valid || !within {
            return Err(AuthorityError::OutOfPeriod { reference: own.reference.clone() });
        }
        let key = own.key.as_ref().ok_or_else(|| AuthorityError::not_ready(&own.reference))?;
        Ok(self.0.keystore.signer(key).await?)
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
            issuer: row.issuer,
            line: row.line,
            generation: row.generation,
            active_from: row.active_from,
        })
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
