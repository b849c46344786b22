//! ContentInfo, SignedData, SignerInfo (RFC 5652 sections 3 and 5).

use super::{Attributes, CmsError, LIMIT_BYTES, LIMIT_ENTRIES};
use crate::{
    der::{DerError, Reader, Tlv, tag},
    oid::{self, Oid},
    report::Finding,
    sign::{Algorithm, Digest, VerifyError},
};

/// Signed data with its one signer: spans over the received bytes.
#[derive(Debug, Clone, PartialEq)]
pub struct SignedData<'a> {
    /// The whole ContentInfo.
    pub raw: &'a [u8],
    /// Whether the identifiers are those of GM/T 0010.
    pub gm: bool,
    /// Its version number.
    pub version: u64,
    /// eContentType.
    pub content_type: Oid,
    /// Octets of eContent; `None` where the content stands elsewhere.
    pub content: Option<&'a [u8]>,
    /// The bag of certificates, DER, in no order and worth no trust.
    pub certificates: Vec<&'a [u8]>,
    /// The bag of revocation lists, DER.
    pub crls: Vec<&'a [u8]>,
    /// The signer.
    pub signer: SignerInfo<'a>,
    /// Departures that change no meaning.
    pub oddities: Vec<Finding>,
}

/// How the signer's certificate is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignerId<'a> {
    /// By its issuer's name (DER) and its serial number (octets).
    IssuerAndSerial {
        /// The name, DER.
        issuer: &'a [u8],
        /// The number's octets.
        serial: &'a [u8],
    },
    /// By its subject key identifier.
    KeyId(&'a [u8]),
}

/// What one signer did.
#[derive(Debug, Clone, PartialEq)]
pub struct SignerInfo<'a> {
    /// Who.
    pub id: SignerId<'a>,
    /// digestAlgorithm.
    pub digest_algorithm: Oid,
    /// Signed attributes, where there are any.
    pub signed: Option<Attributes<'a>>,
    /// signatureAlgorithm, the whole AlgorithmIdentifier.
    pub signature_algorithm: Tlv<'a>,
    /// The signature value.
    pub signature: &'a [u8],
    /// signatureTimeStampToken among the unsigned attributes, DER.
    pub time_stamp: Option<&'a [u8]>,
}

impl<'a> SignedData<'a> {
    /// Reads a ContentInfo that holds signed data with exactly one signer; bytes after it are an error.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, CmsError> {
        if bytes.len() > LIMIT_BYTES {
            return Err(CmsError::TooLarge);
        }
        let at = CmsError::at;
        let outer = Reader::whole(bytes, tag::SEQUENCE).map_err(at("ContentInfo"))?;
        let mut info = outer.reader();
        let kind = info.oid().map_err(at("contentType"))?;
        let gm = kind == oid::GM_SIGNED_DATA;
        if !gm && kind != oid::PKCS7_SIGNED_DATA {
            return Err(CmsError::NotSignedData(kind.to_string()));
        }
        let content = info.read(tag::context(0)).map_err(at("content"))?;
        info.finish().map_err(at("ContentInfo"))?;
        let signed = Reader::whole(content.content, tag::SEQUENCE).map_err(at("SignedData"))?;
        read_signed_data(outer.raw, gm, signed.reader())
    }

    /// The digest algorithm of the signer, `None` where it is unknown or too weak.
    pub fn digest(&self) -> Option<Digest> {
        Digest::from_oid(&self.signer.digest_algorithm)
    }

    /// The algorithm of the signature. Where only a key is named, the digest comes from beside it (RFC 3370 3.2).
    pub fn algorithm(&self) -> Result<Algorithm, VerifyError> {
        let identifier = &self.signer.signature_algorithm;
        let by_key = || {
            let id = identifier.reader().oid().ok()?;
            Algorithm::from_key_and_digest(&id, self.digest()?)
        };
        Algorithm::from_identifier(identifier).or_else(|error| by_key().ok_or(error))
    }
}

