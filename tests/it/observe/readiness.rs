//! Readiness says why not: a word to everybody, a sentence to those who run the service.

use crate::support::{
    app::{TestApp, on_sqlite},
    databases::sqlite,
    front::request,
};
use axum::body::Body;
use serde_json::Value;
use yinxin::officer::Role;

async fn readyz(app: &TestApp<'_>) -> crate::support::front::Answer {
    app.send(request("GET", "/readyz", None).body(Body::empty()).unwrap()).await
}

async fn vital(app: &TestApp<'_>, name: &str) -> Value {
    let told = app.get("/api/v1/service/readiness", &app.person(Role::Monitor)).await.good().json();
    let found = told["vitals"].as_array().unwrap().iter().find(|vital| vital["name"] == name);
    found.unwrap_or_else(|| panic!("{told}")).clone()
}

#[tokio::test]
async fn a_clock_that_was_set_back_is_not_ready_until_it_has_caught_up() {
    on_sqlite(async |app| {
        assert_eq!(readyz(app).await.text(), "ready\n");
        app.clock.step_ms(-500);
        assert_eq!(readyz(app).await.status, 200, "clocks are set a little now and then");
        app.clock.step_ms(-59_500);
        let told = readyz(app).await;
        assert_eq!(told.problem(), "503 service/not-ready");
        assert_eq!(told.json()["detail"], "not ready: clock");
        assert!(told.headers.contains_key("retry-after"));
        let clock = vital(app, "clock").await;
        assert_eq!(clock["found"], "the clock is 60 s behind what it showed before");
        app.clock.step_ms(60_000);
        assert_eq!(readyz(app).await.status, 200);
    })
    .await;
}

#[tokio::test]
async fn records_that_are_no_longer_chained_make_it_not_ready() {
    on_sqlite(async |app| {
        assert_eq!(vital(app, "audit").await["ready"], true, "not begun yet");
        app.app().chain_records().await.unwrap();
        assert_eq!(vital(app, "audit").await["found"], "records are chained");
        app.clock.step_ms(61_000);
        assert_eq!(readyz(app).await.json()["detail"], "not ready: audit");
        assert_eq!(vital(app, "audit").await["found"], "no record was chained for 61 s");
        app.app().chain_records().await.unwrap();
        assert_eq!(readyz(app).await.status, 200);
    })
    .await;
}

#[tokio::test]
async fn a_database_that_has_stopped_makes_it_not_ready_and_the_public_hears_one_word() {
    let database = sqlite();
    let app = TestApp::new(&database).await;
    app.app().store().close().await;
    let told = readyz(&app).await;
    assert_eq!(told.json()["detail"], "not ready: database");
    assert!(!told.text().contains("takes no more writes"));
    let local = axum::http::Request::builder().uri("/api/v1/service/readiness").body(Body::empty()).unwrap();
    let told = app.send(local).await.good().json();
    assert_eq!(told["ready"], false);
    assert!(told["vitals"][0]["found"].as_str().unwrap().contains("takes no more writes"), "{told}");
    app.abandon();
}
