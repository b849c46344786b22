//! What the store counts as it works.

use super::StoreError;
use crate::base::meter::{Counter, Gauge, Histogram, Tally};

/// Writes in one commit: SQLite's baton brings many.
const BATCHES: &[u64] = &[1, 2, 4, 8, 16, 32, 64, 128, 256];

/// What the store counts.
#[derive(Debug)]
pub struct Meters {
    /// Writes that were acknowledged: durable.
    pub writes: Counter,
    /// Reads begun.
    pub reads: Counter,
    /// Writers that wait for their turn now.
    pub waiting: Gauge,
    /// How long writers waited for their turn, in microseconds.
    pub wait_us: Histogram,
    /// How long commits took, in microseconds.
    pub commit_us: Histogram,
    /// How many writes each commit made durable.
    pub batch: Histogram,
    /// Failures by the word behind the slash of [`StoreError::code`]: `busy`, `unknown`, `full` …
    pub failures: Tally,
}

impl Meters {
    pub(super) fn new() -> Self {
        Self {
            writes: Counter::default(),
            reads: Counter::default(),
            waiting: Gauge::default(),
            wait_us: Histogram::of_times(),
            commit_us: Histogram::of_times(),
            batch: Histogram::new(BATCHES),
            failures: Tally::default(),
        }
    }

    pub(super) fn failed(&self, error: &StoreError) {
        let code = error.code();
        self.failures.one(code.strip_prefix("store/").unwrap_or(code));
    }
}

/// Connections to the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connections {
    /// Open ones, the writer of SQLite not among them.
    pub open: u32,
    /// Of these, how many nobody uses.
    pub idle: u32,
    /// Commits on PostgreSQL whose answer is late, each of which keeps a connection.
    pub hung: u32,
    /// How many there may be.
    pub most: u32,
}
