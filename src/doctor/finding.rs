//! What was found, how bad it is, and what to do.

use crate::base::Timestamp;
use serde::Serialize;
use std::path::PathBuf;

/// How bad a finding is, from the best on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// As it should be.
    Fine,
    /// Could not be looked at: neither good nor bad.
    Unknown,
    /// Works, and is weaker than it might be.
    Weak,
    /// Does not work, or soon won't, or can't be trusted.
    Wrong,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What it belongs to: `database`, `clock` …
    pub subject: &'static str,
    /// Its stable name within that: `durable`, `disk` …
    pub name: &'static str,
    /// How bad it is.
    pub state: State,
    /// What was found.
    pub found: String,
    /// What to do; `None` where nothing is to be done.
    pub advice: Option<String>,
}

/// Everything that was found.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Of which release.
    pub version: &'static str,
    /// When.
    pub at: Timestamp,
    /// The data directory; `None` where the configuration names none.
    pub folder: Option<PathBuf>,
    /// By subject, in the order of looking.
    pub findings: Vec<Finding>,
}

impl Report {
    /// How bad the worst is. What is unknown counts as weak: it should be known.
    pub fn worst(&self) -> State {
        let worst = self.findings.iter().map(|finding| finding.state).max().unwrap_or(State::Fine);
        if worst == State::Unknown { State::Weak } else { worst }
    }

    /// How many findings are of this state.
    pub fn count(&self, state: State) -> usize {
        self.findings.iter().filter(|finding| finding.state == state).count()
    }
}

/// Findings as they come.
#[derive(Debug, Default)]
pub(super) struct Notes(Vec<Finding>);

/// Findings about one subject.
pub(super) struct Of<'n> {
    notes: &'n mut Notes,
    subject: &'static str,
}

impl Notes {
    /// About this subject.
    pub fn of(&mut self, subject: &'static str) -> Of<'_> {
        Of { notes: self, subject }
    }

    /// All of them, by subject, in the order in which the subjects first came.
    pub fn take(mut self) -> Vec<Finding> {
        let mut order = Vec::new();
        for finding in &self.0 {
            if !order.contains(&finding.subject) {
                order.push(finding.subject);
            }
        }
        self.0.sort_by_key(|finding| order.iter().position(|subject| *subject == finding.subject));
        self.0
    }
}

impl Of<'_> {
    pub fn fine(&mut self, name: &'static str, found: impl Into<String>) {
        self.note(name, State::Fine, found.into(), None);
    }

    pub fn unknown(&mut self, name: &'static str, found: impl Into<String>) {
        self.note(name, State::Unknown, found.into(), None);
    }

    pub fn weak(&mut self, name: &'static str, found: impl Into<String>, advice: impl Into<String>) {
        self.note(name, State::Weak, found.into(), Some(advice.into()));
    }

    pub fn wrong(&mut self, name: &'static str, found: impl Into<String>, advice: impl Into<String>) {
        self.note(name, State::Wrong, found.into(), Some(advice.into()));
    }

    fn note(&mut self, name: &'static str, state: State, found: String, advice: Option<String>) {
        self.notes.0.push(Finding { subject: self.subject, name, state, found, advice });
    }
}
