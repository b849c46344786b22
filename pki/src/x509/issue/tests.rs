use super::super::{
    draft::{day, key},
    path::{self, Material, Purpose, Revocation},
    profile,
    subject::Field,
};
use super::*;
use crate::{
    sign::{P256Key, SignInput},
    sm2::PrivateKey,
    testing::Steps,
};

const SERIAL: [u8; 8] = [0x5a, 1, 2, 3, 4, 5, 6, 7];

fn subject(common_name: &str) -> Subject {
    Subject::new()
        .with(Field::Country, "CN")
        .and_then(|subject| subject.with(Field::Organization, "某市"))
        .and_then(|subject| subject.with(Field::CommonName, common_name))
        .unwrap()
}

/// Everything that an order borrows, so that a test bends one thing.
struct Wish {
    profile: &'static Profile,
    subject: Subject,
    key: PublicKey,
    serial: Serial,
    not_before: Timestamp,
    not_after: Timestamp,
    crl_url: Option<&'static str>,
    hosts: Vec<&'static str>,
}

impl Wish {
    fn new(profile: &'static Profile, common_name: &str, seed: u8) -> Self {
        Self {
            profile,
            subject: subject(common_name),
            key: Signer::public_key(&key(seed)),
            serial: Serial::from_bytes(&SERIAL).unwrap(),
            not_before: day("2026-01-01"),
            not_after: day("2026-12-31"),
            crl_url: None,
            hosts: vec![],
        }
    }

    fn order(&self) -> Order<'_> {
        Order {
            profile: self.profile,
            subject: &self.subject,
            key: &self.key,
            serial: &self.serial,
            not_before: self.not_before,
            not_after: self.not_after,
            points: Points { crl_url: self.crl_url, issuer_url: self.crl_url, hosts: &self.hosts },
        }
    }

    fn under(&self, cert: &Cert, signer: &dyn Signer) -> Result<Cert, IssueError> {
        certificate(&self.order(), &Issuer { cert, signer }, &mut Steps::default())
    }
}

fn root() -> Cert {
    let wish = Wish { not_after: day("2046-01-01"), ..Wish::new(&profile::ROOT, "根", 1) };
    self_signed(&wish.order(), &key(1), &mut Steps::default()).unwrap()
}

fn ca() -> Cert {
    let wish = Wish { not_after: day("2036-01-01"), ..Wish::new(&profile::ISSUING_CA, "运营", 2) };
    wish.under(&root(), &key(1)).unwrap()
}

#[test]
fn what_is_issued_stands_on_a_path_for_its_purpose() {
    let (root, ca) = (root(), ca());
    let revoked = [(SERIAL.to_vec(), Revoked { at: day("2026-03-01"), reason: Reason::Superseded })];
    let order = CrlOrder {
        number: 300,
        this_update: day("2026-03-02"),
        next_update: day("2026-04-02"),
        revoked: &revoked,
    };
    let list = crl(&order, &Issuer { cert: &ca, signer: &key(2) }, &mut Steps::default()).unwrap();
    assert_eq!(list.number(), Some(&[1, 44][..]));
    assert_eq!(list.authority_key_id(), ca.subject_key_id());
    for (profile, purpose) in [
        (&profile::SEAL_MAKER, Purpose::SealMaking),
        (&profile::SIGNER, Purpose::Signing),
        (&profile::TSA, Purpose::TimeStamping),
    ] {
        let leaf = Wish::new(profile, "某单位公章", 3).under(&ca, &key(2)).unwrap();
        let (anchors, intermediates, crls) = ([root.clone()], [ca.clone()], [list.clone()]);
        let material = Material { anchors: &anchors, intermediates: &intermediates, crls: &crls };
        let path = path::validate(&leaf, &material, day("2026-03-05"), purpose).unwrap();
        let expected = Revocation::Revoked { at: day("2026-03-01"), reason: Reason::Superseded };
        assert_eq!((path.chain.len(), path.revocation, path.findings), (3, expected, vec![]));
        assert_eq!(leaf.authority_key_id(), ca.subject_key_id());
        assert_eq!(leaf.serial_hex(), "5a01020304050607");
    }
}

#[test]
fn a_server_certificate_names_its_hosts() {
    let keys: Vec<P256Key> =
        (0..2).map(|_| P256Key::from_pkcs8(&P256Key::generate().unwrap()).unwrap()).collect();
    let wish = Wish { key: keys[0].public_key(), ..Wish::new(&profile::ROOT, "TLS", 1) };
    let root = self_signed(&wish.order(), &keys[0], &mut Steps::default()).unwrap();
    let server = |hosts: &[&'static str]| {
        let hosts = hosts.to_vec();
        let wish = Wish { key: keys[1].public_key(), hosts, ..Wish::new(&profile::TLS_SERVER, "server", 1) };
        wish.under(&root, &keys[0])
    };
    let cert = server(&["seal.example.gov.cn", "127.0.0.1", "::1"]).unwrap();
    assert!(cert.extensions().iter().any(|extension| extension.id == oid::SUBJECT_ALT_NAME));
    for odd in ["", "*.example.cn", "a b", "-a", "a..b", "政府.cn"] {
        assert_eq!(server(&[odd]), Err(IssueError::Url), "{odd}");
    }
    assert_eq!(server(&[]), Err(IssueError::Profile));
}

