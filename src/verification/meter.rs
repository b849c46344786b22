//! What this room counts.

use crate::base::meter::{Histogram, Tally};

/// What this room counts.
#[derive(Debug)]
pub struct Meters {
    /// Reports by their verdict: `passed`, `failed`, `undecided`.
    pub verdicts: Tally,
    /// Requests that got no report: `busy`, `late`, `broken`.
    pub unanswered: Tally,
    /// How long judging took, in microseconds.
    pub judged_us: Histogram,
}

impl Default for Meters {
    fn default() -> Self {
        Self { verdicts: Tally::default(), unanswered: Tally::default(), judged_us: Histogram::of_times() }
    }
}
