//! The seam between formats and keys: who computes a signature, and who checks one.

mod verify;

pub use verify::{Algorithm, Digest, VerifyError, verify, verify_digest};

use crate::sm2::{self, SmDigest};
use rand_core::CryptoRng;
use ring::{rand::SystemRandom, signature as ring_signature};
use std::fmt;

/// A public key of a kind that is understood here.
#[derive(Clone, PartialEq, Eq)]
#[allow(
    clippy::large_enum_variant,
    reason = "SM2 is the usual case; a box would cost an allocation for each certificate"
)]
pub enum PublicKey {
    /// SM2 (GB/T 32918).
    Sm2(sm2::PublicKey),
    /// NIST P-256: `04 ‖ x ‖ y`, 65 octets.
    P256(Box<[u8]>),
    /// NIST P-384: `04 ‖ x ‖ y`, 97 octets.
    P384(Box<[u8]>),
    /// RSA: DER of RSAPublicKey (PKCS#1), 2048 to 8192 bits when used.
    Rsa(Box<[u8]>),
    /// Ed25519: 32 octets.
    Ed25519(Box<[u8]>),
}

impl PublicKey {
    /// A short name for reports: `SM2`, `P-256`, `P-384`, `RSA`, `Ed25519`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Sm2(_) => "SM2",
            Self::P256(_) => "P-256",
            Self::P384(_) => "P-384",
            Self::Rsa(_) => "RSA",
            Self::Ed25519(_) => "Ed25519",
        }
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "PublicKey({})", self.kind())
    }
}

/// What is to be signed.
#[derive(Debug, Clone, Copy)]
pub enum SignInput<'a> {
    /// e = SM3(Z ‖ M), for SM2 keys only: what a device takes.
    Sm2Digest(&'a SmDigest),
    /// The message itself; the signer digests it (SM2 with SM3 and the default user id, P-256 with SHA-256).
    Message(&'a [u8]),
}

/// Why no signature was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignError {
    /// This key cannot sign that input (an SM2 digest with another key).
    WrongInput,
    /// The key is not there any more: device removed, session lost, key destroyed.
    Gone {
        /// What the device said, for the operator; no secrets.
        says: String,
    },
    /// The signer did not answer in time, or its queue is full.
    Busy,
    /// The product did not verify and was withheld, or the machine failed in another way.
    Fault,
}

impl fmt::Display for SignError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WrongInput => out.write_str("this key cannot sign that kind of input"),
            Self::Gone { says } => write!(out, "the key is not available: {says}"),
            Self::Busy => out.write_str("the signer is busy; try again in a moment"),
            Self::Fault => out.write_str("signing failed and nothing was released"),
        }
    }
}

impl std::error::Error for SignError {}

/// Computes signatures with a private key that nobody else sees. Blocking: the caller decides on which thread.
///
/// The answer is what stands in certificates and tokens: DER `SEQUENCE { r, s }` for SM2 and P-256.
pub trait Signer: Send + Sync {
    /// The public key that goes with the private one.
    fn public_key(&self) -> PublicKey;

    /// Signs `input`. `rng` hedges the nonce where the signer makes it itself.
    fn sign(&self, input: SignInput<'_>, rng: &mut dyn CryptoRng) -> Result<Vec<u8>, SignError>;

    /// Whether `sign` verifies its product with the public key before it answers. Who runs the signer checks the
    /// product itself where this says no, and doesn't pay for a second check (more than the signature) where it says
    /// yes. Only code of this package may say yes: a device vouches for nothing.
    fn checks_own_products(&self) -> bool {
        false
    }
}

impl Signer for sm2::PrivateKey {
    fn public_key(&self) -> PublicKey {
        PublicKey::Sm2(self.public_key())
    }

    fn checks_own_products(&self) -> bool {
        true
    }

    fn sign(&self, input: SignInput<'_>, rng: &mut dyn CryptoRng) -> Result<Vec<u8>, SignError> {
        let digest = match input {
            SignInput::Sm2Digest(digest) => *digest,
            SignInput::Message(message) => self.public_key().digest(message),
        };
        self.sign(&digest, rng).map(|signature| signature.to_der()).map_err(|_| SignError::Fault)
    }
}

/// A P-256 private key in memory (`ring`), for second signatures that readers without SM2 understand.
pub struct P256Key {
    pair: ring_signature::EcdsaKeyPair,
}

impl P256Key {
    /// Reads PKCS#8 v1 DER; `None` where it is no P-256 key.
    pub fn from_pkcs8(pkcs8: &[u8]) -> Option<Self> {
        let algorithm = &ring_signature::ECDSA_P256_SHA256_ASN1_SIGNING;
        let pair = ring_signature::EcdsaKeyPair::from_pkcs8(algorithm, pkcs8, &SystemRandom::new()).ok()?;
        Some(Self { pair })
    }

    /// A fresh key as PKCS#8 DER; `None` where the operating system gives no randomness.
    pub fn generate() -> Option<zeroize::Zeroizing<Vec<u8>>> {
        let algorithm = &ring_signature::ECDSA_P256_SHA256_ASN1_SIGNING;
        let document = ring_signature::EcdsaKeyPair::generate_pkcs8(algorithm, &SystemRandom::new()).ok()?;
        Some(zeroize::Zeroizing::new(document.as_ref().to_vec()))
    }
}

impl fmt::Debug for P256Key {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("P256Key(…)")
    }
}

impl Signer for P256Key {
    fn public_key(&self) -> PublicKey {
        use ring_signature::KeyPair as _;
        PublicKey::P256(self.pair.public_key().as_ref().into())
    }

    /// `ring` takes randomness from the operating system alone (its trait is sealed), so `_rng` is not used.
    fn sign(&self, input: SignInput<'_>, _rng: &mut dyn CryptoRng) -> Result<Vec<u8>, SignError> {
        let SignInput::Message(message) = input else { return Err(SignError::WrongInput) };
        let signature = self.pair.sign(&SystemRandom::new(), message).map_err(|_| SignError::Fault)?;
        Ok(signature.as_ref().to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_p256_key_signs_messages_and_no_sm2_digest() {
        let key = P256Key::from_pkcs8(&P256Key::generate().unwrap()).unwrap();
        let sm2 = sm2::PrivateKey::from_bytes(&[3; 32]).unwrap();
        let mut rng = crate::testing::Steps::default();
        let value = key.sign(SignInput::Message(b"m"), &mut rng).unwrap();
        assert_eq!(verify(&key.public_key(), Algorithm::Ecdsa(Digest::Sha256), b"m", &value), Ok(()));
        assert!(verify(&key.public_key(), Algorithm::Ecdsa(Digest::Sha256), b"n", &value).is_err());
        let digest = sm2.public_key().digest("m");
        assert_eq!(key.sign(SignInput::Sm2Digest(&digest), &mut rng), Err(SignError::WrongInput));
    }
}
