//! The audit on both engines: whoever holds the database cannot change it unseen.

use crate::support::databases::{Database, for_each_database, postgres};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio::sync::{Notify, watch};
use yinxin::{
    audit::{self, AuditError, AuditReport, Defect, Entry, Filter, HeadKeys, Record, Sequencer},
    base::{Timestamp, clock::SteppedClock, entropy::SeededEntropy},
    store::{Store, StoreError},
};
use yinxin_pki::{
    sign::{PublicKey, Signer},
    sm2, sm3,
};

const START: Timestamp = Timestamp::from_seconds(1_795_219_200);

fn key() -> sm2::PrivateKey {
    sm2::PrivateKey::from_bytes(&[7; 32]).unwrap()
}

fn public() -> PublicKey {
    Signer::public_key(&key())
}

fn entry(number: i64) -> Entry {
    Entry {
        actor: format!("off_{}", number % 3),
        action: if number % 2 == 0 { "seal.made" } else { "seal.suspended" },
        subject: format!("seal_{}", number % 5),
        detail: serde_json::json!({ "n": number, "says": "某市公章" }),
        request: "req_1".into(),
        at: START.plus_ms(number),
    }
}

async fn record(store: &Store, numbers: std::ops::RangeInclusive<i64>) {
    for number in numbers {
        store.write(async |tx| audit::append(tx, &entry(number)).await).await.unwrap();
    }
}

async fn sequencer(store: &Store, heads: &Path) -> Result<Sequencer, AuditError> {
    let (clock, entropy) = (Arc::new(SteppedClock::at(START)), Arc::new(SeededEntropy::new(1)));
    Sequencer::open(store.clone(), heads, Arc::new(key()), clock, entropy).await
}

async fn verify(store: &Store, heads: &Path) -> AuditReport {
    audit::verify(store, heads, &HeadKeys::only(public())).await.unwrap().unwrap()
}

/// Twenty records, with signed heads at 10 and 20.
async fn twenty(database: &Database) -> (Store, PathBuf) {
    let (store, heads) = (database.open().await, database.folder().join("heads.jsonl"));
    let mut sequencer = sequencer(&store, &heads).await.unwrap();
    record(&store, 1..=10).await;
    assert_eq!(sequencer.step().await.unwrap(), 10);
    record(&store, 11..=20).await;
    assert_eq!(sequencer.step().await.unwrap(), 10);
    (store, heads)
}

fn local() -> String {
    "local".to_owned()
}

#[tokio::test]
async fn an_untouched_chain_is_sound_and_fresh_records_are_said_not_failed() {
    for_each_database(async |database| {
        let (store, heads) = twenty(database).await;
        record(&store, 21..=22).await;
        let report = verify(&store, &heads).await;
        let wanted = AuditReport { chained: 20, unchained: 2, heads: 2, ..AuditReport::default() };
        assert_eq!(report, wanted);
        let refused: Result<(), StoreError> = store
            .write(async |tx| {
                audit::append(tx, &entry(23)).await?;
                Err(StoreError::Busy)
            })
            .await;
        assert!(refused.is_err());
        assert_eq!(sequencer(&store, &heads).await.unwrap().step().await.unwrap(), 2);
        assert_eq!(verify(&store, &heads).await.chained, 22);
    })
    .await;
}

