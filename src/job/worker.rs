//! The worker: claims jobs that are due, runs their handlers, writes down how it went.

use super::{
    Job, Meters,
    store::{self, Claimed},
};
use crate::{
    base::{Clock, Entropy, Timestamp, failpoint},
    store::{Store, StoreError},
};
use serde::de::DeserializeOwned;
use std::{
    collections::BTreeMap,
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{sync::watch, task::JoinSet, time::timeout};
use tracing::Instrument as _;

/// Longest reason kept, in characters.
const REASON_MAX: usize = 500;

/// Why an attempt did not succeed, said at each `?` of a handler.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobError {
    /// It may succeed later: a party is down, the database is busy.
    Retry(String),
    /// It never will: what it speaks of is gone, or forbidden.
    Fail(String),
}

impl From<StoreError> for JobError {
    /// What may pass is tried again, and so is an unknown outcome: a job is idempotent.
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict { .. } | StoreError::Corrupt { .. } | StoreError::Missing { .. } => {
                Self::Fail(error.to_string())
            }
            _ => Self::Retry(error.to_string()),
        }
    }
}

impl fmt::Display for JobError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Retry(says) | Self::Fail(says) => out.write_str(says),
        }
    }
}

/// What a handler is told besides the job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// 1 for the first attempt.
    pub attempt: u32,
    /// When it began.
    pub now: Timestamp,
}

/// How a worker works.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Jobs at once, at least 1.
    pub concurrency: usize,
    /// How often to look for jobs that others wrote, or whose time has come.
    pub poll_ms: u64,
    /// How long a job is this worker's; its handler is stopped a fifth earlier.
    pub lease_ms: u32,
    /// Attempts before a job is given up, at least 1.
    pub attempts_max: u32,
    /// Wait after the first attempt; doubled after each further one.
    pub first_wait_ms: u32,
    /// Longest wait between attempts.
    pub wait_max_ms: u32,
    /// How long running jobs may take after the word to stop.
    pub drain_ms: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            concurrency: 4,
            poll_ms: 1_000,
            lease_ms: 60_000,
            attempts_max: 12,
            first_wait_ms: 1_000,
            wait_max_ms: 3_600_000,
            drain_ms: 20_000,
        }
    }
}

type Work = Pin<Box<dyn Future<Output = Result<(), JobError>> + Send>>;
type Handler = Arc<dyn Fn(&str, Run) -> Work + Send + Sync>;

/// Runs jobs. Cheap to clone.
#[derive(Clone)]
pub struct Worker {
    store: Store,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    settings: Settings,
    handlers: BTreeMap<&'static str, Handler>,
    meters: Arc<Meters>,
}

impl Worker {
    /// A worker without handlers.
    pub fn new(store: Store, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>, settings: Settings) -> Self {
        Self { store, clock, entropy, settings, handlers: BTreeMap::new(), meters: Arc::default() }
    }

    /// Counts where `meters` is read. To be said before the first handler.
    #[must_use]
    pub fn counted_by(self, meters: Arc<Meters>) -> Self {
        Self { meters, ..self }
    }

    /// Gives jobs of kind `J` to `handler`. Kinds without a handler stay in line: another release may know them.
    #[must_use]
    pub fn on<J, F, W>(mut self, handler: F) -> Self
    where
        J: Job + DeserializeOwned,
        F: Fn(J, Run) -> W + Send + Sync + 'static,
        W: Future<Output = Result<(), JobError>> + Send + 'static,
    {
        let typed = move |payload: &str, run: Run| -> Work {
            match serde_json::from_str::<J>(payload) {
                Ok(job) => Box::pin(handler(job, run)),
                Err(error) => {
                    // Where, and not what stands there: reasons are logged.
                    let (line, column) = (error.line(), error.column());
                    let says = format!("the payload is not one of {}: line {line} column {column}", J::KIND);
                    Box::pin(async move { Err(JobError::Fail(says)) })
                }
            }
        };
        self.handlers.insert(J::KIND, Arc::new(typed));
        // From now on it is seen to be zero.
        self.meters.of(J::KIND);
        self
    }

