//! Stamps: the eight checks of GB/T 38540-2020 7.3.

use super::{
    Question,
    chain::{self, Leaf, RevokedAt},
    clause, seal, signed,
    token::{self, Prefix, Stamped},
    trial::Trial,
};
use crate::{
    report::{CheckId, Outcome, SignatureKind, SignatureReport, SigningTime, TimeSource},
    ses::{Stamp, TimeInfo, Version},
    sm3,
    time::Timestamp,
    tsp::Token,
    x509::{Cert, path::Purpose},
};

/// Judges a stamp.
pub(super) fn judge(bytes: &[u8], digest: Option<[u8; 32]>, question: &Question<'_>) -> SignatureReport {
    let mut format = Trial::new(question.profile);
    let stamp = match Stamp::parse(seal::without_trailing(bytes, &mut format)) {
        Ok(stamp) => stamp,
        Err(error) => {
            let mut report = SignatureReport::new(SignatureKind::SesV4);
            seal::malformed(&error, &mut format);
            format.settle(&mut report, CheckId::SealFormat, clause::seal(Version::V4), ("", ""));
            seal::not_reached(&mut report, &CheckId::ALL[1..7]);
            return report;
        }
    };
    let mut report = SignatureReport::new(match stamp.version {
        Version::V1 => SignatureKind::SesV1,
        Version::V4 => SignatureKind::SesV4,
        Version::V5 => SignatureKind::SesV5,
    });
    let signer = chain::read(stamp.signer_cert);
    let maker = chain::read(stamp.seal.maker_cert);
    report.signer = signer.as_ref().map(Cert::face);
    report.seal = Some(stamp.seal.face(seal::maker_name(maker.as_ref())));
    let judging = Judging { stamp: &stamp, signer: signer.as_ref(), maker: maker.as_ref(), question };
    judging.format(format, &mut report);
    judging.signature(&mut report);
    judging.signer_in_seal(&mut report);
    judging.time_stamp(&mut report);
    let at = report.time.map_or(question.now(), |time| time.instant);
    judging.seal(at, &mut report);
    let revoked = judging.certificate(at, &mut report);
    judging.signing_time(revoked, &mut report);
    judging.document(digest, &mut report);
    report
}

struct Judging<'a> {
    stamp: &'a Stamp<'a>,
    signer: Option<&'a Cert>,
    maker: Option<&'a Cert>,
    question: &'a Question<'a>,
}

