//! Shapes that real makers send, built by hand; what they mean is judged elsewhere.

use super::*;
use crate::{
    der::{self, Reader, tag},
    oid,
    time::Timestamp,
};

/// One seal, with whatever is to be odd about it.
struct Shape {
    old: bool,
    id: &'static str,
    version: u64,
    list_type: u64,
    list: Vec<Vec<u8>>,
    time_tag: u8,
    extensions: Option<Vec<u8>>,
    tail: Vec<Vec<u8>>,
}

impl Shape {
    fn v4() -> Self {
        let list = vec![der::octet_string(b"cert")];
        let time_tag = tag::GENERALIZED_TIME;
        Self {
            old: false,
            id: "ES",
            version: 4,
            list_type: 1,
            list,
            time_tag,
            extensions: None,
            tail: vec![],
        }
    }

    fn v1() -> Self {
        Self { old: true, version: 1, time_tag: tag::UTC_TIME, ..Self::v4() }
    }

    fn time(&self) -> Vec<u8> {
        let time = Timestamp::parse_rfc3339("2026-11-20T00:00:00Z").unwrap();
        let text = if self.time_tag == tag::UTC_TIME { time.utc().unwrap() } else { time.generalized() };
        der::element(self.time_tag, text.as_bytes())
    }

    fn info(&self) -> Vec<u8> {
        let header = [der::ia5_string(self.id), der::small(self.version), der::ia5_string("V")];
        let mut property = vec![der::small(15), der::utf8_string("章")];
        if !self.old {
            property.push(der::small(self.list_type));
        }
        property.push(der::sequence(&self.list));
        property.extend([self.time(), self.time(), self.time()]);
        let picture = [der::ia5_string("PNG"), der::octet_string(b"p"), der::small(40), der::small(40)];
        let mut parts = vec![
            der::sequence(header),
            der::ia5_string("1"),
            der::sequence(property),
            der::sequence(picture),
        ];
        parts.extend(self.extensions.clone());
        der::sequence(parts)
    }

    fn make(&self) -> Vec<u8> {
        let mut made =
            vec![der::octet_string(b"maker"), der::oid(&oid::SM2_WITH_SM3), der::bit_string(b"value")];
        made.extend(self.tail.clone());
        if self.old {
            made = vec![der::sequence(made)];
        }
        der::sequence([vec![self.info()], made].concat())
    }
}

fn extension(parts: &[Vec<u8>]) -> Option<Vec<u8>> {
    Some(der::sequence([der::sequence(parts)]))
}

#[test]
fn versions_are_told_from_their_shape() {
    let v5 = Shape { version: 5, tail: vec![der::explicit(0, der::bit_string(b"token"))], ..Shape::v4() };
    for (shape, version, token) in [
        (Shape::v1(), Version::V1, None),
        (Shape::v4(), Version::V4, None),
        (v5, Version::V5, Some(&b"token"[..])),
    ] {
        let bytes = shape.make();
        let seal = Seal::parse(&bytes).unwrap();
        assert_eq!((seal.version, seal.time_stamp, &seal.notes), (version, token, &Notes::default()));
        assert_eq!((seal.kind, seal.name, seal.code, seal.vendor), (15, "章", "1", "V"));
    }
}

#[test]
fn the_first_version_signs_a_sequence_that_stands_nowhere() {
    let shape = Shape::v1();
    let bytes = shape.make();
    let expected = der::sequence([shape.info(), der::octet_string(b"maker"), der::oid(&oid::SM2_WITH_SM3)]);
    assert_eq!(Seal::parse(&bytes).unwrap().to_be_signed(), expected);
    let v4 = Shape::v4();
    let bytes = v4.make();
    assert_eq!(Seal::parse(&bytes).unwrap().to_be_signed(), v4.info());
}

