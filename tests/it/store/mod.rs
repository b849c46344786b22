//! The store on both engines: what was acknowledged is there, and nothing else.

mod faults;
mod lease;
mod property;
mod server;

use crate::support::databases::{Database, for_each_database, for_each_engine, postgres, sqlite};
use std::{os::unix::fs::PermissionsExt, sync::Arc, time::Duration};
use tokio::sync::{Notify, Semaphore};
use yinxin::{
    base::{Secret, Timestamp},
    store::{
        Deadlines, EngineConfig, FromRow, OpenError, Row, Statement, Store, StoreConfig, StoreError, Tx,
        Value,
    },
};

const START: Timestamp = Timestamp::from_seconds(1_795_219_200);
const TABLE: Statement = Statement::split(
    "test.table",
    "CREATE TABLE thing (id TEXT PRIMARY KEY, size INTEGER, body BLOB, good INTEGER, at_ms INTEGER) STRICT",
    "CREATE TABLE thing (id TEXT PRIMARY KEY, size BIGINT, body BYTEA, good BOOLEAN, at_ms BIGINT)",
);
const ADD: Statement = Statement::portable(
    "test.add",
    "INSERT INTO thing (id, size, body, good, at_ms) VALUES ($1, $2, $3, $4, $5)",
);
const ALL: Statement =
    Statement::portable("test.all", "SELECT id, size, body, good, at_ms FROM thing ORDER BY id");
const IDS: Statement = Statement::portable("test.ids", "SELECT id FROM thing ORDER BY id");

#[derive(Debug, PartialEq)]
struct Thing {
    id: String,
    size: Option<i64>,
    body: Option<Vec<u8>>,
    good: bool,
    at: Option<Timestamp>,
}

impl FromRow for Thing {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.text(0)?,
            size: row.opt_int(1)?,
            body: row.opt_bytes(2)?,
            good: row.bool(3)?,
            at: row.opt_timestamp(4)?,
        })
    }
}

async fn table(store: &Store) {
    store.write(async |tx| tx.execute(&TABLE, &[]).await).await.unwrap();
}

async fn put(tx: &mut Tx, id: &str) -> Result<u64, StoreError> {
    tx.execute(&ADD, &[id.into(), 1i64.into(), Value::Bytes(None), true.into(), Value::Int(None)]).await
}

async fn add(store: &Store, id: &str) -> Result<u64, StoreError> {
    store.write(async |tx| put(tx, id).await).await
}

async fn ids(store: &Store) -> Vec<String> {
    store.read(async |rx| rx.all(&IDS, &[]).await).await.unwrap()
}

#[tokio::test]
async fn values_of_every_kind_come_back() {
    for_each_engine(async |store| {
        table(&store).await;
        let at = Timestamp::from_ms(-1);
        store
            .write(async |tx| {
                tx.execute(
                    &ADD,
                    &["章".into(), i64::MIN.into(), (&[0u8, 255]).into(), true.into(), at.into()],
                )
                .await?;
                let nothing =
                    [Value::from("b"), Value::Int(None), Value::Bytes(None), false.into(), Value::Int(None)];
                tx.execute(&ADD, &nothing).await
            })
            .await
            .unwrap();
        let found: Vec<Thing> = store.read(async |rx| rx.all(&ALL, &[]).await).await.unwrap();
        let full = Thing {
            id: "章".into(),
            size: Some(i64::MIN),
            body: Some(vec![0, 255]),
            good: true,
            at: Some(at),
        };
        let bare = Thing { id: "b".into(), size: None, body: None, good: false, at: None };
        assert_eq!(found, [bare, full]);
    })
    .await;
}

