//! What goes wrong around a verification. A document that does not hold is no error: that is a report.

use super::service::VerificationId;
use crate::{authority::AuthorityError, officer::Denied, store::StoreError};
use std::fmt;

/// Why there is no report.
#[derive(Debug)]
pub enum VerificationError {
    /// As many documents are being judged as the service takes on.
    Busy,
    /// Judging took longer than a request may wait. It goes on to its own end, in its place; the answer is dropped.
    Deadline,
    /// Judging broke down: a defect of ours.
    Broken,
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
            Self::Busy => {
                out.write_str("as many documents are being judged as the service takes on at a time")
            }
            Self::Deadline => out.write_str("judging this document takes longer than a request may wait"),
            Self::Broken => out.write_str("judging broke down"),
            Self::Denied(denied) => denied.fmt(out),
            Self::Unknown(id) => write!(out, "no report is kept as {id}"),
            Self::Trust(error) => write!(out, "the own authority could not say whom to trust: {error}"),
            Self::Store(error) => error.fmt(out),
        }
    }
}

impl std::error::Error for VerificationError {}

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
