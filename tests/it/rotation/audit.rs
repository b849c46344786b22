//! A new key of the audit, while records are chained.

use super::while_stamping;
use crate::support::app::{TestApp, on_each_engine};
use serde_json::{Value, json};
use std::{collections::BTreeSet, fs};
use yinxin::officer::Role;

async fn rotate(app: &TestApp<'_>) -> Value {
    app.post("/api/v1/audit/key/rotation", &app.person(Role::SystemAdministrator), Value::Null)
        .await
        .good()
        .json()
}

async fn sound(app: &TestApp<'_>) -> Value {
    app.app().chain_records().await.unwrap();
    app.get("/api/v1/audit/verification", &app.person(Role::Auditor)).await.good().json()
}

/// Names of the keys that signed the heads in the file.
fn signers(app: &TestApp<'_>) -> BTreeSet<String> {
    let text = fs::read_to_string(app.data_dir().join("audit-heads.jsonl")).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter_map(|line| line["key"].as_str().map(str::to_owned)).collect()
}

#[tokio::test]
async fn heads_of_every_key_hold_and_new_ones_are_signed_by_the_newest() {
    on_each_engine(async |app| {
        let seal = app.active_seal(4).await;
        app.app().chain_records().await.unwrap();
        for count in 2..=3 {
            let (made, _) = while_stamping(app, &seal, rotate(app)).await;
            assert_eq!(made["purpose"], "audit");
            let found = sound(app).await;
            assert_eq!(found["sound"], true, "{found}");
            assert_eq!(signers(app).len(), count);
        }
        assert_eq!(app.audit("&action=audit.key_rotated").await.len(), 2);
        // The next start goes on with the newest.
        app.restart().await;
        while_stamping(app, &seal, async {}).await;
        assert_eq!(sound(app).await["sound"], true);
        assert_eq!(signers(app).len(), 3);
        let listed = app.get("/api/v1/audit/keys", &app.person(Role::Auditor)).await.items();
        assert_eq!(listed.len(), 3);
    })
    .await;
}

/// Keys are rewrapped and rotated together, and the chain still holds.
#[tokio::test]
async fn the_keys_of_the_audit_come_along_with_a_new_master_key() {
    on_each_engine(async |app| {
        rotate(app).await;
        let system = app.person(Role::SystemAdministrator);
        app.post("/api/v1/keystore/rotation", &system, json!({})).await.good();
        app.app().look_after_keys().await.unwrap();
        rotate(app).await;
        app.restart().await;
        let found = sound(app).await;
        assert_eq!(found["sound"], true, "{found}");
        assert_eq!(app.get("/api/v1/audit/keys", &app.person(Role::Auditor)).await.items().len(), 3);
    })
    .await;
}

/// Who can write the database, and does not know the master key, adds no key that heads may be signed with.
#[tokio::test]
async fn a_key_that_somebody_put_into_the_database_vouches_for_nothing() {
    on_each_engine(async |app| {
        app.tamper(
            "INSERT INTO signing_key (id, purpose, kind, custody, public_key, aead, wrapped, made_at_ms, master) \
             SELECT 'key_00000000000000000000000000', 'audit', kind, custody, public_key, aead, wrapped, made_at_ms, 1 \
             FROM signing_key WHERE purpose = 'root-ca'",
        )
        .await;
        let listed = app.get("/api/v1/audit/keys", &app.person(Role::Auditor)).await.items();
        assert_eq!(listed.len(), 1);
        app.tamper("DELETE FROM signing_key WHERE id = 'key_00000000000000000000000000'").await;
    })
    .await;
}

#[tokio::test]
async fn only_the_system_administrator_begins_a_new_key() {
    on_each_engine(async |app| {
        for role in Role::ALL.iter().filter(|role| **role != Role::SystemAdministrator) {
            let refused = app.post("/api/v1/audit/key/rotation", &app.person(*role), Value::Null).await;
            assert_eq!(refused.status, 403, "{role}");
        }
    })
    .await;
}
