//! `yinxin key`: the keys of the service.

use super::CliError;
use crate::{app::App, config::Config};
use clap::{ArgMatches, Command};

pub(super) fn command() -> Command {
    Command::new("key")
        .about("Looks at the keys of the service (whoever holds the passphrase)")
        .subcommand_required(true)
        .subcommand(
            Command::new("list").about("Lists keys: id, purpose, kind, custody; never a private part"),
        )
}

pub(super) async fn run(config: &Config, _: &ArgMatches) -> Result<(), CliError> {
    let app = App::open(config).await?;
    let keys = app.keystore().list(None, 1000).await;
    app.close().await;
    for key in keys.map_err(|error| CliError::failed(error.to_string()))? {
        let state = if key.destroyed_at.is_some() { "destroyed" } else { "live" };
        say!("{}  {}  {}  {}  {}  {state}", key.id, key.purpose, key.kind, key.custody, key.made_at);
    }
    Ok(())
}
