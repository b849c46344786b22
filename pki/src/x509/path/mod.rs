//! Whether a certificate may be relied on at an instant: a path to an anchor, and each rule along it (RFC 5280 6).
//!
//! A subset, and what is outside of it refuses: name constraints, policy constraints and every other unknown critical
//! extension. Policies are not asked for (any policy will do). Extended uses are checked on the end entity alone.
//! Revocation is looked up in lists that the issuer of the certificate signed itself: the caller judges that of the end
//! entity by the time of signing; an authority that was revoked by then leads nowhere.

#[cfg(test)]
mod tests;

use super::{Cert, Crl, KeyUsage, Reason};
use crate::{
    budget::{Budget, Spent},
    oid::{self, Oid},
    report::Finding,
    sign::VerifyError,
    time::Timestamp,
};
use std::fmt;

/// Certificates in one path, end entity and anchor included.
const LENGTH_MAX: usize = 8;
/// Signatures checked in search of one path: more means that someone built a maze.
const CHECKS_MAX: usize = 64;
/// Steps of a budget for the check of one signature: some hundred microseconds.
pub const SIGNATURE_STEPS: u64 = 3000;
/// Revocation lists whose signature is checked in search of one path.
const LISTS_MAX: usize = 32;

/// What a path may be built from.
#[derive(Debug, Clone, Copy, Default)]
pub struct Material<'a> {
    /// Trusted because the caller says so, whether self-signed or not. Nothing else is ever trusted by itself.
    pub anchors: &'a [Cert],
    /// Certificates that may stand between; a self-signed one among them is no anchor.
    pub intermediates: &'a [Cert],
    /// Revocation lists; those that do not fit are passed over, with a finding where they seemed to.
    pub crls: &'a [Crl],
}

/// What the end entity's key was used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Signing a document or a stamp.
    Signing,
    /// Signing a seal.
    SealMaking,
    /// Signing time-stamp tokens (RFC 3161 2.3).
    TimeStamping,
}

/// A path that holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Path {
    /// End entity first, anchor last. One certificate: the end entity is itself an anchor.
    pub chain: Vec<Cert>,
    /// Whether the end entity was revoked. A revocation does not fail the path: its date against the time of signing does.
    pub revocation: Revocation,
    /// What else was seen: `crl/stale`, `crl/unusable`, `path/extended-use` …
    pub findings: Vec<Finding>,
}

/// What the revocation lists say of the end entity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Revocation {
    /// A list of its issuer does not name it.
    Good,
    /// A list of its issuer names it.
    Revoked {
        /// Since when.
        at: Timestamp,
        /// Why.
        reason: Reason,
    },
    /// There was no list to ask.
    NoSource,
}

/// Why a certificate may not be relied on. Where several paths were tried, the one that came furthest speaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PathError {
    /// The issuer is not known: no path ends in an anchor. What cannot be decided, rather than what fails.
    NoAnchor {
        /// The issuer that was looked for.
        issuer: String,
    },
    /// A certificate had expired.
    Expired {
        /// Whose.
        subject: String,
        /// Its last second.
        not_after: Timestamp,
    },
    /// A certificate was not valid yet.
    NotYetValid {
        /// Whose.
        subject: String,
        /// Its first second.
        not_before: Timestamp,
    },
    /// The signature on a certificate does not hold under the key of the issuer it names.
    Signature {
        /// Whose certificate.
        subject: String,
        /// What is wrong with the signature.
        error: VerifyError,
    },
    /// An issuer is not a certification authority by its basicConstraints.
    NotCa {
        /// Whose certificate.
        subject: String,
    },
    /// An issuer allows fewer authorities below it.
    PathLength {
        /// Whose certificate.
        subject: String,
        /// How many it allows.
        allowed: u32,
    },
    /// keyUsage does not allow what the key was used for.
    KeyUsage {
        /// Whose certificate.
        subject: String,
    },
    /// The extended uses do not fit the purpose.
    ExtendedUse {
        /// Whose certificate.
        subject: String,
    },
    /// A critical extension is unknown here.
    UnknownCritical(Oid),
    /// A certificate constrains names, which is not processed here.
    NameConstraints {
        /// Whose certificate.
        subject: String,
    },
    /// An authority had been revoked.
    AuthorityRevoked {
        /// Which.
        subject: String,
        /// Since when.
        since: Timestamp,
    },
    /// More than eight certificates.
    TooLong,
    /// More than 64 signatures checked without an end.
    TooManyChecks,
    /// The work that the document may cause is used up.
    TooCostly,
    /// More than 32 revocation lists of the right names. Not passed over: a flood of forged ones could hide the true one.
    TooManyLists,
}

