//! The configuration: one table of keys; defaults, then systemd's credentials, a TOML file, the environment (`YINXIN_*`) and
//! flags, each value with its origin; checked as a whole before anything starts, and told as a whole where it is wrong. What
//! nobody knows is refused: a misspelt key must not silently leave a default in force. Secrets come from files.
//!
//! A new key is an entry of `table.rs` and a field in `section.rs`.

mod example;
mod fault;
mod file;
mod inspect;
mod key;
mod listen;
mod nearest;
mod redact;
mod section;
mod settings;
mod table;
mod value;

pub use example::example;
pub use fault::{ConfigError, Fault, Origin};
pub use inspect::{Finding, Severity, inspect};
pub use key::{Key, Kind, Place};
pub use listen::{Administration, Listen};
pub use section::{Config, Database, Limits, Outside, Trace};
pub use settings::{Chosen, Settings, Shown};
pub use table::{KEYS, SECTIONS};

use std::path::Path;

/// What all our variables begin with.
const PREFIX: &str = "YINXIN_";
/// Where systemd places what `LoadCredential=` names.
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";

impl Config {
    /// Reads the file, where one is given, and the variables that begin with `YINXIN_`.
    ///
    /// # Errors
    /// [`ConfigError`], naming every key that is wrong.
    pub fn load(
        file: Option<&Path>,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        Self::of(Settings::gather(file, variables, &[]))
    }
}

