//! SQLite: one connection that writes, passed on as a baton; several that read.
//!
//! A writer waits for the seat, works inside its own savepoint, and leaves. A flusher commits for all who have left and
//! wakes them, so that many writes share one sync of the disk. Three savepoint levels:
//! `BEGIN IMMEDIATE` → `g` (the group: gone if SQLite rolled everything back by itself) → `s` (one writer).

use super::{
    Deadlines, OpenError, StoreError,
    engine::{Conn, Tx},
    error::commit_may_go_on,
    lock::FileLock,
    migrations,
};
use crate::base::{Timestamp, failpoint};
use sqlx::{
    ConnectOptions, Connection as _, Row as _, SqliteConnection, SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use std::{
    fs::{DirBuilder, OpenOptions, Permissions},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::Path,
    sync::{
        Arc, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::{Mutex, Notify, OwnedMutexGuard, oneshot},
    task::JoinHandle,
    time::timeout,
};

/// Prepared statements kept by each connection.
const STATEMENTS_KEPT: usize = 256;

pub(super) struct SqliteEngine {
    shared: Arc<Shared>,
    readers: SqlitePool,
    flusher: JoinHandle<()>,
    wait: Duration,
    lock: std::sync::Mutex<Option<FileLock>>,
}

struct Shared {
    seat: Arc<Mutex<Seat>>,
    halted: Arc<AtomicBool>,
    wake: Notify,
    commit: Duration,
}

impl SqliteEngine {
    pub(super) async fn open(
        path: &Path,
        readers: u32,
        deadlines: &Deadlines,
        node: &Arc<str>,
        now: Timestamp,
    ) -> Result<Self, OpenError> {
        make_private(path)?;
        let lock = FileLock::take(path)?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .busy_timeout(Duration::from_millis(deadlines.lock_ms))
            .foreign_keys(true)
            .statement_cache_capacity(STATEMENTS_KEPT)
            .disable_statement_logging();
        let writer = options
            .clone()
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .connect()
            .await;
        let mut writer = writer.map_err(|error| StoreError::of("open", error))?;
        demand_durability(&mut writer).await?;
        write_log_home(&mut writer).await?;
        let mut tx = Tx::new(Conn::Sqlite(writer), node.clone());
        migrations::apply(&mut tx, now).await?;
        let readers = SqlitePoolOptions::new()
            .max_connections(readers)
            .acquire_timeout(Duration::from_millis(deadlines.wait_ms))
            .idle_timeout(None)
            .max_lifetime(None)
            .test_before_acquire(false)
            .connect_lazy_with(options.read_only(true));
        let halted = Arc::new(AtomicBool::new(false));
        let seat = Seat { tx: Some(tx), step: Step::Closed, waiting: Vec::new(), halted: halted.clone() };
        let shared = Arc::new(Shared {
            seat: Arc::new(Mutex::new(seat)),
            halted,
            wake: Notify::new(),
            commit: Duration::from_millis(deadlines.commit_ms),
        });
        let flusher = tokio::spawn(flush_whenever_woken(shared.clone()));
        let wait = Duration::from_millis(deadlines.wait_ms);
        Ok(Self { shared, readers, flusher, wait, lock: std::sync::Mutex::new(Some(lock)) })
    }

    pub(super) fn readers(&self) -> &SqlitePool {
        &self.readers
    }

    pub(super) fn is_halted(&self) -> bool {
        self.shared.halted.load(Ordering::SeqCst)
    }

    pub(super) async fn turn(&self) -> Result<Turn, StoreError> {
        let seat = timeout(self.wait, self.shared.seat.clone().lock_owned());
        let mut seat = seat.await.map_err(|_| StoreError::Busy)?;
        seat.enter().await?;
        Ok(Turn { seat, shared: self.shared.clone() })
    }

    pub(super) async fn close(&self) {
        let _ = timeout(self.wait, self.readers.close()).await;
        let mut seat = self.shared.seat.lock().await;
        seat.flush().await;
        seat.halted.store(true, Ordering::SeqCst);
        if let Some(Conn::Sqlite(writer)) = seat.tx.take().map(Tx::into_conn)
            && let Err(error) = writer.close().await
        {
            tracing::warn!(%error, "the database did not close cleanly; it recovers at the next start");
        }
        self.lock.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

impl Drop for SqliteEngine {
    fn drop(&mut self) {
        // Nobody can be waiting for it: each writer holds the store.
        self.flusher.abort();
    }
}

async fn flush_whenever_woken(shared: Arc<Shared>) {
    loop {
        shared.wake.notified().await;
        shared.seat.lock().await.flush().await;
    }
}

/// One writer at work.
pub(super) struct Turn {
    seat: OwnedMutexGuard<Seat>,
    shared: Arc<Shared>,
}

impl Turn {
    #[allow(
        clippy::expect_used,
        reason = "a closed seat lets nobody enter, and closing waits for whoever sits on it"
    )]
    pub(super) fn tx(&mut self) -> &mut Tx {
        self.seat.tx.as_mut().expect("a seat that was entered is open")
    }

    pub(super) async fn finish(mut self, keep: bool) -> Result<(), StoreError> {
        let answer = self.seat.leave(keep).await?;
        failpoint::reach("sqlite.left");
        let Self { seat, shared } = self;
        drop(seat);
        shared.wake.notify_one();
        let Some(answer) = answer else { return Ok(()) };
        match timeout(shared.commit, answer).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) | Err(_) => Err(StoreError::Unknown),
        }
    }
}

