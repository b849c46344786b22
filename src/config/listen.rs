//! Where the daemon listens, and the rules about it: no plain HTTP where others can listen in, unless somebody says that a proxy
//! stands before it; and never for administration.

use super::{key::Key, settings::Reading, table as key};
use crate::{
    http::{ForwardedHeader, Proxies},
    tls::{ClientCertificates, Demand, ServerFiles},
};
use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

/// Where the daemon listens.
#[derive(Debug, Clone)]
pub struct Listen {
    /// TCP. Default `127.0.0.1:8080`.
    pub address: SocketAddr,
    /// Its TLS; `None`: plain HTTP.
    pub tls: Option<ServerFiles>,
    /// A listener of its own for administration.
    pub administration: Option<Administration>,
    /// A UNIX socket as well.
    pub socket: Option<PathBuf>,
    /// How long it says that it is leaving before it takes no more.
    pub announce: Duration,
    /// Whether a proxy before it speaks TLS with those who come.
    pub behind_proxy: bool,
    /// Proxies whose word is taken who the caller is.
    pub proxies: Proxies,
}

/// A listener for administration.
#[derive(Debug, Clone)]
pub struct Administration {
    /// TCP.
    pub address: SocketAddr,
    /// Its TLS; `None`: plain HTTP, on this machine alone.
    pub tls: Option<ServerFiles>,
}

/// The keys of one listener's TLS.
struct TlsKeys {
    certificate: &'static Key,
    key: &'static Key,
    authorities: &'static Key,
    revoked: &'static Key,
    demand: &'static Key,
}

const PUBLIC: TlsKeys = TlsKeys {
    certificate: key::LISTEN_TLS_CERTIFICATE_FILE,
    key: key::LISTEN_TLS_KEY_FILE,
    authorities: key::LISTEN_TLS_CLIENT_CA_FILE,
    revoked: key::LISTEN_TLS_CLIENT_CRL_FILE,
    demand: key::LISTEN_TLS_CLIENT_CERTIFICATE,
};
const ADMINISTRATION: TlsKeys = TlsKeys {
    certificate: key::LISTEN_ADMIN_TLS_CERTIFICATE_FILE,
    key: key::LISTEN_ADMIN_TLS_KEY_FILE,
    authorities: key::LISTEN_ADMIN_TLS_CLIENT_CA_FILE,
    revoked: key::LISTEN_ADMIN_TLS_CLIENT_CRL_FILE,
    demand: key::LISTEN_ADMIN_TLS_CLIENT_CERTIFICATE,
};

pub(super) fn read(from: &mut Reading<'_>) -> Listen {
    let listen = Listen {
        address: from.usual_address(key::LISTEN_ADDRESS),
        tls: tls(from, &PUBLIC),
        administration: administration(from),
        socket: from.path(key::LISTEN_SOCKET),
        announce: from.duration(key::LISTEN_ANNOUNCE),
        behind_proxy: from.flag(key::LISTEN_BEHIND_PROXY),
        proxies: proxies(from),
    };
    if is_open(listen.address) && listen.tls.is_none() && !listen.behind_proxy && !is_tls_wrong(from, &PUBLIC)
    {
        let says = format!(
            "others reach {} and would speak plain HTTP, API keys included; set listen.tls.certificate_file and key_file, or \
             listen.behind_proxy = true where a proxy speaks TLS with them",
            listen.address
        );
        from.wrong(key::LISTEN_ADDRESS, says);
    }
    let same = |other: &Administration| other.address == listen.address && other.address.port() != 0;
    if listen.administration.as_ref().is_some_and(same) {
        from.wrong(
            key::LISTEN_ADMIN_ADDRESS,
            "it is listen.address; administration needs an address of its own",
        );
    }
    listen
}

fn administration(from: &mut Reading<'_>) -> Option<Administration> {
    let tls = tls(from, &ADMINISTRATION);
    let Some(address) = from.address(key::LISTEN_ADMIN_ADDRESS) else {
        if tls.is_some() && !from.is_wrong(key::LISTEN_ADMIN_ADDRESS) {
            from.wrong(ADMINISTRATION.certificate, "it is of no use without listen.admin_address");
        }
        return None;
    };
    if is_open(address) && tls.is_none() && !is_tls_wrong(from, &ADMINISTRATION) {
        let says = format!(
            "others reach {address}, so administration there needs TLS: set listen.admin_tls.certificate_file and key_file, or \
             take an address of this machine alone, like 127.0.0.1:8081"
        );
        from.wrong(key::LISTEN_ADMIN_ADDRESS, says);
    }
    Some(Administration { address, tls })
}

fn tls(from: &mut Reading<'_>, keys: &TlsKeys) -> Option<ServerFiles> {
    let authorities = from.path(keys.authorities);
    let revoked = from.path(keys.revoked);
    if revoked.is_some() && authorities.is_none() {
        from.wrong(keys.revoked, format!("it is of no use without {}", keys.authorities.name));
    }
    let (certificate, key) = (from.path(keys.certificate), from.path(keys.key));
    for (one, other) in
        [(keys.certificate, keys.key), (keys.key, keys.certificate), (keys.authorities, keys.certificate)]
    {
        if from.is_given(one) && !from.is_given(other) && !from.is_wrong(other) {
            from.wrong(one, format!("{} is missing beside it", other.name));
        }
    }
    let demand = match from.text(keys.demand).as_deref() {
        Some("optional") => Demand::Optional,
        _ => Demand::Required,
    };
    let clients = authorities.map(|authorities| ClientCertificates { authorities, revoked, demand });
    Some(ServerFiles { certificate: certificate?, key: key?, clients })
}

/// Whether TLS was meant, and something said about it can't be taken: what follows from that need not be said too.
fn is_tls_wrong(from: &Reading<'_>, keys: &TlsKeys) -> bool {
    [keys.certificate, keys.key, keys.authorities].iter().any(|key| from.is_wrong(key))
}

fn proxies(from: &Reading<'_>) -> Proxies {
    let header = match from.text(key::LISTEN_FORWARDED_HEADER).as_deref() {
        Some("forwarded") => ForwardedHeader::Forwarded,
        _ => ForwardedHeader::XForwardedFor,
    };
    Proxies { trusted: from.networks(key::LISTEN_TRUSTED_PROXIES), header }
}

/// Whether others than this machine reach an address.
pub(super) fn is_open(address: SocketAddr) -> bool {
    let ip: IpAddr = address.ip().to_canonical();
    !ip.is_loopback()
}
