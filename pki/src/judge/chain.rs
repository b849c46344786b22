//! End-entity certificates: chain to an anchor, validity, usage, revocation; and SM2 values over seals and stamps.

use super::{Question, trial::Trial};
use crate::{
    budget::Budget,
    oid::{self, Oid},
    report::Finding,
    sign::PublicKey,
    sm2,
    time::Timestamp,
    x509::{
        Cert,
        path::{self, Material, PathError, Purpose, Revocation},
    },
};

/// Whose certificate is checked, for what, as of when.
pub(super) struct Leaf<'a> {
    /// The certificate, `None` where it could not be read.
    pub(super) cert: Option<&'a Cert>,
    /// For what it is used.
    pub(super) purpose: Purpose,
    /// As of when.
    pub(super) at: Timestamp,
    /// What codes begin with, `seal/maker-`.
    pub(super) prefix: &'static str,
    /// How sentences begin, `The seal maker's certificate`.
    pub(super) whose: &'static str,
    /// Certificates that came along: they may help to build a path and are trusted for nothing.
    pub(super) companions: &'a [Cert],
}

/// When a certificate was revoked, where a list says so.
pub(super) type RevokedAt = Option<Timestamp>;

/// Reads a certificate; what is wrong with it is left to the checks that need it.
pub(super) fn read(der: &[u8]) -> Option<Cert> {
    Cert::parse(der).ok()
}

impl Leaf<'_> {
    /// Checks the certificate. Revoked later than `at` is a finding; the instant is returned in any case.
    pub(super) fn check(&self, trial: &mut Trial, question: &Question<'_>) -> RevokedAt {
        let (prefix, whose) = (self.prefix, self.whose);
        let Some(cert) = self.cert else {
            trial.fail(format!("{prefix}unreadable"), format!("{whose} cannot be read."));
            return None;
        };
        trial.all_lenient(cert.leniencies());
        let all = [question.material.intermediates, self.companions].concat();
        let material = Material { intermediates: &all, ..question.material };
        let unlimited = Budget::unlimited();
        let budget = question.budget.unwrap_or(&unlimited);
        match path::validate_within(cert, &material, self.at, self.purpose, budget) {
            Ok(found) => {
                for finding in &found.findings {
                    trial.find(finding.id.clone(), format!("{whose}: {}", finding.says));
                }
                self.revocation(&found.revocation, trial, question)
            }
            // The search ends with the first error of all, or goes on to the next candidate and ends there: either way
            // nothing was found out.
            Err(_) if budget.is_spent() => {
                let says =
                    format!("{whose} was not checked: the work that one document may cause is used up.");
                trial.undecided(format!("{prefix}too-costly"), says);
                None
            }
            Err(PathError::NoAnchor { .. }) => {
                let says = format!("{whose} leads to none of the trusted certificates.");
                trial.undecided(format!("{prefix}no-anchor"), says);
                None
            }
            Err(error) => {
                let code = error.code().trim_start_matches("path/");
                trial.fail(format!("{prefix}{code}"), format!("{whose}: {error}."));
                None
            }
        }
    }

    fn revocation(&self, found: &Revocation, trial: &mut Trial, question: &Question<'_>) -> RevokedAt {
        let (prefix, whose) = (self.prefix, self.whose);
        match found {
            Revocation::Good => None,
            Revocation::Revoked { at, .. } if *at <= self.at => {
                let says = format!("{whose} was revoked at {at}, before it was used.");
                trial.fail(format!("{prefix}revoked"), says);
                Some(*at)
            }
            Revocation::Revoked { at, .. } => {
                let says = format!("{whose} was revoked at {at}, after it was used.");
                trial.find(format!("{prefix}revoked-later"), says);
                Some(*at)
            }
            Revocation::NoSource => {
                self.without_source(trial, question);
                None
            }
        }
    }

    fn without_source(&self, trial: &mut Trial, question: &Question<'_>) {
        let (prefix, whose) = (self.prefix, self.whose);
        let says = format!("{whose} could not be checked for revocation: no list is at hand.");
        if question.revocation_unreachable {
            let says = format!("{whose} could not be checked for revocation: the source cannot be reached.");
            trial.undecided(format!("{prefix}revocation-unreachable"), says);
        } else if question.require_revocation {
            trial.undecided(format!("{prefix}no-revocation-source"), says);
        } else {
            trial.find(format!("{prefix}no-revocation-source"), says);
        }
    }
}

/// Checks an SM2 signature of a seal or a stamp: algorithm, form of the value, and the value (seal.md §1.4).
pub(super) fn ses_signature(
    trial: &mut Trial,
    prefix: &str,
    cert: Option<&Cert>,
    algorithm: &Oid,
    (message, value): (&[u8], &[u8]),
) {
    if *algorithm == oid::SM2_SIGN {
        let says = "The algorithm is named without its digest (1.2.156.10197.1.301.1).";
        trial.lenient(&Finding::new("lenient/algorithm-name", says));
    } else if *algorithm != oid::SM2_WITH_SM3 {
        trial.fail(format!("{prefix}algorithm"), format!("The algorithm {algorithm} is not SM2 with SM3."));
    }
    let Some(cert) = cert else {
        trial
            .fail(format!("{prefix}certificate-unreadable"), "The certificate to check with cannot be read.");
        return;
    };
    let Some(PublicKey::Sm2(key)) = cert.public_key() else {
        trial.fail(format!("{prefix}key"), "The certificate does not carry an SM2 key.");
        return;
    };
    match sm2_value(trial, value) {
        None => trial.fail(format!("{prefix}malformed"), "The signature value is malformed."),
        Some(value) if key.verify(&key.digest_recurring(message), &value).is_err() => {
            trial.fail(format!("{prefix}mismatch"), "The signature does not hold over what it should cover.");
        }
        Some(_) => {}
    }
}

/// A value in DER, or as 64 bare octets, which is an oddity.
pub(super) fn sm2_value(trial: &mut Trial, value: &[u8]) -> Option<sm2::Signature> {
    if let Ok(signature) = sm2::Signature::from_der(value) {
        return Some(signature);
    }
    let signature = sm2::Signature::from_raw(value).ok()?;
    let says = "The signature value is 64 bare octets instead of DER.";
    trial.lenient(&Finding::new("lenient/raw-signature", says));
    Some(signature)
}
