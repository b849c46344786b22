//! `yinxin officer`: officers and their API keys, by the security administrator; and one's own key, by whoever holds it.

use super::{
    CliError,
    door::{Ask, Door},
    files, stamp,
};
use crate::{
    app::{self, Sources},
    config::Config,
    officer::ClearKey,
};
use clap::{Arg, ArgAction, ArgMatches, Command};
use serde_json::{Value, json};

pub(super) fn command() -> Command {
    Command::new("officer")
        .about("Registers officers and makes their API keys (security administrator); changes one's own key (anyone)")
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
        .subcommand(
            Command::new("keys")
                .about("Lists one's own API keys, or another's (security administrator)")
                .arg(of())
                .arg(super::key_file()),
        )
        .subcommand(rotate_command())
        .subcommand(
            Command::new("revoke-key")
                .about("Revokes one's own API key, or another's (security administrator), at once")
                .arg(Arg::new("key").value_name("KEY").required(true).help("The id of the key, key_…"))
                .arg(of())
                .arg(super::key_file()),
        )
        .subcommand(
            Command::new("ending-keys")
                .about("Lists API keys that end soon, or never (security administrator)")
                .arg(
                    Arg::new("days").long("days").value_name("N").default_value("30").help("Within so many days"),
                )
                .arg(super::key_file()),
        )
        .subcommand(Command::new("rescue").about("Makes a key for a security administrator where none has a good one").long_about(
            "Makes a key for a security administrator where none has a good one any more: every one has expired or is \
             lost. It is good for a week, lies in officer-keys/, mode 0600, and its making is recorded. The daemon on \
             SQLite is stopped for it. While anybody has a good key it does nothing; lost keys that are still good end \
             with their expiry.",
        ))
}

/// `--officer`: whose key.
fn of() -> Arg {
    Arg::new("officer")
        .long("officer")
        .value_name("ID")
        .help("Whose, by the security administrator [default: one's own]")
}

fn rotate_command() -> Command {
    Command::new("rotate-key")
        .about("Changes the API key in the key file for another, which nobody else ever sees")
        .long_about(
            "Changes the API key in the key file for another, which nobody else ever sees.\n\n\
             The new one takes the file's place, or goes to --out. The one before is good for --overlap-hours more, for \
             programs that still have it. With --officer and --key a security administrator changes another's key; the new \
             one is shown.",
        )
        .arg(
            Arg::new("overlap-hours")
                .long("overlap-hours")
                .value_name("N")
                .default_value("24")
                .value_parser(clap::value_parser!(i64).range(0..=168))
                .help("How long both are good, 0 to 168"),
        )
        .arg(
            Arg::new("out")
                .long("out")
                .value_name("FILE")
                .value_parser(clap::value_parser!(std::path::PathBuf))
                .help("A new file for the new key; the key file stays as it is"),
        )
        .arg(of().requires("key"))
        .arg(Arg::new("key").long("key").value_name("KEY").requires("officer").help("Which key of another, key_…"))
        .arg(super::key_file())
}

