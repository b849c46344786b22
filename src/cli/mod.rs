//! The command line: a file for each command. `main` only runs [`run`] and ends with its exit code.

/// `println!` that outlives its reader: `yinxin demo | head -1` ends quietly where a reader has seen enough, and does its
/// work to the end; what else keeps words from being written is told.
macro_rules! say {
    ($($words:tt)*) => {
        $crate::cli::tell(format_args!($($words)*))
    };
}

mod audit;
mod authority;
mod backup;
mod config;
mod demo;
mod doctor;
mod door;
mod error;
mod files;
mod health;
mod init;
mod key;
mod manager;
mod migrate;
mod officer;
mod probe;
mod restore;
mod seal;
mod serve;
mod sockets;
mod stamp;
mod verify;

pub use error::CliError;

use crate::config::{Chosen, Config, Settings, environment};
use clap::{Arg, ArgMatches, Command, value_parser};
use std::{ffi::OsString, io::Write as _, path::PathBuf, process::ExitCode};
use tokio::runtime::Runtime;

/// Wrong usage (sysexits.h EX_USAGE).
const USAGE: u8 = 64;
/// A configuration that can't be taken (sysexits.h EX_CONFIG): starting again does not help.
const CONFIGURATION: u8 = 78;

/// Runs the command that `arguments` (with the program's name first) ask for, and answers its exit code.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    crate::telemetry::tell_panics();
    let matches = match tree().try_get_matches_from(arguments) {
        Ok(matches) => matches,
        Err(error) => {
            // Help and version go to standard output and are no error; a closed pipe is nobody's concern.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(USAGE) } else { ExitCode::SUCCESS };
        }
    };
    match dispatch(&matches) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            error.print();
            ExitCode::from(error.exit_code())
        }
    }
}

/// A line on standard output, for [`say!`].
fn tell(line: std::fmt::Arguments<'_>) {
    match writeln!(std::io::stdout(), "{line}") {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            eprintln!("yinxin: the answer could not be written: {error}");
        }
        _ => {}
    }
}

/// The whole tree of commands, for `--help` and the test that compares it.
pub fn tree() -> Command {
    Command::new("yinxin")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Yinxin 印信: electronic seals, stamped documents, and their verification")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .arg(
            Arg::new("config")
                .long("config")
                .value_name("FILE")
                .global(true)
                .value_parser(value_parser!(PathBuf))
                .help("The configuration, TOML; without it the defaults and YINXIN_* variables"),
        )
        .arg(
            Arg::new("dir")
                .long("dir")
                .value_name("DIR")
                .global(true)
                .value_parser(value_parser!(PathBuf))
                .help("The data directory [default: ./yinxin-data; for demo ./yinxin-demo]"),
        )
        .subcommand(init::command())
        .subcommand(serve::command())
        .subcommand(health::command())
        .subcommand(migrate::command())
        .subcommand(demo::command())
        .subcommand(verify::command())
        .subcommand(stamp::command())
        .subcommand(seal::command())
        .subcommand(officer::command())
        .subcommand(audit::command())
        .subcommand(key::command())
        .subcommand(authority::command())
        .subcommand(config::command())
        .subcommand(doctor::command())
        .subcommand(probe::command())
        .subcommand(backup::command())
        .subcommand(restore::command())
}

fn dispatch(matches: &ArgMatches) -> Result<u8, CliError> {
    let Some((name, sub)) = matches.subcommand() else {
        return Err(CliError::usage("name a command; --help lists them"));
    };
    if name == "verify" {
        // No configuration, no store, no service: a verdict needs none of them.
        return verify::run(sub);
    }
    if name == "config" {
        return config::run(settings(sub, ""), sub);
    }
    let config = || Config::of(settings(sub, if name == "demo" { "./yinxin-demo" } else { "" }));
    crate::tls::install_provider();
    if name == "serve" {
        // Landlock holds for this thread and those that it starts: none is there yet.
        let prepared = serve::prepare(config()?)?;
        to_the_end(serve::run(prepared))?;
        return Ok(0);
    }
    if name == "doctor" {
        return to_the_end(doctor::run(settings(sub, ""), sub));
    }
    to_the_end(async {
        match name {
            "init" => init::run(&config()?).await,
            "health" => health::run(&config()?, sub).await,
            "probe" => probe::run(&config()?, sub).await,
            "migrate" => migrate::run(&config()?, sub).await,
            "demo" => demo::run(config()?, sub).await,
            "stamp" => stamp::run(&config()?, sub).await,
            "seal" => seal::run(&config()?, sub).await,
            "officer" => officer::run(&config()?, sub).await,
            "audit" => audit::run(config, sub).await,
            "key" => key::run(&config()?, sub).await,
            "backup" => backup::run(config, sub).await,
            "restore" => restore::run(&config()?, sub).await,
            "authority" => authority::run(&config()?, sub).await,
            other => Err(CliError::usage(format!("there is no command {other}"))),
        }
    })?;
    Ok(0)
}

/// Works until this is done. What hangs at the end (a signer, work that a second signal cut short) is left behind.
fn to_the_end<T>(work: impl Future<Output = Result<T, CliError>>) -> Result<T, CliError> {
    let runtime = runtime()?;
    let done = runtime.block_on(work);
    runtime.shutdown_background();
    done
}

fn runtime() -> Result<Runtime, CliError> {
    let mut threads = tokio::runtime::Builder::new_multi_thread();
    let built = threads.worker_threads(2).enable_all().build();
    built.map_err(|error| CliError::failed(format!("no threads for the service: {error}")))
}

/// Settings of a command: the file and the environment, then `--dir` and `--listen` on top.
fn settings(matches: &ArgMatches, default_dir: &str) -> Settings {
    let mut chosen = Vec::new();
    let mut choose = |key, by, value| chosen.push(Chosen { key, by, value });
    match matches.get_one::<PathBuf>("dir") {
        Some(dir) => choose("data_dir", "--dir", dir.display().to_string()),
        None if !default_dir.is_empty() => choose("data_dir", "demo", default_dir.to_owned()),
        None => {}
    }
    if let Ok(Some(listen)) = matches.try_get_one::<String>("listen") {
        choose("listen.address", "--listen", listen.clone());
    }
    let file = matches.get_one::<PathBuf>("config");
    Settings::gather(file.map(PathBuf::as_path), environment(), &chosen)
}

/// `--key-file`: with which officer's API key a command asks.
fn key_file() -> Arg {
    Arg::new("key-file")
        .long("key-file")
        .value_name("FILE")
        .required(true)
        .value_parser(value_parser!(PathBuf))
        .help("A file with the API key of the officer who asks")
}

/// `--listen`: where the daemon listens.
fn listen() -> Arg {
    Arg::new("listen").long("listen").value_name("ADDRESS").help("Where to listen [default: 127.0.0.1:8080]")
}
