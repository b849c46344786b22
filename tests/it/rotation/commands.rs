//! The same by commands, beside a daemon and without one.

use crate::support::process::Place;
use std::{fs, os::unix::fs::PermissionsExt as _};

const NEW: &str = "a passphrase of five words";

fn private(path: &str, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn keys_and_certificates_are_changed_beside_a_daemon() {
    let place = Place::initialised();
    let daemon = place.serve();
    let sealed = place.sealed();
    let system = place.key("system_administrator");
    let said = place.good(["key", "rotate-wrapping", "--key-file", &system]);
    assert!(said.contains("done: everything stands under master key 2"), "{said}");
    place.good(["key", "rotate-audit", "--key-file", &system]);
    for (act, what) in [
        ("renew", "time-stamping"),
        ("renew", "seal-maker"),
        ("rollover", "root"),
        ("rollover", "issuing"),
        ("renew", "time-stamping"),
    ] {
        let said = place.good(["authority", act, what, "--key-file", &system]);
        assert!(said.contains("serial number"), "{said}");
    }
    let listed = place.good(["authority", "list", "--key-file", &system]);
    let lines = |word: &str| listed.lines().filter(|line| line.contains(word)).count();
    assert_eq!(
        (lines("authority/time-stamping"), lines("authority/root/"), lines("replaced")),
        (3, 2, 5),
        "{listed}"
    );
    for (act, what) in [("renew", "issuing"), ("renew", "maker/nobody"), ("rollover", "time-stamping")] {
        assert_eq!(place.run(["authority", act, what, "--key-file", &system]).code, 64, "{act} {what}");
    }

    if daemon.log().contains("(Landlock) in ") {
        // A file elsewhere is out of the daemon's sight, which it says; beside the old one it is read.
        let elsewhere = place.file("new");
        private(&elsewhere, NEW);
        let blind = place.run(["key", "passphrase", "--new-file", &elsewhere, "--key-file", &system]);
        assert!(
            blind.code == 1 && blind.err.contains("directories that its configuration names"),
            "{blind:?}"
        );
    }
    let new = place.dir().join("new").display().to_string();
    private(&new, NEW);
    let said = place.good(["key", "passphrase", "--new-file", &new, "--install", "--key-file", &system]);
    assert!(said.contains("the old one opens nothing any more"), "{said}");
    assert_eq!(fs::read_to_string(place.dir().join("passphrase")).unwrap(), NEW);
    let state = place.good(["key", "state", "--key-file", &system]);
    assert!(state.contains("set 3 times") && state.contains("master key: number 2"), "{state}");
    place.good(sealed.stamp(&place.file("stamped.pdf")));
    drop(daemon);
    // Without a daemon, after it was killed: the new passphrase opens, and work goes on.
    let said = place.good(["key", "rotate-wrapping", "--key-file", &system]);
    assert!(said.contains("master key 3"), "{said}");
    place.good(sealed.stamp(&place.file("again.pdf")));
    let said = place.good(["audit", "verify", "--key-file", &place.key("auditor")]);
    assert!(said.contains("the chain holds"), "{said}");
}

#[test]
fn a_passphrase_that_was_not_put_in_its_place_is_told_at_the_next_start() {
    let place = Place::initialised();
    let system = place.key("system_administrator");
    let new = place.file("new");
    private(&new, NEW);
    let said = place.good(["key", "passphrase", "--new-file", &new, "--key-file", &system]);
    let passphrase = place.dir().join("passphrase").display().to_string();
    assert!(said.contains(&passphrase), "{said}");
    let refused = place.run(["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(refused.code, 1);
    assert!(
        refused.err.contains(&passphrase) && refused.err.contains("when it was changed last"),
        "{refused:?}"
    );
    fs::rename(&new, &passphrase).unwrap();
    drop(place.serve());
    // Nobody else's file, and nobody else's right.
    let open = place.file("open");
    fs::write(&open, NEW).unwrap();
    fs::set_permissions(&open, fs::Permissions::from_mode(0o644)).unwrap();
    let refused = place.run(["key", "passphrase", "--new-file", &open, "--key-file", &system]);
    assert!(refused.err.contains("keys/passphrase-file"), "{refused:?}");
    let refused = place.run(["key", "rotate-wrapping", "--key-file", &place.key("auditor")]);
    assert!(refused.err.contains("auth/right-missing"), "{refused:?}");
}
