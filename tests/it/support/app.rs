//! The whole service for tests: a real [`App`] on a real database, through its router, with a stepped clock and seeded
//! chance; officers by role, an office with members, and shortcuts for what stories do again and again.

use super::{
    databases::{Database, for_each_database},
    front::{Answer, json_request, request, send},
};
use axum::{
    Router,
    body::Body,
    http::{Request, header},
};
use serde_json::{Value, json};
use std::{collections::BTreeMap, fs, path::Path, sync::Arc};
use yinxin::{
    app::{App, AppError, Sources, init_at_cost},
    base::{Clock as _, CreditCode, Timestamp, clock::SteppedClock, entropy::SeededEntropy},
    config::Config,
    document::pdf::{self, analysis},
    job,
    keys::UnlockCost,
    officer::Role,
    seal::nouns::SealId,
};
use yinxin_pki::{
    judge::{self, Question},
    report::{Profile, SignatureReport},
    sm3::Sm3,
    x509::{Cert, path::Material},
};

pub const START: Timestamp = Timestamp::from_seconds(1_795_219_200);
pub const DAY_MS: i64 = 86_400_000;
/// The made-up office; its credit code has the right check digits and belongs to nobody.
pub const OFFICE: (&str, &str) = ("某市大数据管理局", "11440100MB2C000137");

/// An officer with a key.
#[derive(Debug, Clone)]
pub struct Person {
    pub id: String,
    pub key: String,
}

/// The service. A story ends with [`TestApp::finish`]; [`on_each_engine`] sees to it.
pub struct TestApp<'d> {
    database: &'d Database,
    app: Option<App>,
    router: Router,
    config: Config,
    seed: u64,
    pub clock: Arc<SteppedClock>,
    pub people: BTreeMap<Role, Person>,
    /// The office's id.
    pub owner: String,
    /// The id of the maker of its seals.
    pub maker: String,
    finished: bool,
}

/// Tells the story on each engine, and looks afterwards whether anything was left over.
pub async fn on_each_engine(story: impl AsyncFn(&mut TestApp<'_>)) {
    for_each_database(async |database| {
        let mut app = TestApp::new(database).await;
        story(&mut app).await;
        app.finish().await;
    })
    .await;
}

/// Tells the story on SQLite alone: for what no database has a part in.
pub async fn on_sqlite(story: impl AsyncFn(&mut TestApp<'_>)) {
    let database = super::databases::sqlite();
    let mut app = TestApp::new(&database).await;
    story(&mut app).await;
    app.finish().await;
}

pub fn fixture(name: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)).unwrap()
}

/// Where a stamp goes, with the parameters that a request has.
#[derive(Debug, Clone)]
pub struct At {
    pub page: String,
    pub x_mm: String,
    pub y_mm: String,
    pub rest: String,
}

impl At {
    pub fn page(page: u32, x_mm: f64, y_mm: f64) -> Self {
        Self { page: page.to_string(), x_mm: x_mm.to_string(), y_mm: y_mm.to_string(), rest: String::new() }
    }

    /// Where the notice of `one-page.pdf` is signed.
    pub fn notice() -> Self {
        Self::page(1, 150.0, 232.0)
    }

    /// With more parameters, `&time_stamp=true`.
    pub fn and(self, rest: &str) -> Self {
        Self { rest: self.rest + rest, ..self }
    }

    pub fn path(&self, seal: &str) -> String {
        let Self { page, x_mm, y_mm, rest } = self;
        format!("/api/v1/stamps?seal={seal}&page={page}&x_mm={x_mm}&y_mm={y_mm}{rest}")
    }
}

impl<'d> TestApp<'d> {
    /// The first start, a person for each role, an office whose member the seal operator is, and a maker.
    pub async fn new(database: &'d Database) -> Self {
        Self::with(database, |_| {}).await
    }

    /// The same on another configuration.
    pub async fn with(database: &'d Database, change: impl FnOnce(&mut Config)) -> Self {
        Self::with_chance(database, 1, change).await
    }

