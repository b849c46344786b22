//! The SQL of idempotency keys.

use super::{IdempotencyKey, Unreserved};
use crate::{
    base::Timestamp,
    store::{FromRow, Row, Rx, Statement, StoreError, Tx},
};

const RESERVE: Statement = Statement::portable(
    "idempotency.reserve",
    "INSERT INTO idempotency (caller, name, operation, body_sm3, holder, lease_until, expires_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (caller, name) DO NOTHING",
);
/// Key, subject and answer in one, for what is written with its effect.
const KEEP: Statement = Statement::portable(
    "idempotency.keep",
    "INSERT INTO idempotency (caller, name, operation, body_sm3, holder, lease_until, expires_at, subject, status,
            content_type, location, answer)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT (caller, name) DO NOTHING",
);
const IS_KNOWN: Statement = Statement::portable(
    "idempotency.is_known",
    "SELECT count(*) FROM idempotency WHERE caller = $1 AND name = $2",
);
const FIND: Statement = Statement::split(
    "idempotency.find",
    "SELECT caller, name, holder, subject, operation, body_sm3, lease_until, expires_at, status, content_type,
            location, answer
     FROM idempotency WHERE caller = $1 AND name = $2",
    "SELECT caller, name, holder, subject, operation, body_sm3, lease_until, expires_at, status, content_type,
            location, answer
     FROM idempotency WHERE caller = $1 AND name = $2 FOR UPDATE",
);
const REPLACE: Statement = Statement::portable(
    "idempotency.replace",
    "UPDATE idempotency SET operation = $3, body_sm3 = $4, holder = $5, lease_until = $6, expires_at = $7,
            subject = NULL, status = NULL, content_type = NULL, location = NULL, answer = NULL
     WHERE caller = $1 AND name = $2",
);
const TAKE_OVER: Statement = Statement::portable(
    "idempotency.take_over",
    "UPDATE idempotency SET holder = $3, lease_until = $4 WHERE caller = $1 AND name = $2 AND status IS NULL",
);
const WRITE_SUBJECT: Statement = Statement::portable(
    "idempotency.write_subject",
    "UPDATE idempotency SET subject = $4
     WHERE caller = $1 AND name = $2 AND holder = $3 AND subject IS NULL AND status IS NULL",
);
const SETTLE: Statement = Statement::portable(
    "idempotency.settle",
    "UPDATE idempotency SET status = $4, content_type = $5, location = $6, answer = $7
     WHERE caller = $1 AND name = $2 AND holder = $3 AND status IS NULL",
);
const RELEASE: Statement = Statement::portable(
    "idempotency.release",
    "DELETE FROM idempotency
     WHERE caller = $1 AND name = $2 AND holder = $3 AND subject IS NULL AND status IS NULL",
);
const END_LEASE: Statement = Statement::portable(
    "idempotency.end_lease",
    "UPDATE idempotency SET lease_until = $4 WHERE caller = $1 AND name = $2 AND holder = $3 AND status IS NULL",
);
const END_LEASES: Statement = Statement::portable(
    "idempotency.end_leases",
    "UPDATE idempotency SET lease_until = $1 WHERE status IS NULL AND lease_until > $1",
);
const DELETE_EXPIRED: Statement = Statement::portable(
    "idempotency.delete_expired",
    "DELETE FROM idempotency WHERE (caller, name) IN
     (SELECT caller, name FROM idempotency WHERE expires_at <= $1 ORDER BY expires_at LIMIT 1000)",
);

/// Every statement of this room, for the test that prepares them all.
pub const STATEMENTS: &[&Statement] = &[
    &RESERVE,
    &KEEP,
    &IS_KNOWN,
    &FIND,
    &REPLACE,
    &TAKE_OVER,
    &WRITE_SUBJECT,
    &SETTLE,
    &RELEASE,
    &END_LEASE,
    &END_LEASES,
    &DELETE_EXPIRED,
];

pub(super) struct Record {
    pub key: IdempotencyKey,
    pub operation: String,
    pub body_sm3: Vec<u8>,
    pub lease_until: Timestamp,
    pub expires_at: Timestamp,
    /// The answer, once there is one.
    pub settled: Option<Settled>,
}

/// A stored answer; without `answer` where it was too long.
pub(super) struct Settled {
    pub status: u16,
    pub content_type: Option<String>,
    pub location: Option<String>,
    pub answer: Option<Vec<u8>>,
}

impl FromRow for Record {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        let settled = match row.opt_int(8)? {
            None => None,
            Some(status) => Some(Settled {
                status: u16::try_from(status)
                    .map_err(|_| StoreError::Corrupt { says: "idempotency.status is no status".into() })?,
                content_type: row.opt_text(9)?,
                location: row.opt_text(10)?,
                answer: row.opt_bytes(11)?,
            }),
        };
        let (caller, name, holder, earlier) = (row.text(0)?, row.text(1)?, row.text(2)?, row.opt_text(3)?);
        Ok(Self {
            key: IdempotencyKey { caller, name, holder, earlier, unreserved: None },
            operation: row.text(4)?,
            body_sm3: row.bytes(5)?,
            lease_until: row.timestamp(6)?,
            expires_at: row.timestamp(7)?,
            settled,
        })
    }
}

