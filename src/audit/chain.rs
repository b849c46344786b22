//! What is hashed and what is signed, octet by octet.

use super::Record;
use crate::base::Timestamp;
use serde::{Deserialize, Serialize};
use yinxin_pki::{
    sign::{Algorithm, Digest, PublicKey, verify},
    sm3::{self, Sm3},
};

/// Stands in the place of the hash before the first record.
pub(super) const ORIGIN: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// SM3 of a record at this place, in hex. Every field enters with its length, so that none can be moved into another.
pub(super) fn hash(record: &Record, seq: i64, previous: &str) -> String {
    let mut digest = Sm3::new();
    let id = record.id.to_string();
    let (seq, at) = (seq.to_string(), record.at.ms().to_string());
    let fields: [&str; 11] = [
        "yinxin audit record 1",
        &record.node,
        &seq,
        previous,
        &id,
        &at,
        &record.actor,
        &record.action,
        &record.subject,
        &record.detail,
        &record.request,
    ];
    for field in fields {
        digest.update((field.len() as u64).to_be_bytes()).update(field);
    }
    hex::encode(digest.finish())
}

/// The head of a node's chain at some instant, signed: everything up to `seq` is as it was then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Whose chain.
    pub node: String,
    /// The last record's place.
    pub seq: i64,
    /// The last record's hash, in hex.
    pub hash: String,
    /// When it was signed.
    #[serde(with = "instant")]
    pub at: Timestamp,
    /// The signature value (DER for SM2), in hex.
    pub signature: String,
    /// The name of the key that signed ([`key_name`]): where to look first, never believed. Lines of the first release
    /// have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// A word of the signer that the chain goes on from an older state of the database: what was signed beyond it is lost,
/// and known to be. It stands in the file of heads between the heads before and those after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restoration {
    /// Its name; the record that tells who accepted it, and why, has it as its subject.
    pub restoration: String,
    /// Whose chain.
    pub node: String,
    /// The last signed head that the older state knows, 0 if none.
    pub back_to: i64,
    /// The last place that had been signed.
    pub lost_to: i64,
    /// The hash of the record there, in hex.
    pub lost_hash: String,
    /// Where the older state's chain ended when it was accepted: from there it goes on.
    pub goes_on_at: i64,
    /// The hash of the record there, in hex; zeros where there is none.
    pub goes_on_hash: String,
    /// When it was signed.
    #[serde(with = "instant")]
    pub at: Timestamp,
    /// As in a head.
    pub signature: String,
    /// As in a head.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// A line of the file of heads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Line {
    Restored(Restoration),
    Head(Head),
}

impl Head {
    /// What the signature covers.
    pub fn signed_octets(&self) -> Vec<u8> {
        format!("yinxin audit head 1\n{}\n{}\n{}\n{}\n", self.node, self.seq, self.hash, self.at.ms())
            .into_bytes()
    }

    /// Whether the signature holds under this key.
    pub fn is_signed_by(&self, key: &PublicKey) -> bool {
        holds(key, &self.signed_octets(), &self.signature)
    }
}

impl Restoration {
    /// What the signature covers.
    pub fn signed_octets(&self) -> Vec<u8> {
        format!(
            "yinxin audit restoration 1\n{}\n{}\n{}\n{}\n{}\n{}\n{}\n{}\n",
            self.restoration,
            self.node,
            self.back_to,
            self.lost_to,
            self.lost_hash,
            self.goes_on_at,
            self.goes_on_hash,
            self.at.ms()
        )
        .into_bytes()
    }
}

impl Line {
    /// Whose chain it speaks of.
    pub(super) fn node(&self) -> &str {
        match self {
            Self::Restored(line) => &line.node,
            Self::Head(line) => &line.node,
        }
    }

    /// The record that it vouches for: its place, and its hash in hex.
    pub(super) fn mark(&self) -> (i64, &str) {
        match self {
            Self::Restored(line) => (line.goes_on_at, &line.goes_on_hash),
            Self::Head(line) => (line.seq, &line.hash),
        }
    }

    pub(super) fn at(&self) -> Timestamp {
        match self {
            Self::Restored(line) => line.at,
            Self::Head(line) => line.at,
        }
    }

    pub(super) fn signature(&self) -> &str {
        match self {
            Self::Restored(line) => &line.signature,
            Self::Head(line) => &line.signature,
        }
    }

    fn key(&self) -> Option<&str> {
        match self {
            Self::Restored(line) => line.key.as_deref(),
            Self::Head(line) => line.key.as_deref(),
        }
    }

    fn signed_octets(&self) -> Vec<u8> {
        match self {
            Self::Restored(line) => line.signed_octets(),
            Self::Head(line) => line.signed_octets(),
        }
    }
}

