//! A seal (SESeal) as received.

use super::{LIMIT_BYTES, LIMIT_ENTRIES, Notes, SesError, Version, ext_data, ext_data::ExtData};
use crate::{
    der::{self, DerError, Reader, Tlv, tag},
    oid::Oid,
    report::SealFace,
    sm3,
    time::Timestamp,
    x509::Cert,
};
use std::borrow::Cow;

/// Who may sign with a seal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signers<'a> {
    /// certListType 1: whole certificates, DER.
    Certs(Vec<&'a [u8]>),
    /// certListType 2: digests of certificates; the name of the digest is free text.
    Digests(Vec<(&'a str, &'a [u8])>),
    /// Another certListType: nobody can be found in it.
    Unknown(u64),
}

impl Signers<'_> {
    /// Whether this certificate (DER) is listed: byte for byte, or by its SM3 (GB/T 38540-2020 7.3 c).
    pub fn allow(&self, cert: &[u8]) -> bool {
        match self {
            Self::Certs(certs) => certs.contains(&cert),
            Self::Digests(digests) => {
                let digest = sm3::digest(cert);
                digests.iter().any(|(_, listed)| *listed == digest)
            }
            Self::Unknown(_) => false,
        }
    }

    /// Whether a listed certificate has the same key as this one. Digests do not tell.
    pub fn name_key(&self, cert: &Cert) -> bool {
        let Self::Certs(certs) = self else { return false };
        certs
            .iter()
            .any(|der| Cert::parse(der).is_ok_and(|one| one.public_key_der() == cert.public_key_der()))
    }
}

/// The picture of a seal. Its bytes are a stranger's: decode them with limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Picture<'a> {
    /// `PNG`, `gif`, `ofd` …, in whatever case the maker wrote.
    pub kind: &'a str,
    /// The file.
    pub bytes: &'a [u8],
    /// Width in whole millimetres.
    pub width_mm: u64,
    /// Height in whole millimetres.
    pub height_mm: u64,
}

/// A seal: every field a span of the bytes it was read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seal<'a> {
    /// The whole seal.
    pub raw: &'a [u8],
    /// What its shape says.
    pub version: Version,
    /// What its header says.
    pub header_version: u64,
    /// Vid: who made it.
    pub vendor: &'a str,
    /// esID: its number.
    pub code: &'a str,
    /// The type number; free.
    pub kind: u64,
    /// Its name.
    pub name: &'a str,
    /// Who may sign with it.
    pub signers: Signers<'a>,
    /// When it was made.
    pub created: Timestamp,
    /// Start of its period.
    pub valid_from: Timestamp,
    /// End of its period.
    pub valid_to: Timestamp,
    /// Its picture.
    pub picture: Picture<'a>,
    /// Extension data.
    pub ext_data: Vec<ExtData<'a>>,
    /// The maker's certificate, DER.
    pub maker_cert: &'a [u8],
    /// What the maker signed with.
    pub algorithm: Oid,
    /// The maker's signature value.
    pub signature: &'a [u8],
    /// V5: a time-stamp token over the signature value, DER.
    pub time_stamp: Option<&'a [u8]>,
    /// What reading noticed.
    pub notes: Notes,
    /// What the maker signed (seal.md §1.4).
    to_be_signed: Cow<'a, [u8]>,
}

/// The maker's half of a seal.
struct Made<'a> {
    cert: Tlv<'a>,
    algorithm: (Oid, &'a [u8]),
    signature: &'a [u8],
    time_stamp: Option<&'a [u8]>,
}

impl<'a> Seal<'a> {
    /// Reads a seal of any version; bytes after it are an error, as is whatever leaves a field unreadable.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, SesError> {
        if bytes.len() > LIMIT_BYTES {
            return Err(SesError::TooLarge);
        }
        Self::from_element(Reader::whole(bytes, tag::SEQUENCE).map_err(SesError::at("SESeal"))?)
    }

    pub(super) fn from_element(element: Tlv<'a>) -> Result<Self, SesError> {
        let mut notes = Notes::default();
        let mut fields = element.reader();
        let info = fields.read(tag::SEQUENCE).map_err(SesError::at("eSealInfo"))?;
        let old = fields.peek() == Some(tag::SEQUENCE);
        let made = if old { made_v1(&mut fields)? } else { made_v4(&mut fields, &mut notes)? };
        fields.finish().map_err(SesError::at("SESeal"))?;
        let to_be_signed = if old {
            // V1 signs its info, certificate and algorithm as a sequence that stands nowhere in the file.
            Cow::Owned(der::sequence([info.raw, made.cert.raw, made.algorithm.1]))
        } else {
            Cow::Borrowed(info.raw)
        };
        read_info(element.raw, info, old, made, to_be_signed, notes)
    }

    /// The bytes that the maker's signature covers.
    pub fn to_be_signed(&self) -> &[u8] {
        &self.to_be_signed
    }

    /// SM3 of the whole seal: what names it in registers.
    pub fn sm3(&self) -> [u8; 32] {
        sm3::recurring::digest(&[], self.raw)
    }

    /// What reports show of it; `maker` is the readable subject of the maker's certificate.
    pub fn face(&self, maker: String) -> SealFace {
        SealFace {
            code: self.code.into(),
            name: self.name.into(),
            version: self.version.number(),
            kind: self.kind,
            vendor: self.vendor.into(),
            created: self.created,
            valid_from: self.valid_from,
            valid_to: self.valid_to,
            picture: self.picture.kind.to_lowercase(),
            width_mm: self.picture.width_mm,
            height_mm: self.picture.height_mm,
            maker,
            sm3: hex::encode(self.sm3()),
        }
    }
}

