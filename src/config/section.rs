//! Settings as checked: what the rest of the daemon sees.

use super::{
    ConfigError,
    raw::{Raw, RawDatabase, RawLimits, RawListen, RawOutside},
};
use crate::{base::Secret, outside::Network};
use std::{fs, net::SocketAddr, path::PathBuf, time::Duration};

/// The configuration of one daemon.
#[derive(Debug)]
pub struct Config {
    /// Where the daemon keeps what it keeps in files. Default `./yinxin-data`.
    pub data_dir: PathBuf,
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
    /// How much is taken on.
    pub limits: Limits,
    /// Other parties.
    pub outside: Outside,
}

/// Where the daemon listens.
#[derive(Debug, Clone)]
pub struct Listen {
    /// TCP. Default `127.0.0.1:8080`.
    pub address: SocketAddr,
    /// A UNIX socket as well.
    pub socket: Option<PathBuf>,
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
    },
}

/// How much is taken on.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections at a time.
    pub connections: usize,
    /// Light requests at a time.
    pub light_requests: usize,
    /// Heavy requests (documents) at a time.
    pub heavy_requests: usize,
    /// The longest document, in bytes.
    pub document_bytes: usize,
    /// The longest that one request may take.
    pub request: Duration,
    /// Verifications a minute that one address has without a key.
    pub verifications_per_minute: u32,
}

/// Other parties.
#[derive(Debug, Clone)]
pub struct Outside {
    /// Private networks that the daemon may connect to.
    pub allowed_networks: Vec<Network>,
}

impl Config {
    /// The UNIX socket for commands beside the daemon: as configured, else in the data directory.
    pub fn socket_path(&self) -> PathBuf {
        self.listen.socket.clone().unwrap_or_else(|| self.data_dir.join("yinxin.sock"))
    }
}

pub(super) fn check(raw: Raw) -> Result<Config, ConfigError> {
    let data_dir = raw.data_dir.unwrap_or_else(|| PathBuf::from("./yinxin-data"));
    if data_dir.as_os_str().is_empty() {
        return Err(wrong("data_dir", "it is empty"));
    }
    let listen = listen(raw.listen)?;
    Ok(Config {
        database: database(raw.database, &data_dir)?,
        public_url: public_url(raw.public_url, &listen)?,
        passphrase_file: raw.passphrase_file,
        credentials_dir: raw.credentials_dir,
        limits: limits(&raw.limits)?,
        outside: outside(&raw.outside)?,
        data_dir,
        listen,
    })
}

fn listen(raw: RawListen) -> Result<Listen, ConfigError> {
    let address = raw.address.as_deref().unwrap_or("127.0.0.1:8080");
    let address =
        address.parse().map_err(|_| wrong("listen.address", "it is no address like 127.0.0.1:8080"))?;
    Ok(Listen { address, socket: raw.socket })
}

fn database(raw: RawDatabase, data_dir: &std::path::Path) -> Result<Database, ConfigError> {
    const KEY: &str = "database.url_file";
    let url = match (raw.url, raw.url_file) {
        (None, None) if raw.schema.is_some() => {
            return Err(wrong("database.schema", "only PostgreSQL has schemas; database.url is missing"));
        }
        (None, None) => return Ok(Database::Sqlite { path: data_dir.join("yinxin.db") }),
        (Some(_), Some(_)) => return Err(wrong(KEY, "it stands beside database.url; one of them is enough")),
        (Some(url), None) => url,
        (None, Some(path)) => {
            fs::read_to_string(path).map_err(|error| wrong(KEY, &error.to_string()))?.trim().to_owned()
        }
    };
    if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        return Ok(Database::Postgres { url: Secret::new(url), schema: raw.schema });
    }
    Err(wrong(
        "database.url",
        "it does not begin with postgres://; without it, SQLite in the data directory is used",
    ))
}

fn public_url(raw: Option<String>, listen: &Listen) -> Result<String, ConfigError> {
    let Some(url) = raw else { return Ok(format!("http://{}", listen.address)) };
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://")).unwrap_or_default();
    let odd = |found: char| found.is_whitespace() || found.is_control() || "?#@\"<>".contains(found);
    if rest.is_empty() || rest.contains(odd) {
        return Err(wrong("public_url", "it is no plain http:// or https:// address"));
    }
    Ok(url.trim_end_matches('/').to_owned())
}

fn limits(raw: &RawLimits) -> Result<Limits, ConfigError> {
    const GIBIBYTE: u64 = 1 << 30;
    let request_s = within("limits.request_seconds", raw.request_seconds, 60, 1, 3600)?;
    Ok(Limits {
        connections: size(within("limits.connections", raw.connections, 1024, 1, 100_000)?),
        light_requests: size(within("limits.light_requests", raw.light_requests, 256, 1, 100_000)?),
        heavy_requests: size(within("limits.heavy_requests", raw.heavy_requests, 8, 1, 1000)?),
        document_bytes: size(within("limits.document_bytes", raw.document_bytes, 64 << 20, 1024, GIBIBYTE)?),
        request: Duration::from_secs(request_s),
        verifications_per_minute: u32::try_from(within(
            "limits.verifications_per_minute",
            raw.verifications_per_minute,
            30,
            1,
            100_000,
        )?)
        .unwrap_or(u32::MAX),
    })
}

fn within(
    key: &'static str,
    given: Option<u64>,
    usual: u64,
    least: u64,
    most: u64,
) -> Result<u64, ConfigError> {
    let value = given.unwrap_or(usual);
    if (least..=most).contains(&value) {
        return Ok(value);
    }
    Err(wrong(key, &format!("it is {value}; {least} to {most} is taken")))
}

/// All limits above fit into 32 bits.
fn size(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

fn outside(raw: &RawOutside) -> Result<Outside, ConfigError> {
    let networks = raw.allowed_networks.iter().map(|text| Network::parse(text)).collect::<Result<_, _>>();
    let allowed_networks = networks.map_err(|error| wrong("outside.allowed_networks", &error.to_string()))?;
    Ok(Outside { allowed_networks })
}

fn wrong(key: &'static str, says: &str) -> ConfigError {
    ConfigError::Value { key, says: says.to_owned() }
}
