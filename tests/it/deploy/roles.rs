//! The roles of PostgreSQL, on a real server: the whole work of the daemon with the rights of its role, and what that role is
//! refused by the database itself.

use super::text;
use crate::support::{
    databases::postgres_database,
    process::{Daemon, Place},
};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _, raw_sql};
use std::{fs, os::unix::fs::PermissionsExt as _};

/// No right (SQLSTATE insufficient_privilege).
const REFUSED: &str = "42501";
const READ_ONLY: &str = "25006";

/// What is not for the daemon to do, whoever holds its password.
const FORBIDDEN: &[&str] = &[
    "DELETE FROM audit",
    "UPDATE audit SET detail = 'nothing happened'",
    "UPDATE audit SET actor = 'somebody else' WHERE seq IS NULL",
    "UPDATE audit SET hash = 'x', previous = 'y', seq = 1 WHERE seq IS NOT NULL",
    "TRUNCATE audit",
    "DELETE FROM audit_head",
    "UPDATE audit_head SET signature = 'x'",
    "UPDATE seal_event SET reason = 'x'",
    "DELETE FROM seal_event",
    "DELETE FROM stamp",
    "DELETE FROM seal",
    "DELETE FROM officer",
    "DELETE FROM signing_key",
    "DELETE FROM authority_cert",
    "DELETE FROM authority_crl",
    "UPDATE migration SET sm3 = 'x'",
    "INSERT INTO migration VALUES (9999, 'x', 'x', 0)",
    "DROP TABLE audit",
    "ALTER TABLE audit DISABLE TRIGGER ALL",
    "DROP TRIGGER audit_stays ON audit",
    "CREATE TABLE mine (x BIGINT)",
    "CREATE TABLE public.mine (x BIGINT)",
    "CREATE TEMPORARY TABLE mine (x BIGINT)",
    "CREATE SCHEMA mine",
    "CREATE ROLE mine",
    "ALTER ROLE yinxin_service SUPERUSER",
    "SET ROLE yinxin_owner",
    "SELECT pg_read_file('/etc/passwd')",
    "COPY audit TO PROGRAM 'cat'",
];

