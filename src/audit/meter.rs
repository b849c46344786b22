//! What the sequencer counts as it works.

use crate::base::{
    Timestamp,
    meter::{Counter, Gauge},
};

/// What the sequencer counts. Shared by those that follow each other on one node.
#[derive(Debug, Default)]
pub struct Meters {
    /// Records chained.
    pub chained: Counter,
    /// Steps that did not succeed.
    pub failures: Counter,
    /// When a step last succeeded, in milliseconds since 1970; 0: not yet.
    pub stepped_ms: Gauge,
    /// When a head was last signed and kept, in milliseconds since 1970; 0: not yet.
    pub signed_ms: Gauge,
    /// Up to which place the chain is signed.
    pub signed_seq: Gauge,
    /// 1 from the moment when chaining has stopped for good.
    pub stopped: Gauge,
}

impl Meters {
    /// When a step last succeeded; `None`: not yet.
    pub fn stepped_at(&self) -> Option<Timestamp> {
        instant(&self.stepped_ms)
    }

    /// When a head was last signed and kept; `None`: not yet.
    pub fn signed_at(&self) -> Option<Timestamp> {
        instant(&self.signed_ms)
    }
}

fn instant(of: &Gauge) -> Option<Timestamp> {
    Some(of.value()).filter(|ms| *ms != 0).map(Timestamp::from_ms)
}
