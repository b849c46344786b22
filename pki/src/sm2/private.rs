//! The private key: made, held, used and wiped.

use super::{ORDER, PublicKey, Signature, Sm2Error, SmDigest};
use ::sm2::elliptic_curve::{Group, PrimeField, bigint::Encoding, ops::Reduce, point::AffineCoordinates};
use ::sm2::{FieldBytes, ProjectivePoint, Scalar, U256};
use rand_core::CryptoRng;
use rfc6979::KGenerator;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

/// Nonces tried for one signature; each fails with a chance of 2⁻²⁵⁵, so a second try already means a broken source.
const TRIES: usize = 8;

/// d in 1 … n − 2, with (1 + d)⁻¹ kept beside it. Both are wiped on drop.
pub struct PrivateKey {
    d: Scalar,
    inverse: Scalar,
    public: PublicKey,
}

impl PrivateKey {
    /// Reads d, 32 octets big-endian; 0, n − 1 and everything above are refused (GB/T 32918.1 clause 6.1).
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, Sm2Error> {
        let d = Zeroizing::new(read_scalar(bytes)?);
        let inverse =
            Zeroizing::new(Option::<Scalar>::from((*d + Scalar::ONE).invert()).ok_or(Sm2Error::PrivateKey)?);
        let point = ProjectivePoint::mul_by_generator(&*d).to_affine();
        let public = PublicKey::from_affine(point).map_err(|_| Sm2Error::PrivateKey)?;
        Ok(Self { d: *d, inverse: *inverse, public })
    }

    /// A fresh key from `rng`, by rejection.
    pub fn generate(rng: &mut dyn CryptoRng) -> Result<Self, Sm2Error> {
        let mut candidate = Zeroizing::new([0; 32]);
        for _ in 0..TRIES {
            rng.fill_bytes(&mut *candidate);
            if let Ok(key) = Self::from_bytes(&candidate) {
                return Ok(key);
            }
        }
        Err(Sm2Error::PrivateKey)
    }

    /// d, big-endian, for wrapping in a keystore.
    pub fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.d.to_repr().into())
    }

    /// The public key.
    pub fn public_key(&self) -> PublicKey {
        self.public.clone()
    }

    /// Signs e. The nonce is RFC 6979 with SM3 over d and e, hedged with 32 octets from `rng`: neither a broken source
    /// nor a repeated digest repeats a nonce that matters. The product is verified before it is returned.
    pub fn sign(&self, digest: &SmDigest, rng: &mut dyn CryptoRng) -> Result<Signature, Sm2Error> {
        let mut hedge = Zeroizing::new([0; 32]);
        rng.fill_bytes(&mut *hedge);
        let e = Scalar::reduce(&FieldBytes::from(*digest.octets()));
        let secret = self.to_bytes();
        let order = U256::from_be_bytes(ORDER.into());
        let mut nonces = KGenerator::<sm3::Sm3, U256>::new(&*secret, &e.to_repr(), &*hedge, &order);
        for _ in 0..TRIES {
            let mut nonce = Zeroizing::new([0; 32]);
            nonces.fill_next_k(&mut *nonce);
            if let Some(signature) = self.equation(&e, &nonce)? {
                self.public.verify(digest, &signature).map_err(|_| Sm2Error::Fault)?;
                return Ok(signature);
            }
        }
        Err(Sm2Error::Fault)
    }

    /// GB/T 32918.2 clause 6.1, steps A4 to A6: r = e + x₁, s = (1 + d)⁻¹ (k − r d) = (1 + d)⁻¹ (k + r) − r.
    /// `None` where the standard asks for another k.
    fn equation(&self, e: &Scalar, nonce: &[u8; 32]) -> Result<Option<Signature>, Sm2Error> {
        let k = Zeroizing::new(read_scalar(nonce)?);
        let point = ProjectivePoint::mul_by_generator(&*k).to_affine();
        let r = *e + Scalar::reduce(&point.x());
        let s = self.inverse * (*k + r) - r;
        let again = r.ct_eq(&Scalar::ZERO) | (r + *k).ct_eq(&Scalar::ZERO) | s.ct_eq(&Scalar::ZERO);
        if again.into() {
            return Ok(None);
        }
        let (r, s): ([u8; 32], [u8; 32]) = (r.to_repr().into(), s.to_repr().into());
        let mut raw = [0; 64];
        raw[..32].copy_from_slice(&r);
        raw[32..].copy_from_slice(&s);
        Signature::from_raw(&raw).map(Some)
    }
}

