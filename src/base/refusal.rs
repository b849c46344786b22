//! A rule's "no": what was tried, what was found, what may be done.

use std::fmt;

/// Why a rule refuses an act. The code is stable and stands in the error catalogue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Stable code, `seal/wrong-state`.
    pub code: &'static str,
    /// What was tried and what was found, for people; no secrets, no personal data.
    pub says: String,
}

impl Refusal {
    /// A refusal with this code and sentence.
    pub fn new(code: &'static str, says: impl Into<String>) -> Self {
        Self { code, says: says.into() }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.says)
    }
}

impl std::error::Error for Refusal {}
