//! Who asks, and when: what every command takes first.

use super::{Officer, Right};
use crate::{audit, base::Timestamp};
use std::{fmt, net::IpAddr};

/// Who asks, from where, and when. `now` is read once per request and travels here.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Who asks.
    pub actor: Actor,
    /// The request's id: in the answer, in the log, in the audit record.
    pub request: String,
    /// The other end of the connection; `None` on a UNIX socket and inside the service.
    pub address: Option<IpAddr>,
    /// The instant at which the request is judged.
    pub now: Timestamp,
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    /// An active officer, known by an API key.
    Officer(Officer),
    /// Anyone from outside.
    Anonymous,
    /// The service itself: jobs, sweepers, the first start.
    System,
}

/// Why a caller may not do something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Denied {
    /// Nobody is signed in.
    NotSignedIn,
    /// The officer's roles do not give this right.
    LacksRight(Right),
}

impl Caller {
    /// The service itself at `now`; `request` says on what occasion (`job:…`, `init`).
    pub fn system(request: impl Into<String>, now: Timestamp) -> Self {
        Self { actor: Actor::System, request: request.into(), address: None, now }
    }

    /// The officer who asks, where his roles give `right`.
    ///
    /// # Errors
    /// [`Denied`] for anyone else, the service itself included: it has no person who answers for the act.
    pub fn officer(&self, right: Right) -> Result<&Officer, Denied> {
        match &self.actor {
            Actor::Officer(officer) if officer.roles.give(right) => Ok(officer),
            Actor::Officer(_) => Err(Denied::LacksRight(right)),
            Actor::Anonymous | Actor::System => Err(Denied::NotSignedIn),
        }
    }

    /// Whether an officer with `right` asks.
    pub fn may(&self, right: Right) -> bool {
        self.officer(right).is_ok()
    }

    /// The name under which acts of this caller are recorded: an officer's id, `anonymous` or `system`.
    pub fn actor_name(&self) -> &str {
        match &self.actor {
            Actor::Officer(officer) => officer.id.as_str(),
            Actor::Anonymous => "anonymous",
            Actor::System => "system",
        }
    }

    /// The audit entry of an act of this caller. `action` is past tense (`seal.suspended`), `subject` the id acted on.
    pub fn entry(
        &self,
        action: &'static str,
        subject: impl fmt::Display,
        detail: serde_json::Value,
    ) -> audit::Entry {
        audit::Entry {
            actor: self.actor_name().to_owned(),
            action,
            subject: subject.to_string(),
            detail,
            request: self.request.clone(),
            at: self.now,
        }
    }
}

impl Denied {
    /// The stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Denied::NotSignedIn => "auth/required",
            Denied::LacksRight(_) => "auth/right-missing",
        }
    }
}

impl fmt::Display for Denied {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Denied::NotSignedIn => out.write_str("this needs an officer's API key; none was given"),
            Denied::LacksRight(right) => {
                write!(out, "this needs the right `{right}`; your roles do not give it")
            }
        }
    }
}

impl std::error::Error for Denied {}
