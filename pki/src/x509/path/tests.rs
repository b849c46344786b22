use super::super::{
    Extension, Revoked,
    draft::{Draft, SIGNING, day, list},
    samples::sample,
};
use super::*;
use crate::{der, sign::P256Key};
use std::slice::from_ref;

fn cert(name: &str) -> Option<Cert> {
    sample(name).map(|bytes| Cert::parse(&bytes).unwrap())
}

/// Root, authority, end entity.
fn chain(root: Draft, ca: Draft, leaf: Draft) -> [Cert; 3] {
    [root.sign(1, "root", 1), ca.sign(2, "root", 1), leaf.sign(3, "ca", 2)]
}

fn good() -> [Cert; 3] {
    chain(Draft::authority("root"), Draft::authority("ca"), Draft::leaf("leaf"))
}

fn judge(leaf: &Cert, anchors: &[Cert], intermediates: &[Cert]) -> Result<Path, PathError> {
    let material = Material { anchors, intermediates, crls: &[] };
    validate(leaf, &material, day("2026-06-01"), Purpose::Signing)
}

fn code(result: Result<Path, PathError>) -> &'static str {
    result.map_or_else(|error| error.code(), |_| "good")
}

#[test]
fn paths_made_by_others_hold() {
    let (Some(root), Some(ca), Some(crl)) = (cert("root.cer"), cert("ca.cer"), sample("ca.crl")) else {
        return;
    };
    let (root, ca, crls) = ([root], [ca], [Crl::parse(&crl).unwrap()]);
    let material = Material { anchors: &root, intermediates: &ca, crls: &crls };
    let at = day("2026-11-21");
    for (file, purpose) in [
        ("owner.cer", Purpose::Signing),
        ("maker.cer", Purpose::SealMaking),
        ("tsa.cer", Purpose::TimeStamping),
    ] {
        let leaf = cert(file).unwrap();
        let path = validate(&leaf, &material, at, purpose).unwrap();
        assert_eq!(path.chain, [leaf, ca[0].clone(), root[0].clone()]);
        assert_eq!((path.revocation, path.findings), (Revocation::Good, vec![]));
    }
    let owner = cert("owner.cer").unwrap();
    let told =
        |leaf: &Cert, material: &Material<'_>, at, purpose| code(validate(leaf, material, at, purpose));
    assert_eq!(told(&owner, &material, at, Purpose::TimeStamping), "path/extended-use");
    assert_eq!(told(&cert("tsa.cer").unwrap(), &material, at, Purpose::Signing), "path/extended-use");
    assert_eq!(told(&owner, &material, day("2026-10-21"), Purpose::Signing), "path/not-yet-valid");
    assert_eq!(told(&owner, &material, day("2036-11-18"), Purpose::Signing), "path/expired");
    assert_eq!(told(&ca[0], &material, at, Purpose::Signing), "path/key-usage");
    let untrusted = Material { anchors: &[], intermediates: &[root[0].clone(), ca[0].clone()], crls: &[] };
    assert_eq!(told(&owner, &untrusted, at, Purpose::Signing), "path/no-anchor");
    let no_ca = Material { intermediates: &[], ..material };
    assert_eq!(told(&owner, &no_ca, at, Purpose::Signing), "path/no-anchor");
    let no_list = Material { crls: &[], ..material };
    let path = validate(&owner, &no_list, at, Purpose::Signing).unwrap();
    assert_eq!(path.revocation, Revocation::NoSource);
}

