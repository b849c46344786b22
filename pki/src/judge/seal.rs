//! Seals: bare, and as check 4 of a stamp.

use super::{
    Question, SealState,
    chain::{self, Leaf},
    clause,
    token::{Prefix, Stamped},
    trial::Trial,
};
use crate::{
    report::{CheckId, SignatureKind, SignatureReport, SigningTime, TimeSource},
    ses::{Seal, SesError, Version},
    time::Timestamp,
    x509::{Cert, path::Purpose},
};

/// Judges a bare seal as of the instant of judging.
pub(super) fn judge(bytes: &[u8], question: &Question<'_>) -> SignatureReport {
    let mut report = SignatureReport::new(SignatureKind::Seal);
    let mut format = Trial::new(question.profile);
    let passed = ("seal-format/sound", "The seal is built as its version prescribes.");
    let seal = match Seal::parse(without_trailing(bytes, &mut format)) {
        Ok(seal) => seal,
        Err(error) => {
            malformed(&error, &mut format);
            format.settle(&mut report, CheckId::SealFormat, clause::seal(Version::V4), passed);
            not_reached(&mut report, &[CheckId::Seal]);
            return report;
        }
    };
    let rule = clause::seal(seal.version);
    notes(&seal.notes, &mut format);
    format.settle(&mut report, CheckId::SealFormat, rule, passed);

    let maker = chain::read(seal.maker_cert);
    report.signer = maker.as_ref().map(Cert::face);
    report.seal = Some(seal.face(maker_name(maker.as_ref())));
    report.time = Some(SigningTime { instant: seal.created, source: TimeSource::Claimed });
    let mut holds = Trial::new(question.profile);
    check(&seal, maker.as_ref(), question.now(), &mut holds, question);
    holds.settle(&mut report, CheckId::Seal, rule, ("seal/holds", "The seal holds and is in force."));
    own_time_stamp(&seal, rule, &mut report, question);
    report
}

/// Check 8 of a bare seal: only version 5 has a token of its own.
fn own_time_stamp(
    seal: &Seal<'_>,
    rule: &'static str,
    report: &mut SignatureReport,
    question: &Question<'_>,
) {
    let mut trial = Trial::new(question.profile);
    match (seal.time_stamp, seal.version) {
        (Some(token), _) => {
            if let Some(instant) = time_stamp(seal, token, Prefix::TIME_STAMP, &mut trial, question) {
                report.time = Some(SigningTime { instant, source: TimeSource::Token });
            }
            let passed = ("time-stamp/holds", "The time stamp holds and was made for this seal.");
            trial.settle(report, CheckId::TimeStamp, rule, passed);
        }
        (None, Version::V5) => super::stamp::without_time_stamp(report, rule, question),
        (None, _) => {}
    }
}

/// The token of a version 5 seal: it must hold, and the seal must not have been made after it (seal.md §2.3 f).
fn time_stamp(
    seal: &Seal<'_>,
    token: &[u8],
    prefix: Prefix,
    trial: &mut Trial,
    question: &Question<'_>,
) -> Option<Timestamp> {
    let stamped =
        Stamped { tolerance_ms: 0, prefix, ..Stamped::signature(seal.signature, Some(seal.created), true) };
    stamped.check(token, trial, question)
}

/// Check 4 inside a stamp: as [`check`], with the seal's own token taken in.
pub(super) fn check_embedded(
    seal: &Seal<'_>,
    maker: Option<&Cert>,
    at: Timestamp,
    trial: &mut Trial,
    question: &Question<'_>,
) {
    check(seal, maker, at, trial, question);
    if let Some(token) = seal.time_stamp {
        time_stamp(seal, token, Prefix::SEAL, trial, question);
    }
}

/// The seal as of `at`: the maker's signature and certificate, the period, the status.
fn check(seal: &Seal<'_>, maker: Option<&Cert>, at: Timestamp, trial: &mut Trial, question: &Question<'_>) {
    let signed = (seal.to_be_signed(), seal.signature);
    chain::ses_signature(trial, "seal/maker-signature-", maker, &seal.algorithm, signed);
    maker_certificate(seal, maker, at, trial, question);
    maker_role(seal, maker, trial, question);
    if at < seal.valid_from {
        trial.fail("seal/not-yet-valid", format!("The seal is valid from {} on only.", seal.valid_from));
    }
    if at > seal.valid_to {
        trial.fail("seal/expired", format!("The seal was valid until {}.", seal.valid_to));
    }
    if seal.created > at {
        let says = format!("The seal says that it was made at {}, later than it was used.", seal.created);
        match seal.version {
            Version::V5 => trial.fail("seal/made-later", says),
            Version::V1 | Version::V4 => trial.find("seal/made-later", says),
        }
    }
    status(seal, at, trial, question);
}

