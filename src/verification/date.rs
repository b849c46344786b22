//! Dates of PDF: `D:20261120183000+08'00'` (ISO 32000-2, 7.9.4).

use yinxin_pki::time::Timestamp;

const MINUTE_MS: i64 = 60_000;

/// Reads a date; what is left out is the least it may be, and a missing offset is UTC. `None` for anything else.
pub(super) fn read(text: &str) -> Option<Timestamp> {
    let text = text.strip_prefix("D:").unwrap_or(text).trim_end();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    if !(4..=14).contains(&digits) || digits % 2 == 1 {
        return None;
    }
    let (date, offset) = text.split_at(digits);
    let given = [date, &"00000101000000"[digits..]].concat();
    let local = Timestamp::parse_generalized(format!("{given}Z").as_bytes())?;
    Some(local.plus_ms(-offset_ms(offset)?))
}

/// `Z`, nothing, or `+08'00'` with or without its marks.
fn offset_ms(text: &str) -> Option<i64> {
    let sign = match text.chars().next() {
        None => return Some(0),
        Some('Z') => return Some(0),
        Some('+') => 1,
        Some('-') => -1,
        Some(_) => return None,
    };
    let digits: String = text[1..].chars().filter(|c| *c != '\'').collect();
    if !matches!(digits.len(), 2 | 4) || !digits.bytes().all(|octet| octet.is_ascii_digit()) {
        return None;
    }
    let hours: i64 = digits[..2].parse().ok()?;
    let minutes: i64 = if digits.len() == 4 { digits[2..].parse().ok()? } else { 0 };
    (hours < 24 && minutes < 60).then_some(sign * (hours * 60 + minutes) * MINUTE_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_in_every_form_that_the_standard_allows() {
        let table = [
            ("D:20261120183000+08'00'", Some("2026-11-20T10:30:00Z")),
            ("D:20261120183000+08'00", Some("2026-11-20T10:30:00Z")),
            ("D:20261120183000Z00'00'", Some("2026-11-20T18:30:00Z")),
            ("D:20261120183000", Some("2026-11-20T18:30:00Z")),
            ("20261120183000-0130", Some("2026-11-20T20:00:00Z")),
            ("D:2026", Some("2026-01-01T00:00:00Z")),
            ("D:202611", Some("2026-11-01T00:00:00Z")),
            ("D:20261320183000", None),
            ("D:20261120183000+99'00'", None),
            ("D:20261120183000+€", None),
            ("yesterday", None),
            ("", None),
        ];
        for (text, expected) in table {
            assert_eq!(read(text).map(Timestamp::rfc3339).as_deref(), expected, "{text}");
        }
    }
}
