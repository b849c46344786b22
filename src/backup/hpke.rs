//! RFC 9180 (HPKE), base mode, one message: DHKEM(P-256, HKDF-SHA256), HKDF-SHA256, AES-256-GCM. It wraps the key of a
//! backup for somebody whose private key is elsewhere.

use crate::base::Entropy;
use p256::{PublicKey, SecretKey, elliptic_curve::sec1::ToSec1Point as _};
use ring::{
    aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey},
    hmac,
};
use zeroize::Zeroizing;

/// Octets of an encapsulated key: an uncompressed point.
pub(super) const ENC_BYTES: usize = 65;
/// Octets that the cipher adds.
pub(super) const TAG_BYTES: usize = 16;

const KEM: &[u8] = b"KEM\x00\x10";
/// DHKEM(P-256, HKDF-SHA256), HKDF-SHA256, AES-256-GCM.
const SUITE: &[u8] = b"HPKE\x00\x10\x00\x01\x00\x02";
const KEY_BYTES: u16 = 32;
const NONCE_BYTES: u16 = 12;
const HASH_BYTES: u16 = 32;

type Hash = Zeroizing<[u8; 32]>;

/// A fresh private key.
pub(super) fn generate(entropy: &dyn Entropy) -> SecretKey {
    let mut octets = Zeroizing::new([0; 32]);
    loop {
        entropy.fill(&mut *octets);
        // Refused are zero and what is not below the order: once in 2^32.
        if let Ok(key) = SecretKey::from_slice(&*octets) {
            return key;
        }
    }
}

/// `04 ‖ x ‖ y`.
pub(super) fn octets(key: &PublicKey) -> [u8; ENC_BYTES] {
    let mut out = [0; ENC_BYTES];
    let point = key.to_sec1_point(false);
    if point.as_bytes().len() == ENC_BYTES {
        out.copy_from_slice(point.as_bytes());
    }
    out
}

/// Encrypts `message` to `recipient`: the encapsulated key, and the ciphertext. `None` only where the cipher refuses.
pub(super) fn seal(
    recipient: &PublicKey,
    info: &[u8],
    message: &[u8],
    entropy: &dyn Entropy,
) -> Option<([u8; ENC_BYTES], Vec<u8>)> {
    let ephemeral = generate(entropy);
    let enc = octets(&ephemeral.public_key());
    let shared = shared_secret(&ephemeral, recipient, &enc, &octets(recipient));
    let (key, nonce) = schedule(&shared, info);
    let mut out = message.to_vec();
    let nonce = Nonce::assume_unique_for_key(nonce);
    key?.seal_in_place_append_tag(nonce, Aad::empty(), &mut out).ok()?;
    Some((enc, out))
}

/// Opens what [`seal`] made; `None` where key, info or a single bit differ.
pub(super) fn open(
    own: &SecretKey,
    enc: &[u8; ENC_BYTES],
    info: &[u8],
    sealed: &[u8],
) -> Option<Zeroizing<Vec<u8>>> {
    let ephemeral = PublicKey::from_sec1_bytes(enc).ok()?;
    let shared = shared_secret(own, &ephemeral, enc, &octets(&own.public_key()));
    let (key, nonce) = schedule(&shared, info);
    let mut body = Zeroizing::new(sealed.to_vec());
    let nonce = Nonce::assume_unique_for_key(nonce);
    let length = key?.open_in_place(nonce, Aad::empty(), &mut body).ok()?.len();
    body.truncate(length);
    Some(body)
}

/// 4.1: ExtractAndExpand(DH(…), enc ‖ pkR).
fn shared_secret(own: &SecretKey, other: &PublicKey, enc: &[u8], recipient: &[u8]) -> Hash {
    let agreed = own.diffie_hellman(other);
    let prk = extract(KEM, &[], b"eae_prk", agreed.raw_secret_bytes());
    expand(KEM, &prk, b"shared_secret", &[enc, recipient].concat(), HASH_BYTES)
}

/// 5.1, base mode: the key and the nonce of the first message.
fn schedule(shared: &Hash, info: &[u8]) -> (Option<LessSafeKey>, [u8; 12]) {
    let (key, nonce) = key_and_nonce(SUITE, shared, info, KEY_BYTES);
    (UnboundKey::new(&AES_256_GCM, &key[..]).ok().map(LessSafeKey::new), nonce)
}

