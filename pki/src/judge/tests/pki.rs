//! A trust of our own for tests: root, authority, and whoever signs; seals, stamps and tokens made with it.

use crate::{
    cms, oid,
    ses::{PictureDraft, SealDraft, SignersDraft, StampDraft, Version},
    sign::{P256Key, PublicKey, SignInput, Signer},
    sm2::PrivateKey,
    testing::Steps,
    time::Timestamp,
    tsp::{self, TokenDraft},
    x509::{
        Cert, Crl, Field, Reason, Revoked, Subject,
        issue::{self, CrlOrder, Issuer, Order, Points, Serial},
        path::Material,
        profile::{self, Profile},
    },
};
use std::sync::LazyLock;

pub(super) fn time(text: &str) -> Timestamp {
    Timestamp::parse_rfc3339(text).unwrap()
}

/// A certificate with its key.
pub(super) struct Party {
    pub(super) cert: Cert,
    key: Box<dyn Signer>,
}

impl Party {
    pub(super) fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.key.sign(SignInput::Message(message), &mut Steps::default()).unwrap()
    }
}

/// Everyone in the tests.
pub(super) struct World {
    pub(super) ca: Party,
    pub(super) maker: Party,
    pub(super) owner: Party,
    pub(super) other: Party,
    pub(super) tsa: Party,
    pub(super) p256_tsa: Party,
    pub(super) p256_signer: Party,
    /// A key that may not sign at all.
    pub(super) encipherer: Party,
    pub(super) anchors: Vec<Cert>,
    pub(super) intermediates: Vec<Cert>,
    pub(super) crls: Vec<Crl>,
}

pub(super) static WORLD: LazyLock<World> = LazyLock::new(World::new);

static ENCIPHERER: Profile =
    Profile { name: "encipherer", usage: crate::x509::KeyUsage::KEY_CERT_SIGN, ..signer_profile() };

const fn signer_profile() -> Profile {
    Profile {
        name: "signer",
        authority: None,
        usage: crate::x509::KeyUsage::DIGITAL_SIGNATURE,
        extended: &[],
        extended_critical: false,
        days_max: 3660,
        hosts: false,
    }
}

impl World {
    fn new() -> Self {
        let root = party(&profile::ROOT, "根", 1, None);
        let ca = party(&profile::ISSUING_CA, "签发", 2, Some(&root));
        let of_ca = |profile, name, seed| party(profile, name, seed, Some(&ca));
        let owner = of_ca(&profile::SIGNER, "某市公章", 4);
        let crls = vec![crl(&ca, &[])];
        Self {
            maker: of_ca(&profile::SEAL_MAKER, "制章", 3),
            other: of_ca(&profile::SIGNER, "别人", 5),
            tsa: of_ca(&profile::TSA, "时间", 6),
            p256_tsa: p256_party(&profile::TSA, "Time", &ca),
            p256_signer: p256_party(&profile::SIGNER, "Signer", &ca),
            encipherer: of_ca(&ENCIPHERER, "加密", 8),
            anchors: vec![root.cert.clone()],
            intermediates: vec![ca.cert.clone()],
            crls,
            owner,
            ca,
        }
    }

    pub(super) fn material(&self) -> Material<'_> {
        Material { anchors: &self.anchors, intermediates: &self.intermediates, crls: &self.crls }
    }
}

/// A list that revokes these certificates at these instants.
pub(super) fn crl(ca: &Party, revoked: &[(&Cert, &str)]) -> Crl {
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
    issue::crl(&order, &Issuer { cert: &ca.cert, signer: &*ca.key }, &mut Steps::default()).unwrap()
}

fn party(profile: &'static Profile, name: &str, seed: u8, issuer: Option<&Party>) -> Party {
    let key = PrivateKey::from_bytes(&[seed; 32]).unwrap();
    let public = Signer::public_key(&key);
    with_key(profile, name, Box::new(key), public, issuer)
}

fn p256_party(profile: &'static Profile, name: &str, issuer: &Party) -> Party {
    let key = P256Key::from_pkcs8(&P256Key::generate().unwrap()).unwrap();
    let public = key.public_key();
    with_key(profile, name, Box::new(key), public, Some(issuer))
}

