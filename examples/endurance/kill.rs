//! `kill`: SIGKILL at every step of the work in rotation, and at random instants, under concurrent load; then the daemon is
//! started again, the clients get their answers, and everything is compared. The word `postgres` does it on a throw-away
//! cluster, where leases have to run out and a run takes most of a minute.

use crate::{
    daemon::{Daemon, Program, Start},
    http::Place,
    json::Figures,
    ledger::Findings,
    load::{Load, Stage},
    office::{self, Office},
    plan::{Dice, Plan},
    postgres::Cluster,
    trouble::Outcome,
};
use std::{
    collections::BTreeSet,
    path::Path,
    time::{Duration, Instant},
};
use yinxin::base::failpoint;

/// Clients at a time.
const CLIENTS: u64 = 6;
/// Runs on one data directory.
const RUNS_ON_ONE: u32 = 25;
/// Of so many runs, one is at a random instant.
const ONE_IN: u32 = 4;
/// Longest wait for a point to be passed often enough.
const PATIENCE: Duration = Duration::from_secs(20);
/// A random instant lies within so many milliseconds of load.
const INSTANTS_MS: u64 = 600;

pub async fn run(plan: &Plan) -> Outcome<Figures> {
    let begun = Instant::now();
    let mut tally = Tally { findings: Findings { sound: true, ..Findings::default() }, ..Tally::default() };
    let elsewhere = if plan.says("postgres") { "sqlite." } else { "postgres." };
    // Keys are changed in a mode of their own, `rotation`.
    let here = |point: &&str| !point.starts_with(elsewhere) && !point.starts_with("keys.");
    let points: Vec<&str> = failpoint::ALL.iter().copied().filter(here).collect();
    let mut dice = Dice::of(plan.seed, 0);
    let mut done = 0;
    while done < plan.count {
        let folder = tempfile::tempdir()?;
        let data = folder.path().join("data");
        let runs = RUNS_ON_ONE.min(plan.count - done);
        let mut ground = Ground::new(plan, &data).await?;
        for run in done..done + runs {
            let harm = harm(plan, run, &points, &mut dice);
            ground.suffer(run, &harm, &mut tally).await?;
        }
        tally.findings.add(&ground.close().await?);
        done += runs;
        eprintln!("kill: {done} runs, {} acknowledged", tally.findings.acknowledged);
        if plan.keep {
            eprintln!("kept: {}", folder.keep().display());
        }
    }
    if plan.released.is_none() {
        eprintln!("SKIPPED: kills of the program yinxin itself: it is not built beside this one");
    }
    let missed: Vec<&str> = points.iter().copied().filter(|point| !tally.passed.contains(point)).collect();
    let engine = if plan.says("postgres") { "postgres" } else { "sqlite" };
    let figures = Figures::of("kill").with("runs", plan.count).with("seed", plan.seed).with("engine", engine);
    Ok(tally
        .findings
        .figures(figures)
        .with("at_points", tally.at_points)
        .with("points_hit", tally.passed.len())
        .with("points_missed", missed)
        .with("at_random", tally.at_random)
        .with("of_yinxin_itself", tally.released)
        .with("not_reached", tally.not_reached)
        .with("restart_ms_median", median(&mut tally.restarts_ms))
        .with("restart_ms_max", tally.restarts_ms.last().copied().unwrap_or_default())
        .with("seconds", begun.elapsed().as_secs()))
}

#[derive(Default)]
struct Tally {
    findings: Findings,
    passed: BTreeSet<&'static str>,
    at_points: u32,
    at_random: u32,
    released: u32,
    not_reached: u32,
    restarts_ms: Vec<f64>,
}

/// How one run ends.
enum Harm {
    /// At the so-manieth passage of a point.
    At(&'static str, u64),
    /// After so many milliseconds.
    After { ms: u64, released: bool },
}

fn harm(plan: &Plan, run: u32, points: &[&'static str], dice: &mut Dice) -> Harm {
    if run % ONE_IN == ONE_IN - 1 {
        let released = plan.released.is_some() && (run / ONE_IN).is_multiple_of(2);
        return Harm::After { ms: dice.below(INSTANTS_MS), released };
    }
    let at = (run - run / ONE_IN) as usize % points.len();
    Harm::At(points[at], 1 + dice.below(5))
}

/// One data directory, or one cluster, and the daemon on it.
struct Ground {
    _cluster: Option<Cluster>,
    start: Start,
    released: Option<Program>,
    stage: Stage,
    daemon: Daemon,
    seed: u64,
    told: BTreeSet<String>,
}

impl Ground {
    async fn new(plan: &Plan, data: &Path) -> Outcome<Self> {
        let mut start = Start::on(data);
        let mut cluster = None;
        if plan.says("postgres") {
            let made = cluster.insert(Cluster::start().await?);
            // Another node might hold what this one held: leases end by time alone, and the shorter a request may
            // take, the shorter is its lease.
            start = start.with("YINXIN_DATABASE_URL", made.url()).with("YINXIN_LIMITS_REQUEST_SECONDS", "5");
        }
        office::init(&start).await?;
        let daemon = start.ready().await?;
        let place = Place::at(daemon.address);
        let office = Office::found(data, &place).await?;
        let released = plan.released.clone().map(Program::Released);
        Ok(Self {
            _cluster: cluster,
            start,
            released,
            stage: Stage::new(office, place),
            daemon,
            seed: plan.seed,
            told: BTreeSet::new(),
        })
    }

    async fn suffer(&mut self, run: u32, harm: &Harm, tally: &mut Tally) -> Outcome<()> {
        if let Harm::After { released: true, .. } = harm {
            self.daemon.kill();
            let program = self.released.clone().unwrap_or(Program::Ours);
            self.daemon = Start { program, ..self.start.clone() }.ready().await?;
            self.stage.place.set(self.daemon.address);
        }
        let load = Load::start(&self.stage, CLIENTS, self.seed ^ u64::from(run) << 32);
        match *harm {
            Harm::At(point, count) => {
                self.daemon.arm(point, count)?;
                if self.daemon.ended_within(PATIENCE).await.is_some() {
                    tally.passed.insert(point);
                    tally.at_points += 1;
                } else {
                    eprintln!("kill: run {run}: {point} was not passed {count} times");
                    tally.not_reached += 1;
                }
            }
            Harm::After { ms, released } => {
                tokio::time::sleep(Duration::from_millis(ms)).await;
                tally.at_random += 1;
                tally.released += u32::from(released);
            }
        }
        self.daemon.kill();
        self.daemon = self.start.ready().await?;
        self.stage.place.set(self.daemon.address);
        tally.restarts_ms.push(self.daemon.start_ms);
        load.end().await?;
        let findings = self.stage.compare(&self.start).await?;
        // Each comparison covers all runs on this ground; what was told once is not told again.
        for says in findings.says.iter().filter(|says| self.told.insert((*says).clone())) {
            eprintln!("kill: run {run}: {says}");
        }
        Ok(())
    }

    /// An orderly end; what the last comparison found, which covers all runs on this directory.
    async fn close(mut self) -> Outcome<Findings> {
        let findings = self.stage.settled(&self.start).await?;
        self.daemon.terminate().await?;
        Ok(findings)
    }
}

/// Sorts, and answers the middle one.
fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
