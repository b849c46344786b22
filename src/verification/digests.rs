//! SM3 of a file and of the ranges that its signatures cover, in about one pass: a signature's first range is the
//! beginning of the file, so that the digest in progress is only copied where that range ends.

use std::{collections::HashMap, ops::Range};
use yinxin_pki::{budget::Budget, sm3::Sm3};

/// The two ranges of a signature, the first from the first octet of the file.
pub(super) type Ranges = [Range<usize>; 2];

/// Octets that digesting may still take.
#[derive(Debug)]
pub(super) struct Room(usize);

impl Room {
    /// So many passes over a file, and some for short files with many signatures.
    pub(super) fn passes(passes: usize, file_bytes: usize) -> Self {
        Self(passes.saturating_mul(file_bytes).saturating_add(16 << 20))
    }

    /// Takes some; `false` where there are not so many left.
    pub(super) fn take(&mut self, octets: usize) -> bool {
        let left = self.0.checked_sub(octets);
        self.0 = left.unwrap_or(0);
        left.is_some()
    }
}

/// Digests of a file.
#[derive(Debug)]
pub(super) struct Digests {
    /// Of the whole file.
    pub(super) whole: [u8; 32],
    /// Of each pair of ranges asked for.
    ranges: HashMap<Ranges, [u8; 32]>,
}

impl Digests {
    /// Digests `bytes` and each of `ranges`, which lie within them. `None` where that takes more than `room`, or than the
    /// budget.
    pub(super) fn of(bytes: &[u8], ranges: &[Ranges], room: &mut Room, budget: &Budget) -> Option<Self> {
        let mut order: Vec<&Ranges> = ranges.iter().filter(|[first, _]| first.start == 0).collect();
        order.sort_by_key(|[first, second]| (first.end, second.start, second.end));
        order.dedup();
        let mut digest = Sm3::new();
        let mut done = 0;
        let mut found = HashMap::with_capacity(order.len());
        room.take(bytes.len()).then_some(())?;
        for pair in order {
            let [first, second] = pair;
            update(&mut digest, bytes.get(done..first.end)?, budget)?;
            done = first.end;
            room.take(second.len()).then_some(())?;
            let mut rest = digest.clone();
            update(&mut rest, bytes.get(second.clone())?, budget)?;
            found.insert(pair.clone(), rest.finish());
        }
        update(&mut digest, bytes.get(done..)?, budget)?;
        Some(Self { whole: digest.finish(), ranges: found })
    }

    /// The digest of one of the pairs asked for.
    pub(super) fn over(&self, ranges: &Ranges) -> Option<[u8; 32]> {
        self.ranges.get(ranges).copied()
    }
}

/// Octets that are digested in the time of one step of the budget.
const OCTETS_A_STEP: u64 = 20;
/// Octets between two looks at it: two milliseconds.
const STRETCH_BYTES: usize = 1 << 20;

fn update(digest: &mut Sm3, octets: &[u8], budget: &Budget) -> Option<()> {
    for stretch in octets.chunks(STRETCH_BYTES) {
        budget.spend(stretch.len() as u64 / OCTETS_A_STEP).ok()?;
        digest.update(stretch);
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use yinxin_pki::sm3;

    #[test]
    fn each_pair_of_ranges_is_digested_as_its_octets_are() {
        let bytes: Vec<u8> = (0..250).collect();
        let pairs =
            [[0..100, 120..250], [0..50, 60..250], [0..100, 120..250], [0..100, 120..200], [0..0, 0..250]];
        let of = |pairs: &[Ranges], room| Digests::of(&bytes, pairs, &mut Room(room), &Budget::unlimited());
        let digests = of(&pairs, 2000).unwrap();
        assert_eq!(digests.whole, sm3::digest(&bytes));
        for pair in &pairs {
            let octets = [&bytes[pair[0].clone()], &bytes[pair[1].clone()]].concat();
            assert_eq!(digests.over(pair), Some(sm3::digest(octets)), "{pair:?}");
        }
        assert_eq!(digests.over(&[0..1, 2..3]), None);
        assert!(of(&pairs, 500).is_none(), "beyond the room");
        assert!(of(&[[0..100, 120..251]], 5000).is_none(), "past the end");
        let spent = Digests::of(&bytes, &pairs, &mut Room(2000), &Budget::of_steps(3));
        assert!(spent.is_none(), "beyond the budget");
    }
}
