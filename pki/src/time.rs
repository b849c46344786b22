//! Instants: milliseconds since 1970-01-01T00:00:00Z, and the text forms that certificates, seals and people use.

use std::fmt;
use time::{OffsetDateTime, UtcOffset, format_description::well_known::Rfc3339};

/// An instant in milliseconds since the Unix epoch. The years 1 to 9999 are representable; arithmetic saturates there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// 0001-01-01T00:00:00Z.
const EARLIEST_MS: i64 = -62_135_596_800_000;
/// 9999-12-31T23:59:59.999Z.
const LATEST_MS: i64 = 253_402_300_799_999;

impl Timestamp {
    /// The instant so many milliseconds after the epoch, held within the years 1 to 9999.
    pub const fn from_ms(ms: i64) -> Self {
        Self(if ms < EARLIEST_MS {
            EARLIEST_MS
        } else if ms > LATEST_MS {
            LATEST_MS
        } else {
            ms
        })
    }

    /// The instant so many seconds after the epoch, held within the years 1 to 9999.
    pub const fn from_seconds(seconds: i64) -> Self {
        Self::from_ms(seconds.saturating_mul(1000))
    }

    /// Milliseconds since the epoch.
    pub const fn ms(self) -> i64 {
        self.0
    }

    /// Whole seconds since the epoch, rounded down: what certificates and seals can carry.
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// The same instant without its fraction of a second.
    pub const fn whole_seconds(self) -> Self {
        Self::from_seconds(self.seconds())
    }

    /// Later by `ms` milliseconds (earlier where negative).
    pub const fn plus_ms(self, ms: i64) -> Self {
        Self::from_ms(self.0.saturating_add(ms))
    }

    /// Later by `days` days of 24 hours.
    pub const fn plus_days(self, days: i64) -> Self {
        self.plus_ms(days.saturating_mul(86_400_000))
    }

    /// Reads RFC 3339 text with any offset; `None` where it is none.
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        let instant = OffsetDateTime::parse(text, &Rfc3339).ok()?;
        i64::try_from(instant.unix_timestamp_nanos().div_euclid(1_000_000)).ok().map(Self::from_ms)
    }

    /// RFC 3339 in UTC for machines, `2026-11-21T00:00:00Z`; a fraction is shown in milliseconds where there is one.
    pub fn rfc3339(self) -> String {
        let t = self.calendar(UtcOffset::UTC);
        let fraction = match t.millisecond() {
            0 => String::new(),
            ms => format!(".{ms:03}"),
        };
        let (date, time) = (date_text(t), time_text(t));
        format!("{date}T{time}{fraction}Z")
    }

    /// Beijing time for people, `2026-11-21 08:00:00`.
    pub fn beijing(self) -> String {
        let t = self.calendar(beijing_offset());
        format!("{} {}", date_text(t), time_text(t))
    }

    /// Reads the content of a GeneralizedTime `YYYYMMDDHHMMSSZ` (no fraction, no offset: seal.md §1.5, RFC 5280 4.1.2.5.2).
    pub fn parse_generalized(content: &[u8]) -> Option<Self> {
        let (b"Z", digits) = content.split_last().map(|(z, d)| (std::slice::from_ref(z), d))? else {
            return None;
        };
        if digits.len() != 14 {
            return None;
        }
        from_fields(number(&digits[..4])?, &digits[4..])
    }

    /// Reads the content of a UTCTime `YYMMDDHHMMSSZ`; two-digit years from 50 on are 19xx (RFC 5280 4.1.2.5.1).
    pub fn parse_utc(content: &[u8]) -> Option<Self> {
        let (b"Z", digits) = content.split_last().map(|(z, d)| (std::slice::from_ref(z), d))? else {
            return None;
        };
        if digits.len() != 12 {
            return None;
        }
        let year = number(&digits[..2])?;
        from_fields(if year < 50 { 2000 + year } else { 1900 + year }, &digits[2..])
    }

    /// GeneralizedTime content, `YYYYMMDDHHMMSSZ`; a fraction of a second is dropped.
    pub fn generalized(self) -> String {
        let t = self.calendar(UtcOffset::UTC);
        format!("{}Z", compact(t))
    }

    /// UTCTime content, `YYMMDDHHMMSSZ`, or `None` outside 1950–2049 where it cannot say the year.
    pub fn utc(self) -> Option<String> {
        let t = self.calendar(UtcOffset::UTC);
        (1950..2050).contains(&t.year()).then(|| format!("{}Z", &compact(t)[2..]))
    }

    fn calendar(self, offset: UtcOffset) -> OffsetDateTime {
        // Held within the years 1 to 9999 by `from_ms`, so the conversion cannot fail; Beijing's eight hours may leave
        // that range at its very end, where UTC is shown instead.
        let utc = OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * 1_000_000)
            .unwrap_or(OffsetDateTime::UNIX_EPOCH);
        utc.checked_to_offset(offset).unwrap_or(utc)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.rfc3339())
    }
}

