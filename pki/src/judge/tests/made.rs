//! What we make passes our own strict reading; broken in one place, exactly the checks about that place fail.

use super::{
    letters,
    pki::{self, DIGEST, Party, STAMPED_AT, WORLD, seal, seal_by, seal_draft, stamp, time, token, token_for},
    question,
};
use crate::{
    der,
    judge::{self, Kind, Question, SealState, SealStatus, kind_of},
    oid,
    report::{CheckId, Profile, SignatureReport, TimeSource},
    ses::{ExtDataDraft, MakeError, PictureDraft, Seal, SealDraft, SignersDraft, Stamp, StampDraft, Version},
    sign::Digest,
    time::Timestamp,
    tsp::{Request, Token},
    x509::{Cert, path::Material},
};

fn strict() -> Question<'static> {
    Question { profile: Profile::Strict, require_revocation: true, ..question(WORLD.material()) }
}

fn judged(stamp: &[u8]) -> SignatureReport {
    judge::stamp(stamp, Some(DIGEST), &strict())
}

#[test]
fn what_we_make_passes_our_strict_reading() {
    for version in [Version::V4, Version::V5] {
        let seal = seal(version);
        assert_eq!(kind_of(&seal), Kind::Seal);
        let expected = if version == Version::V5 { "p--p---p" } else { "p--p----" };
        assert_eq!(letters(&judge::seal(&seal, &strict())), expected);
        for (stamped, expected) in [(false, "ppppppp-"), (true, "pppppppp")] {
            let stamp = stamp(&seal, stamped);
            assert_eq!(kind_of(&stamp), Kind::Stamp);
            let report = judged(&stamp);
            assert_eq!(letters(&report), expected, "{report:#?}");
            let source = if stamped { TimeSource::Token } else { TimeSource::Claimed };
            assert_eq!(report.time.unwrap().source, source);
        }
    }
}

#[test]
fn a_seal_may_list_digests_and_carry_extension_data() {
    let draft = SealDraft {
        signers: SignersDraft::Digests(vec![[0; 32], WORLD.owner.cert.sm3()]),
        ext_data: vec![ExtDataDraft { id: oid::COMMON_NAME, value: vec![1, 2] }],
        ..seal_draft(Version::V4)
    };
    let bytes = seal_by(&draft, &WORLD.maker);
    assert_eq!(Seal::parse(&bytes).unwrap().ext_data[0].value, [1, 2]);
    assert_eq!(letters(&judged(&stamp(&bytes, false))), "ppppppp-");
}

/// A stamp put together by hand, with one thing bent.
struct Bent<'a> {
    seal: Vec<u8>,
    version: u64,
    time: Timestamp,
    digest: &'a [u8],
    signer: &'a Party,
    key: &'a Party,
    algorithm: oid::Oid,
    raw: bool,
    /// Over what, when, by whom.
    token: Option<(Option<&'a [u8]>, &'a str, &'a Party)>,
}

impl Bent<'_> {
    fn straight() -> Self {
        Self {
            seal: seal(Version::V4),
            version: 4,
            time: time(STAMPED_AT),
            digest: &DIGEST,
            signer: &WORLD.owner,
            key: &WORLD.owner,
            algorithm: oid::SM2_WITH_SM3,
            raw: false,
            token: None,
        }
    }

    fn make(&self) -> Vec<u8> {
        let signed = der::sequence([
            der::small(self.version),
            self.seal.clone(),
            der::generalized_time(self.time),
            der::bit_string(self.digest),
            der::ia5_string("x"),
        ]);
        let mut value = self.key.sign(&signed);
        if self.raw {
            value = crate::sm2::Signature::from_der(&value).unwrap().raw().to_vec();
        }
        let token = self.token.map(|(over, at, by)| token(over.unwrap_or(&value), time(at), by));
        let mut parts = vec![
            signed,
            der::octet_string(self.signer.cert.der()),
            der::oid(&self.algorithm),
            der::bit_string(&value),
        ];
        parts.extend(token.map(|token| der::explicit(0, der::bit_string(&token))));
        der::sequence(parts)
    }
}

