//! `yinxin seal`: owners, makers, and the life of seals.

use super::{
    CliError,
    door::{Ask, Door},
    files,
    officer::text,
    stamp::{escaped, path},
};
use crate::{config::Config, seal::picture::PRESETS};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use serde_json::{Value, json};
use std::path::PathBuf;

/// Acts on a seal that need no more than its id, and those that say why.
const ACTS: [(&str, &str, bool); 8] = [
    ("approve", "Approves an application (never by who applied)", false),
    ("reject", "Rejects an application", true),
    ("make", "Makes an approved seal", false),
    ("suspend", "Suspends a seal (停用)", true),
    ("resume", "Takes a suspended seal into use again (启用)", false),
    ("report-loss", "Reports a seal lost (挂失)", true),
    ("recover", "Takes a lost seal into use again (解挂)", false),
    ("cancel", "Ends a seal for good (注销)", true),
];

pub(super) fn command() -> Command {
    let named = |name: &'static str, help: &'static str| Arg::new(name).long(name).required(true).help(help);
    let mut command = Command::new("seal")
        .about("Registers owners and makers; applies for, approves, makes and changes seals")
        .subcommand_required(true)
        .subcommand(Command::new("presets").about("Lists the usual measures of seals"))
        .subcommand(
            Command::new("add-owner")
                .about("Registers an owner of seals (使用主体)")
                .arg(named("name", "Full name, as registered"))
                .arg(named("credit-code", "Unified social credit code"))
                .arg(Arg::new("organisation").long("organisation").action(ArgAction::SetTrue).help("No legal person"))
                .arg(super::key_file()),
        )
        .subcommand(
            Command::new("add-maker")
                .about("Registers a maker of seals (制作主体); the authority certifies it")
                .arg(named("name", "Full name, as registered"))
                .arg(named("vendor", "Its mark in seals (Vid)"))
                .arg(super::key_file()),
        )
        .subcommand(apply())
        .subcommand(
            Command::new("renew")
                .about("Applies for the seal data that takes the place of this one (续期)")
                .arg(Arg::new("seal").value_name("ID").required(true))
                .arg(days())
                .arg(super::key_file()),
        )
        .subcommand(
            Command::new("export")
                .about("Writes the seal data (.esl), its picture (.png) or its drawing (.svg), by the file's ending")
                .arg(Arg::new("seal").value_name("ID").required(true))
                .arg(Arg::new("out").value_name("FILE").required(true).value_parser(value_parser!(PathBuf)))
                .arg(super::key_file()),
        )
        .subcommand(Command::new("list").about("Lists seals").arg(super::key_file()))
        .subcommand(
            Command::new("show")
                .about("Shows a seal and its history")
                .arg(Arg::new("seal").value_name("ID").required(true))
                .arg(super::key_file()),
        );
    for (name, about, reasoned) in ACTS {
        let mut act = Command::new(name)
            .about(about)
            .arg(Arg::new("seal").value_name("ID").required(true))
            .arg(super::key_file());
        if reasoned {
            act = act.arg(named("reason", "Why"));
        }
        command = command.subcommand(act);
    }
    command
}

fn days() -> Arg {
    Arg::new("days")
        .long("days")
        .default_value("1095")
        .value_parser(value_parser!(u32))
        .help("How long it is valid")
}

fn apply() -> Command {
    Command::new("apply")
        .about("Applies for a seal")
        .arg(Arg::new("owner").long("owner").value_name("ID").required(true))
        .arg(Arg::new("maker").long("maker").value_name("ID").required(true))
        .arg(Arg::new("name").long("name").required(true).help("Name of the seal"))
        .arg(
            Arg::new("preset")
                .long("preset")
                .default_value("department")
                .help("Usual measures; `seal presets` lists them"),
        )
        .arg(Arg::new("line").long("line").help("A line below the middle, such as 合同专用章"))
        .arg(
            Arg::new("with-code")
                .long("with-code")
                .action(ArgAction::SetTrue)
                .help("The code along the lower arc"),
        )
        .arg(
            Arg::new("picture")
                .long("picture")
                .value_name("PNG")
                .value_parser(value_parser!(PathBuf))
                .requires("size-mm")
                .help("A picture made elsewhere, instead of a preset"),
        )
        .arg(Arg::new("size-mm").long("size-mm").value_name("WxH").help("Its size on paper, `42x42`"))
        .arg(days())
        .arg(
            Arg::new("seal-version")
                .long("seal-version")
                .value_parser(["4", "5"])
                .default_value("4")
                .help("4: GB/T 38540-2020; 5: GM/T 0031-2025"),
        )
        .arg(super::key_file())
}

pub(super) async fn run(config: &Config, matches: &ArgMatches) -> Result<(), CliError> {
    let Some((name, sub)) = matches.subcommand() else {
        return Err(CliError::usage("name an act; --help lists them"));
    };
    if name == "presets" {
        for preset in PRESETS {
            say!(
                "{:<24} {:>5.1} mm  {}  ({})",
                preset.id,
                f64::from(preset.diameter_um) / 1000.0,
                preset.zh,
                preset.source
            );
        }
        return Ok(());
    }
    let key = files::read_key(&path(sub, "key-file")?)?;
    let door = Door::open(config).await?;
    let told = match name {
        "export" => export(&door, &key, sub).await,
        "list" => list(&door, &key).await,
        "show" => show(&door, &key, sub).await,
        _ => change(&door, &key, name, sub).await,
    };
    door.close().await;
    told
}

