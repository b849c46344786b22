//! Time-stamp tokens: bare, and over the value of a signature.

use super::{
    CLOCK_TOLERANCE_MS, Question,
    chain::{Leaf, RevokedAt},
    clause,
    proof::{self, Content},
    trial::Trial,
};
use crate::{
    report::{CheckId, Finding, SignatureKind, SignatureReport, SigningTime, TimeSource},
    sign::Digest,
    time::Timestamp,
    tsp::Token,
    x509::{Cert, path::Purpose},
};

/// Judges a bare token.
pub(super) fn judge(bytes: &[u8], stamped: Option<&[&[u8]]>, question: &Question<'_>) -> SignatureReport {
    let mut report = SignatureReport::new(SignatureKind::Tst);
    let mut signature = Trial::new(question.profile);
    let passed = ("stamp-signature/holds", "The token's signature holds over what it states.");
    let clause = clause::token;
    let token = match Token::parse(bytes) {
        Ok(token) => token,
        Err(error) => {
            signature.fail("stamp-signature/malformed", format!("The token cannot be read: {error}."));
            signature.settle(&mut report, CheckId::StampSignature, clause(CheckId::StampSignature), passed);
            return report;
        }
    };
    let time = token.info.time.whole_seconds();
    report.time = Some(SigningTime { instant: time, source: TimeSource::Token });
    let certs = proof::certificates(&token.signed);
    let signer = proof::signer(&token.signed, &certs, question);
    report.signer = signer.as_ref().map(Cert::face);
    signature_holds(&token, signer.as_ref(), &mut signature, "stamp-signature/");
    signature.settle(&mut report, CheckId::StampSignature, clause(CheckId::StampSignature), passed);

    let mut chain = Trial::new(question.profile);
    authority(signer.as_ref(), &certs, time, &mut chain, question, "signer-certificate/");
    let passed = ("signer-certificate/trusted", "The authority's certificate is trusted for time stamps.");
    chain.settle(&mut report, CheckId::SignerCertificate, clause(CheckId::SignerCertificate), passed);

    if time > question.now() {
        let mut future = Trial::new(question.profile);
        future.fail("signing-time/future", format!("The token states {time}, which is yet to come."));
        future.settle(&mut report, CheckId::SigningTime, clause(CheckId::SigningTime), ("", ""));
    }
    if let Some(stamped) = stamped {
        let mut imprint = Trial::new(question.profile);
        if token.info.digest.of(stamped) != token.info.imprint {
            imprint.fail("document-digest/mismatch", "The token was made for other data.");
        }
        let passed = ("document-digest/equal", "The token was made for this data.");
        imprint.settle(&mut report, CheckId::DocumentDigest, clause(CheckId::DocumentDigest), passed);
    }
    report
}

/// What the codes of a token inside something else begin with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Prefix {
    /// Those about the token.
    token: &'static str,
    /// Those about its authority's certificate.
    authority: &'static str,
}

impl Prefix {
    /// In check 8.
    pub(super) const TIME_STAMP: Self = Self { token: "time-stamp/", authority: "time-stamp/authority-" };
    /// In check 4, for the token of a seal.
    pub(super) const SEAL: Self = Self { token: "seal/time-stamp-", authority: "seal/time-stamp-authority-" };
}

/// What a token over a signature value is measured against.
pub(super) struct Stamped<'a> {
    /// The signature value.
    pub(super) value: &'a [u8],
    /// What the token must not be older than, give or take the tolerance.
    pub(super) claimed: Option<Timestamp>,
    /// How much older it may be.
    pub(super) tolerance_ms: i64,
    /// What codes begin with.
    pub(super) prefix: Prefix,
    /// Whether the imprint must be SM3, as seals and stamps have it.
    pub(super) sm3: bool,
    /// Certificates that came along with the signature, beside those in the token.
    pub(super) companions: &'a [Cert],
}

impl<'a> Stamped<'a> {
    /// A token over the signature value of a seal or stamp, or of signed data.
    pub(super) fn signature(value: &'a [u8], claimed: Option<Timestamp>, sm3: bool) -> Self {
        Self {
            value,
            claimed,
            tolerance_ms: CLOCK_TOLERANCE_MS,
            prefix: Prefix::TIME_STAMP,
            sm3,
            companions: &[],
        }
    }

