//! `yinxin audit`: has the chain of records checked, checks it without the service, looks records up, takes them away.

use super::{
    CliError, backup,
    door::{Ask, Door},
    files, stamp,
};
use crate::{
    audit::{AuditReport, ExportReport, verify_export},
    backup::PartFile,
    config::Config,
};
use clap::{Arg, ArgMatches, Command, value_parser};
use serde_json::{Value, json};
use std::{
    fs::File,
    io::{BufReader, ErrorKind, Seek as _, SeekFrom, Write},
    path::{Path, PathBuf},
    time::Duration,
};

/// The longest that the service may take to check the whole chain.
const LONG: Duration = Duration::from_secs(3600);

pub(super) fn command() -> Command {
    let limit =
        Arg::new("limit").long("limit").value_name("N").default_value("20").help("Records at the most");
    let path = |name: &'static str| {
        Arg::new(name).long(name).value_name("FILE").value_parser(value_parser!(PathBuf))
    };
    Command::new("audit")
        .about("Checks the chain of audit records, and reads it (auditor)")
        .subcommand_required(true)
        .subcommand(
            Command::new("verify")
                .about(
                    "Checks the whole chain and its signed heads; names what was changed, removed or cut off",
                )
                .long_about(
                    "Checks the whole chain and its signed heads; names what was changed, removed or cut off.\n\n\
                     With --key-file alone the service checks itself. With --heads the chain is taken from the service and \
                     compared here with a file of heads that you keep (a witness). With --export nothing is asked of any \
                     service: an export and a file of heads are enough.",
                )
                .arg(super::key_file().required(false).required_unless_present("export"))
                .arg(path("heads").help("A file of heads to compare with: the witness's, or a copy"))
                .arg(path("export").requires("heads").conflicts_with("key-file").help("An export of the chain"))
                .arg(path("keys").requires("heads").help("Audit keys that are believed (`yinxin audit keys`)")),
        )
        .subcommand(Command::new("list").about("Shows the newest records").arg(limit).arg(super::key_file()))
        .subcommand(
            Command::new("export")
                .about("Writes the whole chain as JSON lines, which can be checked without the service")
                .arg(path("out").help("The new file; without it, standard output"))
                .arg(super::key_file()),
        )
        .subcommand(
            Command::new("keys")
                .about("Writes the public parts of all audit keys as JSON lines: keep them where you check")
                .arg(super::key_file()),
        )
        .subcommand(
            Command::new("accept-restored")
                .about("Lets a service that found an old copy of its database go on from it (security administrator)")
                .arg(Arg::new("reason").long("reason").value_name("TEXT").required(true).help("Why; recorded"))
                .arg(super::key_file()),
        )
}

pub(super) async fn run(
    config: impl Fn() -> Result<Config, crate::config::ConfigError>,
    matches: &ArgMatches,
) -> Result<(), CliError> {
    let Some((name, sub)) = matches.subcommand() else {
        return Err(CliError::usage("name an act; --help lists them"));
    };
    if let Ok(Some(export)) = sub.try_get_one::<PathBuf>("export") {
        return verify_file(export, sub);
    }
    let key = files::read_key(&stamp::path(sub, "key-file")?)?;
    let door = Door::open(&config()?).await?;
    let told = match name {
        "verify" if sub.contains_id("heads") => verify_here(&door, &key, sub).await,
        "verify" => verify(&door, &key).await,
        "list" => list(&door, &key, sub.get_one::<String>("limit").map_or("20", String::as_str)).await,
        "keys" => keys(&door, &key).await,
        "accept-restored" => accept(&door, &key, sub).await,
        _ => export(&door, &key, sub.get_one::<PathBuf>("out")).await,
    };
    door.close().await;
    told
}

async fn verify(door: &Door, key: &str) -> Result<(), CliError> {
    let ask = Ask::get("/api/v1/audit/verification").patient(LONG);
    let answer = door.json(Some(key), ask).await?;
    let report = &answer["report"];
    say!(
        "{} records chained, {} waiting, {} signed heads",
        report["chained"],
        report["unchained"],
        report["heads"]
    );
    for restored in report["restorations"].as_array().into_iter().flatten() {
        say!(
            "{}: went on from an older state at {} ({}); records {} to {} as they were signed before are lost",
            restored["node"].as_str().unwrap_or_default(),
            restored["at"].as_str().unwrap_or_default(),
            restored["restoration"].as_str().unwrap_or_default(),
            restored["lost_from"],
            restored["lost_to"]
        );
    }
    if answer["sound"] == true {
        say!("the chain holds");
        return Ok(());
    }
    for defect in report["defects"].as_array().into_iter().flatten() {
        say!("{}", defect["says"].as_str().unwrap_or_default());
    }
    Err(unsound())
}

fn unsound() -> CliError {
    CliError::failed("the chain of audit records does not hold; see the defects above")
}

