//! One value: as somebody wrote it, checked by the kind of its key.

use super::key::{Kind, UNITS};
use crate::outside::Network;
use std::net::SocketAddr;
use toml::de::{DeInteger, DeValue};

/// A value that its kind takes.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Value {
    Text(String),
    Number(u64),
    Flag(bool),
    List(Vec<String>),
}

/// The longest line of text.
const TEXT_MAX_BYTES: usize = 1024;
/// The most lines of a list.
const LIST_MAX: usize = 256;

/// Takes a value from TOML, or says what is wrong with it.
pub(super) fn of_toml(kind: Kind, value: &DeValue<'_>) -> Result<Value, String> {
    let other = || format!("it is {}; {} is taken", described(value), kind.takes());
    let value = match (kind, value) {
        (Kind::Number { .. }, DeValue::Integer(number)) => Value::Number(whole(number).ok_or_else(other)?),
        (Kind::Number { .. }, _) => return Err(other()),
        (Kind::Flag, DeValue::Boolean(flag)) => Value::Flag(*flag),
        (Kind::Flag, _) => return Err(other()),
        (Kind::List | Kind::Networks, DeValue::Array(lines)) => {
            let line = |line: &toml::Spanned<DeValue<'_>>| line.get_ref().as_str().map(str::to_owned);
            Value::List(lines.iter().map(line).collect::<Option<_>>().ok_or_else(other)?)
        }
        (Kind::List | Kind::Networks, _) => return Err(other()),
        (_, DeValue::String(text)) => Value::Text(text.to_string()),
        _ => return Err(other()),
    };
    check(kind, value)
}

/// Takes a value from text: the environment, or a flag.
pub(super) fn of_text(kind: Kind, text: &str) -> Result<Value, String> {
    let other = || format!("it is `{}`; {} is taken", shown(text), kind.takes());
    let value = match kind {
        Kind::Number { .. } => Value::Number(text.trim().replace('_', "").parse().map_err(|_| other())?),
        Kind::Flag => Value::Flag(text.trim().parse().map_err(|_| other())?),
        Kind::List | Kind::Networks => {
            let lines = text.split(',').map(|line| line.trim().to_owned());
            Value::List(lines.filter(|line| !line.is_empty()).collect())
        }
        _ => Value::Text(text.to_owned()),
    };
    check(kind, value)
}

fn check(kind: Kind, value: Value) -> Result<Value, String> {
    match &value {
        Value::Text(text) => text_is_taken(kind, text)?,
        Value::List(lines) => list_is_taken(kind, lines)?,
        Value::Number(number) => {
            let Kind::Number { least, most, .. } = kind else { return Ok(value) };
            if !(least..=most).contains(number) {
                return Err(format!("it is {number}; {} is taken", kind.takes()));
            }
        }
        Value::Flag(_) => {}
    }
    Ok(value)
}

fn text_is_taken(kind: Kind, text: &str) -> Result<(), String> {
    // The replacement character stands where the environment was no UTF-8.
    if text.contains('\u{fffd}') {
        return Err("it is not UTF-8 text".into());
    }
    if text.is_empty() {
        return Err(format!("it is empty; {} is taken", kind.takes()));
    }
    if text.len() > TEXT_MAX_BYTES || text.contains(char::is_control) {
        return Err(format!(
            "it is longer than {TEXT_MAX_BYTES} bytes, or not one line; {} is taken",
            kind.takes()
        ));
    }
    let fits = match kind {
        Kind::Address => text.parse::<SocketAddr>().is_ok(),
        Kind::Choice(words) => words.contains(&text),
        Kind::Duration { least_ms, most_ms } => {
            milliseconds(text).is_some_and(|ms| (least_ms..=most_ms).contains(&ms))
        }
        Kind::Url => is_plain_url(text),
        // Never shown: it may hold a password.
        Kind::DatabaseUrl if !is_postgres(text) => {
            let sqlite = "; without it, SQLite in the data directory is used";
            return Err(format!("it does not begin with postgres://{sqlite}"));
        }
        _ => true,
    };
    if fits { Ok(()) } else { Err(format!("it is `{}`; {} is taken", shown(text), kind.takes())) }
}

