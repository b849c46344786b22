//! What can go wrong with a database, sorted by what the caller may do about it.

use std::{fmt, path::PathBuf};

/// Why a read or a write did not succeed. No SQL, no values, no personal data in any of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreError {
    /// No turn, connection or lock within the deadline. Nothing was done; try again in a moment.
    Busy,
    /// The work took longer than its deadline and was rolled back.
    Deadline,
    /// The commit was sent and no answer came: it may be there or not. Read again before trying again.
    Unknown,
    /// The commit failed and nothing of it is kept; try again.
    Lost,
    /// After a failed sync, or after closing, this process takes no more writes: start it again.
    Halted,
    /// A later release has changed the tables beyond what this one can work with: start that one here too.
    Outgrown,
    /// A constraint of the database refused a row.
    Conflict {
        /// Which kind.
        kind: Conflict,
        /// Name of the constraint (PostgreSQL) or its columns (SQLite): for people, not for decisions.
        constraint: String,
    },
    /// The closure answered Ok although a statement of it had failed; it was rolled back. A defect of the caller.
    Spoiled,
    /// The statement had to find a row and found none.
    Missing {
        /// The statement's name.
        statement: &'static str,
    },
    /// The disk is full; nothing was done. Reads go on.
    Full,
    /// The file, its folder or the disk cannot be written; or the server is a standby, or set to read only. Nothing was
    /// done. Reads go on.
    ReadOnly,
    /// The database cannot be reached, or broke the connection before the commit. Nothing was done.
    Unavailable,
    /// Another process has what this one held (a lease ran out while this one stood still). Nothing was done.
    Fenced,
    /// A row is not what its table says, or the file is damaged.
    Corrupt {
        /// What was read and what was found.
        says: String,
    },
    /// The engine refused a statement for another reason. A defect, ours or the engine's.
    Fault {
        /// The statement's name.
        statement: &'static str,
        /// The engine's code.
        code: String,
    },
}

/// Which kind of constraint refused a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conflict {
    /// Another row has this value already.
    Unique,
    /// The row points to another one that is not there, or is pointed to.
    ForeignKey,
    /// A CHECK or NOT NULL.
    Check,
}

impl StoreError {
    /// A column whose value is none that its room knows.
    pub fn corrupt(column: &str) -> Self {
        Self::Corrupt { says: format!("{column} holds a value that this program does not know") }
    }

    /// Whether a unique index, foreign key or check refused the row.
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Conflict { .. })
    }

    /// Whether a row with the same unique value was there before.
    pub fn is_duplicate(&self) -> bool {
        matches!(self, Self::Conflict { kind: Conflict::Unique, .. })
    }

    /// Whether the same call may succeed in a moment, and nothing was done so far.
    pub fn is_passing(&self) -> bool {
        matches!(
            self,
            Self::Busy | Self::Deadline | Self::Lost | Self::Full | Self::Unavailable | Self::ReadOnly
        )
    }

    /// Stable code for the error catalogue.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Busy => "store/busy",
            Self::Deadline => "store/deadline",
            Self::Unknown => "store/unknown",
            Self::Lost => "store/lost",
            Self::Halted => "store/halted",
            Self::Outgrown => "store/outgrown",
            Self::Conflict { .. } => "store/conflict",
            Self::Spoiled => "store/spoiled",
            Self::Missing { .. } => "store/missing",
            Self::Full => "store/full",
            Self::ReadOnly => "store/read-only",
            Self::Unavailable => "store/unavailable",
            Self::Fenced => "store/fenced",
            Self::Corrupt { .. } => "store/corrupt",
            Self::Fault { .. } => "store/fault",
        }
    }

    /// What a failed statement means while nothing has been committed.
    pub(super) fn of(statement: &'static str, cause: impl Into<Cause>) -> Self {
        match cause.into() {
            Cause::Client(error) => Self::of_client(statement, error),
            Cause::Writer(error) => Self::of_writer(statement, &error),
        }
    }

    fn of_writer(statement: &'static str, error: &rusqlite::Error) -> Self {
        match error {
            rusqlite::Error::SqliteFailure(failure, says) => {
                of_sqlite(statement, failure.extended_code, says.as_deref().unwrap_or_default())
            }
            rusqlite::Error::FromSqlConversionFailure(..) => {
                Self::Corrupt { says: "a text in the database is not UTF-8".into() }
            }
            _ => Self::Fault { statement, code: "client".into() },
        }
    }

    fn of_client(statement: &'static str, error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::Database(error) => {
                let code = error.code().unwrap_or_default().into_owned();
                match error.try_downcast::<sqlx::sqlite::SqliteError>() {
                    Ok(error) => of_sqlite(statement, code.parse().unwrap_or(0), &error.to_string()),
                    Err(error) => of_postgres(statement, &code, error.constraint()),
                }
            }
            sqlx::Error::RowNotFound => Self::Missing { statement },
            sqlx::Error::PoolTimedOut => Self::Busy,
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolClosed
            | sqlx::Error::BeginFailed
            | sqlx::Error::WorkerCrashed => Self::Unavailable,
            // Only types and places of columns, no values.
            sqlx::Error::ColumnDecode { .. }
            | sqlx::Error::ColumnNotFound(_)
            | sqlx::Error::ColumnIndexOutOfBounds { .. }
            | sqlx::Error::Decode(_) => Self::Corrupt { says: error.to_string() },
            _ => Self::Fault { statement, code: "client".into() },
        }
    }
}

