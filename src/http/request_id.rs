//! Request ids: one name for a request in its answer, in the log and in the audit record.

use crate::base::{Entropy, Timestamp};
use axum::http::{HeaderMap, HeaderName};

crate::id_type!(
    /// A request that named itself nowhere.
    RequestId,
    "req"
);

/// The header, both ways.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const LONGEST: usize = 64;

/// The caller's own id where it is well formed (1 to 64 of letters, digits, `-`, `_`, `.`), else a fresh one.
pub fn of(headers: &HeaderMap, now: Timestamp, entropy: &dyn Entropy) -> String {
    let given = headers.get(REQUEST_ID).and_then(|value| value.to_str().ok());
    match given {
        Some(text) if is_well_formed(text) => text.to_owned(),
        _ => RequestId::fresh(now, entropy).to_string(),
    }
}

fn is_well_formed(text: &str) -> bool {
    (1..=LONGEST).contains(&text.len())
        && text.bytes().all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_' | b'.'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::entropy::SeededEntropy;
    use axum::http::HeaderValue;

    #[test]
    fn a_well_formed_id_is_kept_and_anything_else_replaced() {
        let (now, chance) = (Timestamp::from_ms(1), SeededEntropy::new(1));
        let id = |text: &'static [u8]| {
            let mut headers = HeaderMap::new();
            headers.insert(REQUEST_ID, HeaderValue::from_bytes(text).expect("a header"));
            of(&headers, now, &chance)
        };
        assert_eq!(id(b"a-1_b.C"), "a-1_b.C");
        for bad in [&b""[..], b"a b", b"a\"b", b"\xe5\x8d\xb0", &[b'x'; 65]] {
            assert!(RequestId::parse(&id(bad)).is_some());
        }
        assert!(RequestId::parse(&of(&HeaderMap::new(), now, &chance)).is_some());
    }
}