/// Takes the chain from the service and checks it here, against the reader's own file of heads.
async fn verify_here(door: &Door, key: &str, matches: &ArgMatches) -> Result<(), CliError> {
    let wrong = |error: std::io::Error| CliError::failed(format!("a scratch file: {error}"));
    let folder = std::env::temp_dir();
    let entropy = crate::app::Sources::default().entropy;
    let name = crate::base::id::fresh_body(crate::base::Timestamp::from_ms(0), &*entropy);
    let path = folder.join(format!(".yinxin-export-{name}"));
    let mut file = File::options().read(true).write(true).create_new(true).open(&path).map_err(wrong)?;
    // It has no name as soon as it is open: whatever happens, nothing is left behind.
    std::fs::remove_file(&path).map_err(wrong)?;
    door.stream(Some(key), Ask::get("/api/v1/audit/chain"), &mut file).await?;
    file.seek(SeekFrom::Start(0)).map_err(wrong)?;
    check_export(file, matches)
}

fn verify_file(export: &Path, matches: &ArgMatches) -> Result<(), CliError> {
    let file = File::open(export);
    check_export(file.map_err(|error| CliError::usage(format!("{}: {error}", export.display())))?, matches)
}

fn check_export(export: File, matches: &ArgMatches) -> Result<(), CliError> {
    let heads = stamp::path(matches, "heads")?;
    if !heads.exists() {
        return Err(CliError::usage(format!("{} is not there", heads.display())));
    }
    let keys = matches.get_one::<PathBuf>("keys").map(|path| backup::read_keys(path)).transpose()?;
    let checked = verify_export(BufReader::with_capacity(1 << 17, export), &heads, keys.as_ref());
    let ExportReport { at, node, keys: named, report } =
        checked.map_err(|error| CliError::failed(error.to_string()))?;
    say!("export of {}, by node {node}", at.rfc3339());
    if keys.is_none() {
        let names: Vec<_> = named.iter().map(|key| key.name.as_str()).collect();
        say!(
            "checked under the audit keys that the export names itself ({}); --keys names those that you know",
            names.join(", ")
        );
    }
    tell(&report);
    if report.is_sound() { Ok(()) } else { Err(unsound()) }
}

fn tell(report: &AuditReport) {
    say!("{} records chained, {} waiting, {} signed heads", report.chained, report.unchained, report.heads);
    for (node, to) in &report.newer_to {
        say!("the heads know {node} to {to}, beyond this export");
    }
    report.without_heads.iter().for_each(|node| say!("{node}: no heads here; checked link by link only"));
    report.restorations.iter().for_each(|restored| say!("{restored}"));
    report.defects.iter().for_each(|defect| say!("{defect}"));
    if report.further > 0 {
        say!("and {} more", report.further);
    }
    if report.is_sound() {
        say!("the chain holds");
    }
}

/// Standard output, which notes that its reader went away.
#[derive(Default)]
struct Output {
    reader_left: bool,
}

impl Write for Output {
    fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
        let written = std::io::stdout().write(octets);
        self.reader_left |= written.as_ref().is_err_and(|error| error.kind() == ErrorKind::BrokenPipe);
        written
    }

    fn flush(&mut self) -> std::io::Result<()> {
        std::io::stdout().flush()
    }
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

async fn keys(door: &Door, key: &str) -> Result<(), CliError> {
    let answer = door.json(Some(key), Ask::get("/api/v1/audit/keys")).await?;
    answer["items"].as_array().into_iter().flatten().for_each(|key| say!("{key}"));
    Ok(())
}

async fn accept(door: &Door, key: &str, matches: &ArgMatches) -> Result<(), CliError> {
    let reason = matches.get_one::<String>("reason").cloned().unwrap_or_default();
    let ask = json!({ "reason": reason });
    let accepted: Value = door.json(Some(key), Ask::post("/api/v1/audit/restorations", &ask)).await?;
    say!(
        "accepted as {}: of chain {}, records after {} to {} are lost; it goes on after {}",
        accepted["restoration"].as_str().unwrap_or_default(),
        accepted["node"].as_str().unwrap_or_default(),
        accepted["back_to"],
        accepted["lost_to"],
        accepted["goes_on_at"]
    );
    Ok(())
}

async fn export(door: &Door, key: &str, out: Option<&PathBuf>) -> Result<(), CliError> {
    let ask = Ask::get("/api/v1/audit/chain");
    let Some(out) = out else {
        let mut out = Output::default();
        let told = door.stream(Some(key), ask, &mut out).await;
        // A reader that goes away (`| head`) has seen enough.
        return if out.reader_left { Ok(()) } else { told.map(drop) };
    };
    let wrong = |error: std::io::Error| CliError::failed(format!("{}: {error}", out.display()));
    let mut file = PartFile::begin(out).map_err(wrong)?;
    let (_, bytes) = door.stream(Some(key), ask, &mut file).await?;
    file.finish().map_err(wrong)?;
    say!("{bytes} bytes  {}", out.display());
    Ok(())
}
