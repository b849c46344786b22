//! One line of the log, for people or for programs. Whatever a value holds, a line stays one line.

use super::Format;
use crate::base::{Timestamp, text::is_hidden};
use std::{
    cell::RefCell,
    fmt::{self, Write as _},
};
use tracing::{
    Level,
    field::{Field, Visit},
};

/// The field that holds an event's sentence.
const SENTENCE: &str = "message";

/// The field in which the front door hands over what a caller said of its own span.
pub(super) const PARENT: &str = "traceparent";

/// Fields as they stand in a line, each with what separates it from the one before. Written once, where they are recorded:
/// those of a span stand in every line inside it.
#[derive(Debug)]
pub(super) struct Fields {
    format: Format,
    out: String,
    /// The sentence of an event.
    says: String,
}

impl Fields {
    pub fn new(format: Format) -> Self {
        Self { format, out: String::new(), says: String::new() }
    }

    /// Makes ready for the next event.
    pub fn clear(&mut self) {
        self.out.clear();
        self.says.clear();
    }

    /// Adds a text.
    pub fn text(&mut self, name: &str, text: &str) {
        match name {
            SENTENCE => return self.says.push_str(text),
            // What a caller sent is no line's business.
            PARENT => return,
            _ => self.name(name),
        }
        match self.format {
            Format::Text if is_word(text) => self.out.push_str(text),
            _ => quoted(&mut self.out, text),
        }
    }

    fn name(&mut self, name: &str) {
        let (before, after) = match self.format {
            Format::Text => (" ", "="),
            Format::Json => (",\"", "\":"),
        };
        self.out.push_str(before);
        // Names are ours, plain, and none that every line has: a test reads them all.
        self.out.push_str(name);
        self.out.push_str(after);
    }

