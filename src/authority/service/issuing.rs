//! How a certificate is made, in five steps: intent written, committed, signed in the pool, checked by our own reader and
//! path validation, recorded. A crash between two of them leaves an intent that the next start, or the same act again,
//! completes.

use super::{Act, Ask, Authority, ISSUING, Issued, ROOT, SubjectKey};
use crate::{
    audit,
    authority::{
        AuthorityError, CertId, CertState, Role, paper,
        store::{self, CertRow},
    },
    base::{Timestamp, failpoint},
    keys::{KeyId, KeyKind},
    store::Tx,
};
use rand_core::CryptoRng;
use serde_json::json;
use yinxin_pki::{
    sign::PublicKey,
    x509::{self, Cert, issue::Issuer},
};

const SERIAL_BYTES: usize = 16;

/// What is to be issued: for whom, and in which place of its line.
pub(super) struct Draft {
    pub role: Role,
    pub ask: Ask,
    pub line: String,
    pub generation: i64,
    pub active_from: Option<Timestamp>,
    /// Who signs; `None`: whoever does so at the time.
    pub issuer: Option<Issued>,
}

impl Draft {
    /// The first of a line.
    pub fn first(role: Role, ask: Ask) -> Self {
        let line = ask.reference.clone();
        Self { role, ask, line, generation: 1, active_from: None, issuer: None }
    }
}

impl Authority {
    pub(super) async fn issue(&self, act: &Act<'_>, draft: &Draft) -> Result<Issued, AuthorityError> {
        let Draft { role, ask, .. } = draft;
        let row = self.0.store.read(async |rx| store::find(rx, &ask.reference).await).await?;
        let row = match row {
            Some(row) => row,
            None => self.intend(act, draft).await?,
        };
        if row.role != *role || row.subject != ask.subject || !ask.key.fits(&row) {
            return Err(AuthorityError::Taken { reference: ask.reference.clone() });
        }
        self.complete(act, row).await
    }

    /// Steps one and two: the intent, with its key and its audit entry, in one transaction.
    async fn intend(&self, act: &Act<'_>, draft: &Draft) -> Result<CertRow, AuthorityError> {
        let Draft { role, ask, .. } = draft;
        let issuer = match (&draft.issuer, role.issuer()) {
            (Some(issuer), _) => Some(issuer.clone()),
            (None, Some(Role::Root)) => Some(self.own(ROOT, act.now).await?),
            (None, Some(_)) => Some(self.own(ISSUING, act.now).await?),
            (None, None) => None,
        };
        let intent = async |tx: &mut Tx| {
            let (key, public_key) = self.subject_key(tx, *role, &ask.key, act.now).await?;
            let row = self.intended_row(draft, issuer.as_ref(), key, &public_key, act.now)?;
            if !store::insert(tx, &row, act.now).await? {
                // Another node was faster; an error takes our key back.
                return Err(AuthorityError::Taken { reference: ask.reference.clone() });
            }
            let detail = json!({ "reference": row.reference, "role": role.as_str(), "serial": row.serial });
            audit::append(tx, &act.entry("authority.certificate_intended", &row.id, detail)).await?;
            failpoint::reach("authority.issue.intended");
            Ok(row)
        };
        let intended = self.0.store.write(intent).await;
        failpoint::reach("authority.issue.committed");
        match intended {
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
            SubjectKey::Theirs(public_key) => return Ok((None, (**public_key).clone())),
            SubjectKey::Fresh => keystore.make(tx, role.key_purpose(), KeyKind::Sm2, now).await?,
            SubjectKey::Kept(id) => keystore.key(tx, id).await?,
        };
        key.may_serve(role.key_purpose())?;
        Ok((Some(key.id), key.public_key))
    }

    fn intended_row(
        &self,
        draft: &Draft,
        issuer: Option<&Issued>,
        key: Option<KeyId>,
        public_key: &PublicKey,
        now: Timestamp,
    ) -> Result<CertRow, AuthorityError> {
        let Draft { role, ask, .. } = draft;
        let mut serial = [0; SERIAL_BYTES];
        self.0.entropy.fill(&mut serial);
        // Positive, and never with a leading zero octet (RFC 5280 4.1.2.2).
        serial[0] = serial[0] & 0x7f | 0x40;
        let (not_before, not_after) = self.0.settings.period(*role, now);
        let not_after = issuer.map_or(not_after, |issuer| not_after.min(issuer.cert.not_after()));
        let not_before = issuer.map_or(not_before, |issuer| not_before.max(issuer.cert.not_before()));
        if not_before >= not_after {
            let reference = issuer.map_or_else(|| ask.reference.clone(), |issuer| issuer.reference.clone());
            return Err(AuthorityError::OutOfPeriod { reference });
        }
        Ok(CertRow {
            id: CertId::fresh(now, &*self.0.entropy),
            reference: ask.reference.clone(),
            role: *role,
            issuer: issuer.map(|issuer| issuer.id.clone()),
            serial: hex::encode(serial),
            key,
            public_key: x509::write_public_key(public_key),
            subject: ask.subject.clone(),
            not_before,
            not_after,
            state: CertState::Intended,
            cert: None,
            line: draft.line.clone(),
            generation: draft.generation,
            active_from: draft.active_from,
        })
    }

    /// Steps three to five: sign, check, record. What is recorded already is answered as it is.
    pub(super) async fn complete(&self, act: &Act<'_>, row: CertRow) -> Result<Issued, AuthorityError> {
        if row.state != CertState::Intended {
            return Issued::of(row);
        }
        let cert = match &row.issuer {
            None => self.sign_root(&row).await?,
            Some(issuer) => self.sign_under(&row, issuer, act.now).await?,
        };
        failpoint::reach("authority.issue.signed");
        if let Some(issuer) = row.issuer.as_ref().filter(|_| row.role.is_listed()) {
            let above = self.authorities_with(issuer).await?.above(issuer);
            let (above, root) = above.ok_or_else(|| AuthorityError::not_ready(ISSUING))?;
            paper::check_path(&row, &cert, &above, &root)?;
        }
        failpoint::reach("authority.issue.checked");
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
        let issuer = Issued::of(found.ok_or_else(|| AuthorityError::not_ready(issuer.as_str()))?)?;
        let signer = self.signer_of(&issuer, now).await?;
        let (row, inner) = (row.clone(), self.0.clone());
        let work = move |rng: &mut dyn CryptoRng| {
            let by = Issuer { cert: &issuer.cert, signer: &*signer };
            paper::issued(&row, &by, (&inner.settings, issuer.generation), rng)
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
                failpoint::reach("authority.issue.written");
                Ok(true)
            })
            .await?;
        failpoint::reach("authority.issue.recorded");
        if recorded {
            return Issued::of(CertRow { state, cert: Some(cert.der().to_vec()), ..row });
        }
        // Another node completed the same intent; its signature is the one that counts, ours is forgotten.
        self.find(&row.reference).await?.ok_or_else(|| AuthorityError::not_ready(&row.reference))
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
