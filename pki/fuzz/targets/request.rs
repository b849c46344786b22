//! Any bytes as a request for a certificate.
#![no_main]

use libfuzzer_sys::fuzz_target;
use yinxin_pki::x509::Request;

fuzz_target!(|bytes: &[u8]| {
    let Ok(request) = Request::parse(bytes) else { return };
    assert_eq!(request.der(), bytes);
    assert_eq!(Request::parse_pem_or_der(request.to_pem().as_bytes()).unwrap().der(), bytes);
    let _ = (request.subject().to_string(), request.key_usage(), request.extensions(), request.leniencies());
});