impl PathError {
    /// Stable code for reports.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoAnchor { .. } => "path/no-anchor",
            Self::Expired { .. } => "path/expired",
            Self::NotYetValid { .. } => "path/not-yet-valid",
            Self::Signature { .. } => "path/signature",
            Self::NotCa { .. } => "path/not-a-ca",
            Self::PathLength { .. } => "path/path-length",
            Self::KeyUsage { .. } => "path/key-usage",
            Self::ExtendedUse { .. } => "path/extended-use",
            Self::UnknownCritical(_) => "path/unknown-critical-extension",
            Self::NameConstraints { .. } => "path/name-constraints",
            Self::AuthorityRevoked { .. } => "path/authority-revoked",
            Self::TooLong => "path/too-long",
            Self::TooManyChecks => "path/too-many-checks",
            Self::TooCostly => "path/too-costly",
            Self::TooManyLists => "path/too-many-lists",
        }
    }
}

impl fmt::Display for PathError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAnchor { issuer } => {
                write!(out, "no trusted certificate of the issuer {issuer} is at hand")
            }
            Self::Expired { subject, not_after } => {
                write!(out, "the certificate of {subject} expired on {not_after}")
            }
            Self::NotYetValid { subject, not_before } => {
                write!(out, "the certificate of {subject} is valid only from {not_before}")
            }
            Self::Signature { subject, error } => {
                write!(out, "the certificate of {subject} was not signed by the issuer it names: {error}")
            }
            Self::NotCa { subject } => write!(out, "{subject} is not a certification authority"),
            Self::PathLength { subject, allowed } => {
                write!(out, "{subject} allows {allowed} authorities below it, and there are more")
            }
            Self::KeyUsage { subject } => write!(out, "the key of {subject} may not be used for this"),
            Self::ExtendedUse { subject } => {
                write!(out, "the certificate of {subject} is for other uses than this one")
            }
            Self::UnknownCritical(id) => write!(out, "a certificate has the unknown critical extension {id}"),
            Self::NameConstraints { subject } => {
                write!(out, "the certificate of {subject} constrains names, which is not supported")
            }
            Self::AuthorityRevoked { subject, since } => {
                write!(out, "the certificate of the authority {subject} was revoked on {since}")
            }
            Self::TooLong => write!(out, "the path has more than {LENGTH_MAX} certificates"),
            Self::TooManyChecks => write!(out, "no path was found within {CHECKS_MAX} signature checks"),
            Self::TooCostly => write!(out, "the work that one document may cause is used up"),
            Self::TooManyLists => {
                write!(out, "there are more than {LISTS_MAX} revocation lists to look into")
            }
        }
    }
}

impl std::error::Error for PathError {}

/// Whether `leaf` may be relied on for `purpose` at the instant `at`: its own rules, then a path to one of the anchors.
///
/// An end entity that is itself given as an anchor is accepted where no path leads further. Anchors obey the same rules as
/// any issuer: validity, basicConstraints, path length, keyUsage.
pub fn validate(
    leaf: &Cert,
    material: &Material<'_>,
    at: Timestamp,
    purpose: Purpose,
) -> Result<Path, PathError> {
    validate_within(leaf, material, at, purpose, &Budget::unlimited())
}

