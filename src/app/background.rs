//! What runs beside the requests: the audit's sequencer, the outbox's worker, the sweepers.

use super::{App, AppError};
use crate::{
    audit::{self, AuditError, HeadKey, HeadKeys, HeadsPlace, Sequencer},
    authority::RenewList,
    base::{Clock, Timestamp},
    http::{Held, idempotency},
    job,
    keys::{KeyId, KeyPurpose, KeysError, Keystore},
    officer::Caller,
    seal::SealService,
    store::Store,
};
use std::{sync::Arc, time::Duration};
use tokio::{sync::watch, task::JoinHandle};
use yinxin_pki::sign::Signer;

/// Jobs that a command does before it ends; what is left waits for the daemon.
const JOBS_AT_ONCE: usize = 100;
/// How often what never ended is looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(60);

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
        let (chain, hold) = (stopped.clone(), app.hold.clone());
        let worker = self.worker(app);
        let tasks = vec![
            tokio::spawn(async move {
                if let Err(error) = sequencer.run(chain).await {
                    hold.set(held_by(&error));
                }
            }),
            tokio::spawn(worker.run(stopped.clone())),
            tokio::spawn(app.vitals.clone().watch(stopped.clone())),
            tokio::spawn(sweep(app.seals.clone(), app.store.clone(), app.clock.clone(), stopped)),
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
        let signer = audit_signer(&app.keystore).await?;
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

/// What signs heads of the audit chain.
pub(super) async fn audit_signer(keystore: &Keystore) -> Result<Arc<dyn Signer>, KeysError> {
    let key = audit_key(keystore).await?.ok_or(KeysError::NoKeystore)?;
    keystore.signer(&key).await
}

/// All keys that sign, or signed, heads of the audit chain; destroyed ones too, for what they signed stays good.
pub(crate) async fn audit_keys(keystore: &Keystore) -> Result<HeadKeys, KeysError> {
    let mut found = Vec::new();
    let mut after = None;
    loop {
        let page = keystore.list(after.as_ref(), 1000).await?;
        let Some(last) = page.last() else { return Ok(HeadKeys::new(found)) };
        after = Some(last.id.clone());
        let audit = page.into_iter().filter(|key| key.purpose == KeyPurpose::Audit);
        found.extend(audit.map(|key| HeadKey {
            key: key.public_key,
            made_at: key.made_at,
            destroyed_at: key.destroyed_at,
        }));
    }
}

/// The newest living key that signs heads of the audit chain.
pub(super) async fn audit_key(keystore: &Keystore) -> Result<Option<KeyId>, KeysError> {
    let keys = keystore.list(None, 1000).await?;
    let found = keys.into_iter().rfind(|key| key.purpose == KeyPurpose::Audit && key.destroyed_at.is_none());
    Ok(found.map(|key| key.id))
}

async fn sweep(seals: SealService, store: Store, clock: Arc<dyn Clock>, mut stop: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            _ = stop.changed() => return,
            () = tokio::time::sleep(SWEEP_EVERY) => {}
        }
        if let Err(error) = sweep_once(&seals, &store, clock.now()).await {
            tracing::warn!(name: "service.sweep_failed", %error, "what never ended could not be closed; the next sweep tries again");
        }
    }
}

/// Closes what never ended, and forgets old idempotency keys; one does not wait for the other.
pub(super) async fn sweep_once(seals: &SealService, store: &Store, now: Timestamp) -> Result<(), AppError> {
    let closed = seals.sweep(&Caller::system("sweep", now)).await;
    idempotency::sweep(store, now).await?;
    Ok(closed?)
}
