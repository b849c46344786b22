//! SQLite's connection that writes, called on the caller's own thread.
//!
//! A statement of a write takes some microseconds and waits for nothing: the disk is waited for at COMMIT alone, which
//! the flusher's thread sends. Handing each statement to another thread and back, as is right for reading, took longer
//! than the statement itself, while everybody else waited for the seat. What may take long is interrupted at its deadline.

use super::Value;
use rusqlite::{Connection, Error, OpenFlags, Statement, types::ValueRef};
use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// Prepared statements kept.
const STATEMENTS_KEPT: usize = 256;
/// Steps of SQLite's machine between two looks at the deadline: some hundreds of microseconds.
const STEPS_A_LOOK: i32 = 20_000;
/// Pages of the log after which it is written home, 4 KiB each. More of them share the two syncs that this takes, and
/// are read again after a crash.
const LOG_PAGES: u32 = 4_000;
/// Pages kept in memory, in KiB: the ends of all tables and indexes that writes go to.
const CACHE_KIB: u32 = 16 * 1024;

type Result<T> = std::result::Result<T, Error>;

/// The connection. Its temporary store is memory: savepoints keep the pages that they would restore there, and spilled
/// them into a file at every second write.
pub(super) struct Writer {
    conn: Connection,
    until: Arc<Deadline>,
}

/// Milliseconds from `start` on until which statements may run; 0: for ever.
struct Deadline {
    start: Instant,
    until_ms: AtomicU64,
}

/// A row, taken out of the connection.
#[derive(Debug)]
pub struct OwnedRow(Vec<rusqlite::types::Value>);

impl Writer {
    /// Opens the file, which must be there, with durable settings; whoever opens it reads them back.
    pub(super) fn open(path: &Path, lock_wait: Duration) -> Result<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let conn = Connection::open_with_flags(path, flags)?;
        conn.busy_timeout(lock_wait)?;
        conn.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
        conn.execute_batch(&format!(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; \
             PRAGMA wal_autocheckpoint = {LOG_PAGES}; PRAGMA cache_size = -{CACHE_KIB}; \
             PRAGMA temp_store = MEMORY"
        ))?;
        let until = Arc::new(Deadline { start: Instant::now(), until_ms: AtomicU64::new(0) });
        let watch = until.clone();
        conn.progress_handler(STEPS_A_LOOK, Some(move || watch.is_over()))?;
        Ok(Self { conn, until })
    }

    /// Statements from now on are interrupted once `patience` is over; `None`: they may take as long as they like.
    pub(super) fn patience(&self, patience: Option<Duration>) {
        self.until.set(patience);
    }

    /// Whether a transaction is open; not so after SQLite rolled everything back by itself.
    pub(super) fn is_in_transaction(&self) -> bool {
        !self.conn.is_autocommit()
    }

    /// Runs a text of the store's own, or of a migration: no values, several statements allowed.
    pub(super) fn control(&self, text: &str) -> Result<()> {
        if text.contains(';') {
            return self.conn.execute_batch(text);
        }
        // Kept prepared: they stand around every write.
        self.conn.prepare_cached(text)?.raw_execute().map(drop)
    }

    /// Runs a statement that changes rows; how many it changed.
    pub(super) fn execute(&self, text: &str, values: &[Value<'_>]) -> Result<u64> {
        let mut statement = self.bound(text, values)?;
        // Tables are made, and pragmas read, through this as well: rows that come along are passed over.
        if statement.column_count() > 0 {
            let mut rows = statement.raw_query();
            while rows.next()?.is_some() {}
        } else {
            statement.raw_execute()?;
        }
        drop(statement);
        Ok(self.conn.changes())
    }

    /// The rows of a statement, `most` of them at the most.
    pub(super) fn rows(&self, text: &str, values: &[Value<'_>], most: usize) -> Result<Vec<OwnedRow>> {
        let mut statement = self.bound(text, values)?;
        let columns = statement.column_count();
        let mut rows = statement.raw_query();
        let mut found = Vec::new();
        while found.len() < most
            && let Some(row) = rows.next()?
        {
            let cells = (0..columns).map(|column| row.get(column));
            found.push(OwnedRow(cells.collect::<Result<_>>()?));
        }
        Ok(found)
    }

    /// Asks whether the statement is understood; runs nothing.
    pub(super) fn prepare(&self, text: &str) -> Result<()> {
        self.conn.prepare(text).map(drop)
    }

    /// The first column of the one row of a pragma, as text.
    pub(super) fn pragma(&self, text: &str) -> Result<String> {
        self.conn.query_row(text, [], |row| {
            Ok(match row.get_ref(0)? {
                ValueRef::Integer(number) => number.to_string(),
                ValueRef::Text(octets) => String::from_utf8_lossy(octets).into_owned(),
                _ => "?".into(),
            })
        })
    }

    /// Closes; an error where that was not possible in order.
    pub(super) fn close(self) -> Result<()> {
        self.conn.close().map_err(|(_, error)| error)
    }

    /// A parameter `$3` takes the third value, wherever it stands.
    fn bound(&self, text: &str, values: &[Value<'_>]) -> Result<rusqlite::CachedStatement<'_>> {
        let mut statement = self.conn.prepare_cached(text)?;
        for index in 1..=statement.parameter_count() {
            let value = place(&statement, index).and_then(|place| values.get(place));
            let value = value.ok_or(Error::InvalidParameterCount(values.len(), index))?;
            match *value {
                Value::Text(text) => statement.raw_bind_parameter(index, text)?,
                Value::Int(number) => statement.raw_bind_parameter(index, number)?,
                Value::Bytes(octets) => statement.raw_bind_parameter(index, octets)?,
                Value::Bool(truth) => statement.raw_bind_parameter(index, truth)?,
            }
        }
        Ok(statement)
    }
}

/// Which value, from 0, the parameter at `index` is.
fn place(statement: &Statement<'_>, index: usize) -> Option<usize> {
    let name = statement.parameter_name(index)?;
    name.strip_prefix('$')?.parse::<usize>().ok()?.checked_sub(1)
}

impl Deadline {
    fn set(&self, patience: Option<Duration>) {
        let until =
            patience.map_or(0, |patience| self.now_ms().saturating_add(milliseconds(patience)).max(1));
        self.until_ms.store(until, Ordering::Relaxed);
    }

    fn is_over(&self) -> bool {
        let until = self.until_ms.load(Ordering::Relaxed);
        until > 0 && self.now_ms() > until
    }

    fn now_ms(&self) -> u64 {
        milliseconds(self.start.elapsed())
    }
}

fn milliseconds(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// What stands in a column, where another type was expected.
#[derive(Debug)]
pub(super) struct OtherType;

macro_rules! columns {
    ($($name:ident => $type:ty, $variant:ident;)*) => {$(
        /// The column's value; `None` for NULL.
        pub(super) fn $name(&self, column: usize) -> std::result::Result<Option<$type>, OtherType> {
            match self.0.get(column) {
                Some(rusqlite::types::Value::$variant(value)) => Ok(Some(value.clone())),
                Some(rusqlite::types::Value::Null) => Ok(None),
                _ => Err(OtherType),
            }
        }
    )*};
}

impl OwnedRow {
    columns! {
        text => String, Text;
        int => i64, Integer;
        bytes => Vec<u8>, Blob;
    }
}
