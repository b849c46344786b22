//! A million audit records: how long checking, exporting, saving and restoring take, and that memory does not grow with them.
//!
//! `cargo test --release --test it scale:: -- --ignored --nocapture`, with `YINXIN_SCALE=<records>` for another number. Each
//! engine ends with one JSON line of its figures.

use crate::support::{
    app::TestApp,
    databases::{for_each_database, sqlite},
    front::request,
};
use axum::body::Body;
use http_body_util::BodyExt as _;
use std::{
    fs,
    io::{BufReader, Write as _},
    path::Path,
    time::Instant,
};
use yinxin::{
    app::{self, Restore},
    audit::{self, Entry, verify_export},
    backup::{HeadsComparison, RecipientKey, verify},
    base::entropy::SeededEntropy,
    officer::Role,
    store::{Store, StoreError},
};

/// Records between two signed heads.
const A_HEAD_EACH: u64 = 500;

/// Starts counting the peak of this process's memory anew.
fn forget_peak() {
    fs::write("/proc/self/clear_refs", "5").unwrap();
}

/// In KiB: the peak since [`forget_peak`], or what is held now.
fn memory(word: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(word)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

async fn record(store: &Store, from: u64, to: u64) {
    let written: Result<(), StoreError> = store
        .write(async |tx| {
            for number in from..to {
                let entry = Entry {
                    actor: "officer_01m7xhxd41yhv0x75bhqxeajnd".into(),
                    action: "seal.stamped",
                    subject: format!("stamp_{number:026}"),
                    detail: serde_json::json!({ "seal": "seal_01m7xhxd41yhv0x75bhqxeajnd", "n": number }),
                    request: "req_01m7xhxd41yhv0x75bhqxeajnd".into(),
                    at: crate::support::app::START,
                };
                audit::append(tx, &entry).await?;
            }
            Ok(())
        })
        .await;
    written.unwrap();
}

/// Runs `work`; seconds, and by how many MiB memory went beyond what was held before.
async fn measured<T>(work: impl Future<Output = T>) -> (T, f64, u64) {
    let held = memory("VmRSS:");
    forget_peak();
    let start = Instant::now();
    let out = work.await;
    (out, start.elapsed().as_secs_f64(), memory("VmHWM:").saturating_sub(held) / 1024)
}

/// Writes a body into a file as it comes.
async fn into_file(app: &TestApp<'_>, method: &str, path: &str, role: Role, to: &Path) -> u64 {
    let asked = request(method, path, Some(&app.person(role).key)).body(Body::empty()).unwrap();
    let mut body = app.raw(asked).await.into_body();
    let (mut file, mut bytes) = (fs::File::create(to).unwrap(), 0);
    while let Some(frame) = body.frame().await {
        let octets = frame.unwrap().into_data().unwrap();
        file.write_all(&octets).unwrap();
        bytes += octets.len() as u64;
    }
    bytes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "minutes: figures for the notes"]
async fn a_million_records() {
    let asked = std::env::var_os("YINXIN_SCALE").and_then(|text| text.to_str()?.parse().ok());
    let records: u64 = asked.unwrap_or(1_000_000);
    let own = RecipientKey::generate(&SeededEntropy::new(77));
    for_each_database(async |database| {
        let app = TestApp::with(database, |config| config.backup.recipients = vec![own.recipient()]).await;
        let filling = Instant::now();
        for from in (0..records).step_by(A_HEAD_EACH as usize) {
            record(app.app().store(), from, (from + A_HEAD_EACH).min(records)).await;
            app.app().chain_records().await.unwrap();
        }
        let filled_s = filling.elapsed().as_secs_f64();
        app.clock.step_ms(1000);
        let auditor = app.person(Role::Auditor);
        let (told, verify_s, verify_mib) = measured(app.get("/api/v1/audit/verification", &auditor)).await;
        let told = told.json();
        assert_eq!(told["sound"], true, "{told}");
        assert!(told["report"]["chained"].as_u64().unwrap() >= records);
        let (export, saved) = (database.folder().join("chain.jsonl"), database.folder().join("x.yxb"));
        let (export_bytes, export_s, export_mib) =
            measured(into_file(&app, "GET", "/api/v1/audit/chain", Role::Auditor, &export)).await;
        let heads = app.data_dir().join("audit-heads.jsonl");
        let check = async { verify_export(BufReader::new(fs::File::open(&export).unwrap()), &heads, None) };
        let (checked, export_verify_s, export_verify_mib) = measured(check).await;
        assert!(checked.unwrap().report.is_sound());
        let (backup_bytes, backup_s, backup_mib) =
            measured(into_file(&app, "POST", "/api/v1/backups", Role::SystemAdministrator, &saved)).await;
        let scratch = tempfile::tempdir().unwrap();
        let chance = SeededEntropy::new(5);
        let open = || BufReader::new(fs::File::open(&saved).unwrap());
        let check = verify(open(), &own, HeadsComparison::default(), scratch.path(), &chance);
        let (checked, backup_verify_s, backup_verify_mib) = measured(check).await;
        assert!(checked.unwrap().is_sound());
        let to = sqlite();
        let config = app.config_for(&to);
        let asked = Restore { from: Box::new(open()), key: &own, reason: "x".into(), accept_defects: false };
        let (restored, restore_s, restore_mib) = measured(app::restore(&config, app.sources(), asked)).await;
        assert!(restored.unwrap().report.is_sound());
        let figures = serde_json::json!({
            "engine": app.app().store().engine_name(), "records": records, "heads": told["report"]["heads"],
            "filled_s": filled_s,
            "verify_s": verify_s, "verify_mib": verify_mib,
            "export_s": export_s, "export_mib": export_mib, "export_bytes": export_bytes,
            "export_verify_s": export_verify_s, "export_verify_mib": export_verify_mib,
            "backup_s": backup_s, "backup_mib": backup_mib, "backup_bytes": backup_bytes,
            "backup_verify_s": backup_verify_s, "backup_verify_mib": backup_verify_mib,
            "restore_into_sqlite_s": restore_s, "restore_mib": restore_mib,
        });
        println!("{figures}");
        // Bounded: a hundred times the records take the same.
        for mib in [verify_mib, export_mib, export_verify_mib, backup_mib, backup_verify_mib, restore_mib] {
            assert!(mib < 200, "{figures}");
        }
        app.finish().await;
    })
    .await;
}
