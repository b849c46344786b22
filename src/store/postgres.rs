//! PostgreSQL 15 and later: a transaction for each write, READ COMMITTED; unique indexes and row locks have the last
//! word, so a closure runs once.

use super::{
    Deadlines, OpenError, StoreError,
    engine::{Conn, Tx, of},
    error::Cause,
    link,
    migrations::{self, Migration},
};
use crate::base::{Secret, Timestamp, failpoint};
use sqlx::{
    ConnectOptions, PgConnection, PgPool, Postgres, Row as _,
    pool::PoolConnection,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use std::{str::FromStr, sync::Arc, time::Duration};
use tokio::{runtime::Handle, time::timeout};

/// Prepared statements kept by each connection.
const STATEMENTS_KEPT: usize = 256;
/// `server_version_num` of the oldest server supported.
const OLDEST: i64 = 150_000;
/// A connection is replaced after this long, so that a load balancer's changes are followed.
const LIFETIME: Duration = Duration::from_secs(1800);
/// Setting of one session, by name, value.
const SET: &str = "SELECT set_config($1, $2, false)";
const READ_BACK: &str = "SELECT current_setting('server_version_num')::BIGINT, current_setting('server_version'), \
     current_setting('synchronous_commit'), current_setting('fsync'), current_setting('full_page_writes')";

pub(super) struct PostgresEngine {
    pool: PgPool,
    node: Arc<str>,
    commit: Duration,
}

impl PostgresEngine {
    pub(super) async fn open(
        url: &Secret<String>,
        schema: Option<&str>,
        connections: u32,
        deadlines: &Deadlines,
        node: &Arc<str>,
        (steps, now): (&[Migration], Timestamp),
    ) -> Result<Self, OpenError> {
        let options = options(url)?;
        let wait = Duration::from_millis(deadlines.wait_ms);
        drop(first(&options, wait).await?);

        let settings = Arc::new(session_settings(schema, deadlines));
        let pool = PgPoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(wait)
            .max_lifetime(LIFETIME)
            .after_connect(move |conn, _| {
                let settings = settings.clone();
                Box::pin(async move { prepare_session(conn, &settings).await })
            })
            .connect_lazy_with(options);
        let conn = pool.acquire().await.map_err(|error| StoreError::of("connect", error))?;
        let mut tx = Tx::new(Conn::Postgres(conn), node.clone());
        migrations::apply(&mut tx, steps, now).await?;
        Ok(Self { pool, node: node.clone(), commit: Duration::from_millis(deadlines.commit_ms) })
    }

    pub(super) fn pool(&self) -> &PgPool {
        &self.pool
    }

    pub(super) async fn turn(&self) -> Result<Turn, StoreError> {
        let conn = of("connect", self.pool.acquire().await)?;
        let tx = Tx::new(Conn::Postgres(conn), self.node.clone());
        let mut turn = Turn { tx: Some(tx), step: Step::Open, commit: self.commit };
        of("begin", turn.tx().control("BEGIN ISOLATION LEVEL READ COMMITTED").await)?;
        Ok(turn)
    }
}

fn options(url: &Secret<String>) -> Result<PgConnectOptions, OpenError> {
    // The parser's own words may quote the address, and with it the password.
    let options = PgConnectOptions::from_str(url.expose()).map_err(|_| OpenError::Config {
        says: "the address of the database must look like postgres://user:password@host/name".into(),
    })?;
    let options = options.application_name("yinxin").statement_cache_capacity(STATEMENTS_KEPT);
    Ok(options.disable_statement_logging())
}

/// A connection to a server whose commits are durable.
async fn first(options: &PgConnectOptions, wait: Duration) -> Result<PgConnection, OpenError> {
    let first = timeout(wait, options.connect()).await;
    let mut first = first.map_err(|_| unreachable("no answer in time"))?.map_err(of_connecting)?;
    demand_durability(&mut first).await?;
    Ok(first)
}

/// A single connection outside any pool, with the session's settings: for filling an empty database.
pub(super) async fn single(
    url: &Secret<String>,
    schema: Option<&str>,
    deadlines: &Deadlines,
) -> Result<PgConnection, OpenError> {
    let mut conn = first(&options(url)?, Duration::from_millis(deadlines.wait_ms)).await?;
    let settings = session_settings(schema, deadlines);
    prepare_session(&mut conn, &settings).await.map_err(|error| StoreError::of("connect", error))?;
    Ok(conn)
}

fn session_settings(schema: Option<&str>, deadlines: &Deadlines) -> Vec<(&'static str, String)> {
    let mut settings = vec![
        ("statement_timeout", deadlines.body_ms.to_string()),
        ("lock_timeout", deadlines.lock_ms.to_string()),
        // A daemon that hangs in a transaction must not hold rows for longer than its own deadline.
        ("idle_in_transaction_session_timeout", (deadlines.body_ms * 2).to_string()),
    ];
    if let Some(schema) = schema {
        settings.push(("search_path", schema.to_owned()));
    }
    settings
}

/// Settings of a fresh session; also looks again that commits are durable, for a role's settings may have changed.
async fn prepare_session(
    conn: &mut PgConnection,
    settings: &[(&'static str, String)],
) -> Result<(), sqlx::Error> {
    for (name, value) in settings {
        sqlx::query(SET).bind(*name).bind(value.as_str()).execute(&mut *conn).await?;
    }
    if let Err(error) = demand_durability(conn).await {
        tracing::error!(%error, "the server's settings changed");
        return Err(sqlx::Error::Protocol(error.to_string()));
    }
    Ok(())
}

async fn demand_durability(conn: &mut PgConnection) -> Result<(), OpenError> {
    let row = sqlx::query(READ_BACK).fetch_one(conn).await.map_err(|error| StoreError::of("open", error))?;
    let text = |column: usize| of("open", row.try_get::<String, _>(column));
    if of("open", row.try_get::<i64, _>(0))? < OLDEST {
        return Err(OpenError::TooOld { found: text(1)? });
    }
    for (column, name) in [(2, "synchronous_commit"), (3, "fsync"), (4, "full_page_writes")] {
        if text(column)? == "off" {
            return Err(OpenError::NotDurable { says: format!("{name} of the server is off") });
        }
    }
    Ok(())
}

fn unreachable(says: &str) -> OpenError {
    OpenError::Unreachable { says: says.to_owned() }
}

fn of_connecting(error: sqlx::Error) -> OpenError {
    match &error {
        // The server's own words: which user, which database; never the password.
        sqlx::Error::Database(said) => unreachable(said.message()),
        sqlx::Error::Io(said) => unreachable(&link::broken(said)),
        sqlx::Error::Tls(said) => unreachable(&format!("no TLS with the server: {said}")),
        _ => unreachable("the connection was refused or broken"),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Open,
    Committing,
}

/// One transaction.
pub(super) struct Turn {
    /// Present until the end.
    tx: Option<Tx>,
    step: Step,
    commit: Duration,
}

impl Turn {
    #[allow(
        clippy::expect_used,
        reason = "only `end` takes it, and `end` is the last act of `finish` or of the drop"
    )]
    pub(super) fn tx(&mut self) -> &mut Tx {
        self.tx.as_mut().expect("a turn has its transaction until it ends")
    }

    pub(super) async fn finish(mut self, keep: bool) -> Result<(), StoreError> {
        if !keep {
            return Ok(()); // The drop rolls back, off the caller's path.
        }
        self.step = Step::Committing;
        let deadline = self.commit;
        // Past the deadline the connection is dropped and the server's process is left alone: with synchronous
        // replication a cancelled COMMIT is committed locally and says so only in a warning (reliability.md §0.3).
        failpoint::reach("postgres.committing");
        match timeout(deadline, self.tx().control("COMMIT")).await {
            Err(_) => Err(StoreError::Unknown),
            Ok(Err(error)) => Err(of_commit(error)),
            Ok(Ok(())) => {
                failpoint::reach("postgres.committed");
                self.tx = None; // Back to the pool, clean.
                Ok(())
            }
        }
    }
}

/// A server that answered with an error has rolled back, unless it was being shut down: then it may have committed
/// locally before. Everything else leaves the outcome open.
fn of_commit(error: Cause) -> StoreError {
    match error.sqlstate() {
        Some(code) if !code.starts_with("57") && !code.starts_with("08") => {
            match StoreError::of("commit", error) {
                StoreError::Fault { .. } => StoreError::Lost,
                sorted => sorted,
            }
        }
        _ => StoreError::Unknown,
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let Some(Conn::Postgres(conn)) = self.tx.take().map(Tx::into_conn) else { return };
        match self.step {
            // The socket closes; the server finishes what it was told.
            Step::Committing => drop(conn.detach()),
            Step::Open => roll_back_later(conn),
        }
    }
}

/// Rolls back on a task of its own and gives the connection back, or closes it where that takes too long.
fn roll_back_later(mut conn: PoolConnection<Postgres>) {
    const PATIENCE: Duration = Duration::from_secs(5);
    match Handle::try_current() {
        Ok(runtime) => {
            runtime.spawn(async move {
                let rolled = timeout(PATIENCE, sqlx::raw_sql("ROLLBACK").execute(&mut *conn)).await;
                if !matches!(rolled, Ok(Ok(_))) {
                    drop(conn.detach());
                }
            });
        }
        Err(_) => drop(conn.detach()),
    }
}
