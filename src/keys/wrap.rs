//! Wrapping: from one secret to many by HKDF-SM3, and authenticated encryption of small secrets.

use crate::base::Entropy;
use hkdf::Hkdf;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use zeroize::{Zeroize, Zeroizing};

/// Octets of a wrapping key, and of the secrets it comes from.
pub(super) const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 12;
const TAG_BYTES: usize = 16;
/// Longest wrapped value that is opened; an SM2 key takes 60 octets, a P-256 key in PKCS#8 166.
const LONGEST_WRAPPED: usize = 1024;

/// A 256-bit secret, wiped on drop.
pub(super) type SecretKey = Zeroizing<[u8; KEY_BYTES]>;

/// How a value is wrapped. Its id stands beside the value, so that SM4-GCM can come to stand beside AES-256-GCM and
/// old rows stay readable.
///
/// What remains: `ring` keeps the key schedule on the stack for the time of one call and does not wipe it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Aead {
    /// AES-256-GCM by `ring`: 96-bit nonce by chance, used for one value only, since each key is wrapped under its own.
    Aes256Gcm,
}

impl Aead {
    /// The id in the database.
    pub(super) fn id(self) -> &'static str {
        match self {
            Self::Aes256Gcm => "aes-256-gcm",
        }
    }

    /// The algorithm with this id.
    pub(super) fn from_id(id: &str) -> Option<Self> {
        (id == Self::Aes256Gcm.id()).then_some(Self::Aes256Gcm)
    }

    /// nonce ‖ ciphertext ‖ tag of `secret`, bound to `context`. `None` only where the cipher refuses (more than 64 GB).
    pub(super) fn wrap(
        self,
        key: &SecretKey,
        context: &[u8],
        secret: &[u8],
        entropy: &dyn Entropy,
    ) -> Option<Vec<u8>> {
        let mut nonce = [0; NONCE_BYTES];
        entropy.fill(&mut nonce);
        let mut out = Vec::with_capacity(NONCE_BYTES + secret.len() + TAG_BYTES);
        out.extend_from_slice(&nonce);
        out.extend_from_slice(secret);
        let cipher = self.cipher(key)?;
        let body = &mut out[NONCE_BYTES..];
        let sealed =
            cipher.seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::from(context), body);
        let Ok(tag) = sealed else {
            out.zeroize();
            return None;
        };
        out.extend_from_slice(tag.as_ref());
        Some(out)
    }

    /// The secret in `wrapped`; `None` where key, context or a single bit differ. The tag is compared in constant time.
    pub(super) fn unwrap(
        self,
        key: &SecretKey,
        context: &[u8],
        wrapped: &[u8],
    ) -> Option<Zeroizing<Vec<u8>>> {
        if wrapped.len() > LONGEST_WRAPPED {
            return None;
        }
        let (nonce, body) = wrapped.split_at_checked(NONCE_BYTES)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut body = Zeroizing::new(body.to_vec());
        let plain = self.cipher(key)?.open_in_place(nonce, Aad::from(context), &mut body).ok()?.len();
        body.truncate(plain);
        Some(body)
    }

    fn cipher(self, key: &SecretKey) -> Option<LessSafeKey> {
        match self {
            Self::Aes256Gcm => UnboundKey::new(&AES_256_GCM, &key[..]).ok().map(LessSafeKey::new),
        }
    }
}

/// HKDF-SM3 (RFC 5869 with the digest of GB/T 32905): 32 octets from `secret` for one use, named by `label` and `parts`.
/// `None` never comes with this length; the type of the library allows for it.
pub(super) fn derive(secret: &SecretKey, label: &str, parts: &[&str]) -> Option<SecretKey> {
    let mut out = Zeroizing::new([0; KEY_BYTES]);
    let info = framed(std::iter::once(label).chain(parts.iter().copied()).map(str::as_bytes));
    Hkdf::<sm3::Sm3>::new(None, &secret[..]).expand(&info, &mut out[..]).ok()?;
    Some(out)
}

/// Fields one after the other, each behind its length: no two lists give the same octets.
pub(super) fn framed<'a>(fields: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut out = Vec::new();
    for field in fields {
        out.extend_from_slice(&(field.len() as u64).to_be_bytes());
        out.extend_from_slice(field);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::entropy::SeededEntropy;
    use yinxin_pki::sm3 as own_sm3;

    /// HMAC from its definition (RFC 2104), to check the library's HKDF against something else than itself.
    fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
        let mut block = [0u8; 64];
        block[..key.len()].copy_from_slice(key);
        let pad = |with: u8| block.map(|octet| octet ^ with);
        let inner = own_sm3::digest([&pad(0x36)[..], message].concat());
        own_sm3::digest([&pad(0x5c)[..], &inner].concat())
    }

    #[test]
    fn derivation_is_rfc_5869_over_sm3() {
        let secret = Zeroizing::new([7; 32]);
        let pseudorandom = hmac(&[0; 32], &secret[..]);
        let info = [&[0, 0, 0, 0, 0, 0, 0, 1][..], b"l", &[0, 0, 0, 0, 0, 0, 0, 2], b"ab", &[1]].concat();
        assert_eq!(*derive(&secret, "l", &["ab"]).unwrap(), hmac(&pseudorandom, &info));
    }

    #[test]
    fn names_that_run_together_give_other_keys() {
        let secret = Zeroizing::new([7; 32]);
        let all = [("a", &["bc"][..]), ("ab", &["c"]), ("abc", &[]), ("a", &["b", "c"]), ("", &["abc"])]
            .map(|(label, parts)| *derive(&secret, label, parts).unwrap());
        for (at, key) in all.iter().enumerate() {
            assert!(!all[..at].contains(key));
        }
    }

    #[test]
    fn what_is_wrapped_comes_back_and_no_flipped_bit_does() {
        let (key, chance) = (Zeroizing::new([1; 32]), SeededEntropy::new(1));
        let wrapped = Aead::Aes256Gcm.wrap(&key, b"context", b"secret", &chance).unwrap();
        assert_eq!(wrapped.len(), 12 + 6 + 16);
        assert_eq!(&**Aead::Aes256Gcm.unwrap(&key, b"context", &wrapped).unwrap(), b"secret");
        for bit in 0..wrapped.len() * 8 {
            let mut other = wrapped.clone();
            other[bit / 8] ^= 1 << (bit % 8);
            assert!(Aead::Aes256Gcm.unwrap(&key, b"context", &other).is_none(), "bit {bit}");
        }
        for length in 0..wrapped.len() {
            assert!(Aead::Aes256Gcm.unwrap(&key, b"context", &wrapped[..length]).is_none(), "{length}");
        }
        assert!(Aead::Aes256Gcm.unwrap(&key, b"contexu", &wrapped).is_none());
        assert!(Aead::Aes256Gcm.unwrap(&Zeroizing::new([2; 32]), b"context", &wrapped).is_none());
        assert!(Aead::Aes256Gcm.unwrap(&key, b"context", &[0; LONGEST_WRAPPED + 1]).is_none());
    }

    #[test]
    fn one_secret_wrapped_twice_looks_different() {
        let (key, chance) = (Zeroizing::new([1; 32]), SeededEntropy::new(1));
        let wrap = || Aead::Aes256Gcm.wrap(&key, b"", b"secret", &chance).unwrap();
        assert_ne!(wrap(), wrap());
    }
}
