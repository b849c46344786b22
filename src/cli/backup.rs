//! `yinxin backup`: takes one, makes the key for it, checks one.

use super::{
    CliError,
    door::{Ask, Door},
    files, stamp,
};
use crate::{
    app::Sources,
    audit::{HeadKeys, KeyLine},
    backup::{
        BackupError, BackupReport, HeadsComparison, KeyFile, PartFile, RecipientKey, keep_newest, sweep,
        verify,
    },
    config::Config,
    keys::{PassphraseSource, UnlockCost},
};
use clap::{Arg, ArgGroup, ArgMatches, Command, value_parser};
use std::{
    fs::File,
    io::{BufReader, Read},
    path::{Path, PathBuf},
};

/// Files of a folder of backups, which [`keep_newest`] tells by these.
const PREFIX: &str = "yinxin-backup-";
const SUFFIX: &str = ".yxb";
/// The longest key file.
const KEY_FILE_BYTES: u64 = 64 * 1024;

pub(super) fn command() -> Command {
    let path = |name: &'static str| {
        Arg::new(name).long(name).value_name("FILE").value_parser(value_parser!(PathBuf))
    };
    Command::new("backup")
        .about("Takes an encrypted backup of the whole service while it works (system administrator); checks one")
        .args_conflicts_with_subcommands(true)
        .subcommand_negates_reqs(true)
        .arg(path("out").help("The new file; `-` for standard output"))
        .arg(
            Arg::new("to")
                .long("to")
                .value_name("DIR")
                .value_parser(value_parser!(PathBuf))
                .help("The directory for a new file, named by its time"),
        )
        .group(ArgGroup::new("place").args(["out", "to"]).required(true))
        .arg(
            Arg::new("keep")
                .long("keep")
                .value_name("N")
                .requires("to")
                .value_parser(value_parser!(u32).range(1..))
                .help("Removes all but the N newest backups from the directory, once the new one is there"),
        )
        .arg(super::key_file())
        .subcommand(
            Command::new("keygen")
                .about("Makes a recipient: a private key file to be kept elsewhere, and a public line for backup.recipients")
                .arg(path("out").required(true).help("The new private key file"))
                .arg(path("passphrase-file").required(true).help("The passphrase that locks it, mode 0600")),
        )
        .subcommand(
            Command::new("verify")
                .about("Checks a backup: every octet, every count, the audit chain inside; no service is needed")
                .arg(Arg::new("backup").value_name("FILE").required(true).value_parser(value_parser!(PathBuf)))
                .args(recipient())
                .arg(path("heads").help("A file of audit heads to compare it with: today's, or the witness's"))
                .arg(path("keys").help("Audit keys that are believed (`yinxin audit keys`); else those that it names itself")),
        )
}

/// Whose key opens a backup.
pub(super) fn recipient() -> [Arg; 2] {
    let path = |name: &'static str| {
        Arg::new(name).long(name).value_name("FILE").required(true).value_parser(value_parser!(PathBuf))
    };
    [
        path("recipient-key").help("The recipient's private key file (`yinxin backup keygen`)"),
        path("recipient-passphrase-file").help("The passphrase that locks it, mode 0600"),
    ]
}

pub(super) async fn run(
    config: impl Fn() -> Result<Config, crate::config::ConfigError>,
    matches: &ArgMatches,
) -> Result<(), CliError> {
    match matches.subcommand() {
        None => take(&config()?, matches).await,
        Some(("keygen", sub)) => keygen(sub),
        Some((_, sub)) => check(sub).await,
    }
}

