//! The whole database, table by table, for backups: what tables there are, and all their rows, in a form that both engines
//! have in common. Here alone statements are made from names that the database gives; each is looked at first.

use super::{
    FromRow, Row, Rx, Statement, Store, StoreError, Tx, Value,
    engine::{Conn, Link, of},
    error::Cause,
};
use futures_core::Stream;
use sqlx::{AssertSqlSafe, Error};
use std::{
    future::poll_fn,
    pin::{Pin, pin},
    time::Duration,
};
use tokio::time::timeout;

/// All statements that are constant, for the test that has both engines read them.
pub const STATEMENTS: &[&Statement] = &[&TABLES, &COLUMNS, &NO_HURRY];

const TABLES: Statement = Statement::split(
    "store.tables",
    "SELECT name FROM sqlite_schema WHERE type = 'table' AND substr(name, 1, 7) <> 'sqlite_' ORDER BY name",
    "SELECT relname::TEXT FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p') \
     ORDER BY relname::TEXT COLLATE \"C\"",
);
/// Name, type, place in the primary key or NULL.
const COLUMNS: Statement = Statement::split(
    "store.columns",
    "SELECT name, lower(type), CASE WHEN pk > 0 THEN pk END FROM pragma_table_info($1) ORDER BY cid",
    "SELECT a.attname::TEXT, format_type(a.atttypid, a.atttypmod), \
     array_position(i.indkey::INT2[], a.attnum)::BIGINT \
     FROM pg_attribute a LEFT JOIN pg_index i ON i.indrelid = a.attrelid AND i.indisprimary \
     WHERE a.attrelid = to_regclass(quote_ident($1)) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum",
);
/// For as long as this transaction lasts, a reader may take its time.
const NO_HURRY: Statement = Statement::split(
    "store.no_hurry",
    "SELECT 1",
    "SELECT count(set_config('statement_timeout', '0', true)) \
     + count(set_config('idle_in_transaction_session_timeout', '0', true))",
);
/// The longest wait for one row.
const ROW_PATIENCE: Duration = Duration::from_secs(60);

/// The table that says which migrations were applied: it differs between the engines and is made anew.
pub const MIGRATION_TABLE: &str = "migration";

/// A table and its columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// Its columns, in the order of their making.
    pub columns: Vec<Column>,
    /// Names of the primary key's columns, in its order.
    pub key: Vec<String>,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub kind: ColumnKind,
}

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnKind {
    /// Whole numbers.
    Int,
    /// Texts.
    Text,
    /// Octets.
    Bytes,
    /// PostgreSQL's truth values; SQLite has 0 and 1.
    Bool,
}

/// A value of a row, as both engines have it. Truth values are 0 and 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cell {
    /// Nothing.
    Null,
    /// A whole number.
    Int(i64),
    /// A text.
    Text(String),
    /// Octets.
    Bytes(Vec<u8>),
}

/// Which rows of a table, and in which order. Both are texts of SQL that stand in the code.
#[derive(Debug, Clone, Copy)]
pub struct Part {
    /// A condition, or nothing for all rows.
    pub filter: &'static str,
    /// Columns to order by; nothing: the primary key.
    pub order: &'static str,
}

impl Part {
    /// All rows, by their primary key.
    pub const ALL: Self = Self { filter: "", order: "" };
}

/// Names that may stand in a statement made here: ours are plain.
fn is_plain(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 63
        && name.bytes().all(|octet| matches!(octet, b'a'..=b'z' | b'0'..=b'9' | b'_'))
}

struct FoundColumn {
    name: String,
    kind: String,
    key: Option<i64>,
}

impl FromRow for FoundColumn {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self { name: row.text(0)?, kind: row.text(1)?, key: row.opt_int(2)? })
    }
}

impl Rx {
    /// Every table but that of the migrations, by name.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] for a table or column that this program would not make.
    pub async fn tables(&mut self) -> Result<Vec<Table>, StoreError> {
        let names: Vec<String> = self.all(&TABLES, &[]).await?;
        let mut tables = Vec::new();
        for name in names.into_iter().filter(|name| name != MIGRATION_TABLE) {
            let columns: Vec<FoundColumn> = self.all(&COLUMNS, &[(&name).into()]).await?;
            tables.push(table(name, columns)?);
        }
        Ok(tables)
    }

