//! Addresses of other parties: `http://host[:port]/path`, `https://…`, and nothing cleverer.

use std::{fmt, net::IpAddr, net::Ipv6Addr};

/// An address that the client understands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    secure: bool,
    host: String,
    port: u16,
    /// From the first slash on, without a fragment.
    target: String,
}

/// Why a text is no address for the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadUrl {
    /// Longer than 2000 octets, or with white space, control characters or anything but ASCII.
    Text,
    /// Neither `http://` nor `https://`.
    Scheme,
    /// `user:password@host`: a way to make one host look like another.
    UserInfo,
    /// No host, or one with characters that no host has.
    Host,
    /// A port that is none.
    Port,
}

const LONGEST: usize = 2000;
const HOST_MAX: usize = 253;
const HTTP: u16 = 80;
const HTTPS: u16 = 443;

impl Url {
    /// Reads an address.
    ///
    /// # Errors
    /// [`BadUrl`].
    pub fn parse(text: &str) -> Result<Self, BadUrl> {
        if text.len() > LONGEST || !text.bytes().all(|octet| octet.is_ascii_graphic() && octet != b'\\') {
            return Err(BadUrl::Text);
        }
        let (scheme, rest) = text.split_once("://").ok_or(BadUrl::Scheme)?;
        let secure = scheme.eq_ignore_ascii_case("https");
        if !secure && !scheme.eq_ignore_ascii_case("http") {
            return Err(BadUrl::Scheme);
        }
        let rest = rest.split('#').next().unwrap_or_default();
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at(end);
        if authority.contains('@') {
            return Err(BadUrl::UserInfo);
        }
        let (host, port) = host_and_port(authority, if secure { HTTPS } else { HTTP })?;
        let slash = if target.starts_with('/') { "" } else { "/" };
        Ok(Self { secure, host, port, target: format!("{slash}{target}") })
    }

    /// The host: a name, or an address without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Whether it is `https`.
    pub fn is_secure(&self) -> bool {
        self.secure
    }

    /// The port; 80 or 443 where none is named.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What stands in the request line.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// What stands in the Host header.
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        let usual = if self.secure { HTTPS } else { HTTP };
        if self.port == usual { host } else { format!("{host}:{}", self.port) }
    }
}

fn host_and_port(authority: &str, usual: u16) -> Result<(String, u16), BadUrl> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']').ok_or(BadUrl::Host)?;
            host.parse::<Ipv6Addr>().map_err(|_| BadUrl::Host)?;
            match after {
                "" => (host, None),
                _ => (host, Some(after.strip_prefix(':').ok_or(BadUrl::Port)?)),
            }
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (name(host)?, Some(port)),
            None => (name(authority)?, None),
        },
    };
    let port = match port {
        None => usual,
        Some(port) if port.bytes().all(|octet| octet.is_ascii_digit()) => {
            port.parse().ok().filter(|&port| port != 0).ok_or(BadUrl::Port)?
        }
        Some(_) => return Err(BadUrl::Port),
    };
    Ok((host.to_ascii_lowercase(), port))
}

/// A DNS name or IPv4 address. A name that ends in a number must be an IPv4 address in its usual form: `127.1`,
/// `0x7f000001` and `2130706433` are spellings that resolvers take and people overlook.
fn name(host: &str) -> Result<&str, BadUrl> {
    let plain = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'.' | b'_');
    if !(1..=HOST_MAX).contains(&host.len()) || !host.bytes().all(plain) {
        return Err(BadUrl::Host);
    }
    let last = host.trim_end_matches('.').rsplit('.').next().unwrap_or_default();
    let numeric =
        last.starts_with("0x") || last.starts_with("0X") || last.bytes().all(|o| o.is_ascii_digit());
    match numeric {
        true => host.parse::<IpAddr>().map(|_| host).map_err(|_| BadUrl::Host),
        false => Ok(host),
    }
}

impl fmt::Display for Url {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.secure { "https" } else { "http" };
        write!(out, "{scheme}://{}{}", self.authority(), self.target)
    }
}

