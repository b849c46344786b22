//! The keystore's SQL.

use super::{
    KeyId, census,
    header::Header,
    key::KeyRow,
    master::{Bridges, MasterRow},
};
use crate::{
    base::Timestamp,
    store::{FromRow, Row, Rx, Statement, StoreError, Tx, Value},
};

const HEADER: Statement = Statement::portable(
    "keys.header",
    "SELECT format, kdf, memory_kib, passes, salt, aead, verifier, wrapped, generation, made_at_ms, checksum, master \
     FROM keystore WHERE slot = 1",
);

const INSERT_HEADER: Statement = Statement::portable(
    "keys.insert_header",
    "INSERT INTO keystore (slot, format, kdf, memory_kib, passes, salt, aead, verifier, wrapped, generation, \
     made_at_ms, checksum, master) VALUES (1, $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) \
     ON CONFLICT (slot) DO NOTHING",
);

const REPLACE_HEADER: Statement = Statement::portable(
    "keys.replace_header",
    "UPDATE keystore SET format = $1, kdf = $2, memory_kib = $3, passes = $4, salt = $5, aead = $6, verifier = $7, \
     wrapped = $8, generation = $9, made_at_ms = $10, checksum = $11, master = $12 \
     WHERE slot = 1 AND generation = $13",
);

const FIND: Statement = Statement::portable(
    "keys.find",
    "SELECT id, purpose, kind, custody, handle, public_key, aead, wrapped, made_at_ms, destroyed_at_ms, \
     master FROM signing_key WHERE id = $1",
);

const LIST: Statement = Statement::portable(
    "keys.list",
    "SELECT id, purpose, kind, custody, handle, public_key, aead, wrapped, made_at_ms, destroyed_at_ms, \
     master FROM signing_key WHERE id > $1 ORDER BY id LIMIT $2",
);

const INSERT: Statement = Statement::portable(
    "keys.insert",
    "INSERT INTO signing_key (id, purpose, kind, custody, handle, public_key, aead, wrapped, made_at_ms, master) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
);

const DESTROY: Statement = Statement::portable(
    "keys.destroy",
    "UPDATE signing_key SET wrapped = NULL, destroyed_at_ms = $2 WHERE id = $1 AND destroyed_at_ms IS NULL",
);

/// Keys with this purpose, newest first: few have it, apart from those of seals.
const NEWEST: Statement = Statement::portable(
    "keys.newest",
    "SELECT id, purpose, kind, custody, handle, public_key, aead, wrapped, made_at_ms, destroyed_at_ms, \
     master FROM signing_key WHERE purpose = $1 ORDER BY id DESC LIMIT $2",
);

const MASTERS: Statement = Statement::portable(
    "keys.masters",
    "SELECT id, made_at_ms, next_wrapped, wrapped_by_next FROM keystore_master ORDER BY id LIMIT 10",
);

const INSERT_MASTER: Statement = Statement::portable(
    "keys.insert_master",
    "INSERT INTO keystore_master (id, made_at_ms) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING",
);

const BRIDGE: Statement = Statement::portable(
    "keys.bridge",
    "UPDATE keystore_master SET next_wrapped = $2, wrapped_by_next = $3 WHERE id = $1 AND next_wrapped IS NULL",
);

const UNDER: Statement = Statement::portable(
    "keys.under",
    "SELECT id, purpose, kind, custody, handle, public_key, aead, wrapped, made_at_ms, destroyed_at_ms, \
     master FROM signing_key WHERE id > $1 AND master = $2 ORDER BY id LIMIT $3",
);

const COUNT_UNDER: Statement =
    Statement::portable("keys.count_under", "SELECT count(*) FROM signing_key WHERE master = $1");

/// Only the very row that was looked at: one that was destroyed or rewrapped meanwhile stays as it is.
const REWRAP: Statement = Statement::portable(
    "keys.rewrap",
    "UPDATE signing_key SET wrapped = $3, master = $4 WHERE id = $1 AND wrapped = $2",
);

/// Keys without anything wrapped come along.
const PASS_ON: Statement = Statement::portable(
    "keys.pass_on",
    "UPDATE signing_key SET master = $2 WHERE master = $1 AND wrapped IS NULL",
);

const RETIRE: Statement = Statement::portable(
    "keys.retire",
    "DELETE FROM keystore_master WHERE id = $1 AND next_wrapped IS NOT NULL \
     AND NOT EXISTS (SELECT 1 FROM signing_key WHERE signing_key.master = $1)",
);

const HOLD: Statement = Statement::portable(
    "keys.hold",
    "INSERT INTO keystore_holder (node, master, seen_at_ms) VALUES ($1, $2, $3) \
     ON CONFLICT (node) DO UPDATE SET master = excluded.master, seen_at_ms = excluded.seen_at_ms",
);

