//! Keys, bodies, panics, deadlines and overload, through the router.

use crate::support::front::{Front, json_request, request};
use axum::body::Body;
use serde_json::json;
use std::time::Duration;
use yinxin::{
    base::{Clock as _, entropy::SeededEntropy},
    http::Limits,
    officer::{ClearKey, MakeKey, OfficerState, Role},
};

async fn front() -> Front {
    Front::scratch(Limits::default()).await
}

#[tokio::test]
async fn a_key_that_opens_nothing_is_told_so_and_not_why() {
    let front = front().await;
    let security = front.caller(Role::SecurityAdministrator);
    let verifier = front.person(Role::Verifier).clone();
    let soon = MakeKey {
        officer: verifier.officer.id.clone(),
        label: "soon over".into(),
        expires_at: Some(front.clock.now().plus_ms(1000)),
    };
    let stale = front.officers.make_key(&security, soon, None).await.unwrap().clear.text().expose().clone();
    assert_eq!(front.get("/api/v1/me", Some(&stale)).await.status, 200);
    front.clock.step_ms(1000);
    let mut wrong = verifier.key.clone();
    let last = if wrong.pop() == Some('0') { '1' } else { '0' };
    wrong.push(last);
    let stranger = ClearKey::fresh(front.clock.now(), &SeededEntropy::new(5)).text().expose().clone();
    let mut told = Vec::new();
    for key in [stale, wrong, stranger] {
        let answer = front.get("/api/v1/me", Some(&key)).await;
        assert_eq!(answer.problem(), "401 auth/api-key-invalid");
        assert!(answer.headers.contains_key("www-authenticate"));
        told.push(answer.json()["detail"].clone());
    }
    assert!(told.iter().all(|detail| *detail == told[0]), "{told:?}");
    front.officers.change_state(&security, &verifier.officer.id, OfficerState::Disabled).await.unwrap();
    assert_eq!(front.get("/api/v1/me", Some(&verifier.key)).await.problem(), "401 auth/api-key-invalid");
    assert_eq!(front.get("/api/v1/me", None).await.problem(), "401 auth/required");
    let good = &front.person(Role::Viewer).key;
    let two = request("GET", "/api/v1/me", Some(good)).header("authorization", format!("Bearer {good}"));
    assert_eq!(front.send(two.body(Body::empty()).unwrap()).await.problem(), "401 auth/api-key-invalid");
    let basic = request("GET", "/api/v1/me", None).header("authorization", "Basic eDp5");
    assert_eq!(front.send(basic.body(Body::empty()).unwrap()).await.problem(), "401 auth/api-key-invalid");
    // A public route takes no wrong key either: the sender believes to be somebody.
    assert_eq!(front.get("/healthz", Some("yx_wrong")).await.problem(), "401 auth/api-key-invalid");
}

#[tokio::test]
async fn a_lacking_right_is_named() {
    let front = front().await;
    let answer = front.get("/api/v1/officers", Some(&front.person(Role::SealOperator).key)).await;
    assert_eq!(answer.problem(), "403 auth/right-missing");
    assert!(answer.json()["detail"].as_str().unwrap().contains("officer_read"));
}

#[tokio::test]
async fn either_of_two_rights_opens_and_no_right_opens_nothing() {
    let front = front().await;
    let path = "/api/v1/test/either";
    for role in [Role::Viewer, Role::SystemAdministrator] {
        assert_eq!(front.get(path, Some(&front.person(role).key)).await.text(), "in", "{role}");
    }
    let refused = front.get(path, Some(&front.person(Role::Verifier).key)).await;
    assert_eq!(refused.problem(), "403 auth/right-missing");
    assert_eq!(front.get(path, None).await.problem(), "401 auth/required");
    let nobody = front.get("/api/v1/test/nobody", Some(&front.person(Role::SystemAdministrator).key)).await;
    assert_eq!(nobody.status, 401);
}

