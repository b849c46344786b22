//! Why a command on officers failed.

use super::{ApiKeyId, Denied, OfficerId, Role, RolesError};
use crate::{base::Refusal, store::StoreError};
use std::fmt;

/// Why a command on officers failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OfficerError {
    /// The caller may not do this.
    Denied(Denied),
    /// A rule says no.
    Refused(Refusal),
    /// There is no such officer.
    Unknown(OfficerId),
    /// The officer has no such key.
    UnknownKey(ApiKeyId),
    /// A repeated request for a key: the secret was shown the first time, and is nowhere kept.
    ShownOnce(ApiKeyId),
    /// The first officers were made before.
    Exists,
    /// A security administrator has a key that is good: nobody has to be let in by the back door.
    NoRescue,
    /// The database failed.
    Store(StoreError),
}

impl From<Denied> for OfficerError {
    fn from(denied: Denied) -> Self {
        Self::Denied(denied)
    }
}

impl From<Refusal> for OfficerError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<StoreError> for OfficerError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<RolesError> for Refusal {
    fn from(error: RolesError) -> Self {
        let says = match error {
            RolesError::Empty => "an officer has at least one role; none was given".to_owned(),
            RolesError::Apart(role) => apart(role),
        };
        Refusal::new("officer/roles-exclude", says)
    }
}

fn apart(role: Role) -> String {
    format!("the role `{role}` is held alone; others were given beside it")
}

impl fmt::Display for OfficerError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Denied(denied) => denied.fmt(out),
            Self::Refused(refusal) => refusal.fmt(out),
            Self::Unknown(id) => write!(out, "there is no officer {id}"),
            Self::UnknownKey(id) => write!(out, "this officer has no key {id}"),
            Self::ShownOnce(id) => {
                write!(out, "key {id} was made by an earlier request with this idempotency key")
            }
            Self::Exists => out.write_str("the first officers were made before"),
            Self::NoRescue => out.write_str(
                "a security administrator on duty has an API key that is good still: that one makes others; nothing was done",
            ),
            Self::Store(error) => error.fmt(out),
        }
    }
}

impl std::error::Error for OfficerError {}
