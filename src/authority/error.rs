//! What goes wrong in the authority.

use crate::{base::Refusal, keys::KeysError, store::StoreError};
use std::fmt;
use yinxin_pki::{sign::SignError, x509::issue::IssueError};

/// Why an act of the authority failed.
#[derive(Debug)]
pub enum AuthorityError {
    /// A rule says no.
    Refused(Refusal),
    /// The authority has no root, issuing or time-stamping certificate yet.
    NotReady {
        /// The reference that is missing.
        missing: String,
    },
    /// The authority's own certificate is not valid at this instant, or was revoked.
    OutOfPeriod {
        /// Its reference.
        reference: String,
    },
    /// No certificate has this serial number or reference.
    Unknown {
        /// What was looked for.
        what: String,
    },
    /// The reference names a certificate for something else already.
    Taken {
        /// The reference.
        reference: String,
    },
    /// Another certificate came in the place of that one already.
    Replaced {
        /// What it is for.
        line: String,
        /// The serial number of the newest.
        serial: String,
    },
    /// Our own product did not pass our own checks, and was withheld.
    Withheld {
        /// What was found; no secrets.
        says: String,
    },
    /// The signer failed; the intent stays, and is completed by the same act again or by the next start.
    Sign(SignError),
    /// The keystore failed.
    Keys(KeysError),
    /// The database failed.
    Store(StoreError),
}

impl AuthorityError {
    /// The stable code of the error catalogue.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Refused(refusal) => refusal.code,
            Self::NotReady { .. } => "authority/not-ready",
            Self::OutOfPeriod { .. } => "authority/out-of-period",
            Self::Unknown { .. } => "authority/unknown",
            Self::Taken { .. } => "authority/reference-taken",
            Self::Replaced { .. } => "authority/replaced",
            Self::Withheld { .. } => "authority/withheld",
            Self::Sign(SignError::Busy) => "authority/busy",
            Self::Sign(_) => "authority/signer",
            Self::Keys(error) => error.code(),
            Self::Store(error) => error.code(),
        }
    }

    pub(super) fn withheld(says: impl fmt::Display) -> Self {
        Self::Withheld { says: says.to_string() }
    }

    pub(super) fn not_ready(missing: &str) -> Self {
        Self::NotReady { missing: missing.to_owned() }
    }
}

impl fmt::Display for AuthorityError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refusal) => refusal.fmt(out),
            Self::NotReady { missing } => {
                write!(out, "the authority has no certificate `{missing}` yet; `yinxin init` makes it")
            }
            Self::OutOfPeriod { reference } => {
                write!(out, "the authority's certificate `{reference}` is not valid now; renew it")
            }
            Self::Unknown { what } => write!(out, "the authority knows no certificate {what}"),
            Self::Taken { reference } => {
                write!(out, "`{reference}` names a certificate with another role, subject or key already")
            }
            Self::Replaced { line, serial } => {
                write!(
                    out,
                    "{line} was given another certificate already: the newest has the serial number {serial}"
                )
            }
            Self::Withheld { says } => write!(out, "a product of the authority was withheld: {says}"),
            Self::Sign(error) => write!(out, "the authority could not sign: {error}"),
            Self::Keys(error) => error.fmt(out),
            Self::Store(error) => error.fmt(out),
        }
    }
}

impl std::error::Error for AuthorityError {}

impl From<Refusal> for AuthorityError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<SignError> for AuthorityError {
    fn from(error: SignError) -> Self {
        Self::Sign(error)
    }
}

impl From<KeysError> for AuthorityError {
    fn from(error: KeysError) -> Self {
        Self::Keys(error)
    }
}

impl From<StoreError> for AuthorityError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<IssueError> for AuthorityError {
    fn from(error: IssueError) -> Self {
        match error {
            IssueError::Sign(error) => Self::Sign(error),
            other => Self::withheld(other),
        }
    }
}
