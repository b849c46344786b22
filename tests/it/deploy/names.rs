//! Variables, commands and ports that `deploy/` names: each is one that the program knows.

use super::path;
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};
use yinxin::{cli, config::Key};

#[test]
fn every_variable_that_is_named_is_a_setting() {
    let mut found = BTreeSet::new();
    for (file, text) in files() {
        for variable in words(&text).filter(|word| word.starts_with("YINXIN_")) {
            assert!(Key::of_variable(&variable).is_some(), "{}: {variable}", file.display());
            found.insert(variable);
        }
    }
    assert!(found.len() >= 3, "the walk finds too little: {found:?}");
}

#[test]
fn every_command_that_is_named_is_one_of_the_program() {
    let tree = cli::tree();
    let mut found = BTreeSet::new();
    for (file, text) in files() {
        for (at, _) in text.match_indices("yinxin ") {
            // `/usr/local/bin/yinxin serve`, not a word in the midst of another.
            if text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '-' || c == '.') {
                continue;
            }
            let command = words(&text[at + "yinxin ".len()..]).next().unwrap_or_default();
            let starts_plain = text[at + "yinxin ".len()..].starts_with(|c: char| c.is_ascii_lowercase());
            let called = ["bin/", "`", "=", "  "].iter().any(|before| text[..at].ends_with(before));
            // `SCHEMA=yinxin yinxin migrate` names it twice.
            if starts_plain && called && command != "yinxin" {
                assert!(tree.find_subcommand(&command).is_some(), "{}: yinxin {command}", file.display());
                found.insert(command);
            }
        }
    }
    assert!(found.contains("serve") && found.contains("migrate"), "{found:?}");
}

/// Every text in `deploy/`.
fn files() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    list(&path(""), &mut found);
    assert!(found.len() >= 4, "{found:?}");
    found
}

fn list(folder: &Path, found: &mut Vec<(PathBuf, String)>) {
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            list(&entry, found);
        } else if let Ok(text) = fs::read_to_string(&entry) {
            found.push((entry, text));
        }
    }
}

fn words(text: &str) -> impl Iterator<Item = String> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '-')
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
}
