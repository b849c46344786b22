//! PDF: `document` says where each signature sits and what it covers, `pki` what it is worth; here the two meet.

use super::{
    Demand, date,
    digests::{Digests, Ranges, Room},
    face, picture, refused,
};
use crate::document::pdf::{
    self as file, PdfError,
    analysis::{self, Analysis, Placed, Severity, Trick},
};
use yinxin_pki::{
    judge::{self, Kind, Question, kind_of},
    report::{
        CheckId, Coverage, DocumentKind, Finding, Outcome, Report, SignatureKind, SignatureReport, Verdict,
    },
};

/// Judges a PDF.
pub(super) fn judge(bytes: &[u8], demand: &Demand<'_>) -> Report {
    let limits = &demand.limits.pdf;
    let analysis = file::open(bytes, limits).and_then(|pdf| analysis::signatures(&pdf, limits));
    let analysis = match analysis {
        Ok(analysis) => analysis,
        Err(error) => {
            let says = format!("{error}.");
            return refused(bytes, DocumentKind::Pdf, (problem_of(&error), &says), demand);
        }
    };
    let mut room = Room::passes(demand.limits.digest_passes, bytes.len());
    let ranges: Vec<Ranges> = analysis.signatures.iter().filter_map(|placed| placed.signed.clone()).collect();
    let judged = Digests::of(bytes, &ranges, &mut room, demand.budget()).and_then(|digests| {
        let judging = Judging { bytes, digests: &digests, question: demand.question(), demand };
        let signatures: Option<Vec<_>> = analysis
            .signatures
            .iter()
            .map_while(|placed| {
                // Once it is spent, the rest is of no interest: the whole is given up.
                demand.budget().spend(SIGNATURE_STEPS).ok().map(|()| judging.signature(placed, &mut room))
            })
            .collect();
        Some((digests.whole, signatures?))
    });
    let Some((whole, mut signatures)) = judged else {
        let says =
            "The signatures of this file cover more octets, all together, than are digested for one file.";
        return refused(bytes, DocumentKind::Pdf, ("too-large", says), demand);
    };
    overlaid(&analysis.signatures, &mut signatures);
    signatures.iter_mut().for_each(|report| tricks(&analysis.tricks, report));
    let mut report = Report::new(face(DocumentKind::Pdf, whole, bytes), demand.judged_at, demand.profile);
    report.signatures = signatures;
    told_of_the_unsigned(report.conclude(), &analysis)
}

/// What is odd about a file without a signature is said with its one problem: there is no signature to say it of.
fn told_of_the_unsigned(mut report: Report, analysis: &Analysis) -> Report {
    if let [problem] = &mut report.problems[..] {
        for trick in &analysis.tricks {
            problem.says.push_str(&format!(" {}.", capital(&trick.says)));
        }
    }
    report
}

fn problem_of(error: &PdfError) -> &'static str {
    match error {
        PdfError::Encrypted => "encrypted",
        PdfError::TooLarge { .. } => "too-large",
        PdfError::TooCostly => "too-costly",
        PdfError::Unsupported { .. } => "unsupported",
        _ => "malformed",
    }
}

/// Steps of the budget for what is done with each signature beside checking it.
const SIGNATURE_STEPS: u64 = 3000;

struct Judging<'a> {
    bytes: &'a [u8],
    digests: &'a Digests,
    question: Question<'a>,
    demand: &'a Demand<'a>,
}

impl Judging<'_> {
    /// Judges one signature; `None` where that would digest more than there is room for.
    fn signature(&self, placed: &Placed, room: &mut Room) -> Option<SignatureReport> {
        let mut report = self.value(placed, room)?;
        if placed.signed.is_none() {
            let says =
                "The signature does not say what it covers, so that there is nothing to check it against.";
            report.checks.record(
                CheckId::DocumentDigest,
                Outcome::Failed,
                "document-digest/no-ranges",
                says,
                RANGES,
            );
        }
        place(placed, &mut report);
        coverage(placed, &mut report);
        tricks(&placed.tricks, &mut report);
        changes(placed, &mut report);
        Some(report)
    }

    /// What the value is worth. Its first elements decide what it is; the names beside it are a hint at best.
    fn value(&self, placed: &Placed, room: &mut Room) -> Option<SignatureReport> {
        let parts = self.parts(placed);
        let kind = kind_of(&placed.value);
        let octets: usize = parts.iter().map(|part| part.len()).sum();
        // Digests other than SM3 take a pass of their own.
        if matches!(kind, Kind::Cms | Kind::Token) && !room.take(octets) {
            return None;
        }
        let mut report = match kind {
            Kind::Stamp => {
                let digest = placed.signed.as_ref().and_then(|ranges| self.digests.over(ranges));
                let mut report = judge::stamp(&placed.value, digest, &self.question);
                picture::of_stamp(placed, &self.demand.limits, &mut report);
                report
            }
            Kind::Token => {
                let mut report = judge::token_over(&placed.value, &parts, &self.question);
                picture::of_token(placed, &mut report);
                report
            }
            Kind::Cms => {
                let claimed_at = placed.signing_time_text.as_deref().and_then(date::read);
                judge::cms(&placed.value, &parts, &Question { claimed_at, ..self.question })
            }
            Kind::Seal | Kind::Unknown => unreadable(),
        };
        if placed.is_time_stamp && kind != Kind::Token {
            let says = "What calls itself a time stamp of the document holds another kind of signature.";
            report.cap(Verdict::Failed, "time-stamp/not-a-token", says);
        }
        Some(report)
    }

    fn parts(&self, placed: &Placed) -> Vec<&[u8]> {
        let ranges = placed.signed.iter().flatten();
        ranges.filter_map(|range| self.bytes.get(range.clone())).collect()
    }
}

