//! A stamp (SES_Signature) as received.

use super::{
    LIMIT_BYTES, Notes, SesError, Version, ext_data,
    ext_data::ExtData,
    seal::{self, Seal},
};
use crate::{
    der::{Reader, Tlv, tag},
    oid::Oid,
    time::Timestamp,
};

/// When a stamp says it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeInfo<'a> {
    /// An instant, as the signer claims it.
    Instant(Timestamp),
    /// V1: a wall-clock text without a zone, read as if it were UTC. Makers write Beijing time, tools UTC.
    WallClock(Timestamp),
    /// V1: a time-stamp token, DER.
    Token(&'a [u8]),
    /// V1: octets that say no time.
    Unknown(&'a [u8]),
}

/// A stamp: every field a span of the bytes it was read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp<'a> {
    /// The whole stamp.
    pub raw: &'a [u8],
    /// What its shape and its seal say.
    pub version: Version,
    /// The seal inside.
    pub seal: Seal<'a>,
    /// timeInfo.
    pub time: TimeInfo<'a>,
    /// dataHash: SM3 of what is protected; 32 octets where it is sound.
    pub digest: &'a [u8],
    /// propertyInfo: where the protected document is described.
    pub property: &'a str,
    /// Extension data.
    pub ext_data: Vec<ExtData<'a>>,
    /// The signer's certificate, DER.
    pub signer_cert: &'a [u8],
    /// What was signed with.
    pub algorithm: Oid,
    /// The signature value.
    pub signature: &'a [u8],
    /// A time-stamp token over the signature value, DER.
    pub time_stamp: Option<&'a [u8]>,
    /// What reading noticed, in the stamp and in its seal.
    pub notes: Notes,
    /// What was signed.
    to_be_signed: &'a [u8],
}

/// Certificate, algorithm, value, token.
type Signed<'a> = (&'a [u8], Oid, &'a [u8], Option<&'a [u8]>);

impl<'a> Stamp<'a> {
    /// Reads a stamp of any version; bytes after it are an error, as is whatever leaves a field unreadable.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, SesError> {
        let at = SesError::at;
        if bytes.len() > LIMIT_BYTES {
            return Err(SesError::TooLarge);
        }
        let element = Reader::whole(bytes, tag::SEQUENCE).map_err(at("SES_Signature"))?;
        let mut outer = element.reader();
        let to_sign = outer.read(tag::SEQUENCE).map_err(at("toSign"))?;
        let mut fields = to_sign.reader();
        let number = fields.small().map_err(at("toSign.version"))?;
        let mut seal = Seal::from_element(fields.read(tag::SEQUENCE).map_err(at("eseal"))?)?;
        let mut notes = std::mem::take(&mut seal.notes);
        let old = outer.peek() == Some(tag::BIT_STRING);
        let version = agreed(old, number, &seal, &mut notes);
        let time = time_info(&mut fields, old, &mut notes)?;
        let digest = fields.bits().map_err(at("dataHash"))?;
        let property = notes.text(&mut fields, "propertyInfo")?;
        let (ext_data, signed) = if old {
            (Vec::new(), signed_v1(&mut fields, &mut outer)?)
        } else {
            let ext_data = ext_data(&mut fields, &mut notes)?;
            (ext_data, signed_v4(&mut outer, &mut notes)?)
        };
        fields.finish().map_err(at("toSign"))?;
        outer.finish().map_err(at("SES_Signature"))?;
        if property.is_empty() {
            notes.odd("lenient/empty-property", "propertyInfo does not say what is protected.");
        }
        let (signer_cert, algorithm, signature, time_stamp) = signed;
        Ok(Self {
            raw: element.raw,
            version,
            seal,
            time,
            digest,
            property,
            ext_data,
            signer_cert,
            algorithm,
            signature,
            time_stamp,
            notes,
            to_be_signed: to_sign.raw,
        })
    }

    /// The bytes that the signature covers: TBS_Sign as received.
    pub fn to_be_signed(&self) -> &'a [u8] {
        self.to_be_signed
    }
}

/// The version of the stamp, noting where seal, stamp and shape disagree (GB/T 38540-2020 7.3 a).
fn agreed(old: bool, number: u64, seal: &Seal<'_>, notes: &mut Notes) -> Version {
    // A first-version seal with a foreign number in its header was noted already, and cannot agree with anything.
    let foreign = seal.version == Version::V1 && seal.header_version != 1 && number == 1;
    if number != seal.header_version && !foreign {
        let says = format!("The stamp is of version {number}, its seal of {}.", seal.header_version);
        notes.defect("seal-format/version", says);
    }
    if old != (seal.version == Version::V1) {
        notes.defect("seal-format/version", "Stamp and seal are laid out as different versions.");
    }
    match (old, number) {
        (true, _) => Version::V1,
        (false, 5) => Version::V5,
        (false, _) => Version::V4,
    }
}

