//! Any text as a configuration file, any pairs as variables: taken or refused with reasons, never a panic; what was taken and
//! is shown is taken again and means the same; a password in an address stays out of everything that is printed.
//!
//! The input: the file, then `\0NAME=value` for each variable. An input that begins with `\x01` is a password instead.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::{fs, path::PathBuf, sync::LazyLock};
use yinxin::{
    base::Timestamp,
    config::{Config, Key, inspect},
};

const CANARY: &str = "hunter2canary";

/// In memory, for it is written thousands of times a second.
static FILE: LazyLock<PathBuf> =
    LazyLock::new(|| PathBuf::from(format!("/dev/shm/yinxin-fuzz-config-{}", std::process::id())));

fuzz_target!(|bytes: &[u8]| {
    match bytes.strip_prefix(b"\x01") {
        Some(around) => password(&String::from_utf8_lossy(around)),
        None => whole(bytes),
    }
});

fn whole(bytes: &[u8]) {
    let mut parts = bytes.split(|octet| *octet == 0);
    let file = parts.next().unwrap_or_default();
    let variables: Vec<(String, String)> = parts
        .filter_map(|part| {
            let text = String::from_utf8_lossy(part).into_owned();
            text.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()))
        })
        .collect();
    match load(file, &variables) {
        Err(says) => assert!(!says.is_empty()),
        Ok(config) => {
            let _ = inspect(&config, Timestamp::from_ms(1_790_000_000_000)).iter().map(|finding| finding.says.len()).sum::<usize>();
            again(&config);
        }
    }
}

/// What is shown, written into a file, is taken, and shows the same.
fn again(config: &Config) {
    let shown = |config: &Config| -> Vec<(String, String)> {
        let plain = config.settings.shown().filter(|shown| {
            Key::named(shown.name).is_some_and(|key| !key.secret)
        });
        plain.filter_map(|shown| Some((shown.name.to_owned(), shown.value?))).collect()
    };
    let first = shown(config);
    // A schema without its server is refused; the server's address is a secret and not shown.
    let text: String = first
        .iter()
        .filter(|(name, _)| !name.starts_with("database."))
        .map(|(name, value)| format!("{name} = {value}\n"))
        .collect();
    let second = load(text.as_bytes(), &[]).unwrap_or_else(|says| panic!("{text}\n{says}"));
    let kept = |all: Vec<(String, String)>| -> Vec<_> {
        all.into_iter().filter(|(name, _)| !name.starts_with("database.")).collect()
    };
    assert_eq!(kept(first), kept(shown(&second)), "{text}");
}

fn password(around: &str) {
    // What may stand in the password part of an address without ending it.
    let (before, after) = around.split_once('|').unwrap_or((around, ""));
    let plain = |text: &str| text.replace(['/', '?', '#', '@', '\0'], "");
    let url = format!("postgres://u:{}{CANARY}{}@db/x", plain(before), plain(after));
    let printed = match load(b"", &[("YINXIN_DATABASE_URL".to_owned(), url)]) {
        Ok(config) => format!("{config:?} {:?}", config.settings.shown().collect::<Vec<_>>()),
        Err(says) => says,
    };
    assert!(!printed.contains(CANARY), "{printed}");
}

fn load(file: &[u8], variables: &[(String, String)]) -> Result<Config, String> {
    fs::write(&*FILE, file).unwrap();
    Config::load(Some(&FILE), variables.iter().cloned()).map_err(|error| error.to_string())
}
