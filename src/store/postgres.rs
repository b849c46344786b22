//! PostgreSQL 15 and later: a transaction for each write, READ COMMITTED; unique indexes and row locks have the last
//! word, so a closure runs once.

mod commit;
pub(super) mod pool;
mod session;

use super::{
    Deadlines, Meters, OpenError, StoreError,
    engine::{At, Conn, Tx, of},
    migrations::{self, Migration},
};
use crate::base::{Secret, Timestamp, failpoint};
use pool::{Lent, Pool};
use session::Session;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{runtime::Handle, time::timeout};

pub(super) struct PostgresEngine {
    pool: Pool,
    at: At,
    commit: Duration,
}

impl PostgresEngine {
    pub(super) async fn open(
        url: &Secret<String>,
        schema: Option<&str>,
        connections: u32,
        deadlines: &Deadlines,
        at: &At,
        (steps, now): (&[Migration], Timestamp),
    ) -> Result<Self, OpenError> {
        let session = Session::new(url, schema, deadlines)?;
        let wait = Duration::from_millis(deadlines.wait_ms);
        pool::try_out(&session, wait).await?;
        let pool = Pool::new(session, connections, wait);
        let conn = pool.writer(pool.patience()).await?;
        let mut tx = Tx::new(Conn::Postgres(conn), at);
        migrations::apply(&mut tx, steps, now).await?;
        Ok(Self { pool, at: at.clone(), commit: Duration::from_millis(deadlines.commit_ms) })
    }

    /// A single connection, with the session's settings: for filling an empty database, or looking at one. Its pool lives as long as it.
    pub(super) async fn single(
        url: &Secret<String>,
        schema: Option<&str>,
        deadlines: &Deadlines,
    ) -> Result<Lent, OpenError> {
        let session = Session::new(url, schema, deadlines)?;
        let wait = Duration::from_millis(deadlines.wait_ms);
        pool::try_out(&session, wait).await?;
        let pool = Pool::new(session, 1, wait);
        Ok(pool.writer(pool.patience()).await?)
    }

    pub(super) fn pool(&self) -> &Pool {
        &self.pool
    }

    pub(super) fn at(&self) -> &At {
        &self.at
    }

    /// A transaction, begun. A connection that turns out to be broken at its first word is passed over: nothing was done.
    pub(super) async fn turn(&self) -> Result<Turn, StoreError> {
        let until = self.pool.patience();
        loop {
            let conn = self.pool.writer(until).await?;
            match self.begin(conn, "BEGIN ISOLATION LEVEL READ COMMITTED", until).await {
                Err(StoreError::Unavailable) if Instant::now() < until => {}
                Ok(conn) => {
                    let tx = Tx::new(Conn::Postgres(conn), &self.at);
                    let meters = self.at.meters.clone();
                    return Ok(Turn { tx: Some(tx), commit: self.commit, meters });
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// A connection whose statements all see one instant of the database.
    pub(super) async fn snapshot(&self) -> Result<Lent, StoreError> {
        let until = self.pool.patience();
        let conn = self.pool.reader().await?;
        self.begin(conn, "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY", until).await
    }

    async fn begin(&self, mut conn: Lent, text: &'static str, until: Instant) -> Result<Lent, StoreError> {
        conn.set_begun(true);
        let left = until.saturating_duration_since(Instant::now());
        let begun = timeout(left, sqlx::raw_sql(text).execute(conn.link())).await;
        let begun = begun.unwrap_or(Err(sqlx::Error::PoolTimedOut));
        conn.settle(&begun);
        match begun {
            Ok(_) => Ok(conn),
            Err(sqlx::Error::PoolTimedOut) => Err(StoreError::Unavailable),
            Err(error) => of("begin", Err(error)),
        }
    }
}

/// One transaction. Dropped before its end, it is rolled back.
pub(super) struct Turn {
    /// Present until the end.
    tx: Option<Tx>,
    commit: Duration,
    meters: Arc<Meters>,
}

impl Turn {
    #[allow(clippy::expect_used, reason = "only `finish` takes it, and that is the end of the turn")]
    pub(super) fn tx(&mut self) -> &mut Tx {
        self.tx.as_mut().expect("a turn has its transaction until it ends")
    }

    pub(super) async fn finish(mut self, keep: bool) -> Result<(), StoreError> {
        let Some(Conn::Postgres(conn)) = self.tx.take().map(Tx::into_conn) else { return Ok(()) };
        if !keep {
            return Ok(()); // It rolls back on its way home, off the caller's path.
        }
        let mut conn = Committing(Some(conn));
        let begun = Instant::now();
        failpoint::reach("postgres.committing");
        let outcome = commit::commit(conn.lent(), self.commit).await;
        if outcome.is_ok() {
            self.meters.commit_us.note_time(begun.elapsed());
            self.meters.batch.note(1);
        }
        failpoint::reach("postgres.committed");
        conn.ends(&outcome);
        outcome
    }
}

/// A connection on which COMMIT was sent. Whoever stops waiting for the answer leaves it to [`commit::outlast`].
struct Committing(Option<Lent>);

impl Committing {
    #[allow(clippy::expect_used, reason = "only `ends` and the drop take it")]
    fn lent(&mut self) -> &mut Lent {
        self.0.as_mut().expect("a connection that commits is there")
    }

    /// The answer is there: the connection goes home.
    fn ends(&mut self, outcome: &Result<(), StoreError>) {
        if !self.lent().is_waiting() {
            self.lent().set_begun(outcome.is_err());
            self.0 = None;
        }
    }
}

impl Drop for Committing {
    fn drop(&mut self) {
        if let (Some(conn), Ok(runtime)) = (self.0.take(), Handle::try_current()) {
            runtime.spawn(commit::outlast(conn));
        }
    }
}
