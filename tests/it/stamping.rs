//! Stamping PDFs over REST (R-SEAL-06), the register of use, and requests that are sent again (R-OPS-05).

use crate::support::{
    app::{At, DAY_MS, TestApp, fixture, on_each_engine, on_sqlite},
    databases::sqlite,
    front::Answer,
};
use axum::http::header;
use serde_json::{Value, json};
use yinxin::{
    base::Clock as _,
    document::pdf::{self, analysis},
    officer::Role,
};
use yinxin_pki::{
    report::{CheckId, Outcome, Verdict},
    sm3,
};

#[tokio::test]
async fn several_stamps_leave_the_earlier_ones_valid() {
    on_each_engine(async |app| {
        let (one, two) = (app.active_seal(4).await, app.active_seal(5).await);
        let mut file = fixture("pdf/many-pages.pdf");
        for (seal, at) in [
            (&one, At::page(1, 60.0, 200.0)),
            (&two, At::page(1, 120.0, 200.0).and("&time_stamp=true")),
            (&one, At::page(2, 60.0, 100.0)),
            (&two, At::page(1, 70.0, 210.0)),
        ] {
            let before = file.clone();
            app.clock.step_ms(61_000);
            file = app.stamped(seal, &at, file).await;
            assert!(file.starts_with(&before), "a stamp only appends");
        }
        let reports = app.judge(&file).await;
        assert_eq!(reports.len(), 4);
        for (at, report) in reports.iter().enumerate() {
            assert_eq!(report.checks.verdict(), Verdict::Passed, "{at}: {report:?}");
            let wanted = if at == 1 { Outcome::Passed } else { Outcome::Absent };
            assert_eq!(report.checks.outcome(CheckId::TimeStamp), wanted);
        }
        let report = app.verify(&file).await;
        assert_eq!(report["verdict"], "passed", "{report}");
        assert_eq!(report["signatures"].as_array().unwrap().len(), 4);
        assert_eq!(report["signatures"][1]["time"]["source"], "token");
        // One bit anywhere in what is shown, and nothing passes.
        let mut broken = file.clone();
        let at = broken.windows(7).position(|word| word == b"stream\n").unwrap() + 60;
        broken[at] ^= 1;
        assert_ne!(app.verify(&broken).await["verdict"], "passed");
    })
    .await;
}

/// The picture lies where the request says, whichever way the page is turned and cropped.
#[tokio::test]
async fn a_stamp_lies_where_it_was_put_on_turned_and_cropped_pages() {
    on_sqlite(async |app| {
        let seal = app.active_seal(4).await;
        for page in 1..=5 {
            let at = At::page(page, 70.0, 90.0);
            let file = app.stamped(&seal, &at, fixture("pdf/many-pages.pdf")).await;
            let limits = pdf::Limits::default();
            let analysis = analysis::signatures(&pdf::open(&file, &limits).unwrap(), &limits).unwrap();
            let widget = analysis.signatures[0].widget;
            let rect = widget.rect_mm.unwrap();
            let centre = [rect.left + rect.width / 2.0, rect.top + rect.height / 2.0];
            assert_eq!(widget.page, Some(page));
            for (found, wanted) in
                centre.into_iter().chain([rect.width, rect.height]).zip([70.0, 90.0, 42.0, 42.0])
            {
                assert!((found - wanted).abs() < 0.1, "page {page}: {rect:?}");
            }
            assert!(!widget.is_invisible);
            assert_eq!(app.verify(&file).await["verdict"], "passed");
        }
    })
    .await;
}

#[tokio::test]
async fn every_sort_of_structure_is_stamped_and_verified() {
    on_sqlite(async |app| {
        let seal = app.active_seal(4).await;
        for name in [
            "one-page",
            "many-pages",
            "linearized",
            "linearized-streams",
            "hybrid",
            "rsa-signed",
            "ecdsa-signed",
            "certified-p2",
        ] {
            let file =
                app.stamped(&seal, &At::page(1, 100.0, 100.0), fixture(&format!("pdf/{name}.pdf"))).await;
            let report = app.verify(&file).await;
            let last = report["signatures"].as_array().unwrap().last().unwrap();
            assert_eq!(
                (&last["verdict"], &last["kind"]),
                (&json!("passed"), &json!("ses-v4")),
                "{name}: {report}"
            );
        }
    })
    .await;
}

