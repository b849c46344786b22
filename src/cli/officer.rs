//! `yinxin officer`: officers and their API keys, by the security administrator.

use super::{
    CliError,
    door::{Ask, Door},
    files, stamp,
};
use crate::config::Config;
use clap::{Arg, ArgAction, ArgMatches, Command};
use serde_json::{Value, json};

pub(super) fn command() -> Command {
    Command::new("officer")
        .about("Registers officers and makes their API keys (security administrator)")
        .subcommand_required(true)
        .subcommand(
            Command::new("add")
                .about("Registers an officer and makes a first API key, shown once")
                .arg(Arg::new("name").value_name("NAME").required(true))
                .arg(
                    Arg::new("role").long("role").required(true).action(ArgAction::Append).help(
                        "seal_operator, seal_approver, verifier, viewer, …; may be given more than once",
                    ),
                )
                .arg(super::key_file()),
        )
        .subcommand(Command::new("list").about("Lists officers").arg(super::key_file()))
}

pub(super) async fn run(config: &Config, matches: &ArgMatches) -> Result<(), CliError> {
    let Some((name, sub)) = matches.subcommand() else {
        return Err(CliError::usage("name an act; --help lists them"));
    };
    let key = files::read_key(&stamp::path(sub, "key-file")?)?;
    let door = Door::open(config).await?;
    let told = match name {
        "add" => {
            let roles: Vec<_> = sub.get_many::<String>("role").into_iter().flatten().cloned().collect();
            let name = sub.get_one::<String>("name").cloned().unwrap_or_default();
            add(&door, &key, &name, &roles).await.map(|(id, clear)| println!("{id}\n{clear}"))
        }
        _ => list(&door, &key).await,
    };
    door.close().await;
    told
}

/// Registers an officer and makes a key; answers id and key.
pub(super) async fn add(
    door: &Door,
    key: &str,
    name: &str,
    roles: &[String],
) -> Result<(String, String), CliError> {
    let officer =
        door.json(Some(key), Ask::post("/api/v1/officers", &json!({ "name": name, "roles": roles }))).await?;
    let id = text(&officer, "id")?;
    let path = format!("/api/v1/officers/{id}/keys");
    let made = door.json(Some(key), Ask::post(&path, &json!({ "label": "first key" }))).await?;
    Ok((id, text(&made, "secret")?))
}

async fn list(door: &Door, key: &str) -> Result<(), CliError> {
    let officers = door.json(Some(key), Ask::get("/api/v1/officers")).await?;
    for officer in officers["items"].as_array().into_iter().flatten() {
        say!(
            "{}  {}  {}",
            officer["id"].as_str().unwrap_or(""),
            officer["name"].as_str().unwrap_or(""),
            officer["roles"]
        );
    }
    Ok(())
}

/// A text of an answer.
pub(super) fn text(value: &Value, name: &str) -> Result<String, CliError> {
    let found = value[name].as_str().map(str::to_owned);
    found.ok_or_else(|| CliError::failed(format!("the service's answer lacks {name}")))
}
