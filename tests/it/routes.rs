//! The interface as a whole: who may what as a reviewed table, keys that open nothing, answers of the declared shapes, and
//! codes that all stand in the catalogue.

use crate::support::{
    app::{At, DAY_MS, Person, TestApp, fixture, on_sqlite},
    front::request,
    schema::mismatches,
};
use axum::{
    body::Body,
    http::{Method, header},
};
use serde_json::json;
use std::{fs, path::Path};
use yinxin::{
    base::Clock as _,
    http::{Access, Operation},
    officer::Role,
};

fn operations(app: &TestApp<'_>) -> Vec<Operation> {
    app.app().table().unwrap().operations().cloned().collect()
}

/// One line a route: who may use it. `UPDATE_SNAPSHOTS=1` writes the file anew; a new route is seen in review.
#[tokio::test]
async fn who_may_use_which_route_is_the_table_that_was_reviewed() {
    on_sqlite(async |app| {
        let mut table = String::from(
            "# Who may use which route. Written by a test; a change here is a change of rights.\n",
        );
        for operation in operations(app) {
            let who = match operation.access {
                Access::Public { per_minute: Some(rate) } => format!("anyone, {rate} a minute"),
                Access::Public { per_minute: None } => "anyone".into(),
                Access::Officer => "any officer".into(),
                access => {
                    let roles =
                        Role::ALL.iter().filter(|role| access.admits(|right| role.rights().contains(&right)));
                    let local = matches!(access, Access::LocalOrOneOf(_)).then_some("(UNIX socket)");
                    roles.map(|role| role.name()).chain(local).collect::<Vec<_>>().join(" ")
                }
            };
            let method = operation.method.as_str();
            table.push_str(&format!("{method:<6} {:<52} {who}\n", operation.path));
        }
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/routes.txt");
        if std::env::vars_os().any(|(name, value)| name == "UPDATE_SNAPSHOTS" && value == "1") {
            fs::write(&path, &table).unwrap();
        }
        let reviewed = fs::read_to_string(&path).unwrap_or_default();
        assert!(table == reviewed, "rights changed: look at them, then run with UPDATE_SNAPSHOTS=1\n{table}");
        // Default deny: of all that changes something, only these are open to anyone.
        let open = operations(app).into_iter().filter(|operation| {
            operation.method != Method::GET && matches!(operation.access, Access::Public { .. })
        });
        let open: Vec<_> = open.map(|operation| operation.path).collect();
        assert_eq!(open, ["/tsa", "/api/v1/verifications", "/verify"]);
    })
    .await;
}

#[tokio::test]
async fn a_stale_key_opens_no_route_at_all() {
    on_sqlite(async |app| {
        let security = app.person(Role::SecurityAdministrator);
        let disabled = app.hire("停职", &[Role::SealOperator, Role::SealApprover, Role::Viewer]).await;
        let revoked = app.hire("换钥", &[Role::SealOperator]).await;
        let expired = expiring_key(app, &revoked).await;
        app.clock.step_ms(DAY_MS);
        app.act_on(&security, &format!("/api/v1/officers/{}/disable", disabled.id)).await.good();
        let keys = format!("/api/v1/officers/{}/keys", revoked.id);
        for key in app.get(&keys, &security).await.items() {
            let path = format!("{keys}/{}/revoke", key["id"].as_str().unwrap());
            if key["label"] == "test" {
                app.act_on(&security, &path).await.good();
            }
        }
        for operation in operations(app) {
            let path: Vec<_> = operation
                .path
                .split('/')
                .map(|part| if part.starts_with('{') { "x" } else { part })
                .collect();
            for key in [&disabled.key, &revoked.key, &expired] {
                let request = request(operation.method.as_str(), &path.join("/"), Some(key));
                let answer = app.send(request.body(Body::empty()).unwrap()).await;
                assert_eq!(answer.status, 401, "{}", operation.id);
                assert_eq!(answer.problem(), "401 auth/api-key-invalid", "{}", operation.id);
            }
        }
    })
    .await;
}

async fn expiring_key(app: &TestApp<'_>, officer: &Person) -> String {
    let path = format!("/api/v1/officers/{}/keys", officer.id);
    let expires_at = app.clock.now().plus_ms(DAY_MS).rfc3339();
    let body = json!({ "label": "一日", "expires_at": expires_at });
    let made = app.post(&path, &app.person(Role::SecurityAdministrator), body).await.good();
    made.json()["secret"].as_str().unwrap().to_owned()
}

