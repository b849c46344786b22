//! `/metrics`: who may read it, that it is what Prometheus reads, and that it counts what happened.

use super::exposition::{self, Metrics};
use crate::support::{
    app::{At, DAY_MS, Person, TestApp, fixture, on_each_engine, on_sqlite},
    front::request,
};
use axum::{body::Body, http::Request};
use yinxin::officer::Role;

async fn page(app: &TestApp<'_>) -> String {
    app.get("/metrics", &app.person(Role::Monitor)).await.good().text()
}

async fn metrics(app: &TestApp<'_>) -> Metrics {
    exposition::read(&page(app).await)
}

/// A day in the life: something of everything that is counted.
async fn a_day(app: &TestApp<'_>) {
    let (operator, seal) = (app.operator(), app.active_seal(5).await);
    let file = app.stamped(&seal, &At::notice().and("&time_stamp=true"), fixture("pdf/one-page.pdf")).await;
    app.verify_as(&app.person(Role::Verifier), &file).await;
    app.act(&app.approver(), &seal, "suspend").await.good();
    let refused = app.stamp(&operator, &seal, &At::notice(), fixture("pdf/one-page.pdf")).await;
    assert_eq!(refused.problem(), "409 seal/wrong-state");
    app.time_stamp(vec![0x30, 0]).await.good();
    app.get("/no/such/13800138000", &operator).await;
    app.app().do_jobs().await.unwrap();
    app.app().chain_records().await.unwrap();
    app.app().look_around().await.unwrap();
}