#[test]
fn one_broken_thing_fails_its_own_checks_and_no_other() {
    let straight = Bent::straight;
    let w = &*WORLD;
    let listing = |signer: &Party| {
        let draft = SealDraft {
            signers: SignersDraft::Certs(vec![signer.cert.der().to_vec()]),
            ..seal_draft(Version::V4)
        };
        seal_by(&draft, &w.maker)
    };
    let expired = SealDraft { valid_to: time("2026-11-01T00:00:00Z"), ..seal_draft(Version::V4) };
    let forged = {
        let prepared = seal_draft(Version::V4).prepare().unwrap();
        prepared.assemble(w.maker.cert.der(), &w.other.sign(prepared.to_be_signed()), None).unwrap()
    };
    let after = Some((None, "2026-11-20T12:00:01Z", &w.tsa));
    let table = [
        ("nothing", straight(), "ppppppp-", ""),
        ("version", Bent { version: 5, ..straight() }, "Fpppppp-", "seal-format/version"),
        ("another key signed", Bent { key: &w.other, ..straight() }, "pFppppp-", "stamp-signature/mismatch"),
        (
            "algorithm",
            Bent { algorithm: oid::ECDSA_SHA256, ..straight() },
            "pFppppp-",
            "stamp-signature/algorithm",
        ),
        ("raw value", Bent { raw: true, ..straight() }, "pFppppp-", "lenient/raw-signature"),
        (
            "not listed",
            Bent { signer: &w.other, key: &w.other, ..straight() },
            "ppFpppp-",
            "signer-in-seal/not-listed",
        ),
        (
            "maker's signature",
            Bent { seal: forged, ..straight() },
            "pppFppp-",
            "seal/maker-signature-mismatch",
        ),
        (
            "maker's usage",
            Bent { seal: seal_by(&seal_draft(Version::V4), &w.encipherer), ..straight() },
            "pppFppp-",
            "seal/maker-key-usage",
        ),
        (
            "expired seal",
            Bent { seal: seal_by(&expired, &w.maker), ..straight() },
            "pppFpFp-",
            "seal/expired",
        ),
        (
            "signer's usage",
            Bent { seal: listing(&w.encipherer), signer: &w.encipherer, key: &w.encipherer, ..straight() },
            "ppppFpp-",
            "signer-certificate/key-usage",
        ),
        (
            "future",
            Bent { time: time("2026-11-21T00:00:01Z"), ..straight() },
            "pppppFp-",
            "signing-time/future",
        ),
        ("digest", Bent { digest: &[0; 32], ..straight() }, "ppppppF-", "document-digest/mismatch"),
        ("digest's length", Bent { digest: &[0x5a; 31], ..straight() }, "ppppppF-", "document-digest/length"),
        (
            "imprint",
            Bent { token: Some((Some(b"x"), "2026-11-20T12:00:01Z", &w.tsa)), ..straight() },
            "pppppppF",
            "time-stamp/imprint",
        ),
        (
            "no authority of time",
            Bent { token: Some((None, "2026-11-20T12:00:01Z", &w.other)), ..straight() },
            "pppppppF",
            "time-stamp/authority-extended-use",
        ),
        (
            "token too early",
            Bent { token: Some((None, "2026-11-20T11:59:54Z", &w.tsa)), ..straight() },
            "pppppppF",
            "time-stamp/too-early",
        ),
        (
            "token just early",
            Bent { token: Some((None, "2026-11-20T11:59:55Z", &w.tsa)), ..straight() },
            "pppppppp",
            "",
        ),
        (
            "token to come",
            Bent { token: Some((None, "2026-11-21T00:00:01Z", &w.tsa)), ..straight() },
            "pppppppF",
            "time-stamp/future",
        ),
        (
            "token by P-256",
            Bent { token: Some((None, "2026-11-20T12:00:01Z", &w.p256_tsa)), ..straight() },
            "pppppppp",
            "",
        ),
        ("token", Bent { token: after, ..straight() }, "pppppppp", ""),
    ];
    for (what, bent, expected, reason) in table {
        let report = judged(&bent.make());
        assert_eq!(letters(&report), expected, "{what}: {report:#?}");
        let reasons: Vec<_> = report.checks.iter().map(|check| check.reason.as_str()).collect();
        assert!(reason.is_empty() || reasons.contains(&reason), "{what}: {reasons:?}");
    }
}