/// Each tampering behind the store's back, and what must be named.
fn tamperings() -> Vec<(&'static str, &'static str, Vec<Defect>)> {
    let changed = |seq| Defect::Changed { node: local(), seq, row: seq };
    let removed = |from, to| Defect::Removed { node: local(), from, to };
    let moved = |seq, belongs_at| Defect::Reordered { node: local(), seq, belongs_at };
    let copied = "INSERT INTO audit (node, at_ms, actor, action, subject, detail, request, seq, previous, hash) \
                  SELECT node, at_ms, actor, action, subject, detail, request, seq, previous, hash FROM audit WHERE seq = 5";
    vec![
        ("actor", "UPDATE audit SET actor = 'off_9' WHERE seq = 5", vec![changed(5)]),
        ("action", "UPDATE audit SET action = 'seal.none' WHERE seq = 1", vec![changed(1)]),
        ("subject", "UPDATE audit SET subject = '' WHERE seq = 20", vec![changed(20)]),
        ("detail", "UPDATE audit SET detail = detail || ' ' WHERE seq = 5", vec![changed(5)]),
        ("request", "UPDATE audit SET request = 'req_2' WHERE seq = 5", vec![changed(5)]),
        ("time", "UPDATE audit SET at_ms = at_ms + 1 WHERE seq = 5", vec![changed(5)]),
        ("two records", "UPDATE audit SET actor = 'x' WHERE seq IN (4, 5)", vec![changed(4), changed(5)]),
        ("one removed", "DELETE FROM audit WHERE seq = 5", vec![removed(5, 5)]),
        ("beginning removed", "DELETE FROM audit WHERE seq <= 3", vec![removed(1, 3)]),
        ("a signed one removed", "DELETE FROM audit WHERE seq IN (9, 10, 11)", vec![removed(9, 11)]),
        (
            "unchained again",
            "UPDATE audit SET seq = NULL, previous = NULL, hash = NULL WHERE seq = 5",
            vec![removed(5, 5)],
        ),
        (
            "given to another node",
            "UPDATE audit SET node = 'other' WHERE seq = 5",
            vec![
                removed(5, 5),
                Defect::Removed { node: "other".into(), from: 1, to: 4 },
                Defect::Changed { node: "other".into(), seq: 5, row: 5 },
            ],
        ),
        (
            "two swapped",
            "UPDATE audit SET seq = 99 WHERE seq = 5; UPDATE audit SET seq = 5 WHERE seq = 7; \
             UPDATE audit SET seq = 7 WHERE seq = 99",
            vec![moved(5, 7), moved(7, 5)],
        ),
        ("one doubled", copied, vec![Defect::Doubled { node: local(), seq: 5 }]),
        (
            "end cut off",
            "DELETE FROM audit WHERE seq > 15",
            vec![Defect::Truncated { node: local(), ends_at: 15, signed_to: 20 }],
        ),
        (
            "back to an old copy",
            "DELETE FROM audit WHERE seq > 10; DELETE FROM audit_head WHERE seq > 10",
            vec![Defect::OldCopy { node: local(), ends_at: 10, signed_to: 20 }],
        ),
        (
            "emptied",
            "DELETE FROM audit; DELETE FROM audit_head",
            vec![Defect::OldCopy { node: local(), ends_at: 0, signed_to: 20 }],
        ),
        (
            "a head made up",
            "INSERT INTO audit_head (node, seq, hash, at_ms, signature) VALUES ('local', 15, 'ab', 0, 'cd')",
            vec![Defect::HeadMissing { node: local(), seq: 15 }],
        ),
    ]
}

#[tokio::test]
async fn every_tampering_is_found_and_named() {
    for (name, sql, wanted) in tamperings() {
        for_each_database(async |database| {
            let (store, heads) = twenty(database).await;
            // Whoever holds the database drops what is in the way.
            database.tamper("DROP INDEX audit_chain").await;
            database.tamper(sql).await;
            let report = verify(&store, &heads).await;
            assert_eq!(report.defects, wanted, "{name} on {}", store.engine_name());
        })
        .await;
    }
}

/// The hash of a record as its documentation says, made here once more.
fn hash(record: &Record, seq: i64, previous: &str) -> String {
    let at = record.at.ms();
    let fields = [
        "yinxin audit record 1".to_owned(),
        record.node.clone(),
        seq.to_string(),
        previous.to_owned(),
        record.id.to_string(),
        at.to_string(),
        record.actor.clone(),
        record.action.clone(),
        record.subject.clone(),
        record.detail.clone(),
        record.request.clone(),
    ];
    let octets: Vec<u8> = fields
        .iter()
        .flat_map(|field| [&(field.len() as u64).to_be_bytes()[..], field.as_bytes()].concat())
        .collect();
    hex::encode(sm3::digest(octets))
}

/// Changes record 12 and hashes it and its successors up to `last` anew.
async fn forge(database: &Database, store: &Store, last: i64) {
    let mut records = store.read(async |rx| audit::query(rx, &Filter::default(), 100).await).await.unwrap();
    records.reverse();
    let mut previous = records[10].link.clone().unwrap().hash;
    for record in &mut records {
        let seq = record.link.as_ref().unwrap().seq;
        if !(12..=last).contains(&seq) {
            continue;
        }
        if seq == 12 {
            record.actor = "nobody".into();
        }
        let made = hash(record, seq, &previous);
        let actor = &record.actor;
        let sql = format!(
            "UPDATE audit SET actor = '{actor}', previous = '{previous}', hash = '{made}' WHERE seq = {seq}"
        );
        database.tamper(&sql).await;
        previous = made;
    }
}

#[tokio::test]
async fn a_forger_who_hashes_anew_is_found_by_the_next_link_or_the_next_head() {
    for_each_database(async |database| {
        let (store, heads) = twenty(database).await;
        forge(database, &store, 12).await;
        assert_eq!(verify(&store, &heads).await.defects, [Defect::Replaced { node: local(), seq: 12 }]);
        forge(database, &store, 20).await;
        let rewritten = Defect::Rewritten { node: local(), after: 10, seq: 20 };
        assert_eq!(verify(&store, &heads).await.defects, [rewritten]);
        assert!(matches!(sequencer(&store, &heads).await, Err(AuditError::RolledBack { signed: 20, .. })));
    })
    .await;
}

