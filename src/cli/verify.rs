//! `yinxin verify FILE`: the verdict over a file, without a store.

use super::CliError;
use crate::{
    base::{Clock, Timestamp, clock::SystemClock},
    document::pdf::HARD_MAX_BYTES,
    verification::{Demand, Limits, Trust, TrustError, judge, text, too_large},
};
use clap::{Arg, ArgAction, ArgMatches, Command, builder::PossibleValuesParser, value_parser};
use std::{
    fs::File,
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};
use yinxin_pki::report::{Profile, Report};

/// Exit code where the answer could not be written (`EX_IOERR`): none of 0 to 3, which are verdicts.
const NOT_WRITTEN: u8 = 74;
/// The longest file of certificates, or revocation list.
const TRUST_MAX_BYTES: usize = 32 << 20;

const EXIT_CODES: &str = "\
Exit codes:
   0  passed: everything that had to be checked was, and holds
   1  failed: something does not hold
   2  undecided: something could not be checked, or there is no signature
   3  not readable: malformed, encrypted, too large, or of an unsupported kind
  64  wrong usage: bad flags or values, or a file that is not there or cannot be opened (FILE too)
  74  the answer could not be written

Trust comes only from --trust. Certificates inside FILE and those of --cert help to reach a trusted one.";

/// The command and its flags.
pub(super) fn command() -> Command {
    let file = |name: &'static str, value: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name(value).value_parser(value_parser!(PathBuf)).help(help)
    };
    let flag = |name: &'static str, help: &'static str| {
        Arg::new(name).long(name).action(ArgAction::SetTrue).help(help)
    };
    Command::new("verify")
        .about("检验文件 Verify a stamped or signed PDF, a seal, a stamp, or a time-stamp token")
        .after_help(EXIT_CODES)
        .arg(
            Arg::new("file")
                .value_name("FILE")
                .required(true)
                .value_parser(value_parser!(PathBuf))
                .help("What to verify; told by its content, not its name; at most 1 GiB"),
        )
        .arg(file("trust", "CERT", "Trusted certificates, PEM or DER (repeatable)").action(ArgAction::Append))
        .arg(
            file("cert", "CERT", "Intermediate certificates, not trusted by themselves (repeatable)")
                .action(ArgAction::Append),
        )
        .arg(
            file(
                "maker",
                "CERT",
                "Who may make seals, or an authority for makers alone (repeatable); others fail",
            )
            .action(ArgAction::Append),
        )
        .arg(file("crl", "CRL", "Revocation lists, PEM or DER (repeatable)").action(ArgAction::Append))
        .arg(
            Arg::new("at")
                .long("at")
                .value_name("RFC3339")
                .help("The instant of judging, 2026-11-21T00:00:00Z; now by default"),
        )
        .arg(
            Arg::new("profile")
                .long("profile")
                .value_name("PROFILE")
                .value_parser(PossibleValuesParser::new(["gm", "strict"]))
                .default_value("gm")
                .help("Whether the oddities of real makers are findings (gm) or failures (strict)"),
        )
        .arg(flag("require-timestamp", "A signature without a time stamp fails"))
        .arg(flag("require-revocation", "A signer without a revocation list leaves the verdict undecided"))
        .arg(flag("require-status", "A seal of unknown status leaves the verdict undecided"))
        .arg(file("data", "FILE", "What a bare token, stamp or detached signature is over"))
        .arg(flag("json", "Print the report as JSON"))
}

