//! The service held back: where what is done cannot be recorded, nothing is done. Only routes that are declared so
//! ([`super::Operation::while_held`]) still answer: health, and those with which it is looked into and ended.

use super::Problem;
use std::sync::Arc;
use tokio::sync::watch;

/// Whether the service is held back, and why. Clones share it.
#[derive(Debug, Clone)]
pub struct Hold(Arc<watch::Sender<Option<Held>>>);

/// Why the service is held back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The code of the problem that routes answer with.
    pub code: &'static str,
    /// What was found and what to do, for people. No secrets: everybody sees it.
    pub says: String,
}

impl Default for Hold {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(None)))
    }
}

impl Hold {
    /// Holds the service back.
    pub fn set(&self, held: Held) {
        tracing::error!(name: "service.held", code = held.code, found = held.says, "the service is held back");
        self.0.send_replace(Some(held));
    }

    /// Lets it go on.
    pub fn release(&self) {
        self.0.send_replace(None);
    }

    /// Why it is held back; `None` while it is at work.
    pub fn held(&self) -> Option<Held> {
        self.0.borrow().clone()
    }

    /// Resolves when that changes.
    pub fn changes(&self) -> watch::Receiver<Option<Held>> {
        self.0.subscribe()
    }

    pub(super) fn problem(&self) -> Option<Problem> {
        self.0.borrow().as_ref().map(|held| Problem::new(held.code, held.says.clone()).retry_after_s(30))
    }
}
