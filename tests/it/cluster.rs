//! Two daemons, as real processes, on one PostgreSQL: keys and seals of one serve on the other at once, nothing is done
//! twice, nothing is lost, and no name is had by two.

use crate::endurance::harness;
use crate::support::{
    databases::{Database, postgres},
    process::{Answered, Daemon, Place, Sealed},
    proxy::{Mood, Proxy},
    server::Server,
};
use rustix::process::Signal;
use std::{
    collections::BTreeSet,
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

/// A database and two places of nodes on it; the first is initialised.
struct Ground {
    database: Database,
    first: Place,
    second: Place,
}

impl Ground {
    async fn new() -> Option<Self> {
        let database = postgres().await?;
        let first = Place::empty().with(database.variables()).after_init();
        let second = first.another_node();
        Some(Self { database, first, second })
    }
}

fn document() -> Vec<u8> {
    fs::read(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/pdf/one-page.pdf")).unwrap()
}

/// Asks for a stamp under an idempotency key.
fn stamp(daemon: &Daemon, sealed: &Sealed, once: &str) -> Answered {
    let key = fs::read_to_string(&sealed.operator).unwrap();
    let path = format!("/api/v1/stamps?seal={}&page=1&x_mm=150&y_mm=232&purpose={once}", sealed.seal);
    let head = format!(
        "POST {path} HTTP/1.1\r\nAuthorization: Bearer {key}\r\nContent-Type: application/pdf\r\nIdempotency-Key: {once}"
    );
    daemon.ask(&head, &document())
}

fn get(daemon: &Daemon, path: &str, key_file: &str) -> Answered {
    let key = fs::read_to_string(key_file).unwrap();
    daemon.ask(&format!("GET {path} HTTP/1.1\r\nAuthorization: Bearer {key}"), b"")
}

/// The lines of the register for this purpose, by state.
fn states(daemon: &Daemon, sealed: &Sealed, purpose: &str) -> Vec<String> {
    let found = get(daemon, "/api/v1/stamps?limit=500", &sealed.approver).json();
    let lines = found["items"].as_array().unwrap().iter().filter(|line| line["purpose"] == purpose);
    lines.map(|line| line["state"].as_str().unwrap().to_owned()).collect()
}

fn the_chain_holds(place: &Place, auditor: &str) {
    let said = place.good(["audit", "verify", "--key-file", auditor]);
    assert!(said.contains("the chain holds"), "{said}");
}

#[tokio::test]
async fn what_one_node_makes_the_other_uses_at_once_and_what_one_takes_away_is_gone_on_both() {
    let Some(Ground { first, second, .. }) = Ground::new().await else { return };
    let (a, b) = (first.serve(), second.serve());
    let sealed = first.sealed();
    let made = stamp(&b, &sealed, "on-the-second-node");
    assert_eq!(made.status, 201, "{}", made.text());
    // An API key made on one node is revoked on the other.
    let security = first.key("security_administrator");
    let me = get(&a, "/api/v1/me", &sealed.operator).json();
    let keys = get(&a, &format!("/api/v1/officers/{}/keys", me["id"].as_str().unwrap()), &security).json();
    let key = keys["items"][0]["id"].as_str().unwrap();
    let head = format!(
        "POST /api/v1/officers/{}/keys/{key}/revoke HTTP/1.1\r\nAuthorization: Bearer {}",
        me["id"].as_str().unwrap(),
        fs::read_to_string(&security).unwrap()
    );
    let revoked = b.ask(&head, b"");
    assert!(revoked.status < 300, "{}", revoked.text());
    assert_eq!(stamp(&a, &sealed, "too-late-for-it").status, 401);
    // Each node has a chain of its own, and either of them can have all chains checked.
    for place in [&first, &second] {
        the_chain_holds(place, &first.key("auditor"));
    }
    let auditor = get(&a, "/api/v1/audit/records?limit=1000", &first.key("auditor")).json();
    let nodes: BTreeSet<_> =
        auditor["items"].as_array().unwrap().iter().map(|record| record["node"].to_string()).collect();
    assert_eq!(nodes.len(), 2, "{nodes:?}");
}

#[tokio::test]
async fn one_idempotency_key_at_both_nodes_at_once_has_one_effect_and_the_same_octets() {
    let Some(Ground { first, second, .. }) = Ground::new().await else { return };
    let (a, b) = (first.serve(), second.serve());
    let sealed = first.sealed();
    let answers: Vec<Answered> = std::thread::scope(|scope| {
        let asked: Vec<_> = (0..48)
            .map(|number| {
                let (daemon, sealed) = (if number % 2 == 0 { &a } else { &b }, &sealed);
                scope.spawn(move || until_answered(|| stamp(daemon, sealed, "at-both-at-once")))
            })
            .collect();
        asked.into_iter().map(|asked| asked.join().unwrap()).collect()
    });
    let bodies: BTreeSet<_> = answers.iter().map(|answer| &answer.body).collect();
    assert_eq!((answers.len(), bodies.len()), (48, 1));
    assert_eq!(states(&a, &sealed, "at-both-at-once"), ["done"]);
    the_chain_holds(&first, &first.key("auditor"));
}

/// Asks again as the answers say, until there is one that is no "come again".
fn until_answered(ask: impl Fn() -> Answered) -> Answered {
    let begun = Instant::now();
    loop {
        let answer = ask();
        match answer.status {
            200 | 201 => return answer,
            409 | 503 => assert!(answer.head.contains("retry-after"), "{answer:?}"),
            _ => panic!("{} {}", answer.status, answer.text()),
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "{}", answer.text());
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[tokio::test]
async fn a_second_process_under_one_name_is_refused_with_a_word() {
    let Some(Ground { first, second, .. }) = Ground::new().await else { return };
    let named = |place: Place| place.with([("YINXIN_NODE".to_owned(), "town-hall".to_owned())]);
    let (first, second) = (named(first), named(second));
    let _a = second.serve();
    let third = first.another_node().with([("YINXIN_NODE".to_owned(), "town-hall".to_owned())]);
    let refused = third.run(["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(refused.err.contains("is at work as node town-hall"), "{refused:?}");
    assert!(refused.err.contains("give this one a name of its own"), "{refused:?}");
    // Nor may two share a data directory.
    let same = second.run(["serve", "--listen", "127.0.0.1:0"]);
    assert!(same.err.contains("another yinxin process is at work in this data directory"), "{same:?}");
}

#[tokio::test]
async fn a_node_that_is_killed_and_started_again_is_the_same_node_at_once() {
    let Some(Ground { first, .. }) = Ground::new().await else { return };
    let a = first.serve();
    a.signal(Signal::KILL);
    a.wait();
    let begun = Instant::now();
    let _again = first.serve();
    assert!(begun.elapsed() < Duration::from_secs(10), "its lease is its own: {:?}", begun.elapsed());
    the_chain_holds(&first, &first.key("auditor"));
}

/// SIGSTOP for longer than its lease lasts; meanwhile its name is given to another. When it goes on, it writes no records
/// into the other's chain, and ends.
#[tokio::test]
async fn a_node_that_stood_still_loses_its_name_and_ends() {
    let Some(Ground { first, .. }) = Ground::new().await else { return };
    let named = |place: Place| place.with([("YINXIN_NODE".to_owned(), "town-hall".to_owned())]);
    let a = named(first.another_node());
    let daemon = a.serve();
    let sealed_by_first = {
        let b = first.serve();
        let sealed = first.sealed();
        assert_eq!(stamp(&daemon, &sealed, "before-it-stands-still").status, 201);
        b.signal(Signal::TERM);
        b.wait();
        sealed
    };
    daemon.signal(Signal::STOP);
    let taker = named(first.another_node());
    let begun = Instant::now();
    let successor = taker.serve();
    assert!(begun.elapsed() < Duration::from_secs(40), "{:?}", begun.elapsed());
    assert_eq!(stamp(&successor, &sealed_by_first, "by-the-successor").status, 201);
    daemon.signal(Signal::CONT);
    let (status, log) = daemon.last_words();
    assert_eq!(status.code(), Some(1), "{log}");
    assert!(log.contains("has taken the place of node town-hall"), "{log}");
    // The chain goes on where the first one left it. The file with what that one signed lies in the other directory, and who
    // looks from here, with no file of town-hall's own, sees a chain without gaps.
    drop(successor);
    the_chain_holds(&first, &first.key("auditor"));
}

#[tokio::test]
async fn a_start_and_a_sweep_of_one_node_leave_the_stamps_that_another_is_making() {
    let (Some(Ground { database, first, second }), Some(harness)) = (Ground::new().await, harness()) else {
        return;
    };
    let slow = first.another_node().with_program(harness);
    let slow = slow.with([("ENDURANCE_FAILPOINT".to_owned(), "stamp.signed 1 sleep 12000".to_owned())]);
    let (a, b) = (slow.serve(), first.serve());
    let sealed = first.sealed();
    std::thread::scope(|scope| {
        let young = scope.spawn(|| stamp(&a, &sealed, "of-this-minute"));
        until_it_is(&b, &sealed, "of-this-minute", "intended");
        // A third node starts, with its look for what never ended, while the first is at work.
        let third = second.serve();
        assert_eq!(states(&b, &sealed, "of-this-minute"), ["intended"]);
        let young = young.join().unwrap();
        assert_eq!(young.status, 201, "{}", young.text());
        assert_eq!(states(&b, &sealed, "of-this-minute"), ["done"]);
        // The next one is made to look as old as one that never ended: it is closed, and then nothing is handed out.
        let old = scope.spawn(|| stamp(&a, &sealed, "forgotten"));
        until_it_is(&b, &sealed, "forgotten", "intended");
        scope
            .spawn(|| tamper(&database, "UPDATE stamp SET intended_at = intended_at - 200000"))
            .join()
            .unwrap();
        drop(third);
        let _third = second.serve();
        until_it_is(&b, &sealed, "forgotten", "abandoned");
        let old = old.join().unwrap();
        assert_eq!((old.status, old.json()["code"].as_str()), (409, Some("stamp/closed")), "{}", old.text());
    });
    the_chain_holds(&first, &first.key("auditor"));
}

/// Waits until the lines of the register for this purpose are in these states.
#[track_caller]
fn until_it_is(daemon: &Daemon, sealed: &Sealed, purpose: &str, wanted: &str) {
    let begun = Instant::now();
    loop {
        let found = states(daemon, sealed, purpose);
        if found == [wanted] {
            return;
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "{purpose} is {found:?}, not {wanted}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// From a thread without a runtime.
fn tamper(database: &Database, sql: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(database.tamper(sql));
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_is_told_as_unknown_and_its_key_gives_the_one_truth() {
    let Some(server) = Server::start() else { return };
    let proxy = Proxy::before(server.address()).unwrap();
    let place = Place::empty().with([("YINXIN_DATABASE_URL".to_owned(), server.url())]).after_init();
    let through = place.another_node().with([
        ("YINXIN_DATABASE_URL".to_owned(), server.url_at(proxy.address)),
        ("YINXIN_DATABASE_COMMIT_DEADLINE".to_owned(), "300ms".to_owned()),
    ]);
    let honest = place.serve();
    let sealed = place.sealed();
    let daemon = through.serve();
    let mut unknown = 0;
    for number in 0..24 {
        let once = format!("commit-{number:04}");
        proxy.swallow_after(number % 5);
        let first = stamp(&daemon, &sealed, &once);
        proxy.set(Mood::Honest);
        if first.status != 201 {
            assert_eq!((first.status, first.json()["code"].as_str()), (503, Some("service/unknown")));
            assert!(first.head.contains("retry-after"), "{}", first.head);
            assert!(first.json()["hint"].as_str().unwrap().contains("幂等键"));
            unknown += 1;
        }
        // Whichever node is asked again, it gives the same file, or makes it now.
        let again = until_answered(|| stamp(&honest, &sealed, &once));
        let once_more = until_answered(|| stamp(&daemon, &sealed, &once));
        assert_eq!(again.body, once_more.body);
        let done = states(&honest, &sealed, &once).into_iter().filter(|state| state == "done").count();
        assert_eq!(done, 1, "{once}");
    }
    assert!(proxy.swallowed() >= 12 && unknown > 0, "{} swallowed, {unknown} unknown", proxy.swallowed());
    the_chain_holds(&place, &place.key("auditor"));
}