fn read_signed_data<'a>(raw: &'a [u8], gm: bool, mut fields: Reader<'a>) -> Result<SignedData<'a>, CmsError> {
    let at = CmsError::at;
    let version = fields.small().map_err(at("version"))?;
    let digests = fields.read(tag::SET).map_err(at("digestAlgorithms"))?;
    let mut encapsulated = fields.sequence().map_err(at("encapContentInfo"))?;
    let content_type = encapsulated.oid().map_err(at("eContentType"))?;
    let content = content(&mut encapsulated)?;
    let certificates = bag(&mut fields, 0, "certificates")?;
    let crls = bag(&mut fields, 1, "crls")?;
    let signer_infos = fields.read(tag::SET).map_err(at("signerInfos"))?;
    fields.finish().map_err(at("SignedData"))?;
    let mut oddities = Vec::new();
    let signer = one_signer(&signer_infos, &mut oddities)?;
    if !lists(&digests, &signer.digest_algorithm)? {
        oddities.push(Finding::new(
            "lenient/digest-list",
            "The signer's digest algorithm is not listed in front.",
        ));
    }
    let expected = expected_version(&content_type, &signer);
    if !matches!(version, 1 | 3 | 4 | 5) {
        return Err(at("version")(DerError::Content { what: "CMSVersion" }));
    }
    if version != expected {
        let says =
            format!("The signed data carry version {version} though their content asks for {expected}.");
        oddities.push(Finding::new("lenient/version", says));
    }
    Ok(SignedData { raw, gm, version, content_type, content, certificates, crls, signer, oddities })
}

/// RFC 5652 5.1, without attribute certificates and foreign lists, which nobody carries here. PKCS#7 and GM/T 0010 always
/// write 1.
fn expected_version(content_type: &Oid, signer: &SignerInfo<'_>) -> u64 {
    let plain = [oid::PKCS7_DATA, oid::GM_DATA].contains(content_type);
    if plain && !matches!(signer.id, SignerId::KeyId(_)) { 1 } else { 3 }
}

/// eContent. PKCS#7 lets any type stand here and counts its content octets; CMS only an OCTET STRING.
fn content<'a>(fields: &mut Reader<'a>) -> Result<Option<&'a [u8]>, CmsError> {
    let at = CmsError::at;
    let tagged = fields.optional(tag::context(0)).map_err(at("eContent"))?;
    fields.finish().map_err(at("encapContentInfo"))?;
    let Some(tagged) = tagged else { return Ok(None) };
    let mut inner = tagged.reader();
    let octets = inner.octets().map_err(at("eContent"))?;
    inner.finish().map_err(at("eContent"))?;
    Ok(Some(octets))
}

/// `[number] IMPLICIT SET OF`: only plain certificates and lists (SEQUENCE) are taken out; other choices are passed over.
fn bag<'a>(fields: &mut Reader<'a>, number: u8, list: &'static str) -> Result<Vec<&'a [u8]>, CmsError> {
    let mut found = Vec::new();
    let Some(set) = fields.optional(tag::context(number)).map_err(CmsError::at(list))? else {
        return Ok(found);
    };
    let mut entries = set.reader();
    while !entries.is_empty() {
        if found.len() == LIMIT_ENTRIES {
            return Err(CmsError::TooMany { list });
        }
        let entry = entries.any().map_err(CmsError::at(list))?;
        if entry.tag == tag::SEQUENCE {
            found.push(entry.raw);
        }
    }
    Ok(found)
}

fn lists(digests: &Tlv<'_>, wanted: &Oid) -> Result<bool, CmsError> {
    let mut entries = digests.reader();
    let mut found = false;
    for _ in 0..LIMIT_ENTRIES {
        if entries.is_empty() {
            return Ok(found);
        }
        let id = algorithm_id(&mut entries).map_err(CmsError::at("digestAlgorithms"))?;
        found |= id == *wanted;
    }
    Err(CmsError::TooMany { list: "digestAlgorithms" })
}

