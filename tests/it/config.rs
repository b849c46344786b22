//! The configuration as operators meet it: through the real program, its words and its exit codes.

use crate::support::{
    certificates::{Authority, Kind},
    process::{Place, Said},
};
use serde_json::Value;
use std::{
    ffi::OsStr,
    fs,
    os::unix::{
        ffi::OsStrExt as _,
        fs::{PermissionsExt as _, symlink},
    },
    path::Path,
};

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

fn mode(path: impl AsRef<Path>, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// What the daemon says of a configuration file that it can't start with, and with which exit code.
fn refused(place: &Place, file: &str) -> Said {
    let said = place.run(["serve", "--config", file]);
    assert!(said.code != 0 && said.out.is_empty() && !place.dir().join("yinxin.sock").exists(), "{said:?}");
    said
}

#[test]
fn a_configuration_file_that_is_none_is_refused_with_its_name_and_a_reason() {
    let place = Place::initialised();
    let at = |name: &str| place.file(name);
    fs::create_dir(at("folder")).unwrap();
    symlink(at("b"), at("a")).unwrap();
    symlink(at("a"), at("b")).unwrap();
    written(&place, "latin", b"# fine\n# caf\xe9\n");
    written(&place, "long", "#".repeat(256 * 1024 + 1));
    written(&place, "binary", [0, 1, 2, 3]);
    mode(written(&place, "open", ""), 0o666);
    let cut = place.good(["config", "example"]).replace("#address", "address");
    written(&place, "cut", &cut[..cut.find("address = \"127").unwrap() + 14]);
    let piped = std::process::Command::new("mkfifo").arg(at("pipe")).status();
    assert!(piped.is_ok_and(|status| status.success()));
    for (name, words) in [
        ("none", "can't be read: No such file"),
        ("folder", "is no plain file"),
        ("a", "symbolic links"),
        ("pipe", "is no plain file"),
        ("latin", "is not UTF-8 text in line 2"),
        ("long", "is longer than 262144 bytes"),
        ("binary", "line 1: this is no TOML"),
        ("open", "has mode 0666"),
        ("cut", "this is no TOML: "),
    ] {
        let said = refused(&place, &at(name));
        assert_eq!(said.code, CONFIGURATION, "{name}: {said:?}");
        assert!(said.err.contains(words) && said.err.contains(&at(name)), "{name}: {said:?}");
        assert_eq!(place.run(["config", "check", "--config", &at(name)]).err, said.err, "{name}");
    }
    // The place of the cut is named.
    assert!(refused(&place, &at("cut")).err.contains(" line "));
}

#[test]
fn slips_in_the_environment_are_refused_with_the_name_that_was_meant() {
    let place = Place::initialised();
    for (name, value, words) in [
        ("YINXIN_LISTEN_ADRESS", &b"127.0.0.1:0"[..], "did you mean YINXIN_LISTEN_ADDRESS?"),
        ("YINXIN_LIMIT_CONNECTIONS", b"1", "did you mean YINXIN_LIMITS_CONNECTIONS?"),
        ("YINXIN_LIMITS_CONNECTIONS", b"many", "environment YINXIN_LIMITS_CONNECTIONS"),
        ("YINXIN_LIMITS_CONNECTIONS", b"", "environment YINXIN_LIMITS_CONNECTIONS"),
        ("YINXIN_PUBLIC_URL", b"http://caf\xe9", "is not UTF-8 text"),
        ("YINXIN_DATABASE_URL", b"postgres//u:hunter2@db", "database.url"),
    ] {
        let mut command = place.command(["serve"]);
        let output = command.env(name, OsStr::from_bytes(value)).output().unwrap();
        let err = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(CONFIGURATION), "{name}: {err}");
        assert!(err.contains(words) && !err.contains("hunter2"), "{name}: {err}");
    }
}

#[test]
fn files_with_secrets_that_others_may_read_or_that_hold_none_are_refused() {
    let place = Place::initialised();
    let open = written(&place, "open", "postgres://u:hunter2@db/x");
    mode(&open, 0o644);
    let wrong = written(&place, "wrong", "mysql://u:hunter2@db/x");
    let empty = written(&place, "empty", "");
    let binary = written(&place, "binary", b"\xff\xfe");
    let long = written(&place, "long", "x".repeat(5000));
    for file in [&wrong, &empty, &binary, &long] {
        mode(file, 0o600);
    }
    let folder = place.dir().display().to_string();
    for (file, words) in [
        (open.as_str(), "mode 0644, which lets others in; it may have 0640 at most"),
        (&wrong, "does not begin with postgres://"),
        (&empty, "does not begin with postgres://"),
        (&binary, "is not UTF-8 text"),
        (&long, "is longer than 4096 bytes"),
        (&folder, "is no plain file"),
        ("/no/such/file", "No such file"),
    ] {
        let toml = format!("[database]\nurl_file = '{file}'\n");
        let said = refused(&place, &written(&place, "yinxin.toml", toml));
        assert_eq!(said.code, CONFIGURATION, "{file}: {said:?}");
        assert!(
            said.err.contains(words) && said.err.contains("line 2") && !said.err.contains("hunter2"),
            "{said:?}"
        );
    }
    // The passphrase has rules of its own, stricter by one bit.
    let passphrase = place.dir().join("passphrase");
    for bad in [0o640, 0o644] {
        mode(&passphrase, bad);
        let said = refused(&place, &written(&place, "yinxin.toml", "[listen]\naddress = '127.0.0.1:0'\n"));
        assert!(said.code == 1 && said.err.contains(&format!("{bad:04o}")), "{said:?}");
        let checked = place.run(["config", "check"]);
        assert!(checked.code == CONFIGURATION && checked.out.contains(&format!("{bad:04o}")), "{checked:?}");
    }
}