#[tokio::test]
async fn metrics_are_what_prometheus_reads_and_count_what_happened() {
    on_each_engine(async |app| {
        a_day(app).await;
        let page = page(app).await;
        let metrics = exposition::read(&page);
        if let Some(samples) = exposition::read_by_prometheus(&page) {
            assert_eq!(samples, metrics.samples.len());
        }
        let stamps = r#"yinxin_http_requests_total{route="/api/v1/stamps",method="POST",status="#;
        assert_eq!(metrics.of(&format!("{stamps}\"2xx\"}}")), 1.0);
        assert_eq!(metrics.of(&format!("{stamps}\"4xx\"}}")), 1.0);
        assert_eq!(
            metrics.of(r#"yinxin_http_request_duration_seconds_count{route="/api/v1/stamps",method="POST"}"#),
            2.0
        );
        assert_eq!(metrics.of(r#"yinxin_http_requests_total{route="none",method="none",status="4xx"}"#), 1.0);
        assert_eq!(metrics.of(r#"yinxin_http_problems_total{code="seal/wrong-state"}"#), 1.0);
        assert_eq!(metrics.of("yinxin_stamps_total"), 1.0);
        assert_eq!(metrics.of(r#"yinxin_stamps_refused_total{code="seal/wrong-state"}"#), 1.0);
        assert_eq!(metrics.of(r#"yinxin_verifications_total{verdict="passed"}"#), 1.0);
        assert_eq!(metrics.of(r#"yinxin_time_stamps_total{outcome="rejected"}"#), 1.0);
        assert!(metrics.of(r#"yinxin_time_stamps_total{outcome="granted"}"#) >= 1.0);
        assert!(metrics.of(r#"yinxin_signatures_total{outcome="done"}"#) >= 5.0);
        let (writes, commits) = (
            metrics.of("yinxin_store_writes_total"),
            metrics.of("yinxin_store_commit_duration_seconds_count"),
        );
        assert!(writes >= 20.0 && commits >= 1.0, "{writes} {commits}");
        assert!(
            metrics.of("yinxin_store_commit_writes_sum") >= writes,
            "no write is durable without a commit"
        );
        assert_eq!(metrics.of("yinxin_audit_records_waiting"), 0.0);
        assert!(metrics.of("yinxin_audit_records_chained_total") >= 10.0);
        assert!(metrics.of("yinxin_audit_signed_records") >= 10.0);
        assert_eq!(metrics.of(r#"yinxin_jobs{state="failed"}"#), 0.0);
        assert_eq!(metrics.of(r#"yinxin_certificates{role="root",state="good"}"#), 1.0);
        for resting in ["yinxin_store_writers_waiting", "yinxin_signing_queue", "yinxin_signing_threads_busy"]
        {
            assert_eq!(metrics.of(resting), 0.0, "{resting}");
        }
        assert!(metrics.of("process_resident_memory_bytes") > 1e6);
        assert!(metrics.of("process_cpu_seconds_total") > 0.0);
        let engine = if app.is_alone() { "sqlite" } else { "postgres" };
        let build =
            format!("yinxin_build_info{{version=\"{}\",database=\"{engine}\"}}", env!("CARGO_PKG_VERSION"));
        assert_eq!(metrics.of(&build), 1.0);
        assert!(!page.contains("13800138000"), "what somebody typed is no label");
    })
    .await;
}

/// The table for operators. `UPDATE_SNAPSHOTS=1` writes the file anew; a change is a change of what monitors ask for.
#[tokio::test]
async fn the_table_of_metrics_is_the_one_that_was_reviewed() {
    on_sqlite(async |app| {
        a_day(app).await;
        let metrics = metrics(app).await;
        let mut table = String::from(
            "# Metrics\n\nWritten by a test. Times are in seconds, sizes in bytes, instants in seconds since 1970 (`time() - x` is an age).\n\n\
             | metric | type | labels | meaning |\n| --- | --- | --- | --- |\n",
        );
        for [name, kind, says] in &metrics.families {
            let labels: Vec<_> = metrics.labels(name).into_iter().map(|label| format!("`{label}`")).collect();
            table.push_str(&format!("| `{name}` | {kind} | {} | {says} |\n", labels.join(" ")));
        }
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/metrics.md");
        if std::env::vars_os().any(|(name, value)| name == "UPDATE_SNAPSHOTS" && value == "1") {
            std::fs::write(&path, &table).unwrap();
        }
        let reviewed = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(table == reviewed, "metrics changed: look at them, then run with UPDATE_SNAPSHOTS=1\n{table}");
    })
    .await;
}

#[tokio::test]
async fn only_who_watches_or_runs_the_service_reads_metrics() {
    on_sqlite(async |app| {
        for path in ["/metrics", "/api/v1/service/readiness"] {
            for (&role, person) in &app.people {
                let may = matches!(role, Role::Monitor | Role::SystemAdministrator);
                let status = app.get(path, person).await.status;
                assert_eq!(status, if may { 200 } else { 403 }, "{role} at {path}");
            }
            let stranger = request("GET", path, None).body(Body::empty()).unwrap();
            assert_eq!(app.send(stranger).await.problem(), "401 auth/required");
            // Over the UNIX socket there is no address; it is our own user, who reads the data anyway.
            let local = || Request::builder().method("GET").uri(path);
            assert_eq!(app.send(local().body(Body::empty()).unwrap()).await.status, 200);
            // A wrong key is refused there too: the sender believes to be somebody.
            let wrong = local().header("authorization", "Bearer yx_x").body(Body::empty()).unwrap();
            assert_eq!(app.send(wrong).await.problem(), "401 auth/api-key-invalid");
        }
        // And the key of a monitoring program opens nothing else.
        let monitor: Person = app.person(Role::Monitor);
        for path in ["/api/v1/seals", "/api/v1/officers", "/api/v1/audit/records", "/api/v1/keys"] {
            assert_eq!(app.get(path, &monitor).await.problem(), "403 auth/right-missing", "{path}");
        }
    })
    .await;
}

/// A monitor that waits for a database that has stopped would see nothing when there is something to see.
#[tokio::test]
async fn metrics_are_told_while_the_database_has_stopped() {
    let database = crate::support::databases::sqlite();
    let app = TestApp::new(&database).await;
    app.app().look_around().await.unwrap();
    app.app().store().close().await;
    let local = Request::builder().method("GET").uri("/metrics").body(Body::empty()).unwrap();
    let metrics = exposition::read(&app.send(local).await.good().text());
    assert_eq!(metrics.of("yinxin_store_halted"), 1.0);
    let failed = app.get("/api/v1/seals", &app.operator()).await;
    assert!(failed.status >= 500, "{}", failed.text());
    let local = Request::builder().method("GET").uri("/metrics").body(Body::empty()).unwrap();
    let later = exposition::read(&app.send(local).await.good().text());
    let failures = |metrics: &Metrics| -> f64 {
        let all = metrics.samples.iter();
        all.filter(|(name, _)| name.starts_with("yinxin_store_failures_total")).map(|(_, count)| count).sum()
    };
    assert!(failures(&later) > failures(&metrics), "{later:?}");
    app.abandon();
}

/// What ends soon is counted before it ends.
#[tokio::test]
async fn what_ends_is_seen_coming() {
    on_sqlite(async |app| {
        app.app().look_around().await.unwrap();
        let before = metrics(app).await;
        assert_eq!(before.of(r#"yinxin_certificates{role="time-stamping",state="ending"}"#), 0.0);
        let ends = before.of(r#"yinxin_certificate_expiry_timestamp_seconds{role="time-stamping"}"#);
        let now = before.of("yinxin_vitals_timestamp_seconds");
        assert!(before.of("yinxin_keystore_master_made_timestamp_seconds") <= now);
        assert_eq!(before.of("yinxin_keystore_replacing"), 0.0);
        let days = (ends - now) / 86_400.0;
        assert!((5.0 * 365.0 - 1.0..=5.0 * 365.0 + 1.0).contains(&days), "{days}");
        app.clock.step_ms((5 * 365 - 20) * DAY_MS);
        app.app().look_around().await.unwrap();
        let later = metrics(app).await;
        assert_eq!(later.of(r#"yinxin_certificates{role="time-stamping",state="ending"}"#), 1.0);
        assert_eq!(later.of(r#"yinxin_certificates{role="time-stamping",state="good"}"#), 1.0);
        app.clock.step_ms(30 * DAY_MS);
        app.app().look_around().await.unwrap();
        assert_eq!(metrics(app).await.of(r#"yinxin_certificates{role="time-stamping",state="ended"}"#), 1.0);
    })
    .await;
}
