//! Backups, taken by the system administrator over REST: the daemon holds the database, so it alone can read it while work
//! goes on, and writes what it reads into the answer, encrypted to the configured recipients. Whoever takes the backup reads
//! nothing of it, the audit records least of all; that is why the caller cannot choose to whom it is encrypted.

use super::{background, key_desk::AuditKey, piped};
use crate::{
    audit::{self, Entry, HeadKeys},
    backup::{self, BackupError, BackupId, Made, Making, Recipient},
    base::{Clock, Entropy},
    http::{Access, Gives, Operation, Problem, Route},
    keys::{KeysError, Keystore},
    officer::{Caller, Right},
    store::Store,
};
use axum::{
    extract::State,
    http::{HeaderName, header},
    response::{IntoResponse as _, Response},
};
use serde_json::{Value, json};
use std::{io, path::PathBuf, sync::Arc, time::Duration};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};
use yinxin_pki::sign::Signer;

/// The longest that writing down the end of a backup may take.
const RECORDING: Duration = Duration::from_secs(30);
/// The media type of a backup.
const BACKUP: &str = "application/vnd.yinxin.backup";
/// The header with a backup's id: the records of it have the same subject.
const BACKUP_ID: HeaderName = HeaderName::from_static("yinxin-backup-id");

/// What the route works with.
#[derive(Clone)]
pub(super) struct BackupDesk(Arc<Desk>);

struct Desk {
    parts: Parts,
    /// One at a time: each holds an old instant of the database.
    place: Arc<Semaphore>,
}

/// What it is put together from.
pub(super) struct Parts {
    pub store: Store,
    pub keystore: Keystore,
    pub heads_file: PathBuf,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
    pub recipients: Vec<Recipient>,
    pub deadline: Duration,
    pub log_limit_bytes: u64,
}

impl BackupDesk {
    pub(super) fn new(parts: Parts) -> Self {
        Self(Arc::new(Desk { parts, place: Arc::new(Semaphore::new(1)) }))
    }

    pub(super) fn routes(&self) -> Vec<Route> {
        vec![
            Operation::post(
                Access::Right(Right::BackupMake),
                "/api/v1/backups",
                "makeBackup",
                "A backup of the whole service at this instant, encrypted to the configured recipients, as one stream; recorded.",
            )
            .gives(200, Gives::Bytes(BACKUP))
            .problems(&["backup/no-recipient", "backup/under-way"])
            .handled_by(self.clone(), make),
        ]
    }
}

async fn make(State(desk): State<BackupDesk>, caller: Caller) -> Result<Response, Problem> {
    caller.officer(Right::BackupMake)?;
    let parts = &desk.0.parts;
    if parts.recipients.is_empty() {
        return Err(Problem::new("backup/no-recipient", "backup.recipients of the configuration is empty"));
    }
    let place = desk.0.place.clone().try_acquire_owned();
    let place = place.map_err(|_| Problem::new("backup/under-way", "one backup is made at a time"))?;
    let keys = background::audit_keys(&parts.keystore).await.map_err(of_keys)?;
    let signer = AuditKey::open(&parts.keystore).await.map_err(of_keys)?;
    let id = BackupId::fresh(caller.now, &*parts.entropy);
    let recipients: Vec<_> = parts.recipients.iter().map(Recipient::to_string).collect();
    let begun = caller.entry("service.backup_begun", &id, json!({ "recipients": recipients }));
    parts.store.write(async |tx| audit::append(tx, &begun).await).await?;
    let work = Work { desk: desk.clone(), caller, id: id.clone(), keys, signer, _place: place };
    // A little longer than the work itself, so that its end is recorded.
    let body = piped::body(desk.0.parts.deadline + RECORDING, move |pipe| work.run(pipe));
    let name = format!("attachment; filename=\"{id}.yxb\"");
    let headers = [
        (header::CONTENT_TYPE, BACKUP.to_owned()),
        (header::CONTENT_DISPOSITION, name),
        (BACKUP_ID, id.to_string()),
    ];
    Ok((headers, body).into_response())
}

/// A backup under way.
struct Work {
    desk: BackupDesk,
    caller: Caller,
    id: BackupId,
    keys: HeadKeys,
    signer: Arc<dyn Signer>,
    _place: OwnedSemaphorePermit,
}

impl Work {
    async fn run(self, mut pipe: tokio::io::DuplexStream) -> Result<(), String> {
        let within = timeout(self.desk.0.parts.deadline, self.make(&mut pipe)).await;
        let made = within.unwrap_or_else(|_| {
            let says = "it took longer than backup.deadline";
            Err(BackupError::Io(io::Error::new(io::ErrorKind::TimedOut, says)))
        });
        // Recorded before the reader is told that it is whole.
        let recorded = self.record(&made).await;
        let made = made.map_err(|error| error.to_string())?;
        recorded?;
        tracing::info!(name: "backup.made", id = %self.id, bytes = made.bytes, rows = made.rows, "a backup was made");
        Ok(())
    }

    async fn make(&self, pipe: &mut tokio::io::DuplexStream) -> Result<Made, BackupError> {
        let parts = &self.desk.0.parts;
        let making = Making {
            store: &parts.store,
            heads_file: &parts.heads_file,
            keys: &self.keys,
            signer: self.signer.clone(),
            recipients: &parts.recipients,
            entropy: parts.entropy.clone(),
            id: self.id.as_str(),
            now: parts.clock.now(),
            log_limit_bytes: parts.log_limit_bytes,
        };
        backup::make(&making, pipe).await
    }

    async fn record(&self, made: &Result<Made, BackupError>) -> Result<(), String> {
        let parts = &self.desk.0.parts;
        let (action, detail): (_, Value) = match made {
            Ok(made) => (
                backup::MADE,
                json!({ "bytes": made.bytes, "rows": made.rows, "manifest_sm3": made.manifest_sm3 }),
            ),
            Err(error) => ("service.backup_failed", json!({ "why": error.to_string() })),
        };
        let entry = Entry { at: parts.clock.now(), ..self.caller.entry(action, &self.id, detail) };
        let recorded = parts.store.write(async |tx| audit::append(tx, &entry).await).await;
        recorded.map_err(|error| error.to_string())
    }
}

fn of_keys(error: KeysError) -> Problem {
    match error {
        KeysError::Store(error) => error.into(),
        error => {
            tracing::error!(name: "audit.keys_unreadable", %error, "the audit keys cannot be read");
            Problem::internal()
        }
    }
}
