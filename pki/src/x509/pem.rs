//! PEM (RFC 7468): base64 between BEGIN and END lines.

use super::X509Error;
use base64::{Engine as _, engine::general_purpose::STANDARD};

/// The DER of each block with this label, in order; other blocks and text between them are passed over.
/// Refused where there is none, more than `limit`, or a block that is not base64.
pub fn decode(text: &[u8], label: &str, limit: usize) -> Result<Vec<Vec<u8>>, X509Error> {
    let text = std::str::from_utf8(text).map_err(|_| X509Error::Pem)?;
    let (begin, end) = (format!("-----BEGIN {label}-----"), format!("-----END {label}-----"));
    let mut blocks = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once(&begin) {
        let (body, after) = after.split_once(&end).ok_or(X509Error::Pem)?;
        if blocks.len() == limit {
            return Err(X509Error::TooMany { what: "PEM blocks", limit });
        }
        let body: Vec<u8> = body.bytes().filter(|octet| !octet.is_ascii_whitespace()).collect();
        blocks.push(STANDARD.decode(body).map_err(|_| X509Error::Pem)?);
        rest = after;
    }
    if blocks.is_empty() { Err(X509Error::Pem) } else { Ok(blocks) }
}

/// The PEM text of `der`: lines of 64 characters, a newline at the end.
pub fn encode(der: &[u8], label: &str) -> String {
    let body = STANDARD.encode(der);
    let mut text = format!("-----BEGIN {label}-----\n");
    for (index, character) in body.chars().enumerate() {
        if index != 0 && index % 64 == 0 {
            text.push('\n');
        }
        text.push(character);
    }
    text.push_str(&format!("\n-----END {label}-----\n"));
    text
}

/// The bytes themselves where they begin like DER, else the first PEM block with this label.
pub(super) fn first(bytes: &[u8], label: &str) -> Result<Vec<u8>, X509Error> {
    if bytes.first() == Some(&crate::der::tag::SEQUENCE) {
        return Ok(bytes.to_vec());
    }
    let mut blocks = decode(bytes, label, BUNDLE_MAX)?;
    Ok(blocks.swap_remove(0))
}

/// Blocks read from one text.
pub(super) const BUNDLE_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_is_decoded() {
        for size in [0usize, 1, 47, 48, 49, 96, 1000] {
            let der: Vec<u8> = (0..size).map(|index| index as u8).collect();
            let text = format!("subject=x\n{}{}", encode(&der, "CERTIFICATE"), encode(b"other", "KEY"));
            assert_eq!(decode(text.as_bytes(), "CERTIFICATE", 4), Ok(vec![der]));
            assert!(text.lines().all(|line| line.len() <= 64));
        }
    }

    #[test]
    fn text_that_is_no_pem_is_refused() {
        for text in [
            "",
            "hello",
            "-----BEGIN CERTIFICATE-----\nAAAA",
            "-----BEGIN CERTIFICATE-----\n?\n-----END CERTIFICATE-----",
        ] {
            assert_eq!(decode(text.as_bytes(), "CERTIFICATE", 4), Err(X509Error::Pem), "{text}");
        }
        let twice = encode(b"x", "X509 CRL").repeat(2);
        assert!(matches!(decode(twice.as_bytes(), "X509 CRL", 1), Err(X509Error::TooMany { .. })));
    }
}
