//! What an unnamed file is, by its first elements (seal.md §0).

use crate::{
    cms::{self, SignedData},
    der::{Reader, Tlv, tag},
    oid,
};

/// What bytes look like. Nothing is promised of the rest of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A seal.
    Seal,
    /// A stamp.
    Stamp,
    /// A time-stamp token.
    Token,
    /// Other signed data.
    Cms,
    /// None of these.
    Unknown,
}

/// What `bytes` look like: an identifier first is signed data; a header first in the first element is a seal; a version
/// first in it, with certificate or signature behind, a stamp. Bytes behind the outer element are not looked at.
pub fn kind_of(bytes: &[u8]) -> Kind {
    let bytes = cms::definite(bytes);
    let outer = Reader::new(&bytes).any().ok().filter(|element| element.tag == tag::SEQUENCE);
    outer.and_then(|outer| inside(&outer)).unwrap_or(Kind::Unknown)
}

fn inside(outer: &Tlv<'_>) -> Option<Kind> {
    let mut fields = outer.reader();
    let first = fields.any().ok()?;
    match first.tag {
        tag::OID => Some(signed_kind(outer)),
        tag::SEQUENCE => match (first.reader().peek()?, fields.peek()?) {
            (tag::SEQUENCE, tag::SEQUENCE | tag::OCTET_STRING) => {
                Some(Kind::Seal).filter(|_| is_info(&first))
            }
            (tag::INTEGER, tag::BIT_STRING | tag::OCTET_STRING) => Some(Kind::Stamp),
            _ => None,
        },
        _ => None,
    }
}

/// SES_SealInfo begins with a header, and the header with a text.
fn is_info(info: &Tlv<'_>) -> bool {
    let header = info.reader().sequence();
    header.is_ok_and(|header| header.peek() == Some(tag::IA5_STRING))
}

fn signed_kind(outer: &Tlv<'_>) -> Kind {
    match SignedData::parse(outer.raw) {
        Ok(signed) if signed.content_type == oid::TST_INFO => Kind::Token,
        _ => Kind::Cms,
    }
}
