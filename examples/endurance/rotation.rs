//! `rotation`: everything that opens or signs something is changed under load: the passphrase, the master key, the key of the
//! audit, certificates of time stamping, maker, issuing authority and root. Of three runs one is calm, and then no request
//! may fail; in the others the daemon is killed at a step of the change and started again, and then the change was made once
//! or not at all, goes on by itself, and nothing acknowledged is lost. The word `postgres` does it on a throw-away cluster.

use crate::{
    daemon::{Daemon, Start},
    http::{Answer, Ask, Client, Lost, Place},
    json::Figures,
    ledger::Findings,
    load::{Load, Stage},
    office::{self, Office, text},
    plan::{Dice, Plan},
    postgres::Cluster,
    trouble::{Outcome, Trouble},
};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// Clients at a time.
const CLIENTS: u64 = 6;
/// Makers registered at the beginning: each has a key, so that rewrapping takes several steps.
const MAKERS: u32 = 120;
/// Of so many runs, one is calm.
const ONE_CALM_IN: u32 = 3;
/// How long the load goes on before and after a calm change.
const AROUND: Duration = Duration::from_millis(400);
/// Longest wait for a step to be passed, and for a change to come to its end.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Change {
    Passphrase,
    Master,
    AuditKey,
    Line(&'static str),
}

const CHANGES: [Change; 7] = [
    Change::Master,
    Change::Passphrase,
    Change::Line("authority/time-stamping"),
    Change::AuditKey,
    Change::Line("maker"),
    Change::Line("authority/issuing"),
    Change::Line("authority/root"),
];

impl Change {
    fn name(self) -> &'static str {
        match self {
            Self::Passphrase => "passphrase",
            Self::Master => "master key",
            Self::AuditKey => "audit key",
            Self::Line(line) => line,
        }
    }

    /// The steps at which the daemon is killed.
    fn points(self) -> &'static [&'static str] {
        match self {
            Self::Passphrase => &["keys.passphrase.written", "keys.passphrase.changed"],
            Self::Master => &[
                "keys.rotation.written",
                "keys.rotation.begun",
                "keys.rotation.stepped",
                "keys.rotation.ending",
                "keys.rotation.ended",
            ],
            Self::AuditKey => &["keys.audit.written", "audit.appended"],
            Self::Line(_) => &[
                "authority.issue.intended",
                "authority.issue.committed",
                "authority.issue.signed",
                "authority.issue.written",
                "authority.issue.recorded",
            ],
        }
    }
}

#[derive(Default)]
struct Tally {
    calm: u32,
    killed: u32,
    not_reached: u32,
    /// Requests that were answered in another way than well while nothing was killed.
    failed: u64,
    /// Stamps made so far that no longer verify as `passed`.
    doubted: u64,
    /// Changes that were made twice, or left neither done nor undone.
    twice: u64,
    half: u64,
    changes: BTreeMap<&'static str, u32>,
    points: BTreeSet<&'static str>,
}

pub async fn run(plan: &Plan) -> Outcome<Figures> {
    let begun = Instant::now();
    let folder = tempfile::tempdir()?;
    let mut ground = Ground::new(plan, &folder.path().join("data")).await?;
    let mut dice = Dice::of(plan.seed, 0);
    let mut tally = Tally::default();
    for run in 0..plan.count {
        let change = CHANGES[run as usize % CHANGES.len()];
        let load = Load::start(&ground.stage, CLIENTS, plan.seed ^ u64::from(run) << 32);
        if run % ONE_CALM_IN == 0 {
            ground.calm(change, &mut tally).await?;
        } else {
            let points = change.points();
            let point = points[dice.below(points.len() as u64) as usize];
            let count = if point == "keys.rotation.stepped" { 1 + dice.below(3) } else { 1 };
            ground.killed(change, (point, count), &mut tally).await?;
        }
        load.end().await?;
        ground.stamp_and_verify(run, &mut tally).await?;
        let findings = ground.stage.compare(&ground.start).await?;
        for says in findings.says.iter().filter(|says| ground.told.insert((*says).clone())) {
            eprintln!("rotation: run {run}, {}: {says}", change.name());
        }
        *tally.changes.entry(change.name()).or_default() += 1;
        eprintln!("rotation: run {run}, {}: {} acknowledged", change.name(), findings.acknowledged);
    }
    let findings = ground.close().await?;
    if plan.keep {
        eprintln!("kept: {}", folder.keep().display());
    }
    let engine = if plan.says("postgres") { "postgres" } else { "sqlite" };
    let figures =
        Figures::of("rotation").with("runs", plan.count).with("seed", plan.seed).with("engine", engine);
    let (lost, twice) = (findings.lost + tally.doubted, findings.twice + tally.twice);
    let half = findings.half + tally.half;
    Ok(findings
        .figures(figures)
        .with("lost", lost)
        .with("twice", twice)
        .with("half", half)
        .with("calm", tally.calm)
        .with("failed", tally.failed)
        .with("stamps_that_do_not_pass", tally.doubted)
        .with("killed", tally.killed)
        .with("not_reached", tally.not_reached)
        .with("points_hit", tally.points.len())
        .with("changes", json!(tally.changes))
        .with("seconds", begun.elapsed().as_secs()))
}

