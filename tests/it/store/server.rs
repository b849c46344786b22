//! A PostgreSQL server that stops, is killed, hangs, or is not what it should be: nothing acknowledged is lost, nothing is
//! there that was said not to be, and it goes on by itself.

use super::{START, add, ids, table};
use crate::support::{
    proxy::{Mood, Proxy},
    server::{End, Server},
};
use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use yinxin::store::{Deadlines, OpenError, Store, StoreError};

/// Within that, a store writes again once its server is back.
const RECOVERY: Duration = Duration::from_secs(3);
const BRISK: Deadlines = Deadlines { wait_ms: 2_000, body_ms: 2_000, lock_ms: 500, commit_ms: 500 };

/// Whether an error says truly that nothing was done; `None` where it says that nobody knows.
fn says_undone(error: &StoreError) -> Option<bool> {
    match error {
        StoreError::Unknown => None,
        error => Some(error.is_passing()),
    }
}

#[derive(Default)]
struct Ledger {
    kept: BTreeSet<String>,
    undone: BTreeSet<String>,
    wrong: Vec<StoreError>,
}

/// Writers that note what they were told.
struct Writers {
    stop: Arc<AtomicBool>,
    ledger: Arc<Mutex<Ledger>>,
    tasks: tokio::task::JoinSet<()>,
}

impl Writers {
    fn start(store: &Store, round: &str) -> Self {
        let (stop, ledger) = (Arc::new(AtomicBool::new(false)), Arc::<Mutex<Ledger>>::default());
        let mut tasks = tokio::task::JoinSet::new();
        for writer in 0..6 {
            let (store, stop, ledger) = (store.clone(), stop.clone(), ledger.clone());
            let round = round.to_owned();
            tasks.spawn(async move {
                for number in 0.. {
                    if stop.load(Ordering::SeqCst) {
                        return;
                    }
                    let id = format!("{round}-{writer}-{number:05}");
                    let outcome = add(&store, &id).await;
                    let mut ledger = ledger.lock().unwrap();
                    match outcome {
                        Ok(_) => drop(ledger.kept.insert(id)),
                        Err(error) => match says_undone(&error) {
                            Some(true) => drop(ledger.undone.insert(id)),
                            Some(false) => ledger.wrong.push(error),
                            None => {}
                        },
                    }
                }
            });
        }
        Self { stop, ledger, tasks }
    }

    async fn end(mut self) -> Ledger {
        self.stop.store(true, Ordering::SeqCst);
        while let Some(ended) = self.tasks.join_next().await {
            ended.unwrap();
        }
        std::mem::take(&mut *self.ledger.lock().unwrap())
    }
}

