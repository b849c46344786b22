//! Any bytes as a revocation list.
#![no_main]

use libfuzzer_sys::fuzz_target;
use yinxin_pki::x509::{Cert, Crl};

fuzz_target!(|bytes: &[u8]| {
    let Ok(crl) = Crl::parse(bytes) else { return };
    assert_eq!(crl.der(), bytes);
    assert_eq!(Crl::parse_pem_or_der(crl.to_pem().as_bytes()).unwrap().der(), bytes);
    let _ = (crl.issuer().to_string(), crl.number(), crl.authority_key_id(), crl.leniencies());
    let _ = (crl.this_update(), crl.next_update(), crl.unknown_critical_extensions());
    for serial in [&b"\x01"[..], b"", &[0x7f; 21]] {
        let _ = crl.revoked(serial);
    }
    let issuing = Cert::parse(include_bytes!("../seeds/cert/issuing")).unwrap();
    let _ = crl.verify_signed_by(issuing.public_key().unwrap());
});