impl Drop for PrivateKey {
    fn drop(&mut self) {
        self.d.zeroize();
        self.inverse.zeroize();
    }
}

impl std::fmt::Debug for PrivateKey {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("sm2::PrivateKey(…)")
    }
}

fn read_scalar(bytes: &[u8; 32]) -> Result<Scalar, Sm2Error> {
    let scalar =
        Option::<Scalar>::from(Scalar::from_repr(FieldBytes::from(*bytes))).ok_or(Sm2Error::PrivateKey)?;
    if scalar.ct_eq(&Scalar::ZERO).into() { Err(Sm2Error::PrivateKey) } else { Ok(scalar) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sm2::DEFAULT_ID;
    use ::sm2::dsa::{SigningKey, signature::Verifier};
    use proptest::prelude::*;

    /// A source that always answers the same: the worst there is.
    pub(crate) struct Stuck;

    impl rand_core::TryRng for Stuck {
        type Error = std::convert::Infallible;
        fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
            Ok(0x5a5a_5a5a)
        }
        fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
            Ok(0x5a5a_5a5a_5a5a_5a5a)
        }
        fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Self::Error> {
            out.fill(0x5a);
            Ok(())
        }
    }

    impl rand_core::TryCryptoRng for Stuck {}

    #[test]
    fn private_keys_are_in_range() {
        let mut last = ORDER;
        last[31] -= 1;
        for bad in [[0; 32], last, ORDER, [0xff; 32]] {
            assert_eq!(PrivateKey::from_bytes(&bad).err(), Some(Sm2Error::PrivateKey));
        }
        last[31] -= 1;
        assert!(PrivateKey::from_bytes(&last).is_ok());
    }

    /// GB/T 32918.5-2017 appendix A.
    #[test]
    fn the_published_key_pair_belongs_together() {
        let d = hex::decode("3945208f7b2144b13f36e38ac6d39f95889393692860b51a42fb81ef4df7c5b8").unwrap();
        let key = PrivateKey::from_bytes(&d.try_into().unwrap()).unwrap();
        assert!(hex::encode(key.public_key().sec1()).starts_with("0409f9df311e5421a150dd7d16"));
    }

    #[test]
    fn a_stuck_source_repeats_no_nonce_for_other_digests() {
        let key = PrivateKey::from_bytes(&[9; 32]).unwrap();
        let one = key.sign(&key.public_key().digest("one"), &mut Stuck).unwrap();
        let two = key.sign(&key.public_key().digest("two"), &mut Stuck).unwrap();
        assert_ne!(one.raw()[..32], two.raw()[..32]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn signatures_hold_here_and_in_the_library(secret in any::<[u8; 32]>(), message in any::<Vec<u8>>()) {
            prop_assume!(PrivateKey::from_bytes(&secret).is_ok());
            let key = PrivateKey::from_bytes(&secret).unwrap();
            let ours = key.sign(&key.public_key().digest(&message), &mut Stuck).unwrap();
            let oracle = SigningKey::from_slice(DEFAULT_ID, &secret).unwrap();
            prop_assert!(oracle.verifying_key().verify(&message, &ours.parsed().unwrap()).is_ok());
            let theirs = ::sm2::dsa::signature::Signer::<::sm2::dsa::Signature>::sign(&oracle, &message);
            let theirs = Signature::from_raw(&theirs.to_bytes()).unwrap();
            prop_assert_eq!(key.public_key().verify(&key.public_key().digest(&message), &theirs), Ok(()));
        }
    }
}
