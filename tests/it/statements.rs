//! Every statement of every room is understood by both engines.

use crate::support::databases::for_each_engine;
use yinxin::{audit, authority, http, job, keys, officer, seal, store, verification};

/// Each room with SQL, and its statements.
const ROOMS: &[(&str, &[&store::Statement])] = &[
    ("store", store::migrations::STATEMENTS),
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

#[test]
fn every_statement_has_a_name_of_its_own() {
    let mut names: Vec<_> = ROOMS.iter().flat_map(|(_, all)| all.iter().map(|one| one.name)).collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
}