#[test]
fn each_rule_broken_once_has_its_own_error() {
    let (root, ca, leaf) = (|| Draft::authority("root"), || Draft::authority("ca"), || Draft::leaf("leaf"));
    let unknown = || Extension::new(Oid::from_content(&[0x2a, 3]), true, der::null());
    let constraints = |critical| Extension::new(oid::NAME_CONSTRAINTS, critical, der::sequence([[]; 0]));
    let early = || day("2026-05-31");
    let late = || day("2026-06-02");
    let table = [
        ("nothing", root(), ca(), leaf(), "good"),
        ("leaf expired", root(), ca(), Draft { not_after: early(), ..leaf() }, "path/expired"),
        ("authority expired", root(), Draft { not_after: early(), ..ca() }, leaf(), "path/expired"),
        ("anchor expired", Draft { not_after: early(), ..root() }, ca(), leaf(), "path/expired"),
        ("leaf not yet valid", root(), ca(), Draft { not_before: late(), ..leaf() }, "path/not-yet-valid"),
        (
            "authority not yet valid",
            root(),
            Draft { not_before: late(), ..ca() },
            leaf(),
            "path/not-yet-valid",
        ),
        ("authority is none", root(), Draft { authority: None, ..ca() }, leaf(), "path/not-a-ca"),
        ("anchor is no authority", Draft { authority: None, ..root() }, ca(), leaf(), "path/not-a-ca"),
        ("path too deep", Draft { authority: Some(Some(0)), ..root() }, ca(), leaf(), "path/path-length"),
        ("depth allowed", Draft { authority: Some(Some(1)), ..root() }, ca(), leaf(), "good"),
        ("leaf of a last authority", root(), Draft { authority: Some(Some(0)), ..ca() }, leaf(), "good"),
        ("authority may not issue", root(), Draft { usage: Some(SIGNING), ..ca() }, leaf(), "path/key-usage"),
        ("authority without usage", root(), Draft { usage: None, ..ca() }, leaf(), "good"),
        (
            "leaf may not sign",
            root(),
            ca(),
            Draft { usage: Some(KeyUsage::KEY_AGREEMENT), ..leaf() },
            "path/key-usage",
        ),
        ("leaf without usage", root(), ca(), Draft { usage: None, ..leaf() }, "good"),
        (
            "leaf signs and enciphers",
            root(),
            ca(),
            Draft { usage: Some(SIGNING.and(KeyUsage::KEY_ENCIPHERMENT)), ..leaf() },
            "good",
        ),
        (
            "unknown in leaf",
            root(),
            ca(),
            Draft { more: vec![unknown()], ..leaf() },
            "path/unknown-critical-extension",
        ),
        (
            "unknown above",
            root(),
            Draft { more: vec![unknown()], ..ca() },
            leaf(),
            "path/unknown-critical-extension",
        ),
        (
            "names constrained",
            root(),
            Draft { more: vec![constraints(true)], ..ca() },
            leaf(),
            "path/name-constraints",
        ),
        (
            "even softly",
            root(),
            Draft { more: vec![constraints(false)], ..ca() },
            leaf(),
            "path/name-constraints",
        ),
        (
            "another use, critical",
            root(),
            ca(),
            Draft { extended: Some((vec![oid::EKU_SERVER_AUTH], true)), ..leaf() },
            "path/extended-use",
        ),
        (
            "another use",
            root(),
            ca(),
            Draft { extended: Some((vec![oid::EKU_SERVER_AUTH], false)), ..leaf() },
            "good",
        ),
    ];
    for (what, root, ca, leaf, expected) in table {
        let [root, ca, leaf] = chain(root, ca, leaf);
        assert_eq!(code(judge(&leaf, &[root], &[ca])), expected, "{what}");
    }
}

#[test]
fn a_time_stamping_use_stands_alone_and_is_critical() {
    let [root, ca, _] = good();
    let table = [
        (vec![oid::EKU_TIME_STAMPING], true, "good"),
        (vec![oid::EKU_TIME_STAMPING], false, "path/extended-use"),
        (vec![oid::EKU_TIME_STAMPING, oid::EKU_CLIENT_AUTH], true, "path/extended-use"),
        (vec![oid::EKU_CLIENT_AUTH], true, "path/extended-use"),
    ];
    for (uses, critical, expected) in table {
        let leaf = Draft { extended: Some((uses, critical)), ..Draft::leaf("tsa") }.sign(3, "ca", 2);
        let material = Material { anchors: from_ref(&root), intermediates: from_ref(&ca), crls: &[] };
        assert_eq!(code(validate(&leaf, &material, day("2026-06-01"), Purpose::TimeStamping)), expected);
        if expected == "good" {
            assert_eq!(
                code(validate(&leaf, &material, day("2026-06-01"), Purpose::Signing)),
                "path/extended-use"
            );
            assert_eq!(
                code(validate(&leaf, &material, day("2026-06-01"), Purpose::SealMaking)),
                "path/extended-use"
            );
        }
    }
}