#[test]
fn oddities_are_noted_and_change_nothing() {
    let id = der::oid(&oid::COMMON_NAME);
    let value = der::octet_string(b"v");
    let nonsense = der::element(tag::OID, &[0x2a, 0x86]);
    let ia5 = vec![der::ia5_string("cert")];
    for (shape, note) in [
        (Shape { list: ia5, ..Shape::v1() }, "lenient/ia5-certificate"),
        (Shape { version: 77, ..Shape::v1() }, "lenient/header-version"),
        (Shape { time_tag: tag::GENERALIZED_TIME, ..Shape::v1() }, "lenient/time-type"),
        (Shape { time_tag: tag::UTC_TIME, ..Shape::v4() }, "lenient/time-type"),
        (
            Shape { extensions: extension(&[id.clone(), der::boolean(false), value.clone()]), ..Shape::v4() },
            "lenient/explicit-default",
        ),
        (
            Shape { extensions: extension(&[id, der::boolean(true), value.clone()]), ..Shape::v4() },
            "lenient/critical-extension",
        ),
        (Shape { extensions: extension(&[nonsense, value]), ..Shape::v4() }, "lenient/odd-oid"),
        (
            Shape { version: 5, tail: vec![der::bit_string(b"token")], ..Shape::v4() },
            "lenient/untagged-time-stamp",
        ),
    ] {
        let bytes = shape.make();
        let seal = Seal::parse(&bytes).unwrap();
        assert_eq!(seal.notes.oddities.iter().map(|found| &*found.id).collect::<Vec<_>>(), [note]);
        assert!(seal.notes.defects.is_empty(), "{note}");
        assert!(seal.signers.allow(b"cert"), "{note}");
    }
}

#[test]
fn defects_fail_check_one_and_leave_the_rest_readable() {
    let token = vec![der::explicit(0, der::bit_string(b"token"))];
    for (shape, note) in [
        (Shape { id: "SE", ..Shape::v4() }, "seal-format/id"),
        (Shape { version: 6, ..Shape::v4() }, "seal-format/version"),
        (Shape { tail: token, ..Shape::v4() }, "seal-format/version"),
        (Shape { list_type: 3, ..Shape::v4() }, "seal-format/list-type"),
    ] {
        let bytes = shape.make();
        let seal = Seal::parse(&bytes).unwrap();
        assert_eq!(seal.notes.defects.iter().map(|found| &*found.id).collect::<Vec<_>>(), [note]);
        assert_eq!(seal.maker_cert, b"maker");
    }
}

#[test]
fn lists_of_digests_name_certificates_by_their_sm3() {
    let entry = |digest: &[u8]| der::sequence([der::printable_string("any"), der::octet_string(digest)]);
    let list = vec![entry(b"short"), entry(&crate::sm3::digest(b"cert"))];
    let bytes = Shape { list_type: 2, list, ..Shape::v4() }.make();
    let seal = Seal::parse(&bytes).unwrap();
    assert!(seal.signers.allow(b"cert") && !seal.signers.allow(b"other"));
}

#[test]
fn lists_and_sizes_have_an_end() {
    let bytes = Shape { list: vec![der::octet_string(b"c"); LIMIT_ENTRIES + 1], ..Shape::v4() }.make();
    assert_eq!(Seal::parse(&bytes), Err(SesError::TooMany { list: "certList" }));
    let one = der::sequence([der::oid(&oid::SM3), der::octet_string(b"v")]);
    let extensions = Some(der::sequence(vec![one; LIMIT_ENTRIES + 1]));
    let bytes = Shape { extensions, ..Shape::v4() }.make();
    assert_eq!(Seal::parse(&bytes), Err(SesError::TooMany { list: "extDatas" }));
    assert_eq!(Seal::parse(&vec![0; LIMIT_BYTES + 1]), Err(SesError::TooLarge));
    assert_eq!(Stamp::parse(&vec![0; LIMIT_BYTES + 1]), Err(SesError::TooLarge));
}

#[test]
fn what_follows_a_field_or_the_whole_is_refused() {
    let good = Shape::v4().make();
    assert!(Seal::parse(&[&good[..], &[0]].concat()).is_err());
    let tail = vec![der::null()];
    assert!(Seal::parse(&Shape { tail: tail.clone(), ..Shape::v4() }.make()).is_err());
    assert!(Seal::parse(&Shape { tail, ..Shape::v1() }.make()).is_err());
    let bytes = Shape { extensions: extension(&[der::oid(&oid::SM3)]), ..Shape::v4() }.make();
    assert!(matches!(Seal::parse(&bytes), Err(SesError::Field { field: "extnValue", .. })));
    assert!(Reader::whole(&good, tag::SEQUENCE).is_ok());
}
