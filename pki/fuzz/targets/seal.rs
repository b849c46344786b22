//! Any bytes as a seal; and a stamp with what could be read.
#![no_main]

use libfuzzer_sys::fuzz_target;
use yinxin_pki::ses::{Seal, StampDraft};

fuzz_target!(|bytes: &[u8]| {
    let Ok(seal) = Seal::parse(bytes) else { return };
    assert!(bytes.windows(seal.to_be_signed().len()).any(|part| part == seal.to_be_signed()));
    let _ = (seal.sm3(), seal.face("maker".into()), seal.signers.allow(b"nobody"));
    let draft =
        StampDraft { seal: bytes, time: seal.valid_from, digest: [7; 32], property: "file", ext_data: &[] };
    if let Ok(prepared) = draft.prepare() {
        assert!(prepared.to_be_signed().len() > bytes.len());
    }
});
