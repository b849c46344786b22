//! Distinguished names: kept as received, compared by their bytes, shown as text that hides nothing.

use super::{Oddities, X509Error};
use crate::{
    der::{Reader, Tlv, tag},
    oid::{self, Oid},
};
use std::fmt::{self, Write as _};

/// Relative names in one name; real ones have fewer than ten.
const PARTS_MAX: usize = 64;
/// Attributes in one relative name; real ones have one.
const ATTRIBUTES_MAX: usize = 16;

/// Tags of string types that only names use (X.680).
const NUMERIC_STRING: u8 = 0x12;
const T61_STRING: u8 = 0x14;
const VISIBLE_STRING: u8 = 0x1a;
const UNIVERSAL_STRING: u8 = 0x1c;
const BMP_STRING: u8 = 0x1e;

/// A distinguished name. Two are equal where their bytes are equal.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Name(Box<[u8]>);

/// One attribute of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute {
    /// What it is: [`oid::COMMON_NAME`] and the like.
    pub id: Oid,
    /// Its value as text; `None` where the octets are no text of their type.
    pub text: Option<String>,
    /// The value's element as received.
    pub raw: Vec<u8>,
    /// Whether it belongs to the same relative name as the one before.
    pub joined: bool,
}

impl Name {
    /// Reads a Name element, with bounds on its parts; odd strings are noted, not refused.
    pub(super) fn read(element: &Tlv<'_>, oddities: &mut Oddities) -> Result<Self, X509Error> {
        for attribute in attributes(element)? {
            if attribute.text.is_none() {
                oddities.note("lenient/name-string", "A name holds a value that is no text of its type.");
            } else if attribute.is_miswritten() {
                oddities.note("lenient/name-string", "A name holds text in a type that does not allow it.");
            }
        }
        Ok(Self(element.raw.into()))
    }

    /// The name as received: one SEQUENCE with its header.
    pub fn der(&self) -> &[u8] {
        &self.0
    }

    /// Its attributes, in the order of the bytes.
    pub fn attributes(&self) -> Vec<Attribute> {
        // Read once already, when the name was made.
        Reader::whole(&self.0, tag::SEQUENCE)
            .map_err(X509Error::from)
            .and_then(|element| attributes(&element))
            .unwrap_or_default()
    }

    /// The text of the first attribute of this kind, `None` where there is none that is text.
    pub fn text(&self, id: &Oid) -> Option<String> {
        self.attributes().into_iter().find(|attribute| attribute.id == *id)?.text
    }

    /// The common name.
    pub fn common_name(&self) -> Option<String> {
        self.text(&oid::COMMON_NAME)
    }

    /// Whether it has no attributes at all.
    pub fn is_empty(&self) -> bool {
        self.attributes().is_empty()
    }
}

fn attributes(name: &Tlv<'_>) -> Result<Vec<Attribute>, X509Error> {
    let mut found = Vec::new();
    let mut parts = name.reader();
    for _ in 0..PARTS_MAX {
        if parts.is_empty() {
            return Ok(found);
        }
        let mut part = parts.read(tag::SET)?.reader();
        let first = found.len();
        while !part.is_empty() {
            if found.len() - first == ATTRIBUTES_MAX {
                return Err(X509Error::TooMany {
                    what: "attributes in a relative name",
                    limit: ATTRIBUTES_MAX,
                });
            }
            found.push(Attribute::read(&mut part, found.len() != first)?);
        }
    }
    if parts.is_empty() {
        Ok(found)
    } else {
        Err(X509Error::TooMany { what: "relative names", limit: PARTS_MAX })
    }
}

impl Attribute {
    fn read(part: &mut Reader<'_>, joined: bool) -> Result<Self, X509Error> {
        let mut fields = part.sequence()?;
        let id = fields.oid()?;
        let value = fields.any()?;
        fields.finish()?;
        Ok(Self { id, text: text(&value), raw: value.raw.to_vec(), joined })
    }

    /// Text outside the alphabet of its type: UTF-8 in a PrintableString, T61 beyond ASCII, an identifier as text.
    fn is_miswritten(&self) -> bool {
        let ascii = self.text.as_ref().is_some_and(|text| text.is_ascii());
        let unique_id = self.id.content() == [0x55, 0x04, 0x2d];
        let seven_bit = [tag::PRINTABLE_STRING, NUMERIC_STRING, T61_STRING, tag::IA5_STRING, VISIBLE_STRING];
        unique_id || (!ascii && self.raw.first().is_some_and(|tag| seven_bit.contains(tag)))
    }
}

/// The text of a string element. UTF-8 is tried for every octet-wise type, since makers mix the types up; what is not
/// UTF-8 (T61 of the old days, GBK) has no text.
fn text(value: &Tlv<'_>) -> Option<String> {
    let content = value.content;
    match value.tag {
        tag::UTF8_STRING
        | tag::PRINTABLE_STRING
        | tag::IA5_STRING
        | NUMERIC_STRING
        | T61_STRING
        | VISIBLE_STRING => String::from_utf8(content.to_vec()).ok(),
        BMP_STRING => {
            let (pairs, rest) = content.as_chunks::<2>();
            let units: Vec<u16> = pairs.iter().map(|pair| u16::from_be_bytes(*pair)).collect();
            rest.is_empty().then(|| String::from_utf16(&units).ok())?
        }
        UNIVERSAL_STRING => {
            let (words, rest) = content.as_chunks::<4>();
            rest.is_empty()
                .then(|| words.iter().map(|word| char::from_u32(u32::from_be_bytes(*word))).collect())?
        }
        _ => None,
    }
}

