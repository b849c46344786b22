//! Signed data as producers write it (seal.md §1.6), and as attackers might: put together by hand.

use super::{letters, pki::WORLD, question};
use crate::{
    cms::{CmsError, SignedData},
    der::{self, tag},
    judge::{self, Question},
    oid::{self, Oid},
    report::{CheckId, Profile, SignatureReport},
    sm2, sm3,
};

const XML: &[u8] = b"<Signature.xml/>";

/// Signed data of the owner, every part free.
struct Variant {
    signed_data: Oid,
    content_type: Oid,
    content: Option<Vec<u8>>,
    /// Attributes in the order in which they are written; `None`: the content is signed.
    attributes: Option<Vec<Vec<u8>>>,
    algorithm: Vec<u8>,
    raw: bool,
    signers: usize,
}

impl Variant {
    fn plain() -> Self {
        Self {
            signed_data: oid::GM_SIGNED_DATA,
            content_type: oid::GM_DATA,
            content: Some(sm3::digest(XML).to_vec()),
            attributes: None,
            algorithm: der::sequence([der::oid(&oid::SM2_SIGN)]),
            raw: false,
            signers: 1,
        }
    }

    fn with_attributes(attributes: Vec<Vec<u8>>) -> Self {
        Self { content: None, attributes: Some(attributes), ..Self::plain() }
    }

    fn make(&self) -> Vec<u8> {
        let owner = &WORLD.owner;
        let attributes = self.attributes.as_ref().map(|list| der::constructed(tag::context(0), list));
        let message = match &attributes {
            Some(encoded) => [&[tag::SET], &encoded[1..]].concat(),
            None => self.content.clone().unwrap_or_else(|| XML.to_vec()),
        };
        let mut value = owner.sign(&message);
        if self.raw {
            value = sm2::Signature::from_der(&value).unwrap().raw().to_vec();
        }
        let digest = der::sequence([der::oid(&oid::SM3)]);
        let serial = der::element(tag::INTEGER, owner.cert.serial());
        let mut signer =
            vec![der::small(1), der::sequence([owner.cert.issuer().der(), &serial]), digest.clone()];
        signer.extend(attributes);
        signer.extend([self.algorithm.clone(), der::octet_string(&value)]);
        let mut encapsulated = vec![der::oid(&self.content_type)];
        encapsulated.extend(self.content.as_ref().map(|octets| der::explicit(0, der::octet_string(octets))));
        let fields = [
            der::small(1),
            der::constructed(tag::SET, [digest]),
            der::sequence(encapsulated),
            der::constructed(tag::context(0), [owner.cert.der()]),
            der::constructed(tag::SET, vec![der::sequence(signer); self.signers]),
        ];
        der::sequence([der::oid(&self.signed_data), der::explicit(0, der::sequence(fields))])
    }
}

fn attribute(id: &Oid, value: Vec<u8>) -> Vec<u8> {
    der::sequence([der::oid(id), der::constructed(tag::SET, [value])])
}

fn digest_of(bytes: &[u8]) -> Vec<u8> {
    attribute(&oid::MESSAGE_DIGEST, der::octet_string(&sm3::digest(bytes)))
}

fn gm_type() -> Vec<u8> {
    attribute(&oid::CONTENT_TYPE, der::oid(&oid::GM_DATA))
}

fn judged(variant: &Variant, profile: Profile) -> SignatureReport {
    let asked = Question { profile, ..question(WORLD.material()) };
    judge::cms(&variant.make(), &[XML], &asked)
}

