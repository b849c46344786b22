//! Writes the seeds that are not samples of others: certificates, list, request, seal, stamps, tokens, signed data, and
//! stamped documents of one fixed trust. They are in the repository, and some targets hold what they judge against them;
//! run this only to replace them all: `cargo run --bin seeds` in this folder.

#[path = "../../benches/common/trust.rs"]
#[allow(dead_code, reason = "the benches use more of it")]
mod trust;

use std::{fs, path::Path};
use trust::{NOON, Party, World, rng, time};
use yinxin::document::{
    pdf::{self, Placement, SignatureKind, StampNames},
    png,
};
use yinxin_pki::{
    cms, oid,
    ses::StampDraft,
    sign::{SignInput, Signer},
    sm3, tsp,
    x509::{Field, Request, Subject, profile},
};

const PAGE: &[u8] = include_bytes!("../../fixtures/pdf/many-pages.pdf");

/// A file and variables, as `targets/config.rs` takes them.
const CONFIGURATIONS: &[(&str, &str)] = &[
    ("config/file", include_str!("../../deploy/yinxin.example.toml")),
    ("config/all", "data_dir = \"/d\"\n[limits]\nconnections = 5\n[outside]\nallowed_networks = [\"10.1.0.0/16\", \"fd00::/8\"]\n\0YINXIN_LISTEN_ADDRESS=[::1]:9000\0CREDENTIALS_DIRECTORY=/c"),
    ("config/wrong", "[listen]\naddres = 'x'\n[database]\nschema = 'x'\n\0YINXIN_LISTEN_ADRESS=x\0YINXIN_DATABASE_URL=mysql://x"),
    ("config/password", "\x01before|after:%20?"),
];

/// Route, who asks, parameters of the path, query, headers, body, as `targets/http.rs` takes them. The routes shift as others are
/// added; what is a good request to one is a bad one to another.
const REQUESTS: &[(&str, &[u8])] = &[
    ("http/officer", b"\x09\x01\n\n\n{\"name\":\"a\",\"roles\":[\"viewer\"]}"),
    ("http/seal", b"\x2a\x03\n\n\n{\"owner\":\"\x04\",\"maker\":\"\x03\",\"name\":\"b\",\"look\":{\"preset\":\"official\"}}"),
    ("http/read", b"\x23\x03\x05\nlimit=5&after=\x05\nAccept-Language: en\nIdempotency-Key: k\n\n"),
    ("http/act", b"\x2f\x04\x05\n\n\n{\"reason\":\"x\"}"),
    ("http/list", b"\x11\x02\nlimit=1&from=2026-01-01T00:00:00Z&actor=\x01\n\n"),
    ("http/stamp", b"\x33\x03seal=\x05&page=1&x_mm=10&y_mm=10&time_stamp=true\nContent-Type: application/pdf\n\n%PDF-1.7\n"),
    ("http/form", b"\x38\x07\nContent-Type: multipart/form-data; boundary=b\n\n--b\r\nContent-Disposition: form-data; name=\"document\"; filename=\"a.pdf\"\r\n\r\n%PDF\r\n--b--\r\n"),
    ("http/raw", b"\xffGET / HTTP/1.1\r\nHost: x\r\n\r\n"),
];

fn main() {
    // A small picture, so that mutations fall on structure.
    let world = World::with_picture(png::encode_mask([200, 0, 0], 4, 4, &[255; 16], 600));
    let keep = |name: &str, bytes: &[u8]| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    };
    let pki = |name: &str, bytes: &[u8]| keep(&format!("pki/fuzz/seeds/{name}"), bytes);
    for (name, party) in
        [("root", &world.root), ("issuing", &world.issuing), ("owner", &world.owner), ("tsa", &world.tsa)]
    {
        pki(&format!("cert/{name}"), party.cert.der());
        pki(&format!("der/{name}"), party.cert.der());
    }
    pki("cert/pem", world.root.cert.to_pem().as_bytes());
    pki("crl/issuing", world.crl.der());
    pki("request/owner", &request(&world.owner));
    pki("seal/seal", &world.esl);
    pki("cms/signed", &signed(&world));
    let asked = tsp::Request::of(b"value", Some(&[0x80, 1, 2]));
    pki("tsp/request", &asked.to_der());
    pki("tsp/token", &world.token(b"value"));
    pki("tsp/response", &tsp::granted(&world.token(b"value")));
    let digest = sm3::digest(b"document");
    for (name, with_token) in [("plain", false), ("token", true)] {
        pki(&format!("stamp/{name}"), &stamp(&world, digest, with_token));
        keep(&format!("fuzz/seeds/{name}.pdf"), &document(&world, with_token));
    }
    keep("fuzz/seeds/mask.png", &world.png);
    let colours: Vec<u8> = (0..=255).collect();
    keep("fuzz/seeds/colour.png", &png::encode_rgba(8, 8, &colours).unwrap());
    for (name, text) in CONFIGURATIONS {
        keep(&format!("fuzz/seeds/{name}"), text.as_bytes());
    }
    for (name, octets) in REQUESTS {
        keep(&format!("fuzz/seeds/{name}"), octets);
    }
}

fn sign(party: &Party, message: &[u8]) -> Vec<u8> {
    Signer::sign(&party.key, SignInput::Message(message), rng().as_dyn()).unwrap()
}

fn stamp(world: &World, digest: [u8; 32], with_token: bool) -> Vec<u8> {
    let draft = StampDraft {
        seal: &world.esl,
        time: time(NOON),
        digest,
        property: "PDF ByteRange; field Stamp1",
        ext_data: &[],
    };
    let prepared = draft.prepare().unwrap();
    let value = sign(&world.owner, prepared.to_be_signed());
    let token = with_token.then(|| world.token(&value));
    prepared.assemble(world.owner.cert.der(), &value, token.as_deref()).unwrap()
}

fn document(world: &World, with_token: bool) -> Vec<u8> {
    let side_um = trust::SEAL_MM * 1000;
    let look = png::appearance(&world.png, side_um, side_um, &png::Limits::default()).unwrap();
    let names = StampNames {
        kind: SignatureKind::SesSeal,
        reason: None,
        location: None,
        signed_at: "D:20261121120000+08'00'".into(),
    };
    let file = pdf::open(PAGE, &pdf::Limits::default()).unwrap();
    let place = Placement { page: 1, x_mm: 100.0, y_mm: 100.0 };
    let prepared = file.prepare(&place, &look, &names, 4096).unwrap();
    let value = stamp(world, prepared.digest(), with_token);
    prepared.embed(&value).unwrap()
}

fn signed(world: &World) -> Vec<u8> {
    let digest = cms::make::digest_for(world.owner.cert.public_key().unwrap()).unwrap();
    let draft = cms::Draft {
        content_type: oid::PKCS7_DATA,
        content: None,
        message_digest: &digest.of(&[b"document"]),
        signing_time: Some(time(NOON)),
        signer: &world.owner.cert,
        certificates: &[world.owner.cert.clone(), world.issuing.cert.clone()],
    };
    let prepared = draft.prepare().unwrap();
    let value = sign(&world.owner, prepared.to_be_signed());
    prepared.assemble(&value, Some(&world.token(&value))).unwrap()
}

fn request(party: &Party) -> Vec<u8> {
    let subject = Subject::new().with(Field::CommonName, "申请人").unwrap();
    Request::make(&subject, Some(&profile::SIGNER), &party.key, rng().as_dyn()).unwrap().der().to_vec()
}
