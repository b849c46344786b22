//! Certificates and lists that break rules on purpose, for tests: issuing (`super::issue`) would refuse to make them.

use super::{
    Cert, Crl, Extension, KeyUsage, Name, Revoked,
    write::{self, CertBody, CrlBody},
};
use crate::{der, oid, oid::Oid, sign::Signer, sm2::PrivateKey, testing::Steps, time::Timestamp};

pub(crate) const SIGNING: KeyUsage = KeyUsage::DIGITAL_SIGNATURE.and(KeyUsage::NON_REPUDIATION);
pub(crate) const ISSUING: KeyUsage = KeyUsage::KEY_CERT_SIGN.and(KeyUsage::CRL_SIGN);

/// An instant of the year 2026 or another, at midnight.
pub(crate) fn day(text: &str) -> Timestamp {
    Timestamp::parse_rfc3339(&format!("{text}T00:00:00Z")).unwrap()
}

/// The SM2 key number `seed`.
pub(crate) fn key(seed: u8) -> PrivateKey {
    PrivateKey::from_bytes(&[seed; 32]).unwrap()
}

pub(crate) fn name(common_name: &str) -> Name {
    let attribute = der::sequence([der::oid(&oid::COMMON_NAME), der::utf8_string(common_name)]);
    write::name(&der::sequence([der::set_of(vec![attribute])])).unwrap()
}

/// A certificate to be; every field may be bent.
#[derive(Clone)]
pub(crate) struct Draft {
    pub(crate) subject: &'static str,
    pub(crate) serial: Vec<u8>,
    pub(crate) not_before: Timestamp,
    pub(crate) not_after: Timestamp,
    pub(crate) authority: Option<Option<u32>>,
    pub(crate) usage: Option<KeyUsage>,
    pub(crate) extended: Option<(Vec<Oid>, bool)>,
    pub(crate) more: Vec<Extension>,
}

impl Draft {
    pub(crate) fn leaf(subject: &'static str) -> Self {
        Self {
            subject,
            serial: vec![7],
            not_before: day("2026-01-01"),
            not_after: day("2027-01-01"),
            authority: None,
            usage: Some(SIGNING),
            extended: None,
            more: Vec::new(),
        }
    }

    pub(crate) fn authority(subject: &'static str) -> Self {
        Self { authority: Some(None), usage: Some(ISSUING), ..Self::leaf(subject) }
    }

    /// Signed by an SM2 issuer for an SM2 key.
    pub(crate) fn sign(&self, own: u8, issuer: &str, issuer_key: u8) -> Cert {
        self.sign_with(&key(own), issuer, &key(issuer_key))
    }

    pub(crate) fn sign_with(&self, own: &dyn Signer, issuer: &str, signer: &dyn Signer) -> Cert {
        let mut extensions = vec![Extension::basic_constraints(self.authority)];
        extensions.extend(self.usage.map(Extension::key_usage));
        extensions
            .extend(self.extended.as_ref().map(|(uses, critical)| Extension::extended(uses, *critical)));
        extensions.extend(self.more.clone());
        let algorithm = write::algorithm(&signer.public_key()).unwrap();
        let body = CertBody {
            serial: &self.serial,
            issuer: &name(issuer),
            not_before: self.not_before,
            not_after: self.not_after,
            subject: &name(self.subject),
            key: &own.public_key(),
            extensions: &extensions,
        };
        let bytes =
            write::signed(&body.to_der(&algorithm), &algorithm, signer, &mut Steps::default()).unwrap();
        Cert::parse(&bytes).unwrap()
    }
}

/// A list of `issuer`, made on a day and due again thirty days later.
pub(crate) fn list(
    issuer: &str,
    issuer_key: u8,
    made: &str,
    revoked: &[(Vec<u8>, Revoked)],
    extensions: &[Extension],
) -> Crl {
    let signer = key(issuer_key);
    let algorithm = write::algorithm(&Signer::public_key(&signer)).unwrap();
    let this_update = day(made);
    let issuer = &name(issuer);
    let body = CrlBody { issuer, this_update, next_update: this_update.plus_days(30), revoked, extensions };
    let bytes = write::signed(&body.to_der(&algorithm), &algorithm, &signer, &mut Steps::default()).unwrap();
    Crl::parse(&bytes).unwrap()
}
