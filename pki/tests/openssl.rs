//! Both ways with OpenSSL: it reads and verifies what we issue, and we read and verify what it issues.
//!
//! Its chain check hands the SM2 user id to the leaf only, so SM2 is checked link by link; `openssl crl` takes no user id
//! at all, so the signature on an SM2 list (and on a root) is checked with `openssl dgst` over the signed part.

#![allow(clippy::unwrap_used, reason = "a test says what went wrong by failing")]

use std::{
    convert::Infallible,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};
use yinxin_pki::{
    der::{Reader, tag},
    sign::{P256Key, PublicKey, Signer, VerifyError},
    sm2,
    time::Timestamp,
    x509::{
        Cert, Crl, Field, KeyUsage, Reason, Request, Revoked, Subject,
        issue::{self, CrlOrder, Issuer, Order, Points, Serial},
        path::{self, Material, Purpose, Revocation},
        pem,
        profile::{self, Profile},
    },
};

const ID: &str = "distid:1234567812345678";

/// A folder of its own for a test, removed at the end; `None`, said aloud, where there is no OpenSSL with SM2.
struct Bench(PathBuf);

impl Bench {
    fn new(test: &str) -> Option<Self> {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{test}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let bench = Self(folder);
        let found = Command::new("openssl").args(["list", "-public-key-algorithms"]).output();
        if found.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains("SM2")) {
            return Some(bench);
        }
        eprintln!("SKIPPED: no openssl that knows SM2");
        None
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.0.join(name), content).unwrap();
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.0.join(name)).unwrap()
    }

    fn try_run(&self, arguments: &[&str]) -> Output {
        Command::new("openssl").args(arguments).current_dir(&self.0).output().unwrap()
    }

    /// Runs `openssl`, which must succeed; both of its streams.
    fn run(&self, arguments: &[&str]) -> String {
        let output = self.try_run(arguments);
        let says = [output.stdout, output.stderr].concat();
        let says = String::from_utf8_lossy(&says).into_owned();
        assert!(output.status.success(), "openssl {arguments:?}: {says}");
        says
    }

    /// The signature of something signed, over its signed part as it stands, under the public key in `key.pem`.
    fn check_signature(&self, der: &[u8], digest: &str, key: &PublicKey) {
        let mut parts = Reader::whole(der, tag::SEQUENCE).unwrap().reader();
        self.write("body", parts.any().unwrap().raw);
        parts.any().unwrap();
        self.write("value", parts.bits().unwrap());
        let spki = yinxin_pki::x509::write_public_key(key);
        self.write("key.pem", pem::encode(&spki, "PUBLIC KEY"));
        let mut arguments = vec!["dgst", digest, "-verify", "key.pem", "-signature", "value"];
        if matches!(key, PublicKey::Sm2(_)) {
            arguments.extend(["-sigopt", ID]);
        }
        arguments.push("body");
        assert!(self.run(&arguments).contains("Verified OK"));
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A deterministic source: a counter.
struct Steps(u64);

impl rand_core::TryRng for Steps {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        self.try_next_u64().map(|word| word as u32)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        self.0 = self.0.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        Ok(self.0)
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        for octet in out {
            *octet = (self.try_next_u64()? >> 33) as u8;
        }
        Ok(())
    }
}

impl rand_core::TryCryptoRng for Steps {}

fn instant(text: &str) -> Timestamp {
    Timestamp::parse_rfc3339(text).unwrap()
}

fn subject(common_name: &str) -> Subject {
    Subject::new()
        .with(Field::Country, "CN")
        .and_then(|subject| subject.with(Field::Organization, "某市大数据局"))
        .and_then(|subject| subject.with(Field::SerialNumber, "53011200000556"))
        .and_then(|subject| subject.with(Field::CommonName, common_name))
        .unwrap()
}

fn sm2_key(rng: &mut Steps) -> Box<dyn Signer> {
    Box::new(sm2::PrivateKey::generate(rng).unwrap())
}

fn p256_key(_: &mut Steps) -> Box<dyn Signer> {
    Box::new(P256Key::from_pkcs8(&P256Key::generate().unwrap()).unwrap())
}