/// The same, as far as the budget goes: every signature on the way costs [`SIGNATURE_STEPS`] of it.
pub fn validate_within(
    leaf: &Cert,
    material: &Material<'_>,
    at: Timestamp,
    purpose: Purpose,
    budget: &Budget,
) -> Result<Path, PathError> {
    check_any(leaf, at)?;
    check_signing(leaf)?;
    let findings = check_extended(leaf, purpose)?.into_iter().collect();
    let mut chain = vec![leaf.clone()];
    let mut search = Search { material, at, budget, checks: 0, lists: 0, best: None, findings };
    if !search.climb(&mut chain) && !material.anchors.contains(leaf) {
        return Err(search.verdict(leaf));
    }
    let revocation = match chain.get(1) {
        Some(issuer) => search.revocation(leaf, issuer)?,
        None => Revocation::NoSource,
    };
    Ok(Path { chain, revocation, findings: search.findings })
}

/// What every certificate of a path obeys.
fn check_any(cert: &Cert, at: Timestamp) -> Result<(), PathError> {
    let subject = || cert.subject().to_string();
    if at.whole_seconds() > cert.not_after() {
        return Err(PathError::Expired { subject: subject(), not_after: cert.not_after() });
    }
    if at < cert.not_before() {
        return Err(PathError::NotYetValid { subject: subject(), not_before: cert.not_before() });
    }
    if let Some(id) = cert.unknown_critical_extensions().first() {
        return Err(PathError::UnknownCritical(id.clone()));
    }
    if cert.has_name_constraints() {
        return Err(PathError::NameConstraints { subject: subject() });
    }
    Ok(())
}

/// The end entity signs: digitalSignature or nonRepudiation where keyUsage is present; other bits are common and do not
/// matter (seal.md 1.5).
fn check_signing(leaf: &Cert) -> Result<(), PathError> {
    let signing = KeyUsage::DIGITAL_SIGNATURE.and(KeyUsage::NON_REPUDIATION);
    if leaf.key_usage().is_some_and(|usage| !usage.has_any(signing)) {
        return Err(PathError::KeyUsage { subject: leaf.subject().to_string() });
    }
    Ok(())
}

/// Extended uses that go with signing documents, as content octets: anyExtendedKeyUsage, clientAuth, emailProtection,
/// documentSigning (RFC 9336), and the two that vendors used before it.
const SIGNING_USES: [&[u8]; 6] = [
    &[0x55, 0x1d, 0x25, 0x00],
    &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x02],
    &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x04],
    &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x24],
    &[0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0x37, 0x0a, 0x03, 0x0c],
    &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x2f, 0x01, 0x01, 0x05],
];

/// TimeStamping: the one use, critical (RFC 3161 2.3). Signing: no extension, or a use that goes with it; others refuse
/// where critical and are said where not. SealMaking: makers' certificates carry all kinds (seal.md 1.5), which are said;
/// but a key that was certified for documents (RFC 9336), as those of owners are, makes no seals.
fn check_extended(leaf: &Cert, purpose: Purpose) -> Result<Option<Finding>, PathError> {
    let refused = || PathError::ExtendedUse { subject: leaf.subject().to_string() };
    let extended = leaf.extended_key_usage();
    if purpose == Purpose::TimeStamping {
        let fits = extended.is_some_and(|found| found.critical && found.uses == [oid::EKU_TIME_STAMPING]);
        return if fits { Ok(None) } else { Err(refused()) };
    }
    let Some(extended) = extended else { return Ok(None) };
    if purpose == Purpose::SealMaking && extended.uses.contains(&oid::EKU_DOCUMENT_SIGNING) {
        return Err(refused());
    }
    if extended.uses.iter().any(|id| SIGNING_USES.contains(&id.content())) {
        return Ok(None);
    }
    if extended.critical {
        return Err(refused());
    }
    let says = "The certificate names extended uses, and signing is not among them.";
    Ok(Some(Finding::new("path/extended-use", says)))
}

