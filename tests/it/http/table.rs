//! One table: every route against every role, and the OpenAPI document as a snapshot.

use crate::support::{
    front::{Front, START, json_request, request},
    schema::mismatches,
    whole::Whole,
};
use axum::{body::Body, http::Method};
use serde_json::{Value, json};
use std::{fs, path::Path};
use yinxin::{
    http::{Access, Creates, Gives, Limits, Operation, Table, TableError},
    officer::Role,
};

/// The path with something well formed, and unknown, in each place.
fn filled(path: &str) -> String {
    let parts = path.split('/').map(|part| if part.starts_with('{') { "nothing" } else { part });
    parts.collect::<Vec<_>>().join("/")
}

#[tokio::test]
async fn every_route_lets_pass_whom_the_table_names_and_nobody_else() {
    let whole = Whole::new().await;
    let operations: Vec<Operation> = whole.app.table().unwrap().operations().cloned().collect();
    assert!(operations.len() > 30);
    for operation in operations {
        let ask = async |key: Option<&str>| {
            let path = filled(operation.path);
            let mut request = match operation.method {
                Method::GET => request("GET", &path, key).body(Body::empty()).unwrap(),
                _ => json_request(&path, key, &json!({ "unknown": 1 })),
            };
            *request.method_mut() = operation.method.clone();
            whole.send(request).await
        };
        let anonymous = ask(None).await;
        let public = matches!(operation.access, Access::Public { .. });
        assert_eq!(anonymous.status == 401, !public, "{} for anyone: {anonymous:?}", operation.id);
        for role in Role::ALL {
            let answer = ask(Some(&whole.people[role].key)).await;
            let may = operation.access.admits(|right| role.rights().contains(&right));
            let passed = ![401, 403].contains(&answer.status);
            assert_eq!(passed, may, "{} for {role}: {answer:?}", operation.id);
            assert!(answer.status < 500, "{} for {role}: {answer:?}", operation.id);
        }
        let wrong = ask(Some("yx_nonsense")).await;
        assert_eq!(wrong.problem(), "401 auth/api-key-invalid", "{}", operation.id);
    }
}

#[tokio::test]
async fn colliding_routes_are_seen_before_anything_starts() {
    let one = || Operation::get(Access::PUBLIC, "/a", "a", "").handled_by((), async || "");
    let same_path = Operation::get(Access::PUBLIC, "/a", "b", "").handled_by((), async || "");
    let same_id = Operation::get(Access::PUBLIC, "/b", "a", "").handled_by((), async || "");
    for other in [same_path, same_id] {
        assert!(matches!(Table::new(vec![one(), other]), Err(TableError::Twice(_))));
    }
    let odd = Operation::new(Access::PUBLIC, Method::TRACE, "/c", "c", "").handled_by((), async || "");
    assert!(matches!(Table::new(vec![odd]), Err(TableError::Method("c"))));
}

/// `UPDATE_SNAPSHOTS=1` writes the file anew.
#[tokio::test]
async fn the_openapi_document_is_the_one_that_was_reviewed() {
    let document = Whole::new().await.app.table().unwrap().openapi();
    let text = serde_json::to_string_pretty(&document).unwrap() + "\n";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/openapi.json");
    if std::env::vars_os().any(|(name, value)| name == "UPDATE_SNAPSHOTS" && value == "1") {
        fs::write(&path, &text).unwrap();
    }
    let reviewed = fs::read_to_string(&path).unwrap_or_default();
    assert!(text == reviewed, "the interface changed: look at it, then run with UPDATE_SNAPSHOTS=1");
}

#[tokio::test]
async fn the_openapi_document_is_whole() {
    let whole = Whole::new().await;
    let served = whole.send(request("GET", "/api/v1/openapi.json", None).body(Body::empty()).unwrap()).await;
    let document = served.json();
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(dangling(&document), Vec::<String>::new());
    let create = &document["paths"]["/api/v1/officers"]["post"];
    let header = create["parameters"].as_array().unwrap().iter().find(|one| one["in"] == "header").unwrap();
    assert_eq!(header["name"], "Idempotency-Key");
    assert_eq!(create["x-right"], "officer_manage");
    let codes = &create["responses"]["409"]["content"]["application/problem+json"]["schema"]["allOf"][1];
    assert_eq!(codes["properties"]["code"]["enum"], json!(["idempotency/reused", "idempotency/in-progress"]));
    assert!(document["paths"].get("/problems/{code}").is_none(), "pages are for people");
}