#[test]
fn oddities_of_real_makers_are_findings_unless_strict() {
    let gm = question(WORLD.material());
    let raw = Bent { raw: true, ..Bent::straight() }.make();
    let tagged = stamp(&seal(Version::V4), true);
    let mut fields = der::Reader::whole(&tagged, der::tag::SEQUENCE).unwrap().reader();
    let parts: Vec<_> = (0..4).map(|_| fields.any().unwrap().raw.to_vec()).collect();
    let token = fields.any().unwrap().content.to_vec();
    let untagged = der::sequence([parts, vec![token]].concat());
    let named = Bent { algorithm: oid::SM2_SIGN, ..Bent::straight() }.make();
    for (bytes, id, check) in [
        (raw, "lenient/raw-signature", CheckId::StampSignature),
        (untagged, "lenient/untagged-time-stamp", CheckId::SealFormat),
        (named, "lenient/algorithm-name", CheckId::StampSignature),
        (with_extension(Some(false)), "lenient/explicit-default", CheckId::SealFormat),
        (with_extension(Some(true)), "lenient/critical-extension", CheckId::SealFormat),
    ] {
        let report = judge::stamp(&bytes, Some(DIGEST), &gm);
        assert!(!letters(&report).contains('F'), "{id}: {report:#?}");
        assert!(report.findings.iter().any(|finding| finding.id == id), "{id}: {report:#?}");
        let report = judged(&bytes);
        assert_eq!(report.checks.check(check).reason, id);
        assert_eq!(letters(&report).matches('F').count(), 1, "{id}: {report:#?}");
    }
    assert_eq!(letters(&judged(&with_extension(None))), "ppppppp-");
}

/// A stamp whose own extension data spell out `critical`.
fn with_extension(critical: Option<bool>) -> Vec<u8> {
    let mut entry = vec![der::oid(&oid::COMMON_NAME)];
    entry.extend(critical.map(der::boolean));
    entry.push(der::octet_string(b"v"));
    let signed = der::sequence([
        der::small(4),
        seal(Version::V4),
        der::generalized_time(time(STAMPED_AT)),
        der::bit_string(&DIGEST),
        der::ia5_string("x"),
        der::explicit(0, der::sequence([der::sequence(entry)])),
    ]);
    let value = der::bit_string(&WORLD.owner.sign(&signed));
    der::sequence([signed, der::octet_string(WORLD.owner.cert.der()), der::oid(&oid::SM2_WITH_SM3), value])
}

#[test]
fn revocation_counts_from_its_date() {
    let bytes = stamp(&seal(Version::V4), false);
    let made_v5 = stamp(&seal(Version::V5), false);
    let w = &*WORLD;
    let judged = |cert: &Cert, at: &str, bytes: &[u8]| {
        let crls = [pki::crl(&w.ca, &[(cert, at)])];
        let question = Question { material: Material { crls: &crls, ..w.material() }, ..strict() };
        let report = judge::stamp(bytes, Some(DIGEST), &question);
        let later = report.findings.iter().any(|finding| finding.id.ends_with("revoked-later"));
        (letters(&report), later)
    };
    for (cert, at, bytes, expected) in [
        (&w.owner.cert, "2026-11-20T11:00:00Z", &bytes, ("ppppFFp-", false)),
        (&w.owner.cert, STAMPED_AT, &bytes, ("ppppFFp-", false)),
        (&w.owner.cert, "2026-11-20T12:00:01Z", &bytes, ("ppppppp-", true)),
        (&w.maker.cert, "2026-03-01T00:00:00Z", &bytes, ("pppFppp-", false)),
        (&w.maker.cert, "2026-11-20T13:00:00Z", &bytes, ("ppppppp-", true)),
        // Version 5 asks how the maker stood when the seal was made (seal.md 2.3 d).
        (&w.maker.cert, "2026-03-01T00:00:00Z", &made_v5, ("ppppppp-", true)),
        (&w.maker.cert, "2026-01-15T00:00:00Z", &made_v5, ("pppFppp-", false)),
    ] {
        let (letters, later) = judged(cert, at, bytes);
        assert_eq!((letters.as_str(), later), expected, "{} at {at}", cert.subject());
    }
}

