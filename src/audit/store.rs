//! The only SQL of the audit.

use super::{Entry, Filter, Link, Record, chain::Head};
use crate::{
    base::Timestamp,
    store::{FromRow, Row, Rx, Statement, StoreError, Tx, Value},
};
use serde::{Deserialize, Serialize};

/// All statements, for the test that has both engines read them.
pub const STATEMENTS: &[&Statement] = &[
    &APPEND,
    &UNCHAINED,
    &TAIL,
    &CHAIN,
    &ADD_HEAD,
    &HEADS,
    &NODES,
    &WALK,
    &WAITING,
    &HAS_RECORD,
    &COUNT_UNCHAINED,
    &BY_SUBJECT,
    &BY_ACTOR,
    &BY_ACTION,
    &NEWEST,
    &OLDEST,
    &NEWEST_AT,
];

/// The columns of a [`Record`], in the order that `from_row` reads them, and the rest of the statement.
macro_rules! select {
    ($name:literal, $($rest:literal),+) => {
        Statement::portable($name, concat!(
            "SELECT id, node, at_ms, actor, action, subject, detail, request, seq, previous, hash FROM audit WHERE ",
            $($rest),+
        ))
    };
}

/// A page of records by a filter: `$first` is what an index answers, the rest narrows it; a NULL lets all pass.
macro_rules! page {
    ($name:literal, $first:literal, $order:literal) => {
        select!(
            $name,
            $first,
            " AND (subject = $1 OR $1 IS NULL) AND (actor = $2 OR $2 IS NULL) AND (action = $3 OR $3 IS NULL) \
             AND (at_ms >= $4 OR $4 IS NULL) AND (at_ms < $5 OR $5 IS NULL) ",
            $order
        )
    };
}

const APPEND: Statement = Statement::portable(
    "audit.append",
    "INSERT INTO audit (node, at_ms, actor, action, subject, detail, request) VALUES ($1, $2, $3, $4, $5, $6, $7)",
);
/// By id and not from a mark on: in PostgreSQL a smaller id may be committed after a larger one.
const UNCHAINED: Statement = select!("audit.unchained", "node = $1 AND seq IS NULL ORDER BY id LIMIT $2");
const TAIL: Statement = Statement::portable(
    "audit.tail",
    "SELECT seq, previous, hash FROM audit WHERE node = $1 AND seq IS NOT NULL ORDER BY seq DESC LIMIT 1",
);
/// Many links at once: `$1` is a JSON array of objects `id, seq, previous, hash`.
const CHAIN: Statement = Statement::split(
    "audit.chain",
    "UPDATE audit SET seq = link.seq, previous = link.previous, hash = link.hash FROM \
     (SELECT json_extract(value, '$.id') AS id, json_extract(value, '$.seq') AS seq, \
     json_extract(value, '$.previous') AS previous, json_extract(value, '$.hash') AS hash FROM json_each($1)) AS link \
     WHERE audit.id = link.id AND audit.seq IS NULL",
    "UPDATE audit SET seq = link.seq, previous = link.previous, hash = link.hash FROM \
     json_to_recordset($1::json) AS link(id BIGINT, seq BIGINT, previous TEXT, hash TEXT) \
     WHERE audit.id = link.id AND audit.seq IS NULL",
);
const ADD_HEAD: Statement = Statement::portable(
    "audit.add_head",
    "INSERT INTO audit_head (node, seq, hash, at_ms, signature) VALUES ($1, $2, $3, $4, $5) \
     ON CONFLICT (node, seq) DO NOTHING",
);
const HEADS: Statement = Statement::portable(
    "audit.heads",
    "SELECT node, seq, hash, at_ms, signature FROM audit_head WHERE node = $1 AND seq > $2 ORDER BY seq LIMIT $3",
);
const NODES: Statement = Statement::portable(
    "audit.nodes",
    "SELECT node FROM audit UNION SELECT node FROM audit_head ORDER BY node",
);
const WALK: Statement =
    select!("audit.walk", "node = $1 AND seq IS NOT NULL AND (seq, id) > ($2, $3) ORDER BY seq, id LIMIT $4");
