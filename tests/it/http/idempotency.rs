//! A creating request that is repeated does its work once, whatever happened to the first (R-OPS-05).

use crate::support::{
    databases::for_each_engine,
    front::{Answer, Front, json_request},
};
use serde_json::json;
use std::collections::BTreeSet;
use yinxin::{
    base::Clock as _,
    http::{Limits, idempotency},
    officer::Role,
    store::{FromRow, Row, Statement, StoreError},
};

const KEY: &str = "2f1b9c6e-8f3d-4b6e-9a55-000000000001";
const OFFICERS: &str = "/api/v1/officers";
const TEST: &str = "/api/v1/test/create";

fn viewer(name: &str) -> serde_json::Value {
    json!({ "name": name, "roles": ["viewer"] })
}

fn same(one: &Answer, other: &Answer) {
    assert_eq!((one.status, &one.body), (other.status, &other.body));
    for name in ["content-type", "location"] {
        assert_eq!(one.headers.get(name), other.headers.get(name));
    }
}

#[tokio::test]
async fn the_same_request_gets_the_same_bytes_also_after_a_restart() {
    for_each_engine(async |store| {
        let front = Front::new(store).await;
        let security = front.person(Role::SecurityAdministrator).clone();
        let first = front.create(OFFICERS, &security, KEY, &viewer("李四")).await;
        assert_eq!(first.status, 201, "{first:?}");
        assert!(!first.headers.contains_key("idempotency-replayed"));
        let again = front.create(OFFICERS, &security, KEY, &viewer("李四")).await;
        same(&first, &again);
        assert_eq!(again.headers["idempotency-replayed"], "true");
        let front = front.restarted();
        front.clock.step_ms(23 * 3_600_000);
        same(&first, &front.create(OFFICERS, &security, KEY, &viewer("李四")).await);
        assert_eq!(front.registered("李四").await, 1);
    })
    .await;
}

#[tokio::test]
async fn a_key_belongs_to_one_body_one_route_and_one_caller() {
    for_each_engine(async |store| {
        let front = Front::new(store).await;
        let security = front.person(Role::SecurityAdministrator).clone();
        assert_eq!(front.create(OFFICERS, &security, KEY, &viewer("a")).await.status, 201);
        let other_body = front.create(OFFICERS, &security, KEY, &viewer("b")).await;
        assert_eq!(other_body.problem(), "409 idempotency/reused");
        let other_route = front.create(TEST, &security, KEY, &viewer("a")).await;
        assert_eq!(other_route.problem(), "409 idempotency/reused");
        assert_eq!(front.registered("b").await, 0);

        let caller = front.caller(Role::SecurityAdministrator);
        let id = &front.person(Role::Viewer).officer.id;
        front.officers.change_roles(&caller, id, vec![Role::SecurityAdministrator]).await.unwrap();
        let other_caller = front.person(Role::Viewer).clone();
        assert_eq!(front.create(OFFICERS, &other_caller, KEY, &viewer("b")).await.status, 201);
        assert_eq!(
            front.create(OFFICERS, &security, "short", &viewer("c")).await.problem(),
            "400 idempotency/malformed"
        );
    })
    .await;
}

#[tokio::test]
async fn many_at_the_same_time_make_one() {
    for_each_engine(async |store| {
        let front = Front::new(store).await;
        let security = front.person(Role::SecurityAdministrator).clone();
        let tries: Vec<_> = (0..16)
            .map(|_| {
                let mut request = json_request(OFFICERS, Some(&security.key), &viewer("one"));
                request.headers_mut().insert("idempotency-key", KEY.parse().unwrap());
                let router = front.router.clone();
                tokio::spawn(async move { crate::support::front::send(&router, request).await })
            })
            .collect();
        let mut bodies = BTreeSet::new();
        for answer in tries {
            let answer = answer.await.unwrap();
            match answer.status {
                201 => drop(bodies.insert(answer.body)),
                _ => {
                    assert_eq!(answer.problem(), "409 idempotency/in-progress");
                    assert!(answer.headers.contains_key("retry-after"));
                }
            }
        }
        assert_eq!((bodies.len(), front.registered("one").await), (1, 1));
    })
    .await;
}

#[tokio::test]
async fn a_refused_request_frees_its_key() {
    let front = Front::scratch(Limits::default()).await;
    let security = front.person(Role::SecurityAdministrator).clone();
    let refused = json!({ "name": "x", "roles": ["auditor", "viewer"] });
    assert_eq!(front.create(OFFICERS, &security, KEY, &refused).await.status, 422);
    assert_eq!(front.create(OFFICERS, &security, KEY, &viewer("x")).await.status, 201);
    let key = front.person(Role::Auditor).clone();
    assert_eq!(front.create(OFFICERS, &key, KEY, &viewer("y")).await.status, 403);
}

#[tokio::test]
async fn a_handler_that_dies_after_its_effect_is_asked_what_it_made() {
    for_each_engine(async |store| {
        let front = Front::new(store).await;
        let security = front.person(Role::SecurityAdministrator).clone();
        let body = json!({ "name": "half", "break_after": "panic" });
        // The gate never sees the end of a handler that panicked: the reservation is left as a crash leaves it.
        assert_eq!(front.create(TEST, &security, KEY, &body).await.problem(), "500 internal");
        assert_eq!(front.registered("half").await, 1);
        let early = front.create(TEST, &security, KEY, &body).await;
        assert_eq!(early.problem(), "409 idempotency/in-progress");
        let front = front.restarted();
        front.clock.step_ms(91_000);
        let again = front.create(TEST, &security, KEY, &body).await;
        assert_eq!((again.status, front.registered("half").await), (201, 1));
        same(&again, &front.create(TEST, &security, KEY, &body).await);
    })
    .await;
}