    /// Works until `stop` says true (or its sender is gone), then lets running jobs end within the time to drain.
    /// What does not end is given up by its lease and runs again elsewhere.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let mut running = JoinSet::new();
        while !*stop.borrow() {
            let store = self.store.clone();
            let rung = store.rung();
            let went_well = self.fill(&mut running).await;
            let poll = tokio::time::sleep(Duration::from_millis(self.settings.poll_ms.max(1)));
            tokio::select! {
                changed = stop.changed() => if changed.is_err() { break },
                Some(_) = running.join_next() => {}
                () = rung, if went_well => {}
                () = poll => {}
            }
        }
        let drain = async { while running.join_next().await.is_some() {} };
        if timeout(Duration::from_millis(self.settings.drain_ms), drain).await.is_err() {
            tracing::warn!(name: "job.left_running", left = running.len(), "jobs did not end in time; their leases will run out");
        }
        running.shutdown().await;
    }

    /// Runs, one after another, all jobs that are due now, and those that they ask for: for commands that end, and for
    /// tests. How many attempts were made, at most `limit`.
    pub async fn run_due(&self, limit: usize) -> Result<usize, StoreError> {
        for done in 0..limit {
            match self.claim().await? {
                Some(held) => self.clone().attempt(held).await,
                None => return Ok(done),
            }
        }
        Ok(limit)
    }

    /// Starts what is due, up to the number of jobs at once. Whether the database answered.
    async fn fill(&self, running: &mut JoinSet<()>) -> bool {
        while running.len() < self.settings.concurrency.max(1) {
            match self.claim().await {
                Ok(Some(held)) => {
                    running.spawn(self.clone().attempt(held));
                }
                Ok(None) => return true,
                Err(error) => {
                    tracing::warn!(name: "job.not_claimed", %error, "no job could be claimed");
                    return false;
                }
            }
        }
        true
    }

    async fn claim(&self) -> Result<Option<Held>, StoreError> {
        let now = self.clock.now();
        let until = now.plus_ms(i64::from(self.settings.lease_ms));
        let mut chance = [0; 16];
        self.entropy.fill(&mut chance);
        let lease = format!("{}{}{}", self.store.life(), super::OF_LIFE, hex::encode(chance));
        let kinds = serde_json::Value::from_iter(self.handlers.keys().copied()).to_string();
        let claimed = self.store.write(async |tx| store::claim(tx, &kinds, &lease, until, now).await).await;
        match claimed {
            Ok(claimed) => Ok(claimed.map(|claimed| {
                failpoint::reach("job.claimed");
                Held { claimed, lease, now }
            })),
            // A twin was claimed by another worker at the same instant.
            Err(StoreError::Conflict { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn attempt(self, held: Held) {
        let span = tracing::info_span!("job", kind = held.claimed.kind.as_str(), job = held.claimed.id);
        self.attempt_once(held).instrument(span).await;
    }

    async fn attempt_once(self, held: Held) {
        let begun = Instant::now();
        let outcome = self.outcome(&held).await;
        self.count(&held, &outcome, begun);
        failpoint::reach("job.worked");
        if let Err(error) = self.write_down(&held, outcome).await {
            tracing::warn!(name: "job.end_not_written", %error, "a job's end could not be written; it will run again");
        }
        failpoint::reach("job.settled");
    }

    async fn outcome(&self, held: &Held) -> Result<(), JobError> {
        // More claims than attempts allowed: its workers died each time, so it may be what kills them.
        if held.claimed.attempts > i64::from(self.settings.attempts_max.max(1)) {
            return Err(JobError::Fail("given up: no attempt came to an end".into()));
        }
        let Some(handler) = self.handlers.get(held.claimed.kind.as_str()) else {
            return Err(JobError::Retry("no handler".into()));
        };
        let attempt = u32::try_from(held.claimed.attempts).unwrap_or(u32::MAX);
        let work = handler(&held.claimed.payload, Run { attempt, now: held.now });
        let patience = Duration::from_millis(u64::from(self.settings.lease_ms) * 4 / 5);
        // A task of its own, so that a panic ends the attempt and not the worker.
        let mut task = JoinSet::new();
        task.spawn(work.in_current_span());
        match timeout(patience, task.join_next()).await {
            Ok(Some(Ok(outcome))) => outcome,
            Ok(Some(Err(_)) | None) => Err(JobError::Retry("the attempt panicked".into())),
            Err(_) => Err(JobError::Retry("the attempt took longer than its lease".into())),
        }
    }

    fn count(&self, held: &Held, outcome: &Result<(), JobError>, begun: Instant) {
        // What a worker claims it has a handler for, so the kind is one of its own words.
        let Some((kind, _)) = self.handlers.get_key_value(held.claimed.kind.as_str()) else { return };
        let ends = self.meters.of(kind);
        ends.took_us.note_time(begun.elapsed());
        match outcome {
            Ok(()) => ends.done.one(),
            Err(JobError::Retry(_)) if !self.is_last(held) => ends.retried.one(),
            Err(_) => ends.failed.one(),
        }
    }

    fn is_last(&self, held: &Held) -> bool {
        held.claimed.attempts >= i64::from(self.settings.attempts_max)
    }

    async fn write_down(&self, held: &Held, outcome: Result<(), JobError>) -> Result<(), StoreError> {
        let (id, lease, now) = (held.claimed.id, held.lease.as_str(), self.clock.now());
        let reason = match &outcome {
            Ok(()) => String::new(),
            Err(error) => error.to_string().chars().take(REASON_MAX).collect(),
        };
        let last = self.is_last(held);
        match outcome {
            Ok(()) => self.store.write(async |tx| store::done(tx, id, lease).await).await?,
            Err(JobError::Retry(_)) if !last => {
                let at = now.plus_ms(self.wait_ms(held.claimed.attempts));
                let again = self.store.write(async |tx| store::retry(tx, id, lease, at, &reason).await).await;
                match again {
                    // A twin waits already and does the same work.
                    Ok(0) | Err(StoreError::Conflict { .. }) => {
                        self.store.write(async |tx| store::done(tx, id, lease).await).await?
                    }
                    other => other?,
                }
            }
            Err(_) => {
                tracing::warn!(name: "job.given_up", reason, "a job was given up");
                self.store.write(async |tx| store::give_up(tx, id, lease, now, &reason).await).await?
            }
        };
        Ok(())
    }

    /// Wait after so many attempts: doubled each time, of which the second half is chance.
    fn wait_ms(&self, attempts: i64) -> i64 {
        let doublings = u32::try_from(attempts.saturating_sub(1)).unwrap_or(0).min(31);
        let full = u64::from(self.settings.first_wait_ms) << doublings;
        let full = full.min(u64::from(self.settings.wait_max_ms));
        let mut chance = [0; 8];
        self.entropy.fill(&mut chance);
        let wait = full / 2 + u64::from_be_bytes(chance) % (full / 2 + 1);
        i64::try_from(wait).unwrap_or(i64::MAX)
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Worker({:?})", self.handlers.keys())
    }
}

struct Held {
    claimed: Claimed,
    lease: String,
    now: Timestamp,
}