/// Characters that show nothing or turn the text around, so that one name could look like another.
pub(super) fn hides(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

impl fmt::Display for Name {
    /// RFC 4514-like text in the order of the bytes (RFC 4514 turns it round): `C=CN,O=…,CN=…`.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, attribute) in self.attributes().iter().enumerate() {
            if index > 0 {
                out.write_char(if attribute.joined { '+' } else { ',' })?;
            }
            match short_name(&attribute.id) {
                Some(name) => write!(out, "{name}=")?,
                None => write!(out, "{}=", attribute.id)?,
            }
            match &attribute.text {
                Some(text) => write_escaped(out, text)?,
                None => write!(out, "#{}", hex::encode(&attribute.raw))?,
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Name({self})")
    }
}

fn short_name(id: &Oid) -> Option<&'static str> {
    match id.content() {
        [0x55, 0x04, arc] => Some(match arc {
            0x03 => "CN",
            0x04 => "SN",
            0x05 => "serialNumber",
            0x06 => "C",
            0x07 => "L",
            0x08 => "ST",
            0x09 => "street",
            0x0a => "O",
            0x0b => "OU",
            0x0c => "title",
            0x2a => "GN",
            0x61 => "organizationIdentifier",
            _ => return None,
        }),
        // emailAddress (PKCS#9) and domainComponent (RFC 4519).
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x01] => Some("E"),
        [0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 0x01, 0x19] => Some("DC"),
        _ => None,
    }
}

/// RFC 4514 2.4, and every character that hides as `\` and the hex of its UTF-8 octets.
fn write_escaped(out: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    let last = text.chars().count().saturating_sub(1);
    for (index, character) in text.chars().enumerate() {
        let edge = (character == ' ' && (index == 0 || index == last)) || (character == '#' && index == 0);
        if hides(character) {
            let mut buffer = [0; 4];
            for octet in character.encode_utf8(&mut buffer).bytes() {
                write!(out, "\\{octet:02x}")?;
            }
        } else {
            if edge || matches!(character, '"' | '+' | ',' | ';' | '<' | '>' | '\\' | '=') {
                out.write_char('\\')?;
            }
            out.write_char(character)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::der;

    fn name(values: &[(Oid, Vec<u8>)]) -> (Name, Oddities) {
        let parts =
            values.iter().map(|(id, value)| der::set_of(vec![der::sequence([der::oid(id), value.clone()])]));
        let bytes = der::sequence(parts);
        let mut oddities = Oddities::default();
        let name = Name::read(&Reader::whole(&bytes, tag::SEQUENCE).unwrap(), &mut oddities).unwrap();
        (name, oddities)
    }

    #[test]
    fn a_name_is_shown_in_its_own_order_and_hides_nothing() {
        let (plain, oddities) = name(&[
            (oid::COUNTRY, der::printable_string("CN")),
            (oid::ORGANIZATION, der::utf8_string("某市, 大数据局")),
            (oid::COMMON_NAME, der::utf8_string("#a\u{202e}b\n ")),
        ]);
        assert_eq!(plain.to_string(), "C=CN,O=某市\\, 大数据局,CN=\\#a\\e2\\80\\aeb\\0a\\ ");
        assert_eq!(oddities, Oddities::default());
    }

    /// seal.md 1.5: x500UniqueIdentifier as UTF8String, and a T61String that is no text.
    #[test]
    fn odd_strings_are_findings() {
        let unique = Oid::from_content(&[0x55, 0x04, 0x2d]);
        let table = [
            (unique.clone(), der::utf8_string("12"), "2.5.4.45=12"),
            (oid::COMMON_NAME, der::element(T61_STRING, &[0xd6, 0xd0]), "CN=#1402d6d0"),
            (oid::COMMON_NAME, der::element(tag::PRINTABLE_STRING, "章".as_bytes()), "CN=章"),
            (unique, der::bit_string(&[1]), "2.5.4.45=#03020001"),
        ];
        for (id, value, shown) in table {
            let (name, oddities) = name(&[(id, value)]);
            assert_eq!(name.to_string(), shown);
            assert_eq!(oddities.0[0].id, "lenient/name-string", "{shown}");
        }
        let (bmp, fine) = name(&[(oid::COMMON_NAME, der::element(BMP_STRING, &[0x7a, 0xe0]))]);
        assert_eq!((bmp.common_name().as_deref(), fine), (Some("章"), Oddities::default()));
    }

    #[test]
    fn a_name_of_too_many_parts_is_refused() {
        let part = der::set_of(vec![der::sequence([der::oid(&oid::COMMON_NAME), der::utf8_string("x")])]);
        let bytes = der::sequence(vec![part; PARTS_MAX + 1]);
        assert!(matches!(
            Name::read(&Reader::whole(&bytes, tag::SEQUENCE).unwrap(), &mut Oddities::default()),
            Err(X509Error::TooMany { .. })
        ));
    }
}