fn made_v1<'a>(fields: &mut Reader<'a>) -> Result<Made<'a>, SesError> {
    let at = SesError::at;
    let mut inner = fields.sequence().map_err(at("signInfo"))?;
    let cert = inner.read(tag::OCTET_STRING).map_err(at("cert"))?;
    let algorithm = algorithm(&mut inner)?;
    let signature = inner.bits().map_err(at("signData"))?;
    inner.finish().map_err(at("signInfo"))?;
    Ok(Made { cert, algorithm, signature, time_stamp: None })
}

fn made_v4<'a>(fields: &mut Reader<'a>, notes: &mut Notes) -> Result<Made<'a>, SesError> {
    let at = SesError::at;
    let cert = fields.read(tag::OCTET_STRING).map_err(at("cert"))?;
    let algorithm = algorithm(fields)?;
    let signature = fields.bits().map_err(at("signedValue"))?;
    let time_stamp = time_stamp(fields, notes)?;
    Ok(Made { cert, algorithm, signature, time_stamp })
}

/// An identifier and the element it stands in.
pub(super) fn algorithm<'a>(fields: &mut Reader<'a>) -> Result<(Oid, &'a [u8]), SesError> {
    let element = fields.read(tag::OID).map_err(SesError::at("signAlgID"))?;
    if element.content.is_empty() {
        return Err(SesError::at("signAlgID")(DerError::Content { what: "OBJECT IDENTIFIER" }));
    }
    Ok((Oid::from_content(element.content), element.raw))
}

/// `timeStamp [0] EXPLICIT BIT STRING OPTIONAL`; one vendor leaves the tag out (seal.md §1.5).
pub(super) fn time_stamp<'a>(
    fields: &mut Reader<'a>,
    notes: &mut Notes,
) -> Result<Option<&'a [u8]>, SesError> {
    let at = SesError::at;
    if let Some(tagged) = fields.optional(tag::context(0)).map_err(at("timeStamp"))? {
        let mut inner = tagged.reader();
        let token = inner.bits().map_err(at("timeStamp"))?;
        inner.finish().map_err(at("timeStamp"))?;
        return Ok(Some(token));
    }
    if fields.peek() == Some(tag::BIT_STRING) {
        notes.odd("lenient/untagged-time-stamp", "The time stamp lacks its tag [0].");
        return fields.bits().map(Some).map_err(at("timeStamp"));
    }
    Ok(None)
}

fn read_info<'a>(
    raw: &'a [u8],
    info: Tlv<'a>,
    old: bool,
    made: Made<'a>,
    to_be_signed: Cow<'a, [u8]>,
    mut notes: Notes,
) -> Result<Seal<'a>, SesError> {
    let at = SesError::at;
    let mut fields = info.reader();
    let (header_version, vendor) = header(&mut fields, &mut notes)?;
    let version = version_of(old, header_version, made.time_stamp.is_some(), &mut notes);
    let code = notes.text(&mut fields, "esID")?;
    let mut property = fields.sequence().map_err(at("property"))?;
    let kind = property.small().map_err(at("property.type"))?;
    let name = property.utf8().map_err(at("property.name"))?;
    let signers = signers(&mut property, old, &mut notes)?;
    let time_type = if old { tag::UTC_TIME } else { tag::GENERALIZED_TIME };
    let created = notes.time(&mut property, time_type, "createDate")?;
    let valid_from = notes.time(&mut property, time_type, "validStart")?;
    let valid_to = notes.time(&mut property, time_type, "validEnd")?;
    property.finish().map_err(at("property"))?;
    if valid_from > valid_to {
        notes.defect("seal-format/period", "The seal's period ends before it begins.");
    }
    let picture = picture(&mut fields, &mut notes)?;
    let ext_data = match fields.optional(tag::SEQUENCE).map_err(at("extDatas"))? {
        Some(element) => ext_data::read(&element, &mut notes)?,
        None => Vec::new(),
    };
    fields.finish().map_err(at("eSealInfo"))?;
    let Made { cert, algorithm: (algorithm, _), signature, time_stamp } = made;
    Ok(Seal {
        raw,
        version,
        header_version,
        vendor,
        code,
        kind,
        name,
        signers,
        created,
        valid_from,
        valid_to,
        picture,
        ext_data,
        maker_cert: cert.content,
        algorithm,
        signature,
        time_stamp,
        notes,
        to_be_signed,
    })
}

