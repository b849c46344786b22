//! TSTInfo (RFC 3161 2.4.2) and the token around it.

use super::{Request, SERIAL_LIMIT_OCTETS, TspError, request};
use crate::{
    cms::SignedData,
    der::{DerError, Reader, tag},
    oid::{self, Oid},
    sign::Digest,
    time::Timestamp,
};

/// How far genTime may be off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Accuracy {
    /// Whole seconds.
    pub seconds: u64,
    /// Milliseconds, below 1000.
    pub millis: u64,
    /// Microseconds, below 1000.
    pub micros: u64,
}

/// What an authority states.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TstInfo<'a> {
    /// Under which policy.
    pub policy: Oid,
    /// Digest algorithm of the imprint.
    pub digest: Digest,
    /// Digest of what was stamped.
    pub imprint: &'a [u8],
    /// Number of the token: octets of an INTEGER.
    pub serial: &'a [u8],
    /// When; a fraction is kept to the millisecond.
    pub time: Timestamp,
    /// How exactly, where that is said.
    pub accuracy: Option<Accuracy>,
    /// The request's nonce: octets of an INTEGER.
    pub nonce: Option<&'a [u8]>,
}

/// A time-stamp token: signed data around a TSTInfo.
#[derive(Debug, Clone, PartialEq)]
pub struct Token<'a> {
    /// The signed data.
    pub signed: SignedData<'a>,
    /// What is stated.
    pub info: TstInfo<'a>,
}

impl<'a> Token<'a> {
    /// Reads a token; nothing is verified.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, TspError> {
        let signed = SignedData::parse(bytes)?;
        if signed.content_type != oid::TST_INFO {
            return Err(TspError::NotToken(signed.content_type.to_string()));
        }
        let content = signed.content.ok_or(TspError::at("eContent")(DerError::Truncated))?;
        Ok(Self { info: TstInfo::parse(content)?, signed })
    }

    /// Whether the token answers this request: imprint, nonce, and policy where one was asked for.
    pub fn answers(&self, request: &Request) -> bool {
        self.info.digest == request.digest
            && self.info.imprint == request.imprint
            && self.info.nonce == request.nonce.as_deref()
            && request.policy.as_ref().is_none_or(|policy| *policy == self.info.policy)
    }
}

impl<'a> TstInfo<'a> {
    /// Reads the DER of a TSTInfo.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, TspError> {
        let at = TspError::at;
        let mut fields = Reader::whole(bytes, tag::SEQUENCE).map_err(at("TSTInfo"))?.reader();
        let version = fields.small().map_err(at("version"))?;
        if version != 1 {
            return Err(TspError::Version(version));
        }
        let policy = fields.oid().map_err(at("policy"))?;
        let (digest, imprint) = request::read_imprint(&mut fields)?;
        let serial = fields.integer().map_err(at("serialNumber"))?;
        if serial.len() > SERIAL_LIMIT_OCTETS {
            return Err(at("serialNumber")(DerError::Content { what: "INTEGER" }));
        }
        let time = gen_time(&mut fields).map_err(at("genTime"))?;
        let accuracy = accuracy(&mut fields).map_err(at("accuracy"))?;
        if fields.peek() == Some(tag::BOOLEAN) {
            fields.boolean().map_err(at("ordering"))?;
        }
        let nonce = request::read_nonce(&mut fields)?;
        fields.optional(tag::context(0)).map_err(at("tsa"))?;
        fields.optional(tag::context(1)).map_err(at("extensions"))?;
        fields.finish().map_err(at("TSTInfo"))?;
        Ok(Self { policy, digest, imprint, serial, time, accuracy, nonce })
    }
}

/// GeneralizedTime that may carry a fraction of a second (RFC 3161 2.4.2: no trailing zeros, and no bare point).
fn gen_time(fields: &mut Reader<'_>) -> Result<Timestamp, DerError> {
    let content = fields.read(tag::GENERALIZED_TIME)?.content;
    let wrong = DerError::Content { what: "GeneralizedTime" };
    let Some(point) = content.iter().position(|&octet| octet == b'.') else {
        return Timestamp::parse_generalized(content).ok_or(wrong);
    };
    let (seconds, fraction) = content.split_at(point);
    let Some(digits) = fraction[1..].strip_suffix(b"Z") else { return Err(wrong) };
    let sound = (1..=9).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
    if !sound || digits.ends_with(b"0") {
        return Err(wrong);
    }
    let ms = digits.iter().chain(b"00").take(3).fold(0, |ms, digit| ms * 10 + i64::from(digit - b'0'));
    let whole = Timestamp::parse_generalized(&[seconds, b"Z"].concat()).ok_or(wrong)?;
    Ok(whole.plus_ms(ms))
}

fn accuracy(fields: &mut Reader<'_>) -> Result<Option<Accuracy>, DerError> {
    let Some(element) = fields.optional(tag::SEQUENCE)? else { return Ok(None) };
    let mut inner = element.reader();
    let seconds = if inner.peek() == Some(tag::INTEGER) { inner.small()? } else { 0 };
    let millis = thousandth(&mut inner, 0)?;
    let micros = thousandth(&mut inner, 1)?;
    inner.finish()?;
    Ok(Some(Accuracy { seconds, millis, micros }))
}

/// `[number] IMPLICIT INTEGER (1..999) OPTIONAL`.
fn thousandth(fields: &mut Reader<'_>, number: u8) -> Result<u64, DerError> {
    match fields.optional(tag::context_primitive(number))?.map(|element| element.content) {
        None => Ok(0),
        Some(&[octet]) if octet < 0x80 => Ok(u64::from(octet)),
        Some(&[high, low]) if high < 4 => Ok(u64::from(high) << 8 | u64::from(low)),
        Some(_) => Err(DerError::Content { what: "INTEGER" }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::der;

    #[test]
    fn fractions_of_seconds_are_read_as_rfc_3161_writes_them() {
        for (text, expected) in [
            ("20261120170458Z", Some(0)),
            ("20261120170458.5Z", Some(500)),
            ("20261120170458.123456Z", Some(123)),
            ("20261120170458.50Z", None),
            ("20261120170458.Z", None),
            ("20261120170458.5", None),
            ("20261120170458.1234567891Z", None),
        ] {
            let element = der::element(tag::GENERALIZED_TIME, text.as_bytes());
            let found = gen_time(&mut Reader::new(&element)).ok();
            let base = Timestamp::parse_generalized(b"20261120170458Z").unwrap();
            assert_eq!(found, expected.map(|ms| base.plus_ms(ms)), "{text}");
        }
    }
}
