//! API keys: changed for others by their holders, ended at once, and seen to before they end.

use super::while_stamping;
use crate::support::{
    app::{DAY_MS, Person, START, TestApp, on_each_engine},
    databases::for_each_database,
    front::Answer,
    process::Place,
};
use serde_json::{Value, json};
use std::{fs, sync::Arc};
use yinxin::{
    app::{AppError, Sources, rescue},
    base::{Clock as _, clock::SteppedClock, entropy::SeededEntropy},
    config::Config,
    officer::{ApiKeyId, ClearKey, OfficerError, Role},
};

const HOUR_MS: i64 = 3_600_000;

fn id_of(person: &Person) -> String {
    ClearKey::parse(&person.key).unwrap().id().to_string()
}

async fn rotate(app: &TestApp<'_>, person: &Person, body: Value) -> Answer {
    app.post(&format!("/api/v1/me/keys/{}/rotation", id_of(person)), person, body).await
}

fn with_key(person: &Person, answer: &Answer) -> Person {
    Person { key: answer.json()["secret"].as_str().unwrap().to_owned(), ..person.clone() }
}

async fn status(app: &TestApp<'_>, person: &Person) -> u16 {
    app.get("/api/v1/me", person).await.status
}

#[tokio::test]
async fn whoever_holds_a_key_changes_it_for_one_that_nobody_else_has_seen() {
    on_each_engine(async |app| {
        for role in Role::ALL {
            let old = app.person(*role);
            let answer = rotate(app, &old, json!({ "overlap_hours": 2 })).await;
            assert_eq!(answer.status, 201, "{role}: {}", answer.text());
            let new = with_key(&old, &answer);
            assert_eq!((status(app, &old).await, status(app, &new).await), (200, 200), "{role}");
            let listed = app.get("/api/v1/me/keys", &new).await.items();
            assert_eq!(listed.len(), 2);
            let before = listed.iter().find(|key| key["id"] == id_of(&old)).unwrap();
            assert_eq!(before["replaced_by"], id_of(&new));
            assert_eq!(before["expires_at"], app.clock.now().plus_ms(2 * HOUR_MS).rfc3339());
            app.people.insert(*role, new.clone());

            app.clock.step_ms(2 * HOUR_MS);
            assert_eq!((status(app, &old).await, status(app, &new).await), (401, 200), "{role}");
        }
        let records = app.audit("&action=api_key.rotated").await;
        assert_eq!(records.len(), Role::ALL.len());
        assert!(records.iter().all(|record| record["actor"] != "system"));
    })
    .await;
}

