//! SM2 signatures with SM3 (GB/T 32918.2): keys, digests of messages, signatures in their strict forms.
//!
//! The curve arithmetic is RustCrypto's `sm2`, constant-time; the signing equation stands here, so that every secret
//! is wiped, a rejected nonce is retried, and the product is verified before it leaves.

mod memo;
mod private;
mod signature;

pub use memo::forget_held;
pub use private::PrivateKey;
pub use signature::Signature;

use crate::sm3::{self, Sm3};
use ::sm2::{AffinePoint, dsa::VerifyingKey, dsa::signature::hazmat::PrehashVerifier};
use std::fmt;

/// The user id of every known seal, certificate and token: `1234567812345678` (GB/T 35276 clause 10).
pub const DEFAULT_ID: &str = "1234567812345678";

/// Order of the group, big-endian (GB/T 32918.5).
pub(crate) const ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x72,
    0x03, 0xdf, 0x6b, 0x21, 0xc6, 0x05, 0x2b, 0x53, 0xbb, 0xf4, 0x09, 0x39, 0xd5, 0x41, 0x23,
];

/// a ‖ b ‖ Gx ‖ Gy of the curve (GB/T 32918.5), as they enter Z.
const CURVE: [&str; 4] = [
    "fffffffeffffffffffffffffffffffffffffffff00000000fffffffffffffffc",
    "28e9fa9e9d9f5e344d5a9e4bcf6509a7f39789f515ab8f92ddbcbd414d940e93",
    "32c4ae2c1f1981195f9904466a39c9948fe30bbff2660be1715a4589334c74c7",
    "bc3736a2f4f6779c59bdcee36b692153d0a9877cc62a474002df32e52139f0a0",
];

/// Why key or signature material was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sm2Error {
    /// Not an uncompressed point on the curve.
    PublicKey,
    /// Not in 1 … n − 2.
    PrivateKey,
    /// Not a strict `SEQUENCE { INTEGER r, INTEGER s }`, or r or s outside 1 … n − 1.
    Signature,
    /// The signature does not hold.
    Mismatch,
    /// A user id longer than 8191 octets.
    UserId,
    /// Our own product did not verify: a fault in the machine.
    Fault,
}

impl fmt::Display for Sm2Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::PublicKey => "the SM2 public key is not a point on the curve",
            Self::PrivateKey => "the SM2 private key is out of range",
            Self::Signature => "the SM2 signature is not a strict SEQUENCE of r and s in range",
            Self::Mismatch => "the SM2 signature does not hold",
            Self::UserId => "the SM2 user id is longer than 8191 octets",
            Self::Fault => "a fresh SM2 signature did not verify and was withheld",
        })
    }
}

impl std::error::Error for Sm2Error {}

/// e = SM3(Z ‖ M): what an SM2 signature covers. Only [`PublicKey`] makes one, so that Z is never forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SmDigest([u8; 32]);

impl SmDigest {
    /// The 32 octets, as a device takes them (GM/T 0018 InternalSign).
    pub fn octets(&self) -> &[u8; 32] {
        &self.0
    }
}

/// A message on its way into an [`SmDigest`], for documents that come in pieces.
#[derive(Debug, Clone)]
pub struct MessageDigest(Sm3);

impl MessageDigest {
    /// Takes more of the message in.
    pub fn update(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.0.update(bytes);
        self
    }

    /// The digest of the whole message.
    pub fn finish(self) -> SmDigest {
        SmDigest(self.0.finish())
    }
}

/// A public key: a point on the curve, with its Z for the default user id.
#[derive(Clone)]
pub struct PublicKey {
    sec1: [u8; 65],
    z: [u8; 32],
    key: VerifyingKey,
}

impl PublicKey {
    /// Reads `04 ‖ x ‖ y`, 65 octets. Compressed and hybrid forms are refused.
    pub fn from_sec1(octets: &[u8]) -> Result<Self, Sm2Error> {
        let sec1: [u8; 65] = octets.try_into().map_err(|_| Sm2Error::PublicKey)?;
        if sec1[0] != 4 {
            return Err(Sm2Error::PublicKey);
        }
        let key = VerifyingKey::from_sec1_bytes(DEFAULT_ID, &sec1).map_err(|_| Sm2Error::PublicKey)?;
        Ok(Self { z: z(DEFAULT_ID, &sec1)?, sec1, key })
    }

    pub(crate) fn from_affine(point: AffinePoint) -> Result<Self, Sm2Error> {
        let key = VerifyingKey::from_affine(DEFAULT_ID, point).map_err(|_| Sm2Error::PublicKey)?;
        Self::from_sec1(&key.to_sec1_bytes())
    }

    /// `04 ‖ x ‖ y`.
    pub fn sec1(&self) -> &[u8; 65] {
        &self.sec1
    }

    /// e of a message under the default user id.
    pub fn digest(&self, message: impl AsRef<[u8]>) -> SmDigest {
        let mut digest = self.message();
        digest.update(message);
        digest.finish()
    }

    /// The same digest, faster for a long public text that recurs but for its end, as a seal does in every stamp. The
    /// text is kept in memory for a while: not for anything confidential.
    pub fn digest_recurring(&self, message: impl AsRef<[u8]>) -> SmDigest {
        SmDigest(sm3::recurring::digest(&self.z, message.as_ref()))
    }

    /// Starts the e of a message that comes in pieces, under the default user id.
    pub fn message(&self) -> MessageDigest {
        let mut digest = Sm3::new();
        digest.update(self.z);
        MessageDigest(digest)
    }

