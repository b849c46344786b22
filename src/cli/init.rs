//! `yinxin init`: the first start.

use super::CliError;
use crate::{
    app::{self, Sources},
    config::Config,
};
use clap::Command;

pub(super) fn command() -> Command {
    Command::new("init").about("Makes keystore, authority and the first officers in the data directory").long_about(
        "Makes keystore, authority and the first officers in the data directory.\n\n\
         Where no passphrase file is configured, one is made there: fit for trying things out, not for production, \
         where the passphrase comes from elsewhere (passphrase_file, a systemd credential).\n\
         The first officers' API keys are written to officer-keys/, mode 0600, once; hand them to their holders and \
         remove them.",
    )
}

pub(super) async fn run(config: &Config) -> Result<(), CliError> {
    let first = app::init(config, Sources::default()).await?;
    say!("initialised {}", config.data_dir.display());
    if first.made_passphrase {
        say!("passphrase made in {}/passphrase: for trying out only", config.data_dir.display());
    }
    for officer in &first.officers {
        let role = officer.officer.roles.iter().next().map_or("", |role| role.name());
        say!(
            "{}  {}  key in {}/officer-keys/{role}",
            officer.officer.id,
            officer.officer.name,
            config.data_dir.display()
        );
    }
    say!("next: yinxin serve");
    Ok(())
}
