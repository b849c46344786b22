//! Tests of judging: samples made with other people's software, what we make ourselves, and what is broken on purpose.

mod interop;
mod made;
mod pki;
mod robust;
mod samples;
mod schema;
mod zip;

use super::Question;
use crate::{
    report::{CheckId, DocumentFace, DocumentKind, Outcome, Profile, Report, SignatureReport},
    time::Timestamp,
    x509::path::Material,
};

/// The instant at which everything here is judged.
pub(super) fn judging_time() -> Timestamp {
    Timestamp::parse_rfc3339("2026-11-21T00:00:00Z").unwrap()
}

pub(super) fn question<'a>(material: Material<'a>) -> Question<'a> {
    Question::new(material, judging_time(), Profile::Gm)
}

/// The outcomes of the eight checks as letters: passed, failed, undecided, absent (`-`).
pub(super) fn letters(report: &SignatureReport) -> String {
    let letter = |outcome| match outcome {
        Outcome::Passed => 'p',
        Outcome::Failed => 'F',
        Outcome::Undecided => 'u',
        Outcome::Absent => '-',
    };
    CheckId::ALL.iter().map(|id| letter(report.checks.outcome(*id))).collect()
}

/// A report over these signatures, concluded.
pub(super) fn concluded(signatures: Vec<SignatureReport>) -> Report {
    let document = DocumentFace { kind: DocumentKind::Stamp, sm3: "00".repeat(32), bytes: 1 };
    let mut report = Report::new(document, judging_time(), Profile::Gm);
    report.signatures = signatures;
    report.conclude()
}
