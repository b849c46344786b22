//! The service: REST and page, what is kept and what is not, the own register, and too much at a time.

use super::{
    fixture, schema,
    world::{JUDGED_AT, Plan, WORLD, stamped, time},
};
use crate::support::front::{self, Answer, Front, START, request};
use axum::{Router, body::Body};
use std::{
    sync::{Arc, Mutex, mpsc},
    time::Duration,
};
use yinxin::{
    base::{Timestamp, clock::SteppedClock, entropy::SeededEntropy},
    document::pool::{PoolSettings, ReadingPool},
    http::{Kit, Limits, Table},
    officer::Role,
    verification::{
        self,
        service::{Parts, SealRegister, Settings, Verifications},
    },
    web,
};
use yinxin_pki::judge::SealState;

struct House {
    front: Front,
    router: Router,
}

impl House {
    async fn new(settings: Settings, register: Option<Arc<dyn SealRegister>>) -> Self {
        Self::reading(settings, register, PoolSettings::default()).await
    }

    async fn reading(
        settings: Settings,
        register: Option<Arc<dyn SealRegister>>,
        readers: PoolSettings,
    ) -> Self {
        let front = Front::scratch(Limits::default()).await;
        let entropy = Arc::new(SeededEntropy::new(11));
        let verifications = Verifications::new(Parts {
            store: front.store.clone(),
            trust: Arc::new(Arc::new(WORLD.trust(&[]))),
            register,
            entropy: entropy.clone(),
            readers: Arc::new(ReadingPool::start(readers).unwrap()),
            settings,
        });
        let clock = Arc::new(SteppedClock::at(START));
        let kit = Kit::new(front.store.clone(), front.officers.clone(), clock, entropy, Limits::default());
        let mut routes = verification::routes(&verifications);
        routes.extend(web::routes());
        let router = Table::new(routes).unwrap().router(kit.with_problem_page(web::problem_page));
        Self { front, router }
    }

    async fn usual() -> Self {
        Self::new(Settings::default(), None).await
    }

    fn key(&self, role: Role) -> &str {
        &self.front.person(role).key
    }

    async fn verify(&self, query: &str, key: Option<&str>, document: impl Into<Body>) -> Answer {
        let request = request("POST", &format!("/api/v1/verifications{query}"), key);
        let request = request.header("content-type", "application/pdf").body(document.into()).unwrap();
        front::send(&self.router, request).await
    }

    async fn upload(&self, path: &str, name: &str, document: &[u8]) -> Answer {
        let head =
            format!("--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\r\n");
        let body = [head.as_bytes(), document, b"\r\n--b--\r\n"].concat();
        let request = request("POST", path, None).header("content-type", "multipart/form-data; boundary=b");
        front::send(&self.router, request.header("accept", "text/html").body(Body::from(body)).unwrap()).await
    }

    async fn get(&self, path: &str, key: Option<&str>) -> Answer {
        front::send(&self.router, request("GET", path, key).body(Body::empty()).unwrap()).await
    }
}

fn document() -> Vec<u8> {
    stamped(&fixture("attacks/plain.pdf"), &Plan::default())
}

#[tokio::test]
async fn anyone_may_ask_and_nothing_is_kept() {
    let house = House::usual().await;
    let at = format!("?at={JUDGED_AT}&profile=strict");
    let answer = house.verify(&at, None, document()).await;
    let report = answer.json();
    schema::check(&report);
    assert_eq!(
        (answer.status, report["verdict"].as_str(), report["profile"].as_str()),
        (200, Some("passed"), Some("strict"))
    );
    assert!(answer.headers.get("location").is_none());
    let form = house.upload("/api/v1/verifications", "a.pdf", &document()).await;
    assert_eq!((form.status, form.json()["verdict"].as_str()), (200, Some("passed")));
    let nothing = house.verify("", None, Body::empty()).await;
    assert_eq!((nothing.status, nothing.json()["problems"][0]["id"].as_str()), (200, Some("malformed")));
    // An operator may ask without the public's limits, and still keeps nothing.
    let asked = house.verify("", Some(house.key(Role::SealOperator)), document()).await;
    assert_eq!(asked.status, 200);
}