struct Register(SealState);

impl SealStatus for Register {
    fn state(&self, code: &str, sm3: &[u8; 32], at: Timestamp) -> SealState {
        assert_eq!(code, "11010100000001");
        assert_eq!(*sm3, crate::sm3::digest(seal(Version::V4)));
        assert_eq!(at, time(STAMPED_AT));
        self.0.clone()
    }
}

#[test]
fn the_register_of_seals_has_its_say_in_check_four() {
    let bytes = stamp(&seal(Version::V4), false);
    for (state, required, expected) in [
        (SealState::Valid, true, 'p'),
        (SealState::Invalid("suspended".into()), false, 'F'),
        (SealState::Unavailable, false, 'u'),
        (SealState::Unknown, false, 'p'),
        (SealState::Unknown, true, 'u'),
    ] {
        let register = Register(state.clone());
        let asked = Question { status: Some(&register), require_status: required, ..strict() };
        let letters = letters(&judge::stamp(&bytes, Some(DIGEST), &asked));
        assert_eq!(letters.chars().nth(3), Some(expected), "{state:?}");
    }
}

#[test]
fn a_version_five_seal_must_not_be_younger_than_its_token() {
    let draft = seal_draft(Version::V5);
    let prepared = draft.prepare().unwrap();
    let signature = WORLD.maker.sign(prepared.to_be_signed());
    let with = |token: Option<&[u8]>| prepared.assemble(WORLD.maker.cert.der(), &signature, token).unwrap();
    let early = with(Some(&token(&signature, draft.created.plus_ms(-1000), &WORLD.tsa)));
    let none = with(None);
    let letters_of = |bytes: &[u8], question: &Question<'_>| letters(&judge::seal(bytes, question));
    assert_eq!(letters_of(&early, &strict()), "p--p---F");
    assert_eq!(letters_of(&none, &strict()), "p--p----");
    assert_eq!(letters_of(&none, &Question { require_time_stamp: true, ..strict() }), "p--p---F");
    let report = judged(&stamp(&early, true));
    assert_eq!(letters(&report), "pppFpppp");
    assert_eq!(report.checks.check(CheckId::Seal).reason, "seal/time-stamp-too-early");
}

#[test]
fn drafts_that_could_not_be_verified_are_refused() {
    let good = || seal_draft(Version::V4);
    let picture = || good().picture;
    for (what, draft) in [
        ("version", SealDraft { version: Version::V1, ..good() }),
        ("code", SealDraft { code: String::new(), ..good() }),
        ("code", SealDraft { code: "一".into(), ..good() }),
        ("vendor", SealDraft { vendor: "x".repeat(65), ..good() }),
        ("name", SealDraft { name: "章".repeat(201), ..good() }),
        ("name", SealDraft { name: "a\nb".into(), ..good() }),
        ("kind", SealDraft { kind: 1 << 63, ..good() }),
        ("signers", SealDraft { signers: SignersDraft::Certs(vec![]), ..good() }),
        ("period", SealDraft { valid_to: good().valid_from, ..good() }),
        ("fraction", SealDraft { created: good().created.plus_ms(1), ..good() }),
        ("created", SealDraft { created: good().valid_to.plus_ms(1000), ..good() }),
        ("width", SealDraft { picture: PictureDraft { width_mm: 0, ..picture() }, ..good() }),
        ("height", SealDraft { picture: PictureDraft { height_mm: 128, ..picture() }, ..good() }),
        ("picture", SealDraft { picture: PictureDraft { bytes: vec![], ..picture() }, ..good() }),
        ("picture's kind", SealDraft { picture: PictureDraft { kind: "p g".into(), ..picture() }, ..good() }),
    ] {
        assert!(matches!(draft.prepare(), Err(MakeError::Field { .. })), "{what}");
    }
    let prepared = good().prepare().unwrap();
    let signature = WORLD.maker.sign(prepared.to_be_signed());
    let cert = WORLD.maker.cert.der();
    assert_eq!(prepared.assemble(cert, &[0; 64], None), Err(MakeError::Signature));
    assert!(prepared.assemble(cert, &signature, Some(b"token")).is_err(), "version 4 has no token");
}

