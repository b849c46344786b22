//! How the way to a PostgreSQL server is kept: what an operator has to know before trusting it with a network.

use crate::base::Secret;
use rustls::{CertificateError, Error};
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use std::{io, net::IpAddr, str::FromStr};

/// The way to a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// It stays on this machine: a UNIX socket, or loopback.
    Here,
    /// TLS, with the server's certificate and name checked (`sslmode=verify-full`).
    Verified,
    /// TLS, with the certificate checked and the name not (`verify-ca`).
    AnyName,
    /// TLS with whoever answers (`require`), or TLS only where the server offers it (`prefer`, `allow`).
    Unverified,
    /// No TLS (`disable`).
    Clear,
}

impl Link {
    /// The way that this address takes, and the environment's `PGHOST`, `PGSSLMODE`, … where it says nothing; `None` where it is
    /// no address.
    pub fn of(url: &Secret<String>) -> Option<Self> {
        let options = PgConnectOptions::from_str(url.expose()).ok()?;
        let host = options.get_host();
        let loopback = host.eq_ignore_ascii_case("localhost")
            || host.trim_matches(['[', ']']).parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
        if options.get_socket().is_some() || host.starts_with('/') || loopback {
            return Some(Self::Here);
        }
        Some(match options.get_ssl_mode() {
            PgSslMode::VerifyFull => Self::Verified,
            PgSslMode::VerifyCa => Self::AnyName,
            PgSslMode::Require | PgSslMode::Prefer => Self::Unverified,
            // The driver never tries TLS in mode `allow`.
            PgSslMode::Allow | PgSslMode::Disable => Self::Clear,
        })
    }

    /// What is weak about it; `None` where nothing is.
    pub const fn weakness(self) -> Option<&'static str> {
        match self {
            Self::Here | Self::Verified => None,
            Self::AnyName => {
                Some("the name in the database server's certificate is not checked; set sslmode=verify-full")
            }
            Self::Unverified => Some(
                "whoever answers in the database server's place is believed; set sslmode=verify-full and sslrootcert",
            ),
            Self::Clear => Some(
                "all that goes to and from the database can be read on its way; set sslmode=verify-full and sslrootcert",
            ),
        }
    }
}

/// Why a connection was not made, in words that say what to look at.
pub(super) fn broken(error: &io::Error) -> String {
    let said = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    let Some(said) = said else {
        return match error.kind() {
            io::ErrorKind::NotFound => {
                "a file that its address names is not there: the socket, sslrootcert, sslcert or sslkey"
                    .into()
            }
            _ => error.to_string(),
        };
    };
    let what = match said {
        Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
            "the server's certificate is from no authority that is believed: those in the address's sslrootcert, or where it \
             names none, in this machine's own list (SSL_CERT_FILE), which an image without a system has not"
        }
        Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => "the server's certificate is for another name than the database's address has",
        Error::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => {
            "the server's certificate has expired"
        }
        Error::AlertReceived(_) => "the server did not take our certificate (sslcert), or misses one",
        _ => "no TLS with the server",
    };
    format!("{what}: {said}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_way_is_known_for_what_it_is() {
        for (url, link) in [
            ("postgres://u@localhost/x", Link::Here),
            ("postgres://u@127.0.0.1/x?sslmode=disable", Link::Here),
            ("postgres://u@[::1]:5432/x", Link::Here),
            ("postgres://u@localhost/x?host=/run/postgresql", Link::Here),
            ("postgres://u@db.example/x?sslmode=verify-full&sslrootcert=/ca.pem", Link::Verified),
            ("postgres://u@db.example/x?sslmode=verify-ca", Link::AnyName),
            ("postgres://u@db.example/x?sslmode=require", Link::Unverified),
            ("postgres://u@10.0.0.1/x", Link::Unverified),
            ("postgres://u@10.0.0.1/x?sslmode=allow", Link::Clear),
            ("postgres://u@10.0.0.1/x?sslmode=disable", Link::Clear),
        ] {
            let found = Link::of(&Secret::new(url.to_owned()));
            assert_eq!(found, Some(link), "{url}");
            assert_eq!(link.weakness().is_none(), matches!(link, Link::Here | Link::Verified));
        }
        assert_eq!(Link::of(&Secret::new("postgres://u@db/x?sslmode=nonsense".to_owned())), None);
    }
}
