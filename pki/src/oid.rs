//! Object identifiers, as the content octets that stand in DER.
//!
//! Real seals carry identifiers whose octets follow no rule (a vendor writes the letters "tag"), so an [`Oid`] keeps
//! the octets as received and only its display tries to read them.

use std::{borrow::Cow, fmt};

/// An object identifier: the content octets of its DER encoding.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Oid(Cow<'static, [u8]>);

impl Oid {
    const fn fixed(octets: &'static [u8]) -> Self {
        Self(Cow::Borrowed(octets))
    }

    /// Takes content octets as received; nothing is checked.
    pub fn from_content(octets: &[u8]) -> Self {
        Self(Cow::Owned(octets.to_vec()))
    }

    /// The content octets.
    pub fn content(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for Oid {
    /// Dotted form; octets that are no identifier are shown as `hex:…`.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match arcs(&self.0) {
            Some(arcs) => out.write_str(&arcs),
            None => write!(out, "hex:{}", hex::encode(&self.0)),
        }
    }
}

impl fmt::Debug for Oid {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Oid({self})")
    }
}

/// X.690 8.19: base-128 arcs, the first two folded into one.
fn arcs(content: &[u8]) -> Option<String> {
    let mut text = String::new();
    let mut arc: u64 = 0;
    let mut inside = false;
    for &octet in content {
        if !inside && octet == 0x80 {
            return None;
        }
        arc = arc.checked_mul(128)?.checked_add(u64::from(octet & 0x7f))?;
        inside = octet & 0x80 != 0;
        if inside {
            continue;
        }
        if text.is_empty() {
            let first = (arc / 40).min(2);
            text = format!("{first}.{}", arc - first * 40);
        } else {
            text.push('.');
            text.push_str(&arc.to_string());
        }
        arc = 0;
    }
    (!inside && !text.is_empty()).then_some(text)
}

/// `1.2.156.10197.1.501`: SM2 signature with SM3 (GM/T 0006).
pub const SM2_WITH_SM3: Oid = Oid::fixed(&[0x2a, 0x81, 0x1c, 0xcf, 0x55, 0x01, 0x83, 0x75]);
/// `1.2.156.10197.1.401`: SM3 digest (GM/T 0006).
pub const SM3: Oid = Oid::fixed(&[0x2a, 0x81, 0x1c, 0xcf, 0x55, 0x01, 0x83, 0x11]);
/// `1.2.156.10197.1.401.1`: SM3 without a key; the same digest (GM/T 0006).
pub const SM3_KEYLESS: Oid = Oid::fixed(&[0x2a, 0x81, 0x1c, 0xcf, 0x55, 0x01, 0x83, 0x11, 0x01]);
/// `1.2.156.10197.1.301`: the SM2 curve (GM/T 0006).
pub const SM2_CURVE: Oid = Oid::fixed(&[0x2a, 0x81, 0x1c, 0xcf, 0x55, 0x01, 0x82, 0x2d]);
/// `1.2.156.10197.1.301.1`: SM2 signature algorithm (GM/T 0006).
pub const SM2_SIGN: Oid = Oid::fixed(&[0x2a, 0x81, 0x1c, 0xcf, 0x55, 0x01, 0x82, 0x2d, 0x01]);
/// `1.2.156.10197.6.1.4.2.1`: content type data (GM/T 0010, GB/T 35275).
pub const GM_DATA: Oid = Oid::fixed(&[0x2a, 0x81, 0x1c, 0xcf, 0x55, 0x06, 0x01, 0x04, 0x02, 0x01]);
/// `1.2.156.10197.6.1.4.2.2`: content type signedData (GM/T 0010, GB/T 35275).
pub const GM_SIGNED_DATA: Oid = Oid::fixed(&[0x2a, 0x81, 0x1c, 0xcf, 0x55, 0x06, 0x01, 0x04, 0x02, 0x02]);
/// `1.2.840.113549.1.7.1`: content type data (RFC 5652).
pub const PKCS7_DATA: Oid = Oid::fixed(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x01]);
/// `1.2.840.113549.1.7.2`: content type signedData (RFC 5652).
pub const PKCS7_SIGNED_DATA: Oid = Oid::fixed(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02]);
/// `1.2.840.113549.1.9.16.1.4`: content type TSTInfo (RFC 3161).
pub const TST_INFO: Oid = Oid::fixed(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x01, 0x04]);
/// `1.2.840.113549.1.9.3`: attribute contentType.
pub const CONTENT_TYPE: Oid = Oid::fixed(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x03]);
/// `1.2.840.113549.1.9.4`: attribute messageDigest.
pub const MESSAGE_DIGEST: Oid = Oid::fixed(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x04]);
/// `1.2.840.113549.1.9.5`: attribute signingTime.
pub const SIGNING_TIME: Oid = Oid::fixed(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x05]);
/// `1.2.840.113549.1.9.16.2.12`: attribute signingCertificate (RFC 2634).
pub const SIGNING_CERTIFICATE: Oid =
    Oid::fixed(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x02, 0x0c]);
