//! `overload [FACTOR] [short]`: the daemon is asked to stamp FACTOR times as often as it can.
//!
//! First the peak is found by clients that wait for each answer. Then requests come at a rate of their own (0.7, 1, 2 and
//! FACTOR times the peak), whether or not earlier ones were answered: each has its instant, and its time counts from there.
//! Beside them somebody looks up a revocation list and a seal, twenty times a second, as those must be served throughout.
//!
//! Told: good answers a second, the times of good answers and of refusals, statuses, memory. Only 2xx, 503 with Retry-After
//! and 429 may come; what was acknowledged must be in the register, once, and what was begun must have been brought to its end. Client and daemon share this machine; a document of
//! two kilobytes is stamped, so that it is not the machine's loopback that is measured.

use crate::{
    daemon::{Daemon, Start, cpu_ms},
    http::{Ask, Client, Place},
    json::Figures,
    office::{self, Office},
    plan::Plan,
    trouble::{Outcome, Trouble},
    wire::{self, Heard, Wire},
};
use serde_json::{Map, Value, json};
use std::{
    collections::BTreeMap,
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::task::{JoinHandle, JoinSet};

/// What is stamped: one page, two kilobytes.
const DOCUMENT: &[u8] = include_bytes!("../../fixtures/pdf/attacks/plain.pdf");
/// Clients in search of the peak.
const CLIENTS: [u64; 4] = [4, 8, 12, 16];
/// Connections that the generator opens at the most: one machine stands for many clients.
const CONNECTIONS: u64 = 1500;
/// How often requests that are due are sent.
const TICK: Duration = Duration::from_micros(500);
/// How many times its peak the daemon is asked for, where nobody says.
const FACTOR: u32 = 10;
/// Between two stages, so that one does not answer for the other.
const REST: Duration = Duration::from_secs(1);

pub async fn run(plan: &Plan) -> Outcome<Figures> {
    let factor = f64::from(plan.given.unwrap_or(FACTOR).max(2));
    let span = if plan.says("short") { Duration::from_secs(1) } else { Duration::from_secs(8) };
    let scratch = tempfile::Builder::new().prefix("endurance-overload-").tempdir()?;
    let start = Start::on(&scratch.path().join("data"))
        .with("YINXIN_LIMITS_CONNECTIONS", "4000")
        .with("YINXIN_LIMITS_CONNECTIONS_PER_ADDRESS", "4000");
    office::init(&start).await?;
    let daemon = start.ready().await?;
    let stand = Stand::found(&daemon, &start).await?;
    let before_mib = daemon.memory_mib("VmRSS");
    let peak = stand.peak(span).await?;
    let mut stages = Map::new();
    let mut told: Vec<(f64, Stage)> = Vec::new();
    for times in [0.7, 1.0, 2.0, factor] {
        tokio::time::sleep(REST).await;
        let stage = stand.at_rate(peak * times, span).await?;
        eprintln!("{times} × the peak ({:.0} a second): {stage}", peak * times);
        stages.insert(times.to_string(), stage.json());
        told.push((times, stage));
    }
    let peak_mib = daemon.memory_mib("VmHWM");
    tokio::time::sleep(REST).await;
    let after_mib = daemon.memory_mib("VmRSS");
    let (calm, storm) = (&told[0].1, &told[told.len() - 1].1);
    let register = stand.register(&daemon).await?;
    let acknowledged = stand.acknowledged.load(Ordering::Relaxed);
    let surprises: u64 = told.iter().map(|(_, stage)| stage.surprises).sum();
    Ok(Figures::of("overload")
        .with("factor", factor)
        .with("peak_a_second", rounded(peak))
        .with("goodput_to_peak", rounded(storm.goodput() / peak))
        .with("p99_to_p99_at_70", rounded(storm.good.at(0.99) / calm.good.at(0.99)))
        .with("refusals_p99_ms", rounded(storm.turned_away.at(0.99)))
        .with("others_p99_ms", rounded(storm.others.at(0.99)))
        .with(
            "memory_mib",
            json!({ "before": rounded(before_mib), "peak": rounded(peak_mib), "after": rounded(after_mib) }),
        )
        .with("stages", Value::from(stages))
        .with("acknowledged", acknowledged)
        .with("surprises", surprises)
        .with("half", register.others)
        .with("lost", acknowledged.saturating_sub(register.done))
        .with("twice", register.done.saturating_sub(acknowledged)))
}

fn rounded(figure: f64) -> f64 {
    (figure * 100.0).round() / 100.0
}

/// The daemon, and what it is asked.
struct Stand {
    to: SocketAddr,
    daemon_pid: String,
    office: Office,
    seal: String,
    acknowledged: AtomicU64,
    /// Makes every key of idempotency unlike all others.
    names: AtomicU64,
}

impl Stand {
    async fn found(daemon: &Daemon, start: &Start) -> Outcome<Arc<Self>> {
        let place = Place::at(daemon.address);
        let office = Office::found(&start.data, &place).await?;
        let seal = office.seal(&place, "办公室公章").await?;
        let (acknowledged, names) = Default::default();
        let daemon_pid = daemon.pid().to_string();
        Ok(Arc::new(Self { to: daemon.address, daemon_pid, office, seal, acknowledged, names }))
    }

    fn stamp(&self) -> Vec<u8> {
        let path = format!("/api/v1/stamps?seal={}&page=1&x_mm=100&y_mm=100&purpose=overload", self.seal);
        let once = format!("overload-{:012}", self.names.fetch_add(1, Ordering::Relaxed));
        wire::post(&path, &self.office.operator, &once, "application/pdf", DOCUMENT)
    }

    /// The most that clients who wait for each answer get, a second.
    async fn peak(self: &Arc<Self>, span: Duration) -> Outcome<f64> {
        let mut best: f64 = 0.0;
        for clients in CLIENTS {
            let (begun, end) = (Instant::now(), Instant::now() + span / 2);
            let before = self.acknowledged.load(Ordering::Relaxed);
            let mut askers = JoinSet::new();
            for _ in 0..clients {
                let stand = self.clone();
                askers.spawn(async move {
                    let mut wire = Wire::open(stand.to).await?;
                    while Instant::now() < end {
                        let heard = wire.ask(&stand.stamp()).await?;
                        stand.acknowledged.fetch_add(u64::from(heard.is_good()), Ordering::Relaxed);
                        if heard.closes {
                            wire = Wire::open(stand.to).await?;
                        }
                    }
                    Ok::<_, io::Error>(())
                });
            }
            while let Some(ended) = askers.join_next().await {
                ended??;
            }
            let done = self.acknowledged.load(Ordering::Relaxed) - before;
            let rate = done as f64 / begun.elapsed().as_secs_f64();
            eprintln!("{clients} clients: {rate:.0} stamps a second");
            best = best.max(rate);
        }
        match best > 0.0 {
            true => Ok(best),
            false => Err(Trouble::failed("nothing was stamped")),
        }
    }

    /// Requests at a rate of their own.
    async fn at_rate(self: &Arc<Self>, a_second: f64, span: Duration) -> Outcome<Stage> {
        let pool = Arc::new(Pool::new(self.to));
        let heard = Arc::new(Mutex::new(Stage { span, ..Stage::default() }));
        let others = self.others(heard.clone());
        let before = self.cpu_ms();
        let mut under_way = JoinSet::new();
        let (begun, mut sent) = (Instant::now(), 0_u64);
        let mut ticks = tokio::time::interval(TICK);
        while begun.elapsed() < span {
            ticks.tick().await;
            let due = (begun.elapsed().as_secs_f64() * a_second) as u64;
            while sent < due {
                let at = begun + Duration::from_secs_f64(sent as f64 / a_second);
                under_way.spawn(one(self.clone(), pool.clone(), at, heard.clone()));
                sent += 1;
            }
            while under_way.try_join_next().is_some() {}
        }
        while let Some(ended) = under_way.join_next().await {
            ended?;
        }
        let (took_ms, after) = (begun.elapsed().as_secs_f64() * 1e3, self.cpu_ms());
        others.end().await?;
        let mut stage = std::mem::take(&mut *heard.lock().unwrap_or_else(PoisonError::into_inner));
        stage.cores = [0, 1].map(|which| (after[which] - before[which]) / took_ms);
        Ok(stage.sorted())
    }

    /// CPU time so far of the daemon, and of this generator.
    fn cpu_ms(&self) -> [f64; 2] {
        [cpu_ms(&self.daemon_pid), cpu_ms("self")]
    }

    /// Looks up a revocation list and a seal, twenty times a second each.
    fn others(self: &Arc<Self>, heard: Arc<Mutex<Stage>>) -> Others {
        let (stand, stop) = (self.clone(), Arc::new(AtomicBool::new(false)));
        let stopped = stop.clone();
        let task = tokio::spawn(async move {
            let list = wire::get("/pki/ca.crl", None);
            let seal = wire::get(&format!("/api/v1/seals/{}", stand.seal), Some(&stand.office.operator));
            let (mut one, mut other) = (Wire::open(stand.to).await?, Wire::open(stand.to).await?);
            while !stopped.load(Ordering::Relaxed) {
                for (wire, ask) in [(&mut one, &list), (&mut other, &seal)] {
                    let at = Instant::now();
                    let answer = wire.ask(ask).await?;
                    let mut stage = heard.lock().unwrap_or_else(PoisonError::into_inner);
                    stage.others.add(at);
                    if !answer.is_good() {
                        stage.surprised(format!("a look-up was answered {}", answer.status));
                    }
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            Ok(())
        });
        Others { stop, task }
    }

    /// What became of all that was begun.
    async fn register(&self, daemon: &Daemon) -> Outcome<Register> {
        let mut client = Client::to(&Place::at(daemon.address));
        let (mut found, mut after) = (Register::default(), String::new());
        loop {
            let path = format!("/api/v1/stamps?limit=500&after={after}");
            let page = client.ask(&Ask::get(path).by(&self.office.approver)).await?.good()?.json();
            let items = page["items"].as_array().cloned().unwrap_or_default();
            let Some(last) = items.last() else { return Ok(found) };
            after = last["id"].as_str().unwrap_or_default().to_owned();
            let done = items.iter().filter(|item| item["state"] == "done").count();
            found.done += done as u64;
            found.others += (items.len() - done) as u64;
        }
    }
}

/// Stamps by how they ended.
#[derive(Default)]
struct Register {
    done: u64,
    /// Failed, given up or never ended.
    others: u64,
}

struct Others {
    stop: Arc<AtomicBool>,
    task: JoinHandle<io::Result<()>>,
}

impl Others {
    async fn end(self) -> Outcome<()> {
        self.stop.store(true, Ordering::Relaxed);
        Ok(self.task.await??)
    }
}

/// Connections that wait for their next request.
struct Pool {
    to: SocketAddr,
    idle: Mutex<Vec<Wire>>,
    open: AtomicU64,
}

impl Pool {
    fn new(to: SocketAddr) -> Self {
        Self { to, idle: Mutex::default(), open: AtomicU64::new(0) }
    }

    fn idle(&self) -> Option<Wire> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    /// `None`: the generator is out of connections, and nothing was asked.
    async fn ask(&self, request: &[u8]) -> Option<io::Result<Heard>> {
        let wire = match self.idle() {
            Some(wire) => Ok(wire),
            None if self.open.load(Ordering::Relaxed) >= CONNECTIONS => return None,
            None => {
                self.open.fetch_add(1, Ordering::Relaxed);
                Wire::open(self.to).await
            }
        };
        let heard = match wire {
            Ok(wire) => self.ask_on(wire, request).await,
            Err(error) => Err(error),
        };
        if !heard.as_ref().is_ok_and(|heard| !heard.closes) {
            self.open.fetch_sub(1, Ordering::Relaxed);
        }
        Some(heard)
    }

    async fn ask_on(&self, mut wire: Wire, request: &[u8]) -> io::Result<Heard> {
        let heard = wire.ask(request).await?;
        if !heard.closes {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(wire);
        }
        Ok(heard)
    }
}

/// One stamp that was due at an instant.
async fn one(stand: Arc<Stand>, pool: Arc<Pool>, at: Instant, heard: Arc<Mutex<Stage>>) {
    let answer = pool.ask(&stand.stamp()).await;
    let mut stage = heard.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(answer) = answer else {
        stage.unsent += 1;
        return;
    };
    stage.asked += 1;
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) => return stage.surprised(format!("no answer: {error}")),
    };
    *stage.statuses.entry(answer.status).or_default() += 1;
    match answer.status {
        200..300 => {
            stand.acknowledged.fetch_add(1, Ordering::Relaxed);
            stage.good.add(at);
        }
        503 | 429 if answer.says_when => stage.turned_away.add(at),
        status => stage.surprised(format!("{status}, Retry-After: {}", answer.says_when)),
    }
}

/// What came of a rate.
#[derive(Default)]
struct Stage {
    span: Duration,
    asked: u64,
    /// Due, but the generator had no connection left.
    unsent: u64,
    /// Processors that the daemon and the generator took.
    cores: [f64; 2],
    good: Times,
    turned_away: Times,
    others: Times,
    statuses: BTreeMap<u16, u64>,
    surprises: u64,
    first_surprise: String,
}

impl Stage {
    fn surprised(&mut self, says: String) {
        self.surprises += 1;
        if self.first_surprise.is_empty() {
            self.first_surprise = says;
        }
    }

    fn sorted(mut self) -> Self {
        for times in [&mut self.good, &mut self.turned_away, &mut self.others] {
            times.0.sort_by(f64::total_cmp);
        }
        self
    }

    /// Good answers a second.
    fn goodput(&self) -> f64 {
        self.good.0.len() as f64 / self.span.as_secs_f64()
    }

    fn json(&self) -> Value {
        json!({
            "asked_a_second": rounded(self.asked as f64 / self.span.as_secs_f64()),
            "unsent": self.unsent,
            "daemon_cores": rounded(self.cores[0]),
            "generator_cores": rounded(self.cores[1]),
            "good_a_second": rounded(self.goodput()),
            "good_p50_ms": rounded(self.good.at(0.5)),
            "good_p99_ms": rounded(self.good.at(0.99)),
            "share_refused": rounded(self.turned_away.0.len() as f64 / self.asked.max(1) as f64),
            "refusals_p50_ms": rounded(self.turned_away.at(0.5)),
            "refusals_p99_ms": rounded(self.turned_away.at(0.99)),
            "others_p99_ms": rounded(self.others.at(0.99)),
            "statuses": self.statuses.iter().map(|(status, count)| (status.to_string(), json!(count))).collect::<Map<_, _>>(),
            "surprises": self.surprises,
            "first_surprise": self.first_surprise,
        })
    }
}

impl std::fmt::Display for Stage {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            out,
            "{:.0} good a second (p50 {:.1}, p99 {:.1} ms), {} of {} refused (p50 {:.1}, p99 {:.1} ms), others p99 {:.1} ms; \
             {:.2} cores, generator {:.2}{}",
            self.goodput(),
            self.good.at(0.5),
            self.good.at(0.99),
            self.turned_away.0.len(),
            self.asked,
            self.turned_away.at(0.5),
            self.turned_away.at(0.99),
            self.others.at(0.99),
            self.cores[0],
            self.cores[1],
            if self.surprises > 0 {
                format!("; {} surprises: {}", self.surprises, self.first_surprise)
            } else {
                String::new()
            },
        )
    }
}

/// Milliseconds; once sorted, in order.
#[derive(Default)]
struct Times(Vec<f64>);

impl Times {
    fn add(&mut self, since: Instant) {
        self.0.push(since.elapsed().as_secs_f64() * 1e3);
    }

    /// The time within which this share of all came; 0 where none did.
    fn at(&self, share: f64) -> f64 {
        let place = (self.0.len() as f64 * share) as usize;
        self.0.get(place.min(self.0.len().saturating_sub(1))).copied().unwrap_or_default()
    }
}