    /// Takes the deadlines off this transaction's statements; those of the single rows stay.
    pub async fn no_hurry(&mut self) -> Result<(), StoreError> {
        self.one::<i64>(&NO_HURRY, &[]).await.map(drop)
    }

    /// Hands all rows of a part to `each`, one by one, cells in the order of the table's columns. Rows are read as they are
    /// taken, so that memory holds a few of them. Columns in the primary key's order are ordered octet by octet, in both
    /// engines alike.
    pub async fn each_row<E: From<StoreError>>(
        &mut self,
        table: &Table,
        part: Part,
        mut each: impl AsyncFnMut(Vec<Cell>) -> Result<(), E>,
    ) -> Result<(), E> {
        let sql = self.select(table, part);
        match self.conn().link() {
            Link::Writer(conn) => {
                for row in of("store.each_row", conn.rows(&sql, &[], usize::MAX))? {
                    each(cells(&Row::Owned(row), table)?).await?;
                }
            }
            Link::Sqlite(conn) => {
                let mut rows = pin!(sqlx::query(AssertSqlSafe(sql)).fetch(conn));
                while let Some(row) = next(&mut rows).await? {
                    each(cells(&Row::Sqlite(row), table)?).await?;
                }
            }
            Link::Postgres(conn) => {
                {
                    let mut rows = pin!(sqlx::query(AssertSqlSafe(sql)).fetch(conn.link()));
                    while let Some(row) = next(&mut rows).await? {
                        each(cells(&Row::Postgres(row), table)?).await?;
                    }
                }
                conn.settle(&Ok(()));
            }
        }
        Ok(())
    }

    fn select(&self, table: &Table, part: Part) -> String {
        let columns: Vec<_> = table.columns.iter().map(|column| format!("\"{}\"", column.name)).collect();
        let mut sql = format!("SELECT {} FROM \"{}\"", columns.join(", "), table.name);
        if !part.filter.is_empty() {
            sql = format!("{sql} WHERE {}", part.filter);
        }
        let order = match part.order {
            "" => table.key.iter().map(|name| self.order(table, name)).collect::<Vec<_>>().join(", "),
            order => order.to_owned(),
        };
        if order.is_empty() { sql } else { format!("{sql} ORDER BY {order}") }
    }

    /// SQLite orders texts by their octets; PostgreSQL does so where it is told.
    fn order(&self, table: &Table, name: &str) -> String {
        let is_text =
            table.columns.iter().any(|column| column.name == name && column.kind == ColumnKind::Text);
        if is_text && self.is_postgres() {
            format!("\"{name}\" COLLATE \"C\"")
        } else {
            format!("\"{name}\"")
        }
    }
}

fn table(name: String, found: Vec<FoundColumn>) -> Result<Table, StoreError> {
    let odd =
        |what: &str| StoreError::Corrupt { says: format!("table {name} has {what}, which is none of ours") };
    if !is_plain(&name) || found.iter().any(|column| !is_plain(&column.name)) {
        return Err(odd("a name or column with other characters than a to z, 0 to 9 and _"));
    }
    let mut key: Vec<_> =
        found.iter().filter_map(|column| column.key.map(|at| (at, column.name.clone()))).collect();
    key.sort();
    if key.is_empty() {
        return Err(odd("no primary key"));
    }
    let columns = found.into_iter().map(|column| {
        let kind = match column.kind.as_str() {
            "integer" | "bigint" => ColumnKind::Int,
            "text" => ColumnKind::Text,
            "blob" | "bytea" => ColumnKind::Bytes,
            "boolean" => ColumnKind::Bool,
            other => return Err(odd(&format!("a column of type {other}"))),
        };
        Ok(Column { name: column.name, kind })
    });
    let columns = columns.collect::<Result<_, _>>()?;
    Ok(Table { columns, key: key.into_iter().map(|(_, column)| column).collect(), name })
}

async fn next<T>(
    rows: &mut Pin<&mut (impl Stream<Item = Result<T, Error>> + ?Sized)>,
) -> Result<Option<T>, StoreError> {
    match timeout(ROW_PATIENCE, poll_fn(|context| rows.as_mut().poll_next(context))).await {
        Ok(row) => of("store.each_row", row.transpose()),
        Err(_) => Err(StoreError::Deadline),
    }
}