async fn take(config: &Config, matches: &ArgMatches) -> Result<(), CliError> {
    let key = files::read_key(&stamp::path(matches, "key-file")?)?;
    let folder = matches.get_one::<PathBuf>("to");
    let out = match folder {
        Some(folder) => {
            let swept = sweep(folder, PREFIX, SUFFIX);
            let swept = swept.map_err(|error| CliError::failed(format!("{}: {error}", folder.display())))?;
            swept.iter().for_each(|path| say!("removed {}, which nobody finished", path.display()));
            let now = Sources::default().clock.now().rfc3339();
            let time: String = now.chars().filter(char::is_ascii_alphanumeric).collect();
            folder.join(format!("{PREFIX}{time}{SUFFIX}"))
        }
        None => stamp::path(matches, "out")?,
    };
    let ask = || Ask::post("/api/v1/backups", &serde_json::Value::Null);
    let door = Door::open(config).await?;
    let taken = if out.as_os_str() == "-" {
        let taken = door.stream(Some(&key), ask(), &mut std::io::stdout()).await;
        taken.map(|(_, bytes)| eprintln!("{bytes} bytes"))
    } else {
        into_file(&door, &key, ask(), &out).await
    };
    door.close().await;
    taken?;
    if let (Some(folder), Some(&keep)) = (folder, matches.get_one::<u32>("keep")) {
        let removed = keep_newest(folder, PREFIX, SUFFIX, keep as usize);
        let removed = removed.map_err(|error| CliError::failed(format!("{}: {error}", folder.display())))?;
        removed.iter().for_each(|path| say!("removed {}", path.display()));
    }
    Ok(())
}

async fn into_file(door: &Door, key: &str, ask: Ask<'_>, out: &Path) -> Result<(), CliError> {
    let wrong = |error: std::io::Error| CliError::failed(format!("{}: {error}", out.display()));
    let mut file = PartFile::begin(out).map_err(wrong)?;
    let (headers, bytes) = door.stream(Some(key), ask, &mut file).await?;
    file.finish().map_err(wrong)?;
    let id = headers.get("yinxin-backup-id").and_then(|id| id.to_str().ok()).unwrap_or_default();
    say!("{id}  {bytes} bytes  {}", out.display());
    say!("it does not hold the keystore's passphrase: keep that apart from it, or it restores nothing");
    Ok(())
}

fn keygen(matches: &ArgMatches) -> Result<(), CliError> {
    let out = stamp::path(matches, "out")?;
    let passphrase = PassphraseSource::File(stamp::path(matches, "passphrase-file")?).read();
    let passphrase = passphrase.map_err(|error| CliError::usage(error.to_string()))?;
    let entropy = Sources::default().entropy;
    let key = RecipientKey::generate(&*entropy);
    // It is opened a few times a year: it may cost more than the keystore, which opens at every start.
    let cost = UnlockCost { memory_kib: 256 * 1024, passes: 4 };
    let file = key.lock(&passphrase, cost, &*entropy).map_err(of)?;
    let mut text = serde_json::to_vec_pretty(&file).map_err(|error| CliError::failed(error.to_string()))?;
    text.push(b'\n');
    files::write_private(&out, &text)?;
    say!("{}", key.recipient());
    eprintln!("the line above is public: put it into backup.recipients of the configuration");
    eprintln!("{} is private: keep it and its passphrase away from the service", out.display());
    Ok(())
}

async fn check(matches: &ArgMatches) -> Result<(), CliError> {
    let path = stamp::path(matches, "backup")?;
    let own = open_key(matches)?;
    let keys = matches.get_one::<PathBuf>("keys").map(|path| read_keys(path)).transpose()?;
    let heads = matches.get_one::<PathBuf>("heads");
    if let Some(heads) = heads.filter(|heads| !heads.exists()) {
        return Err(CliError::usage(format!("{} is not there", heads.display())));
    }
    let comparison = HeadsComparison { heads: heads.map(PathBuf::as_path), keys: keys.as_ref() };
    let (scratch, entropy) = (std::env::temp_dir(), Sources::default().entropy);
    let report = verify(open(&path)?, &own, comparison, &scratch, &*entropy).await.map_err(of)?;
    tell(&report);
    match report.is_sound() {
        true => Ok(()),
        false => Err(CliError::failed("the backup can be read, and something in it is wrong; see above")),
    }
}

