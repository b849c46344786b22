//! Judging: what seals, stamps, signed data and tokens are worth, in the eight checks of every report.
//!
//! Each check is done for itself, so that one failure hides no other. Everything is checked over the received bytes;
//! trust comes only from the anchors in the question, time only from its `judged_at`, a valid token, or the signer's word.

mod chain;
mod clause;
mod proof;
mod seal;
mod signed;
mod stamp;
mod stranger;
mod token;
mod trial;

#[cfg(test)]
mod tests;

pub use stranger::{Kind, kind_of};

use crate::{
    budget::Budget,
    report::{Profile, SignatureReport},
    time::Timestamp,
    x509::{Cert, path::Material},
};

/// A token may be this much older than the time the signer claims, since two clocks never agree (verdicts.md, check 8).
pub const CLOCK_TOLERANCE_MS: i64 = 5_000;

/// What is asked: against which trust, as of when, how strictly.
#[derive(Clone, Copy)]
pub struct Question<'a> {
    /// Anchors, intermediates and revocation lists at hand.
    pub material: Material<'a>,
    /// The instant of judging; a fraction of a second is dropped.
    pub judged_at: Timestamp,
    /// How the oddities of real makers are taken.
    pub profile: Profile,
    /// Whether a stamp or signature without a time stamp fails check 8.
    pub require_time_stamp: bool,
    /// Whether an end-entity certificate without a source of revocation leaves its check undecided.
    pub require_revocation: bool,
    /// Whether a revocation source is configured and could not be reached: undecided where no list says more.
    pub revocation_unreachable: bool,
    /// Whether a seal without a known status leaves check 4 undecided.
    pub require_status: bool,
    /// Who may make seals: these, and whom the authorities among them certify. Empty: whoever leads to an anchor and is
    /// not marked as someone else.
    pub makers: &'a [Cert],
    /// Who knows the state of seals, if anyone does.
    pub status: Option<&'a dyn SealStatus>,
    /// The container's copy of the seal (`Seal.esl`), which must equal the one in the stamp.
    pub seal_file: Option<&'a [u8]>,
    /// When the container claims that signed data was signed (`/M`), for signatures that do not say it themselves.
    pub claimed_at: Option<Timestamp>,
    /// What is left of the work that the document may cause; `None`: it may cause any.
    pub budget: Option<&'a Budget>,
}

impl<'a> Question<'a> {
    /// A question with nothing required beyond the profile, nothing known beside the material.
    pub fn new(material: Material<'a>, judged_at: Timestamp, profile: Profile) -> Self {
        Self {
            material,
            judged_at: judged_at.whole_seconds(),
            profile,
            require_time_stamp: false,
            require_revocation: false,
            revocation_unreachable: false,
            require_status: false,
            makers: &[],
            status: None,
            seal_file: None,
            claimed_at: None,
            budget: None,
        }
    }

    fn now(&self) -> Timestamp {
        self.judged_at.whole_seconds()
    }
}

/// The state of a seal at an instant, as its register knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SealState {
    /// In force.
    Valid,
    /// Not in force: the state's name (`suspended`, `lost`, `cancelled` …).
    Invalid(String),
    /// The register does not know this seal.
    Unknown,
    /// The register could not be asked.
    Unavailable,
}

/// A register of seals, asked for the state at an instant (seal.md §6.3). Answers from memory; asking is not waiting.
pub trait SealStatus {
    /// The state of the seal with this code and SM3 (of its DER) at `at`.
    fn state(&self, code: &str, sm3: &[u8; 32], at: Timestamp) -> SealState;
}

/// Judges a stamp. `digest` is SM3 of what it protects; `None` where the document is not at hand, which leaves check 7
/// undecided. The verdict is joined by [`crate::report::Report::conclude`].
pub fn stamp(bytes: &[u8], digest: Option<[u8; 32]>, question: &Question<'_>) -> SignatureReport {
    stamp::judge(bytes, digest, question)
}

/// Judges a bare seal, as of the instant of judging.
pub fn seal(bytes: &[u8], question: &Question<'_>) -> SignatureReport {
    seal::judge(bytes, question)
}

/// Judges a time-stamp token, over `stamped` where that is at hand.
pub fn token(bytes: &[u8], stamped: Option<&[u8]>, question: &Question<'_>) -> SignatureReport {
    let parts = stamped.map(|stamped| [stamped]);
    token::judge(bytes, parts.as_ref().map(<[_; 1]>::as_slice), question)
}

/// Judges a time-stamp token over the parts of a document, which are read one after the other.
pub fn token_over(bytes: &[u8], parts: &[&[u8]], question: &Question<'_>) -> SignatureReport {
    token::judge(bytes, Some(parts), question)
}

/// Judges signed data over `parts`, which are read one after the other. Content that is carried inside must equal them,
/// or be their SM3 as GB/T 35275 signatures in documents have it (seal.md §1.6).
pub fn cms(bytes: &[u8], parts: &[&[u8]], question: &Question<'_>) -> SignatureReport {
    signed::judge(bytes, parts, question)
}
