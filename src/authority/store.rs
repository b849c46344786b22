//! The authority's SQL.

pub mod census;

use super::{CertId, CertState, Role, SubjectFields};
use crate::{
    base::Timestamp,
    keys::KeyId,
    store::{FromRow, Row, Rx, Statement, StoreError, Tx},
};
use yinxin_pki::x509::{Crl, Reason};

const FIND: Statement = Statement::portable(
    "authority.find",
    "SELECT id, reference, role, issuer, serial, key_id, public_key, subject, not_before_ms, not_after_ms, state, \
     cert, revoked_at_ms, reason FROM authority_cert WHERE reference = $1",
);

const FIND_BY_SERIAL: Statement = Statement::portable(
    "authority.find_by_serial",
    "SELECT id, reference, role, issuer, serial, key_id, public_key, subject, not_before_ms, not_after_ms, state, \
     cert, revoked_at_ms, reason FROM authority_cert WHERE serial = $1",
);

const FIND_BY_ID: Statement = Statement::portable(
    "authority.find_by_id",
    "SELECT id, reference, role, issuer, serial, key_id, public_key, subject, not_before_ms, not_after_ms, state, \
     cert, revoked_at_ms, reason FROM authority_cert WHERE id = $1",
);

/// Those that a crash left behind, newest first: old ones that can't be completed hold up nothing.
const INTENDED: Statement = Statement::portable(
    "authority.intended",
    "SELECT id, reference, role, issuer, serial, key_id, public_key, subject, not_before_ms, not_after_ms, state, \
     cert, revoked_at_ms, reason FROM authority_cert WHERE state = 'intended' \
     ORDER BY intended_at_ms DESC, id LIMIT 100",
);

const INSERT: Statement = Statement::portable(
    "authority.insert",
    "INSERT INTO authority_cert (id, reference, role, issuer, serial, key_id, public_key, subject, not_before_ms, \
     not_after_ms, state, intended_at_ms) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 'intended', $11) \
     ON CONFLICT (reference) DO NOTHING",
);

const ISSUE: Statement = Statement::portable(
    "authority.issue",
    "UPDATE authority_cert SET state = 'valid', cert = $2, issued_at_ms = $3 WHERE id = $1 AND state = 'intended'",
);

/// Every maker there ever was: what a revocation says of one is for its list to say.
const MAKERS: Statement = Statement::portable(
    "authority.makers",
    "SELECT id, reference, role, issuer, serial, key_id, public_key, subject, not_before_ms, not_after_ms, state, \
     cert, revoked_at_ms, reason FROM authority_cert WHERE role = 'seal-maker' AND state <> 'intended' ORDER BY id",
);

const REVOKE: Statement = Statement::portable(
    "authority.revoke",
    "UPDATE authority_cert SET state = 'revoked', revoked_at_ms = $2, reason = $3 WHERE id = $1 AND state = 'valid'",
);

const REVOCATIONS: Statement = Statement::portable(
    "authority.revocations",
    "SELECT count(*) FROM authority_cert WHERE state = 'revoked'",
);

const REVOKED: Statement = Statement::portable(
    "authority.revoked",
    "SELECT serial, revoked_at_ms, reason FROM authority_cert WHERE state = 'revoked' ORDER BY revoked_at_ms, serial \
     LIMIT $1",
);

const LAST_CRL: Statement = Statement::portable(
    "authority.last_crl",
    "SELECT number, this_update_ms, next_update_ms, revocations, crl FROM authority_crl ORDER BY number DESC LIMIT 1",
);

const INSERT_CRL: Statement = Statement::portable(
    "authority.insert_crl",
    "INSERT INTO authority_crl (number, this_update_ms, next_update_ms, revocations, crl) \
     VALUES ($1, $2, $3, $4, $5) ON CONFLICT (number) DO NOTHING",
);

/// Every statement of the room, for the test that prepares them on both engines.
pub const STATEMENTS: &[&Statement] = &[
    &FIND,
    &FIND_BY_SERIAL,
    &FIND_BY_ID,
    &INTENDED,
    &INSERT,
    &MAKERS,
    &ISSUE,
    &REVOKE,
    &REVOCATIONS,
    &REVOKED,
    &LAST_CRL,
    &INSERT_CRL,
    &census::ENDS,
    &census::OWN_ENDS,
    &census::OPEN,
    &census::LIST_ENDS,
];

/// A certificate's row.
#[derive(Debug, Clone)]
pub(super) struct CertRow {
    pub id: CertId,
    pub reference: String,
    pub role: Role,
    /// Who signs it; `None` for the root, which signs itself.
    pub issuer: Option<CertId>,
    /// Hex, in lower case.
    pub serial: String,
    /// The key, where it is one of this service's.
    pub key: Option<KeyId>,
    /// SubjectPublicKeyInfo, DER.
    pub public_key: Vec<u8>,
    pub subject: SubjectFields,
    pub not_before: Timestamp,
    pub not_after: Timestamp,
    pub state: CertState,
    /// DER; `None` while it is intended.
    pub cert: Option<Vec<u8>>,
}

/// A revocation list's row.
#[derive(Debug, Clone)]
pub(super) struct CrlRow {
    pub number: i64,
    pub this_update: Timestamp,
    pub next_update: Timestamp,
    /// How many revocations there were when it was made.
    pub revocations: i64,
    pub crl: Vec<u8>,
}

/// What the list says of one certificate.
#[derive(Debug, Clone)]
pub(super) struct RevokedRow {
    pub serial: String,
    pub at: Timestamp,
    pub reason: Reason,
}