#[tokio::test]
async fn a_verifier_keeps_reports_and_reads_them_again() {
    let house = House::usual().await;
    let key = Some(house.key(Role::Verifier));
    let answer = house.verify("", key, document()).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let place = answer.headers["location"].to_str().unwrap().to_owned();
    let kept = house.get(&place, key).await.json();
    assert_eq!(
        (&kept["report"], &kept["officer"]),
        (&answer.json(), &serde_json::json!(house.front.person(Role::Verifier).officer.id))
    );
    assert_eq!(house.get(&place, None).await.problem(), "401 auth/required");
    assert_eq!(house.get(&place, Some(house.key(Role::Viewer))).await.problem(), "403 auth/right-missing");
    for unknown in ["verification_00000000000000000000000000", "nonsense"] {
        let path = format!("/api/v1/verifications/{unknown}");
        assert_eq!(house.get(&path, key).await.problem(), "404 verification/unknown");
    }
}

#[tokio::test]
async fn the_same_key_of_idempotency_gives_the_same_report_once() {
    let house = House::usual().await;
    let ask = async |document: Vec<u8>| {
        let mut request = request("POST", "/api/v1/verifications", Some(house.key(Role::Verifier)));
        request = request.header("idempotency-key", "verify-once-1");
        front::send(&house.router, request.body(Body::from(document)).unwrap()).await
    };
    let (first, second) = (ask(document()).await, ask(document()).await);
    assert_eq!((first.status, &first.headers["location"]), (201, &second.headers["location"]));
    assert_eq!(first.body, second.body);
    assert_eq!(ask(b"other".to_vec()).await.problem(), "409 idempotency/reused");
}

#[tokio::test]
async fn wrong_questions_are_refused_with_a_code() {
    let house = House::new(Settings { max_bytes: 100_000, ..Settings::default() }, None).await;
    for (query, problem) in [
        ("?at=yesterday", "422 request/invalid"),
        ("?profile=lax", "422 request/invalid"),
        ("?more=1", "400 request/malformed"),
    ] {
        assert_eq!(house.verify(query, None, document()).await.problem(), problem, "{query}");
    }
    assert_eq!(house.verify("", None, vec![0; 100_001]).await.problem(), "413 request/too-large");
    assert_eq!(house.verify("", Some("yx_wrong"), document()).await.problem(), "401 auth/api-key-invalid");
}

#[tokio::test]
async fn the_public_has_a_rate_and_a_verifier_has_none() {
    let house = House::new(Settings { per_minute: 2, ..Settings::default() }, None).await;
    for _ in 0..2 {
        assert_eq!(house.verify("", None, "x").await.status, 200);
    }
    let answer = house.verify("", None, "x").await;
    assert_eq!(answer.problem(), "429 request/too-many");
    assert!(answer.headers.contains_key("retry-after"));
    assert_eq!(house.verify("", Some(house.key(Role::Verifier)), "x").await.status, 201);
}

/// A register that answers this, once it is told to.
struct Register {
    says: SealState,
    wait: Mutex<Option<mpsc::Receiver<()>>>,
    asked: tokio::sync::Notify,
}

impl Register {
    fn new(says: SealState, wait: Option<mpsc::Receiver<()>>) -> Arc<Self> {
        Arc::new(Self { says, wait: Mutex::new(wait), asked: tokio::sync::Notify::new() })
    }
}

impl SealRegister for Register {
    fn state(&self, _sm3: [u8; 32], at: Timestamp) -> verification::service::Answer<'_, SealState> {
        assert_eq!(at, time("2026-11-20T12:00:00Z"));
        Box::pin(async move {
            self.asked.notify_one();
            let wait = self.wait.lock().unwrap().take();
            if let Some(wait) = wait {
                let _ = wait.recv();
            }
            self.says.clone()
        })
    }
}

