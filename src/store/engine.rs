//! The one place where the two engines are told apart: connections, values, rows.

use super::{
    Connections, EngineConfig, FromRow, Meters, OpenError, Statement, StoreConfig, StoreError, Value,
    error::Cause,
    look::Way,
    migrations::{Dialect, Migration},
    postgres::{self, PostgresEngine, pool::Lent},
    sqlite::{self, SqliteEngine},
    writer::{OtherType, OwnedRow, Writer},
};
use crate::base::Timestamp;
use sqlx::{
    AssertSqlSafe, Executor, Row as _, Sqlite, SqliteConnection, Transaction, pool::PoolConnection,
    postgres::PgRow, sqlite::SqliteRow,
};
use std::{
    ops::{Deref, DerefMut},
    sync::Arc,
};

/// Where work is done: the node, and who counts.
#[derive(Clone)]
pub(super) struct At {
    pub(super) node: Arc<str>,
    pub(super) meters: Arc<Meters>,
}

impl At {
    pub(super) fn of(config: &StoreConfig) -> Self {
        Self { node: config.node.as_str().into(), meters: Arc::new(Meters::new()) }
    }
}

/// An open database.
pub(super) enum Engine {
    Sqlite(SqliteEngine),
    Postgres(PostgresEngine),
    /// Of either kind, and only looked at.
    Look(Way, At),
}

impl Engine {
    pub(super) async fn open(
        config: &StoreConfig,
        at: &At,
        update: (&[Migration], Timestamp),
    ) -> Result<Self, OpenError> {
        let deadlines = &config.deadlines;
        Ok(match &config.engine {
            EngineConfig::Sqlite { path, readers } => {
                Self::Sqlite(SqliteEngine::open(path, *readers, deadlines, at, update).await?)
            }
            EngineConfig::Postgres { url, schema, connections } => {
                let schema = schema.as_deref();
                Self::Postgres(PostgresEngine::open(url, schema, *connections, deadlines, at, update).await?)
            }
        })
    }

    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "sqlite",
            Self::Postgres(_) => "postgres",
            Self::Look(way, _) => way.name(),
        }
    }

    pub(super) fn is_one_process(&self) -> bool {
        self.name() == "sqlite"
    }

    pub(super) async fn turn(&self) -> Result<Turn, StoreError> {
        Ok(match self {
            Self::Sqlite(engine) => Turn::Sqlite(engine.turn().await?),
            Self::Postgres(engine) => Turn::Postgres(engine.turn().await?),
            Self::Look(..) => return Err(StoreError::Halted),
        })
    }

    pub(super) async fn reader(&self) -> Result<Rx, StoreError> {
        let conn = match self {
            Self::Sqlite(engine) => Conn::SqliteReader(of("connect", engine.readers().acquire().await)?),
            Self::Postgres(engine) => Conn::Postgres(engine.pool().reader().await?),
            Self::Look(way, at) => return way.reader(at).await,
        };
        Ok(Rx::new(conn, self.at()))
    }

    pub(super) async fn snapshot(&self) -> Result<Rx, StoreError> {
        let conn = match self {
            Self::Sqlite(engine) => Conn::SqliteSnapshot(of("snapshot", engine.readers().begin().await)?),
            Self::Postgres(engine) => Conn::Postgres(engine.snapshot().await?),
            Self::Look(way, at) => return way.snapshot(at).await,
        };
        Ok(Rx::new(conn, self.at()))
    }

    fn at(&self) -> &At {
        match self {
            Self::Sqlite(engine) => engine.at(),
            Self::Postgres(engine) => engine.at(),
            Self::Look(_, at) => at,
        }
    }

    pub(super) fn connections(&self) -> Connections {
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        match self {
            Self::Sqlite(engine) => {
                let pool = engine.readers();
                let most = pool.options().get_max_connections();
                Connections { open: pool.size(), idle: count(pool.num_idle()), hung: 0, most }
            }
            Self::Postgres(engine) => engine.pool().connections(),
            Self::Look(..) => Connections { open: 0, idle: 0, hung: 0, most: 1 },
        }
    }

    pub(super) fn log_bytes(&self) -> Option<u64> {
        match self {
            Self::Sqlite(engine) => Some(engine.log_bytes()),
            Self::Postgres(_) | Self::Look(..) => None,
        }
    }

    pub(super) fn is_halted(&self) -> bool {
        match self {
            Self::Sqlite(engine) => engine.is_halted(),
            Self::Postgres(engine) => engine.pool().is_closed(),
            Self::Look(..) => true,
        }
    }

    pub(super) async fn close(&self) {
        match self {
            Self::Sqlite(engine) => engine.close().await,
            Self::Postgres(engine) => engine.pool().close().await,
            Self::Look(..) => {}
        }
    }
}

