//! Settings as checked: what the rest of the daemon sees.

use super::listen::{self, Listen};
use super::{
    ConfigError,
    settings::{Reading, Settings},
    table as key,
    value::is_postgres,
};
use crate::{
    backup::{RECIPIENTS_MAX, Recipient},
    base::Secret,
    outside::{Network, Url},
    sandbox::Mode,
    store::is_node_name,
    telemetry,
};
use std::{path::PathBuf, time::Duration};

/// The configuration of one daemon.
#[derive(Debug)]
pub struct Config {
    /// Where the daemon keeps what it keeps in files. Default `./yinxin-data`.
    pub data_dir: PathBuf,
    /// The name of this node; `None`: kept in the data directory.
    pub node: Option<String>,
    /// Where it listens.
    pub listen: Listen,
    /// Which database it uses.
    pub database: Database,
    /// The file with the keystore's passphrase; `None`: the credential `passphrase`, else a file in the data directory.
    pub passphrase_file: Option<PathBuf>,
    /// Where systemd placed credentials.
    pub credentials_dir: Option<PathBuf>,
    /// The address under which others see the service, without a slash at its end.
    pub public_url: String,
    /// How much the daemon insists on giving up what it does not need.
    pub sandbox: Mode,
    /// What it may read besides.
    pub sandbox_reads: Vec<PathBuf>,
    /// The record of who did what.
    pub audit: Audit,
    /// Backups.
    pub backup: Backup,
    /// How much is taken on.
    pub limits: Limits,
    /// The people on our side.
    pub officers: Officers,
    /// Other parties.
    pub outside: Outside,
    /// What is told on standard error.
    pub log: telemetry::Settings,
    /// Where spans go; `None`: nowhere.
    pub trace: Option<Trace>,
    /// What was said about each key, and where.
    pub settings: Settings,
}

/// Which database.
#[derive(Debug)]
pub enum Database {
    /// A file of the data directory.
    Sqlite {
        /// The file.
        path: PathBuf,
    },
    /// A server.
    Postgres {
        /// `postgres://user:password@host/database`; may hold a password.
        url: Secret<String>,
        /// The schema that holds the tables; `None`: the one that the server's user comes to by default.
        schema: Option<String>,
        /// Connections of this node.
        connections: u32,
        /// Past this a commit's outcome is called unknown.
        commit_deadline: Duration,
    },
}

/// The record of who did what.
#[derive(Debug, Clone)]
pub struct Audit {
    /// A second place for the signed heads.
    pub witness_file: Option<PathBuf>,
}

/// Backups of the whole service.
#[derive(Debug, Clone)]
pub struct Backup {
    /// To whom backups are encrypted. None: no backup is made.
    pub recipients: Vec<Recipient>,
    /// The longest that one may take.
    pub deadline: Duration,
    /// How long SQLite's log may grow meanwhile, in octets.
    pub log_limit_bytes: u64,
}

/// How much is taken on.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections at a time.
    pub connections: usize,
    /// Connections of one address at a time.
    pub connections_per_address: usize,
    /// Light requests at a time.
    pub light_requests: usize,
    /// Documents of anyone at a time.
    pub heavy_requests: usize,
    /// Documents of officers, to be stamped, at a time.
    pub stamp_requests: usize,
    /// Threads that read documents; `None`: as many as there are processors.
    pub document_threads: Option<usize>,
    /// CPU time of one document.
    pub document_cpu: Duration,
    /// The longest document, in bytes.
    pub document_bytes: usize,
    /// Bodies, and the answers made of them, held at a time, in bytes.
    pub bodies_bytes: usize,
    /// Bytes a second at which a body has to come and an answer to be read, at least.
    pub pace_bytes: u32,
    /// The longest that one request may take.
    pub request: Duration,
    /// The longest that an orderly stop waits for requests in progress.
    pub stop: Duration,
    /// From a connection to the end of its TLS handshake.
    pub handshake: Duration,
    /// TLS handshakes under way at a time on one address.
    pub handshakes: usize,
    /// Verifications a minute that one address has without a key.
    pub verifications_per_minute: u32,
}

