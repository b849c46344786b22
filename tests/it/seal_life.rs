//! The life of a seal (R-SEAL-02, R-SEAL-03), told over REST on both engines.

use crate::support::app::{At, DAY_MS, OFFICE, Person, TestApp, credit_code, fixture, on_each_engine};
use serde_json::{Value, json};
use yinxin::{
    officer::Role,
    seal::state::{Act, State},
};
use yinxin_pki::{
    report::{CheckId, Outcome, Verdict},
    x509::Cert,
};

/// The acts that REST offers, by their last word, and the act of the table that each is.
const ACTS: [(&str, Act); 10] = [
    ("approve", Act::Approve),
    ("reject", Act::Reject),
    ("make", Act::Make),
    ("stamp", Act::Stamp),
    ("suspend", Act::Suspend),
    ("resume", Act::Resume),
    ("report-loss", Act::ReportLoss),
    ("recover", Act::Recover),
    ("renewals", Act::Renew),
    ("cancel", Act::Cancel),
];

/// Who does what: the operator applies, makes, renews and stamps; the approver decides.
fn who(app: &TestApp<'_>, act: &str) -> Person {
    match act {
        "make" | "renewals" | "stamp" => app.operator(),
        _ => app.approver(),
    }
}

/// A seal in this state, brought there by acts. Two of them can't be reached so: `making` is what a crash leaves, and
/// `expired` is a matter of the clock.
async fn seal_in(app: &TestApp<'_>, state: State) -> String {
    let seal = app.apply(4).await;
    let steps: &[&str] = match state {
        State::Applied => &[],
        State::Rejected => &["reject"],
        State::Approved | State::Making => &["approve"],
        State::Active | State::Expired => &["approve", "make"],
        State::Suspended => &["approve", "make", "suspend"],
        State::Lost => &["approve", "make", "report-loss"],
        State::Superseded => &["approve", "make", "renewals"],
        State::Cancelled => &["approve", "make", "cancel"],
    };
    let mut last = Value::Null;
    for act in steps {
        last = app.done(&who(app, act), &seal, act).await;
    }
    if state == State::Superseded {
        app.bring_into_force(last["id"].as_str().unwrap()).await;
    }
    seal
}

async fn attempt(app: &TestApp<'_>, seal: &str, act: &str) -> (u16, String) {
    let person = who(app, act);
    let answer = match act {
        "stamp" => app.stamp(&person, seal, &At::page(1, 100.0, 100.0), fixture("pdf/many-pages.pdf")).await,
        _ => app.act(&person, seal, act).await,
    };
    let told = if answer.status < 300 { String::new() } else { answer.problem() };
    (answer.status, told)
}

#[tokio::test]
async fn every_state_answers_every_act_as_the_table_says() {
    on_each_engine(async |app| {
        let reachable =
            State::ALL.into_iter().filter(|state| !matches!(state, State::Making | State::Expired));
        for state in reachable {
            every_act_in(app, state).await;
        }
    })
    .await;
}

/// Refused acts first, all on one seal, which they leave as it is; then each allowed one on a seal of its own.
async fn every_act_in(app: &TestApp<'_>, state: State) {
    let mut spare = Some(seal_in(app, state).await);
    let (allowed, refused): (Vec<_>, Vec<_>) =
        ACTS.into_iter().partition(|(_, act)| state.after(*act).is_ok());
    let seal = spare.clone().unwrap();
    for (word, _) in refused {
        let (_, told) = attempt(app, &seal, word).await;
        assert_eq!(told, "409 seal/wrong-state", "{word} in {state}");
        assert_eq!(app.seal(&seal).await["state"], state.name(), "after {word} was refused");
    }
    for (word, act) in allowed {
        let seal = match spare.take() {
            Some(seal) => seal,
            None => seal_in(app, state).await,
        };
        let (status, told) = attempt(app, &seal, word).await;
        assert!(status < 300, "{word} in {state}: {told}");
        let after = state.after(act).unwrap();
        let after = if act == Act::Make { State::Active } else { after };
        assert_eq!(app.seal(&seal).await["state"], after.name(), "after {word} in {state}");
    }
}