fn with_key(
    profile: &'static Profile,
    name: &str,
    key: Box<dyn Signer>,
    public: PublicKey,
    issuer: Option<&Party>,
) -> Party {
    let subject =
        Subject::new().with(Field::Country, "CN").and_then(|s| s.with(Field::CommonName, name)).unwrap();
    let order = Order {
        profile,
        subject: &subject,
        key: &public,
        serial: &Serial::from_bytes(
            &crate::sm3::digest(name)[..].iter().map(|o| o & 0x3f | 1).take(9).collect::<Vec<_>>(),
        )
        .unwrap(),
        not_before: time("2026-01-01T00:00:00Z"),
        not_after: time(if issuer.is_some() { "2027-01-01T00:00:00Z" } else { "2036-01-01T00:00:00Z" }),
        points: Points { crl_url: None, issuer_url: None, hosts: &[] },
    };
    let mut rng = Steps::default();
    let cert = match issuer {
        None => issue::self_signed(&order, &*key, &mut rng),
        Some(issuer) => {
            issue::certificate(&order, &Issuer { cert: &issuer.cert, signer: &*issuer.key }, &mut rng)
        }
    };
    Party { cert: cert.unwrap(), key }
}

/// A seal for the owner.
pub(super) fn seal_draft(version: Version) -> SealDraft {
    SealDraft {
        version,
        code: "11010100000001".into(),
        vendor: "YINXIN".into(),
        kind: 1,
        name: "某市人民政府".into(),
        signers: SignersDraft::Certs(vec![WORLD.owner.cert.der().to_vec()]),
        created: time("2026-02-01T00:00:00Z"),
        valid_from: time("2026-02-01T00:00:00Z"),
        valid_to: time("2026-12-31T00:00:00Z"),
        picture: PictureDraft {
            kind: "png".into(),
            bytes: b"not looked at".to_vec(),
            width_mm: 42,
            height_mm: 42,
        },
        ext_data: vec![],
    }
}

/// The draft, signed by this maker; version 5 gets a token a minute after it was made.
pub(super) fn seal_by(draft: &SealDraft, maker: &Party) -> Vec<u8> {
    let prepared = draft.prepare().unwrap();
    let signature = maker.sign(prepared.to_be_signed());
    let token =
        (draft.version == Version::V5).then(|| token(&signature, draft.created.plus_ms(60_000), &WORLD.tsa));
    prepared.assemble(maker.cert.der(), &signature, token.as_deref()).unwrap()
}

pub(super) fn seal(version: Version) -> Vec<u8> {
    seal_by(&seal_draft(version), &WORLD.maker)
}

pub(super) const STAMPED_AT: &str = "2026-11-20T12:00:00Z";
pub(super) const DIGEST: [u8; 32] = [0x5a; 32];

/// A stamp with this seal, by the owner; with a token of a second later.
pub(super) fn stamp(seal: &[u8], stamped: bool) -> Vec<u8> {
    let draft = StampDraft {
        seal,
        time: time(STAMPED_AT),
        digest: DIGEST,
        property: "/Doc_0/Signature.xml",
        ext_data: &[],
    };
    let prepared = draft.prepare().unwrap();
    let signature = WORLD.owner.sign(prepared.to_be_signed());
    let token = stamped.then(|| token(&signature, time(STAMPED_AT).plus_ms(1000), &WORLD.tsa));
    prepared.assemble(WORLD.owner.cert.der(), &signature, token.as_deref()).unwrap()
}

/// A token over these bytes.
pub(super) fn token(bytes: &[u8], at: Timestamp, authority: &Party) -> Vec<u8> {
    token_for(&tsp::Request::of(bytes, Some(&[0x80, 1, 2])), at, authority)
}

pub(super) fn token_for(request: &tsp::Request, at: Timestamp, authority: &Party) -> Vec<u8> {
    let draft = TokenDraft {
        request,
        policy: oid::Oid::from_content(&[0x2a, 3, 4]),
        serial: &[0xff, 1],
        time: at,
        accuracy: Some(tsp::Accuracy { seconds: 1, ..Default::default() }),
        authority: &authority.cert,
        chain: &[],
    };
    let prepared = draft.prepare().unwrap();
    prepared.assemble(&authority.sign(prepared.to_be_signed())).unwrap()
}

/// Detached signed data over `content`.
pub(super) fn signed(content: &[u8], by: &Party, stamped: bool) -> Vec<u8> {
    let digest = cms::make::digest_for(by.cert.public_key().unwrap()).unwrap();
    let draft = cms::Draft {
        content_type: oid::PKCS7_DATA,
        content: None,
        message_digest: &digest.of(&[content]),
        signing_time: Some(time(STAMPED_AT)),
        signer: &by.cert,
        certificates: &[by.cert.clone(), WORLD.ca.cert.clone()],
    };
    let prepared = draft.prepare().unwrap();
    let signature = by.sign(prepared.to_be_signed());
    let token = stamped.then(|| token(&signature, time(STAMPED_AT).plus_ms(1000), &WORLD.p256_tsa));
    prepared.assemble(&signature, token.as_deref()).unwrap()
}