/// Version 5 asks whether the maker's certificate was good when the seal was made, and only tells what came later
/// (seal.md §2.3 d); the versions before ask as of the time of use.
fn maker_certificate(
    seal: &Seal<'_>,
    maker: Option<&Cert>,
    at: Timestamp,
    trial: &mut Trial,
    question: &Question<'_>,
) {
    let then = if seal.version == Version::V5 { seal.created } else { at };
    let leaf = Leaf {
        cert: maker,
        purpose: Purpose::SealMaking,
        at: then,
        prefix: "seal/maker-",
        whose: "The seal maker's certificate",
        companions: &[],
    };
    leaf.check(trial, question);
    if let Some(maker) = maker.filter(|maker| seal.version == Version::V5 && at > maker.not_after()) {
        let says = format!(
            "The seal maker's certificate expired at {}, after the seal was made.",
            maker.not_after()
        );
        trial.find("seal/maker-expired-later", says);
    }
}

/// Whoever has a certificate for stamping must not make seals with it: a path to an anchor does not tell the two apart.
fn maker_role(seal: &Seal<'_>, maker: Option<&Cert>, trial: &mut Trial, question: &Question<'_>) {
    let Some(maker) = maker else { return };
    if seal.signers.allow(seal.maker_cert) || seal.signers.name_key(maker) {
        let says = "The seal was made by one of those who stamp with it: nobody makes a seal for himself.";
        trial.fail("seal/maker-is-signer", says);
    }
    let makers = question.makers;
    if !makers.is_empty() && !makers.iter().any(|known| known == maker || certifies(known, maker)) {
        trial.fail(
            "seal/maker-not-listed",
            "The seal was made by someone who is not among the makers of seals.",
        );
    }
}

fn certifies(authority: &Cert, cert: &Cert) -> bool {
    authority.is_ca()
        && authority.subject() == cert.issuer()
        && authority.public_key().is_some_and(|key| cert.verify_signed_by(key).is_ok())
}

fn status(seal: &Seal<'_>, at: Timestamp, trial: &mut Trial, question: &Question<'_>) {
    let state = question.status.map(|register| register.state(seal.code, &seal.sm3(), at));
    match state {
        Some(SealState::Valid) => {}
        Some(SealState::Invalid(name)) => {
            trial.fail("seal/status", format!("The register of seals says {name} for this seal at {at}."));
        }
        Some(SealState::Unavailable) => {
            trial.undecided("seal/status-unavailable", "The register of seals could not be asked.");
        }
        Some(SealState::Unknown) | None => {
            let says = "The state of the seal is not known: no register that was asked has it.";
            if question.require_status {
                trial.undecided("seal/status-unknown", says);
            } else {
                trial.find("seal/status-unknown", says);
            }
        }
    }
}

/// Readable subject of the maker's certificate.
pub(super) fn maker_name(maker: Option<&Cert>) -> String {
    maker.map_or_else(|| "(unreadable certificate)".into(), |cert| cert.subject().to_string())
}

/// What reading noticed, into check 1.
pub(super) fn notes(notes: &crate::ses::Notes, format: &mut Trial) {
    for defect in &notes.defects {
        format.fail(defect.id.clone(), defect.says.clone());
    }
    format.all_lenient(&notes.oddities);
}

pub(super) fn malformed(error: &SesError, format: &mut Trial) {
    format.fail("seal-format/malformed", format!("The structure cannot be read: {error}."));
}

/// Everything up to the end of the first element; bytes behind it fail check 1, and hide nothing else.
pub(super) fn without_trailing<'a>(bytes: &'a [u8], format: &mut Trial) -> &'a [u8] {
    match crate::der::Reader::new(bytes).any() {
        Ok(first) if first.raw.len() < bytes.len() => {
            let count = bytes.len() - first.raw.len();
            format.fail("seal-format/trailing", format!("{count} bytes follow the structure."));
            first.raw
        }
        _ => bytes,
    }
}

/// Marks checks that could not be reached because the structure is unreadable.
pub(super) fn not_reached(report: &mut SignatureReport, checks: &[CheckId]) {
    for &id in checks {
        let says = "Could not be checked, since the structure cannot be read.";
        report.checks.record(id, crate::report::Outcome::Undecided, "check/not-reached", says, "");
    }
}
