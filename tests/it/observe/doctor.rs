//! `yinxin doctor`: finds what is wrong, and changes nothing.

use crate::support::{
    databases::for_each_database,
    process::{Place, Said},
};
use rustix::process::Signal;
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::{FileExt as _, MetadataExt as _, PermissionsExt as _},
    path::Path,
    sync::Arc,
};
use yinxin::{
    app::{App, Sources, init_at_cost},
    base::clock::SystemClock,
    config::{Config, Database, Settings},
    doctor::{self, Depth, Report, State},
    keys::UnlockCost,
};

/// What it finds, by `subject.name`; several of one name are joined.
struct Told(BTreeMap<String, (String, String)>, i32);

fn ask(place: &Place, arguments: &[&str]) -> Told {
    let said = place.run(["doctor", "--json"].iter().chain(arguments));
    let report: Value = serde_json::from_str(&said.out).unwrap_or_else(|_| panic!("no JSON: {said:?}"));
    let mut told = BTreeMap::<String, (String, String)>::new();
    for finding in report["findings"].as_array().unwrap() {
        let text = |name: &str| finding[name].as_str().unwrap_or_default().to_owned();
        let (state, found) = (text("state"), text("found"));
        assert!(["fine", "unknown", "weak", "wrong"].contains(&state.as_str()), "{finding}");
        assert_eq!(finding["advice"].is_string(), ["weak", "wrong"].contains(&state.as_str()), "{finding}");
        let worst = told.entry(format!("{}.{}", text("subject"), text("name"))).or_default();
        if ["wrong", "weak"].contains(&state.as_str()) || worst.0.is_empty() {
            worst.0 = if worst.0 == "wrong" { worst.0.clone() } else { state };
        }
        worst.1 += &found;
    }
    let worst = report["state"].as_str().unwrap();
    assert_eq!(said.code, ["fine", "weak", "wrong"].iter().position(|state| *state == worst).unwrap() as i32);
    Told(told, said.code)
}

impl Told {
    fn state(&self, name: &str) -> &str {
        &self.0.get(name).unwrap_or_else(|| panic!("nothing about {name}: {:?}", self.0)).0
    }

    fn wrong(&self) -> Vec<&str> {
        self.0.iter().filter(|(_, (state, _))| state == "wrong").map(|(name, _)| name.as_str()).collect()
    }
}

#[test]
fn a_fresh_place_is_weak_where_it_is_for_trying_out_and_wrong_nowhere() {
    let place = Place::initialised();
    let told = ask(&place, &["--deep"]);
    assert_eq!(told.wrong(), Vec::<&str>::new());
    assert_eq!(told.1, 1);
    for name in [
        "files.passphrase",
        "files.officer-keys",
        "keys.custody",
        "backup.taken",
        "record.witness",
        "officers.second",
    ] {
        assert_eq!(told.state(name), "weak", "{name}");
    }
    for name in [
        "configuration.taken",
        "database.opens",
        "database.durable",
        "database.whole",
        "database.schema",
        "keys.unlocks",
        "keys.open",
        "certificates.own",
        "record.chain",
        "outbox.failed",
        "officers.roles",
        "officers.apart",
        "clock.forward",
    ] {
        assert_eq!(told.state(name), "fine", "{name}: {:?}", told.0.get(name));
    }
    // People read it by subject, with what to do; without colours where no terminal is.
    let said: Said = place.run(["doctor"]);
    assert_eq!(said.code, 1);
    assert!(said.out.contains("\ndatabase\n  fine     "), "{}", said.out);
    assert!(said.out.contains("  weak     ") && said.out.contains("           -> "), "{}", said.out);
    assert!(
        !said.out.contains('\x1b') && said.out.lines().all(|line| line.chars().count() <= 100),
        "{}",
        said.out
    );
    assert!(said.out.trim_end().lines().last().unwrap().starts_with("0 wrong, "), "{}", said.out);
    let quiet = place.run(["doctor", "--quiet"]).out;
    assert!(!quiet.contains("  fine  ") && quiet.contains("  weak  "), "{quiet}");
    // No secret is told.
    let passphrase = fs::read_to_string(place.dir().join("passphrase")).unwrap();
    assert!(!said.out.contains(passphrase.trim()));
}

/// Every file with its content, its mode and the instant of its last change.
fn everything(folder: &Path) -> BTreeMap<String, (Vec<u8>, u32, i64, i64)> {
    let mut all = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            let found = fs::symlink_metadata(&path).unwrap();
            let content = if found.is_file() { fs::read(&path).unwrap() } else { Vec::new() };
            if found.is_dir() {
                folders.push(path.clone());
            }
            let name = path.display().to_string();
            all.insert(name, (content, found.mode(), found.mtime(), found.mtime_nsec()));
        }
    }
    all
}