    /// Checks a token whole: signature, authority, imprint, order of times. Its time, where all of that holds.
    pub(super) fn check(
        &self,
        bytes: &[u8],
        trial: &mut Trial,
        question: &Question<'_>,
    ) -> Option<Timestamp> {
        let prefix = self.prefix.token;
        let mut own = Trial::new(question.profile);
        let token = match Token::parse(bytes) {
            Ok(token) => token,
            Err(error) => {
                trial.fail(format!("{prefix}malformed"), format!("The time stamp cannot be read: {error}."));
                return None;
            }
        };
        let time = verified(&token, self.companions, &mut own, question, self.prefix);
        self.imprint(&token, &mut own);
        if self.claimed.is_some_and(|claimed| time < claimed.whole_seconds().plus_ms(-self.tolerance_ms)) {
            own.fail(
                format!("{prefix}too-early"),
                format!("The time stamp of {time} is older than what it stamps."),
            );
        }
        if time > question.now() {
            own.fail(
                format!("{prefix}future"),
                format!("The time stamp states {time}, which is yet to come."),
            );
        }
        let holds = own.holds();
        trial.absorb(own);
        holds.then_some(time)
    }

    /// The imprint covers the content of the BIT STRING without its count of unused bits; one reading of the standard
    /// takes that octet in (seal.md §1.4).
    fn imprint(&self, token: &Token<'_>, trial: &mut Trial) {
        let (digest, imprint) = (token.info.digest, token.info.imprint);
        if self.sm3 && digest != Digest::Sm3 {
            let says = "The time stamp's imprint is made with another digest than SM3.";
            trial.lenient(&Finding::new("lenient/imprint-digest", says));
        }
        if digest.of(&[self.value]) == imprint {
            return;
        }
        if self.sm3 && digest.of(&[&[0], self.value]) == imprint {
            let says = "The time stamp's imprint takes in the octet that counts unused bits.";
            trial.lenient(&Finding::new("lenient/imprint-form", says));
            return;
        }
        trial.fail(format!("{}imprint", self.prefix.token), "The time stamp was made for another signature.");
    }
}

/// Checks signature and authority of a token, all into one trial; its time, whatever came of that.
pub(super) fn verified(
    token: &Token<'_>,
    companions: &[Cert],
    trial: &mut Trial,
    question: &Question<'_>,
    prefix: Prefix,
) -> Timestamp {
    let time = token.info.time.whole_seconds();
    let mut certs = proof::certificates(&token.signed);
    certs.extend_from_slice(companions);
    let signer = proof::signer(&token.signed, &certs, question);
    signature_holds(token, signer.as_ref(), trial, prefix.token);
    authority(signer.as_ref(), &certs, time, trial, question, prefix.authority);
    time
}

/// RFC 3161 2.4.2: attributes are a must, among them the digest of what is stated and the certificate that is meant.
fn signature_holds(token: &Token<'_>, signer: Option<&Cert>, trial: &mut Trial, prefix: &'static str) {
    let signed = &token.signed;
    let content = signed.content.unwrap_or_default();
    match &signed.signer.signed {
        None => trial.fail(format!("{prefix}no-attributes"), "The token's signature covers no attributes."),
        Some(attributes) => {
            if attributes.certificate.is_none() {
                let says = "The token does not say which certificate signed it.";
                trial.lenient(&Finding::new("lenient/no-signing-certificate", says));
            }
            let digest = signed.digest().map(|digest| digest.of(&[content]));
            if digest.as_deref() != Some(attributes.message_digest) {
                trial.fail(format!("{prefix}content"), "What the token states is not what was signed.");
            }
        }
    }
    proof::signature(signed, signer, Content::Whole(content), trial, prefix);
}

fn authority(
    signer: Option<&Cert>,
    companions: &[Cert],
    at: Timestamp,
    trial: &mut Trial,
    question: &Question<'_>,
    prefix: &'static str,
) -> RevokedAt {
    if signer.is_none() {
        trial.undecided(format!("{prefix}no-certificate"), "The authority's certificate is not at hand.");
        return None;
    }
    let whose = "The time-stamp authority's certificate";
    Leaf { cert: signer, purpose: Purpose::TimeStamping, at, prefix, whose, companions }
        .check(trial, question)
}
