//! Releases beside each other on one database: this one is the one before, and a later one has further steps.

use crate::support::databases::{Database, for_each_database, postgres};
use std::{
    io::{BufRead as _, BufReader},
    path::PathBuf,
    process::{Command, Stdio},
    time::Duration,
};
use yinxin::{
    base::{Secret, Timestamp},
    store::{
        Deadlines, EngineConfig, OpenError, Statement, Store, StoreConfig, StoreError,
        migrations::{MIGRATIONS, Migration},
    },
};

const NOW: Timestamp = Timestamp::from_seconds(1_795_219_200);
const JOBS: Statement = Statement::portable("test.jobs", "SELECT count(*) FROM job");
const LATER: Statement = Statement::portable("test.later", "SELECT count(*) FROM later");
const WRITE: Statement = Statement::portable(
    "test.write",
    "INSERT INTO job (kind, key, payload, state, attempts, run_at_ms, created_ms) \
     VALUES ('test', 'test', '', 'waiting', 0, 0, 0)",
);
const TAKE_AWAY: Statement = Statement::portable("test.take_away", "DELETE FROM job WHERE kind = 'test'");

/// A step of a later release, in the same words for both engines.
fn step(number: i64, name: &'static str, text: &'static str, works_from: i64) -> Migration {
    Migration { number, name, sqlite: text, postgres: text, works_from }
}

fn adds() -> Migration {
    step(9001, "9001_adds", "CREATE TABLE later (id TEXT); ALTER TABLE job ADD COLUMN later TEXT", 9)
}

fn takes_away(works_from: i64) -> Migration {
    step(9002, "9002_takes_away", "ALTER TABLE job DROP COLUMN later", works_from)
}

fn release(further: &[Migration]) -> Vec<Migration> {
    [MIGRATIONS, further].concat()
}

async fn brought_up(database: &Database, further: &[Migration]) -> Result<(), OpenError> {
    let store = Store::open_as(&database.config_of("later"), &release(further), NOW).await?;
    store.close().await;
    Ok(())
}

async fn works(store: &Store) {
    store.write(async |tx| tx.execute(&WRITE, &[]).await).await.unwrap();
    assert_eq!(store.read(async |rx| rx.one::<i64>(&JOBS, &[]).await).await, Ok(1));
    store.write(async |tx| tx.execute(&TAKE_AWAY, &[]).await).await.unwrap();
}

