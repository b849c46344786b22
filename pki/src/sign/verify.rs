//! Checking a signature of any algorithm that certificates and tokens of the field carry.

use super::PublicKey;
use crate::{
    der::{DerError, Reader, Tlv, tag},
    oid::{self, Oid},
    sm2, sm3,
};
use ring::{digest as ring_digest, signature as ring_signature};
use std::fmt;

/// A digest algorithm. SHA-1 and MD5 are not among them: what rests on them is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Digest {
    Sm3,
    Sha256,
    Sha384,
    Sha512,
}

impl Digest {
    /// The algorithm with this identifier, `None` where it is unknown or too weak.
    pub fn from_oid(id: &Oid) -> Option<Self> {
        [
            (oid::SM3, Self::Sm3),
            (oid::SM3_KEYLESS, Self::Sm3),
            (oid::SHA256, Self::Sha256),
            (oid::SHA384, Self::Sha384),
            (oid::SHA512, Self::Sha512),
        ]
        .into_iter()
        .find_map(|(known, digest)| (known == *id).then_some(digest))
    }

    /// The digest of these parts, one after the other.
    pub fn of(self, parts: &[&[u8]]) -> Vec<u8> {
        let algorithm = match self {
            Self::Sm3 => {
                let mut digest = sm3::Sm3::new();
                for part in parts {
                    digest.update(part);
                }
                return digest.finish().to_vec();
            }
            Self::Sha256 => &ring_digest::SHA256,
            Self::Sha384 => &ring_digest::SHA384,
            Self::Sha512 => &ring_digest::SHA512,
        };
        let mut digest = ring_digest::Context::new(algorithm);
        for part in parts {
            digest.update(part);
        }
        digest.finish().as_ref().to_vec()
    }
}

/// A signature algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// SM2 with SM3 and the default user id.
    Sm2Sm3,
    /// ECDSA over the curve of the key.
    Ecdsa(Digest),
    /// RSA PKCS#1 v1.5.
    RsaPkcs1(Digest),
    /// RSASSA-PSS, salt as long as the digest, MGF1 with the same digest.
    RsaPss(Digest),
    /// Ed25519.
    Ed25519,
}

/// Why a signature is not accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VerifyError {
    /// The algorithm is unknown here, or too weak to count (SHA-1, MD5).
    Algorithm(String),
    /// Key and algorithm do not belong together.
    KeyMismatch,
    /// The value is not in the form that the algorithm prescribes.
    Malformed,
    /// It was computed, and it does not hold.
    Mismatch,
}

impl fmt::Display for VerifyError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Algorithm(id) => write!(out, "the signature algorithm {id} is unknown or too weak"),
            Self::KeyMismatch => {
                out.write_str("the key is not of the kind that the signature algorithm needs")
            }
            Self::Malformed => out.write_str("the signature value is malformed"),
            Self::Mismatch => out.write_str("the signature does not hold"),
        }
    }
}

impl std::error::Error for VerifyError {}

impl Algorithm {
    /// Reads an AlgorithmIdentifier element. Parameters are read only for RSASSA-PSS.
    pub fn from_identifier(identifier: &Tlv<'_>) -> Result<Self, VerifyError> {
        let unknown = |_: DerError| VerifyError::Algorithm("(malformed)".into());
        let mut fields = identifier.reader();
        let id = fields.oid().map_err(unknown)?;
        if id == oid::RSA_PSS {
            return pss(fields)
                .ok_or_else(|| VerifyError::Algorithm("RSASSA-PSS with these parameters".into()));
        }
        Self::from_oid(&id).ok_or_else(|| VerifyError::Algorithm(id.to_string()))
    }

    /// The algorithm with this identifier, where the identifier alone says it.
    pub fn from_oid(id: &Oid) -> Option<Self> {
        [
            (oid::SM2_WITH_SM3, Self::Sm2Sm3),
            (oid::SM2_SIGN, Self::Sm2Sm3),
            (oid::ECDSA_SHA256, Self::Ecdsa(Digest::Sha256)),
            (oid::ECDSA_SHA384, Self::Ecdsa(Digest::Sha384)),
            (oid::RSA_SHA256, Self::RsaPkcs1(Digest::Sha256)),
            (oid::RSA_SHA384, Self::RsaPkcs1(Digest::Sha384)),
            (oid::RSA_SHA512, Self::RsaPkcs1(Digest::Sha512)),
            (oid::ED25519, Self::Ed25519),
        ]
        .into_iter()
        .find_map(|(known, algorithm)| (known == *id).then_some(algorithm))
    }