    /// The same with other chance: another service, with other keys and another passphrase.
    pub async fn with_chance(database: &'d Database, seed: u64, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::load(None, []).unwrap();
        config.data_dir = database.folder().join("data");
        config.database = database.setting();
        config.node = Some("local".into());
        // Some stories take years.
        config.officers.key_days = 36_600;
        change(&mut config);
        let clock = Arc::new(SteppedClock::at(START));
        let sources = Sources { clock: clock.clone(), entropy: Arc::new(SeededEntropy::new(seed)) };
        init_at_cost(&config, sources, UnlockCost::FLOOR).await.unwrap();
        let app = open(&config, &clock, seed + 1).await;
        let router = app.router().unwrap();
        let mut test = Self {
            database,
            app: Some(app),
            router,
            config,
            seed: seed + 1,
            clock,
            people: BTreeMap::new(),
            owner: String::new(),
            maker: String::new(),
            finished: false,
        };
        test.settle_in().await;
        test
    }

    async fn settle_in(&mut self) {
        for role in [Role::SystemAdministrator, Role::SecurityAdministrator, Role::Auditor] {
            let key = fs::read_to_string(self.data_dir().join("officer-keys").join(role.name())).unwrap();
            let me = self.send(request("GET", "/api/v1/me", Some(&key)).body(Body::empty()).unwrap()).await;
            let id = me.json()["id"].as_str().unwrap().to_owned();
            self.people.insert(role, Person { id, key });
        }
        for &role in Role::ALL.iter().filter(|role| !role.stands_apart()) {
            let person = self.hire(role.name(), &[role]).await;
            self.people.insert(role, person);
        }
        let operator = self.operator();
        self.owner = self.register_owner(&operator, OFFICE.0, OFFICE.1).await;
        let body = json!({ "name": "示范印章制作中心", "vendor": "YINXIN" });
        let made = self.post("/api/v1/makers", &self.person(Role::SystemAdministrator), body).await;
        self.maker = made.id();
    }

    /// Registers another maker, of the seals applied for from now on.
    pub async fn change_maker(&mut self) {
        let body = json!({ "name": "另一印章制作中心", "vendor": "OTHER" });
        self.maker = self.post("/api/v1/makers", &self.person(Role::SystemAdministrator), body).await.id();
    }

    /// A configuration like this one's, for another database and data directory, with the keystore's passphrase there.
    pub fn config_for(&self, database: &Database) -> Config {
        let mut config = Config::load(None, []).unwrap();
        config.data_dir = database.folder().join("data");
        config.database = database.setting();
        config.node = Some("local".into());
        config.backup = self.config.backup.clone();
        fs::create_dir_all(&config.data_dir).unwrap();
        fs::copy(self.data_dir().join("passphrase"), config.data_dir.join("passphrase")).unwrap();
        config
    }

