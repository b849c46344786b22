//! The register of use 用印记录: who stamped what, when, with which seal.

use crate::{
    base::Timestamp,
    officer::OfficerId,
    seal::{
        nouns::SealId,
        register::OwnerId,
        stamp::{StampId, StampRecord, StampState},
    },
    store::{FromRow, Row, Rx, Statement, StoreError, Tx, Value},
};

macro_rules! columns {
    () => {
        "id, seal_id, owner_id, officer_id, state, document_sm3, document_bytes, signed_sm3, page, x_um, y_um, purpose, \
         time_stamped, intended_at, settled_at, product_sm3, failure"
    };
}

const INSERT: Statement = Statement::portable(
    "seal.stamp.insert",
    concat!(
        "INSERT INTO stamp (",
        columns!(),
        ", bucket) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)"
    ),
);
const FIND: Statement =
    Statement::portable("seal.stamp.find", concat!("SELECT ", columns!(), " FROM stamp WHERE id = $1"));
const PAGE: Statement = Statement::portable(
    "seal.stamp.page",
    concat!(
        "SELECT ",
        columns!(),
        " FROM stamp WHERE id > $1 AND ($2 = '' OR seal_id = $2) AND ($3 = '' OR officer_id = $3) \
         AND ($4 = '' OR document_sm3 = $4 OR product_sm3 = $4) AND intended_at >= $5 AND intended_at < $6 \
         ORDER BY id LIMIT $7"
    ),
);
const SETTLE: Statement = Statement::portable(
    "seal.stamp.settle",
    "UPDATE stamp SET state = $2, settled_at = $3, product_sm3 = $4, failure = $5 \
     WHERE id = $1 AND state = 'intended'",
);
const CLOSE_OPEN: Statement = Statement::portable(
    "seal.stamp.close_open",
    "UPDATE stamp SET state = 'abandoned', settled_at = $2, \
     failure = 'the service stopped before the stamp was finished; nothing was handed out' \
     WHERE state = 'intended' AND intended_at < $1",
);
const KEEP_INCREMENT: Statement = Statement::portable(
    "seal.stamp_increment.insert",
    "INSERT INTO stamp_increment (stamp_id, increment, kept_at) VALUES ($1, $2, $3)",
);
const INCREMENT: Statement = Statement::portable(
    "seal.stamp_increment.find",
    "SELECT increment FROM stamp_increment WHERE stamp_id = $1",
);
const DROP_INCREMENTS: Statement =
    Statement::portable("seal.stamp_increment.drop", "DELETE FROM stamp_increment WHERE kept_at < $1");

/// Every statement of this file, for the test that prepares them on both engines.
pub const STATEMENTS: &[&Statement] =
    &[&INSERT, &FIND, &PAGE, &SETTLE, &CLOSE_OPEN, &KEEP_INCREMENT, &INCREMENT, &DROP_INCREMENTS];

/// Which records are looked for; an empty text asks for all.
#[derive(Debug, Clone)]
pub struct Search {
    /// Ids after this one.
    pub after: String,
    /// Made with this seal.
    pub seal: String,
    /// By this officer.
    pub officer: String,
    /// SM3 (hex) of the document before or after the stamp.
    pub document_sm3: String,
    /// From this instant on.
    pub from: Timestamp,
    /// Before this instant.
    pub to: Timestamp,
    /// At most so many.
    pub limit: i64,
}

impl FromRow for StampRecord {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        let page = u32::try_from(row.int(8)?).map_err(|_| StoreError::corrupt("seal.stamp.page"))?;
        Ok(Self {
            id: StampId::from_row(row.text(0)?),
            seal: SealId::from_row(row.text(1)?),
            owner: OwnerId::from_row(row.text(2)?),
            officer: OfficerId::from_row(row.text(3)?),
            state: StampState::from_name(&row.text(4)?)
                .ok_or_else(|| StoreError::corrupt("seal.stamp.state"))?,
            document_sm3: row.text(5)?,
            document_bytes: row.int(6)?,
            signed_sm3: row.text(7)?,
            page,
            x_um: row.int(9)?,
            y_um: row.int(10)?,
            purpose: row.opt_text(11)?,
            time_stamped: row.bool(12)?,
            intended_at: row.timestamp(13)?,
            settled_at: row.opt_timestamp(14)?,
            product_sm3: row.opt_text(15)?,
            failure: row.opt_text(16)?,
        })
    }
}

