//! Backups by the commands that an operator has, beside a working daemon and without one.

use crate::support::process::{Place, Said, for_each_place};
use std::{
    fs,
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Command, Stdio},
};

/// A recipient: its private key file, its passphrase file, its public line.
struct Kept {
    key: String,
    passphrase: String,
    line: String,
}

impl Kept {
    fn new(place: &Place) -> Self {
        let (key, passphrase) = (place.file("recipient.json"), place.file("recipient-passphrase"));
        private(&passphrase, "offline, in a safe");
        let made = place.good(["backup", "keygen", "--out", &key, "--passphrase-file", &passphrase]);
        Self { key, passphrase, line: made.trim().to_owned() }
    }

    fn with<'a>(&'a self, words: &[&'a str]) -> Vec<&'a str> {
        let own = ["--recipient-key", &self.key, "--recipient-passphrase-file", &self.passphrase];
        words.iter().copied().chain(own).collect()
    }
}

fn private(path: &str, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

/// A place that a backup of `place` can be restored into: empty, with the passphrase.
fn beside(place: &Place) -> Place {
    let other = Place::empty();
    fs::create_dir_all(other.dir()).unwrap();
    fs::copy(place.dir().join("passphrase"), other.dir().join("passphrase")).unwrap();
    other
}

#[tokio::test]
async fn an_operator_backs_up_checks_restores_and_goes_on() {
    for_each_place(async |place, _| {
        let kept = Kept::new(place);
        assert!(kept.line.starts_with("yinxin-backup-1:"), "{}", kept.line);
        assert_eq!(fs::metadata(&kept.key).unwrap().permissions().mode() & 0o777, 0o600);
        place.set("YINXIN_BACKUP_RECIPIENTS", &kept.line);
        place.good(["init"]);
        let (system, auditor) = (place.key("system_administrator"), place.key("auditor"));
        let daemon = place.serve();
        let sealed = place.sealed();
        place.good(sealed.stamp(&place.file("one.pdf")));
        let file = place.file("x.yxb");
        let said = place.good(["backup", "--out", &file, "--key-file", &system]);
        assert!(said.starts_with("backup_") && said.contains("passphrase"), "{said}");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        let again = place.run(["backup", "--out", &file, "--key-file", &system]);
        assert!(again.code == 1 && again.err.contains("there already"), "{again:?}");
        let refused = place.run(["backup", "--out", &place.file("y.yxb"), "--key-file", &auditor]);
        assert!(refused.code == 1 && refused.err.contains("auth/right-missing"), "{refused:?}");
        assert!(!Path::new(&place.file("y.yxb")).exists() && !Path::new(&place.file("y.yxb.part")).exists());
        // One stream: for whatever takes it away.
        let out = place.command(["backup", "--out", "-", "--key-file", &system]).output().unwrap();
        assert!(out.status.success() && out.stdout.starts_with(b"YXBACKUP"));
        // A directory of backups keeps the newest.
        let folder = place.file("backups");
        fs::create_dir(&folder).unwrap();
        for _ in 0..3 {
            place.good(["backup", "--to", &folder, "--keep", "2", "--key-file", &system]);
        }
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 2);
        // Checked without a service, against itself and against today's heads.
        place.good(sealed.stamp(&place.file("two.pdf")));
        let keys = place.file("audit-keys");
        fs::write(&keys, place.good(["audit", "keys", "--key-file", &auditor])).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(1500));
        let heads = place.dir().join("audit-heads.jsonl").display().to_string();
        let check = ["backup", "verify", &file, "--heads", &heads, "--keys", &keys];
        let checked = place.good(kept.with(&check));
        for word in
            ["the backup is whole", "records are newer", "among the keys that are believed", "passphrase"]
        {
            assert!(checked.contains(word), "{word}: {checked}");
        }
        daemon.signal(rustix::process::Signal::TERM);
        assert_eq!(daemon.wait().code(), Some(0));
        // The machine is gone. On another one, from standard input.
        let other = beside(place);
        let mut restoring = other
            .command(kept.with(&["restore", "-", "--reason", "演练"]))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        restoring.stdin.take().unwrap().write_all(&fs::read(&file).unwrap()).unwrap();
        assert!(restoring.wait().unwrap().success());
        let daemon = other.serve();
        other.good(sealed.stamp(&other.file("three.pdf")));
        let told = other.good(["audit", "verify", "--key-file", &auditor]);
        assert!(told.contains("the chain holds"), "{told}");
        let listed = other.good(["audit", "list", "--limit", "200", "--key-file", &auditor]);
        assert!(listed.contains("service.restored"), "{listed}");
        drop(daemon);
        let again = other.run(["init"]);
        assert!(again.err.contains("initialised before"), "{again:?}");
    })
    .await;
}

