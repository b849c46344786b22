//! Attributes of a signer: content type, digest, time, and which certificate was meant.

use super::{CmsError, LIMIT_ENTRIES, read};
use crate::{
    der::{self, DerError, Reader, Tlv, tag},
    oid::{self, Oid},
    report::Finding,
    sign::Digest,
    time::Timestamp,
};
use ring::digest as ring_digest;

/// The signed attributes that are understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attributes<'a> {
    /// contentType.
    pub content_type: Oid,
    /// messageDigest.
    pub message_digest: &'a [u8],
    /// signingTime, as the signer claims it.
    pub signing_time: Option<Timestamp>,
    /// The certificate meant by signingCertificate or signingCertificateV2.
    pub certificate: Option<CertificateHash<'a>>,
    /// The attributes as encoded, in the `[0]` they came in.
    encoded: &'a [u8],
}

/// A digest that names a certificate (RFC 5035, RFC 2634).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateHash<'a> {
    /// The algorithm; SHA-1 where it is the older attribute, which names a certificate and vouches for nothing.
    algorithm: Oid,
    hash: &'a [u8],
}

impl CertificateHash<'_> {
    /// Whether this certificate (DER) is the one meant.
    pub fn names(&self, cert: &[u8]) -> bool {
        if self.algorithm == oid::SHA1 {
            return ring_digest::digest(&ring_digest::SHA1_FOR_LEGACY_USE_ONLY, cert).as_ref() == self.hash;
        }
        Digest::from_oid(&self.algorithm).is_some_and(|digest| digest.of(&[cert]) == self.hash)
    }
}

impl<'a> Attributes<'a> {
    /// Reads `[0] IMPLICIT SET OF Attribute`. contentType and messageDigest must be there, and nothing may stand twice.
    pub(super) fn parse(element: &Tlv<'a>, oddities: &mut Vec<Finding>) -> Result<Self, CmsError> {
        let list = list(element, "signedAttrs")?;
        if list.windows(2).any(|pair| pair[0].raw > pair[1].raw) {
            let says = "The signed attributes are not in the order of DER; they are checked as encoded.";
            oddities.push(Finding::new("lenient/unsorted-attributes", says));
        }
        let required = |id: &Oid, name| one(&list, id, name)?.ok_or(CmsError::Attribute(name));
        let content_type = required(&oid::CONTENT_TYPE, "contentType")?;
        let message_digest = required(&oid::MESSAGE_DIGEST, "messageDigest")?;
        let time = one(&list, &oid::SIGNING_TIME, "signingTime")?;
        let v2 = one(&list, &oid::SIGNING_CERTIFICATE_V2, "signingCertificateV2")?;
        let v1 = one(&list, &oid::SIGNING_CERTIFICATE, "signingCertificate")?;
        let certificate = match (v2, v1) {
            (Some(value), _) => Some(certificate_v2(&value)),
            (None, Some(value)) => Some(certificate_v1(&value)),
            (None, None) => None,
        };
        Ok(Self {
            content_type: content_type.oid().map_err(CmsError::at("contentType"))?,
            message_digest: message_digest.octets().map_err(CmsError::at("messageDigest"))?,
            signing_time: time.map(|value| signing_time(&value)).transpose()?,
            certificate: certificate.transpose().map_err(CmsError::at("signingCertificate"))?,
            encoded: element.raw,
        })
    }

    /// The bytes that the signature covers: the attributes as encoded, tagged as a SET (RFC 5652 5.4).
    pub fn to_be_signed(&self) -> Vec<u8> {
        let mut bytes = self.encoded.to_vec();
        if let Some(first) = bytes.first_mut() {
            *first = tag::SET;
        }
        bytes
    }
}

