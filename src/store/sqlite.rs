//! SQLite: one connection that writes, passed on as a baton; several that read.
//!
//! A writer waits for the seat, works inside its own savepoint, and leaves. A flusher, on a thread of its own, commits for
//! all who have left and wakes them, so that many writes share one sync of the disk. Two levels: `BEGIN IMMEDIATE` (the
//! group: gone if SQLite rolled everything back by itself) and `SAVEPOINT s` (one writer).

use super::{
    Deadlines, Meters, OpenError, StoreError,
    engine::{At, Conn, Tx},
    error::commit_may_go_on,
    lock::FileLock,
    migrations::{self, Migration},
    writer::Writer,
};
use crate::base::{Timestamp, failpoint, folder};
use sqlx::{
    ConnectOptions as _, SqlitePool,
    sqlite::{SqliteConnectOptions, SqlitePoolOptions},
};
use std::{
    fs::{OpenOptions, Permissions},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::{
        Arc, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    time::{Duration, Instant},
};
use tokio::{
    sync::{Mutex, OwnedMutexGuard, oneshot},
    time::timeout,
};

/// Prepared statements kept by each connection that reads.
const STATEMENTS_KEPT: usize = 256;
/// Whether [`forget_to_sync`] was called.
static WEAKENED: AtomicBool = AtomicBool::new(false);

pub(super) struct SqliteEngine {
    shared: Arc<Shared>,
    readers: SqlitePool,
    wait: Duration,
    lock: std::sync::Mutex<Option<FileLock>>,
    at: At,
    log: PathBuf,
}

struct Shared {
    seat: Arc<Mutex<Seat>>,
    halted: Arc<AtomicBool>,
    /// Wakes the flusher, which ends when this is gone. One wish to be woken is as good as many.
    wake: SyncSender<()>,
    /// For the work of one writer.
    body: Duration,
    commit: Duration,
}

impl SqliteEngine {
    pub(super) async fn open(
        path: &Path,
        readers: u32,
        deadlines: &Deadlines,
        at: &At,
        (steps, now): (&[Migration], Timestamp),
    ) -> Result<Self, OpenError> {
        make_private(path)?;
        let lock = FileLock::take(path)?;
        let lock_wait = Duration::from_millis(deadlines.lock_ms);
        let writer = Writer::open(path, lock_wait).map_err(|error| StoreError::of("open", error))?;
        demand_durability(&writer)?;
        if WEAKENED.load(Ordering::SeqCst) {
            weaken(&writer)?;
        }
        write_log_home(&writer)?;
        let mut tx = Tx::new(Conn::SqliteWriter(writer), at);
        migrations::apply(&mut tx, steps, now).await?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .busy_timeout(lock_wait)
            .foreign_keys(true)
            .statement_cache_capacity(STATEMENTS_KEPT)
            // What a savepoint needs for its way back otherwise goes to a file under /var/tmp: parts of the database outside
            // its directory, and nothing at all where the process may not write there.
            .pragma("temp_store", "MEMORY")
            .disable_statement_logging();
        let readers = SqlitePoolOptions::new()
            .max_connections(readers)
            .acquire_timeout(Duration::from_millis(deadlines.wait_ms))
            .idle_timeout(None)
            .max_lifetime(None)
            .test_before_acquire(false)
            .connect_lazy_with(options.read_only(true));
        let halted = Arc::new(AtomicBool::new(false));
        let seat = Seat {
            tx: Some(tx),
            step: Step::Closed,
            waiting: Vec::new(),
            halted: halted.clone(),
            meters: at.meters.clone(),
        };
        let seat = Arc::new(Mutex::new(seat));
        let (wake, woken) = sync_channel(1);
        start_flusher(seat.clone(), woken, path)?;
        let shared = Arc::new(Shared {
            seat,
            halted,
            wake,
            body: Duration::from_millis(deadlines.body_ms),
            commit: Duration::from_millis(deadlines.commit_ms),
        });
        let wait = Duration::from_millis(deadlines.wait_ms);
        let log = PathBuf::from(format!("{}-wal", path.display()));
        let lock = std::sync::Mutex::new(Some(lock));
        Ok(Self { shared, readers, wait, lock, log, at: at.clone() })
    }

    pub(super) fn log_bytes(&self) -> u64 {
        std::fs::metadata(&self.log).map_or(0, |log| log.len())
    }

    pub(super) fn readers(&self) -> &SqlitePool {
        &self.readers
    }

    pub(super) fn at(&self) -> &At {
        &self.at
    }

    pub(super) fn is_halted(&self) -> bool {
        self.shared.halted.load(Ordering::SeqCst)
    }

    pub(super) async fn turn(&self) -> Result<Turn, StoreError> {
        let seat = timeout(self.wait, self.shared.seat.clone().lock_owned());
        let mut seat = seat.await.map_err(|_| StoreError::Busy)?;
        seat.enter()?;
        seat.patience(Some(self.shared.body));
        Ok(Turn { seat, shared: self.shared.clone() })
    }

    pub(super) async fn close(&self) {
        let _ = timeout(self.wait, self.readers.close()).await;
        let mut seat = self.shared.seat.lock().await;
        seat.flush();
        seat.halted.store(true, Ordering::SeqCst);
        if let Some(Conn::SqliteWriter(writer)) = seat.tx.take().map(Tx::into_conn)
            && let Err(error) = writer.close()
        {
            tracing::warn!(name: "store.unclean_close", %error, "the database did not close cleanly; it recovers at the next start");
        }
        self.lock.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

/// From now on this process commits to SQLite without syncing, as `synchronous=NORMAL` does: a power cut then loses what was
/// acknowledged. For the endurance harness alone, whose test of power cuts must fail with it; nothing in the program calls
/// it (a test looks), and no setting leads here.
pub fn forget_to_sync() {
    WEAKENED.store(true, Ordering::SeqCst);
}

fn weaken(writer: &Writer) -> Result<(), OpenError> {
    tracing::error!(name: "store.weakened", "commits are not synced: this is the endurance harness's mutation, never a service");
    let done = writer.control("PRAGMA synchronous = NORMAL;");
    done.map_err(|error| StoreError::of("open", error).into())
}

/// Starts the thread that commits. It waits in line for the seat like any writer, so that whoever stood there before it
/// shares the commit; and it holds no part of the engine, so that it ends when the last writer is gone.
fn start_flusher(seat: Arc<Mutex<Seat>>, woken: Receiver<()>, path: &Path) -> Result<(), OpenError> {
    let flush = move || {
        while woken.recv().is_ok() {
            seat.blocking_lock().flush();
        }
    };
    let started = std::thread::Builder::new().name("store-flush".into()).spawn(flush);
    started.map(drop).map_err(|error| OpenError::File { path: path.into(), says: error.to_string() })
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
        let answer = self.seat.leave(keep)?;
        failpoint::reach("sqlite.left");
        let Self { seat, shared } = self;
        drop(seat);
        // Full: the flusher is told already, and has not looked yet.
        let _ = shared.wake.try_send(());
        let Some(answer) = answer else { return Ok(()) };
        match timeout(shared.commit, answer).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) | Err(_) => Err(StoreError::Unknown),
        }
    }
}

