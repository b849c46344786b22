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
/// Why a command ended without its result.
#[derive(Debug)]
pub enum CliError {
    /// It was called wrongly: a flag, a value, a file that is not there.
    Usage(String),
}

impl CliError {
    /// Wrong usage.
    pub fn usage(says: impl Into<String>) -> Self {
        Self::Usage(says.into())
    }
}

impl fmt::Display for CliError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Usage(says) = self;
        out.write_str(says)
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
        USAGE
    }))
}

fn dispatch(matches: &ArgMatches) -> Result<u8, CliError> {
    match matches.subcommand() {
        Some(("verify", matches)) => verify::run(matches),
        _ => Err(CliError::usage("no such command; see `yinxin --help`")),
    }
}
