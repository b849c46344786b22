//! Disks that fail and processes that are killed, with real processes. The child is this binary itself.

use super::{add, ids, table};
use crate::support::databases::{Database, say_skipped, sqlite};
use std::{
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Command, Stdio},
};
use yinxin::{
    base::Timestamp,
    store::{Statement, Store, StoreConfig, StoreError},
};

/// Names the file for the child.
const FILE: &str = "YINXIN_TEST_FILE";

/// Writes and says what it was told, until it is stopped or has written enough.
#[tokio::test]
#[ignore = "a child of the tests below"]
async fn child_that_writes() {
    let Some(path) = std::env::var_os(FILE) else { return };
    let store = match Store::open(&StoreConfig::sqlite(PathBuf::from(path)), Timestamp::from_ms(0)).await {
        Ok(store) => store,
        Err(error) => return println!("refused {}", error.code()),
    };
    let first = ids(&store).await.len();
    let mut failures = 0;
    for number in first..first + 2_000 {
        match add(&store, &format!("{number:06}")).await {
            Ok(_) => println!("kept {number:06}"),
            Err(error) => {
                println!("failed {number:06} {}", error.code());
                failures += 1;
            }
        }
        if failures == 3 {
            return;
        }
    }
}

fn child(program: &mut Command, database: &Database) -> std::process::Child {
    program
        .args(["--exact", "store::faults::child_that_writes", "--ignored", "--nocapture"])
        .env(FILE, database.path().unwrap())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// What the child says, without what the test harness says.
fn said(line: &str) -> Option<(&str, &str)> {
    let from = ["kept ", "failed ", "refused "].iter().find_map(|word| line.find(word))?;
    line[from..].split_once(' ')
}

async fn prepared() -> Database {
    let database = sqlite();
    let store = database.open().await;
    table(&store).await;
    store.close().await;
    database
}

#[tokio::test]
async fn a_full_disk_refuses_writes_and_heals_when_there_is_room_again() {
    const FULL: Statement = Statement::portable("test.full", "PRAGMA max_page_count = 1");
    const ROOM: Statement = Statement::portable("test.room", "PRAGMA max_page_count = 1000000");
    let database = prepared().await;
    let store = database.open().await;
    let limit = async |pragma: &Statement| {
        store.write(async |tx| tx.one::<i64>(pragma, &[]).await).await.unwrap();
    };
    let (mut kept, mut refused) = (Vec::new(), 0);
    // The limit falls to what the file has by now; then some pages still take a row or two.
    limit(&FULL).await;
    for number in 0..2_000 {
        let id = format!("{number:0900}");
        match add(&store, &id).await {
            Ok(_) => kept.push(id),
            Err(StoreError::Full) => refused += 1,
            Err(error) => panic!("{error}"),
        }
        if refused == 5 {
            break;
        }
    }
    assert_eq!((refused, ids(&store).await), (5, kept.clone()));
    limit(&ROOM).await;
    add(&store, "room").await.unwrap();
    kept.push("room".into());
    store.close().await;
    assert_eq!(ids(&database.open().await).await, kept);
}

#[tokio::test]
async fn what_a_killed_process_acknowledged_is_there_and_the_next_one_starts() {
    let database = prepared().await;
    let mut kept = Vec::new();
    for round in 1..=8usize {
        let mut child = child(&mut Command::new(std::env::current_exe().unwrap()), &database);
        let out = BufReader::new(child.stdout.take().unwrap());
        let mut lines = out.lines().map_while(Result::ok);
        // Killed in the midst of writing, a little later each round; what it said until then counts.
        for line in lines.by_ref() {
            let Some(("kept", id)) = said(&line) else { continue };
            kept.push(id.to_owned());
            if kept.len() % (round * 7) == 0 {
                break;
            }
        }
        child.kill().unwrap();
        kept.extend(lines.filter_map(|line| said(&line).map(|(_, id)| id.to_owned())));
        child.wait().unwrap();
        let store = database.open().await;
        let there = ids(&store).await;
        assert!(kept.iter().all(|id| there.contains(id)), "round {round}");
        assert!(there.len() <= kept.len() + round, "at most one unanswered write each round");
        store.close().await;
    }
    assert!(kept.len() >= 8);
}

#[tokio::test]
async fn after_a_failed_sync_nothing_more_is_taken_and_nothing_acknowledged_is_lost() {
    let database = prepared().await;
    let traced = |from: u32| {
        let mut strace = Command::new("strace");
        strace.args(["-f", "-q", "-o", "/dev/null", "-e", "trace=fsync,fdatasync", "-e"]);
        strace.arg(format!("inject=fsync,fdatasync:error=EIO:when={from}+"));
        strace.arg(std::env::current_exe().unwrap());
        strace
    };
    let works = Command::new("strace").args(["-o", "/dev/null", "true"]).status();
    if !works.is_ok_and(|status| status.success()) {
        say_skipped("a disk that fails to sync: strace is not here, or may not trace");
        return;
    }
    // Each time, all syncs from this one on fail, also those while the store opens.
    let (mut kept, mut halted) = (Vec::new(), 0);
    for from in 1..=12 {
        let output = child(&mut traced(from), &database).wait_with_output().unwrap();
        let lines = String::from_utf8_lossy(&output.stdout).into_owned();
        let told: Vec<_> = lines.lines().filter_map(said).collect();
        let failed: Vec<_> = told.iter().filter(|(word, _)| *word == "failed").collect();
        if let [(_, first), later @ ..] = &failed[..] {
            assert!(first.ends_with(StoreError::Unknown.code()), "{lines}");
            assert!(later.iter().all(|(_, says)| says.ends_with(StoreError::Halted.code())), "{lines}");
            halted += 1;
        } else {
            assert!(told.iter().any(|(word, _)| *word == "refused"), "{lines}");
        }
        kept.extend(told.iter().filter(|(word, _)| *word == "kept").map(|(_, id)| id.to_string()));
        let store = database.open().await;
        let there = ids(&store).await;
        assert!(kept.iter().all(|id| there.contains(id)), "sync {from}: {lines}");
        store.close().await;
    }
    assert!(halted > 0 && !kept.is_empty());
}