/// The identifier of an AlgorithmIdentifier whose parameters are absent or NULL.
pub(crate) fn algorithm_id(fields: &mut Reader<'_>) -> Result<Oid, DerError> {
    let mut inner = fields.sequence()?;
    let id = inner.oid()?;
    if let Some(null) = inner.optional(tag::NULL)?
        && !null.content.is_empty()
    {
        return Err(DerError::Content { what: "NULL" });
    }
    inner.finish()?;
    Ok(id)
}

fn one_signer<'a>(infos: &Tlv<'a>, oddities: &mut Vec<Finding>) -> Result<SignerInfo<'a>, CmsError> {
    let at = CmsError::at;
    let mut entries = infos.reader();
    if entries.is_empty() {
        return Err(CmsError::Signers(0));
    }
    let first = entries.read(tag::SEQUENCE).map_err(at("signerInfos"))?;
    let mut count = 1;
    while !entries.is_empty() && count < LIMIT_ENTRIES {
        entries.any().map_err(at("signerInfos"))?;
        count += 1;
    }
    if count > 1 {
        return Err(CmsError::Signers(count));
    }
    signer_info(first.reader(), oddities)
}

fn signer_info<'a>(mut fields: Reader<'a>, oddities: &mut Vec<Finding>) -> Result<SignerInfo<'a>, CmsError> {
    let at = CmsError::at;
    let version = fields.small().map_err(at("SignerInfo.version"))?;
    let id = signer_id(&mut fields).map_err(at("sid"))?;
    let expected = if matches!(id, SignerId::KeyId(_)) { 3 } else { 1 };
    if !matches!(version, 1 | 3) {
        return Err(at("SignerInfo.version")(DerError::Content { what: "CMSVersion" }));
    }
    if version != expected {
        let says = "The signer is named in another way than the version of SignerInfo says.";
        oddities.push(Finding::new("lenient/version", says));
    }
    let digest_algorithm = algorithm_id(&mut fields).map_err(at("digestAlgorithm"))?;
    let signed = fields.optional(tag::context(0)).map_err(at("signedAttrs"))?;
    let signed = signed.map(|element| Attributes::parse(&element, oddities)).transpose()?;
    let signature_algorithm = fields.read(tag::SEQUENCE).map_err(at("signatureAlgorithm"))?;
    if signature_algorithm.reader().oid().is_ok_and(|id| gm_algorithm(&id))
        && signature_algorithm.content.ends_with(&[tag::NULL, 0])
    {
        oddities
            .push(Finding::new("lenient/null-parameters", "NULL parameters stand beside an SM2 algorithm."));
    }
    let signature = fields.octets().map_err(at("signature"))?;
    let unsigned = fields.optional(tag::context(1)).map_err(at("unsignedAttrs"))?;
    let time_stamp = unsigned.map(|element| super::attributes::time_stamp(&element)).transpose()?.flatten();
    fields.finish().map_err(at("SignerInfo"))?;
    Ok(SignerInfo { id, digest_algorithm, signed, signature_algorithm, signature, time_stamp })
}

fn gm_algorithm(id: &Oid) -> bool {
    *id == oid::SM2_WITH_SM3 || *id == oid::SM2_SIGN
}

fn signer_id<'a>(fields: &mut Reader<'a>) -> Result<SignerId<'a>, DerError> {
    if let Some(key_id) = fields.optional(tag::context_primitive(0))? {
        return Ok(SignerId::KeyId(key_id.content));
    }
    let mut inner = fields.sequence()?;
    let issuer = inner.read(tag::SEQUENCE)?.raw;
    let serial = inner.integer()?;
    inner.finish()?;
    Ok(SignerId::IssuerAndSerial { issuer, serial })
}
