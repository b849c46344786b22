//! `yinxin audit`: has the chain of records checked, looks records up, takes them away.

use super::{
    CliError,
    door::{Ask, Door},
    files, stamp,
};
use crate::config::Config;
use clap::{Arg, ArgMatches, Command};
use std::io::Write;

pub(super) fn command() -> Command {
    let limit =
        Arg::new("limit").long("limit").value_name("N").default_value("20").help("Records at the most");
    Command::new("audit")
        .about("Checks the chain of audit records, and reads it (auditor)")
        .subcommand_required(true)
        .subcommand(
            Command::new("verify")
                .about(
                    "Checks the whole chain and its signed heads; names what was changed, removed or cut off",
                )
                .arg(super::key_file()),
        )
        .subcommand(Command::new("list").about("Shows the newest records").arg(limit).arg(super::key_file()))
        .subcommand(
            Command::new("export")
                .about("Writes all records as JSON lines to standard output")
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
        "verify" => verify(&door, &key).await,
        "list" => list(&door, &key, sub.get_one::<String>("limit").map_or("20", String::as_str)).await,
        _ => export(&door, &key).await,
    };
    door.close().await;
    told
}

async fn verify(door: &Door, key: &str) -> Result<(), CliError> {
    let answer = door.json(Some(key), Ask::get("/api/v1/audit/verification")).await?;
    let report = &answer["report"];
    say!(
        "{} records chained, {} waiting, {} signed heads",
        report["chained"],
        report["unchained"],
        report["heads"]
    );
    if answer["sound"] == true {
        say!("the chain holds");
        return Ok(());
    }
    for defect in report["defects"].as_array().into_iter().flatten() {
        say!("{}", defect["says"].as_str().unwrap_or_default());
    }
    Err(CliError::failed("the chain of audit records does not hold; see the defects above"))
}

async fn list(door: &Door, key: &str, limit: &str) -> Result<(), CliError> {
    let path = format!("/api/v1/audit/records?limit={}", stamp::escaped(limit));
    let answer = door.json(Some(key), Ask::get(&path)).await?;
    for record in answer["items"].as_array().into_iter().flatten() {
        let text = |name: &str| record[name].as_str().unwrap_or("").to_owned();
        say!("{}  {}  {}  {}", text("at"), text("action"), text("subject"), text("actor"));
    }
    Ok(())
}

async fn export(door: &Door, key: &str) -> Result<(), CliError> {
    let answer = door.ask(Some(key), Ask::get("/api/v1/audit/export")).await?.good()?;
    // A reader that goes away (`| head`) has seen enough.
    let _ = std::io::stdout().write_all(&answer.body);
    Ok(())
}
