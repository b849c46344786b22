//! The configuration file: a bounded read of a plain file, then TOML, key by key with its line.

use super::{
    fault::{Fault, Origin},
    key::Key,
    value::{Value, of_toml},
};
use crate::base::plain_file::{self, Rule};
use std::path::{Path, PathBuf};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

/// The longest file.
const FILE_MAX_BYTES: u64 = 256 * 1024;

/// Faults of one file that are told: whoever has more will look again anyway.
const FAULTS_MAX: usize = 50;

/// What a file says: values by key, and what is wrong.
#[derive(Default)]
pub(super) struct Found {
    pub values: Vec<(&'static Key, Value, Origin)>,
    pub faults: Vec<Fault>,
}

/// Reads a file. Everything that is wrong is found, not only the first thing.
pub(super) fn read(path: &Path) -> Found {
    match text(path) {
        Ok(text) => of_text(path, &text),
        Err(says) => {
            let says = format!("the file {says}");
            let fault = Fault { key: None, origin: Origin::File { path: path.to_owned(), line: 0 }, says };
            Found { values: Vec::new(), faults: vec![fault] }
        }
    }
}

/// What a text says that stands in this file.
pub(super) fn of_text(path: &Path, text: &str) -> Found {
    Walk { path, text, found: Found::default() }.whole()
}

/// The file's text. Whoever may write into it decides what the daemon does.
fn text(path: &Path) -> Result<String, String> {
    let octets = plain_file::read(path, Rule::Read, FILE_MAX_BYTES).map_err(|error| error.to_string())?;
    let text = std::str::from_utf8(&octets).map_err(|error| {
        let good = &octets[..error.valid_up_to()];
        format!("is not UTF-8 text in line {}", 1 + good.iter().filter(|octet| **octet == b'\n').count())
    })?;
    Ok(text.to_owned())
}

struct Walk<'a> {
    path: &'a Path,
    text: &'a str,
    found: Found,
}

impl Walk<'_> {
    fn whole(mut self) -> Found {
        let (table, errors) = DeTable::parse_recoverable(self.text);
        for error in &errors {
            // Only the place and the reason: the line itself may hold a password.
            let at = error.span().map_or(0, |span| span.start);
            self.wrong(None, at, format!("this is no TOML: {}", error.message()));
        }
        // What stands in a broken file is not judged further: half of it may be missing.
        if errors.is_empty() {
            self.section("", table.get_ref());
        }
        self.found
    }

    fn section(&mut self, prefix: &str, table: &DeTable<'_>) {
        for (name, value) in table {
            let at = name.span().start;
            let name = if prefix.is_empty() {
                name.get_ref().to_string()
            } else {
                format!("{prefix}.{}", name.get_ref())
            };
            match (Key::named(&name), value.get_ref()) {
                (Some(key), value) => self.value(key, at, value),
                (None, DeValue::Table(table)) if is_section(&name) => self.section(&name, table),
                (None, _) => self.unknown(&name, at, value),
            }
        }
    }

    fn value(&mut self, key: &'static Key, at: usize, value: &DeValue<'_>) {
        match of_toml(key.kind, value) {
            Ok(value) => {
                let origin = self.origin(at);
                self.found.values.push((key, value, origin));
            }
            Err(says) => self.wrong(Some(key.name), at, says),
        }
    }

    fn unknown(&mut self, name: &str, at: usize, value: &Spanned<DeValue<'_>>) {
        if self.found.faults.len() >= FAULTS_MAX {
            return;
        }
        if is_section(name) {
            return self.wrong(Some(name), at, "this is a section, not a value".into());
        }
        let meant = match value.get_ref() {
            DeValue::Table(_) => nearest_section(name).map(|section| format!("[{section}]")),
            _ => Key::nearest(name).map(|key| key.name.to_owned()),
        };
        let meant = meant.map_or(String::new(), |meant| format!("; did you mean {meant}?"));
        let what = if value.get_ref().is_table() { "section" } else { "key" };
        self.wrong(Some(name), at, format!("nobody knows this {what}{meant}"));
    }

    fn wrong(&mut self, key: Option<&str>, at: usize, says: String) {
        if self.found.faults.len() >= FAULTS_MAX {
            return;
        }
        let origin = self.origin(at);
        // A name that nobody knows is as long as its writer likes.
        let key = key.map(|key| key.chars().filter(|found| !found.is_control()).take(100).collect());
        self.found.faults.push(Fault { key, origin, says });
    }

    fn origin(&self, at: usize) -> Origin {
        let before = &self.text.as_bytes()[..at.min(self.text.len())];
        let line = 1 + before.iter().filter(|octet| **octet == b'\n').count();
        Origin::File { path: PathBuf::from(self.path), line }
    }
}

fn is_section(name: &str) -> bool {
    sections().any(|section| section == name)
}

/// Every section, and every section that only holds sections.
fn sections() -> impl Iterator<Item = &'static str> {
    super::table::KEYS.iter().flat_map(|key| key.name.match_indices('.').map(|(end, _)| &key.name[..end]))
}

fn nearest_section(name: &str) -> Option<&'static str> {
    super::nearest::nearest(name, sections(), |section| vec![(*section).to_owned()])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_file_full_of_mistakes_is_told_in_reason() {
        let many: String = (0..20_000).map(|number| format!("key_{number} = 1\n")).collect();
        assert_eq!(of_text(Path::new("x"), &many).faults.len(), FAULTS_MAX);
        assert!(of_text(Path::new("x"), &"=\n".repeat(100_000)).faults.len() <= FAULTS_MAX);
        let deep = format!("listen = {}", "[".repeat(100_000));
        assert!(!of_text(Path::new("x"), &deep).faults.is_empty());
        let deep = "a.".repeat(50_000) + "b = 1";
        assert!(!of_text(Path::new("x"), &deep).faults.is_empty());
    }

    proptest! {
        /// Pieces of a real configuration, in any order, cut anywhere.
        #[test]
        fn no_text_brings_the_reader_down(pieces in proptest::collection::vec(piece(), 0..40)) {
            let found = of_text(Path::new("x"), &pieces.concat());
            prop_assert!(found.faults.len() <= FAULTS_MAX);
        }
    }

    fn piece() -> impl Strategy<Value = String> {
        let known = proptest::sample::select(vec![
            "[listen]",
            "[listen.tls]",
            "[limits]",
            "[",
            "]",
            "[[",
            "\n",
            "\n",
            "\n",
            " = ",
            "=",
            ".",
            ",",
            "{",
            "}",
            "'",
            "\"",
            "\"\"\"",
            "address",
            "connections",
            "listen",
            "limits",
            "1",
            "-1",
            "0x1f",
            "1e9",
            "true",
            "nan",
            "1979-05-27",
            "trusted_proxies",
            "['10.0.0.0/8']",
            "#",
            "\\",
            "\\u0000",
            "\u{fffd}",
            "印",
        ]);
        prop_oneof![4 => known.prop_map(str::to_owned), 1 => ".{0,6}"]
    }
}
