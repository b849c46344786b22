//! No record, no act: where the record of an act cannot be written, the act is not done, and nothing of it is left.

use crate::support::{
    app::{At, Person, TestApp, fixture, on_each_engine},
    databases::Database,
    front::{Answer, request},
    process::for_each_place,
};
use axum::body::Body;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use yinxin::officer::Role;

/// Has the database refuse every record, or those of one action.
async fn refuse_records(app: &TestApp<'_>, action: Option<&str>) {
    let when = action.map_or(String::new(), |action| format!("WHEN (NEW.action = '{action}')"));
    let sqlite =
        format!("CREATE TRIGGER no_audit BEFORE INSERT ON audit {when} BEGIN SELECT RAISE(ABORT, 'no'); END");
    let postgres = format!(
        "CREATE OR REPLACE FUNCTION no_audit() RETURNS trigger LANGUAGE plpgsql AS \
         $$ BEGIN RAISE EXCEPTION 'no'; END $$; \
         CREATE TRIGGER no_audit BEFORE INSERT ON audit FOR EACH ROW {when} EXECUTE FUNCTION no_audit()"
    );
    app.tamper(if app.is_alone() { &sqlite } else { &postgres }).await;
}

async fn take_records(app: &TestApp<'_>) {
    let postgres = "DROP TRIGGER no_audit ON audit";
    app.tamper(if app.is_alone() { "DROP TRIGGER no_audit" } else { postgres }).await;
}

/// An act over REST: a name, who does it, method and path, body.
struct Act(&'static str, Role, &'static str, String, Value);

/// One of each kind of act that changes something. `seal` is active, `applied` is applied for, `approved` is approved.
fn acts(app: &TestApp<'_>, seals: [&str; 4], officer: &Person, key: &str) -> Vec<Act> {
    let [active, applied, approved, suspended] = seals;
    let (owner, id) = (&app.owner, &officer.id);
    let seal = |id: &str, act: &str| format!("/api/v1/seals/{id}/{act}");
    let why = || json!({ "reason": "盘点" });
    let none = || Value::Null;
    use Role::*;
    vec![
        Act(
            "register",
            SecurityAdministrator,
            "POST",
            "/api/v1/officers".into(),
            json!({ "name": "甲", "roles": ["viewer"] }),
        ),
        Act(
            "roles",
            SecurityAdministrator,
            "POST",
            format!("/api/v1/officers/{id}/roles"),
            json!({ "roles": ["verifier"] }),
        ),
        Act("disable", SecurityAdministrator, "POST", format!("/api/v1/officers/{id}/disable"), none()),
        Act(
            "key",
            SecurityAdministrator,
            "POST",
            format!("/api/v1/officers/{id}/keys"),
            json!({ "label": "x" }),
        ),
        Act(
            "revoke",
            SecurityAdministrator,
            "POST",
            format!("/api/v1/officers/{id}/keys/{key}/revoke"),
            none(),
        ),
        Act(
            "maker",
            SystemAdministrator,
            "POST",
            "/api/v1/makers".into(),
            json!({ "name": "乙", "vendor": "V" }),
        ),
        Act("backup", SystemAdministrator, "POST", "/api/v1/backups".into(), none()),
        Act("member", SealOperator, "PUT", format!("/api/v1/owners/{owner}/members/{id}"), none()),
        Act("apply", SealOperator, "POST", "/api/v1/seals".into(), app.application(4)),
        Act("approve", SealApprover, "POST", seal(applied, "approve"), none()),
        Act("reject", SealApprover, "POST", seal(applied, "reject"), why()),
        Act("make", SealOperator, "POST", seal(approved, "make"), none()),
        Act("suspend", SealApprover, "POST", seal(active, "suspend"), why()),
        Act("resume", SealApprover, "POST", seal(suspended, "resume"), none()),
        Act("loss", SealApprover, "POST", seal(active, "report-loss"), why()),
        Act("cancel", SealApprover, "POST", seal(active, "cancel"), why()),
        Act("renew", SealOperator, "POST", seal(active, "renewals"), json!({ "period_days": 400 })),
        Act("export stamps", SealApprover, "GET", "/api/v1/stamps/export".into(), none()),
        Act("export audit", Auditor, "GET", "/api/v1/audit/export".into(), none()),
        Act("export chain", Auditor, "GET", "/api/v1/audit/chain".into(), none()),
    ]
}

async fn done(app: &TestApp<'_>, act: &Act) -> Answer {
    let Act(_, role, method, path, body) = act;
    let asked = request(method, path, Some(&app.person(*role).key));
    let asked = match body {
        Value::Null => asked.body(Body::empty()),
        body => asked.header("content-type", "application/json").body(Body::from(body.to_string())),
    };
    app.send(asked.unwrap()).await
}