pub(super) async fn run(config: &Config, matches: &ArgMatches) -> Result<(), CliError> {
    let Some((name, sub)) = matches.subcommand() else {
        return Err(CliError::usage("name an act; --help lists them"));
    };
    if name == "rescue" {
        return rescue(config).await;
    }
    let key = files::read_key(&stamp::path(sub, "key-file")?)?;
    let door = Door::open(config).await?;
    let told = match name {
        "add" => {
            let roles: Vec<_> = sub.get_many::<String>("role").into_iter().flatten().cloned().collect();
            let name = sub.get_one::<String>("name").cloned().unwrap_or_default();
            add(&door, &key, &name, &roles).await.map(|(id, clear)| println!("{id}\n{clear}"))
        }
        "keys" => keys(&door, &key, sub).await,
        "rotate-key" => rotate(&door, &key, sub).await,
        "revoke-key" => revoke(&door, &key, sub).await,
        "ending-keys" => ending(&door, &key, sub).await,
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

/// The path of one's own keys, or another's.
fn keys_path(sub: &ArgMatches) -> String {
    match sub.get_one::<String>("officer") {
        Some(officer) => format!("/api/v1/officers/{}/keys", stamp::escaped(officer)),
        None => "/api/v1/me/keys".to_owned(),
    }
}

fn tell(key: &Value) {
    let text = |name: &str| key[name].as_str().unwrap_or("").to_owned();
    let until = key["expires_at"].as_str().unwrap_or("no end");
    let state = match (key["revoked_at"].is_null(), key["replaced_by"].as_str()) {
        (false, _) => format!("revoked at {}", text("revoked_at")),
        (true, Some(next)) => format!("until {until}, replaced by {next}"),
        (true, None) => format!("until {until}"),
    };
    say!("{}  {}  {}  {state}", text("id"), text("officer"), text("label"));
}

async fn keys(door: &Door, key: &str, sub: &ArgMatches) -> Result<(), CliError> {
    let found = door.json(Some(key), Ask::get(&keys_path(sub))).await?;
    found["items"].as_array().into_iter().flatten().for_each(tell);
    Ok(())
}

async fn rotate(door: &Door, key: &str, sub: &ArgMatches) -> Result<(), CliError> {
    let id = match sub.get_one::<String>("key") {
        Some(id) => id.clone(),
        None => {
            let own = ClearKey::parse(key).ok_or_else(|| CliError::usage("the key file holds no API key"))?;
            own.id().to_string()
        }
    };
    let path = format!("{}/{}/rotation", keys_path(sub), stamp::escaped(&id));
    let hours = sub.get_one::<i64>("overlap-hours").copied().unwrap_or(24);
    let made = door.json(Some(key), Ask::post(&path, &json!({ "overlap_hours": hours }))).await?;
    let (next, secret) = (text(&made, "id")?, text(&made, "secret")?);
    let until = made["expires_at"].as_str().unwrap_or("no end").to_owned();
    if sub.get_one::<String>("officer").is_some() {
        println!("{next}\n{secret}");
        return Ok(());
    }
    let place = match sub.get_one::<std::path::PathBuf>("out") {
        Some(out) => files::write_private(out, secret.as_bytes()).map(|()| out.clone()),
        None => {
            let file = stamp::path(sub, "key-file")?;
            files::replace_private(&file, secret.as_bytes()).map(|()| file)
        }
    };
    let place = place.map_err(|error| lost(&next, &error))?;
    say!(
        "{next}, good until {until}, lies in {}; the one before is good for {hours} hours more",
        place.display()
    );
    Ok(())
}

/// The secret was shown once, and could not be put anywhere.
fn lost(next: &str, error: &CliError) -> CliError {
    let says = match error {
        CliError::Failed(says) => says.as_str(),
        _ => "",
    };
    CliError::failed(format!(
        "the new key could not be written ({says}) and is lost: `yinxin officer revoke-key {next}` revokes it, and the one \
         before can be changed again"
    ))
}

async fn revoke(door: &Door, key: &str, sub: &ArgMatches) -> Result<(), CliError> {
    let id = sub.get_one::<String>("key").cloned().unwrap_or_default();
    let path = format!("{}/{}/revoke", keys_path(sub), stamp::escaped(&id));
    tell(&door.json(Some(key), Ask::post(&path, &Value::Null)).await?);
    Ok(())
}

async fn ending(door: &Door, key: &str, sub: &ArgMatches) -> Result<(), CliError> {
    let days = sub.get_one::<String>("days").map_or("30", String::as_str);
    let path = format!("/api/v1/ending-keys?days={}", stamp::escaped(days));
    let found = door.json(Some(key), Ask::get(&path)).await?;
    for which in ["soon", "without_end"] {
        found[which].as_array().into_iter().flatten().for_each(tell);
    }
    Ok(())
}

async fn rescue(config: &Config) -> Result<(), CliError> {
    let (rescued, path) = app::rescue(config, Sources::default()).await?;
    say!("{}  {}  key for a week in {}", rescued.officer.id, rescued.officer.name, path.display());
    Ok(())
}