#[tokio::test]
async fn nobody_decides_on_their_own_application() {
    on_each_engine(async |app| {
        let both = app.hire("两职", &[Role::SealOperator, Role::SealApprover]).await;
        app.join(&both).await;
        let own = app.post("/api/v1/seals", &both, app.application(4)).await.id();
        for act in ["approve", "reject"] {
            let answer = app.act(&both, &own, act).await;
            assert_eq!(answer.problem(), "409 seal/same-person", "{act}");
        }
        assert_eq!(app.seal(&own).await["state"], "applied");
        // The same person may approve what another applied for, and another may approve theirs.
        let others = app.apply(4).await;
        app.done(&both, &others, "approve").await;
        let approved = app.done(&app.approver(), &own, "approve").await;
        assert_eq!(approved["approved_by"], app.approver().id);
        app.done(&both, &own, "make").await;
        assert_eq!(app.act(&both, &own, "cancel").await.problem(), "409 seal/same-person");
        app.done(&app.approver(), &own, "cancel").await;
        // An applicant may withdraw an application that nobody has decided on.
        let withdrawn = app.post("/api/v1/seals", &both, app.application(4)).await.id();
        assert_eq!(app.done(&both, &withdrawn, "cancel").await["state"], "cancelled");
        // So may one who can do no more than apply, and only that.
        let withdrawn = app.apply(4).await;
        assert_eq!(app.done(&app.operator(), &withdrawn, "cancel").await["state"], "cancelled");
        let approved = app.apply(4).await;
        app.done(&app.approver(), &approved, "approve").await;
        for seal in [&others, &approved, &own] {
            assert_eq!(app.act(&app.operator(), seal, "cancel").await.problem(), "403 auth/right-missing");
        }
    })
    .await;
}

#[tokio::test]
async fn only_members_of_the_owner_use_its_seals() {
    on_each_engine(async |app| {
        let stranger = app.hire("外单位", &[Role::SealOperator]).await;
        app.register_owner(&stranger, "某县档案局", &credit_code(7)).await;
        let apply = app.post("/api/v1/seals", &stranger, app.application(4)).await;
        assert_eq!(apply.problem(), "403 seal/not-your-owner");
        let seal = app.apply(4).await;
        app.done(&app.approver(), &seal, "approve").await;
        assert_eq!(app.act(&stranger, &seal, "make").await.problem(), "403 seal/not-your-owner");
        app.done(&app.operator(), &seal, "make").await;
        let stamp = app.stamp(&stranger, &seal, &At::notice(), fixture("pdf/one-page.pdf")).await;
        assert_eq!(stamp.problem(), "403 seal/not-your-owner");
        assert_eq!(app.audit("&action=seal.stamp_refused").await[0]["actor"], stranger.id);
        assert_eq!(app.act(&stranger, &seal, "renewals").await.problem(), "403 seal/not-your-owner");
        assert_eq!(app.act(&stranger, &seal, "report-loss").await.problem(), "403 seal/not-your-owner");
        let join = format!("/api/v1/owners/{}/members/{}", app.owner, stranger.id);
        assert_eq!(app.put(&join, &stranger).await.problem(), "403 seal/not-your-owner");
        // A member is added, and removed.
        app.join(&stranger).await;
        app.stamp(&stranger, &seal, &At::notice(), fixture("pdf/one-page.pdf")).await.good();
        assert_eq!(app.delete(&join, &app.operator()).await.status, 204);
        let stamp = app.stamp(&stranger, &seal, &At::notice(), fixture("pdf/one-page.pdf")).await;
        assert_eq!(stamp.problem(), "403 seal/not-your-owner");
    })
    .await;
}