fn key_and_nonce(suite: &[u8], shared: &Hash, info: &[u8], key_bytes: u16) -> (Hash, [u8; 12]) {
    let psk = extract(suite, &[], b"psk_id_hash", &[]);
    let info = extract(suite, &[], b"info_hash", info);
    let context = [&[0][..], &psk[..], &info[..]].concat();
    let secret = extract(suite, &shared[..], b"secret", &[]);
    let key = expand(suite, &secret, b"key", &context, key_bytes);
    let base = expand(suite, &secret, b"base_nonce", &context, NONCE_BYTES);
    let mut nonce = [0; 12];
    nonce.copy_from_slice(&base[..12]);
    (key, nonce)
}

fn hmac_of(key: &[u8], parts: &[&[u8]]) -> Hash {
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, key));
    parts.iter().for_each(|part| context.update(part));
    let mut out = Zeroizing::new([0; 32]);
    out.copy_from_slice(context.sign().as_ref());
    out
}

/// LabeledExtract.
fn extract(suite: &[u8], salt: &[u8], label: &[u8], ikm: &[u8]) -> Hash {
    hmac_of(salt, &[b"HPKE-v1", suite, label, ikm])
}

/// LabeledExpand to at most one block; octets beyond `length` are zero.
fn expand(suite: &[u8], prk: &Hash, label: &[u8], info: &[u8], length: u16) -> Hash {
    let mut block = hmac_of(&prk[..], &[&length.to_be_bytes(), b"HPKE-v1", suite, label, info, &[1]]);
    block[usize::from(length.min(32))..].fill(0);
    block
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::entropy::SeededEntropy;

    fn hex32(text: &str) -> [u8; 32] {
        hex::decode(text).unwrap().try_into().unwrap()
    }

    /// RFC 9180 A.3.1: DHKEM(P-256, HKDF-SHA256), HKDF-SHA256, AES-128-GCM, base mode. AES-256-GCM differs in the suite's
    /// name and the length of the key.
    #[test]
    fn the_published_vector_holds() {
        let ephemeral =
            SecretKey::from_slice(&hex32("4995788ef4b9d6132b249ce59a77281493eb39af373d236a1fe415cb0c2d7beb"))
                .unwrap();
        let recipient =
            SecretKey::from_slice(&hex32("f3ce7fdae57e1a310d87f1ebbde6f328be0a99cdbcadf4d6589cf29de4b8ffd2"))
                .unwrap();
        let enc = octets(&ephemeral.public_key());
        assert_eq!(
            hex::encode(enc),
            "04a92719c6195d5085104f469a8b9814d5838ff72b60501e2c4466e5e67b325ac98536d7b61a1af4b78e5b7f951c0900be863c403ce65c9\
             bfcb9382657222d18c4"
        );
        let public = recipient.public_key();
        let shared = shared_secret(&ephemeral, &public, &enc, &octets(&public));
        let same = shared_secret(&recipient, &ephemeral.public_key(), &enc, &octets(&public));
        assert_eq!(shared, same);
        assert_eq!(hex::encode(*shared), "c0d26aeab536609a572b07695d933b589dcf363ff9d93c93adea537aeabb8cb8");
        let suite = b"HPKE\x00\x10\x00\x01\x00\x01";
        let (key, nonce) = key_and_nonce(suite, &shared, b"Ode on a Grecian Urn", 16);
        assert_eq!(hex::encode(&key[..16]), "868c066ef58aae6dc589b6cfdd18f97e");
        assert_eq!(hex::encode(nonce), "4e0bc5018beba4bf004cca59");
    }

    #[test]
    fn what_is_sealed_opens_for_its_recipient_alone() {
        let chance = SeededEntropy::new(1);
        let (own, other) = (generate(&chance), generate(&chance));
        let (enc, sealed) = seal(&own.public_key(), b"info", b"message", &chance).unwrap();
        assert_eq!(&**open(&own, &enc, b"info", &sealed).unwrap(), b"message");
        assert!(open(&other, &enc, b"info", &sealed).is_none());
        assert!(open(&own, &enc, b"infp", &sealed).is_none());
        for bit in 0..sealed.len() * 8 {
            let mut bent = sealed.clone();
            bent[bit / 8] ^= 1 << (bit % 8);
            assert!(open(&own, &enc, b"info", &bent).is_none(), "bit {bit}");
        }
        for bit in 0..enc.len() * 8 {
            let mut bent = enc;
            bent[bit / 8] ^= 1 << (bit % 8);
            assert!(open(&own, &bent, b"info", &sealed).is_none(), "bit {bit} of the key");
        }
    }
}
