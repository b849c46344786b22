//! Which addresses the daemon may be sent to. Whoever may name a URL (a peer, a certificate's CRL pointer) must not
//! thereby reach our own machine, its neighbours, or a cloud's metadata service (server-side request forgery).
//!
//! The check is on the address that is then connected to, never on the name: a name can change its mind in between.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

/// A network in CIDR notation, `10.1.0.0/16`, `fd00::/8`, or one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

/// Text that is no network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkError(pub String);

/// Decides about addresses.
#[derive(Debug, Clone, Default)]
pub struct Guard {
    allowed: Vec<Network>,
}

/// Not of the public internet: RFC 6890 and its registry, RFC 1918, 3927, 5737, 6598, 8190.
const CLOSED_V4: &[(Ipv4Addr, u8)] = &[
    (Ipv4Addr::new(0, 0, 0, 0), 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    // Shared by carriers; one cloud's metadata service (100.100.100.200) sits here.
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    // Link-local, with most clouds' metadata service (169.254.169.254).
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    // Multicast, reserved, broadcast.
    (Ipv4Addr::new(224, 0, 0, 0), 3),
    // One cloud's wire server: a public address that answers only from inside.
    (Ipv4Addr::new(168, 63, 129, 16), 32),
];

/// Of IPv6 only global unicast (2000::/3) is open at all; of that, not these.
const CLOSED_V6: &[(Ipv6Addr, u8)] = &[
    // Protocol assignments with Teredo (2001::/32), ORCHID, benchmarking.
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
];

impl Network {
    /// Reads CIDR notation. The host part must be zero: anything else is a slip.
    ///
    /// # Errors
    /// [`NetworkError`] with the text.
    pub fn parse(text: &str) -> Result<Self, NetworkError> {
        let wrong = || NetworkError(text.to_owned());
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Ok(bits), |prefix| prefix.parse::<u8>().map_err(|_| wrong()))?;
        let network = Self { address, prefix };
        (prefix <= bits && masked(address, prefix) == address).then_some(network).ok_or_else(wrong)
    }

    /// Whether `address` lies in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.address.is_ipv4() == address.is_ipv4() && masked(address, self.prefix) == self.address
    }
}

impl Guard {
    /// A guard that lets the daemon also reach these networks, besides the public internet.
    pub fn allowing(allowed: Vec<Network>) -> Self {
        Self { allowed }
    }

    /// Whether the daemon may connect to `address`.
    pub fn admits(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.allowed.iter().any(|network| network.contains(address)) || is_public(address)
    }
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => match embedded_v4(v6) {
            // A translator on the way would hand the packet to this address.
            Some(v4) => is_public_v4(v4),
            None => {
                let global = v6.segments()[0] & 0xe000 == 0x2000;
                global && !CLOSED_V6.iter().any(|&(base, prefix)| lies_in(address, base.into(), prefix))
            }
        },
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    !CLOSED_V4.iter().any(|&(base, prefix)| lies_in(address.into(), base.into(), prefix))
}

/// The IPv4 address inside one of NAT64 (64:ff9b::/96, RFC 6052) or 6to4 (2002::/16, RFC 3056).
fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let bits = address.to_bits();
    match address.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, ..] => Some(Ipv4Addr::from_bits((bits & 0xffff_ffff) as u32)),
        [0x2002, ..] => Some(Ipv4Addr::from_bits((bits >> 80 & 0xffff_ffff) as u32)),
        _ => None,
    }
}

fn lies_in(address: IpAddr, base: IpAddr, prefix: u8) -> bool {
    Network { address: base, prefix }.contains(address)
}

fn masked(address: IpAddr, prefix: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(prefix.min(32))).unwrap_or(0);
            IpAddr::V4(Ipv4Addr::from_bits(v4.to_bits() & mask))
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(prefix.min(128))).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & mask))
        }
    }
}

impl fmt::Display for NetworkError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "`{}` is no network like 10.1.0.0/16", self.0)
    }
}

impl std::error::Error for NetworkError {}

#[cfg(test)]
mod tests {
    use super::*;

    const CLOSED: &[&str] = &[
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.1",
        "10.255.255.255",
        "100.64.0.1",
        "100.100.100.200",
        "100.127.255.254",
        "127.0.0.1",
        "127.255.255.255",
        "168.63.129.16",
        "169.254.0.1",
        "169.254.169.254",
        "169.254.170.2",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.192",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.0.1",
        "192.168.255.255",
        "198.18.0.1",
        "198.19.255.255",
        "198.51.100.7",
        "203.0.113.9",
        "224.0.0.1",
        "239.255.255.250",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2001:db8::1",
        "2002:7f00:1::",
        "2002:a9fe:a9fe::1",
        "2002:c0a8:1::",
        "3fff::1",
        "5f00::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "febf::1",
        "fec0::1",
        "ff02::1",
        "ff0e::1",
    ];
    const OPEN: &[&str] = &[
        "1.1.1.1",
        "9.255.255.255",
        "11.0.0.1",
        "100.63.255.255",
        "100.128.0.1",
        "126.255.255.255",
        "128.0.0.1",
        "168.63.129.17",
        "172.15.255.255",
        "172.32.0.1",
        "192.167.255.255",
        "192.169.0.1",
        "198.17.255.255",
        "198.20.0.1",
        "223.255.255.255",
        "2400:3200::1",
        "2606:4700::1111",
        "::ffff:1.1.1.1",
        "64:ff9b::101:101",
        "2002:101:101::1",
    ];

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn nothing_inside_the_house_is_reached_and_the_internet_is() {
        assert!(CLOSED.len() > 40);
        let guard = Guard::default();
        for text in CLOSED {
            assert!(!guard.admits(ip(text)), "{text}");
        }
        for text in OPEN {
            assert!(guard.admits(ip(text)), "{text}");
        }
    }

    #[test]
    fn what_the_configuration_names_is_reached_and_its_neighbours_are_not() {
        let networks = ["10.1.0.0/16", "127.0.0.1", "fd00:1::/32"];
        let guard =
            Guard::allowing(networks.iter().map(|text| Network::parse(text).expect("CIDR")).collect());
        for text in ["10.1.2.3", "127.0.0.1", "::ffff:10.1.0.1", "fd00:1::5"] {
            assert!(guard.admits(ip(text)), "{text}");
        }
        for text in ["10.2.0.1", "127.0.0.2", "fd00:2::5", "169.254.169.254", "::1"] {
            assert!(!guard.admits(ip(text)), "{text}");
        }
    }

    #[test]
    fn odd_networks_are_refused() {
        for bad in
            ["", "10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1", "fd00::/129", "localhost", "10/8"]
        {
            assert!(Network::parse(bad).is_err(), "{bad}");
        }
        assert!(Network::parse("0.0.0.0/0").expect("all").contains(ip("127.0.0.1")));
        assert!(!Network::parse("0.0.0.0/0").expect("all").contains(ip("::1")));
    }
}