const LET_GO: Statement = Statement::portable("keys.let_go", "DELETE FROM keystore_holder WHERE node = $1");

const HOLDERS: Statement = Statement::portable(
    "keys.holders",
    "SELECT node FROM keystore_holder WHERE master < $1 AND seen_at_ms >= $2 ORDER BY node LIMIT 100",
);

/// Every statement of the room, for the test that prepares them on both engines.
pub const STATEMENTS: &[&Statement] = &[
    &HEADER,
    &INSERT_HEADER,
    &REPLACE_HEADER,
    &FIND,
    &LIST,
    &NEWEST,
    &INSERT,
    &DESTROY,
    &MASTERS,
    &INSERT_MASTER,
    &BRIDGE,
    &UNDER,
    &COUNT_UNDER,
    &REWRAP,
    &PASS_ON,
    &RETIRE,
    &HOLD,
    &LET_GO,
    &HOLDERS,
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
        row.master.into(),
    ];
    tx.execute(&INSERT, &values).await.map(|_| ())
}

/// `false` where no living key has this id.
pub(super) async fn destroy(tx: &mut Tx, id: &KeyId, now: Timestamp) -> Result<bool, StoreError> {
    Ok(tx.execute(&DESTROY, &[id.as_str().into(), now.into()]).await? == 1)
}

/// Keys with this purpose, newest first, destroyed ones too.
pub(super) async fn newest(rx: &mut Rx, purpose: &str, limit: i64) -> Result<Vec<KeyRow>, StoreError> {
    rx.all(&NEWEST, &[purpose.into(), limit.into()]).await
}

/// All master keys, the newest last.
pub(super) async fn masters(rx: &mut Rx) -> Result<Vec<MasterRow>, StoreError> {
    rx.all(&MASTERS, &[]).await
}

/// `false` where it is there already.
pub(super) async fn insert_master(tx: &mut Tx, id: i64, made_at: Timestamp) -> Result<bool, StoreError> {
    Ok(tx.execute(&INSERT_MASTER, &[id.into(), made_at.into()]).await? == 1)
}

/// `false` where there is no such master key, or it has bridges already.
pub(super) async fn bridge(tx: &mut Tx, from: i64, bridges: &Bridges) -> Result<bool, StoreError> {
    let values = [from.into(), bridges.next.as_slice().into(), bridges.under_next.as_slice().into()];
    Ok(tx.execute(&BRIDGE, &values).await? == 1)
}

/// Up to `limit` keys after `after` that stand under this master key.
pub(super) async fn under(
    rx: &mut Rx,
    after: &str,
    master: i64,
    limit: i64,
) -> Result<Vec<KeyRow>, StoreError> {
    rx.all(&UNDER, &[after.into(), master.into(), limit.into()]).await
}

pub(super) async fn count_under(rx: &mut Rx, master: i64) -> Result<i64, StoreError> {
    rx.one(&COUNT_UNDER, &[master.into()]).await
}

/// `false` where the row is not as it was any more.
pub(super) async fn rewrap(tx: &mut Tx, old: &KeyRow, new: &KeyRow) -> Result<bool, StoreError> {
    let (was, is) = (old.wrapped.as_deref(), new.wrapped.as_deref());
    let values = [old.id.as_str().into(), was.into(), is.into(), new.master.into()];
    Ok(tx.execute(&REWRAP, &values).await? == 1)
}

/// Puts keys without anything wrapped under another master key.
pub(super) async fn pass_on(tx: &mut Tx, from: i64, to: i64) -> Result<(), StoreError> {
    tx.execute(&PASS_ON, &[from.into(), to.into()]).await.map(|_| ())
}

/// `false` where a key still stands under it, or it is not being replaced.
pub(super) async fn retire(tx: &mut Tx, master: i64) -> Result<bool, StoreError> {
    Ok(tx.execute(&RETIRE, &[master.into()]).await? == 1)
}

pub(super) async fn hold(tx: &mut Tx, node: &str, master: i64, now: Timestamp) -> Result<(), StoreError> {
    tx.execute(&HOLD, &[node.into(), master.into(), now.into()]).await.map(|_| ())
}

pub(super) async fn let_go(tx: &mut Tx, node: &str) -> Result<(), StoreError> {
    tx.execute(&LET_GO, &[node.into()]).await.map(|_| ())
}

/// Nodes seen since `since` that do not hold this master key yet.
pub(super) async fn without(rx: &mut Rx, master: i64, since: Timestamp) -> Result<Vec<String>, StoreError> {
    rx.all(&HOLDERS, &[master.into(), since.into()]).await
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
        header.master.into(),
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
            master: row.int(11)?,
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
            master: row.int(10)?,
        })
    }
}

impl FromRow for MasterRow {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.int(0)?,
            made_at: row.timestamp(1)?,
            next: row.opt_bytes(2)?,
            under_next: row.opt_bytes(3)?,
        })
    }
}
