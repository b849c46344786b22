//! What a check says: a report with a verdict, its signatures, and eight numbered checks each, with reason and clause.
//!
//! The shape is version 1 of the report schema (`fixtures/report.schema.json`). Verdicts are joined here and nowhere
//! else: failed if any check failed, else undecided if any is, then capped by what was seen around the signature.

mod checks;
pub mod codes;

pub use checks::{Check, CheckId, Checks, Outcome};

use crate::time::Timestamp;
use serde::Serialize;

/// The verdict on a signature or a file. Ordered from best to worst, so that the worst of several is their maximum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Everything that had to be checked was, and holds.
    Passed,
    /// Something that had to be checked could not be.
    Undecided,
    /// Something was checked and does not hold.
    Failed,
}

/// How strictly the oddities of real makers are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// Oddities that change no meaning are findings.
    #[default]
    Gm,
    /// Each oddity fails the check where it stands.
    Strict,
}

/// What kind of document was judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "the names say it")]
pub enum DocumentKind {
    Pdf,
    Ofd,
    Seal,
    Stamp,
    Token,
    /// Nothing that is understood here.
    Unknown,
}

/// What kind of signature was judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum SignatureKind {
    /// Stamp of GM/T 0031-2014.
    #[serde(rename = "ses-v1")]
    SesV1,
    /// Stamp of GB/T 38540-2020.
    #[serde(rename = "ses-v4")]
    SesV4,
    /// Stamp of GM/T 0031-2025.
    #[serde(rename = "ses-v5")]
    SesV5,
    /// Signed data with SM2 (GB/T 35275).
    #[serde(rename = "cms-sm2")]
    CmsSm2,
    /// Signed data with RSA, ECDSA or EdDSA (PAdES).
    #[serde(rename = "cms")]
    Cms,
    /// A bare seal.
    #[serde(rename = "seal")]
    Seal,
    /// A time-stamp token.
    #[serde(rename = "tst")]
    Tst,
}

/// Something seen that changes no verdict by itself, or that names the oddity behind a failed check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Stable code, `lenient/explicit-default`.
    pub id: String,
    /// A sentence for people.
    pub says: String,
}

impl Finding {
    /// A finding with this code and sentence.
    pub fn new(id: impl Into<String>, says: impl Into<String>) -> Self {
        Self { id: id.into(), says: says.into() }
    }
}

/// Who signed, as the certificate says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SignerFace {
    /// Distinguished name of the subject, RFC 4514-like text.
    pub subject: String,
    /// Distinguished name of the issuer.
    pub issuer: String,
    /// Serial number in lower-case hex.
    pub serial: String,
    /// Start of validity.
    pub not_before: Timestamp,
    /// End of validity.
    pub not_after: Timestamp,
    /// Kind of key: `SM2`, `P-256`, `RSA` …
    pub key: String,
    /// SM3 of the certificate's DER, hex.
    pub sm3: String,
}

/// The seal that was used, as it says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SealFace {
    /// esID: the number of the seal.
    pub code: String,
    /// Its name.
    pub name: String,
    /// 1, 4 or 5.
    pub version: u64,
    /// The type number; free, by national and vendor lists.
    pub kind: u64,
    /// Vid: who made it, as it says.
    pub vendor: String,
    /// When it was made.
    pub created: Timestamp,
    /// Start of its period.
    pub valid_from: Timestamp,
    /// End of its period.
    pub valid_to: Timestamp,
    /// Type of its picture: `png`, `gif`, `ofd` …, lower case.
    pub picture: String,
    /// Width in millimetres.
    pub width_mm: u64,
    /// Height in millimetres.
    pub height_mm: u64,
    /// Subject of the maker's certificate.
    pub maker: String,
    /// SM3 of the seal's bytes, hex.
    pub sm3: String,
}

/// When something was signed, and who says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct SigningTime {
    /// The instant.
    pub instant: Timestamp,
    /// `token` from a valid time-stamp token, `claimed` from the signer.
    pub source: TimeSource,
}

/// Who says when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum TimeSource {
    /// genTime of a valid token.
    Token,
    /// timeInfo or signingTime.
    Claimed,
}

/// How much of the file a signature covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Coverage {
    /// All of the file as it is.
    Whole,
    /// All of the file as it was at an earlier revision.
    Revision,
    /// Less than that.
    Part,
}

