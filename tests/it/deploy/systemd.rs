//! The systemd unit, by systemd's own measure.

use super::{path, text};
use crate::support::databases::say_skipped;
use std::{collections::BTreeSet, fs, path::Path, process::Command};
use yinxin::config::KEYS;

/// In tenths, as `--threshold=` takes it; 0 would be a service that can do nothing.
const EXPOSURE_MAX: u32 = 15;

#[test]
fn the_unit_is_as_closed_as_it_is_said_to_be() {
    let measured = Command::new("systemd-analyze")
        .args(["security", "--offline=true", "--no-pager", &format!("--threshold={EXPOSURE_MAX}")])
        .arg(path("systemd/yinxin.service"))
        .output();
    let Ok(measured) = measured else {
        return say_skipped("how closed the systemd unit is: systemd-analyze is not here (Debian: systemd)");
    };
    let says =
        format!("{}{}", String::from_utf8_lossy(&measured.stdout), String::from_utf8_lossy(&measured.stderr));
    assert!(measured.status.success(), "{says}");
    assert!(says.contains("Overall exposure level"), "{says}");
    assert!(!says.contains("Unknown") && !says.contains("ignoring"), "{says}");
}

/// The user that it runs as is nobody's before it runs, so what it reads of the configuration everybody may read.
#[test]
fn the_unit_can_read_what_it_tells_to_install() {
    let unit = text("systemd/yinxin.service");
    let installs: Vec<&str> = unit.lines().filter(|line| line.contains("/etc/yinxin")).collect();
    assert!(installs.iter().any(|line| line.contains("install -d -m 0755 /etc/yinxin")), "{installs:?}");
    assert!(
        installs.iter().any(|line| line.contains("install -m 0644 yinxin.toml /etc/yinxin/")),
        "{installs:?}"
    );
}

#[test]
fn every_secret_of_the_configuration_has_its_line_in_the_unit() {
    let unit = text("systemd/yinxin.service");
    for credential in KEYS.iter().filter_map(|key| key.credential) {
        let named = unit.lines().any(|line| {
            line.trim_start_matches('#').strip_prefix("LoadCredentialEncrypted=") == Some(credential)
        });
        assert!(named, "{credential}");
    }
}

/// `yinxin init` is run as the unit would: as its user, with its directory and its passphrase.
#[test]
fn the_first_start_is_told_with_the_settings_of_the_unit() {
    let unit = text("systemd/yinxin.service");
    let settings: BTreeSet<&str> = unit.lines().map(|line| line.trim_start_matches('#')).collect();
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/operations.md");
    let docs = fs::read_to_string(docs).unwrap();
    let told = docs.split_once("systemd-run").expect("how it is run for the first time").1;
    let told = told.split_once("yinxin init").unwrap().0;
    let given: Vec<&str> = told.split_whitespace().filter(|word| word.contains('=')).collect();
    assert!(given.len() >= 6, "{given:?}");
    for setting in given {
        let environment = format!("Environment={}", setting.trim_start_matches("--setenv="));
        assert!(settings.contains(setting) || settings.contains(&*environment), "{setting}");
    }
    for needed in
        ["DynamicUser=yes", "User=yinxin", "StateDirectory=yinxin", "LoadCredentialEncrypted=passphrase"]
    {
        assert!(told.contains(needed), "{needed}");
    }
}
