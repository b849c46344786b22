//! A front door for tests: real store, real officers, a stepped clock, seeded chance, and routes that misbehave on demand.

use super::databases::{Database, sqlite};
use axum::{
    Json, Router,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, Request, StatusCode, header},
};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};
use tokio::sync::Notify;
use tower::ServiceExt as _;
use yinxin::{
    base::{
        Entropy, Timestamp,
        clock::{Clock, SteppedClock},
        entropy::SeededEntropy,
    },
    http::{
        Access, IdempotencyKey, JsonBody, Kit, Limits, Once, Operation, PeerAddress, Problem, Route, Table,
        Takes, health,
        shape::{Shape, object},
        upload::Upload,
    },
    officer::{Caller, Officer, Officers, RegisterOfficer, Right, Role, bootstrap},
    store::Store,
    web,
};

pub const START: Timestamp = Timestamp::from_seconds(1_795_219_200);

/// The door, with a key for every role.
pub struct Front {
    pub router: Router,
    pub store: Store,
    pub officers: Officers,
    pub clock: Arc<SteppedClock>,
    pub people: BTreeMap<Role, Person>,
    pub stage: Stage,
    _database: Option<Database>,
}

/// An officer with a key.
#[derive(Clone)]
pub struct Person {
    pub officer: Officer,
    pub key: String,
}

/// An answer, read whole.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// What the misbehaving routes look at.
#[derive(Clone, Default)]
pub struct Stage {
    /// How often the handler behind `/api/v1/test/create` has begun.
    pub begun: Arc<AtomicU32>,
    /// Rung when a handler waits.
    pub waiting: Arc<Notify>,
    /// Lets one waiting handler go on.
    pub go_on: Arc<Notify>,
}

impl Front {
    /// Opens on an empty store.
    pub async fn new(store: Store) -> Self {
        Self::with_limits(store, Limits::default()).await
    }

    /// Opens on a scratch file of its own.
    pub async fn scratch(limits: Limits) -> Self {
        let database = sqlite();
        let front = Self::with_limits(database.open().await, limits).await;
        Self { _database: Some(database), ..front }
    }

    async fn with_limits(store: Store, limits: Limits) -> Self {
        let clock = Arc::new(SteppedClock::at(START));
        let entropy = Arc::new(SeededEntropy::new(7));
        let officers = Officers::new(store.clone(), entropy.clone());
        let people = people(&store, &officers, entropy.as_ref()).await;
        let stage = Stage::default();
        let router = router(&store, &officers, &clock, 8, &stage, limits);
        Self { router, store, officers, clock, people, stage, _database: None }
    }

    /// The same database behind a new process: nothing in memory survives.
    pub fn restarted(self) -> Self {
        let router = router(&self.store, &self.officers, &self.clock, 9, &self.stage, Limits::default());
        Self { router, ..self }
    }

    pub fn person(&self, role: Role) -> &Person {
        &self.people[&role]
    }

    /// A caller as commands see it.
    pub fn caller(&self, role: Role) -> Caller {
        Caller {
            actor: yinxin::officer::Actor::Officer(self.person(role).officer.clone()),
            request: "req_test".into(),
            address: None,
            now: self.clock.now(),
        }
    }

    pub async fn send(&self, request: Request<Body>) -> Answer {
        send(&self.router, request).await
    }

    pub async fn get(&self, path: &str, key: Option<&str>) -> Answer {
        self.send(request("GET", path, key).body(Body::empty()).unwrap()).await
    }

    pub async fn post(&self, path: &str, key: Option<&str>, body: Value) -> Answer {
        self.send(json_request(path, key, &body)).await
    }

    /// A creating request with an idempotency key.
    pub async fn create(&self, path: &str, person: &Person, once: &str, body: &Value) -> Answer {
        let mut request = json_request(path, Some(&person.key), body);
        request.headers_mut().insert("idempotency-key", once.parse().unwrap());
        self.send(request).await
    }

    /// How many officers there are beyond the first.
    pub async fn registered(&self, name: &str) -> usize {
        let caller = self.caller(Role::SecurityAdministrator);
        let all = self.officers.list(&caller, None).await.unwrap();
        all.iter().filter(|officer| officer.name == name).count()
    }
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.body.to_vec()).unwrap()
    }

    /// `409 idempotency/reused`.
    pub fn problem(&self) -> String {
        assert_eq!(self.headers[header::CONTENT_TYPE], "application/problem+json", "{self:?}");
        let json = self.json();
        assert_eq!(json["status"], self.status);
        assert_eq!(json["request"].as_str(), self.headers["x-request-id"].to_str().ok());
        format!("{} {}", self.status, json["code"].as_str().unwrap())
    }
}

pub fn request(method: &str, path: &str, key: Option<&str>) -> axum::http::request::Builder {
    let request = Request::builder().method(method).uri(path);
    // As from the network: an address outside.
    let request = request.extension(PeerAddress(Some("192.0.2.7".parse().unwrap())));
    match key {
        Some(key) => request.header(header::AUTHORIZATION, format!("Bearer {key}")),
        None => request,
    }
}

pub fn json_request(path: &str, key: Option<&str>, body: &Value) -> Request<Body> {
    let request = request("POST", path, key).header(header::CONTENT_TYPE, "application/json");
    // A route without a body takes none, not even `null`.
    let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
    request.body(body).unwrap()
}

