//! `writes [SECONDS] [sqlite] [postgres] [delay] [audit-cost] [short]`: acknowledged writes a second, with their audit records.
//!
//! Measured at the store (in this process: a closure with a row like that of an idempotency key, and an audit record) and at
//! the daemon over HTTP (registering officers: key, officer, role, audit record), by 1, 8, 64 and 256 clients, each of which
//! begins its next write when the last is acknowledged; `short`: by fewer, for a moment. Client, daemon and PostgreSQL share
//! this machine. `delay` does the same by 64 clients where a failpoint has every commit take 2 and 5 ms longer, and tells how
//! many writes shared one sync. `audit-cost` builds a twin of this program that records nothing
//! (`--cfg yinxin_bench_without_audit`), and lets both write in turns. Without words: all but the last.
//!
//! Every daemon is asked afterwards what is there: nothing that was acknowledged may be missing.

use crate::{
    daemon::{Daemon, Start},
    failpoint,
    http::{Ask, Client, Place},
    json::Figures,
    office,
    plan::Plan,
    postgres::Cluster,
    trouble::{Outcome, Trouble},
    twin::Twin,
    wire::{self, Wire},
};
use serde_json::{Map, Value, json};
use std::{
    fs::{self, File},
    io::Write as _,
    net::SocketAddr,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::task::JoinSet;
use yinxin::{
    audit,
    base::{Secret, Timestamp},
    officer::Caller,
    store::{Deadlines, EngineConfig, Statement, Store, StoreConfig, StoreError},
};

const CLIENTS: [u64; 4] = [1, 8, 64, 256];
const CLIENTS_IN_SHORT: [u64; 2] = [1, 16];
const CLIENTS_COMPARED: u64 = 64;
/// How long each number of clients writes.
const SECONDS: u32 = 5;
const SPAN_IN_SHORT: Duration = Duration::from_millis(300);
/// Delays of a sync, in milliseconds.
const DELAYS_MS: [u64; 2] = [2, 5];
/// Turns of each side where two are compared.
const TURNS: usize = 7;

/// What is to be measured.
struct Extent {
    clients: &'static [u64],
    delays_ms: &'static [u64],
    span: Duration,
}

impl Extent {
    fn of(plan: &Plan) -> Self {
        match plan.says("short") {
            true => Self { clients: &CLIENTS_IN_SHORT, delays_ms: &DELAYS_MS[1..], span: SPAN_IN_SHORT },
            false => Self {
                clients: &CLIENTS,
                delays_ms: &DELAYS_MS,
                span: Duration::from_secs(u64::from(plan.given.unwrap_or(SECONDS).max(1))),
            },
        }
    }
}

pub async fn run(plan: &Plan) -> Outcome<Figures> {
    let extent = Extent::of(plan);
    let says_none = plan.words.iter().all(|word| word == "short");
    let wanted = |word: &str| plan.says(word) || (says_none && word != "audit-cost");
    let mut tally = Tally::default();
    let mut figures = Figures::of("writes").with("seconds", extent.span.as_secs_f64());
    let scratch = tempfile::Builder::new().prefix("endurance-writes-").tempdir()?;
    let syncs = syncs_a_second(scratch.path())?;
    eprintln!("the disk syncs {syncs:.0} times a second");
    figures = figures.with("syncs_a_second", rounded(syncs));
    if wanted("sqlite") {
        let store = EngineConfig::Sqlite { path: scratch.path().join("store.db"), readers: 4 };
        figures = figures.with("sqlite_store", at_the_store("sqlite", store, &extent).await?);
        let data = scratch.path().join("data");
        figures = figures.with("sqlite_http", over_http("sqlite", &data, None, &extent, &mut tally).await?);
    }
    if wanted("postgres") {
        for (name, found) in here("PostgreSQL", on_postgres(scratch.path(), &extent, &mut tally).await)? {
            figures = figures.with(name, found);
        }
    }
    if wanted("delay") {
        for (name, found) in here("a disk that is slow to sync", delayed(&extent, &mut tally).await)? {
            figures = figures.with(name, found);
        }
    }
    if wanted("audit-cost") {
        figures = figures.with("audit_cost", audit_cost(&extent, &mut tally).await?);
    }
    Ok(figures.with("acknowledged", tally.acknowledged).with("lost", tally.lost).with("twice", tally.twice))
}

type Named = Vec<(&'static str, Value)>;

/// What was found; nothing, told loudly, where this machine has not got what it takes.
fn here(what: &str, found: Outcome<Named>) -> Outcome<Named> {
    match found {
        Err(Trouble::NotHere(says)) => {
            eprintln!("SKIPPED: {what}: {says}");
            Ok(Vec::new())
        }
        found => found,
    }
}

async fn on_postgres(scratch: &Path, extent: &Extent, tally: &mut Tally) -> Outcome<Named> {
    let cluster = Cluster::start().await?;
    let url = cluster.url();
    make_schemas(&url).await?;
    let store = EngineConfig::Postgres {
        url: Secret::new(url.clone()),
        schema: Some("store".into()),
        connections: 16,
    };
    let at_the_store = at_the_store("postgres", store, extent).await?;
    let data = scratch.join("data-postgres");
    let over_http = over_http("postgres", &data, Some(&url), extent, tally).await?;
    Ok(vec![("postgres_store", at_the_store), ("postgres_http", over_http)])
}

/// What was acknowledged, over all daemons, and what became of it.
#[derive(Default)]
struct Tally {
    acknowledged: u64,
    lost: u64,
    twice: u64,
}

/// Syncs of one block that the disk of this folder does in a second.
fn syncs_a_second(folder: &Path) -> Outcome<f64> {
    let mut file = File::create(folder.join("sync"))?;
    let (begun, mut syncs) = (Instant::now(), 0_u32);
    while begun.elapsed() < Duration::from_secs(1) {
        file.write_all(&[0; 4096])?;
        file.sync_data()?;
        syncs += 1;
    }
    Ok(f64::from(syncs) / begun.elapsed().as_secs_f64())
}

fn rounded(figure: f64) -> f64 {
    (figure * 10.0).round() / 10.0
}

const ROW: Statement = Statement::portable(
    "endurance.row",
    "INSERT INTO idempotency (caller, name, operation, body_sm3, holder, lease_until, expires_at, subject, status,
            content_type, location, answer)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT (caller, name) DO NOTHING",
);
const ROWS: Statement =
    Statement::portable("endurance.rows", "SELECT count(*) FROM idempotency WHERE operation = 'endurance'");

/// Writes a second by numbers of clients, straight at the store.
async fn at_the_store(engine: &str, config: EngineConfig, extent: &Extent) -> Outcome<Value> {
    let deadlines = Deadlines { wait_ms: 60_000, ..Deadlines::default() };
    let config = StoreConfig { engine: config, node: "local".into(), deadlines };
    let store =
        Store::open(&config, Timestamp::from_seconds(1_795_219_200)).await.map_err(Trouble::failed)?;
    let (mut table, mut all) = (Map::new(), 0);
    for &clients in extent.clients {
        let begun = Instant::now();
        let end = begun + extent.span;
        let mut writers = JoinSet::new();
        for client in 0..clients {
            writers.spawn(write_until(store.clone(), end, format!("{clients}-{client}")));
        }
        let mut done = 0;
        while let Some(ended) = writers.join_next().await {
            done += ended?.map_err(Trouble::failed)?;
        }
        let rate = done as f64 / begun.elapsed().as_secs_f64();
        eprintln!("{engine}, store, {clients} clients: {rate:.0} a second");
        table.insert(clients.to_string(), json!(rounded(rate)));
        all += done;
    }
    let there: i64 = store
        .read(async |rx| rx.one(&ROWS, &[]).await)
        .await
        .map_err(|error: StoreError| Trouble::failed(error))?;
    if i64::try_from(all) != Ok(there) {
        return Err(Trouble::failed(format!("{all} writes were acknowledged, and {there} are there")));
    }
    store.close().await;
    Ok(table.into())
}

async fn write_until(store: Store, end: Instant, writer: String) -> Result<u64, StoreError> {
    let now = Timestamp::from_seconds(1_795_219_200);
    let caller = Caller::system("endurance", now);
    let (sm3, answer) = ([7; 32], [b'x'; 300]);
    let mut done = 0;
    while Instant::now() < end {
        let name = format!("{:016x}-{writer}", scattered(done));
        let id = format!("officer_{name}");
        let entry = caller.entry("officer.registered", &id, json!({ "roles": ["viewer"] }));
        let values = [
            "endurance".into(),
            (&name).into(),
            "endurance".into(),
            (&sm3).into(),
            "holder".into(),
            now.into(),
            now.into(),
            (&id).into(),
            201i64.into(),
            "application/json".into(),
            (&id).into(),
            (&answer[..]).into(),
        ];
        store
            .write(async |tx| {
                tx.execute(&ROW, &values).await?;
                audit::append(tx, &entry).await
            })
            .await?;
        done += 1;
    }
    Ok(done)
}

/// Keys of idempotency come in no order.
fn scattered(number: u64) -> u64 {
    number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// Writes a second by numbers of clients, at a daemon of its own.
async fn over_http(
    name: &str,
    data: &Path,
    postgres: Option<&str>,
    extent: &Extent,
    tally: &mut Tally,
) -> Outcome<Value> {
    let site = Site::found(Start::on(data), postgres).await?;
    let mut table = Map::new();
    for &clients in extent.clients {
        let rate = site.write(clients, extent.span).await?;
        eprintln!("{name}, over HTTP, {clients} clients: {rate:.0} a second");
        table.insert(clients.to_string(), json!(rounded(rate)));
    }
    site.count(tally).await?;
    Ok(table.into())
}

/// A daemon under load.
struct Site {
    daemon: Daemon,
    key: String,
    /// Of who may read the metrics.
    system: String,
    written: Arc<AtomicU64>,
    /// Makes every officer and every key unlike all others.
    names: Arc<AtomicU64>,
}

impl Site {
    async fn found(start: Start, postgres: Option<&str>) -> Outcome<Self> {
        let mut start = start
            .with("YINXIN_LIMITS_CONNECTIONS_PER_ADDRESS", "2000")
            .with("YINXIN_LIMITS_CONNECTIONS", "2000")
            .with("YINXIN_LIMITS_LIGHT_REQUESTS", "1000");
        if let Some(url) = postgres {
            start =
                start.with("YINXIN_DATABASE_URL", url).with("YINXIN_DATABASE_SCHEMA", "bench_without_audit");
        }
        office::init(&start).await?;
        let key = fs::read_to_string(start.data.join("officer-keys/security_administrator"))?;
        let system = fs::read_to_string(start.data.join("officer-keys/system_administrator"))?;
        let daemon = start.ready().await?;
        Ok(Self { daemon, key, system, written: Arc::default(), names: Arc::default() })
    }

    /// How many commits the daemon has made.
    async fn commits(&self) -> Outcome<f64> {
        let ask = Ask::get("/metrics").by(&self.system);
        let page = Client::to(&Place::at(self.daemon.address)).ask(&ask).await?.good()?;
        let page = String::from_utf8_lossy(&page.body).into_owned();
        let line = page.lines().find_map(|line| line.strip_prefix("yinxin_store_commit_writes_count "));
        let count = line.and_then(|count| count.trim().parse().ok());
        count.ok_or_else(|| Trouble::failed("the metrics do not tell how many commits there were"))
    }

    /// Writes a second, by so many clients.
    async fn write(&self, clients: u64, span: Duration) -> Outcome<f64> {
        let before = self.written.load(Ordering::Relaxed);
        let (begun, end) = (Instant::now(), Instant::now() + span);
        let mut writers = JoinSet::new();
        for _ in 0..clients {
            let (to, key) = (self.daemon.address, self.key.clone());
            writers.spawn(register_until(to, key, end, self.written.clone(), self.names.clone()));
        }
        while let Some(ended) = writers.join_next().await {
            ended??;
        }
        let done = self.written.load(Ordering::Relaxed) - before;
        Ok(done as f64 / begun.elapsed().as_secs_f64())
    }

    /// Whether everything that was acknowledged is there, once.
    async fn count(&self, tally: &mut Tally) -> Outcome<()> {
        let mut client = Client::to(&Place::at(self.daemon.address));
        let (mut found, mut after) = (0_u64, String::new());
        loop {
            let path = match after.is_empty() {
                true => "/api/v1/officers".to_owned(),
                false => format!("/api/v1/officers?after={after}"),
            };
            let page = client.ask(&Ask::get(path).by(&self.key)).await?.good()?.json();
            let items = page["items"].as_array().cloned().unwrap_or_default();
            let Some(last) = items.last() else { break };
            after = last["id"].as_str().unwrap_or_default().to_owned();
            found += items.iter().filter(|item| item["name"].as_str().is_some_and(is_ours)).count() as u64;
        }
        let acknowledged = self.written.load(Ordering::Relaxed);
        tally.acknowledged += acknowledged;
        tally.lost += acknowledged.saturating_sub(found);
        tally.twice += found.saturating_sub(acknowledged);
        Ok(())
    }
}

fn is_ours(name: &str) -> bool {
    name.starts_with("writes-")
}

async fn register_until(
    to: SocketAddr,
    key: String,
    end: Instant,
    written: Arc<AtomicU64>,
    names: Arc<AtomicU64>,
) -> Outcome<()> {
    let mut wire = Wire::open(to).await?;
    while Instant::now() < end {
        let number = names.fetch_add(1, Ordering::Relaxed);
        let body = format!("{{\"name\":\"writes-{number}\",\"roles\":[\"viewer\"]}}");
        let once = format!("{:016x}-{number}", scattered(number));
        let request = wire::post("/api/v1/officers", &key, &once, "application/json", body.as_bytes());
        let heard = wire.ask(&request).await?;
        if heard.status != 201 {
            return Err(Trouble::failed(format!("a registration was answered {}", heard.status)));
        }
        written.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

async fn make_schemas(url: &str) -> Outcome<()> {
    use sqlx::{Connection as _, PgConnection};
    let mut conn = PgConnection::connect(url).await.map_err(Trouble::failed)?;
    sqlx::raw_sql("CREATE SCHEMA store; CREATE SCHEMA bench_without_audit")
        .execute(&mut conn)
        .await
        .map_err(Trouble::failed)?;
    conn.close().await.map_err(Trouble::failed)
}

/// Where every commit takes so much longer, as on a disk that is slow to sync: how many writes share one.
async fn delayed(extent: &Extent, tally: &mut Tally) -> Outcome<Named> {
    let mut table = Map::new();
    for &delay_ms in extent.delays_ms {
        let folder = tempfile::Builder::new().prefix("endurance-writes-").tempdir()?;
        let start = Start::on(&folder.path().join("data"));
        let start = start.with(failpoint::VARIABLE, format!("sqlite.committing 1 sleep {delay_ms}"));
        let site = Site::found(start, None).await?;
        let before = (site.commits().await?, site.written.load(Ordering::Relaxed));
        let rate = site.write(CLIENTS_COMPARED, extent.span).await?;
        let commits = site.commits().await? - before.0;
        let written = site.written.load(Ordering::Relaxed) - before.1;
        // Of a disk that does nothing else: the real sync comes on top, and is left out.
        let (to_rate, a_sync) = (rate * delay_ms as f64 / 1e3, written as f64 / commits.max(1.0));
        eprintln!(
            "sqlite, over HTTP, {CLIENTS_COMPARED} clients, a sync takes {delay_ms} ms and more: {rate:.0} a second, \
             {to_rate:.1} times the syncs that such a disk can do; {a_sync:.1} writes shared a sync"
        );
        site.count(tally).await?;
        let found = json!({
            "writes_a_second": rounded(rate), "to_sync_rate": rounded(to_rate), "writes_a_sync": rounded(a_sync)
        });
        table.insert(format!("{delay_ms}ms"), found);
    }
    Ok(vec![("delayed", table.into())])
}

/// Both builds in turns, on one disk, with an engine each; medians of the turns.
async fn audit_cost(extent: &Extent, tally: &mut Tally) -> Outcome<Value> {
    let twin = Twin::build().await?;
    let scratch = tempfile::Builder::new().prefix("endurance-writes-").tempdir()?;
    twin.refuses_what_is_no_scratch(&scratch.path().join("real")).await?;
    let mut cost = Map::new();
    let found = compared(&twin, &scratch.path().join("sqlite"), None, extent, tally).await?;
    cost.insert("sqlite".into(), found);
    let clusters = match (Cluster::start().await, Cluster::start().await) {
        (Ok(one), Ok(other)) => Ok((one, other)),
        (Err(trouble), _) | (_, Err(trouble)) => Err(trouble),
    };
    match clusters {
        Ok((one, other)) => {
            let urls = [one.url(), other.url()];
            for url in &urls {
                make_schemas(url).await?;
            }
            let found = compared(&twin, &scratch.path().join("postgres"), Some(&urls), extent, tally).await?;
            cost.insert("postgres".into(), found);
        }
        Err(Trouble::NotHere(says)) => eprintln!("SKIPPED: PostgreSQL: {says}"),
        Err(trouble) => return Err(trouble),
    }
    Ok(cost.into())
}

/// What recording costs in hundredths of the throughput.
async fn compared(
    twin: &Twin,
    folder: &Path,
    postgres: Option<&[String; 2]>,
    extent: &Extent,
    tally: &mut Tally,
) -> Outcome<Value> {
    let [own, others] =
        postgres.map_or([None, None], |[own, others]| [Some(own.as_str()), Some(others.as_str())]);
    let with = Site::found(Start::on(&folder.join("with")), own).await?;
    let without = Site::found(twin.start(&folder.join("without"))?, others).await?;
    let (mut rates, mut bare) = (Vec::new(), Vec::new());
    for turn in 0..=TURNS {
        let [one, other] = [
            with.write(CLIENTS_COMPARED, extent.span).await?,
            without.write(CLIENTS_COMPARED, extent.span).await?,
        ];
        let engine = if postgres.is_some() { "postgres" } else { "sqlite" };
        eprintln!("{engine}, {CLIENTS_COMPARED} clients: {one:.0} a second with audit, {other:.0} without");
        // The first turn only warms up.
        if turn > 0 {
            rates.push(one);
            bare.push(other);
        }
    }
    with.count(tally).await?;
    without.count(tally).await?;
    let (with, without) = (median(rates), median(bare));
    let percent = rounded((1.0 - with / without) * 100.0);
    Ok(json!({ "with": rounded(with), "without": rounded(without), "percent": percent }))
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or_default()
}
