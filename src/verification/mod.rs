//! One verdict over a document: what the file says, what mathematics says, what the registers say.
//!
//! [`judge`] is pure and knows no store: bytes and a [`Demand`] in, a report out (`verdicts.md` is its law). What a file
//! is, is told by its content; names decide nothing.

mod bare;
mod date;
mod digests;
mod error;
mod http;
mod meter;
mod pdf;
mod picture;
pub mod service;
pub mod store;
pub mod text;
mod trust;

pub use error::VerificationError;
pub use http::routes;
pub use meter::Meters;
pub use trust::{Trust, TrustError};

use crate::document::{pdf as pdf_file, png};
use yinxin_pki::{
    budget::Budget,
    judge::{Kind, Question, SealStatus, kind_of},
    report::{DocumentFace, DocumentKind, Finding, Profile, Report, TOO_COSTLY},
    sm3,
    time::Timestamp,
    x509::path::Material,
};

/// What is asked of a document: against which trust, as of when, how strictly.
pub struct Demand<'a> {
    /// Anchors, intermediates and revocation lists.
    pub trust: &'a Trust,
    /// The instant of judging (not of signing); a fraction of a second is dropped.
    pub judged_at: Timestamp,
    /// How the oddities of real makers are taken.
    pub profile: Profile,
    /// A signature without a time stamp fails check 8.
    pub require_time_stamp: bool,
    /// A signer without a source of revocation leaves check 5 undecided.
    pub require_revocation: bool,
    /// A seal without a known status leaves check 4 undecided.
    pub require_status: bool,
    /// Who knows the state of seals, if anyone does.
    pub status: Option<&'a dyn SealStatus>,
    /// What a bare token, stamp or detached signature is over; of no use for documents, which carry it themselves.
    pub signed: Option<&'a [u8]>,
    /// Bounds on what a file may ask of its reader.
    pub limits: Limits,
}

impl<'a> Demand<'a> {
    /// A demand with nothing required beyond the profile `gm`, and no register to ask.
    pub fn new(trust: &'a Trust, judged_at: Timestamp) -> Self {
        Self {
            trust,
            judged_at: judged_at.whole_seconds(),
            profile: Profile::Gm,
            require_time_stamp: false,
            require_revocation: false,
            require_status: false,
            status: None,
            signed: None,
            limits: Limits::default(),
        }
    }

    /// What is left of the work that the document may cause.
    fn budget(&self) -> &Budget {
        &self.limits.pdf.budget
    }

    fn question(&self) -> Question<'_> {
        let Trust { anchors, intermediates, crls, makers } = self.trust;
        Question {
            require_time_stamp: self.require_time_stamp,
            require_revocation: self.require_revocation,
            require_status: self.require_status,
            makers,
            status: self.status,
            budget: Some(self.budget()),
            ..Question::new(Material { anchors, intermediates, crls }, self.judged_at, self.profile)
        }
    }
}

/// Bounds on what a file may ask of its reader.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Those of PDF; its `max_bytes` holds for every kind of file.
    pub pdf: pdf_file::Limits,
    /// Those of a seal's picture.
    pub picture: png::Limits,
    /// Octets that all signatures of a file together may make us digest, as a multiple of its length.
    pub digest_passes: usize,
}

impl Default for Limits {
    /// Files of 256 MiB, digested 16 times.
    fn default() -> Self {
        Self { pdf: pdf_file::Limits::default(), picture: png::Limits::default(), digest_passes: 16 }
    }
}

impl Limits {
    /// The longest file, in octets.
    pub fn max_bytes(&self) -> usize {
        self.pdf.max_bytes.min(pdf_file::HARD_MAX_BYTES)
    }

    /// The same, and no more work than is left of this budget.
    pub fn within(mut self, budget: &Budget) -> Self {
        self.pdf.budget = budget.clone();
        self
    }

    /// The same with files of up to so many octets, at most [`pdf_file::HARD_MAX_BYTES`].
    pub fn with_max_bytes(mut self, max_bytes: usize) -> Self {
        self.pdf.max_bytes = max_bytes.min(pdf_file::HARD_MAX_BYTES);
        self
    }
}

/// Judges `bytes`: every signature in them, and the whole as the worst of these. Always answers; what cannot be read is
/// a report with a problem. No bytes make it panic, and its work is bounded by the limits of the demand.
pub fn judge(bytes: &[u8], demand: &Demand<'_>) -> Report {
    if bytes.len() > demand.limits.max_bytes() {
        return too_large(bytes.len() as u64, demand);
    }
    let report = judge_content(bytes, demand);
    // What was passed over for want of budget says nothing, whatever the rest says.
    if demand.budget().is_spent() { too_costly(report, demand) } else { report }
}

