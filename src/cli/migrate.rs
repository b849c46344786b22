//! `yinxin migrate`: brings the tables up to date and does nothing else, so that the role which may change tables need not be
//! the one that serves.

use super::CliError;
use crate::{app, config::Config};
use clap::Command;

pub(super) fn command() -> Command {
    Command::new("migrate").about("Brings the database's tables up to date, and nothing else").long_about(
        "Brings the database's tables up to date, and nothing else. The daemon does so by itself at its start; where its own \
         database role may not change tables (deploy/postgresql), this is run before it, with the address of the role that \
         owns them. Safe to repeat, and while daemons of the release before are running.",
    )
}

pub(super) async fn run(config: &Config) -> Result<(), CliError> {
    let newest = app::migrate(config).await?;
    say!("the tables are up to date: {newest}");
    Ok(())
}
