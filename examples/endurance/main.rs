//! The endurance harness: starts the real daemon, drives it over HTTP with a ledger of what was answered, does it harm, and
//! compares.
//!
//! `cargo run --release --example endurance -- MODE COUNT [--seed N] [--keep]`
//!
//! | mode | what it does COUNT times |
//! | --- | --- |
//! | `kill` | ends the daemon (SIGKILL) at a step of its work, or at any instant, under load, and starts it again |
//! | `power` | cuts the power under a file system that forgets what was not synced |
//! | `failover` | replaces, kills, stops or cuts off one of two daemons on one PostgreSQL, or kills that |
//! | `overload` | asks for COUNT times what the daemon can do |
//! | `writes` | acknowledged writes a second |
//! | `rotation` | changes a key, passphrase or certificate under load, calmly or killed in the middle |
//! | `restart` | starts the daemon on COUNT seals and stamps |
//!
//! The last line on standard output is one JSON object with the figures; what happens on the way is told on standard error.
//! Exit code 0 where nothing was lost, done twice or half; 1 where something was; 2 where the harness itself failed; 3 where
//! a mode cannot be run here.

#![allow(dead_code, reason = "the kit is there before the modes that use all of it")]

mod daemon;
mod disk;
mod failpoint;
mod http;
mod json;
mod kill;
mod ledger;
mod load;
mod office;
mod plan;
mod power;
mod proxy;
mod restart;
mod rotation;
mod trouble;
mod twin;
mod wire;

mod failover;
mod overload;
mod postgres;
mod writes;

use json::Figures;
use plan::Plan;
use std::process::ExitCode;
use trouble::{Outcome, Trouble};

fn main() -> ExitCode {
    let mut arguments = std::env::args_os();
    let program = arguments.next();
    let arguments: Vec<_> = arguments.collect();
    // The same code path as the program `yinxin`, with a hook at its failpoints: nothing else differs.
    if arguments.first().is_some_and(|first| first == daemon::HIDDEN) {
        failpoint::install();
        return yinxin::cli::run(program.into_iter().chain(arguments.into_iter().skip(1)));
    }
    let plan = match Plan::parse(arguments) {
        Ok(plan) => plan,
        Err(says) => {
            eprintln!("endurance: {says}");
            return ExitCode::from(64);
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let done = runtime.map_err(Trouble::from).and_then(|runtime| runtime.block_on(until_told_to_stop(&plan)));
    match done {
        Ok(figures) => {
            println!("{}", figures.line());
            ExitCode::from(u8::from(!figures.is_clean()))
        }
        Err(Trouble::NotHere(says)) => {
            eprintln!("endurance: {} cannot be run here: {says}", plan.mode);
            ExitCode::from(3)
        }
        Err(Trouble::Failed(says)) => {
            eprintln!("endurance: {says}");
            ExitCode::from(2)
        }
    }
}

/// Ctrl-C and SIGTERM end the run in order: daemons and disks are not left behind.
async fn until_told_to_stop(plan: &Plan) -> Outcome<Figures> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        done = run(plan) => done,
        _ = terminate.recv() => Err(Trouble::failed("told to stop")),
        _ = interrupt.recv() => Err(Trouble::failed("told to stop")),
    }
}

async fn run(plan: &Plan) -> Outcome<Figures> {
    match plan.mode.as_str() {
        "kill" => kill::run(plan).await,
        "power" => power::run(plan).await,
        "failover" => failover::run(plan).await,
        "overload" => overload::run(plan).await,
        "writes" => writes::run(plan).await,
        "restart" => restart::run(plan).await,
        "rotation" => rotation::run(plan).await,
        other => Err(Trouble::failed(format!("there is no mode {other}"))),
    }
}
