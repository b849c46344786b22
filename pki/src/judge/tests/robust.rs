//! Hostile bytes: flipped bits, cuts, and mutations never pass and never panic.

use super::{
    letters,
    pki::{self, DIGEST, STAMPED_AT, WORLD, seal, stamp, time},
    question,
};
use crate::{
    judge::{self, Question},
    report::{Outcome, Profile, SignatureReport},
    ses::Version,
    x509::path::Material,
};
use proptest::prelude::*;

fn asked() -> Question<'static> {
    Question { require_time_stamp: false, ..question(WORLD.material()) }
}

/// Whether a report may be taken for "this holds": nothing failed, nothing undecided.
fn passes(report: &SignatureReport) -> bool {
    report.checks.iter().all(|check| matches!(check.verdict, Outcome::Passed | Outcome::Absent))
        && report.checks.iter().any(|check| check.verdict == Outcome::Passed)
}

/// One bit of every octet, another one from octet to octet.
fn flipped(bytes: &[u8]) -> impl Iterator<Item = (usize, Vec<u8>)> {
    (0..bytes.len()).map(|at| {
        let mut other = bytes.to_vec();
        other[at] ^= 1 << (at % 8);
        (at, other)
    })
}

/// Octets of `sample` where a flipped bit went unnoticed: the same checks pass, and nothing was noted.
fn unnoticed(sample: &[u8], judge: impl Fn(&[u8], &Question<'_>) -> SignatureReport) -> Vec<usize> {
    let strict = Question { profile: Profile::Strict, ..asked() };
    let straight = judge(sample, &strict);
    assert!(passes(&straight), "{straight:#?}");
    let gm = asked();
    let slips = |bytes: &[u8]| {
        let lenient = judge(bytes, &gm);
        // What gm does not pass, strict does not either.
        letters(&lenient) == letters(&straight)
            && (lenient.findings == straight.findings
                || letters(&judge(bytes, &strict)) == letters(&straight))
    };
    flipped(sample).filter(|(_, bytes)| slips(bytes)).map(|(at, _)| at).collect()
}

#[test]
fn one_flipped_bit_never_passes() {
    let found =
        unnoticed(&stamp(&seal(Version::V5), true), |bytes, asked| judge::stamp(bytes, Some(DIGEST), asked));
    assert!(found.is_empty(), "octets {found:?}");
}

#[test]
fn one_flipped_bit_in_signed_data_never_passes() {
    let content = b"a document";
    let sample = pki::signed(content, &WORLD.owner, true);
    let mut found = unnoticed(&sample, |bytes, asked| judge::cms(bytes, &[content], asked));
    // Certificates beside the signer's are worth no trust and may say anything.
    let cert = WORLD.ca.cert.der();
    let start = sample.windows(cert.len()).position(|part| part == cert).unwrap();
    found.retain(|at| !(start..start + cert.len()).contains(at));
    assert!(found.is_empty(), "octets {found:?}");
    // Nothing holds a time stamp in its place: with another name on its attribute it is gone, and check 8 is absent.
    let bare = pki::signed(content, &WORLD.owner, false);
    let required = Question { require_time_stamp: true, ..asked() };
    assert_eq!(letters(&judge::cms(&bare, &[content], &required)), "-p--pppF");
}

#[test]
fn every_cut_fails_and_says_so() {
    let sample = stamp(&seal(Version::V4), true);
    for length in 0..sample.len() {
        let report = judge::stamp(&sample[..length], Some(DIGEST), &asked());
        assert_eq!(letters(&report), "Fuuuuuu-", "{length}");
    }
    let token = pki::token(b"abc", time(STAMPED_AT), &WORLD.tsa);
    for length in 0..token.len() {
        assert!(!passes(&judge::token(&token[..length], None, &asked())));
    }
}

/// Every way in, on any bytes.
fn all(bytes: &[u8]) {
    let nobody = question(Material::default());
    judge::kind_of(bytes);
    judge::stamp(bytes, Some(DIGEST), &nobody);
    judge::seal(bytes, &nobody);
    judge::token(bytes, Some(b"abc"), &nobody);
    judge::cms(bytes, &[b"abc"], &nobody);
    let _ = crate::tsp::Response::parse(bytes);
    let _ = crate::tsp::Request::parse(bytes);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn mutated_structures_never_panic(
        which in 0usize..4,
        edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in proptest::option::of(any::<prop::sample::Index>()),
    ) {
        let mut bytes = match which {
            0 => stamp(&seal(Version::V5), true),
            1 => seal(Version::V5),
            2 => pki::token(b"abc", time(STAMPED_AT), &WORLD.tsa),
            _ => pki::signed(b"abc", &WORLD.owner, true),
        };
        for (at, octet) in edits {
            let at = at.index(bytes.len());
            bytes[at] = octet;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        all(&bytes);
    }

    #[test]
    fn any_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..256)) {
        all(&bytes);
    }
}