/// Where the connection stands. Set before a step is taken, so that whoever comes after a dropped future knows which
/// steps may or may not have been taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// No transaction.
    Closed,
    /// A transaction may be open; nothing in it is owed to anyone.
    Doubtful,
    /// A transaction and its group are open, nobody is at work.
    Between,
    /// A writer's savepoint may be open or not; nothing in it is half done.
    Threshold,
    /// A writer's savepoint is open, and half of its work may be done.
    Inside,
}

struct Seat {
    /// `None` once closed.
    tx: Option<Tx>,
    step: Step,
    waiting: Vec<oneshot::Sender<Result<(), StoreError>>>,
    halted: Arc<AtomicBool>,
}

impl Seat {
    /// Cleans up after a dropped predecessor and opens a savepoint for the next writer.
    async fn enter(&mut self) -> Result<(), StoreError> {
        if self.halted.load(Ordering::SeqCst) {
            return Err(StoreError::Halted);
        }
        self.recover().await;
        if let Some(tx) = &mut self.tx {
            tx.reset();
        }
        if self.step == Step::Closed {
            self.step = Step::Doubtful;
            let begun = self.control("BEGIN IMMEDIATE; SAVEPOINT g").await;
            begun.map_err(|error| StoreError::of("begin", error))?;
            self.step = Step::Between;
        }
        self.step = Step::Threshold;
        let opened = self.control("SAVEPOINT s").await;
        opened.map_err(|error| StoreError::of("begin", error))?;
        self.step = Step::Inside;
        Ok(())
    }

    /// Brings the connection to `Closed` or `Between`, whatever a dropped future left behind.
    async fn recover(&mut self) {
        match self.step {
            Step::Closed | Step::Between => {}
            Step::Doubtful => self.close_group().await,
            Step::Inside => self.undo().await,
            Step::Threshold => {
                // The savepoint may not be there, so this may fail. Whether the group is still there must be known,
                // else an outermost savepoint would be a transaction of its own.
                let _ = self.control("ROLLBACK TO s; RELEASE s").await;
                match self.control("RELEASE g; SAVEPOINT g").await {
                    Ok(()) => self.step = Step::Between,
                    Err(_) => self.fail_group(&StoreError::Lost).await,
                }
            }
        }
    }

    /// Ends a writer's turn; what it has to wait for, if anything.
    async fn leave(&mut self, keep: bool) -> Result<Option<Answer>, StoreError> {
        if keep {
            self.step = Step::Threshold;
            if let Err(error) = self.control("RELEASE s").await {
                self.fail_group(&StoreError::Lost).await;
                return Err(StoreError::of("release", error));
            }
            self.step = Step::Between;
        } else {
            self.undo().await;
            // A refusal may rest on what others of this group wrote: it holds only if their work is kept.
            if self.waiting.is_empty() {
                return Ok(None);
            }
        }
        let (sender, receiver) = oneshot::channel();
        self.waiting.push(sender);
        Ok(Some(receiver))
    }

    /// Undoes the writer's work. Fails only where SQLite has rolled back everything by itself (disk full, I/O error):
    /// then the work of the others in the group is gone as well, and they are told.
    async fn undo(&mut self) {
        self.step = Step::Threshold;
        match self.control("ROLLBACK TO s; RELEASE s").await {
            Ok(()) => self.step = Step::Between,
            Err(_) => self.fail_group(&StoreError::Lost).await,
        }
    }