#[tokio::test]
async fn what_is_registered_twice_or_wrongly_is_told_so() {
    on_each_engine(async |app| {
        let operator = app.operator();
        let owner =
            |code: &str, kind: &str| json!({ "name": "某市档案局", "credit_code": code, "kind": kind });
        for (body, told) in [
            (owner(OFFICE.1, "organisation"), "409 owner/exists"),
            (owner("11440100MB2C000138", "organisation"), "422 number/credit-code"),
            (owner("", "organisation"), "422 number/credit-code"),
            (owner(&credit_code(9), "person"), "422 request/invalid"),
            (json!({ "name": " ", "credit_code": credit_code(9), "kind": "organisation" }), "422 input/name"),
        ] {
            assert_eq!(app.post("/api/v1/owners", &operator, body).await.problem(), told);
        }
        let system = app.person(Role::SystemAdministrator);
        let maker = json!({ "name": "某制作中心", "vendor": "印信" });
        assert_eq!(app.post("/api/v1/makers", &system, maker).await.problem(), "422 input/vendor");
        let unknown = app.seal_id_of_nobody();
        let nobody = unknown.replace("seal_", "officer_");
        let member = format!("/api/v1/owners/{}/members/{nobody}", app.owner);
        assert_eq!(app.put(&member, &operator).await.problem(), "404 officer/unknown");
        let absent = unknown.replace("seal_", "owner_");
        assert_eq!(
            app.get(&format!("/api/v1/owners/{absent}"), &operator).await.problem(),
            "404 owner/unknown"
        );
        assert_eq!(app.act(&app.approver(), &unknown, "approve").await.problem(), "404 seal/unknown");
        assert_eq!(app.act(&app.approver(), "x", "approve").await.problem(), "404 seal/unknown");
    })
    .await;
}

#[tokio::test]
async fn an_application_that_cannot_be_made_is_refused_at_once() {
    on_each_engine(async |app| {
        let operator = app.operator();
        let with = |name: &str, value: Value| {
            let mut body = app.application(4);
            body[name] = value;
            body
        };
        let picture = |png: &str| json!({ "by": "picture", "png": png, "width_mm": 40, "height_mm": 40 });
        let preset = |preset: &str, name: &str| json!({ "by": "preset", "preset": preset, "name": name });
        let unknown = app.seal_id_of_nobody();
        for (body, told) in [
            (with("name", json!("")), "422 input/name"),
            (with("period_days", json!(0)), "422 input/period"),
            (with("period_days", json!(3651)), "422 input/period"),
            (with("kind", json!(0)), "422 input/seal-kind"),
            (with("kind", json!(300)), "400 request/malformed"),
            (with("version", json!(3)), "422 request/invalid"),
            (with("owner", json!(unknown.replace("seal_", "owner_"))), "404 owner/unknown"),
            (with("maker", json!(unknown.replace("seal_", "maker_"))), "404 maker/unknown"),
            (with("maker", json!("x")), "404 maker/unknown"),
            (with("look", preset("palace", "某市")), "422 input/preset"),
            (with("look", preset("department", "某\u{10FFFD}市")), "422 picture/missing-glyph"),
            (with("look", preset("department", &"长".repeat(60))), "422 picture/text-too-long"),
            (with("look", picture("%")), "422 input/base64"),
            (with("look", picture("aGVsbG8=")), "422 picture/not-png"),
            (with("look", json!({ "by": "magic" })), "400 request/malformed"),
            (with("extra", json!(1)), "400 request/malformed"),
        ] {
            assert_eq!(app.post("/api/v1/seals", &operator, body.clone()).await.problem(), told, "{body}");
        }
        assert_eq!(app.get("/api/v1/seals", &operator).await.items(), Vec::<Value>::new());
        assert_eq!(app.audit("&action=seal.applied").await, Vec::<Value>::new());
    })
    .await;
}

/// R-SEAL-03: from that second on it stamps no more; what it stamped before stays.
#[tokio::test]
async fn a_seal_that_is_not_in_force_stamps_nothing_and_the_attempt_is_recorded() {
    on_each_engine(async |app| {
        let acts = ["suspend", "report-loss", "cancel"];
        for act in acts {
            let seal = app.active_seal(4).await;
            app.done(&app.approver(), &seal, act).await;
            refused(app, &seal, "409 seal/wrong-state").await;
        }
        let seal = app.active_seal(4).await;
        let file = app.stamped(&seal, &At::notice(), fixture("pdf/one-page.pdf")).await;
        app.clock.step_ms(365 * DAY_MS);
        app.stamped(&seal, &At::notice(), fixture("pdf/one-page.pdf")).await;
        app.clock.step_ms(1000);
        refused(app, &seal, "409 seal/expired").await;
        assert_eq!(app.seal(&seal).await["state"], "expired");
        assert_eq!(app.act(&app.approver(), &seal, "suspend").await.problem(), "409 seal/wrong-state");
        assert_eq!(app.judge(&file).await.len(), 1);
        let passed = app.judge(&file).await.remove(0);
        assert_eq!(passed.checks.verdict(), Verdict::Passed, "{passed:?}");
    })
    .await;
}