fn argument(matches: &ArgMatches, name: &str) -> String {
    matches.get_one::<String>(name).cloned().unwrap_or_default()
}

/// Acts that answer the thing acted on: its id and state are told.
async fn change(door: &Door, key: &str, name: &str, sub: &ArgMatches) -> Result<(), CliError> {
    let (path, body) = match name {
        "add-owner" => {
            let kind = if sub.get_flag("organisation") { "organisation" } else { "legal-person" };
            let body = json!({ "name": argument(sub, "name"), "credit_code": argument(sub, "credit-code"), "kind": kind });
            ("/api/v1/owners".to_owned(), body)
        }
        "add-maker" => (
            "/api/v1/makers".to_owned(),
            json!({ "name": argument(sub, "name"), "vendor": argument(sub, "vendor") }),
        ),
        "apply" => ("/api/v1/seals".to_owned(), application(sub)?),
        "renew" => {
            let days = sub.get_one::<u32>("days").copied().unwrap_or(1095);
            (
                format!("/api/v1/seals/{}/renewals", escaped(&argument(sub, "seal"))),
                json!({ "period_days": days }),
            )
        }
        act => {
            let body = match sub.try_get_one::<String>("reason") {
                Ok(Some(reason)) => json!({ "reason": reason }),
                _ => Value::Null,
            };
            (format!("/api/v1/seals/{}/{act}", escaped(&argument(sub, "seal"))), body)
        }
    };
    let answer = door.json(Some(key), Ask::post(&path, &body)).await?;
    say!("{}  {}", text(&answer, "id")?, answer["state"].as_str().unwrap_or("registered"));
    Ok(())
}

fn application(sub: &ArgMatches) -> Result<Value, CliError> {
    let look = match sub.get_one::<PathBuf>("picture") {
        Some(file) => imported(file, &argument(sub, "size-mm"))?,
        None => json!({
            "by": "preset",
            "preset": argument(sub, "preset"),
            "line": sub.get_one::<String>("line"),
            "with_code": sub.get_flag("with-code"),
        }),
    };
    Ok(json!({
        "owner": argument(sub, "owner"),
        "maker": argument(sub, "maker"),
        "name": argument(sub, "name"),
        "look": look,
        "period_days": sub.get_one::<u32>("days"),
        "version": argument(sub, "seal-version").parse::<u8>().unwrap_or(4),
    }))
}

fn imported(file: &std::path::Path, size: &str) -> Result<Value, CliError> {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let sides: Vec<u32> = size.split('x').filter_map(|side| side.parse().ok()).collect();
    let [width_mm, height_mm] = sides[..] else { return Err(CliError::usage("--size-mm is like 42x42")) };
    let png = STANDARD.encode(files::read(file, 2 << 20)?);
    Ok(json!({ "by": "picture", "png": png, "width_mm": width_mm, "height_mm": height_mm }))
}

async fn export(door: &Door, key: &str, sub: &ArgMatches) -> Result<(), CliError> {
    let out = path(sub, "out")?;
    let name = match out.extension().and_then(|ending| ending.to_str()) {
        Some("esl") => "seal.esl",
        Some("png") => "picture.png",
        Some("svg") => "picture.svg",
        _ => return Err(CliError::usage("the file ends in .esl, .png or .svg")),
    };
    let path = format!("/api/v1/seals/{}/{name}", escaped(&argument(sub, "seal")));
    let answer = door.ask(Some(key), Ask::get(&path)).await?.good()?;
    files::write(&out, &answer.body)
}

async fn list(door: &Door, key: &str) -> Result<(), CliError> {
    let mut after = String::new();
    loop {
        let path = format!("/api/v1/seals?limit=500&after={}", escaped(&after));
        let answer = door.json(Some(key), Ask::get(&path)).await?;
        let items = answer["items"].as_array().cloned().unwrap_or_default();
        for seal in &items {
            say!(
                "{}  {}  {:<10}  {}",
                text(seal, "id")?,
                text(seal, "code")?,
                text(seal, "state")?,
                text(seal, "name")?
            );
        }
        match items.last() {
            Some(last) if items.len() == 500 => after = text(last, "id")?,
            _ => return Ok(()),
        }
    }
}

async fn show(door: &Door, key: &str, sub: &ArgMatches) -> Result<(), CliError> {
    let path = format!("/api/v1/seals/{}", escaped(&argument(sub, "seal")));
    let seal = door.json(Some(key), Ask::get(&path)).await?;
    let events = door.json(Some(key), Ask::get(&format!("{path}/events"))).await?;
    let both = json!({ "seal": seal, "events": events["items"] });
    say!("{}", serde_json::to_string_pretty(&both).unwrap_or_default());
    Ok(())
}
