//! The configuration as operators meet it: through the real program, its words and its exit codes.

use crate::support::process::{Place, Said};
use serde_json::Value;
use std::{fs, os::unix::fs::PermissionsExt as _};

// sysexits.h: wrong usage, and a configuration that can't be taken.
const USAGE: i32 = 64;
const CONFIGURATION: i32 = 78;

/// A file of the place.
fn written(place: &Place, name: &str, content: impl AsRef<[u8]>) -> String {
    let path = place.file(name);
    fs::write(&path, content).unwrap();
    path
}

fn check(place: &Place, toml: &str) -> Said {
    let file = written(place, "yinxin.toml", toml);
    place.run(["config", "check", "--config", &file])
}

#[test]
fn a_good_configuration_is_taken_and_a_bad_one_told_as_a_whole() {
    let place = Place::initialised();
    let good = check(&place, "[listen]\naddress = '127.0.0.1:0'\n");
    assert_eq!((good.code, good.out.lines().last()), (0, Some("the configuration can be taken")), "{good:?}");
    let bad = check(&place, "[listen]\naddress = 'here'\nadress = 1\n[limits]\nconnections = 0\n");
    assert_eq!(bad.code, CONFIGURATION, "{bad:?}");
    for told in ["line 2", "did you mean listen.address?", "from 1 to 100000"] {
        assert!(bad.err.contains(told), "{told}: {bad:?}");
    }
    // The daemon says the same, and nothing starts.
    let daemon = place.run(["serve", "--config", &place.file("yinxin.toml")]);
    assert_eq!((daemon.code, &daemon.err), (CONFIGURATION, &bad.err));
}

#[test]
fn a_flag_that_is_wrong_is_wrong_usage() {
    let place = Place::empty();
    assert_eq!(place.run(["serve", "--listen", "here"]).code, USAGE);
}

#[test]
fn files_and_addresses_that_are_named_are_looked_at() {
    let place = Place::initialised();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let open = written(&place, "open", "secret");
    fs::set_permissions(&open, fs::Permissions::from_mode(0o644)).unwrap();
    let toml = format!(
        "passphrase_file = '{open}'\n[listen]\naddress = '{}'\nsocket = '/no/such/folder/x'\n",
        taken.local_addr().unwrap()
    );
    let said = check(&place, &toml);
    assert_eq!(said.code, CONFIGURATION, "{said:?}");
    for told in ["mode 0644", "can't be listened on", "/no/such/folder is not there"] {
        assert!(said.out.contains(told), "{told}: {said:?}");
    }
}

#[test]
fn what_holds_is_shown_with_its_origin_and_without_secrets() {
    let place = Place::empty();
    let toml = "[database]\nurl = 'postgres://u:hunter2@db/x'\n[limits]\nconnections = 7\n";
    let file = written(&place, "yinxin.toml", toml);
    let mut command = place.command(["config", "show", "--json", "--config", &file]);
    let output = command.env("YINXIN_LIMITS_HEAVY_REQUESTS", "3").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && !text.contains("hunter2"), "{text}");
    let shown: Value = serde_json::from_str(&text).unwrap();
    let key = |name: &str| {
        let found = shown["keys"].as_array().unwrap().iter().find(|key| key["name"] == name);
        found.unwrap_or_else(|| panic!("{name} is not shown")).clone()
    };
    assert_eq!(key("limits.connections")["value"], "7");
    assert_eq!(key("limits.connections")["origin"]["line"], 4);
    assert_eq!(key("limits.heavy_requests")["origin"]["variable"], "YINXIN_LIMITS_HEAVY_REQUESTS");
    assert_eq!(key("data_dir")["origin"]["option"], "--dir");
    assert_eq!(key("database.url")["value"], "\"postgres://u:…@db/x\"");
    assert_eq!(key("limits.light_requests")["origin"]["kind"], "default");
    let plain = place.good(["config", "show", "--config", &file]);
    assert!(plain.contains("limits.connections = 7  # file ") && !plain.contains("hunter2"), "{plain}");
}

#[test]
fn the_example_is_printed_and_taken() {
    let place = Place::initialised();
    let example = place.good(["config", "example"]);
    let said = check(&place, &example);
    // Somebody else may listen on the default port of this machine.
    assert!(said.code == 0 || said.out.contains("can't be listened on"), "{said:?}");
}