fn judge_content(bytes: &[u8], demand: &Demand<'_>) -> Report {
    match content_of(bytes) {
        Content::Pdf => pdf::judge(bytes, demand),
        Content::Der(kind) => bare::judge(bytes, kind, demand),
        Content::Zip => refused(
            bytes,
            DocumentKind::Ofd,
            ("unsupported", "This is a ZIP archive, as OFD files are; they are not judged yet."),
            demand,
        ),
        Content::Nothing => {
            refused(bytes, DocumentKind::Unknown, ("malformed", "The file is empty."), demand)
        }
        Content::Unknown => {
            let says = "This is neither a PDF nor a seal, a stamp, a signature or a time-stamp token.";
            refused(bytes, DocumentKind::Unknown, ("malformed", says), demand)
        }
    }
}

/// The report on a file of so many octets that it was not read; its digest stays empty.
pub fn too_large(bytes: u64, demand: &Demand<'_>) -> Report {
    let document = DocumentFace { kind: DocumentKind::Unknown, sm3: String::new(), bytes };
    let limit = demand.limits.max_bytes();
    let says = format!("The file has {bytes} bytes; at most {limit} are judged.");
    let mut report = Report::new(document, demand.judged_at, demand.profile);
    report.problems.push(Finding::new("too-large", says));
    report.conclude()
}

/// The report on a file that was given up half-way.
fn too_costly(begun: Report, demand: &Demand<'_>) -> Report {
    let mut report = Report::new(begun.document, demand.judged_at, demand.profile);
    let says = "Judging this file takes more work than one document may cause; it was given up.";
    report.problems.push(Finding::new(TOO_COSTLY, says));
    report.conclude()
}

/// What a file is, by its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Content {
    Nothing,
    Pdf,
    Zip,
    Der(Kind),
    Unknown,
}

/// Where readers look for the header of a PDF. Whatever has one there is a PDF to some reader, so it is judged as one.
const HEADER_WITHIN_BYTES: usize = 1024;

fn content_of(bytes: &[u8]) -> Content {
    let head = &bytes[..bytes.len().min(HEADER_WITHIN_BYTES)];
    if bytes.is_empty() {
        return Content::Nothing;
    }
    if head.windows(5).any(|window| window == b"%PDF-") {
        return Content::Pdf;
    }
    if head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06") {
        return Content::Zip;
    }
    match kind_of(bytes) {
        Kind::Unknown => Content::Unknown,
        kind => Content::Der(kind),
    }
}

fn face(kind: DocumentKind, sm3: [u8; 32], bytes: &[u8]) -> DocumentFace {
    DocumentFace { kind, sm3: hex::encode(sm3), bytes: bytes.len() as u64 }
}

/// A report without signatures, for this reason: code and sentence.
fn refused(bytes: &[u8], kind: DocumentKind, (id, says): (&str, &str), demand: &Demand<'_>) -> Report {
    let mut report = Report::new(face(kind, sm3::digest(bytes), bytes), demand.judged_at, demand.profile);
    report.problems.push(Finding::new(id, says));
    report.conclude()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use yinxin_pki::report::Verdict;

    fn judged(bytes: &[u8]) -> Report {
        judge(bytes, &Demand::new(&Trust::default(), Timestamp::from_seconds(1_795_219_200)))
    }

    #[test]
    fn what_is_no_signed_document_is_said_to_be_none() {
        let table: [(&[u8], &str, DocumentKind); 6] = [
            (b"", "malformed", DocumentKind::Unknown),
            (b"hello", "malformed", DocumentKind::Unknown),
            (b"%PDF-1.7\nhello", "malformed", DocumentKind::Pdf),
            (b"PK\x03\x04%PDF-1.7", "malformed", DocumentKind::Pdf),
            (b"PK\x03\x04", "unsupported", DocumentKind::Ofd),
            (b"\x30\x03\x02\x01\x01", "malformed", DocumentKind::Unknown),
        ];
        for (bytes, problem, kind) in table {
            let report = judged(bytes);
            assert_eq!(report.problems[0].id, problem, "{bytes:?}");
            assert_eq!(
                (report.document.kind, report.verdict, report.exit_code()),
                (kind, Verdict::Failed, 3)
            );
        }
    }

    #[test]
    fn a_file_beyond_the_limit_is_not_even_digested() {
        let trust = Trust::default();
        let limits = Limits::default().with_max_bytes(4);
        let demand = Demand { limits, ..Demand::new(&trust, Timestamp::from_seconds(0)) };
        let report = judge(b"12345", &demand);
        assert_eq!((report.problems[0].id.as_str(), report.document.sm3.as_str()), ("too-large", ""));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic_or_pass(bytes in proptest::collection::vec(any::<u8>(), 0..600), head in 0..4usize) {
            let heads: [&[u8]; 4] = [b"", b"%PDF-1.7\n", b"\x30\x82\x01\x00\x30\x10\x02\x01\x04", b"PK\x03\x04"];
            prop_assert_ne!(judged(&[heads[head], &bytes[..]].concat()).verdict, Verdict::Passed);
        }
    }
}
