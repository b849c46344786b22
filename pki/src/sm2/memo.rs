//! Signatures that were found to hold, remembered: that key, e and value go together is arithmetic and never changes.
//! A service meets the same certificates and seals in nearly every document, and its own stamp once more when it checks
//! the product; each costs a tenth of a millisecond.
//!
//! An entry is the three themselves, not a digest of them, so that nothing else is ever taken for them. Only what held
//! is kept, in two generations of bounded size: the older one is dropped when the younger is full.

use std::{
    collections::HashSet,
    mem,
    sync::{LazyLock, Mutex, PoisonError},
};

/// Entries of a generation. Two of them full are some 200 kB.
const GENERATION: usize = 512;

/// x ‖ y of the key, e, r ‖ s.
pub(super) type Held = [u8; 64 + 32 + 64];

#[derive(Default)]
struct Memo {
    young: HashSet<Held>,
    old: HashSet<Held>,
}

static MEMO: LazyLock<Mutex<Memo>> = LazyLock::new(Mutex::default);

/// Whether this was found to hold, not too long ago.
pub(super) fn held(entry: &Held) -> bool {
    with(|memo| {
        let is_old = memo.old.contains(entry);
        if is_old {
            memo.keep(entry);
        }
        is_old || memo.young.contains(entry)
    })
}

/// Remembers what holds.
pub(super) fn keep(entry: &Held) {
    with(|memo| memo.keep(entry));
}

/// Forgets every signature that was found to hold, so that each is computed anew: for whoever measures that.
pub fn forget_held() {
    with(|memo| *memo = Memo::default());
}

impl Memo {
    fn keep(&mut self, entry: &Held) {
        if self.young.len() >= GENERATION {
            self.old = mem::take(&mut self.young);
        }
        self.young.insert(*entry);
    }
}

fn with<T>(act: impl FnOnce(&mut Memo) -> T) -> T {
    // A panic elsewhere leaves it whole: an entry is in or it isn't.
    act(&mut MEMO.lock().unwrap_or_else(PoisonError::into_inner))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(number: usize) -> Held {
        let mut entry = [0; 160];
        entry[..8].copy_from_slice(&number.to_be_bytes());
        entry
    }

    #[test]
    fn what_is_asked_for_again_stays_and_the_rest_goes() {
        let mut memo = Memo::default();
        for number in 0..10 * GENERATION {
            memo.keep(&entry(number));
            if memo.old.contains(&entry(0)) {
                memo.keep(&entry(0));
            }
            assert!(memo.young.len() + memo.old.len() <= 2 * GENERATION);
            assert!(memo.young.contains(&entry(0)) || memo.old.contains(&entry(0)));
        }
        assert!(!memo.young.contains(&entry(1)) && !memo.old.contains(&entry(1)));
    }
}