#[tokio::test]
async fn the_register_of_use_says_who_stamped_what_when_with_which_seal() {
    on_each_engine(async |app| {
        let (one, two) = (app.active_seal(4).await, app.active_seal(5).await);
        let second = app.hire("第二操作员", &[Role::SealOperator]).await;
        app.join(&second).await;
        let document = fixture("pdf/one-page.pdf");
        let purpose = At::notice().and("&purpose=%E5%AF%B9%E5%A4%96%E5%87%BD%E4%BB%B6");
        let answer = app.stamp(&app.operator(), &one, &purpose, document.clone()).await.good();
        let id = answer.headers["yinxin-stamp"].to_str().unwrap().to_owned();
        assert_eq!(answer.headers[header::LOCATION], format!("/api/v1/stamps/{id}"));
        app.clock.step_ms(DAY_MS);
        let later = app.clock.now().rfc3339();
        app.stamp(&second, &two, &At::notice(), document.clone()).await.good();
        let line = app.get(&format!("/api/v1/stamps/{id}"), &app.person(Role::Viewer)).await.good().json();
        for (name, value) in [
            ("seal", json!(one)),
            ("owner", json!(app.owner)),
            ("officer", json!(app.operator().id)),
            ("state", json!("done")),
            ("document_sm3", json!(hex::encode(sm3::digest(&document)))),
            ("document_bytes", json!(document.len())),
            ("page", json!(1)),
            ("x_mm", json!(150.0)),
            ("y_mm", json!(232.0)),
            ("purpose", json!("对外函件")),
            ("time_stamped", json!(false)),
            ("product_sm3", json!(hex::encode(sm3::digest(&answer.body)))),
            ("failure", Value::Null),
        ] {
            assert_eq!(line[name], value, "{name}");
        }
        let product = line["product_sm3"].as_str().unwrap();
        let source = line["document_sm3"].as_str().unwrap();
        for (query, found) in [
            (String::new(), 2),
            (format!("&seal={one}"), 1),
            (format!("&seal={one}&officer={}", second.id), 0),
            (format!("&officer={}", second.id), 1),
            (format!("&document_sm3={source}"), 2),
            (format!("&document_sm3={product}"), 1),
            (format!("&from={later}"), 1),
            (format!("&to={later}"), 1),
            (format!("&after={id}"), 1),
        ] {
            assert_eq!(app.stamps(&query).await.len(), found, "{query}");
        }
        let operator = app.operator();
        let odd = app.get("/api/v1/stamps?from=yesterday", &operator).await;
        assert_eq!(odd.problem(), "422 request/invalid");
        let unknown = app.get(&format!("/api/v1/stamps/{}", &id[..id.len() - 1]), &operator).await;
        assert_eq!(unknown.problem(), "404 stamp/unknown");
    })
    .await;
}

#[tokio::test]
async fn the_register_is_taken_away_as_lines_by_who_may_and_that_is_recorded() {
    on_each_engine(async |app| {
        let seal = app.active_seal(4).await;
        for _ in 0..3 {
            app.clock.step_ms(10);
            app.stamped(&seal, &At::notice(), fixture("pdf/one-page.pdf")).await;
        }
        let path = format!("/api/v1/stamps/export?seal={seal}");
        let refused = app.get(&path, &app.operator()).await;
        assert_eq!(refused.problem(), "403 auth/right-missing");
        let export = app.get(&path, &app.approver()).await.good();
        assert_eq!(export.headers[header::CONTENT_TYPE], "application/x-ndjson");
        let lines: Vec<Value> =
            export.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines, app.stamps(&format!("&seal={seal}")).await);
        let after = format!("{path}&after={}", lines[1]["id"].as_str().unwrap());
        assert_eq!(app.get(&after, &app.approver()).await.text().lines().count(), 1);
        let record = &app.audit("&action=seal.stamps_exported").await[1];
        assert_eq!((&record["actor"], &record["detail"]["lines"]), (&json!(app.approver().id), &json!(3)));
    })
    .await;
}

#[tokio::test]
async fn the_records_of_a_stamp_are_intended_and_then_done() {
    on_each_engine(async |app| {
        let seal = app.active_seal(4).await;
        app.stamped(&seal, &At::notice(), fixture("pdf/one-page.pdf")).await;
        let id = app.stamps("").await[0]["id"].as_str().unwrap().to_owned();
        let told: Vec<_> = app.audit(&format!("&subject={id}")).await;
        let actions: Vec<_> = told.iter().map(|record| record["action"].as_str().unwrap()).collect();
        assert_eq!(actions, ["seal.stamped", "seal.stamp_intended"]);
        assert!(told.iter().all(|record| record["detail"]["seal"] == json!(seal)));
    })
    .await;
}