    /// The algorithm of a CMS SignerInfo whose signatureAlgorithm names only the key (`rsaEncryption`,
    /// `id-ecPublicKey`): the digest comes from digestAlgorithm (RFC 3370 3.2).
    pub fn from_key_and_digest(id: &Oid, digest: Digest) -> Option<Self> {
        if *id == oid::RSA {
            return Some(Self::RsaPkcs1(digest));
        }
        (*id == oid::EC_PUBLIC_KEY).then_some(match digest {
            Digest::Sm3 => Self::Sm2Sm3,
            other => Self::Ecdsa(other),
        })
    }
}

/// RSASSA-PSS-params (RFC 8017 A.2.3) in the one shape that is accepted: hash, MGF1 with the same hash, salt as long.
fn pss(mut fields: Reader<'_>) -> Option<Algorithm> {
    let mut parameters = fields.sequence().ok()?;
    let hash = parameters.read(tag::context(0)).ok()?.reader().sequence().ok()?.oid().ok()?;
    let digest = Digest::from_oid(&hash)?;
    let mut mask = parameters.read(tag::context(1)).ok()?.reader().sequence().ok()?;
    mask.oid().ok()?;
    let mask_hash = mask.sequence().ok()?.oid().ok()?;
    let salt = parameters.read(tag::context(2)).ok()?.reader().small().ok()?;
    let expected = u64::try_from(digest.of(&[]).len()).ok()?;
    (mask_hash == hash && salt == expected && digest != Digest::Sm3).then_some(Algorithm::RsaPss(digest))
}

/// Checks `value` over `message`.
pub fn verify(
    key: &PublicKey,
    algorithm: Algorithm,
    message: &[u8],
    value: &[u8],
) -> Result<(), VerifyError> {
    use ring_signature as r;
    if let (PublicKey::Sm2(key), Algorithm::Sm2Sm3) = (key, algorithm) {
        return verify_digest(key, &key.digest(message), value);
    }
    let (bytes, check): (&[u8], &dyn r::VerificationAlgorithm) = match (key, algorithm) {
        (PublicKey::P256(k), Algorithm::Ecdsa(Digest::Sha256)) => (k, &r::ECDSA_P256_SHA256_ASN1),
        (PublicKey::P256(k), Algorithm::Ecdsa(Digest::Sha384)) => (k, &r::ECDSA_P256_SHA384_ASN1),
        (PublicKey::P384(k), Algorithm::Ecdsa(Digest::Sha256)) => (k, &r::ECDSA_P384_SHA256_ASN1),
        (PublicKey::P384(k), Algorithm::Ecdsa(Digest::Sha384)) => (k, &r::ECDSA_P384_SHA384_ASN1),
        (PublicKey::Rsa(k), Algorithm::RsaPkcs1(Digest::Sha256)) => (k, &r::RSA_PKCS1_2048_8192_SHA256),
        (PublicKey::Rsa(k), Algorithm::RsaPkcs1(Digest::Sha384)) => (k, &r::RSA_PKCS1_2048_8192_SHA384),
        (PublicKey::Rsa(k), Algorithm::RsaPkcs1(Digest::Sha512)) => (k, &r::RSA_PKCS1_2048_8192_SHA512),
        (PublicKey::Rsa(k), Algorithm::RsaPss(Digest::Sha256)) => (k, &r::RSA_PSS_2048_8192_SHA256),
        (PublicKey::Rsa(k), Algorithm::RsaPss(Digest::Sha384)) => (k, &r::RSA_PSS_2048_8192_SHA384),
        (PublicKey::Rsa(k), Algorithm::RsaPss(Digest::Sha512)) => (k, &r::RSA_PSS_2048_8192_SHA512),
        (PublicKey::Ed25519(k), Algorithm::Ed25519) => (k, &r::ED25519),
        _ => return Err(VerifyError::KeyMismatch),
    };
    r::UnparsedPublicKey::new(check, bytes).verify(message, value).map_err(|_| VerifyError::Mismatch)
}

/// Checks a strict DER SM2 signature over e.
pub fn verify_digest(key: &sm2::PublicKey, digest: &sm2::SmDigest, value: &[u8]) -> Result<(), VerifyError> {
    let signature = sm2::Signature::from_der(value).map_err(|_| VerifyError::Malformed)?;
    key.verify(digest, &signature).map_err(|_| VerifyError::Mismatch)
}
