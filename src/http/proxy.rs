//! Proxies in front of us: from those that the configuration names, and from nobody else, we take the word who the caller is.

use crate::outside::Network;
use axum::http::{HeaderMap, HeaderName, header};
use std::net::{IpAddr, SocketAddr};

/// In which header trusted proxies say who came to them. Exactly one: a proxy that writes one of them hands the other through as
/// the caller wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ForwardedHeader {
    /// `X-Forwarded-For: 192.0.2.1, 10.0.0.7`.
    #[default]
    XForwardedFor,
    /// `Forwarded: for=192.0.2.1, for="[2001:db8::1]:4711"` (RFC 7239).
    Forwarded,
}

/// The proxies that are believed.
#[derive(Debug, Clone, Default)]
pub struct Proxies {
    /// Where they sit.
    pub trusted: Vec<Network>,
    /// In which header they speak.
    pub header: ForwardedHeader,
}

/// Hops that are looked at: no honest chain is longer.
const HOPS_MAX: usize = 32;

impl Proxies {
    /// The caller: the other end of the connection; where that is a trusted proxy, the last address that it or a trusted proxy
    /// before it speaks of and that is none of them. Where a hop can't be read, the proxy that wrote it is as far as we see.
    pub fn caller(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        if !self.trusts(peer) {
            return peer;
        }
        let mut seen = peer;
        for hop in self.hops(headers).iter().rev().take(HOPS_MAX) {
            let Some(address) = address(hop) else { return seen };
            seen = address;
            if !self.trusts(address) {
                return address;
            }
        }
        seen
    }

    pub(super) fn trusts(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.contains(address))
    }

    /// What each hop said, the nearest last. All lines of the header are one list (RFC 9110 5.3).
    fn hops<'a>(&self, headers: &'a HeaderMap) -> Vec<&'a str> {
        const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
        let name = match self.header {
            ForwardedHeader::XForwardedFor => X_FORWARDED_FOR,
            ForwardedHeader::Forwarded => header::FORWARDED,
        };
        // A line that is no ASCII is one hop that can't be read.
        let lines = headers.get_all(name).iter().map(|line| line.to_str().unwrap_or("?"));
        let hops = lines.flat_map(|line| line.split(',')).map(str::trim);
        match self.header {
            ForwardedHeader::XForwardedFor => hops.collect(),
            ForwardedHeader::Forwarded => hops.map(named_for).collect(),
        }
    }
}

/// The `for` of one hop of RFC 7239. A comma within quotes would be a name that we can't use anyway.
fn named_for(hop: &str) -> &str {
    let pairs = hop.split(';').filter_map(|pair| pair.split_once('='));
    let mut named = pairs.filter(|(name, _)| name.trim().eq_ignore_ascii_case("for"));
    match (named.next(), named.next()) {
        (Some((_, value)), None) => value.trim().trim_matches('"'),
        _ => "?",
    }
}

/// An address, with or without a port and brackets. Names and `unknown` are none.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let found = bare.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()));
    found.map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(header: ForwardedHeader, peer: &str, lines: &[(&str, &str)]) -> String {
        let trusted = ["10.0.0.0/8", "::1"].map(|network| Network::parse(network).expect("CIDR")).to_vec();
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(HeaderName::try_from(*name).expect("a name"), value.parse().expect("a value"));
        }
        Proxies { trusted, header }.caller(peer.parse().expect("an address"), &headers).to_string()
    }

    #[test]
    fn the_rightmost_address_that_is_no_trusted_proxy_is_the_caller() {
        for (peer, lines, caller) in [
            ("10.0.0.1", &["192.0.2.1"][..], "192.0.2.1"),
            ("10.0.0.1", &["192.0.2.1, 10.0.0.7"], "192.0.2.1"),
            ("10.0.0.1", &["6.6.6.6, 192.0.2.1, 10.0.0.7"], "192.0.2.1"),
            ("10.0.0.1", &["6.6.6.6", "192.0.2.1"], "192.0.2.1"),
            ("10.0.0.1", &["192.0.2.1:4711"], "192.0.2.1"),
            ("10.0.0.1", &["[2001:db8::1]:4711"], "2001:db8::1"),
            ("10.0.0.1", &["2001:db8::1"], "2001:db8::1"),
            ("10.0.0.1", &["::ffff:192.0.2.1"], "192.0.2.1"),
            ("::1", &["192.0.2.1"], "192.0.2.1"),
            // Nobody outside: a proxy that asks by itself.
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["10.0.0.9, 10.0.0.7"], "10.0.0.9"),
            // What can't be read ends what is believed.
            ("10.0.0.1", &["6.6.6.6, unknown"], "10.0.0.1"),
            ("10.0.0.1", &["6.6.6.6, _hidden, 10.0.0.7"], "10.0.0.7"),
            ("10.0.0.1", &["6.6.6.6,"], "10.0.0.1"),
            ("10.0.0.1", &["localhost"], "10.0.0.1"),
        ] {
            let lines: Vec<_> = lines.iter().map(|line| ("x-forwarded-for", *line)).collect();
            assert_eq!(seen(ForwardedHeader::XForwardedFor, peer, &lines), caller, "{peer} {lines:?}");
        }
    }

    #[test]
    fn the_word_of_others_is_never_believed_nor_the_other_header() {
        let both = [("x-forwarded-for", "192.0.2.1"), ("forwarded", "for=6.6.6.6")];
        for peer in ["192.0.2.77", "11.0.0.1", "2001:db8::9"] {
            assert_eq!(seen(ForwardedHeader::XForwardedFor, peer, &both), peer);
        }
        assert_eq!(seen(ForwardedHeader::XForwardedFor, "10.0.0.1", &both), "192.0.2.1");
        assert_eq!(seen(ForwardedHeader::Forwarded, "10.0.0.1", &both), "6.6.6.6");
    }

    #[test]
    fn rfc_7239_is_read() {
        for (value, caller) in [
            ("for=192.0.2.1", "192.0.2.1"),
            ("For=\"[2001:db8:cafe::17]:4711\"", "2001:db8:cafe::17"),
            ("for=6.6.6.6, for=192.0.2.1;proto=https;by=10.0.0.1", "192.0.2.1"),
            ("for=192.0.2.1, for=10.0.0.5", "192.0.2.1"),
            ("for=6.6.6.6, proto=https", "10.0.0.1"),
            ("for=6.6.6.6;for=7.7.7.7", "10.0.0.1"),
            ("for=unknown", "10.0.0.1"),
        ] {
            assert_eq!(
                seen(ForwardedHeader::Forwarded, "10.0.0.1", &[("forwarded", value)]),
                caller,
                "{value}"
            );
        }
    }

    #[test]
    fn a_chain_without_end_costs_little() {
        let long = vec!["10.0.0.7"; 5000].join(", ");
        assert_eq!(
            seen(ForwardedHeader::XForwardedFor, "10.0.0.1", &[("x-forwarded-for", &long)]),
            "10.0.0.7"
        );
    }
}
