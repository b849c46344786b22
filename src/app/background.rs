//! What runs beside the requests: the audit's sequencer, the outbox's worker, the sweepers.

use super::{
    App, AppError,
    authority_desk::{self, AuthorityDesk},
    key_desk,
};
use crate::{
    audit::{self, AuditError, HeadKey, HeadKeys, HeadsPlace, Sequencer},
    authority::{Act, Authority, RenewList},
    base::Clock,
    http::{Held, idempotency},
    job,
    keys::{KeyPurpose, KeysError, Keystore},
    officer::Caller,
    seal::SealService,
    store::{Lease, Store},
};
use std::{sync::Arc, time::Duration};
use tokio::{sync::watch, task::JoinHandle};

/// Jobs that a command does before it ends; what is left waits for the daemon.
const JOBS_AT_ONCE: usize = 100;
/// How often what never ended is looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(60);
/// Less than that by what the nodes' looks are apart: one of them sweeps each minute.
const SWEPT_EVERY: Duration = Duration::from_secs(50);
/// How long a node that sweeps and gives no sign of life keeps the others from it.
const SWEEP_LASTS: Duration = Duration::from_secs(15);
/// What was begun longer ago than any request may take is nobody's any more.
const OPEN_FOR_MS: i64 = 120_000;
/// And at least so much longer than a request may take: clocks of nodes may be apart, and commits take their time.
const BEYOND_REQUEST_MS: i64 = 60_000;

/// What background work needs to know.
pub(super) struct Background {
    heads: HeadsPlace,
    chain: Arc<audit::Meters>,
    jobs: Arc<job::Meters>,
}