#[tokio::test]
async fn heads_that_are_forged_or_lost_are_named() {
    for_each_database(async |database| {
        let (store, path) = twenty(database).await;
        let whole = fs::read_to_string(&path).unwrap();
        let (first, second) = whole.split_once('\n').unwrap();
        let missing = |seq| Defect::HeadMissing { node: local(), seq };

        let mut forged: audit::Head = serde_json::from_str(second).unwrap();
        forged.seq = 19;
        fs::write(&path, format!("{first}\n{}\n", serde_json::to_string(&forged).unwrap())).unwrap();
        let wanted = [Defect::ForgedHead { line: 2, node: local(), seq: 19 }, missing(20)];
        assert_eq!(verify(&store, &path).await.defects, wanted);

        fs::write(&path, format!("{first}\n")).unwrap();
        assert_eq!(verify(&store, &path).await.defects, [missing(20)]);

        fs::write(&path, format!("nonsense\n{whole}")).unwrap();
        assert_eq!(verify(&store, &path).await.defects, [Defect::BrokenLine { line: 1 }]);

        fs::write(&path, format!("{second}{first}\n")).unwrap();
        assert_eq!(verify(&store, &path).await.defects, [Defect::HeadsReordered { line: 2 }]);

        fs::remove_file(&path).unwrap();
        assert_eq!(verify(&store, &path).await.defects, [missing(10), missing(20)]);

        fs::write(&path, &whole).unwrap();
        let other = Signer::public_key(&sm2::PrivateKey::from_bytes(&[8; 32]).unwrap());
        let report = audit::verify(&store, &path, &HeadKeys::only(other)).await.unwrap().unwrap();
        assert_eq!(report.heads, 0);
        assert!(matches!(report.defects[..], [Defect::ForgedHead { .. }, Defect::ForgedHead { .. }]));
    })
    .await;
}

#[tokio::test]
async fn a_sequencer_does_not_go_on_from_an_old_copy() {
    for_each_database(async |database| {
        let (store, heads) = twenty(database).await;
        let mut running = sequencer(&store, &heads).await.unwrap();
        database.tamper("DELETE FROM audit WHERE seq > 10; DELETE FROM audit_head WHERE seq > 10").await;
        record(&store, 21..=21).await;
        assert!(matches!(running.step().await, Err(AuditError::RolledBack { signed: 20, .. })));
        drop(running);
        assert!(matches!(sequencer(&store, &heads).await, Err(AuditError::RolledBack { signed: 20, .. })));
    })
    .await;
}

#[tokio::test]
async fn an_old_copy_of_the_file_that_grew_again_is_found() {
    let database = crate::support::databases::sqlite();
    let path = database.path().unwrap().to_owned();
    let heads = database.folder().join("heads.jsonl");
    let store = database.open().await;
    record(&store, 1..=5).await;
    let mut first = sequencer(&store, &heads).await.unwrap();
    first.step().await.unwrap();
    store.close().await;
    let copy = fs::read(&path).unwrap();
    drop((store, first));

    let store = database.open().await;
    record(&store, 6..=8).await;
    sequencer(&store, &heads).await.unwrap().step().await.unwrap();
    store.close().await;
    drop(store);

    for ending in ["-wal", "-shm"] {
        let _ = fs::remove_file(format!("{}{ending}", path.display()));
    }
    fs::write(&path, copy).unwrap();
    let store = database.open().await;
    let wanted = Defect::OldCopy { node: local(), ends_at: 5, signed_to: 8 };
    assert_eq!(verify(&store, &heads).await.defects, [wanted]);
    // Chained on with other records, under an empty file of heads.
    record(&store, 16..=20).await;
    let aside = database.folder().join("aside.jsonl");
    sequencer(&store, &aside).await.unwrap().step().await.unwrap();
    let defects = verify(&store, &heads).await.defects;
    assert!(defects.contains(&Defect::Rewritten { node: local(), after: 5, seq: 8 }), "{defects:?}");
}

