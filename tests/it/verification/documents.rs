//! Stamped PDFs, broken one way at a time: exactly the right check fails, or the verdict is capped for the right reason.

use super::{
    fixture, forge, schema,
    world::{
        JUDGED_AT, Plan, RED, SIDE_MM, WORLD, picture, seal, seal_by, seal_draft, shown, stamp, stamped,
        time, token,
    },
};
use proptest::prelude::*;
use std::sync::LazyLock;
use yinxin::{
    base::Timestamp,
    document::pdf::{self, analysis},
    verification::{Demand, Trust, judge, text},
};
use yinxin_pki::{
    cms::SignedData,
    judge::{SealState, SealStatus},
    report::{
        CheckId, Coverage, Outcome, Profile, Report, SignatureKind, SignatureReport, TimeSource, Verdict,
    },
    x509::Cert,
};

static DOCUMENT: LazyLock<Vec<u8>> = LazyLock::new(|| fixture("attacks/plain.pdf"));
static STAMPED: LazyLock<Vec<u8>> = LazyLock::new(|| stamped(&DOCUMENT, &Plan::default()));

fn judged(bytes: &[u8]) -> Report {
    judged_with(bytes, &WORLD.trust(&[]))
}

fn judged_with(bytes: &[u8], trust: &Trust) -> Report {
    told(judge(bytes, &Demand::new(trust, time(JUDGED_AT))))
}

/// Every report is as the schema says, and can be put into words.
fn told(report: Report) -> Report {
    schema::check(&serde_json::to_value(&report).unwrap());
    assert!(text::render(&report).contains("检验时间"));
    report
}

fn letters(report: &SignatureReport) -> String {
    let letter = |id: &CheckId| match report.checks.outcome(*id) {
        Outcome::Passed => 'p',
        Outcome::Failed => 'F',
        Outcome::Undecided => 'u',
        Outcome::Absent => '-',
    };
    CheckId::ALL.iter().map(letter).collect()
}

fn finds(report: &SignatureReport, id: &str) -> bool {
    report.findings.iter().any(|finding| finding.id == id)
}

#[test]
fn an_honest_stamp_passes_all_that_is_asked_of_it() {
    let report = judged(&STAMPED);
    let [signature] = &report.signatures[..] else { panic!("{report:#?}") };
    assert_eq!((letters(signature).as_str(), report.exit_code()), ("ppppppp-", 0), "{report:#?}");
    assert_eq!((signature.kind, signature.covers), (SignatureKind::SesV4, Some(Coverage::Whole)));
    assert_eq!(signature.seal.as_ref().unwrap().name, "某市人民政府");
    assert_eq!(signature.time.unwrap().source, TimeSource::Claimed);
    let trust = WORLD.trust(&[]);
    let strict =
        Demand { profile: Profile::Strict, require_revocation: true, ..Demand::new(&trust, time(JUDGED_AT)) };
    assert_eq!(told(judge(&STAMPED, &strict)).exit_code(), 0);
}

#[test]
fn a_stamp_with_a_time_stamp_passes_all_eight() {
    let report = judged(&stamped(&DOCUMENT, &Plan { token_over: Some(<[u8]>::to_vec), ..Plan::default() }));
    assert_eq!((letters(&report.signatures[0]).as_str(), report.exit_code()), ("pppppppp", 0), "{report:#?}");
    assert_eq!(report.signatures[0].time.unwrap().source, TimeSource::Token);
}

/// The file with one octet changed at `at`.
fn flipped(bytes: &[u8], at: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[at] ^= 1;
    bytes
}

/// Where the value of the newest stamp lies, its brackets included.
fn value_of(bytes: &[u8]) -> std::ops::Range<usize> {
    let end = bytes.windows(3).rposition(|window| window == b"00>").unwrap() + 3;
    let start = bytes[..end].iter().rposition(|octet| *octet == b'<').unwrap();
    start..end
}

