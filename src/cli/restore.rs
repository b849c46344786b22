//! `yinxin restore`: a backup into an empty place, by whoever holds the machine, the recipient's key and the passphrase.

use super::{CliError, backup, stamp};
use crate::{
    app::{self, Restore, Sources},
    config::Config,
};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use std::path::PathBuf;

pub(super) fn command() -> Command {
    Command::new("restore")
        .about("Restores a backup into an empty database; the daemon must not run")
        .long_about(
            "Restores a backup into an empty database: SQLite in the data directory, or the PostgreSQL schema that the \
             configuration names. It comes back whole or not at all.\n\n\
             The keystore's passphrase is in no backup: put it where the configuration says first. A file of audit heads \
             that is already there stays, and what it knows beyond the backup is said to be lost, under signature.",
        )
        .arg(
            Arg::new("backup")
                .value_name("FILE")
                .required(true)
                .value_parser(value_parser!(PathBuf))
                .help("The backup; `-` for standard input"),
        )
        .args(backup::recipient())
        .arg(Arg::new("reason").long("reason").value_name("TEXT").required(true).help("Why; recorded in the audit"))
        .arg(
            Arg::new("accept-defects")
                .long("accept-defects")
                .action(ArgAction::SetTrue)
                .help("Restores a backup whose audit chain does not hold; recorded"),
        )
}

pub(super) async fn run(config: &Config, matches: &ArgMatches) -> Result<(), CliError> {
    let key = backup::open_key(matches)?;
    let reason = matches.get_one::<String>("reason").map_or("", |reason| reason.trim());
    if reason.is_empty() || reason.chars().count() > 1000 || reason.chars().any(crate::base::text::is_hidden)
    {
        return Err(CliError::usage("--reason takes one line of 1 to 1000 characters"));
    }
    let asked = Restore {
        from: backup::open(&stamp::path(matches, "backup")?)?,
        key: &key,
        reason: reason.to_owned(),
        accept_defects: matches.get_flag("accept-defects"),
    };
    let restored = app::restore(config, Sources::default(), asked).await?;
    backup::tell(&restored.report);
    match &restored.lost {
        Some(lost) => say!(
            "the heads in {} know more than the backup: of chain {}, records {} to {} are LOST; that is recorded as {}",
            restored.heads_file.display(),
            lost.node,
            lost.back_to.saturating_add(1),
            lost.lost_to,
            lost.restoration
        ),
        None => say!("no head outside the database is newer than the backup"),
    }
    say!("restored; next: yinxin serve, then yinxin audit verify");
    Ok(())
}
