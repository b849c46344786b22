//! Any bytes before the judge of documents, with a fixed trust: it always answers, the answer is a report that can be
//! written and told, and only the fixed documents pass.
#![no_main]

#[path = "../src/limits.rs"]
mod limits;

use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;
use yinxin::{
    base::Timestamp,
    verification::{Demand, Limits, Trust, judge, text},
};
use yinxin_pki::report::{DocumentKind, Verdict};

const STAMPED: [&[u8]; 2] = [include_bytes!("../seeds/plain.pdf"), include_bytes!("../seeds/token.pdf")];

static TRUST: LazyLock<Trust> = LazyLock::new(|| {
    let mut trust = Trust::default();
    trust.add_anchors(include_bytes!("../../pki/fuzz/seeds/cert/root")).unwrap();
    trust.add_intermediates(include_bytes!("../../pki/fuzz/seeds/cert/issuing")).unwrap();
    trust.add_crl(include_bytes!("../../pki/fuzz/seeds/crl/issuing")).unwrap();
    trust
});

fuzz_target!(|bytes: &[u8]| {
    let limits = Limits { pdf: limits::small(), ..Limits::default() };
    let at = Timestamp::parse_rfc3339("2026-11-21T06:00:00Z").unwrap();
    let report = judge(bytes, &Demand { limits, ..Demand::new(&TRUST, at) });
    let _ = text::render(&report);
    if report.verdict == Verdict::Passed && report.document.kind == DocumentKind::Pdf {
        assert!(STAMPED.iter().any(|known| bytes.starts_with(before_value(known))), "a forged document");
    }
});

/// What stands before the value of the one signature: all of it is signed.
fn before_value(file: &[u8]) -> &[u8] {
    let value = file.windows(10).rposition(|part| part == b"/Contents<").unwrap();
    &file[..value]
}
