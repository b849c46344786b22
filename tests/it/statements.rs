//! Every statement of every room is understood by both engines.

use crate::support::databases::{for_each_engine, sqlite};
use yinxin::{audit, authority, http, job, keys, officer, seal, store, verification};

/// Each room with SQL, and its statements.
const ROOMS: &[(&str, &[&store::Statement])] = &[
    ("store", store::migrations::STATEMENTS),
    ("lease", store::lease::STATEMENTS),
    ("store", store::FILL_STATEMENTS),
    ("store", store::LOOK_STATEMENTS),
    ("store", store::WHOLE_STATEMENTS),
    ("audit", audit::STATEMENTS),
    ("job", job::STATEMENTS),
    ("keys", keys::STATEMENTS),
    ("authority", authority::STATEMENTS),
    ("seal", seal::store::register::STATEMENTS),
    ("seal", seal::store::life::STATEMENTS),
    ("seal", seal::store::stamps::STATEMENTS),
    ("officer", officer::store::STATEMENTS),
    ("idempotency", http::idempotency::store::STATEMENTS),
    ("verification", verification::store::STATEMENTS),
];

#[tokio::test]
async fn both_engines_understand_every_statement() {
    for_each_engine(async |store| {
        for (room, statements) in ROOMS {
            for statement in *statements {
                assert!(statement.name.starts_with(&format!("{room}.")), "{} in room {room}", statement.name);
                let prepared = store.prepare(statement).await;
                assert_eq!(prepared, Ok(()), "{} on {}", statement.name, store.engine_name());
            }
        }
    })
    .await;
}

/// Tables that grow with use, and statements that walk one of them all the same, each with the reason why it may.
const GROWING: &[&str] = &[
    "audit",
    "audit_head",
    "job",
    "signing_key",
    "officer",
    "api_key",
    "idempotency",
    "authority_cert",
    "authority_crl",
    "owner",
    "owner_member",
    "maker",
    "seal",
    "seal_event",
    "stamp",
    "stamp_increment",
];
const WALKERS: &[(&str, &str)] = &[
    ("audit.nodes", "only the check of the whole chain asks, and reads every record anyway"),
    ("authority.intended", "walks an index of the open ones alone"),
    ("authority.makers", "walks an index of the makers alone"),
    ("authority.revocations", "counts in an index of the revoked ones alone"),
    ("authority.revoked", "walks an index of the revoked ones alone: they all go into the list"),
    ("keys.count_under", "only while the master key is being replaced"),
    ("keys.pass_on", "only while the master key is being replaced"),
    ("keys.retire", "only while the master key is being replaced"),
    ("authority.last_crl", "goes backwards and stops at the first"),
    ("authority.list_ends", "goes backwards and stops at the first"),
    ("audit.newest_at", "goes backwards and stops at the first"),
    ("authority.open", "counts in an index of the open ones alone"),
    ("authority.ends", "only `yinxin doctor` asks"),
    ("keys.living", "only `yinxin doctor` asks"),
    ("keys.unused", "only `yinxin doctor` asks"),
];

/// What happens at every start, every minute and with every stamp must not take longer the more there is.
#[tokio::test]
async fn no_statement_walks_a_table_that_grows_with_use() {
    use sqlx::{AssertSqlSafe, Connection as _, Row as _, SqliteConnection};
    let database = sqlite();
    database.open().await.close().await;
    let url = format!("sqlite:{}", database.path().unwrap().display());
    let mut conn = SqliteConnection::connect(&url).await.unwrap();
    let mut walks = Vec::new();
    for statement in ROOMS.iter().flat_map(|(_, all)| all.iter()) {
        let sql = format!("EXPLAIN QUERY PLAN {}", statement.on_sqlite());
        let plan = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(&mut conn).await.unwrap();
        for step in plan.iter().map(|row| row.get::<String, _>("detail")) {
            let walked = GROWING.iter().find(|table| {
                let rest = step.strip_prefix("SCAN ").and_then(|rest| rest.strip_prefix(**table));
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
            });
            if walked.is_some() && !WALKERS.iter().any(|(name, _)| *name == statement.name) {
                walks.push(format!("{}: {step}", statement.name));
            }
        }
    }
    assert!(walks.is_empty(), "{}", walks.join("\n"));
}

#[test]
fn every_statement_has_a_name_of_its_own() {
    let mut names: Vec<_> = ROOMS.iter().flat_map(|(_, all)| all.iter().map(|one| one.name)).collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
}