/// What one signature, seal or token is worth.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SignatureReport {
    /// What it is.
    pub kind: SignatureKind,
    /// The joined verdict; set by [`Report::conclude`].
    pub verdict: Verdict,
    /// Who signed.
    pub signer: Option<SignerFace>,
    /// With which seal.
    pub seal: Option<SealFace>,
    /// When.
    pub time: Option<SigningTime>,
    /// All eight checks, in order.
    pub checks: Checks,
    /// What else was seen.
    pub findings: Vec<Finding>,
    /// How much is covered; `None` for what covers no file (seals, tokens without data).
    pub covers: Option<Coverage>,
    /// What is not covered though it should be.
    pub uncovered: Vec<String>,
    /// What was changed afterwards.
    pub changes_after: Vec<String>,
    /// The best verdict that what was seen around the signature allows.
    #[serde(skip)]
    pub cap: Verdict,
}

impl SignatureReport {
    /// A report of this kind with all checks absent and nothing seen.
    pub fn new(kind: SignatureKind) -> Self {
        Self {
            kind,
            verdict: Verdict::Undecided,
            signer: None,
            seal: None,
            time: None,
            checks: Checks::default(),
            findings: Vec::new(),
            covers: None,
            uncovered: Vec::new(),
            changes_after: Vec::new(),
            cap: Verdict::Passed,
        }
    }

    /// Adds a finding.
    pub fn find(&mut self, id: impl Into<String>, says: impl Into<String>) {
        self.findings.push(Finding::new(id, says));
    }

    /// Adds a finding that allows no better verdict than `cap`.
    pub fn cap(&mut self, cap: Verdict, id: impl Into<String>, says: impl Into<String>) {
        self.find(id, says);
        self.cap = self.cap.max(cap);
    }

    fn conclude(&mut self) {
        self.verdict = self.checks.verdict().max(self.cap);
    }
}

/// The document that was judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DocumentFace {
    /// What it is.
    pub kind: DocumentKind,
    /// SM3 of its bytes, hex.
    pub sm3: String,
    /// Its length.
    pub bytes: u64,
}

/// The problem of a document that was given up because judging it would have cost too much.
pub const TOO_COSTLY: &str = "too-costly";

/// What a check of a document says.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Version of the shape: 1.
    pub schema: u8,
    /// The verdict on the whole.
    pub verdict: Verdict,
    /// The instant of judging.
    pub judged_at: Timestamp,
    /// How strictly.
    pub profile: Profile,
    /// What was judged.
    pub document: DocumentFace,
    /// What it carries.
    pub signatures: Vec<SignatureReport>,
    /// Why it could not be judged, or not as a whole: `not-signed`, `malformed`, `encrypted`, `too-large` …
    pub problems: Vec<Finding>,
}

impl Report {
    /// A report with nothing in it yet; `judged_at` is taken in whole seconds.
    pub fn new(document: DocumentFace, judged_at: Timestamp, profile: Profile) -> Self {
        Self {
            schema: 1,
            verdict: Verdict::Undecided,
            judged_at: judged_at.whole_seconds(),
            profile,
            document,
            signatures: Vec::new(),
            problems: Vec::new(),
        }
    }

    /// Joins the verdicts: each signature's, then the worst of them. Without a signature: undecided and `not-signed`,
    /// unless another problem is named, which means that the document could not be read: failed. What was given up for
    /// its cost (`too-costly`) is undecided: nothing was found out.
    pub fn conclude(mut self) -> Self {
        self.signatures.iter_mut().for_each(SignatureReport::conclude);
        if self.problems.iter().any(|problem| problem.id == TOO_COSTLY) {
            self.verdict = Verdict::Undecided;
            return self;
        }
        self.verdict = match self.signatures.iter().map(|signature| signature.verdict).max() {
            Some(worst) if self.problems.is_empty() => worst,
            Some(_) => Verdict::Failed,
            None if self.problems.is_empty() => {
                self.problems.push(Finding::new("not-signed", "The document carries no signature."));
                Verdict::Undecided
            }
            None => Verdict::Failed,
        };
        self
    }

    /// Whether the document could not be read as what it claims to be.
    pub fn is_unreadable(&self) -> bool {
        self.problems.iter().any(|problem| problem.id != "not-signed" && problem.id != TOO_COSTLY)
    }

    /// The exit code of a command that judged it: 0 passed, 1 failed, 2 undecided, 3 not readable.
    pub fn exit_code(&self) -> u8 {
        match self.verdict {
            _ if self.is_unreadable() => 3,
            Verdict::Passed => 0,
            Verdict::Failed => 1,
            Verdict::Undecided => 2,
        }
    }
}