/// Where spans go, and how many.
#[derive(Debug, Clone)]
pub struct Trace {
    /// The collector's address for traces.
    pub endpoint: Url,
    /// Of a hundred requests, so many are traced.
    pub percent: u32,
}

/// The people on our side.
#[derive(Debug, Clone, Copy)]
pub struct Officers {
    /// Days that an API key is good for at the most.
    pub key_days: u32,
}

/// Other parties.
#[derive(Debug, Clone)]
pub struct Outside {
    /// The authorities whose certificates other parties show over https; `None`: nobody is asked over https.
    pub ca_file: Option<PathBuf>,
    /// Private networks that the daemon may connect to.
    pub allowed_networks: Vec<Network>,
}

impl Config {
    /// Takes what was said, where it makes sense together.
    ///
    /// # Errors
    /// [`ConfigError`] with everything that is wrong.
    pub fn of(settings: Settings) -> Result<Self, ConfigError> {
        let mut from = Reading::new(&settings);
        let data_dir = from.path(key::DATA_DIR).unwrap_or_default();
        let listen = listen::read(&mut from);
        let scheme = if listen.tls.is_some() { "https" } else { "http" };
        let public_url =
            from.text(key::PUBLIC_URL).unwrap_or_else(|| format!("{scheme}://{}", listen.address));
        let config = Self {
            database: database(&mut from, &data_dir),
            passphrase_file: from.path(key::PASSPHRASE_FILE),
            credentials_dir: settings.credentials_dir().map(PathBuf::from),
            public_url: public_url.trim_end_matches('/').to_owned(),
            sandbox: from.text(key::SANDBOX).and_then(|name| Mode::parse(&name)).unwrap_or_default(),
            sandbox_reads: from.list(key::SANDBOX_READS).into_iter().map(PathBuf::from).collect(),
            audit: Audit { witness_file: from.path(key::AUDIT_WITNESS_FILE) },
            backup: backup(&mut from),
            limits: limits(&mut from),
            officers: Officers {
                key_days: u32::try_from(from.number(key::OFFICERS_KEY_DAYS)).unwrap_or(366),
            },
            outside: outside(&from),
            log: log(&from),
            trace: trace(&mut from),
            settings: settings.clone(),
            node: node(&mut from),
            data_dir,
            listen,
        };
        from.end(config)
    }

    /// The UNIX socket for commands beside the daemon: as configured, else in the data directory.
    pub fn socket_path(&self) -> PathBuf {
        self.listen.socket.clone().unwrap_or_else(|| self.data_dir.join("yinxin.sock"))
    }
}

fn node(from: &mut Reading<'_>) -> Option<String> {
    let name = from.text(key::NODE)?;
    if !is_node_name(&name) {
        from.wrong(key::NODE, "a node's name is 1 to 64 letters, digits, -, _ or .");
    }
    Some(name)
}

fn database(from: &mut Reading<'_>, data_dir: &std::path::Path) -> Database {
    let schema = from.text(key::DATABASE_SCHEMA);
    let url = match from.text(key::DATABASE_URL) {
        None if from.is_given(key::DATABASE_URL_FILE) => url_in_file(from),
        url => url,
    };
    match url {
        Some(url) => Database::Postgres {
            url: Secret::new(url),
            schema,
            connections: u32::try_from(from.number(key::DATABASE_CONNECTIONS)).unwrap_or(u32::MAX),
            commit_deadline: from.duration(key::DATABASE_COMMIT_DEADLINE),
        },
        None => {
            if schema.is_some() && !from.is_wrong(key::DATABASE_URL) && !from.is_wrong(key::DATABASE_URL_FILE)
            {
                from.wrong(key::DATABASE_SCHEMA, "only PostgreSQL has schemas; database.url is missing");
            }
            Database::Sqlite { path: data_dir.join("yinxin.db") }
        }
    }
}

