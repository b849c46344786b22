//! Writing: each function returns one whole element. Sizes here are small; clarity wins over counting lengths ahead.

use super::tag;
use crate::{oid::Oid, time::Timestamp};

/// An element with this tag octet and content.
pub fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(content.len() + 6);
    out.push(tag);
    push_length(&mut out, content.len());
    out.extend_from_slice(content);
    out
}

/// An element whose content is these elements, in this order.
pub fn constructed<T: AsRef<[u8]>>(tag: u8, parts: impl IntoIterator<Item = T>) -> Vec<u8> {
    let mut content = Vec::new();
    for part in parts {
        content.extend_from_slice(part.as_ref());
    }
    element(tag, &content)
}

/// A SEQUENCE of these elements.
pub fn sequence<T: AsRef<[u8]>>(parts: impl IntoIterator<Item = T>) -> Vec<u8> {
    constructed(tag::SEQUENCE, parts)
}

/// A SET OF these elements, sorted as DER demands (X.690 11.6).
pub fn set_of(mut parts: Vec<Vec<u8>>) -> Vec<u8> {
    parts.sort();
    constructed(tag::SET, parts)
}

/// `[number] EXPLICIT` around one element.
pub fn explicit(number: u8, inner: impl AsRef<[u8]>) -> Vec<u8> {
    element(tag::context(number), inner.as_ref())
}

/// A BOOLEAN.
pub fn boolean(value: bool) -> Vec<u8> {
    element(tag::BOOLEAN, &[if value { 0xff } else { 0x00 }])
}

/// A non-negative INTEGER from a machine word.
pub fn small(value: u64) -> Vec<u8> {
    unsigned(&value.to_be_bytes())
}

/// A non-negative INTEGER from big-endian octets; leading zeros are dropped, a sign octet is set where needed.
pub fn unsigned(big_endian: &[u8]) -> Vec<u8> {
    let start = big_endian.iter().position(|&octet| octet != 0).unwrap_or(big_endian.len());
    let magnitude = &big_endian[start..];
    let mut content = Vec::with_capacity(magnitude.len() + 1);
    if magnitude.first().is_none_or(|&octet| octet & 0x80 != 0) {
        content.push(0);
    }
    content.extend_from_slice(magnitude);
    element(tag::INTEGER, &content)
}

/// NULL.
pub fn null() -> Vec<u8> {
    vec![tag::NULL, 0]
}

/// An OBJECT IDENTIFIER.
pub fn oid(value: &Oid) -> Vec<u8> {
    element(tag::OID, value.content())
}

/// An OCTET STRING.
pub fn octet_string(content: &[u8]) -> Vec<u8> {
    element(tag::OCTET_STRING, content)
}

/// A BIT STRING of whole octets.
pub fn bit_string(octets: &[u8]) -> Vec<u8> {
    let mut content = Vec::with_capacity(octets.len() + 1);
    content.push(0);
    content.extend_from_slice(octets);
    element(tag::BIT_STRING, &content)
}

/// A UTF8String.
pub fn utf8_string(text: &str) -> Vec<u8> {
    element(tag::UTF8_STRING, text.as_bytes())
}

/// An IA5String; the caller vouches for 7-bit text.
pub fn ia5_string(text: &str) -> Vec<u8> {
    element(tag::IA5_STRING, text.as_bytes())
}

/// A PrintableString; the caller vouches for its characters.
pub fn printable_string(text: &str) -> Vec<u8> {
    element(tag::PRINTABLE_STRING, text.as_bytes())
}

/// A GeneralizedTime in whole seconds.
pub fn generalized_time(at: Timestamp) -> Vec<u8> {
    element(tag::GENERALIZED_TIME, at.generalized().as_bytes())
}

/// A time as certificates write it: UTCTime through 2049, GeneralizedTime from 2050 (RFC 5280 4.1.2.5).
pub fn certificate_time(at: Timestamp) -> Vec<u8> {
    match at.utc() {
        Some(text) => element(tag::UTC_TIME, text.as_bytes()),
        None => generalized_time(at),
    }
}

fn push_length(out: &mut Vec<u8>, length: usize) {
    if length < 0x80 {
        out.push(length as u8);
        return;
    }
    let octets = length.to_be_bytes();
    let skipped = octets.iter().take_while(|&&octet| octet == 0).count();
    out.push(0x80 | (octets.len() - skipped) as u8);
    out.extend_from_slice(&octets[skipped..]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::der::Reader;

    #[test]
    fn what_is_written_is_read_back() {
        for size in [0, 1, 127, 128, 255, 256, 65_535, 65_536] {
            let octets = vec![0xa5; size];
            let written = octet_string(&octets);
            assert_eq!(Reader::whole(&written, tag::OCTET_STRING).unwrap().content, octets);
        }
        for value in [0, 1, 127, 128, 255, 256, u64::MAX >> 1] {
            assert_eq!(Reader::new(&small(value)).small(), Ok(value));
        }
    }

    #[test]
    fn a_set_is_sorted() {
        assert_eq!(set_of(vec![small(2), small(1)]), set_of(vec![small(1), small(2)]));
    }
}
