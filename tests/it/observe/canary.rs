//! What is personal or secret is pushed through every field of every route and of commands, and then looked for in
//! everything that leaves: the log in both formats and at its finest, metrics, spans, audit records, what others are
//! told, and what the operating system shows of the process.

use crate::support::{
    app::fixture,
    process::{Daemon, Place},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::{
    fs,
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
};

/// What must not be seen.
struct Canaries(Vec<String>);

const NAME: &str = "欧阳金丝雀";
const IDENTITY: &str = "110101199003078515";
const PHONE: &str = "13912345678";
const TEXT: &str = "金丝雀文件正文";
const LATIN: &str = "canary-word";

impl Canaries {
    /// The made-up person, and every secret of this place.
    fn of(place: &Place) -> Self {
        let mut words: Vec<String> = [NAME, IDENTITY, PHONE, TEXT, LATIN].map(str::to_owned).into();
        words.push(fs::read_to_string(place.dir().join("passphrase")).unwrap().trim().to_owned());
        for key in fs::read_dir(place.dir().join("officer-keys")).unwrap() {
            let key = fs::read_to_string(key.unwrap().path()).unwrap();
            words.extend(secret(&key));
        }
        Self(words)
    }

    /// And the secret of another key.
    fn and_key(&mut self, key: &str) {
        self.0.extend(secret(key));
    }

    /// Those that are found in a text, in any dress.
    fn found_in(&self, text: &str) -> Vec<&str> {
        let lower = text.to_lowercase();
        let dressed = |word: &String| dresses(word).iter().any(|dress| lower.contains(dress));
        self.0.iter().filter(|word| dressed(word)).map(String::as_str).collect()
    }

    /// Panics where one is found, with the line that has it.
    fn must_be_absent(&self, place: &str, text: &str) {
        if let Some(word) = self.found_in(text).first() {
            let has = |line: &&str| dresses(word).iter().any(|dress| line.to_lowercase().contains(dress));
            panic!("{word} is seen in {place}: {:?}", text.lines().find(has));
        }
    }
}

/// The part of a key behind its id.
fn secret(key: &str) -> Option<String> {
    Some(key.trim().strip_prefix("yx_")?.split_once('_')?.1.to_owned())
}

/// A word as it may be written, in lower case.
fn dresses(word: &str) -> Vec<String> {
    let octets = word.as_bytes();
    let percent: String = octets.iter().map(|octet| format!("%{octet:02x}")).collect();
    let units: String = word.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
    let scalars: String = word.chars().map(|scalar| format!("\\u{{{:x}}}", u32::from(scalar))).collect();
    let base64 = STANDARD.encode(octets);
    let all = [
        word.to_owned(),
        percent,
        units,
        scalars,
        hex::encode(octets),
        base64.trim_end_matches('=').to_owned(),
    ];
    all.map(|dress| dress.to_lowercase()).into()
}

fn percent(text: &str) -> String {
    text.bytes().map(|octet| format!("%{octet:02X}")).collect()
}

/// All of it at once.
fn all() -> String {
    format!("{NAME} {IDENTITY} {PHONE} {TEXT} {LATIN}")
}

/// Someone at the door.
struct Guest<'d> {
    daemon: &'d Daemon,
    key: Option<String>,
}

impl Guest<'_> {
    fn send(&self, method: &str, path: &str, kind: &str, body: &[u8]) -> (u16, String) {
        let mut headers = format!(
            "X-Request-Id: {IDENTITY}\r\nUser-Agent: {LATIN}/{PHONE}\r\nReferer: https://x/{PHONE}\r\nCookie: id={IDENTITY}\r\n\
             X-Forwarded-For: {IDENTITY}\r\ntraceparent: 00-{PHONE}\r\nAccept-Language: {LATIN}\r\n"
        );
        if !kind.is_empty() {
            headers += &format!("Content-Type: {kind}\r\n");
        }
        if let Some(key) = &self.key {
            static TURN: AtomicU32 = AtomicU32::new(0);
            let turn = TURN.fetch_add(1, Ordering::Relaxed);
            headers +=
                &format!("Authorization: Bearer {key}\r\nIdempotency-Key: {LATIN}-{IDENTITY}-{turn}\r\n");
        }
        self.daemon.exchange(method, path, &headers, body)
    }

    fn post(&self, path: &str, body: &Value) -> (u16, String) {
        match body {
            Value::Null => self.send("POST", path, "", b""),
            body => self.send("POST", path, "application/json", body.to_string().as_bytes()),
        }
    }

    fn made(&self, path: &str, body: &Value) -> Value {
        let (status, answer) = self.post(path, body);
        assert!((200..300).contains(&status), "{path}: {answer}");
        serde_json::from_str(answer.split("\r\n\r\n").nth(1).unwrap()).unwrap()
    }
}

