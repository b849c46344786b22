//! Digests of long texts that recur but for their end: a seal of some 30 kB stands whole in every stamp made with it.
//!
//! The state after the recurring beginning is kept beside that beginning, which is compared octet by octet: what is
//! answered is the digest and nothing else. Only seals and stamps come here; both are public.

use super::Sm3;
use std::sync::{Mutex, PoisonError};

/// Shorter texts are digested faster than they are looked for.
const SHORTEST: usize = 4096;
/// Longer texts are not kept.
const LONGEST: usize = 256 * 1024;
/// Octets at the end that may differ: time, digest and property of a stamp.
const END: usize = 512;
/// Beginnings that are kept.
const KEPT: usize = 16;

struct Seen {
    head: Vec<u8>,
    beginning: Box<[u8]>,
    state: Sm3,
}

/// The newest first.
static SEEN: Mutex<Vec<Seen>> = Mutex::new(Vec::new());

/// SM3 of `head` (Z, or nothing) and `text`.
pub(crate) fn digest(head: &[u8], text: &[u8]) -> [u8; 32] {
    let cut = text.len().saturating_sub(END);
    if !(SHORTEST..=LONGEST).contains(&text.len()) {
        return after(begun(head, &[]), text);
    }
    if let Some((state, length)) = find(head, text) {
        return after(state, &text[length..]);
    }
    let (beginning, end) = text.split_at(cut);
    let state = begun(head, beginning);
    keep(Seen { head: head.to_vec(), beginning: beginning.into(), state: state.clone() });
    after(state, end)
}

fn begun(head: &[u8], beginning: &[u8]) -> Sm3 {
    let mut state = Sm3::new();
    state.update(head).update(beginning);
    state
}

fn after(mut state: Sm3, rest: &[u8]) -> [u8; 32] {
    state.update(rest);
    state.finish()
}

fn find(head: &[u8], text: &[u8]) -> Option<(Sm3, usize)> {
    let mut seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
    let place = seen.iter().position(|one| one.head == head && text.starts_with(&one.beginning))?;
    seen[..=place].rotate_right(1);
    Some((seen[0].state.clone(), seen[0].beginning.len()))
}

fn keep(one: Seen) {
    let mut seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
    seen.truncate(KEPT - 1);
    seen.insert(0, one);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn plain(head: &[u8], text: &[u8]) -> [u8; 32] {
        crate::sm3::digest([head, text].concat())
    }

    #[test]
    fn a_text_seen_before_has_its_own_digest_whatever_its_end_or_head() {
        let text: Vec<u8> = (0..30_000u32).map(|at| (at % 251) as u8).collect();
        for round in 0..3u8 {
            for place in [0, 1, 29_487, 29_488, 29_999] {
                let mut other = text.clone();
                other[place] ^= round + 1;
                for head in [&b""[..], b"one head", b"two head"] {
                    assert_eq!(digest(head, &other), plain(head, &other), "{round} {place}");
                    assert_eq!(digest(head, &text), plain(head, &text));
                }
            }
        }
        for length in [0, 1, SHORTEST - 1, SHORTEST, SHORTEST + 1, 29_000] {
            assert_eq!(digest(b"h", &text[..length]), plain(b"h", &text[..length]));
        }
    }

    #[test]
    fn what_is_kept_has_an_end() {
        for number in 0..2 * KEPT as u32 {
            digest(&number.to_be_bytes(), &[7; SHORTEST]);
        }
        assert!(SEEN.lock().unwrap().len() <= KEPT);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn it_is_always_the_plain_digest(
            texts in proptest::collection::vec((any::<u8>(), 4000usize..6000, any::<[u8; 4]>()), 1..8),
        ) {
            for (fill, length, end) in texts {
                let text = [vec![fill % 3; length], end.to_vec()].concat();
                prop_assert_eq!(digest(&end[..2], &text), plain(&end[..2], &text));
                prop_assert_eq!(digest(b"", &text), plain(b"", &text));
            }
        }
    }
}