fn holds(key: &PublicKey, octets: &[u8], signature: &str) -> bool {
    let algorithm = match key {
        PublicKey::Sm2(_) => Algorithm::Sm2Sm3,
        PublicKey::P256(_) | PublicKey::P384(_) => Algorithm::Ecdsa(Digest::Sha256),
        PublicKey::Rsa(_) => Algorithm::RsaPkcs1(Digest::Sha256),
        PublicKey::Ed25519(_) => Algorithm::Ed25519,
    };
    hex::decode(signature).is_ok_and(|value| verify(key, algorithm, octets, &value).is_ok())
}

/// A key's short name: the first eight octets of the SM3 of its public part, in hex.
pub fn key_name(key: &PublicKey) -> String {
    let octets: &[u8] = match key {
        PublicKey::Sm2(key) => key.sec1(),
        PublicKey::P256(octets)
        | PublicKey::P384(octets)
        | PublicKey::Rsa(octets)
        | PublicKey::Ed25519(octets) => octets,
    };
    hex::encode(&sm3::digest(octets)[..8])
}

/// A key that signs, or signed, heads: its public part, and its time.
#[derive(Debug, Clone)]
pub struct HeadKey {
    /// The public part.
    pub key: PublicKey,
    /// When it was made.
    pub made_at: Timestamp,
    /// When its private part was destroyed. What it signed before stays good.
    pub destroyed_at: Option<Timestamp>,
}

/// How long after a key's destruction a head signed with it is not held against anybody: another node may have had the
/// key open, or a clock that is ahead.
const GRACE_MS: i64 = 10 * 60_000;

/// All keys that ever signed heads: each line is compared with all of them.
#[derive(Debug, Clone, Default)]
pub struct HeadKeys(Vec<(String, HeadKey)>);

/// What the keys say of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signed {
    /// One of them signed it while it could.
    Well,
    /// One of them signed it after its private part was destroyed, as the line says itself.
    Retired,
    /// None of them did.
    Not,
}

impl HeadKeys {
    /// These keys, in any order.
    pub fn new(keys: impl IntoIterator<Item = HeadKey>) -> Self {
        let mut keys: Vec<_> = keys.into_iter().map(|key| (key_name(&key.key), key)).collect();
        // The newest first: it signed most of what is looked at.
        keys.sort_by_key(|(_, key)| std::cmp::Reverse(key.made_at));
        Self(keys)
    }

    /// One key, whenever it was made.
    pub fn only(key: PublicKey) -> Self {
        Self::new([HeadKey { key, made_at: Timestamp::from_ms(0), destroyed_at: None }])
    }

    /// Names and keys, the newest first.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &HeadKey)> {
        self.0.iter().map(|(name, key)| (name.as_str(), key))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn judge(&self, line: &Line) -> Signed {
        let octets = line.signed_octets();
        let named = |(name, _): &&(String, HeadKey)| line.key() == Some(name.as_str());
        let (first, others): (Vec<_>, Vec<_>) = self.0.iter().partition(named);
        let mut keys = first.into_iter().chain(others);
        match keys.find(|(_, key)| holds(&key.key, &octets, line.signature())) {
            None => Signed::Not,
            Some((_, key)) if key.destroyed_at.is_some_and(|end| line.at() > end.plus_ms(GRACE_MS)) => {
                Signed::Retired
            }
            Some(_) => Signed::Well,
        }
    }
}

/// Instants in the heads file: RFC 3339 in UTC with milliseconds.
mod instant {
    use crate::base::Timestamp;
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(at: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
        at.serialize(to)
    }

