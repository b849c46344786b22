//! Any bytes as a stamp.
#![no_main]

use libfuzzer_sys::fuzz_target;
use yinxin_pki::{judge::kind_of, ses::Stamp};

fuzz_target!(|bytes: &[u8]| {
    let _ = kind_of(bytes);
    let Ok(stamp) = Stamp::parse(bytes) else { return };
    let signed = stamp.to_be_signed();
    let (start, end) = (bytes.as_ptr_range(), signed.as_ptr_range());
    assert!(start.start <= end.start && end.end <= start.end, "what is signed lies in what was received");
    let _ = (stamp.seal.sm3(), stamp.seal.signers.allow(stamp.signer_cert));
});
