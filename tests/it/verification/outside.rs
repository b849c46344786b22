//! What others say of the same files: `pdfsig` (Poppler) and pyHanko agree with us on PAdES signatures, honest and broken.

use super::{
    fixture, fixture_path,
    world::{JUDGED_AT, time},
};
use std::{
    path::Path,
    process::{Command, Output},
};
use yinxin::verification::{Demand, Trust, judge};
use yinxin_pki::report::{CheckId, Outcome};

/// Runs a tool; `None`, said loudly, where it is not here.
fn tool(command: &mut Command) -> Option<Output> {
    let name = command.get_program().to_string_lossy().into_owned();
    match command.output() {
        Ok(output) => Some(output),
        Err(_) => {
            eprintln!("SKIPPED: {name} is not here");
            None
        }
    }
}

/// The fixture, and the same with one octet of its page changed.
fn honest_and_broken(kind: &str) -> [(Vec<u8>, bool); 2] {
    let honest = fixture(&format!("{kind}-signed.pdf"));
    let mut broken = honest.clone();
    let at = broken.windows(6).position(|window| window == b"stream").unwrap() + 20;
    broken[at] ^= 1;
    [(honest, true), (broken, false)]
}

/// Whether signature and digest hold for us.
fn holds(bytes: &[u8], root: &[u8]) -> bool {
    let mut trust = Trust::default();
    trust.add_anchors(root).unwrap();
    let report = judge(bytes, &Demand::new(&trust, time(JUDGED_AT)));
    let signature = &report.signatures[0];
    [CheckId::StampSignature, CheckId::DocumentDigest]
        .iter()
        .all(|id| signature.checks.outcome(*id) == Outcome::Passed)
}

#[test]
fn poppler_agrees_on_signatures_by_others() {
    let scratch = tempfile::tempdir().unwrap();
    for kind in ["rsa", "ecdsa"] {
        for (bytes, expected) in honest_and_broken(kind) {
            let file = scratch.path().join("signed.pdf");
            std::fs::write(&file, &bytes).unwrap();
            let Some(output) = tool(Command::new("pdfsig").arg("-nocert").arg(&file)) else { return };
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            if said.is_empty() {
                eprintln!("SKIPPED: pdfsig says nothing: {}", String::from_utf8_lossy(&output.stderr));
                return;
            }
            assert_eq!(said.contains("Signature is Valid."), expected, "{kind}: {said}");
            assert_eq!(holds(&bytes, &fixture(&format!("{kind}-root.pem"))), expected, "{kind}");
        }
    }
}

/// Prints whether the first signature is intact, valid and trusted.
const PYHANKO: &str = "
import sys
from pyhanko.keys import load_cert_from_pemder
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.validation import validate_pdf_signature
from pyhanko_certvalidator import ValidationContext
root = load_cert_from_pemder(sys.argv[2])
with open(sys.argv[1], 'rb') as file:
    signature = PdfFileReader(file).embedded_signatures[0]
    status = validate_pdf_signature(signature, ValidationContext(trust_roots=[root]))
    print(status.intact and status.valid and status.trusted)
";

#[test]
fn pyhanko_agrees_on_signatures_by_others() {
    let scratch = tempfile::tempdir().unwrap();
    let here = tool(Command::new("python3").args(["-c", "import pyhanko.sign.validation"]));
    if !here.is_some_and(|output| output.status.success()) {
        eprintln!("SKIPPED: pyHanko is not here");
        return;
    }
    for kind in ["rsa", "ecdsa"] {
        let root = fixture_path(&format!("{kind}-root.pem"));
        for (bytes, expected) in honest_and_broken(kind) {
            let file = scratch.path().join("signed.pdf");
            std::fs::write(&file, &bytes).unwrap();
            assert_eq!(pyhanko(&file, &root), expected, "{kind}");
            assert_eq!(holds(&bytes, &fixture(&format!("{kind}-root.pem"))), expected, "{kind}");
        }
    }
}

fn pyhanko(file: &Path, root: &Path) -> bool {
    let output = Command::new("python3").args(["-c", PYHANKO]).arg(file).arg(root).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    assert!(["True", "False"].contains(&said.as_str()), "{said} {}", String::from_utf8_lossy(&output.stderr));
    said == "True"
}