/// The first write that goes through; how long it took.
async fn until_it_writes(store: &Store, id: &str) -> Duration {
    let begun = Instant::now();
    while let Err(error) = add(store, id).await {
        assert!(says_undone(&error) != Some(false), "{error}");
        assert!(begun.elapsed() < Duration::from_secs(20), "{error}");
    }
    begun.elapsed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_restarted_or_killed_in_the_middle_loses_nothing_acknowledged() {
    let Some(mut server) = Server::start() else { return };
    let store = Store::open(&server.config(), START).await.unwrap();
    table(&store).await;
    for (round, how) in [("fast", End::Fast), ("immediate", End::Immediate), ("killed", End::Killed)] {
        let writers = Writers::start(&store, round);
        tokio::time::sleep(Duration::from_millis(300)).await;
        server.end(how);
        tokio::time::sleep(Duration::from_millis(300)).await;
        server.run();
        let recovery = until_it_writes(&store, &format!("after-{round}")).await;
        assert!(recovery < RECOVERY, "{how:?}: {recovery:?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
        let ledger = writers.end().await;
        let there: BTreeSet<String> = ids(&store).await.into_iter().collect();
        let lost: Vec<_> = ledger.kept.difference(&there).collect();
        let lied: Vec<_> = ledger.undone.intersection(&there).collect();
        assert!(lost.is_empty() && lied.is_empty(), "{how:?}: lost {lost:?}, there all the same {lied:?}");
        assert!(ledger.wrong.is_empty(), "{how:?}: {:?}", ledger.wrong);
        assert!(ledger.kept.len() > 10, "{how:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_whose_answer_is_lost_is_unknown_and_there_and_costs_no_place() {
    let Some(server) = Server::start() else { return };
    let proxy = Proxy::before(server.address()).unwrap();
    let store = Store::open(&server.config_at(proxy.address, BRISK), START).await.unwrap();
    table(&store).await;
    // More of them than there are connections: none of the places is lost for good.
    for number in 0..10 {
        proxy.set(Mood::SwallowsCommit);
        assert_eq!(add(&store, &format!("{number}")).await, Err(StoreError::Unknown));
        assert!(ids(&store).await.contains(&format!("{number}")), "the truth is on the server");
        add(&store, &format!("{number} next")).await.unwrap();
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert_eq!((proxy.swallowed(), ids(&store).await.len()), (10, 20));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_that_goes_silent_is_noticed_and_outlived() {
    let Some(server) = Server::start() else { return };
    let proxy = Proxy::before(server.address()).unwrap();
    let store = Store::open(&server.config_at(proxy.address, BRISK), START).await.unwrap();
    table(&store).await;
    let writers = Writers::start(&store, "silent");
    tokio::time::sleep(Duration::from_millis(300)).await;
    proxy.set(Mood::Silent);
    tokio::time::sleep(Duration::from_millis(700)).await;
    let begun = Instant::now();
    let read = store.ping().await;
    assert!(
        read.is_err() && begun.elapsed() < Duration::from_secs(6),
        "{read:?} after {:?}",
        begun.elapsed()
    );
    proxy.set(Mood::Honest);
    let recovery = until_it_writes(&store, "after").await;
    assert!(recovery < RECOVERY, "{recovery:?}");
    let ledger = writers.end().await;
    // What was on its way when the network went silent may arrive now: time for it.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let there: BTreeSet<String> = ids(&store).await.into_iter().collect();
    assert!(ledger.kept.is_subset(&there));
    let lied: Vec<_> = ledger.undone.intersection(&there).collect();
    assert!(lied.is_empty(), "there all the same: {lied:?}");
    assert!(ledger.wrong.is_empty(), "{:?}", ledger.wrong);
}

/// A synchronous standby that is not there: a COMMIT waits without end, holding what it holds. Readers go on; whoever breaks
/// the wait off makes the server say "done", which is not an acknowledgement.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_waits_for_a_standby_is_unknown_and_is_resolved_later() {
    let Some(server) = Server::start() else { return };
    let store = Store::open(&server.config_at(server.address(), BRISK), START).await.unwrap();
    table(&store).await;
    server.set("synchronous_standby_names", "nobody").await;
    assert_eq!(add(&store, "hangs").await, Err(StoreError::Unknown));
    assert!(ids(&store).await.is_empty(), "nobody sees what is not decided");
    // So many of them that no writer has a place left: readers have, and writers are told at once.
    let mut hanging = tokio::task::JoinSet::new();
    for number in 0..12 {
        let store = store.clone();
        hanging.spawn(async move { add(&store, &format!("hangs too {number}")).await });
    }
    while let Some(outcome) = hanging.join_next().await {
        let outcome = outcome.unwrap();
        assert!(matches!(outcome, Err(StoreError::Unknown | StoreError::Busy)), "{outcome:?}");
    }
    assert_eq!(store.ping().await, Ok(()));
    let backends = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
    let hung = server.number(backends).await;
    assert!((1..=7).contains(&hung), "{hung} of 8 connections hang");
    // The standby is given up: everything that waited is decided.
    server.set("synchronous_standby_names", "").await;
    let recovery = until_it_writes(&store, "after").await;
    assert!(recovery < RECOVERY, "{recovery:?}");
    assert!(ids(&store).await.contains(&"hangs".to_owned()));
    assert_eq!(server.number(backends).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn already_committed_locally_is_not_an_acknowledgement() {
    let Some(mut server) = Server::start() else { return };
    let patient = Deadlines { commit_ms: 20_000, ..BRISK };
    let store = Store::open(&server.config_at(server.address(), patient), START).await.unwrap();
    table(&store).await;
    server.set("synchronous_standby_names", "nobody").await;
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
    // Each is begun, waits for the standby, and is broken off there in another way.
    let write = |id: &'static str| {
        let store = store.clone();
        tokio::spawn(async move { add(&store, id).await })
    };
    let until_it_waits = async || {
        while server.number(waiting).await == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let cancelled = write("cancelled");
    until_it_waits().await;
    server.sql("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'").await;
    assert_eq!(cancelled.await.unwrap(), Err(StoreError::Unknown), "the server answered: COMMIT");
    let told_to_go = write("told to go");
    until_it_waits().await;
    server.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'").await;
    assert_eq!(told_to_go.await.unwrap(), Err(StoreError::Unknown));
    let stopped = write("stopped");
    until_it_waits().await;
    server.end(End::Fast);
    assert_eq!(stopped.await.unwrap(), Err(StoreError::Unknown));
    server.run();
    server.set("synchronous_standby_names", "").await;
    until_it_writes(&store, "after").await;
    assert_eq!(ids(&store).await, ["after", "cancelled", "stopped", "told to go"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_process_that_stands_still_in_its_commit_is_not_waited_for() {
    let Some(server) = Server::start() else { return };
    let store = Store::open(&server.config_at(server.address(), BRISK), START).await.unwrap();
    table(&store).await;
    const PROCESS: yinxin::store::Statement =
        yinxin::store::Statement::portable("test.process", "SELECT pg_backend_pid()::BIGINT");
    let pid = Arc::new(Mutex::new(0));
    let stopped: Result<(), StoreError> = store
        .write(async |tx| {
            super::put(tx, "stands still").await?;
            let process: i64 = tx.one(&PROCESS, &[]).await?;
            *pid.lock().unwrap() = process;
            signal(process, rustix::process::Signal::STOP);
            Ok(())
        })
        .await;
    assert_eq!(stopped, Err(StoreError::Unknown));
    add(&store, "goes on").await.unwrap();
    signal(*pid.lock().unwrap(), rustix::process::Signal::CONT);
    let begun = Instant::now();
    while ids(&store).await != ["goes on", "stands still"] {
        assert!(begun.elapsed() < RECOVERY);
    }
}

fn signal(pid: i64, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_takes_no_writes_is_refused_at_the_start_and_outlived_later() {
    let Some(server) = Server::start() else { return };
    let store = Store::open(&server.config_at(server.address(), BRISK), START).await.unwrap();
    table(&store).await;
    server.set("default_transaction_read_only", "on").await;
    let refused = Store::open(&server.config(), START).await.unwrap_err();
    assert_eq!(refused.code(), "store/read-only");
    assert!(refused.to_string().contains("default_transaction_read_only is on"), "{refused}");
    assert_eq!(add(&store, "refused").await, Err(StoreError::ReadOnly));
    assert_eq!(ids(&store).await.len(), 0, "reads go on");
    server.set("default_transaction_read_only", "off").await;
    let recovery = until_it_writes(&store, "after").await;
    assert!(recovery < RECOVERY, "{recovery:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_has_no_place_left_is_said_and_waited_for() {
    use sqlx::{Connection as _, PgConnection};
    let Some(server) = Server::start() else { return };
    let store = Store::open(&server.config_at(server.address(), BRISK), START).await.unwrap();
    table(&store).await;
    let mut others = Vec::new();
    while let Ok(conn) = PgConnection::connect(&server.url()).await {
        others.push(conn);
    }
    let refused = Store::open(&server.config(), START).await.unwrap_err();
    assert!(refused.to_string().contains("too many clients"), "{refused}");
    add(&store, "the connection that is there serves").await.unwrap();
    let crowd = (0..6).map(|number| {
        let store = store.clone();
        tokio::spawn(async move { add(&store, &format!("crowd {number}")).await })
    });
    for outcome in crowd.collect::<Vec<_>>() {
        let outcome = outcome.await.unwrap();
        assert!(outcome.is_ok() || outcome.is_err_and(|error| error.is_passing()));
    }
    others.truncate(1);
    assert!(until_it_writes(&store, "after").await < RECOVERY);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_gone_is_unavailable_until_it_is_back() {
    let Some(server) = Server::start() else { return };
    server.sql("CREATE DATABASE other").await;
    let mut config = server.config_at(server.address(), BRISK);
    if let yinxin::store::EngineConfig::Postgres { url, .. } = &mut config.engine {
        *url = yinxin::base::Secret::new(url.expose().replace("/postgres?", "/other?"));
    }
    let store = Store::open(&config, START).await.unwrap();
    table(&store).await;
    server.sql("ALTER DATABASE other WITH ALLOW_CONNECTIONS false").await;
    server.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'other'").await;
    server.sql("ALTER DATABASE other RENAME TO elsewhere").await;
    for _ in 0..3 {
        let error = add(&store, "gone").await.unwrap_err();
        assert!(error.is_passing(), "{error:?}");
    }
    let refused = Store::open(&config, START).await.unwrap_err();
    assert!(refused.to_string().contains("\"other\" does not exist"), "{refused}");
    server.sql("ALTER DATABASE elsewhere WITH ALLOW_CONNECTIONS true").await;
    server.sql("ALTER DATABASE elsewhere RENAME TO other").await;
    assert!(until_it_writes(&store, "back").await < RECOVERY);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_too_old_is_refused_with_its_version() {
    let Some(server) = Server::start() else { return };
    let proxy = Proxy::before(server.address()).unwrap();
    proxy.set(Mood::Old);
    let refused = Store::open(&server.config_at(proxy.address, BRISK), START).await.unwrap_err();
    assert!(matches!(refused, OpenError::TooOld { .. }), "{refused:?}");
    assert!(
        refused.to_string().starts_with("PostgreSQL 15 or later is needed; this server is "),
        "{refused}"
    );
}
