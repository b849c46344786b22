//! `yinxin config`: what the configuration says, and whether it can be taken. Needs no service and opens no database.

use super::CliError;
use crate::base::{Clock as _, clock::SystemClock};
use crate::config::{self, Config, Key, Origin, Settings, Severity};
use clap::{Arg, ArgAction, ArgMatches, Command};
use serde_json::{Value, json};

const EXIT_CODES: &str = "\
Exit codes:
   0  the configuration can be taken (weak points may be told)
  64  wrong usage
  78  the configuration can't be taken, or names what is not there";

pub(super) fn command() -> Command {
    Command::new("config")
        .about("Checks and shows the configuration")
        .subcommand_required(true)
        .subcommand(
            Command::new("check")
                .about(
                    "Tells everything that is wrong or weak: keys, values, the files and addresses they name",
                )
                .after_help(EXIT_CODES),
        )
        .subcommand(
            Command::new("show")
                .about("Shows every key: what holds, who said so, its default; secrets are left out")
                .arg(Arg::new("json").long("json").action(ArgAction::SetTrue).help("As JSON"))
                .after_help(EXIT_CODES),
        )
        .subcommand(Command::new("example").about("Prints an example configuration with every key"))
}

pub(super) fn run(settings: Settings, matches: &ArgMatches) -> Result<u8, CliError> {
    match matches.subcommand() {
        Some(("check", _)) => check(settings),
        Some(("show", sub)) => show(settings, sub.get_flag("json")),
        Some(("example", _)) => {
            say!("{}", config::example().trim_end());
            Ok(0)
        }
        _ => Err(CliError::usage("name an act; --help lists them")),
    }
}

fn check(settings: Settings) -> Result<u8, CliError> {
    let findings = config::inspect(&Config::of(settings)?, SystemClock.now());
    for finding in &findings {
        say!("{finding}");
    }
    if findings.iter().any(|finding| finding.severity == Severity::Wrong) {
        return Err(CliError::Configuration("the configuration names what can't be used, see above".into()));
    }
    say!("the configuration can be taken");
    Ok(0)
}

fn show(settings: Settings, as_json: bool) -> Result<u8, CliError> {
    if as_json {
        say!("{:#}", json!({ "keys": settings.shown().map(|shown| face(&shown)).collect::<Vec<_>>() }));
    } else {
        for shown in settings.shown() {
            let value = shown.value.as_deref().unwrap_or("(nothing)");
            let key = Key::named(shown.name);
            let default = key.map_or("", |key| key.default.unwrap_or(key.otherwise));
            match shown.origin {
                Origin::Default if shown.value.is_none() => {
                    say!("{} = {value}  # default: {default}", shown.name)
                }
                Origin::Default => say!("{} = {value}  # default", shown.name),
                origin => say!("{} = {value}  # {origin}; default: {default}", shown.name),
            }
        }
    }
    // What is shown holds only if all of it can be taken.
    Config::of(settings)?;
    Ok(0)
}

fn face(shown: &config::Shown) -> Value {
    let key = Key::named(shown.name);
    let origin = match &shown.origin {
        Origin::File { path, line } => {
            json!({ "kind": "file", "path": path.display().to_string(), "line": line })
        }
        Origin::Variable(name) => json!({ "kind": "environment", "variable": name }),
        Origin::Option(flag) => json!({ "kind": "option", "option": flag }),
        Origin::Credential(path) => json!({ "kind": "credential", "path": path.display().to_string() }),
        Origin::Default => json!({ "kind": "default" }),
    };
    json!({
        "name": shown.name,
        "variable": key.map(Key::variable),
        // As in TOML.
        "value": shown.value,
        "origin": origin,
        "default": key.and_then(|key| key.default),
        "otherwise": key.map(|key| key.otherwise).filter(|text| !text.is_empty()),
        "secret": key.is_some_and(|key| key.secret),
        "takes": key.map(|key| key.kind.takes()),
        "says": key.map(|key| key.says),
    })
}
