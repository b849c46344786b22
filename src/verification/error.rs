//! What goes wrong around a verification. A document that does not hold is no error: that is a report.

use super::service::VerificationId;
use crate::{authority::AuthorityError, document::pool::Unread, officer::Denied, store::StoreError};
use std::fmt;

/// Why there is no report.
#[derive(Debug)]
pub enum VerificationError {
    /// As many documents are being judged as the service takes on; or judging broke down.
    Unread(Unread),
    /// The caller may not see kept reports.
    Denied(Denied),
    /// No report is kept under this id.
    Unknown(VerificationId),
    /// The own authority could not say whom to trust.
    Trust(AuthorityError),
    /// The database failed.
    Store(StoreError),
}

impl fmt::Display for VerificationError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unread(error) => error.fmt(out),
            Self::Denied(denied) => denied.fmt(out),
            Self::Unknown(id) => write!(out, "no report is kept as {id}"),
            Self::Trust(error) => write!(out, "the own authority could not say whom to trust: {error}"),
            Self::Store(error) => error.fmt(out),
        }
    }
}

impl std::error::Error for VerificationError {}

impl From<Unread> for VerificationError {
    fn from(error: Unread) -> Self {
        Self::Unread(error)
    }
}

impl From<Denied> for VerificationError {
    fn from(denied: Denied) -> Self {
        Self::Denied(denied)
    }
}

impl From<AuthorityError> for VerificationError {
    fn from(error: AuthorityError) -> Self {
        Self::Trust(error)
    }
}

impl From<StoreError> for VerificationError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}
