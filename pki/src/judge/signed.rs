//! Signed data over a document, by one signer.

use super::{
    Question,
    chain::{Leaf, RevokedAt},
    clause,
    proof::{Content, Proof, certificates, signature, signer},
    token::Stamped,
    trial::Trial,
};
use crate::{
    cms::{self, Attributes, SignedData},
    report::{CheckId, Finding, SignatureKind, SignatureReport, SigningTime, TimeSource},
    sign::Algorithm,
    sm3,
    time::Timestamp,
    x509::{Cert, path::Purpose},
};
use std::borrow::Cow;

/// Judges signed data over the parts of a document.
pub(super) fn judge(bytes: &[u8], parts: &[&[u8]], question: &Question<'_>) -> SignatureReport {
    let definite = cms::definite(bytes);
    let signed = match SignedData::parse(&definite) {
        Ok(signed) => signed,
        Err(error) => {
            let mut report = SignatureReport::new(SignatureKind::Cms);
            let mut trial = Trial::new(question.profile);
            trial.fail("stamp-signature/malformed", format!("The signed data cannot be read: {error}."));
            let rule = clause::signed(false, CheckId::StampSignature);
            trial.settle(&mut report, CheckId::StampSignature, rule, ("", ""));
            return report;
        }
    };
    let sm2 = signed.algorithm() == Ok(Algorithm::Sm2Sm3) || signed.gm;
    let mut report = SignatureReport::new(if sm2 { SignatureKind::CmsSm2 } else { SignatureKind::Cms });
    let bag = certificates(&signed);
    let signer = signer(&signed, &bag, question);
    report.signer = signer.as_ref().map(Cert::face);
    let rewritten = matches!(definite, Cow::Owned(_));
    let judging = Judging { rewritten, signed: &signed, signer: signer.as_ref(), bag: &bag, sm2, question };
    let proof = judging.signature(parts, &mut report);
    judging.time(&mut report);
    let at = report.time.map(|time| time.instant);
    let revoked = judging.certificate(at.unwrap_or(question.now()), &mut report);
    judging.signing_time(at, revoked, &mut report);
    judging.document(parts, proof, &mut report);
    report
}

struct Judging<'a> {
    signed: &'a SignedData<'a>,
    signer: Option<&'a Cert>,
    bag: &'a [Cert],
    sm2: bool,
    /// Whether lengths were indefinite.
    rewritten: bool,
    question: &'a Question<'a>,
}