async fn refused(app: &TestApp<'_>, seal: &str, told: &str) {
    let answer = app.stamp(&app.operator(), seal, &At::notice(), fixture("pdf/one-page.pdf")).await;
    assert_eq!(answer.problem(), told);
    let recorded = &app.audit(&format!("&subject={seal}")).await[0];
    assert_eq!(
        (&recorded["action"], &recorded["actor"]),
        (&json!("seal.stamp_refused"), &json!(app.operator().id))
    );
    assert_eq!(recorded["detail"]["code"], told[4..]);
    assert_eq!(recorded["request"].as_str(), answer.headers["x-request-id"].to_str().ok());
}

#[tokio::test]
async fn a_renewed_seal_keeps_its_code_and_the_old_ones_stamps() {
    on_each_engine(async |app| {
        let old = app.active_seal(4).await;
        let file = app.stamped(&old, &At::notice(), fixture("pdf/one-page.pdf")).await;
        let renewal = app.done(&app.operator(), &old, "renewals").await;
        let id = renewal["id"].as_str().unwrap();
        assert_eq!((&renewal["state"], &renewal["renews"]), (&json!("applied"), &json!(old)));
        assert_eq!(app.act(&app.operator(), &old, "renewals").await.problem(), "409 seal/renewal-open");
        // Until the new one is made, the old one stamps.
        app.stamped(&old, &At::notice(), fixture("pdf/one-page.pdf")).await;
        app.clock.step_ms(5000);
        let made = app.bring_into_force(id).await;
        let before = app.seal(&old).await;
        assert_eq!((&made["code"], &made["state"]), (&before["code"], &json!("active")));
        assert_eq!(before["state"], "superseded");
        assert_ne!(made["esl_sm3"], before["esl_sm3"]);
        refused(app, &old, "409 seal/wrong-state").await;
        assert_eq!(app.act(&app.operator(), &old, "renewals").await.problem(), "409 seal/wrong-state");
        let file = app.stamped(id, &At::page(1, 60.0, 232.0), file).await;
        for report in app.judge(&file).await {
            assert_eq!(report.checks.verdict(), Verdict::Passed, "{report:?}");
        }
        // An expired seal can be renewed too.
        app.clock.step_ms(401 * DAY_MS);
        let next = app.done(&app.operator(), id, "renewals").await;
        app.bring_into_force(next["id"].as_str().unwrap()).await;
        assert_eq!(app.seal(id).await["state"], "superseded");
    })
    .await;
}

#[tokio::test]
async fn a_rejected_or_withdrawn_renewal_makes_room_for_another() {
    on_each_engine(async |app| {
        let old = app.active_seal(4).await;
        for (person, act) in [(app.approver(), "reject"), (app.approver(), "cancel")] {
            let renewal = app.done(&app.operator(), &old, "renewals").await;
            app.done(&person, renewal["id"].as_str().unwrap(), act).await;
        }
        app.done(&app.operator(), &old, "renewals").await;
        assert_eq!(app.seal(&old).await["state"], "active");
    })
    .await;
}

/// The old seal was suspended while its renewal was under way: the renewal waits, and nothing hangs half made.
#[tokio::test]
async fn a_renewal_waits_while_the_old_seal_cannot_be_superseded() {
    on_each_engine(async |app| {
        let old = app.active_seal(4).await;
        let renewal = app.done(&app.operator(), &old, "renewals").await;
        let id = renewal["id"].as_str().unwrap();
        app.done(&app.approver(), id, "approve").await;
        app.done(&app.approver(), &old, "suspend").await;
        assert_eq!(app.act(&app.operator(), id, "make").await.problem(), "409 seal/wrong-state");
        assert_eq!(app.seal(id).await["state"], "approved");
        app.done(&app.approver(), &old, "resume").await;
        assert_eq!(app.done(&app.operator(), id, "make").await["state"], "active");
    })
    .await;
}

