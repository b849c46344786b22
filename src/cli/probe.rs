//! `yinxin probe`: does on the running daemon what people do with it, and says whether that went well and how long it took
//! (R-OPS-09). For a timer: every five minutes, with an operator and a seal that are there for nothing else.

use super::{
    CliError,
    door::{Ask, Door},
    files,
    stamp::{self, Wanted},
};
use crate::{
    base::{Clock as _, Timestamp, clock::SystemClock},
    config::Config,
};
use axum::{body::Bytes, http::Method};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use serde_json::{Value, json};
use std::{
    fmt::Write as _,
    path::PathBuf,
    time::{Duration, Instant},
};
use yinxin_pki::x509::Crl;

/// The document that is stamped: a page of our own.
const DOCUMENT: &[u8] = include_bytes!("../../fixtures/pdf/one-page.pdf");
/// The longest that one step may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Stands in the register of use beside what people stamped.
const PURPOSE: &str = "probe";

pub(super) fn command() -> Command {
    Command::new("probe")
        .about("Signs in, stamps, verifies on the running daemon; says whether it went well, and how long it took")
        .long_about(
            "Signs in, stamps a page with a time stamp, verifies it, looks it up in the register of use, and fetches the \
             revocation list: all on the running daemon, over its socket. Exit code 0 where all of it went well, 1 where not.\n\n\
             For a timer. Give it an operator and a seal that are there for nothing else: each run leaves a line in the \
             register of use, with the purpose `probe`.",
        )
        .arg(Arg::new("seal").long("seal").value_name("ID").required(true).help("With which seal"))
        .arg(super::key_file())
        .arg(Arg::new("json").long("json").action(ArgAction::SetTrue).help("As JSON"))
        .arg(
            Arg::new("metrics")
                .long("metrics")
                .value_name("FILE")
                .value_parser(value_parser!(PathBuf))
                .help("Writes the outcome there for Prometheus (the textfile collector of its node exporter)"),
        )
}

/// What came of one step.
struct Step {
    name: &'static str,
    took: Duration,
    outcome: Result<(), CliError>,
}

pub(super) async fn run(config: &Config, matches: &ArgMatches) -> Result<(), CliError> {
    let seal = matches.get_one::<String>("seal").cloned().unwrap_or_default();
    let key = files::read_key(&stamp::path(matches, "key-file")?)?;
    let probe = Probe { door: Door::of_daemon(config), key, seal };
    let steps = probe.steps().await;
    match matches.get_flag("json") {
        true => say!("{:#}", json(&steps)),
        false => steps.iter().for_each(tell),
    }
    if let Some(path) = matches.get_one::<PathBuf>("metrics") {
        files::write(path, metrics(&steps, SystemClock.now()).as_bytes())?;
    }
    match steps.into_iter().find(|step| step.outcome.is_err()) {
        None => Ok(()),
        Some(failed) => Err(CliError::failed(format!("the probe did not come through: {}", failed.name))),
    }
}

struct Probe {
    door: Door,
    key: String,
    seal: String,
}

impl Probe {
    /// One after the other; the first that fails is the last.
    async fn steps(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        let mut stamped = (String::new(), Bytes::new());
        for name in ["ready", "sign-in", "stamp", "verify", "register", "revocation-list"] {
            let begun = Instant::now();
            let step = async {
                match name {
                    "ready" => self.ask("/readyz").await.map(drop),
                    "sign-in" => self.ask("/api/v1/me").await.map(drop),
                    "stamp" => self.stamp().await.map(|made| stamped = made),
                    "verify" => self.verify(&stamped.1).await,
                    "register" => self.register(&stamped.0).await,
                    _ => self.list().await,
                }
            };
            let late = || CliError::failed(format!("no answer in {} seconds", PATIENCE.as_secs()));
            let outcome = tokio::time::timeout(PATIENCE, step).await.unwrap_or_else(|_| Err(late()));
            let failed = outcome.is_err();
            steps.push(Step { name, took: begun.elapsed(), outcome });
            if failed {
                break;
            }
        }
        steps
    }

