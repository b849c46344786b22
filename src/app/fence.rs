//! What the daemon of a configuration needs from the machine; everything else it gives up before it opens anything.

use super::{AppError, passphrase, paths};
use crate::{
    config::{Config, Database},
    sandbox::{self, Plan, Standing},
    store::Reach,
};
use std::{
    fs,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

/// DNS answers that are too long for UDP.
const DNS: u16 = 53;
/// Directories that hold other people's things as well: of them, single files are named.
const WIDE: &[&str] = &["/", "/etc", "/home", "/opt", "/root", "/run", "/srv", "/tmp", "/usr", "/var", "/var/lib"];

/// Puts up the fence that the configuration asks for, around this thread and all that it starts.
///
/// # Errors
/// [`AppError::NotInitialised`], for which nothing is given up; [`AppError::Sandbox`] where it insists on what is not to be had.
pub fn fence(config: &Config) -> Result<Standing, AppError> {
    passphrase(config)?;
    let plan = plan(config);
    // A rule holds on a directory that is there.
    for folder in &plan.write {
        private_dir(folder)?;
    }
    Ok(sandbox::enter(config.sandbox, &plan)?)
}

fn plan(config: &Config) -> Plan {
    let mut plan = Plan { bind: vec![config.listen.address.port()], ..Plan::default() };
    plan.write.push(config.data_dir.clone());
    plan.write.extend(config.socket_path().parent().map(Path::to_owned));
    plan.read.push(around(paths::passphrase(config).path()));
    match &config.database {
        Database::Sqlite { path } => plan.write.extend(path.parent().map(Path::to_owned)),
        Database::Postgres { url, .. } => match Reach::of(url) {
            Some(Reach::Port(port)) => plan.connect.extend([port, DNS]),
            Some(Reach::Socket(folder)) => plan.read.push(folder),
            None => {}
        },
    }
    plan
}

/// What has to be open for this file to be read, now and after somebody has put another in its place: its directory, unless
/// that is one of everybody's.
fn around(file: &Path) -> PathBuf {
    match file.parent() {
        Some(folder) if folder.is_absolute() && !WIDE.iter().any(|wide| folder == Path::new(wide)) => {
            folder.to_owned()
        }
        _ => file.to_owned(),
    }
}

fn private_dir(path: &Path) -> Result<(), AppError> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|error| AppError::File { path: path.to_owned(), error })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(toml: &str) -> Config {
        let file = tempfile::NamedTempFile::new().expect("a file");
        fs::write(file.path(), toml).expect("written");
        Config::load(Some(file.path()), []).expect("whole")
    }

    #[test]
    fn a_daemon_on_sqlite_keeps_its_directory_and_its_port() {
        let plan = plan(&config(
            "data_dir = '/var/lib/yinxin'\npassphrase_file = '/etc/yinxin/passphrase'\n[listen]\naddress = '[::]:8443'",
        ));
        assert_eq!((plan.bind, plan.connect), (vec![8443], vec![]));
        assert!(plan.write.iter().all(|path| path == Path::new("/var/lib/yinxin")), "{:?}", plan.write);
        assert_eq!(plan.read, [PathBuf::from("/etc/yinxin")]);
    }

    #[test]
    fn a_daemon_on_postgresql_keeps_the_way_to_it() {
        let by_port = plan(&config("[database]\nurl = 'postgres://y@db.example:6432/y'"));
        assert_eq!(by_port.connect, [6432, DNS]);
        let by_socket = plan(&config("[database]\nurl = 'postgres:///y?host=/run/postgresql'"));
        assert_eq!(by_socket.connect, []);
        assert!(by_socket.read.contains(&PathBuf::from("/run/postgresql")), "{:?}", by_socket.read);
    }

    #[test]
    fn of_a_directory_that_others_use_as_well_only_the_file_is_kept() {
        assert_eq!(around(Path::new("/etc/passphrase")), Path::new("/etc/passphrase"));
        assert_eq!(around(Path::new("/etc/yinxin/passphrase")), Path::new("/etc/yinxin"));
    }
}
