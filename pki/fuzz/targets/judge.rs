//! Any bytes before the judge, with a fixed trust: all four ways in, both profiles. Nobody forges the fixed stamp.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;
use yinxin_pki::{
    judge::{self, Question},
    report::{Outcome, Profile, SignatureReport},
    ses::{Seal, Stamp},
    sm3,
    time::Timestamp,
    x509::{Cert, Crl, path::Material},
};

const STAMPS: [&[u8]; 2] = [include_bytes!("../seeds/stamp/plain"), include_bytes!("../seeds/stamp/token")];
const SEAL: &[u8] = include_bytes!("../seeds/seal/seal");

static TRUST: LazyLock<([Cert; 1], [Cert; 1], [Crl; 1])> = LazyLock::new(|| {
    let cert = |bytes| Cert::parse(bytes).unwrap();
    let crl = Crl::parse(include_bytes!("../seeds/crl/issuing")).unwrap();
    ([cert(include_bytes!("../seeds/cert/root"))], [cert(include_bytes!("../seeds/cert/issuing"))], [crl])
});

fuzz_target!(|bytes: &[u8]| {
    let (anchors, intermediates, crls) = &*TRUST;
    let at = Timestamp::parse_rfc3339("2026-11-21T06:00:00Z").unwrap();
    for profile in [Profile::Gm, Profile::Strict] {
        let question = Question::new(Material { anchors, intermediates, crls }, at, profile);
        let report = judge::stamp(bytes, Some(sm3::digest(b"document")), &question);
        if holds(&report) {
            let signed = |stamp| Stamp::parse(stamp).unwrap().to_be_signed().to_vec();
            assert!(STAMPS.iter().any(|known| signed(known) == signed(bytes)), "a forged stamp");
        }
        if holds(&judge::seal(bytes, &question)) {
            assert_eq!(
                Seal::parse(bytes).unwrap().to_be_signed(),
                Seal::parse(SEAL).unwrap().to_be_signed(),
                "a forged seal"
            );
        }
        judge::token(bytes, Some(b"value"), &question);
        judge::cms(bytes, &[b"docu", b"ment"], &question);
    }
});

fn holds(report: &SignatureReport) -> bool {
    report.checks.iter().all(|check| matches!(check.verdict, Outcome::Passed | Outcome::Absent))
        && report.checks.iter().any(|check| check.verdict == Outcome::Passed)
}
