//! Why records are not chained.

use crate::store::StoreError;
use std::fmt;
use yinxin_pki::sign::SignError;

/// Why chaining stopped, or a step of it did not succeed.
#[derive(Debug)]
pub enum AuditError {
    /// The database lacks what a signed head says it had: records were cut off, or an old copy was put in its place.
    RolledBack {
        /// Where the signed head stands.
        signed: i64,
        /// Where the database's chain ends, or what is wrong there.
        says: String,
    },
    /// The witness knows lines that the file of heads lacks: the file was cut, replaced or put back, perhaps together
    /// with the database.
    FileCut {
        /// The place that the file ends at.
        file_to: i64,
        /// The place that the witness knows.
        witness_to: i64,
    },
    /// The file of heads could not be opened, written or synced. It is not tried again: restart the process.
    Heads {
        /// What the operating system said.
        says: String,
    },
    /// There is no room for another head; the next step tries again.
    NoRoom,
    /// The signer gave no signature.
    Sign(SignError),
    /// The database.
    Store(StoreError),
}

impl AuditError {
    /// Whether trying again in a moment may help.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::RolledBack { .. } | Self::FileCut { .. } | Self::Heads { .. } => false,
            Self::Sign(_) | Self::NoRoom => true,
            Self::Store(error) => *error != StoreError::Halted,
        }
    }

    /// Stable code for the error catalogue.
    pub fn code(&self) -> &'static str {
        match self {
            Self::RolledBack { .. } => "audit/rolled-back",
            Self::FileCut { .. } => "audit/file-cut",
            Self::Heads { .. } | Self::NoRoom => "audit/heads",
            Self::Sign(_) => "audit/sign",
            Self::Store(error) => error.code(),
        }
    }
}

impl From<StoreError> for AuditError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl fmt::Display for AuditError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RolledBack { signed, says } => write!(
                out,
                "the audit chain was signed up to {signed}, but {says}: records were removed, or an old copy of the \
                 database was put in its place; run `yinxin audit verify`, and where this was a restoration, have it \
                 accepted by `yinxin audit accept-restored`"
            ),
            Self::FileCut { file_to, witness_to } => write!(
                out,
                "the file of audit heads ends at {file_to}, and its witness knows {witness_to}: the file was cut or \
                 replaced; put a copy of the witness in its place and run `yinxin audit verify`"
            ),
            Self::Heads { says } => write!(out, "the file of audit heads: {says}"),
            Self::NoRoom => out.write_str("the disk has no room for another audit head"),
            Self::Sign(error) => write!(out, "the audit head could not be signed: {error}"),
            Self::Store(error) => error.fmt(out),
        }
    }
}

impl std::error::Error for AuditError {}
