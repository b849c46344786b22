//! Any bytes as a certificate: everything that can be asked of it, and a path to a known root.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;
use yinxin_pki::{
    time::Timestamp,
    x509::{
        Cert,
        path::{self, Material, Purpose},
    },
};

static ROOT: LazyLock<[Cert; 1]> =
    LazyLock::new(|| [Cert::parse(include_bytes!("../seeds/cert/root")).unwrap()]);
static ISSUING: LazyLock<[Cert; 1]> =
    LazyLock::new(|| [Cert::parse(include_bytes!("../seeds/cert/issuing")).unwrap()]);

fuzz_target!(|bytes: &[u8]| {
    let _ = Cert::parse_bundle(bytes);
    let Ok(cert) = Cert::parse(bytes) else { return };
    assert_eq!(cert.der(), bytes);
    assert_eq!(Cert::parse_pem_or_der(cert.to_pem().as_bytes()).unwrap().der(), bytes);
    let _ = (cert.subject().to_string(), cert.issuer().to_string(), cert.serial_hex(), cert.face());
    let _ = (cert.leniencies(), cert.unknown_critical_extensions(), cert.extended_key_usage());
    if let Some(key) = cert.public_key() {
        let _ = cert.verify_signed_by(key);
    }
    let at = Timestamp::parse_rfc3339("2026-11-21T04:00:00Z").unwrap();
    for purpose in [Purpose::Signing, Purpose::SealMaking, Purpose::TimeStamping] {
        // As the leaf, as what stands between, and as what is believed.
        let _ = path::validate(&cert, &material(&ROOT[..], &ISSUING[..]), at, purpose);
        let between = [cert.clone()];
        let _ = path::validate(&ISSUING[0], &material(&ROOT[..], &between), at, purpose);
        let _ = path::validate(&ISSUING[0], &material(&between, &ROOT[..]), at, purpose);
    }
});

fn material<'a>(anchors: &'a [Cert], intermediates: &'a [Cert]) -> Material<'a> {
    Material { anchors, intermediates, crls: &[] }
}
