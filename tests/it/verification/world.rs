//! A trust of our own: root, authority, and whoever signs; seals made with it, and PDFs stamped with them.

use std::sync::{Arc, LazyLock};
use yinxin::{
    base::{
        Timestamp,
        entropy::{Rng, SeededEntropy},
    },
    document::{
        appearance::Appearance,
        pdf::{self, Placement, SignatureKind, StampNames},
        png,
    },
    verification::Trust,
};
use yinxin_pki::{
    der, oid,
    ses::{PictureDraft, SealDraft, SignersDraft, StampDraft, Version},
    sign::{SignInput, Signer},
    sm2::PrivateKey,
    sm3,
    tsp::{Request, TokenDraft},
    x509::{
        Cert, Crl, Field, Reason, Revoked, Subject,
        issue::{self, CrlOrder, Issuer, Order, Points, Serial},
        profile::{self, Profile},
    },
};

/// When everything here is judged.
pub const JUDGED_AT: &str = "2026-11-21T00:00:00Z";
/// When everything here is stamped, where a test says nothing else.
pub const STAMPED_AT: &str = "2026-11-20T12:00:00Z";
/// Side of every seal, in millimetres.
pub const SIDE_MM: u8 = 20;

pub fn time(text: &str) -> Timestamp {
    Timestamp::parse_rfc3339(text).unwrap()
}

/// A certificate with its key.
pub struct Party {
    pub cert: Cert,
    key: PrivateKey,
}

impl Party {
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        Signer::sign(&self.key, SignInput::Message(message), rng().as_dyn()).unwrap()
    }
}

pub struct World {
    root: Party,
    pub ca: Party,
    pub maker: Party,
    pub owner: Party,
    pub other: Party,
    /// A signer whose certificate ended before anything was stamped.
    pub former: Party,
    pub tsa: Party,
}

pub static WORLD: LazyLock<World> = LazyLock::new(|| {
    let root = party(&profile::ROOT, "试验根证书", 1, None, "2036-01-01T00:00:00Z");
    let ca = party(&profile::ISSUING_CA, "试验签发机构", 2, Some(&root), "2035-01-01T00:00:00Z");
    let of_ca = |profile, name, seed| party(profile, name, seed, Some(&ca), "2031-01-01T00:00:00Z");
    World {
        maker: of_ca(&profile::SEAL_MAKER, "试验制章中心", 3),
        owner: of_ca(&profile::SIGNER, "某市人民政府", 4),
        other: of_ca(&profile::SIGNER, "别的单位", 5),
        former: party(&profile::SIGNER, "原单位", 6, Some(&ca), "2026-11-01T00:00:00Z"),
        tsa: of_ca(&profile::TSA, "试验时间戳", 7),
        root,
        ca,
    }
});

impl World {
    /// Root, authority, and a list that revokes these.
    pub fn trust(&self, revoked: &[(&Cert, &str)]) -> Trust {
        Trust {
            anchors: vec![self.root.cert.clone()],
            intermediates: vec![self.ca.cert.clone()],
            crls: vec![crl(&self.ca, revoked)],
            ..Trust::default()
        }
    }
}

fn rng() -> Rng {
    Rng::new(Arc::new(SeededEntropy::new(7)))
}

fn crl(ca: &Party, revoked: &[(&Cert, &str)]) -> Crl {
    let entry = |(cert, at): &(&Cert, &str)| {
        (cert.serial().to_vec(), Revoked { at: time(at), reason: Reason::KeyCompromise })
    };
    let revoked: Vec<_> = revoked.iter().map(entry).collect();
    let order = CrlOrder {
        number: 1,
        this_update: time("2026-11-20T23:00:00Z"),
        next_update: time("2027-01-01T00:00:00Z"),
        revoked: &revoked,
    };
    issue::crl(&order, &Issuer { cert: &ca.cert, signer: &ca.key }, rng().as_dyn()).unwrap()
}

fn party(profile: &'static Profile, name: &str, seed: u8, issuer: Option<&Party>, not_after: &str) -> Party {
    let key = PrivateKey::from_bytes(&[seed; 32]).unwrap();
    let subject =
        Subject::new().with(Field::Country, "CN").and_then(|s| s.with(Field::CommonName, name)).unwrap();
    let order = Order {
        profile,
        subject: &subject,
        key: &Signer::public_key(&key),
        serial: &Serial::from_bytes(&[0x40, seed, 1, 2, 3, 4, 5, 6, 7]).unwrap(),
        not_before: time("2026-01-01T00:00:00Z"),
        not_after: time(not_after),
        points: Points::default(),
    };
    let cert = match issuer {
        None => issue::self_signed(&order, &key, rng().as_dyn()),
        Some(issuer) => {
            let issuer = Issuer { cert: &issuer.cert, signer: &issuer.key };
            issue::certificate(&order, &issuer, rng().as_dyn())
        }
    };
    Party { cert: cert.unwrap(), key }
}