/// The clause about ranges.
const RANGES: &str = "ISO 32000-2 12.8.1";

fn unreadable() -> SignatureReport {
    let mut report = SignatureReport::new(SignatureKind::Cms);
    let says = "The value is neither a stamp nor signed data nor a time-stamp token.";
    report.checks.record(
        CheckId::StampSignature,
        Outcome::Failed,
        "stamp-signature/unknown-kind",
        says,
        RANGES,
    );
    report
}

/// Where it is, so that people find it.
fn place(placed: &Placed, report: &mut SignatureReport) {
    let name = printable(&placed.field_name);
    let says = match (placed.widget.page, placed.widget.rect_mm) {
        (Some(page), Some(rect)) => format!(
            "Field {name}, page {page}, {:.1} mm from the left, {:.1} mm from the top, {:.1} × {:.1} mm.",
            rect.left, rect.top, rect.width, rect.height
        ),
        (Some(page), None) => format!("Field {name}, page {page}, without an area."),
        (None, _) => format!("Field {name}, on no page."),
    };
    report.find("pdf/place", says);
}

fn coverage(placed: &Placed, report: &mut SignatureReport) {
    report.covers = Some(match placed.covers {
        analysis::Coverage::Whole => Coverage::Whole,
        analysis::Coverage::Revision(_) => Coverage::Revision,
        analysis::Coverage::Part => Coverage::Part,
    });
    report.uncovered.extend(placed.uncovered.iter().cloned());
    if placed.covers == analysis::Coverage::Part || !placed.uncovered.is_empty() {
        let says = "The signature covers neither the whole file nor a whole revision of it.";
        report.cap(Verdict::Undecided, "coverage/part", says);
    }
}

fn changes(placed: &Placed, report: &mut SignatureReport) {
    for change in &placed.changes_after {
        report.changes_after.push(change.what.clone());
        if !change.allowed {
            let says = format!("After signing, {}.", change.what);
            report.cap(Verdict::Undecided, "change/not-allowed", says);
        }
    }
}

/// A field that is added after a signature lies wherever its signer likes, over what others signed. A stamp's picture is
/// its seal's, which has been compared; whatever else is shown there could be anything.
fn overlaid(placed: &[Placed], reports: &mut [SignatureReport]) {
    let is_stamp = |kind| matches!(kind, SignatureKind::SesV1 | SignatureKind::SesV4 | SignatureKind::SesV5);
    let stamps: Vec<&str> = placed
        .iter()
        .zip(reports.iter())
        .filter(|(placed, report)| is_stamp(report.kind) && placed.appearance.is_some())
        .map(|(placed, _)| placed.field_name.as_str())
        .filter(|name| !name.is_empty())
        .collect();
    let overlays: Vec<Option<String>> = placed
        .iter()
        .map(|placed| {
            let fields = placed.changes_after.iter().filter_map(|change| change.shown_field.as_deref());
            fields.filter(|field| !stamps.contains(field)).map(ToOwned::to_owned).next()
        })
        .collect();
    for (report, field) in reports.iter_mut().zip(overlays) {
        if let Some(field) = field {
            let says = format!(
                "After signing, field {} was added: it shows a picture that no seal stands behind.",
                printable(&field)
            );
            report.cap(Verdict::Undecided, "appearance/overlay", says);
        }
    }
}

fn printable(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(100).collect()
}

fn tricks(tricks: &[Trick], report: &mut SignatureReport) {
    for trick in tricks {
        let cap = match trick.severity {
            Severity::Capped => Verdict::Undecided,
            Severity::Failed => Verdict::Failed,
        };
        let finding = Finding::new(trick.id, format!("{}.", capital(&trick.says)));
        report.cap(cap, finding.id, finding.says);
    }
}

fn capital(text: &str) -> String {
    let mut rest = text.chars();
    rest.next().map(|first| first.to_uppercase().chain(rest).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verification::{Trust, judge};
    use yinxin_pki::time::Timestamp;

    #[test]
    fn a_later_picture_without_a_seal_is_said_of_what_it_may_cover() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/pdf/attacks");
        for (name, expected) in [
            ("one", &[false][..]),
            ("two", &[true, false]),
            ("lta", &[false, false]),
            ("prepared", &[false; 2]),
        ] {
            let bytes = std::fs::read(folder.join(name).with_extension("pdf")).unwrap();
            let report =
                judge(&bytes, &Demand::new(&Trust::default(), Timestamp::from_seconds(1_795_219_200)));
            let is_overlaid = |report: &SignatureReport| {
                report.findings.iter().any(|finding| finding.id == "appearance/overlay")
            };
            let found: Vec<bool> = report.signatures.iter().map(is_overlaid).collect();
            assert_eq!(found, expected, "{name}");
        }
    }
}
