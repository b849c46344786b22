//! Commands as people and scripts run them: what they print, what they refuse, and their exit codes.

use crate::support::process::Place;
use std::{fs, os::unix::fs::PermissionsExt as _};

/// The newcomer's walk. Its second run goes on where the first one stopped: same officers, seals and files.
#[test]
fn a_demo_is_shown_once_and_then_again_from_where_it_stopped() {
    let place = Place::empty();
    let first = place.good(["demo", "--once"]);
    let state = fs::read_to_string(place.dir().join("demo.json")).unwrap();
    let notice = fs::read(place.dir().join("stamped/notice.pdf")).unwrap();
    for (file, verdict) in
        [("notice.pdf", "passed"), ("report-two-seals.pdf", "passed"), ("notice-tampered.pdf", "failed")]
    {
        let told = first.lines().find(|line| line.ends_with(&format!(" {file}"))).unwrap_or_default();
        assert!(told.trim().starts_with(verdict), "{file}: {first}");
    }
    let steps: Vec<_> = first.lines().filter(|line| line.starts_with('[')).collect();
    let count = steps[0].split(['/', ']']).nth(1).unwrap().trim().parse::<usize>().unwrap();
    assert_eq!(steps.len(), count, "{first}");
    let again = place.good(["demo", "--once"]);
    assert!(again.contains("going on in"), "{again}");
    assert_eq!(fs::read_to_string(place.dir().join("demo.json")).unwrap(), state);
    assert_eq!(fs::read(place.dir().join("stamped/notice.pdf")).unwrap(), notice);
    // What it advises to run does run.
    let advice = again.lines().find(|line| line.trim().starts_with("yinxin verify")).unwrap();
    let verified = place.run(advice.split_whitespace().skip(1));
    assert_eq!(verified.code, 0, "{verified:?}");
    // A file that went missing is stamped again, without a second line in the register.
    fs::remove_file(place.dir().join("stamped/notice.pdf")).unwrap();
    place.good(["demo", "--once"]);
    assert_eq!(fs::read(place.dir().join("stamped/notice.pdf")).unwrap(), notice);
}

#[test]
fn wrong_usage_ends_with_64() {
    let place = Place::empty();
    for arguments in [
        &[][..],
        &["frobnicate"],
        &["seal"],
        &["seal", "apply"],
        &["stamp"],
        &["stamp", "x.pdf", "--seal", "s", "--x", "a", "--y", "1", "--key-file", "k"],
        &["serve", "--listen", "here"],
        &["officer", "list", "--key-file", "no-such-file"],
        &["verify"],
    ] {
        let said = place.run(arguments);
        assert_eq!(said.code, 64, "{arguments:?}: {said:?}");
        assert!(!said.err.is_empty() && said.out.is_empty(), "{arguments:?}: {said:?}");
    }
    for arguments in [&["--help"][..], &["--version"], &["seal", "apply", "--help"]] {
        let said = place.run(arguments);
        assert_eq!(said.code, 0, "{said:?}");
        assert!(!said.out.is_empty());
    }
    assert!(!place.dir().exists(), "nothing was made by any of them");
}