#[test]
fn nothing_is_changed_after_an_orderly_stop_and_after_a_crash() {
    let place = Place::initialised();
    let daemon = place.serve();
    place.sealed();
    daemon.signal(Signal::TERM);
    daemon.wait();
    let before = everything(&place.dir());
    ask(&place, &["--deep"]);
    assert!(before == everything(&place.dir()), "something was changed");
    let daemon = place.serve();
    daemon.signal(Signal::KILL);
    daemon.wait();
    let before = everything(&place.dir());
    assert!(before.keys().any(|name| name.ends_with("-wal")), "the crash left no log");
    let told = ask(&place, &["--deep"]);
    assert_eq!(told.wrong(), Vec::<&str>::new());
    // What SQLite shares between processes is no data: it is made anew from the log.
    let data = |all: BTreeMap<String, _>| all.into_iter().filter(|(name, _)| !name.ends_with("-shm"));
    assert!(data(before).eq(data(everything(&place.dir()))), "something was changed");
    // And the daemon starts as ever.
    let daemon = place.serve();
    assert_eq!(daemon.exchange("GET", "/readyz", "", b"").0, 200);
}

#[test]
fn a_daemon_at_work_is_asked_and_goes_on() {
    let place = Place::initialised();
    let daemon = place.serve();
    let sealed = place.sealed();
    let told = ask(&place, &["--deep"]);
    assert_eq!(told.wrong(), Vec::<&str>::new());
    assert_eq!(told.state("daemon.at-work"), "fine");
    assert!(told.0["daemon.ready"].1.contains("database: answers"), "{:?}", told.0);
    place.good(sealed.stamp(&place.file("stamped.pdf")));
    drop(daemon);
}

