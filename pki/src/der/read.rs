//! Reading: one element after the other, each a span of the input. Nothing is copied and nothing recurses.

use super::tag;
use crate::{oid::Oid, time::Timestamp};
use std::fmt;

/// Why bytes are not the DER that was expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DerError {
    /// The input ends inside an element.
    Truncated,
    /// A length is indefinite, not minimal, or beyond 2³² − 1; or a tag number is above 30.
    Unsupported,
    /// Another element than the one expected.
    Unexpected {
        /// The tag octet expected.
        expected: u8,
        /// The tag octet found, `None` at the end of the input.
        found: Option<u8>,
    },
    /// Bytes after the last element.
    Trailing {
        /// How many.
        bytes: usize,
    },
    /// The content breaks the rules of its type.
    Content {
        /// Which type or field.
        what: &'static str,
    },
}

impl fmt::Display for DerError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => out.write_str("the data ends inside an element"),
            Self::Unsupported => out.write_str("an element has an indefinite, overlong or oversized header"),
            Self::Unexpected { expected, found: Some(found) } => {
                write!(out, "expected an element with tag {expected:02x}, found {found:02x}")
            }
            Self::Unexpected { expected, found: None } => {
                write!(out, "expected an element with tag {expected:02x}, found the end")
            }
            Self::Trailing { bytes } => write!(out, "{bytes} bytes follow the last element"),
            Self::Content { what } => write!(out, "the content of {what} is invalid"),
        }
    }
}

impl std::error::Error for DerError {}

/// One element: its tag octet, its content, and the whole of it as received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tlv<'a> {
    /// The tag octet.
    pub tag: u8,
    /// The content octets.
    pub content: &'a [u8],
    /// Tag, length and content: what a signature covers.
    pub raw: &'a [u8],
}

impl<'a> Tlv<'a> {
    /// A reader over the content.
    pub fn reader(&self) -> Reader<'a> {
        Reader::new(self.content)
    }
}

/// A position in a run of elements.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Starts at the beginning of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The one element that is all of `bytes`; an error where bytes follow it or its tag is another.
    pub fn whole(bytes: &'a [u8], expected: u8) -> Result<Tlv<'a>, DerError> {
        let mut reader = Self::new(bytes);
        let element = reader.read(expected)?;
        reader.finish()?;
        Ok(element)
    }

    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The bytes not yet read.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The tag octet of the next element, `None` at the end.
    pub fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// The next element, whatever it is.
    pub fn any(&mut self) -> Result<Tlv<'a>, DerError> {
        let (header, length) = header(self.rest)?;
        let end = header.checked_add(length).ok_or(DerError::Truncated)?;
        let raw = self.rest.get(..end).ok_or(DerError::Truncated)?;
        self.rest = &self.rest[end..];
        Ok(Tlv { tag: raw[0], content: &raw[header..], raw })
    }

    /// The next element, which must have this tag.
    pub fn read(&mut self, expected: u8) -> Result<Tlv<'a>, DerError> {
        match self.peek() {
            Some(found) if found == expected => self.any(),
            found => Err(DerError::Unexpected { expected, found }),
        }
    }

    /// The next element if it has this tag.
    pub fn optional(&mut self, expected: u8) -> Result<Option<Tlv<'a>>, DerError> {
        if self.peek() == Some(expected) { self.any().map(Some) } else { Ok(None) }
    }

    /// Ends the reading; an error where elements are left.
    pub fn finish(&self) -> Result<(), DerError> {
        if self.rest.is_empty() { Ok(()) } else { Err(DerError::Trailing { bytes: self.rest.len() }) }
    }

    /// The content of a SEQUENCE.
    pub fn sequence(&mut self) -> Result<Reader<'a>, DerError> {
        self.read(tag::SEQUENCE).map(|element| element.reader())
    }

    /// A BOOLEAN, `FF` or `00`.
    pub fn boolean(&mut self) -> Result<bool, DerError> {
        match self.read(tag::BOOLEAN)?.content {
            [0x00] => Ok(false),
            [0xff] => Ok(true),
            _ => Err(DerError::Content { what: "BOOLEAN" }),
        }
    }

    /// An INTEGER as its minimal two's-complement octets.
    pub fn integer(&mut self) -> Result<&'a [u8], DerError> {
        integer_octets(self.read(tag::INTEGER)?.content)
    }

    /// An INTEGER that is not negative and below 2⁶³.
    pub fn small(&mut self) -> Result<u64, DerError> {
        let octets = self.integer()?;
        if octets.len() > 8 || octets[0] & 0x80 != 0 {
            return Err(DerError::Content { what: "INTEGER" });
        }
        Ok(octets.iter().fold(0, |sum, &octet| sum << 8 | u64::from(octet)))
    }

    /// An OBJECT IDENTIFIER, its octets unchecked.
    pub fn oid(&mut self) -> Result<Oid, DerError> {
        match self.read(tag::OID)?.content {
            [] => Err(DerError::Content { what: "OBJECT IDENTIFIER" }),
            content => Ok(Oid::from_content(content)),
        }
    }

    /// The content of an OCTET STRING.
    pub fn octets(&mut self) -> Result<&'a [u8], DerError> {
        self.read(tag::OCTET_STRING).map(|element| element.content)
    }

    /// The octets of a BIT STRING that ends on an octet (no unused bits).
    pub fn bits(&mut self) -> Result<&'a [u8], DerError> {
        match self.read(tag::BIT_STRING)?.content.split_first() {
            Some((0, octets)) => Ok(octets),
            _ => Err(DerError::Content { what: "BIT STRING" }),
        }
    }

    /// The text of a UTF8String.
    pub fn utf8(&mut self) -> Result<&'a str, DerError> {
        let element = self.read(tag::UTF8_STRING)?;
        std::str::from_utf8(element.content).map_err(|_| DerError::Content { what: "UTF8String" })
    }

    /// The text of an IA5String (7-bit).
    pub fn ia5(&mut self) -> Result<&'a str, DerError> {
        ascii(self.read(tag::IA5_STRING)?.content, "IA5String")
    }

    /// The text of a PrintableString; any 7-bit character is let through, since real makers mix the types up.
    pub fn printable(&mut self) -> Result<&'a str, DerError> {
        ascii(self.read(tag::PRINTABLE_STRING)?.content, "PrintableString")
    }

    /// A GeneralizedTime `YYYYMMDDHHMMSSZ`.
    pub fn generalized_time(&mut self) -> Result<Timestamp, DerError> {
        let element = self.read(tag::GENERALIZED_TIME)?;
        Timestamp::parse_generalized(element.content).ok_or(DerError::Content { what: "GeneralizedTime" })
    }

    /// A UTCTime `YYMMDDHHMMSSZ`.
    pub fn utc_time(&mut self) -> Result<Timestamp, DerError> {
        let element = self.read(tag::UTC_TIME)?;
        Timestamp::parse_utc(element.content).ok_or(DerError::Content { what: "UTCTime" })
    }
}