#[test]
fn a_full_disk_leaves_no_half_backup_under_its_name() {
    let mut place = Place::empty();
    let kept = Kept::new(&place);
    place.set("YINXIN_BACKUP_RECIPIENTS", &kept.line);
    place.good(["init"]);
    let daemon = place.serve();
    let file = place.file("x.yxb");
    let system = place.key("system_administrator");
    let made = place.command(["backup", "--out", &file, "--key-file", &system]);
    // Files of this command end after eight blocks of 512 octets, as on a disk that is full then.
    let script = "trap '' XFSZ; ulimit -f 8; exec \"$@\"";
    let mut limited = Command::new("/bin/sh");
    limited.args(["-c", script, "sh"]).arg(made.get_program()).args(made.get_args());
    limited.envs(made.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let said = Said::of(limited.output().unwrap());
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.err.contains("cannot be written"), "{said:?}");
    for ending in ["", ".part"] {
        assert!(!Path::new(&format!("{file}{ending}")).exists(), "{ending}");
    }
    drop(daemon);
}

#[test]
fn a_key_file_and_a_line_that_are_wrong_are_said() {
    let place = Place::empty();
    let kept = Kept::new(&place);
    private(&place.file("wrong"), "another");
    fs::write(place.file("x.yxb"), "YXBACKUPnonsense").unwrap();
    let file = place.file("x.yxb");
    let wrong = place.file("wrong");
    let own = ["--recipient-key", &kept.key, "--recipient-passphrase-file", &wrong];
    let said = place.run(["backup", "verify", &file].into_iter().chain(own));
    assert!(said.code == 1 && said.err.contains("does not open the key file"), "{said:?}");
    let said = place.run(kept.with(&["backup", "verify", &file]));
    assert!(said.code == 1 && said.err.contains("format 28271"), "{said:?}");
    // Nothing is overwritten, and a passphrase file that others may read is refused.
    let again = place.run(["backup", "keygen", "--out", &kept.key, "--passphrase-file", &kept.passphrase]);
    assert_eq!(again.code, 1, "{again:?}");
    fs::set_permissions(&kept.passphrase, fs::Permissions::from_mode(0o644)).unwrap();
    let open =
        place.run(["backup", "keygen", "--out", &place.file("k"), "--passphrase-file", &kept.passphrase]);
    assert!(open.code == 64 && open.err.contains("0644"), "{open:?}");
    let mut place = Place::empty();
    place.set("YINXIN_BACKUP_RECIPIENTS", &kept.line.replace("yinxin-backup-1:0", "yinxin-backup-1:1"));
    let said = place.run(["init"]);
    assert!(said.code == 78 && said.err.contains("backup.recipients"), "{said:?}");
}

/// The log of a database that is gone must never be written over the restored one, by whichever of an operator's ways there.
#[test]
fn what_is_left_of_a_lost_database_undoes_no_restoration() {
    let mut place = Place::empty();
    let kept = Kept::new(&place);
    place.set("YINXIN_BACKUP_RECIPIENTS", &kept.line);
    place.good(["init"]);
    let (system, security) = (place.key("system_administrator"), place.key("security_administrator"));
    let file = place.file("x.yxb");
    place.good(["backup", "--out", &file, "--key-file", &system]);
    let daemon = place.serve();
    place.hire("later", "viewer");
    drop(daemon);
    let [database, log] = ["yinxin.db", "yinxin.db-wal"].map(|name| place.dir().join(name));
    assert!(fs::metadata(&log).unwrap().len() > 0, "killed, it leaves its log behind");
    fs::remove_file(&database).unwrap();

    // Nothing is made in its place, by no command.
    let lost = |said: Said| assert!(said.code == 1 && said.err.contains("gone or empty"), "{said:?}");
    lost(place.run(["serve", "--listen", "127.0.0.1:0"]));
    lost(place.run(["officer", "list", "--key-file", &security]));
    fs::write(&database, "").unwrap();
    lost(place.run(["serve", "--listen", "127.0.0.1:0"]));

    let restore = kept.with(&["restore", "--reason", "演练", &file]);
    let refused = place.run(&restore);
    assert!(refused.code == 1 && refused.err.contains("yinxin.db-wal is there"), "{refused:?}");
    fs::rename(&log, place.file("log-of-the-lost")).unwrap();
    place.good(&restore);
    let daemon = place.serve();
    let listed = place.good(["officer", "list", "--key-file", &security]);
    assert!(!listed.contains("later") && listed.lines().count() == 3, "{listed}");
    let records = place.run(["audit", "verify", "--key-file", &place.key("auditor")]);
    assert!(records.out.contains("went on from an older state"), "{records:?}");
    drop(daemon);
}