/// A person's data on the ways that are meant for them: names, reasons, purposes, labels, texts on seals and in documents.
fn live(place: &Place, daemon: &Daemon, canaries: &mut Canaries) -> (String, String) {
    let key = |role: &str| Some(fs::read_to_string(place.key(role)).unwrap());
    let security = Guest { daemon, key: key("security_administrator") };
    let mut hired = Vec::new();
    for role in ["seal_operator", "seal_approver", "verifier"] {
        let officer =
            security.made("/api/v1/officers", &json!({ "name": format!("{NAME}{role}"), "roles": [role] }));
        let id = officer["id"].as_str().unwrap();
        let label = json!({ "label": format!("{NAME} {PHONE} {role}") });
        let made = security.made(&format!("/api/v1/officers/{id}/keys"), &label);
        let key = made["secret"].as_str().unwrap().to_owned();
        canaries.and_key(&key);
        hired.push(key);
    }
    let [operator, approver, verifier] = hired.try_into().unwrap();
    let system = Guest { daemon, key: key("system_administrator") };
    let maker = system.made("/api/v1/makers", &json!({ "name": "某制作中心", "vendor": "YINXIN" }));
    let (operator_key, operator) = (operator.clone(), Guest { daemon, key: Some(operator) });
    let (approver, verifier) = (Guest { daemon, key: Some(approver) }, Guest { daemon, key: Some(verifier) });
    let owner = operator.made(
        "/api/v1/owners",
        &json!({ "name": "某市大数据管理局", "credit_code": "11440100MB2C000137", "kind": "organisation" }),
    );
    let seal = operator.made(
        "/api/v1/seals",
        &json!({
            "owner": owner["id"], "maker": maker["id"], "name": format!("{NAME}名章"), "version": 5, "period_days": 365,
            "look": { "by": "preset", "preset": "department", "name": NAME, "line": IDENTITY },
        }),
    );
    let seal = seal["id"].as_str().unwrap().to_owned();
    let act =
        |guest: &Guest<'_>, act: &str, body: &Value| guest.made(&format!("/api/v1/seals/{seal}/{act}"), body);
    act(&approver, "approve", &Value::Null);
    act(&operator, "make", &Value::Null);
    let purpose = percent(&format!("为{NAME}{IDENTITY}用印"));
    let path =
        format!("/api/v1/stamps?seal={seal}&page=1&x_mm=150&y_mm=232&time_stamp=true&purpose={purpose}");
    let (status, answer) = operator.send("POST", &path, "application/pdf", &fixture("pdf/one-page.pdf"));
    assert_eq!(status, 201, "{answer}");
    let reason = json!({ "reason": format!("{NAME}（{PHONE}）来电") });
    for (name, body) in
        [("suspend", &reason), ("resume", &Value::Null), ("report-loss", &reason), ("recover", &Value::Null)]
    {
        act(&approver, name, body);
    }
    act(&approver, "suspend", &reason);
    let form = format!(
        "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{NAME}.pdf\"\r\n\r\n{TEXT}\r\n--b--\r\n"
    );
    verifier.send("POST", "/api/v1/verifications", "multipart/form-data; boundary=b", form.as_bytes());
    (seal, operator_key)
}

/// The same data on every way there is, meant for them or not.
fn sweep(place: &Place, daemon: &Daemon, operator: &str) {
    let stranger = Guest { daemon, key: None };
    let (_, answer) = stranger.send("GET", "/api/v1/openapi.json", "", b"");
    let document: Value = serde_json::from_str(answer.split("\r\n\r\n").nth(1).unwrap()).unwrap();
    let mut keys = vec![None, Some(format!("yx_{LATIN}_{IDENTITY}")), Some(operator.to_owned())];
    for role in ["system_administrator", "security_administrator", "auditor"] {
        keys.push(Some(fs::read_to_string(place.key(role)).unwrap()));
    }
    let word = percent(&all());
    let mut asked = 0;
    for (template, methods) in document["paths"].as_object().unwrap() {
        let parts: Vec<_> =
            template.split('/').map(|part| if part.starts_with('{') { &word } else { part }).collect();
        for (method, operation) in methods.as_object().unwrap() {
            let named = operation["parameters"].as_array().into_iter().flatten();
            let query = named
                .filter(|parameter| parameter["in"] == "query")
                .map(|parameter| parameter["name"].as_str());
            let query = query.flatten().chain([LATIN]).map(|name| format!("{name}={word}"));
            let path = format!("{}?{}", parts.join("/"), query.collect::<Vec<_>>().join("&"));
            let body = bodies(operation);
            for key in &keys {
                let guest = Guest { daemon, key: key.clone() };
                for (kind, body) in &body {
                    guest.send(&method.to_uppercase(), &path, kind, body);
                    // And without what is unknown in the query, so that the body is looked at.
                    guest.send(&method.to_uppercase(), &parts.join("/"), kind, body);
                    asked += 2;
                }
            }
        }
    }
    assert!(asked > 500, "{asked} requests are few");
    for path in ["/verify", "/no/such/way", "/problems/seal/", "/static/"] {
        for method in ["GET", "POST", "DELETE", "BREW13912345678"] {
            stranger.send(method, &format!("{path}{word}?{LATIN}={word}"), "text/plain", all().as_bytes());
        }
    }
}

