//! What the file of heads outside knows beyond a restored database is said, not hidden.

use super::{backup, restore, service};
use crate::support::{
    app::TestApp,
    databases::{Database, for_each_database, postgres, sqlite},
};
use serde_json::{Value, json};
use std::fs;
use yinxin::officer::Role;

async fn verified(app: &TestApp<'_>) -> Value {
    app.get("/api/v1/audit/verification", &app.person(Role::Auditor)).await.json()
}

/// The database is lost and the data directory is not: acts after the backup are gone, and the heads prove it.
#[tokio::test]
async fn acts_after_the_backup_are_named_as_lost_and_the_chain_goes_on() {
    let mut pairs: Vec<(Database, Database)> = vec![(sqlite(), sqlite())];
    if let (Some(from), Some(to)) = (postgres().await, postgres().await) {
        pairs.push((from, to));
    }
    for (from, to) in pairs {
        let app = service(&from).await;
        app.apply(4).await;
        app.app().chain_records().await.unwrap();
        let bytes = backup(&app).await;
        let signed_then = verified(&app).await["report"]["chained"].as_i64().unwrap();
        for _ in 0..3 {
            app.apply(4).await;
        }
        app.app().chain_records().await.unwrap();
        let signed_to = verified(&app).await["report"]["chained"].as_i64().unwrap();
        // The same data directory, an empty database.
        let config = app.config_for(&to);
        fs::copy(app.data_dir().join("audit-heads.jsonl"), config.data_dir.join("audit-heads.jsonl"))
            .unwrap();
        let restored = restore(&app, &config, &bytes).await.unwrap();
        let lost = restored.lost.unwrap();
        assert_eq!(lost.lost_to, signed_to);
        // What was chained when the backup was made, and its own begin, is there; nothing else is.
        assert!(lost.back_to >= signed_then && lost.back_to <= signed_then + 1, "{lost:?}, {signed_then}");
        let app = app.moved(&to, config).await;
        let record = &app.audit("&action=service.restored").await[0];
        assert_eq!(record["subject"], lost.restoration);
        assert_eq!(record["detail"]["lost_to"], signed_to);
        assert_eq!(record["detail"]["from"]["backup"], restored.report.manifest.beginning.id);
        app.apply(4).await;
        app.app().chain_records().await.unwrap();
        let told = verified(&app).await;
        assert_eq!(told["sound"], true, "{told}");
        assert_eq!(told["report"]["restorations"][0]["lost_from"], lost.back_to + 1);
        assert_eq!(told["report"]["restorations"][0]["lost_to"], signed_to);
        app.finish().await;
    }
}

/// A data directory of another service is not taken over.
#[tokio::test]
async fn heads_of_another_service_keep_a_backup_out() {
    let (one, other, to) = (sqlite(), sqlite(), sqlite());
    let (app, stranger) = (service(&one).await, super::stranger(&other).await);
    stranger.app().chain_records().await.unwrap();
    let bytes = backup(&app).await;
    let config = app.config_for(&to);
    fs::copy(stranger.data_dir().join("audit-heads.jsonl"), config.data_dir.join("audit-heads.jsonl"))
        .unwrap();
    let refused = restore(&app, &config, &bytes).await.unwrap_err().to_string();
    assert!(refused.contains("not signed by this service"), "{refused}");
    assert!(!to.path().unwrap().exists());
    app.finish().await;
    stranger.finish().await;
}

