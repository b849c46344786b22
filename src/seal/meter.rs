//! What this room counts.

use crate::base::meter::{Counter, Tally};

/// What this room counts.
#[derive(Debug, Default)]
pub struct Meters {
    /// Stamps made and handed out; a repeated request counts once.
    pub stamped: Counter,
    /// Stamps refused by a rule, by its code.
    pub refused: Tally,
    /// Stamps begun that came to nothing, by the code of why.
    pub failed: Tally,
}