#[test]
fn what_must_not_be_issued_is_refused() {
    let wish = || Wish::new(&profile::SIGNER, "某单位", 3);
    let table = [
        ("no subject", Wish { subject: Subject::new(), ..wish() }, IssueError::Subject),
        ("the issuer's name", Wish { subject: subject("运营"), ..wish() }, IssueError::Subject),
        ("the issuer's key", Wish { key: Signer::public_key(&key(2)), ..wish() }, IssueError::Key),
        ("no validity", Wish { not_after: day("2026-01-01"), ..wish() }, IssueError::Validity),
        ("longer than the issuer's", Wish { not_after: day("2036-01-02"), ..wish() }, IssueError::Validity),
        ("earlier than the issuer's", Wish { not_before: day("2025-12-31"), ..wish() }, IssueError::Validity),
        ("an authority below the last", Wish { profile: &profile::ISSUING_CA, ..wish() }, IssueError::Issuer),
        ("hosts for a signer", Wish { hosts: vec!["a.cn"], ..wish() }, IssueError::Profile),
        ("a file as URL", Wish { crl_url: Some("file:///a"), ..wish() }, IssueError::Url),
        ("a URL with a space", Wish { crl_url: Some("http://a.cn/ x"), ..wish() }, IssueError::Url),
    ];
    for (what, wish, expected) in table {
        assert_eq!(wish.under(&ca(), &key(2)), Err(expected), "{what}");
    }
    assert_eq!(wish().under(&ca(), &key(9)), Err(IssueError::Key), "another key than the issuer's");
    let leaf = wish().under(&ca(), &key(2)).unwrap();
    assert_eq!(
        Wish::new(&profile::SIGNER, "x", 4).under(&leaf, &key(3)),
        Err(IssueError::Issuer),
        "under a leaf"
    );
    let own = self_signed(&wish().order(), &key(3), &mut Steps::default());
    assert_eq!(own, Err(IssueError::Profile), "an end entity signs itself");
    let long = Wish { not_after: day("2037-06-01"), ..wish() };
    assert_eq!(long.under(&root(), &key(1)), Err(IssueError::Validity), "longer than the profile allows");
}

#[test]
fn years_beyond_2049_are_written_in_full() {
    let wish = Wish { not_after: day("2055-01-01"), ..Wish::new(&profile::ROOT, "根", 1) };
    let cert = self_signed(&wish.order(), &key(1), &mut Steps::default()).unwrap();
    assert_eq!(cert.not_after(), day("2055-01-01"));
    assert!(cert.der().windows(15).any(|window| window == b"20550101000000Z"));
}

/// A signer whose products are wrong: what it signs doesn't verify.
struct Broken(PrivateKey);

impl Signer for Broken {
    fn public_key(&self) -> PublicKey {
        Signer::public_key(&self.0)
    }

    fn sign(&self, _: SignInput<'_>, rng: &mut dyn CryptoRng) -> Result<Vec<u8>, SignError> {
        Signer::sign(&self.0, SignInput::Message(b"something else"), rng)
    }
}

#[test]
fn a_broken_product_never_leaves() {
    let ca = ca();
    let broken = Broken(key(2));
    assert_eq!(Wish::new(&profile::SIGNER, "某单位", 3).under(&ca, &broken), Err(IssueError::Product));
    let order =
        CrlOrder { number: 1, this_update: day("2026-03-02"), next_update: day("2026-04-02"), revoked: &[] };
    let list = crl(&order, &Issuer { cert: &ca, signer: &broken }, &mut Steps::default());
    assert_eq!(list.err(), Some(IssueError::Product));
}

#[test]
fn revocation_lists_hold_only_what_they_may() {
    let ca = ca();
    let make = |revoked: &[(Vec<u8>, Revoked)]| {
        let order =
            CrlOrder { number: 1, this_update: day("2026-03-02"), next_update: day("2026-04-02"), revoked };
        crl(&order, &Issuer { cert: &ca, signer: &key(2) }, &mut Steps::default()).map(|list| list.len())
    };
    let gone = |text| Revoked { at: day(text), reason: Reason::Unspecified };
    let removed = Revoked { reason: Reason::RemoveFromCrl, ..gone("2026-03-01") };
    assert_eq!(make(&[]), Ok(0));
    assert_eq!(make(&[(vec![0, 0x80], gone("2026-03-01")), (vec![1], gone("2026-03-02"))]), Ok(2));
    for refused in [
        vec![(vec![1], gone("2026-03-03"))],
        vec![(vec![0], gone("2026-03-01"))],
        vec![(vec![], gone("2026-03-01"))],
        vec![(vec![1], gone("2026-03-01")), (vec![0, 1], gone("2026-03-01"))],
        vec![(vec![1], removed)],
    ] {
        assert_eq!(make(&refused), Err(IssueError::Revocation), "{refused:?}");
    }
}

#[test]
fn serial_numbers_are_long_and_positive() {
    let mut rng = Steps::default();
    let (one, two) = (Serial::generate(&mut rng), Serial::generate(&mut rng));
    assert_ne!(one, two);
    assert_eq!(Serial::from_bytes(one.as_bytes()), Some(one));
    for octets in [&[1; 7][..], &[1; 21], &[0, 1, 1, 1, 1, 1, 1, 1, 1], &[0x80; 8], &[]] {
        assert_eq!(Serial::from_bytes(octets), None);
    }
}
