//! Certificates for tests of TLS, made by OpenSSL: another hand than the one that is tested. Without OpenSSL these tests are
//! skipped loudly; with `CI=true` that is a failure.

use super::databases::say_skipped;
use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

/// An authority of its own, and all that it issued. Gone when dropped.
pub struct Authority {
    folder: tempfile::TempDir,
}

/// A certificate and its key.
#[derive(Debug, Clone)]
pub struct Pair {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

/// What kind of key a certificate is for.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    P256,
    Ed25519,
    Rsa,
    Sm2,
}

/// What OpenSSL's `ca` command wants to know.
const CA_CONFIG: &str = "[ca]\ndefault_ca = d\n[d]\ndatabase = index.txt\ndefault_md = sha256\ndefault_crl_days = 30\n\
crlnumber = crlnumber\ncrl_extensions = list\ncertificate = ca.pem\nprivate_key = ca.key\nserial = ca.srl\npolicy = any\n\
[any]\ncommonName = supplied\n[list]\nauthorityKeyIdentifier = keyid\n";

impl Authority {
    /// A new one; `None` where there is no OpenSSL.
    pub fn new() -> Option<Self> {
        if Command::new("openssl").arg("version").output().is_err() {
            assert!(std::env::var_os("CI").is_none_or(|value| value != "true"), "CI needs openssl");
            say_skipped("a test of TLS: there is no openssl");
            return None;
        }
        let authority = Self { folder: tempfile::tempdir().unwrap() };
        authority.write("ca.cnf", CA_CONFIG);
        authority.write("index.txt", "");
        authority.write("crlnumber", "01\n");
        authority.make_key("ca.key", Kind::P256);
        let constraints =
            ["-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=keyCertSign,cRLSign"];
        // Each has a name of its own, so that one is not taken for another.
        let name = format!("/CN=Test CA {}", authority.folder.path().file_name().unwrap().display());
        let make =
            ["req", "-x509", "-new", "-key", "ca.key", "-days", "365", "-subj", &name, "-out", "ca.pem"];
        authority.openssl(make.into_iter().chain(constraints));
        Some(authority)
    }

    /// Its own certificate.
    pub fn certificate(&self) -> PathBuf {
        self.at("ca.pem")
    }

    /// Certificate and key for `localhost` and 127.0.0.1, good for 90 days.
    pub fn server(&self, name: &str) -> Pair {
        self.issue(name, Kind::P256, 90)
    }

    /// Certificate and key for a kind of key, good for so many days; with -1 it expired yesterday.
    pub fn issue(&self, name: &str, kind: Kind, days: i32) -> Pair {
        self.made(name, kind, days, "DNS:localhost,IP:127.0.0.1")
    }

    /// Certificate and key for other names.
    pub fn named(&self, name: &str, names: &str) -> Pair {
        self.made(name, Kind::P256, 90, names)
    }

    fn made(&self, name: &str, kind: Kind, days: i32, names: &str) -> Pair {
        let at = |end: &str| format!("{name}.{end}");
        let (key, csr, ext, out) = (at("key"), at("csr"), at("ext"), at("pem"));
        self.make_key(&key, kind);
        let subject = format!("/CN={name}");
        self.openssl(["req", "-new", "-key", &key, "-subj", &subject, "-out", &csr]);
        self.write(&ext, &format!("subjectAltName={names}\nextendedKeyUsage=serverAuth,clientAuth\n"));
        let days = days.to_string();
        let sign = ["x509", "-req", "-in", &csr, "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"];
        self.openssl(sign.into_iter().chain(["-days", &days, "-extfile", &ext, "-out", &out]));
        Pair { certificate: self.at(&out), key: self.at(&key) }
    }

    /// A revocation list with these certificates on it.
    pub fn revoking(&self, pairs: &[&Pair]) -> PathBuf {
        for pair in pairs {
            self.openssl(["ca", "-config", "ca.cnf", "-revoke", &pair.certificate.display().to_string()]);
        }
        self.openssl(["ca", "-config", "ca.cnf", "-gencrl", "-out", "crl.pem"]);
        self.at("crl.pem")
    }

    /// A path among its files.
    pub fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn make_key(&self, name: &str, kind: Kind) {
        let kind: &[&str] = match kind {
            Kind::P256 => &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
            Kind::Ed25519 => &["-algorithm", "ED25519"],
            Kind::Rsa => &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
            Kind::Sm2 => &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:SM2"],
        };
        self.openssl(["genpkey", "-out", name].iter().chain(kind).copied());
        fs::set_permissions(self.at(name), fs::Permissions::from_mode(0o600)).unwrap();
    }

    fn write(&self, name: &str, content: &str) {
        fs::write(self.at(name), content).unwrap();
    }

    fn openssl<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) {
        let arguments: Vec<_> = arguments.into_iter().collect();
        let said = Command::new("openssl").args(&arguments).current_dir(self.folder.path()).output().unwrap();
        assert!(said.status.success(), "openssl {arguments:?}: {}", String::from_utf8_lossy(&said.stderr));
    }
}

impl Pair {
    /// Puts a copy of both where a daemon looks, each in one step as careful operators do.
    pub fn install(&self, certificate: &Path, key: &Path) {
        swap(&self.key, key);
        swap(&self.certificate, certificate);
    }
}

/// Puts a copy of a file in another's place in one step.
pub fn swap(from: &Path, to: &Path) {
    let part = to.with_extension("part");
    // The mode is copied too.
    fs::copy(from, &part).unwrap();
    fs::rename(&part, to).unwrap();
}
