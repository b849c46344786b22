//! Issuing: certificates by profile, and revocation lists. What is signed was checked before, and what was signed is read
//! back and verified by our own verifier before it leaves.

#[cfg(test)]
mod tests;

use super::{
    Cert, Crl, Extension, KeyUsage, Name, Reason, Revoked,
    profile::Profile,
    subject::Subject,
    write::{self, CertBody, CrlBody},
};
use crate::{
    der::{self, tag},
    oid,
    sign::{PublicKey, SignError, Signer},
    sm3,
    time::Timestamp,
};
use rand_core::CryptoRng;
use std::{collections::BTreeSet, fmt, net::IpAddr};

/// Octets of a URL in a certificate.
const URL_MAX: usize = 1024;
/// Host names and addresses in one certificate.
const HOSTS_MAX: usize = 64;

/// Why nothing was issued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IssueError {
    /// The subject is empty, or an end entity would bear its issuer's name.
    Subject,
    /// Validity is empty, longer than the profile allows, outside of the issuer's, or before 1950.
    Validity,
    /// The issuer may not issue this: no authority, not for this usage, or not for authorities below it.
    Issuer,
    /// The signer's key is not the issuer's; or the subject's key is; or a key of a kind that cannot sign certificates.
    Key,
    /// The profile is for another act: an end entity cannot sign itself, hosts are missing or not allowed.
    Profile,
    /// A URL or host that is none.
    Url,
    /// A revocation that is in the future, has no positive serial number, stands twice, or has a reason that only
    /// differences between lists have.
    Revocation,
    /// The signer failed.
    Sign(SignError),
    /// The product was not what was asked for, and was withheld.
    Product,
}

impl fmt::Display for IssueError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Subject => "the subject is empty or bears the issuer's name",
            Self::Validity => "the validity is empty, too long for the profile, or exceeds the issuer's",
            Self::Issuer => "the issuer may not issue this",
            Self::Key => {
                "the key does not fit: not the issuer's, the issuer's own, or of a kind that cannot sign here"
            }
            Self::Profile => "the profile does not fit what was asked for",
            Self::Url => "a URL or host name is malformed",
            Self::Revocation => "an entry of the revocation list is not allowed",
            Self::Sign(error) => return error.fmt(out),
            Self::Product => "the product was not what was asked for and was withheld",
        })
    }
}

impl std::error::Error for IssueError {}

impl From<SignError> for IssueError {
    fn from(error: SignError) -> Self {
        Self::Sign(error)
    }
}

/// The serial number of a certificate to be: 8 to 20 octets, positive (RFC 5280 4.1.2.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Serial(Vec<u8>);

impl Serial {
    /// Sixteen octets, 126 bits of them by chance.
    pub fn generate(rng: &mut dyn CryptoRng) -> Self {
        let mut octets = [0; 16];
        rng.fill_bytes(&mut octets);
        octets[0] = octets[0] & 0x3f | 0x40;
        Self(octets.to_vec())
    }

    /// Big-endian octets that the caller vouches for (64 bits of chance at least); `None` where there are fewer than 8 or
    /// more than 20, or the first is zero or has its sign bit set.
    pub fn from_bytes(octets: &[u8]) -> Option<Self> {
        let fits = (8..=20).contains(&octets.len()) && (1..0x80).contains(octets.first()?);
        fits.then(|| Self(octets.to_vec()))
    }

    /// The octets: what [`Cert::serial`] will say.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for Serial {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&hex::encode(&self.0))
    }
}

/// A certificate to be.
#[derive(Debug, Clone, Copy)]
pub struct Order<'a> {
    /// What it is for.
    pub profile: &'a Profile,
    /// Whose it is.
    pub subject: &'a Subject,
    /// The subject's public key.
    pub key: &'a PublicKey,
    /// Its serial number, never used before by this issuer.
    pub serial: &'a Serial,
    /// First second of validity; a fraction is dropped.
    pub not_before: Timestamp,
    /// Last second of validity; a fraction is dropped.
    pub not_after: Timestamp,
    /// What else is written in.
    pub points: Points<'a>,
}

