//! What cannot be stamped is refused with its own code, leaves no stamp behind, and takes nothing down with it.

use crate::support::app::{At, TestApp, fixture, on_each_engine, on_sqlite};
use serde_json::{Value, json};
use yinxin::officer::Role;

/// Tries to stamp; whatever comes, nothing is handed out and the register holds no stamp that is done.
async fn told(app: &TestApp<'_>, seal: &str, at: &At, document: Vec<u8>) -> String {
    let answer = app.stamp(&app.operator(), seal, at, document).await;
    let problem = answer.problem();
    assert!(!answer.text().contains("src/"), "{}", answer.text());
    assert!(!answer.json()["hint"].as_str().unwrap().is_empty());
    problem
}

#[tokio::test]
async fn a_document_that_cannot_be_stamped_has_its_own_code() {
    on_each_engine(async |app| {
        let seal = app.active_seal(4).await;
        let nul = vec![0; 4096];
        let mut garbage = b"%PDF-1.7\n".to_vec();
        garbage.extend((0..5000_u32).map(|at| (at * 31 % 251) as u8));
        let mut cut = fixture("pdf/one-page.pdf");
        cut.truncate(cut.len() - 30);
        for (document, wanted) in [
            (Vec::new(), "422 pdf/empty"),
            (b"hello".to_vec(), "422 pdf/not-pdf"),
            (nul, "422 pdf/not-pdf"),
            (fixture("../docs/pictures/seal-round.png"), "422 pdf/not-pdf"),
            (garbage, "422 pdf/malformed"),
            (cut, "422 pdf/malformed"),
            (fixture("pdf/truncated.pdf"), "422 pdf/malformed"),
            (fixture("pdf/xref-loop.pdf"), "422 pdf/malformed"),
            (fixture("pdf/bomb.pdf"), "422 pdf/too-large"),
            (fixture("pdf/encrypted.pdf"), "422 pdf/encrypted"),
            (fixture("pdf/certified-p1.pdf"), "409 pdf/certified"),
        ] {
            assert_eq!(told(app, &seal, &At::page(1, 100.0, 100.0), document).await, wanted);
        }
        assert_eq!(app.stamps("").await, Vec::<Value>::new());
        // None of that took the service down.
        app.stamped(&seal, &At::notice(), fixture("pdf/one-page.pdf")).await;
    })
    .await;
}

#[tokio::test]
async fn a_place_that_is_no_place_has_its_own_code() {
    on_sqlite(async |app| {
        let seal = app.active_seal(4).await;
        let at = |page: &str, x_mm: &str, y_mm: &str| At {
            page: page.into(),
            x_mm: x_mm.into(),
            y_mm: y_mm.into(),
            rest: String::new(),
        };
        for (place, wanted) in [
            (at("0", "100", "100"), "422 pdf/missing-page"),
            (at("2", "100", "100"), "422 pdf/missing-page"),
            (at("4294967295", "100", "100"), "422 pdf/missing-page"),
            (at("4294967296", "100", "100"), "400 request/malformed"),
            (at("-1", "100", "100"), "400 request/malformed"),
            (at("1", "5", "100"), "422 pdf/off-page"),
            (at("1", "100", "296"), "422 pdf/off-page"),
            (at("1", "-100", "100"), "422 pdf/off-page"),
            (at("1", "NaN", "100"), "422 request/invalid"),
            (at("1", "100", "nan"), "422 request/invalid"),
            (at("1", "inf", "100"), "422 request/invalid"),
            (at("1", "-inf", "100"), "422 request/invalid"),
            (at("1", "1e300", "100"), "422 request/invalid"),
            (at("1", "x", "100"), "400 request/malformed"),
            (at("1", "", "100"), "400 request/malformed"),
            (at("1", "100", "100").and("&page=1"), "400 request/malformed"),
            (at("1", "100", "100").and("&colour=red"), "400 request/malformed"),
            (at("1", "100", "100").and("&time_stamp=maybe"), "400 request/malformed"),
            (at("1", "100", "100").and("&purpose=a%07b"), "422 input/purpose"),
            (at("1", "100", "100").and("&purpose=a%00b"), "400 request/malformed"),
            (at("1", "100", "100").and("&purpose=a%ffb"), "400 request/malformed"),
            (at("1", "100", "100").and(&format!("&purpose={}", "x".repeat(201))), "422 input/purpose"),
        ] {
            let problem = told(app, &seal, &place, fixture("pdf/one-page.pdf")).await;
            assert_eq!(problem, wanted, "{place:?}");
        }
        assert_eq!(app.stamps("").await, Vec::<Value>::new());
        let operator = app.operator();
        let lacking = app.post("/api/v1/stamps?page=1", &operator, json!({})).await;
        assert_eq!(lacking.problem(), "400 request/malformed");
    })
    .await;
}