#[test]
fn whoever_is_certified_for_documents_makes_no_seals() {
    let [root, ca, _] = good();
    let table = [
        (vec![oid::EKU_DOCUMENT_SIGNING], "path/extended-use"),
        (vec![oid::EKU_CLIENT_AUTH, oid::EKU_DOCUMENT_SIGNING], "path/extended-use"),
        (vec![oid::EKU_CLIENT_AUTH], "good"),
        (vec![oid::EKU_SERVER_AUTH, oid::EKU_TIME_STAMPING], "good"),
    ];
    for (uses, expected) in table {
        let leaf = Draft { extended: Some((uses, false)), ..Draft::leaf("maker") }.sign(3, "ca", 2);
        let material = Material { anchors: from_ref(&root), intermediates: from_ref(&ca), crls: &[] };
        assert_eq!(code(validate(&leaf, &material, day("2026-06-01"), Purpose::SealMaking)), expected);
    }
}

#[test]
fn only_given_anchors_are_trusted() {
    let [root, ca, leaf] = good();
    let lonely = Draft::leaf("lonely").sign(9, "lonely", 9);
    assert_eq!(code(judge(&leaf, &[], &[root.clone(), ca.clone()])), "path/no-anchor");
    assert_eq!(code(judge(&lonely, &[], from_ref(&lonely))), "path/no-anchor");
    assert_eq!(judge(&lonely, from_ref(&lonely), &[]).unwrap().chain, [lonely]);
    assert_eq!(judge(&leaf, from_ref(&leaf), &[]).unwrap().chain.len(), 1);
    assert_eq!(judge(&leaf, from_ref(&ca), &[]).unwrap().chain, [leaf.clone(), ca]);
    // The issuer's name with another key: a forgery, or another authority of that name.
    let impostor = Draft::authority("ca").sign(8, "root", 1);
    assert_eq!(code(judge(&leaf, &[root], &[impostor])), "path/signature");
}

#[test]
fn among_authorities_of_one_name_the_right_one_is_found() {
    let [root, ca, leaf] = good();
    let other_key = Draft::authority("ca").sign(8, "root", 1);
    let expired = Draft { not_after: day("2026-02-01"), ..Draft::authority("ca") }.sign(2, "root", 1);
    let nowhere = Draft::authority("ca").sign(2, "nobody", 77);
    let pool = [other_key, expired, nowhere, ca.clone()];
    assert_eq!(judge(&leaf, from_ref(&root), &pool).unwrap().chain, [leaf, ca, root]);
}

#[test]
fn loops_and_mazes_come_to_an_end() {
    let [root, ..] = good();
    let ring = [Draft::authority("a").sign(4, "b", 5), Draft::authority("b").sign(5, "a", 4)];
    let leaf = Draft::leaf("leaf").sign(3, "a", 4);
    assert_eq!(code(judge(&leaf, from_ref(&root), &ring)), "path/no-anchor");
    let maze: Vec<Cert> = (10..90)
        .map(|seed| Draft::authority("a").sign(seed, "a", if seed == 89 { 10 } else { seed + 1 }))
        .collect();
    let lost = Draft::leaf("leaf").sign(3, "a", 10);
    assert!(["path/too-many-checks", "path/too-long"].contains(&code(judge(&lost, &[root], &maze))));
    let wrong: Vec<Cert> = (10..90).map(|seed| Draft::authority("a").sign(seed, "a", seed)).collect();
    assert_eq!(code(judge(&leaf, &[], &wrong)), "path/too-many-checks");
}

