//! `power`: the data directory lies on a disk that keeps apart what was written and what was synced. The daemon is killed
//! under load, what was not synced is dropped, and what is left is started again and compared.
//!
//! Words: `torn` lets any of the sectors that were not synced survive; `normal` has the daemon commit without syncing, as
//! SQLite does with `synchronous=NORMAL`: then this must find losses, or it would find none of ours either.

use crate::{
    daemon::{Daemon, Start},
    disk::{Cut, Disk},
    failpoint,
    http::Place,
    json::Figures,
    ledger::Findings,
    load::{Load, Stage},
    office::{self, Office},
    plan::{Dice, Plan},
    trouble::{Outcome, Trouble},
};
use std::{
    collections::BTreeSet,
    path::Path,
    time::{Duration, Instant},
};

/// Clients at a time.
const CLIENTS: u64 = 6;
/// Runs on one disk.
const RUNS_ON_ONE: u32 = 10;
/// The power goes after so many milliseconds of load, at the most.
const INSTANTS_MS: u64 = 900;
/// Of so many runs, in one it goes a second time, while the daemon starts.
const TWICE_ONE_IN: u32 = 4;
/// How long the second time takes, at the most.
const STARTS_MS: u64 = 400;
/// Places around a commit: of so many runs, one is cut at one of them.
const AT_POINT_ONE_IN: u32 = 3;
/// The places, and how often they are passed within a second or two.
const POINTS: [(&str, u64); 6] = [
    ("sqlite.committing", 40),
    ("sqlite.committed", 40),
    ("sqlite.left", 40),
    ("audit.signed", 3),
    ("audit.appended", 3),
    ("audit.kept", 3),
];
const PATIENCE: Duration = Duration::from_secs(20);

pub async fn run(plan: &Plan) -> Outcome<Figures> {
    let begun = Instant::now();
    let mut tally = Tally { findings: Findings { sound: true, ..Findings::default() }, ..Tally::default() };
    let mut done = 0;
    while done < plan.count {
        let runs = RUNS_ON_ONE.min(plan.count - done);
        let mut ground = Ground::new(plan, done, &mut tally).await?;
        for run in done..done + runs {
            ground.suffer(run, &mut tally).await?;
        }
        tally.findings.add(&ground.close().await?);
        done += runs;
        eprintln!("power: {done} runs, {} acknowledged", tally.findings.acknowledged);
    }
    let figures = Figures::of("power")
        .with("runs", plan.count)
        .with("seed", plan.seed)
        .with("torn", plan.says("torn"))
        .with("synchronous", if plan.says("normal") { "NORMAL" } else { "FULL" });
    Ok(tally
        .findings
        .figures(figures)
        .with("cuts", tally.cuts)
        .with("cuts_while_starting", tally.cuts_while_starting)
        .with("unsynced_bytes_dropped", tally.gone_bytes)
        .with("heads_alone_noticed", tally.heads_noticed)
        .with("restart_ms_max", tally.restart_ms_max)
        .with("seconds", begun.elapsed().as_secs()))
}

#[derive(Default)]
struct Tally {
    findings: Findings,
    cuts: u32,
    cuts_while_starting: u32,
    gone_bytes: u64,
    heads_noticed: u32,
    restart_ms_max: f64,
}

struct Ground<'p> {
    plan: &'p Plan,
    /// Before the disk: it is dropped first, and the disk waits until nobody uses it.
    daemon: Daemon,
    disk: Disk,
    start: Start,
    stage: Stage,
    dice: Dice,
    told: BTreeSet<String>,
}

impl<'p> Ground<'p> {
    async fn new(plan: &'p Plan, number: u32, tally: &mut Tally) -> Outcome<Self> {
        let mut disk = Disk::mount().map_err(|error| Trouble::NotHere(format!("no FUSE: {error}")))?;
        let data = disk.path().join("data");
        let mut start = Start::on(&data);
        // What `init` has said it made is there after a cut right behind it.
        office::init(&start).await?;
        let mut dice = Dice::of(plan.seed, u64::from(number));
        cut(&mut disk, plan, &mut dice, tally)?;
        let mut daemon = start.ready().await?;
        let place = Place::at(daemon.address);
        let office = Office::found(&data, &place).await?;
        if plan.says("normal") {
            // The office itself shall be there to ask who lost what.
            daemon.terminate().await?;
            start = start.with(failpoint::MUTATION, "normal");
            daemon = start.ready().await?;
            place.set(daemon.address);
        }
        Ok(Self { plan, disk, start, stage: Stage::new(office, place), daemon, dice, told: BTreeSet::new() })
    }

    async fn suffer(&mut self, run: u32, tally: &mut Tally) -> Outcome<()> {
        let load = Load::start(&self.stage, CLIENTS, self.plan.seed ^ u64::from(run) << 32);
        if run.is_multiple_of(AT_POINT_ONE_IN) {
            let (point, often) = POINTS[self.dice.below(POINTS.len() as u64) as usize];
            self.daemon.arm(point, 1 + self.dice.below(often))?;
            self.daemon.ended_within(PATIENCE).await;
        } else {
            tokio::time::sleep(Duration::from_millis(self.dice.below(INSTANTS_MS))).await;
        }
        self.daemon.kill();
        cut(&mut self.disk, self.plan, &mut self.dice, tally)?;
        if run % TWICE_ONE_IN == TWICE_ONE_IN - 1 {
            let mut daemon = self.start.spawn()?;
            tokio::time::sleep(Duration::from_millis(self.dice.below(STARTS_MS))).await;
            daemon.kill();
            cut(&mut self.disk, self.plan, &mut self.dice, tally)?;
            tally.cuts_while_starting += 1;
        }
        self.daemon = self.start_again(tally).await?;
        tally.restart_ms_max = tally.restart_ms_max.max(self.daemon.start_ms);
        self.stage.place.set(self.daemon.address);
        load.end().await?;
        let findings = self.stage.compare(&self.start).await?;
        for says in findings.says.iter().filter(|says| self.told.insert((*says).clone())) {
            eprintln!("power: run {run}: {says}");
        }
        Ok(())
    }

    /// Where commits were not synced, the file of heads may know more than the database, and the daemon refuses to go on:
    /// that is how it should be. To count what was lost, the heads are laid aside then; without that mutation never.
    async fn start_again(&self, tally: &mut Tally) -> Outcome<Daemon> {
        match self.start.ready().await {
            Err(error)
                if self.plan.says("normal") && error.to_string().contains("audit chain was signed") =>
            {
                tally.heads_noticed += 1;
                lay_heads_aside(&self.start.data)?;
                self.start.ready().await
            }
            other => other,
        }
    }

    async fn close(mut self) -> Outcome<Findings> {
        let findings = self.stage.settled(&self.start).await?;
        self.daemon.terminate().await?;
        Ok(findings)
    }
}

fn cut(disk: &mut Disk, plan: &Plan, dice: &mut Dice, tally: &mut Tally) -> Outcome<()> {
    let cut = if plan.says("torn") { Cut::Torn { seed: dice.below(u64::MAX) } } else { Cut::Clean };
    tally.gone_bytes += disk.cut_power(cut)?;
    tally.cuts += 1;
    Ok(())
}

fn lay_heads_aside(data: &Path) -> Outcome<()> {
    std::fs::remove_file(data.join("audit-heads.jsonl"))?;
    Ok(())
}