#[tokio::test]
async fn an_operator_changes_the_key_while_stamping_goes_on() {
    on_each_engine(async |app| {
        let seal = app.active_seal(4).await;
        let old = app.operator();
        let (answer, _) = while_stamping(app, &seal, rotate(app, &old, json!({}))).await;
        let new = with_key(&old, &answer);
        app.people.insert(Role::SealOperator, new);
        app.clock.step_ms(DAY_MS);
        assert_eq!(status(app, &old).await, 401, "24 hours where nothing is said");
        while_stamping(app, &seal, async {}).await;
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_changed_is_refused() {
    on_each_engine(async |app| {
        let operator = app.operator();
        for (body, code) in [
            (json!({ "overlap_hours": -1 }), "officer/bad-overlap"),
            (json!({ "overlap_hours": 169 }), "officer/bad-overlap"),
            (json!({ "overlap_hours": i64::MAX }), "officer/bad-overlap"),
            (json!({ "label": "" }), "officer/bad-name"),
        ] {
            let answer = rotate(app, &operator, body).await;
            assert_eq!((answer.status, &answer.json()["code"]), (422, &json!(code)));
        }
        // Another's key is not one's own.
        let others = format!("/api/v1/me/keys/{}/rotation", id_of(&app.approver()));
        assert_eq!(app.post(&others, &operator, json!({})).await.json()["code"], "officer/unknown-key");
        let path = format!("/api/v1/officers/{}/keys/{}/rotation", app.approver().id, id_of(&app.approver()));
        assert_eq!(app.post(&path, &operator, json!({})).await.status, 403);

        // Once changed, it is not changed again; unless the new one was lost, and is revoked.
        let first = rotate(app, &operator, json!({})).await.good();
        let again = rotate(app, &operator, json!({})).await;
        assert_eq!((again.status, &again.json()["code"]), (409, &json!("officer/key-replaced")));
        let lost = first.json()["id"].as_str().unwrap().to_owned();
        app.post(&format!("/api/v1/me/keys/{lost}/revoke"), &operator, Value::Null).await.good();
        assert_eq!(status(app, &with_key(&operator, &first)).await, 401, "at once");
        let second = with_key(&operator, &rotate(app, &operator, json!({ "overlap_hours": 0 })).await.good());
        assert_eq!(
            (status(app, &operator).await, status(app, &second).await),
            (401, 200),
            "0 hours: at once"
        );
        assert_eq!(rotate(app, &operator, json!({})).await.status, 401);
        app.people.insert(Role::SealOperator, second);
    })
    .await;
}

/// The security administrator sets an end, and nobody moves it by changing the key.
#[tokio::test]
async fn a_key_that_somebody_bounded_stays_bounded() {
    on_each_engine(async |app| {
        let security = app.person(Role::SecurityAdministrator);
        let path = format!("/api/v1/officers/{}/keys", app.operator().id);
        let end = app.clock.now().plus_ms(DAY_MS);
        let made = app.post(&path, &security, json!({ "label": "一日", "expires_at": end.rfc3339() })).await;
        assert_eq!(made.json()["renewable"], false);
        let short = with_key(&app.operator(), &made);
        app.clock.step_ms(HOUR_MS);
        let next = rotate(app, &short, json!({ "overlap_hours": 168 })).await.good();
        assert_eq!(
            (&next.json()["expires_at"], &next.json()["label"]),
            (&json!(end.rfc3339()), &json!("一日"))
        );
        let listed = app.get("/api/v1/me/keys", &app.operator()).await.items();
        let before = listed.iter().find(|key| key["id"] == id_of(&short)).unwrap();
        assert_eq!(before["expires_at"], end.rfc3339(), "no later than it would have been");
        app.clock.step_ms(DAY_MS);
        assert_eq!(status(app, &with_key(&short, &next)).await, 401);
    })
    .await;
}

/// How many keys end within so many days, and how many never.
async fn ending(app: &TestApp<'_>, days: u32) -> (usize, usize) {
    let security = app.person(Role::SecurityAdministrator);
    let found = app.get(&format!("/api/v1/ending-keys?days={days}"), &security).await.json();
    let count = |which: &str| found[which].as_array().unwrap().len();
    (count("soon"), count("without_end"))
}

#[tokio::test]
async fn keys_have_a_longest_life_and_those_that_end_soon_are_listed() {
    for_each_database(async |database| {
        let mut app = TestApp::with(database, |config| config.officers.key_days = 100).await;
        let security = app.person(Role::SecurityAdministrator);
        let path = format!("/api/v1/officers/{}/keys", app.operator().id);
        let made = app.post(&path, &security, json!({ "label": "usual" })).await.json();
        assert_eq!(made["expires_at"], START.plus_days(100).rfc3339());
        assert_eq!(made["renewable"], true);
        let late = json!({ "label": "x", "expires_at": START.plus_days(101).rfc3339() });
        assert_eq!(app.post(&path, &security, late).await.json()["code"], "officer/bad-expiry");

        // Those of the first start never end: people are told.
        assert_eq!(ending(&app, 30).await, (0, 3));
        let hired = Role::ALL.len() - 3;
        assert_eq!(ending(&app, 100).await, (hired + 1, 3));
        app.clock.step_ms(80 * DAY_MS);
        assert_eq!(ending(&app, 30).await, (hired + 1, 3));
        for role in [Role::SealOperator, Role::Auditor] {
            let changed = rotate(&app, &app.person(role), json!({})).await.good();
            let person = with_key(&app.person(role), &changed);
            app.people.insert(role, person);
        }
        assert_eq!(ending(&app, 30).await, (hired, 2), "a changed one needs nobody's care");
        let found = app.get("/api/v1/ending-keys", &security).await.json();
        let first = found["soon"][0]["expires_at"].as_str().unwrap().to_owned();
        assert_eq!(first, START.plus_days(100).rfc3339());
        for role in Role::ALL.iter().filter(|role| **role != Role::SecurityAdministrator) {
            assert_eq!(app.get("/api/v1/ending-keys", &app.person(*role)).await.status, 403, "{role}");
        }
        app.finish().await;
    })
    .await;
}

#[tokio::test]
async fn a_security_administrator_changes_and_revokes_anothers_key_at_once() {
    on_each_engine(async |app| {
        let (security, operator) = (app.person(Role::SecurityAdministrator), app.operator());
        let path = format!("/api/v1/officers/{}/keys/{}", operator.id, id_of(&operator));
        let answer = app.post(&format!("{path}/rotation"), &security, json!({ "overlap_hours": 1 })).await;
        let new = with_key(&operator, &answer);
        assert_eq!((status(app, &operator).await, status(app, &new).await), (200, 200));
        app.post(&format!("{path}/revoke"), &security, Value::Null).await.good();
        assert_eq!((status(app, &operator).await, status(app, &new).await), (401, 200));
        let nobody = format!("/api/v1/officers/{}/keys/{}/rotation", operator.id, unknown());
        assert_eq!(app.post(&nobody, &security, json!({})).await.json()["code"], "officer/unknown-key");
        app.people.insert(Role::SealOperator, new);
    })
    .await;
}

fn unknown() -> String {
    ApiKeyId::fresh(START, &SeededEntropy::new(99)).to_string()
}

#[tokio::test]
async fn a_repeated_change_makes_one_key_and_shows_it_once() {
    on_each_engine(async |app| {
        let operator = app.operator();
        let path = format!("/api/v1/me/keys/{}/rotation", id_of(&operator));
        let first = app.create(&path, &operator, "rotation-1", &json!({})).await.good();
        let again = app.create(&path, &operator, "rotation-1", &json!({})).await;
        assert_eq!((again.status, &again.json()["code"]), (409, &json!("officer/key-shown-once")));
        assert_eq!(app.get("/api/v1/me/keys", &operator).await.items().len(), 2);
        app.people.insert(Role::SealOperator, with_key(&operator, &first));
    })
    .await;
}

#[tokio::test]
async fn of_two_changes_at_once_one_is_refused() {
    on_each_engine(async |app| {
        let operator = app.operator();
        let (one, two) = tokio::join!(rotate(app, &operator, json!({})), rotate(app, &operator, json!({})));
        let mut statuses = [one.status, two.status];
        statuses.sort_unstable();
        assert_eq!(statuses, [201, 409]);
        assert_eq!(app.get("/api/v1/me/keys", &operator).await.items().len(), 2);
    })
    .await;
}

#[tokio::test]
async fn who_is_locked_out_is_let_in_by_whoever_holds_the_passphrase_and_only_then() {
    let place = tempfile::tempdir().unwrap();
    let dir = ("YINXIN_DATA_DIR".to_owned(), place.path().join("data").display().to_string());
    let config = Config::load(None, [dir]).unwrap();
    let clock = Arc::new(SteppedClock::at(START));
    let sources = || Sources { clock: clock.clone(), entropy: Arc::new(SeededEntropy::new(7)) };
    yinxin::app::init(&config, sources()).await.unwrap();
    let refused = rescue(&config, sources()).await.unwrap_err();
    assert!(matches!(refused, AppError::Officers(OfficerError::NoRescue)), "{refused}");
    // The only key ends.
    let app = yinxin::app::App::open_with(&config, sources()).await.unwrap();
    let until = yinxin::store::Statement::portable("test.until", "UPDATE api_key SET expires_at = $1");
    app.store().write(async |tx| tx.execute(&until, &[START.plus_days(1).into()]).await).await.unwrap();
    app.close().await;
    clock.step_ms(DAY_MS);
    let (rescued, path) = rescue(&config, sources()).await.unwrap();
    assert_eq!(rescued.officer.roles.iter().collect::<Vec<_>>(), [Role::SecurityAdministrator]);
    assert_eq!(rescued.key.key.expires_at, Some(START.plus_days(8)));
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(ClearKey::parse(&text).unwrap().id(), &rescued.key.key.id);
    assert!(rescue(&config, sources()).await.is_err(), "once");
}

#[test]
fn keys_are_changed_by_commands() {
    let place = Place::initialised();
    let (_, file) = place.hire("operator", "seal_operator");
    let before = fs::read_to_string(&file).unwrap();
    let said = place.good(["officer", "rotate-key", "--key-file", &file]);
    assert!(said.contains("good for 24 hours more"), "{said}");
    let after = fs::read_to_string(&file).unwrap();
    assert_ne!(before, after);
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&file).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    let listed = place.good(["officer", "keys", "--key-file", &file]);
    assert_eq!(listed.lines().count(), 2);
    assert!(listed.contains("replaced by key_"), "{listed}");
    // To another file; the one before ends at once.
    let out = place.file("other");
    place.good(["officer", "rotate-key", "--overlap-hours", "0", "--out", &out, "--key-file", &file]);
    assert_eq!(place.run(["officer", "keys", "--key-file", &file]).code, 1);
    let own = ClearKey::parse(&fs::read_to_string(&out).unwrap()).unwrap().id().to_string();
    place.good(["officer", "revoke-key", &own, "--key-file", &out]);
    assert_eq!(place.run(["officer", "keys", "--key-file", &out]).code, 1);
    let security = place.key("security_administrator");
    let ending = place.good(["officer", "ending-keys", "--days", "400", "--key-file", &security]);
    assert_eq!(ending.lines().filter(|line| line.contains("no end")).count(), 3, "{ending}");
    let said = place.run(["officer", "rescue"]);
    assert_eq!(said.code, 1);
    assert!(said.err.contains("good still"), "{said:?}");
}