#[tokio::test]
async fn whatever_makes_something_honours_idempotency_keys() {
    let table = Whole::new().await.app.table().unwrap();
    for operation in table.operations() {
        let makes = operation.gives.iter().any(|(status, _)| *status == 201);
        assert_eq!(makes, operation.creates != Creates::No, "{}", operation.id);
        let is_json = operation.gives.iter().all(|(_, gives)| !matches!(gives, Gives::AnyJson));
        assert!(is_json || operation.id == "readOpenApi", "{} answers JSON without a shape", operation.id);
    }
}

/// Answers have the shape that the document promises.
#[tokio::test]
async fn answers_have_the_shapes_that_the_document_says() {
    let front = Front::scratch(Limits::default()).await;
    let document = front.get("/api/v1/openapi.json", None).await.json();
    let security = front.person(Role::SecurityAdministrator);
    let viewer = front.person(Role::Viewer).officer.id.clone();
    let keys = format!("/api/v1/officers/{viewer}/keys");
    let key = Some(security.key.as_str());
    let officer = json!({ "name": "张三", "roles": ["viewer", "verifier"] });
    let checks = [
        ("Officer", front.get("/api/v1/me", key).await, 200),
        ("Officer", front.post("/api/v1/officers", key, officer).await, 201),
        ("Officer", front.get(&format!("/api/v1/officers/{viewer}"), key).await, 200),
        (
            "IssuedApiKey",
            front.post(&keys, key, json!({ "label": "x", "expires_at": "2027-01-01T00:00:00Z" })).await,
            201,
        ),
        ("Problem", front.get("/api/v1/nothing", key).await, 404),
    ];
    for (shape, answer, status) in checks {
        assert_eq!(answer.status, status, "{answer:?}");
        let schema = json!({ "$ref": format!("#/components/schemas/{shape}") });
        assert_eq!(mismatches(&document, &schema, &answer.json(), shape), Vec::<String>::new());
    }
    for (path, shape) in [(keys.as_str(), "ApiKey"), ("/api/v1/officers", "Officer")] {
        let list = front.get(path, key).await.json();
        let items = list["items"].as_array().unwrap();
        assert!(!items.is_empty());
        let schema = json!({ "$ref": format!("#/components/schemas/{shape}") });
        assert!(items.iter().all(|item| mismatches(&document, &schema, item, shape).is_empty()));
    }
    let all = front.get("/api/v1/officers", key).await.json()["items"].as_array().unwrap().clone();
    let second = format!("/api/v1/officers?after={}", all[0]["id"].as_str().unwrap());
    assert_eq!(front.get(&second, key).await.json()["items"].as_array().unwrap()[..], all[1..]);
    assert_eq!(START.rfc3339(), front.get("/api/v1/me", key).await.json()["made_at"].as_str().unwrap());
}

/// Every `$ref` that nothing answers.
fn dangling(document: &Value) -> Vec<String> {
    let (mut found, mut open) = (Vec::new(), vec![document]);
    while let Some(value) = open.pop() {
        match value {
            Value::Object(members) => {
                if let Some(Value::String(target)) = members.get("$ref") {
                    found.extend(document.pointer(&target[1..]).is_none().then(|| target.clone()));
                }
                open.extend(members.values());
            }
            Value::Array(items) => open.extend(items),
            _ => {}
        }
    }
    found
}

#[tokio::test]
async fn a_request_without_a_route_or_with_another_method_is_told_so() {
    let front = Front::scratch(Limits::default()).await;
    assert_eq!(front.get("/api/v1/officer", None).await.problem(), "404 request/unknown-path");
    let wrong = front.send(request("DELETE", "/api/v1/me", None).body(Body::empty()).unwrap()).await;
    assert_eq!(wrong.problem(), "405 request/method-not-allowed");
    assert!(wrong.headers.contains_key("allow"));
    let odd = front.get("/api/v1/officers/%ff", Some(&front.person(Role::SecurityAdministrator).key)).await;
    assert_eq!(odd.problem(), "400 request/malformed");
}