/// A certificate of ours, named after its profile, with the key that goes with it.
struct Made {
    cert: Cert,
    signer: Box<dyn Signer>,
}

fn make(
    profile: &'static Profile,
    signer: Box<dyn Signer>,
    issuer: Option<&Made>,
    years: i64,
    rng: &mut Steps,
) -> Made {
    let (key, subject, serial) = (signer.public_key(), subject(profile.name), Serial::generate(rng));
    let not_before = instant("2026-01-01T00:00:00Z");
    let points = Points {
        crl_url: Some("http://pki.example.gov.cn/ca.crl"),
        issuer_url: Some("http://pki.example.gov.cn/ca.cer"),
        hosts: if profile.hosts { &["seal.example.gov.cn", "127.0.0.1"] } else { &[] },
    };
    let not_after = not_before.plus_days(365 * years);
    let order =
        Order { profile, subject: &subject, key: &key, serial: &serial, not_before, not_after, points };
    let cert = match issuer {
        Some(issuer) => {
            issue::certificate(&order, &Issuer { cert: &issuer.cert, signer: &*issuer.signer }, rng)
        }
        None => issue::self_signed(&order, &*signer, rng),
    };
    Made { cert: cert.unwrap(), signer }
}

type KeyMaker = fn(&mut Steps) -> Box<dyn Signer>;

#[test]
fn openssl_verifies_what_we_issue_link_by_link() {
    let Some(bench) = Bench::new("issued") else { return };
    let kinds: [(&str, KeyMaker, &str); 2] = [("SM2", sm2_key, "-sm3"), ("prime256v1", p256_key, "-sha256")];
    for (curve, key, digest) in kinds {
        let rng = &mut Steps(1);
        let root = make(&profile::ROOT, key(rng), None, 20, rng);
        let ca = make(&profile::ISSUING_CA, key(rng), Some(&root), 10, rng);
        bench.check_signature(root.cert.der(), digest, &root.signer.public_key());
        bench.write("root.pem", root.cert.to_pem());
        bench.write("ca.pem", ca.cert.to_pem());
        link(&bench, "root.pem", "ca.pem", "any");
        let text = bench.run(&["x509", "-in", "ca.pem", "-noout", "-text"]);
        for line in
            ["CA:TRUE, pathlen:0", "Certificate Sign, CRL Sign", "http://pki.example.gov.cn/ca.crl", curve]
        {
            assert!(text.contains(line), "{line} in {text}");
        }
        for (profile, purpose, line) in [
            (&profile::SEAL_MAKER, "any", "Digital Signature, Non Repudiation"),
            (&profile::SIGNER, "any", "CA:FALSE"),
            (
                &profile::TSA,
                "timestampsign",
                "X509v3 Extended Key Usage: critical\n                Time Stamping",
            ),
            (&profile::TLS_SERVER, "sslserver", "DNS:seal.example.gov.cn, IP Address:127.0.0.1"),
        ] {
            let leaf = make(profile, key(rng), Some(&ca), 1, rng);
            bench.write("leaf.pem", leaf.cert.to_pem());
            link(&bench, "ca.pem", "leaf.pem", purpose);
            let text = bench.run(&["x509", "-in", "leaf.pem", "-noout", "-text"]);
            assert!(text.contains(line), "{line} in {text}");
        }
    }
}

/// The user id as an option, for SM2 keys only: others refuse it.
fn check_options(key: &PublicKey) -> &'static [&'static str] {
    if matches!(key, PublicKey::Sm2(_)) { &["-vfyopt", ID] } else { &[] }
}

/// `-x509_strict` holds the certificate to RFC 5280.
fn link(bench: &Bench, issuer: &str, cert: &str, purpose: &str) {
    let at = instant("2026-06-01T00:00:00Z").seconds().to_string();
    let key = Cert::parse_pem_or_der(&bench.read(issuer)).unwrap().public_key().cloned().unwrap();
    let fixed =
        ["verify", "-x509_strict", "-partial_chain", "-attime", &at, "-purpose", purpose, "-trusted", issuer];
    let says = bench.run(&[&fixed[..], check_options(&key), &[cert]].concat());
    assert!(says.contains(": OK"), "{says}");
}