#[tokio::test]
async fn a_body_that_cannot_be_taken_is_told_why() {
    let front = front().await;
    let key = Some(front.person(Role::SecurityAdministrator).key.as_str());
    let send = async |media: &str, body: &'static str| {
        let request = request("POST", "/api/v1/officers", key).header("content-type", media);
        front.send(request.body(Body::from(body)).unwrap()).await
    };
    for (media, body, wanted) in [
        ("application/json", "", "400 request/malformed"),
        ("application/json", "{", "400 request/malformed"),
        ("application/json", r#"{"name":"x"}"#, "400 request/malformed"),
        ("application/json", r#"{"name":"x","roles":["viewer"],"admin":true}"#, "400 request/malformed"),
        ("application/json", r#"{"name":"x","roles":["root"]}"#, "422 request/invalid"),
        ("application/json", r#"{"name":"","roles":["viewer"]}"#, "422 officer/bad-name"),
        ("application/json", r#"{"name":"x","roles":[]}"#, "422 officer/roles-exclude"),
        ("application/json", r#"{"name":"x","roles":["auditor","viewer"]}"#, "422 officer/roles-exclude"),
        ("text/plain", r#"{"name":"x","roles":["viewer"]}"#, "415 request/unsupported-media-type"),
        ("application/json; charset=utf-8", "\u{feff}{}", "400 request/malformed"),
    ] {
        assert_eq!(send(media, body).await.problem(), wanted, "{body}");
    }
    let deep = "[".repeat(60_000);
    let request = request("POST", "/api/v1/officers", key).header("content-type", "application/json");
    let answer = front.send(request.body(Body::from(deep)).unwrap()).await;
    assert_eq!(answer.problem(), "400 request/malformed");
    let long = json!({ "name": "x".repeat(70_000), "roles": [] });
    assert_eq!(
        front.send(json_request("/api/v1/officers", key, &long)).await.problem(),
        "413 request/too-large"
    );
    assert_eq!(front.get("/api/v1/officers?after=x", key).await.problem(), "422 request/invalid");
    assert_eq!(front.get("/api/v1/officers?before=x", key).await.problem(), "400 request/malformed");
}

#[tokio::test]
async fn a_form_is_taken_apart_within_its_bounds() {
    let front = front().await;
    let send = async |parts: &[(&str, &str)]| {
        let body: String = parts
            .iter()
            .map(|(name, value)| format!("--b\r\nContent-Disposition: form-data; {name}\r\n\r\n{value}\r\n"))
            .collect();
        let request = request("POST", "/api/v1/test/upload", None)
            .header("content-type", "multipart/form-data; boundary=b");
        front.send(request.body(Body::from(body + "--b--\r\n")).unwrap()).await
    };
    let file = (r#"name="file"; filename="../../合同.pdf""#, "%PDF");
    let note = (r#"name="note""#, "说明");
    assert_eq!(send(&[file, note]).await.text(), "../../合同.pdf 4 说明");
    for (parts, wanted) in [
        (&[file][..], "400 request/malformed"),
        (&[note], "400 request/malformed"),
        (&[file, note, note], "400 request/malformed"),
        (&[file, note, (r#"name="other""#, "x")], "400 request/malformed"),
        (&[file, (r#"name="note""#, &"x".repeat(1000))], "413 request/too-large"),
        (&[(r#"name="x""#, ""); 16], "400 request/malformed"),
    ] {
        assert_eq!(send(parts).await.problem(), wanted, "{parts:?}");
    }
    let no_form = request("POST", "/api/v1/test/upload", None).header("content-type", "multipart/form-data");
    let answer = front.send(no_form.body(Body::from("x")).unwrap()).await;
    assert_eq!(answer.problem(), "415 request/unsupported-media-type");
}

#[tokio::test]
async fn a_panic_is_one_failed_request_and_says_nothing() {
    let front = front().await;
    let answer = front.get("/api/v1/test/panic", None).await;
    assert_eq!(answer.problem(), "500 internal");
    assert!(!answer.text().contains("secret"));
    assert_eq!(front.get("/healthz", None).await.text(), "ok\n");
}

#[tokio::test]
async fn more_requests_than_places_are_refused_at_once() {
    let limits = Limits { light_requests: 1, ..Limits::default() };
    let front = Front::scratch(limits).await;
    let router = front.router.clone();
    let waiting = tokio::spawn(async move {
        crate::support::front::send(
            &router,
            request("GET", "/api/v1/test/wait", None).body(Body::empty()).unwrap(),
        )
        .await
    });
    front.stage.waiting.notified().await;
    let refused = front.get("/api/v1/openapi.json", None).await;
    assert_eq!(refused.problem(), "503 service/busy");
    assert_eq!(refused.headers["retry-after"], "1");
    assert_eq!(front.get("/healthz", None).await.status, 200, "whether we live is told always");
    let heavy = request("POST", "/api/v1/test/echo", None).body(Body::from("abc")).unwrap();
    assert_eq!(front.send(heavy).await.text(), "3", "heavy requests have places of their own");
    front.stage.go_on.notify_one();
    assert_eq!(waiting.await.unwrap().text(), "went on");
    assert_eq!(front.get("/api/v1/openapi.json", None).await.status, 200);
}

#[tokio::test]
async fn a_request_that_takes_too_long_is_ended() {
    let limits = Limits { request: Duration::from_millis(30), ..Limits::default() };
    let front = Front::scratch(limits).await;
    let answer = front.get("/api/v1/test/wait", None).await;
    assert_eq!(answer.problem(), "503 service/deadline");
}

#[tokio::test]
async fn one_address_without_a_key_comes_so_often_and_a_verifier_as_he_likes() {
    let front = front().await;
    for _ in 0..3 {
        assert_eq!(front.get("/api/v1/test/rated", None).await.status, 200);
    }
    let refused = front.get("/api/v1/test/rated", None).await;
    assert_eq!(refused.problem(), "429 request/too-many");
    assert_eq!(refused.headers["retry-after"], "21");
    let verifier = front.person(Role::Verifier).key.clone();
    for _ in 0..10 {
        assert_eq!(front.get("/api/v1/test/rated", Some(&verifier)).await.status, 200);
    }
    front.clock.step_ms(21_000);
    assert_eq!(front.get("/api/v1/test/rated", None).await.status, 200);
}

#[tokio::test]
async fn a_request_keeps_its_own_name() {
    let front = front().await;
    let named = request("GET", "/api/v1/me", None).header("x-request-id", "portal-42");
    let answer = front.send(named.body(Body::empty()).unwrap()).await;
    assert_eq!(answer.headers["x-request-id"], "portal-42");
    assert_eq!(answer.json()["request"], "portal-42");
}