impl serde::Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.rfc3339())
    }
}

fn beijing_offset() -> UtcOffset {
    UtcOffset::from_hms(8, 0, 0).unwrap_or(UtcOffset::UTC)
}

fn date_text(t: OffsetDateTime) -> String {
    format!("{:04}-{:02}-{:02}", t.year(), u8::from(t.month()), t.day())
}

fn time_text(t: OffsetDateTime) -> String {
    format!("{:02}:{:02}:{:02}", t.hour(), t.minute(), t.second())
}

fn compact(t: OffsetDateTime) -> String {
    let (month, day) = (u8::from(t.month()), t.day());
    format!("{:04}{month:02}{day:02}{:02}{:02}{:02}", t.year(), t.hour(), t.minute(), t.second())
}

fn number(digits: &[u8]) -> Option<i32> {
    digits.iter().try_fold(0, |sum, digit| digit.is_ascii_digit().then(|| sum * 10 + i32::from(digit - b'0')))
}

/// `MMDDHHMMSS` after a year already read.
fn from_fields(year: i32, rest: &[u8]) -> Option<Timestamp> {
    let mut fields = [0u8; 5];
    for (field, pair) in fields.iter_mut().zip(rest.chunks(2)) {
        *field = u8::try_from(number(pair)?).ok()?;
    }
    let [month, day, hour, minute, second] = fields;
    let date = time::Date::from_calendar_date(year, month.try_into().ok()?, day).ok()?;
    let instant = date.with_hms(hour, minute, second).ok()?.assume_utc();
    Some(Timestamp::from_seconds(instant.unix_timestamp()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_one_instant_agree() {
        let t = Timestamp::from_seconds(1_795_219_200);
        assert_eq!(t.rfc3339(), "2026-11-21T00:00:00Z");
        assert_eq!(t.beijing(), "2026-11-21 08:00:00");
        assert_eq!(t.generalized(), "20261121000000Z");
        assert_eq!(t.utc().as_deref(), Some("261121000000Z"));
        for back in [
            Timestamp::parse_rfc3339("2026-11-21T08:00:00+08:00"),
            Timestamp::parse_generalized(b"20261121000000Z"),
            Timestamp::parse_utc(b"261121000000Z"),
        ] {
            assert_eq!(back, Some(t));
        }
    }

    #[test]
    fn odd_times_are_refused() {
        for text in
            [&b""[..], b"Z", b"20261121000000", b"20261121000000.5Z", b"20261321000000Z", b"2026112100000+Z"]
        {
            assert_eq!(Timestamp::parse_generalized(text), None, "{}", String::from_utf8_lossy(text));
            assert_eq!(Timestamp::parse_utc(text), None);
        }
        assert_eq!(
            Timestamp::parse_utc(b"490101000000Z").map(|t| t.rfc3339()).as_deref(),
            Some("2049-01-01T00:00:00Z")
        );
        assert_eq!(Timestamp::from_seconds(2_524_608_000).utc(), None);
    }

    #[test]
    fn arithmetic_stays_within_the_calendar() {
        assert_eq!(Timestamp::from_ms(i64::MAX).rfc3339(), "9999-12-31T23:59:59.999Z");
        assert_eq!(Timestamp::from_ms(i64::MIN).plus_ms(-1).rfc3339(), "0001-01-01T00:00:00Z");
        assert_eq!(Timestamp::from_ms(i64::MAX).beijing(), "9999-12-31 23:59:59");
    }
}