#[tokio::test]
async fn the_seal_data_of_both_versions_passes_a_strict_judge_and_shows_its_picture() {
    on_each_engine(async |app| {
        for version in [4_u8, 5] {
            let seal = app.active_seal(version).await;
            let read =
                async |what: &str| app.get(&format!("/api/v1/seals/{seal}/{what}"), &app.operator()).await;
            let esl = read("seal.esl").await.good();
            let report = app.judge_seal(&esl.body).await;
            assert_eq!(report.checks.verdict(), Verdict::Passed, "{report:?}");
            let stamped = if version == 5 { Outcome::Passed } else { Outcome::Absent };
            assert_eq!(report.checks.outcome(CheckId::Seal), Outcome::Passed);
            assert_eq!(report.checks.outcome(CheckId::TimeStamp), stamped);
            assert_eq!(hex::encode(yinxin_pki::sm3::digest(&esl.body)), app.seal(&seal).await["esl_sm3"]);
            assert!(read("picture.png").await.good().body.starts_with(b"\x89PNG"));
            assert!(read("picture.svg").await.good().text().contains("42mm"));
            let mut broken = esl.body.to_vec();
            let last = broken.len() - 1;
            broken[last] ^= 1;
            assert_ne!(app.judge_seal(&broken).await.checks.verdict(), Verdict::Passed);
        }
        let applied = app.apply(4).await;
        let answer = app.get(&format!("/api/v1/seals/{applied}/seal.esl"), &app.operator()).await;
        assert_eq!(answer.problem(), "409 seal/wrong-state");
    })
    .await;
}

#[tokio::test]
async fn a_revoked_or_expired_certificate_stamps_nothing_from_that_second_on() {
    on_each_engine(async |app| {
        let system = app.person(Role::SystemAdministrator);
        let seal = app.active_seal(4).await;
        let file = app.stamped(&seal, &At::notice(), fixture("pdf/one-page.pdf")).await;
        let serial = serial_of(app, &seal).await;
        let path = format!("/api/v1/certificates/{serial}/revocation");
        assert_eq!(app.post(&path, &app.operator(), json!({ "reason": "unspecified" })).await.status, 403);
        let bad = app.post(&path, &system, json!({ "reason": "boredom" })).await;
        assert_eq!(bad.problem(), "422 request/invalid");
        app.clock.step_ms(1000);
        assert_eq!(app.post(&path, &system, json!({ "reason": "key-compromise" })).await.status, 204);
        refused(app, &seal, "409 seal/certificate-revoked").await;
        let again = app.post(&path, &system, json!({ "reason": "key-compromise" })).await;
        assert_eq!(again.problem(), "409 authority/wrong-state");
        let unknown =
            app.post("/api/v1/certificates/00ff/revocation", &system, json!({ "reason": "unspecified" }));
        assert_eq!(unknown.await.problem(), "404 authority/unknown");
        assert_eq!(app.judge(&file).await[0].checks.verdict(), Verdict::Passed, "stamped before");
        // Ten years of a seal outlast the three of its certificate.
        let mut long = app.application(4);
        long["period_days"] = json!(3650);
        let seal = app.post("/api/v1/seals", &app.operator(), long).await.id();
        app.bring_into_force(&seal).await;
        app.clock.step_ms(3 * 365 * DAY_MS + 1000);
        refused(app, &seal, "409 seal/certificate-expired").await;
    })
    .await;
}

#[tokio::test]
async fn a_maker_whose_certificate_is_over_or_revoked_makes_no_seals_and_theirs_stamp_nothing() {
    on_each_engine(async |app| {
        let (operator, system) = (app.operator(), app.person(Role::SystemAdministrator));
        let made = app.active_seal(4).await;
        let approved = app.apply(4).await;
        app.done(&app.approver(), &approved, "approve").await;
        let maker = app.maker.clone();
        app.change_maker().await;
        let other = app.active_seal(4).await;
        let issued = app.audit("&action=maker.registered").await;
        let serial = issued.iter().find(|record| record["subject"] == maker.as_str()).unwrap();
        let serial = serial["detail"]["certificate"].as_str().unwrap();
        let path = format!("/api/v1/certificates/{serial}/revocation");
        assert_eq!(app.post(&path, &system, json!({ "reason": "key-compromise" })).await.status, 204);
        refused(app, &made, "409 maker/certificate-revoked").await;
        assert_eq!(app.act(&operator, &approved, "make").await.problem(), "409 maker/certificate-revoked");
        assert_eq!(app.seal(&approved).await["state"], "approved");
        app.stamped(&other, &At::notice(), fixture("pdf/one-page.pdf")).await;
        // Five years on the other maker's certificate is over as well.
        app.clock.step_ms(5 * 365 * DAY_MS - 2000);
        let last = app.active_seal(4).await;
        let late = app.apply(4).await;
        app.done(&app.approver(), &late, "approve").await;
        app.clock.step_ms(3000);
        refused(app, &last, "409 maker/certificate-expired").await;
        assert_eq!(app.act(&operator, &late, "make").await.problem(), "409 maker/certificate-expired");
    })
    .await;
}

