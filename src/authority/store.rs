//! The authority's SQL.

pub mod census;

use super::{CertId, CertState, Role, SubjectFields};
use crate::{
    base::Timestamp,
    keys::KeyId,
    store::{FromRow, Row, Rx, Statement, StoreError, Tx},
};
use yinxin_pki::x509::{Crl, Reason};

/// The columns of a [`CertRow`], in the order that `from_row` reads them, and the rest of the statement.
macro_rules! select {
    ($name:literal, $($rest:literal),+) => {
        Statement::portable($name, concat!(
            "SELECT id, reference, role, issuer, serial, key_id, public_key, subject, not_before_ms, not_after_ms, \
             state, cert, revoked_at_ms, reason, COALESCE(line, reference), COALESCE(generation, 1), active_from_ms \
             FROM authority_cert WHERE ",
            $($rest),+
        ))
    };
}

const FIND: Statement = select!("authority.find", "reference = $1");

const FIND_BY_SERIAL: Statement = select!("authority.find_by_serial", "serial = $1");

const FIND_BY_ID: Statement = select!("authority.find_by_id", "id = $1");

/// The newest of a line that is in use at an instant, whatever became of it.
const CURRENT: Statement = select!(
    "authority.current",
    "(reference = $1 OR line = $1) AND state <> 'intended' AND COALESCE(active_from_ms, 0) <= $2 \
     ORDER BY COALESCE(generation, 1) DESC LIMIT 1"
);

/// A whole line, the newest first, intents among them.
const LINE: Statement =
    select!("authority.line", "reference = $1 OR line = $1 ORDER BY COALESCE(generation, 1) DESC LIMIT 100");

/// Certificates of the service itself with this role: few, and the index knows them.
const OF_ROLE: Statement = select!(
    "authority.of_role",
    "role <> 'seal-owner' AND role = $1 AND state <> 'intended' ORDER BY id LIMIT 10000"
);

const AUTHORITIES: Statement = select!(
    "authority.authorities",
    "role <> 'seal-owner' AND role IN ('root', 'issuing', 'cross') AND state <> 'intended' \
     ORDER BY COALESCE(generation, 1) DESC, id LIMIT 1000"
);

/// Those that a crash left behind, newest first: old ones that can't be completed hold up nothing.
const INTENDED: Statement = select!(
    "authority.intended",
    "state = 'intended' AND intended_at_ms < $1 ORDER BY intended_at_ms DESC, id LIMIT 100"
);

const INSERT: Statement = Statement::portable(
    "authority.insert",
    "INSERT INTO authority_cert (id, reference, role, issuer, serial, key_id, public_key, subject, not_before_ms, \
     not_after_ms, state, intended_at_ms, line, generation, active_from_ms) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 'intended', $11, $12, $13, $14) ON CONFLICT (reference) DO NOTHING",
);

const ISSUE: Statement = Statement::portable(
    "authority.issue",
    "UPDATE authority_cert SET state = 'valid', cert = $2, issued_at_ms = $3 WHERE id = $1 AND state = 'intended'",
);

const REVOKE: Statement = Statement::portable(
    "authority.revoke",
    "UPDATE authority_cert SET state = 'revoked', revoked_at_ms = $2, reason = $3 WHERE id = $1 AND state = 'valid'",
);

const REVOCATIONS: Statement = Statement::portable(
    "authority.revocations",
    "SELECT count(*) FROM authority_cert WHERE state = 'revoked' AND issuer = $1",
);

const REVOKED: Statement = Statement::portable(
    "authority.revoked",
    "SELECT serial, revoked_at_ms, reason FROM authority_cert WHERE state = 'revoked' AND issuer = $1 \
     ORDER BY revoked_at_ms, serial LIMIT $2",
);

/// A list that names no issuer is the first one's, `$2`.
const LAST_CRL: Statement = Statement::portable(
    "authority.last_crl",
    "SELECT number, this_update_ms, next_update_ms, revocations, crl FROM authority_crl \
     WHERE COALESCE(issuer, $2) = $1 ORDER BY number DESC LIMIT 1",
);

/// Lists of all issuers are numbered in one row: each one's numbers only rise (RFC 5280 5.2.3).
const LAST_NUMBER: Statement =
    Statement::portable("authority.last_number", "SELECT COALESCE(MAX(number), 0) FROM authority_crl");