#[tokio::test]
async fn the_daemon_does_its_whole_work_with_the_rights_of_its_role_and_has_no_others() {
    let Some(server) = postgres_database("roles").await else { return };
    let as_role = |role: &str| server.replace("yinxin@", &format!("{role}@"));
    run(&server, &text("postgresql/roles.sql")).await.unwrap();
    let owner = as_role("yinxin_owner");
    let service = as_role("yinxin_service");
    let place = Place::empty();
    let with = |arguments: &[&str], url: &str| {
        let mut command = place.command(arguments);
        command.env("YINXIN_DATABASE_URL", url).env("YINXIN_DATABASE_SCHEMA", "yinxin");
        command
    };

    // Without its tables the daemon's role can do nothing, and says who can.
    let early = with(&["init"], &service).output().unwrap();
    let says = String::from_utf8_lossy(&early.stderr).into_owned();
    assert!(!early.status.success() && says.contains("yinxin migrate"), "{says}");

    // Twice, as at every new release; by the command, by hand.
    for _ in 0..2 {
        let migrated = with(&["migrate", "--grant"], &owner).output().unwrap();
        assert!(migrated.status.success(), "{migrated:?}");
        run(&owner, &text("postgresql/grants.sql")).await.unwrap();
    }
    every_table_is_thought_of(&server).await;
    // What a release that adds a table leaves behind where its second step is left out.
    run(&owner, "REVOKE ALL ON yinxin.officer FROM yinxin_service").await.unwrap();
    let halfway = with(&["init"], &service).output().unwrap();
    let says = String::from_utf8_lossy(&halfway.stderr).into_owned();
    assert!(!halfway.status.success() && says.contains("yinxin migrate --grant"), "{says}");
    // And that one is given while somebody writes a record, and takes his time: the lock of every INSERT and UPDATE.
    let mut writer = PgConnection::connect(&server).await.unwrap();
    raw_sql("BEGIN; LOCK TABLE yinxin.audit IN ROW EXCLUSIVE MODE").execute(&mut writer).await.unwrap();
    let given = with(&["migrate", "--grant"], &owner).output().unwrap();
    assert!(given.status.success(), "{given:?}");
    writer.close().await.unwrap();

    assert!(with(&["init"], &service).output().unwrap().status.success());
    let recipient = recipient(&place);
    let mut serve = with(&["serve", "--listen", "127.0.0.1:0"], &service);
    let daemon = Daemon::start(serve.env("YINXIN_BACKUP_RECIPIENTS", recipient));
    let sealed = place.sealed();
    let out = place.file("stamped.pdf");
    place.good(sealed.stamp(&out));
    for (act, key, reason) in [
        ("suspend", &sealed.approver, Some("保管人变更")),
        ("resume", &sealed.approver, None),
        ("cancel", &sealed.approver, Some("机构撤销")),
    ] {
        let mut arguments = vec!["seal", act, &sealed.seal, "--key-file", key];
        arguments.extend(reason.into_iter().flat_map(|reason| ["--reason", reason]));
        place.good(arguments);
    }
    // What is done now and then: keys and certificates that follow each other, a backup.
    let system = place.key("system_administrator");
    place.good(["key", "rotate-wrapping", "--key-file", &system]);
    place.good(["key", "rotate-audit", "--key-file", &system]);
    place.good(["authority", "renew", "time-stamping", "--key-file", &system]);
    place.good(["authority", "renew", "seal-maker", "--key-file", &system]);
    place.good(["authority", "rollover", "issuing", "--key-file", &system]);
    place.good(["officer", "rotate-key", "--key-file", &sealed.operator]);
    place.good(["backup", "--out", &place.file("backup.yxb"), "--key-file", &system]);
    let auditor = place.key("auditor");
    let verified = place.good(["audit", "verify", "--key-file", &auditor]);
    assert!(verified.contains("holds") || verified.contains("sound"), "{verified}");
    daemon.signal(rustix::process::Signal::TERM);
    assert!(daemon.wait().success());

    for statement in FORBIDDEN {
        let refused = run(&service, statement).await.expect_err(statement);
        assert_eq!(refused, REFUSED, "{statement}");
    }
    let backup = as_role("yinxin_backup");
    run(&backup, "SELECT * FROM audit; SELECT * FROM stamp; SELECT * FROM signing_key").await.unwrap();
    assert_eq!(run(&backup, "DELETE FROM job").await.expect_err("read only"), READ_ONLY);
    let denied = run(&backup, "BEGIN READ WRITE; DELETE FROM job").await;
    assert_eq!(denied.expect_err("no right"), REFUSED);
    // What the daemon did is still there to the last record.
    let daemon = Daemon::start(&mut with(&["serve", "--listen", "127.0.0.1:0"], &service));
    place.good(["audit", "verify", "--key-file", &auditor]);
    drop(daemon);
    assert!(fs::metadata(out).is_ok());
}

/// A recipient of backups, as the configuration names it.
fn recipient(place: &Place) -> String {
    let passphrase = place.file("recipient-passphrase");
    fs::write(&passphrase, "of the recipient").unwrap();
    fs::set_permissions(&passphrase, fs::Permissions::from_mode(0o600)).unwrap();
    let made = ["backup", "keygen", "--out", &place.file("recipient"), "--passphrase-file", &passphrase];
    place.good(made).trim().to_owned()
}

/// A table that a migration adds needs its line in `grants.sql`.
async fn every_table_is_thought_of(server: &str) {
    let grants = text("postgresql/grants.sql");
    let mut conn = PgConnection::connect(server).await.unwrap();
    let rows = sqlx::query("SELECT tablename FROM pg_tables WHERE schemaname = 'yinxin' ORDER BY 1")
        .fetch_all(&mut conn)
        .await
        .unwrap();
    assert!(rows.len() > 15);
    for row in rows {
        let table: String = row.get(0);
        let named = grants.split(|c: char| !c.is_alphanumeric() && c != '_' && c != '.');
        let named = named.filter(|word| *word == format!("yinxin.{table}")).count();
        assert!(named > 0, "deploy/postgresql/grants.sql says nothing of the table {table}");
    }
}

/// Runs statements as whom the address says; the SQLSTATE where they are refused.
async fn run(url: &str, sql: &str) -> Result<(), String> {
    let mut conn = PgConnection::connect(url).await.unwrap();
    let done = raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut conn).await;
    conn.close().await.unwrap();
    done.map(drop).map_err(|error| match error.as_database_error() {
        Some(said) => said.code().unwrap_or_default().into_owned(),
        None => error.to_string(),
    })
}
