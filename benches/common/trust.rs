//! A trust of its own for the benches: root, issuing authority, seal maker, owner, time-stamp authority, and a seal with
//! a drawn picture of its real size. Keys are fixed; nothing here is worth keeping.

use std::sync::Arc;
use yinxin::{
    base::{
        Timestamp,
        entropy::{Rng, SystemEntropy},
    },
    seal::{
        Chain,
        picture::{Design, Preset},
    },
    verification::Trust,
};
use yinxin_pki::{
    oid,
    ses::{PictureDraft, SealDraft, SignersDraft, Version},
    sign::{PublicKey, SignInput, Signer},
    sm2::PrivateKey,
    sm3,
    tsp::{self, TokenDraft},
    x509::{
        Cert, Crl, Field, Subject,
        issue::{self, CrlOrder, Issuer, Order, Points, Serial},
        profile::{self, Profile},
    },
};

/// When everything happens: Saturday, 21 November 2026, noon in Beijing.
pub const NOON: &str = "2026-11-21T04:00:00Z";
/// Side of the seal.
pub const SEAL_MM: u32 = 42;

/// A certificate with its key.
pub struct Party {
    /// The certificate.
    pub cert: Cert,
    /// Its key.
    pub key: PrivateKey,
}

/// Everyone.
pub struct World {
    /// The anchor.
    pub root: Party,
    /// The authority below it.
    pub issuing: Party,
    /// Whose stamps are measured.
    pub owner: Party,
    /// The time-stamp authority.
    pub tsa: Party,
    /// The revocation list of the issuing authority.
    pub crl: Crl,
    /// The owner's seal.
    pub esl: Vec<u8>,
    /// Its picture.
    pub png: Vec<u8>,
}

/// An instant.
pub fn time(text: &str) -> Timestamp {
    Timestamp::parse_rfc3339(text).unwrap()
}

/// Chance of the operating system.
pub fn rng() -> Rng {
    Rng::new(Arc::new(SystemEntropy))
}

impl World {
    /// Everything, and a seal drawn at its real size.
    pub fn new() -> Self {
        let round = Preset::find("department").unwrap().round("临江市人民政府办公室").unwrap();
        Self::with_picture(Design::Round(round).draw().unwrap().png())
    }

    /// Everything, and a seal with this picture.
    pub fn with_picture(png: Vec<u8>) -> Self {
        let root = party(&profile::ROOT, "根", 1, None);
        let issuing = party(&profile::ISSUING_CA, "签发", 2, Some(&root));
        let maker = party(&profile::SEAL_MAKER, "制章中心", 3, Some(&issuing));
        let owner = party(&profile::SIGNER, "临江市人民政府办公室", 4, Some(&issuing));
        let tsa = party(&profile::TSA, "时间戳", 6, Some(&issuing));
        let crl = CrlOrder {
            number: 1,
            this_update: time("2026-11-20T23:00:00Z"),
            next_update: time("2027-01-01T00:00:00Z"),
            revoked: &[],
        };
        let issuer = Issuer { cert: &issuing.cert, signer: &issuing.key };
        let crl = issue::crl(&crl, &issuer, rng().as_dyn()).unwrap();
        let esl = seal(&owner, &maker, &png);
        Self { crl, esl, png, owner, tsa, root, issuing }
    }

    /// The trust of the own service.
    pub fn chain(&self) -> Chain {
        Chain { anchors: vec![self.root.cert.clone()], intermediates: vec![self.issuing.cert.clone()] }
    }

    /// The trust of a verifier, read from octets.
    pub fn trust(&self) -> Trust {
        let mut trust = Trust::default();
        trust.add_anchors(self.root.cert.der()).unwrap();
        trust.add_intermediates(self.issuing.cert.der()).unwrap();
        trust.add_crl(self.crl.der()).unwrap();
        trust
    }

    /// A token over these octets, a second after noon.
    pub fn token(&self, bytes: &[u8]) -> Vec<u8> {
        let request = tsp::Request::of(bytes, Some(&[0x80, 1, 2]));
        let draft = TokenDraft {
            request: &request,
            policy: oid::Oid::from_content(&[0x2a, 3, 4]),
            serial: &[1, 2],
            time: time(NOON).plus_ms(1000),
            accuracy: None,
            authority: &self.tsa.cert,
            chain: &[],
        };
        let prepared = draft.prepare().unwrap();
        prepared.assemble(&sign(&self.tsa, prepared.to_be_signed())).unwrap()
    }
}

fn sign(party: &Party, message: &[u8]) -> Vec<u8> {
    Signer::sign(&party.key, SignInput::Message(message), rng().as_dyn()).unwrap()
}

fn seal(owner: &Party, maker: &Party, png: &[u8]) -> Vec<u8> {
    let draft = SealDraft {
        version: Version::V4,
        code: "11010100000001".into(),
        vendor: "YINXIN".into(),
        kind: 1,
        name: "临江市人民政府办公室".into(),
        signers: SignersDraft::Certs(vec![owner.cert.der().to_vec()]),
        created: time("2026-02-01T00:00:00Z"),
        valid_from: time("2026-02-01T00:00:00Z"),
        valid_to: time("2026-12-31T00:00:00Z"),
        picture: PictureDraft {
            kind: "PNG".into(),
            bytes: png.to_vec(),
            width_mm: SEAL_MM as u8,
            height_mm: SEAL_MM as u8,
        },
        ext_data: vec![],
    };
    let prepared = draft.prepare().unwrap();
    prepared.assemble(maker.cert.der(), &sign(maker, prepared.to_be_signed()), None).unwrap()
}

fn party(profile: &'static Profile, name: &str, seed: u8, issuer: Option<&Party>) -> Party {
    let key = PrivateKey::from_bytes(&[seed; 32]).unwrap();
    let public: PublicKey = Signer::public_key(&key);
    let subject =
        Subject::new().with(Field::Country, "CN").and_then(|s| s.with(Field::CommonName, name)).unwrap();
    let mut serial = [0; 9];
    serial.copy_from_slice(&sm3::digest(name)[..9]);
    serial[0] = serial[0] & 0x3f | 1;
    let order = Order {
        profile,
        subject: &subject,
        key: &public,
        serial: &Serial::from_bytes(&serial).unwrap(),
        not_before: time("2026-01-01T00:00:00Z"),
        not_after: time(if issuer.is_some() { "2027-01-01T00:00:00Z" } else { "2036-01-01T00:00:00Z" }),
        points: Points { crl_url: None, issuer_url: None, hosts: &[] },
    };
    let cert = match issuer {
        None => issue::self_signed(&order, &key, rng().as_dyn()),
        Some(by) => issue::certificate(&order, &Issuer { cert: &by.cert, signer: &by.key }, rng().as_dyn()),
    };
    Party { cert: cert.unwrap(), key }
}