const INSERT_CRL: Statement = Statement::portable(
    "authority.insert_crl",
    "INSERT INTO authority_crl (number, this_update_ms, next_update_ms, revocations, crl, issuer) \
     VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (number) DO NOTHING",
);

/// Every statement of the room, for the test that prepares them on both engines.
pub const STATEMENTS: &[&Statement] = &[
    &FIND,
    &FIND_BY_SERIAL,
    &FIND_BY_ID,
    &CURRENT,
    &LINE,
    &OF_ROLE,
    &AUTHORITIES,
    &INTENDED,
    &INSERT,
    &ISSUE,
    &REVOKE,
    &REVOCATIONS,
    &REVOKED,
    &LAST_CRL,
    &LAST_NUMBER,
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
    /// What it is for: certificates that follow each other share it, and the first one bears it as its reference.
    pub line: String,
    /// From 1 in its line.
    pub generation: i64,
    /// From when on it is used in the place of the one before; `None`: from its issue on.
    pub active_from: Option<Timestamp>,
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

/// Whose list is meant: an issuing authority, and the first one there was.
#[derive(Debug, Clone, Copy)]
pub(super) struct ListOf<'a> {
    pub issuer: &'a CertId,
    pub first: &'a CertId,
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

/// Up to 100 certificates that were intended before `before`, and are no more than that.
pub(super) async fn intended(rx: &mut Rx, before: Timestamp) -> Result<Vec<CertRow>, StoreError> {
    rx.all(&INTENDED, &[before.into()]).await
}

/// The newest of a line that is in use at `now`.
pub(super) async fn current(rx: &mut Rx, line: &str, now: Timestamp) -> Result<Option<CertRow>, StoreError> {
    rx.optional(&CURRENT, &[line.into(), now.into()]).await
}

/// A line, the newest first, intents among them.
pub(super) async fn line(rx: &mut Rx, line: &str) -> Result<Vec<CertRow>, StoreError> {
    rx.all(&LINE, &[line.into()]).await
}

/// Certificates of this role, the revoked ones among them. Not for owners of seals, of whom there are many.
pub(super) async fn of_role(rx: &mut Rx, role: Role) -> Result<Vec<CertRow>, StoreError> {
    rx.all(&OF_ROLE, &[role.as_str().into()]).await
}

/// Roots, issuing authorities, and roots by other roots; the newest first.
pub(super) async fn authorities(rx: &mut Rx) -> Result<Vec<CertRow>, StoreError> {
    rx.all(&AUTHORITIES, &[]).await
}

/// `false` where the reference is taken.
pub(super) async fn insert(tx: &mut Tx, row: &CertRow, now: Timestamp) -> Result<bool, StoreError> {
    let subject = serde_json::to_string(&row.subject).map_err(|_| corrupt("a subject cannot be written"))?;
    // The first of a line is written as the first release wrote it.
    let later = row.generation > 1;
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
        later.then_some(row.line.as_str()).into(),
        later.then_some(row.generation).into(),
        row.active_from.into(),
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

pub(super) async fn revocations(rx: &mut Rx, issuer: &CertId) -> Result<i64, StoreError> {
    rx.one(&REVOCATIONS, &[issuer.as_str().into()]).await
}

/// All revocations of an issuer's certificates, as many as a list may hold.
pub(super) async fn revoked(rx: &mut Rx, issuer: &CertId) -> Result<Vec<RevokedRow>, StoreError> {
    let most = i64::try_from(Crl::ENTRIES_MAX).unwrap_or(i64::MAX);
    rx.all(&REVOKED, &[issuer.as_str().into(), most.into()]).await
}

pub(super) async fn last_crl(rx: &mut Rx, of: ListOf<'_>) -> Result<Option<CrlRow>, StoreError> {
    rx.optional(&LAST_CRL, &[of.issuer.as_str().into(), of.first.as_str().into()]).await
}

/// The highest number that any list has; 0 where there is none.
pub(super) async fn last_number(rx: &mut Rx) -> Result<i64, StoreError> {
    rx.one(&LAST_NUMBER, &[]).await
}

/// `false` where the number is taken.
pub(super) async fn insert_crl(tx: &mut Tx, row: &CrlRow, issuer: &CertId) -> Result<bool, StoreError> {
    let values = [
        row.number.into(),
        row.this_update.into(),
        row.next_update.into(),
        row.revocations.into(),
        (&row.crl).into(),
        issuer.as_str().into(),
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
            line: row.text(14)?,
            generation: row.int(15)?,
            active_from: row.opt_timestamp(16)?,
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