/// A search for a path, depth first, anchors before intermediates.
struct Search<'a> {
    material: &'a Material<'a>,
    at: Timestamp,
    budget: &'a Budget,
    checks: usize,
    lists: usize,
    /// The error of the attempt that came furthest, with how far that was.
    best: Option<(usize, u8, PathError)>,
    /// What was seen on the way that is being tried.
    findings: Vec<Finding>,
}

impl Search<'_> {
    /// Extends `chain` to an anchor. The depth is bounded by [`LENGTH_MAX`], the breadth by [`CHECKS_MAX`].
    fn climb(&mut self, chain: &mut Vec<Cert>) -> bool {
        let Some(current) = chain.last().cloned() else { return false };
        for (issuer, is_anchor) in candidates(self.material, &current) {
            if chain.iter().any(|known| is_same_entity(known, issuer)) {
                continue;
            }
            let seen = self.findings.len();
            if let Err(error) = self.step(chain, &current, issuer) {
                self.note(chain.len(), error);
                self.findings.truncate(seen);
                continue;
            }
            chain.push(issuer.clone());
            if is_anchor || self.climb(chain) {
                return true;
            }
            chain.pop();
            self.findings.truncate(seen);
        }
        self.note(chain.len(), PathError::NoAnchor { issuer: current.issuer().to_string() });
        false
    }

    /// Whether `issuer` may stand above `current`.
    fn step(&mut self, chain: &[Cert], current: &Cert, issuer: &Cert) -> Result<(), PathError> {
        if chain.len() >= LENGTH_MAX {
            return Err(PathError::TooLong);
        }
        if self.checks >= CHECKS_MAX {
            return Err(PathError::TooManyChecks);
        }
        self.checks += 1;
        self.budget.spend(SIGNATURE_STEPS).map_err(|Spent| PathError::TooCostly)?;
        signed_by(current, issuer)
            .map_err(|error| PathError::Signature { subject: current.subject().to_string(), error })?;
        check_any(issuer, self.at)?;
        check_authority(issuer, &chain[1..])?;
        if chain.len() > 1 { self.check_not_revoked(current, issuer) } else { Ok(()) }
    }

    /// An authority that was revoked by the instant asked about leads nowhere; one that was revoked later is said.
    fn check_not_revoked(&mut self, authority: &Cert, issuer: &Cert) -> Result<(), PathError> {
        let Revocation::Revoked { at: since, .. } = self.revocation(authority, issuer)? else {
            return Ok(());
        };
        let subject = authority.subject().to_string();
        if since <= self.at {
            return Err(PathError::AuthorityRevoked { subject, since });
        }
        let says = format!("The certificate of the authority {subject} was revoked later, on {since}.");
        self.findings.push(Finding::new("path/authority-revoked-later", says));
        Ok(())
    }

    /// Asks the issuer's lists, the newest first. A list made after the instant asked about is as good as one made
    /// before: it names what was revoked since, with its date; but of a certificate that had expired by then it may be
    /// silent (RFC 5280 5).
    fn revocation(&mut self, cert: &Cert, issuer: &Cert) -> Result<Revocation, PathError> {
        let mut lists: Vec<&Crl> =
            self.material.crls.iter().filter(|list| list.issuer() == cert.issuer()).collect();
        lists.sort_by_key(|list| std::cmp::Reverse(list.this_update()));
        for list in lists {
            if self.lists >= LISTS_MAX {
                return Err(PathError::TooManyLists);
            }
            self.lists += 1;
            if let Err((id, says)) = check_list(list, issuer) {
                self.find(id, says);
                continue;
            }
            let named = list.revoked(cert.serial()).filter(|found| found.reason != Reason::RemoveFromCrl);
            if named.is_none() && list.this_update() > cert.not_after() {
                self.find("crl/after-expiry", "A revocation list was made after the certificate expired.");
                continue;
            }
            if list.next_update().is_some_and(|next| next < self.at) {
                self.find("crl/stale", "The newest revocation list at hand is past its next update.");
            }
            return Ok(match named {
                Some(found) => Revocation::Revoked { at: found.at, reason: found.reason },
                None => Revocation::Good,
            });
        }
        Ok(Revocation::NoSource)
    }

    fn find(&mut self, id: &str, says: &str) {
        self.findings.push(Finding::new(id, says));
    }

    fn note(&mut self, depth: usize, error: PathError) {
        let rank = match error {
            PathError::NoAnchor { .. } => 0,
            PathError::Signature { .. } => 1,
            _ => 2,
        };
        if self.best.as_ref().is_none_or(|(far, high, _)| (depth, rank) > (*far, *high)) {
            self.best = Some((depth, rank, error));
        }
    }

    fn verdict(self, leaf: &Cert) -> PathError {
        if self.checks >= CHECKS_MAX {
            return PathError::TooManyChecks;
        }
        let unknown = || PathError::NoAnchor { issuer: leaf.issuer().to_string() };
        self.best.map_or_else(unknown, |(_, _, error)| error)
    }
}

