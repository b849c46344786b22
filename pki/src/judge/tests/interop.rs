//! Signed data and tokens of other people's software, and ours read by theirs.

use super::{
    letters,
    pki::{self, STAMPED_AT, WORLD, time},
    question,
};
use crate::{
    judge::{self, Kind, kind_of},
    tsp::Request,
    x509::{Cert, path::Material, samples::sample},
};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// A scratch folder that is removed when the test ends.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("yinxin-judge-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.0.join(name), bytes).unwrap();
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.0.join(name)).unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Runs OpenSSL in a folder; `None`, said aloud, where it is not installed. Anything but success fails the test.
fn openssl(folder: &Path, arguments: &str) -> Option<String> {
    let run = Command::new("openssl").current_dir(folder).args(arguments.split(' ')).output();
    let Ok(output) = run else {
        eprintln!("SKIPPED: openssl is not here");
        return None;
    };
    let says =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "openssl {arguments}: {says}");
    Some(says)
}

/// `/ByteRange` and `/Contents` of the first signature in a PDF, as far as these samples need it.
fn signature_of_pdf(file: &[u8]) -> (Vec<u8>, [&[u8]; 2]) {
    let find = |needle: &[u8], from: usize| {
        from + file[from..].windows(needle.len()).position(|window| window == needle).unwrap()
    };
    let ranges = find(b"/ByteRange", 0);
    let (open, close) = (find(b"[", ranges) + 1, find(b"]", ranges));
    let text = std::str::from_utf8(&file[open..close]).unwrap();
    let n: Vec<usize> = text.split_whitespace().map(|number| number.parse().unwrap()).collect();
    let gap: Vec<u8> = file[n[0] + n[1]..n[2]].iter().copied().filter(u8::is_ascii_hexdigit).collect();
    (hex::decode(gap).unwrap(), [&file[n[0]..n[0] + n[1]], &file[n[2]..n[2] + n[3]]])
}

/// The element at the start, without padding, where its length says where it ends.
fn without_padding(value: &[u8]) -> &[u8] {
    crate::der::Reader::new(value).any().map_or(value, |element| element.raw)
}

/// What is wrong with these files is where the signature sits (another room's business); the signatures themselves hold.
#[test]
fn signatures_of_sample_pdfs_hold_without_being_trusted() {
    for name in ["dss-hide.pdf", "dss-modified_after_signature.pdf", "pyhanko-tail-uncovered.pdf"] {
        let Some(file) = sample(name) else { return };
        let (value, parts) = signature_of_pdf(&file);
        assert_eq!(kind_of(without_padding(&value)), Kind::Cms, "{name}");
        let report = judge::cms(without_padding(&value), &parts, &question(Material::default()));
        let letters = letters(&report);
        assert!(letters.starts_with("-p--"), "{name}: {report:#?}");
        assert_eq!(letters.chars().nth(6), Some('p'), "{name}: {report:#?}");
    }
}

const CONFIG: &str = "[req]\ndistinguished_name=dn\nprompt=no\n[dn]\nCN=tester\n\
[signer]\nbasicConstraints=critical,CA:false\nkeyUsage=critical,digitalSignature\n\
[authority]\nbasicConstraints=critical,CA:false\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=critical,timeStamping\n\
[tsa]\ndefault_tsa=one\n[one]\nserial=serial\ncerts=signer.pem\nsigner_cert=signer.pem\nsigner_key=key.pem\n\
default_policy=1.2.3.4\ndigests=sha256,sha384,sha512\nsigner_digest=sha256\naccuracy=secs:1\ness_cert_id_alg=sha256\n";

/// A self-signed certificate by OpenSSL, trusted as it is; valid now and for long, by the machine's clock.
fn made_by_openssl(scratch: &Scratch, key: &str, section: &str) -> Option<Cert> {
    scratch.write("config", CONFIG);
    scratch.write("serial", "01\n");
    openssl(&scratch.0, &format!("genpkey {key} -out key.pem"))?;
    let request = "req -x509 -config config -key key.pem -days 3650 -sha256 -out signer.pem -extensions";
    openssl(&scratch.0, &format!("{request} {section}"))?;
    Some(Cert::parse_pem_or_der(&scratch.read("signer.pem")).unwrap())
}

const KEYS: [&str; 3] = [
    "-algorithm RSA -pkeyopt rsa_keygen_bits:2048",
    "-algorithm EC -pkeyopt ec_paramgen_curve:P-256",
    "-algorithm EC -pkeyopt ec_paramgen_curve:P-384",
];

