//! Writing the bodies of certificates, lists and requests, and signing them.

use super::{Extension, Name, Oddities, Reason, Revoked, write_public_key};
use crate::{
    der::{self, Reader, tag},
    oid,
    sign::{PublicKey, SignError, SignInput, Signer},
    time::Timestamp,
};
use rand_core::CryptoRng;

/// The fields of a TBSCertificate of version 3.
pub(super) struct CertBody<'a> {
    /// Big-endian, positive.
    pub(super) serial: &'a [u8],
    pub(super) issuer: &'a Name,
    pub(super) not_before: Timestamp,
    pub(super) not_after: Timestamp,
    pub(super) subject: &'a Name,
    pub(super) key: &'a PublicKey,
    pub(super) extensions: &'a [Extension],
}

impl CertBody<'_> {
    pub(super) fn to_der(&self, algorithm: &[u8]) -> Vec<u8> {
        let validity = [self.not_before, self.not_after].map(der::certificate_time);
        der::sequence([
            der::explicit(0, der::small(2)),
            der::unsigned(self.serial),
            algorithm.to_vec(),
            self.issuer.der().to_vec(),
            der::sequence(validity),
            self.subject.der().to_vec(),
            write_public_key(self.key),
            der::explicit(3, extension_list(self.extensions)),
        ])
    }
}

/// The fields of a TBSCertList of version 2.
pub(super) struct CrlBody<'a> {
    pub(super) issuer: &'a Name,
    pub(super) this_update: Timestamp,
    pub(super) next_update: Timestamp,
    /// Serial numbers, big-endian, positive.
    pub(super) revoked: &'a [(Vec<u8>, Revoked)],
    pub(super) extensions: &'a [Extension],
}

impl CrlBody<'_> {
    pub(super) fn to_der(&self, algorithm: &[u8]) -> Vec<u8> {
        let entries = self.revoked.iter().map(|(serial, revoked)| crl_entry(serial, *revoked));
        // An empty list is left out, not written empty (RFC 5280 5.1.2.6).
        let entries = if self.revoked.is_empty() { Vec::new() } else { der::sequence(entries) };
        der::sequence([
            der::small(1),
            algorithm.to_vec(),
            self.issuer.der().to_vec(),
            der::certificate_time(self.this_update),
            der::certificate_time(self.next_update),
            entries,
            der::explicit(0, extension_list(self.extensions)),
        ])
    }
}

/// One entry; `unspecified` is left out (RFC 5280 5.3.1).
fn crl_entry(serial: &[u8], revoked: Revoked) -> Vec<u8> {
    let extensions = match revoked.reason {
        Reason::Unspecified => Vec::new(),
        reason => {
            let value = der::element(tag::ENUMERATED, &[reason as u8]);
            extension_list(&[Extension::new(oid::CRL_REASON, false, value)])
        }
    };
    der::sequence([der::unsigned(serial), der::certificate_time(revoked.at), extensions])
}

/// `SEQUENCE OF Extension`.
pub(super) fn extension_list(extensions: &[Extension]) -> Vec<u8> {
    der::sequence(extensions.iter().map(Extension::to_der))
}

/// The AlgorithmIdentifier with which a key of this kind signs here: SM2 with SM3, or ECDSA with SHA-256; no parameters.
/// `None` for other kinds.
pub(super) fn algorithm(key: &PublicKey) -> Option<Vec<u8>> {
    let id = match key {
        PublicKey::Sm2(_) => &oid::SM2_WITH_SM3,
        PublicKey::P256(_) => &oid::ECDSA_SHA256,
        _ => return None,
    };
    Some(der::sequence([der::oid(id)]))
}

/// Frames a body with its algorithm and the signature over it, a DER value in a BIT STRING.
pub(super) fn signed(
    body: &[u8],
    algorithm: &[u8],
    signer: &dyn Signer,
    rng: &mut dyn CryptoRng,
) -> Result<Vec<u8>, SignError> {
    let value = match signer.public_key() {
        PublicKey::Sm2(key) => signer.sign(SignInput::Sm2Digest(&key.digest(body)), rng),
        _ => signer.sign(SignInput::Message(body), rng),
    }?;
    Ok(der::sequence([body, algorithm, &der::bit_string(&value)]))
}

/// A name that was written here and is well-formed.
pub(super) fn name(der: &[u8]) -> Option<Name> {
    Name::read(&Reader::whole(der, tag::SEQUENCE).ok()?, &mut Oddities::default()).ok()
}