const WAITING: Statement =
    select!("audit.waiting", "node = $1 AND seq IS NULL AND id > $2 ORDER BY id LIMIT $3");
const HAS_RECORD: Statement = Statement::portable(
    "audit.has_record",
    "SELECT count(*) FROM audit WHERE node = $1 AND seq = $2 AND hash = $3",
);
const COUNT_UNCHAINED: Statement = Statement::portable(
    "audit.count_unchained",
    "SELECT count(*) FROM audit WHERE node = $1 AND seq IS NULL",
);
const BY_SUBJECT: Statement =
    page!("audit.by_subject", "subject = $1 AND id < $6", "ORDER BY id DESC LIMIT $7");
const BY_ACTOR: Statement = page!("audit.by_actor", "actor = $2 AND id < $6", "ORDER BY id DESC LIMIT $7");
const BY_ACTION: Statement = page!("audit.by_action", "action = $3 AND id < $6", "ORDER BY id DESC LIMIT $7");
const NEWEST: Statement = page!("audit.newest", "id < $6", "ORDER BY id DESC LIMIT $7");
const OLDEST: Statement = page!("audit.oldest", "id > $6", "ORDER BY id LIMIT $7");

const NEWEST_AT: Statement =
    Statement::portable("audit.newest_at", "SELECT at_ms FROM audit ORDER BY id DESC LIMIT 1");

impl FromRow for Record {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        let link = match row.opt_int(8)? {
            None => None,
            Some(seq) => Some(Link {
                seq,
                previous: row.opt_text(9)?.unwrap_or_default(),
                hash: row.opt_text(10)?.unwrap_or_default(),
            }),
        };
        Ok(Self {
            id: row.int(0)?,
            node: row.text(1)?,
            at: row.timestamp(2)?,
            actor: row.text(3)?,
            action: row.text(4)?,
            subject: row.text(5)?,
            detail: row.text(6)?,
            request: row.text(7)?,
            link,
        })
    }
}

impl FromRow for Link {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self { seq: row.int(0)?, previous: row.text(1)?, hash: row.text(2)? })
    }
}

impl FromRow for Head {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            node: row.text(0)?,
            seq: row.int(1)?,
            hash: row.text(2)?,
            at: row.timestamp(3)?,
            signature: row.text(4)?,
            key: None,
        })
    }
}

pub(super) async fn append(tx: &mut Tx, entry: &Entry) -> Result<(), StoreError> {
    let (node, detail) = (tx.node(), entry.detail.to_string());
    let values = [
        (&*node).into(),
        entry.at.into(),
        (&entry.actor).into(),
        entry.action.into(),
        (&entry.subject).into(),
        (&detail).into(),
        (&entry.request).into(),
    ];
    tx.execute(&APPEND, &values).await.map(drop)
}

pub(super) async fn unchained(rx: &mut Rx, node: &str, limit: u32) -> Result<Vec<Record>, StoreError> {
    rx.all(&UNCHAINED, &[node.into(), limit.into()]).await
}

pub(super) async fn tail(rx: &mut Rx, node: &str) -> Result<Option<Link>, StoreError> {
    rx.optional(&TAIL, &[node.into()]).await
}

/// `links` as [`CHAIN`] takes them.
pub(super) async fn chain(tx: &mut Tx, links: &str) -> Result<u64, StoreError> {
    tx.execute(&CHAIN, &[links.into()]).await
}

pub(super) async fn add_head(tx: &mut Tx, head: &Head) -> Result<(), StoreError> {
    let (at, node, seq) = (head.at.into(), (&head.node).into(), head.seq.into());
    tx.execute(&ADD_HEAD, &[node, seq, (&head.hash).into(), at, (&head.signature).into()]).await.map(drop)
}

pub(super) async fn heads(
    rx: &mut Rx,
    node: &str,
    after_seq: i64,
    limit: u32,
) -> Result<Vec<Head>, StoreError> {
    rx.all(&HEADS, &[node.into(), after_seq.into(), limit.into()]).await
}

