//! The command line: one file per command.

mod verify;

use clap::{ArgMatches, Command};
use std::{
    ffi::OsString,
    fmt,
    io::{self, Write as _},
    process::ExitCode,
};

/// Exit code of wrong usage (`EX_USAGE`).
const USAGE: u8 = 64;
/// Exit code of a command that could not do its work (`EX_SOFTWARE`).
const FAILED: u8 = 70;
/// Exit code where the answer could not be written (`EX_IOERR`): it must not look like one.
const NOT_WRITTEN: u8 = 74;

/// Why a command ended without its result.
#[derive(Debug)]
pub enum CliError {
    /// It was called wrongly: a flag, a value, a file that is not there.
    Usage(String),
    /// It could not do its work.
    Failed(String),
    /// The service refused, with a code of its catalogue.
    Refused {
        /// The stable code.
        code: String,
        /// What was tried and what was found.
        says: String,
        /// What the reader may do.
        hint: String,
    },
    /// What it has to say could not be written.
    Output(io::Error),
}

impl CliError {
    /// Wrong usage.
    pub fn usage(says: impl Into<String>) -> Self {
        Self::Usage(says.into())
    }

    /// A failure.
    pub fn failed(says: impl Into<String>) -> Self {
        Self::Failed(says.into())
    }

    fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => USAGE,
            Self::Failed(_) | Self::Refused { .. } => FAILED,
            Self::Output(_) => NOT_WRITTEN,
        }
    }
}

impl fmt::Display for CliError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(says) | Self::Failed(says) => out.write_str(says),
            Self::Refused { code, says, hint } => write!(out, "{code}: {says}\n{hint}"),
            Self::Output(error) => write!(out, "the answer could not be written: {error}"),
        }
    }
}

impl std::error::Error for CliError {}

/// The tree of all commands.
pub fn command() -> Command {
    Command::new("yinxin")
        .about("印信: electronic seals, stamped documents, and their verification")
        .version(env!("CARGO_PKG_VERSION"))
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(verify::command())
}

/// Runs the command line `arguments` (the program's name first) to its exit code.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let matches = match command().try_get_matches_from(arguments) {
        Ok(matches) => matches,
        Err(error) => {
            // Nobody may be listening any more; the exit code says it all the same.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { USAGE } else { 0 });
        }
    };
    ExitCode::from(dispatch(&matches).unwrap_or_else(|error| {
        let _ = writeln!(io::stderr(), "yinxin: {error}");
        error.exit_code()
    }))
}

fn dispatch(matches: &ArgMatches) -> Result<u8, CliError> {
    match matches.subcommand() {
        Some(("verify", matches)) => verify::run(matches),
        _ => Err(CliError::usage("no such command; see `yinxin --help`")),
    }
}

/// Writes `text` to the standard output, to its last byte. A reader that has gone away wants no more: that is no error.
fn print(text: &str) -> Result<(), CliError> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        outcome => outcome.map_err(CliError::Output),
    }
}
