//! The eight checks (R-SEAL-07), always all of them, each with its outcome and reason.

use super::Verdict;
use serde::{Serialize, Serializer, ser::SerializeSeq};

/// Which check, by its number in every report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckId {
    /// 1: structure of seal and stamp.
    SealFormat = 1,
    /// 2: value of the signature.
    StampSignature = 2,
    /// 3: the signer's certificate is in the seal's list.
    SignerInSeal = 3,
    /// 4: the seal itself.
    Seal = 4,
    /// 5: the signer's certificate.
    SignerCertificate = 5,
    /// 6: the time of signing.
    SigningTime = 6,
    /// 7: digest of the document.
    DocumentDigest = 7,
    /// 8: time stamp.
    TimeStamp = 8,
}

impl CheckId {
    /// All eight, in order.
    pub const ALL: [Self; 8] = [
        Self::SealFormat,
        Self::StampSignature,
        Self::SignerInSeal,
        Self::Seal,
        Self::SignerCertificate,
        Self::SigningTime,
        Self::DocumentDigest,
        Self::TimeStamp,
    ];

    /// The stable name, `seal-format`.
    pub fn name(self) -> &'static str {
        match self {
            Self::SealFormat => "seal-format",
            Self::StampSignature => "stamp-signature",
            Self::SignerInSeal => "signer-in-seal",
            Self::Seal => "seal",
            Self::SignerCertificate => "signer-certificate",
            Self::SigningTime => "signing-time",
            Self::DocumentDigest => "document-digest",
            Self::TimeStamp => "time-stamp",
        }
    }

    fn index(self) -> usize {
        self as usize - 1
    }
}

/// What came of a check. Ordered from best to worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Does not apply, or nothing was there to check.
    Absent,
    /// Done, and it holds.
    Passed,
    /// Should be done and could not be.
    Undecided,
    /// Done, and it does not hold.
    Failed,
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// 1 to 8.
    pub no: u8,
    /// Stable name.
    pub id: &'static str,
    /// What came of it.
    pub verdict: Outcome,
    /// Stable code of the reason, `seal/expired`.
    pub reason: String,
    /// A sentence for people.
    pub says: String,
    /// The rule followed: document and clause.
    pub clause: &'static str,
}

/// The eight checks of one signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checks([Check; 8]);

impl Default for Checks {
    fn default() -> Self {
        Self(CheckId::ALL.map(|id| Check {
            no: id as u8,
            id: id.name(),
            verdict: Outcome::Absent,
            reason: "check/not-applicable".into(),
            says: "Does not apply here, or nothing was there to check.".into(),
            clause: "",
        }))
    }
}

impl Checks {
    /// Records what came of a check. An outcome is only ever made worse: a later `passed` does not undo a `failed`.
    pub fn record(
        &mut self,
        id: CheckId,
        verdict: Outcome,
        reason: impl Into<String>,
        says: impl Into<String>,
        clause: &'static str,
    ) {
        let check = &mut self.0[id.index()];
        if verdict > check.verdict || check.verdict == Outcome::Absent {
            *check = Check { verdict, reason: reason.into(), says: says.into(), clause, ..*check };
        }
    }

    /// The check with this number.
    pub fn check(&self, id: CheckId) -> &Check {
        &self.0[id.index()]
    }

    /// What came of a check.
    pub fn outcome(&self, id: CheckId) -> Outcome {
        self.check(id).verdict
    }

    /// All eight, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Check> {
        self.0.iter()
    }

    /// Failed if any failed, else undecided if any is, or if nothing was checked at all; else passed.
    pub fn verdict(&self) -> Verdict {
        match self.0.iter().map(|check| check.verdict).max() {
            Some(Outcome::Failed) => Verdict::Failed,
            Some(Outcome::Passed) => Verdict::Passed,
            Some(Outcome::Undecided | Outcome::Absent) | None => Verdict::Undecided,
        }
    }
}

impl Serialize for Checks {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut list = to.serialize_seq(Some(self.0.len()))?;
        for check in &self.0 {
            list.serialize_element(check)?;
        }
        list.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_check_decides() {
        let mut checks = Checks::default();
        assert_eq!(checks.verdict(), Verdict::Undecided, "nothing was checked");
        let steps = [
            (CheckId::Seal, Outcome::Passed, Verdict::Passed),
            (CheckId::SigningTime, Outcome::Undecided, Verdict::Undecided),
            (CheckId::TimeStamp, Outcome::Failed, Verdict::Failed),
            (CheckId::TimeStamp, Outcome::Passed, Verdict::Failed),
        ];
        for (id, outcome, verdict) in steps {
            checks.record(id, outcome, "r", "s", "c");
            assert_eq!(checks.verdict(), verdict);
        }
        assert_eq!(checks.outcome(CheckId::SealFormat), Outcome::Absent);
    }
}
