//! Making signed data: a draft, the attributes to be signed, the product.

use super::{CmsError, SignedData, attributes};
use crate::{
    der::{self, tag},
    oid::{self, Oid},
    sign::{Algorithm, Digest, PublicKey},
    time::Timestamp,
    x509::Cert,
};

/// Signed data that is being made, with one signer who signs attributes.
#[derive(Debug, Clone)]
pub struct Draft<'a> {
    /// eContentType.
    pub content_type: Oid,
    /// The content, where it is carried inside.
    pub content: Option<&'a [u8]>,
    /// Digest of the content by [`digest_for`] the signer's key, wherever the content stands.
    pub message_digest: &'a [u8],
    /// signingTime, in whole seconds.
    pub signing_time: Option<Timestamp>,
    /// The signer's certificate.
    pub signer: &'a Cert,
    /// Certificates to carry along, the signer's among them if a reader shall find it.
    pub certificates: &'a [Cert],
}

/// Signed data whose signer has yet to sign.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// The attributes, tagged as a SET.
    attributes: Vec<u8>,
    /// Everything before signerInfos.
    front: Vec<Vec<u8>>,
    /// SignerInfo up to its attributes.
    signer: Vec<Vec<u8>>,
    /// signatureAlgorithm.
    algorithm: Vec<u8>,
}

/// The digest that goes with a key, `None` where this key signs no CMS here.
pub fn digest_for(key: &PublicKey) -> Option<Digest> {
    match key {
        PublicKey::Sm2(_) => Some(Digest::Sm3),
        PublicKey::P256(_) => Some(Digest::Sha256),
        PublicKey::P384(_) | PublicKey::Rsa(_) | PublicKey::Ed25519(_) => None,
    }
}

/// The algorithm that goes with a key.
fn algorithms(digest: Digest) -> (Oid, Oid, Algorithm) {
    match digest {
        Digest::Sm3 => (oid::SM3, oid::SM2_WITH_SM3, Algorithm::Sm2Sm3),
        _ => (oid::SHA256, oid::ECDSA_SHA256, Algorithm::Ecdsa(Digest::Sha256)),
    }
}

impl Draft<'_> {
    /// Writes the attributes that are to be signed; `None` where the certificate's key makes no signatures here.
    pub fn prepare(&self) -> Option<Prepared> {
        let digest = digest_for(self.signer.public_key()?)?;
        let (digest_id, signature_id, _) = algorithms(digest);
        let digest_algorithm = der::sequence([der::oid(&digest_id)]);
        let serial = der::element(tag::INTEGER, self.signer.serial());
        let version = if self.content_type == oid::PKCS7_DATA { 1 } else { 3 };
        let mut front = vec![
            der::small(version),
            der::constructed(tag::SET, [&digest_algorithm]),
            der::sequence(self.encapsulated()),
        ];
        if !self.certificates.is_empty() {
            front.push(self.bag());
        }
        Some(Prepared {
            attributes: self.attributes(digest, &digest_algorithm),
            front,
            signer: vec![
                der::small(1),
                der::sequence([self.signer.issuer().der(), &serial]),
                digest_algorithm,
            ],
            algorithm: der::sequence([der::oid(&signature_id)]),
        })
    }

    fn encapsulated(&self) -> Vec<Vec<u8>> {
        let content = self.content.map(|octets| der::explicit(0, der::octet_string(octets)));
        [Some(der::oid(&self.content_type)), content].into_iter().flatten().collect()
    }

    /// `[0] IMPLICIT SET OF`, sorted as DER demands.
    fn bag(&self) -> Vec<u8> {
        let mut certs: Vec<&[u8]> = self.certificates.iter().map(Cert::der).collect();
        certs.sort_unstable();
        certs.dedup();
        der::constructed(tag::context(0), certs)
    }

    fn attributes(&self, digest: Digest, digest_algorithm: &[u8]) -> Vec<u8> {
        let hash = der::octet_string(&digest.of(&[self.signer.der()]));
        // The hash algorithm's default is SHA-256, and DER leaves defaults out (RFC 5035 section 4).
        let id = if digest == Digest::Sha256 {
            der::sequence([hash])
        } else {
            der::sequence([digest_algorithm, &hash])
        };
        let mut list = vec![
            attributes::write(&oid::CONTENT_TYPE, der::oid(&self.content_type)),
            attributes::write(&oid::MESSAGE_DIGEST, der::octet_string(self.message_digest)),
            attributes::write(&oid::SIGNING_CERTIFICATE_V2, der::sequence([der::sequence([id])])),
        ];
        if let Some(time) = self.signing_time {
            list.push(attributes::write(&oid::SIGNING_TIME, der::certificate_time(time)));
        }
        der::set_of(list)
    }
}

impl Prepared {
    /// The bytes that the signer signs: the attributes as a SET.
    pub fn to_be_signed(&self) -> &[u8] {
        &self.attributes
    }

    /// The signed data, from the signature value and, where there is one, a time-stamp token over that value.
    pub fn assemble(&self, signature: &[u8], time_stamp: Option<&[u8]>) -> Result<Vec<u8>, CmsError> {
        let mut attributes = self.attributes.clone();
        if let Some(first) = attributes.first_mut() {
            *first = tag::context(0);
        }
        let mut signer = self.signer.clone();
        signer.extend([attributes, self.algorithm.clone(), der::octet_string(signature)]);
        if let Some(token) = time_stamp {
            let attribute = attributes::write(&oid::SIGNATURE_TIME_STAMP, token);
            signer.push(der::constructed(tag::context(1), [attribute]));
        }
        let mut fields = self.front.clone();
        fields.push(der::constructed(tag::SET, [der::sequence(signer)]));
        let product =
            der::sequence([der::oid(&oid::PKCS7_SIGNED_DATA), der::explicit(0, der::sequence(fields))]);
        SignedData::parse(&product)?;
        Ok(product)
    }
}
