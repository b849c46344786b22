//! TLS through the real program and real clients: OpenSSL's and curl's hands on the other end, not ours.

mod administration;
mod database;
mod handshake;
mod outside;
mod reload;

use crate::support::certificates::{Authority, Pair};
use std::{
    io::Write as _,
    process::{Command, Stdio},
};

/// The section of a listener that shows this pair.
pub fn section(name: &str, pair: &Pair) -> String {
    let (certificate, key) = (pair.certificate.display(), pair.key.display());
    format!("[listen.{name}]\ncertificate_file = '{certificate}'\nkey_file = '{key}'\n")
}

/// A daemon's configuration: TLS with this pair on a free port.
pub fn with(pair: &Pair, rest: &str) -> String {
    format!("[listen]\naddress = '127.0.0.1:0'\n{}{rest}", section("tls", pair))
}

/// What curl says of a path: the status and the body, or the exit code and its words.
pub fn curl(authority: &Authority, address: &str, path: &str, more: &[&str]) -> Result<String, String> {
    let ca = authority.certificate().display().to_string();
    let url = format!("https://{address}{path}");
    let common =
        ["--silent", "--show-error", "--max-time", "60", "--cacert", &ca, "--write-out", "\n%{http_code}"];
    let said = Command::new("curl").args(common).args(more).arg(&url).output().unwrap();
    let text = String::from_utf8_lossy(&said.stdout).into_owned();
    match said.status.success() {
        true => Ok(text),
        false => Err(format!("{:?}: {}", said.status.code(), String::from_utf8_lossy(&said.stderr))),
    }
}

/// What `openssl s_client` says of a connection on which a request is sent.
pub fn s_client(authority: &Authority, address: &str, more: &[&str]) -> String {
    let ca = authority.certificate().display().to_string();
    let mut child = Command::new("openssl")
        .args([
            "s_client",
            "-connect",
            address,
            "-CAfile",
            &ca,
            "-verify_return_error",
            "-servername",
            "localhost",
            "-ign_eof",
        ])
        .args(more)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    // It may have given up by now.
    let _ = child.stdin.take().unwrap().write_all(request);
    let said = child.wait_with_output().unwrap();
    String::from_utf8_lossy(&[said.stdout, said.stderr].concat()).into_owned()
}

/// The number of the certificate that is shown at an address.
pub fn serial_shown(authority: &Authority, address: &str) -> String {
    let shown = s_client(authority, address, &["-showcerts"]);
    let begin = shown.find("-----BEGIN CERTIFICATE-----").unwrap_or_else(|| panic!("{shown}"));
    let end = shown.find("-----END CERTIFICATE-----").unwrap() + "-----END CERTIFICATE-----\n".len();
    serial(&shown.as_bytes()[begin..end])
}

/// The number of the first certificate in PEM.
pub fn serial(pem: &[u8]) -> String {
    yinxin_pki::x509::Cert::parse_bundle(pem).unwrap()[0].serial_hex()
}