/// Those that bear the issuer's name: anchors first, and among each those whose key id is the one asked for.
fn candidates<'a>(material: &Material<'a>, current: &Cert) -> Vec<(&'a Cert, bool)> {
    let anchors = material.anchors.iter().map(|cert| (cert, true));
    let intermediates = material.intermediates.iter().map(|cert| (cert, false));
    let mut found: Vec<_> =
        anchors.chain(intermediates).filter(|(cert, _)| cert.subject() == current.issuer()).collect();
    let wanted = current.authority_key_id();
    found.sort_by_key(|(cert, is_anchor)| (!is_anchor, wanted.is_none() || cert.subject_key_id() != wanted));
    found
}

/// The same name with the same key: a path through both would be a loop.
fn is_same_entity(one: &Cert, other: &Cert) -> bool {
    one.subject() == other.subject() && one.public_key_der() == other.public_key_der()
}

fn signed_by(cert: &Cert, issuer: &Cert) -> Result<(), VerifyError> {
    cert.verify_signed_by(issuer.public_key().ok_or(VerifyError::KeyMismatch)?)
}

/// What an issuer obeys, given the authorities below it (RFC 5280 6.1.4 k to n).
fn check_authority(issuer: &Cert, below: &[Cert]) -> Result<(), PathError> {
    let subject = || issuer.subject().to_string();
    if !issuer.is_ca() {
        return Err(PathError::NotCa { subject: subject() });
    }
    if issuer.key_usage().is_some_and(|usage| !usage.has_any(KeyUsage::KEY_CERT_SIGN)) {
        return Err(PathError::KeyUsage { subject: subject() });
    }
    let counted = below.iter().filter(|cert| !cert.is_self_issued()).count();
    match issuer.path_length() {
        Some(allowed) if counted > allowed as usize => {
            Err(PathError::PathLength { subject: subject(), allowed })
        }
        _ => Ok(()),
    }
}

/// Whether a list speaks of all that its issuer issued, and the issuer signed it; else the finding that says why not.
fn check_list(list: &Crl, issuer: &Cert) -> Result<(), (&'static str, &'static str)> {
    if !list.unknown_critical_extensions().is_empty() {
        let says = "A revocation list is a part or a difference, which is not supported; it was passed over.";
        return Err(("crl/unusable", says));
    }
    if issuer.key_usage().is_some_and(|usage| !usage.has_any(KeyUsage::CRL_SIGN)) {
        let says = "The issuer of the certificate may not sign revocation lists; its list was passed over.";
        return Err(("crl/key-usage", says));
    }
    let holds = issuer.public_key().is_some_and(|key| list.verify_signed_by(key).is_ok());
    let says = "The signature of a revocation list does not hold; it was passed over.";
    if holds { Ok(()) } else { Err(("crl/signature", says)) }
}
