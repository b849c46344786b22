//! Looking at a database without being its daemon: nothing is written, no lock is taken, no table made. A daemon may be at
//! work beside it.

use super::{
    EngineConfig, FromRow, OpenError, Row, Statement, Store, StoreConfig, StoreError, Value,
    engine::{At, Conn, Engine, Rx, of},
    migrations::MIGRATIONS,
    postgres::PostgresEngine,
};
use crate::base::Secret;
use sqlx::{ConnectOptions as _, sqlite::SqliteConnectOptions};
use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

/// The constant statements, for the test that has both engines read them.
pub const STATEMENTS: &[&Statement] = &[&QUICK_CHECK, &WHOLE_CHECK, &FACTS];

/// SQLite's own look at its pages and indexes: `ok`, or what is wrong. PostgreSQL looks at pages as it reads them.
const QUICK_CHECK: Statement =
    Statement::split("store.quick_check", "PRAGMA quick_check(10)", "SELECT 'ok' WHERE 'ok' <> ''");
/// The same, and every index against its table.
const WHOLE_CHECK: Statement =
    Statement::split("store.whole_check", "PRAGMA integrity_check(10)", "SELECT 'ok' WHERE 'ok' <> ''");
const FACTS: Statement = Statement::split(
    "store.facts",
    "SELECT 'version', sqlite_version() UNION ALL SELECT 'pages', CAST(page_count AS TEXT) FROM pragma_page_count \
     UNION ALL SELECT 'free_pages', CAST(freelist_count AS TEXT) FROM pragma_freelist_count",
    "SELECT name, setting FROM pg_settings WHERE name IN ('server_version', 'fsync', 'full_page_writes', \
     'synchronous_commit', 'data_checksums', 'log_statement', 'log_min_duration_statement', 'max_connections') \
     UNION ALL SELECT 'standby', pg_is_in_recovery()::text",
);

/// What an engine says about itself, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// `fsync`, `data_checksums`, `version` …
    pub name: String,
    /// As the engine writes it.
    pub value: String,
}

impl FromRow for Fact {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self { name: row.text(0)?, value: row.text(1)? })
    }
}

/// How a database is reached that is only looked at; each look is a connection of its own.
pub(super) enum Way {
    Sqlite { path: PathBuf, lock_ms: u64 },
    Postgres { url: Secret<String>, schema: Option<String>, deadlines: super::Deadlines },
}

impl Store {
    /// Opens the database to look at it. Writes are refused with [`StoreError::Halted`]. Fails where there is none.
    ///
    /// # Errors
    /// [`OpenError`], as for [`Store::open`].
    pub async fn look(config: &StoreConfig) -> Result<Self, OpenError> {
        config.check()?;
        let way = match &config.engine {
            EngineConfig::Sqlite { path, .. } => {
                let file = |error: io::Error| OpenError::File { path: path.clone(), says: error.to_string() };
                fs::File::open(path).map_err(file)?;
                Way::Sqlite { path: path.clone(), lock_ms: config.deadlines.lock_ms }
            }
            EngineConfig::Postgres { url, schema, .. } => {
                let (url, schema) = (Secret::new(url.expose().clone()), schema.clone());
                Way::Postgres { url, schema, deadlines: config.deadlines }
            }
        };
        // Once for the errors of opening, which say more than those of a read.
        way.connect().await?;
        let at = At::of(config);
        let store = Self::assembled(Engine::Look(way, at.clone()), &at, config, MIGRATIONS);
        // SQLite looks into a file only when something is read from it.
        store.facts().await?;
        Ok(store)
    }

    /// Has the engine check its own pages; `deep` with every index. What is wrong, in its words; nothing where it is sound.
    pub async fn check_pages(&self, deep: bool) -> Result<Vec<String>, StoreError> {
        let statement = if deep { &WHOLE_CHECK } else { &QUICK_CHECK };
        let said = self.snapshot(async |rx| rx.all::<String>(statement, &[]).await).await?;
        Ok(said.into_iter().filter(|line| line != "ok").collect())
    }

    /// What the engine says about itself.
    pub async fn facts(&self) -> Result<Vec<Fact>, StoreError> {
        self.read(async |rx| rx.all(&FACTS, NOTHING).await).await
    }
}

const NOTHING: &[Value<'_>] = &[];

impl Way {
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Sqlite { .. } => "sqlite",
            Self::Postgres { .. } => "postgres",
        }
    }

    /// A fresh connection that can't write.
    pub(super) async fn connect(&self) -> Result<Conn, OpenError> {
        match self {
            Self::Sqlite { path, lock_ms } => {
                let options = SqliteConnectOptions::new()
                    .filename(path)
                    .read_only(true)
                    // Without a log nobody is at work, and nothing of the file needs to be shared: SQLite would make files
                    // beside it otherwise.
                    .immutable(!has_log(path))
                    .busy_timeout(Duration::from_millis(*lock_ms))
                    .disable_statement_logging();
                Ok(Conn::SqliteSingle(
                    options.connect().await.map_err(|error| StoreError::of("open", error))?,
                ))
            }
            Self::Postgres { url, schema, deadlines } => {
                let mut conn = PostgresEngine::single(url, schema.as_deref(), deadlines).await?;
                let reading =
                    sqlx::raw_sql("SET default_transaction_read_only = on").execute(conn.link()).await;
                conn.settle(&reading);
                reading.map_err(|error| StoreError::of("open", error))?;
                Ok(Conn::Postgres(conn))
            }
        }
    }

    pub(super) async fn reader(&self, at: &At) -> Result<Rx, StoreError> {
        Ok(Rx::new(self.connect().await.map_err(passing)?, at))
    }

    /// One instant, until the connection is dropped.
    pub(super) async fn snapshot(&self, at: &At) -> Result<Rx, StoreError> {
        let mut conn = self.connect().await.map_err(passing)?;
        let begun = match &mut conn {
            Conn::SqliteSingle(conn) => sqlx::raw_sql("BEGIN").execute(conn).await.map(drop),
            Conn::Postgres(conn) => {
                let one_instant = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY";
                conn.set_begun(true);
                let begun = sqlx::raw_sql(one_instant).execute(conn.link()).await.map(drop);
                conn.settle(&begun);
                begun
            }
            _ => Ok(()),
        };
        of("snapshot", begun)?;
        Ok(Rx::new(conn, at))
    }
}

/// Whether SQLite's write-ahead log holds anything, or may at any moment: a daemon at work keeps one.
fn has_log(path: &Path) -> bool {
    fs::metadata(format!("{}-wal", path.display())).is_ok_and(|log| log.len() > 0)
        || fs::metadata(format!("{}-shm", path.display())).is_ok()
}

fn passing(error: OpenError) -> StoreError {
    match error {
        OpenError::Store(error) => error,
        _ => StoreError::Unavailable,
    }
}