    fn plain(&mut self, name: &str, value: impl fmt::Display) {
        self.name(name);
        let _ = write!(self.out, "{value}");
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == SENTENCE {
            let _ = write!(self.says, "{value:?}");
            return;
        }
        self.text(field.name(), &format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.text(field.name(), value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.plain(field.name(), value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.plain(field.name(), value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        // JSON knows no infinity.
        if value.is_finite() {
            self.plain(field.name(), value)
        } else {
            self.text(field.name(), &value.to_string())
        }
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.plain(field.name(), value);
    }
}

/// Begins a line: when, how bad, which event, and its sentence.
pub(super) fn begin(out: &mut String, at: Timestamp, level: Level, event: &str, fields: &Fields) {
    match fields.format {
        Format::Text => {
            instant(out, at);
            out.push_str(match level {
                Level::ERROR => " ERROR ",
                Level::WARN => " WARN  ",
                Level::INFO => " INFO  ",
                Level::DEBUG => " DEBUG ",
                Level::TRACE => " TRACE ",
            });
            out.push_str(event);
            out.push(' ');
            plain(out, &fields.says);
        }
        Format::Json => {
            out.push_str("{\"at\":\"");
            instant(out, at);
            out.push_str(match level {
                Level::ERROR => "\",\"level\":\"error\",\"event\":",
                Level::WARN => "\",\"level\":\"warn\",\"event\":",
                Level::INFO => "\",\"level\":\"info\",\"event\":",
                Level::DEBUG => "\",\"level\":\"debug\",\"event\":",
                Level::TRACE => "\",\"level\":\"trace\",\"event\":",
            });
            quoted(out, event);
            out.push_str(",\"says\":");
            quoted(out, &fields.says);
        }
    }
}

/// Goes on with fields.
pub(super) fn add(out: &mut String, fields: &Fields) {
    out.push_str(&fields.out);
}

/// Ends a line.
pub(super) fn end(out: &mut String, format: Format) {
    out.push_str(match format {
        Format::Text => "\n",
        Format::Json => "}\n",
    });
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
        out.push_str(words);
        let ms = at.ms().rem_euclid(1000);
        let digit = |of: i64| char::from(b'0' + (of % 10) as u8);
        out.extend(['.', digit(ms / 100), digit(ms / 10), digit(ms), 'Z']);
    });
}

/// Whether a text needs no quotes.
fn is_word(text: &str) -> bool {
    let plain = |octet: u8| octet.is_ascii_graphic() && !matches!(octet, b'"' | b'=' | b'\\');
    !text.is_empty() && text.bytes().all(plain)
}

/// A sentence without what ends or hides a line.
fn plain(out: &mut String, text: &str) {
    if text.bytes().all(|octet| (b' '..=b'~').contains(&octet)) {
        return out.push_str(text);
    }
    for character in text.chars() {
        match is_hidden(character) {
            true => drop(write!(out, "\\u{{{:x}}}", u32::from(character))),
            false => out.push(character),
        }
    }
}

/// A JSON string. What is not seen, or turns the order of reading, is written as a number.
fn quoted(out: &mut String, text: &str) {
    out.push('"');
    if is_word(text) {
        out.push_str(text);
    } else {
        text.chars().for_each(|character| escaped(out, character));
    }
    out.push('"');
}

fn escaped(out: &mut String, character: char) {
    match character {
        '"' => out.push_str("\\\""),
        '\\' => out.push_str("\\\\"),
        '\n' => out.push_str("\\n"),
        '\t' => out.push_str("\\t"),
        '\r' => out.push_str("\\r"),
        hidden if is_hidden(hidden) => {
            for unit in hidden.encode_utf16(&mut [0; 2]) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        }
        character => out.push(character),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Timestamp = Timestamp::from_ms(1_795_219_200_007);

    fn line(format: Format, fill: impl Fn(&mut Fields)) -> String {
        let (mut out, mut fields) = (String::new(), Fields::new(format));
        fields.text(SENTENCE, "a job was given up");
        fill(&mut fields);
        begin(&mut out, AT, Level::WARN, "job.given_up", &fields);
        add(&mut out, &fields);
        end(&mut out, format);
        out
    }

    fn fill(fields: &mut Fields) {
        fields.text("kind", "authority.renew_list");
        fields.text("reason", "two\nlines \"and\" \u{202e}\u{e0041}印");
        fields.plain("job", -3);
        fields.plain("took", 0.25);
        fields.plain("last", true);
    }

    #[test]
    fn a_line_for_people() {
        let wanted = "2026-11-21T00:00:00.007Z WARN  job.given_up a job was given up kind=authority.renew_list \
                      reason=\"two\\nlines \\\"and\\\" \\u202e\\udb40\\udc41印\" job=-3 took=0.25 last=true\n";
        assert_eq!(line(Format::Text, fill), wanted);
    }

    #[test]
    fn a_line_for_programs_is_json_whatever_it_holds() {
        let line = line(Format::Json, fill);
        let read: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(read["at"], "2026-11-21T00:00:00.007Z");
        assert_eq!((&read["level"], &read["event"]), (&"warn".into(), &"job.given_up".into()));
        assert_eq!(read["says"], "a job was given up");
        assert_eq!(read["reason"], "two\nlines \"and\" \u{202e}\u{e0041}印");
        assert_eq!((&read["job"], &read["took"], &read["last"]), (&(-3).into(), &0.25.into(), &true.into()));
        assert_eq!(line.matches('\n').count(), 1);
        assert!(!line.contains('\u{202e}'));
    }

    proptest::proptest! {
        #[test]
        fn any_text_makes_one_line_that_is_read_back(text in "(?s).*") {
            let fill = |fields: &mut Fields| {
                fields.text(SENTENCE, &text);
                fields.text("value", &text);
            };
            let json = line(Format::Json, fill);
            proptest::prop_assert_eq!(json.lines().count(), 1);
            let read: serde_json::Value = serde_json::from_str(&json).unwrap();
            proptest::prop_assert_eq!(read["value"].as_str(), Some(text.as_str()));
            proptest::prop_assert_eq!(line(Format::Text, fill).trim_end().lines().count(), 1);
        }
    }
}
