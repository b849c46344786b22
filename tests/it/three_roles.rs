//! The three administrators (三员分立): disjoint rights, one person one of them, in the service and in the database; the auditor
//! looks and changes nothing; the administrators do not see the record, and nobody grants anything to themselves.

use crate::support::{
    app::{TestApp, on_each_engine, on_sqlite},
    databases::for_each_engine,
    front::{Front, request},
};
use axum::{body::Body, http::Method};
use serde_json::json;
use yinxin::{
    http::{Access, Operation},
    officer::{Right, Role},
    store::{Statement, Store, StoreError},
};

const APART: [Role; 3] = [Role::SystemAdministrator, Role::SecurityAdministrator, Role::Auditor];

/// The reviewed table: what each of the three may. A right that comes to stand with one of them is seen here.
#[test]
fn the_rights_of_the_three_are_disjoint_and_as_reviewed() {
    use Right::*;
    let reviewed: [(Role, &[Right]); 3] = [
        (Role::SystemAdministrator, &[KeyManage, KeyRead, MakerRegister, BackupMake, ServiceRead]),
        (Role::SecurityAdministrator, &[OfficerManage, OfficerRead, RestorationAccept]),
        (Role::Auditor, &[AuditRead, AuditExport]),
    ];
    for (role, rights) in reviewed {
        assert_eq!(role.rights(), rights, "{role}");
    }
    for right in Right::ALL {
        let holders: Vec<_> = Role::ALL.iter().filter(|role| role.rights().contains(right)).collect();
        let apart = holders.iter().filter(|role| role.stands_apart()).count();
        assert!(apart == 0 || holders.len() == 1, "{right} belongs to {holders:?}");
    }
}

/// Writes a role behind the service's back.
async fn smuggle(store: &Store, officer: &str, role: &str, standing: &str) -> Result<u64, StoreError> {
    const ADD: Statement = Statement::portable(
        "test.smuggle_role",
        "INSERT INTO officer_role (officer, role, standing) VALUES ($1, $2, $3)",
    );
    store.write(async |tx| tx.execute(&ADD, &[officer.into(), role.into(), standing.into()]).await).await
}

/// Turns a role or a standing into another behind the service's back.
async fn bend(store: &Store, statement: &Statement, officer: &str, word: &str) -> Result<u64, StoreError> {
    store.write(async |tx| tx.execute(statement, &[officer.into(), word.into()]).await).await
}

#[tokio::test]
async fn nobody_holds_one_of_the_three_beside_anything_and_the_database_refuses_it_too() {
    const ROLE: Statement =
        Statement::portable("test.bend_role", "UPDATE officer_role SET role = $2 WHERE officer = $1");
    const STANDING: Statement =
        Statement::portable("test.bend_standing", "UPDATE officer SET standing = $2 WHERE id = $1");
    for_each_engine(async |store| {
        let front = Front::new(store.clone()).await;
        for &held in Role::ALL {
            let officer = front.person(held).officer.id.to_string();
            for &other in Role::ALL.iter().filter(|other| **other != held) {
                if !held.stands_apart() && !other.stands_apart() {
                    continue;
                }
                for standing in ["apart", "common"] {
                    let written = smuggle(&store, &officer, other.name(), standing).await;
                    let refused = written.as_ref().is_err_and(StoreError::is_conflict);
                    assert!(refused, "{held} and {other} as {standing}: {written:?}");
                }
                // Nor is one turned into the other kind.
                if held.stands_apart() != other.stands_apart() {
                    let bent = bend(&store, &ROLE, &officer, other.name()).await;
                    assert!(
                        bent.as_ref().is_err_and(StoreError::is_conflict),
                        "{held} into {other}: {bent:?}"
                    );
                }
            }
            let other = if held.stands_apart() { "common" } else { "apart" };
            let bent = bend(&store, &STANDING, &officer, other).await;
            assert!(bent.as_ref().is_err_and(StoreError::is_conflict), "standing of {held}: {bent:?}");
        }
    })
    .await;
}

fn admits(operation: &Operation, role: Role) -> bool {
    !matches!(operation.access, Access::Public { .. } | Access::Officer)
        && operation.access.admits(|right| role.rights().contains(&right))
}

/// Every route of the auditor only reads; none that touches the record admits anybody else.
#[tokio::test]
async fn the_auditor_only_looks_and_nobody_else_does() {
    on_sqlite(async |app| {
        for operation in app.app().table().unwrap().operations() {
            if admits(operation, Role::Auditor) {
                assert_eq!(operation.method, Method::GET, "{}", operation.path);
            }
            let reads_the_record =
                operation.path.starts_with("/api/v1/audit/") && operation.method == Method::GET;
            for &role in Role::ALL.iter().filter(|role| **role != Role::Auditor) {
                assert!(!reads_the_record || !admits(operation, role), "{} admits {role}", operation.path);
            }
            // Who grants, takes no backups; who takes backups, grants nothing.
            let [system, security] = [Role::SystemAdministrator, Role::SecurityAdministrator];
            assert!(!(admits(operation, system) && admits(operation, security)), "{}", operation.path);
        }
    })
    .await;
}

/// What the whole database holds, but for the record itself.
async fn state(app: &TestApp<'_>) -> Vec<String> {
    app.state(&["audit", "audit_head", "idempotency"]).await
}

#[tokio::test]
async fn whatever_the_auditor_tries_changes_nothing_but_the_record_that_he_looked() {
    on_each_engine(async |app| {
        let seal = app.active_seal(4).await;
        let auditor = app.person(Role::Auditor);
        let before = state(app).await;
        for operation in app.app().table().unwrap().operations().cloned().collect::<Vec<_>>() {
            if matches!(operation.access, Access::Public { .. }) {
                continue;
            }
            let path = operation.path.replace("{seal}", &seal).replace("{officer}", &auditor.id);
            let asked = request(operation.method.as_str(), &path, Some(&auditor.key))
                .header("content-type", "application/json")
                .body(Body::from(json!({ "reason": "x", "roles": ["auditor"], "name": "x" }).to_string()))
                .unwrap();
            let answer = app.send(asked).await;
            let admitted = admits(&operation, Role::Auditor) || operation.access == Access::Officer;
            // A role that admits may still be told that the path names nothing.
            assert!(
                admitted || answer.problem().starts_with("403 auth/right-missing"),
                "{path}: {}",
                answer.text()
            );
        }
        assert_eq!(state(app).await, before);
    })
    .await;
}

#[tokio::test]
async fn administrators_neither_read_the_record_nor_grant_themselves_anything() {
    on_each_engine(async |app| {
        let before = state(app).await;
        for role in [Role::SystemAdministrator, Role::SecurityAdministrator] {
            let person = app.person(role);
            for path in ["records", "export", "chain", "keys", "verification"] {
                let answer = app.get(&format!("/api/v1/audit/{path}"), &person).await;
                assert!(answer.problem().starts_with("403 auth/right-missing"), "{role} {path}");
            }
            let own = format!("/api/v1/officers/{}/roles", person.id);
            for wanted in APART.iter().chain(&[Role::SealOperator, Role::SealApprover]) {
                let body = json!({ "roles": [wanted.name()] }).to_string();
                let asked =
                    request("POST", &own, Some(&person.key)).header("content-type", "application/json");
                let answer = app.send(asked.body(Body::from(body)).unwrap()).await;
                let refused = answer.problem();
                let words = ["403 auth/right-missing", "403 officer/oneself"];
                assert!(words.iter().any(|word| refused.starts_with(word)), "{role} {wanted}: {refused}");
            }
        }
        assert_eq!(state(app).await, before);
    })
    .await;
}