/// signatureTimeStampToken among unsigned attributes, `None` where there is none. Of several, the first counts.
pub(super) fn time_stamp<'a>(element: &Tlv<'a>) -> Result<Option<&'a [u8]>, CmsError> {
    let found =
        list(element, "unsignedAttrs")?.into_iter().find(|entry| entry.id == oid::SIGNATURE_TIME_STAMP);
    let Some(mut entry) = found else { return Ok(None) };
    let token = entry.values.read(tag::SEQUENCE).map_err(CmsError::at("signatureTimeStampToken"))?;
    Ok(Some(token.raw))
}

struct Entry<'a> {
    raw: &'a [u8],
    id: Oid,
    values: Reader<'a>,
}

/// A value as a reader that stands before it.
struct Value<'a>(Reader<'a>);

impl<'a> Value<'a> {
    fn only<T>(&self, read: impl Fn(&mut Reader<'a>) -> Result<T, DerError>) -> Result<T, DerError> {
        let mut reader = self.0.clone();
        let found = read(&mut reader)?;
        reader.finish()?;
        Ok(found)
    }

    fn oid(&self) -> Result<Oid, DerError> {
        self.only(Reader::oid)
    }

    fn octets(&self) -> Result<&'a [u8], DerError> {
        self.only(Reader::octets)
    }
}

fn list<'a>(element: &Tlv<'a>, name: &'static str) -> Result<Vec<Entry<'a>>, CmsError> {
    let at = CmsError::at;
    let mut entries = element.reader();
    let mut found = Vec::new();
    while !entries.is_empty() {
        if found.len() == LIMIT_ENTRIES {
            return Err(CmsError::TooMany { list: name });
        }
        let entry = entries.read(tag::SEQUENCE).map_err(at(name))?;
        let mut fields = entry.reader();
        let id = fields.oid().map_err(at(name))?;
        let values = fields.read(tag::SET).map_err(at(name))?.reader();
        fields.finish().map_err(at(name))?;
        found.push(Entry { raw: entry.raw, id, values });
    }
    Ok(found)
}

/// The one value of the attribute with this id, `None` where it is absent; an error where it stands twice.
fn one<'a>(list: &[Entry<'a>], id: &Oid, name: &'static str) -> Result<Option<Value<'a>>, CmsError> {
    let mut found = list.iter().filter(|entry| entry.id == *id);
    let Some(entry) = found.next() else { return Ok(None) };
    if found.next().is_some() || entry.values.is_empty() {
        return Err(CmsError::Attribute(name));
    }
    Ok(Some(Value(entry.values.clone())))
}

fn signing_time(value: &Value<'_>) -> Result<Timestamp, CmsError> {
    let read = |fields: &mut Reader<'_>| match fields.peek() {
        Some(tag::UTC_TIME) => fields.utc_time(),
        _ => fields.generalized_time(),
    };
    value.only(read).map_err(CmsError::at("signingTime"))
}

/// SigningCertificateV2: the first ESSCertIDv2 names the signer's certificate (RFC 5035 section 4); SHA-256 by default.
fn certificate_v2<'a>(value: &Value<'a>) -> Result<CertificateHash<'a>, DerError> {
    let mut first = first_certificate_id(value)?;
    let algorithm = match first.peek() {
        Some(tag::SEQUENCE) => read::algorithm_id(&mut first)?,
        _ => oid::SHA256,
    };
    Ok(CertificateHash { algorithm, hash: first.octets()? })
}

fn certificate_v1<'a>(value: &Value<'a>) -> Result<CertificateHash<'a>, DerError> {
    Ok(CertificateHash { algorithm: oid::SHA1, hash: first_certificate_id(value)?.octets()? })
}

fn first_certificate_id<'a>(value: &Value<'a>) -> Result<Reader<'a>, DerError> {
    value.only(Reader::sequence)?.sequence()?.sequence()
}

/// The attribute with this id and one value, both written out.
pub(super) fn write(id: &Oid, value: impl AsRef<[u8]>) -> Vec<u8> {
    der::sequence([der::oid(id), der::constructed(tag::SET, [value])])
}