/// The octets of an INTEGER, refused where it is empty or not minimal (X.690 8.3.2).
fn integer_octets(content: &[u8]) -> Result<&[u8], DerError> {
    match content {
        [] | [0x00, 0x00..=0x7f, ..] | [0xff, 0x80..=0xff, ..] => Err(DerError::Content { what: "INTEGER" }),
        octets => Ok(octets),
    }
}

fn ascii<'a>(content: &'a [u8], what: &'static str) -> Result<&'a str, DerError> {
    match std::str::from_utf8(content) {
        Ok(text) if text.is_ascii() => Ok(text),
        _ => Err(DerError::Content { what }),
    }
}

/// Length of the header and of the content of the element at the start of `bytes`.
fn header(bytes: &[u8]) -> Result<(usize, usize), DerError> {
    let (&tag, rest) = bytes.split_first().ok_or(DerError::Truncated)?;
    if tag & 0x1f == 0x1f {
        return Err(DerError::Unsupported);
    }
    let (&first, rest) = rest.split_first().ok_or(DerError::Truncated)?;
    if first < 0x80 {
        return Ok((2, usize::from(first)));
    }
    let count = usize::from(first & 0x7f);
    if count == 0 || count > 4 {
        return Err(DerError::Unsupported);
    }
    let octets = rest.get(..count).ok_or(DerError::Truncated)?;
    let length = octets.iter().fold(0usize, |sum, &octet| sum << 8 | usize::from(octet));
    if octets[0] == 0 || length < 0x80 {
        return Err(DerError::Unsupported);
    }
    Ok((2 + count, length))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn overlong_and_indefinite_lengths_are_refused() {
        for bytes in
            [&[0x30, 0x80, 0, 0][..], &[0x30, 0x81, 0x01, 0], &[0x30, 0x82, 0x00, 0x80], &[0x1f, 0x81, 0]]
        {
            assert_eq!(Reader::new(bytes).any(), Err(DerError::Unsupported), "{bytes:02x?}");
        }
        assert_eq!(Reader::new(&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff]).any(), Err(DerError::Truncated));
    }

    #[test]
    fn integers_are_minimal() {
        for content in [&[][..], &[0, 0x7f], &[0xff, 0x80]] {
            assert!(integer_octets(content).is_err());
        }
        assert_eq!(Reader::new(&[2, 2, 0, 0x80]).small(), Ok(128));
        assert!(Reader::new(&[2, 1, 0x80]).small().is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let mut reader = Reader::new(&bytes);
            while let Ok(element) = reader.any() {
                prop_assert!(element.raw.ends_with(element.content));
            }
        }
    }
}