/// Bodies for an operation: what it takes with canaries in every field, and what it does not take.
fn bodies(operation: &Value) -> Vec<(String, Vec<u8>)> {
    let mut bodies = vec![(String::new(), Vec::new()), ("application/json".into(), all().into_bytes())];
    for (kind, content) in operation["requestBody"]["content"].as_object().into_iter().flatten() {
        let fields =
            content["schema"]["$ref"].as_str().unwrap_or_default().rsplit('/').next().unwrap_or_default();
        let mut filled = json!({ LATIN: all(), "shape": fields });
        for name in
            ["name", "label", "reason", "owner", "maker", "credit_code", "kind", "roles", "look", "vendor"]
        {
            filled[name] = all().into();
        }
        bodies.push((kind.clone(), filled.to_string().into_bytes()));
        let numbers = filled.to_string().replace(&format!("\"{}\"", all()), IDENTITY);
        bodies.push((kind.clone(), numbers.into_bytes()));
        bodies.push((kind.clone(), [b"%PDF-1.7\n", all().as_bytes()].concat()));
    }
    bodies
}

/// What the database says when it is broken under the service.
async fn break_the_database(place: &Place, daemon: &Daemon) {
    use sqlx::{AssertSqlSafe, Connection as _, SqliteConnection, raw_sql};
    let path = place.dir().join("yinxin.db");
    let key = Some(fs::read_to_string(place.key("security_administrator")).unwrap());
    let security = Guest { daemon, key };
    let register = || security.post("/api/v1/officers", &json!({ "name": all(), "roles": ["viewer"] }));
    for (breakage, mend) in [
        (
            format!(
                "CREATE TRIGGER t BEFORE INSERT ON officer BEGIN SELECT RAISE(ABORT, 'CHECK constraint failed: {}'); END",
                all()
            ),
            "DROP TRIGGER t".to_owned(),
        ),
        (
            "ALTER TABLE officer RENAME COLUMN name TO nom".into(),
            "ALTER TABLE officer RENAME COLUMN nom TO name".into(),
        ),
        ("ALTER TABLE officer_role RENAME TO gone".into(), "ALTER TABLE gone RENAME TO officer_role".into()),
        ("BEGIN IMMEDIATE".into(), "ROLLBACK".into()),
    ] {
        let mut conn = SqliteConnection::connect(&format!("sqlite:{}", path.display())).await.unwrap();
        raw_sql(AssertSqlSafe(breakage)).execute(&mut conn).await.unwrap();
        let (status, answer) = register();
        assert!(status >= 400, "{answer}");
        raw_sql(AssertSqlSafe(mend)).execute(&mut conn).await.unwrap();
        conn.close().await.unwrap();
    }
}