/// What a driver said.
#[derive(Debug)]
pub(super) enum Cause {
    /// PostgreSQL's, and that of SQLite's readers.
    Client(sqlx::Error),
    /// That of SQLite's writer.
    Writer(rusqlite::Error),
}

impl Cause {
    /// PostgreSQL's code for it.
    pub(super) fn sqlstate(&self) -> Option<String> {
        match self {
            Self::Client(error) => Some(error.as_database_error()?.code()?.into_owned()),
            Self::Writer(_) => None,
        }
    }
}

impl From<sqlx::Error> for Cause {
    fn from(error: sqlx::Error) -> Self {
        Self::Client(error)
    }
}

impl From<rusqlite::Error> for Cause {
    fn from(error: rusqlite::Error) -> Self {
        Self::Writer(error)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Client(error) => error.fmt(out),
            Self::Writer(error) => error.fmt(out),
        }
    }
}

/// Primary result codes of SQLite (sqlite.org/rescode.html); the extended code has them in its low octet.
mod sqlite_code {
    pub(super) const BUSY: i32 = 5;
    pub(super) const LOCKED: i32 = 6;
    pub(super) const READONLY: i32 = 8;
    pub(super) const NOMEM: i32 = 7;
    pub(super) const INTERRUPT: i32 = 9;
    pub(super) const IOERR: i32 = 10;
    pub(super) const CORRUPT: i32 = 11;
    pub(super) const FULL: i32 = 13;
    pub(super) const CANTOPEN: i32 = 14;
    pub(super) const CONSTRAINT: i32 = 19;
    pub(super) const NOTADB: i32 = 26;
    pub(super) const CONSTRAINT_FOREIGN_KEY: i32 = 787;
    pub(super) const CONSTRAINT_PRIMARY_KEY: i32 = 1555;
    pub(super) const CONSTRAINT_UNIQUE: i32 = 2067;
}

fn of_sqlite(statement: &'static str, number: i32, message: &str) -> StoreError {
    use sqlite_code as sqlite;
    // Columns and names of rules. Anything else is somebody's sentence, or an expression with values in it.
    let plain = |octet: u8| octet.is_ascii_alphanumeric() || b"_., ".contains(&octet);
    let constraint = || match message.split_once("failed: ") {
        Some((_, name)) if name.len() <= 100 && name.bytes().all(plain) => name.to_owned(),
        _ => String::new(),
    };
    let conflict = |kind| StoreError::Conflict { kind, constraint: constraint() };
    match number {
        sqlite::CONSTRAINT_UNIQUE | sqlite::CONSTRAINT_PRIMARY_KEY => conflict(Conflict::Unique),
        sqlite::CONSTRAINT_FOREIGN_KEY => conflict(Conflict::ForeignKey),
        _ => match number & 0xff {
            sqlite::CONSTRAINT => conflict(Conflict::Check),
            sqlite::BUSY | sqlite::LOCKED => StoreError::Busy,
            sqlite::FULL => StoreError::Full,
            sqlite::READONLY | sqlite::CANTOPEN => StoreError::ReadOnly,
            sqlite::IOERR | sqlite::NOMEM => StoreError::Unavailable,
            sqlite::CORRUPT | sqlite::NOTADB => {
                StoreError::Corrupt { says: "the database file is damaged, or no database".into() }
            }
            sqlite::INTERRUPT => StoreError::Deadline,
            _ => StoreError::Fault { statement, code: format!("sqlite {number}") },
        },
    }
}