#[test]
fn files_of_tls_that_can_t_be_used_are_refused_at_start_and_found_by_the_check() {
    let Some(authority) = Authority::new() else { return };
    let place = Place::initialised();
    let (good, other) = (authority.server("good"), authority.server("other"));
    let (sm2, expired) = (authority.issue("sm2", Kind::Sm2, 90), authority.issue("expired", Kind::P256, -1));
    let soon = authority.issue("soon", Kind::P256, 5);
    let path = |path: &Path| path.display().to_string();
    let key = fs::read(&good.key).unwrap();
    let chain = fs::read(&good.certificate).unwrap();
    let private = |name: &str, content: &[u8]| {
        let file = written(&place, name, content);
        mode(&file, 0o600);
        file
    };
    let (certificate, good_key) = (path(&good.certificate), path(&good.key));
    let open_key = written(&place, "open.key", &key);
    mode(&open_key, 0o644);
    let encrypted = String::from_utf8(key.clone()).unwrap().replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    let half_key = private("half.key", &key[..key.len() / 2]);
    let half = written(&place, "half.pem", &chain[..chain.len() / 2]);
    let nonsense =
        written(&place, "nonsense.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    let folder = place.dir().display().to_string();
    let told = |certificate: &str, key: &str, rest: &str| {
        let toml = format!(
            "[listen]\naddress = '127.0.0.1:0'\n[listen.tls]\ncertificate_file = '{certificate}'\nkey_file = '{key}'\n{rest}"
        );
        let file = written(&place, "yinxin.toml", toml);
        let checked = place.run(["config", "check", "--config", &file]);
        (file, checked)
    };
    let clients = |name: &str, file: &str| format!("client_ca_file = '{certificate}'\n{name} = '{file}'\n");
    for (certificate, key, rest, words) in [
        ("/no/such/file", good_key.as_str(), String::new(), "No such file"),
        (&folder, &good_key, String::new(), "is no plain file"),
        (&half, &good_key, String::new(), "half written, or cut off"),
        (&good_key, &good_key, String::new(), "holds no certificate"),
        (&nonsense, &good_key, String::new(), "certificate that can't be read"),
        (&path(&other.certificate), &good_key, String::new(), "does not belong to the certificate"),
        (&path(&sm2.certificate), &path(&sm2.key), String::new(), "SM2"),
        (&certificate, &open_key, String::new(), "mode 0644, which lets others in"),
        (&certificate, &half_key, String::new(), "half written, or cut off"),
        (&certificate, &private("encrypted.key", encrypted.as_bytes()), String::new(), "encrypted key"),
        (&certificate, &private("empty.key", b""), String::new(), "holds no private key"),
        (&certificate, &good_key, format!("client_ca_file = '{half}'\n"), "half written, or cut off"),
        (&certificate, &good_key, format!("client_ca_file = '{nonsense}'\n"), "can't be an authority"),
        (&certificate, &good_key, clients("client_crl_file", &certificate), "holds no revocation list"),
    ] {
        let (file, checked) = told(certificate, key, &rest);
        let said = refused(&place, &file);
        assert_eq!(
            (said.code, checked.code),
            (CONFIGURATION, CONFIGURATION),
            "{words}: {said:?} {checked:?}"
        );
        assert!(said.err.contains(words) && checked.out.contains(words), "{words}: {said:?} {checked:?}");
        assert!(checked.out.contains("line "), "{checked:?}");
    }
    let (_, checked) = told(&path(&expired.certificate), &path(&expired.key), "");
    assert!(checked.code == CONFIGURATION && checked.out.contains("has expired at"), "{checked:?}");
    let (_, checked) = told(&path(&soon.certificate), &path(&soon.key), "");
    assert!(
        checked.code == 0 && checked.out.contains("weak: ") && checked.out.contains("ends soon"),
        "{checked:?}"
    );
    let (_, checked) = told(&certificate, &good_key, "");
    assert_eq!((checked.code, checked.out.lines().count()), (0, 1), "{checked:?}");
}

#[test]
fn what_is_in_the_way_of_the_socket_is_not_removed() {
    let place = Place::initialised();
    let precious = written(&place, "precious", "do not remove");
    let toml = format!("[listen]\naddress = '127.0.0.1:0'\nsocket = '{precious}'\n");
    let said = refused(&place, &written(&place, "yinxin.toml", toml));
    assert!(said.code == 1 && said.err.contains("is no socket"), "{said:?}");
    assert_eq!(fs::read_to_string(&precious).unwrap(), "do not remove");
}

#[test]
fn what_is_weak_is_told_and_taken() {
    let place = Place::initialised();
    for (toml, words) in [
        ("[listen]\naddress = '0.0.0.0:0'\nbehind_proxy = true\n", "listen.trusted_proxies"),
        ("[listen]\naddress = '0.0.0.0:0'\nbehind_proxy = true\n", "listen.admin_address"),
        ("[listen]\naddress = '127.0.0.1:0'\ntrusted_proxies = ['0.0.0.0/0']\n", "everybody is believed"),
        (
            "[listen]\naddress = '127.0.0.1:0'\n[database]\nurl = 'postgres://yinxin@db.example/x'\n",
            "sslmode=verify-full",
        ),
        (
            "[listen]\naddress = '127.0.0.1:0'\n[database]\nurl = 'postgres://u:hunter2@localhost/x'\n",
            "holds a password",
        ),
    ] {
        let said = check(&place, toml);
        assert_eq!(said.code, 0, "{toml}: {said:?}");
        let weak = said.out.lines().any(|line| line.starts_with("weak: ") && line.contains(words));
        assert!(weak && !said.out.contains("hunter2"), "{toml}: {said:?}");
    }
}
