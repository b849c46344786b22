//! What the daemon of a configuration needs from the machine; everything else it gives up before it opens anything.

use super::{AppError, passphrase, paths};
use crate::{
    config::{Config, Database, Place, environment},
    sandbox::{self, Mode, Plan, Standing},
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
const WIDE: &[&str] =
    &["/", "/etc", "/home", "/opt", "/root", "/run", "/srv", "/tmp", "/usr", "/var", "/var/lib"];
/// Kubernetes' link to the directory of a volume's files that hold; another one takes its place when they change.
const SWAPPED: &str = "..data";

/// Puts up the fence that the configuration asks for, around this thread and all that it starts.
///
/// # Errors
/// [`AppError::NotInitialised`], for which nothing is given up; [`AppError::Sandbox`] where it insists on what is not to be had.
pub fn fence(config: &Config) -> Result<Standing, AppError> {
    // First, for a mistyped directory is left as it was.
    passphrase(config)?;
    let plan = plan(config);
    if config.sandbox != Mode::Off {
        // A rule holds on a directory that is there.
        folders(config).iter().try_for_each(|folder| private_dir(folder))?;
    }
    Ok(sandbox::enter(config.sandbox, &plan)?)
}

/// The directories that are made where they are missing.
fn folders(config: &Config) -> Vec<PathBuf> {
    let named = config.settings.paths().filter(|(place, _)| *place == Place::Folder).map(|(_, path)| path);
    let database = match &config.database {
        Database::Sqlite { path } => Some(folder_of(path)),
        Database::Postgres { .. } => None,
    };
    named.chain([config.data_dir.clone()]).chain(database).collect()
}

fn plan(config: &Config) -> Plan {
    let mut plan = Plan {
        read: around(paths::passphrase(config).path()),
        write: folders(config),
        sockets: vec![folder_of(&config.socket_path())],
        bind: vec![config.listen.address.port()],
        connect: Vec::new(),
    };
    plan.bind.extend(config.settings.addresses().map(|address| address.port()));
    plan.read.extend(config.sandbox_reads.clone());
    // Whatever else the configuration names, by what it says it is.
    for (place, path) in config.settings.paths() {
        match place {
            Place::Folder => {}
            Place::Socket => plan.sockets.push(folder_of(&path)),
            Place::Output => plan.write.push(beside(&path)),
            Place::File | Place::Secret => plan.read.extend(around(&path)),
        }
    }
    if let Database::Postgres { url, .. } = &config.database {
        let reach = Reach::of(url, environment());
        for reach in reach.iter() {
            plan.connect.extend(reach.port);
            plan.connect.extend(reach.by_name.then_some(DNS));
            plan.read.extend(reach.files.iter().flat_map(|file| around(file)));
        }
    }
    if let Some(trace) = config.trace.as_ref().filter(|_| cfg!(feature = "otel")) {
        plan.connect.push(trace.endpoint.port());
        let is_name = trace.endpoint.host().parse::<std::net::IpAddr>().is_err();
        plan.connect.extend(is_name.then_some(DNS));
    }
    plan
}

fn folder_of(file: &Path) -> PathBuf {
    match file.parent() {
        Some(folder) if folder != Path::new("") => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// What has to be open for this file to be read, now and after somebody has put another in its place: what is beside it, and
/// where it is a link, as certbot's are, what is beside the file that it leads to.
fn around(file: &Path) -> Vec<PathBuf> {
    let here = beside(file);
    let there = file.canonicalize().ok().map(|target| beside(&target)).filter(|there| *there != here);
    std::iter::once(here).chain(there).collect()
}

/// The directory of a file, unless that is one of everybody's. A directory is itself.
fn beside(file: &Path) -> PathBuf {
    match file.parent() {
        _ if file.is_dir() => file.to_owned(),
        // Kubernetes puts another directory in the place of this one: what holds both.
        Some(folder) if folder.ends_with(SWAPPED) => folder_of(folder),
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
            "data_dir = '/var/lib/yinxin'\npassphrase_file = '/etc/yinxin/passphrase'\n[listen]\naddress = '[::1]:8443'",
        ));
        assert!(plan.bind.iter().all(|port| *port == 8443) && plan.connect.is_empty(), "{plan:?}");
        assert!(plan.write.iter().all(|path| path == Path::new("/var/lib/yinxin")), "{:?}", plan.write);
        assert!(plan.read.iter().all(|path| path == Path::new("/etc/yinxin")), "{:?}", plan.read);
    }

    #[test]
    fn a_daemon_on_postgresql_keeps_the_way_to_it() {
        let by_port = plan(&config("[database]\nurl = 'postgres://y@db.example:6432/y'"));
        assert_eq!(by_port.connect, [6432, DNS]);
        let by_socket = plan(&config("[database]\nurl = 'postgres:///y?host=/run/postgresql'"));
        assert!(by_socket.connect.is_empty());
        assert!(by_socket.read.contains(&PathBuf::from("/run/postgresql")), "{:?}", by_socket.read);
    }

    #[test]
    fn of_a_directory_that_others_use_as_well_only_the_file_is_kept() {
        assert_eq!(around(Path::new("/etc/passphrase")), [Path::new("/etc/passphrase")]);
        assert_eq!(around(Path::new("/etc/yinxin/passphrase")), [Path::new("/etc/yinxin")]);
    }

    #[test]
    fn of_a_link_both_ends_are_kept() {
        let scratch = tempfile::tempdir().expect("a directory");
        let at = |name: &str| scratch.path().join(name);
        for name in ["live", "archive", "volume", "volume/..1"] {
            fs::create_dir(at(name)).expect("made");
        }
        for name in ["archive/cert1.pem", "volume/..1/tls.crt"] {
            fs::write(at(name), "x").expect("written");
        }
        for (to, from) in [("../archive/cert1.pem", "live/cert.pem"), ("..1", "volume/..data")] {
            std::os::unix::fs::symlink(to, at(from)).expect("linked");
        }
        let archive = at("archive").canonicalize().expect("there");
        assert_eq!(around(&at("live/cert.pem")), [at("live"), archive]);
        // The next one lies in a directory that is not there yet, beside the one that is.
        assert_eq!(around(&at("volume/..data/tls.crt"))[0], at("volume"));
    }
}