#[tokio::test]
async fn an_act_whose_record_cannot_be_written_is_not_done() {
    crate::support::databases::for_each_database(async |database: &Database| {
        let recipient = yinxin::backup::RecipientKey::generate(&yinxin::base::entropy::SeededEntropy::new(3));
        let app =
            TestApp::with(database, |config| config.backup.recipients = vec![recipient.recipient()]).await;
        let (active, applied, approved, suspended) =
            (app.active_seal(4).await, app.apply(4).await, app.apply(4).await, app.active_seal(4).await);
        app.done(&app.approver(), &approved, "approve").await;
        app.done(&app.approver(), &suspended, "suspend").await;
        let officer = app.hire("丙", &[Role::Viewer]).await;
        let security = app.person(Role::SecurityAdministrator);
        let keys = app.get(&format!("/api/v1/officers/{}/keys", officer.id), &security).await.items();
        let key = keys[0]["id"].as_str().unwrap().to_owned();
        let seals = [&active, &applied, &approved, &suspended].map(String::as_str);
        let before = app.state(&[]).await;
        refuse_records(&app, None).await;
        for act in acts(&app, seals, &officer, &key) {
            let answer = done(&app, &act).await;
            assert!(answer.status >= 500, "{}: {}", act.0, answer.text());
            assert_eq!(app.state(&[]).await, before, "{} left something", act.0);
        }
        let stamped = app.stamp(&app.operator(), &active, &At::notice(), fixture("pdf/one-page.pdf")).await;
        assert!(stamped.status >= 500, "{}", stamped.text());
        assert_eq!(app.state(&[]).await, before, "a stamp left something");
        take_records(&app).await;
        // The same acts go well when they can be recorded: it was the record that was missing.
        for act in acts(&app, seals, &officer, &key) {
            // Each once: some exclude each other.
            if ["reject", "suspend", "loss", "cancel", "disable", "roles", "revoke"].contains(&act.0) {
                continue;
            }
            let answer = done(&app, &act).await;
            assert!(answer.status < 300, "{}: {}", act.0, answer.text());
        }
        app.finish().await;
    })
    .await;
}

/// The signature is made, and its record can't be: the file is not handed out, and the register says that it failed.
#[tokio::test]
async fn a_stamp_whose_last_record_cannot_be_written_is_not_handed_out() {
    on_each_engine(async |app| {
        let seal = app.active_seal(4).await;
        refuse_records(app, Some("seal.stamped")).await;
        let answer = app.stamp(&app.operator(), &seal, &At::notice(), fixture("pdf/one-page.pdf")).await;
        assert!(answer.status >= 500 && !answer.body.starts_with(b"%PDF"), "{}", answer.status);
        take_records(app).await;
        app.clock.step_ms(3_600_000);
        app.app().sweep().await.unwrap();
        let stamps = app.stamps("").await;
        assert_eq!(stamps.len(), 1);
        assert_ne!(stamps[0]["state"], "done", "{stamps:?}");
    })
    .await;
}

/// Records that are cut off under a working daemon: it notices with the next one that it chains, and does nothing more.
#[tokio::test]
async fn a_daemon_whose_chain_is_cut_under_its_hands_stops_working() {
    for_each_place(async |place, database| {
        place.good(["init"]);
        let daemon = place.serve();
        place.hire("一", "viewer");
        std::thread::sleep(Duration::from_millis(1500));
        database.tamper("DELETE FROM audit WHERE seq > 5; DELETE FROM audit_head WHERE seq > 5").await;
        let by = Instant::now() + Duration::from_secs(30);
        loop {
            let said = place.run(["officer", "list", "--key-file", &place.key("security_administrator")]);
            if said.code != 0 {
                assert!(said.err.contains("audit/rolled-back"), "{said:?}");
                break;
            }
            assert!(Instant::now() < by, "nothing was noticed");
            std::thread::sleep(Duration::from_millis(200));
        }
        let told = place.run(["audit", "verify", "--key-file", &place.key("auditor")]);
        assert!(told.code == 1 && told.out.contains("an old copy"), "{told:?}");
        drop(daemon);
    })
    .await;
}

/// A file of heads that cannot be written: the daemon does not begin at all.
#[test]
fn a_file_of_heads_that_cannot_be_written_is_said_at_the_start() {
    let place = crate::support::process::Place::initialised();
    let heads = place.dir().join("audit-heads.jsonl");
    std::fs::create_dir(&heads).unwrap();
    let said = place.run(["serve", "--listen", "127.0.0.1:0"]);
    assert!(said.code == 1 && said.err.contains("audit heads"), "{said:?}");
}
