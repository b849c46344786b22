//! The configuration file: a bounded read of a plain file, then TOML, key by key with its line.

use super::{
    fault::{Fault, Origin},
    key::Key,
    value::{Value, of_toml},
};
use rustix::fs::{FileType, Mode, OFlags};
use std::{
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

/// The longest file.
const FILE_MAX_BYTES: u64 = 256 * 1024;
/// Anybody else may write.
const OTHERS_WRITE: u32 = 0o002;

/// What a file says: values by key, and what is wrong.
#[derive(Default)]
pub(super) struct Found {
    pub values: Vec<(&'static Key, Value, Origin)>,
    pub faults: Vec<Fault>,
}

/// Reads a file. Everything that is wrong is found, not only the first thing.
pub(super) fn read(path: &Path) -> Found {
    match text(path) {
        Ok(text) => Walk { path, text: &text, found: Found::default() }.whole(),
        Err(says) => {
            let says = format!("the configuration file can't be read: {says}");
            let fault = Fault { key: None, origin: Origin::File { path: path.to_owned(), line: 0 }, says };
            Found { values: Vec::new(), faults: vec![fault] }
        }
    }
}

/// The file's text. Checked by the handle that is read, so that the file can't be swapped in between.
fn text(path: &Path) -> Result<String, String> {
    // NONBLOCK: a named pipe in the file's place must not hold the start up.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let handle = rustix::fs::open(path, flags, Mode::empty()).map_err(|error| said(error.into()))?;
    let stat = rustix::fs::fstat(&handle).map_err(|error| said(error.into()))?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => {}
        FileType::Directory => return Err("it is a directory".into()),
        _ => return Err("it is no plain file".into()),
    }
    if stat.st_mode & OTHERS_WRITE != 0 {
        let mode = stat.st_mode & 0o7777;
        return Err(format!("it has mode {mode:04o}: anybody may write into it; 0644 at most is taken"));
    }
    let mut octets = Vec::new();
    File::from(handle).take(FILE_MAX_BYTES + 1).read_to_end(&mut octets).map_err(said)?;
    if octets.len() as u64 > FILE_MAX_BYTES {
        return Err(format!("it is longer than {FILE_MAX_BYTES} bytes"));
    }
    String::from_utf8(octets).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        format!("line {}: it is not UTF-8 text", 1 + good.iter().filter(|octet| **octet == b'\n').count())
    })
}

/// The operating system's words without its number.
fn said(error: std::io::Error) -> String {
    let says = error.to_string();
    says.split(" (os error").next().unwrap_or(&says).to_owned()
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