/// Runs it to its exit code.
pub(super) fn run(matches: &ArgMatches) -> Result<u8, CliError> {
    let trust = trust(matches)?;
    let judged_at = match matches.get_one::<String>("at") {
        Some(text) => instant(text)?,
        None => SystemClock.now(),
    };
    let limits = Limits::default().with_max_bytes(HARD_MAX_BYTES);
    let signed = match matches.get_one::<PathBuf>("data") {
        Some(path) => Some(whole(path, limits.max_bytes())?),
        None => None,
    };
    let strict = matches.get_one::<String>("profile").is_some_and(|profile| profile == "strict");
    let demand = Demand {
        profile: if strict { Profile::Strict } else { Profile::Gm },
        require_time_stamp: matches.get_flag("require-timestamp"),
        require_revocation: matches.get_flag("require-revocation"),
        require_status: matches.get_flag("require-status"),
        signed: signed.as_deref(),
        limits,
        ..Demand::new(&trust, judged_at)
    };
    let report = match matches.get_one::<PathBuf>("file") {
        Some(path) => report(path, &demand)?,
        None => return Err(CliError::usage("FILE is missing")),
    };
    let answer = if matches.get_flag("json") { json(&report) } else { Ok(text::render(&report)) };
    match answer.and_then(|answer| print(&answer)) {
        Ok(()) => Ok(report.exit_code()),
        Err(error) => {
            let _ = writeln!(io::stderr(), "yinxin: the answer could not be written: {error}");
            Ok(NOT_WRITTEN)
        }
    }
}

fn json(report: &Report) -> io::Result<String> {
    Ok(serde_json::to_string_pretty(report)? + "\n")
}

/// Writes to the standard output, to the last byte. A reader that has gone away wants no more: that is no error.
fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        outcome => outcome,
    }
}

fn instant(text: &str) -> Result<Timestamp, CliError> {
    Timestamp::parse_rfc3339(text)
        .ok_or_else(|| CliError::usage(format!("--at {text}: not an instant like 2026-11-21T00:00:00Z")))
}

fn trust(matches: &ArgMatches) -> Result<Trust, CliError> {
    type Add = fn(&mut Trust, &[u8]) -> Result<(), TrustError>;
    let kinds: [(&str, Add); 4] = [
        ("trust", Trust::add_anchors),
        ("cert", Trust::add_intermediates),
        ("maker", Trust::add_makers),
        ("crl", Trust::add_crl),
    ];
    let mut trust = Trust::default();
    for (flag, add) in kinds {
        for path in matches.get_many::<PathBuf>(flag).unwrap_or_default() {
            let bytes = whole(path, TRUST_MAX_BYTES)?;
            add(&mut trust, &bytes)
                .map_err(|error| CliError::usage(format!("--{flag} {}: {error}", path.display())))?;
        }
    }
    Ok(trust)
}

fn report(path: &Path, demand: &Demand<'_>) -> Result<Report, CliError> {
    match read(path, demand.limits.max_bytes())? {
        Read::Whole(bytes) => Ok(judge(&bytes, demand)),
        Read::TooLarge(bytes) => Ok(too_large(bytes, demand)),
    }
}

/// A file beside the one that is judged; too long a one is wrong usage.
fn whole(path: &Path, max_bytes: usize) -> Result<Vec<u8>, CliError> {
    match read(path, max_bytes)? {
        Read::Whole(bytes) => Ok(bytes),
        Read::TooLarge(bytes) => {
            let says =
                format!("{}: {bytes} bytes are too many; at most {max_bytes} are read", path.display());
            Err(CliError::usage(says))
        }
    }
}

enum Read {
    Whole(Vec<u8>),
    /// Its length, as far as that is known.
    TooLarge(u64),
}

fn read(path: &Path, max_bytes: usize) -> Result<Read, CliError> {
    let unreadable = |error| CliError::usage(format!("{}: cannot be read: {error}", path.display()));
    let file = File::open(path).map_err(unreadable)?;
    let length = file.metadata().map_err(unreadable)?.len();
    let limit = max_bytes as u64;
    if length > limit {
        return Ok(Read::TooLarge(length));
    }
    // A pipe has no length, and a file may grow while it is read.
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(0).saturating_add(1));
    file.take(limit + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() > max_bytes { Ok(Read::TooLarge(bytes.len() as u64)) } else { Ok(Read::Whole(bytes)) }
}
