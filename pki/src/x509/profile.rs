//! Certificate profiles: what each kind of certificate may do, as one table that can be read at a glance.

use super::KeyUsage;
use crate::oid::{self, Oid};

/// What a kind of certificate is for.
#[derive(Debug, PartialEq, Eq)]
pub struct Profile {
    /// Its stable name.
    pub name: &'static str,
    /// `None`: an end entity. `Some`: an authority, with so many authorities below it, or any number.
    pub authority: Option<Option<u32>>,
    /// keyUsage, critical.
    pub usage: KeyUsage,
    /// extKeyUsage; empty: no extension.
    pub extended: &'static [Oid],
    /// Whether extKeyUsage is critical.
    pub extended_critical: bool,
    /// Longest validity, in days.
    pub days_max: u32,
    /// Whether host names and addresses stand in subjectAltName: at least one, or none at all.
    pub hosts: bool,
}

const SIGNING: KeyUsage = KeyUsage::DIGITAL_SIGNATURE.and(KeyUsage::NON_REPUDIATION);
const ISSUING: KeyUsage = KeyUsage::KEY_CERT_SIGN.and(KeyUsage::CRL_SIGN);

/// 根证书: a root, self-signed.
pub static ROOT: Profile = Profile {
    name: "root",
    authority: Some(None),
    usage: ISSUING,
    extended: &[],
    extended_critical: false,
    days_max: 30 * 366,
    hosts: false,
};

/// 运营 CA: issues end-entity certificates and their revocation list, no further authority.
pub static ISSUING_CA: Profile = Profile {
    name: "issuing-ca",
    authority: Some(Some(0)),
    usage: ISSUING,
    extended: &[],
    extended_critical: false,
    days_max: 20 * 366,
    hosts: false,
};

/// 制章者: signs seals (GB/T 38540).
pub static SEAL_MAKER: Profile = Profile {
    name: "seal-maker",
    authority: None,
    usage: SIGNING,
    extended: &[],
    extended_critical: false,
    days_max: 10 * 366,
    hosts: false,
};

/// 签章者: signs stamps and documents. The extended use says so, and that tells an owner from a maker of seals: whoever
/// has a key with this mark cannot make seals with it.
pub static SIGNER: Profile = Profile {
    name: "signer",
    authority: None,
    usage: SIGNING,
    extended: &[oid::EKU_DOCUMENT_SIGNING],
    extended_critical: false,
    days_max: 10 * 366,
    hosts: false,
};

/// 时间戳: signs time-stamp tokens and nothing else (RFC 3161 2.3: the one extended use, critical).
pub static TSA: Profile = Profile {
    name: "tsa",
    authority: None,
    usage: SIGNING,
    extended: &[oid::EKU_TIME_STAMPING],
    extended_critical: true,
    days_max: 15 * 366,
    hosts: false,
};

/// A server on the network, TLS with P-256.
pub static TLS_SERVER: Profile = Profile {
    name: "tls-server",
    authority: None,
    usage: KeyUsage::DIGITAL_SIGNATURE,
    extended: &[oid::EKU_SERVER_AUTH],
    extended_critical: false,
    days_max: 398,
    hosts: true,
};

/// All profiles.
pub static ALL: [&Profile; 6] = [&ROOT, &ISSUING_CA, &SEAL_MAKER, &SIGNER, &TSA, &TLS_SERVER];

/// The profile with this name.
pub fn by_name(name: &str) -> Option<&'static Profile> {
    ALL.into_iter().find(|profile| profile.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_authorities_issue_and_only_end_entities_sign() {
        for profile in ALL {
            assert_eq!(profile.authority.is_some(), profile.usage.has_any(ISSUING), "{}", profile.name);
            assert_eq!(profile.authority.is_none(), profile.usage.has_any(SIGNING), "{}", profile.name);
            assert_eq!(by_name(profile.name), Some(profile));
        }
        assert_eq!(by_name("emperor"), None);
    }
}