#[test]
fn openssl_reads_our_lists_and_finds_the_revoked() {
    let Some(bench) = Bench::new("lists") else { return };
    let kinds: [(KeyMaker, &str); 2] = [(sm2_key, "-sm3"), (p256_key, "-sha256")];
    for (key, digest) in kinds {
        let rng = &mut Steps(2);
        let ca = make(&profile::ROOT, key(rng), None, 10, rng);
        let leaf = make(&profile::SIGNER, key(rng), Some(&ca), 1, rng);
        let gone = Revoked { at: instant("2026-03-01T00:00:00Z"), reason: Reason::KeyCompromise };
        let revoked = [(leaf.cert.serial().to_vec(), gone)];
        let (this_update, next_update) = (instant("2026-03-02T00:00:00Z"), instant("2026-07-02T00:00:00Z"));
        let order = CrlOrder { number: 42, this_update, next_update, revoked: &revoked };
        let list = issue::crl(&order, &Issuer { cert: &ca.cert, signer: &*ca.signer }, rng).unwrap();
        bench.check_signature(list.der(), digest, &ca.signer.public_key());
        bench.write("list.pem", list.to_pem());
        bench.write("ca.pem", ca.cert.to_pem());
        bench.write("leaf.pem", leaf.cert.to_pem());
        let text = bench.run(&["crl", "-in", "list.pem", "-noout", "-text"]);
        for line in ["X509v3 CRL Number: \n                42", "Key Compromise", "Mar  1 00:00:00 2026 GMT"]
        {
            assert!(text.contains(line), "{line} in {text}");
        }
        if digest == "-sha256" {
            assert!(
                bench.run(&["crl", "-in", "list.pem", "-CAfile", "ca.pem", "-noout"]).contains("verify OK")
            );
            let at = instant("2026-06-01T00:00:00Z").seconds().to_string();
            let output = bench.try_run(&[
                "verify",
                "-attime",
                &at,
                "-crl_check",
                "-CRLfile",
                "list.pem",
                "-trusted",
                "ca.pem",
                "leaf.pem",
            ]);
            let says = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(says.contains("certificate revoked"), "{says}");
        }
    }
}

#[test]
fn openssl_accepts_our_requests() {
    let Some(bench) = Bench::new("requests") else { return };
    let kinds: [KeyMaker; 2] = [sm2_key, p256_key];
    for key in kinds {
        let rng = &mut Steps(3);
        for profile in [None, Some(&profile::TSA)] {
            let signer = key(rng);
            let request = Request::make(&subject("某单位公章"), profile, &*signer, rng).unwrap();
            bench.write("request.pem", request.to_pem());
            let fixed = ["req", "-in", "request.pem", "-verify", "-noout", "-text"];
            let says = bench.run(&[&fixed[..], check_options(&signer.public_key())].concat());
            assert!(says.contains("verify OK"), "{says}");
            assert_eq!(says.contains("Time Stamping"), profile.is_some());
        }
    }
}

/// What OpenSSL is told for a kind of key: how to make it, the digest, and the options to sign and check with.
struct Kind {
    name: &'static str,
    key: &'static [&'static str],
    digest: &'static str,
    sign: &'static [&'static str],
    check: &'static [&'static str],
}

const KINDS: [Kind; 5] = [
    Kind {
        name: "SM2",
        key: &["-algorithm", "SM2"],
        digest: "sm3",
        sign: &["-sigopt", ID],
        check: &["-vfyopt", ID],
    },
    Kind {
        name: "P-256",
        key: &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
        digest: "sha256",
        sign: &[],
        check: &[],
    },
    Kind {
        name: "P-384",
        key: &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"],
        digest: "sha384",
        sign: &[],
        check: &[],
    },
    Kind { name: "RSA", key: &["-algorithm", "RSA"], digest: "sha256", sign: &[], check: &[] },
    Kind {
        name: "RSA",
        key: &["-algorithm", "RSA"],
        digest: "sha256",
        sign: &["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:-1"],
        check: &[],
    },
];