#[test]
fn stamps_that_could_not_be_verified_are_refused() {
    let seal = seal(Version::V4);
    let good =
        || StampDraft { seal: &seal, time: time(STAMPED_AT), digest: DIGEST, property: "x", ext_data: &[] };
    assert_eq!(
        StampDraft { time: time("2027-01-01T00:00:00Z"), ..good() }.prepare().unwrap_err(),
        MakeError::OutsidePeriod
    );
    for draft in [
        StampDraft { time: time(STAMPED_AT).plus_ms(1), ..good() },
        StampDraft { property: "", ..good() },
        StampDraft { property: "路径", ..good() },
        StampDraft { seal: &seal[1..], ..good() },
    ] {
        assert!(draft.prepare().is_err(), "{draft:?}");
    }
    let prepared = good().prepare().unwrap();
    let signature = WORLD.other.sign(prepared.to_be_signed());
    assert_eq!(prepared.assemble(WORLD.other.cert.der(), &signature, None), Err(MakeError::NotListed));
}

#[test]
fn a_stamp_is_read_back_field_by_field() {
    let seal = seal(Version::V4);
    let bytes = stamp(&seal, true);
    let read = Stamp::parse(&bytes).unwrap();
    assert_eq!(
        (read.version, read.seal.raw, read.property),
        (Version::V4, &seal[..], "/Doc_0/Signature.xml")
    );
    assert_eq!((read.digest, read.signer_cert), (&DIGEST[..], WORLD.owner.cert.der()));
    assert_eq!((read.seal.code, read.seal.picture.width_mm), ("11010100000001", 42));
    assert_eq!(read.notes, Default::default());
}

#[test]
fn tokens_answer_their_request_and_pass() {
    for (authority, digest) in
        [(&WORLD.tsa, Digest::Sm3), (&WORLD.tsa, Digest::Sha256), (&WORLD.p256_tsa, Digest::Sha512)]
    {
        let request = Request { digest, imprint: digest.of(&[b"abc"]), ..Request::of(b"", Some(&[9; 8])) };
        let bytes = token_for(&request, time(STAMPED_AT), authority);
        let token = Token::parse(&bytes).unwrap();
        assert!(token.answers(&request));
        assert!(!token.answers(&Request { nonce: None, ..request.clone() }));
        assert!(!token.answers(&Request { policy: Some(oid::SM3), ..request }));
        assert_eq!(letters(&judge::token(&bytes, Some(b"abc"), &strict())), "-p--p-p-");
    }
}

#[test]
fn a_token_without_its_certificate_needs_it_at_hand() {
    let request = Request { certificate_wanted: false, ..Request::of(b"abc", None) };
    let bytes = token_for(&request, time(STAMPED_AT), &WORLD.tsa);
    assert_eq!(letters(&judge::token(&bytes, None, &strict())), "-u--u---");
    let at_hand = [WORLD.ca.cert.clone(), WORLD.tsa.cert.clone()];
    let asked = Question { material: Material { intermediates: &at_hand, ..WORLD.material() }, ..strict() };
    assert_eq!(letters(&judge::token(&bytes, None, &asked)), "-p--p---");
}