/// An old copy of the database under the heads of today: nothing is done until somebody answers for it.
#[tokio::test]
async fn a_service_on_an_old_copy_does_nothing_until_a_security_administrator_accepts_it() {
    for_each_database(async |database| {
        let mut app = TestApp::new(database).await;
        let seal = app.active_seal(4).await;
        app.app().chain_records().await.unwrap();
        app.lose().await;
        let copy = database.folder().join("copy");
        database.copy_to(&copy);
        app.open_again().await;
        app.act(&app.approver(), &seal, "cancel").await.good();
        app.app().chain_records().await.unwrap();
        app.lose().await;
        database.put_back(&copy).await;
        app.open_again().await;
        // The cancelled seal is active in the old copy: it must not stamp.
        let operator = app.operator();
        for (path, person) in [
            (format!("/api/v1/seals/{seal}"), &operator),
            ("/api/v1/officers".into(), &app.person(Role::SecurityAdministrator)),
            ("/api/v1/me".into(), &operator),
        ] {
            let answer = app.get(&path, person).await;
            assert!(answer.problem().starts_with("503 audit/rolled-back"), "{path}: {}", answer.text());
        }
        let ready = app.get("/readyz", &operator).await;
        assert!(ready.problem().starts_with("503 audit/rolled-back"), "{}", ready.text());
        assert_eq!(app.get("/healthz", &operator).await.status, 200);
        // The auditor sees what it is.
        let told = verified(&app).await;
        assert_eq!(told["report"]["defects"][0]["id"], "old-copy", "{told}");
        assert!(!app.audit("").await.is_empty());
        // Only a security administrator accepts it, with a reason.
        let path = "/api/v1/audit/restorations";
        let body = json!({ "reason": "磁盘故障后恢复" });
        for role in [Role::SystemAdministrator, Role::Auditor, Role::SealOperator] {
            let answer = app.post(path, &app.person(role), body.clone()).await;
            assert!(answer.problem().starts_with("403 auth/right-missing"), "{role}");
        }
        let security = app.person(Role::SecurityAdministrator);
        for bad in ["", " ", "a\nb"] {
            let answer = app.post(path, &security, json!({ "reason": bad })).await;
            assert!(answer.problem().starts_with("422 request/invalid"), "{bad:?}");
        }
        let accepted = app.post(path, &security, body.clone()).await.good().json();
        let twice = app.post(path, &security, body).await;
        assert!(twice.problem().starts_with("409 audit/nothing-to-accept"), "{}", twice.text());
        let record = &app.audit("&action=service.restored").await[0];
        assert_eq!(
            (&record["subject"], &record["actor"]),
            (&accepted["restoration"], &security.id.clone().into())
        );
        assert_eq!(record["detail"]["reason"], "磁盘故障后恢复");
        assert_eq!(app.get("/readyz", &operator).await.status, 200);
        assert_eq!(app.seal(&seal).await["state"], "active");
        app.app().chain_records().await.unwrap();
        let told = verified(&app).await;
        assert_eq!(told["sound"], true, "{told}");
        assert_eq!(told["report"]["restorations"][0]["restoration"], accepted["restoration"]);
        app.restart().await;
        assert_eq!(app.get("/readyz", &app.operator()).await.status, 200);
        app.finish().await;
    })
    .await;
}

/// The line that says what was lost is signed and stands in its place: nobody adds one, and nobody moves one.
#[tokio::test]
async fn a_restoration_cannot_be_made_up_moved_or_taken_away() {
    for_each_database(async |database| {
        let mut app = TestApp::new(database).await;
        app.app().chain_records().await.unwrap();
        app.lose().await;
        let copy = database.folder().join("copy");
        database.copy_to(&copy);
        let heads = app.data_dir().join("audit-heads.jsonl");
        for round in 0..2 {
            app.open_again().await;
            app.apply(4).await;
            app.app().chain_records().await.unwrap();
            app.lose().await;
            if round == 0 {
                database.put_back(&copy).await;
                app.open_again().await;
                let security = app.person(Role::SecurityAdministrator);
                let path = "/api/v1/audit/restorations";
                app.post(path, &security, json!({ "reason": "演练" })).await.good();
                app.app().chain_records().await.unwrap();
                app.lose().await;
            }
        }
        app.open_again().await;
        assert_eq!(verified(&app).await["sound"], true);
        let whole = fs::read_to_string(&heads).unwrap();
        let lines: Vec<_> = whole.lines().collect();
        let at = lines.iter().position(|line| line.contains("restoration_")).unwrap();
        let id = |value: &Value| value["report"]["defects"][0]["id"].as_str().unwrap_or_default().to_owned();
        // Taken away: the heads after it are older than those before.
        let without: Vec<_> =
            lines.iter().enumerate().filter(|(n, _)| *n != at).map(|(_, line)| *line).collect();
        fs::write(&heads, without.join("\n") + "\n").unwrap();
        assert_ne!(id(&verified(&app).await), "");
        // Repeated at the end, to hide what was signed since.
        fs::write(&heads, format!("{whole}{}\n", lines[at])).unwrap();
        assert_eq!(id(&verified(&app).await), "heads-reordered");
        // Changed.
        let changed = lines[at].replacen("\"lost_to\":", "\"lost_to\":1", 1);
        fs::write(&heads, whole.replacen(lines[at], &changed, 1)).unwrap();
        assert_eq!(id(&verified(&app).await), "forged-head");
        fs::write(&heads, &whole).unwrap();
        // Its record taken away.
        database.tamper("DELETE FROM audit WHERE action = 'service.restored'").await;
        let told = verified(&app).await;
        let ids: Vec<_> =
            told["report"]["defects"].as_array().unwrap().iter().map(|defect| defect["id"].clone()).collect();
        assert!(ids.contains(&"removed".into()) && ids.contains(&"restoration-unrecorded".into()), "{told}");
        app.lose().await;
        app.abandon();
    })
    .await;
}