    /// The same people and things, at work on another database, which was restored from a backup of this one.
    pub async fn moved<'n>(mut self, database: &'n Database, config: Config) -> TestApp<'n> {
        if let Some(app) = self.app.take() {
            app.close().await;
        }
        self.finished = true;
        let seed = self.seed + 100;
        let app = open(&config, &self.clock, seed).await;
        TestApp {
            database,
            router: app.router().unwrap(),
            app: Some(app),
            config,
            seed,
            clock: self.clock.clone(),
            people: self.people.clone(),
            owner: self.owner.clone(),
            maker: self.maker.clone(),
            finished: false,
        }
    }

    /// Time and chance for commands beside the service.
    pub fn sources(&self) -> Sources {
        Sources { clock: self.clock.clone(), entropy: Arc::new(SeededEntropy::new(self.seed + 1000)) }
    }

    /// Takes the service away, as a crash does, without opening it again.
    pub async fn lose(&mut self) {
        if let Some(app) = self.app.take() {
            app.store().close().await;
        }
    }

    /// Opens the service again after [`Self::lose`].
    pub async fn open_again(&mut self) {
        self.reopen().await;
    }

    /// Closes the service and opens it again on the same data, as after a restart.
    pub async fn restart(&mut self) {
        if let Some(app) = self.app.take() {
            app.close().await;
        }
        self.reopen().await;
    }

    /// The same, where the start may fail; the service is closed then.
    pub async fn try_restart(&mut self) -> Result<(), AppError> {
        if let Some(app) = self.app.take() {
            app.close().await;
        }
        self.seed += 1;
        let app = try_open(&self.config, &self.clock, self.seed).await?;
        self.router = app.router().unwrap();
        self.app = Some(app);
        Ok(())
    }

    /// Opens the service again without having closed it in order, as after a crash: nothing is chained, nothing swept.
    pub async fn crash(&mut self) {
        if let Some(app) = self.app.take() {
            app.store().close().await;
        }
        self.reopen().await;
    }

    async fn reopen(&mut self) {
        self.seed += 1;
        let app = open(&self.config, &self.clock, self.seed).await;
        self.router = app.router().unwrap();
        self.app = Some(app);
    }

    /// Ends the story: no job and no open intent is left, and the chain of records holds.
    pub async fn finish(mut self) {
        self.finished = true;
        let app = self.app.take().unwrap();
        app.do_jobs().await.unwrap();
        let jobs = app.store().read(async |rx| job::left_over(rx).await).await.unwrap();
        assert_eq!(jobs, 0, "jobs are left over");
        app.chain_records().await.unwrap();
        let auditor = self.person(Role::Auditor);
        let verification = self.get("/api/v1/audit/verification", &auditor).await.json();
        assert_eq!(verification["sound"], true, "{verification}");
        assert_eq!(verification["report"]["unchained"], 0, "{verification}");
        let open = self.stamps("").await.into_iter().find(|stamp| stamp["state"] == "intended");
        assert_eq!(open, None, "a stamp was never settled");
        app.close().await;
    }

    pub fn app(&self) -> &App {
        self.app.as_ref().unwrap()
    }

    /// Whether no other node can be at work on these data.
    pub fn is_alone(&self) -> bool {
        self.database.is_sqlite()
    }

    pub fn data_dir(&self) -> &Path {
        &self.config.data_dir
    }

    pub fn person(&self, role: Role) -> Person {
        self.people[&role].clone()
    }

    /// A seal operator, member of the office.
    pub fn operator(&self) -> Person {
        self.person(Role::SealOperator)
    }

    pub fn approver(&self) -> Person {
        self.person(Role::SealApprover)
    }

    /// Registers an officer and makes a key.
    pub async fn hire(&self, name: &str, roles: &[Role]) -> Person {
        let security = self.person(Role::SecurityAdministrator);
        let roles: Vec<_> = roles.iter().map(|role| role.name()).collect();
        let id = self.post("/api/v1/officers", &security, json!({ "name": name, "roles": roles })).await.id();
        let made =
            self.post(&format!("/api/v1/officers/{id}/keys"), &security, json!({ "label": "test" })).await;
        Person { key: made.json()["secret"].as_str().unwrap().to_owned(), id }
    }

    pub async fn register_owner(&self, operator: &Person, name: &str, code: &str) -> String {
        let body = json!({ "name": name, "credit_code": code, "kind": "organisation" });
        self.post("/api/v1/owners", operator, body).await.id()
    }

    /// Makes an officer a member of the office.
    pub async fn join(&self, member: &Person) {
        let path = format!("/api/v1/owners/{}/members/{}", self.owner, member.id);
        assert_eq!(self.put(&path, &self.operator()).await.status, 204);
    }

    pub async fn send(&self, request: Request<Body>) -> Answer {
        send(&self.router, request).await
    }

    /// The answer itself, its body unread.
    pub async fn raw(&self, request: Request<Body>) -> axum::response::Response {
        use tower::ServiceExt as _;
        self.router.clone().oneshot(request).await.unwrap()
    }

    /// All that the database holds: a line for each table, with the digest of its rows; without these tables.
    pub async fn state(&self, without: &[&str]) -> Vec<String> {
        let rows = async |rx: &mut yinxin::store::Rx| -> Result<Vec<String>, yinxin::store::StoreError> {
            let mut lines = Vec::new();
            for table in rx.tables().await? {
                if without.contains(&table.name.as_str()) {
                    continue;
                }
                let (mut digest, mut count) = (Sm3::new(), 0);
                rx.each_row(&table, yinxin::store::Part::ALL, async |cells| {
                    digest.update(format!("{cells:?}"));
                    count += 1;
                    Ok::<_, yinxin::store::StoreError>(())
                })
                .await?;
                lines.push(format!("{} {count} {}", table.name, hex::encode(digest.finish())));
            }
            Ok(lines)
        };
        self.app().store().snapshot(rows).await.unwrap()
    }

    /// Ends a story whose service was broken on purpose.
    pub fn abandon(mut self) {
        self.finished = true;
    }

    pub async fn get(&self, path: &str, person: &Person) -> Answer {
        self.send(request("GET", path, Some(&person.key)).body(Body::empty()).unwrap()).await
    }

    pub async fn post(&self, path: &str, person: &Person, body: Value) -> Answer {
        self.send(json_request(path, Some(&person.key), &body)).await
    }

    pub async fn put(&self, path: &str, person: &Person) -> Answer {
        self.send(request("PUT", path, Some(&person.key)).body(Body::empty()).unwrap()).await
    }

    pub async fn delete(&self, path: &str, person: &Person) -> Answer {
        self.send(request("DELETE", path, Some(&person.key)).body(Body::empty()).unwrap()).await
    }

    /// A well-formed id of no seal.
    pub fn seal_id_of_nobody(&self) -> String {
        SealId::fresh(START, &SeededEntropy::new(99)).to_string()
    }

    /// A creating request with an idempotency key.
    pub async fn create(&self, path: &str, person: &Person, once: &str, body: &Value) -> Answer {
        let mut request = json_request(path, Some(&person.key), body);
        request.headers_mut().insert("idempotency-key", once.parse().unwrap());
        self.send(request).await
    }

    /// The body of an application for a seal of the office.
    pub fn application(&self, version: u8) -> Value {
        json!({
            "owner": self.owner, "maker": self.maker, "name": OFFICE.0, "version": version, "period_days": 365,
            "look": { "by": "preset", "preset": "department" },
        })
    }

    /// Applies for a seal of the office; answers its id.
    pub async fn apply(&self, version: u8) -> String {
        self.post("/api/v1/seals", &self.operator(), self.application(version)).await.id()
    }

    /// Does an act on a seal, with a reason where the act takes one.
    pub async fn act(&self, person: &Person, seal: &str, act: &str) -> Answer {
        let path = format!("/api/v1/seals/{seal}/{act}");
        match act {
            "reject" | "suspend" | "report-loss" | "cancel" => {
                self.post(&path, person, json!({ "reason": "盘点" })).await
            }
            "renewals" => self.post(&path, person, json!({ "period_days": 400 })).await,
            _ => self.act_on(person, &path).await,
        }
    }

    /// The same, and it must go well; answers the seal.
    pub async fn done(&self, person: &Person, seal: &str, act: &str) -> Value {
        let answer = self.act(person, seal, act).await;
        assert!(matches!(answer.status, 200 | 201), "{act}: {}", answer.text());
        answer.json()
    }

    /// Approves and makes an application.
    pub async fn bring_into_force(&self, seal: &str) -> Value {
        self.done(&self.approver(), seal, "approve").await;
        self.done(&self.operator(), seal, "make").await
    }

    /// A seal of the office in force.
    pub async fn active_seal(&self, version: u8) -> String {
        let seal = self.apply(version).await;
        assert_eq!(self.bring_into_force(&seal).await["state"], "active");
        seal
    }

    pub async fn seal(&self, seal: &str) -> Value {
        self.get(&format!("/api/v1/seals/{seal}"), &self.operator()).await.json()
    }

    pub fn stamp_request(&self, person: &Person, seal: &str, at: &At, document: Vec<u8>) -> Request<Body> {
        request("POST", &at.path(seal), Some(&person.key))
            .header(header::CONTENT_TYPE, "application/pdf")
            .body(Body::from(document))
            .unwrap()
    }

    pub async fn stamp(&self, person: &Person, seal: &str, at: &At, document: Vec<u8>) -> Answer {
        self.send(self.stamp_request(person, seal, at, document)).await
    }

    /// With an idempotency key.
    pub async fn stamp_once(&self, once: &str, seal: &str, at: &At, document: Vec<u8>) -> Answer {
        let mut request = self.stamp_request(&self.operator(), seal, at, document);
        request.headers_mut().insert("idempotency-key", once.parse().unwrap());
        self.send(request).await
    }

    /// The office's operator stamps; it must go well; answers the file.
    pub async fn stamped(&self, seal: &str, at: &At, document: Vec<u8>) -> Vec<u8> {
        let answer = self.stamp(&self.operator(), seal, at, document).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.body.to_vec()
    }

    /// Lines of the register of use that fit `query` (`&seal=…`).
    pub async fn stamps(&self, query: &str) -> Vec<Value> {
        let path = format!("/api/v1/stamps?limit=500{query}");
        self.get(&path, &self.approver()).await.items()
    }

    /// Audit records that fit `query` (`&action=…`), newest first.
    pub async fn audit(&self, query: &str) -> Vec<Value> {
        let path = format!("/api/v1/audit/records?limit=1000{query}");
        self.get(&path, &self.person(Role::Auditor)).await.items()
    }

    /// The own root and issuing authority.
    pub async fn certs(&self) -> [Cert; 2] {
        let mut certs = Vec::new();
        for name in ["root", "issuing"] {
            let path = format!("/pki/{name}.cer");
            let answer = self.send(request("GET", &path, None).body(Body::empty()).unwrap()).await;
            certs.push(Cert::parse(&answer.body).unwrap());
        }
        certs.try_into().unwrap()
    }

    /// Judges every stamp of a file in profile `strict`, oldest first; nothing about the file may look odd.
    pub async fn judge(&self, file: &[u8]) -> Vec<SignatureReport> {
        let certs = self.certs().await;
        let limits = pdf::Limits::default();
        let opened = pdf::open(file, &limits).unwrap();
        let analysis = analysis::signatures(&opened, &limits).unwrap();
        assert!(analysis.is_clean(), "{:?}", analysis.tricks);
        let judge = |placed: &analysis::Placed| {
            let mut digest = Sm3::new();
            for range in placed.signed.clone().unwrap() {
                digest.update(&file[range]);
            }
            judge::stamp(&placed.value, Some(digest.finish()), &self.question(&certs))
        };
        analysis.signatures.iter().map(judge).collect()
    }

    /// The report that a verifier gets over REST; an officer who keeps reports finds it again.
    pub async fn verify(&self, file: &[u8]) -> Value {
        self.verify_as(&self.operator(), file).await.json()
    }

    pub async fn verify_as(&self, person: &Person, file: &[u8]) -> Answer {
        let request = request("POST", "/api/v1/verifications", Some(&person.key))
            .header(header::CONTENT_TYPE, "application/octet-stream")
            .body(Body::from(file.to_vec()))
            .unwrap();
        self.send(request).await.good()
    }

    /// A `POST` without a body.
    pub async fn act_on(&self, person: &Person, path: &str) -> Answer {
        self.send(request("POST", path, Some(&person.key)).body(Body::empty()).unwrap()).await
    }

    /// Asks the time-stamp authority.
    pub async fn time_stamp(&self, body: Vec<u8>) -> Answer {
        let request =
            request("POST", "/tsa", None).header(header::CONTENT_TYPE, "application/timestamp-query");
        self.send(request.body(Body::from(body)).unwrap()).await
    }

    /// Judges a bare seal in profile `strict`.
    pub async fn judge_seal(&self, esl: &[u8]) -> SignatureReport {
        let certs = self.certs().await;
        judge::seal(esl, &self.question(&certs))
    }

    fn question<'a>(&self, certs: &'a [Cert; 2]) -> Question<'a> {
        let material = Material { anchors: &certs[..1], intermediates: &certs[1..], crls: &[] };
        Question::new(material, self.clock.now(), Profile::Strict)
    }

    /// Runs SQL behind the service's back.
    pub async fn tamper(&self, sql: &str) {
        self.database.tamper(sql).await;
    }
}