fn header<'a>(fields: &mut Reader<'a>, notes: &mut Notes) -> Result<(u64, &'a str), SesError> {
    let at = SesError::at;
    let mut header = fields.sequence().map_err(at("header"))?;
    let id = notes.text(&mut header, "header.ID")?;
    if id != "ES" {
        notes.defect("seal-format/id", format!("The header names the structure {id:?}, not \"ES\"."));
    }
    let version = header.small().map_err(at("header.version"))?;
    let vendor = notes.text(&mut header, "header.Vid")?;
    header.finish().map_err(at("header"))?;
    Ok((version, vendor))
}

fn version_of(old: bool, header: u64, stamped: bool, notes: &mut Notes) -> Version {
    let version = match (old, header) {
        (true, _) => Version::V1,
        (false, 5) => Version::V5,
        (false, _) => Version::V4,
    };
    if version == Version::V1 && header != 1 {
        notes.odd(
            "lenient/header-version",
            "A seal of the first version carries another number in its header.",
        );
    } else if version.number() != header {
        notes.defect("seal-format/version", format!("The header carries the unknown version {header}."));
    }
    if version == Version::V4 && stamped {
        notes.defect(
            "seal-format/version",
            "A version 4 seal carries a time stamp, which only version 5 has.",
        );
    }
    version
}

fn signers<'a>(property: &mut Reader<'a>, old: bool, notes: &mut Notes) -> Result<Signers<'a>, SesError> {
    let at = SesError::at;
    let list_type = if old { 1 } else { property.small().map_err(at("certListType"))? };
    let mut list = property.sequence().map_err(at("certList"))?;
    let (mut certs, mut digests) = (Vec::new(), Vec::new());
    while !list.is_empty() {
        if certs.len() + digests.len() == LIMIT_ENTRIES {
            return Err(SesError::TooMany { list: "certList" });
        }
        match list_type {
            1 => certs.push(listed_cert(&mut list, old, notes)?),
            2 => digests.push(listed_digest(&mut list)?),
            _ => break,
        }
    }
    Ok(match list_type {
        1 => Signers::Certs(certs),
        2 => Signers::Digests(digests),
        other => {
            notes.defect(
                "seal-format/list-type",
                format!("The list of signers is of the unknown type {other}."),
            );
            Signers::Unknown(other)
        }
    })
}

fn listed_cert<'a>(list: &mut Reader<'a>, old: bool, notes: &mut Notes) -> Result<&'a [u8], SesError> {
    if old && list.peek() == Some(tag::IA5_STRING) {
        notes.odd("lenient/ia5-certificate", "A listed certificate is wrapped as text instead of octets.");
        return list.any().map(|element| element.content).map_err(SesError::at("certList"));
    }
    list.octets().map_err(SesError::at("certList"))
}

fn listed_digest<'a>(list: &mut Reader<'a>) -> Result<(&'a str, &'a [u8]), SesError> {
    let at = SesError::at;
    let mut entry = list.sequence().map_err(at("certDigestList"))?;
    let name = entry.printable().map_err(at("certDigestList.type"))?;
    let digest = entry.octets().map_err(at("certDigestList.value"))?;
    entry.finish().map_err(at("certDigestList"))?;
    Ok((name, digest))
}

fn picture<'a>(fields: &mut Reader<'a>, notes: &mut Notes) -> Result<Picture<'a>, SesError> {
    let at = SesError::at;
    let mut fields = fields.sequence().map_err(at("picture"))?;
    let kind = notes.text(&mut fields, "picture.type")?;
    let bytes = fields.octets().map_err(at("picture.data"))?;
    let width_mm = fields.small().map_err(at("picture.width"))?;
    let height_mm = fields.small().map_err(at("picture.height"))?;
    fields.finish().map_err(at("picture"))?;
    Ok(Picture { kind, bytes, width_mm, height_mm })
}
