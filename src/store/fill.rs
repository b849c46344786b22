//! Filling an empty database from a backup: tables as of some migration, then rows; all or nothing. What is half done cannot
//! be opened by a daemon: SQLite's file has another name until it is whole, PostgreSQL has one transaction.

use super::{
    EngineConfig, FromRow, OpenError, Row, Statement, StoreConfig, StoreError, Table, Tx,
    engine::{At, Conn, of},
    lock::FileLock,
    migrations,
    postgres::PostgresEngine,
    sqlite::make_private,
    whole::Cell,
};
use crate::base::Timestamp;
use sqlx::{
    ConnectOptions as _, Connection as _,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// The constant statements, for the test that has PostgreSQL read them.
pub const STATEMENTS: &[&Statement] = &[&OBJECTS, &FOREIGN_KEYS, &NUMBERED_COLUMNS];

/// How many things the schema holds; SQLite's file is looked at before it is opened.
const OBJECTS: Statement = Statement::split(
    "store.objects",
    "SELECT count(*) FROM sqlite_schema",
    "SELECT CASE WHEN current_schema() IS NULL THEN -1 ELSE (SELECT count(*) FROM pg_class \
     WHERE relnamespace = current_schema()::regnamespace) END",
);
/// Table, constraint, definition. SQLite looks at its foreign keys when the transaction ends.
const FOREIGN_KEYS: Statement = Statement::split(
    "store.foreign_keys",
    "SELECT name, name, name FROM sqlite_schema WHERE 1 = 0",
    "SELECT c.relname::TEXT, f.conname::TEXT, pg_get_constraintdef(f.oid) FROM pg_constraint f \
     JOIN pg_class c ON c.oid = f.conrelid WHERE f.contype = 'f' AND c.relnamespace = current_schema()::regnamespace \
     ORDER BY 1, 2",
);
/// Table and column of the numbers that the database gives by itself. SQLite goes on from the highest number there is.
const NUMBERED_COLUMNS: Statement = Statement::split(
    "store.numbered_columns",
    "SELECT name, name FROM sqlite_schema WHERE 1 = 0",
    "SELECT c.relname::TEXT, a.attname::TEXT FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid \
     WHERE a.attidentity <> '' AND c.relkind = 'r' AND c.relnamespace = current_schema()::regnamespace ORDER BY 1, 2",
);
/// Parameters of one statement at most: SQLite takes 32766, PostgreSQL 65535.
const PARAMETERS_MAX: usize = 30_000;

/// A database that is being filled. Dropped without [`Fill::keep`], nothing of it stays.
pub struct Fill {
    tx: Tx,
    place: Place,
    foreign_keys: Vec<ForeignKey>,
}

enum Place {
    Sqlite { path: PathBuf, part: PathBuf, lock: FileLock },
    Postgres,
}

struct ForeignKey {
    table: String,
    name: String,
    definition: String,
}

impl FromRow for ForeignKey {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self { table: row.text(0)?, name: row.text(1)?, definition: row.text(2)? })
    }
}

struct Numbered(String, String);

impl FromRow for Numbered {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self(row.text(0)?, row.text(1)?))
    }
}

impl Fill {
    /// Takes the place of a database that is not there yet and makes its tables as they were after the migration `schema`.
    ///
    /// # Errors
    /// [`OpenError::Taken`] where something is there; those of opening.
    pub async fn begin(config: &StoreConfig, schema: i64, now: Timestamp) -> Result<Self, OpenError> {
        config.check()?;
        let at = At::of(config);
        let (conn, place) = match &config.engine {
            EngineConfig::Sqlite { path, .. } => sqlite(path).await?,
            EngineConfig::Postgres { url, schema, .. } => {
                let conn = PostgresEngine::single(url, schema.as_deref(), &config.deadlines).await?;
                (Conn::Postgres(conn), Place::Postgres)
            }
        };
        let mut fill = Self { tx: Tx::new(conn, &at), place, foreign_keys: Vec::new() };
        fill.prepare(schema, now).await?;
        Ok(fill)
    }

    async fn prepare(&mut self, schema: i64, now: Timestamp) -> Result<(), OpenError> {
        self.control("BEGIN").await?;
        self.tx.no_hurry().await?;
        match self.tx.one::<i64>(&OBJECTS, &[]).await? {
            0 => {}
            -1 => {
                let says = "the schema of the database is not there; make it first".into();
                return Err(OpenError::Config { says });
            }
            found => {
                let says = format!("the database holds {found} tables and indexes already");
                return Err(OpenError::Taken { says });
            }
        }
        if !self.tx.is_postgres() {
            self.control("PRAGMA defer_foreign_keys = ON").await?;
        }
        migrations::apply_up_to(&mut self.tx, schema, now).await?;
        // Rows come table by table, whatever they point to; the constraints come back when all are there.
        self.foreign_keys = self.tx.all(&FOREIGN_KEYS, &[]).await?;
        for key in &self.foreign_keys {
            let sql = format!("ALTER TABLE \"{}\" DROP CONSTRAINT \"{}\"", key.table, key.name);
            of("store.fill", self.tx.control_made(sql).await)?;
        }
        Ok(())
    }

