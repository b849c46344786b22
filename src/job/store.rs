//! The only SQL of the jobs.

use super::{Failed, Line};
use crate::{
    base::Timestamp,
    store::{FromRow, Row, Rx, Statement, StoreError, Tx},
};

/// All statements, for the test that has both engines read them.
pub const STATEMENTS: &[&Statement] = &[
    &ADD, &CLAIM, &DONE, &RETRY, &GIVE_UP, &FAILED, &TRY_AGAIN, &DROP_TWIN, &LINE, &LEFT_OVER, &RUNNING,
    &END_LEASE,
];

/// `DO UPDATE` and not `DO NOTHING`: it waits for a worker that is just claiming the waiting twin, and then adds a new
/// row. Otherwise what this transaction did could be missed by a run that began before its commit.
const ADD: Statement = Statement::portable(
    "job.add",
    "INSERT INTO job (kind, key, payload, state, attempts, run_at_ms, created_ms) \
     VALUES ($1, $2, $3, 'waiting', 0, $4, $5) \
     ON CONFLICT (kind, key) WHERE state = 'waiting' DO UPDATE SET payload = excluded.payload, \
     run_at_ms = CASE WHEN excluded.run_at_ms < job.run_at_ms THEN excluded.run_at_ms ELSE job.run_at_ms END",
);
/// Nodes' clocks are not farther apart than this. A lease that ends later than any that could be taken now was taken by a
/// clock that has been set back since.
const CLOCKS_APART_MS: i64 = 300_000;
/// One job that is due, or whose worker let its lease run out; none whose twin runs.
const CLAIM: Statement = Statement::split(
    "job.claim",
    "UPDATE job SET state = 'running', attempts = attempts + 1, lease = $1, lease_until_ms = $2 \
     WHERE id = (SELECT due.id FROM job AS due \
     WHERE ((due.state = 'waiting' AND due.run_at_ms <= $3) OR (due.state = 'running' AND (due.lease_until_ms <= $3 OR due.lease_until_ms > $5))) \
     AND due.kind IN (SELECT value FROM json_each($4)) \
     AND NOT EXISTS (SELECT 1 FROM job AS twin WHERE twin.kind = due.kind AND twin.key = due.key \
     AND twin.state = 'running' AND twin.id <> due.id) \
     ORDER BY due.run_at_ms, due.id LIMIT 1) \
     RETURNING id, kind, payload, attempts",
    "UPDATE job SET state = 'running', attempts = attempts + 1, lease = $1, lease_until_ms = $2 \
     WHERE id = (SELECT due.id FROM job AS due \
     WHERE ((due.state = 'waiting' AND due.run_at_ms <= $3) OR (due.state = 'running' AND (due.lease_until_ms <= $3 OR due.lease_until_ms > $5))) \
     AND due.kind IN (SELECT json_array_elements_text($4::json)) \
     AND NOT EXISTS (SELECT 1 FROM job AS twin WHERE twin.kind = due.kind AND twin.key = due.key \
     AND twin.state = 'running' AND twin.id <> due.id) \
     ORDER BY due.run_at_ms, due.id LIMIT 1 FOR UPDATE OF due SKIP LOCKED) \
     RETURNING id, kind, payload, attempts",
);
const DONE: Statement = Statement::portable("job.done", "DELETE FROM job WHERE id = $1 AND lease = $2");
const RETRY: Statement = Statement::portable(
    "job.retry",
    "UPDATE job SET state = 'waiting', run_at_ms = $3, reason = $4, lease = NULL, lease_until_ms = NULL \
     WHERE id = $1 AND lease = $2 AND NOT EXISTS (SELECT 1 FROM job AS twin WHERE twin.kind = job.kind \
     AND twin.key = job.key AND twin.state = 'waiting')",
);
const GIVE_UP: Statement = Statement::portable(
    "job.give_up",
    "UPDATE job SET state = 'failed', failed_ms = $3, reason = $4, lease = NULL, lease_until_ms = NULL \
     WHERE id = $1 AND lease = $2",
);
const FAILED: Statement = Statement::portable(
    "job.failed",
    "SELECT id, kind, key, attempts, reason, failed_ms FROM job WHERE state = 'failed' ORDER BY id DESC LIMIT $1",
);
const TRY_AGAIN: Statement = Statement::portable(
    "job.try_again",
    "UPDATE job SET state = 'waiting', attempts = 0, run_at_ms = $2, failed_ms = NULL \
     WHERE id = $1 AND state = 'failed' AND NOT EXISTS (SELECT 1 FROM job AS twin WHERE twin.kind = job.kind \
     AND twin.key = job.key AND twin.state = 'waiting')",
);
/// A twin that waits does the same work.
const DROP_TWIN: Statement =
    Statement::portable("job.drop_twin", "DELETE FROM job WHERE id = $1 AND state = 'failed'");
