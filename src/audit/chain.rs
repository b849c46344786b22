//! What is hashed and what is signed, octet by octet.

use super::Record;
use crate::base::Timestamp;
use serde::{Deserialize, Serialize};
use yinxin_pki::{
    sign::{Algorithm, Digest, PublicKey, verify},
    sm3::Sm3,
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
}

impl Head {
    /// What the signature covers.
    pub fn signed_octets(&self) -> Vec<u8> {
        format!("yinxin audit head 1\n{}\n{}\n{}\n{}\n", self.node, self.seq, self.hash, self.at.ms())
            .into_bytes()
    }

    /// Whether the signature holds under this key.
    pub fn is_signed_by(&self, key: &PublicKey) -> bool {
        let algorithm = match key {
            PublicKey::Sm2(_) => Algorithm::Sm2Sm3,
            PublicKey::P256(_) | PublicKey::P384(_) => Algorithm::Ecdsa(Digest::Sha256),
            PublicKey::Rsa(_) => Algorithm::RsaPkcs1(Digest::Sha256),
            PublicKey::Ed25519(_) => Algorithm::Ed25519,
        };
        hex::decode(&self.signature)
            .is_ok_and(|value| verify(key, algorithm, &self.signed_octets(), &value).is_ok())
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
}