fn signed_v1<'a>(fields: &mut Reader<'a>, outer: &mut Reader<'a>) -> Result<Signed<'a>, SesError> {
    let at = SesError::at;
    let cert = fields.octets().map_err(at("cert"))?;
    let (algorithm, _) = seal::algorithm(fields)?;
    let signature = outer.bits().map_err(at("signature"))?;
    Ok((cert, algorithm, signature, None))
}

fn signed_v4<'a>(outer: &mut Reader<'a>, notes: &mut Notes) -> Result<Signed<'a>, SesError> {
    let at = SesError::at;
    let cert = outer.octets().map_err(at("cert"))?;
    let (algorithm, _) = seal::algorithm(outer)?;
    let signature = outer.bits().map_err(at("signature"))?;
    let token = seal::time_stamp(outer, notes)?;
    Ok((cert, algorithm, signature, token))
}

/// `extDatas [0] EXPLICIT`, which some leave untagged (seal.md §1.5).
fn ext_data<'a>(fields: &mut Reader<'a>, notes: &mut Notes) -> Result<Vec<ExtData<'a>>, SesError> {
    let at = SesError::at;
    if let Some(tagged) = fields.optional(tag::context(0)).map_err(at("extDatas"))? {
        let mut inner = tagged.reader();
        let element = inner.read(tag::SEQUENCE).map_err(at("extDatas"))?;
        inner.finish().map_err(at("extDatas"))?;
        return ext_data::read(&element, notes);
    }
    match fields.optional(tag::SEQUENCE).map_err(at("extDatas"))? {
        Some(element) => {
            notes.odd("lenient/untagged-extensions", "The stamp's extension data lack their tag [0].");
            ext_data::read(&element, notes)
        }
        None => Ok(Vec::new()),
    }
}

fn time_info<'a>(fields: &mut Reader<'a>, old: bool, notes: &mut Notes) -> Result<TimeInfo<'a>, SesError> {
    if !old || fields.peek() != Some(tag::BIT_STRING) {
        let expected =
            if old { fields.peek().unwrap_or(tag::GENERALIZED_TIME) } else { tag::GENERALIZED_TIME };
        return notes.time(fields, expected, "timeInfo").map(TimeInfo::Instant);
    }
    let octets = fields.bits().map_err(SesError::at("timeInfo"))?;
    let time = free_time(octets);
    if matches!(time, TimeInfo::WallClock(_)) {
        notes.odd("lenient/time-without-zone", "The claimed time names no zone.");
    }
    Ok(time)
}

/// V1 puts anything here: a token, an ASN.1 time, or text (seal.md §1.2), tried in this order.
fn free_time(octets: &[u8]) -> TimeInfo<'_> {
    let element: Option<Tlv<'_>> = Reader::new(octets).any().ok().filter(|e| e.raw.len() == octets.len());
    match element {
        Some(element) if element.tag == tag::SEQUENCE && element.reader().oid().is_ok() => {
            return TimeInfo::Token(octets);
        }
        Some(element) if element.tag == tag::GENERALIZED_TIME => {
            if let Some(time) = Timestamp::parse_generalized(element.content) {
                return TimeInfo::Instant(time);
            }
        }
        Some(element) if element.tag == tag::UTC_TIME => {
            if let Some(time) = Timestamp::parse_utc(element.content) {
                return TimeInfo::Instant(time);
            }
        }
        _ => {}
    }
    std::str::from_utf8(octets).ok().and_then(text_time).unwrap_or(TimeInfo::Unknown(octets))
}

fn text_time(text: &str) -> Option<TimeInfo<'static>> {
    let text = text.trim_matches(['\0', ' ']);
    if let Some(time) =
        Timestamp::parse_rfc3339(text).or_else(|| Timestamp::parse_generalized(text.as_bytes()))
    {
        return Some(TimeInfo::Instant(time));
    }
    let compact = Timestamp::parse_generalized(format!("{text}Z").as_bytes());
    let spaced = || Timestamp::parse_rfc3339(&format!("{}Z", text.replacen(' ', "T", 1)));
    compact.or_else(spaced).map(TimeInfo::WallClock)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_free_time_of_version_one_is_read_in_its_known_forms() {
        let instant = |text| TimeInfo::Instant(Timestamp::parse_rfc3339(text).unwrap());
        let clock = |text| TimeInfo::WallClock(Timestamp::parse_rfc3339(text).unwrap());
        let asn1 = b"\x18\x0f20261120170047Z";
        for (octets, expected) in [
            (&b"2020-01-25T07:31:56.377Z"[..], instant("2020-01-25T07:31:56.377Z")),
            (b"20261120170047Z", instant("2026-11-20T17:00:47Z")),
            (b"2026-11-20 17:00:47", clock("2026-11-20T17:00:47Z")),
            (b"20261120170047", clock("2026-11-20T17:00:47Z")),
            (&asn1[..], instant("2026-11-20T17:00:47Z")),
            (b"soon", TimeInfo::Unknown(b"soon")),
            (b"", TimeInfo::Unknown(b"")),
        ] {
            assert_eq!(free_time(octets), expected, "{}", String::from_utf8_lossy(octets));
        }
    }
}