/// One data directory, or one cluster, and the daemon on it.
struct Ground {
    _cluster: Option<Cluster>,
    start: Start,
    stage: Stage,
    daemon: Daemon,
    told: BTreeSet<String>,
    passphrases: u32,
    /// A seal of the first hour.
    seal: String,
    /// A stamped file after each change.
    files: Vec<axum::body::Bytes>,
}

impl Ground {
    async fn new(plan: &Plan, data: &Path) -> Outcome<Self> {
        let mut start = Start::on(data);
        let mut cluster = None;
        if plan.says("postgres") {
            let made = cluster.insert(Cluster::start().await?);
            start = start.with("YINXIN_DATABASE_URL", made.url()).with("YINXIN_LIMITS_REQUEST_SECONDS", "5");
        }
        office::init(&start).await?;
        let daemon = start.ready().await?;
        let place = Place::at(daemon.address);
        let office = Office::found(data, &place).await?;
        let mut client = Client::to(&place);
        for number in 0..MAKERS {
            let maker = json!({ "name": format!("制作中心{number}"), "vendor": format!("M{number}") });
            client.ask(&Ask::post("/api/v1/makers", &maker).by(&office.system)).await?.good()?;
        }
        let seal = office.seal(&place, "首枚公章").await?;
        let stage = Stage::new(office, place);
        let told = BTreeSet::new();
        let (passphrases, files) = (0, Vec::new());
        Ok(Self { _cluster: cluster, start, stage, daemon, told, passphrases, seal, files })
    }

    /// Stamps with the seal of the first hour, and has every file of before and this one verified: all pass.
    async fn stamp_and_verify(&mut self, run: u32, tally: &mut Tally) -> Outcome<()> {
        let office = self.stage.office.clone();
        let mut client = Client::to(&self.stage.place);
        let stamp = office.stamp(&self.seal, &format!("run-{run}"), true);
        self.files.push(client.ask(&stamp).await?.good()?.body);
        for (at, file) in self.files.iter().enumerate() {
            let ask = Ask::post("/api/v1/verifications", &Value::Null);
            let ask = ask.carrying("application/octet-stream", file.clone()).by(&office.operator);
            let report = client.ask(&ask).await?.good()?.json();
            if report["verdict"] != "passed" {
                eprintln!("rotation: run {run}: the stamp after run {at} is {}", report["verdict"]);
                tally.doubted += 1;
            }
        }
        Ok(())
    }

    /// A change while nothing is harmed: no request may fail.
    async fn calm(&mut self, change: Change, tally: &mut Tally) -> Outcome<()> {
        let before = self.stage.failed();
        tokio::time::sleep(AROUND).await;
        let known = self.known(change).await?;
        self.begin(change, &known).await?.good()?;
        self.put_in_place(change)?;
        self.until_settled().await?;
        tokio::time::sleep(AROUND).await;
        tally.calm += 1;
        tally.failed += self.stage.failed() - before;
        self.check_once(change, &known, tally).await
    }