#[tokio::test]
async fn a_seal_that_is_not_there_stamps_nothing() {
    on_sqlite(async |app| {
        for seal in [app.seal_id_of_nobody().as_str(), "x", "", "%00", "officer_01m7xpe6001wts5g1nw5x7762d"] {
            assert_eq!(
                told(app, seal, &At::notice(), fixture("pdf/one-page.pdf")).await,
                if seal == "%00" { "400 request/malformed" } else { "404 seal/unknown" },
                "{seal}"
            );
        }
        let applied = app.apply(4).await;
        let problem = told(app, &applied, &At::notice(), fixture("pdf/one-page.pdf")).await;
        assert_eq!(problem, "409 seal/wrong-state");
    })
    .await;
}

#[tokio::test]
async fn reasons_and_names_are_held_to_their_bounds() {
    on_sqlite(async |app| {
        let seal = app.active_seal(4).await;
        let (path, approver) = (format!("/api/v1/seals/{seal}/suspend"), app.approver());
        for (body, wanted) in [
            (json!({ "reason": "" }), "422 input/reason"),
            (json!({ "reason": "  " }), "422 input/reason"),
            (json!({ "reason": "长".repeat(201) }), "422 input/reason"),
            (json!({ "reason": "a\u{0}b" }), "422 input/reason"),
            (json!({}), "400 request/malformed"),
            (json!({ "reason": 1 }), "400 request/malformed"),
            (json!([]), "400 request/malformed"),
        ] {
            assert_eq!(app.post(&path, &approver, body.clone()).await.problem(), wanted, "{body}");
        }
        assert_eq!(app.seal(&seal).await["state"], "active");
        // NUL can be written to neither database's text the same way, so it goes nowhere near them.
        let operator = app.operator();
        for path in ["/api/v1/seals?owner=%00", "/api/v1/seals?after=%00", "/api/v1/stamps?document_sm3=%00"]
        {
            let answer = app.get(path, &operator).await;
            assert!(answer.status < 500, "{path}: {}", answer.text());
        }
    })
    .await;
}

/// What PostgreSQL refuses in a text and SQLite takes must not become an internal error on one of them.
#[tokio::test]
async fn odd_searches_find_nothing_or_are_told_so_on_either_engine() {
    on_each_engine(async |app| {
        let (operator, auditor) = (app.operator(), app.person(Role::Auditor));
        for text in ["%00", "%F0%9F%92%A9", "'%20OR%201=1", "%25", &"x".repeat(4000)] {
            for path in [
                format!("/api/v1/seals?after=zzz&owner={text}"),
                format!("/api/v1/stamps?seal={text}"),
                format!("/api/v1/stamps?officer={text}"),
                format!("/api/v1/stamps?document_sm3={text}"),
            ] {
                let answer = app.get(&path, &operator).await;
                assert!([400, 422].contains(&answer.status), "{path}: {}", answer.text());
            }
            let records = app.get(&format!("/api/v1/audit/records?subject={text}"), &auditor).await;
            assert!(records.status == 400 || records.items().is_empty(), "{}", records.text());
            let list = app.get(&format!("/api/v1/owners?after=zzz{text}"), &operator).await;
            assert!(list.status == 400 || list.items().is_empty(), "{}", list.text());
        }
        for (query, status) in [
            ("from=0001-01-01T00:00:00Z", 200),
            ("to=9999-12-31T23:59:59Z", 200),
            ("limit=500", 200),
            ("limit=501", 422),
            ("limit=-5", 422),
            ("limit=9223372036854775807", 422),
            ("limit=9223372036854775808", 400),
        ] {
            assert_eq!(
                app.get(&format!("/api/v1/stamps?{query}"), &operator).await.status,
                status,
                "{query}"
            );
        }
        for (query, status) in [
            ("limit=0", 422),
            ("limit=4294967295", 422),
            ("before=-1", 422),
            ("before=9223372036854775807", 200),
        ] {
            let answer = app.get(&format!("/api/v1/audit/records?{query}"), &auditor).await;
            assert_eq!(answer.status, status, "{query}");
        }
    })
    .await;
}

#[tokio::test]
async fn the_time_stamp_authority_answers_whatever_comes() {
    on_sqlite(async |app| {
        for body in [&b""[..], b"hello", b"\x30\x80", &[0x30; 3000]] {
            let answer = app.time_stamp(body.to_vec()).await;
            assert_eq!(answer.headers["content-type"], "application/timestamp-reply");
            assert!(answer.body.starts_with(b"\x30"), "a response that says no");
        }
        assert_eq!(app.time_stamp(vec![0x30; 1 << 20]).await.problem(), "413 request/too-large");
    })
    .await;
}