async fn open(config: &Config, clock: &Arc<SteppedClock>, seed: u64) -> App {
    try_open(config, clock, seed).await.unwrap()
}

async fn try_open(config: &Config, clock: &Arc<SteppedClock>, seed: u64) -> Result<App, AppError> {
    let sources = Sources { clock: clock.clone(), entropy: Arc::new(SeededEntropy::new(seed)) };
    App::open_with(config, sources).await
}

impl Drop for TestApp<'_> {
    fn drop(&mut self) {
        assert!(self.finished || std::thread::panicking(), "a story ended without finish()");
    }
}

impl Answer {
    /// This answer, where it is a good one.
    pub fn good(self) -> Self {
        assert!(self.status < 300, "{}", self.text());
        self
    }

    /// The id of what was made.
    pub fn id(&self) -> String {
        assert_eq!(self.status, 201, "{}", self.text());
        self.json()["id"].as_str().unwrap().to_owned()
    }

    /// The items of a list.
    pub fn items(&self) -> Vec<Value> {
        assert_eq!(self.status, 200, "{}", self.text());
        self.json()["items"].as_array().unwrap().clone()
    }
}

/// A second credit code that holds: the one with this organisation code's first eight digits.
pub fn credit_code(number: u32) -> String {
    let alphabet = b"0123456789ABCDEFGHJKLMNPQRTUWXY";
    let ends = alphabet.iter().chain(b"X").flat_map(|&one| alphabet.iter().map(move |&two| [one, two]));
    let mut codes =
        ends.map(|end| format!("11440100{number:08}{}{}", char::from(end[0]), char::from(end[1])));
    codes.find(|code| CreditCode::parse(code).is_ok()).unwrap()
}