/// Where to find what belongs to a certificate.
#[derive(Debug, Clone, Copy, Default)]
pub struct Points<'a> {
    /// http(s) URL of the issuer's revocation list (cRLDistributionPoints).
    pub crl_url: Option<&'a str>,
    /// http(s) URL of the issuer's certificate (authorityInfoAccess, caIssuers).
    pub issuer_url: Option<&'a str>,
    /// DNS names and IP addresses (subjectAltName), for profiles that have them.
    pub hosts: &'a [&'a str],
}

/// Who issues: a certificate and the key that goes with it.
#[derive(Clone, Copy)]
pub struct Issuer<'a> {
    /// The issuer's certificate.
    pub cert: &'a Cert,
    /// The issuer's key.
    pub signer: &'a dyn Signer,
}

impl fmt::Debug for Issuer<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Issuer({})", self.cert.subject())
    }
}

/// Issues a certificate under `issuer`.
pub fn certificate(
    order: &Order<'_>,
    issuer: &Issuer<'_>,
    rng: &mut dyn CryptoRng,
) -> Result<Cert, IssueError> {
    let key = issuer_key(issuer, KeyUsage::KEY_CERT_SIGN)?;
    let subject = order.subject.name().ok_or(IssueError::Subject)?;
    if order.profile.authority.is_none() && subject == *issuer.cert.subject() {
        return Err(IssueError::Subject);
    }
    if order.key == key {
        return Err(IssueError::Key);
    }
    let below = order.profile.authority.map(|length| length.unwrap_or(u32::MAX));
    if below.is_some_and(|length| issuer.cert.path_length().is_some_and(|allowed| length >= allowed)) {
        return Err(IssueError::Issuer);
    }
    if order.not_before.whole_seconds() < issuer.cert.not_before()
        || order.not_after.whole_seconds() > issuer.cert.not_after()
    {
        return Err(IssueError::Validity);
    }
    let authority = issuer.cert.subject_key_id().map_or_else(|| key_id(key), <[u8]>::to_vec);
    produce(order, &subject, issuer.cert.subject(), &authority, issuer.signer, rng)
}

/// Issues a root: signed with its own key, which `order.key` must name.
pub fn self_signed(
    order: &Order<'_>,
    signer: &dyn Signer,
    rng: &mut dyn CryptoRng,
) -> Result<Cert, IssueError> {
    if order.profile.authority.is_none() {
        return Err(IssueError::Profile);
    }
    if *order.key != signer.public_key() {
        return Err(IssueError::Key);
    }
    let subject = order.subject.name().ok_or(IssueError::Subject)?;
    produce(order, &subject, &subject, &key_id(order.key), signer, rng)
}

/// The issuer's public key, once it is clear that it may be used so and that the signer has it.
fn issuer_key<'a>(issuer: &Issuer<'a>, usage: KeyUsage) -> Result<&'a PublicKey, IssueError> {
    if !issuer.cert.is_ca() || issuer.cert.key_usage().is_some_and(|allowed| !allowed.has_any(usage)) {
        return Err(IssueError::Issuer);
    }
    let key = issuer.cert.public_key().ok_or(IssueError::Key)?;
    if *key == issuer.signer.public_key() { Ok(key) } else { Err(IssueError::Key) }
}

fn produce(
    order: &Order<'_>,
    subject: &Name,
    issuer: &Name,
    authority: &[u8],
    signer: &dyn Signer,
    rng: &mut dyn CryptoRng,
) -> Result<Cert, IssueError> {
    let (not_before, not_after) = (order.not_before.whole_seconds(), order.not_after.whole_seconds());
    let longest = not_before.plus_days(order.profile.days_max.into());
    if not_before >= not_after || not_after > longest || not_before < EARLIEST {
        return Err(IssueError::Validity);
    }
    let extensions = extensions(order, authority)?;
    let key = signer.public_key();
    let algorithm = write::algorithm(&key).ok_or(IssueError::Key)?;
    let body = CertBody {
        serial: order.serial.as_bytes(),
        issuer,
        not_before,
        not_after,
        subject,
        key: order.key,
        extensions: &extensions,
    };
    let body = body.to_der(&algorithm);
    let bytes = write::signed(&body, &algorithm, signer, rng)?;
    check_certificate(&bytes, &body, order, &key)
}

