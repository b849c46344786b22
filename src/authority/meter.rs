//! What this room counts.

use crate::base::meter::Tally;

/// What this room counts.
#[derive(Debug, Default)]
pub struct Meters {
    /// Answers to requests for a time stamp: `granted`, `rejected` (the request's fault), `failed` (ours).
    pub time_stamps: Tally,
}
