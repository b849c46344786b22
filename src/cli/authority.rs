//! `yinxin authority`: the service's own certificates, and what comes in their place.

use super::{
    CliError,
    door::{Ask, Door},
    files, officer, stamp,
};
use crate::{authority::line_of, config::Config};
use clap::{Arg, ArgMatches, Command};
use serde_json::{Value, json};

pub(super) fn command() -> Command {
    Command::new("authority")
        .about("Looks at the service's own certificates, and has others come in their place (system administrator)")
        .subcommand_required(true)
        .subcommand(
            Command::new("list")
                .about("Lists them: line, number, serial number, last second; and says which end soon")
                .arg(super::key_file()),
        )
        .subcommand(
            Command::new("renew")
                .about("Makes a new key and certificate for time stamping or for a maker of seals")
                .long_about(
                    "Makes a new key and certificate for time stamping or for a maker of seals.\n\n\
                     New products are signed with it at once, on all nodes; what the one before signed stays good. The \
                     daemon does so by itself a year (two for makers) before the end.",
                )
                .arg(
                    Arg::new("what")
                        .value_name("WHAT")
                        .required(true)
                        .help("time-stamping, seal-maker, or maker/ID of a registered maker"),
                )
                .arg(super::key_file()),
        )
        .subcommand(
            Command::new("rollover")
                .about("Makes a new issuing authority, or a new root")
                .long_about(
                    "Makes a new issuing authority, or a new root.\n\n\
                     A new issuing authority signs new certificates; the one before goes on with its revocation list. \
                     A new root and the one before certify each other, so that whoever trusts one of them comes to what \
                     stands under the other; it signs the next issuing authority. Publish /pki/chain.pem and the new root \
                     to verifiers.",
                )
                .arg(
                    Arg::new("what").value_name("WHAT").required(true).value_parser(["issuing", "root"]).help("Which"),
                )
                .arg(
                    Arg::new("active-from")
                        .long("active-from")
                        .value_name("INSTANT")
                        .help("From when on a new issuing authority is used (RFC 3339), to publish it first"),
                )
                .arg(super::key_file()),
        )
}

pub(super) async fn run(config: &Config, matches: &ArgMatches) -> Result<(), CliError> {
    let Some((name, sub)) = matches.subcommand() else {
        return Err(CliError::usage("name an act; --help lists them"));
    };
    let key = files::read_key(&stamp::path(sub, "key-file")?)?;
    let door = Door::open(config).await?;
    let told = match name {
        "list" => list(&door, &key).await,
        _ => succeed(&door, &key, name, sub).await,
    };
    door.close().await;
    told
}

async fn certificates(door: &Door, key: &str) -> Result<Vec<Value>, CliError> {
    let all = door.json(Some(key), Ask::get("/api/v1/authority/certificates")).await?;
    Ok(all["items"].as_array().cloned().unwrap_or_default())
}

async fn list(door: &Door, key: &str) -> Result<(), CliError> {
    for own in certificates(door, key).await? {
        let text = |name: &str| own[name].as_str().unwrap_or("").to_owned();
        let state = match (own["state"].as_str(), own["newest"].as_bool()) {
            (Some("revoked"), _) => "revoked",
            (_, Some(true)) => "newest",
            _ => "replaced",
        };
        say!(
            "{:<26} {:>3}  {}  until {}  {state}",
            text("line"),
            own["generation"],
            text("serial"),
            text("not_after")
        );
    }
    let endings = door.json(Some(key), Ask::get("/api/v1/authority/endings")).await?;
    for ending in endings["items"].as_array().into_iter().flatten() {
        let text = |name: &str| ending[name].as_str().unwrap_or("").to_owned();
        say!("{} ends at {}: {}", text("line"), text("not_after"), text("says"));
    }
    Ok(())
}

async fn succeed(door: &Door, key: &str, act: &str, sub: &ArgMatches) -> Result<(), CliError> {
    let what = sub.get_one::<String>("what").cloned().unwrap_or_default();
    let line = match line_of(&what) {
        Some("authority/root" | "authority/issuing") if act == "renew" => {
            return Err(CliError::usage(format!("that is a rollover: yinxin authority rollover {what}")));
        }
        Some(line) => line.to_owned(),
        None => what,
    };
    let all = certificates(door, key).await?;
    let newest = all.iter().find(|own| own["line"] == line.as_str() && own["newest"] == true);
    let newest = newest.ok_or_else(|| CliError::usage(format!("there is no certificate for {line}")))?;
    let active_from = match act {
        "rollover" => sub.get_one::<String>("active-from").cloned(),
        _ => None,
    };
    let body = json!({ "line": line, "replaces": newest["serial"], "active_from": active_from });
    let made = door.json(Some(key), Ask::post("/api/v1/authority/successions", &body)).await?;
    let (serial, until) = (officer::text(&made, "serial")?, officer::text(&made, "not_after")?);
    say!("{line} number {}: serial number {serial}, until {until}", made["generation"]);
    if act == "rollover" {
        say!("publish /pki/chain.pem to verifiers; what the one before signed stays good");
    }
    Ok(())
}