    /// A change, and the daemon killed at one of its steps.
    async fn killed(
        &mut self,
        change: Change,
        (point, count): (&'static str, u64),
        tally: &mut Tally,
    ) -> Outcome<()> {
        let known = self.known(change).await?;
        self.daemon.arm(point, count)?;
        let begun = self.begin(change, &known).await;
        match self.daemon.ended_within(Duration::from_secs(5)).await {
            Some(_) => {
                tally.killed += 1;
                tally.points.insert(point);
            }
            None => tally.not_reached += 1,
        }
        self.daemon.kill();
        self.start_again(change).await?;
        // Whatever became of it, it is asked for again as a client would: what was done is found done.
        if begun.is_err() {
            let again = self.begin(change, &known).await?;
            if again.status != 200 && again.status != 202 && !is_done(&again.code()) {
                return Err(Trouble::failed(format!("{}: {} {}", change.name(), again.status, again.code())));
            }
            self.put_in_place(change)?;
        }
        self.until_settled().await?;
        self.check_once(change, &known, tally).await
    }

    /// With the old passphrase or the new one: one of the two opens, and the other does not.
    async fn start_again(&mut self, change: Change) -> Outcome<()> {
        match self.start.ready().await {
            Ok(daemon) => self.daemon = daemon,
            Err(_) if change == Change::Passphrase => {
                self.put_in_place(change)?;
                self.daemon = self.start.ready().await?;
            }
            Err(error) => return Err(error),
        }
        self.stage.place.set(self.daemon.address);
        Ok(())
    }

    /// What is there before the change.
    async fn known(&mut self, change: Change) -> Outcome<Known> {
        let Change::Line(line) = change else {
            if change == Change::Passphrase {
                self.passphrases += 1;
                write_new(&self.new_passphrase(), &format!("passphrase number {}", self.passphrases))?;
            }
            return Ok(Known::default());
        };
        let line = match line {
            "maker" => format!("maker/{}", self.stage.office.maker),
            own => own.to_owned(),
        };
        let (serial, count) = self.newest(&line).await?;
        Ok(Known { line, serial, count })
    }

    async fn newest(&self, line: &str) -> Outcome<(String, usize)> {
        let answer = self.system(&Ask::get("/api/v1/authority/certificates")).await?.good()?.json();
        let all: Vec<&Value> =
            answer["items"].as_array().into_iter().flatten().filter(|own| own["line"] == line).collect();
        let newest = all.iter().find(|own| own["newest"] == true).ok_or(Trouble::failed("no such line"))?;
        Ok((text(newest, "serial")?, all.len()))
    }

    async fn begin(&self, change: Change, known: &Known) -> Result<Answer, Lost> {
        let ask = match change {
            Change::Passphrase => {
                let body = json!({ "file": self.new_passphrase().display().to_string() });
                Ask::post("/api/v1/keystore/passphrase", &body)
            }
            Change::Master => Ask::post("/api/v1/keystore/rotation", &json!({})),
            Change::AuditKey => Ask::post("/api/v1/audit/key/rotation", &Value::Null),
            Change::Line(_) => {
                let body = json!({ "line": known.line, "replaces": known.serial });
                Ask::post("/api/v1/authority/successions", &body)
            }
        };
        self.system(&ask).await
    }

    async fn system(&self, ask: &Ask) -> Result<Answer, Lost> {
        Client::to(&self.stage.place).ask(&ask.clone().by(&self.stage.office.system)).await
    }

    fn new_passphrase(&self) -> PathBuf {
        self.start.data.join(format!("passphrase.{}", self.passphrases))
    }

    /// The operator's part: the new passphrase lies where the daemon reads it.
    fn put_in_place(&self, change: Change) -> Outcome<()> {
        if change == Change::Passphrase && self.new_passphrase().exists() {
            fs::rename(self.new_passphrase(), self.start.data.join("passphrase"))?;
        }
        Ok(())
    }

    async fn until_settled(&self) -> Outcome<()> {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            let state = self.system(&Ask::get("/api/v1/keystore")).await?.good()?.json();
            if state["rotation"].is_null() {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Err(Trouble::failed("a replacement of the master key does not end"))
    }

    /// A certificate has one successor, whatever happened on the way.
    async fn check_once(&self, change: Change, known: &Known, tally: &mut Tally) -> Outcome<()> {
        let Change::Line(_) = change else { return Ok(()) };
        let (_, count) = self.newest(&known.line).await?;
        if count != known.count + 1 {
            eprintln!("rotation: {} has {count} certificates, and had {}", known.line, known.count);
            tally.twice += u64::from(count > known.count + 1);
            tally.half += u64::from(count <= known.count);
        }
        Ok(())
    }

    async fn close(mut self) -> Outcome<Findings> {
        let findings = self.stage.settled(&self.start).await?;
        self.daemon.terminate().await?;
        Ok(findings)
    }
}

/// The newest certificate of a line, and how many there were, before a change.
#[derive(Default)]
struct Known {
    line: String,
    serial: String,
    count: usize,
}

/// Answers to a second attempt that say that the first one did it.
fn is_done(code: &str) -> bool {
    ["keys/rotating", "keys/same-passphrase", "keys/passphrase-file", "authority/replaced"].contains(&code)
}

fn write_new(path: &Path, text: &str) -> Outcome<()> {
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    Ok(file.sync_all()?)
}