/// Five years on the time-stamp authority's certificate is over: no token, so no stamp, and the register says why.
#[tokio::test]
async fn a_stamp_that_fails_on_the_way_is_recorded_as_failed_and_hands_nothing_out() {
    on_each_engine(async |app| {
        app.clock.step_ms(5 * 365 * DAY_MS - 2000);
        // The maker of the seals is certified later than the authority that stamps time.
        app.change_maker().await;
        let seal = app.active_seal(4).await;
        let at = At::notice().and("&time_stamp=true");
        app.stamped(&seal, &at, fixture("pdf/one-page.pdf")).await;
        app.clock.step_ms(3000);
        let failed = app.stamp(&app.operator(), &seal, &at, fixture("pdf/one-page.pdf")).await;
        assert_eq!(failed.problem(), "503 authority/no-time-stamp");
        assert!(failed.headers.contains_key("retry-after"));
        let line = app.stamps(&format!("&seal={seal}")).await.remove(1);
        assert_eq!((&line["state"], &line["failure"]), (&json!("failed"), &json!("authority/no-time-stamp")));
        assert_eq!(
            (&line["product_sm3"], &line["settled_at"]),
            (&Value::Null, &json!(app.clock.now().rfc3339()))
        );
        let record = &app.audit(&format!("&subject={}", line["id"].as_str().unwrap())).await[0];
        assert_eq!(record["action"], "seal.stamp_failed");
    })
    .await;
}

// Requests that are sent again.

fn same(first: &Answer, again: &Answer) {
    assert_eq!((first.status, again.status), (201, 201), "{} {}", first.text(), again.text());
    assert_eq!(first.body, again.body);
    for name in ["yinxin-stamp", "location", "content-type"] {
        assert_eq!(first.headers[name], again.headers[name], "{name}");
    }
}

/// Both ways: an answer short enough to be kept whole, and one that is put together again.
#[tokio::test]
async fn a_stamp_that_is_asked_for_again_is_the_same_file_and_made_once() {
    on_each_engine(async |app| {
        let seal = app.active_seal(4).await;
        for (name, once) in
            [("pdf/one-page.pdf", "stamp-long-file"), ("pdf/many-pages.pdf", "stamp-short-file")]
        {
            let at = At::page(1, 100.0, 100.0);
            let first = app.stamp_once(once, &seal, &at, fixture(name)).await;
            app.clock.step_ms(3000);
            same(&first, &app.stamp_once(once, &seal, &at, fixture(name)).await);
            app.restart().await;
            same(&first, &app.stamp_once(once, &seal, &at, fixture(name)).await);
            assert_eq!(app.verify(&first.body).await["verdict"], "passed");
            // Another place, another seal, another document: another request.
            let elsewhere = app.stamp_once(once, &seal, &At::page(1, 100.0, 101.0), fixture(name)).await;
            assert_eq!(elsewhere.problem(), "409 idempotency/reused");
            let other = app.stamp_once(once, &seal, &at, fixture("pdf/hybrid.pdf")).await;
            assert_eq!(other.problem(), "409 idempotency/reused");
        }
        assert_eq!(app.stamps("").await.len(), 2);
        // The seal is suspended: what was done is still answered, nothing new is stamped.
        app.done(&app.approver(), &seal, "suspend").await;
        let at = At::page(1, 100.0, 100.0);
        assert_eq!(
            app.stamp_once("stamp-long-file", &seal, &at, fixture("pdf/one-page.pdf")).await.status,
            201
        );
        // A day later the key is forgotten, and so is what was appended.
        app.clock.step_ms(DAY_MS + 1000);
        app.app().sweep().await.unwrap();
        let late = app.stamp_once("stamp-long-file", &seal, &at, fixture("pdf/one-page.pdf")).await;
        assert_eq!(late.problem(), "409 seal/wrong-state");
    })
    .await;
}

