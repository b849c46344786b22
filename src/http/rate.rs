//! How often one address may come: a bucket of tokens each, in a table of bounded size.

use crate::base::Timestamp;
use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Mutex, PoisonError},
};

/// Addresses remembered at a time. Full buckets are forgotten first; an attacker with more addresses than this gets in
/// line with everybody else under the general limits.
const ADDRESSES_MAX: usize = 16_384;
const MINUTE_MS: i64 = 60_000;

/// Buckets by operation and address.
#[derive(Debug, Default)]
pub struct Rates(Mutex<HashMap<(&'static str, IpAddr), Bucket>>);

#[derive(Debug, Clone, Copy)]
struct Bucket {
    /// Thousandths of a token.
    millitokens: i64,
    at: Timestamp,
}

impl Rates {
    /// Takes one token; otherwise says after how many seconds there is one.
    ///
    /// `per_minute` is both the rate and the size of a burst. IPv6 callers count by their /64.
    pub fn take(
        &self,
        operation: &'static str,
        from: IpAddr,
        per_minute: u32,
        now: Timestamp,
    ) -> Result<(), u32> {
        let full = i64::from(per_minute.max(1)) * 1000;
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= ADDRESSES_MAX {
            make_room(&mut buckets, now);
        }
        let bucket =
            buckets.entry((operation, network(from))).or_insert(Bucket { millitokens: full, at: now });
        // A clock that was set back adds nothing and takes nothing.
        let since_ms = (now.ms() - bucket.at.ms()).clamp(0, MINUTE_MS);
        bucket.millitokens = (bucket.millitokens + since_ms * full / MINUTE_MS).min(full);
        bucket.at = now;
        if bucket.millitokens >= 1000 {
            bucket.millitokens -= 1000;
            return Ok(());
        }
        let wait_ms = (1000 - bucket.millitokens) * MINUTE_MS / full;
        Err(u32::try_from(wait_ms / 1000 + 1).unwrap_or(60))
    }
}

/// Forgets whoever has not come for a minute; where that is nobody, everybody: better than growing.
fn make_room(buckets: &mut HashMap<(&'static str, IpAddr), Bucket>, now: Timestamp) {
    buckets.retain(|_, bucket| now.ms() - bucket.at.ms() < MINUTE_MS);
    if buckets.len() >= ADDRESSES_MAX {
        buckets.clear();
    }
}

/// By what callers are counted: their address, in IPv6 the first half of it.
pub(super) fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => IpAddr::V4(v4),
            None => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn a_burst_then_a_rate_and_each_address_for_itself() {
        let rates = Rates::default();
        let mut now = Timestamp::from_seconds(1_000);
        for _ in 0..6 {
            assert_eq!(rates.take("verify", ip("192.0.2.1"), 6, now), Ok(()));
        }
        assert_eq!(rates.take("verify", ip("192.0.2.1"), 6, now), Err(11));
        assert_eq!(rates.take("verify", ip("192.0.2.2"), 6, now), Ok(()));
        assert_eq!(rates.take("other", ip("192.0.2.1"), 6, now), Ok(()));
        now = now.plus_ms(10_000);
        assert_eq!(rates.take("verify", ip("192.0.2.1"), 6, now), Ok(()));
        assert!(rates.take("verify", ip("192.0.2.1"), 6, now.plus_ms(-5_000)).is_err());
    }

    #[test]
    fn neighbours_in_one_ipv6_network_share_a_bucket() {
        let (rates, now) = (Rates::default(), Timestamp::from_seconds(1));
        assert_eq!(rates.take("v", ip("2001:db8::1"), 1, now), Ok(()));
        assert!(rates.take("v", ip("2001:db8::ffff:2"), 1, now).is_err());
        assert_eq!(rates.take("v", ip("2001:db8:0:1::1"), 1, now), Ok(()));
        assert_eq!(rates.take("v", ip("::ffff:192.0.2.1"), 1, now), Ok(()));
        assert!(rates.take("v", ip("192.0.2.1"), 1, now).is_err());
    }

    #[test]
    fn the_table_stays_bounded() {
        let (rates, now) = (Rates::default(), Timestamp::from_seconds(1));
        for number in 0..40_000u32 {
            let _ = rates.take("v", IpAddr::V4(number.into()), 1, now);
        }
        assert!(rates.0.lock().expect("unpoisoned").len() <= ADDRESSES_MAX);
    }
}
