//! How a PostgreSQL server is reached: what a process that gives up everything else has to keep.

use crate::base::Secret;
use sqlx::postgres::PgConnectOptions;
use std::{path::PathBuf, str::FromStr};

/// The way to a server, and what is read on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reach {
    /// The TCP port; `None` for a UNIX socket.
    pub port: Option<u16>,
    /// Whether a name has to be looked up.
    pub by_name: bool,
    /// The directory of the socket, certificates and keys for TLS.
    pub files: Vec<PathBuf>,
}

/// Parameters of the address, and the variables in their place, that name files.
const FILES: [(&str, &str); 4] = [
    ("sslrootcert", "PGSSLROOTCERT"),
    ("sslcert", "PGSSLCERT"),
    ("sslkey", "PGSSLKEY"),
    ("passfile", "PGPASSFILE"),
];

impl Reach {
    /// The way that this address takes, and these variables where it says nothing; `None` where it is no address.
    pub fn of(url: &Secret<String>, variables: impl IntoIterator<Item = (String, String)>) -> Option<Self> {
        let options = PgConnectOptions::from_str(url.expose()).ok()?;
        let host = options.get_host();
        let socket = options.get_socket().cloned().or_else(|| host.starts_with('/').then(|| host.into()));
        let named = named(url.expose());
        let from_outside = variables.into_iter().filter_map(|(name, value)| {
            FILES.iter().any(|(_, variable)| *variable == name).then(|| PathBuf::from(value))
        });
        Some(Self {
            port: socket.is_none().then(|| options.get_port()),
            by_name: socket.is_none() && host.parse::<std::net::IpAddr>().is_err(),
            files: socket.into_iter().chain(named).chain(from_outside).collect(),
        })
    }
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
}