/// Whether a COMMIT that failed with this error may be followed by another one on the same file. After a failed sync
/// nobody knows what the disk holds, and asking again would be answered "fine" (the kernel forgets): only a restart,
/// which reads the file anew, tells.
pub(super) fn commit_may_go_on(error: &rusqlite::Error) -> bool {
    let number = error.sqlite_error().map_or(0, |failure| failure.extended_code);
    matches!(number & 0xff, sqlite_code::FULL | sqlite_code::CONSTRAINT | sqlite_code::BUSY)
}

/// SQLSTATE classes of PostgreSQL (its manual, appendix A).
/// PostgreSQL's code where a role has no right to what it asks.
const INSUFFICIENT_PRIVILEGE: &str = "42501";

fn of_postgres(statement: &'static str, code: &str, constraint: Option<&str>) -> StoreError {
    let conflict =
        |kind| StoreError::Conflict { kind, constraint: constraint.unwrap_or_default().to_owned() };
    match code {
        "23505" | "23P01" => conflict(Conflict::Unique),
        "23503" => conflict(Conflict::ForeignKey),
        "23502" | "23514" => conflict(Conflict::Check),
        "40001" | "40P01" | "55P03" | "53300" => StoreError::Busy,
        // Also the end of a session that idled within its transaction.
        "57014" | "25P03" => StoreError::Deadline,
        "53100" => StoreError::Full,
        "XX001" | "XX002" => StoreError::Corrupt { says: "the server reports damaged pages".into() },
        // Also a standby that was the primary a moment ago.
        "25006" => StoreError::ReadOnly,
        // The database or its user was taken away, or the password changed: said at the start; later it may come back.
        "3D000" | "28000" | "28P01" => StoreError::Unavailable,
        code if code.starts_with("08") || code.starts_with("57P") || code.starts_with("53") => {
            StoreError::Unavailable
        }
        code => StoreError::Fault { statement, code: code.to_owned() },
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Busy => out.write_str("the database is busy; nothing was done, try again in a moment"),
            Self::Deadline => out.write_str("the work took too long and was rolled back"),
            Self::Unknown => {
                out.write_str("the database did not confirm the commit in time; look before trying again")
            }
            Self::Lost => out.write_str("the commit failed and nothing of it is kept; try again"),
            Self::Halted => out.write_str(
                "this process takes no more writes (it was stopped, or the disk failed to sync); start it again",
            ),
            Self::Outgrown => out.write_str(
                "a later release has changed the tables beyond what this one can work with; start that release here",
            ),
            Self::Conflict { kind, constraint } => {
                let rule = match kind {
                    Conflict::Unique => "another record has this value already",
                    Conflict::ForeignKey => "a record it points to is not there, or it is still pointed to",
                    Conflict::Check => "a value is missing or out of bounds",
                };
                write!(out, "the database refused the record: {rule} ({constraint})")
            }
            Self::Spoiled => out.write_str("a statement failed and the work went on; it was rolled back"),
            Self::Missing { statement } => write!(out, "{statement} found nothing"),
            Self::Full => out.write_str("the disk of the database is full; nothing was done"),
            Self::ReadOnly => out.write_str(
                "the database cannot be written: its file, its folder or the disk is read-only, or belongs to somebody \
                 else; or the server is a standby, or set to read only; nothing was done",
            ),
            Self::Unavailable => out.write_str("the database cannot be reached; nothing was done"),
            Self::Fenced => out.write_str(
                "another process has taken over what this one was doing; nothing more was done here",
            ),
            Self::Corrupt { says } => write!(out, "the database holds something unexpected: {says}"),
            Self::Fault { statement, code } if code == INSUFFICIENT_PRIVILEGE => write!(
                out,
                "{statement} failed with {code}: the database role lacks a right, as after a release that adds a table; run \
                 `yinxin migrate --grant` with the role that owns the tables, or deploy/postgresql/grants.sql"
            ),
            Self::Fault { statement, code } => write!(out, "{statement} failed with {code}"),
        }
    }
}