#[tokio::test]
async fn the_release_before_starts_on_what_a_later_one_only_added_to() {
    for_each_database(async |database| {
        brought_up(database, &[adds()]).await.unwrap();
        let store = database.open().await;
        works(&store).await;
        assert_eq!(store.ping().await, Ok(()));
        store.close().await;
        // Also where the later one took away what only releases before this one used.
        let own = MIGRATIONS.last().unwrap().number;
        brought_up(database, &[adds(), takes_away(own)]).await.unwrap();
        let store = database.open().await;
        works(&store).await;
        store.close().await;
        // And the later one goes on as if nothing had been.
        brought_up(database, &[adds(), takes_away(own)]).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn what_takes_away_from_this_release_is_refused_with_a_clear_word() {
    for_each_database(async |database| {
        brought_up(database, &[adds(), takes_away(9001)]).await.unwrap();
        let error = database.try_open().await.unwrap_err();
        let own = MIGRATIONS.last().unwrap().number;
        let said = format!(
            "migration 9002_takes_away bears releases from migration 9001 on, and this one ends with {own}; start the \
             newer release"
        );
        assert_eq!(error.code(), "store/migration");
        assert!(error.to_string().contains(&said), "{error}");
    })
    .await;
}

/// On PostgreSQL it was running all the while: it says that it is no longer ready, and which release to start.
#[tokio::test]
async fn a_running_node_that_was_outgrown_says_so() {
    let Some(database) = postgres().await else { return };
    let store = database.open().await;
    brought_up(&database, &[adds()]).await.unwrap();
    assert_eq!(store.ping().await, Ok(()));
    works(&store).await;
    brought_up(&database, &[adds(), takes_away(9001)]).await.unwrap();
    assert_eq!(store.ping().await, Err(StoreError::Outgrown));
    store.close().await;
}

/// Of another branch's release, nothing is guessed.
#[tokio::test]
async fn steps_of_another_release_in_the_middle_are_refused() {
    for_each_database(async |database| {
        brought_up(database, &[adds()]).await.unwrap();
        let other = [adds(), step(9000, "9000_in_between", "SELECT 1", 9)];
        let mut other = release(&other);
        other.sort_by_key(|step| step.number);
        let error = Store::open_as(&database.config(), &other, NOW).await.unwrap_err();
        assert!(error.to_string().contains("belongs to another release"), "{error}");
    })
    .await;
}

/// A step that waits for a table has everybody wait behind it; so it gives up before they do, and comes again.
#[tokio::test]
async fn a_step_that_gets_no_lock_lets_writers_through_and_comes_again() {
    let Some(database) = postgres().await else { return };
    let store = database.open().await;
    let held = std::sync::atomic::AtomicBool::new(true);
    let hold = async {
        // A long report reads the table that the step is to change.
        let read = store.snapshot(async |rx| {
            rx.one::<i64>(&JOBS, &[]).await?;
            tokio::time::sleep(Duration::from_secs(4)).await;
            Ok::<_, StoreError>(())
        });
        read.await.unwrap();
        held.store(false, std::sync::atomic::Ordering::SeqCst);
    };
    let mut written = 0;
    let write = async {
        while held.load(std::sync::atomic::Ordering::SeqCst) {
            works(&store).await;
            written += 1;
        }
    };
    let migrate = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        brought_up(&database, &[adds()]).await.unwrap();
        assert!(!held.load(std::sync::atomic::Ordering::SeqCst), "it had to wait for the report");
    };
    tokio::join!(hold, write, migrate);
    assert!(written > 5, "{written}");
    works(&store).await;
    store.close().await;
}

/// What the child below is told.
const CHILD: &str = "YINXIN_TEST_SLOW_STEP";

/// Brings the database up to date with a step that takes its time, until it is killed.
#[tokio::test]
#[ignore = "a child of the test below"]
async fn child_that_migrates() {
    let Some(place) = std::env::var_os(CHILD).and_then(|place| place.into_string().ok()) else { return };
    let (what, place) = place.split_once('|').unwrap();
    let config = match what {
        "sqlite" => StoreConfig { node: "later".into(), ..StoreConfig::sqlite(PathBuf::from(place)) },
        schema => StoreConfig {
            engine: EngineConfig::Postgres {
                url: Secret::new(place.to_owned()),
                schema: Some(schema.to_owned()),
                connections: 2,
            },
            node: "later".into(),
            deadlines: Deadlines::default(),
        },
    };
    let slow = Migration {
        number: 9001,
        name: "9001_adds",
        sqlite: "CREATE TABLE later (id TEXT); ALTER TABLE job ADD COLUMN later TEXT; \
                 CREATE TABLE gone AS WITH RECURSIVE count (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM count) \
                 SELECT n FROM count LIMIT 900000000",
        postgres: "CREATE TABLE later (id TEXT); ALTER TABLE job ADD COLUMN later TEXT; SELECT pg_sleep(600)",
        works_from: 9,
    };
    println!("begins");
    let ended = Store::open_as(&config, &release(&[slow]), NOW).await;
    panic!("it was to be killed before {ended:?}");
}

#[tokio::test]
async fn an_interrupted_step_leaves_nothing_behind() {
    for_each_database(async |database| {
        database.open().await.close().await;
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "rotation::upgrade::child_that_migrates", "--ignored", "--nocapture"])
            .env(CHILD, database.place())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.map_while(Result::ok).any(|line| line.contains("begins")), "it began");
        // It is in the middle by now: its own changes are made and not committed. Should it be slow, it is killed before.
        tokio::time::sleep(Duration::from_millis(1500)).await;
        child.kill().unwrap();
        child.wait().unwrap();
        let store = database.open().await;
        soon(&store).await;
        let later = store.read(async |rx| rx.one::<i64>(&LATER, &[]).await).await;
        assert!(later.is_err(), "{later:?}");
        store.close().await;
        brought_up(database, &[adds()]).await.unwrap();
        let store = database.open().await;
        works(&store).await;
        store.close().await;
    })
    .await;
}

/// The server notices within seconds that its client is gone, and lets go of the table.
async fn soon(store: &Store) {
    for _ in 0..20 {
        if store.write(async |tx| tx.execute(&TAKE_AWAY, &[]).await).await.is_ok() {
            return works(store).await;
        }
    }
    panic!("the table is held for longer than a minute");
}