/// Where the connection stands. Whoever comes after a writer whose future was dropped finds [`Step::Inside`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// No transaction.
    Closed,
    /// A transaction is open, nobody is at work.
    Between,
    /// A writer's savepoint is open, and half of its work may be done.
    Inside,
}

struct Seat {
    /// `None` once closed.
    tx: Option<Tx>,
    step: Step,
    waiting: Vec<oneshot::Sender<Result<(), StoreError>>>,
    halted: Arc<AtomicBool>,
    meters: Arc<Meters>,
}

impl Seat {
    /// Cleans up after a dropped predecessor and opens a savepoint for the next writer.
    fn enter(&mut self) -> Result<(), StoreError> {
        if self.halted.load(Ordering::SeqCst) {
            return Err(StoreError::Halted);
        }
        self.recover();
        if let Some(tx) = &mut self.tx {
            tx.reset();
        }
        if self.step == Step::Closed {
            self.control("BEGIN IMMEDIATE").map_err(|error| StoreError::of("begin", error))?;
            self.step = Step::Between;
        }
        if let Err(error) = self.control("SAVEPOINT s") {
            self.fail_group(&StoreError::Lost);
            return Err(StoreError::of("begin", error));
        }
        self.step = Step::Inside;
        Ok(())
    }

    /// Brings the connection to `Closed` or `Between`, whatever a dropped future left behind.
    fn recover(&mut self) {
        if self.step == Step::Inside {
            self.undo();
        }
    }

    /// Ends a writer's turn; what it has to wait for, if anything.
    fn leave(&mut self, keep: bool) -> Result<Option<Answer>, StoreError> {
        if keep {
            // Without its transaction this savepoint would be one, and releasing it a commit.
            let left = if self.is_open() { self.control("RELEASE s") } else { Err(gone()) };
            if let Err(error) = left {
                self.fail_group(&StoreError::Lost);
                return Err(StoreError::of("release", error));
            }
            self.step = Step::Between;
        } else {
            self.undo();
            // A refusal may rest on what others of this group wrote: it holds only if their work is kept.
            if self.waiting.is_empty() {
                return Ok(None);
            }
        }
        let (sender, receiver) = oneshot::channel();
        self.waiting.push(sender);
        Ok(Some(receiver))
    }

