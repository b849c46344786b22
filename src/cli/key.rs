//! `yinxin key`: the keys of the service, and what opens them.

use super::{
    CliError,
    door::{Ask, Door},
    files, stamp,
};
use crate::{app, config::Config};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

/// How often a command looks how far a replacement is, and for how long.
const LOOK_EVERY: Duration = Duration::from_millis(500);
const LOOKS: u32 = 1200;

pub(super) fn command() -> Command {
    Command::new("key")
        .about("Looks at the keys of the service, and changes what opens them (system administrator)")
        .subcommand_required(true)
        .subcommand(
            Command::new("list")
                .about("Lists keys: id, purpose, kind, custody; never a private part")
                .arg(super::key_file()),
        )
        .subcommand(
            Command::new("state")
                .about("Shows what opens the keystore, and how far a replacement of its master key is")
                .arg(super::key_file()),
        )
        .subcommand(passphrase_command())
        .subcommand(rotate_command())
        .subcommand(
            Command::new("rotate-audit")
                .about(
                    "Begins a new key that signs the heads of the audit chain, on all nodes within seconds",
                )
                .arg(super::key_file()),
        )
}

fn passphrase_command() -> Command {
    let file = Arg::new("new-file")
        .long("new-file")
        .value_name("FILE")
        .required(true)
        .value_parser(value_parser!(PathBuf))
        .help("The file with the new passphrase: of the daemon's user, mode 0600, on the node that is asked");
    let install = Arg::new("install")
        .long("install")
        .action(ArgAction::SetTrue)
        .help("Afterwards moves FILE to where this node reads its passphrase at the next start");
    Command::new("passphrase")
        .about("Changes the passphrase that opens the keystore, while the daemon goes on")
        .long_about(
            "Changes the passphrase that opens the keystore, while the daemon goes on.\n\n\
             Nodes that run hold what they need and go on; each needs the new passphrase at its next start. The old one \
             opens nothing any more. Cut short in the middle, one of the two opens the keystore.\n\n\
             A daemon in its sandbox reads only in directories that its configuration names: put FILE beside the present \
             passphrase, or in the data directory.",
        )
        .arg(file)
        .arg(install)
        .arg(super::key_file())
}

fn rotate_command() -> Command {
    let file = Arg::new("passphrase-file")
        .long("passphrase-file")
        .value_name("FILE")
        .value_parser(value_parser!(PathBuf))
        .help("Where the present passphrase lies, if not where the daemon reads it");
    let wait = Arg::new("no-wait")
        .long("no-wait")
        .action(ArgAction::SetTrue)
        .help("Begins only; the daemon goes on by itself");
    Command::new("rotate-wrapping")
        .about("Replaces the master key that all keys are wrapped under, while signing goes on")
        .long_about(
            "Replaces the master key that all keys are wrapped under, while signing goes on.\n\n\
             Keys are rewrapped in small steps; cut short, that goes on at the next start. Afterwards the old master key \
             opens nothing. Copies of the database from before (backups) still open by the passphrase of their time.",
        )
        .arg(file)
        .arg(wait)
        .arg(super::key_file())
}

pub(super) async fn run(config: &Config, matches: &ArgMatches) -> Result<(), CliError> {
    let Some((name, sub)) = matches.subcommand() else {
        return Err(CliError::usage("name an act; --help lists them"));
    };
    let key = files::read_key(&stamp::path(sub, "key-file")?)?;
    let door = Door::open(config).await?;
    let told = match name {
        "list" => list(&door, &key).await,
        "state" => state(&door, &key).await,
        "passphrase" => passphrase(config, &door, &key, sub).await,
        "rotate-wrapping" => rotate(&door, &key, sub).await,
        "rotate-audit" => rotate_audit(&door, &key).await,
        other => Err(CliError::usage(format!("there is no act {other}"))),
    };
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

async fn state(door: &Door, key: &str) -> Result<(), CliError> {
    tell(&read(door, key).await?);
    Ok(())
}

async fn read(door: &Door, key: &str) -> Result<Value, CliError> {
    door.json(Some(key), Ask::get("/api/v1/keystore")).await
}

fn tell(state: &Value) {
    let text = |name: &str| state[name].as_str().unwrap_or("").to_owned();
    say!("passphrase and header: set {} times, last at {}", state["generation"], text("changed_at"));
    say!("master key: number {}, made at {}", state["master"], text("master_made_at"));
    let rotation = &state["rotation"];
    if rotation.is_null() {
        return;
    }
    let waits: Vec<&str> =
        rotation["waits_for"].as_array().into_iter().flatten().flat_map(Value::as_str).collect();
    say!(
        "number {} is being replaced by {}: {} keys left",
        rotation["from"],
        rotation["to"],
        rotation["keys_left"]
    );
    if !waits.is_empty() {
        say!("waiting for nodes that do not hold the new one yet: {}", waits.join(", "));
    }
}

async fn passphrase(config: &Config, door: &Door, key: &str, sub: &ArgMatches) -> Result<(), CliError> {
    let file = absolute(&stamp::path(sub, "new-file")?)?;
    let body = json!({ "file": file.display().to_string() });
    let state = door.json(Some(key), Ask::post("/api/v1/keystore/passphrase", &body)).await?;
    let (generation, place) = (&state["generation"], app::passphrase_place(config));
    say!("the passphrase was changed (set {generation} times now); the old one opens nothing any more");
    if sub.get_flag("install") {
        install(&file, &place)?;
        say!("moved to {}; other nodes need it at their next start too", place.display());
    } else {
        say!("before its next start each node needs the new one; this one reads {}", place.display());
    }
    Ok(())
}

/// Puts the new passphrase in the place of the old one: at any instant one of the two is there, whole.
fn install(file: &Path, place: &Path) -> Result<(), CliError> {
    let wrong = |error: std::io::Error| {
        let (file, place) = (file.display(), place.display());
        CliError::failed(format!(
            "the passphrase was changed, but {file} could not be moved to {place} ({error}): move it there by hand \
             before the next start"
        ))
    };
    fs::rename(file, place).map_err(wrong)?;
    let folder = place.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(wrong)
}

async fn rotate(door: &Door, key: &str, sub: &ArgMatches) -> Result<(), CliError> {
    let file = sub.get_one::<PathBuf>("passphrase-file").map(|path| absolute(path)).transpose()?;
    let body = json!({ "file": file.map(|file| file.display().to_string()) });
    let begun = door.json(Some(key), Ask::post("/api/v1/keystore/rotation", &body)).await?;
    say!("master key {} is being replaced by {}", begun["rotation"]["from"], begun["rotation"]["to"]);
    if sub.get_flag("no-wait") {
        return Ok(());
    }
    let to = begun["rotation"]["to"].clone();
    for _ in 0..LOOKS {
        door.look_after_keys().await?;
        let state = read(door, key).await?;
        if state["rotation"].is_null() {
            say!("done: everything stands under master key {to}, and the one before opens nothing");
            return Ok(());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    tell(&read(door, key).await?);
    Err(CliError::failed("it is not done yet and goes on by itself; `yinxin key state` says how far it is"))
}

async fn rotate_audit(door: &Door, key: &str) -> Result<(), CliError> {
    let made = door.json(Some(key), Ask::post("/api/v1/audit/key/rotation", &Value::Null)).await?;
    say!("{} signs the heads of the audit chain from now on", made["id"].as_str().unwrap_or(""));
    Ok(())
}

/// The daemon has a working directory of its own.
fn absolute(path: &Path) -> Result<PathBuf, CliError> {
    std::path::absolute(path).map_err(|error| CliError::usage(format!("{}: {error}", path.display())))
}