/// 1950-01-01, where UTCTime begins.
const EARLIEST: Timestamp = Timestamp::from_seconds(-631_152_000);

/// Reads the product back: the bytes that were to be signed, all of what was asked for, and a signature that holds.
fn check_certificate(
    bytes: &[u8],
    body: &[u8],
    order: &Order<'_>,
    key: &PublicKey,
) -> Result<Cert, IssueError> {
    let cert = Cert::parse(bytes).map_err(|_| IssueError::Product)?;
    cert.verify_signed_by(key).map_err(|_| IssueError::Product)?;
    let profile = order.profile;
    let uses = cert.extended_key_usage().map_or(&[][..], |extended| &extended.uses);
    let sound = cert.tbs() == body
        && cert.leniencies().is_empty()
        && cert.unknown_critical_extensions().is_empty()
        && cert.serial() == order.serial.as_bytes()
        && cert.public_key() == Some(order.key)
        && cert.not_before() == order.not_before.whole_seconds()
        && cert.not_after() == order.not_after.whole_seconds()
        && cert.is_ca() == profile.authority.is_some()
        && cert.path_length() == profile.authority.flatten()
        && cert.key_usage() == Some(profile.usage)
        && uses == profile.extended;
    if sound { Ok(cert) } else { Err(IssueError::Product) }
}

/// The first 20 octets of SM3 over the key's octets: RFC 7093 2 method 1 with SM3, so that SHA-1 is not needed.
fn key_id(key: &PublicKey) -> Vec<u8> {
    let octets: &[u8] = match key {
        PublicKey::Sm2(key) => key.sec1(),
        PublicKey::P256(octets)
        | PublicKey::P384(octets)
        | PublicKey::Rsa(octets)
        | PublicKey::Ed25519(octets) => octets,
    };
    sm3::digest(octets)[..20].to_vec()
}

fn extensions(order: &Order<'_>, authority: &[u8]) -> Result<Vec<Extension>, IssueError> {
    let (profile, points) = (order.profile, &order.points);
    let mut list = vec![
        Extension::basic_constraints(profile.authority),
        Extension::key_usage(profile.usage),
        Extension::subject_key_id(&key_id(order.key)),
        Extension::authority_key_id(authority),
    ];
    if !profile.extended.is_empty() {
        list.push(Extension::extended(profile.extended, profile.extended_critical));
    }
    if profile.hosts == points.hosts.is_empty() || points.hosts.len() > HOSTS_MAX {
        return Err(IssueError::Profile);
    }
    if profile.hosts {
        let names = points.hosts.iter().map(|host| host_name(host)).collect::<Result<Vec<_>, _>>()?;
        list.push(Extension::new(oid::SUBJECT_ALT_NAME, false, der::sequence(names)));
    }
    if let Some(url) = points.crl_url {
        // DistributionPoint { [0] { [0] fullName { [6] URI } } }
        let full_name = der::explicit(0, der::element(tag::context(0), &url_name(url)?));
        let value = der::sequence([der::sequence([full_name])]);
        list.push(Extension::new(oid::CRL_DISTRIBUTION_POINTS, false, value));
    }
    if let Some(url) = points.issuer_url {
        let access = der::sequence([der::oid(&oid::CA_ISSUERS), url_name(url)?]);
        list.push(Extension::new(oid::AUTHORITY_INFO_ACCESS, false, der::sequence([access])));
    }
    Ok(list)
}

/// GeneralName `[6]` of an http(s) URL in visible ASCII.
fn url_name(url: &str) -> Result<Vec<u8>, IssueError> {
    let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://")).ok_or(IssueError::Url)?;
    let visible = |octet: u8| octet.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&octet);
    if rest.is_empty() || rest.starts_with('/') || url.len() > URL_MAX || !rest.bytes().all(visible) {
        return Err(IssueError::Url);
    }
    Ok(der::element(tag::context_primitive(6), url.as_bytes()))
}

