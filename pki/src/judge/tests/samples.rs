//! The table at the end of `verdicts.md`, as far as it is ours: seals, stamps out of OFD files, signed data, a token.

use super::{letters, question, zip};
use crate::{
    judge::{self, Kind, Question, kind_of},
    report::{Outcome, Profile, SignatureKind, SignatureReport, TimeSource},
    sm3,
    x509::{Cert, Crl, path::Material, samples::sample},
};

/// The sample's trust: root, intermediates, list. `None` where the samples are not here.
pub(crate) fn trust() -> Option<(Vec<Cert>, Vec<Cert>, Vec<Crl>)> {
    let cert = |name| sample(name).map(|bytes| Cert::parse(&bytes).unwrap());
    Some((vec![cert("root.cer")?], vec![cert("ca.cer")?], vec![Crl::parse(&sample("ca.crl")?).unwrap()]))
}

fn with_trust(test: impl FnOnce(&Question<'_>)) {
    let Some((anchors, intermediates, crls)) = trust() else { return };
    test(&question(Material { anchors: &anchors, intermediates: &intermediates, crls: &crls }));
}

/// What belongs to one signature in an OFD file: SignedValue.dat, Signature.xml, Seal.esl.
struct Signed {
    value: Vec<u8>,
    xml: Vec<u8>,
    seal: Option<Vec<u8>>,
}

fn signatures(name: &str) -> Vec<Signed> {
    let entries = zip::entries(&sample(name).unwrap());
    let beside = |folder: &str, file: &str| {
        entries.iter().find(|(name, _)| *name == format!("{folder}{file}")).map(|(_, bytes)| bytes.clone())
    };
    let values = entries.iter().filter_map(|(name, bytes)| {
        let folder = name.strip_suffix("SignedValue.dat")?;
        let xml = beside(folder, "Signature.xml").unwrap();
        Some(Signed { value: bytes.clone(), xml, seal: beside(folder, "Seal.esl") })
    });
    values.collect()
}

fn judged(name: &str, question: &Question<'_>) -> Vec<SignatureReport> {
    let judged = |Signed { value, xml, seal }| match kind_of(&value) {
        Kind::Stamp => {
            let question = Question { seal_file: seal.as_deref(), ..*question };
            judge::stamp(&value, Some(sm3::digest(&xml)), &question)
        }
        Kind::Cms => judge::cms(&value, &[&xml], question),
        other => panic!("{name} holds {other:?}"),
    };
    signatures(name).into_iter().map(judged).collect()
}

#[test]
fn stamps_come_out_as_the_table_says() {
    with_trust(|question| {
        for (name, kind, expected) in [
            ("v1-valid.ofd", SignatureKind::SesV1, "ppppppp-"),
            ("v4-valid.ofd", SignatureKind::SesV4, "ppppppp-"),
            ("v4-ts-valid.ofd", SignatureKind::SesV4, "pppppppp"),
            ("v5-ts-both-valid.ofd", SignatureKind::SesV5, "pppppppp"),
            ("v4-two-seals-valid.ofd", SignatureKind::SesV4, "ppppppp-"),
            ("sign-gbt35275-valid.ofd", SignatureKind::CmsSm2, "-p--ppp-"),
            ("v4-BAD-seal-maker-signature.ofd", SignatureKind::SesV4, "pppFppp-"),
            // The table has only 3 fail, but this signer (serial 03EE) is the one that ca.crl revoked the day before.
            ("v4-BAD-signer-not-in-seal.ofd", SignatureKind::SesV4, "ppFpFFp-"),
            ("v4-BAD-ts-imprint.ofd", SignatureKind::SesV4, "pppppppF"),
        ] {
            let reports = judged(name, question);
            assert_eq!(reports.len(), if name.contains("two") { 2 } else { 1 }, "{name}");
            for report in reports {
                assert_eq!((letters(&report).as_str(), report.kind), (expected, kind), "{name}: {report:#?}");
            }
        }
    });
}

#[test]
fn without_the_list_the_unlisted_signer_fails_check_three_alone() {
    with_trust(|question| {
        let unlisted = Question { material: Material { crls: &[], ..question.material }, ..*question };
        assert_eq!(letters(&judged("v4-BAD-signer-not-in-seal.ofd", &unlisted)[0]), "ppFpppp-");
    });
}

#[test]
fn the_strict_profile_passes_what_follows_the_standard() {
    with_trust(|question| {
        let strict = Question { profile: Profile::Strict, require_revocation: true, ..*question };
        for name in ["v4-valid.ofd", "v4-ts-valid.ofd", "v5-ts-both-valid.ofd", "sign-gbt35275-valid.ofd"] {
            for report in judged(name, &strict) {
                assert_eq!(report.checks.verdict(), crate::report::Verdict::Passed, "{name}: {report:#?}");
            }
        }
        let v1 = &judged("v1-valid.ofd", &strict)[0];
        assert_eq!(v1.checks.check(crate::report::CheckId::SealFormat).reason, "lenient/time-without-zone");
    });
}

#[test]
fn a_valid_token_sets_the_time_of_signing() {
    with_trust(|question| {
        let source = |name| judged(name, question)[0].time.map(|time| time.source);
        assert_eq!(source("v4-ts-valid.ofd"), Some(TimeSource::Token));
        assert_eq!(source("v4-BAD-ts-imprint.ofd"), Some(TimeSource::Claimed));
        assert_eq!(source("v4-valid.ofd"), Some(TimeSource::Claimed));
    });
}

#[test]
fn bare_seals_come_out_as_the_table_says() {
    with_trust(|question| {
        for (name, expected) in
            [("seal-v1.esl", "p--p----"), ("seal-v4.esl", "p--p----"), ("seal-v5-ts.esl", "p--p---p")]
        {
            let bytes = sample(name).unwrap();
            assert_eq!(kind_of(&bytes), Kind::Seal, "{name}");
            let report = judge::seal(&bytes, question);
            assert_eq!(
                (letters(&report).as_str(), report.kind),
                (expected, SignatureKind::Seal),
                "{report:#?}"
            );
            assert_eq!(report.seal.unwrap().name, "测试单位公章");
        }
    });
}

#[test]
fn the_token_comes_out_as_the_table_says() {
    with_trust(|question| {
        let bytes = sample("tst-sm3-of-abc.der").unwrap();
        assert_eq!(kind_of(&bytes), Kind::Token);
        for (stamped, expected) in
            [(None, "-p--p---"), (Some(&b"abc"[..]), "-p--p-p-"), (Some(b"abd"), "-p--p-F-")]
        {
            assert_eq!(letters(&judge::token(&bytes, stamped, question)), expected);
        }
    });
}

#[test]
fn without_an_anchor_nothing_about_trust_is_decided() {
    with_trust(|question| {
        let nobody = Question { material: Material::default(), ..*question };
        for (name, expected) in [
            ("v4-ts-valid.ofd", "pppuuppu"),
            ("v5-ts-both-valid.ofd", "pppuuppu"),
            ("sign-gbt35275-valid.ofd", "-p--upp-"),
        ] {
            assert_eq!(letters(&judged(name, &nobody)[0]), expected, "{name}");
        }
        let token = judge::token(&sample("tst-sm3-of-abc.der").unwrap(), None, &nobody);
        assert_eq!(letters(&token), "-p--u---");
    });
}

#[test]
fn the_document_and_the_seal_beside_it_are_compared() {
    with_trust(|question| {
        let Signed { value, xml, seal } = signatures("v4-valid.ofd").remove(0);
        let digest = Some(sm3::digest(&xml));
        assert_eq!(letters(&judge::stamp(&value, None, question)), "ppppppu-");
        assert_eq!(letters(&judge::stamp(&value, Some([0; 32]), question)), "ppppppF-");
        let mut other = seal.unwrap();
        other[200] ^= 1;
        let swapped = Question { seal_file: Some(&other), ..*question };
        assert_eq!(letters(&judge::stamp(&value, digest, &swapped)), "Fpppppp-");
        let trailing = [&value[..], &[0]].concat();
        assert_eq!(letters(&judge::stamp(&trailing, digest, question)), "Fpppppp-");
        let required = Question { require_time_stamp: true, require_status: true, ..*question };
        assert_eq!(letters(&judge::stamp(&value, digest, &required)), "pppupppF");
        let bare = Question {
            material: Material { crls: &[], ..question.material },
            require_revocation: true,
            ..*question
        };
        assert_eq!(letters(&judge::stamp(&value, digest, &bare)), "pppuupp-");
        let early = Question {
            judged_at: crate::time::Timestamp::parse_rfc3339("2026-11-20T00:00:00Z").unwrap(),
            ..*question
        };
        let report = judge::stamp(&value, digest, &early);
        assert_eq!(letters(&report), "pppppFp-");
        assert_eq!(report.checks.outcome(crate::report::CheckId::SigningTime), Outcome::Failed);
    });
}

#[test]
fn what_is_none_of_ours_is_unknown() {
    for bytes in [&b""[..], b"%PDF-1.7", b"\x30\0", b"\x30\x02\x30\0", b"\x30\x80"] {
        assert_eq!(kind_of(bytes), Kind::Unknown, "{bytes:02x?}");
    }
    if let Some(cert) = sample("owner.cer") {
        assert_eq!(kind_of(&cert), Kind::Unknown);
        assert_eq!(kind_of(&sample("ca.crl").unwrap()), Kind::Unknown);
    }
}