impl fmt::Display for BadUrl {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Text => "the address is longer than 2000 octets or holds more than visible ASCII",
            Self::Scheme => "the address does not begin with http:// or https://",
            Self::UserInfo => "the address carries a user name",
            Self::Host => "the address has no host, or an odd one",
            Self::Port => "the address has an odd port",
        })
    }
}

impl std::error::Error for BadUrl {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_addresses_are_read() {
        for (text, host, port, target) in [
            ("http://tsa.example/", "tsa.example", 80, "/"),
            ("HTTP://TSA.Example:8080/a/b?c=d#e", "tsa.example", 8080, "/a/b?c=d"),
            ("http://tsa.example", "tsa.example", 80, "/"),
            ("http://tsa.example?x", "tsa.example", 80, "/?x"),
            ("https://tsa.example/x", "tsa.example", 443, "/x"),
            ("https://tsa.example:8443", "tsa.example", 8443, "/"),
            ("http://127.0.0.1:3161/tsa", "127.0.0.1", 3161, "/tsa"),
            ("http://[::1]:3161/tsa", "::1", 3161, "/tsa"),
        ] {
            let url = Url::parse(text).expect(text);
            assert_eq!((url.host(), url.port(), url.target()), (host, port, target), "{text}");
            assert_eq!(url.is_secure(), text.starts_with("https"), "{text}");
        }
        assert_eq!(Url::parse("http://[::1]:3161/tsa").map(|url| url.authority()), Ok("[::1]:3161".into()));
        assert_eq!(Url::parse("https://a:443/b").map(|url| url.to_string()), Ok("https://a/b".into()));
        assert_eq!(Url::parse("https://a:80/b").map(|url| url.to_string()), Ok("https://a:80/b".into()));
    }

    #[test]
    fn odd_spellings_are_refused() {
        for (text, why) in [
            ("", BadUrl::Scheme),
            ("tsa.example", BadUrl::Scheme),
            ("httpss://tsa.example/", BadUrl::Scheme),
            ("file:///etc/passwd", BadUrl::Scheme),
            ("gopher://tsa.example/", BadUrl::Scheme),
            ("unix:///run/x.sock", BadUrl::Scheme),
            ("http://", BadUrl::Host),
            ("http:///x", BadUrl::Host),
            ("http://:80/", BadUrl::Host),
            ("http://user@tsa.example/", BadUrl::UserInfo),
            ("http://tsa.example:80@169.254.169.254/", BadUrl::UserInfo),
            ("http://tsa.example:0/", BadUrl::Port),
            ("http://tsa.example:65536/", BadUrl::Port),
            ("http://tsa.example:+80/", BadUrl::Port),
            ("http://tsa.example:/", BadUrl::Port),
            ("http://[::1/", BadUrl::Host),
            ("http://[::1]x/", BadUrl::Port),
            ("http://[fe80::1%25eth0]/", BadUrl::Host),
            ("http://[127.0.0.1]/", BadUrl::Host),
            ("http://2130706433/", BadUrl::Host),
            ("http://0x7f000001/", BadUrl::Host),
            ("http://0177.0.0.1/", BadUrl::Host),
            ("http://127.1/", BadUrl::Host),
            ("http://127.0.0.1./", BadUrl::Host),
            ("http://0/", BadUrl::Host),
            ("http://1.2.3.0x4/", BadUrl::Host),
            ("http://a%2eb/", BadUrl::Host),
            ("http://tsa.example/a b", BadUrl::Text),
            ("http://tsa.example/\r\nHost: x", BadUrl::Text),
            ("http://tsa.example\\@x/", BadUrl::Text),
            ("http://①②⑦.⓪.⓪.①/", BadUrl::Text),
        ] {
            assert_eq!(Url::parse(text), Err(why), "{text}");
        }
        assert_eq!(Url::parse(&format!("http://a/{}", "x".repeat(2000))), Err(BadUrl::Text));
    }
}
