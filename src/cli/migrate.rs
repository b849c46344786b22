//! `yinxin migrate`: brings the tables up to date and does nothing else, so that the role which may change tables need not be
//! the one that serves.

use super::CliError;
use crate::{
    app,
    config::{Config, Database},
};
use clap::{Arg, ArgAction, ArgMatches, Command};

/// The schema that `deploy/postgresql` makes, and its roles have rights in.
const SCHEMA: &str = "yinxin";

pub(super) fn command() -> Command {
    Command::new("migrate").about("Brings the database's tables up to date, and nothing else").long_about(
        "Brings the database's tables up to date, and nothing else. The daemon does so by itself at its start; where its own \
         database role may not change tables (deploy/postgresql), this is run before it, with the address of the role that \
         owns them. Safe to repeat, and while daemons of the release before are running.",
    ).arg(
        Arg::new("grant").long("grant").action(ArgAction::SetTrue).help(
            "Gives the roles of deploy/postgresql/roles.sql their rights on the tables of this release too \
             (deploy/postgresql/grants.sql)",
        ),
    )
}

pub(super) async fn run(config: &Config, matches: &ArgMatches) -> Result<(), CliError> {
    let grant = matches.get_flag("grant");
    let has_roles =
        matches!(&config.database, Database::Postgres { schema, .. } if schema.as_deref() == Some(SCHEMA));
    if grant && !has_roles {
        let says = "--grant is for PostgreSQL with the roles and the schema of deploy/postgresql/roles.sql \
                    (database.schema = \"yinxin\")";
        return Err(CliError::usage(says));
    }
    let newest = app::migrate(config, grant).await?;
    say!("the tables are up to date: {newest}");
    if grant {
        say!("the roles have their rights");
    }
    Ok(())
}