/// `1.2.840.113549.1.9.16.2.47`: attribute signingCertificateV2 (RFC 5035).
pub const SIGNING_CERTIFICATE_V2: Oid =
    Oid::fixed(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x02, 0x2f]);
/// `1.2.840.113549.1.9.16.2.14`: unsigned attribute signatureTimeStampToken (RFC 3161 appendix A).
pub const SIGNATURE_TIME_STAMP: Oid =
    Oid::fixed(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x02, 0x0e]);
/// `1.2.840.10045.2.1`: id-ecPublicKey.
pub const EC_PUBLIC_KEY: Oid = Oid::fixed(&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01]);
/// `1.2.840.10045.3.1.7`: curve P-256.
pub const P256: Oid = Oid::fixed(&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07]);
/// `1.3.132.0.34`: curve P-384.
pub const P384: Oid = Oid::fixed(&[0x2b, 0x81, 0x04, 0x00, 0x22]);
/// `1.2.840.10045.4.3.2`: ECDSA with SHA-256.
pub const ECDSA_SHA256: Oid = Oid::fixed(&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02]);
/// `1.2.840.10045.4.3.3`: ECDSA with SHA-384.
pub const ECDSA_SHA384: Oid = Oid::fixed(&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03]);
/// `1.2.840.10045.4.3.4`: ECDSA with SHA-512.
pub const ECDSA_SHA512: Oid = Oid::fixed(&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x04]);
/// `1.2.840.113549.1.1.1`: rsaEncryption.
pub const RSA: Oid = Oid::fixed(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01]);
/// `1.2.840.113549.1.1.5`: RSA PKCS#1 v1.5 with SHA-1 (refused).
pub const RSA_SHA1: Oid = Oid::fixed(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x05]);
/// `1.2.840.113549.1.1.10`: RSASSA-PSS.
pub const RSA_PSS: Oid = Oid::fixed(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a]);
/// `1.2.840.113549.1.1.11`: RSA PKCS#1 v1.5 with SHA-256.
pub const RSA_SHA256: Oid = Oid::fixed(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b]);
/// `1.2.840.113549.1.1.12`: RSA PKCS#1 v1.5 with SHA-384.
pub const RSA_SHA384: Oid = Oid::fixed(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0c]);
/// `1.2.840.113549.1.1.13`: RSA PKCS#1 v1.5 with SHA-512.
pub const RSA_SHA512: Oid = Oid::fixed(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0d]);
/// `1.3.101.112`: Ed25519.
pub const ED25519: Oid = Oid::fixed(&[0x2b, 0x65, 0x70]);
/// `1.3.14.3.2.26`: SHA-1 (refused).
pub const SHA1: Oid = Oid::fixed(&[0x2b, 0x0e, 0x03, 0x02, 0x1a]);
/// `2.16.840.1.101.3.4.2.1`: SHA-256.
pub const SHA256: Oid = Oid::fixed(&[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01]);
/// `2.16.840.1.101.3.4.2.2`: SHA-384.
pub const SHA384: Oid = Oid::fixed(&[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02]);
/// `2.16.840.1.101.3.4.2.3`: SHA-512.
pub const SHA512: Oid = Oid::fixed(&[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03]);
/// `2.5.4.3`: attribute commonName.
pub const COMMON_NAME: Oid = Oid::fixed(&[0x55, 0x04, 0x03]);
/// `2.5.4.5`: attribute serialNumber.
pub const SERIAL_NUMBER: Oid = Oid::fixed(&[0x55, 0x04, 0x05]);
/// `2.5.4.6`: attribute countryName.
pub const COUNTRY: Oid = Oid::fixed(&[0x55, 0x04, 0x06]);
/// `2.5.4.7`: attribute localityName.
pub const LOCALITY: Oid = Oid::fixed(&[0x55, 0x04, 0x07]);
/// `2.5.4.8`: attribute stateOrProvinceName.
pub const PROVINCE: Oid = Oid::fixed(&[0x55, 0x04, 0x08]);
/// `2.5.4.10`: attribute organizationName.
pub const ORGANIZATION: Oid = Oid::fixed(&[0x55, 0x04, 0x0a]);
/// `2.5.4.11`: attribute organizationalUnitName.
pub const ORGANIZATIONAL_UNIT: Oid = Oid::fixed(&[0x55, 0x04, 0x0b]);
/// `2.5.4.97`: attribute organizationIdentifier.
pub const ORGANIZATION_IDENTIFIER: Oid = Oid::fixed(&[0x55, 0x04, 0x61]);
/// `2.5.29.14`: extension subjectKeyIdentifier.
pub const SUBJECT_KEY_ID: Oid = Oid::fixed(&[0x55, 0x1d, 0x0e]);
/// `2.5.29.15`: extension keyUsage.
pub const KEY_USAGE: Oid = Oid::fixed(&[0x55, 0x1d, 0x0f]);
/// `2.5.29.17`: extension subjectAltName.
pub const SUBJECT_ALT_NAME: Oid = Oid::fixed(&[0x55, 0x1d, 0x11]);
/// `2.5.29.19`: extension basicConstraints.
pub const BASIC_CONSTRAINTS: Oid = Oid::fixed(&[0x55, 0x1d, 0x13]);
/// `2.5.29.20`: CRL extension cRLNumber.
pub const CRL_NUMBER: Oid = Oid::fixed(&[0x55, 0x1d, 0x14]);
/// `2.5.29.21`: CRL entry extension reasonCode.
pub const CRL_REASON: Oid = Oid::fixed(&[0x55, 0x1d, 0x15]);
/// `2.5.29.30`: extension nameConstraints.
pub const NAME_CONSTRAINTS: Oid = Oid::fixed(&[0x55, 0x1d, 0x1e]);
/// `2.5.29.31`: extension cRLDistributionPoints.
pub const CRL_DISTRIBUTION_POINTS: Oid = Oid::fixed(&[0x55, 0x1d, 0x1f]);
/// `2.5.29.32`: extension certificatePolicies.
pub const CERTIFICATE_POLICIES: Oid = Oid::fixed(&[0x55, 0x1d, 0x20]);
/// `2.5.29.35`: extension authorityKeyIdentifier.
pub const AUTHORITY_KEY_ID: Oid = Oid::fixed(&[0x55, 0x1d, 0x23]);
/// `2.5.29.37`: extension extKeyUsage.
pub const EXTENDED_KEY_USAGE: Oid = Oid::fixed(&[0x55, 0x1d, 0x25]);
/// `1.3.6.1.5.5.7.3.8`: extended use timeStamping.
pub const EKU_TIME_STAMPING: Oid = Oid::fixed(&[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x08]);
/// `1.3.6.1.5.5.7.3.1`: extended use serverAuth.
pub const EKU_SERVER_AUTH: Oid = Oid::fixed(&[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x01]);
/// `1.3.6.1.5.5.7.3.2`: extended use clientAuth.
pub const EKU_CLIENT_AUTH: Oid = Oid::fixed(&[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x02]);
/// `1.3.6.1.5.5.7.3.36`: extended use documentSigning (RFC 9336).
pub const EKU_DOCUMENT_SIGNING: Oid = Oid::fixed(&[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x24]);
/// `1.3.6.1.5.5.7.1.1`: extension authorityInfoAccess.
pub const AUTHORITY_INFO_ACCESS: Oid = Oid::fixed(&[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x01, 0x01]);
/// `1.3.6.1.5.5.7.48.2`: access method caIssuers.
pub const CA_ISSUERS: Oid = Oid::fixed(&[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x02]);
/// `1.2.840.113549.1.9.14`: request attribute extensionRequest (PKCS#9).
pub const EXTENSION_REQUEST: Oid = Oid::fixed(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x0e]);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_shows_its_arcs() {
        assert_eq!(SM2_WITH_SM3.to_string(), "1.2.156.10197.1.501");
        assert_eq!(SHA256.to_string(), "2.16.840.1.101.3.4.2.1");
        assert_eq!(P384.to_string(), "1.3.132.0.34");
    }

    #[test]
    fn octets_that_are_no_identifier_are_shown_as_hex() {
        for octets in [&b""[..], &[0x80, 0x01], &[0x2a, 0x86], &[0xff; 12]] {
            assert_eq!(Oid::from_content(octets).to_string(), format!("hex:{}", hex::encode(octets)));
        }
    }
}