/// A root with a leaf and a list, in files `root.pem`, `request.pem`, `leaf.pem`, `list.pem`.
fn made_by_openssl(bench: &Bench, kind: &Kind) {
    let digest = format!("-{}", kind.digest);
    for key in ["root.key", "leaf.key"] {
        bench.run(&[&["genpkey", "-out", key], kind.key].concat());
    }
    let root = [
        "req",
        "-x509",
        "-new",
        "-key",
        "root.key",
        &digest,
        "-utf8",
        "-subj",
        "/C=CN/O=某市/CN=根",
        "-days",
    ];
    let uses = ["3650", "-addext", "keyUsage=critical,keyCertSign,cRLSign", "-out", "root.pem"];
    bench.run(&[&root[..], &uses, kind.sign].concat());
    let request =
        ["req", "-new", "-key", "leaf.key", &digest, "-utf8", "-subj", "/C=CN/O=某市/CN=某单位公章"];
    let wish = ["-addext", "keyUsage=digitalSignature", "-out", "request.pem"];
    bench.run(&[&request[..], &wish, kind.sign].concat());
    bench.write(
        "uses.cnf",
        "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature,nonRepudiation\n",
    );
    let leaf = [
        "x509",
        "-req",
        "-in",
        "request.pem",
        "-CA",
        "root.pem",
        "-CAkey",
        "root.key",
        &digest,
        "-days",
        "365",
    ];
    let uses = ["-extfile", "uses.cnf", "-set_serial", "0x9A01", "-out", "leaf.pem"];
    bench.run(&[&leaf[..], &uses, kind.sign, kind.check].concat());
    bench.write("index.txt", "R\t361231000000Z\t260101000000Z,keyCompromise\t9A01\tunknown\t/CN=x\n");
    bench.write("number", "2A\n");
    bench.write("ca.cnf", "[ca]\ndefault_ca=own\n[own]\ndatabase=index.txt\ncrlnumber=number\n");
    let list = [
        "ca",
        "-config",
        "ca.cnf",
        "-gencrl",
        "-keyfile",
        "root.key",
        "-cert",
        "root.pem",
        "-md",
        kind.digest,
    ];
    bench.run(&[&list[..], &["-crldays", "30", "-out", "list.pem"], kind.sign].concat());
}

#[test]
fn we_verify_what_openssl_issues() {
    let Some(bench) = Bench::new("theirs") else { return };
    for kind in &KINDS {
        made_by_openssl(&bench, kind);
        let request = Request::parse_pem_or_der(&bench.read("request.pem")).unwrap();
        assert_eq!(request.public_key().kind(), kind.name);
        assert_eq!(request.subject().to_string(), "C=CN,O=某市,CN=某单位公章");
        assert_eq!(request.key_usage(), Some(KeyUsage::DIGITAL_SIGNATURE));
        let root = Cert::parse_pem_or_der(&bench.read("root.pem")).unwrap();
        let leaf = Cert::parse_pem_or_der(&bench.read("leaf.pem")).unwrap();
        let list = Crl::parse_pem_or_der(&bench.read("list.pem")).unwrap();
        assert_eq!((leaf.public_key(), leaf.subject()), (Some(request.public_key()), request.subject()));
        assert_eq!(list.number(), Some(&[0x2a][..]));
        let (anchors, crls) = ([root], [list]);
        let material = Material { anchors: &anchors, intermediates: &[], crls: &crls };
        let found =
            path::validate(&leaf, &material, leaf.not_before().plus_days(1), Purpose::Signing).unwrap();
        let at = instant("2026-01-01T00:00:00Z");
        assert_eq!(
            found.revocation,
            Revocation::Revoked { at, reason: Reason::KeyCompromise },
            "{}",
            kind.name
        );
        assert_eq!(found.findings, []);
    }
}

#[test]
fn what_rests_on_sha1_is_refused() {
    let Some(bench) = Bench::new("sha1") else { return };
    bench.run(&["genpkey", "-algorithm", "RSA", "-out", "root.key"]);
    let root = ["req", "-x509", "-new", "-key", "root.key", "-sha1", "-subj", "/CN=old", "-out", "root.pem"];
    bench.run(&root);
    let root = Cert::parse_pem_or_der(&bench.read("root.pem")).unwrap();
    let refused = root.verify_signed_by(root.public_key().unwrap());
    assert_eq!(refused, Err(VerifyError::Algorithm("1.2.840.113549.1.1.5".into())));
}
