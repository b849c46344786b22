//! What comes back is what was there, in whichever engine, and work goes on.

use super::{ask, backup, own, restore, service};
use crate::support::{
    app::{At, TestApp, fixture},
    databases::{Database, postgres, sqlite},
    front::request,
};
use axum::body::Body;
use serde_json::Value;
use yinxin::{
    backup::{HeadsComparison, verify},
    base::entropy::SeededEntropy,
    officer::Role,
};
use yinxin_pki::report::Outcome;

/// Pairs of a database to save and an empty one to restore into: every engine into every engine.
async fn pairs() -> Vec<(Database, Database)> {
    let mut pairs = vec![(sqlite(), sqlite())];
    if let (Some(from), Some(to), Some(twice), Some(more)) =
        (postgres().await, postgres().await, postgres().await, postgres().await)
    {
        pairs.extend([(sqlite(), to), (from, sqlite()), (twice, more)]);
    }
    pairs
}

async fn seals_and_stamps(app: &TestApp<'_>) -> Value {
    let operator = app.operator();
    let seals = app.get("/api/v1/seals?limit=100", &operator).await.json();
    serde_json::json!([seals, app.stamps("").await])
}

#[tokio::test]
async fn a_backup_of_either_engine_restores_into_either_and_its_seals_go_on_stamping() {
    for (from, to) in pairs().await {
        let app = service(&from).await;
        let seal = app.active_seal(5).await;
        let stamped = app.stamped(&seal, &At::notice(), fixture("pdf/one-page.pdf")).await;
        app.app().chain_records().await.unwrap();
        app.apply(4).await;
        let before = seals_and_stamps(&app).await;
        let bytes = backup(&app).await;
        let config = app.config_for(&to);
        let restored = restore(&app, &config, &bytes).await.unwrap();
        assert!(restored.report.is_sound() && restored.lost.is_none(), "{restored:?}");
        let app = app.moved(&to, config).await;
        assert_eq!(seals_and_stamps(&app).await, before);
        // The keys work with the same passphrase: the seal stamps beside its earlier stamp.
        let twice = app.stamped(&seal, &At::page(1, 60.0, 60.0), stamped).await;
        for stamp in app.judge(&twice).await {
            assert!(stamp.checks.iter().all(|check| check.verdict != Outcome::Failed), "{stamp:?}");
        }
        let records = app.audit("&action=service.restored").await;
        assert_eq!(records.len(), 1);
        assert_eq!(records[0]["subject"], restored.report.manifest.beginning.id);
        assert_eq!(records[0]["detail"]["reason"], "演练");
        app.finish().await;
    }
}

#[tokio::test]
async fn a_backup_under_load_has_all_that_was_answered_before_it_and_its_chain_holds() {
    for (from, to) in pairs().await.into_iter().take(2) {
        let app = service(&from).await;
        let mut answered = Vec::new();
        for _ in 0..5 {
            answered.push(app.apply(4).await);
        }
        app.app().chain_records().await.unwrap();
        let working = async {
            let mut later = Vec::new();
            for _ in 0..25 {
                later.push(app.apply(4).await);
                app.clock.step_ms(1);
                app.app().chain_records().await.unwrap();
            }
            later
        };
        // The body is read while work goes on beside it.
        let (bytes, later) = tokio::join!(backup(&app), working);
        assert_eq!(later.len(), 25);
        let scratch = tempfile::tempdir().unwrap();
        let chance = SeededEntropy::new(5);
        let heads = app.data_dir().join("audit-heads.jsonl");
        let comparison = HeadsComparison { heads: Some(&heads), keys: None };
        let report = verify(&bytes[..], &own(), comparison, scratch.path(), &chance).await.unwrap();
        assert!(report.is_sound(), "{report:?}");
        let config = app.config_for(&to);
        restore(&app, &config, &bytes).await.unwrap();
        let app = app.moved(&to, config).await;
        for seal in answered {
            assert_eq!(app.seal(&seal).await["id"], *seal);
        }
        app.finish().await;
    }
}

#[tokio::test]
async fn taking_a_backup_is_recorded_by_name_and_so_is_one_that_fails() {
    for database in [Some(sqlite()), postgres().await].into_iter().flatten() {
        let app = service(&database).await;
        let answer = ask(&app).await.good();
        let id = answer.headers["yinxin-backup-id"].to_str().unwrap().to_owned();
        let system = app.person(Role::SystemAdministrator).id;
        for action in ["service.backup_begun", "service.backed_up"] {
            let records = app.audit(&format!("&action={action}")).await;
            assert_eq!(
                (&records[0]["subject"], &records[0]["actor"]),
                (&id.clone().into(), &system.clone().into())
            );
        }
        let told = &app.audit("&action=service.backed_up").await[0]["detail"];
        assert_eq!(told["bytes"], answer.body.len());
        // Monitors see when it was.
        app.app().look_around().await.unwrap();
        let metrics = app.get("/metrics", &app.person(Role::Monitor)).await.good().text();
        assert!(metrics.contains("\nyinxin_backup_timestamp_seconds "), "{metrics}");
        // A reader that goes away: the work ends, that is recorded, and the place is free again.
        let path = "/api/v1/backups";
        let asked = request("POST", path, Some(&app.person(Role::SystemAdministrator).key));
        let response = app.raw(asked.body(Body::empty()).unwrap()).await;
        drop(response);
        let mut failed = Vec::new();
        for _ in 0..500 {
            failed = app.audit("&action=service.backup_failed").await;
            if !failed.is_empty() || app.audit("&action=service.backed_up").await.len() > 1 {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        // A short backup may fit into the pipe whole, and was made then.
        assert!(failed.len() + app.audit("&action=service.backed_up").await.len() >= 2);
        backup(&app).await;
        app.finish().await;
    }
}

#[tokio::test]
async fn without_a_recipient_and_without_the_right_there_is_no_backup() {
    let database = sqlite();
    let app = TestApp::new(&database).await;
    assert!(ask(&app).await.problem().starts_with("409 backup/no-recipient"));
    for role in [Role::SecurityAdministrator, Role::Auditor, Role::SealOperator] {
        let answer = app.act_on(&app.person(role), "/api/v1/backups").await;
        assert!(answer.problem().starts_with("403 auth/right-missing"), "{role}");
    }
    assert!(app.audit("&action=service.backup_begun").await.is_empty());
    app.finish().await;
}

/// The daemon has the public half only: what lies in its directory opens no backup, and a backup opens no key.
#[tokio::test]
async fn neither_the_clear_rows_nor_the_passphrase_are_seen_in_a_backup() {
    let database = sqlite();
    let app = service(&database).await;
    app.active_seal(4).await;
    let bytes = backup(&app).await;
    let passphrase = std::fs::read(app.data_dir().join("passphrase")).unwrap();
    for word in ["某市大数据管理局".as_bytes(), b"seal_operator", b"11440100MB2C000137", &passphrase]
    {
        assert!(!bytes.windows(word.len()).any(|window| window == word));
    }
    // Opened by its recipient, it holds the rows, and still no passphrase.
    let scratch = tempfile::tempdir().unwrap();
    let comparison = HeadsComparison::default();
    let report =
        verify(&bytes[..], &own(), comparison, scratch.path(), &SeededEntropy::new(6)).await.unwrap();
    assert!(report.manifest.kept_apart[0].contains("passphrase"));
    app.finish().await;
}