#[test]
fn signed_data_by_openssl_pass_attached_detached_and_streamed() {
    let content = b"a document of theirs";
    for (index, key) in KEYS.iter().enumerate() {
        let scratch = Scratch::new(&format!("cms-{index}"));
        let Some(cert) = made_by_openssl(&scratch, key, "signer") else { return };
        scratch.write("content", content);
        let later = cert.not_before().plus_days(1);
        let anchors = [cert];
        let asked = judge::Question {
            judged_at: later,
            ..question(Material { anchors: &anchors, ..Default::default() })
        };
        for options in
            ["", " -nodetach", " -nodetach -stream", " -keyid", " -cades", " -noattr", " -md sha384"]
        {
            let sign =
                "cms -sign -binary -in content -signer signer.pem -inkey key.pem -outform DER -out signed";
            openssl(&scratch.0, &format!("{sign}{options}"));
            let signed = scratch.read("signed");
            assert_eq!(kind_of(&signed), Kind::Cms);
            let report = judge::cms(&signed, &[&content[..4], &content[4..]], &asked);
            // ECDSA with SHA-384 over P-256 names its digest in a way of its own; all others pass.
            assert_eq!(letters(&report), "-p--ppp-", "{key}{options}: {report:#?}");
            let other = letters(&judge::cms(&signed, &[b"another"], &asked));
            assert!(other.contains('F') && other.ends_with("F-"), "{key}{options}: {other}");
        }
    }
}

#[test]
fn tokens_by_openssl_pass() {
    for (index, key) in KEYS.iter().enumerate() {
        let scratch = Scratch::new(&format!("tsp-{index}"));
        let Some(cert) = made_by_openssl(&scratch, key, "authority") else { return };
        for digest in ["sha256", "sha512"] {
            scratch.write("content", b"abc");
            openssl(&scratch.0, &format!("ts -query -data content -{digest} -cert -out query"));
            let request = Request::parse(&scratch.read("query")).unwrap();
            openssl(&scratch.0, "ts -reply -config config -section one -queryfile query -out reply");
            let reply = scratch.read("reply");
            let Ok(crate::tsp::Response::Granted(token)) = crate::tsp::Response::parse(&reply) else {
                panic!("openssl grants no token")
            };
            assert!(crate::tsp::Token::parse(token).unwrap().answers(&request));
            let later = cert.not_before().plus_days(1);
            let anchors = [cert.clone()];
            let material = Material { anchors: &anchors, ..Default::default() };
            let asked = judge::Question { judged_at: later, ..question(material) };
            let report = judge::token(token, Some(b"abc"), &asked);
            assert_eq!(letters(&report), "-p--p-p-", "{key} {digest}: {report:#?}");
        }
    }
}

#[test]
fn our_tokens_and_signatures_are_accepted_by_openssl() {
    let scratch = Scratch::new("ours");
    let w = &*WORLD;
    scratch.write("tsa.pem", w.p256_tsa.cert.to_pem());
    scratch.write("content", b"abc");
    // OpenSSL 3.0 cannot be told the user id of SM2 here, so it checks what our P-256 keys signed (their certificates
    // trusted as they are) and reads what SM2 signed.
    let trust = format!("-partial_chain -attime {}", time(STAMPED_AT).seconds());
    if openssl(&scratch.0, "ts -query -data content -sha256 -cert -out query").is_none() {
        return;
    }
    let request = Request::parse(&scratch.read("query")).unwrap();
    let token = pki::token_for(&request, time(STAMPED_AT), &w.p256_tsa);
    scratch.write("reply", crate::tsp::granted(&token));
    openssl(&scratch.0, &format!("ts -verify -queryfile query -in reply -CAfile tsa.pem {trust}"));
    let sm3 = pki::token(b"abc", time(STAMPED_AT), &w.tsa);
    scratch.write("sm3", crate::tsp::granted(&sm3));
    let text = openssl(&scratch.0, "ts -reply -in sm3 -text").unwrap();
    assert!(text.contains("sm3") && text.contains("Nov 20 12:00:00 2026"), "{text}");
    let rejection = crate::tsp::rejection(crate::tsp::Failure::UnacceptedPolicy, "no such policy");
    scratch.write("rejected", rejection);
    let text = openssl(&scratch.0, "ts -reply -in rejected -text").unwrap();
    assert!(text.contains("Rejected") && text.contains("no such policy"), "{text}");
    assert!(text.to_lowercase().contains("policy is not supported"), "{text}");

    scratch.write("signed", pki::signed(b"abc", &w.p256_signer, true));
    let verify = "cms -verify -binary -inform DER -in signed -content content -noverify -out shown";
    openssl(&scratch.0, verify);
    assert_eq!(scratch.read("shown"), b"abc");
}