#[test]
fn a_path_has_at_most_eight_certificates() {
    const NAMES: [&str; 9] = ["n0", "n1", "n2", "n3", "n4", "n5", "n6", "n7", "n8"];
    let certs: Vec<Cert> = (0..9u8)
        .map(|n| {
            let draft = if n == 8 { Draft::leaf(NAMES[8]) } else { Draft::authority(NAMES[usize::from(n)]) };
            let issuer = n.saturating_sub(1);
            draft.sign(n + 1, NAMES[usize::from(issuer)], issuer + 1)
        })
        .collect();
    let leaf = certs.last().unwrap();
    assert_eq!(code(judge(leaf, &certs[..1], &certs[1..8])), "path/too-long");
    assert_eq!(judge(leaf, &certs[1..2], &certs[2..8]).unwrap().chain.len(), 8);
}

#[test]
fn a_self_issued_authority_does_not_count_against_the_path_length() {
    let root = Draft { authority: Some(Some(1)), ..Draft::authority("root") }.sign(1, "root", 1);
    let rolled = Draft::authority("root").sign(4, "root", 1);
    let ca = Draft::authority("ca").sign(2, "root", 4);
    let leaf = Draft::leaf("leaf").sign(3, "ca", 2);
    assert_eq!(judge(&leaf, &[root], &[rolled, ca]).unwrap().chain.len(), 4);
}

#[test]
fn revocation_lists_are_asked_newest_first() {
    let [root, ca, leaf] = good();
    let gone = Revoked { at: day("2026-04-01"), reason: Reason::KeyCompromise };
    let named = [(vec![7], gone)];
    let part = Extension::new(Oid::from_content(&[0x55, 0x1d, 0x1c]), true, der::sequence([[]; 0]));
    let revoked = Revocation::Revoked { at: gone.at, reason: gone.reason };
    let table: [(&str, Vec<Crl>, Revocation, &[&str]); 9] = [
        ("none", vec![], Revocation::NoSource, &[]),
        ("named", vec![list("ca", 2, "2026-05-20", &named, &[])], revoked, &[]),
        ("not named", vec![list("ca", 2, "2026-05-20", &[], &[])], Revocation::Good, &[]),
        ("stale", vec![list("ca", 2, "2026-04-20", &named, &[])], revoked, &["crl/stale"]),
        ("made later", vec![list("ca", 2, "2026-08-01", &named, &[])], revoked, &[]),
        ("of another issuer", vec![list("other", 1, "2026-05-20", &named, &[])], Revocation::NoSource, &[]),
        ("forged", vec![list("ca", 8, "2026-05-20", &[], &[])], Revocation::NoSource, &["crl/signature"]),
        ("a part", vec![list("ca", 2, "2026-05-20", &[], &[part])], Revocation::NoSource, &["crl/unusable"]),
        (
            "silent after expiry, named before",
            vec![list("ca", 2, "2026-05-20", &named, &[]), list("ca", 2, "2027-02-01", &[], &[])],
            revoked,
            &["crl/after-expiry"],
        ),
    ];
    for (what, crls, expected, findings) in table {
        let material = Material { anchors: from_ref(&root), intermediates: from_ref(&ca), crls: &crls };
        let path = validate(&leaf, &material, day("2026-06-01"), Purpose::Signing).unwrap();
        assert_eq!(path.revocation, expected, "{what}");
        assert_eq!(path.findings.iter().map(|finding| &finding.id).collect::<Vec<_>>(), findings, "{what}");
    }
    let mute = Draft { usage: Some(KeyUsage::KEY_CERT_SIGN), ..Draft::authority("ca") }.sign(2, "root", 1);
    let crls = [list("ca", 2, "2026-05-20", &named, &[])];
    let material = Material { anchors: &[root], intermediates: &[mute], crls: &crls };
    let path = validate(&leaf, &material, day("2026-06-01"), Purpose::Signing).unwrap();
    assert_eq!((path.revocation, path.findings[0].id.as_str()), (Revocation::NoSource, "crl/key-usage"));
}