/// The variables of this process, for [`Config::load`]. What is no UTF-8 in them shows as the replacement character, which no
/// key takes.
pub fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().map(|(name, value)| (name.to_string_lossy().into(), value.to_string_lossy().into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, os::unix::fs::PermissionsExt as _, path::PathBuf};

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

    /// What is wrong, a line each: key, origin without the file's path, what is said.
    fn told(toml: &str, variables: &[(&str, &str)]) -> Vec<String> {
        let faults = load(toml, variables).expect_err("refused").faults;
        let one = |fault: &Fault| {
            let origin = match &fault.origin {
                Origin::File { line, .. } => format!("line {line}"),
                other => other.to_string(),
            };
            format!("{} ({origin}): {}", fault.key.as_deref().unwrap_or("-"), fault.says)
        };
        faults.iter().map(one).collect()
    }

    #[test]
    fn systemd_s_credentials_stand_in_where_nobody_says_anything() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        for (name, content) in [("passphrase", "secret"), ("database-url", "postgres://u:hunter2@db/x\n")] {
            fs::write(at(name), content).expect("written");
            fs::set_permissions(at(name), fs::Permissions::from_mode(0o440)).expect("set");
        }
        let variable = ("CREDENTIALS_DIRECTORY".to_owned(), folder.path().display().to_string());
        let config = Config::load(None, [variable.clone()]).expect("whole");
        assert_eq!(config.credentials_dir.as_deref(), Some(folder.path()));
        assert_eq!(config.passphrase_file, Some(at("passphrase")));
        assert_eq!(config.settings.origin("passphrase_file"), Origin::Credential(at("passphrase")));
        assert!(matches!(config.database, Database::Postgres { .. }));
        let others = [
            variable,
            ("YINXIN_PASSPHRASE_FILE".into(), "/elsewhere".into()),
            ("YINXIN_DATABASE_URL".into(), "postgres://other/x".into()),
        ];
        let config = Config::load(None, others).expect("whole");
        assert_eq!(config.passphrase_file, Some(PathBuf::from("/elsewhere")));
        assert!(
            matches!(config.database, Database::Postgres { ref url, .. } if url.expose() == "postgres://other/x")
        );
        assert!(told("credentials_dir = '/x'", &[])[0].contains("nobody knows this key"));
    }

    #[test]
    fn unknown_keys_are_refused_wherever_they_stand_and_the_nearest_is_named() {
        for (toml, wanted) in [
            ("datadir = 'x'", "datadir (line 1): nobody knows this key; did you mean data_dir?"),
            (
                "[listen]\naddres = 'x'",
                "listen.addres (line 2): nobody knows this key; did you mean listen.address?",
            ),
            (
                "\n[limit]\nheavy_requests = 1",
                "limit (line 2): nobody knows this section; did you mean [limits]?",
            ),
            ("[colour]\nred = 1", "colour (line 1): nobody knows this section"),
            ("listen = 1", "listen (line 1): this is a section, not a value"),
            (
                "limits.conections = 1",
                "limits.conections (line 1): nobody knows this key; did you mean limits.connections?",
            ),
            (
                "heavy_requests = 1",
                "heavy_requests (line 1): nobody knows this key; did you mean limits.heavy_requests?",
            ),
        ] {
            assert_eq!(told(toml, &[]), [wanted]);
        }
        assert_eq!(
            told("", &[("YINXIN_LISTEN_ADRESS", "x"), ("YINXIN_", "x")]),
            [
                "- (environment YINXIN_LISTEN_ADRESS): no setting has this variable; did you mean YINXIN_LISTEN_ADDRESS?",
                "- (environment YINXIN_): no setting has this variable",
            ]
        );
    }

    #[test]
    fn a_file_that_was_cut_off_is_refused_with_its_line() {
        for (toml, line) in
            [("x", 1), ("[listen]\naddress = \"127.0", 2), ("[listen]\n\n[lim", 3), ("a = 1\na = 2", 2)]
        {
            let told = told(toml, &[]);
            assert!(told[0].starts_with(&format!("- (line {line}): this is no TOML: ")), "{toml}: {told:?}");
        }
    }

    #[test]
    fn values_that_make_no_sense_are_refused_with_key_and_origin_and_what_is_taken() {
        for (toml, wanted) in [
            (
                "[listen]\naddress = 'here'",
                "listen.address (line 2): it is `here`; an address like 127.0.0.1:8080 or [::1]:8080 is taken",
            ),
            (
                "[database]\nurl = 'mysql://u:hunter2@x'",
                "database.url (line 2): it does not begin with postgres://; without it, SQLite in the data directory is used",
            ),
            (
                "[database]\nschema = 'x'",
                "database.schema (line 2): only PostgreSQL has schemas; database.url is missing",
            ),
            (
                "[limits]\nheavy_requests = 0",
                "limits.heavy_requests (line 2): it is 0; a whole number of requests from 1 to 1000 is taken",
            ),
            (
                "[limits]\nheavy_requests = -1",
                "limits.heavy_requests (line 2): it is -1; a whole number of requests from 1 to 1000 is taken",
            ),
            (
                "[limits]\nheavy_requests = '8'",
                "limits.heavy_requests (line 2): it is a text; a whole number of requests from 1 to 1000 is taken",
            ),
            (
                "[limits]\nheavy_requests = 8.0",
                "limits.heavy_requests (line 2): it is 8.0; a whole number of requests from 1 to 1000 is taken",
            ),
            (
                "[outside]\nallowed_networks = ['10.0.0.1/8']",
                "outside.allowed_networks (line 2): `10.0.0.1/8` is no network like 10.1.0.0/16; the bits behind the prefix must be zero",
            ),
            (
                "public_url = 'ftp://x'",
                "public_url (line 1): it is `ftp://x`; a plain http:// or https:// address is taken",
            ),
            (
                "public_url = 'http://x/?y'",
                "public_url (line 1): it is `http://x/?y`; a plain http:// or https:// address is taken",
            ),
            ("data_dir = ''", "data_dir (line 1): it is empty; a path is taken"),
            ("data_dir = 3", "data_dir (line 1): it is 3; a path is taken"),
        ] {
            assert_eq!(told(toml, &[]), [wanted]);
        }
        let both = told("[database]\nurl = 'postgres://x'\nurl_file = 'y'", &[]);
        assert!(both[0].starts_with("database.url_file (line 3): it stands beside database.url"), "{both:?}");
        let variable = told("", &[("YINXIN_LIMITS_CONNECTIONS", "many")]);
        assert!(
            variable[0]
                .starts_with("limits.connections (environment YINXIN_LIMITS_CONNECTIONS): it is `many`")
        );
    }

    #[test]
    fn what_others_could_listen_to_is_refused_unless_a_proxy_stands_before_it() {
        const TLS: &str = "certificate_file = '/c'\nkey_file = '/k'";
        let on = |address: &str, rest: &str| format!("[listen]\naddress = '{address}'\n{rest}");
        for (toml, key) in [
            (on("0.0.0.0:80", ""), "listen.address (line 2): others reach"),
            (on("[::]:80", ""), "listen.address (line 2): others reach"),
            (on("192.0.2.1:80", "[listen.admin_tls]"), "listen.address (line 2): others reach"),
            (
                on("127.0.0.1:80", "admin_address = '0.0.0.0:81'"),
                "listen.admin_address (line 3): others reach",
            ),
            (
                on("127.0.0.1:80", "admin_address = '0.0.0.0:81'\nbehind_proxy = true"),
                "listen.admin_address (line 3): others",
            ),
            (
                on("127.0.0.1:80", "admin_address = '127.0.0.1:80'"),
                "listen.admin_address (line 3): it is listen.address",
            ),
            (
                format!("[listen.tls]\n{}", TLS.lines().next().unwrap_or_default()),
                "listen.tls.certificate_file (line 2): listen.tls.key_file is missing",
            ),
            (
                "[listen.tls]\nkey_file = '/k'".into(),
                "listen.tls.key_file (line 2): listen.tls.certificate_file is missing",
            ),
            (
                "[listen.tls]\nclient_ca_file = '/a'".into(),
                "listen.tls.client_ca_file (line 2): listen.tls.certificate_file",
            ),
            (
                format!("[listen.tls]\n{TLS}\nclient_crl_file = '/l'"),
                "listen.tls.client_crl_file (line 4): it is of no use",
            ),
            (
                format!("[listen.admin_tls]\n{TLS}"),
                "listen.admin_tls.certificate_file (line 2): it is of no use without",
            ),
        ] {
            let told = told(&toml, &[]);
            assert!(told.len() == 1 && told[0].starts_with(key), "{toml}: {told:?}");
        }
        for toml in [
            on("127.0.0.1:80", "admin_address = '[::1]:80'"),
            on("0.0.0.0:80", "behind_proxy = true\ntrusted_proxies = ['10.0.0.0/8']"),
            on("0.0.0.0:443", &format!("[listen.tls]\n{TLS}\nclient_ca_file = '/a'\nclient_crl_file = '/l'")),
            on("127.0.0.1:80", &format!("admin_address = '0.0.0.0:81'\n[listen.admin_tls]\n{TLS}")),
        ] {
            assert!(load(&toml, &[]).is_ok(), "{toml}: {:?}", told(&toml, &[]));
        }
        let config = load(&format!("[listen.tls]\n{TLS}"), &[]).expect("whole");
        assert_eq!(config.public_url, "https://127.0.0.1:8080");
    }

    #[test]
    fn everything_that_is_wrong_is_told_at_once() {
        let told = told(
            "colour = 1\n[limits]\nconnections = 0\nheavy_requests = 'x'",
            &[("YINXIN_X", ""), ("YINXIN_DATA_DIR", "\u{fffd}")],
        );
        assert_eq!(told.len(), 5, "{told:?}");
    }

    #[test]
    fn a_later_layer_is_heard_over_an_earlier_one_and_each_value_knows_its_origin() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        fs::write(file.path(), "data_dir = '/f'\n[database]\nurl_file = '/f'\n[limits]\nconnections = 5")
            .expect("written");
        let variables = [("YINXIN_DATABASE_URL", "postgres://e"), ("YINXIN_LISTEN_ADDRESS", "127.0.0.1:2")];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let chosen = [Chosen { key: "listen.address", by: "--listen", value: "127.0.0.1:3".into() }];
        let config = Config::of(Settings::gather(Some(file.path()), variables, &chosen)).expect("whole");
        assert_eq!(config.listen.address.port(), 3);
        let origin = |key: &str| config.settings.origin(key).to_string();
        assert!(origin("data_dir").ends_with("line 1") && origin("limits.connections").ends_with("line 5"));
        assert_eq!(origin("listen.address"), "option --listen");
        assert_eq!(origin("database.url"), "environment YINXIN_DATABASE_URL");
        assert_eq!(origin("database.url_file"), "default");
        assert_eq!(origin("limits.heavy_requests"), "default");
    }

    #[test]
    fn a_database_address_with_a_password_stays_out_of_what_is_printed() {
        let config = load("[database]\nurl = 'postgres://u:hunter2@db/x'", &[]).expect("whole");
        assert!(!format!("{config:?}").contains("hunter2"));
        let shown: Vec<_> = config.settings.shown().filter_map(|shown| shown.value).collect();
        assert!(shown.contains(&"\"postgres://u:…@db/x\"".to_owned()), "{shown:?}");
        let file = tempfile::NamedTempFile::new().expect("a file");
        fs::write(file.path(), "postgres://u:hunter2@db/x\n").expect("written");
        let variable = ("YINXIN_DATABASE_URL_FILE".to_owned(), file.path().display().to_string());
        let config = Config::load(None, [variable]).expect("whole");
        assert!(
            matches!(config.database, Database::Postgres { ref url, .. } if url.expose() == "postgres://u:hunter2@db/x")
        );
    }

    /// A device that never ends, a directory, a file that is much too long.
    #[test]
    fn what_stands_in_the_place_of_the_file_with_the_address_does_not_hold_the_start_up() {
        let folder = tempfile::tempdir().expect("a folder");
        let long = folder.path().join("long");
        fs::write(&long, "x".repeat(1 << 20)).expect("written");
        for path in [Path::new("/dev/zero"), folder.path(), &long] {
            let said = told("", &[("YINXIN_DATABASE_URL_FILE", &path.display().to_string())]);
            assert!(said[0].starts_with("database.url_file"), "{said:?}");
        }
    }
}