/// Compiles only where the future of a write can travel between threads, also through a borrowed service.
#[tokio::test]
async fn a_write_can_be_spawned_and_borrow_from_its_caller() {
    struct Service {
        store: Store,
    }
    impl Service {
        async fn add(&self, id: &str) -> Result<u64, StoreError> {
            let id = id.to_owned();
            self.store
                .write(async |tx| {
                    let before: Option<String> = tx.optional(&IDS, &[]).await?;
                    record(tx, &id, before.is_none()).await
                })
                .await
        }
    }
    async fn record(tx: &mut Tx, id: &str, good: bool) -> Result<u64, StoreError> {
        tx.execute(&ADD, &[id.into(), 1i64.into(), Value::Bytes(None), good.into(), Value::Int(None)]).await
    }
    async fn handler(
        axum::extract::State(service): axum::extract::State<Arc<Service>>,
    ) -> Result<(), axum::http::StatusCode> {
        service.add("from-axum").await.map(drop).map_err(|_| axum::http::StatusCode::CONFLICT)
    }
    for_each_engine(async |store| {
        table(&store).await;
        let service = Arc::new(Service { store: store.clone() });
        let spawned = service.clone();
        tokio::spawn(async move { spawned.add("spawned").await }).await.unwrap().unwrap();
        let app: axum::Router =
            axum::Router::new().route("/", axum::routing::get(handler)).with_state(service);
        let request = axum::http::Request::get("/").body(axum::body::Body::empty()).unwrap();
        assert!(tower::ServiceExt::oneshot(app, request).await.unwrap().status().is_success());
        assert_eq!(ids(&store).await, ["from-axum", "spawned"]);
    })
    .await;
}

#[tokio::test]
async fn an_error_rolls_back_and_so_does_a_dropped_future() {
    for_each_engine(async |store| {
        table(&store).await;
        let refused: Result<(), StoreError> = store
            .write(async |tx| {
                put(tx, "refused").await?;
                Err(StoreError::Full)
            })
            .await;
        assert_eq!(refused, Err(StoreError::Full));
        let inside = Arc::new(Notify::new());
        let (dropped, told) = (store.clone(), inside.clone());
        let task = tokio::spawn(async move {
            dropped
                .write(async |tx| {
                    put(tx, "dropped").await?;
                    told.notify_one();
                    std::future::pending::<Result<(), StoreError>>().await
                })
                .await
        });
        inside.notified().await;
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
        add(&store, "kept").await.unwrap();
        assert_eq!(ids(&store).await, ["kept"]);
    })
    .await;
}

#[tokio::test]
async fn after_a_failed_statement_nothing_is_kept_even_if_the_closure_says_so() {
    for_each_engine(async |store| {
        table(&store).await;
        add(&store, "twin").await.unwrap();
        let error = add(&store, "twin").await.unwrap_err();
        assert!(error.is_duplicate(), "{error}");
        let swallowed = store
            .write(async |tx| {
                put(tx, "before").await?;
                assert!(put(tx, "twin").await.is_err());
                assert_eq!(put(tx, "after").await, Err(StoreError::Spoiled));
                Ok::<_, StoreError>(())
            })
            .await;
        assert_eq!(swallowed, Err(StoreError::Spoiled));
        assert_eq!(ids(&store).await, ["twin"]);
    })
    .await;
}

#[tokio::test]
async fn a_missing_row_and_a_wrong_type_are_said() {
    for_each_engine(async |store| {
        table(&store).await;
        let missing = store.read(async |rx| rx.one::<String>(&IDS, &[]).await).await;
        assert_eq!(missing, Err(StoreError::Missing { statement: "test.ids" }));
        add(&store, "a").await.unwrap();
        let wrong = store.read(async |rx| rx.one::<i64>(&IDS, &[]).await).await;
        assert!(matches!(wrong, Err(StoreError::Corrupt { .. })), "{wrong:?}");
        const TYPO: Statement = Statement::portable("test.typo", "SELEKT 1");
        let typo = store.read(async |rx| rx.one::<i64>(&TYPO, &[]).await).await;
        assert!(matches!(typo, Err(StoreError::Fault { statement: "test.typo", .. })), "{typo:?}");
        assert!(store.prepare(&TYPO).await.is_err());
    })
    .await;
}

#[tokio::test]
async fn a_reader_cannot_write_and_a_snapshot_stands_still() {
    for_each_engine(async |store| {
        table(&store).await;
        add(&store, "a").await.unwrap();
        let seen = store
            .snapshot(async |rx| -> Result<_, StoreError> {
                let before: Vec<String> = rx.all(&IDS, &[]).await?;
                add(&store, "b").await?;
                let after: Vec<String> = rx.all(&IDS, &[]).await?;
                Ok((before, after))
            })
            .await
            .unwrap();
        assert_eq!(seen, (vec!["a".to_owned()], vec!["a".to_owned()]));
        assert_eq!(ids(&store).await, ["a", "b"]);
    })
    .await;
}