/// Opens the recipient's private key.
pub(super) fn open_key(matches: &ArgMatches) -> Result<RecipientKey, CliError> {
    let file = files::read(&stamp::path(matches, "recipient-key")?, KEY_FILE_BYTES)?;
    let passphrase = PassphraseSource::File(stamp::path(matches, "recipient-passphrase-file")?).read();
    let passphrase = passphrase.map_err(|error| CliError::usage(error.to_string()))?;
    KeyFile::parse(&file).and_then(|file| file.open(&passphrase)).map_err(of)
}

/// Opens a backup; `-` is standard input.
pub(super) fn open(path: &Path) -> Result<Box<dyn Read>, CliError> {
    if path.as_os_str() == "-" {
        return Ok(Box::new(std::io::stdin()));
    }
    let file = File::open(path).map_err(|error| CliError::usage(format!("{}: {error}", path.display())))?;
    Ok(Box::new(BufReader::with_capacity(1 << 17, file)))
}

/// Reads audit keys: a JSON object in each line.
pub(super) fn read_keys(path: &Path) -> Result<HeadKeys, CliError> {
    let text = files::read(path, KEY_FILE_BYTES)?;
    let wrong = || {
        CliError::usage(format!("{} holds no audit keys; `yinxin audit keys` writes them", path.display()))
    };
    let lines = text.split(|&octet| octet == b'\n').filter(|line| !line.iter().all(u8::is_ascii_whitespace));
    let keys = lines.map(|line| {
        let line: KeyLine = serde_json::from_slice(line).ok()?;
        line.key()
    });
    let keys: Option<Vec<_>> = keys.collect();
    match keys {
        Some(keys) if !keys.is_empty() => Ok(HeadKeys::new(keys)),
        _ => Err(wrong()),
    }
}

/// Tells what a backup holds and what is wrong with it.
pub(super) fn tell(report: &BackupReport) {
    let from = &report.manifest.beginning;
    say!(
        "{} of {}, by node {} (release {}, {}, schema {})",
        from.id,
        from.at,
        from.node,
        from.release,
        from.engine,
        from.schema
    );
    let rows: u64 = report.manifest.tables.iter().map(|table| table.rows).sum();
    say!("{} tables, {rows} rows; manifest {}", report.manifest.tables.len(), report.manifest_sm3);
    for chain in &report.manifest.chains {
        say!("audit chain of {} to {}, {} waiting", chain.node, chain.seq, chain.waiting);
    }
    let believed = match report.is_believed {
        Some(true) => "which is among the keys that are believed",
        Some(false) => "WHICH IS NONE of the keys that are believed",
        None => "which it names itself; the keystore's passphrase proves it at restoring, --keys does here",
    };
    say!("signed by audit key {}, {believed}", report.signed_by);
    say!(
        "inside: {} records chained, {} waiting, {} signed heads",
        report.audit.chained,
        report.audit.unchained,
        report.audit.heads
    );
    for restored in &report.audit.restorations {
        say!("{restored}");
    }
    report.audit.defects.iter().for_each(|defect| say!("inside: {defect}"));
    if let Some(outside) = &report.outside {
        match outside.newer_to.is_empty() {
            true => say!("the heads outside know nothing that is newer"),
            false => {
                for (node, to) in &outside.newer_to {
                    let chain = report.manifest.chains.iter().find(|chain| chain.node == *node);
                    let has = chain.map_or(0, |chain| chain.seq + chain.waiting);
                    say!(
                        "the heads outside know {node} to {to}: {} records are newer than this backup",
                        (to - has).max(0)
                    );
                }
            }
        }
        outside.defects.iter().for_each(|defect| say!("against the heads outside: {defect}"));
    }
    say!("not inside, and to be kept apart: {}", report.manifest.kept_apart.join("; "));
    if report.is_sound() {
        say!("the backup is whole, and its audit chain holds");
    }
}

pub(super) fn of(error: BackupError) -> CliError {
    CliError::failed(error.to_string())
}
