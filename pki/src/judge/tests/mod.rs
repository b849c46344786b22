//! Tests of judging: samples made with other people's software, what we make ourselves, and what is broken on purpose.

mod interop;
mod made;
mod pki;
mod robust;
mod samples;
mod schema;
mod variants;
mod zip;

use super::Question;
use crate::{
    report::{CheckId, DocumentFace, DocumentKind, Outcome, Profile, Report, SignatureReport, codes},
    time::Timestamp,
    x509::path::Material,
};
use std::{collections::BTreeSet, sync::LazyLock};

static CODES: LazyLock<BTreeSet<String>> = LazyLock::new(|| codes::all().into_iter().collect());

/// The instant at which everything here is judged.
pub(super) fn judging_time() -> Timestamp {
    Timestamp::parse_rfc3339("2026-11-21T00:00:00Z").unwrap()
}

pub(super) fn question<'a>(material: Material<'a>) -> Question<'a> {
    Question::new(material, judging_time(), Profile::Gm)
}

/// The outcomes of the eight checks as letters: passed, failed, undecided, absent (`-`). Every code that a test sees this
/// way must be one that pages can translate.
pub(super) fn letters(report: &SignatureReport) -> String {
    let reasons = report.checks.iter().map(|check| &check.reason);
    for code in reasons.chain(report.findings.iter().map(|finding| &finding.id)) {
        assert!(CODES.contains(code), "the code {code} is not listed in report::codes");
    }
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