impl Judging<'_> {
    fn trial(&self) -> Trial {
        Trial::new(self.question.profile)
    }

    fn settle(&self, trial: Trial, id: CheckId, passed: (&str, &str), report: &mut SignatureReport) {
        trial.settle(report, id, clause::stamp(self.stamp.version, id), passed);
    }

    /// Check 1.
    fn format(&self, mut trial: Trial, report: &mut SignatureReport) {
        seal::notes(&self.stamp.notes, &mut trial);
        if self.question.seal_file.is_some_and(|file| file != self.stamp.seal.raw) {
            let says = "The seal beside the stamp is not the seal inside it.";
            trial.fail("seal-format/seal-file", says);
        }
        let passed = ("seal-format/sound", "Stamp and seal are built as their version prescribes.");
        self.settle(trial, CheckId::SealFormat, passed, report);
    }

    /// Check 2.
    fn signature(&self, report: &mut SignatureReport) {
        let mut trial = self.trial();
        let signed = (self.stamp.to_be_signed(), self.stamp.signature);
        chain::ses_signature(&mut trial, "stamp-signature/", self.signer, &self.stamp.algorithm, signed);
        let passed = ("stamp-signature/holds", "The signature holds over what it covers.");
        self.settle(trial, CheckId::StampSignature, passed, report);
    }

    /// Check 3.
    fn signer_in_seal(&self, report: &mut SignatureReport) {
        let mut trial = self.trial();
        if !self.stamp.seal.signers.allow(self.stamp.signer_cert) {
            trial.fail("signer-in-seal/not-listed", "The seal does not list the signer's certificate.");
        }
        let passed = ("signer-in-seal/listed", "The seal lists the signer's certificate.");
        self.settle(trial, CheckId::SignerInSeal, passed, report);
    }

    /// Check 8, and the time of signing: the token's where it is valid, else the signer's word.
    fn time_stamp(&self, report: &mut SignatureReport) {
        let claimed = self.claimed();
        report.time = claimed.map(|instant| SigningTime { instant, source: TimeSource::Claimed });
        let rule = clause::stamp(self.stamp.version, CheckId::TimeStamp);
        let mut trial = self.trial();
        let time = match (self.stamp.time_stamp, self.stamp.time) {
            (Some(token), _) => Stamped::signature(self.stamp.signature, claimed, true).check(
                token,
                &mut trial,
                self.question,
            ),
            (None, TimeInfo::Token(token)) => self.inner_token(token, &mut trial),
            (None, _) => return without_time_stamp(report, rule, self.question),
        };
        if let Some(instant) = time {
            report.time = Some(SigningTime { instant, source: TimeSource::Token });
        }
        let passed = ("time-stamp/holds", "The time stamp holds and was made for this stamp.");
        trial.settle(report, CheckId::TimeStamp, rule, passed);
    }

    /// What the signer says. A wall clock is read as UTC, and as Beijing time where UTC would be yet to come.
    fn claimed(&self) -> Option<Timestamp> {
        match self.stamp.time {
            TimeInfo::Instant(time) => Some(time.whole_seconds()),
            TimeInfo::WallClock(time) if time > self.question.now() => Some(time.plus_ms(-8 * 3_600_000)),
            TimeInfo::WallClock(time) => Some(time),
            TimeInfo::Token(_) | TimeInfo::Unknown(_) => None,
        }
    }

    /// V1 may carry a token as its timeInfo, inside what is signed, so it can only be over the document's digest.
    fn inner_token(&self, bytes: &[u8], trial: &mut Trial) -> Option<Timestamp> {
        let token = match Token::parse(bytes) {
            Ok(token) => token,
            Err(error) => {
                trial.fail("time-stamp/malformed", format!("The time stamp cannot be read: {error}."));
                return None;
            }
        };
        let time = token::verified(&token, &[], trial, self.question, Prefix::TIME_STAMP);
        let digest = self.stamp.digest;
        if token.info.imprint != digest && token.info.imprint != sm3::digest(digest) {
            let says = "The time stamp inside the stamp is not over the document's digest.";
            trial.undecided("time-stamp/imprint-unknown", says);
        }
        trial.holds().then_some(time)
    }

    /// Check 4.
    fn seal(&self, at: Timestamp, report: &mut SignatureReport) {
        let mut trial = self.trial();
        let keys = [self.signer, self.maker].map(|cert| cert.map(Cert::public_key_der));
        if keys[0].is_some() && keys[0] == keys[1] {
            trial.fail("seal/maker-is-signer", "The seal was made with the key that stamps with it.");
        }
        seal::check_embedded(&self.stamp.seal, self.maker, at, &mut trial, self.question);
        let passed = ("seal/holds", "The seal holds and was in force at the time of signing.");
        self.settle(trial, CheckId::Seal, passed, report);
    }

    /// Check 5.
    fn certificate(&self, at: Timestamp, report: &mut SignatureReport) -> RevokedAt {
        let mut trial = self.trial();
        let leaf = Leaf {
            cert: self.signer,
            purpose: Purpose::Signing,
            at,
            prefix: "signer-certificate/",
            whose: "The signer's certificate",
            companions: &[],
        };
        let revoked = leaf.check(&mut trial, self.question);
        let passed = ("signer-certificate/trusted", "The signer's certificate is trusted for signing.");
        self.settle(trial, CheckId::SignerCertificate, passed, report);
        revoked
    }

    /// Check 6.
    fn signing_time(&self, revoked: RevokedAt, report: &mut SignatureReport) {
        let mut trial = self.trial();
        let seal = &self.stamp.seal;
        match report.time.map(|time| time.instant) {
            None => trial.undecided("signing-time/unknown", "The stamp does not say when it was made."),
            Some(at) => {
                signed::within(&mut trial, at, self.signer, revoked, self.question);
                if at < seal.valid_from || at > seal.valid_to {
                    let says = format!("The time of signing, {at}, is outside the seal's period.");
                    trial.fail("signing-time/outside-seal", says);
                }
            }
        }
        let passed = ("signing-time/sound", "Certificate and seal were in force at the time of signing.");
        self.settle(trial, CheckId::SigningTime, passed, report);
    }

    /// Check 7.
    fn document(&self, digest: Option<[u8; 32]>, report: &mut SignatureReport) {
        let mut trial = self.trial();
        if self.stamp.digest.len() != 32 {
            trial.fail("document-digest/length", "The digest in the stamp is not 32 octets long.");
        } else if digest.is_some_and(|digest| digest != self.stamp.digest) {
            trial.fail("document-digest/mismatch", "The document is not the one that was stamped.");
        } else if digest.is_none() {
            let says = "The stamped document is not at hand.";
            trial.undecided("document-digest/no-document", says);
        }
        let passed = ("document-digest/equal", "The document is the one that was stamped.");
        self.settle(trial, CheckId::DocumentDigest, passed, report);
    }
}

/// Check 8 where there is no token: absent, or failed where one is required.
pub(super) fn without_time_stamp(report: &mut SignatureReport, rule: &'static str, question: &Question<'_>) {
    let outcome = if question.require_time_stamp { Outcome::Failed } else { Outcome::Absent };
    report.checks.record(CheckId::TimeStamp, outcome, "time-stamp/none", "There is no time stamp.", rule);
}