    async fn ask(&self, path: &str) -> Result<Bytes, CliError> {
        Ok(self.door.ask(Some(&self.key), Ask::get(path)).await?.good()?.body)
    }

    async fn stamp(&self) -> Result<(String, Bytes), CliError> {
        let wanted = Wanted {
            seal: self.seal.clone(),
            page: 1,
            x_mm: 150.0,
            y_mm: 232.0,
            purpose: Some(PURPOSE.into()),
            time_stamp: true,
        };
        stamp::stamp(&self.door, &self.key, &wanted, DOCUMENT.to_vec(), None).await
    }

    async fn verify(&self, document: &Bytes) -> Result<(), CliError> {
        let ask = Ask {
            method: Method::POST,
            path: "/api/v1/verifications",
            content: "application/octet-stream",
            body: document.clone(),
            idempotency_key: None,
            patience: PATIENCE,
        };
        let report = self.door.json(Some(&self.key), ask).await?;
        match report["verdict"].as_str() {
            Some("passed") => Ok(()),
            verdict => Err(CliError::failed(format!("the verdict is {}", verdict.unwrap_or("missing")))),
        }
    }

    async fn register(&self, id: &str) -> Result<(), CliError> {
        let line = self.door.json(Some(&self.key), Ask::get(&format!("/api/v1/stamps/{id}"))).await?;
        match line["state"].as_str() {
            Some("done") => Ok(()),
            state => Err(CliError::failed(format!("its line is {}", state.unwrap_or("missing")))),
        }
    }

    async fn list(&self) -> Result<(), CliError> {
        let list = Crl::parse(&self.ask("/pki/ca.crl").await?);
        let list = list.map_err(|_| CliError::failed("the revocation list can't be read"))?;
        if list.next_update().is_some_and(|end| end > SystemClock.now()) {
            return Ok(());
        }
        Err(CliError::failed("the revocation list is out of time"))
    }
}

fn says(step: &Step) -> String {
    match &step.outcome {
        Ok(()) => String::new(),
        Err(CliError::Refused { code, says, .. }) => format!("{says} [{code}]"),
        Err(CliError::Usage(says) | CliError::Configuration(says) | CliError::Failed(says)) => says.clone(),
    }
}

fn tell(step: &Step) {
    let word = if step.outcome.is_ok() { "ok    " } else { "FAILED" };
    say!("{word} {:>7.1} ms  {:<16} {}", step.took.as_secs_f64() * 1e3, step.name, says(step));
}

fn json(steps: &[Step]) -> Value {
    let told = steps.iter().map(|step| {
        json!({
            "name": step.name,
            "ok": step.outcome.is_ok(),
            "ms": (step.took.as_secs_f64() * 1e4).round() / 10.0,
            "says": says(step),
        })
    });
    json!({ "ok": steps.iter().all(|step| step.outcome.is_ok()), "steps": told.collect::<Vec<_>>() })
}

fn metrics(steps: &[Step], now: Timestamp) -> String {
    let went_well = u8::from(steps.iter().all(|step| step.outcome.is_ok()));
    let mut page = format!(
        "# HELP yinxin_probe_success Whether the last probe came through.\n# TYPE yinxin_probe_success gauge\n\
         yinxin_probe_success {went_well}\n\
         # HELP yinxin_probe_timestamp_seconds When the last probe ended.\n# TYPE yinxin_probe_timestamp_seconds gauge\n\
         yinxin_probe_timestamp_seconds {}\n\
         # HELP yinxin_probe_duration_seconds How long each step of the last probe took.\n\
         # TYPE yinxin_probe_duration_seconds gauge\n",
        now.ms() as f64 / 1e3
    );
    for step in steps {
        let took = step.took.as_secs_f64();
        let _ = writeln!(page, "yinxin_probe_duration_seconds{{step=\"{}\"}} {took:.6}", step.name);
    }
    page
}
