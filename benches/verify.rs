//! Verifying a stamped one-page PDF of 212 kB: all eight checks, with the revocation list of the issuing authority at
//! hand; with a time stamp and without. Cold: everything from octets, the trust too, and no signature remembered. Warm: the
//! trust was read before, and certificates and seal were met before, as in a service at work.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a bench that cannot go on ends")]

mod common;

use common::{
    Figures, Subject, take_turns,
    trust::{NOON, SEAL_MM, World, rng, time},
};
use std::{fs, hint::black_box};
use yinxin::{
    document::{
        pdf::{self, Placement, SignatureKind, StampNames},
        png,
    },
    verification::{Demand, Trust, judge},
};
use yinxin_pki::{
    report::Verdict,
    ses::{Seal, Stamp, StampDraft},
    sign::{PublicKey, SignInput, Signer},
    sm2, sm3,
    x509::Cert,
};

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/pdf/one-page.pdf");
const ROUNDS: usize = 21;
const BATCH: u32 = 20;

fn main() {
    let mut figures = Figures::of("verify");
    let world = World::new();
    let document = fs::read(DOCUMENT).unwrap();
    let [plain, stamped] = [false, true].map(|with_token| stamp(&document, &world, with_token));
    let trust = world.trust();
    figures.tell("stamped document", plain.len() as f64 / 1e3, "kB");
    let names = [
        "without a time stamp, cold, CPU",
        "without a time stamp, warm, CPU",
        "with a time stamp, cold, CPU",
        "with a time stamp, warm, CPU",
    ];
    let mut subjects = vec![
        Subject::here(names[0], BATCH, || cold(&plain, &world)),
        Subject::here(names[1], BATCH, || check(&plain, &trust)),
        Subject::here(names[2], BATCH, || cold(&stamped, &world)),
        Subject::here(names[3], BATCH, || check(&stamped, &trust)),
    ];
    parts(&plain, &world, &trust, &mut subjects);
    take_turns(ROUNDS, &mut subjects);
    for (at, subject) in subjects.iter().enumerate() {
        match names.get(at) {
            Some(name) => figures.at_most(name, subject.median(), 2.5, "ms"),
            None => figures.tell(subject.name(), subject.median(), "ms"),
        }
    }
    drop(subjects);
    figures.end();
}

/// Judges, and holds the report to what it has to say.
fn check(file: &[u8], trust: &Trust) {
    let report = judge(file, &Demand::new(trust, time("2026-11-21T06:00:00Z")));
    assert_eq!(report.verdict, Verdict::Passed, "{report:#?}");
    assert_eq!(report.signatures[0].checks.iter().count(), 8);
}

fn cold(file: &[u8], world: &World) {
    sm2::forget_held();
    check(file, &world.trust());
}

/// What the parts cost, each for itself.
fn parts<'a>(file: &'a [u8], world: &'a World, trust: &'a Trust, subjects: &mut Vec<Subject<'a>>) {
    let limits = pdf::Limits::default();
    let cert: &'a Cert = &world.owner.cert;
    let Some(PublicKey::Sm2(key)) = trust.intermediates[0].public_key() else { panic!("an SM2 key") };
    let signer = PublicKey::Sm2(key.clone());
    subjects.push(Subject::here("  part: SM3 of the file", BATCH, move || {
        black_box(sm3::digest(file));
    }));
    subjects.push(Subject::here("  part: opening and structure of the PDF", BATCH, move || {
        let opened = pdf::open(file, &limits).unwrap();
        black_box(pdf::analysis::signatures(&opened, &limits).unwrap());
    }));
    subjects.push(Subject::here(
        "  part: reading one certificate, checking its signature",
        BATCH,
        move || {
            sm2::forget_held();
            Cert::parse(cert.der()).unwrap().verify_signed_by(&signer).unwrap();
        },
    ));
    subjects.push(Subject::here("  part: reading one certificate", BATCH, move || {
        black_box(Cert::parse(cert.der()).unwrap());
    }));
    let limits = pdf::Limits::default();
    let opened = pdf::open(file, &limits).unwrap();
    let value = pdf::analysis::signatures(&opened, &limits).unwrap().signatures.remove(0).value;
    subjects.push(Subject::here("  part: reading the stamp and its seal", BATCH, move || {
        let stamp = Stamp::parse(&value).unwrap();
        black_box(Seal::parse(&world.esl).unwrap());
        black_box(stamp.to_be_signed());
    }));
}

fn stamp(document: &[u8], world: &World, with_token: bool) -> Vec<u8> {
    let side_um = SEAL_MM * 1000;
    let appearance = png::appearance(&world.png, side_um, side_um, &png::Limits::default()).unwrap();
    let names = StampNames {
        kind: SignatureKind::SesSeal,
        reason: Some("用印".into()),
        location: None,
        signed_at: "D:20261121120000+08'00'".into(),
    };
    let placement = Placement { page: 1, x_mm: 148.0, y_mm: 222.0 };
    let room = world.esl.len() + world.owner.cert.der().len() + 5120;
    let file = pdf::open(document, &pdf::Limits::default()).unwrap();
    let prepared = file.prepare(&placement, &appearance, &names, room).unwrap();
    let draft = StampDraft {
        seal: &world.esl,
        time: time(NOON),
        digest: prepared.digest(),
        property: "PDF ByteRange; field Stamp1",
        ext_data: &[],
    };
    let stamp = draft.prepare().unwrap();
    let signed = SignInput::Message(stamp.to_be_signed());
    let value = Signer::sign(&world.owner.key, signed, rng().as_dyn()).unwrap();
    let token = with_token.then(|| world.token(&value));
    let value = stamp.assemble(world.owner.cert.der(), &value, token.as_deref()).unwrap();
    prepared.embed(&value).unwrap()
}
