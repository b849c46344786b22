//! Any bytes as signed data, in definite and indefinite lengths.
#![no_main]

use libfuzzer_sys::fuzz_target;
use yinxin_pki::cms::{SignedData, definite};

fuzz_target!(|bytes: &[u8]| {
    let whole = definite(bytes);
    assert!(whole.len() <= bytes.len().saturating_mul(8) + 16, "lengths grow by a few octets, not more");
    assert_eq!(definite(&whole), whole, "definite stays definite");
    let Ok(signed) = SignedData::parse(&whole) else { return };
    let _ = (signed.digest(), signed.algorithm());
});