/// The file with one of the last octets of its stamp's signature value changed: they are those of `s`.
fn with_another_value(bytes: &[u8]) -> Vec<u8> {
    let hex = value_of(bytes);
    let used = bytes[hex.clone()].iter().rposition(|digit| !b"0>".contains(digit)).unwrap();
    let at = hex.start + used - 8;
    let mut changed = bytes.to_vec();
    changed[at] = if changed[at] == b'1' { b'2' } else { b'1' };
    changed
}

#[test]
fn what_is_broken_fails_the_check_that_is_meant_and_no_other() {
    let word = find(&STAMPED, b"Tj");
    let forged_seal = seal_by(&seal_draft(picture(RED)), &WORLD.other);
    let with = |plan: Plan<'_>| stamped(&DOCUMENT, &plan);
    let table: [(&str, Vec<u8>, &str, &str); 8] = [
        ("an octet of the page", flipped(&STAMPED, word - 3), "ppppppF-", "document-digest/mismatch"),
        ("the signature value", with_another_value(&STAMPED), "pFppppp-", "stamp-signature/mismatch"),
        (
            "a signer of another seal",
            with(Plan { signer: &WORLD.other, ..Plan::default() }),
            "ppFpppp-",
            "signer-in-seal/not-listed",
        ),
        (
            "a forged seal",
            with(Plan { seal: forged_seal, ..Plan::default() }),
            "pppFppp-",
            "seal/maker-signature-mismatch",
        ),
        (
            "an expired certificate",
            with(Plan { signer: &WORLD.former, ..Plan::default() }),
            "ppppFFp-",
            "signer-certificate/expired",
        ),
        (
            "a time to come",
            with(Plan { at: time("2026-12-01T00:00:00Z"), ..Plan::default() }),
            "pppppFp-",
            "signing-time/future",
        ),
        (
            "a time stamp for something else",
            with(Plan { token_over: Some(|_| b"else".to_vec()), ..Plan::default() }),
            "pppppppF",
            "time-stamp/imprint",
        ),
        ("a stamp from another file", transplanted(), "ppppppF-", "document-digest/mismatch"),
    ];
    for (what, bytes, expected, reason) in table {
        let report = judged(&bytes);
        let [signature] = &report.signatures[..] else { panic!("{what}: {report:#?}") };
        assert_eq!(
            (letters(signature).as_str(), report.exit_code()),
            (expected, 1),
            "{what}: {signature:#?}"
        );
        assert!(signature.checks.iter().any(|check| check.reason == reason), "{what}: {signature:#?}");
    }
}

/// A valid stamp of another document, put into this one.
fn transplanted() -> Vec<u8> {
    with_value(|_| stamp(&seal(), &WORLD.owner, time("2026-11-20T12:00:00Z"), [9; 32], None))
}

/// The document with this value in the place of a stamp, over the octets that it covers.
fn with_value(value: impl FnOnce(&[u8]) -> Vec<u8>) -> Vec<u8> {
    let file = pdf::open(&DOCUMENT, &pdf::Limits::default()).unwrap();
    let place = pdf::Placement { page: 1, x_mm: 40.0, y_mm: 40.0 };
    let names = pdf::StampNames {
        kind: pdf::SignatureKind::SesSeal,
        reason: None,
        location: None,
        signed_at: "D:2026".into(),
    };
    let prepared = file.prepare(&place, &shown(&picture(RED), SIDE_MM), &names, 12_000).unwrap();
    let covered = prepared.signed_parts().concat();
    prepared.embed(&value(&covered)).unwrap()
}

#[test]
fn the_value_decides_what_it_is_and_names_do_not() {
    let at = time("2026-11-20T12:00:00Z");
    let report = judged(&with_value(|covered| token(covered, at)));
    let signature = &report.signatures[0];
    assert_eq!(
        (signature.kind, letters(signature).as_str()),
        (SignatureKind::Tst, "-p--p-p-"),
        "{signature:#?}"
    );
    assert!(report.exit_code() == 2 && finds(signature, "appearance/foreign"), "a token has no seal to show");

    let report = judged(&with_value(|_| seal()));
    assert_eq!(
        (letters(&report.signatures[0]).as_str(), report.exit_code()),
        ("-F------", 1),
        "a seal is no stamp"
    );

    // What calls itself a time stamp of the document may follow a certification; another signature may not.
    let named = fixture("attacks/one.pdf");
    let at = find(&named, b"/ETSI.CAdES.detached");
    let mut named = named;
    named[at..at + 20].copy_from_slice(b"/ETSI.RFC3161       ");
    let report = judged(&named);
    assert!(report.exit_code() == 1 && finds(&report.signatures[0], "time-stamp/not-a-token"), "{report:#?}");
}

