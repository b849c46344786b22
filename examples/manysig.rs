//! Scratch.
#![allow(
    clippy::all,
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    dead_code
)]
#[path = "../benches/common/trust.rs"]
mod trust;
use std::time::Instant;
use trust::*;
use yinxin::{
    document::{
        pdf::{self, Placement, SignatureKind, StampNames},
        png,
    },
    verification::{Demand, judge},
};
use yinxin_pki::{
    ses::StampDraft,
    sign::{SignInput, Signer},
};
fn stamp(document: &[u8], world: &World, n: u32) -> Vec<u8> {
    let side_um = SEAL_MM * 1000;
    let appearance = png::appearance(&world.png, side_um, side_um, &png::Limits::default()).unwrap();
    let names = StampNames {
        kind: SignatureKind::SesSeal,
        reason: Some("用印".into()),
        location: None,
        signed_at: "D:20261121120000+08'00'".into(),
    };
    let placement =
        Placement { page: 1, x_mm: 40.0 + (n % 12) as f64 * 10.0, y_mm: 40.0 + (n / 12) as f64 * 8.0 };
    let room = world.esl.len() + world.owner.cert.der().len() + 1024;
    let file = pdf::open(document, &pdf::Limits::default()).unwrap();
    let prepared = file.prepare(&placement, &appearance, &names, room).unwrap();
    let prop = format!("PDF ByteRange; field {}", prepared.field());
    let draft = StampDraft {
        seal: &world.esl,
        time: time(NOON),
        digest: prepared.digest(),
        property: &prop,
        ext_data: &[],
    };
    let stamp = draft.prepare().unwrap();
    let value =
        Signer::sign(&world.owner.key, SignInput::Message(stamp.to_be_signed()), rng().as_dyn()).unwrap();
    prepared.embed(&stamp.assemble(world.owner.cert.der(), &value, None).unwrap()).unwrap()
}
fn main() {
    let world = World::new();
    let trust = world.trust();
    let mut doc = std::fs::read("fixtures/pdf/one-page.pdf").unwrap();
    for n in 1..=250u32 {
        let t = Instant::now();
        let path = format!("/tmp/manysig-{n}.pdf");
        doc = match std::fs::read(&path) {
            Ok(d) => d,
            Err(_) => stamp(&doc, &world, n),
        };
        let made = t.elapsed();
        if [1, 2, 10, 50, 100, 250].contains(&n) {
            std::fs::write(&path, &doc).unwrap();
            let t = Instant::now();
            let limits = pdf::Limits::default();
            let f = pdf::open(&doc, &limits).unwrap();
            let opened = t.elapsed();
            let a = pdf::analysis::signatures(&f, &limits);
            let analysed = t.elapsed() - opened;
            let ok = a.as_ref().map(|a| (a.signatures.len(), a.is_clean()));
            let t2 = Instant::now();
            let mut demand = Demand::new(&trust, time("2026-11-21T06:00:00Z"));
            if let Ok(ms) = std::env::var("CPU_MS") {
                let begun = Instant::now();
                let ms: u128 = ms.parse().unwrap();
                demand.limits.pdf.budget =
                    yinxin_pki::budget::Budget::new(u64::MAX, move || begun.elapsed().as_millis() > ms);
            }
            let report = judge(&doc, &demand);
            println!(
                "{n} signatures {} kB: stamp {made:?} open {opened:?} analysis {analysed:?} {ok:?} judge {:?} {:?} {:?}",
                doc.len() / 1000,
                t2.elapsed(),
                report.verdict,
                report.problems.first()
            );
        }
    }
}
