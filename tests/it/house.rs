//! The floors of the house: imports point down, or along an arrow named here; rules know no database and no HTTP.

use std::{
    fs,
    path::{Path, PathBuf},
};

const FLOORS: &[(&str, u8)] = &[
    ("base", 1),
    ("store", 2),
    ("keys", 2),
    ("document", 2),
    ("outside", 2),
    ("telemetry", 2),
    ("sandbox", 2),
    ("tls", 2),
    ("audit", 3),
    ("backup", 3),
    ("job", 3),
    ("http", 3),
    ("web", 3),
    ("officer", 3),
    ("authority", 4),
    ("seal", 4),
    ("verification", 4),
    ("config", 5),
    ("doctor", 5),
    ("cli", 5),
    ("app", 5),
    ("main", 5),
    ("lib", 5),
];
/// Within a floor, upwards from left to right. `http` and `officer` know each other: the kit asks who calls, and officers
/// have routes and idempotent commands of their own.
const ARROWS: &[(&str, &str)] = &[
    ("keys", "store"),
    ("telemetry", "outside"),
    ("outside", "tls"),
    ("job", "audit"),
    ("backup", "audit"),
    ("officer", "audit"),
    ("officer", "http"),
    ("http", "officer"),
    ("web", "http"),
    ("seal", "authority"),
    ("verification", "seal"),
    ("verification", "authority"),
    ("cli", "app"),
    ("cli", "config"),
    ("cli", "doctor"),
    ("doctor", "app"),
    ("doctor", "config"),
    ("app", "config"),
    ("app", "cli"),
    ("main", "cli"),
    ("main", "app"),
    ("main", "config"),
];
/// Files of a subject room that may know the database and HTTP; every other file there is rules. `caller` makes audit
/// entries, `error` carries the errors of the store.
const HANDS: &[&str] = &["store", "service", "http", "caller", "error"];
const SUBJECTS: &[&str] = &["officer", "authority", "seal", "verification"];

#[test]
fn imports_point_down_and_rules_know_no_database_and_no_http() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    list(&src, &mut files);
    let crossings: Vec<String> = files.iter().flat_map(|file| crossings(&src, file)).collect();
    assert!(files.len() > 20, "the walk finds too little");
    assert!(crossings.is_empty(), "{}", crossings.join("\n"));
}

fn crossings(src: &Path, file: &Path) -> Vec<String> {
    let path = file.strip_prefix(src).unwrap().with_extension("");
    let parts: Vec<&str> = path.iter().map(|part| part.to_str().unwrap()).collect();
    let from = parts[0];
    let is_rule = SUBJECTS.contains(&from) && !parts[1..].iter().any(|part| HANDS.contains(part));
    let source = fs::read_to_string(file).unwrap();
    // Tests may reach anywhere.
    let source = source.split("#[cfg(test)]\nmod tests").next().unwrap();
    let crossed = |to: &str| {
        let (low, high) = (floor(to), floor(from));
        let allowed = to == from || from == "lib" || low < high || ARROWS.contains(&(from, to));
        let rule_knows = is_rule && ["store", "http", "web", "job", "audit"].contains(&to);
        (!allowed || rule_knows || (to == "config" && high < 5))
            .then(|| format!("{} uses crate::{to}", path.display()))
    };
    rooms(source).iter().filter_map(|to| crossed(to)).collect()
}

fn floor(room: &str) -> u8 {
    let found = FLOORS.iter().find(|(name, _)| *name == room);
    found.unwrap_or_else(|| panic!("{room} has no floor: name it in FLOORS")).1
}

/// Every `crate::room`, in `use` lines and elsewhere, and every room of `use crate::{…}`.
fn rooms(source: &str) -> Vec<String> {
    let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let mut found = Vec::new();
    for after in source.split("crate::").skip(1) {
        match after.strip_prefix('{') {
            None => found.push(word(after)),
            Some(group) => {
                let mut depth = 0;
                let mut start = true;
                for (at, c) in group.char_indices() {
                    match c {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' if depth == 0 => start = true,
                        c if start && depth == 0 && c.is_alphanumeric() => {
                            found.push(word(&group[at..]));
                            start = false;
                        }
                        _ => {}
                    }
                }
            }
        }
    }
    found.retain(|room| !room.is_empty() && room != "id_type");
    found
}

#[test]
fn imports_are_found_in_every_spelling() {
    let source = "use crate::store::Store;\nuse crate::{\n    audit,\n    base::{Secret, id::{fresh}},\n    http::Problem,\n};\ncrate::job::x()";
    assert_eq!(rooms(source), ["store", "audit", "base", "http", "job"]);
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
