//! `failover`: two daemons on one PostgreSQL, behind a balancer that asks `/readyz`, under load. In turn a node is replaced in
//! order, which no client may notice; killed at a step of its work or at any instant; stopped for longer than its place is
//! kept for it; cut off from the database; or the database itself is killed. Afterwards everything is compared.

use crate::{
    daemon::{Daemon, Start},
    http::{Ask, Client, Place},
    json::Figures,
    ledger::Findings,
    load::{Load, Stage},
    office::{self, Office},
    plan::{Dice, Plan},
    postgres::Cluster,
    proxy::{Mood, Proxy},
    trouble::{Outcome, Trouble},
};
use rustix::process::Signal;
use serde_json::json;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    time::{Duration, Instant},
};
use tokio::task::JoinHandle;
use yinxin::base::failpoint;

/// Clients at each of the two entrances.
const CLIENTS: u64 = 3;
/// How long a leaving node is announced, as a balancer needs it.
const ANNOUNCE: Duration = Duration::from_millis(800);
/// How often the balancer looks, and how long it waits for an answer.
const LOOKS: (Duration, Duration) = (Duration::from_millis(50), Duration::from_millis(500));
/// Load before and after a harm.
const AROUND: Duration = Duration::from_millis(500);
/// Longer than the place of a node is kept for one that says nothing.
const STOPPED: Duration = Duration::from_secs(17);
/// Longest wait for a point to be passed, and for a node to be ready again.
const PATIENCE: Duration = Duration::from_secs(60);
/// The network between one node and the database is down for so long.
const SILENCE: Duration = Duration::from_secs(7);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Harm {
    /// Both nodes, one behind the other, as a new release is brought in.
    Rolled,
    KilledAtAStep,
    KilledAtAnyInstant,
    StoodStill,
    CutOff,
    DatabaseKilled,
}

const HARMS: [Harm; 6] = [
    Harm::Rolled,
    Harm::KilledAtAStep,
    Harm::CutOff,
    Harm::KilledAtAnyInstant,
    Harm::DatabaseKilled,
    Harm::StoodStill,
];

impl Harm {
    fn name(self) -> &'static str {
        match self {
            Self::Rolled => "rolling_restarts",
            Self::KilledAtAStep => "killed_at_a_step",
            Self::KilledAtAnyInstant => "killed_at_any_instant",
            Self::StoodStill => "stood_still",
            Self::CutOff => "cut_off_from_the_database",
            Self::DatabaseKilled => "database_killed",
        }
    }
}

#[derive(Default)]
struct Tally {
    harms: BTreeMap<&'static str, u32>,
    points: BTreeSet<&'static str>,
    /// Attempts that did not go well while nodes were replaced in order.
    failed: u64,
    not_reached: u32,
    /// Nodes that ended by themselves after standing still, as they must where another took their place.
    ended: u32,
    /// From the harm until the other node has answered a change, in milliseconds.
    without_ms: Vec<f64>,
}

pub async fn run(plan: &Plan) -> Outcome<Figures> {
    let begun = Instant::now();
    let folder = tempfile::tempdir()?;
    let mut ground = Ground::new(folder.path()).await?;
    let mut dice = Dice::of(plan.seed, 0);
    let mut tally = Tally::default();
    for run in 0..plan.count {
        let harm = HARMS[run as usize % HARMS.len()];
        let seed = plan.seed ^ u64::from(run) << 32;
        let loads = [0, 1].map(|at| Load::start(&ground.stages[at], CLIENTS, seed ^ (at as u64) << 16));
        tokio::time::sleep(AROUND).await;
        ground.suffer(harm, &mut dice, &mut tally).await?;
        tokio::time::sleep(AROUND).await;
        for load in loads {
            load.end().await?;
        }
        *tally.harms.entry(harm.name()).or_default() += 1;
        let findings = ground.stages[0].compare(&ground.nodes[0].start).await?;
        for says in findings.says.iter().filter(|says| ground.told.insert((*says).clone())) {
            eprintln!("failover: run {run}, {}: {says}", harm.name());
        }
        eprintln!("failover: run {run}, {}: {} acknowledged", harm.name(), findings.acknowledged);
    }
    let findings = ground.close().await?;
    if plan.keep {
        eprintln!("kept: {}", folder.keep().display());
    }
    tally.without_ms.sort_by(f64::total_cmp);
    Ok(findings
        .figures(Figures::of("failover").with("runs", plan.count).with("seed", plan.seed))
        .with("nodes", 2)
        .with("failed", tally.failed)
        .with("harms", json!(tally.harms))
        .with("points_hit", tally.points.len())
        .with("not_reached", tally.not_reached)
        .with("ended_by_themselves", tally.ended)
        .with(
            "without_ms_median",
            tally.without_ms.get(tally.without_ms.len() / 2).copied().unwrap_or_default(),
        )
        .with("without_ms_max", tally.without_ms.last().copied().unwrap_or_default())
        .with("seconds", begun.elapsed().as_secs()))
}

