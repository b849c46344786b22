//! `yinxin key`: the keys of the service.

use super::{
    CliError,
    door::{Ask, Door},
    files, stamp,
};
use crate::config::Config;
use clap::{ArgMatches, Command};

pub(super) fn command() -> Command {
    Command::new("key")
        .about("Looks at the keys of the service (system administrator)")
        .subcommand_required(true)
        .subcommand(
            Command::new("list")
                .about("Lists keys: id, purpose, kind, custody; never a private part")
                .arg(super::key_file()),
        )
}

pub(super) async fn run(config: &Config, matches: &ArgMatches) -> Result<(), CliError> {
    let Some((_, sub)) = matches.subcommand() else {
        return Err(CliError::usage("name an act; --help lists them"));
    };
    let key = files::read_key(&stamp::path(sub, "key-file")?)?;
    let door = Door::open(config).await?;
    let told = list(&door, &key).await;
    door.close().await;
    told
}

async fn list(door: &Door, key: &str) -> Result<(), CliError> {
    let keys = door.json(Some(key), Ask::get("/api/v1/keys")).await?;
    for key in keys["items"].as_array().into_iter().flatten() {
        let text = |name: &str| key[name].as_str().unwrap_or("").to_owned();
        let state = if key["destroyed_at"].is_null() { "live" } else { "destroyed" };
        say!(
            "{}  {:<14} {:<6} {}  {}  {state}",
            text("id"),
            text("purpose"),
            text("kind"),
            text("custody"),
            text("made_at")
        );
    }
    Ok(())
}