impl Judging<'_> {
    fn settle(&self, trial: Trial, id: CheckId, passed: (&str, &str), report: &mut SignatureReport) {
        trial.settle(report, id, clause::signed(self.sm2, id), passed);
    }

    fn trial(&self) -> Trial {
        Trial::new(self.question.profile)
    }

    fn signature(&self, parts: &[&[u8]], report: &mut SignatureReport) -> Proof {
        let mut trial = self.trial();
        if self.rewritten {
            trial.lenient(&Finding::new(
                "lenient/indefinite-length",
                "The signed data are in BER, not in DER.",
            ));
        }
        let content = self.signed.content.map_or(Content::Parts(parts), Content::Whole);
        let proof = signature(self.signed, self.signer, content, &mut trial, "stamp-signature/");
        let passed = ("stamp-signature/holds", "The signature holds over what it covers.");
        self.settle(trial, CheckId::StampSignature, passed, report);
        proof
    }

    /// Check 8, and the time of signing: the token's, else signingTime, else what the container claims.
    fn time(&self, report: &mut SignatureReport) {
        let attributes = self.signed.signer.signed.as_ref();
        let claimed = attributes.and_then(|a| a.signing_time).or(self.question.claimed_at);
        report.time = claimed
            .map(|instant| SigningTime { instant: instant.whole_seconds(), source: TimeSource::Claimed });
        let mut trial = self.trial();
        let Some(token) = self.signed.signer.time_stamp else {
            super::stamp::without_time_stamp(
                report,
                clause::signed(self.sm2, CheckId::TimeStamp),
                self.question,
            );
            return;
        };
        let value = self.signed.signer.signature;
        let stamped = Stamped { companions: self.bag, ..Stamped::signature(value, claimed, false) };
        if let Some(instant) = stamped.check(token, &mut trial, self.question) {
            report.time = Some(SigningTime { instant, source: TimeSource::Token });
        }
        let passed = ("time-stamp/holds", "The time stamp holds and was made for this signature.");
        self.settle(trial, CheckId::TimeStamp, passed, report);
    }

    fn certificate(&self, at: Timestamp, report: &mut SignatureReport) -> RevokedAt {
        let mut trial = self.trial();
        let revoked = if self.signer.is_some() {
            let whose = "The signer's certificate";
            let (cert, prefix, companions) = (self.signer, "signer-certificate/", self.bag);
            Leaf { cert, purpose: Purpose::Signing, at, prefix, whose, companions }
                .check(&mut trial, self.question)
        } else {
            trial.undecided("signer-certificate/no-certificate", "The signer's certificate is not at hand.");
            None
        };
        let passed = ("signer-certificate/trusted", "The signer's certificate is trusted for signing.");
        self.settle(trial, CheckId::SignerCertificate, passed, report);
        revoked
    }

    fn signing_time(&self, at: Option<Timestamp>, revoked: RevokedAt, report: &mut SignatureReport) {
        let mut trial = self.trial();
        if at.is_none() {
            let says = "The signature claims no time; it is judged as of now.";
            trial.find("signing-time/none-claimed", says);
        }
        within(&mut trial, at.unwrap_or(self.question.now()), self.signer, revoked, self.question);
        let passed = ("signing-time/sound", "The certificate was in force at the time of signing.");
        self.settle(trial, CheckId::SigningTime, passed, report);
    }

    /// Check 7: what was signed is this document.
    fn document(&self, parts: &[&[u8]], proof: Proof, report: &mut SignatureReport) {
        let mut trial = self.trial();
        if let Some(content) = self.signed.content {
            self.carried(content, parts, &mut trial);
        }
        match (&self.signed.signer.signed, self.signed.content, proof) {
            (Some(attributes), ..) => self.digested(attributes, parts, &mut trial),
            (None, None, Proof::Broken) => {
                let says = "The signature covers the document itself, and does not hold over it.";
                trial.fail("document-digest/mismatch", says);
            }
            (None, None, Proof::Unknown) => {
                let says = "The signature covers the document itself, and could not be checked.";
                trial.undecided("document-digest/unproven", says);
            }
            (None, ..) => {}
        }
        let passed = ("document-digest/equal", "What was signed is this document.");
        self.settle(trial, CheckId::DocumentDigest, passed, report);
    }

    /// Content that is carried inside: the document, or its SM3 (GB/T 35275 in OFD, seal.md §1.6).
    fn carried(&self, content: &[u8], parts: &[&[u8]], trial: &mut Trial) {
        let is_digest = || {
            let mut digest = sm3::Sm3::new();
            parts.iter().for_each(|part| {
                digest.update(part);
            });
            self.sm2 && digest.finish() == content
        };
        if !equal(content, parts) && !is_digest() {
            trial.fail("document-digest/mismatch", "The signature was made for another document.");
        }
    }

    /// messageDigest, over the content where it is carried inside, else over the document.
    fn digested(&self, attributes: &Attributes<'_>, parts: &[&[u8]], trial: &mut Trial) {
        let Some(digest) = self.signed.digest() else {
            let id = &self.signed.signer.digest_algorithm;
            trial.fail(
                "document-digest/algorithm",
                format!("The digest algorithm {id} is unknown or too weak."),
            );
            return;
        };
        let found = match self.signed.content {
            Some(content) => digest.of(&[content]),
            None => digest.of(parts),
        };
        if found != attributes.message_digest {
            trial.fail("document-digest/mismatch", "The document is not the one that was signed.");
        }
    }
}

/// Check 6 for one certificate: within its validity, not in the future, not after its revocation.
pub(super) fn within(
    trial: &mut Trial,
    at: Timestamp,
    cert: Option<&Cert>,
    revoked: RevokedAt,
    question: &Question<'_>,
) {
    if at > question.now() {
        trial.fail("signing-time/future", format!("The time of signing, {at}, is yet to come."));
    }
    match cert {
        None => trial.undecided("signing-time/no-certificate", "The signer's certificate cannot be read."),
        Some(cert) if at < cert.not_before() || at > cert.not_after() => {
            let says =
                format!("The time of signing, {at}, is outside the validity of the signer's certificate.");
            trial.fail("signing-time/outside-certificate", says);
        }
        Some(_) => {}
    }
    if let Some(revoked) = revoked.filter(|revoked| *revoked <= at) {
        trial
            .fail("signing-time/revoked", format!("The signer's certificate had been revoked at {revoked}."));
    }
}

fn equal(whole: &[u8], parts: &[&[u8]]) -> bool {
    let mut rest = whole;
    for part in parts {
        match rest.strip_prefix(*part) {
            Some(after) => rest = after,
            None => return false,
        }
    }
    rest.is_empty()
}
