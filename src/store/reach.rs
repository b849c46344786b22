//! How a PostgreSQL server is reached: what a process that gives up everything else has to keep.

use crate::base::Secret;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use std::{
    path::{Path, PathBuf},
    str::FromStr,
};

/// The way to a server, and what is read on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reach {
    /// The TCP port; `None` for a UNIX socket.
    pub port: Option<u16>,
    /// Whether a name has to be looked up.
    pub by_name: bool,
    /// The directory of the socket, certificates and keys for TLS, this machine's list of authorities.
    pub files: Vec<PathBuf>,
}

/// Parameters of the address, and the variables in their place, that name files.
const FILES: [(&str, &str); 4] = [
    ("sslrootcert", "PGSSLROOTCERT"),
    ("sslcert", "PGSSLCERT"),
    ("sslkey", "PGSSLKEY"),
    ("passfile", "PGPASSFILE"),
];

/// Where this machine's own list of authorities is said to be, instead of the places where systems have it.
const LIST: [&str; 2] = ["SSL_CERT_FILE", "SSL_CERT_DIR"];
/// These places: Debian's, Red Hat's, SUSE's, Alpine's. None of them holds a private key.
const LISTS: [&str; 9] = [
    "/etc/ssl/certs",
    "/etc/ssl/cert.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/tls/certs",
    "/etc/pki/tls/cert.pem",
    "/etc/pki/ca-trust/extracted",
    "/usr/share/ca-certificates",
    "/usr/local/share/ca-certificates",
    "/var/lib/ca-certificates",
];

impl Reach {
    /// The way that this address takes, and these variables where it says nothing; `None` where it is no address.
    pub fn of(url: &Secret<String>, variables: impl IntoIterator<Item = (String, String)>) -> Option<Self> {
        let options = PgConnectOptions::from_str(url.expose()).ok()?;
        let host = options.get_host();
        let socket = socket(&options);
        let named = named(url.expose());
        let variables = said(variables);
        let from_outside = variables
            .iter()
            .filter(|(name, _)| FILES.iter().any(|(_, variable)| variable == name))
            .map(|(_, value)| PathBuf::from(value));
        let list = if is_proved(&options) { list(url, &variables) } else { Vec::new() };
        Some(Self {
            port: socket.is_none().then(|| options.get_port()),
            by_name: socket.is_none() && host.parse::<std::net::IpAddr>().is_err(),
            files: socket.into_iter().chain(named).chain(from_outside).chain(list).collect(),
        })
    }
}

/// Whether an address wants the server to prove who it is, names no authority for that, and this machine has no list of any:
/// nobody can be believed then.
pub fn has_nobody_to_believe(
    url: &Secret<String>,
    variables: impl IntoIterator<Item = (String, String)>,
) -> bool {
    let Ok(options) = PgConnectOptions::from_str(url.expose()) else { return false };
    let variables = said(variables);
    is_proved(&options)
        && !names_authority(url, &variables)
        && !list(url, &variables).iter().any(|place| holds_something(place))
}

fn holds_something(place: &Path) -> bool {
    match place.read_dir() {
        Ok(mut entries) => entries.next().is_some(),
        Err(_) => place.is_file(),
    }
}

/// The directory of the socket; `None` where the server is on a network.
fn socket(options: &PgConnectOptions) -> Option<PathBuf> {
    let host = options.get_host();
    options.get_socket().cloned().or_else(|| host.starts_with('/').then(|| host.into()))
}

/// An empty variable says nothing.
fn said(variables: impl IntoIterator<Item = (String, String)>) -> Vec<(String, String)> {
    variables.into_iter().filter(|(_, value)| !value.is_empty()).collect()
}

/// Whether the server shows a certificate that is looked at.
fn is_proved(options: &PgConnectOptions) -> bool {
    socket(options).is_none() && matches!(options.get_ssl_mode(), PgSslMode::VerifyCa | PgSslMode::VerifyFull)
}