/// The bytes of an increment.
struct Bytes(Vec<u8>);

impl FromRow for Bytes {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        row.bytes(0).map(Self)
    }
}

/// Records the intent to stamp.
pub async fn insert(tx: &mut Tx, stamp: &StampRecord) -> Result<(), StoreError> {
    let values: [Value<'_>; 18] = [
        stamp.id.as_str().into(),
        stamp.seal.as_str().into(),
        stamp.owner.as_str().into(),
        stamp.officer.as_str().into(),
        stamp.state.name().into(),
        stamp.document_sm3.as_str().into(),
        stamp.document_bytes.into(),
        stamp.signed_sm3.as_str().into(),
        i64::from(stamp.page).into(),
        stamp.x_um.into(),
        stamp.y_um.into(),
        stamp.purpose.as_deref().into(),
        stamp.time_stamped.into(),
        stamp.intended_at.into(),
        stamp.settled_at.into(),
        stamp.product_sm3.as_deref().into(),
        stamp.failure.as_deref().into(),
        super::bucket(stamp.owner.as_str()).into(),
    ];
    tx.execute(&INSERT, &values).await.map(drop)
}

/// The record with this id.
pub async fn find(rx: &mut Rx, id: &StampId) -> Result<Option<StampRecord>, StoreError> {
    rx.optional(&FIND, &[id.as_str().into()]).await
}

/// Records that fit a search, in order of their ids.
pub async fn page(rx: &mut Rx, search: &Search) -> Result<Vec<StampRecord>, StoreError> {
    let values = [
        search.after.as_str().into(),
        search.seal.as_str().into(),
        search.officer.as_str().into(),
        search.document_sm3.as_str().into(),
        search.from.into(),
        search.to.into(),
        search.limit.into(),
    ];
    rx.all(&PAGE, &values).await
}

/// Settles an intent as done (with the product's SM3) or failed (with the reason); whether it was still open.
pub async fn settle(
    tx: &mut Tx,
    id: &StampId,
    outcome: Result<&str, &str>,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let state = if outcome.is_ok() { StampState::Done } else { StampState::Failed };
    let values =
        [id.as_str().into(), state.name().into(), now.into(), outcome.ok().into(), outcome.err().into()];
    tx.execute(&SETTLE, &values).await.map(|rows| rows == 1)
}

/// Closes intents from before `before` that never ended; how many.
pub async fn close_open(tx: &mut Tx, before: Timestamp, now: Timestamp) -> Result<u64, StoreError> {
    tx.execute(&CLOSE_OPEN, &[before.into(), now.into()]).await
}

/// Keeps what a stamp appended, so that a repeated request gets the same file.
pub async fn keep_increment(
    tx: &mut Tx,
    id: &StampId,
    increment: &[u8],
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.execute(&KEEP_INCREMENT, &[id.as_str().into(), increment.into(), now.into()]).await.map(drop)
}

/// What a stamp appended, while it is kept.
pub async fn increment(rx: &mut Rx, id: &StampId) -> Result<Option<Vec<u8>>, StoreError> {
    let found: Option<Bytes> = rx.optional(&INCREMENT, &[id.as_str().into()]).await?;
    Ok(found.map(|bytes| bytes.0))
}

/// Drops increments kept since before `before`; how many.
pub async fn drop_increments(tx: &mut Tx, before: Timestamp) -> Result<u64, StoreError> {
    tx.execute(&DROP_INCREMENTS, &[before.into()]).await
}
