//! What this room counts.

use crate::base::meter::{Gauge, Histogram, Tally};

/// What this room counts.
#[derive(Debug)]
pub struct Meters {
    /// Reports by their verdict: `passed`, `failed`, `undecided`.
    pub verdicts: Tally,
    /// Requests that got no report: `busy`, `broken`.
    pub unanswered: Tally,
    /// Documents that are judged now, or wait for a thread.
    pub at_work: Gauge,
    /// How long judging took, in microseconds.
    pub judged_us: Histogram,
}

impl Default for Meters {
    fn default() -> Self {
        Self {
            verdicts: Tally::default(),
            unanswered: Tally::default(),
            at_work: Gauge::default(),
            judged_us: Histogram::of_times(),
        }
    }
}