/// This machine's list of authorities: where a variable says it is; else, and only where the address names no authority of
/// its own, wherever it may be.
fn list(url: &Secret<String>, variables: &[(String, String)]) -> Vec<PathBuf> {
    let said = variables.iter().filter(|(name, _)| LIST.contains(&name.as_str()));
    let said: Vec<_> = said.flat_map(|(_, value)| value.split(':').map(PathBuf::from)).collect();
    if !said.is_empty() || names_authority(url, variables) {
        return said;
    }
    LISTS.iter().map(PathBuf::from).collect()
}

fn names_authority(url: &Secret<String>, variables: &[(String, String)]) -> bool {
    let (parameter, variable) = FILES[0];
    let query = url.expose().split_once('?').map_or("", |(_, query)| query);
    let mut named = query.split('&').filter_map(|pair| pair.split_once('='));
    named.any(|(name, _)| name == parameter) || variables.iter().any(|(name, _)| name == variable)
}

/// The files that an address names.
fn named(url: &str) -> Vec<PathBuf> {
    let query = url.split_once('?').map_or("", |(_, query)| query);
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let files = pairs.filter(|(name, _)| FILES.iter().any(|(known, _)| known == name));
    files.map(|(_, value)| decoded(value)).collect()
}

/// A path with `%2F` and the like in it. What is no UTF-8 then is no path that anybody meant.
fn decoded(value: &str) -> PathBuf {
    let mut octets = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let pair = after.get(..2).and_then(|pair| std::str::from_utf8(pair).ok());
        match pair.and_then(|pair| u8::from_str_radix(pair, 16).ok()) {
            Some(octet) if first == b'%' => {
                octets.push(octet);
                rest = &after[2..];
            }
            _ => {
                octets.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&octets).into_owned().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reach(url: &str) -> Reach {
        let variable = ("PGSSLROOTCERT".to_owned(), "/etc/root.pem".to_owned());
        Reach::of(&Secret::new(url.to_owned()), [variable, ("PATH".into(), "/bin".into())])
            .expect("an address")
    }

    #[test]
    fn the_port_the_name_and_the_files_of_an_address_are_known() {
        let far =
            reach("postgres://y@db.example:6432/y?sslmode=verify-full&sslrootcert=%2Fetc%2Fdb%2Fca.pem");
        assert_eq!((far.port, far.by_name), (Some(6432), true));
        assert_eq!(far.files, [PathBuf::from("/etc/db/ca.pem"), PathBuf::from("/etc/root.pem")]);
        let by_number = reach("postgres://y@192.0.2.1/y");
        assert_eq!((by_number.port, by_number.by_name), (Some(5432), false));
        let beside = reach("postgres:///y?host=/run/postgresql");
        assert_eq!((beside.port, beside.by_name), (None, false));
        assert_eq!(beside.files[0], PathBuf::from("/run/postgresql"));
    }

    #[test]
    fn the_machine_s_own_list_is_open_where_the_server_is_proved_by_it() {
        let files = |url: &str, variables: &[(&str, &str)]| {
            let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            Reach::of(&Secret::new(url.to_owned()), variables).expect("an address").files
        };
        let proved = "postgres://y@db.example/y?sslmode=verify-full";
        assert!(files(proved, &[]).contains(&PathBuf::from("/etc/ssl/certs")));
        assert_eq!(files(proved, &[("SSL_CERT_FILE", "/ca.pem")]), [PathBuf::from("/ca.pem")]);
        assert_eq!(files(proved, &[("SSL_CERT_DIR", "/a:/b")]), [PathBuf::from("/a"), PathBuf::from("/b")]);
        let named = "postgres://y@db.example/y?sslmode=verify-full&sslrootcert=/own.pem";
        assert_eq!(files(named, &[]), [PathBuf::from("/own.pem")]);
        assert_eq!(files("postgres://y@db.example/y", &[]), [] as [PathBuf; 0]);
        let beside = "postgres://y@h/y?sslmode=verify-full&host=/run/p";
        assert_eq!(files(beside, &[]), [PathBuf::from("/run/p")]);
        let empty = ("SSL_CERT_FILE".to_owned(), "/no/such/list".to_owned());
        let nobody = |url: &str| has_nobody_to_believe(&Secret::new(url.to_owned()), [empty.clone()]);
        assert!(nobody(proved) && !nobody(named) && !nobody(beside));
    }
}
