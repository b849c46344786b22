//! What runs beside the requests: the audit's sequencer, the outbox's worker, the sweepers.

use super::{
    App, AppError,
    authority_desk::{self, AuthorityDesk},
    key_desk,
};
use crate::{
    audit::{AuditError, HeadKey, HeadKeys, HeadsPlace, Sequencer},
    authority::RenewList,
    base::{Clock, Timestamp},
    http::{Held, idempotency},
    job,
    keys::{KeyPurpose, KeysError, Keystore},
    officer::Caller,
    seal::SealService,
    store::Store,
};
use std::{sync::Arc, time::Duration};
use tokio::{sync::watch, task::JoinHandle};

/// Jobs that a command does before it ends; what is left waits for the daemon.
const JOBS_AT_ONCE: usize = 100;
/// How often what never ended is looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(60);

/// What background work needs to know.
pub(super) struct Background {
    heads: HeadsPlace,
}

/// Background work under way.
pub(super) struct Work {
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Background {
    pub(super) fn new(heads: HeadsPlace) -> Self {
        Self { heads }
    }

    /// Starts all of it.
    pub(super) async fn start(&self, app: &App) -> Result<Work, AppError> {
        let (stop, stopped) = watch::channel(false);
        let sequencer = self.sequencer(app).await?;
        let (chain, hold) = (stopped.clone(), app.hold.clone());
        let (worker, store) = (worker(app), app.store.clone());
        let tasks = vec![
            tokio::spawn(authority_desk::watch(
                AuthorityDesk::new(&app.authority, &app.seals),
                app.clock.clone(),
                stopped.clone(),
            )),
            tokio::spawn(key_desk::watch(app.key_desk.clone(), stopped.clone())),
            tokio::spawn(async move {
                match sequencer.run(chain).await {
                    Ok(()) => {}
                    Err(error @ (AuditError::RolledBack { .. } | AuditError::FileCut { .. })) => {
                        hold.set(held_by(&error));
                    }
                    // What is recorded and not signed could be removed unseen, so nothing is recorded any more. What was
                    // recorded before is as good as ever: reading and verifying go on.
                    Err(error) => {
                        store.halt();
                        tracing::error!(%error, "no changes are taken until this process is started again");
                    }
                }
            }),
            tokio::spawn(worker.run(stopped.clone())),
            tokio::spawn(sweep(app.seals.clone(), app.store.clone(), app.clock.clone(), stopped)),
        ];
        Ok(Work { stop, tasks })
    }

    /// Does the jobs that are due, once.
    pub(super) async fn work_once(&self, app: &App) -> Result<(), AppError> {
        worker(app).run_due(JOBS_AT_ONCE).await?;
        Ok(())
    }

    /// Chains what was recorded, once.
    pub(super) async fn chain_once(&self, app: &App) -> Result<(), AppError> {
        self.sequencer(app).await?.step().await?;
        Ok(())
    }

    async fn sequencer(&self, app: &App) -> Result<Sequencer, AppError> {
        let signer = app.audit_key.clone();
        Ok(Sequencer::open(
            app.store.clone(),
            self.heads.clone(),
            signer,
            app.clock.clone(),
            app.entropy.clone(),
        )
        .await?)
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

/// The outbox's worker, with everything that jobs may ask for.
fn worker(app: &App) -> job::Worker {
    let authority = app.authority.clone();
    job::Worker::new(app.store.clone(), app.clock.clone(), app.entropy.clone(), job::Settings::default()).on(
        move |work: RenewList, run| {
            let authority = authority.clone();
            async move { authority.renew_list(work, run).await }
        },
    )
}

impl Work {
    /// Tells everything to end and waits for it.
    pub(super) async fn end(self) {
        // Nobody listens any more where all tasks have ended by themselves.
        let _ = self.stop.send(true);
        for task in self.tasks {
            if task.await.is_err() {
                tracing::error!("a background task ended by a panic");
            }
        }
    }
}

/// All keys that sign, or signed, heads of the audit chain, as far as the keystore vouches for them: a row that somebody
/// put into the database does not open, and is left out.
pub(super) async fn audit_keys(keystore: &Keystore) -> Result<HeadKeys, KeysError> {
    let mut found = Vec::new();
    for key in keystore.of_purpose(KeyPurpose::Audit).await? {
        match keystore.signer(&key.id).await {
            Ok(signer) => found.push(HeadKey {
                key: signer.public_key(),
                made_at: key.made_at,
                destroyed_at: key.destroyed_at,
            }),
            Err(KeysError::Store(error)) => return Err(error.into()),
            Err(error) => tracing::warn!(key = %key.id, %error, "a key of the audit is passed over"),
        }
    }
    Ok(HeadKeys::new(found))
}

async fn sweep(seals: SealService, store: Store, clock: Arc<dyn Clock>, mut stop: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            _ = stop.changed() => return,
            () = tokio::time::sleep(SWEEP_EVERY) => {}
        }
        if let Err(error) = sweep_once(&seals, &store, clock.now()).await {
            tracing::warn!(%error, "what never ended could not be closed; the next sweep tries again");
        }
    }
}

/// Closes what never ended, and forgets old idempotency keys; one does not wait for the other.
pub(super) async fn sweep_once(seals: &SealService, store: &Store, now: Timestamp) -> Result<(), AppError> {
    let closed = seals.sweep(&Caller::system("sweep", now)).await;
    idempotency::sweep(store, now).await?;
    Ok(closed?)
}