#[tokio::test]
async fn the_register_is_asked_about_the_seal() {
    for (says, verdict) in [
        (SealState::Valid, "passed"),
        (SealState::Invalid("lost".into()), "failed"),
        (SealState::Unavailable, "undecided"),
    ] {
        let house = House::new(Settings::default(), Some(Register::new(says, None))).await;
        assert_eq!(house.verify("", None, document()).await.json()["verdict"], verdict);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn too_much_at_a_time_is_answered_503_and_the_place_is_given_back() {
    let (go_on, wait) = mpsc::channel();
    let register = Register::new(SealState::Valid, Some(wait));
    let readers = PoolSettings { threads: 2, queue: 1, ..PoolSettings::default() };
    let house = Arc::new(House::reading(Settings::default(), Some(register.clone()), readers).await);
    let ask = || {
        let house = Arc::clone(&house);
        tokio::spawn(async move { house.verify("", None, document()).await })
    };
    // One is judged, one waits; the third finds no place, and hears so at once.
    let slow = ask();
    register.asked.notified().await;
    let (mut second, mut third) = (ask(), ask());
    let (refused, waiting) = tokio::select! {
        refused = &mut second => (refused, third),
        refused = &mut third => (refused, second),
    };
    let refused = refused.unwrap();
    assert_eq!(refused.problem(), "503 service/busy");
    assert!(refused.headers.contains_key("retry-after"));
    go_on.send(()).unwrap();
    for good in [slow, waiting] {
        assert_eq!(good.await.unwrap().json()["verdict"], "passed");
    }
    assert_eq!(house.verify("", None, document()).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_waits_too_long_for_a_place_is_told_so() {
    let (go_on, wait) = mpsc::channel();
    let register = Register::new(SealState::Valid, Some(wait));
    let readers = PoolSettings { threads: 2, wait: Duration::from_millis(50), ..PoolSettings::default() };
    let house = Arc::new(House::reading(Settings::default(), Some(register.clone()), readers).await);
    let slow = tokio::spawn({
        let house = Arc::clone(&house);
        async move { house.verify("", None, document()).await }
    });
    register.asked.notified().await;
    assert_eq!(house.verify("", None, document()).await.problem(), "503 service/busy");
    go_on.send(()).unwrap();
    assert_eq!(slow.await.unwrap().json()["verdict"], "passed");
}

#[tokio::test]
async fn a_document_that_costs_too_much_is_given_up_undecided() {
    let readers = PoolSettings { cpu: Duration::ZERO, ..PoolSettings::default() };
    let house = House::reading(Settings::default(), None, readers).await;
    let answer = house.verify("", None, document()).await;
    let report = answer.json();
    schema::check(&report);
    assert_eq!((answer.status, report["verdict"].as_str()), (200, Some("undecided")), "{report}");
    assert_eq!(report["problems"][0]["id"], "too-costly");
    assert_eq!(report["signatures"], serde_json::json!([]));
    let page = house.upload("/verify", "x.pdf", &document()).await;
    assert!(page.text().contains("结论无法确定"), "{}", page.text());
}

#[tokio::test]
async fn a_person_drops_a_file_and_reads_the_verdict() {
    let house = House::usual().await;
    let form = house.get("/verify", None).await.text();
    assert!(
        form.contains("type=\"file\"") && form.contains("multipart/form-data") && form.contains("检验"),
        "{form}"
    );
    let page = house.upload("/verify", "通知<b>.pdf", &document()).await;
    let html = page.text();
    assert_eq!(page.status, 200);
    for part in [
        "通过",
        "passed",
        "✓",
        "某市人民政府",
        "文件完整性",
        "Integrity of the document",
        "通知&lt;b&gt;.pdf",
    ] {
        assert!(html.contains(part), "{part} is not in {html}");
    }
    for forbidden in ["<script", "style=", "<b>", "onclick"] {
        assert!(!html.contains(forbidden), "{forbidden}");
    }
    let mut broken = document();
    let at = broken.windows(2).position(|window| window == b"Tj").unwrap() - 3;
    broken[at] ^= 1;
    let html = house.upload("/verify?lang=en", "x.pdf", &broken).await.text();
    for part in [
        "failed",
        "✗",
        "Do not rely on this file",
        "The document is not the one that was stamped.",
        "文件内容与签章时不一致",
    ] {
        assert!(html.contains(part), "{part} is not in {html}");
    }
    let plain = house.upload("/verify", "x.txt", b"words").await.text();
    assert!(plain.contains("文件无法检验。") && plain.contains("malformed"), "{plain}");
}

#[tokio::test]
async fn a_form_without_a_file_asks_again() {
    let house = House::usual().await;
    let page = house.upload("/verify", "", b"").await;
    assert_eq!(page.status, 422);
    assert!(page.text().contains("请先选择一个文件"), "{}", page.text());
}