/// GeneralName `[7]` of an IP address, or `[2]` of a DNS name (letters, digits and inner hyphens; no wildcard).
fn host_name(host: &str) -> Result<Vec<u8>, IssueError> {
    if let Ok(address) = host.parse::<IpAddr>() {
        let octets = match address {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        };
        return Ok(der::element(tag::context_primitive(7), &octets));
    }
    let label = |label: &str| {
        (1..64).contains(&label.len())
            && label.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if host.len() > 253 || !host.split('.').all(label) {
        return Err(IssueError::Url);
    }
    Ok(der::element(tag::context_primitive(2), host.as_bytes()))
}

/// A revocation list to be.
#[derive(Debug, Clone, Copy)]
pub struct CrlOrder<'a> {
    /// Its number, higher than any before.
    pub number: u64,
    /// When it is made; a fraction is dropped.
    pub this_update: Timestamp,
    /// When the next is due at the latest.
    pub next_update: Timestamp,
    /// Serial numbers ([`Cert::serial`]) with date and reason.
    pub revoked: &'a [(Vec<u8>, Revoked)],
}

/// Makes the revocation list (v2, complete) of an issuer.
pub fn crl(order: &CrlOrder<'_>, issuer: &Issuer<'_>, rng: &mut dyn CryptoRng) -> Result<Crl, IssueError> {
    let key = issuer_key(issuer, KeyUsage::CRL_SIGN)?;
    let (this_update, next_update) = (order.this_update.whole_seconds(), order.next_update.whole_seconds());
    if this_update >= next_update || this_update < EARLIEST {
        return Err(IssueError::Validity);
    }
    check_entries(order, this_update)?;
    let authority = issuer.cert.subject_key_id().map_or_else(|| key_id(key), <[u8]>::to_vec);
    let extensions = [
        Extension::authority_key_id(&authority),
        Extension::new(oid::CRL_NUMBER, false, der::small(order.number)),
    ];
    let algorithm = write::algorithm(key).ok_or(IssueError::Key)?;
    let name = issuer.cert.subject();
    let body =
        CrlBody { issuer: name, this_update, next_update, revoked: order.revoked, extensions: &extensions };
    let bytes = write::signed(&body.to_der(&algorithm), &algorithm, issuer.signer, rng)?;
    check_crl(&bytes, order, issuer.cert, key)
}

fn check_entries(order: &CrlOrder<'_>, this_update: Timestamp) -> Result<(), IssueError> {
    let mut seen = BTreeSet::new();
    let allowed = |(serial, revoked): &(Vec<u8>, Revoked)| {
        let positive = serial.len() <= 21 && serial.iter().any(|&octet| octet != 0);
        let listed = revoked.reason != Reason::RemoveFromCrl;
        positive && listed && (EARLIEST..=this_update).contains(&revoked.at)
    };
    let sound = order.revoked.iter().all(|entry| allowed(entry) && seen.insert(der::unsigned(&entry.0)));
    if sound && order.revoked.len() <= Crl::ENTRIES_MAX { Ok(()) } else { Err(IssueError::Revocation) }
}

/// Reads the list back: what it says of each entry is what was asked for, and its signature holds.
fn check_crl(bytes: &[u8], order: &CrlOrder<'_>, issuer: &Cert, key: &PublicKey) -> Result<Crl, IssueError> {
    let list = Crl::parse(bytes).map_err(|_| IssueError::Product)?;
    list.verify_signed_by(key).map_err(|_| IssueError::Product)?;
    let says = |(serial, revoked): &(Vec<u8>, Revoked)| {
        let written = der::unsigned(serial);
        let expected = Revoked { at: revoked.at.whole_seconds(), ..*revoked };
        list.revoked(&written[2..]) == Some(expected)
    };
    let sound = list.len() == order.revoked.len()
        && order.revoked.iter().all(says)
        && list.issuer() == issuer.subject()
        && list.this_update() == order.this_update.whole_seconds()
        && list.next_update() == Some(order.next_update.whole_seconds())
        && list.leniencies().is_empty()
        && list.unknown_critical_extensions().is_empty();
    if sound { Ok(list) } else { Err(IssueError::Product) }
}