fn shown_by_the_system(daemon: &Daemon) -> String {
    let read = |name: &str| {
        let octets = fs::read(format!("/proc/{}/{name}", daemon.pid())).unwrap();
        String::from_utf8_lossy(&octets).replace('\0', "\n")
    };
    format!("{}\n{}", read("environ"), read("cmdline"))
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_personal_and_nothing_secret_leaves() {
    for format in ["text", "json"] {
        let place = Place::initialised();
        let mut canaries = Canaries::of(&place);
        let settings = [("YINXIN_LOG_FORMAT", format), ("YINXIN_LOG_LEVEL", "trace")];
        let daemon = place.serve_with(&settings);
        let (seal, operator) = live(&place, &daemon, &mut canaries);
        sweep(&place, &daemon, &operator);

        // What another person is told about it: a suspended seal does not stamp, a code is taken, a key is somebody's.
        let other = Guest { daemon: &daemon, key: Some(operator) };
        let path = format!("/api/v1/stamps?seal={seal}&page=1&x_mm=1&y_mm=1");
        let refused = other.send("POST", &path, "application/pdf", &fixture("pdf/one-page.pdf"));
        assert_eq!(refused.0, 409, "{}", refused.1);
        canaries.must_be_absent("a refusal", &refused.1);
        let again = json!({ "name": "别局", "credit_code": "11440100MB2C000137", "kind": "organisation" });
        canaries.must_be_absent("a refusal", &other.post("/api/v1/owners", &again).1);

        break_the_database(&place, &daemon).await;
        let auditor = fs::read_to_string(place.key("auditor")).unwrap();
        let bearer = |key: &str| format!("Authorization: Bearer {key}\r\n");
        let (status, records) = daemon.exchange("GET", "/api/v1/audit/export", &bearer(&auditor), b"");
        assert!(status == 200 && records.lines().count() > 30, "{records}");
        canaries.must_be_absent("audit records", &records);
        let system = fs::read_to_string(place.key("system_administrator")).unwrap();
        let (status, metrics) = daemon.exchange("GET", "/metrics", &bearer(&system), b"");
        assert_eq!(status, 200);
        canaries.must_be_absent("metrics", &metrics);
        canaries.must_be_absent("what the system shows", &shown_by_the_system(&daemon));
        daemon.signal(Signal::TERM);
        let log = daemon.wait_for("service.stopped");
        assert!(log.lines().count() > 500, "the log is short: {log}");
        assert!(log.contains("store.statement_failed"), "nothing was broken");
        canaries.must_be_absent("the log", &log);
        assert!(!log.contains("127.0.0.1"), "addresses stay out of the log");
        assert_eq!(daemon.wait().code(), Some(0));
        if format == "json" {
            for line in log.lines() {
                let line: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"));
                assert!(
                    line["at"].is_string() && line["level"].is_string() && line["event"].is_string(),
                    "{line}"
                );
            }
        }
        let heads = fs::read_to_string(place.dir().join("audit-heads.jsonl")).unwrap();
        canaries.must_be_absent("the file of heads", &heads);
    }
}

/// Spans are the same events in other clothes.
#[cfg(feature = "otel")]
#[test]
fn nothing_personal_and_nothing_secret_leaves_with_spans() {
    let (collector, place) = (super::traces::Collector::start(), Place::initialised());
    let mut canaries = Canaries::of(&place);
    let settings = [("YINXIN_TRACE_ENDPOINT", collector.endpoint()), ("YINXIN_TRACE_PERCENT", "100".into())];
    let settings = settings.each_ref().map(|(name, value)| (*name, value.as_str()));
    let daemon = place.serve_with(&settings);
    let (_, operator) = live(&place, &daemon, &mut canaries);
    sweep(&place, &daemon, &operator);
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.wait().code(), Some(0));
    let spans = collector.spans();
    assert!(spans.len() > 500, "{} spans are few", spans.len());
    canaries.must_be_absent("spans", &Value::from(spans).to_string());
}

/// A message of a panic may quote what was worked on; it is told where it happened, and no more.
#[test]
fn a_panic_tells_its_place_and_not_what_it_was_about() {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "observe::canary::panics_of_a_process_of_its_own", "--ignored", "--nocapture"])
        .output()
        .unwrap();
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(said.matches("\"event\":\"panic.caught\"").count(), 4, "{said}");
    assert!(said.contains("tests/it/observe/canary.rs:"), "{said}");
    assert!(said.contains("a word of the source") && said.contains("(withheld)"), "{said}");
    Canaries(vec![NAME.into(), IDENTITY.into(), PHONE.into()]).must_be_absent("what a panic tells", &said);
}

#[test]
#[ignore = "run by the test above, in a process of its own: the hook is the process's"]
fn panics_of_a_process_of_its_own() {
    use yinxin::{base::clock::SystemClock, telemetry};
    telemetry::tell_panics();
    let settings = telemetry::Settings::of_words("json", "trace").unwrap();
    let _running = telemetry::start(settings, std::sync::Arc::new(SystemClock));
    let cut = std::hint::black_box(1);
    let panics: [fn(usize); 4] = [
        |_| panic!("a word of the source"),
        |cut| panic!("{NAME} {cut}"),
        // The standard library quotes the text.
        |cut| assert_ne!(std::hint::black_box(&NAME[..cut]), ""),
        |_| std::hint::black_box(Err::<(), _>(format!("{IDENTITY} {PHONE}"))).unwrap(),
    ];
    for panic in panics {
        assert!(std::panic::catch_unwind(|| panic(cut)).is_err());
    }
}
