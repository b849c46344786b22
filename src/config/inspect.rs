//! Looking at what the configuration names: files and addresses. A daemon would find the same at its start; this finds all of
//! it, without starting anything.

use super::{
    Config, Database, Origin, environment,
    key::{Key, Kind, Place},
    listen::is_open,
    table::{self as table, KEYS},
};
use crate::{
    base::{
        Timestamp,
        plain_file::{self, Rule},
    },
    store::{Link, has_nobody_to_believe},
    tls::{self, ServerFiles, TlsError},
};
use rustix::process::geteuid;
use std::{
    fmt, fs, io,
    net::{IpAddr, SocketAddr, TcpListener},
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

/// A certificate that ends sooner than this is told.
const EXPIRES_SOON_MS: i64 = 30 * 86_400_000;
/// The longest file that is looked into.
const FILE_MAX_BYTES: u64 = 32 << 20;

/// Looks at everything that the configuration names. Blocking: files, and one attempt to bind each address.
pub fn inspect(config: &Config, now: Timestamp) -> Vec<Finding> {
    let mut look = Look { config, now, findings: Vec::new() };
    look.data_dir();
    look.passphrase();
    KEYS.iter().for_each(|key| look.path(key));
    look.listen();
    look.database();
    look.outside();
    look.secrets_in_the_open();
    look.findings
}

struct Look<'a> {
    config: &'a Config,
    now: Timestamp,
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

    /// The file in the data directory, which no key names.
    fn passphrase(&mut self) {
        let path = self.config.data_dir.join("passphrase");
        if self.config.passphrase_file.is_none() && path.exists() {
            self.file(table::PASSPHRASE_FILE, &path, Rule::Ours);
        }
    }

    fn path(&mut self, key: &'static Key) {
        let (Kind::Path(place), Some(path)) = (key.kind, self.config.settings.path(key)) else { return };
        match place {
            Place::Folder => {}
            Place::Secret => {
                let credentials = self.config.credentials_dir.as_deref();
                let shared = key.group_may_read || credentials.is_some_and(|folder| path.starts_with(folder));
                self.file(key, &path, if shared { Rule::Shared } else { Rule::Ours });
            }
            Place::File => self.file(key, &path, Rule::Anything),
            Place::Socket => self.socket(key, &path),
            Place::Output => self.parent(key, &path),
        }
    }

    fn file(&mut self, key: &Key, path: &Path, rule: Rule) {
        if let Err(error) = plain_file::read(path, rule, FILE_MAX_BYTES) {
            self.wrong(key, format!("{} {error}", path.display()));
        }
    }

    fn socket(&mut self, key: &Key, path: &Path) {
        match fs::symlink_metadata(path) {
            Ok(found) if !found.file_type().is_socket() => {
                self.wrong(key, format!("{} is there and is no socket", path.display()));
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

    fn listen(&mut self) {
        let listen = &self.config.listen;
        self.address(table::LISTEN_ADDRESS, listen.address);
        self.identity(table::LISTEN_TLS_CERTIFICATE_FILE, listen.tls.as_ref());
        if let Some(own) = &listen.administration {
            self.address(table::LISTEN_ADMIN_ADDRESS, own.address);
            self.identity(table::LISTEN_ADMIN_TLS_CERTIFICATE_FILE, own.tls.as_ref());
            if is_open(own.address) && own.tls.as_ref().is_some_and(|tls| tls.clients.is_none()) {
                let says = "others reach it with an API key alone; listen.admin_tls.client_ca_file asks for a certificate as well";
                self.found(Severity::Weak, table::LISTEN_ADMIN_ADDRESS, says);
            }
        }
        if is_open(listen.address) && listen.administration.is_none() {
            let says = "administration is open to all who reach this address; listen.admin_address gives it one of its own";
            self.found(Severity::Weak, table::LISTEN_ADDRESS, says);
        }
        if listen.behind_proxy && listen.proxies.trusted.is_empty() {
            let says = "the limits by address see one caller, the proxy; name it in listen.trusted_proxies";
            self.found(Severity::Weak, table::LISTEN_BEHIND_PROXY, says);
        }
        if self.trusts_everybody() {
            let says = "everybody is believed who he is, so that limits by address hold nobody";
            self.found(Severity::Weak, table::LISTEN_TRUSTED_PROXIES, says);
        }
    }

    fn trusts_everybody(&self) -> bool {
        let somebody = [IpAddr::from([192, 0, 2, 1]), IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1])];
        let trusted = &self.config.listen.proxies.trusted;
        somebody.iter().any(|address| trusted.iter().any(|network| network.contains(*address)))
    }

    fn address(&mut self, key: &Key, address: SocketAddr) {
        let Err(error) = TcpListener::bind(address) else { return };
        let daemon_runs = UnixStream::connect(self.config.socket_path()).is_ok();
        if !(error.kind() == io::ErrorKind::AddrInUse && daemon_runs) {
            self.wrong(key, format!("{address} can't be listened on: {error}"));
        }
    }

    /// Certificate, key and authorities of a listener, together; and how long the certificate is still good.
    fn identity(&mut self, key: &Key, files: Option<&ServerFiles>) {
        let Some(files) = files else { return };
        let identity = match files.check() {
            Ok(identity) => identity,
            Err(error) => return self.tls(key, &error),
        };
        let certificate = files.certificate.display();
        match (identity.not_before, identity.not_after) {
            (_, Some(end)) if self.now > end => {
                self.wrong(key, format!("{certificate} has expired at {end}"))
            }
            (Some(start), _) if self.now < start => {
                self.wrong(key, format!("{certificate} is not valid before {start}"));
            }
            (_, Some(end)) if end.ms() - self.now.ms() < EXPIRES_SOON_MS => {
                self.found(Severity::Weak, key, format!("{certificate} ends soon, at {end}"));
            }
            _ => {}
        }
    }

    /// A fault of TLS, under the key that names the file. A file that can't be read at all has been told.
    fn tls(&mut self, usual: &Key, error: &TlsError) {
        let names = |key: &&&Key| self.config.settings.path(key).is_some_and(|path| path == error.path);
        let key = KEYS.iter().find(names).copied().unwrap_or(usual);
        if !self.findings.iter().any(|found| found.key == key.name && found.severity == Severity::Wrong) {
            self.wrong(key, error.to_string());
        }
    }

    fn outside(&mut self) {
        let Some(path) = &self.config.outside.ca_file else { return };
        if let Err(error) = tls::client(path) {
            self.tls(table::OUTSIDE_CA_FILE, &error);
        }
    }

    fn database(&mut self) {
        let Database::Postgres { url, .. } = &self.config.database else { return };
        let key = self.database_key();
        match Link::of(url) {
            None => self
                .wrong(key, "the address of the database must look like postgres://user:password@host/name"),
            Some(link) => {
                if let Some(says) = link.weakness() {
                    self.found(Severity::Weak, key, says);
                }
                if has_nobody_to_believe(url, environment()) {
                    self.wrong(key, NOBODY);
                }
            }
        }
        for (name, rule) in
            [("sslrootcert", Rule::Anything), ("sslcert", Rule::Anything), ("sslkey", Rule::Shared)]
        {
            if let Some(path) = parameter(url.expose(), name) {
                self.file(key, &path, rule);
            }
        }
    }

    fn database_key(&self) -> &'static Key {
        match self.config.settings.path(table::DATABASE_URL_FILE) {
            Some(_) => table::DATABASE_URL_FILE,
            None => table::DATABASE_URL,
        }
    }

    /// A password in a file that others read, or in the environment, which others see.
    fn secrets_in_the_open(&mut self) {
        let Database::Postgres { url, .. } = &self.config.database else { return };
        if super::redact::database_url(url.expose()) == *url.expose() {
            return;
        }
        let says = match self.config.settings.origin(table::DATABASE_URL.name) {
            Origin::File { path, .. } if fs::metadata(&path).is_ok_and(|found| found.mode() & 0o044 != 0) => {
                format!("it holds a password, and others may read {}; {BETTER}", path.display())
            }
            Origin::Variable(_) | Origin::Option(_) => {
                format!("it holds a password that other processes may see; {BETTER}")
            }
            _ => return,
        };
        self.found(Severity::Weak, table::DATABASE_URL, says);
    }
}

const NOBODY: &str = "the server has to prove who it is, and nothing says by whose word: name its authority's certificate \
                      (sslrootcert=/a/file in the address); this machine has no list of authorities";
const BETTER: &str = "put it into a file of mode 0600, database.url_file";

/// A path among the parameters of a database's address, where it is written without escapes.
fn parameter(url: &str, name: &str) -> Option<PathBuf> {
    let (_, query) = url.rsplit_once('?')?;
    let value = query.split('&').filter_map(|pair| pair.split_once('=')).find(|(found, _)| *found == name)?.1;
    (value.starts_with('/') && !value.contains('%')).then(|| value.into())
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