    /// e of a message under another user id; an error where the id is longer than 8191 octets.
    pub fn digest_with_id(&self, id: &str, message: impl AsRef<[u8]>) -> Result<SmDigest, Sm2Error> {
        let mut digest = Sm3::new();
        digest.update(z(id, &self.sec1)?).update(message);
        Ok(SmDigest(digest.finish()))
    }

    /// Whether `signature` over `digest` holds under this key. What held a while ago is remembered, see [`forget_held`].
    pub fn verify(&self, digest: &SmDigest, signature: &Signature) -> Result<(), Sm2Error> {
        let entry = self.entry(digest, signature);
        if memo::held(&entry) {
            return Ok(());
        }
        let value = signature.parsed()?;
        self.key.verify_prehash(&digest.0, &value).map_err(|_| Sm2Error::Mismatch)?;
        memo::keep(&entry);
        Ok(())
    }

    fn entry(&self, digest: &SmDigest, signature: &Signature) -> memo::Held {
        let mut entry = [0; 160];
        entry[..64].copy_from_slice(&self.sec1[1..]);
        entry[64..96].copy_from_slice(&digest.0);
        entry[96..].copy_from_slice(signature.raw());
        entry
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.sec1 == other.sec1
    }
}

impl Eq for PublicKey {}

impl fmt::Debug for PublicKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "sm2::PublicKey({}…)", hex::encode(&self.sec1[1..9]))
    }
}

/// Z = SM3(ENTL ‖ ID ‖ a ‖ b ‖ Gx ‖ Gy ‖ Px ‖ Py), GB/T 32918.2 clause 5.5.
fn z(id: &str, sec1: &[u8; 65]) -> Result<[u8; 32], Sm2Error> {
    let bits = u16::try_from(id.len() * 8).map_err(|_| Sm2Error::UserId)?;
    let mut digest = Sm3::new();
    digest.update(bits.to_be_bytes()).update(id);
    for constant in CURVE {
        digest.update(hex::decode(constant).unwrap_or_default());
    }
    digest.update(&sec1[1..]);
    Ok(digest.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// GB/T 32918.5-2017 appendix A: d, P, "message digest", and the signature made with its k.
    #[test]
    fn the_published_signature_holds_and_no_neighbour_does() {
        let public = PublicKey::from_sec1(
            &hex::decode(
                "0409f9df311e5421a150dd7d161e4bc5c672179fad1833fc076bb08ff356f35020\
                 ccea490ce26775a52dc6ea718cc1aa600aed05fbf35e084a6632f6072da9ad13",
            )
            .unwrap(),
        )
        .unwrap();
        let raw = hex::decode(
            "f5a03b0648d2c4630eeac513e1bb81a15944da3827d5b74143ac7eaceee720b3\
             b1b6aa29df212fd8763182bc0d421ca1bb9038fd1f7f42d4840b69c485bbc1aa",
        )
        .unwrap();
        let signature = Signature::from_raw(&raw).unwrap();
        let digest = public.digest("message digest");
        assert_eq!(
            hex::encode(digest.octets()),
            "f0b43e94ba45accaace692ed534382eb17e6ab5a19ce7b31f4486fdfc0d28640"
        );
        assert_eq!(public.verify(&digest, &signature), Ok(()));
        assert_eq!(public.verify(&public.digest("message digesu"), &signature), Err(Sm2Error::Mismatch));
        for bit in 0..512 {
            let mut other = raw.clone();
            other[bit / 8] ^= 1 << (bit % 8);
            let holds = Signature::from_raw(&other).and_then(|other| public.verify(&digest, &other));
            assert!(holds.is_err(), "bit {bit}");
        }
    }

    #[test]
    fn what_held_is_remembered_and_no_neighbour_of_it_is() {
        let private = PrivateKey::from_bytes(&[9; 32]).unwrap();
        let (public, other) = (private.public_key(), PrivateKey::from_bytes(&[8; 32]).unwrap().public_key());
        let digest = public.digest("remembered");
        let signature = private.sign(&digest, &mut crate::testing::Steps::default()).unwrap();
        assert!(memo::held(&public.entry(&digest, &signature)));
        assert_eq!(public.verify(&digest, &signature), Ok(()));
        assert_eq!(other.verify(&digest, &signature), Err(Sm2Error::Mismatch));
        for bit in 0..256 {
            let mut near = digest.0;
            near[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(public.verify(&SmDigest(near), &signature), Err(Sm2Error::Mismatch), "bit {bit}");
        }
        let mut raw = *signature.raw();
        raw[63] ^= 1;
        assert!(public.verify(&digest, &Signature::from_raw(&raw).unwrap()).is_err());
        assert!(!memo::held(&public.entry(&digest, &Signature::from_raw(&raw).unwrap())));
    }

    #[test]
    fn another_user_id_gives_another_digest() {
        let public = PrivateKey::from_bytes(&[7; 32]).unwrap().public_key();
        assert_eq!(public.digest_with_id(DEFAULT_ID, "m"), Ok(public.digest("m")));
        assert_ne!(public.digest_with_id("ALICE123@YAHOO.COM", "m"), Ok(public.digest("m")));
        assert_eq!(public.digest_with_id(&"x".repeat(8192), "m"), Err(Sm2Error::UserId));
    }

    #[test]
    fn points_off_the_curve_and_other_forms_are_refused() {
        let good = *PrivateKey::from_bytes(&[7; 32]).unwrap().public_key().sec1();
        let mut off = good;
        off[64] ^= 1;
        let mut hybrid = good;
        hybrid[0] = 6;
        let mut compressed = good[..33].to_vec();
        compressed[0] = 2;
        for bad in [&off[..], &hybrid, &compressed, &good[..64], &[], &[0], &[4; 65]] {
            assert_eq!(PublicKey::from_sec1(bad), Err(Sm2Error::PublicKey));
        }
    }
}
