//! Stamping a one-page PDF of 212 kB with a software key: the library's steps, the whole service over REST, and pyHanko
//! on the same file.
//!
//! The steps are those of `seal::service::stamping`, with its own check (`app::StrictCheck`), and without its database.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a bench that cannot go on ends")]

mod common;

use common::{
    Figures, Subject,
    daemon::{Daemon, Demo},
    peer::Peer,
    take_turns, thread_cpu_ms,
    trust::{NOON, SEAL_MM, World, rng, time},
};
use std::{cell::RefCell, fs, time::Instant};
use yinxin::{
    app::StrictCheck,
    document::{
        pdf::{self, Placement, SignatureKind, StampNames},
        png,
    },
    seal::{Asked, Chain, ProductCheck as _},
};
use yinxin_pki::{
    budget::Budget,
    ses::StampDraft,
    sign::{PublicKey, SignInput, Signer},
    sm2,
    x509::Cert,
};

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/pdf/one-page.pdf");
const ROUNDS: usize = 21;

fn main() {
    let mut figures = Figures::of("stamp");
    let document = fs::read(DOCUMENT).unwrap();
    let world = World::new();
    let chain = world.chain();
    let folder = tempfile::tempdir().unwrap();
    let picture = folder.path().join("seal.png");
    fs::write(&picture, &world.png).unwrap();
    let peer = Peer::start(DOCUMENT.as_ref(), &picture).map(RefCell::new);
    figures.tell("document", document.len() as f64 / 1e3, "kB");

    let mut steps = vec![0.0; STEPS.len()];
    let mut stamps = 0_u32;
    let mut subjects = vec![Subject::here("library", 20, || {
        let mut clock = Steps { before: thread_cpu_ms(), spent: Vec::with_capacity(STEPS.len()) };
        let product = stamp(&document, &world, &chain, &mut clock);
        assert!(product.starts_with(&document));
        stamps += 1;
        steps.iter_mut().zip(clock.spent).for_each(|(sum, spent)| *sum += spent);
    })];
    subjects.push(Subject::here("nothing remembered", 20, || {
        sm2::forget_held();
        let mut clock = Steps { before: 0.0, spent: Vec::new() };
        stamp(&document, &world, &world.chain(), &mut clock);
    }));
    if let Some(peer) = &peer {
        println!("  peer: {}", peer.borrow().version);
        subjects.push(Subject::batches("stamp", || peer.borrow_mut().batch("stamp", 2)));
        subjects.push(Subject::batches("bare", || peer.borrow_mut().batch("bare", 2)));
    }
    take_turns(ROUNDS, &mut subjects);
    let medians: Vec<f64> = subjects.iter().map(Subject::median).collect();
    drop(subjects);

    figures.at_most("library, CPU of a stamp", medians[0], 1.0, "ms");
    figures.tell("library, no signature remembered (a first stamp)", medians[1], "ms");
    for (name, spent) in STEPS.iter().zip(&steps) {
        figures.tell(&format!("  of which {name} (mean)"), spent / f64::from(stamps), "ms");
    }
    if let [ours, _, stamp, bare] = medians[..] {
        figures.tell("pyHanko, P-256, the same picture, CPU of a stamp", stamp, "ms");
        figures.tell("pyHanko, P-256, no picture, CPU of a signature", bare, "ms");
        figures.at_least("pyHanko's CPU to ours, with the picture", stamp / ours, 30.0, "times");
        figures.at_least("pyHanko's CPU without one to ours with", bare / ours, 30.0, "times");
    }
    over_rest(&document, &mut figures);
    figures.end();
}

const STEPS: [&str; 9] = [
    "picture",
    "open and prepare",
    "digests",
    "draft",
    "e of the stamp",
    "SM2 signature, checked",
    "assemble and embed",
    "own strict check",
    "digest of the product",
];

/// CPU time of one stamp, step by step.
struct Steps {
    before: f64,
    spent: Vec<f64>,
}

impl Steps {
    fn done(&mut self) {
        let now = thread_cpu_ms();
        self.spent.push(now - self.before);
        self.before = now;
    }
}

/// What the service does for one stamp, between its database and its socket.
fn stamp(document: &[u8], world: &World, chain: &Chain, clock: &mut Steps) -> Vec<u8> {
    let side_um = SEAL_MM * 1000;
    let appearance = png::appearance(&world.png, side_um, side_um, &png::Limits::default()).unwrap();
    clock.done();
    let names = StampNames {
        kind: SignatureKind::SesSeal,
        reason: Some("用印".into()),
        location: None,
        signed_at: "D:20261121120000+08'00'".into(),
    };
    let placement = Placement { page: 1, x_mm: 148.0, y_mm: 222.0 };
    let room = world.esl.len() + world.owner.cert.der().len() + 1024;
    let file = pdf::open(document, &pdf::Limits::default()).unwrap();
    let prepared = file.prepare(&placement, &appearance, &names, room).unwrap();
    clock.done();
    let digests = prepared.digests();
    clock.done();
    let draft = StampDraft {
        seal: &world.esl,
        time: time(NOON),
        digest: digests.signed,
        property: "PDF ByteRange; field Stamp1",
        ext_data: &[],
    };
    let stamp = draft.prepare().unwrap();
    clock.done();
    let cert = Cert::parse(world.owner.cert.der()).unwrap();
    let Some(PublicKey::Sm2(key)) = cert.public_key() else { panic!("an SM2 key") };
    let e = key.digest_recurring(stamp.to_be_signed());
    clock.done();
    let value = Signer::sign(&world.owner.key, SignInput::Sm2Digest(&e), rng().as_dyn()).unwrap();
    clock.done();
    let value = stamp.assemble(cert.der(), &value, None).unwrap();
    let product = prepared.embed(&value).unwrap();
    clock.done();
    let asked = Asked { chain, at: time(NOON), budget: &Budget::unlimited() };
    StrictCheck.stamped_pdf(&product, &digests.signed, &asked).unwrap();
    clock.done();
    digests.product(&product);
    clock.done();
    product
}

/// The real service: HTTP, right of the officer, register, audit, two durable commits, the stamp between them.
fn over_rest(document: &[u8], figures: &mut Figures) {
    const STAMPS: u32 = 100;
    let demo = Demo::new();
    let daemon = Daemon::start(demo.path());
    let path = format!("/api/v1/stamps?seal={}&page=1&x_mm=148&y_mm=222", demo.seal());
    let key = fs::read_to_string(demo.operator()).unwrap();
    let headers = format!("Authorization: Bearer {}\r\nContent-Type: application/pdf\r\n", key.trim());
    let mut walls = Vec::new();
    let mut cpus = Vec::new();
    for round in 0..=5 {
        let before = daemon.cpu_ms();
        for _ in 0..STAMPS {
            let start = Instant::now();
            let (status, body) = daemon.ask("POST", &path, &headers, document).unwrap();
            assert_eq!(status, 201, "{}", String::from_utf8_lossy(&body));
            walls.push(common::wall_ms(start));
        }
        if round > 0 {
            cpus.push((daemon.cpu_ms() - before) / f64::from(STAMPS));
        }
    }
    figures.tell("service over REST, CPU of a stamp (all threads)", common::median(&cpus), "ms");
    figures.tell("service over REST, a stamp on the wall, one client", common::median(&walls), "ms");
    figures.tell("service after 600 stamps, resident", daemon.memory_mib("VmRSS"), "MiB");
}