fn cells(row: &Row, table: &Table) -> Result<Vec<Cell>, StoreError> {
    let columns = table.columns.iter().enumerate();
    let cell = |(at, column): (usize, &Column)| {
        Ok(match column.kind {
            ColumnKind::Int => row.opt_int(at)?.map_or(Cell::Null, Cell::Int),
            ColumnKind::Text => row.opt_text(at)?.map_or(Cell::Null, Cell::Text),
            ColumnKind::Bytes => row.opt_bytes(at)?.map_or(Cell::Null, Cell::Bytes),
            ColumnKind::Bool => row.opt_bool(at)?.map_or(Cell::Null, |truth| Cell::Int(truth.into())),
        })
    };
    columns.map(cell).collect()
}

impl Tx {
    /// Adds rows to a table, all in one statement; cells in the order of its columns. Numbers that the database would give
    /// by itself are taken as they come.
    pub(super) async fn insert_rows(&mut self, table: &Table, rows: &[Vec<Cell>]) -> Result<(), StoreError> {
        if rows.is_empty() {
            return Ok(());
        }
        let mut values = Vec::with_capacity(rows.len() * table.columns.len());
        for row in rows {
            if row.len() != table.columns.len() {
                let says = format!("a row for table {} has {} cells", table.name, row.len());
                return Err(StoreError::Corrupt { says });
            }
            for (cell, column) in row.iter().zip(&table.columns) {
                values.push(value(cell, column).ok_or_else(|| StoreError::Corrupt {
                    says: format!(
                        "a row for table {} has another kind of value in {}",
                        table.name, column.name
                    ),
                })?);
            }
        }
        let sql = insert(table, rows.len(), self.is_postgres());
        let done = match self.conn().link() {
            Link::Writer(conn) => conn.execute(&sql, &values).map(drop).map_err(Cause::from),
            Link::Sqlite(conn) => {
                let done = super::engine::bound!(AssertSqlSafe(sql), values).execute(conn).await;
                done.map(drop).map_err(Cause::from)
            }
            Link::Postgres(conn) => {
                let done = super::engine::bound!(AssertSqlSafe(sql), values).execute(conn.link()).await;
                conn.settle(&done);
                done.map(drop).map_err(Cause::from)
            }
        };
        of("store.insert_rows", done)
    }
}

fn insert(table: &Table, rows: usize, is_postgres: bool) -> String {
    let names: Vec<_> = table.columns.iter().map(|column| format!("\"{}\"", column.name)).collect();
    let width = names.len();
    let tuple = |row: usize| {
        let places: Vec<_> = (1..=width).map(|at| format!("${}", row * width + at)).collect();
        format!("({})", places.join(", "))
    };
    let tuples: Vec<_> = (0..rows).map(tuple).collect();
    let numbers = if is_postgres { " OVERRIDING SYSTEM VALUE" } else { "" };
    format!("INSERT INTO \"{}\" ({}){numbers} VALUES {}", table.name, names.join(", "), tuples.join(", "))
}

fn value<'c>(cell: &'c Cell, column: &Column) -> Option<Value<'c>> {
    Some(match (cell, column.kind) {
        (Cell::Null, ColumnKind::Int) => Value::Int(None),
        (Cell::Null, ColumnKind::Text) => Value::Text(None),
        (Cell::Null, ColumnKind::Bytes) => Value::Bytes(None),
        (Cell::Null, ColumnKind::Bool) => Value::Bool(None),
        (Cell::Int(number), ColumnKind::Int) => Value::Int(Some(*number)),
        (Cell::Int(number @ (0 | 1)), ColumnKind::Bool) => Value::Bool(Some(*number == 1)),
        (Cell::Text(text), ColumnKind::Text) => Value::Text(Some(text)),
        (Cell::Bytes(octets), ColumnKind::Bytes) => Value::Bytes(Some(octets)),
        _ => return None,
    })
}

impl Store {
    /// How long SQLite's log is, in octets: it grows while somebody reads an old instant. `None` on PostgreSQL.
    pub fn log_bytes(&self) -> Option<u64> {
        self.0.engine.log_bytes()
    }
}

impl Conn {
    pub(super) fn is_postgres(&self) -> bool {
        match self {
            Self::SqliteWriter(_)
            | Self::SqliteSingle(_)
            | Self::SqliteReader(_)
            | Self::SqliteSnapshot(_) => false,
            Self::Postgres(_) => true,
        }
    }
}