fn find(bytes: &[u8], word: &[u8]) -> usize {
    bytes.windows(word.len()).position(|window| window == word).unwrap()
}

#[test]
fn a_revoked_signer_fails_and_one_revoked_later_is_told() {
    let before = judged_with(&STAMPED, &WORLD.trust(&[(&WORLD.owner.cert, "2026-11-20T00:00:00Z")]));
    assert_eq!((letters(&before.signatures[0]).as_str(), before.exit_code()), ("ppppFFp-", 1));
    let after = judged_with(&STAMPED, &WORLD.trust(&[(&WORLD.owner.cert, "2026-11-20T13:00:00Z")]));
    assert_eq!((letters(&after.signatures[0]).as_str(), after.exit_code()), ("ppppppp-", 0));
    assert!(finds(&after.signatures[0], "signer-certificate/revoked-later"));
}

#[test]
fn a_picture_that_is_not_the_seals_own_does_not_pass() {
    let blue = picture([20, 16, 200]);
    let plans = [
        ("another picture", Plan { shown: shown(&blue, SIDE_MM), ..Plan::default() }, "appearance/foreign"),
        (
            "another size",
            Plan { shown: shown(&picture(RED), SIDE_MM * 2), ..Plan::default() },
            "appearance/foreign",
        ),
        (
            "no picture that can be compared",
            Plan { seal: vague_seal(), ..Plan::default() },
            "appearance/not-comparable",
        ),
    ];
    for (what, plan, finding) in plans {
        let report = judged(&stamped(&DOCUMENT, &plan));
        let signature = &report.signatures[0];
        assert_eq!((letters(signature).as_str(), report.exit_code()), ("ppppppp-", 2), "{what}");
        assert!(finds(signature, finding), "{what}: {signature:#?}");
    }
}

/// A seal whose picture is of a kind that is not read here.
fn vague_seal() -> Vec<u8> {
    let mut draft = seal_draft(b"GIF89a".to_vec());
    draft.picture.kind = "gif".into();
    seal_by(&draft, &WORLD.maker)
}

#[test]
fn a_later_stamp_leaves_the_earlier_valid() {
    let two = stamped(&STAMPED, &Plan { x_mm: 90.0, token_over: Some(<[u8]>::to_vec), ..Plan::default() });
    let report = judged(&two);
    let [first, second] = &report.signatures[..] else { panic!("{report:#?}") };
    assert_eq!(report.exit_code(), 0, "{report:#?}");
    assert_eq!((first.covers, second.covers), (Some(Coverage::Revision), Some(Coverage::Whole)));
    assert!(first.changes_after[0].contains("Stamp2") && second.changes_after.is_empty(), "{first:#?}");
    // A broken first leaves the second as it is, and the file no better than its worst.
    let report = judged(&stamped(&with_another_value(&STAMPED), &Plan { x_mm: 90.0, ..Plan::default() }));
    let verdicts: Vec<Verdict> = report.signatures.iter().map(|signature| signature.verdict).collect();
    assert_eq!((verdicts, report.verdict), (vec![Verdict::Failed, Verdict::Passed], Verdict::Failed));
}

#[test]
fn what_follows_a_stamp_caps_it() {
    let font = "<< /Type /Font /Subtype /Type1 /BaseFont /Courier >>";
    let table = [
        ("another font", forge::replaced(&STAMPED, 5, font), "change/not-allowed"),
        ("octets at the end", [&STAMPED[..], b"junk"].concat(), "isa/tail"),
        ("a seal without a stamp", stamped_without_value(), "change/not-allowed"),
    ];
    for (what, bytes, finding) in table {
        let report = judged(&bytes);
        let signature = &report.signatures[0];
        assert_eq!(letters(signature), "ppppppp-", "{what}: {signature:#?}");
        assert_ne!(report.verdict, Verdict::Passed, "{what}");
        assert!(finds(signature, finding), "{what}: {signature:#?}");
    }
}