#[tokio::test]
async fn a_record_committed_late_is_chained_late_and_not_skipped() {
    let Some(database) = postgres().await else { return };
    let (store, heads) = (database.open().await, database.folder().join("heads.jsonl"));
    let mut sequencer = sequencer(&store, &heads).await.unwrap();
    let (written, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (slow, told, released) = (store.clone(), written.clone(), go_on.clone());
    let late = tokio::spawn(async move {
        slow.write(async |tx| {
            audit::append(tx, &entry(1)).await?;
            told.notify_one();
            released.notified().await;
            Ok::<_, StoreError>(())
        })
        .await
    });
    written.notified().await;
    record(&store, 2..=3).await;
    assert_eq!(sequencer.step().await.unwrap(), 2);
    go_on.notify_one();
    late.await.unwrap().unwrap();
    assert_eq!(sequencer.step().await.unwrap(), 1);
    let report = verify(&store, &heads).await;
    assert!(report.is_sound() && report.chained == 3 && report.unchained == 0, "{report:?}");
}

#[tokio::test]
async fn nodes_chain_side_by_side() {
    let Some(database) = postgres().await else { return };
    let heads = |node: &str| database.folder().join(node);
    let mut stores = Vec::new();
    for node in ["a", "b"] {
        stores.push(Store::open(&database.config_of(node), START).await.unwrap());
    }
    for (store, node) in stores.iter().zip(["a", "b"]) {
        record(store, 1..=3).await;
        assert_eq!(sequencer(store, &heads(node)).await.unwrap().step().await.unwrap(), 3);
    }
    let report = verify(&stores[0], &heads("a")).await;
    assert!(report.is_sound(), "{report:?}");
    assert_eq!((report.chained, report.without_heads), (6, vec!["b".to_owned()]));
    assert!(sequencer(&stores[0], &heads("b")).await.is_err(), "another node's file");
    // A node taken out altogether: whoever has its file of heads knows.
    database.tamper("DELETE FROM audit WHERE node = 'b'; DELETE FROM audit_head WHERE node = 'b'").await;
    let wanted = Defect::OldCopy { node: "b".into(), ends_at: 0, signed_to: 3 };
    assert_eq!(verify(&stores[1], &heads("b")).await.defects, [wanted]);
}

#[tokio::test]
async fn a_chain_that_grows_under_load_is_sound_at_every_look() {
    for_each_database(async |database| {
        let (store, heads) = (database.open().await, database.folder().join("heads.jsonl"));
        let (tell, stop) = watch::channel(false);
        let chaining = tokio::spawn(sequencer(&store, &heads).await.unwrap().run(stop));
        let writers: Vec<_> = (0..8)
            .map(|_| {
                let store = store.clone();
                tokio::spawn(async move { record(&store, 1..=50).await })
            })
            .collect();
        for writer in writers {
            writer.await.unwrap();
            let report = verify(&store, &heads).await;
            assert!(report.is_sound(), "{report:?}");
        }
        tell.send(true).unwrap();
        chaining.await.unwrap().unwrap();
        let report = verify(&store, &heads).await;
        assert!(report.is_sound() && report.chained == 400 && report.unchained == 0, "{report:?}");
    })
    .await;
}

#[tokio::test]
async fn records_are_found_by_subject_actor_action_and_time_and_exported_in_order() {
    for_each_database(async |database| {
        let (store, _) = twenty(database).await;
        let numbers = async |filter: Filter, limit: u32| -> Vec<i64> {
            let found = store.read(async |rx| audit::query(rx, &filter, limit).await).await.unwrap();
            found.iter().map(|record| record.at.ms() - START.ms()).collect()
        };
        let all = Filter::default();
        assert_eq!(numbers(all.clone(), 3).await, [20, 19, 18]);
        assert_eq!(numbers(Filter { before: Some(18), ..all.clone() }, 2).await, [17, 16]);
        let subject = Filter { subject: Some("seal_2".into()), ..all.clone() };
        assert_eq!(numbers(subject.clone(), 100).await, [17, 12, 7, 2]);
        let both = Filter { action: Some("seal.made".into()), ..subject };
        assert_eq!(numbers(both, 100).await, [12, 2]);
        let actor = Filter { actor: Some("off_0".into()), from: Some(START.plus_ms(6)), ..all.clone() };
        let until = Filter { until: Some(START.plus_ms(12)), ..actor };
        assert_eq!(numbers(until, 100).await, [9, 6]);
        let action = Filter { action: Some("seal.none' OR 1=1".into()), ..all.clone() };
        assert!(numbers(action, 100).await.is_empty());

        let mut lines = Vec::new();
        assert_eq!(audit::export(&store, &all, &mut lines).await.unwrap().unwrap(), 20);
        let lines: Vec<serde_json::Value> = String::from_utf8(lines)
            .unwrap()
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(lines[2]["detail"]["n"], 3);
        assert_eq!(lines[2]["link"]["seq"], 3);
        assert_eq!(lines[2]["at"], "2026-11-21T00:00:00.003Z");
    })
    .await;
}