    /// Undoes the writer's work. Where SQLite has rolled back everything by itself (disk full, I/O error), the work of
    /// the others in the group is gone as well, and they are told.
    fn undo(&mut self) {
        let undone = self.is_open() && self.control("ROLLBACK TO s; RELEASE s").is_ok();
        match undone {
            true => self.step = Step::Between,
            false => self.fail_group(&StoreError::Lost),
        }
    }

    /// Commits for all who have left.
    fn flush(&mut self) {
        self.recover();
        if self.step != Step::Between {
            return;
        }
        let begun = Instant::now();
        if !self.is_open() {
            return self.fail_group(&StoreError::Lost);
        }
        failpoint::reach("sqlite.committing");
        match self.control("COMMIT") {
            Ok(()) => {
                failpoint::reach("sqlite.committed");
                self.step = Step::Closed;
                self.meters.commit_us.note_time(begun.elapsed());
                self.meters.batch.note(self.waiting.len() as u64);
                for sender in self.waiting.drain(..) {
                    sender.send(Ok(())).ok();
                }
            }
            Err(error) if commit_may_go_on(&error) => {
                let told = match StoreError::of("commit", error) {
                    StoreError::Full => StoreError::Full,
                    _ => StoreError::Lost,
                };
                self.fail_group(&told);
            }
            Err(error) => {
                tracing::error!(name: "store.halted", %error, "a commit failed; no more writes until this process is started again");
                self.halted.store(true, Ordering::SeqCst);
                // Its pages may lie whole in the log, and be found there at the next start.
                self.fail_group(&StoreError::Unknown);
            }
        }
    }

    /// Whether the group's transaction is still there.
    fn is_open(&self) -> bool {
        self.writer().is_some_and(Writer::is_in_transaction)
    }

    fn control(&self, text: &'static str) -> Result<(), rusqlite::Error> {
        let writer = self.writer().ok_or_else(gone)?;
        // However late: half a group can't be left standing.
        writer.patience(None);
        writer.control(text)
    }

    fn patience(&self, patience: Option<Duration>) {
        if let Some(writer) = self.writer() {
            writer.patience(patience);
        }
    }

    fn writer(&self) -> Option<&Writer> {
        self.tx.as_ref().and_then(Tx::writer)
    }

    /// Rolls back whatever is open, and tells all who wait. That nothing is open is fine as well.
    fn fail_group(&mut self, error: &StoreError) {
        for sender in self.waiting.drain(..) {
            sender.send(Err(error.clone())).ok();
        }
        let _ = self.control("ROLLBACK");
        self.step = Step::Closed;
    }
}

/// There is nothing that could be kept or undone.
fn gone() -> rusqlite::Error {
    rusqlite::Error::InvalidQuery
}

type Answer = oneshot::Receiver<Result<(), StoreError>>;

/// Makes directory and file for their owner alone, before SQLite makes them for everyone.
pub(super) fn make_private(path: &Path) -> Result<(), OpenError> {
    let file =
        |path: &Path, error: std::io::Error| OpenError::File { path: path.into(), says: error.to_string() };
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.exists()) {
        folder::make_private(folder).map_err(|error| file(folder, error))?;
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
fn write_log_home(writer: &Writer) -> Result<(), OpenError> {
    let busy = writer.pragma("PRAGMA wal_checkpoint(TRUNCATE)");
    match busy.map_err(|error| StoreError::of("open", error))?.as_str() {
        "0" => Ok(()),
        _ => Err(OpenError::Store(StoreError::Busy)),
    }
}

/// Reads back what was asked for: a file system without shared memory falls back to another journal in silence.
fn demand_durability(writer: &Writer) -> Result<(), OpenError> {
    for (pragma, wanted) in
        [("PRAGMA journal_mode", "wal"), ("PRAGMA synchronous", "2"), ("PRAGMA foreign_keys", "1")]
    {
        let found = writer.pragma(pragma).map_err(|error| StoreError::of("open", error))?;
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

    #[test]
    fn a_connection_that_would_lose_commits_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.db");
        std::fs::write(&path, "").unwrap();
        let says = |change: &str| {
            let writer = Writer::open(&path, Duration::from_secs(2)).unwrap();
            if !change.is_empty() {
                writer.control(change).unwrap();
            }
            let outcome = demand_durability(&writer).map_err(|error| error.to_string());
            writer.close().unwrap();
            outcome
        };
        assert_eq!(says(""), Ok(()));
        let normal = says("PRAGMA synchronous = NORMAL;").unwrap_err();
        assert!(normal.ends_with("PRAGMA synchronous is 1, and must be 2"), "{normal}");
        assert!(says("PRAGMA synchronous = OFF;").is_err());
        assert!(says("PRAGMA foreign_keys = OFF;").is_err());
        assert!(says("PRAGMA journal_mode = DELETE;").is_err());
    }
}