/// One writer's turn: a transaction that is kept or undone by [`Turn::finish`], and undone when dropped.
#[allow(clippy::large_enum_variant, reason = "there are as many as connections, and they are moved once")]
pub(super) enum Turn {
    Sqlite(sqlite::Turn),
    Postgres(postgres::Turn),
}

impl Turn {
    pub(super) fn tx(&mut self) -> &mut Tx {
        match self {
            Self::Sqlite(turn) => turn.tx(),
            Self::Postgres(turn) => turn.tx(),
        }
    }

    /// Keeps (and answers once that is durable) or undoes.
    pub(super) async fn finish(self, keep: bool) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(turn) => turn.finish(keep).await,
            Self::Postgres(turn) => turn.finish(keep).await,
        }
    }
}

/// A connection, however it was come by.
pub(super) enum Conn {
    SqliteWriter(Writer),
    SqliteSingle(SqliteConnection),
    SqliteReader(PoolConnection<Sqlite>),
    SqliteSnapshot(Transaction<'static, Sqlite>),
    Postgres(Lent),
}

pub(super) enum Link<'c> {
    Writer(&'c mut Writer),
    Sqlite(&'c mut SqliteConnection),
    Postgres(&'c mut Lent),
}

impl Conn {
    pub(super) fn link(&mut self) -> Link<'_> {
        match self {
            Self::SqliteWriter(conn) => Link::Writer(conn),
            Self::SqliteSingle(conn) => Link::Sqlite(conn),
            Self::SqliteReader(conn) => Link::Sqlite(conn),
            Self::SqliteSnapshot(conn) => Link::Sqlite(conn),
            Self::Postgres(conn) => Link::Postgres(conn),
        }
    }
}

/// What a reading closure works with.
pub struct Rx {
    conn: Conn,
    failed: bool,
    meters: Arc<Meters>,
}

/// What a writing closure works with; reads too.
pub struct Tx {
    rx: Rx,
    node: Arc<str>,
    rang: bool,
    outdates: bool,
}

/// Binds all values to a query of either engine.
macro_rules! bound {
    ($text:expr, $values:expr) => {
        $values.iter().fold(sqlx::query($text), |query, value| match *value {
            Value::Text(text) => query.bind(text),
            Value::Int(number) => query.bind(number),
            Value::Bytes(bytes) => query.bind(bytes),
            Value::Bool(truth) => query.bind(truth),
        })
    };
}
pub(super) use bound;

impl Rx {
    pub(super) fn new(conn: Conn, at: &At) -> Self {
        Self { conn, failed: false, meters: at.meters.clone() }
    }

    pub(super) fn conn(&mut self) -> &mut Conn {
        &mut self.conn
    }

    pub(super) fn is_postgres(&self) -> bool {
        self.conn.is_postgres()
    }

    /// The one row that is there; [`StoreError::Missing`] where there is none. Of several, the first.
    pub async fn one<T: FromRow>(
        &mut self,
        statement: &Statement,
        values: &[Value<'_>],
    ) -> Result<T, StoreError> {
        let found = self.optional(statement, values).await?;
        found.ok_or(StoreError::Missing { statement: statement.name })
    }

    /// The row, if there is one. Of several, the first.
    pub async fn optional<T: FromRow>(
        &mut self,
        statement: &Statement,
        values: &[Value<'_>],
    ) -> Result<Option<T>, StoreError> {
        self.refuse_if_failed()?;
        let found = match self.conn.link() {
            Link::Writer(conn) => {
                let found = conn.rows(statement.sqlite, values, 1);
                found.map(|mut rows| rows.pop().map(Row::Owned)).map_err(Cause::from)
            }
            Link::Sqlite(conn) => {
                let found = bound!(statement.sqlite, values).fetch_optional(conn).await;
                found.map(|row| row.map(Row::Sqlite)).map_err(Cause::from)
            }
            Link::Postgres(conn) => {
                let found = bound!(statement.postgres, values).fetch_optional(conn.link()).await;
                conn.settle(&found);
                found.map(|row| row.map(Row::Postgres)).map_err(Cause::from)
            }
        };
        self.judged(statement, found)?.map(|row| T::from_row(&row)).transpose()
    }

    /// All rows. The statement bounds their number (`LIMIT`) where it can be large.
    pub async fn all<T: FromRow>(
        &mut self,
        statement: &Statement,
        values: &[Value<'_>],
    ) -> Result<Vec<T>, StoreError> {
        self.refuse_if_failed()?;
        let found: Result<Vec<Row>, Cause> = match self.conn.link() {
            Link::Writer(conn) => {
                let found = conn.rows(statement.sqlite, values, usize::MAX);
                found.map(|rows| rows.into_iter().map(Row::Owned).collect()).map_err(Cause::from)
            }
            Link::Sqlite(conn) => {
                let found = bound!(statement.sqlite, values).fetch_all(conn).await;
                found.map(|rows| rows.into_iter().map(Row::Sqlite).collect()).map_err(Cause::from)
            }
            Link::Postgres(conn) => {
                let found = bound!(statement.postgres, values).fetch_all(conn.link()).await;
                conn.settle(&found);
                found.map(|rows| rows.into_iter().map(Row::Postgres).collect()).map_err(Cause::from)
            }
        };
        self.judged(statement, found)?.iter().map(T::from_row).collect()
    }

    pub(super) async fn prepare(&mut self, statement: &Statement) -> Result<(), StoreError> {
        use sqlx::SqlSafeStr as _;
        let prepared = match self.conn.link() {
            Link::Writer(conn) => conn.prepare(statement.sqlite).map_err(Cause::from),
            Link::Sqlite(conn) => {
                conn.prepare(statement.sqlite.into_sql_str()).await.map(drop).map_err(Cause::from)
            }
            Link::Postgres(conn) => {
                let prepared = conn.link().prepare(statement.postgres.into_sql_str()).await.map(drop);
                conn.settle(&prepared);
                prepared.map_err(Cause::from)
            }
        };
        self.judged(statement, prepared)
    }

    /// After a statement failed, PostgreSQL refuses all further ones, and SQLite may have rolled everything back and
    /// would commit each further one by itself: so none is sent.
    fn refuse_if_failed(&self) -> Result<(), StoreError> {
        if self.failed { Err(StoreError::Spoiled) } else { Ok(()) }
    }

    fn judged<T>(&mut self, statement: &Statement, result: Result<T, Cause>) -> Result<T, StoreError> {
        self.failed |= result.is_err();
        of(statement.name, result).inspect_err(|error| self.meters.failed(error))
    }
}

impl Tx {
    pub(super) fn new(conn: Conn, at: &At) -> Self {
        Self { rx: Rx::new(conn, at), node: at.node.clone(), rang: false, outdates: false }
    }

    /// Runs a statement that changes rows; how many it changed.
    pub async fn execute(&mut self, statement: &Statement, values: &[Value<'_>]) -> Result<u64, StoreError> {
        self.rx.refuse_if_failed()?;
        let done = match self.rx.conn.link() {
            Link::Writer(conn) => conn.execute(statement.sqlite, values).map_err(Cause::from),
            Link::Sqlite(conn) => {
                let done = bound!(statement.sqlite, values).execute(conn).await;
                done.map(|done| done.rows_affected()).map_err(Cause::from)
            }
            Link::Postgres(conn) => {
                let done = bound!(statement.postgres, values).execute(conn.link()).await;
                conn.settle(&done);
                done.map(|done| done.rows_affected()).map_err(Cause::from)
            }
        };
        self.rx.judged(statement, done)
    }

    /// The name of this node.
    pub fn node(&self) -> Arc<str> {
        self.node.clone()
    }

    pub(super) fn set_node(&mut self, node: &str) {
        self.node = node.into();
    }

    /// Once this is committed, whoever waits at [`super::Store::rung`] is woken.
    pub fn ring(&mut self) {
        self.rang = true;
    }

    /// Once this is committed, what was kept in memory of earlier reads is out of date: a new
    /// [`super::Store::edition`] begins.
    pub fn outdate(&mut self) {
        self.outdates = true;
    }

    pub(super) fn take_outdates(&mut self) -> bool {
        std::mem::take(&mut self.outdates)
    }

    pub(super) fn take_ring(&mut self) -> bool {
        std::mem::take(&mut self.rang)
    }

    pub(super) fn is_spoiled(&self) -> bool {
        self.rx.failed
    }

    /// Makes ready for the next writer on the same connection.
    pub(super) fn reset(&mut self) {
        self.rx.failed = false;
        self.rang = false;
        self.outdates = false;
    }

    pub(super) fn into_conn(self) -> Conn {
        self.rx.conn
    }

    pub(super) fn dialect(&self) -> Dialect {
        match self.rx.conn.is_postgres() {
            false => Dialect::Sqlite,
            true => Dialect::Postgres,
        }
    }

    /// Runs a text that was made at run time, from names that were looked at.
    pub(super) async fn control_made(&mut self, text: String) -> Result<(), Cause> {
        match self.rx.conn.link() {
            Link::Writer(conn) => conn.control(&text).map_err(Cause::from),
            Link::Sqlite(conn) => {
                sqlx::raw_sql(AssertSqlSafe(text)).execute(conn).await.map(drop).map_err(Cause::from)
            }
            Link::Postgres(conn) => {
                let done = sqlx::raw_sql(AssertSqlSafe(text)).execute(conn.link()).await.map(drop);
                conn.settle(&done);
                done.map_err(Cause::from)
            }
        }
    }

    /// Runs a text of the store's own, or of a migration: no values, several statements allowed.
    pub(super) async fn control(&mut self, text: &'static str) -> Result<(), Cause> {
        match self.rx.conn.link() {
            Link::Writer(conn) => conn.control(text).map_err(Cause::from),
            Link::Sqlite(conn) => sqlx::query(text).execute(conn).await.map(drop).map_err(Cause::from),
            Link::Postgres(conn) => {
                let done = sqlx::raw_sql(text).execute(conn.link()).await.map(drop);
                conn.settle(&done);
                done.map_err(Cause::from)
            }
        }
    }

    /// SQLite's connection, called without waiting; `None` of PostgreSQL.
    pub(super) fn writer(&self) -> Option<&Writer> {
        match &self.rx.conn {
            Conn::SqliteWriter(writer) => Some(writer),
            _ => None,
        }
    }
}

impl Deref for Tx {
    type Target = Rx;

    fn deref(&self) -> &Rx {
        &self.rx
    }
}

impl DerefMut for Tx {
    fn deref_mut(&mut self) -> &mut Rx {
        &mut self.rx
    }
}

/// A row of either engine. Columns are read by their place, from 0; [`StoreError::Corrupt`] where there is none, or
/// NULL where none is allowed, or another type.
#[derive(Debug)]
pub enum Row {
    #[doc(hidden)]
    Owned(OwnedRow),
    #[doc(hidden)]
    Sqlite(SqliteRow),
    #[doc(hidden)]
    Postgres(PgRow),
}

macro_rules! columns {
    ($($(#[$doc:meta])* $name:ident, $opt:ident => $type:ty;)*) => {$(
        $(#[$doc])*
        pub fn $name(&self, column: usize) -> Result<$type, StoreError> {
            match self {
                Self::Owned(row) => row.$name(column).ok().flatten().ok_or_else(|| unexpected(column)),
                Self::Sqlite(row) => of("row", row.try_get(column)),
                Self::Postgres(row) => of("row", row.try_get(column)),
            }
        }

        /// The same, where NULL is allowed.
        pub fn $opt(&self, column: usize) -> Result<Option<$type>, StoreError> {
            match self {
                Self::Owned(row) => row.$name(column).map_err(|OtherType| unexpected(column)),
                Self::Sqlite(row) => of("row", row.try_get(column)),
                Self::Postgres(row) => of("row", row.try_get(column)),
            }
        }
    )*};
}

impl Row {
    columns! {
        /// A text.
        text, opt_text => String;
        /// A whole number.
        int, opt_int => i64;
        /// Octets.
        bytes, opt_bytes => Vec<u8>;
    }

    /// A truth value: `BOOLEAN` in PostgreSQL, 0 or 1 in SQLite.
    pub fn bool(&self, column: usize) -> Result<bool, StoreError> {
        match self {
            Self::Postgres(row) => of("row", row.try_get(column)),
            Self::Owned(_) | Self::Sqlite(_) => self.int(column).map(|number| number != 0),
        }
    }

    /// The same, where NULL is allowed.
    pub fn opt_bool(&self, column: usize) -> Result<Option<bool>, StoreError> {
        match self {
            Self::Postgres(row) => of("row", row.try_get(column)),
            Self::Owned(_) | Self::Sqlite(_) => Ok(self.opt_int(column)?.map(|number| number != 0)),
        }
    }

    /// An instant, from its milliseconds.
    pub fn timestamp(&self, column: usize) -> Result<Timestamp, StoreError> {
        self.int(column).map(Timestamp::from_ms)
    }

    /// The same, where NULL is allowed.
    pub fn opt_timestamp(&self, column: usize) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.opt_int(column)?.map(Timestamp::from_ms))
    }
}

fn unexpected(column: usize) -> StoreError {
    StoreError::Corrupt { says: format!("column {column} is missing, NULL, or of another type") }
}

/// Sorts the engine's error.
pub(super) fn of<T, E: Into<Cause>>(statement: &'static str, result: Result<T, E>) -> Result<T, StoreError> {
    result.map_err(|error| {
        let sorted = StoreError::of(statement, error);
        if matches!(sorted, StoreError::Fault { .. } | StoreError::Corrupt { .. }) {
            tracing::error!(name: "store.statement_failed", statement, error = %sorted, "a statement failed");
        }
        sorted
    })
}