#[test]
fn without_init_nothing_is_opened_and_nothing_made() {
    let place = Place::empty();
    let said = place.run(["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(said.code, 1);
    assert!(said.err.contains("yinxin init"), "{said:?}");
    assert!(!place.dir().exists(), "a mistyped directory stays as it was");
    fs::write(place.file("key"), "yx_x").unwrap();
    let said = place.run(["seal", "list", "--key-file", &place.file("key")]);
    assert_eq!(said.code, 1);
    assert!(said.err.contains("yinxin init"), "{said:?}");
}

#[test]
fn init_is_done_once_and_keeps_its_secrets_to_itself() {
    let place = Place::initialised();
    for name in ["passphrase", "officer-keys/auditor", "officer-keys/security_administrator"] {
        let mode = fs::metadata(place.dir().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    assert_eq!(fs::metadata(place.dir()).unwrap().permissions().mode() & 0o777, 0o700);
    let before = fs::read(place.dir().join("officer-keys/auditor")).unwrap();
    let again = place.run(["init"]);
    assert_eq!(again.code, 1);
    assert!(again.err.contains("initialised before"), "{again:?}");
    assert_eq!(fs::read(place.dir().join("officer-keys/auditor")).unwrap(), before);
    // A crash before its last word: the same call says that all is there.
    fs::remove_file(place.dir().join("officer-keys/done")).unwrap();
    place.good(["init"]);
    assert_eq!(fs::read(place.dir().join("officer-keys/auditor")).unwrap(), before);
    // Keys that were committed and never reached their files are gone; that is said, and what to do.
    fs::remove_file(place.dir().join("officer-keys/done")).unwrap();
    fs::remove_file(place.dir().join("officer-keys/auditor")).unwrap();
    let lost = place.run(["init"]);
    assert_eq!(lost.code, 1);
    assert!(lost.err.contains("officer-keys") && lost.err.contains("empty the data directory"), "{lost:?}");
}

#[test]
fn a_passphrase_that_is_wrong_or_open_to_others_opens_nothing() {
    let place = Place::initialised();
    let passphrase = place.dir().join("passphrase");
    let secret = fs::read_to_string(&passphrase).unwrap();
    let auditor = place.key("auditor");
    let attempt = || place.run(["audit", "verify", "--key-file", &auditor]);
    fs::set_permissions(&passphrase, fs::Permissions::from_mode(0o644)).unwrap();
    let open = attempt();
    assert_eq!(open.code, 1);
    assert!(open.err.contains("0644") && open.err.contains("0600"), "{open:?}");
    fs::set_permissions(&passphrase, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(&passphrase, "something else").unwrap();
    let wrong = attempt();
    assert_eq!(wrong.code, 1);
    assert!(wrong.err.contains("does not open this keystore"), "{wrong:?}");
    assert!(!wrong.err.contains("something else"));
    fs::write(&passphrase, "").unwrap();
    assert!(attempt().err.contains("is empty"));
    fs::write(&passphrase, format!("{secret}\n")).unwrap();
    assert_eq!(attempt().code, 0);
}

#[tokio::test]
async fn a_tampered_record_is_named_by_one_command() {
    let place = Place::initialised();
    let auditor = place.key("auditor");
    let good = place.good(["audit", "verify", "--key-file", &auditor]);
    assert!(good.contains("the chain holds"), "{good}");
    let row = tamper(&place).await;
    let said = place.run(["audit", "verify", "--key-file", &auditor]);
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.err.contains("does not hold"), "{said:?}");
    assert!(said.out.contains("was changed") && said.out.contains(&format!("row {row}")), "{said:?}");
    let listed = place.good(["audit", "list", "--limit", "3", "--key-file", &auditor]);
    assert_eq!(listed.lines().count(), 3);
    let exported = place.good(["audit", "export", "--key-file", &auditor]);
    assert!(exported.lines().all(|line| line.starts_with('{')) && exported.lines().count() > 8);
}

/// Changes one chained record behind everybody's back; answers its row.
async fn tamper(place: &Place) -> i64 {
    use sqlx::{Connection as _, Row as _, SqliteConnection, query, raw_sql};
    let path = place.dir().join("yinxin.db");
    let mut conn = SqliteConnection::connect(&format!("sqlite:{}", path.display())).await.unwrap();
    let row = query("SELECT id FROM audit ORDER BY id LIMIT 1 OFFSET 3").fetch_one(&mut conn).await.unwrap();
    let id: i64 = row.get(0);
    raw_sql(sqlx::AssertSqlSafe(format!("UPDATE audit SET actor = 'nobody' WHERE id = {id}")))
        .execute(&mut conn)
        .await
        .unwrap();
    conn.close().await.unwrap();
    id
}

#[test]
fn a_seal_lives_by_commands_alone() {
    let place = Place::initialised();
    let sealed = place.sealed();
    let (seal, operator, approver) = (&sealed.seal, &sealed.operator, &sealed.approver);
    let out = place.file("out.pdf");
    let said = place.good(sealed.stamp(&out));
    assert!(said.starts_with("stamp_"), "{said}");
    let esl = place.file("seal.esl");
    for name in ["seal.esl", "seal.png", "seal.svg"] {
        place.good(["seal", "export", seal, &place.file(name), "--key-file", operator]);
        assert!(fs::metadata(place.file(name)).unwrap().len() > 500, "{name}");
    }
    // Without a trust anchor neither seal nor document is more than undecided.
    assert_eq!(place.run(["verify", &esl]).code, 2);
    assert_eq!(place.run(["verify", &out]).code, 2);
    let own = place.run(["seal", "approve", seal, "--key-file", operator]);
    assert!(own.code == 1 && own.err.contains("auth/right-missing"), "{own:?}");
    assert_eq!(place.run(["seal", "suspend", seal, "--key-file", approver]).code, 64, "without a reason");
    for (act, reason, state) in [
        ("suspend", Some("盘点"), "suspended"),
        ("resume", None, "active"),
        ("report-loss", Some("遗失"), "lost"),
        ("recover", None, "active"),
        ("cancel", Some("撤销"), "cancelled"),
    ] {
        let mut arguments = vec!["seal", act, seal, "--key-file", approver];
        arguments.extend(reason.into_iter().flat_map(|reason| ["--reason", reason]));
        assert!(place.good(arguments).trim().ends_with(state), "{act}");
    }
    let late = place.run(sealed.stamp(&place.file("late.pdf")));
    assert!(late.code == 1 && late.err.contains("seal/wrong-state"), "{late:?}");
    assert!(!std::path::Path::new(&place.file("late.pdf")).exists());
    assert!(place.good(["seal", "list", "--key-file", operator]).contains("cancelled"));
    assert!(place.good(["seal", "presets"]).contains("department"));
    let keys = place.good(["key", "list", "--key-file", &place.key("system_administrator")]);
    assert!(keys.lines().count() >= 6 && keys.contains("audit"), "{keys}");
}