/// After a stamp, the same picture again, with nothing behind it.
fn stamped_without_value() -> Vec<u8> {
    let twice = stamped(&STAMPED, &Plan { x_mm: 90.0, ..Plan::default() });
    let mut twice = twice;
    let value = find(&twice, b"/V 20 0 R");
    twice[value..value + 9].fill(b' ');
    twice
}

#[test]
fn without_trust_nothing_passes_and_nothing_fails() {
    let report = judged_with(&STAMPED, &Trust::default());
    assert_eq!((letters(&report.signatures[0]).as_str(), report.exit_code()), ("pppuupp-", 2));
}

struct Register(SealState);

impl SealStatus for Register {
    fn state(&self, code: &str, _sm3: &[u8; 32], at: Timestamp) -> SealState {
        assert_eq!(
            (code, at),
            ("11010100000001", time("2026-11-20T12:00:00Z")),
            "asked as of the time of signing"
        );
        self.0.clone()
    }
}

#[test]
fn the_register_of_seals_has_its_say() {
    let trust = WORLD.trust(&[]);
    for (state, required, exit_code) in [
        (SealState::Valid, true, 0),
        (SealState::Invalid("suspended".into()), false, 1),
        (SealState::Unknown, false, 0),
        (SealState::Unknown, true, 2),
        (SealState::Unavailable, false, 2),
    ] {
        let register = Register(state.clone());
        let demand = Demand {
            status: Some(&register),
            require_status: required,
            ..Demand::new(&trust, time(JUDGED_AT))
        };
        assert_eq!(told(judge(&STAMPED, &demand)).exit_code(), exit_code, "{state:?}");
    }
    let demand = Demand { require_time_stamp: true, ..Demand::new(&trust, time(JUDGED_AT)) };
    assert_eq!(letters(&judge(&STAMPED, &demand).signatures[0]), "pppppppF");
}

#[test]
fn seals_stamps_and_tokens_are_judged_without_a_document_too() {
    let trust = WORLD.trust(&[]);
    let at = time("2026-11-20T12:00:00Z");
    let stamp = stamp(&seal(), &WORLD.owner, at, yinxin_pki::sm3::digest(b"abc"), None);
    let token = token(b"abc", at);
    type Case<'a> = (&'a [u8], Option<&'a [u8]>, &'a str, u8);
    let table: [Case<'_>; 7] = [
        (&seal(), None, "p--p----", 0),
        (&stamp, None, "ppppppu-", 2),
        (&stamp, Some(b"abc"), "ppppppp-", 0),
        (&stamp, Some(b"abd"), "ppppppF-", 1),
        (&token, None, "-p--p---", 0),
        (&token, Some(b"abc"), "-p--p-p-", 0),
        (&token, Some(b"abd"), "-p--p-F-", 1),
    ];
    for (bytes, signed, expected, exit_code) in table {
        let report = told(judge(bytes, &Demand { signed, ..Demand::new(&trust, time(JUDGED_AT)) }));
        let signature = &report.signatures[0];
        assert_eq!(
            (letters(signature).as_str(), report.exit_code()),
            (expected, exit_code),
            "{signature:#?}"
        );
    }
}

/// Trusts whatever certificates the signatures of a file carry: the keys behind the fixtures were thrown away.
fn trust_of(bytes: &[u8]) -> Trust {
    let limits = pdf::Limits::default();
    let analysis = analysis::signatures(&pdf::open(bytes, &limits).unwrap(), &limits).unwrap();
    let certs = analysis.signatures.iter().flat_map(|placed| {
        let signed = SignedData::parse(&placed.value).unwrap();
        signed.certificates.iter().map(|der| Cert::parse(der).unwrap()).collect::<Vec<_>>()
    });
    Trust { anchors: certs.collect(), ..Trust::default() }
}