async fn open_with(database: &Database, deadlines: Deadlines) -> Store {
    let config = StoreConfig { deadlines, ..database.config() };
    Store::open(&config, START).await.unwrap()
}

#[tokio::test]
async fn work_past_its_deadline_is_rolled_back() {
    for_each_database(async |database| {
        let store = open_with(database, Deadlines { body_ms: 700, ..Deadlines::default() }).await;
        table(&store).await;
        let late = store
            .write(async |tx| {
                put(tx, "late").await?;
                std::future::pending::<Result<(), StoreError>>().await
            })
            .await;
        assert_eq!(late, Err(StoreError::Deadline));
        let read = store.read(async |_| std::future::pending::<Result<(), StoreError>>().await).await;
        assert_eq!(read, Err(StoreError::Deadline));
        assert!(ids(&store).await.is_empty());
        add(&store, "next").await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_statement_that_runs_for_too_long_is_broken_off() {
    const ENDLESS: Statement = Statement::portable(
        "test.endless",
        "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n) SELECT count(*) FROM n",
    );
    for_each_database(async |database| {
        let store = open_with(database, Deadlines { body_ms: 300, ..Deadlines::default() }).await;
        table(&store).await;
        let late = store
            .write(async |tx| {
                put(tx, "late").await?;
                tx.one::<i64>(&ENDLESS, &[]).await
            })
            .await;
        assert_eq!(late, Err(StoreError::Deadline));
        add(&store, "next").await.unwrap();
        assert_eq!(ids(&store).await, ["next"]);
    })
    .await;
}

#[tokio::test]
async fn who_gets_no_turn_in_time_is_told_that_nothing_was_done() {
    for_each_database(async |database| {
        let deadlines = Deadlines { wait_ms: 900, lock_ms: 150, ..Deadlines::default() };
        let mut config = StoreConfig { deadlines, ..database.config() };
        if let EngineConfig::Postgres { connections, .. } = &mut config.engine {
            *connections = 3; // Two of them may write.
        }
        let store = Store::open(&config, START).await.unwrap();
        table(&store).await;
        let (inside, go_on) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
        let holders: Vec<_> = (0..if database.is_sqlite() { 1 } else { 2 })
            .map(|number| {
                let (store, inside, go_on) = (store.clone(), inside.clone(), go_on.clone());
                tokio::spawn(async move {
                    store
                        .write(async |tx| {
                            put(tx, &format!("holder {number}")).await?;
                            inside.add_permits(1);
                            let _go = go_on.acquire().await;
                            Ok::<_, StoreError>(())
                        })
                        .await
                })
            })
            .collect();
        let _all = inside.acquire_many(holders.len() as u32).await.unwrap();
        assert_eq!(add(&store, "late").await, Err(StoreError::Busy));
        go_on.add_permits(holders.len());
        for holder in holders {
            holder.await.unwrap().unwrap();
        }
        assert!(!ids(&store).await.contains(&"late".to_owned()));
    })
    .await;
}

#[tokio::test]
async fn a_row_that_another_holds_is_waited_for_and_then_given_up() {
    let Some(database) = postgres().await else { return };
    let store = open_with(&database, Deadlines { lock_ms: 100, ..Deadlines::default() }).await;
    table(&store).await;
    let outcome = store
        .write(async |tx| {
            put(tx, "held").await?;
            // Another transaction wants the same key, and must wait for this one.
            Ok::<_, StoreError>(add(&store, "held").await)
        })
        .await;
    assert_eq!(outcome, Ok(Err(StoreError::Busy)));
}

#[tokio::test]
async fn a_broken_connection_costs_one_write_and_no_more() {
    let Some(database) = postgres().await else { return };
    let store = database.open().await;
    table(&store).await;
    const PROCESS: Statement = Statement::portable("test.process", "SELECT pg_backend_pid()::BIGINT");
    let broken: Result<u64, StoreError> = store
        .write(async |tx| {
            put(tx, "broken").await?;
            let process: i64 = tx.one(&PROCESS, &[]).await?;
            database.tamper(&format!("SELECT pg_terminate_backend({process}, 5000)")).await;
            put(tx, "after").await
        })
        .await;
    assert_eq!(broken, Err(StoreError::Unavailable));
    let unheard: Result<(), StoreError> = store
        .write(async |tx| {
            put(tx, "unheard").await?;
            let process: i64 = tx.one(&PROCESS, &[]).await?;
            database.tamper(&format!("SELECT pg_terminate_backend({process}, 5000)")).await;
            Ok(())
        })
        .await;
    assert_eq!(unheard, Err(StoreError::Unknown));
    for number in 0..10 {
        add(&store, &format!("{number}")).await.unwrap();
    }
    assert_eq!(ids(&store).await.len(), 10);
}

/// A rule that fails at COMMIT only. The house forbids those in migrations; here it makes a commit fail.
const DEFERRED: Statement = Statement::portable(
    "test.deferred",
    "CREATE TABLE child (of TEXT REFERENCES thing (id) DEFERRABLE INITIALLY DEFERRED)",
);
const ORPHAN: Statement = Statement::portable("test.orphan", "INSERT INTO child (of) VALUES ('nobody')");

#[tokio::test]
async fn when_a_commit_fails_everyone_in_it_is_told_and_nothing_of_it_is_there() {
    for_each_engine(async |store| {
        table(&store).await;
        store.write(async |tx| tx.execute(&DEFERRED, &[]).await).await.unwrap();
        let mut writers = Vec::new();
        for number in 0..8 {
            let store = store.clone();
            writers.push(tokio::spawn(async move {
                let id = format!("{number}");
                let outcome = store
                    .write(async |tx| {
                        put(tx, &id).await?;
                        if number == 3 {
                            tx.execute(&ORPHAN, &[]).await?;
                        }
                        Ok::<_, StoreError>(())
                    })
                    .await;
                (id, outcome)
            }));
        }
        let mut acknowledged = Vec::new();
        for writer in writers {
            let (id, outcome) = writer.await.unwrap();
            match outcome {
                Ok(()) => acknowledged.push(id),
                Err(error) if id == "3" => {
                    assert!(error.is_conflict() || error == StoreError::Lost, "{error}")
                }
                Err(error) => assert_eq!(error, StoreError::Lost),
            }
        }
        assert_eq!(ids(&store).await, acknowledged);
        assert!(!acknowledged.contains(&"3".to_owned()));
        add(&store, "after").await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_commit_without_an_answer_is_unknown_and_the_server_is_left_to_finish_it() {
    let Some(database) = postgres().await else { return };
    let store = open_with(&database, Deadlines { commit_ms: 500, ..Deadlines::default() }).await;
    table(&store).await;
    database
        .tamper(
            "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS \
             $$ BEGIN IF NEW.id = 'slow' THEN PERFORM pg_sleep(1.5); END IF; RETURN NULL; END $$; \
             CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON thing DEFERRABLE INITIALLY DEFERRED \
             FOR EACH ROW EXECUTE FUNCTION slow()",
        )
        .await;
    assert_eq!(add(&store, "slow").await, Err(StoreError::Unknown));
    add(&store, "quick").await.unwrap();
    for _ in 0..100 {
        if ids(&store).await == ["quick", "slow"] {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the server did not finish the commit");
}

#[tokio::test]
async fn a_ring_is_heard_after_the_commit_and_only_then() {
    for_each_engine(async |store| {
        table(&store).await;
        let rung = store.rung();
        let refused: Result<(), StoreError> = store
            .write(async |tx| {
                tx.ring();
                Err(StoreError::Busy)
            })
            .await;
        assert!(refused.is_err());
        store
            .write(async |tx| {
                tx.ring();
                put(tx, "a").await
            })
            .await
            .unwrap();
        rung.await;
        let silent = store.rung();
        add(&store, "b").await.unwrap();
        assert!(tokio::time::timeout(Duration::from_millis(20), silent).await.is_err());
    })
    .await;
}

#[tokio::test]
async fn a_second_daemon_on_the_file_is_refused_with_what_to_do() {
    let database = sqlite();
    let store = database.open().await;
    let error = database.try_open().await.unwrap_err();
    assert_eq!(error.code(), "store/locked");
    let says = error.to_string();
    assert!(
        says.contains(&format!("process {}", std::process::id())) && says.contains("stop it first"),
        "{says}"
    );
    assert_eq!(store.ping().await, Ok(()));
    store.close().await;
    assert_eq!(add(&store, "late").await, Err(StoreError::Halted));
    assert_eq!(store.ping().await, Err(StoreError::Halted));
    database.open().await;
}

#[tokio::test]
async fn files_are_for_their_owner_alone() {
    let database = sqlite();
    let path = database.path().unwrap();
    std::fs::create_dir(path.parent().unwrap()).unwrap();
    std::fs::write(path, b"").unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let store = database.open().await;
    table(&store).await;
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    for ending in ["", "-wal", "-shm", ".lock"] {
        assert_eq!(mode(std::path::Path::new(&format!("{}{ending}", path.display()))), 0o600, "{ending}");
    }
    let fresh = sqlite();
    fresh.open().await;
    assert_eq!(mode(fresh.path().unwrap().parent().unwrap()), 0o700);
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_and_left_alone() {
    let database = sqlite();
    let path = database.path().unwrap();
    std::fs::create_dir(path.parent().unwrap()).unwrap();
    let text = "This is a letter, and no database at all. ".repeat(100);
    std::fs::write(path, &text).unwrap();
    let error = database.try_open().await.unwrap_err();
    assert_eq!(error.code(), "store/corrupt", "{error}");
    assert_eq!(std::fs::read_to_string(path).unwrap(), text);
}

#[tokio::test]
async fn a_server_whose_commits_may_be_lost_is_refused() {
    let Some(database) = postgres().await else { return };
    let EngineConfig::Postgres { url, schema, connections } = database.config().engine else { panic!() };
    for setting in ["off", "local"] {
        let url = Secret::new(format!("{}&options[synchronous_commit]={setting}", url.expose()));
        let engine = EngineConfig::Postgres { url, schema: schema.clone(), connections };
        let config = StoreConfig { engine, ..database.config() };
        let error = Store::open(&config, START).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("a commit would not survive a power cut: synchronous_commit of the server is {setting}")
        );
    }
}

#[tokio::test]
async fn an_address_that_leads_nowhere_is_refused_without_its_password() {
    for url in ["postgres://me:hunter2@127.0.0.1:1/none", "hunter2", "postgres://me:hunter2@[/none"] {
        let url = Secret::new(url.to_owned());
        let engine = EngineConfig::Postgres { url, schema: None, connections: 2 };
        let error = Store::open(&StoreConfig { engine, ..StoreConfig::sqlite("") }, START).await.unwrap_err();
        assert!(!error.to_string().contains("hunter2"), "{error}");
        assert!(matches!(error, OpenError::Unreachable { .. } | OpenError::Config { .. }), "{error:?}");
    }
}

#[tokio::test]
async fn a_newer_database_or_a_changed_migration_is_refused() {
    for_each_database(async |database| {
        database.open().await.close().await;
        database.open().await.close().await;
        database
            .tamper(
                "INSERT INTO migration (number, name, sm3, applied_ms, works_from) \
                 VALUES (9999, '9999_later', '', 0, 9999)",
            )
            .await;
        let error = database.try_open().await.unwrap_err();
        assert_eq!(error.code(), "store/migration");
        assert!(error.to_string().contains("newer release: its migration 9999_later"), "{error}");
        database
            .tamper(
                "DELETE FROM migration WHERE number = 9999; UPDATE migration SET sm3 = 'ff' WHERE number = 2",
            )
            .await;
        let error = database.try_open().await.unwrap_err();
        assert!(error.to_string().contains("migration 0002_audit was changed"), "{error}");
    })
    .await;
}

#[tokio::test]
async fn nodes_that_start_together_migrate_once() {
    let Some(database) = postgres().await else { return };
    let configs: Vec<_> = (0..5).map(|number| database.config_of(&format!("node{number}"))).collect();
    let starts: Vec<_> = configs
        .into_iter()
        .map(|config| tokio::spawn(async move { Store::open(&config, START).await }))
        .collect();
    for start in starts {
        start.await.unwrap().unwrap();
    }
}
