//! Signed data: the signature of one signer over content or attributes, and the document it is meant for.

use super::{
    Question,
    chain::{self, Leaf, RevokedAt},
    clause,
    token::Stamped,
    trial::Trial,
};
use crate::{
    cms::{Attributes, SignedData, SignerId},
    der::{Reader, tag},
    oid,
    report::{CheckId, Finding, SignatureKind, SignatureReport, SigningTime, TimeSource},
    sign::{self, Algorithm, PublicKey, VerifyError},
    sm3,
    time::Timestamp,
    x509::{Cert, path::Purpose},
};
use std::borrow::Cow;

/// What a signature without attributes covers.
#[derive(Debug, Clone, Copy)]
pub(super) enum Content<'a> {
    /// In one piece.
    Whole(&'a [u8]),
    /// One after the other.
    Parts(&'a [&'a [u8]]),
}

/// The certificates that came along; what cannot be read is passed over.
pub(super) fn certificates(signed: &SignedData<'_>) -> Vec<Cert> {
    signed.certificates.iter().filter_map(|der| Cert::parse(der).ok()).collect()
}

/// The signer's certificate: from those that came along, else from those at hand.
pub(super) fn signer(signed: &SignedData<'_>, bag: &[Cert], question: &Question<'_>) -> Option<Cert> {
    let named = |cert: &&Cert| match signed.signer.id {
        SignerId::IssuerAndSerial { issuer, serial } => {
            cert.issuer().der() == issuer && cert.serial() == serial
        }
        SignerId::KeyId(id) => cert.subject_key_id() == Some(id),
    };
    let at_hand = question.material.intermediates.iter().chain(question.material.anchors);
    bag.iter().chain(at_hand).find(named).cloned()
}

/// Judges signed data over the parts of a document.
pub(super) fn judge(bytes: &[u8], parts: &[&[u8]], question: &Question<'_>) -> SignatureReport {
    let signed = match SignedData::parse(bytes) {
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
    let mut judging = Judging { signed: &signed, signer: signer.as_ref(), bag: &bag, sm2, question };
    judging.signature(parts, &mut report);
    judging.time(&mut report);
    let at = report.time.map(|time| time.instant);
    let revoked = judging.certificate(at.unwrap_or(question.now()), &mut report);
    judging.signing_time(at, revoked, &mut report);
    judging.document(parts, &mut report);
    report
}

struct Judging<'a> {
    signed: &'a SignedData<'a>,
    signer: Option<&'a Cert>,
    bag: &'a [Cert],
    sm2: bool,
    question: &'a Question<'a>,
}