pub(super) async fn find(rx: &mut Rx, reference: &str) -> Result<Option<CertRow>, StoreError> {
    rx.optional(&FIND, &[reference.into()]).await
}

pub(super) async fn find_by_serial(rx: &mut Rx, serial: &str) -> Result<Option<CertRow>, StoreError> {
    rx.optional(&FIND_BY_SERIAL, &[serial.into()]).await
}

pub(super) async fn find_by_id(rx: &mut Rx, id: &CertId) -> Result<Option<CertRow>, StoreError> {
    rx.optional(&FIND_BY_ID, &[id.as_str().into()]).await
}

/// Up to 100 certificates that are intended.
pub(super) async fn intended(rx: &mut Rx) -> Result<Vec<CertRow>, StoreError> {
    rx.all(&INTENDED, &[]).await
}

/// Certificates of makers, the revoked ones among them.
pub(super) async fn makers(rx: &mut Rx) -> Result<Vec<CertRow>, StoreError> {
    rx.all(&MAKERS, &[]).await
}

/// `false` where the reference is taken.
pub(super) async fn insert(tx: &mut Tx, row: &CertRow, now: Timestamp) -> Result<bool, StoreError> {
    let subject = serde_json::to_string(&row.subject).map_err(|_| corrupt("a subject cannot be written"))?;
    let values = [
        row.id.as_str().into(),
        (&row.reference).into(),
        row.role.as_str().into(),
        row.issuer.as_ref().map(CertId::as_str).into(),
        (&row.serial).into(),
        row.key.as_ref().map(KeyId::as_str).into(),
        (&row.public_key).into(),
        (&subject).into(),
        row.not_before.into(),
        row.not_after.into(),
        now.into(),
    ];
    Ok(tx.execute(&INSERT, &values).await? == 1)
}

/// `false` where somebody else recorded it before.
pub(super) async fn issue(tx: &mut Tx, id: &CertId, cert: &[u8], now: Timestamp) -> Result<bool, StoreError> {
    Ok(tx.execute(&ISSUE, &[id.as_str().into(), cert.into(), now.into()]).await? == 1)
}

/// `false` where it is not valid any more.
pub(super) async fn revoke(
    tx: &mut Tx,
    id: &CertId,
    reason: Reason,
    at: Timestamp,
) -> Result<bool, StoreError> {
    Ok(tx.execute(&REVOKE, &[id.as_str().into(), at.into(), i64::from(reason as u8).into()]).await? == 1)
}

pub(super) async fn revocations(rx: &mut Rx) -> Result<i64, StoreError> {
    rx.one(&REVOCATIONS, &[]).await
}

/// All revocations, as many as a list may hold.
pub(super) async fn revoked(rx: &mut Rx) -> Result<Vec<RevokedRow>, StoreError> {
    rx.all(&REVOKED, &[i64::try_from(Crl::ENTRIES_MAX).unwrap_or(i64::MAX).into()]).await
}

pub(super) async fn last_crl(rx: &mut Rx) -> Result<Option<CrlRow>, StoreError> {
    rx.optional(&LAST_CRL, &[]).await
}

/// `false` where the number is taken.
pub(super) async fn insert_crl(tx: &mut Tx, row: &CrlRow) -> Result<bool, StoreError> {
    let values = [
        row.number.into(),
        row.this_update.into(),
        row.next_update.into(),
        row.revocations.into(),
        (&row.crl).into(),
    ];
    Ok(tx.execute(&INSERT_CRL, &values).await? == 1)
}

impl FromRow for CertRow {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        let role = Role::parse(&row.text(2)?).ok_or_else(|| corrupt("a certificate's role"))?;
        let subject = serde_json::from_str(&row.text(7)?).map_err(|_| corrupt("a certificate's subject"))?;
        let state = match (row.text(10)?.as_str(), row.opt_timestamp(12)?, row.opt_int(13)?) {
            ("intended", None, None) => CertState::Intended,
            ("valid", None, None) => CertState::Valid,
            ("revoked", Some(at), Some(reason)) => CertState::Revoked { at, reason: reason_of(reason)? },
            _ => return Err(corrupt("a certificate's state")),
        };
        Ok(Self {
            id: CertId::from_row(row.text(0)?),
            reference: row.text(1)?,
            role,
            issuer: row.opt_text(3)?.map(CertId::from_row),
            serial: row.text(4)?,
            key: row.opt_text(5)?.map(KeyId::from_row),
            public_key: row.bytes(6)?,
            subject,
            not_before: row.timestamp(8)?,
            not_after: row.timestamp(9)?,
            state,
            cert: row.opt_bytes(11)?,
        })
    }
}

impl FromRow for RevokedRow {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self { serial: row.text(0)?, at: row.timestamp(1)?, reason: reason_of(row.int(2)?)? })
    }
}

impl FromRow for CrlRow {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            number: row.int(0)?,
            this_update: row.timestamp(1)?,
            next_update: row.timestamp(2)?,
            revocations: row.int(3)?,
            crl: row.bytes(4)?,
        })
    }
}

fn reason_of(number: i64) -> Result<Reason, StoreError> {
    let reason = u8::try_from(number).ok().and_then(Reason::from_number);
    reason.ok_or_else(|| corrupt("a revocation's reason"))
}

fn corrupt(what: &str) -> StoreError {
    StoreError::Corrupt { says: format!("{what} in authority_cert is not one that was written") }
}