const LINE: Statement = Statement::portable(
    "job.line",
    "SELECT (SELECT count(*) FROM job WHERE state = 'waiting'), (SELECT count(*) FROM job WHERE state = 'running'), \
     (SELECT count(*) FROM job WHERE state = 'failed'), (SELECT min(run_at_ms) FROM job WHERE state = 'waiting')",
);
const RUNNING: Statement = Statement::portable(
    "job.running",
    "SELECT id, lease FROM job WHERE state = 'running' ORDER BY id LIMIT $1",
);
const END_LEASE: Statement = Statement::portable(
    "job.end_lease",
    "UPDATE job SET lease_until_ms = 0 WHERE id = $1 AND lease = $2 AND state = 'running'",
);
const LEFT_OVER: Statement =
    Statement::portable("job.left_over", "SELECT count(*) FROM job WHERE state IN ('waiting', 'running')");

/// What a worker holds.
pub(super) struct Claimed {
    pub(super) id: i64,
    pub(super) kind: String,
    pub(super) payload: String,
    /// This one included.
    pub(super) attempts: i64,
}

impl FromRow for Claimed {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self { id: row.int(0)?, kind: row.text(1)?, payload: row.text(2)?, attempts: row.int(3)? })
    }
}

impl FromRow for Failed {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.int(0)?,
            kind: row.text(1)?,
            key: row.text(2)?,
            attempts: row.int(3)?,
            reason: row.opt_text(4)?.unwrap_or_default(),
            at: row.timestamp(5)?,
        })
    }
}

pub(super) async fn add(
    tx: &mut Tx,
    kind: &str,
    key: &str,
    payload: &str,
    at: Timestamp,
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.execute(&ADD, &[kind.into(), key.into(), payload.into(), at.into(), now.into()]).await.map(drop)
}

/// `kinds` is a JSON array of texts.
pub(super) async fn claim(
    tx: &mut Tx,
    kinds: &str,
    lease: &str,
    until: Timestamp,
    now: Timestamp,
) -> Result<Option<Claimed>, StoreError> {
    let too_far = until.plus_ms(CLOCKS_APART_MS);
    tx.optional(&CLAIM, &[lease.into(), until.into(), now.into(), kinds.into(), too_far.into()]).await
}

pub(super) async fn done(tx: &mut Tx, id: i64, lease: &str) -> Result<u64, StoreError> {
    tx.execute(&DONE, &[id.into(), lease.into()]).await
}

/// 0 where a twin waits already, or the lease is another's by now.
pub(super) async fn retry(
    tx: &mut Tx,
    id: i64,
    lease: &str,
    at: Timestamp,
    reason: &str,
) -> Result<u64, StoreError> {
    tx.execute(&RETRY, &[id.into(), lease.into(), at.into(), reason.into()]).await
}

pub(super) async fn give_up(
    tx: &mut Tx,
    id: i64,
    lease: &str,
    now: Timestamp,
    reason: &str,
) -> Result<u64, StoreError> {
    tx.execute(&GIVE_UP, &[id.into(), lease.into(), now.into(), reason.into()]).await
}

pub(super) async fn failed(rx: &mut Rx, limit: u32) -> Result<Vec<Failed>, StoreError> {
    rx.all(&FAILED, &[limit.into()]).await
}

pub(super) async fn try_again(tx: &mut Tx, id: i64, now: Timestamp) -> Result<bool, StoreError> {
    if tx.execute(&TRY_AGAIN, &[id.into(), now.into()]).await? > 0 {
        return Ok(true);
    }
    Ok(tx.execute(&DROP_TWIN, &[id.into()]).await? > 0)
}

impl FromRow for Line {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            waiting: row.int(0)?,
            running: row.int(1)?,
            failed: row.int(2)?,
            first_due: row.opt_timestamp(3)?,
        })
    }
}

pub(super) async fn line(rx: &mut Rx) -> Result<Line, StoreError> {
    rx.one(&LINE, &[]).await
}

/// A job under way, and whose it is.
pub(super) struct Running {
    pub(super) id: i64,
    pub(super) lease: String,
}

impl FromRow for Running {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self { id: row.int(0)?, lease: row.opt_text(1)?.unwrap_or_default() })
    }
}

pub(super) async fn running(rx: &mut Rx, limit: u32) -> Result<Vec<Running>, StoreError> {
    rx.all(&RUNNING, &[limit.into()]).await
}

/// Whether it was still under this lease.
pub(super) async fn end_lease(tx: &mut Tx, job: &Running) -> Result<bool, StoreError> {
    Ok(tx.execute(&END_LEASE, &[job.id.into(), (&job.lease).into()]).await? > 0)
}

pub(super) async fn left_over(rx: &mut Rx) -> Result<i64, StoreError> {
    rx.one(&LEFT_OVER, &[]).await
}
