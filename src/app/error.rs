//! Why the service could not be opened.

use super::SCRATCH_MARK;
use crate::{
    audit::AuditError,
    authority::AuthorityError,
    backup::BackupError,
    http::TableError,
    keys::{KeysError, PassphraseError},
    officer::OfficerError,
    sandbox::SandboxError,
    seal::SealError,
    store::{OpenError, StoreError},
    tls::TlsError,
};
use std::{fmt, net::SocketAddr, path::PathBuf};

/// Why the service could not be opened, or not be brought up.
#[derive(Debug)]
pub enum AppError {
    /// There is no passphrase file: nothing was made here yet.
    NotInitialised {
        /// Where it was looked for.
        passphrase: PathBuf,
    },
    /// The database holds a keystore, and its passphrase is not here.
    OtherKeystore {
        /// Where the passphrase was looked for.
        passphrase: PathBuf,
    },
    /// The passphrase that lies here does not open the keystore.
    Refused {
        /// Where it lies.
        passphrase: PathBuf,
        /// What the keystore says.
        error: KeysError,
    },
    /// Something was made here already.
    Initialised,
    /// This build records nothing, and this is no scratch data of a bench.
    RecordsNothing,

    /// The first officers were made, and a crash took their keys before they were written down.
    KeysLost,
    /// A service was here, and its database is not.
    DatabaseLost {
        /// Where it was.
        path: PathBuf,
    },
    /// Everybody on this machine may write what has to be ours.
    WrittenByAnybody {
        /// Which file or directory.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// The clocks of this node and of the database disagree.
    ClocksApart {
        /// How far this node's is ahead, in milliseconds; behind where it is negative.
        ahead_ms: i64,
    },
    /// Another process is at work under this node's name.
    NodeTaken {
        /// The name.
        name: String,
        /// The other one's host.
        host: String,
    },
    /// Another process has taken this node's name while this one stood still.
    NodeLost {
        /// The name.
        name: String,
    },
    /// The passphrase cannot be read.
    Passphrase(PassphraseError),
    /// The database cannot be opened.
    Open(OpenError),
    /// The database failed.
    Store(StoreError),
    /// The keystore refused.
    Keys(KeysError),
    /// The authority refused.
    Authority(AuthorityError),
    /// The first officers could not be made.
    Officers(OfficerError),
    /// What a crash left could not be closed.
    Seals(SealError),
    /// The audit chain cannot be continued.
    Audit(AuditError),
    /// Two routes collide: a defect of ours.
    Table(TableError),
    /// An address can't be listened on.
    Listen {
        /// Which.
        address: SocketAddr,
        /// What the system says.
        error: std::io::Error,
    },
    /// Files of TLS can't be used.
    Tls {
        /// The section of the configuration that names them.
        section: &'static str,
        /// What is wrong.
        error: TlsError,
    },
    /// The system gives no threads.
    Threads(std::io::Error),
    /// The sandbox that the configuration insists on is not to be had.
    Sandbox(SandboxError),
    /// A backup could not be made, read or restored.
    Backup(BackupError),
    /// A restoration was refused.
    Restore {
        /// Why, and what to do.
        says: String,
    },
    /// A file of the data directory cannot be read or written.
    File {
        /// Which.
        path: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
}

impl fmt::Display for AppError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotInitialised { passphrase } => write!(
                out,
                "there is no passphrase at {}: run `yinxin init` first, or name the right data directory",
                passphrase.display()
            ),
            Self::OtherKeystore { passphrase } => write!(
                out,
                "the database was initialised before, and its passphrase is not at {}: put it there, or name an empty \
                 database; nothing was changed",
                passphrase.display()
            ),
            Self::Refused { passphrase, error } => write!(out, "{}: {error}", passphrase.display()),
            Self::Initialised => {
                out.write_str("this data directory was initialised before; nothing was changed")
            }
            Self::RecordsNothing => write!(
                out,
                "this build was made to measure what the audit costs and records nothing: it serves no data but those that a \
                 bench has marked with a file {SCRATCH_MARK}; nothing was changed"
            ),
            Self::KeysLost => out.write_str(
                "the first start was cut short after the officers were made and before all of their keys were written to \
                 officer-keys: nothing else was made yet, so empty the data directory (or the database's schema) and run \
                 `yinxin init` again",
            ),
            Self::DatabaseLost { path } => write!(
                out,
                "a service was at work here, and its database {} is gone or empty: put it back, or move what is left \
                 of it ({0}-wal) away and restore a backup (`yinxin restore`); nothing was made in its place",
                path.display()
            ),
            Self::WrittenByAnybody { path, mode } => write!(
                out,
                "{} has mode {mode:04o}, so that everybody on this machine may write it: look who did, then `chmod o-w` it",
                path.display()
            ),
            Self::ClocksApart { ahead_ms } => write!(
                out,
                "the clock of this node is {} s {} that of the database: set both by NTP, for nodes take up each \
                 other's work by their clocks",
                ahead_ms.abs() / 1000,
                if *ahead_ms > 0 { "ahead of" } else { "behind" }
            ),
            Self::NodeTaken { name, host } => write!(
                out,
                "another process, on host {host}, is at work as node {name} of this database: give this one a name of \
                 its own (`node`), or stop that one; nothing was changed"
            ),
            Self::NodeLost { name } => write!(
                out,
                "another process has taken the place of node {name}, from a copy of this data directory, or because \
                 this one stood still for too long: this one ends, so that their records do not mix"
            ),
            Self::Passphrase(error) => error.fmt(out),
            Self::Open(error) => error.fmt(out),
            Self::Store(error) => error.fmt(out),
            Self::Keys(error) => error.fmt(out),
            Self::Authority(error) => error.fmt(out),
            Self::Officers(error) => error.fmt(out),
            Self::Seals(error) => error.fmt(out),
            Self::Audit(error) => error.fmt(out),
            Self::Table(error) => error.fmt(out),
            Self::Sandbox(error) => error.fmt(out),
            Self::Backup(error) => error.fmt(out),
            Self::Restore { says } => out.write_str(says),
            Self::Listen { address, error } => write!(out, "cannot listen on {address}: {error}"),
            Self::Tls { section, error } => write!(out, "{section}: {error}"),
            Self::Threads(error) => write!(out, "no threads for signing: {error}"),
            Self::File { path, error } => write!(out, "{}: {error}", path.display()),
        }
    }
}

impl std::error::Error for AppError {}

macro_rules! from {
    ($($source:ty => $variant:ident),+ $(,)?) => {
        $(impl From<$source> for AppError {
            fn from(error: $source) -> Self {
                Self::$variant(error)
            }
        })+
    };
}

from! {
    PassphraseError => Passphrase,
    OpenError => Open,
    StoreError => Store,
    KeysError => Keys,
    AuthorityError => Authority,
    OfficerError => Officers,
    SealError => Seals,
    AuditError => Audit,
    SandboxError => Sandbox,
    BackupError => Backup,
    TableError => Table,
}