/// Background work under way.
pub(super) struct Work {
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Background {
    pub(super) fn new(heads: HeadsPlace) -> Self {
        Self { heads, chain: Arc::default(), jobs: Arc::default() }
    }

    /// What the sequencer counts.
    pub(super) fn chain(&self) -> &Arc<audit::Meters> {
        &self.chain
    }

    /// What workers count.
    pub(super) fn jobs(&self) -> &Arc<job::Meters> {
        &self.jobs
    }

    /// Starts all of it.
    pub(super) async fn start(&self, app: &App) -> Result<Work, AppError> {
        let (stop, stopped) = watch::channel(false);
        let sequencer = self.sequencer(app).await?;
        let (chain, hold, covered) = (stopped.clone(), app.hold.clone(), app.presence.held());
        let (worker, store) = (self.worker(app), app.store.clone());
        let tasks = vec![
            tokio::spawn(authority_desk::watch(
                AuthorityDesk::new(&app.authority, &app.seals),
                Lease::new(&app.store, "certificates", app.store.node(), SWEEP_LASTS),
                app.clock.clone(),
                stopped.clone(),
            )),
            tokio::spawn(key_desk::watch(app.key_desk.clone(), stopped.clone())),
            tokio::spawn(async move {
                match covered.cover(sequencer.run(chain)).await {
                    Ok(()) => {}
                    Err(error @ (AuditError::RolledBack { .. } | AuditError::FileCut { .. })) => {
                        hold.set(held_by(&error));
                    }
                    // What is recorded and not signed could be removed unseen, so nothing is recorded any more. What was
                    // recorded before is as good as ever: reading and verifying go on.
                    Err(error) => {
                        store.halt();
                        tracing::error!(name: "audit.stopped", %error, "no changes are taken until this process is started again");
                    }
                }
            }),
            tokio::spawn(worker.run(stopped.clone())),
            tokio::spawn(app.vitals.clone().watch(stopped.clone())),
            tokio::spawn(app.housekeeping.clone().run(stopped)),
        ];
        Ok(Work { stop, tasks })
    }

    /// Does the jobs that are due, once.
    pub(super) async fn work_once(&self, app: &App) -> Result<(), AppError> {
        self.worker(app).run_due(JOBS_AT_ONCE).await?;
        Ok(())
    }

    /// Chains what was recorded, once.
    pub(super) async fn chain_once(&self, app: &App) -> Result<(), AppError> {
        self.sequencer(app).await?.step().await?;
        Ok(())
    }

    /// The outbox's worker, with everything that jobs may ask for.
    fn worker(&self, app: &App) -> job::Worker {
        let authority = app.authority.clone();
        job::Worker::new(app.store.clone(), app.clock.clone(), app.entropy.clone(), job::Settings::default())
            .counted_by(self.jobs.clone())
            .on(move |work: RenewList, run| {
                let authority = authority.clone();
                async move { authority.renew_list(work, run).await }
            })
    }

    async fn sequencer(&self, app: &App) -> Result<Sequencer, AppError> {
        let signer = app.audit_key.clone();
        let opened = Sequencer::open(
            app.store.clone(),
            self.heads.clone(),
            signer,
            app.clock.clone(),
            app.entropy.clone(),
        );
        Ok(opened.await?.counted_by(self.chain.clone()))
    }
}

/// Why the service is held back where records are no longer chained.
pub(super) fn held_by(error: &AuditError) -> Held {
    let code = match error {
        AuditError::RolledBack { .. } | AuditError::FileCut { .. } => "audit/rolled-back",
        _ => "audit/stopped",
    };
    Held { code, says: error.to_string() }
}

impl Work {
    /// Tells everything to end and waits for it.
    pub(super) async fn end(self) {
        // Nobody listens any more where all tasks have ended by themselves.
        let _ = self.stop.send(true);
        for task in self.tasks {
            if task.await.is_err() {
                tracing::error!(name: "service.task_panicked", "a background task ended by a panic");
            }
        }
    }
}

/// All keys that sign, or signed, heads of the audit chain, as far as the keystore vouches for them: a row that somebody
/// put into the database does not open, and is left out.
pub(crate) async fn audit_keys(keystore: &Keystore) -> Result<HeadKeys, KeysError> {
    let mut found = Vec::new();
    for key in keystore.of_purpose(KeyPurpose::Audit).await? {
        match keystore.signer(&key.id).await {
            Ok(signer) => found.push(HeadKey {
                key: signer.public_key(),
                made_at: key.made_at,
                destroyed_at: key.destroyed_at,
            }),
            Err(KeysError::Store(error)) => return Err(error.into()),
            Err(error) => {
                tracing::warn!(name: "audit.key_passed_over", key = %key.id, %error, "a key of the audit is passed over")
            }
        }
    }
    Ok(HeadKeys::new(found))
}

/// What one node does for all: closes what never ended, forgets what is over, renews the revocation list.
#[derive(Clone)]
pub(super) struct Housekeeping {
    lease: Lease,
    store: Store,
    seals: SealService,
    authority: Authority,
    clock: Arc<dyn Clock>,
    open_for_ms: i64,
}

impl Housekeeping {
    pub(super) fn new(
        store: &Store,
        seals: &SealService,
        authority: &Authority,
        clock: &Arc<dyn Clock>,
        request: Duration,
    ) -> Self {
        let request_ms = i64::try_from(request.as_millis()).unwrap_or(i64::MAX / 2);
        Self {
            open_for_ms: OPEN_FOR_MS.max(request_ms + BEYOND_REQUEST_MS),
            lease: Lease::new(store, "housekeeping", store.node(), SWEEP_LASTS),
            store: store.clone(),
            seals: seals.clone(),
            authority: authority.clone(),
            clock: clock.clone(),
        }
    }

    async fn run(self, mut stop: watch::Receiver<bool>) {
        loop {
            tokio::select! {
                _ = stop.changed() => return,
                () = tokio::time::sleep(SWEEP_EVERY) => {}
            }
            if let Err(error) = self.lease.once(SWEPT_EVERY, self.sweep()).await {
                tracing::warn!(name: "service.sweep_failed", %error, "what never ended could not be closed; the next sweep tries again");
            }
        }
    }

    /// Does it now, unless another node is at it.
    pub(super) async fn once(&self) -> Result<(), AppError> {
        self.lease.once(Duration::ZERO, self.sweep()).await.map(drop)
    }

    /// One part does not wait for the other to succeed; the first error is told.
    async fn sweep(&self) -> Result<(), AppError> {
        let now = self.clock.now();
        let caller = Caller::system("sweep", now);
        let closed = self.seals.sweep(&caller, self.open_for_ms).await;
        let forgotten = idempotency::sweep(&self.store, now).await;
        let act = Act { actor: "system", request: &caller.request, now };
        let completed = self.authority.complete_intents_before(&act, now.plus_ms(-self.open_for_ms)).await;
        // With SQLite they are free since the start, and those of now are our own.
        let freed = if self.store.is_ours_alone() { Ok(0) } else { job::free_abandoned(&self.store).await };
        if let Err(error) = self.authority.crl(now).await {
            tracing::warn!(name: "authority.list_not_renewed", %error, "the revocation list could not be renewed; the last one still serves");
        }
        closed?;
        forgotten?;
        completed?;
        freed?;
        Ok(())
    }
}