fn list_is_taken(kind: Kind, lines: &[String]) -> Result<(), String> {
    if lines.len() > LIST_MAX {
        return Err(format!("it has {} lines; {LIST_MAX} are taken", lines.len()));
    }
    for line in lines {
        if line.is_empty() || line.len() > TEXT_MAX_BYTES || line.contains(char::is_control) {
            return Err(format!("one of its lines is empty or too long; {} is taken", kind.takes()));
        }
        if kind == Kind::Networks {
            Network::parse(line)
                .map_err(|error| format!("{error}; the bits behind the prefix must be zero"))?;
        }
    }
    Ok(())
}

pub(super) fn is_postgres(url: &str) -> bool {
    url.starts_with("postgres://") || url.starts_with("postgresql://")
}

fn is_plain_url(url: &str) -> bool {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://")).unwrap_or_default();
    let odd = |found: char| found.is_whitespace() || found.is_control() || "?#@\"<>".contains(found);
    !rest.is_empty() && !rest.contains(odd)
}

/// The milliseconds of a span like `30s`.
pub(super) fn milliseconds(text: &str) -> Option<u64> {
    let digits = text.find(|found: char| !found.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let (_, size) = UNITS.iter().find(|(name, _)| *name == unit)?;
    number.parse::<u64>().ok()?.checked_mul(*size)
}

/// Hexadecimal, octal and binary too, as TOML has them.
fn whole(number: &DeInteger<'_>) -> Option<u64> {
    let digits = number.as_str().replace('_', "");
    u64::from_str_radix(digits.strip_prefix('+').unwrap_or(&digits), number.radix()).ok()
}

/// What a value of TOML is, without showing a text: that may be a secret in the wrong place.
fn described(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(_) => "a text".into(),
        DeValue::Integer(number) => shown(number.as_str()),
        DeValue::Float(number) => shown(number.as_str()),
        DeValue::Boolean(flag) => flag.to_string(),
        DeValue::Datetime(_) => "a date".into(),
        DeValue::Array(_) => "a list".into(),
        DeValue::Table(_) => "a section".into(),
    }
}

/// What was written, as far as one line shows it.
fn shown(text: &str) -> String {
    text.chars().take(60).filter(|found| !found.is_control()).collect()
}

impl Value {
    /// As in TOML.
    pub fn toml(&self) -> String {
        // JSON's escapes are TOML's too.
        let quoted = |text: &String| serde_json::Value::from(text.as_str()).to_string();
        match self {
            Value::Text(text) => quoted(text),
            Value::Number(number) => number.to_string(),
            Value::Flag(flag) => flag.to_string(),
            Value::List(lines) => format!("[{}]", lines.iter().map(quoted).collect::<Vec<_>>().join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::key::span, *};

    #[test]
    fn spans_of_time_are_read_and_written() {
        for (text, ms) in
            [("500ms", 500), ("30s", 30_000), ("10m", 600_000), ("24h", 86_400_000), ("90d", 7_776_000_000)]
        {
            assert_eq!(milliseconds(text), Some(ms), "{text}");
        }
        assert_eq!((span(86_400_000), span(90_000), span(0)), ("1d".into(), "90s".into(), "0s".into()));
        for bad in
            ["", "s", "30", "-1s", "1.5s", "30 s", "1w", "99999999999999999999d", "18446744073709551615d"]
        {
            assert_eq!(milliseconds(bad), None, "{bad}");
        }
        let kind = Kind::Duration { least_ms: 1000, most_ms: 60_000 };
        assert!(of_text(kind, "60s").is_ok());
        assert!(of_text(kind, "61s").is_err_and(|says| says.contains("1s to 1m")));
    }

    #[test]
    fn each_kind_takes_its_own_from_the_environment() {
        for (kind, good, bad) in [
            (Kind::Flag, "true", "yes"),
            (Kind::Choice(&["json", "text"]), "json", "xml"),
            (Kind::Number { least: 1, most: 9, unit: "x" }, " 9 ", "0"),
            (Kind::Address, "[::1]:80", "localhost:80"),
            (Kind::Networks, "10.0.0.0/8, fd00::/8", "10.0.0.1/8"),
            (Kind::List, "a,b", "\u{7}"),
            (Kind::Url, "https://x/y", "https://u@x"),
            (Kind::Text, "word", ""),
        ] {
            assert!(of_text(kind, good).is_ok(), "{good}");
            let says = of_text(kind, bad).err().unwrap_or_default();
            assert!(says.ends_with("is taken") || says.contains("must be zero"), "{bad}: {says}");
        }
    }
}