/// Whether the key was free and is now this holder's.
pub(super) async fn reserve(tx: &mut Tx, record: &Record) -> Result<bool, StoreError> {
    write(tx, &RESERVE, record).await
}

/// Whether the key was free; now it is kept with its subject, and its answer where there is one to keep.
pub(super) async fn keep(
    tx: &mut Tx,
    key: &IdempotencyKey,
    whole: &Unreserved,
    subject: &str,
    answer: Option<&Settled>,
) -> Result<bool, StoreError> {
    let values = [
        (&key.caller).into(),
        (&key.name).into(),
        whole.operation.into(),
        (&whole.body_sm3).into(),
        (&key.holder).into(),
        // No lease: the holder is done once this is committed.
        Timestamp::from_ms(0).into(),
        whole.expires_at.into(),
        subject.into(),
        answer.map(|answer| i64::from(answer.status)).into(),
        answer.and_then(|answer| answer.content_type.as_deref()).into(),
        answer.and_then(|answer| answer.location.as_deref()).into(),
        answer.and_then(|answer| answer.answer.as_deref()).into(),
    ];
    Ok(tx.execute(&KEEP, &values).await? == 1)
}

/// Whether there is such a key.
pub(super) async fn is_known(rx: &mut Rx, key: &IdempotencyKey) -> Result<bool, StoreError> {
    Ok(rx.one::<i64>(&IS_KNOWN, &[(&key.caller).into(), (&key.name).into()]).await? > 0)
}

/// Starts a key anew whose time is over.
pub(super) async fn replace(tx: &mut Tx, record: &Record) -> Result<bool, StoreError> {
    write(tx, &REPLACE, record).await
}

async fn write(tx: &mut Tx, statement: &Statement, record: &Record) -> Result<bool, StoreError> {
    let key = &record.key;
    let values = [
        (&key.caller).into(),
        (&key.name).into(),
        (&record.operation).into(),
        (&record.body_sm3).into(),
        (&key.holder).into(),
        record.lease_until.into(),
        record.expires_at.into(),
    ];
    Ok(tx.execute(statement, &values).await? == 1)
}

/// The reservation; `None` where it was freed a moment ago.
pub(super) async fn find(tx: &mut Tx, key: &IdempotencyKey) -> Result<Option<Record>, StoreError> {
    tx.optional(&FIND, &[(&key.caller).into(), (&key.name).into()]).await
}

pub(super) async fn take_over(tx: &mut Tx, key: &IdempotencyKey, until: Timestamp) -> Result<(), StoreError> {
    let values = [(&key.caller).into(), (&key.name).into(), (&key.holder).into(), until.into()];
    tx.execute(&TAKE_OVER, &values).await.map(|_| ())
}

/// Whether the reservation was still this holder's, and empty.
pub(super) async fn write_subject(
    tx: &mut Tx,
    key: &IdempotencyKey,
    subject: &str,
) -> Result<bool, StoreError> {
    let values = [(&key.caller).into(), (&key.name).into(), (&key.holder).into(), subject.into()];
    Ok(tx.execute(&WRITE_SUBJECT, &values).await? == 1)
}

/// Whether the reservation was still this holder's, and open.
pub(super) async fn settle(tx: &mut Tx, key: &IdempotencyKey, settled: &Settled) -> Result<bool, StoreError> {
    let values = [
        (&key.caller).into(),
        (&key.name).into(),
        (&key.holder).into(),
        i64::from(settled.status).into(),
        (&settled.content_type).into(),
        (&settled.location).into(),
        settled.answer.as_deref().into(),
    ];
    Ok(tx.execute(&SETTLE, &values).await? == 1)
}

/// Frees a key that led to nothing; one that led to a subject may be asked about again at once. Whether there was one.
pub(super) async fn release(tx: &mut Tx, key: &IdempotencyKey, past: Timestamp) -> Result<bool, StoreError> {
    let mine = [(&key.caller).into(), (&key.name).into(), (&key.holder).into()];
    if tx.execute(&RELEASE, &mine).await? > 0 {
        return Ok(true);
    }
    let [caller, name, holder] = mine;
    Ok(tx.execute(&END_LEASE, &[caller, name, holder, past.into()]).await? > 0)
}

/// Ends the lease of every holder, so that the next attempt takes over at once.
pub(super) async fn end_leases(tx: &mut Tx, now: Timestamp) -> Result<u64, StoreError> {
    tx.execute(&END_LEASES, &[now.into()]).await
}

pub(super) async fn delete_expired(tx: &mut Tx, now: Timestamp) -> Result<u64, StoreError> {
    tx.execute(&DELETE_EXPIRED, &[now.into()]).await
}
