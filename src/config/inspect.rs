//! Looking at what the configuration names: files and addresses. A daemon would find the same at its start; this finds all of
//! it, without starting anything.

use super::{
    Config, Database, Origin,
    key::{Key, Kind, Place},
    table::{self as table, KEYS},
};
use rustix::process::geteuid;
use std::{
    fmt, fs, io,
    net::{SocketAddr, TcpListener},
    os::unix::{
        fs::{FileTypeExt as _, MetadataExt as _},
        net::UnixStream,
    },
    path::{Path, PathBuf},
};

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The daemon works, and is weaker than it might be.
    Weak,
    /// The daemon does not start, or does not do its work.
    Wrong,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// The key that names what was looked at.
    pub key: &'static str,
    /// Where its value comes from.
    pub origin: Origin,
    /// What was found, and what may be done.
    pub says: String,
}

/// Looks at everything that the configuration names. Blocking: files, and one attempt to bind each address.
pub fn inspect(config: &Config) -> Vec<Finding> {
    let mut look = Look { config, findings: Vec::new() };
    look.data_dir();
    for key in KEYS {
        look.path(key);
    }
    look.address(table::LISTEN_ADDRESS, config.listen.address);
    look.secrets_in_the_open();
    look.findings
}

struct Look<'a> {
    config: &'a Config,
    findings: Vec<Finding>,
}

impl Look<'_> {
    fn found(&mut self, severity: Severity, key: &Key, says: impl Into<String>) {
        let origin = self.config.settings.origin(key.name);
        self.findings.push(Finding { severity, key: key.name, origin, says: says.into() });
    }

    fn wrong(&mut self, key: &Key, says: impl Into<String>) {
        self.found(Severity::Wrong, key, says);
    }

    fn data_dir(&mut self) {
        let path = &self.config.data_dir;
        match fs::metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.found(
                    Severity::Weak,
                    table::DATA_DIR,
                    format!("{} is not there yet; yinxin init makes it", path.display()),
                );
            }
            Err(error) => self.wrong(table::DATA_DIR, format!("{}: {error}", path.display())),
            Ok(found) if !found.is_dir() => {
                self.wrong(table::DATA_DIR, format!("{} is no directory", path.display()))
            }
            Ok(found) => {
                let mode = found.mode() & 0o7777;
                if mode & 0o077 != 0 {
                    let says = format!(
                        "{} has mode {mode:04o}, which lets others look in; 0700 is right",
                        path.display()
                    );
                    self.found(Severity::Weak, table::DATA_DIR, says);
                }
                if found.uid() != geteuid().as_raw() && !geteuid().is_root() {
                    let says = format!(
                        "{} belongs to user {}, not to the user of this process",
                        path.display(),
                        found.uid()
                    );
                    self.wrong(table::DATA_DIR, says);
                }
            }
        }
    }

    fn path(&mut self, key: &'static Key) {
        let (Kind::Path(place), Some(path)) = (key.kind, self.path_of(key)) else { return };
        match place {
            Place::Folder => {}
            Place::Secret => self.secret(key, &path),
            Place::File => {
                if let Err(error) = fs::File::open(&path) {
                    self.wrong(key, format!("{} can't be read: {error}", path.display()));
                } else if !path.is_file() {
                    self.wrong(key, format!("{} is no plain file", path.display()));
                }
            }
            Place::Socket => self.socket(key, &path),
            Place::Output => self.parent(key, &path),
        }
    }

    fn path_of(&self, key: &Key) -> Option<PathBuf> {
        self.config.settings.path(key)
    }

    /// The rule of `keys::PassphraseSource`: a plain file of our own that nobody else reads; for a credential of systemd, root
    /// may own it and its group may read.
    fn secret(&mut self, key: &Key, path: &Path) {
        let shown = path.display();
        let found = match fs::metadata(path) {
            Ok(found) => found,
            Err(error) => return self.wrong(key, format!("{shown} can't be read: {error}")),
        };
        let credential =
            self.config.credentials_dir.as_deref().is_some_and(|folder| path.starts_with(folder));
        let (forbidden, allowed) = if credential { (0o137, "0640") } else { (0o177, "0600") };
        let (mode, own) = (found.mode() & 0o7777, geteuid().as_raw());
        if !found.is_file() {
            self.wrong(key, format!("{shown} is no plain file"));
        } else if mode & forbidden != 0 {
            self.wrong(
                key,
                format!("{shown} has mode {mode:04o}, which lets others in; it may have {allowed} at most"),
            );
        } else if found.uid() != own && !(credential && found.uid() == 0) {
            self.wrong(
                key,
                format!(
                    "{shown} belongs to user {}; it must belong to the user of this process",
                    found.uid()
                ),
            );
        } else if let Err(error) = fs::File::open(path) {
            self.wrong(key, format!("{shown} can't be read: {error}"));
        }
    }

    fn socket(&mut self, key: &Key, path: &Path) {
        match fs::symlink_metadata(path) {
            Ok(found) if !found.file_type().is_socket() => {
                self.wrong(
                    key,
                    format!("{} is there and is no socket; the daemon would remove it", path.display()),
                );
            }
            _ => self.parent(key, path),
        }
    }

    fn parent(&mut self, key: &Key, path: &Path) {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if !folder.is_dir() {
            self.wrong(key, format!("{} is not there, so nothing can be made in it", folder.display()));
        }
    }

    fn address(&mut self, key: &Key, address: SocketAddr) {
        let Err(error) = TcpListener::bind(address) else { return };
        let daemon_runs = UnixStream::connect(self.config.socket_path()).is_ok();
        if !(error.kind() == io::ErrorKind::AddrInUse && daemon_runs) {
            self.wrong(key, format!("{address} can't be listened on: {error}"));
        }
    }

    /// A password in a file that others read, or in the environment, which others see.
    fn secrets_in_the_open(&mut self) {
        let Database::Postgres { url, .. } = &self.config.database else { return };
        if !url.expose().contains('@') || super::redact::database_url(url.expose()) == *url.expose() {
            return;
        }
        let says = match self.config.settings.origin(table::DATABASE_URL.name) {
            Origin::File { path, .. } => match fs::metadata(&path) {
                Ok(found) if found.mode() & 0o044 != 0 => {
                    format!("it holds a password, and others may read {}; put it into a file of mode 0600, database.url_file", path.display())
                }
                _ => return,
            },
            Origin::Variable(_) | Origin::Option(_) => {
                "it holds a password, and other processes may see it; put it into a file of mode 0600, database.url_file".into()
            }
            Origin::Default | Origin::Credential(_) => return,
        };
        self.found(Severity::Weak, table::DATABASE_URL, says);
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Severity::Weak => "weak",
            Severity::Wrong => "wrong",
        })
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {} ({}): {}", self.severity, self.key, self.origin, self.says)
    }
}
