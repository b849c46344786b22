//! Files that belong to somebody else, are locked by another process, or were left half made.

use super::{is_a_clear_refusal, kept_all, stamp, still_serves_readers};
use crate::support::process::{Place, Said};
use sqlx::{Connection as _, SqliteConnection, raw_sql};
use std::{
    fs,
    os::unix::{
        fs::{PermissionsExt as _, chown},
        process::CommandExt as _,
    },
    path::Path,
    process::Stdio,
};

/// Holds SQLite's own lock for writing, as a tool of an administrator may.
async fn holder(place: &Place) -> SqliteConnection {
    let url = format!("sqlite:{}", place.dir().join("yinxin.db").display());
    let mut conn = SqliteConnection::connect(&url).await.unwrap();
    raw_sql("BEGIN IMMEDIATE").execute(&mut conn).await.unwrap();
    conn
}

#[tokio::test]
async fn while_another_process_holds_the_database_changes_wait_are_refused_and_then_go_on() {
    let place = Place::initialised();
    let sealed = place.sealed();
    let daemon = place.serve();
    let mut kept = vec![stamp(&daemon, &sealed).unwrap()];
    let conn = holder(&place).await;
    let refused = stamp(&daemon, &sealed).unwrap_err();
    is_a_clear_refusal(&refused);
    assert_eq!(refused.problem(), "503 service/busy");
    still_serves_readers(&daemon, &sealed);
    conn.close().await.unwrap();
    kept.push(stamp(&daemon, &sealed).unwrap());
    kept_all(&place, &daemon, &sealed, &kept);
    drop(daemon);
    // A start finds the same and says so.
    let conn = holder(&place).await;
    let said = place.run(["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.err.contains("busy"), "{said:?}");
    conn.close().await.unwrap();
    kept_all(&place, &place.serve(), &sealed, &kept);
}

/// Rights bind everyone but root, so the program runs as `nobody` here where the tests are root's.
#[test]
fn a_data_directory_that_cannot_be_written_is_named_at_the_start() {
    let place = Place::initialised();
    let nobody = rustix::process::geteuid().is_root().then_some(65_534);
    let set = |mode: u32, file: u32| {
        for entry in fs::read_dir(place.dir()).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_file() {
                fs::set_permissions(&entry, fs::Permissions::from_mode(file)).unwrap();
                chown(&entry, nobody, nobody).unwrap();
            }
        }
        chown(place.dir(), nobody, nobody).unwrap();
        fs::set_permissions(place.dir(), fs::Permissions::from_mode(mode)).unwrap();
    };
    fs::set_permissions(place.dir().parent().unwrap(), fs::Permissions::from_mode(0o755)).unwrap();
    let serve = || {
        let mut command = place.command(["serve", "--listen", "127.0.0.1:0"]);
        if let Some(id) = nobody {
            command.uid(id).gid(id);
        }
        Said::of(command.stdin(Stdio::null()).output().unwrap())
    };
    for (folder, file) in [(0o700, 0o400), (0o500, 0o600), (0o500, 0o400)] {
        set(folder, file);
        let said = serve();
        assert_eq!(said.code, 1, "{folder:o} {file:o}: {said:?}");
        let names_it = said.err.contains("yinxin.db") || said.err.contains("read-only");
        assert!(names_it && said.err.lines().count() <= 2, "{folder:o} {file:o}: {said:?}");
    }
    // Wrong rights are one thing; nothing was changed by having tried.
    set(0o700, 0o600);
    let (root, files) = (chown(place.dir(), Some(0), Some(0)), fs::read_dir(place.dir()).unwrap());
    root.unwrap();
    for entry in files.map(|entry| entry.unwrap().path()) {
        chown(entry, Some(0), Some(0)).unwrap();
    }
    drop(place.serve());
}

/// The first start, killed at each step of the tables' making, on the harness's daemon; then it is done again.
#[test]
fn a_first_start_that_is_killed_in_the_midst_is_finished_by_the_next_one() {
    let Some(harness) = crate::endurance::harness() else { return };
    for (point, count) in [
        ("migration.written", 1),
        ("migration.committed", 1),
        ("migration.written", 4),
        ("migration.written", 8),
        ("migration.committed", 9),
        ("sqlite.committing", 1),
        ("sqlite.committed", 1),
        ("authority.issue.committed", 1),
        ("authority.issue.signed", 2),
        ("authority.issue.recorded", 3),
    ] {
        let place = Place::empty();
        let mut command = std::process::Command::new(&harness);
        command.args(["daemon", "init", "--dir"]).arg(place.dir());
        command.env("ENDURANCE_FAILPOINT", format!("{point} {count}"));
        let killed = Said::of(command.stdin(Stdio::null()).output().unwrap());
        assert_eq!(killed.code, -1, "{point}: {killed:?}");
        place.good(["init"]);
        assert!(Path::new(&place.key("auditor")).exists());
        let sealed = place.sealed();
        let daemon = place.serve();
        let kept = [stamp(&daemon, &sealed).unwrap()];
        kept_all(&place, &daemon, &sealed, &kept);
    }
}
