//! The configuration: defaults, then a TOML file, then the environment (`YINXIN_*`), each checked as a whole before anything
//! starts. What nobody knows is refused: a misspelt key must not silently leave a default in force. Secrets come from files.

mod raw;
mod section;

pub use section::{Config, Database, Limits, Listen, Outside};

use raw::Raw;
use std::{fmt, fs, path::Path};

/// Why there is no configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConfigError {
    /// The file can't be read.
    File {
        /// Its path.
        path: String,
        /// What the operating system says.
        says: String,
    },
    /// The file is no TOML, or holds a key that nobody knows.
    Toml(String),
    /// A variable that begins with `YINXIN_` and that nobody knows.
    Variable(String),
    /// A value that can't be taken.
    Value {
        /// The key as in the file, `listen.address`.
        key: &'static str,
        /// What is wrong with it, without the value where it may be a secret.
        says: String,
    },
}

/// The longest file.
const FILE_MAX_BYTES: u64 = 256 * 1024;
const PREFIX: &str = "YINXIN_";
/// Where systemd places what `LoadCredential=` names.
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";

impl Config {
    /// Reads the file, where one is given, and the variables that begin with `YINXIN_`.
    ///
    /// # Errors
    /// [`ConfigError`], naming the key.
    pub fn load(
        file: Option<&Path>,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let mut raw = match file {
            Some(path) => Raw::parse(&read(path)?)?,
            None => Raw::default(),
        };
        for (name, value) in variables {
            if let Some(name) = name.strip_prefix(PREFIX) {
                raw.set(name, value)?;
            } else if name == CREDENTIALS {
                raw.credentials_dir = Some(value.into());
            }
        }
        section::check(raw)
    }
}

/// The variables of this process, for [`Config::load`]. Those that are no UTF-8 are nobody's.
pub fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

fn read(path: &Path) -> Result<String, ConfigError> {
    let wrong = |says: String| ConfigError::File { path: path.display().to_string(), says };
    let length = fs::metadata(path).map_err(|error| wrong(error.to_string()))?.len();
    if length > FILE_MAX_BYTES {
        return Err(wrong(format!("the file is longer than {FILE_MAX_BYTES} bytes")));
    }
    fs::read_to_string(path).map_err(|error| wrong(error.to_string()))
}

impl fmt::Display for ConfigError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, says } => write!(out, "the configuration {path} can't be read: {says}"),
            Self::Toml(says) => write!(out, "the configuration can't be taken: {says}"),
            Self::Variable(name) => write!(out, "no setting is called {PREFIX}{name}"),
            Self::Value { key, says } => write!(out, "the setting {key} can't be taken: {says}"),
        }
    }
}

impl std::error::Error for ConfigError {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn load(toml: &str, variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let file = tempfile::NamedTempFile::new().expect("a file");
        fs::write(file.path(), toml).expect("written");
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Config::load(Some(file.path()), variables)
    }

    #[test]
    fn with_nothing_said_it_runs_on_this_machine_alone() {
        let config = Config::load(None, []).expect("defaults");
        assert_eq!(config.listen.address.to_string(), "127.0.0.1:8080");
        assert_eq!(config.listen.socket, None);
        assert_eq!(config.data_dir, PathBuf::from("./yinxin-data"));
        assert!(matches!(config.database, Database::Sqlite { ref path } if path.ends_with("yinxin.db")));
        assert_eq!(config.passphrase_file, None);
        assert!(config.outside.allowed_networks.is_empty());
        assert_eq!(config.public_url, "http://127.0.0.1:8080");
    }

    #[test]
    fn the_file_is_read_and_the_environment_has_the_last_word() {
        let toml = r#"
            data_dir = "/var/lib/yinxin"
            passphrase_file = "/run/credentials/passphrase"
            public_url = "https://seal.example.gov.cn/"
            [listen]
            address = "0.0.0.0:80"
            socket = "/run/yinxin.sock"
            [database]
            url = "postgres://yinxin@db/yinxin"
            [limits]
            heavy_requests = 2
            document_bytes = 1000000
            [outside]
            allowed_networks = ["10.1.0.0/16"]
        "#;
        let config = load(toml, &[("YINXIN_LISTEN_ADDRESS", "[::1]:9000"), ("PATH", "/bin")]).expect("whole");
        assert_eq!(config.listen.address.to_string(), "[::1]:9000");
        assert_eq!(config.listen.socket, Some(PathBuf::from("/run/yinxin.sock")));
        assert!(matches!(config.database, Database::Postgres { .. }));
        assert_eq!((config.limits.heavy_requests, config.limits.document_bytes), (2, 1_000_000));
        assert_eq!(config.public_url, "https://seal.example.gov.cn");
        assert_eq!(config.outside.allowed_networks.len(), 1);
    }

    #[test]
    fn systemd_says_where_credentials_are() {
        let variable = ("CREDENTIALS_DIRECTORY".to_owned(), "/run/credentials/yinxin.service".to_owned());
        let config = Config::load(None, [variable]).expect("whole");
        assert_eq!(config.credentials_dir, Some(PathBuf::from("/run/credentials/yinxin.service")));
        assert!(matches!(load("credentials_dir = '/x'", &[]), Err(ConfigError::Toml(_))));
    }

    #[test]
    fn unknown_keys_are_refused_wherever_they_stand() {
        for toml in ["datadir = 'x'", "[listen]\naddres = 'x'", "[limit]\nheavy_requests = 1", "x"] {
            assert!(matches!(load(toml, &[]), Err(ConfigError::Toml(_))), "{toml}");
        }
        let wrong = Config::load(None, [("YINXIN_LISTEN_ADRESS".into(), "x".into())]).expect_err("unknown");
        assert_eq!(wrong, ConfigError::Variable("LISTEN_ADRESS".into()));
        assert!(wrong.to_string().contains("YINXIN_LISTEN_ADRESS"));
    }

    #[test]
    fn values_that_make_no_sense_are_refused_with_the_name_of_the_key() {
        for (toml, wanted) in [
            ("[listen]\naddress = 'here'", "listen.address"),
            ("[database]\nurl = 'mysql://x'", "database.url"),
            ("[database]\nurl = 'postgres://x'\nurl_file = 'y'", "database.url_file"),
            ("[database]\nschema = 'x'", "database.schema"),
            ("[limits]\nheavy_requests = 0", "limits.heavy_requests"),
            ("[limits]\ndocument_bytes = 99999999999", "limits.document_bytes"),
            ("[outside]\nallowed_networks = ['10.0.0.1/8']", "outside.allowed_networks"),
            ("public_url = 'ftp://x'", "public_url"),
            ("public_url = 'http://x/?y'", "public_url"),
            ("data_dir = ''", "data_dir"),
        ] {
            match load(toml, &[]) {
                Err(ConfigError::Value { key, .. }) => assert_eq!(key, wanted, "{toml}"),
                other => panic!("{toml}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_database_address_with_a_password_stays_out_of_what_is_printed() {
        let config = load("[database]\nurl = 'postgres://u:hunter2@db/x'", &[]).expect("whole");
        assert!(!format!("{config:?}").contains("hunter2"));
        let file = tempfile::NamedTempFile::new().expect("a file");
        fs::write(file.path(), "postgres://u:hunter2@db/x\n").expect("written");
        let variable = ("YINXIN_DATABASE_URL_FILE".to_owned(), file.path().display().to_string());
        let config = Config::load(None, [variable]).expect("whole");
        assert!(
            matches!(config.database, Database::Postgres { ref url, .. } if url.expose() == "postgres://u:hunter2@db/x")
        );
    }
}