#[tokio::test]
async fn two_requests_with_one_key_at_once_are_one_stamp() {
    on_each_engine(async |app| {
        let seal = app.active_seal(4).await;
        let (at, document) = (At::notice(), fixture("pdf/one-page.pdf"));
        let (one, two) = tokio::join!(
            app.stamp_once("at-the-same-time", &seal, &at, document.clone()),
            app.stamp_once("at-the-same-time", &seal, &at, document.clone()),
        );
        match [one.status, two.status] {
            // The second came when the first was answered already, as may be on a busy machine.
            [201, 201] => assert_eq!(one.body, two.body),
            [201, 409] | [409, 201] => {
                let refused = if one.status == 409 { &one } else { &two };
                assert_eq!(refused.problem(), "409 idempotency/in-progress");
                assert!(refused.headers.contains_key("retry-after"));
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(app.stamps("").await.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_failed_request_leaves_its_key_free() {
    on_each_engine(async |app| {
        let seal = app.active_seal(4).await;
        let off =
            app.stamp_once("try-once-more", &seal, &At::page(1, 1.0, 1.0), fixture("pdf/one-page.pdf")).await;
        assert_eq!(off.problem(), "422 pdf/off-page");
        let good = app.stamp_once("try-once-more", &seal, &At::notice(), fixture("pdf/one-page.pdf")).await;
        assert_eq!(good.status, 201);
    })
    .await;
}

#[tokio::test]
async fn whatever_else_is_made_is_made_once() {
    on_each_engine(async |app| {
        let (operator, system) = (app.operator(), app.person(Role::SystemAdministrator));
        let seal = app.active_seal(4).await;
        let renewals = format!("/api/v1/seals/{seal}/renewals");
        let owner = json!({ "name": "某县档案局", "kind": "organisation", "credit_code": crate::support::app::credit_code(3) });
        let cases = [
            ("/api/v1/seals", &operator, app.application(5)),
            ("/api/v1/owners", &operator, owner),
            ("/api/v1/makers", &system, json!({ "name": "某制作中心", "vendor": "MAKER" })),
            (renewals.as_str(), &operator, json!({ "period_days": 30 })),
        ];
        for (path, person, body) in &cases {
            let first = app.create(path, person, "made-only-once", body).await;
            app.restart().await;
            let again = app.create(path, person, "made-only-once", body).await;
            assert_eq!((first.status, &first.body), (201, &again.body), "{path} {}", first.text());
            let mut other = body.clone();
            other["name"] = json!("另一名称");
            let reused = app.create(path, person, "made-only-once", &other).await;
            assert_eq!(reused.problem(), "409 idempotency/reused");
            // Keys belong to their caller and operation; the next case starts afresh.
            app.tamper("DELETE FROM idempotency").await;
        }
        assert_eq!(app.get("/api/v1/seals?limit=500", &operator).await.items().len(), 3);
        assert_eq!(app.get("/api/v1/owners", &operator).await.items().len(), 2);
        assert_eq!(app.get("/api/v1/makers", &operator).await.items().len(), 2);
    })
    .await;
}

// A crash in the middle.

#[tokio::test]
async fn a_stamp_that_a_crash_cut_short_is_closed_and_nothing_was_handed_out() {
    on_each_engine(async |app| {
        let seal = app.active_seal(4).await;
        app.stamped(&seal, &At::notice(), fixture("pdf/one-page.pdf")).await;
        app.tamper("UPDATE stamp SET state = 'intended', settled_at = NULL, product_sm3 = NULL").await;
        app.crash().await;
        if !app.is_alone() {
            assert_eq!(app.stamps("").await[0]["state"], "intended", "it may be under way on another node");
            app.clock.step_ms(121_000);
            app.crash().await;
        }
        let line = &app.stamps("").await[0];
        assert_eq!(line["state"], "abandoned");
        assert!(line["failure"].as_str().unwrap().contains("nothing was handed out"));
        assert_eq!(line["settled_at"], app.clock.now().rfc3339());
        let record = &app.audit("&action=seal.stamps_abandoned").await[0];
        assert_eq!((&record["actor"], &record["detail"]["count"]), (&json!("system"), &json!(1)));
    })
    .await;
}

/// The seal goes out of force between two stamps that come at once: what was acknowledged was in force.
#[tokio::test]
async fn a_stamp_and_a_suspension_at_once_leave_no_open_end() {
    on_each_engine(async |app| {
        let seal = app.active_seal(4).await;
        let (operator, approver, at) = (app.operator(), app.approver(), At::notice());
        let (stamp, suspend) = tokio::join!(
            app.stamp(&operator, &seal, &at, fixture("pdf/one-page.pdf")),
            app.act(&approver, &seal, "suspend"),
        );
        assert_eq!(suspend.status, 200);
        match stamp.status {
            201 => assert_eq!(app.stamps("").await[0]["state"], "done"),
            _ => {
                assert_eq!(stamp.problem(), "409 seal/wrong-state");
                assert_eq!(app.audit("&action=seal.stamp_refused").await.len(), 1);
            }
        }
    })
    .await;
}

// Bounds.

#[tokio::test]
async fn a_body_beyond_the_limit_is_refused_unread() {
    let database = sqlite();
    let app = TestApp::with(&database, |config| config.limits.document_bytes = 300_000).await;
    let seal = app.active_seal(4).await;
    app.stamped(&seal, &At::notice(), fixture("pdf/one-page.pdf")).await;
    let long = vec![b'%'; 300_001];
    let counted = app.stamp(&app.operator(), &seal, &At::notice(), long.clone()).await;
    assert_eq!(counted.problem(), "413 request/too-large");
    let mut declared = app.stamp_request(&app.operator(), &seal, &At::notice(), Vec::new());
    declared.headers_mut().insert(header::CONTENT_LENGTH, "300001".parse().unwrap());
    assert_eq!(app.send(declared).await.problem(), "413 request/too-large");
    assert_eq!(app.stamps("").await.len(), 1);
    app.finish().await;
}