impl Judging<'_> {
    fn settle(&self, trial: Trial, id: CheckId, passed: (&str, &str), report: &mut SignatureReport) {
        trial.settle(report, id, clause::signed(self.sm2, id), passed);
    }

    fn trial(&self) -> Trial {
        Trial::new(self.question.profile)
    }

    fn signature(&mut self, parts: &[&[u8]], report: &mut SignatureReport) {
        let mut trial = self.trial();
        let content = self.signed.content.map_or(Content::Parts(parts), Content::Whole);
        signature(self.signed, self.signer, content, &mut trial, "stamp-signature/");
        let passed = ("stamp-signature/holds", "The signature holds over what it covers.");
        self.settle(trial, CheckId::StampSignature, passed, report);
    }

    /// Check 8, and the time of signing: the token's, else signingTime, else what the container claims.
    fn time(&self, report: &mut SignatureReport) {
        let attributes = self.signed.signer.signed.as_ref();
        let claimed = attributes.and_then(|a| a.signing_time).or(self.question.claimed_at);
        report.time = claimed.map(|instant| SigningTime {
            instant: instant.whole_seconds(),
            source: TimeSource::Claimed,
        });
        let mut trial = self.trial();
        let Some(token) = self.signed.signer.time_stamp else {
            super::stamp::without_time_stamp(report, clause::signed(self.sm2, CheckId::TimeStamp), self.question);
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
    fn document(&self, parts: &[&[u8]], report: &mut SignatureReport) {
        let mut trial = self.trial();
        if let Some(content) = self.signed.content {
            self.carried(content, parts, &mut trial);
        }
        if let Some(attributes) = &self.signed.signer.signed {
            self.digested(attributes, parts, &mut trial);
        } else if self.signed.content.is_none() && report.checks.outcome(CheckId::StampSignature) != crate::report::Outcome::Passed {
            trial.fail("document-digest/unproven", "The signature covers the document itself, and does not hold.");
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
            trial.fail("document-digest/algorithm", format!("The digest algorithm {id} is unknown or too weak."));
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
            let says = format!("The time of signing, {at}, is outside the validity of the signer's certificate.");
            trial.fail("signing-time/outside-certificate", says);
        }
        Some(_) => {}
    }
    if let Some(revoked) = revoked.filter(|revoked| *revoked <= at) {
        trial.fail("signing-time/revoked", format!("The signer's certificate had been revoked at {revoked}."));
    }
}

/// Checks the signature of signed data: oddities, the certificate that was meant, content type, algorithm, value.
pub(super) fn signature(
    signed: &SignedData<'_>,
    signer: Option<&Cert>,
    content: Content<'_>,
    trial: &mut Trial,
    prefix: &str,
) {
    trial.all_lenient(&signed.oddities);
    let message = match &signed.signer.signed {
        Some(attributes) => {
            content_type(signed, attributes, trial, prefix);
            Cow::Owned(attributes.to_be_signed())
        }
        None => plain(content, trial, prefix),
    };
    let algorithm = signed.algorithm().map_err(|error| trial.fail(format!("{prefix}algorithm"), format!("{error}.")));
    let Some(cert) = signer else {
        trial.undecided(format!("{prefix}no-certificate"), "The signer's certificate is not at hand.");
        return;
    };
    let meant = signed.signer.signed.as_ref().and_then(|attributes| attributes.certificate.as_ref());
    if meant.is_some_and(|meant| !meant.names(cert.der())) {
        trial.fail(format!("{prefix}certificate"), "The signature names another certificate than the one it carries.");
    }
    let Some(key) = cert.public_key() else {
        trial.fail(format!("{prefix}key"), "The kind of the signer's key is unknown.");
        return;
    };
    let Ok(algorithm) = algorithm else { return };
    if let Err(error) = value_holds(key, algorithm, &message, signed.signer.signature, trial) {
        let code = match error {
            VerifyError::Algorithm(_) => "algorithm",
            VerifyError::KeyMismatch => "key",
            VerifyError::Malformed => "malformed",
            VerifyError::Mismatch => "mismatch",
        };
        trial.fail(format!("{prefix}{code}"), format!("The signature: {error}."));
    }
}

fn value_holds(
    key: &PublicKey,
    algorithm: Algorithm,
    message: &[u8],
    value: &[u8],
    trial: &mut Trial,
) -> Result<(), VerifyError> {
    let (PublicKey::Sm2(key), Algorithm::Sm2Sm3) = (key, algorithm) else {
        return sign::verify(key, algorithm, message, value);
    };
    let value = chain::sm2_value(trial, value).ok_or(VerifyError::Malformed)?;
    key.verify(&key.digest(message), &value).map_err(|_| VerifyError::Mismatch)
}

/// The attribute contentType must name the content's type (RFC 5652 11.1). One vendor names GM/T 0010's plain data in
/// one place and RFC 5652's in the other, which mean the same (seal.md §1.6).
fn content_type(signed: &SignedData<'_>, attributes: &Attributes<'_>, trial: &mut Trial, prefix: &str) {
    let plain = |id: &oid::Oid| *id == oid::GM_DATA || *id == oid::PKCS7_DATA;
    if attributes.content_type == signed.content_type {
        return;
    }
    if plain(&attributes.content_type) && plain(&signed.content_type) {
        let says = "Content and attribute name plain data by different identifiers.";
        trial.lenient(&Finding::new("lenient/content-type", says));
    } else {
        trial.fail(format!("{prefix}content-type"), "The signed content type is not that of the content.");
    }
}

/// The message of a signature without attributes. What looks like attributes is refused: it could be those of another
/// signature, shown as a document.
fn plain<'a>(content: Content<'a>, trial: &mut Trial, prefix: &str) -> Cow<'a, [u8]> {
    let message = match content {
        Content::Whole(bytes) | Content::Parts(&[bytes]) => Cow::Borrowed(bytes),
        Content::Parts(parts) => Cow::Owned(parts.concat()),
    };
    if Reader::whole(&message, tag::SET).is_ok_and(|set| !set.content.is_empty()) {
        trial.fail(format!("{prefix}ambiguous"), "The content looks like the attributes of another signature.");
    }
    message
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