pub async fn send(router: &Router, request: Request<Body>) -> Answer {
    let (parts, body) = router.clone().oneshot(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Answer { status: parts.status.as_u16(), headers: parts.headers, body }
}

/// The three first officers, and one for each other role.
async fn people(store: &Store, officers: &Officers, entropy: &dyn Entropy) -> BTreeMap<Role, Person> {
    let mut people = BTreeMap::new();
    for first in bootstrap(store, entropy, START).await.unwrap() {
        let role = first.officer.roles.iter().next().unwrap();
        let key = first.key.clear.text().expose().clone();
        people.insert(role, Person { officer: first.officer, key });
    }
    super::whole::register_others(officers, &mut people).await;
    people
}

fn router(
    store: &Store,
    officers: &Officers,
    clock: &Arc<SteppedClock>,
    seed: u64,
    stage: &Stage,
    limits: Limits,
) -> Router {
    let entropy = Arc::new(SeededEntropy::new(seed));
    let kit = Kit::new(store.clone(), officers.clone(), clock.clone(), entropy, limits);
    let mut routes = real_routes(store, officers);
    routes.extend(test_routes(officers, stage));
    Table::new(routes).unwrap().router(kit.with_problem_page(web::problem_page))
}

/// Every route of the daemon that exists so far.
pub fn real_routes(store: &Store, officers: &Officers) -> Vec<Route> {
    let mut routes = yinxin::officer::http::routes(officers);
    routes.extend(health::routes(&health::Health::of(store)));
    routes.extend(web::routes());
    routes
}

static ANYTHING: Shape = Shape { name: "Anything", json: || object(&[], &[]), parts: &[] };

fn test_routes(officers: &Officers, stage: &Stage) -> Vec<Route> {
    let manage = Access::Right(Right::OfficerManage);
    vec![
        Operation::get(Access::PUBLIC, "/api/v1/test/panic", "testPanic", "Panics")
            .handled_by((), async || -> &'static str { panic!("a secret of the inside") }),
        Operation::get(Access::PUBLIC, "/api/v1/test/wait", "testWait", "Waits until it is let go on")
            .handled_by(stage.clone(), wait),
        Operation::get(
            Access::Public { per_minute: Some(3) },
            "/api/v1/test/rated",
            "testRated",
            "Three a minute",
        )
        .handled_by((), async || "ok"),
        Operation::get(
            Access::OneOf(&[Right::SealRead, Right::KeyManage]),
            "/api/v1/test/either",
            "testEither",
            "Either right",
        )
        .handled_by((), async || "in"),
        Operation::get(Access::OneOf(&[]), "/api/v1/test/nobody", "testNobody", "No right at all")
            .handled_by((), async || "in"),
        Operation::post(Access::PUBLIC, "/api/v1/test/echo", "testEcho", "Says how many bytes came")
            .body(Takes::Bytes("application/octet-stream"), 100_000)
            .heavy()
            .handled_by((), async |body: Bytes| body.len().to_string()),
        Operation::post(Access::PUBLIC, "/api/v1/test/upload", "testUpload", "Says what came")
            .body(Takes::Multipart(&ANYTHING), 1000)
            .handled_by((), upload),
        Operation::create(manage, "/api/v1/test/create", "testCreate", "Registers, then breaks as told")
            .json(&ANYTHING)
            .handled_by((officers.clone(), stage.clone()), create),
    ]
}

async fn wait(State(stage): State<Stage>) -> &'static str {
    stage.waiting.notify_one();
    stage.go_on.notified().await;
    "went on"
}

async fn upload(mut form: Upload) -> Result<String, Problem> {
    form.only(&["file", "note"])?;
    let file = form.take_file("file")?;
    Ok(format!("{} {} {}", file.name, file.bytes.len(), form.required_text("note")?))
}

/// The effect is committed; then the first attempt breaks in the way that the body asks for.
async fn create(
    State((officers, stage)): State<(Officers, Stage)>,
    caller: Caller,
    once: Option<IdempotencyKey>,
    JsonBody(body): JsonBody<Value>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let first = stage.begun.fetch_add(1, Ordering::SeqCst) == 0;
    let name = body["name"].as_str().unwrap_or("someone").to_owned();
    let before = body["break_before"].as_str().filter(|_| first);
    misbehave(before, &stage).await;
    let command = RegisterOfficer { name, roles: vec![Role::Viewer] };
    let once = Once::of(once, |officer: &Officer| yinxin::http::Answer::created(&json!(officer)));
    let officer = officers.register(&caller, command, once.as_ref()).await?;
    let after = body["break_after"].as_str().filter(|_| first);
    misbehave(after, &stage).await;
    let padding = "x".repeat(body["padding"].as_u64().unwrap_or(0) as usize);
    Ok((StatusCode::CREATED, Json(json!({ "id": officer.id, "padding": padding }))))
}

async fn misbehave(how: Option<&str>, stage: &Stage) {
    match how {
        Some("panic") => panic!("as told"),
        Some("wait") => {
            stage.waiting.notify_one();
            stage.go_on.notified().await;
        }
        _ => {}
    }
}
