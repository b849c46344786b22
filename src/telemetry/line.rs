//! One line of the log, for people or for programs. Whatever a value holds, a line stays one line.

use super::{Format, field::Value};
use crate::base::Timestamp;
use std::{cell::RefCell, fmt::Write as _};
use tracing::Level;

/// What a line says before its fields.
#[derive(Debug)]
pub(super) struct Head<'a> {
    pub at: Timestamp,
    pub level: Level,
    pub event: &'a str,
    /// The sentence; empty where there is none.
    pub says: &'a str,
}

/// Writes a line with its end.
pub(super) fn write<'f>(
    out: &mut String,
    format: Format,
    head: &Head<'_>,
    fields: impl Iterator<Item = (&'static str, &'f Value)>,
) {
    match format {
        Format::Text => text(out, head, fields),
        Format::Json => json(out, head, fields),
    }
    out.push('\n');
}

fn text<'f>(out: &mut String, head: &Head<'_>, fields: impl Iterator<Item = (&'static str, &'f Value)>) {
    instant(out, head.at);
    let _ = write!(out, " {:<5} {}", head.level, head.event);
    if !head.says.is_empty() {
        out.push(' ');
        plain(out, head.says);
    }
    for (name, value) in fields {
        let _ = write!(out, " {name}=");
        match value {
            Value::Text(text) if is_word(text) => out.push_str(text),
            Value::Text(text) => quoted(out, text),
            Value::Int(number) => drop(write!(out, "{number}")),
            Value::Uint(number) => drop(write!(out, "{number}")),
            Value::Float(number) => drop(write!(out, "{number}")),
            Value::Flag(flag) => drop(write!(out, "{flag}")),
        }
    }
}

fn json<'f>(out: &mut String, head: &Head<'_>, fields: impl Iterator<Item = (&'static str, &'f Value)>) {
    out.push_str("{\"at\":\"");
    instant(out, head.at);
    let level = match head.level {
        Level::ERROR => "error",
        Level::WARN => "warn",
        Level::INFO => "info",
        Level::DEBUG => "debug",
        Level::TRACE => "trace",
    };
    let _ = write!(out, "\",\"level\":\"{level}\",\"event\":");
    quoted(out, head.event);
    if !head.says.is_empty() {
        out.push_str(",\"says\":");
        quoted(out, head.says);
    }
    for (name, value) in fields {
        out.push(',');
        quoted(out, name);
        out.push(':');
        match value {
            Value::Text(text) => quoted(out, text),
            Value::Int(number) => drop(write!(out, "{number}")),
            Value::Uint(number) => drop(write!(out, "{number}")),
            // JSON knows no infinity.
            Value::Float(number) if number.is_finite() => drop(write!(out, "{number}")),
            Value::Float(number) => quoted(out, &number.to_string()),
            Value::Flag(flag) => drop(write!(out, "{flag}")),
        }
    }
    out.push('}');
}

/// RFC 3339 in UTC, always with milliseconds. The second is put into words once on each thread.
fn instant(out: &mut String, at: Timestamp) {
    thread_local! {
        static SECOND: RefCell<(i64, String)> = const { RefCell::new((i64::MIN, String::new())) };
    }
    SECOND.with_borrow_mut(|(second, words)| {
        if *second != at.seconds() {
            *second = at.seconds();
            *words = at.whole_seconds().rfc3339().trim_end_matches('Z').to_owned();
        }
        let _ = write!(out, "{words}.{:03}Z", at.ms().rem_euclid(1000));
    });
}

/// Whether a text needs no quotes.
fn is_word(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|octet| octet.is_ascii_graphic() && !matches!(octet, b'"' | b'=' | b'\\'))
}

/// A text without what ends or hides a line.
fn plain(out: &mut String, text: &str) {
    for character in text.chars() {
        match crate::base::text::is_hidden(character) {
            true => drop(write!(out, "\\u{{{:x}}}", u32::from(character))),
            false => out.push(character),
        }
    }
}

/// A JSON string. What is not seen, or turns the order of reading, is written as a number.
fn quoted(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            hidden if crate::base::text::is_hidden(hidden) => {
                for unit in hidden.encode_utf16(&mut [0; 2]) {
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
            character => out.push(character),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: Head<'_> = Head {
        at: Timestamp::from_ms(1_795_219_200_007),
        level: Level::WARN,
        event: "job.given_up",
        says: "a job was given up",
    };

    fn line(format: Format, fields: &[(&'static str, Value)]) -> String {
        let mut out = String::new();
        write(&mut out, format, &HEAD, fields.iter().map(|(name, value)| (*name, value)));
        out
    }

    fn fields() -> Vec<(&'static str, Value)> {
        vec![
            ("kind", Value::Text("authority.renew_list".into())),
            ("reason", Value::Text("two\nlines \"and\" \u{202e}\u{e0041}印".into())),
            ("job", Value::Int(-3)),
            ("took", Value::Float(0.25)),
            ("far", Value::Float(f64::INFINITY)),
            ("last", Value::Flag(true)),
        ]
    }

    #[test]
    fn a_line_for_people() {
        let wanted = "2026-11-21T00:00:00.007Z WARN  job.given_up a job was given up kind=authority.renew_list \
                      reason=\"two\\nlines \\\"and\\\" \\u202e\\udb40\\udc41印\" job=-3 took=0.25 far=inf last=true\n";
        assert_eq!(line(Format::Text, &fields()), wanted);
    }

    #[test]
    fn a_line_for_programs_is_json_whatever_it_holds() {
        let line = line(Format::Json, &fields());
        let read: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(read["at"], "2026-11-21T00:00:00.007Z");
        assert_eq!((&read["level"], &read["event"]), (&"warn".into(), &"job.given_up".into()));
        assert_eq!(read["reason"], "two\nlines \"and\" \u{202e}\u{e0041}印");
        assert_eq!((&read["job"], &read["took"], &read["far"]), (&(-3).into(), &0.25.into(), &"inf".into()));
        assert_eq!(line.matches('\n').count(), 1);
        assert!(!line.contains('\u{202e}'));
    }

    proptest::proptest! {
        #[test]
        fn any_text_makes_one_line_that_is_read_back(text in "(?s).*") {
            let fields = [("value", Value::Text(text.clone()))];
            let json = line(Format::Json, &fields);
            proptest::prop_assert_eq!(json.lines().count(), 1);
            let read: serde_json::Value = serde_json::from_str(&json).unwrap();
            proptest::prop_assert_eq!(read["value"].as_str(), Some(text.as_str()));
            proptest::prop_assert_eq!(line(Format::Text, &fields).trim_end().lines().count(), 1);
        }
    }
}
