//! Indefinite lengths. CMS may be written in BER (RFC 5652 section 2), and signers that stream do so.
//!
//! Lengths are written anew around what was signed; certificates and signed attributes are DER already, and come out as
//! they went in.

use crate::der::{self, Reader, tag};
use std::borrow::Cow;

/// How deep elements may be nested.
const DEPTH_MAX: usize = 24;
/// Tag octet of an OCTET STRING in pieces.
const OCTET_STRING_IN_PIECES: u8 = tag::OCTET_STRING | CONSTRUCTED;
const CONSTRUCTED: u8 = 0x20;

/// The same with definite lengths, where the outermost length is indefinite; zeros behind it (the padding of a PDF's
/// `/Contents`) are dropped. Anything else, and what cannot be read, comes back as it is.
pub(super) fn definite(bytes: &[u8]) -> Cow<'_, [u8]> {
    if bytes.get(1) != Some(&0x80) {
        return Cow::Borrowed(bytes);
    }
    match element(bytes, 0) {
        Some((converted, rest)) if rest.iter().all(|&octet| octet == 0) => Cow::Owned(converted),
        _ => Cow::Borrowed(bytes),
    }
}

/// One element with definite lengths, and what follows it.
fn element(bytes: &[u8], depth: usize) -> Option<(Vec<u8>, &[u8])> {
    let tag = *bytes.first()?;
    if tag & CONSTRUCTED == 0 || tag & 0x1f == 0x1f {
        let mut reader = Reader::new(bytes);
        return Some((reader.any().ok()?.raw.to_vec(), reader.rest()));
    }
    if depth == DEPTH_MAX {
        return None;
    }
    if bytes.get(1) == Some(&0x80) {
        let (children, rest) = children(bytes.get(2..)?, depth, true)?;
        return Some((rebuilt(tag, &children)?, rest));
    }
    let mut reader = Reader::new(bytes);
    let (children, _) = children(reader.any().ok()?.content, depth, false)?;
    Some((rebuilt(tag, &children)?, reader.rest()))
}

/// The elements up to the end, or up to the mark of the end (two zeros).
fn children(mut bytes: &[u8], depth: usize, marked: bool) -> Option<(Vec<u8>, &[u8])> {
    let mut found = Vec::new();
    loop {
        if marked && let Some(rest) = bytes.strip_prefix(&[0, 0]) {
            return Some((found, rest));
        }
        if bytes.is_empty() {
            return (!marked).then_some((found, bytes));
        }
        let (child, rest) = element(bytes, depth + 1)?;
        found.extend_from_slice(&child);
        bytes = rest;
    }
}

/// The element around its children; the pieces of an OCTET STRING are joined.
fn rebuilt(tag: u8, children: &[u8]) -> Option<Vec<u8>> {
    if tag != OCTET_STRING_IN_PIECES {
        return Some(der::element(tag, children));
    }
    let mut pieces = Reader::new(children);
    let mut whole = Vec::with_capacity(children.len());
    while !pieces.is_empty() {
        whole.extend_from_slice(pieces.octets().ok()?);
    }
    Some(der::octet_string(&whole))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn indefinite_lengths_become_definite() {
        let ber = [0x30, 0x80, 0x24, 0x80, 4, 1, b'a', 4, 1, b'b', 0, 0, 0x31, 2, 5, 0, 0, 0, 0, 0];
        assert_eq!(*definite(&ber), [0x30, 8, 4, 2, b'a', b'b', 0x31, 2, 5, 0]);
    }

    #[test]
    fn what_cannot_be_read_comes_back() {
        for bytes in
            [&b""[..], &[0x30], &[0x30, 0x80], &[0x30, 0x80, 0, 0, 1], &[0x30, 0x80].repeat(40), &[0x30, 0]]
        {
            assert_eq!(*definite(bytes), *bytes);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = definite(&[&[0x30, 0x80], &bytes[..]].concat());
        }
    }
}
