//! Events have stable names, which operators search and alert by.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// One line an event: its level, its name, its sentence. `UPDATE_SNAPSHOTS=1` writes the file anew; a change is a change of
/// what operators search for.
#[test]
fn every_event_has_a_name_and_the_names_are_those_that_were_reviewed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    list(&root.join("src"), &mut files);
    list(&root.join("pki/src"), &mut files);
    let mut events = BTreeMap::new();
    for file in files {
        let source = fs::read_to_string(&file).unwrap();
        let source = source.split("#[cfg(test)]\nmod tests").next().unwrap();
        let source: Vec<_> = source.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        let source = source.join("\n");
        for level in ["error", "warn", "info", "debug", "trace"] {
            for call in source.split(&format!("tracing::{level}!(")).skip(1) {
                let arguments = &call[..end_of(call)];
                let name =
                    arguments.trim_start().strip_prefix("name: \"").and_then(|rest| rest.split('"').next());
                let name = name
                    .unwrap_or_else(|| panic!("{}: an event without a name: {arguments}", file.display()));
                let plain = |part: &str| {
                    !part.is_empty() && part.bytes().all(|o| o.is_ascii_lowercase() || o == b'_')
                };
                assert!(
                    name.split_once('.').is_some_and(|(room, what)| plain(room) && plain(what)),
                    "{name}"
                );
                for every_line_has in ["at", "level", "event", "says", "message"] {
                    let shorthand = ["", "%", "?"].map(|sign| format!(", {sign}{every_line_has},"));
                    let names = [&shorthand[..], &[format!(" {every_line_has} =")]].concat();
                    assert!(!names.iter().any(|name| arguments.contains(name)), "{arguments}");
                }
                let sentence = arguments.split('"').rev().nth(1).unwrap();
                let line = format!("{level:<5} {name:<32} {sentence}");
                let before = events.insert(name.to_owned(), line.clone());
                assert!(before.is_none_or(|before| before == line), "one name, two sentences: {line}");
            }
        }
    }
    assert!(events.len() > 30, "the scan finds too little");
    let mut table = String::from(
        "# Events of the log. Written by a test; a change here is a change of what operators search for.\n",
    );
    events.values().for_each(|line| table.push_str(&format!("{line}\n")));
    let path = root.join("fixtures/events.txt");
    if std::env::vars_os().any(|(name, value)| name == "UPDATE_SNAPSHOTS" && value == "1") {
        fs::write(&path, &table).unwrap();
    }
    let reviewed = fs::read_to_string(&path).unwrap_or_default();
    assert!(table == reviewed, "events changed: look at them, then run with UPDATE_SNAPSHOTS=1\n{table}");
}

/// Where the parenthesis closes that is open at the beginning.
fn end_of(call: &str) -> usize {
    let (mut depth, mut quoted, mut escaped) = (1, false, false);
    for (at, character) in call.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if !quoted => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at;
        }
    }
    call.len()
}

fn list(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            list(&entry, files);
        } else if entry.extension().is_some_and(|extension| extension == "rs") {
            files.push(entry);
        }
    }
}