#[test]
fn what_producers_write_passes_with_its_oddities_noted() {
    let tongzhi =
        Variant { algorithm: der::sequence([der::oid(&oid::SM2_WITH_SM3)]), raw: true, ..Variant::plain() };
    let gomain = Variant {
        content_type: oid::PKCS7_DATA,
        algorithm: der::sequence([der::oid(&oid::SM2_SIGN), der::null()]),
        ..Variant::with_attributes(vec![gm_type(), digest_of(XML)])
    };
    let unsorted = Variant::with_attributes(vec![digest_of(XML), gm_type()]);
    let rfc = Variant { signed_data: oid::PKCS7_SIGNED_DATA, ..Variant::plain() };
    for (variant, oddities) in [
        (Variant::plain(), &[][..]),
        (tongzhi, &["lenient/raw-signature"]),
        (gomain, &["lenient/null-parameters", "lenient/content-type"]),
        (unsorted, &["lenient/unsorted-attributes"]),
        (rfc, &[]),
    ] {
        let report = judged(&variant, Profile::Gm);
        assert_eq!(letters(&report), "-p--ppp-", "{report:#?}");
        for oddity in oddities {
            assert!(report.findings.iter().any(|finding| finding.id == *oddity), "{oddity}: {report:#?}");
        }
        let expected = if oddities.is_empty() { "-p--ppp-" } else { "-F--ppp-" };
        assert_eq!(letters(&judged(&variant, Profile::Strict)), expected, "{oddities:?}");
    }
}

#[test]
fn what_is_wrong_fails_where_it_stands() {
    let other_type = attribute(&oid::CONTENT_TYPE, der::oid(&oid::TST_INFO));
    let hash = der::sequence([der::sequence([der::sequence([der::octet_string(&[0; 32])])])]);
    let other_cert = attribute(&oid::SIGNING_CERTIFICATE_V2, hash);
    for (what, variant, expected, reason) in [
        (
            "other content",
            Variant { content: Some(vec![1; 32]), ..Variant::plain() },
            "-p--ppF-",
            "document-digest/mismatch",
        ),
        (
            "other digest",
            Variant::with_attributes(vec![gm_type(), digest_of(b"x")]),
            "-p--ppF-",
            "document-digest/mismatch",
        ),
        (
            "other type",
            Variant::with_attributes(vec![other_type, digest_of(XML)]),
            "-F--ppp-",
            "stamp-signature/content-type",
        ),
        (
            "other certificate",
            Variant::with_attributes(vec![gm_type(), digest_of(XML), other_cert]),
            "-F--ppp-",
            "stamp-signature/certificate",
        ),
        ("no digest", Variant::with_attributes(vec![gm_type()]), "-F------", "stamp-signature/malformed"),
        (
            "two digests",
            Variant::with_attributes(vec![gm_type(), digest_of(XML), digest_of(XML)]),
            "-F------",
            "stamp-signature/malformed",
        ),
        ("two signers", Variant { signers: 2, ..Variant::plain() }, "-F------", "stamp-signature/malformed"),
        ("no signer", Variant { signers: 0, ..Variant::plain() }, "-F------", "stamp-signature/malformed"),
        (
            "weak digest",
            Variant { algorithm: der::sequence([der::oid(&oid::RSA_SHA1)]), ..Variant::plain() },
            "-F--ppp-",
            "stamp-signature/algorithm",
        ),
    ] {
        let report = judged(&variant, Profile::Gm);
        assert_eq!(letters(&report), expected, "{what}: {report:#?}");
        assert!(report.checks.iter().any(|check| check.reason == reason), "{what}: {report:#?}");
    }
    assert_eq!(
        SignedData::parse(&Variant { signers: 2, ..Variant::plain() }.make()),
        Err(CmsError::Signers(2))
    );
}

/// Attributes that were signed once, shown as the content of a signature without attributes.
#[test]
fn signed_attributes_are_no_document() {
    let attributes = der::constructed(tag::SET, [gm_type(), digest_of(XML)]);
    let shown = Variant { content: Some(attributes.clone()), ..Variant::plain() };
    let report = judge::cms(&shown.make(), &[&attributes], &question(WORLD.material()));
    assert_eq!(letters(&report), "-F--ppp-");
    assert_eq!(report.checks.check(CheckId::StampSignature).reason, "stamp-signature/ambiguous");
}
