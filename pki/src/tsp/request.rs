//! TimeStampReq (RFC 3161 2.4.1).

use super::{NONCE_LIMIT_OCTETS, REQUEST_LIMIT_BYTES, TspError};
use crate::{
    cms,
    der::{self, DerError, Reader, tag},
    oid::{self, Oid},
    sign::Digest,
};

/// A request for a time stamp.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Digest algorithm of the imprint.
    pub digest: Digest,
    /// Digest of what is to be stamped, as long as the algorithm makes it.
    pub imprint: Vec<u8>,
    /// The policy asked for, `None` for the authority's own choice.
    pub policy: Option<Oid>,
    /// Octets of an INTEGER that comes back in the token.
    pub nonce: Option<Vec<u8>>,
    /// Whether the token shall carry the authority's certificate.
    pub certificate_wanted: bool,
}

impl Request {
    /// A request for SM3 of `bytes`, with the certificate; `nonce` is up to 64 random octets read as a number.
    pub fn of(bytes: &[u8], nonce: Option<&[u8]>) -> Self {
        let nonce = nonce.map(|octets| {
            let start = octets.iter().position(|&octet| octet != 0).unwrap_or(octets.len());
            let sign = octets.get(start).is_none_or(|&octet| octet & 0x80 != 0);
            sign.then_some(0).into_iter().chain(octets[start..].iter().copied()).collect()
        });
        let imprint = Digest::Sm3.of(&[bytes]);
        Self { digest: Digest::Sm3, imprint, policy: None, nonce, certificate_wanted: true }
    }

    /// Reads a request, at most [`REQUEST_LIMIT_BYTES`] long.
    pub fn parse(bytes: &[u8]) -> Result<Self, TspError> {
        let at = TspError::at;
        if bytes.len() > REQUEST_LIMIT_BYTES {
            return Err(TspError::TooLarge);
        }
        let mut fields = Reader::whole(bytes, tag::SEQUENCE).map_err(at("TimeStampReq"))?.reader();
        let version = fields.small().map_err(at("version"))?;
        if version != 1 {
            return Err(TspError::Version(version));
        }
        let (digest, imprint) = read_imprint(&mut fields)?;
        let policy = match fields.peek() {
            Some(tag::OID) => Some(fields.oid().map_err(at("reqPolicy"))?),
            _ => None,
        };
        let nonce = read_nonce(&mut fields)?;
        let certificate_wanted = match fields.peek() {
            Some(tag::BOOLEAN) => fields.boolean().map_err(at("certReq"))?,
            _ => false,
        };
        if fields.peek() == Some(tag::context(0)) {
            return Err(TspError::Extensions);
        }
        fields.finish().map_err(at("TimeStampReq"))?;
        Ok(Self {
            digest,
            imprint: imprint.to_vec(),
            policy,
            nonce: nonce.map(<[u8]>::to_vec),
            certificate_wanted,
        })
    }

    /// The request in DER.
    pub fn to_der(&self) -> Vec<u8> {
        let mut parts = vec![der::small(1), write_imprint(self.digest, &self.imprint)];
        parts.extend(self.policy.as_ref().map(der::oid));
        parts.extend(self.nonce.as_ref().map(|octets| der::element(tag::INTEGER, octets)));
        if self.certificate_wanted {
            parts.push(der::boolean(true));
        }
        der::sequence(parts)
    }
}

/// MessageImprint; the digest is as long as its algorithm makes it.
pub(super) fn read_imprint<'a>(fields: &mut Reader<'a>) -> Result<(Digest, &'a [u8]), TspError> {
    let at = TspError::at;
    let mut inner = fields.sequence().map_err(at("messageImprint"))?;
    let id = cms::algorithm_id(&mut inner).map_err(at("hashAlgorithm"))?;
    let imprint = inner.octets().map_err(at("hashedMessage"))?;
    inner.finish().map_err(at("messageImprint"))?;
    let digest = Digest::from_oid(&id).ok_or_else(|| TspError::Digest(id.to_string()))?;
    if imprint.len() != digest.of(&[]).len() {
        return Err(TspError::ImprintLength);
    }
    Ok((digest, imprint))
}

pub(super) fn write_imprint(digest: Digest, imprint: &[u8]) -> Vec<u8> {
    let id = match digest {
        Digest::Sm3 => oid::SM3,
        Digest::Sha256 => oid::SHA256,
        Digest::Sha384 => oid::SHA384,
        Digest::Sha512 => oid::SHA512,
    };
    der::sequence([der::sequence([der::oid(&id)]), der::octet_string(imprint)])
}

/// `INTEGER OPTIONAL`, kept as its octets so that it comes back as it was sent.
pub(super) fn read_nonce<'a>(fields: &mut Reader<'a>) -> Result<Option<&'a [u8]>, TspError> {
    if fields.peek() != Some(tag::INTEGER) {
        return Ok(None);
    }
    let octets = fields.integer().map_err(TspError::at("nonce"))?;
    if octets.len() > NONCE_LIMIT_OCTETS {
        return Err(TspError::at("nonce")(DerError::Content { what: "INTEGER" }));
    }
    Ok(Some(octets))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_request_comes_back_as_it_was_written() {
        for nonce in [None, Some(&[0xff, 1][..]), Some(&[0][..])] {
            let request = Request::of(b"abc", nonce);
            assert_eq!(Request::parse(&request.to_der()), Ok(request));
        }
    }

    #[test]
    fn what_is_not_understood_is_refused_with_its_failure() {
        let good = Request::of(b"abc", None).to_der();
        let trailing = [&good[..], &[0]].concat();
        assert_eq!(Request::parse(&trailing).unwrap_err().failure(), Failure::BadDataFormat);
        let imprint = der::sequence([der::sequence([der::oid(&oid::SHA1)]), der::octet_string(&[0; 20])]);
        let weak = der::sequence([der::small(1), imprint]);
        assert_eq!(Request::parse(&weak).unwrap_err().failure(), Failure::BadAlgorithm);
        let short = der::sequence([der::small(1), write_imprint(Digest::Sm3, &[0; 31])]);
        assert_eq!(Request::parse(&short), Err(TspError::ImprintLength));
        let extended = der::sequence([
            der::small(1),
            write_imprint(Digest::Sm3, &[0; 32]),
            der::explicit(0, der::null()),
        ]);
        assert_eq!(Request::parse(&extended).unwrap_err().failure(), Failure::UnacceptedExtension);
        assert_eq!(Request::parse(&vec![0x30; REQUEST_LIMIT_BYTES + 1]), Err(TspError::TooLarge));
    }

    use super::super::Failure;

    proptest! {
        #[test]
        fn mutated_requests_never_panic(at in 0usize..64, octet: u8) {
            let mut bytes = Request::of(b"abc", Some(&[7; 8])).to_der();
            let length = bytes.len();
            bytes[at % length] = octet;
            let _ = Request::parse(&bytes);
        }
    }
}
