//! `yinxin health`: whether the daemon beside it can do its work. For supervisors that run a program to find out, where there
//! is no shell and nothing else that speaks HTTP.

use super::{
    CliError,
    door::{Ask, Door},
};
use crate::config::Config;
use axum::http::StatusCode;
use clap::{Arg, ArgAction, ArgMatches, Command};
use std::time::Duration;

/// A daemon that needs longer than this is not well.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) fn command() -> Command {
    Command::new("health").about("Asks the daemon on this data whether it can do its work; exit code 0 where it can").long_about(
        "Asks the daemon on this data whether it can do its work, over its UNIX socket (GET /readyz). Exit code 0 where it \
         can, 1 where it cannot, does not answer in five seconds, or is not there. For container engines and supervisors.",
    ).arg(
        Arg::new("alive").long("alive").action(ArgAction::SetTrue).help(
            "Asks only whether the process answers (GET /healthz), which it does also without its database: for what \
             restarts it where it does not",
        ),
    )
}

pub(super) async fn run(config: &Config, matches: &ArgMatches) -> Result<(), CliError> {
    let (path, word) = match matches.get_flag("alive") {
        true => ("/healthz", "alive"),
        false => ("/readyz", "ready"),
    };
    let asked = async { Door::of_daemon(config).ask(None, Ask::get(path)).await };
    let answer = tokio::time::timeout(PATIENCE, asked).await;
    let answer = answer.map_err(|_| CliError::failed("the daemon did not answer in five seconds"))??;
    if answer.status == StatusCode::OK {
        say!("{word}");
        return Ok(());
    }
    answer.good().map(drop)
}
