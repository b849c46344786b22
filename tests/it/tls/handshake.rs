//! Handshakes: which versions and suites, whose certificates, and how long one may take.

use super::{curl, s_client, with};
use crate::support::{
    certificates::{Authority, Kind, Pair},
    process::Place,
};
use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::{Duration, Instant},
};

#[test]
fn tls_1_3_and_1_2_are_spoken_with_good_suites_and_nothing_older() {
    let Some(authority) = Authority::new() else { return };
    let place = Place::initialised();
    let daemon = place.serve_as(&with(&authority.server("server"), ""));
    let ask = |more: &[&str]| s_client(&authority, &daemon.address, more);
    for (version, told) in [("-tls1_3", "TLSv1.3"), ("-tls1_2", "TLSv1.2")] {
        let said = ask(&[version]);
        assert!(said.contains("HTTP/1.1 200") && said.contains(told), "{said}");
    }
    // OpenSSL itself would not offer these without being asked to.
    let weak = "ALL:@SECLEVEL=0";
    for refused in [
        &["-tls1_1", "-cipher", weak][..],
        &["-tls1", "-cipher", weak],
        &["-tls1_2", "-cipher", "AES128-GCM-SHA256:@SECLEVEL=0"],
        &["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0"],
        &["-alpn", "h2"],
    ] {
        let said = ask(refused);
        assert!(said.contains("alert") && !said.contains("HTTP/1.1"), "{refused:?}: {said}");
    }
    let said = ask(&["-alpn", "h2,http/1.1"]);
    assert!(said.contains("ALPN protocol: http/1.1"), "{said}");
    let headed = curl(&authority, &daemon.address, "/healthz", &["--include"]).unwrap();
    assert!(
        headed.ends_with("ok\n\n200") && headed.contains("strict-transport-security: max-age="),
        "{headed}"
    );
}

#[test]
fn every_kind_of_key_that_the_configuration_promises_is_served() {
    let Some(authority) = Authority::new() else { return };
    let place = Place::initialised();
    for kind in [Kind::P256, Kind::Ed25519, Kind::Rsa] {
        let daemon = place.serve_as(&with(&authority.issue("server", kind, 90), ""));
        let said = s_client(&authority, &daemon.address, &[]);
        assert!(said.contains("HTTP/1.1 200"), "{kind:?}: {said}");
    }
}

#[test]
fn plain_http_on_the_port_of_tls_is_told_so_in_plain_http() {
    let Some(authority) = Authority::new() else { return };
    let place = Place::initialised();
    let daemon = place.serve_as(&with(&authority.server("server"), ""));
    for octets in [
        &b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..],
        &[b"POST /verify HTTP/1.1\r\n\r\n", &[b'x'; 50_000][..]].concat(),
    ] {
        let mut stream = daemon.connect();
        stream.write_all(octets).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 400") && answer.ends_with("use https://.\r\n"), "{answer}");
        let declared = answer.split("Content-Length: ").nth(1).unwrap().split("\r\n").next().unwrap();
        assert_eq!(declared, answer.split("\r\n\r\n").nth(1).unwrap().len().to_string());
    }
    // Anything else is no handshake either.
    let mut stream = daemon.connect();
    stream.write_all(&[0x00; 64]).unwrap();
    assert!(!heard(&mut stream).starts_with(b"HTTP"));
    assert!(curl(&authority, &daemon.address, "/healthz", &[]).is_ok());
}

/// Who begins and goes no further is cut off; others are served meanwhile, even where as many as may do so at a time do.
#[test]
fn a_slow_handshake_is_cut_off_and_others_are_served_meanwhile() {
    let Some(authority) = Authority::new() else { return };
    let place = Place::initialised();
    let limits = "[limits]\nhandshake_seconds = 2\nhandshakes = 1\n";
    let daemon = place.serve_as(&with(&authority.server("server"), limits));
    // Silent, then a record that never ends.
    let hello_without_end = [0x16, 3, 1, 2, 0, 1, 0];
    let mut slow: Vec<TcpStream> = (0..20).map(|_| daemon.connect()).collect();
    slow[10..].iter_mut().for_each(|stream| stream.write_all(&hello_without_end).unwrap());
    let began = Instant::now();
    assert_eq!(curl(&authority, &daemon.address, "/healthz", &[]).as_deref(), Ok("ok\n\n200"));
    for stream in &mut slow {
        heard(stream);
    }
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
}

#[test]
fn a_client_s_certificate_is_asked_for_and_only_a_good_one_lets_in() {
    let Some(authority) = Authority::new() else { return };
    let other = Authority::new().unwrap();
    let place = Place::initialised();
    let server = authority.server("server");
    let good = authority.server("good");
    let expired = authority.issue("expired", Kind::P256, -1);
    let foreign = other.server("foreign");
    let revoked = authority.server("revoked");
    let (ca, crl) = (authority.certificate(), authority.revoking(&[&revoked]));
    let asked = format!("client_ca_file = '{}'\nclient_crl_file = '{}'\n", ca.display(), crl.display());
    for (demand, none) in [
        ("", false),
        ("client_certificate = 'required'\n", false),
        ("client_certificate = 'optional'\n", true),
    ] {
        let daemon = place.serve_as(&with(&server, &format!("{asked}{demand}")));
        let lets_in = |pair: Option<&Pair>| {
            let shown =
                pair.map(|pair| [pair.certificate.display().to_string(), pair.key.display().to_string()]);
            let more =
                shown.as_ref().map_or(vec![], |[certificate, key]| vec!["--cert", certificate, "--key", key]);
            curl(&authority, &daemon.address, "/healthz", &more).is_ok()
        };
        assert_eq!(lets_in(None), none, "none, {demand}");
        assert!(lets_in(Some(&good)), "good, {demand}");
        for (bad, name) in [(&expired, "expired"), (&foreign, "foreign"), (&revoked, "revoked")] {
            assert!(!lets_in(Some(bad)), "{name}, {demand}");
        }
    }
}

fn heard(stream: &mut TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    // A reset is an end too.
    let _ = stream.read_to_end(&mut all);
    all
}