impl std::error::Error for StoreError {}

/// Why the database could not be opened.
#[derive(Debug)]
pub enum OpenError {
    /// A setting is out of range.
    Config {
        /// Which one, and what is allowed.
        says: String,
    },
    /// Another daemon has the file open.
    Locked {
        /// The lock file.
        path: PathBuf,
        /// What its holder wrote into it.
        holder: String,
    },
    /// Something is there where an empty place was needed.
    Taken {
        /// What was found.
        says: String,
    },
    /// A file or directory could not be made, opened or given its mode.
    File {
        /// Which.
        path: PathBuf,
        /// What the operating system said.
        says: String,
    },
    /// A commit would not survive a power cut.
    NotDurable {
        /// The setting and what was found.
        says: String,
    },
    /// The server is older than 15.
    TooOld {
        /// The version found.
        found: String,
    },
    /// The server takes no writes.
    ReadOnly {
        /// Why.
        says: String,
    },
    /// The tables were made by a newer program, or a migration was changed after it was applied.
    Migration {
        /// Which, and what to do.
        says: String,
    },
    /// The server cannot be reached, or the address is none.
    Unreachable {
        /// What was said, without the password.
        says: String,
    },
    /// A statement failed.
    Store(StoreError),
}

impl OpenError {
    /// Stable code for the error catalogue.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Config { .. } => "store/config",
            Self::Locked { .. } => "store/locked",
            Self::Taken { .. } => "store/taken",
            Self::File { .. } => "store/file",
            Self::NotDurable { .. } => "store/not-durable",
            Self::TooOld { .. } => "store/too-old",
            Self::ReadOnly { .. } => "store/read-only",
            Self::Migration { .. } => "store/migration",
            Self::Unreachable { .. } => "store/unreachable",
            Self::Store(error) => error.code(),
        }
    }
}

impl From<StoreError> for OpenError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config { says } | Self::Migration { says } | Self::Taken { says } => out.write_str(says),
            Self::Locked { path, holder } => write!(
                out,
                "another daemon ({holder}) has this database open, see {}; stop it first, or let the command talk \
                 to it instead of opening the file",
                path.display()
            ),
            Self::File { path, says } => write!(out, "{}: {says}", path.display()),
            Self::NotDurable { says } => write!(out, "a commit would not survive a power cut: {says}"),
            Self::TooOld { found } => write!(out, "PostgreSQL 15 or later is needed; this server is {found}"),
            Self::ReadOnly { says } => {
                write!(out, "this server takes no writes: {says}; name the one that does")
            }
            Self::Unreachable { says } => write!(out, "the database cannot be opened: {says}"),
            Self::Store(error) => error.fmt(out),
        }
    }
}

impl std::error::Error for OpenError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_the_engines_are_sorted_by_what_may_be_done() {
        assert!(of_sqlite("s", 2067, "UNIQUE constraint failed: seal.code").is_duplicate());
        assert!(of_sqlite("s", 1555, "").is_duplicate());
        for (code, wanted) in [
            (5, "store/busy"),
            (517, "store/busy"),
            (13, "store/full"),
            (9, "store/deadline"),
            (1032, "store/read-only"),
            (14, "store/read-only"),
            (1034, "store/unavailable"),
            (267, "store/corrupt"),
            (1, "store/fault"),
        ] {
            assert_eq!(of_sqlite("s", code, "").code(), wanted);
        }
        assert!(of_postgres("s", "23505", Some("seal_code")).is_duplicate());
        for (code, wanted) in [
            ("40P01", "store/busy"),
            ("55P03", "store/busy"),
            ("57014", "store/deadline"),
            ("57P01", "store/unavailable"),
            ("25006", "store/read-only"),
            ("3D000", "store/unavailable"),
            ("08006", "store/unavailable"),
            ("53100", "store/full"),
            ("42601", "store/fault"),
        ] {
            assert_eq!(of_postgres("s", code, None).code(), wanted, "{code}");
        }
    }

    #[test]
    fn a_conflict_names_columns_and_no_values() {
        let error = of_sqlite("s", 2067, "(code: 2067) UNIQUE constraint failed: seal.code");
        let wanted = "the database refused the record: another record has this value already (seal.code)";
        assert_eq!(error.to_string(), wanted);
    }
}
