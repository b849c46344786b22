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
/// So many digits in a row may be somebody's: a telephone number has eleven, an identity number eighteen.
const DIGITS_MAX: usize = 10;
const UUID_CHARS: usize = 36;
const TRACE_CHARS: usize = 32;

/// The caller's own id where it is well formed (1 to 64 of letters, digits, `-`, `_`, `.`) and can't be a person's number,
/// else a fresh one: it stands in the log and in audit records.
pub fn of(headers: &HeaderMap, now: Timestamp, entropy: &dyn Entropy) -> String {
    let given = headers.get(REQUEST_ID).and_then(|value| value.to_str().ok());
    match given {
        Some(text) if is_well_formed(text) && !may_be_a_number_of_a_person(text) => text.to_owned(),
        _ => RequestId::fresh(now, entropy).to_string(),
    }
}

fn is_well_formed(text: &str) -> bool {
    (1..=LONGEST).contains(&text.len())
        && text.bytes().all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_' | b'.'))
}

/// Whether many digits stand in a row. UUIDs and trace ids are known by their shape, and may have them by chance.
fn may_be_a_number_of_a_person(text: &str) -> bool {
    let hex = |octet: u8| octet.is_ascii_hexdigit();
    let is_uuid = text.len() == UUID_CHARS
        && text
            .bytes()
            .enumerate()
            .all(|(at, octet)| if matches!(at, 8 | 13 | 18 | 23) { octet == b'-' } else { hex(octet) });
    let is_trace = text.len() == TRACE_CHARS && text.bytes().all(hex);
    let longest = text.split(|character: char| !character.is_ascii_digit()).map(str::len).max();
    !is_uuid && !is_trace && longest.unwrap_or_default() > DIGITS_MAX
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
        for good in [
            "a-1_b.C",
            "order-1234567890",
            "00000000-1234-4567-8901-123456789012",
            "12345678901234567890123456789012",
        ] {
            assert_eq!(id(good.as_bytes()), good);
        }
        let person = [&b"110101199003070011"[..], b"11010119900307001X", b"tel-13800138000"];
        for bad in [&b""[..], b"a b", b"a\"b", b"\xe5\x8d\xb0", &[b'x'; 65]].into_iter().chain(person) {
            assert!(RequestId::parse(&id(bad)).is_some());
        }
        assert!(RequestId::parse(&of(&HeaderMap::new(), now, &chance)).is_some());
    }
}