#[tokio::test]
async fn a_start_that_is_alone_takes_over_at_once_what_a_crash_left() {
    for_each_engine(async |store| {
        let front = Front::new(store).await;
        let security = front.person(Role::SecurityAdministrator).clone();
        let body = json!({ "name": "half", "break_after": "panic" });
        assert_eq!(front.create(TEST, &security, KEY, &body).await.problem(), "500 internal");
        let front = front.restarted();
        assert_eq!(idempotency::end_leases(&front.store, front.clock.now()).await.unwrap(), 1);
        let again = front.create(TEST, &security, KEY, &body).await;
        assert_eq!((again.status, front.registered("half").await), (201, 1));
        assert_eq!(idempotency::end_leases(&front.store, front.clock.now()).await.unwrap(), 0);
    })
    .await;
}

#[tokio::test]
async fn a_handler_that_dies_before_its_effect_leaves_the_work_to_the_next() {
    for_each_engine(async |store| {
        let front = Front::new(store).await;
        let security = front.person(Role::SecurityAdministrator).clone();
        let body = json!({ "name": "none", "break_before": "panic" });
        assert_eq!(front.create(TEST, &security, KEY, &body).await.problem(), "500 internal");
        front.clock.step_ms(91_000);
        let again = front.create(TEST, &security, KEY, &body).await;
        assert_eq!((again.status, front.registered("none").await), (201, 1));
    })
    .await;
}

#[tokio::test]
async fn a_holder_who_lost_his_lease_has_no_effect() {
    for_each_engine(async |store| {
        let front = Front::new(store).await;
        let security = front.person(Role::SecurityAdministrator).clone();
        let body = json!({ "name": "late", "break_before": "wait" });
        let mut request = json_request(TEST, Some(&security.key), &body);
        request.headers_mut().insert("idempotency-key", KEY.parse().unwrap());
        let router = front.router.clone();
        let late = tokio::spawn(async move { crate::support::front::send(&router, request).await });
        front.stage.waiting.notified().await;
        front.clock.step_ms(91_000);
        let second = front.create(TEST, &security, KEY, &body).await;
        assert_eq!(second.status, 201);
        front.stage.go_on.notify_one();
        assert_eq!(late.await.unwrap().problem(), "409 idempotency/in-progress");
        assert_eq!(front.registered("late").await, 1);
        same(&second, &front.create(TEST, &security, KEY, &body).await);
    })
    .await;
}

#[tokio::test]
async fn a_long_answer_is_made_again_from_its_subject() {
    for_each_engine(async |store| {
        let front = Front::new(store.clone()).await;
        let security = front.person(Role::SecurityAdministrator).clone();
        let body = json!({ "name": "long", "padding": 100_000 });
        let first = front.create(TEST, &security, KEY, &body).await;
        same(&first, &front.create(TEST, &security, KEY, &body).await);
        assert_eq!(front.registered("long").await, 1);
        assert_eq!(stored_answers(&front).await, [None]);
    })
    .await;
}

#[tokio::test]
async fn a_secret_is_answered_once_and_never_stored() {
    for_each_engine(async |store| {
        let front = Front::new(store).await;
        let security = front.person(Role::SecurityAdministrator).clone();
        let path = format!("/api/v1/officers/{}/keys", front.person(Role::Viewer).officer.id);
        let first = front.create(&path, &security, KEY, &json!({ "label": "x" })).await;
        assert!(first.json()["secret"].as_str().unwrap().starts_with("yx_"));
        let again = front.create(&path, &security, KEY, &json!({ "label": "x" })).await;
        assert_eq!(again.problem(), "409 officer/key-shown-once");
        assert!(again.text().contains(first.json()["id"].as_str().unwrap()));
        assert_eq!(stored_answers(&front).await, [None]);
    })
    .await;
}

#[tokio::test]
async fn a_key_is_forgotten_after_a_day() {
    for_each_engine(async |store| {
        let front = Front::new(store.clone()).await;
        let security = front.person(Role::SecurityAdministrator).clone();
        front.create(OFFICERS, &security, KEY, &viewer("day")).await;
        assert_eq!(idempotency::sweep(&store, front.clock.now()).await, Ok(0));
        front.clock.step_ms(idempotency::KEPT_FOR_MS);
        // Also where nobody has swept yet.
        assert_eq!(front.create(OFFICERS, &security, KEY, &viewer("another")).await.status, 201);
        front.clock.step_ms(idempotency::KEPT_FOR_MS);
        assert_eq!(idempotency::sweep(&store, front.clock.now()).await, Ok(1));
        assert_eq!(front.create(OFFICERS, &security, KEY, &viewer("third")).await.status, 201);
    })
    .await;
}

struct Stored(Option<Vec<u8>>);

impl FromRow for Stored {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        row.opt_bytes(0).map(Self)
    }
}

async fn stored_answers(front: &Front) -> Vec<Option<Vec<u8>>> {
    const ALL: Statement = Statement::portable("test.answers", "SELECT answer FROM idempotency LIMIT 100");
    let rows: Vec<Stored> = front.store.read(async |rx| rx.all(&ALL, &[]).await).await.unwrap();
    rows.into_iter().map(|row| row.0).collect()
}
