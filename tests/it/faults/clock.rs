//! A clock that was set back: by a time server, by hand, by a machine that woke in the wrong year.

use crate::support::app::{At, DAY_MS, TestApp, fixture, on_each_engine};
use serde_json::json;

const HOUR_MS: i64 = 3_600_000;

/// What was made before stays as it was, what is made now bears the clock's time, and nothing fails without a word.
#[tokio::test]
async fn after_the_clock_was_set_back_ids_stay_unlike_and_the_audit_chain_holds() {
    on_each_engine(async |app| {
        let seal = app.active_seal(4).await;
        app.stamped(&seal, &At::notice(), fixture("pdf/one-page.pdf")).await;
        app.clock.step_ms(-HOUR_MS);
        let other = app.apply(4).await;
        assert_ne!(seal, other);
        let listed = app.get("/api/v1/seals?limit=500", &app.operator()).await.items();
        assert_eq!(listed.len(), 2);
        let records = app.audit("").await;
        let numbers: Vec<_> = records.iter().map(|record| record["id"].as_i64().unwrap()).collect();
        assert!(numbers.is_sorted_by(|one, two| one > two), "records keep their order: {numbers:?}");
        app.clock.step_ms(HOUR_MS);
    })
    .await;
}

/// A seal whose period has not begun by this clock would make a stamp that every verifier refuses.
#[tokio::test]
async fn a_seal_from_the_clocks_future_stamps_nothing_and_is_told_so() {
    on_each_engine(async |app| {
        let seal = app.active_seal(4).await;
        app.clock.step_ms(-HOUR_MS);
        let answer = app.stamp(&app.operator(), &seal, &At::notice(), fixture("pdf/one-page.pdf")).await;
        assert!((400..500).contains(&answer.status) || answer.status == 503, "{answer:?}");
        assert_ne!(answer.json()["code"], "internal", "{answer:?}");
        app.clock.step_ms(HOUR_MS);
        app.stamped(&seal, &At::notice(), fixture("pdf/one-page.pdf")).await;
    })
    .await;
}

/// Before the authority's own certificates begin, nothing can be signed; that is a clear refusal, and it passes.
#[tokio::test]
async fn before_the_authority_itself_nothing_is_signed_and_afterwards_it_goes_on() {
    on_each_engine(async |app| {
        let seal = app.apply(5).await;
        app.done(&app.approver(), &seal, "approve").await;
        app.clock.step_ms(-30 * DAY_MS);
        let answer = app.act(&app.operator(), &seal, "make").await;
        assert_ne!(answer.status, 500, "{}", answer.text());
        assert!(answer.status >= 400, "{}", answer.text());
        let stamp = app.time_stamp(Vec::new()).await;
        assert_eq!(stamp.status, 200, "a rejection is an answer too");
        app.clock.step_ms(30 * DAY_MS);
        app.done(&app.operator(), &seal, "make").await;
    })
    .await;
}

/// A lease is never longer than the lease of one request; one that seems so was taken by a clock that was set back since.
#[tokio::test]
async fn what_a_crash_left_before_the_clock_was_set_back_is_not_held_until_the_clock_is_there_again() {
    on_each_engine(async |app| {
        let body = app.application(4);
        let first = app.create("/api/v1/seals", &app.operator(), "once-before-the-step", &body).await;
        assert_eq!(first.status, 201, "{}", first.text());
        // As a crash between effect and answer leaves it: a subject, a lease, no answer.
        app.tamper(
            "UPDATE idempotency SET status = NULL, content_type = NULL, location = NULL, answer = NULL, \
             lease_until = lease_until + 86400000",
        )
        .await;
        let again = app.create("/api/v1/seals", &app.operator(), "once-before-the-step", &body).await;
        assert_eq!(again.status, 201, "{}", again.text());
        assert_eq!(again.json()["id"], first.json()["id"]);
    })
    .await;
}

/// The same for the outbox.
#[tokio::test]
async fn a_job_whose_lease_lies_in_the_far_future_is_taken_over() {
    on_each_engine(async |app: &mut TestApp<'_>| {
        let seal = app.active_seal(4).await;
        let certificate = app.seal(&seal).await["certificate"].as_str().unwrap().to_owned();
        let path = format!("/api/v1/certificates/{certificate}/revocation");
        let system = app.person(yinxin::officer::Role::SystemAdministrator);
        let revoked = app.post(&path, &system, json!({ "reason": "superseded" })).await;
        assert_eq!(revoked.status, 204, "{}", revoked.text());
        app.tamper(
            "UPDATE job SET state = 'running', attempts = 1, lease = 'gone', lease_until_ms = 9000000000000",
        )
        .await;
        app.app().do_jobs().await.unwrap();
    })
    .await;
}