pub(super) async fn nodes(rx: &mut Rx) -> Result<Vec<String>, StoreError> {
    rx.all(&NODES, &[]).await
}

/// Where a walk over a chain stands: at the record of this place and number.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place(pub i64, pub i64);

impl Place {
    /// Before all records.
    pub(super) const FIRST: Self = Self(i64::MIN, i64::MIN);

    /// At this record; of those not chained yet only the number counts.
    pub(super) fn of(record: &Record) -> Self {
        Self(record.link.as_ref().map_or(i64::MIN, |link| link.seq), record.id)
    }
}

/// Chained records after the one at `after`.
pub(super) async fn walk(
    rx: &mut Rx,
    node: &str,
    after: Place,
    limit: u32,
) -> Result<Vec<Record>, StoreError> {
    rx.all(&WALK, &[node.into(), after.0.into(), after.1.into(), limit.into()]).await
}

/// Records after this number that wait to be chained.
pub(super) async fn waiting(
    rx: &mut Rx,
    node: &str,
    after: i64,
    limit: u32,
) -> Result<Vec<Record>, StoreError> {
    rx.all(&WAITING, &[node.into(), after.into(), limit.into()]).await
}

/// Whether the record at this place is the one with this hash.
pub(super) async fn has_record(rx: &mut Rx, node: &str, seq: i64, hash: &str) -> Result<bool, StoreError> {
    Ok(rx.one::<i64>(&HAS_RECORD, &[node.into(), seq.into(), hash.into()]).await? > 0)
}

/// Where a node's chain ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainEnd {
    /// Whose chain.
    pub node: String,
    /// The last chained record's place, 0 if there is none.
    pub seq: i64,
    /// Its hash, in hex; zeros if there is none.
    pub hash: String,
    /// Records that wait to be chained.
    pub waiting: i64,
}

/// Where the chains end, node by node.
pub async fn chain_ends(rx: &mut Rx) -> Result<Vec<ChainEnd>, StoreError> {
    let mut ends = Vec::new();
    for node in nodes(rx).await? {
        let tail = tail(rx, &node).await?;
        let (seq, hash) = tail.map_or((0, super::chain::ORIGIN.to_owned()), |link| (link.seq, link.hash));
        let waiting = count_unchained(rx, &node).await?;
        ends.push(ChainEnd { node, seq, hash, waiting });
    }
    Ok(ends)
}

pub(super) async fn count_unchained(rx: &mut Rx, node: &str) -> Result<i64, StoreError> {
    rx.one(&COUNT_UNCHAINED, &[node.into()]).await
}

pub(super) async fn newest_at(rx: &mut Rx) -> Result<Option<Timestamp>, StoreError> {
    rx.optional(&NEWEST_AT, &[]).await
}

/// Newest first, before `filter.before`.
pub(super) async fn newest(rx: &mut Rx, filter: &Filter, limit: u32) -> Result<Vec<Record>, StoreError> {
    let statement = match filter {
        Filter { subject: Some(_), .. } => &BY_SUBJECT,
        Filter { actor: Some(_), .. } => &BY_ACTOR,
        Filter { action: Some(_), .. } => &BY_ACTION,
        _ => &NEWEST,
    };
    let before = filter.before.unwrap_or(i64::MAX);
    rx.all(statement, &values(filter, before, limit)).await
}

/// Oldest first, after this id.
pub(super) async fn oldest(
    rx: &mut Rx,
    filter: &Filter,
    after: i64,
    limit: u32,
) -> Result<Vec<Record>, StoreError> {
    rx.all(&OLDEST, &values(filter, after, limit)).await
}

fn values(filter: &Filter, id: i64, limit: u32) -> [Value<'_>; 7] {
    let millis = |instant: Option<Timestamp>| Value::from(instant);
    [
        (&filter.subject).into(),
        (&filter.actor).into(),
        (&filter.action).into(),
        millis(filter.from),
        millis(filter.until),
        id.into(),
        limit.into(),
    ]
}