struct Node {
    start: Start,
    daemon: Daemon,
    /// Where it listens, for the balancer.
    place: Place,
}

/// The cluster, the two nodes on it, and the entrances of the balancer.
struct Ground {
    cluster: Cluster,
    /// The second node's way to the database.
    proxy: Proxy,
    nodes: [Node; 2],
    /// What the clients of each entrance know: its node, or the other one while that is not ready.
    stages: [Stage; 2],
    balancer: JoinHandle<()>,
    told: BTreeSet<String>,
}

impl Ground {
    async fn new(folder: &Path) -> Outcome<Self> {
        let cluster = Cluster::start().await?;
        let proxy = Proxy::before(cluster.address)?;
        let settings = |start: Start, url: String| {
            start
                .with("YINXIN_DATABASE_URL", url)
                .with("YINXIN_LIMITS_REQUEST_SECONDS", "5")
                .with("YINXIN_LISTEN_ANNOUNCE", format!("{}ms", ANNOUNCE.as_millis()))
        };
        let first = settings(Start::on(&folder.join("first")), cluster.url());
        office::init(&first).await?;
        let passphrase = folder.join("first/passphrase").display().to_string();
        let second = settings(Start::on(&folder.join("second")), cluster.url_by(proxy.address))
            .with("YINXIN_PASSPHRASE_FILE", passphrase);
        let nodes = [Node::of(first).await?, Node::of(second).await?];
        let office = Office::found(&folder.join("first"), &nodes[0].place).await?;
        let entrances = [Place::at(nodes[0].place.get()), Place::at(nodes[1].place.get())];
        let stage = Stage::new(office, entrances[0].clone());
        let other = Stage { place: entrances[1].clone(), ..stage.clone() };
        let places = [nodes[0].place.clone(), nodes[1].place.clone()];
        let balancer = tokio::spawn(balance(places, entrances));
        Ok(Self { cluster, proxy, nodes, stages: [stage, other], balancer, told: BTreeSet::new() })
    }

    async fn suffer(&mut self, harm: Harm, dice: &mut Dice, tally: &mut Tally) -> Outcome<()> {
        // Its way to the database can be cut for the second alone.
        let at = if harm == Harm::CutOff { 1 } else { dice.below(2) as usize };
        match harm {
            Harm::Rolled => {
                let before = self.stages[0].failed();
                for at in [0, 1] {
                    let status = self.nodes[at].daemon.terminate().await?;
                    if !status.success() {
                        return Err(Trouble::failed(format!("an orderly end was {status}")));
                    }
                    self.nodes[at].again().await?;
                    self.until_taken_back(at).await?;
                }
                tally.failed += self.stages[0].failed() - before;
            }
            Harm::KilledAtAStep => {
                let here = |point: &&&str| !point.starts_with("sqlite.") && !point.starts_with("keys.");
                let points: Vec<&'static str> = failpoint::ALL.iter().filter(here).copied().collect();
                let point = points[dice.below(points.len() as u64) as usize];
                self.nodes[at].daemon.arm(point, 1 + dice.below(4))?;
                match self.nodes[at].daemon.ended_within(PATIENCE / 3).await {
                    Some(_) => drop(tally.points.insert(point)),
                    None => tally.not_reached += 1,
                }
                self.killed(at, tally).await?;
            }
            Harm::KilledAtAnyInstant => {
                tokio::time::sleep(Duration::from_millis(dice.below(400))).await;
                self.killed(at, tally).await?;
            }
            Harm::StoodStill => {
                self.nodes[at].daemon.signal(Signal::STOP);
                self.until_the_other_answers(at, tally).await?;
                tokio::time::sleep(STOPPED).await;
                self.nodes[at].daemon.signal(Signal::CONT);
                self.until_ready_or_ended(at, tally).await?;
            }
            Harm::CutOff => {
                self.proxy.set(Mood::Silent);
                self.until_the_other_answers(at, tally).await?;
                tokio::time::sleep(SILENCE).await;
                self.proxy.set(Mood::Honest);
                self.until_ready_or_ended(at, tally).await?;
            }
            Harm::DatabaseKilled => {
                self.cluster.kill();
                self.cluster.run().await?;
                for at in [0, 1] {
                    self.until_ready_or_ended(at, tally).await?;
                }
            }
        }
        Ok(())
    }