    /// Commits for all who have left.
    async fn flush(&mut self) {
        self.recover().await;
        if self.step != Step::Between {
            return;
        }
        self.step = Step::Doubtful;
        if self.control("RELEASE g").await.is_err() {
            return self.fail_group(&StoreError::Lost).await;
        }
        failpoint::reach("sqlite.committing");
        match self.control("COMMIT").await {
            Ok(()) => {
                failpoint::reach("sqlite.committed");
                self.step = Step::Closed;
                for sender in self.waiting.drain(..) {
                    sender.send(Ok(())).ok();
                }
            }
            Err(error) if commit_may_go_on(&error) => self.fail_group(&StoreError::Lost).await,
            Err(error) => {
                tracing::error!(%error, "a commit failed; no more writes until this process is started again");
                self.halted.store(true, Ordering::SeqCst);
                // Its pages may lie whole in the log, and be found there at the next start.
                self.fail_group(&StoreError::Unknown).await;
            }
        }
    }

    async fn control(&mut self, text: &'static str) -> Result<(), sqlx::Error> {
        match &mut self.tx {
            Some(tx) => tx.control(text).await,
            None => Err(sqlx::Error::PoolClosed),
        }
    }

    async fn fail_group(&mut self, error: &StoreError) {
        for sender in self.waiting.drain(..) {
            sender.send(Err(error.clone())).ok();
        }
        self.close_group().await;
    }

    /// Rolls back whatever is open; that nothing is open is fine as well.
    async fn close_group(&mut self) {
        self.step = Step::Doubtful;
        let _ = self.control("ROLLBACK").await;
        self.step = Step::Closed;
    }
}

type Answer = oneshot::Receiver<Result<(), StoreError>>;

/// Makes directory and file for their owner alone, before SQLite makes them for everyone.
fn make_private(path: &Path) -> Result<(), OpenError> {
    let file =
        |path: &Path, error: std::io::Error| OpenError::File { path: path.into(), says: error.to_string() };
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.exists()) {
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|error| file(folder, error))?;
    }
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .and_then(|opened| opened.set_permissions(Permissions::from_mode(0o600)))
        .map_err(|error| file(path, error))
}

/// Writes what the log holds into the file and empties the log. If an earlier process stopped at a failed sync, the
/// kernel may show pages of the log that the disk doesn't have, and won't write them again: new commits behind them
/// would be lost in a power cut. Now they are written anew, or this fails.
async fn write_log_home(conn: &mut SqliteConnection) -> Result<(), OpenError> {
    let row = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(conn).await;
    let busy = row.and_then(|row| row.try_get::<i64, _>(0)).map_err(|error| StoreError::of("open", error))?;
    match busy {
        0 => Ok(()),
        _ => Err(OpenError::Store(StoreError::Busy)),
    }
}

/// Reads back what was asked for: a file system without shared memory falls back to another journal in silence.
async fn demand_durability(conn: &mut SqliteConnection) -> Result<(), OpenError> {
    for (pragma, wanted) in
        [("PRAGMA journal_mode", "wal"), ("PRAGMA synchronous", "2"), ("PRAGMA foreign_keys", "1")]
    {
        let row = sqlx::query(pragma).fetch_one(&mut *conn).await;
        let row = row.map_err(|error| StoreError::of("open", error))?;
        let found = match row.try_get::<String, _>(0) {
            Ok(text) => text,
            Err(_) => row.try_get::<i64, _>(0).map_or_else(|_| "?".into(), |number| number.to_string()),
        };
        if found != wanted {
            let says = format!("{pragma} is {found}, and must be {wanted}");
            return Err(OpenError::NotDurable { says });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_connection_that_would_lose_commits_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let good = SqliteConnectOptions::new()
            .filename(folder.path().join("x.db"))
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true);
        let says = async |options: SqliteConnectOptions| {
            let mut conn = options.connect().await.unwrap();
            let outcome = demand_durability(&mut conn).await.map_err(|error| error.to_string());
            // A dropped connection closes later, on a thread of its own; another journal needs the file for itself.
            conn.close().await.unwrap();
            outcome
        };
        assert_eq!(says(good.clone()).await, Ok(()));
        let normal = says(good.clone().synchronous(SqliteSynchronous::Normal)).await.unwrap_err();
        assert!(normal.ends_with("PRAGMA synchronous is 1, and must be 2"), "{normal}");
        assert!(says(good.clone().synchronous(SqliteSynchronous::Off)).await.is_err());
        assert!(says(good.clone().foreign_keys(false)).await.is_err());
        assert!(says(good.journal_mode(SqliteJournalMode::Delete)).await.is_err());
    }
}
