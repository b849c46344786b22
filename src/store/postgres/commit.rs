//! COMMIT, and what its answer is worth.
//!
//! With synchronous replication a COMMIT waits for the standby. Where that wait is broken off (somebody cancels it, the
//! server is told to stop), the server still answers "done", and says only in a warning that the transaction is there
//! locally and perhaps nowhere else. The driver hands no warnings out: it logs them on the task that reads. So a COMMIT is
//! polled under a listener of our own, and one that comes with a warning is no acknowledgement.

use super::super::StoreError;
use super::pool::{Lent, Pool};
use std::{
    cell::Cell,
    future::Future,
    pin::{Pin, pin},
    sync::OnceLock,
    task::{Context, Poll},
    time::Duration,
};
use tokio::time::timeout;
use tracing::{
    Dispatch, Event, Level, Metadata, Subscriber,
    level_filters::LevelFilter,
    span::{Attributes, Id, Record},
    subscriber::Interest,
};

/// Where the driver logs what the server says beside its answers.
const NOTICES: &str = "sqlx::postgres::notice";
/// How often a commit without an answer is looked for among the server's processes.
const LOOK_EVERY: Duration = Duration::from_secs(1);
const AT_WORK: &str = "SELECT count(*) FROM pg_stat_activity WHERE pid = $1 AND state = 'active'";

/// Commits and answers whether that is certain.
pub(super) async fn commit(conn: &mut Lent, within: Duration) -> Result<(), StoreError> {
    // Past the deadline the server's process is left alone: a cancelled COMMIT is committed locally and says so only in a
    // warning (reliability.md §0.3).
    let answer = timeout(within, Heard::new(sqlx::raw_sql("COMMIT").execute(conn.link()))).await;
    let Ok((answer, warned)) = answer else { return Err(StoreError::Unknown) };
    conn.settle(&answer);
    match answer {
        Ok(_) if warned => {
            conn.spoil();
            tracing::error!(name: "store.commit_warned", "a commit was answered with a warning: it may be on this server alone");
            Err(StoreError::Unknown)
        }
        Ok(_) => Ok(()),
        Err(error) => Err(of_commit(error)),
    }
}

/// A server that answered with an error has rolled back, unless it was being shut down: then it may have committed
/// locally before. Everything else leaves the outcome open.
fn of_commit(error: sqlx::Error) -> StoreError {
    let code = error.as_database_error().and_then(|said| said.code()).map(|code| code.into_owned());
    match code {
        Some(code) if !code.starts_with("57") && !code.starts_with("08") => {
            match StoreError::of("commit", error) {
                StoreError::Fault { .. } => StoreError::Lost,
                sorted => sorted,
            }
        }
        _ => StoreError::Unknown,
    }
}

/// Keeps the place of a commit without an answer until its process on the server has come to an end: otherwise each of
/// them would leave one behind, and soon the server would take nobody any more.
pub(super) async fn outlast(mut conn: Lent) {
    let (pool, process, _hung) = (conn.pool(), conn.process(), conn.hung());
    conn.spoil();
    let mut answer = pin!(async {
        use sqlx::Connection as _;
        conn.link().ping().await.is_ok()
    });
    loop {
        match timeout(LOOK_EVERY, answer.as_mut()).await {
            Ok(true) => {
                return tracing::warn!(name: "store.commit_late", "a commit was answered after its deadline");
            }
            Ok(false) => {
                return tracing::warn!(name: "store.commit_broken_off", "a commit was never answered: its connection broke");
            }
            Err(_) if is_at_work(&pool, process).await => {}
            Err(_) => {
                return tracing::warn!(name: "store.commit_forgotten", "a commit was never answered: the server has forgotten it");
            }
        }
    }
}

/// Whether the server still works on it; where the server cannot be asked, it may.
async fn is_at_work(pool: &Pool, process: i32) -> bool {
    let Ok(mut conn) = pool.reader().await else { return true };
    let asked = async {
        use sqlx::Row as _;
        let row = sqlx::query(AT_WORK).bind(process).fetch_one(conn.link()).await;
        conn.settle(&row);
        row.and_then(|row| row.try_get::<i64, _>(0)).map_or(true, |count| count > 0)
    };
    timeout(LOOK_EVERY * 2, asked).await.unwrap_or(true)
}

thread_local! {
    /// Whether the server warned during this poll.
    static WARNED: Cell<bool> = const { Cell::new(false) };
}

/// A future under our listener: its output, and whether the server warned meanwhile.
struct Heard<F> {
    inner: Pin<Box<F>>,
    warned: bool,
}

impl<F: Future> Heard<F> {
    fn new(inner: F) -> Self {
        Self { inner: Box::pin(inner), warned: false }
    }
}

impl<F: Future> Future for Heard<F> {
    type Output = (F::Output, bool);

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        // Two, though one listens: as long as there is only one in the process, whether a place is heard at all is decided
        // by whoever passes it first, and he may not be listening.
        static EARS: OnceLock<[Dispatch; 2]> = OnceLock::new();
        let [ear, _] = EARS.get_or_init(|| [Dispatch::new(Ear), Dispatch::new(Ear)]);
        let polled = tracing::dispatcher::with_default(ear, || self.inner.as_mut().poll(context));
        self.warned |= WARNED.take();
        polled.map(|output| (output, self.warned))
    }
}

/// Hears warnings of the server and nothing else.
struct Ear;

impl Subscriber for Ear {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.enabled(metadata) { Interest::always() } else { Interest::never() }
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == NOTICES && *metadata.level() <= Level::WARN
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::WARN)
    }

    fn event(&self, _: &Event<'_>) {
        WARNED.set(true);
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    fn warn() {
        tracing::warn!(target: "sqlx::postgres::notice", "already committed locally");
    }

    #[tokio::test]
    async fn a_warning_of_the_server_is_heard_and_only_that() {
        // Passed first while nobody listens, as a server's warning to another statement would.
        warn();
        let heard = async |says: fn()| {
            let work = async move {
                tokio::task::yield_now().await;
                says();
            };
            Heard::new(work).await.1
        };
        assert!(heard(warn).await);
        assert!(!heard(|| tracing::info!(target: "sqlx::postgres::notice", "hello")).await);
        assert!(!heard(|| tracing::warn!("something of our own")).await);
    }
}