#[test]
fn a_revoked_authority_leads_nowhere() {
    let [root, ca, leaf] = good();
    let since = |text| Revoked { at: day(text), reason: Reason::CaCompromise };
    let table = [
        ("before", since("2026-05-31"), "path/authority-revoked", 0),
        ("at the instant", since("2026-06-01"), "path/authority-revoked", 0),
        ("later", since("2026-06-02"), "good", 1),
    ];
    for (what, revoked, expected, findings) in table {
        let crls = [list("root", 1, "2026-06-10", &[(vec![7], revoked)], &[])];
        let material = Material { anchors: from_ref(&root), intermediates: from_ref(&ca), crls: &crls };
        let result = validate(&leaf, &material, day("2026-06-01"), Purpose::Signing);
        assert_eq!(result.as_ref().map_or(0, |path| path.findings.len()), findings, "{what}");
        assert_eq!(code(result), expected, "{what}");
    }
    let again = Draft { serial: vec![8], ..Draft::authority("ca") }.sign(2, "root", 1);
    let crls = [list("root", 1, "2026-05-10", &[(vec![7], since("2026-05-01"))], &[])];
    let material = Material { anchors: from_ref(&root), intermediates: &[ca, again.clone()], crls: &crls };
    let path = validate(&leaf, &material, day("2026-06-01"), Purpose::Signing).unwrap();
    assert_eq!(path.chain, [leaf, again, root]);
}

#[test]
fn a_flood_of_forged_lists_does_not_hide_the_true_one() {
    let [root, ca, leaf] = good();
    let gone = Revoked { at: day("2026-04-01"), reason: Reason::KeyCompromise };
    for (forged, expected) in [(31, "good"), (32, "path/too-many-lists")] {
        let mut crls = vec![list("ca", 8, "2026-05-25", &[], &[]); forged];
        crls.push(list("ca", 2, "2026-05-20", &[(vec![7], gone)], &[]));
        let material = Material { anchors: from_ref(&root), intermediates: from_ref(&ca), crls: &crls };
        let result = validate(&leaf, &material, day("2026-06-01"), Purpose::Signing);
        if let Ok(path) = &result {
            assert_eq!(path.revocation, Revocation::Revoked { at: gone.at, reason: gone.reason });
        }
        assert_eq!(code(result), expected);
    }
}

#[test]
fn a_p256_chain_holds_too() {
    let keys: Vec<P256Key> =
        (0..3).map(|_| P256Key::from_pkcs8(&P256Key::generate().unwrap()).unwrap()).collect();
    let root = Draft::authority("root").sign_with(&keys[0], "root", &keys[0]);
    let ca = Draft::authority("ca").sign_with(&keys[1], "root", &keys[0]);
    let leaf = Draft::leaf("leaf").sign_with(&keys[2], "ca", &keys[1]);
    assert_eq!(judge(&leaf, &[root], &[ca]).unwrap().chain.len(), 3);
}

#[test]
fn no_flipped_bit_anywhere_leaves_a_path() {
    let [root, ca, leaf] = good();
    let flip = |cert: &Cert, bit: usize| {
        let mut bytes = cert.der().to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        Cert::parse(&bytes).ok()
    };
    for bit in 0..leaf.der().len() * 8 {
        let Some(flipped) = flip(&leaf, bit) else { continue };
        assert!(judge(&flipped, from_ref(&root), from_ref(&ca)).is_err(), "leaf, bit {bit}");
    }
    for bit in 0..ca.der().len() * 8 {
        let Some(flipped) = flip(&ca, bit) else { continue };
        assert!(judge(&leaf, from_ref(&root), &[flipped]).is_err(), "authority, bit {bit}");
    }
}