    async fn killed(&mut self, at: usize, tally: &mut Tally) -> Outcome<()> {
        self.nodes[at].daemon.kill();
        self.until_the_other_answers(at, tally).await?;
        self.nodes[at].again().await?;
        self.until_taken_back(at).await
    }

    /// A change at the other node, and how long it took until it was answered.
    async fn until_the_other_answers(&self, at: usize, tally: &mut Tally) -> Outcome<()> {
        let asked = Instant::now();
        let office = &self.stages[0].office;
        let body = json!({ "name": format!("某制作中心 {}", tally.without_ms.len()), "vendor": "YX" });
        let ask = Ask::post("/api/v1/makers", &body).by(&office.system);
        let mut client = Client::to(&self.nodes[1 - at].place);
        while asked.elapsed() < PATIENCE {
            if client.ask(&ask).await.is_ok_and(|answer| answer.status.is_success()) {
                tally.without_ms.push((asked.elapsed().as_secs_f64() * 1e4).round() / 10.0);
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Err(Trouble::failed("the other node does not go on"))
    }

    /// Ready again by itself; or, where its place was taken, ended, and then it is started again.
    async fn until_ready_or_ended(&mut self, at: usize, tally: &mut Tally) -> Outcome<()> {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            if self.nodes[at].daemon.has_ended() {
                tally.ended += 1;
                self.nodes[at].again().await?;
                return self.until_taken_back(at).await;
            }
            if is_ready(&mut Client::to(&self.nodes[at].place)).await {
                return self.until_taken_back(at).await;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Err(Trouble::failed(format!("node {at} did not come back:\n{}", self.nodes[at].daemon.log())))
    }

    /// Until the balancer sends the clients of its entrance to it again.
    async fn until_taken_back(&self, at: usize) -> Outcome<()> {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            if self.stages[at].place.get() == self.nodes[at].place.get() {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Err(Trouble::failed(format!("node {at} is not ready again")))
    }

    /// What the last comparison found once nothing was open any more, and an orderly end of both.
    async fn close(mut self) -> Outcome<Findings> {
        let findings = self.stages[0].settled(&self.nodes[0].start).await?;
        for says in findings.says.iter().filter(|says| !self.told.contains(*says)) {
            eprintln!("failover: at the end: {says}");
        }
        self.balancer.abort();
        for node in &mut self.nodes {
            node.daemon.terminate().await?;
        }
        Ok(findings)
    }
}

impl Node {
    async fn of(start: Start) -> Outcome<Self> {
        let daemon = start.ready().await?;
        let place = Place::at(daemon.address);
        Ok(Self { start, daemon, place })
    }

    /// Starts it again, on a port of its own choice.
    async fn again(&mut self) -> Outcome<()> {
        self.daemon = self.start.ready().await?;
        self.place.set(self.daemon.address);
        Ok(())
    }
}

/// Sends the clients of each entrance to its node, and to the other one while that is not ready.
async fn balance(nodes: [Place; 2], entrances: [Place; 2]) {
    let mut clients = [Client::to(&nodes[0]), Client::to(&nodes[1])];
    loop {
        let [first, second] = &mut clients;
        let (first, second) = tokio::join!(is_ready(first), is_ready(second));
        for (at, is_ready, other_is) in [(0, first, second), (1, second, first)] {
            let taken = if !is_ready && other_is { 1 - at } else { at };
            entrances[at].set(nodes[taken].get());
        }
        tokio::time::sleep(LOOKS.0).await;
    }
}

async fn is_ready(client: &mut Client) -> bool {
    client.ask_within(&Ask::get("/readyz"), LOOKS.1).await.is_ok_and(|answer| answer.status == 200)
}
