//! Why a backup was not made, not read, or not restored.

use crate::store::{OpenError, StoreError};
use std::{fmt, io};

/// Why a backup was not made, not read, or not restored. No secrets and no personal data in any of them.
#[derive(Debug)]
pub enum BackupError {
    /// The octets are not those of a backup.
    NotABackup,
    /// It was made by a newer release.
    Newer {
        /// What is newer.
        says: String,
    },
    /// This private key is not one of its recipients.
    OtherKey {
        /// The names of its recipients, in hex.
        recipients: Vec<String>,
    },
    /// It was changed, or the disk lost some of it: nothing from the damage on can be believed.
    Damaged {
        /// Where, and what is wrong.
        says: String,
    },
    /// It ends early.
    Truncated,
    /// The private key file cannot be used.
    Key {
        /// Why.
        says: String,
    },
    /// There is nobody to encrypt to.
    NoRecipient,
    /// SQLite's log grew beyond what is allowed while the backup read.
    LogTooLong {
        /// How long it was, in octets.
        bytes: u64,
    },
    /// The backup is good and does not fit: another release's tables, another service's files.
    DoesNotFit {
        /// What does not.
        says: String,
    },
    /// The target holds something.
    NotEmpty {
        /// What was found where.
        says: String,
    },
    /// A file could not be read or written.
    Io(io::Error),
    /// The database failed.
    Store(StoreError),
    /// The database could not be opened or filled.
    Open(OpenError),
    /// The manifest could not be signed.
    Sign {
        /// Why.
        says: String,
    },
}

impl BackupError {
    pub(super) fn damaged(says: impl Into<String>) -> Self {
        Self::Damaged { says: says.into() }
    }
}

impl From<io::Error> for BackupError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<StoreError> for BackupError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<OpenError> for BackupError {
    fn from(error: OpenError) -> Self {
        Self::Open(error)
    }
}

impl fmt::Display for BackupError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotABackup => out.write_str("this is no backup of Yinxin"),
            Self::Newer { says } => write!(out, "{says}; use the release that made it, or a later one"),
            Self::OtherKey { recipients } => {
                write!(out, "the backup is encrypted to other keys than this one: {}", recipients.join(", "))
            }
            Self::Damaged { says } => write!(out, "the backup is damaged: {says}"),
            Self::Truncated => out.write_str("the backup ends early: it was cut, or never finished"),
            Self::Key { says } | Self::DoesNotFit { says } => out.write_str(says),
            Self::NoRecipient => out.write_str(
                "there is nobody to encrypt to: run `yinxin backup keygen` and put its public line into \
                 backup.recipients",
            ),
            Self::LogTooLong { bytes } => write!(
                out,
                "the database's log grew to {bytes} octets while the backup read, beyond backup.log_limit_bytes; try \
                 again when less is written, or allow more"
            ),
            Self::NotEmpty { says } => write!(out, "{says}; a backup is restored into an empty place only"),
            Self::Io(error) => error.fmt(out),
            Self::Store(error) => error.fmt(out),
            Self::Open(error) => error.fmt(out),
            Self::Sign { says } => write!(out, "the manifest could not be signed: {says}"),
        }
    }
}

impl std::error::Error for BackupError {}