    pub(super) fn deserialize<'d, D: Deserializer<'d>>(from: D) -> Result<Timestamp, D::Error> {
        let text = String::deserialize(from)?;
        Timestamp::parse_rfc3339(&text).ok_or_else(|| D::Error::custom("not an RFC 3339 instant"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::entropy::{Rng, SeededEntropy};
    use std::sync::Arc;
    use yinxin_pki::{sign::SignInput, sign::Signer, sm2};

    fn record() -> Record {
        Record {
            id: 7,
            node: "n".into(),
            at: Timestamp::from_ms(1),
            actor: "a".into(),
            action: "seal.made".into(),
            subject: "s".into(),
            detail: "{}".into(),
            request: "".into(),
            link: None,
        }
    }

    #[test]
    fn every_field_enters_the_hash() {
        let whole = hash(&record(), 1, ORIGIN);
        let changes: [fn(&mut Record); 8] = [
            |r| r.id += 1,
            |r| r.node.push('x'),
            |r| r.at = r.at.plus_ms(1),
            |r| r.actor.push('x'),
            |r| r.action.push('x'),
            |r| r.subject.push('x'),
            |r| r.detail.push(' '),
            |r| r.request.push('x'),
        ];
        for change in changes {
            let mut changed = record();
            change(&mut changed);
            assert_ne!(hash(&changed, 1, ORIGIN), whole);
        }
        assert_ne!(hash(&record(), 2, ORIGIN), whole);
        assert_ne!(hash(&record(), 1, &whole), whole);
    }

    #[test]
    fn a_letter_cannot_move_from_one_field_to_the_next() {
        let (mut one, mut other) = (record(), record());
        (one.actor, one.action) = ("ab".into(), "c".into());
        (other.actor, other.action) = ("a".into(), "bc".into());
        assert_ne!(hash(&one, 1, ORIGIN), hash(&other, 1, ORIGIN));
    }

    #[test]
    fn a_head_is_read_back_as_it_was_signed() {
        let key = sm2::PrivateKey::from_bytes(&[5; 32]).unwrap();
        let mut head = Head {
            node: "n".into(),
            seq: 3,
            hash: ORIGIN.into(),
            at: Timestamp::from_ms(1_234),
            signature: "".into(),
            key: None,
        };
        let mut rng = Rng::new(Arc::new(SeededEntropy::new(1)));
        let octets = head.signed_octets();
        head.signature = hex::encode(Signer::sign(&key, SignInput::Message(&octets), rng.as_dyn()).unwrap());
        let line = serde_json::to_string(&head).unwrap();
        let mut read: Head = serde_json::from_str(&line).unwrap();
        let public = Signer::public_key(&key);
        assert!(read == head && read.is_signed_by(&public));
        read.seq += 1;
        assert!(!read.is_signed_by(&public));
    }

    #[test]
    fn a_line_is_good_under_any_key_that_could_sign_then() {
        let (old, new) =
            (sm2::PrivateKey::from_bytes(&[5; 32]).unwrap(), sm2::PrivateKey::from_bytes(&[6; 32]).unwrap());
        let (public_old, public_new) = (Signer::public_key(&old), Signer::public_key(&new));
        let made = |key: &PublicKey, made: i64, end: Option<i64>| HeadKey {
            key: key.clone(),
            made_at: Timestamp::from_ms(made),
            destroyed_at: end.map(Timestamp::from_ms),
        };
        let keys = HeadKeys::new([made(&public_old, 0, Some(1_000)), made(&public_new, 900, None)]);
        let mut rng = Rng::new(Arc::new(SeededEntropy::new(1)));
        let mut line = |by: &sm2::PrivateKey, at: i64, named: Option<&PublicKey>| {
            let mut head = Head {
                node: "n".into(),
                seq: 3,
                hash: ORIGIN.into(),
                at: Timestamp::from_ms(at),
                signature: "".into(),
                key: named.map(key_name),
            };
            let octets = head.signed_octets();
            head.signature =
                hex::encode(Signer::sign(by, SignInput::Message(&octets), rng.as_dyn()).unwrap());
            Line::Head(head)
        };
        for named in [None, Some(&public_old), Some(&public_new)] {
            assert_eq!(keys.judge(&line(&old, 500, named)), Signed::Well);
            assert_eq!(keys.judge(&line(&new, 2_000, named)), Signed::Well);
            assert_eq!(keys.judge(&line(&old, 1_000 + GRACE_MS, named)), Signed::Well);
            assert_eq!(keys.judge(&line(&old, 1_001 + GRACE_MS, named)), Signed::Retired);
        }
        let other = sm2::PrivateKey::from_bytes(&[7; 32]).unwrap();
        assert_eq!(keys.judge(&line(&other, 500, Some(&public_new))), Signed::Not);
    }

    #[test]
    fn lines_of_the_first_release_are_read_and_restorations_told_from_heads() {
        let old = r#"{"node":"n","seq":3,"hash":"ab","at":"1970-01-01T00:00:01.234Z","signature":"cd"}"#;
        let line: Line = serde_json::from_str(old).unwrap();
        assert_eq!((line.node(), line.mark()), ("n", (3, "ab")));
        assert_eq!(serde_json::to_string(&line).unwrap(), old);
        let restored = Line::Restored(Restoration {
            restoration: "restoration_1".into(),
            node: "n".into(),
            back_to: 3,
            lost_to: 9,
            lost_hash: "ef".into(),
            goes_on_at: 4,
            goes_on_hash: "01".into(),
            at: Timestamp::from_ms(7),
            signature: "23".into(),
            key: None,
        });
        let text = serde_json::to_string(&restored).unwrap();
        assert_eq!(serde_json::from_str::<Line>(&text).unwrap(), restored);
    }
}