async fn serial_of(app: &TestApp<'_>, seal: &str) -> String {
    let issued = app.audit("&action=authority.certificate_issued").await;
    let reference = format!("seal/{seal}/owner");
    let found = issued.iter().find(|record| record["detail"]["reference"] == reference.as_str()).unwrap();
    found["detail"]["serial"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn every_act_leaves_its_record_in_order() {
    on_each_engine(async |app| {
        let (operator, approver) = (app.operator(), app.approver());
        let seal = app.active_seal(4).await;
        for (person, act) in [
            (&approver, "suspend"),
            (&approver, "resume"),
            (&operator, "report-loss"),
            (&approver, "recover"),
        ] {
            app.done(person, &seal, act).await;
        }
        let renewal = app.done(&operator, &seal, "renewals").await;
        app.bring_into_force(renewal["id"].as_str().unwrap()).await;
        let records = app.audit(&format!("&subject={seal}")).await;
        let told: Vec<_> = records.iter().rev().map(|record| record["action"].as_str().unwrap()).collect();
        let expected = [
            "seal.applied",
            "seal.approved",
            "seal.making_intended",
            "seal.issued",
            "seal.suspended",
            "seal.resumed",
            "seal.loss_reported",
            "seal.recovered",
            "seal.renewal_applied",
            "seal.superseded",
        ];
        assert_eq!(told, expected);
        assert!(
            records
                .iter()
                .all(|record| record["request"].as_str().is_some_and(|request| !request.is_empty()))
        );
        let events = app.get(&format!("/api/v1/seals/{seal}/events"), &operator).await.items();
        let acts: Vec<_> = events.iter().map(|event| event["act"].as_str().unwrap()).collect();
        let expected = [
            "apply",
            "approve",
            "make",
            "issue",
            "suspend",
            "resume",
            "report-loss",
            "recover",
            "renew",
            "supersede",
        ];
        assert_eq!(acts, expected);
        assert_eq!((&events[4]["by"], &events[4]["reason"]), (&json!(approver.id), &json!("盘点")));
        // Chained by the sequencer, and found whole.
        app.app().chain_records().await.unwrap();
        assert!(app.audit("").await.iter().all(|record| record["link"]["seq"].is_i64()));
    })
    .await;
}

#[tokio::test]
async fn two_approvers_at_once_are_one_approval() {
    on_each_engine(async |app| {
        let other = app.hire("另一审批员", &[Role::SealApprover]).await;
        let seal = app.apply(4).await;
        let first = app.approver();
        let (one, two) = tokio::join!(app.act(&first, &seal, "approve"), app.act(&other, &seal, "approve"));
        let mut told = [one.status, two.status];
        told.sort_unstable();
        assert_eq!(told, [200, 409]);
        let operator = app.operator();
        let (one, two) = tokio::join!(app.act(&operator, &seal, "make"), app.act(&operator, &seal, "make"));
        let mut told = [one.status, two.status];
        told.sort_unstable();
        assert_eq!(told, [200, 409], "{} {}", one.text(), two.text());
        assert_eq!(app.audit("&action=seal.issued").await.len(), 1);
        assert_eq!(app.seal(&seal).await["state"], "active");
    })
    .await;
}

#[tokio::test]
async fn a_seal_whose_making_a_crash_cut_short_can_be_made_again() {
    on_each_engine(async |app| {
        let seal = app.apply(5).await;
        app.done(&app.approver(), &seal, "approve").await;
        let now = yinxin::base::Clock::now(&*app.clock).ms();
        app.tamper(&format!("UPDATE seal SET state = 'making', changed_at = {now} WHERE id = '{seal}'"))
            .await;
        for act in ["make", "approve", "cancel", "renewals"] {
            assert_eq!(app.act(&who(app, act), &seal, act).await.problem(), "409 seal/wrong-state", "{act}");
        }
        let stamp = app.stamp(&app.operator(), &seal, &At::notice(), fixture("pdf/one-page.pdf")).await;
        assert_eq!(stamp.problem(), "409 seal/wrong-state");
        app.crash().await;
        if !app.is_alone() {
            assert_eq!(app.seal(&seal).await["state"], "making", "it may be under way on another node");
            app.clock.step_ms(121_000);
            app.app().sweep().await.unwrap();
        }
        assert_eq!(app.seal(&seal).await["state"], "approved");
        let record = &app.audit("&action=seal.making_abandoned").await[0];
        assert_eq!((&record["actor"], &record["subject"]), (&json!("system"), &json!(seal)));
        assert_eq!(app.done(&app.operator(), &seal, "make").await["state"], "active");
        app.stamped(&seal, &At::notice(), fixture("pdf/one-page.pdf")).await;
    })
    .await;
}

#[tokio::test]
async fn the_lists_go_on_where_a_page_ended() {
    on_each_engine(async |app| {
        let (operator, mut made) = (app.operator(), Vec::new());
        for _ in 0..5 {
            app.clock.step_ms(1);
            made.push(app.apply(4).await);
        }
        let (mut after, mut seen) = (String::new(), Vec::new());
        loop {
            let path = format!("/api/v1/seals?limit=2&after={after}&owner={}&state=applied", app.owner);
            let page = app.get(&path, &operator).await.items();
            let Some(last) = page.last() else { break };
            after = last["id"].as_str().unwrap().to_owned();
            seen.extend(page.iter().map(|seal| seal["id"].as_str().unwrap().to_owned()));
        }
        assert_eq!(seen, made);
        assert_eq!(app.get("/api/v1/seals?state=odd", &operator).await.problem(), "422 request/invalid");
        assert_eq!(app.get("/api/v1/seals?limit=x", &operator).await.problem(), "400 request/malformed");
        assert_eq!(app.get("/api/v1/makers", &operator).await.items().len(), 1);
        assert_eq!(app.get("/api/v1/owners", &operator).await.items().len(), 1);
        let owner = app.get(&format!("/api/v1/owners/{}", app.owner), &operator).await.json();
        assert_eq!(owner["members"], json!([operator.id]));
    })
    .await;
}

#[tokio::test]
async fn a_seals_certificate_names_its_owner() {
    on_each_engine(async |app| {
        let seal = app.active_seal(4).await;
        let file = app.stamped(&seal, &At::notice(), fixture("pdf/one-page.pdf")).await;
        let report = app.judge(&file).await.remove(0);
        let [_, issuing]: [Cert; 2] = app.certs().await;
        let signer = report.signer.unwrap();
        assert!(signer.subject.contains(OFFICE.0) && signer.subject.contains(OFFICE.1), "{}", signer.subject);
        assert_eq!(signer.issuer, issuing.subject().to_string());
        assert_eq!(signer.serial, serial_of(app, &seal).await);
    })
    .await;
}

#[tokio::test]
async fn what_can_be_there_once_is_made_once_however_many_ask() {
    on_each_engine(async |app| {
        let operator = app.operator();
        let seal = app.active_seal(4).await;
        let (one, two) =
            tokio::join!(app.act(&operator, &seal, "renewals"), app.act(&operator, &seal, "renewals"));
        let refused = if one.status == 201 { two } else { one };
        assert_eq!(refused.problem(), "409 seal/renewal-open");
        let owner = json!({ "name": "某县档案局", "credit_code": credit_code(5), "kind": "legal-person" });
        let (one, two) = tokio::join!(
            app.post("/api/v1/owners", &operator, owner.clone()),
            app.post("/api/v1/owners", &operator, owner.clone()),
        );
        let refused = if one.status == 201 { two } else { one };
        assert_eq!(refused.problem(), "409 owner/exists");
        // Codes of one region are given out without a gap and never twice.
        let (body, path) = (app.application(4), "/api/v1/seals");
        let (one, two, three) = tokio::join!(
            app.post(path, &operator, body.clone()),
            app.post(path, &operator, body.clone()),
            app.post(path, &operator, body.clone()),
        );
        let mut codes: Vec<_> = [one, two, three].iter().map(|made| made.json()["code"].clone()).collect();
        codes.sort_by_key(ToString::to_string);
        assert_eq!(codes, ["44010000000002", "44010000000003", "44010000000004"]);
    })
    .await;
}
