//! Work after a commit (outbox): written in the same transaction as what it follows from, done at least once.
//!
//! So each job is idempotent. Jobs of one kind and key are the same work: while one waits, a second one only makes
//! sure that it waits no longer; while one runs, a second one waits, and runs after it.

mod meter;
mod store;
mod worker;

pub use meter::{Ends, Meters};
pub use store::STATEMENTS;
pub use worker::{JobError, Run, Settings, Worker};

use crate::{
    base::Timestamp,
    store::{Rx, Store, StoreError, Tx, lease},
};
use serde::Serialize;

/// A piece of work, as the payload that its handler needs.
pub trait Job: Serialize + Sync {
    /// Stable name, `seal.publish_status`; kept in rows, so a rename is a migration.
    const KIND: &'static str;

    /// What tells this work from other work of its kind, usually an id.
    fn key(&self) -> String;
}

/// Asks for `job` once this transaction is committed.
pub async fn enqueue<J: Job>(tx: &mut Tx, job: &J, now: Timestamp) -> Result<(), StoreError> {
    enqueue_at(tx, job, now, now).await
}

/// Asks for `job` at `at`, or as soon after as there is room.
pub async fn enqueue_at<J: Job>(
    tx: &mut Tx,
    job: &J,
    at: Timestamp,
    now: Timestamp,
) -> Result<(), StoreError> {
    let payload = serde_json::to_string(job)
        .map_err(|error| StoreError::Corrupt { says: format!("a job {} has no JSON: {error}", J::KIND) })?;
    store::add(tx, J::KIND, &job.key(), &payload, at, now).await?;
    tx.ring();
    Ok(())
}

/// Between the life of the node that works on a job and the rest of its lease.
const OF_LIFE: char = '.';
/// Jobs under way that are looked at in one go.
const LOOKED_AT: u32 = 1000;

/// Ends the leases of workers that are surely gone, so that their jobs are taken up at once; how many. With SQLite, where
/// nobody else can be at work, that is every worker before this process: to be called once, at the start.
pub async fn free_abandoned(store: &Store) -> Result<u64, StoreError> {
    store
        .write(async |tx| {
            let mut freed = 0;
            for job in store::running(tx, LOOKED_AT).await? {
                let life = job.lease.rsplit_once(OF_LIFE).map_or("", |(life, _)| life);
                if store.is_ours_alone() || lease::is_over(tx, life).await? {
                    freed += u64::from(store::end_lease(tx, &job).await?);
                }
            }
            if freed > 0 {
                tx.ring();
            }
            Ok(freed)
        })
        .await
}

/// A job that was given up, for the operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failed {
    /// Its number.
    pub id: i64,
    /// What kind of work.
    pub kind: String,
    /// Which work.
    pub key: String,
    /// How often it was tried.
    pub attempts: i64,
    /// What the last attempt said.
    pub reason: String,
    /// When it was given up.
    pub at: Timestamp,
}

/// Jobs that were given up, newest first; at most `limit`.
pub async fn failed(rx: &mut Rx, limit: u32) -> Result<Vec<Failed>, StoreError> {
    store::failed(rx, limit).await
}

/// Puts a job that was given up back in line. Whether there was one.
pub async fn try_again(tx: &mut Tx, id: i64, now: Timestamp) -> Result<bool, StoreError> {
    let found = store::try_again(tx, id, now).await?;
    tx.ring();
    Ok(found)
}

/// Jobs by where they stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Line {
    /// Jobs that wait for their time, or for a worker.
    pub waiting: i64,
    /// Jobs at work.
    pub running: i64,
    /// Jobs that were given up.
    pub failed: i64,
    /// The earliest time at which a waiting job was or will be due; `None`: none waits.
    pub first_due: Option<Timestamp>,
}

/// How many jobs stand where.
pub async fn line(rx: &mut Rx) -> Result<Line, StoreError> {
    store::line(rx).await
}

/// How many jobs wait or run: for readiness pages, and for tests that must leave none.
pub async fn left_over(rx: &mut Rx) -> Result<i64, StoreError> {
    store::left_over(rx).await
}