#[test]
fn signed_data_passes_and_fails_where_it_is_broken() {
    for by in [&WORLD.owner, &WORLD.p256_signer] {
        let bytes = pki::signed(b"a document", by, false);
        assert_eq!(kind_of(&bytes), Kind::Cms);
        // The authority came along in the bag, and is no anchor.
        let asked = Question { material: Material { intermediates: &[], ..WORLD.material() }, ..strict() };
        assert_eq!(letters(&judge::cms(&bytes, &[b"a doc", b"ument"], &asked)), "-p--ppp-");
        assert_eq!(letters(&judge::cms(&bytes, &[b"a doc"], &asked)), "-p--ppF-");
        let untrusting = Question { material: Material { anchors: &[], ..WORLD.material() }, ..strict() };
        assert_eq!(letters(&judge::cms(&bytes, &[b"a document"], &untrusting)), "-p--upp-");
        let stamped = pki::signed(b"a document", by, true);
        let report = judge::cms(&stamped, &[b"a document"], &asked);
        assert_eq!(letters(&report), "-p--pppp", "{report:#?}");
        assert_eq!(report.time.unwrap().source, TimeSource::Token);
    }
}

#[test]
fn an_owner_with_a_key_makes_no_seals() {
    let w = &*WORLD;
    for version in [Version::V4, Version::V5] {
        // For himself, for another owner, and by the time-stamping authority.
        let table = [
            (&w.owner, "seal/maker-extended-use"),
            (&w.other, "seal/maker-extended-use"),
            (&w.tsa, "seal/maker-extended-use"),
        ];
        for (maker, reason) in table {
            let minted = seal_by(&seal_draft(version), maker);
            let report = judged(&stamp(&minted, false));
            assert_eq!(report.checks.outcome(CheckId::Seal), crate::report::Outcome::Failed, "{report:#?}");
            let bare = judge::seal(&minted, &strict());
            assert_eq!(bare.checks.check(CheckId::Seal).verdict, crate::report::Outcome::Failed);
            let said = |report: &SignatureReport| {
                report.checks.check(CheckId::Seal).reason == reason
                    || report.findings.iter().any(|finding| finding.id == reason)
            };
            assert!(said(&report) || said(&bare), "{report:#?}");
        }
    }
}

#[test]
fn an_unmarked_certificate_makes_seals_only_where_makers_are_not_named() {
    let w = &*WORLD;
    let seal = seal(Version::V4);
    let stamp = stamp(&seal, false);
    let named = |makers| judge::stamp(&stamp, Some(DIGEST), &Question { makers, ..strict() });
    let [maker, other, ca] = [&w.maker, &w.other, &w.ca].map(|party| [party.cert.clone()]);
    assert_eq!(letters(&named(&[])), "ppppppp-");
    assert_eq!(letters(&named(&maker)), "ppppppp-");
    assert_eq!(letters(&named(&ca)), "ppppppp-");
    let refused = named(&other);
    assert_eq!(letters(&refused), "pppFppp-");
    assert_eq!(refused.checks.check(CheckId::Seal).reason, "seal/maker-not-listed");
}

#[test]
fn a_maker_makes_no_seal_for_his_own_key() {
    let w = &*WORLD;
    for signers in [
        SignersDraft::Certs(vec![w.maker.cert.der().to_vec()]),
        SignersDraft::Digests(vec![w.maker.cert.sm3()]),
    ] {
        let own = seal_by(&SealDraft { signers, ..seal_draft(Version::V4) }, &w.maker);
        let bent = Bent { seal: own, signer: &w.maker, key: &w.maker, ..Bent::straight() };
        let report = judged(&bent.make());
        assert_eq!(letters(&report), "pppFppp-");
        assert_eq!(report.checks.check(CheckId::Seal).reason, "seal/maker-is-signer");
    }
}