/// Real answers of the rooms of the service, judged by the document that it serves.
#[tokio::test]
async fn answers_have_the_shapes_that_the_document_says() {
    on_sqlite(async |app| {
        let document =
            app.send(request("GET", "/api/v1/openapi.json", None).body(Body::empty()).unwrap()).await.json();
        let (operator, auditor) = (app.operator(), app.person(Role::Auditor));
        let system = app.person(Role::SystemAdministrator);
        let seal = app.active_seal(5).await;
        app.act(&app.approver(), &seal, "suspend").await.good();
        app.act(&app.approver(), &seal, "resume").await.good();
        app.done(&operator, &seal, "renewals").await;
        let file = app
            .stamped(&seal, &At::notice().and("&purpose=x&time_stamp=true"), fixture("pdf/one-page.pdf"))
            .await;
        let stamp = app.stamps("").await[0]["id"].as_str().unwrap().to_owned();
        let kept = app.verify_as(&app.person(Role::Verifier), &file).await;
        let verification = kept.headers[header::LOCATION].to_str().unwrap().to_owned();
        app.app().chain_records().await.unwrap();
        let paths = [
            ("/api/v1/seals", "/api/v1/seals".to_owned(), &operator),
            ("/api/v1/seals/{seal}", format!("/api/v1/seals/{seal}"), &operator),
            ("/api/v1/seals/{seal}/events", format!("/api/v1/seals/{seal}/events"), &operator),
            ("/api/v1/owners", "/api/v1/owners".to_owned(), &operator),
            ("/api/v1/owners/{owner}", format!("/api/v1/owners/{}", app.owner), &operator),
            ("/api/v1/makers", "/api/v1/makers".to_owned(), &operator),
            ("/api/v1/stamps", "/api/v1/stamps".to_owned(), &operator),
            ("/api/v1/stamps/{stamp}", format!("/api/v1/stamps/{stamp}"), &operator),
            ("/api/v1/audit/records", "/api/v1/audit/records".to_owned(), &auditor),
            ("/api/v1/audit/verification", "/api/v1/audit/verification".to_owned(), &auditor),
            ("/api/v1/officers", "/api/v1/officers".to_owned(), &app.person(Role::SecurityAdministrator)),
            ("/api/v1/me", "/api/v1/me".to_owned(), &auditor),
            ("/api/v1/me/keys", "/api/v1/me/keys".to_owned(), &auditor),
            ("/api/v1/keystore", "/api/v1/keystore".to_owned(), &system),
            ("/api/v1/authority/certificates", "/api/v1/authority/certificates".to_owned(), &system),
            (
                "/api/v1/ending-keys",
                "/api/v1/ending-keys?days=30".to_owned(),
                &app.person(Role::SecurityAdministrator),
            ),
            ("/api/v1/verifications/{verification}", verification, &app.person(Role::Verifier)),
        ];
        for (route, path, person) in paths {
            let answer = app.get(&path, person).await.good().json();
            if let Some(items) = answer["items"].as_array() {
                assert!(!items.is_empty(), "{route} has nothing to show");
            }
            let schema =
                &document["paths"][route]["get"]["responses"]["200"]["content"]["application/json"]["schema"];
            assert!(schema.is_object(), "{route}");
            assert_eq!(mismatches(&document, schema, &answer, route), Vec::<String>::new());
        }
    })
    .await;
}

/// Whatever in the rooms behind REST reads like a code of theirs stands in the catalogue; `Problem::new` would make an
/// internal error of it.
#[test]
fn every_code_in_the_source_stands_in_the_catalogue() {
    let rooms =
        ["auth", "authority", "idempotency", "input", "keys", "maker", "number", "officer", "owner", "pdf"];
    let rooms = [&rooms[..], &["picture", "request", "seal", "service", "stamp", "verification"]].concat();
    let mut unknown = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let source = fs::read_to_string(&path).unwrap();
                // References of the authority's certificates and reasons of reports look alike; they are no problems.
                let other =
                    ["src/verification/pdf", "src/verification/text", "src/document/pdf/analysis", "src/cli"];
                if other.iter().any(|part| path.display().to_string().contains(part)) {
                    continue;
                }
                let rules = source.split("#[cfg(test)]").next().unwrap_or_default();
                let codes = rules.split('"').skip(1).step_by(2).filter(|text| is_code(text, &rooms));
                unknown.extend(
                    codes.filter(|code| yinxin::http::catalogue::find(code).is_none()).map(str::to_owned),
                );
            }
        }
    }
    unknown.sort();
    let references =
        ["authority/issuing", "authority/root", "authority/seal-maker", "authority/time-stamping"];
    unknown.retain(|code| !references.contains(&code.as_str()));
    assert_eq!(unknown, Vec::<String>::new());
}

fn is_code(text: &str, rooms: &[&str]) -> bool {
    let plain = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|octet| octet.is_ascii_lowercase() || octet.is_ascii_digit() || octet == b'-')
    };
    text.split_once('/').is_some_and(|(room, what)| rooms.contains(&room) && plain(what))
}
