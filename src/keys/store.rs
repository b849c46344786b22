//! The keystore's SQL.

use super::{KeyId, census, header::Header, key::KeyRow};
use crate::{
    base::Timestamp,
    store::{FromRow, Row, Rx, Statement, StoreError, Tx, Value},
};

const HEADER: Statement = Statement::portable(
    "keys.header",
    "SELECT format, kdf, memory_kib, passes, salt, aead, verifier, wrapped, generation, made_at_ms, checksum \
     FROM keystore WHERE slot = 1",
);

const INSERT_HEADER: Statement = Statement::portable(
    "keys.insert_header",
    "INSERT INTO keystore (slot, format, kdf, memory_kib, passes, salt, aead, verifier, wrapped, generation, \
     made_at_ms, checksum) VALUES (1, $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT (slot) DO NOTHING",
);

const REPLACE_HEADER: Statement = Statement::portable(
    "keys.replace_header",
    "UPDATE keystore SET format = $1, kdf = $2, memory_kib = $3, passes = $4, salt = $5, aead = $6, verifier = $7, \
     wrapped = $8, generation = $9, made_at_ms = $10, checksum = $11 WHERE slot = 1 AND generation = $12",
);

const FIND: Statement = Statement::portable(
    "keys.find",
    "SELECT id, purpose, kind, custody, handle, public_key, aead, wrapped, made_at_ms, destroyed_at_ms \
     FROM signing_key WHERE id = $1",
);

const LIST: Statement = Statement::portable(
    "keys.list",
    "SELECT id, purpose, kind, custody, handle, public_key, aead, wrapped, made_at_ms, destroyed_at_ms \
     FROM signing_key WHERE id > $1 ORDER BY id LIMIT $2",
);

const INSERT: Statement = Statement::portable(
    "keys.insert",
    "INSERT INTO signing_key (id, purpose, kind, custody, handle, public_key, aead, wrapped, made_at_ms) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
);

const DESTROY: Statement = Statement::portable(
    "keys.destroy",
    "UPDATE signing_key SET wrapped = NULL, destroyed_at_ms = $2 WHERE id = $1 AND destroyed_at_ms IS NULL",
);

/// Every statement of the room, for the test that prepares them on both engines.
pub const STATEMENTS: &[&Statement] = &[
    &HEADER,
    &INSERT_HEADER,
    &REPLACE_HEADER,
    &FIND,
    &LIST,
    &INSERT,
    &DESTROY,
    &census::LIVING,
    &census::UNUSED,
];

pub(super) async fn header(rx: &mut Rx) -> Result<Option<Header>, StoreError> {
    rx.optional(&HEADER, &[]).await
}

/// `false` where there is a header already.
pub(super) async fn insert_header(tx: &mut Tx, header: &Header) -> Result<bool, StoreError> {
    Ok(tx.execute(&INSERT_HEADER, &fields(header)).await? == 1)
}

/// `false` where the header is not the one before this any more.
pub(super) async fn replace_header(tx: &mut Tx, header: &Header) -> Result<bool, StoreError> {
    let mut values = fields(header);
    values.push(header.generation.saturating_sub(1).into());
    Ok(tx.execute(&REPLACE_HEADER, &values).await? == 1)
}

pub(super) async fn find(rx: &mut Rx, id: &KeyId) -> Result<Option<KeyRow>, StoreError> {
    rx.optional(&FIND, &[id.as_str().into()]).await
}

/// Up to `limit` keys after `after` (an empty text: from the first), oldest first.
pub(super) async fn list(rx: &mut Rx, after: &str, limit: i64) -> Result<Vec<KeyRow>, StoreError> {
    rx.all(&LIST, &[after.into(), limit.into()]).await
}

pub(super) async fn insert(tx: &mut Tx, row: &KeyRow) -> Result<(), StoreError> {
    let values = [
        row.id.as_str().into(),
        (&row.purpose).into(),
        (&row.kind).into(),
        (&row.custody).into(),
        (&row.handle).into(),
        row.public_key.as_slice().into(),
        (&row.aead).into(),
        row.wrapped.as_deref().into(),
        row.made_at.into(),
    ];
    tx.execute(&INSERT, &values).await.map(|_| ())
}

/// `false` where no living key has this id.
pub(super) async fn destroy(tx: &mut Tx, id: &KeyId, now: Timestamp) -> Result<bool, StoreError> {
    Ok(tx.execute(&DESTROY, &[id.as_str().into(), now.into()]).await? == 1)
}

fn fields(header: &Header) -> Vec<Value<'_>> {
    vec![
        header.format.into(),
        (&header.kdf).into(),
        header.memory_kib.into(),
        header.passes.into(),
        header.salt.as_slice().into(),
        (&header.aead).into(),
        header.verifier.as_slice().into(),
        header.wrapped.as_slice().into(),
        header.generation.into(),
        header.made_at.into(),
        header.checksum.as_slice().into(),
    ]
}

impl FromRow for Header {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            format: row.int(0)?,
            kdf: row.text(1)?,
            memory_kib: row.int(2)?,
            passes: row.int(3)?,
            salt: row.bytes(4)?,
            aead: row.text(5)?,
            verifier: row.bytes(6)?,
            wrapped: row.bytes(7)?,
            generation: row.int(8)?,
            made_at: row.timestamp(9)?,
            checksum: row.bytes(10)?,
        })
    }
}

impl FromRow for KeyRow {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: KeyId::from_row(row.text(0)?),
            purpose: row.text(1)?,
            kind: row.text(2)?,
            custody: row.text(3)?,
            handle: row.opt_text(4)?,
            public_key: row.bytes(5)?,
            aead: row.opt_text(6)?,
            wrapped: row.opt_bytes(7)?,
            made_at: row.timestamp(8)?,
            destroyed_at: row.opt_timestamp(9)?,
        })
    }
}