    async fn control(&mut self, text: &'static str) -> Result<(), StoreError> {
        of("store.fill", self.tx.control(text).await)
    }

    /// From here on it is this node that writes.
    pub fn be(&mut self, node: &str) {
        self.tx.set_node(node);
    }

    /// The transaction: to look at what is there, and to write what belongs to the restoring itself.
    pub fn tx(&mut self) -> &mut Tx {
        &mut self.tx
    }

    /// Rows of a table that fit into one statement.
    pub fn rows_at_once(table: &Table) -> usize {
        (PARAMETERS_MAX / table.columns.len().max(1)).clamp(1, 500)
    }

    /// Adds rows, at most [`Fill::rows_at_once`].
    pub async fn add(&mut self, table: &Table, rows: &[Vec<Cell>]) -> Result<(), StoreError> {
        self.tx.insert_rows(table, rows).await
    }

    /// Has the database go on with its own numbers behind those that came.
    pub async fn number_on(&mut self) -> Result<(), StoreError> {
        for Numbered(table, column) in self.tx.all(&NUMBERED_COLUMNS, &[]).await? {
            let sql = format!(
                "SELECT setval(pg_get_serial_sequence('{table}', '{column}'), (SELECT max(\"{column}\") FROM \"{table}\")) \
                 WHERE EXISTS (SELECT 1 FROM \"{table}\")"
            );
            of("store.fill", self.tx.control_made(sql).await)?;
        }
        Ok(())
    }

    /// Brings the constraints back and keeps everything. After an error nothing is there, except where the answer to the
    /// commit itself was lost.
    pub async fn keep(mut self) -> Result<(), OpenError> {
        for key in std::mem::take(&mut self.foreign_keys) {
            let ForeignKey { table, name, definition } = key;
            let sql = format!("ALTER TABLE \"{table}\" ADD CONSTRAINT \"{name}\" {definition}");
            of("store.fill", self.tx.control_made(sql).await)?;
        }
        self.control("COMMIT").await?;
        match (self.tx.into_conn(), self.place) {
            (Conn::SqliteSingle(conn), Place::Sqlite { path, part, lock }) => {
                of("store.fill", conn.close().await)?;
                let file = |error: io::Error| OpenError::File { path: path.clone(), says: error.to_string() };
                put_in_place(&part, &path).map_err(file)?;
                drop(lock);
            }
            (Conn::Postgres(conn), _) => conn.farewell().await,
            _ => {}
        }
        Ok(())
    }
}

async fn sqlite(path: &Path) -> Result<(Conn, Place), OpenError> {
    let file = |error: io::Error| OpenError::File { path: path.into(), says: error.to_string() };
    if fs::metadata(path).is_ok_and(|found| found.len() > 0) {
        return Err(OpenError::Taken { says: format!("{} is there already", path.display()) });
    }
    demand_no_rest(path)?;
    let part = PathBuf::from(format!("{}.restoring", path.display()));
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder).map_err(file)?;
    }
    let lock = FileLock::take(path)?;
    // What an earlier attempt left behind; the lock is ours.
    for ending in ["", "-journal"] {
        match fs::remove_file(format!("{}{ending}", part.display())) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(file(error)),
            _ => {}
        }
    }
    make_private(&part)?;
    let conn = SqliteConnectOptions::new()
        .filename(&part)
        .foreign_keys(true)
        .journal_mode(SqliteJournalMode::Delete)
        .synchronous(SqliteSynchronous::Full)
        .disable_statement_logging()
        .connect()
        .await;
    let conn = of("store.fill", conn)?;
    Ok((Conn::SqliteSingle(conn), Place::Sqlite { path: path.into(), part, lock }))
}

/// A log of a database that is gone would be written over the restored one at its first start.
fn demand_no_rest(path: &Path) -> Result<(), OpenError> {
    for ending in ["-wal", "-journal"] {
        let rest = format!("{}{ending}", path.display());
        if fs::metadata(&rest).is_ok_and(|found| found.len() > 0) {
            let says = format!("{rest} is there, of a database that is gone; move it away as well");
            return Err(OpenError::Taken { says });
        }
    }
    Ok(())
}

fn put_in_place(part: &Path, path: &Path) -> io::Result<()> {
    fs::File::open(part)?.sync_all()?;
    fs::rename(part, path)?;
    match path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        Some(folder) => fs::File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}