/// A disc of this colour: the picture of a seal.
pub fn picture(rgb: [u8; 3]) -> Vec<u8> {
    let disc = (0..64 * 64).map(|at: i32| {
        let (x, y) = (at % 64 - 32, at / 64 - 32);
        if (600..1000).contains(&(x * x + y * y)) { 255 } else { 0 }
    });
    png::encode_mask(rgb, 64, 64, &disc.collect::<Vec<u8>>(), 600)
}

pub const RED: [u8; 3] = [200, 16, 20];

/// A seal for the owner and the former owner, version 4, with this picture.
pub fn seal_draft(picture: Vec<u8>) -> SealDraft {
    let signers = [&WORLD.owner, &WORLD.former].map(|party| party.cert.der().to_vec());
    SealDraft {
        version: Version::V4,
        code: "11010100000001".into(),
        vendor: "YINXIN".into(),
        kind: 1,
        name: "某市人民政府".into(),
        signers: SignersDraft::Certs(signers.to_vec()),
        created: time("2026-02-01T00:00:00Z"),
        valid_from: time("2026-02-01T00:00:00Z"),
        valid_to: time("2026-12-31T00:00:00Z"),
        picture: PictureDraft { kind: "PNG".into(), bytes: picture, width_mm: SIDE_MM, height_mm: SIDE_MM },
        ext_data: vec![],
    }
}

/// The draft with the maker's certificate, signed by `signer`.
pub fn seal_by(draft: &SealDraft, signer: &Party) -> Vec<u8> {
    let prepared = draft.prepare().unwrap();
    let signature = signer.sign(prepared.to_be_signed());
    prepared.assemble(WORLD.maker.cert.der(), &signature, None).unwrap()
}

/// The owner's seal, red.
pub fn seal() -> Vec<u8> {
    seal_by(&seal_draft(picture(RED)), &WORLD.maker)
}

/// What a token is made over, from the signature value.
pub type Imprinted = fn(&[u8]) -> Vec<u8>;

/// How a PDF is stamped.
pub struct Plan<'a> {
    pub seal: Vec<u8>,
    pub signer: &'a Party,
    pub at: Timestamp,
    /// What the page shows.
    pub shown: Appearance,
    pub x_mm: f64,
    /// Over what a token is made, if there is one: the signature value goes in.
    pub token_over: Option<Imprinted>,
}

impl Default for Plan<'_> {
    fn default() -> Self {
        Self {
            seal: seal(),
            signer: &WORLD.owner,
            at: time(STAMPED_AT),
            shown: shown(&picture(RED), SIDE_MM),
            x_mm: 40.0,
            token_over: None,
        }
    }
}

pub fn shown(picture: &[u8], side_mm: u8) -> Appearance {
    let side_um = u32::from(side_mm) * 1000;
    png::appearance(picture, side_um, side_um, &png::Limits::default()).unwrap()
}

/// `document` with one more stamp.
pub fn stamped(document: &[u8], plan: &Plan<'_>) -> Vec<u8> {
    let file = pdf::open(document, &pdf::Limits::default()).unwrap();
    let place = Placement { page: 1, x_mm: plan.x_mm, y_mm: 40.0 };
    let names = StampNames {
        kind: SignatureKind::SesSeal,
        reason: None,
        location: None,
        signed_at: "D:20261120200000+08'00'".into(),
    };
    let prepared = file.prepare(&place, &plan.shown, &names, 12_000).unwrap();
    let value = stamp(&plan.seal, plan.signer, plan.at, prepared.digest(), plan.token_over);
    prepared.embed(&value).unwrap()
}

/// A stamp, put together here so that it can also be one that our own making would refuse.
pub fn stamp(
    seal: &[u8],
    signer: &Party,
    at: Timestamp,
    digest: [u8; 32],
    token_over: Option<Imprinted>,
) -> Vec<u8> {
    let draft = StampDraft { seal, time: at, digest, property: "SM3 of /ByteRange", ext_data: &[] };
    let prepared = draft.prepare().unwrap();
    let signature = signer.sign(prepared.to_be_signed());
    let mut parts = vec![
        prepared.to_be_signed().to_vec(),
        der::octet_string(signer.cert.der()),
        der::oid(&oid::SM2_WITH_SM3),
        der::bit_string(&signature),
    ];
    if let Some(token_over) = token_over {
        let token = token(&token_over(&signature), at.plus_ms(1000));
        parts.push(der::explicit(0, der::bit_string(&token)));
    }
    der::sequence(parts)
}

/// A token over these bytes.
pub fn token(bytes: &[u8], at: Timestamp) -> Vec<u8> {
    let draft = TokenDraft {
        request: &Request::of(bytes, None),
        policy: oid::Oid::from_content(&[0x2a, 3, 4]),
        serial: &sm3::digest(bytes)[..8],
        time: at,
        accuracy: None,
        authority: &WORLD.tsa.cert,
        chain: &[],
    };
    let prepared = draft.prepare().unwrap();
    prepared.assemble(&WORLD.tsa.sign(prepared.to_be_signed())).unwrap()
}