fn url_in_file(from: &mut Reading<'_>) -> Option<String> {
    let url = from.line_of_file(key::DATABASE_URL_FILE)?;
    if !is_postgres(&url) {
        from.wrong(key::DATABASE_URL_FILE, "what the file holds does not begin with postgres://");
    }
    Some(url)
}

fn backup(from: &mut Reading<'_>) -> Backup {
    let given = from.list(key::BACKUP_RECIPIENTS);
    let mut recipients = Vec::new();
    for text in &given {
        match Recipient::parse(text) {
            Ok(recipient) => recipients.push(recipient),
            Err(says) => from.wrong(key::BACKUP_RECIPIENTS, says),
        }
    }
    if given.len() > RECIPIENTS_MAX {
        from.wrong(
            key::BACKUP_RECIPIENTS,
            format!("they are {}; at most {RECIPIENTS_MAX} are taken", given.len()),
        );
    }
    Backup {
        recipients,
        deadline: from.duration(key::BACKUP_DEADLINE),
        log_limit_bytes: from.number(key::BACKUP_LOG_LIMIT_BYTES),
    }
}

fn limits(from: &mut Reading<'_>) -> Limits {
    if from.size(key::LIMITS_BODIES_BYTES) < from.size(key::LIMITS_DOCUMENT_BYTES) {
        from.wrong(key::LIMITS_BODIES_BYTES, "it holds not even one document of limits.document_bytes");
    }
    let threads = from.size(key::LIMITS_DOCUMENT_THREADS);
    Limits {
        connections: from.size(key::LIMITS_CONNECTIONS),
        connections_per_address: from.size(key::LIMITS_CONNECTIONS_PER_ADDRESS),
        light_requests: from.size(key::LIMITS_LIGHT_REQUESTS),
        heavy_requests: from.size(key::LIMITS_HEAVY_REQUESTS),
        stamp_requests: from.size(key::LIMITS_STAMP_REQUESTS),
        document_threads: (threads > 0).then_some(threads),
        document_cpu: from.duration(key::LIMITS_DOCUMENT_CPU),
        document_bytes: from.size(key::LIMITS_DOCUMENT_BYTES),
        bodies_bytes: from.size(key::LIMITS_BODIES_BYTES),
        pace_bytes: u32::try_from(from.number(key::LIMITS_PACE_BYTES)).unwrap_or(u32::MAX),
        request: from.seconds(key::LIMITS_REQUEST_SECONDS),
        stop: from.seconds(key::LIMITS_STOP_SECONDS),
        handshake: from.seconds(key::LIMITS_HANDSHAKE_SECONDS),
        handshakes: from.size(key::LIMITS_HANDSHAKES),
        verifications_per_minute: u32::try_from(from.number(key::LIMITS_VERIFICATIONS_PER_MINUTE))
            .unwrap_or(u32::MAX),
    }
}

fn log(from: &Reading<'_>) -> telemetry::Settings {
    let word = |key| from.text(key).unwrap_or_default();
    telemetry::Settings::of_words(&word(key::LOG_FORMAT), &word(key::LOG_LEVEL)).unwrap_or_default()
}

fn trace(from: &mut Reading<'_>) -> Option<Trace> {
    let endpoint = from.text(key::TRACE_ENDPOINT)?;
    let percent = u32::try_from(from.number(key::TRACE_PERCENT)).unwrap_or(100);
    match Url::parse(&endpoint) {
        Ok(endpoint) => Some(Trace { endpoint, percent }),
        Err(_) => {
            from.wrong(key::TRACE_ENDPOINT, "the collector is reached over plain http:// only");
            None
        }
    }
}

fn outside(from: &Reading<'_>) -> Outside {
    Outside {
        ca_file: from.path(key::OUTSIDE_CA_FILE),
        allowed_networks: from.networks(key::OUTSIDE_ALLOWED_NETWORKS),
    }
}