#[test]
fn honest_files_pass_and_no_attack_on_them_does() {
    let load = |name: &str| fixture(&format!("attacks/{name}.pdf"));
    let mut trust = Trust::default();
    // A second signature with a picture that no seal stands behind may cover what the first one signed.
    for name in ["two", "streams-two", "linear-two", "certified-2-signed"] {
        let covered = judged_with(&load(name), &trust_of(&load(name)));
        let found = covered.signatures[0].findings.iter().any(|finding| finding.id == "appearance/overlay");
        assert_eq!((covered.exit_code(), found), (2, true), "{name}: {covered:#?}");
    }
    for name in ["one", "invisible", "prepared", "certified-1"] {
        let own = trust_of(&load(name));
        let report = judged_with(&load(name), &own);
        assert_eq!(report.exit_code(), 0, "{name}: {report:#?}");
        trust.anchors.extend(own.anchors);
    }
    for name in [
        "two",
        "streams-two",
        "linear-two",
        "certified-2-signed",
        "shadow-double",
        "shadow-sleeper",
        "certified-2",
        "certified-3",
        "filled-after",
        "certified-2-filled",
    ] {
        trust.anchors.extend(trust_of(&load(name)).anchors);
    }
    for name in ["filled-after", "certified-2-filled"] {
        assert_eq!(judged_with(&load(name), &trust).exit_code(), 2, "{name}");
    }
    for attack in forge::attacks(&load) {
        let report = judged_with(&attack.bytes, &trust);
        assert_ne!(report.verdict, Verdict::Passed, "{}", attack.name);
        let is_a_forgery = ["usf-", "swa-", "range-"].iter().any(|family| attack.name.starts_with(family));
        assert!(!is_a_forgery || [1, 3].contains(&report.exit_code()), "{}: {report:#?}", attack.name);
    }
}

#[test]
fn a_file_whose_signature_was_removed_says_so() {
    let emptied = forge::attacks(&|name| fixture(&format!("attacks/{name}.pdf")));
    let attack = emptied.into_iter().find(|attack| attack.name == "isa-signature-removed").unwrap();
    let report = judged(&attack.bytes);
    assert_eq!((report.exit_code(), report.problems[0].id.as_str()), (2, "not-signed"));
    assert!(
        report.problems[0].says.contains("held a signature in field Sig1 that is gone now."),
        "{:?}",
        report.problems
    );
}

#[test]
fn document_time_stamps_are_judged_over_the_document() {
    let report = judged(&fixture("attacks/lta.pdf"));
    let stamp = report.signatures.iter().find(|signature| signature.kind == SignatureKind::Tst).unwrap();
    assert_eq!(stamp.checks.outcome(CheckId::DocumentDigest), Outcome::Passed, "{stamp:#?}");
    assert_eq!(stamp.checks.outcome(CheckId::StampSignature), Outcome::Passed);
}

#[test]
fn files_that_cannot_be_judged_say_why() {
    let table = [
        ("encrypted.pdf", "encrypted"),
        ("truncated.pdf", "malformed"),
        ("xref-loop.pdf", "malformed"),
        ("bomb.pdf", "too-large"),
    ];
    for (name, problem) in table {
        let report = judged(&fixture(name));
        assert_eq!((report.problems[0].id.as_str(), report.exit_code()), (problem, 3), "{name}: {report:?}");
    }
    let report = judged(&fixture("one-page.pdf"));
    assert_eq!((report.problems[0].id.as_str(), report.exit_code()), ("not-signed", 2));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn one_flipped_bit_anywhere_never_passes(at in any::<prop::sample::Index>(), bit in 0..8u8) {
        let at = at.index(STAMPED.len());
        // Hexadecimal digits mean the same in either case.
        prop_assume!(bit != 5 || !value_of(&STAMPED).contains(&at));
        let mut bytes = STAMPED.to_vec();
        bytes[at] ^= 1 << bit;
        prop_assert_ne!(judged(&bytes).verdict, Verdict::Passed);
    }

    #[test]
    fn a_cut_file_never_passes(at in any::<prop::sample::Index>()) {
        let at = at.index(STAMPED.len());
        prop_assert_ne!(judged(&STAMPED[..at]).verdict, Verdict::Passed);
    }
}