#[tokio::test]
async fn what_is_broken_is_named() {
    type Break = fn(&Path);
    let files: &[(&str, &str, Break)] = &[
        ("keys.unlocks", "wrong", |dir| fs::write(dir.join("passphrase"), "another").unwrap()),
        ("configuration.named", "wrong", |dir| chmod(&dir.join("passphrase"), 0o644)),
        ("files.rights", "wrong", |dir| chmod(&dir.join("yinxin.db"), 0o644)),
        ("record.end", "weak", |dir| fs::remove_file(dir.join("audit-heads.jsonl")).unwrap()),
        ("database.opens", "wrong", |dir| fs::remove_file(dir.join("yinxin.db")).unwrap()),
        ("database.opens", "wrong", |dir| fs::write(dir.join("yinxin.db"), "no database at all").unwrap()),
        ("database.initialised", "wrong", |dir| fs::remove_file(dir.join("officer-keys/done")).unwrap()),
    ];
    let whole = Place::initialised();
    let daemon = whole.serve();
    daemon.signal(Signal::TERM);
    daemon.wait();
    for (name, state, broken) in files {
        let place = copy(&whole);
        broken(&place.dir());
        let told = ask(&place, &[]);
        assert_eq!(told.state(name), *state, "{name}: {:?}", told.0);
    }
    let rows = [
        (
            "outbox.failed",
            "wrong",
            "INSERT INTO job (kind, key, payload, state, attempts, run_at_ms, created_ms, reason, failed_ms) \
            VALUES ('authority.renew_list', 'x', '{}', 'failed', 12, 1, 1, 'the disk was full', 2)",
        ),
        (
            "database.schema",
            "wrong",
            "INSERT INTO migration (number, name, sm3, applied_ms, works_from) VALUES (9999, '9999_later', 'x', 1, 9999)",
        ),
        (
            "database.schema",
            "weak",
            "INSERT INTO migration (number, name, sm3, applied_ms) VALUES (9999, '9999_added', 'x', 1)",
        ),
        ("database.schema", "wrong", "UPDATE migration SET name = '0003_other' WHERE number = 3"),
        (
            "clock.forward",
            "wrong",
            "UPDATE audit SET at_ms = at_ms + 86400000 WHERE id = (SELECT max(id) FROM audit)",
        ),
        (
            "certificates.own",
            "wrong",
            "UPDATE authority_cert SET not_after_ms = 1000 WHERE role = 'time-stamping'",
        ),
        (
            "certificates.open",
            "weak",
            "UPDATE authority_cert SET state = 'intended', cert = NULL WHERE role = 'time-stamping'",
        ),
        (
            "officers.roles",
            "wrong",
            "UPDATE officer SET state = 'disabled' WHERE id IN (SELECT officer FROM officer_role WHERE role = 'auditor')",
        ),
        ("keys.master", "weak", "UPDATE keystore_master SET made_at_ms = 1000"),
        ("record.end", "wrong", "DELETE FROM audit WHERE seq >= (SELECT max(seq) FROM audit)"),
        (
            "keys.open",
            "wrong",
            "UPDATE signing_key SET wrapped = zeroblob(80) WHERE purpose = 'time-stamping'",
        ),
        ("record.chain", "wrong", "UPDATE audit SET actor = 'nobody' WHERE seq = 3"),
        (
            "keys.unused",
            "weak",
            "INSERT INTO signing_key (id, purpose, kind, custody, public_key, aead, wrapped, made_at_ms) \
            SELECT 'key_' || substr(id, 5, 25) || '0', purpose, kind, custody, public_key, aead, wrapped, made_at_ms FROM signing_key \
            WHERE purpose = 'time-stamping'",
        ),
    ];
    for (name, state, sql) in rows {
        let place = copy(&whole);
        tamper(&place, sql).await;
        let told = ask(&place, &["--deep"]);
        assert_eq!(told.state(name), state, "{name}: {:?}", told.0.get(name));
        assert!(state != "wrong" || told.1 == 2, "{name}");
    }
    // A page of the file, overwritten: the engine says so.
    let place = copy(&whole);
    let path = place.dir().join("yinxin.db");
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.write_all_at(&[0xa5; 64], (root_of(&place, "audit_action").await - 1) * 4096).unwrap();
    let told = ask(&place, &[]);
    assert_eq!(told.state("database.whole"), "wrong", "{:?}", told.0);
    // A configuration that can't be taken.
    let place = copy(&whole);
    fs::write(place.file("bad.toml"), "[limits]\nheavy = 1\n").unwrap();
    let told = ask(&place, &["--config", &place.file("bad.toml")]);
    assert_eq!((told.state("configuration.taken"), told.1), ("wrong", 2));
    // Nothing at all: the first thing that a newcomer may try.
    let nothing = Place::empty();
    let said = nothing.run(["doctor"]);
    assert_eq!(said.code, 2);
    assert!(said.out.contains("yinxin init"), "{}", said.out);
    assert!(!nothing.dir().exists());
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// A place with the same files.
fn copy(of: &Place) -> Place {
    let place = Place::empty();
    let copied = std::process::Command::new("cp").arg("-a").arg(of.dir()).arg(place.dir()).status();
    assert!(copied.unwrap().success());
    place
}

async fn tamper(place: &Place, sql: &str) {
    use sqlx::{AssertSqlSafe, Connection as _, SqliteConnection, raw_sql};
    let path = place.dir().join("yinxin.db");
    let mut conn = SqliteConnection::connect(&format!("sqlite:{}", path.display())).await.unwrap();
    raw_sql(AssertSqlSafe(sql)).execute(&mut conn).await.unwrap();
    conn.close().await.unwrap();
}

/// The first page of a table or index.
async fn root_of(place: &Place, name: &str) -> u64 {
    use sqlx::{Connection as _, Row as _, SqliteConnection};
    let path = place.dir().join("yinxin.db");
    let mut conn = SqliteConnection::connect(&format!("sqlite:{}", path.display())).await.unwrap();
    let row =
        sqlx::query("SELECT rootpage FROM sqlite_schema WHERE name = $1").bind(name).fetch_one(&mut conn);
    let root: i64 = row.await.unwrap().get(0);
    conn.close().await.unwrap();
    root.try_into().unwrap()
}

/// The same on both engines, with a service at work beside it.
#[tokio::test(flavor = "multi_thread")]
async fn both_engines_are_looked_at_beside_a_service_at_work() {
    for_each_database(async |database| {
        let folder = database.folder().join("data");
        let mut variables = vec![("YINXIN_DATA_DIR".to_owned(), folder.display().to_string())];
        if let Database::Postgres { url, schema, .. } = database.setting() {
            variables.push(("YINXIN_DATABASE_URL".into(), url.expose().clone()));
            variables.push(("YINXIN_DATABASE_SCHEMA".into(), schema.unwrap()));
        }
        let settings = Settings::gather(None, variables, &[]);
        let mut config = Config::of(settings.clone()).unwrap();
        config.database = database.setting();
        let is_sqlite = database.is_sqlite();
        if is_sqlite {
            config.database = Database::Sqlite { path: folder.join("yinxin.db") };
        }
        init_at_cost(&config, Sources::default(), UnlockCost::FLOOR).await.unwrap();
        let app = App::open(&config).await.unwrap();
        app.chain_records().await.unwrap();
        let report = doctor::examine(settings, Arc::new(SystemClock), Depth { deep: true }).await;
        let wrong: Vec<_> = report.findings.iter().filter(|finding| finding.state == State::Wrong).collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
        let state = |report: &Report, subject: &str, name: &str| {
            let found = report.findings.iter().find(|f| f.subject == subject && f.name == name);
            found.map_or_else(|| panic!("{subject}.{name}"), |found| found.state)
        };
        assert_eq!(state(&report, "database", "schema"), State::Fine);
        assert_eq!(state(&report, "record", "chain"), State::Fine);
        assert_eq!(state(&report, "keys", "open"), State::Fine);
        assert_eq!(state(&report, "keys", "cost"), State::Weak, "the floor is below what is usual");
        if !is_sqlite {
            // The test's server has none.
            assert_eq!(state(&report, "database", "checksums"), State::Weak);
        }
        // The look itself can't write, whatever is asked of it.
        app.close().await;
    })
    .await;
}
