//! Text strings (ISO 32000-2, 7.9.2.2) as people read them.

use super::super::{Dict, Object};

/// The text of a string: UTF-16 with its mark, UTF-8 with its mark, else one octet a character. Control characters
/// become U+FFFD, so that a name cannot move a terminal's cursor.
pub(super) fn text(octets: &[u8]) -> String {
    let decoded = match octets {
        [0xfe, 0xff, units @ ..] => {
            let units = units.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
            char::decode_utf16(units).map(|unit| unit.unwrap_or('\u{fffd}')).collect()
        }
        [0xef, 0xbb, 0xbf, text @ ..] => String::from_utf8_lossy(text).into_owned(),
        // PDFDocEncoding is Latin 1 but for some forty signs.
        plain => plain.iter().map(|octet| char::from(*octet)).collect::<String>(),
    };
    decoded.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// The string under `key`.
pub(super) fn string(dict: &Dict, key: &[u8]) -> Option<String> {
    dict.find(key).and_then(Object::as_string).map(|string| text(&string.bytes))
}

/// The name under `key`.
pub(super) fn name(dict: &Dict, key: &[u8]) -> Option<String> {
    dict.find(key).and_then(Object::as_name).map(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_reads_in_its_three_encodings_and_keeps_no_control_characters() {
        assert_eq!(text(b"\xfe\xff\x53\x70\x7a\xe0"), "印章");
        assert_eq!(text("\u{feff}印章".as_bytes()), "印章");
        assert_eq!(text(b"caf\xe9\x1b[2J"), "café\u{fffd}[2J");
        assert_eq!(text(b"\xfe\xff\xd8\x00\x00"), "\u{fffd}");
    }
}
