//! Honest files are clean, attacked files are not: files × what must be found.

#[path = "../../../../fixtures/pdf/attacks/forge.rs"]
mod forge;

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::super::{Limits, Placement, SignatureKind, StampNames, open};
use super::*;
use crate::document::appearance::Paint;
use Coverage::{Part, Revision, Whole};

fn load(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/pdf");
    let path = folder.join(name).with_extension("pdf");
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn honest(name: &str) -> Vec<u8> {
    load(&format!("attacks/{name}"))
}

fn analyse(bytes: &[u8]) -> Result<Analysis> {
    let limits = Limits::default();
    signatures(&open(bytes, &limits)?, &limits)
}

/// The gravest trick of all, capped at least where anything is not clean; `None` for a clean file.
fn severity(analysis: &Analysis) -> Option<Severity> {
    let own = analysis.signatures.iter().flat_map(|placed| &placed.tricks);
    let gravest = analysis.tricks.iter().chain(own).map(|trick| trick.severity).max();
    gravest.or((!analysis.is_clean()).then_some(Capped))
}

/// Codes of tricks, refused changes and uncovered parts, one a line.
fn findings(analysis: &Analysis) -> String {
    let mut lines: Vec<String> = analysis.tricks.iter().map(|trick| trick.id.to_owned()).collect();
    for placed in &analysis.signatures {
        lines.extend(placed.tricks.iter().map(|trick| trick.id.to_owned()));
        lines.extend(placed.uncovered.iter().map(|what| format!("uncovered: {what}")));
        let refused = placed.changes_after.iter().filter(|change| !change.allowed);
        lines.extend(refused.map(|change| change.what.clone()));
    }
    lines.join("\n")
}

#[test]
fn honest_files_are_clean_and_each_signature_covers_what_it_should() {
    let table: &[(&str, &[Coverage])] = &[
        ("attacks/plain", &[]),
        ("attacks/one", &[Whole]),
        ("attacks/two", &[Revision(1), Whole]),
        ("attacks/nested", &[Revision(1), Revision(2), Whole]),
        ("attacks/invisible", &[Whole]),
        ("attacks/lta", &[Revision(1), Revision(2)]),
        ("attacks/lta-on-two", &[Revision(1), Revision(2), Revision(3), Revision(4)]),
        ("attacks/prepared", &[Revision(2), Whole]),
        ("attacks/streams", &[]),
        ("attacks/streams-two", &[Revision(1), Whole]),
        ("attacks/linear-two", &[Revision(1), Whole]),
        ("attacks/certified-1", &[Whole]),
        ("attacks/certified-2", &[Whole]),
        ("attacks/certified-3", &[Whole]),
        ("attacks/certified-1-lta", &[Revision(1), Revision(2)]),
        ("attacks/certified-2-signed", &[Revision(1), Whole]),
        ("one-page", &[]),
        ("rsa-signed", &[Whole]),
        ("ecdsa-signed", &[Whole]),
        ("certified-p1", &[Whole]),
        ("certified-p2", &[Whole]),
    ];
    for (name, covers) in table {
        let analysis = analyse(&load(name)).unwrap();
        let found: Vec<Coverage> = analysis.signatures.iter().map(|placed| placed.covers).collect();
        assert_eq!(found, *covers, "{name}");
        assert!(analysis.is_clean(), "{name}: {}", findings(&analysis));
    }
}

#[test]
fn what_a_signature_says_of_itself_is_read() {
    let bytes = honest("one");
    let analysis = analyse(&bytes).unwrap();
    let placed = &analysis.signatures[0];
    assert_eq!(placed.field_name, "Sig1");
    assert_eq!(placed.filter.as_deref(), Some("Adobe.PPKLite"));
    assert_eq!(placed.sub_filter.as_deref(), Some("ETSI.CAdES.detached"));
    assert_eq!(placed.reason.as_deref(), Some("approved"));
    assert_eq!(placed.location.as_deref(), Some("Office"));
    assert_eq!(placed.name.as_deref(), Some("Clerk"));
    assert!(placed.signing_time_text.as_deref().unwrap().starts_with("D:20"));
    assert_eq!(placed.value.len(), extent::encoded_length(&placed.value).unwrap());
    let token = forge::contents(&bytes);
    assert_eq!(placed.signed, Some([0..token.start, token.end..bytes.len()]));
    assert_eq!(placed.signed_parts(&bytes), Some([&bytes[..token.start], &bytes[token.end..]]));
    // The box [72 400 172 460] on a page of 842 points.
    let rect = placed.widget.rect_mm.unwrap();
    assert_eq!([rect.left, rect.top].map(f64::round), [25.0, 135.0]);
    assert_eq!([rect.width, rect.height].map(f64::round), [35.0, 21.0]);
    assert!(placed.appearance.is_none(), "not drawn by us");
    assert!(analyse(&honest("invisible")).unwrap().signatures[0].widget.is_invisible);
    let certified = analyse(&honest("certified-3")).unwrap();
    assert_eq!(certified.signatures[0].certification, Some(DocMdp { permission: 3 }));
    let kinds: Vec<bool> =
        analyse(&honest("lta")).unwrap().signatures.iter().map(|s| s.is_time_stamp).collect();
    assert_eq!(kinds, [false, true]);
}

#[test]
fn what_followed_is_told_sort_by_sort() {
    let analysis = analyse(&honest("lta-on-two")).unwrap();
    use ChangeKind::{Description, Signature, TimeStamp, ValidationData};
    // Dates in the metadata differ where a second went by between two signatures.
    let kinds = analysis.signatures[0].changes_after.iter().map(|change| change.kind);
    let kinds: Vec<ChangeKind> = kinds.filter(|kind| *kind != Description).collect();
    assert_eq!(kinds, [Signature, Signature, TimeStamp, ValidationData]);
    assert!(analysis.signatures[0].changes_after[0].what.contains("Sig2 with its own appearance"));
    assert_eq!(analysis.signatures[0].changes_after[0].shown_field.as_deref(), Some("Sig2"));
}

use Severity::{Capped, Failed};

/// Attack, what it does to the verdict, and something that must be among the findings.
const ATTACKS: &[(&str, Severity, &str)] = &[
    ("usf-no-byterange", Failed, "usf/byterange-missing"),
    ("usf-null-byterange", Failed, "usf/byterange-missing"),
    ("usf-empty-byterange", Failed, "usf/byterange-empty"),
    ("usf-negative-byterange", Failed, "usf/byterange-negative"),
    ("usf-no-contents", Failed, "usf/contents-missing"),
    ("usf-null-contents", Failed, "usf/contents-missing"),
    ("usf-empty-contents", Failed, "usf/contents-empty"),
    ("usf-zero-contents", Failed, "usf/contents-zero"),
    ("usf-literal-contents", Failed, "swa/contents-token"),
    ("usf-no-value-type", Failed, "usf/contents"),
    ("usf-contents-indirect", Failed, "usf/contents-indirect"),
    ("usf-contents-no-asn1", Failed, "usf/contents-not-asn1"),
    ("usf-value-is-page-content", Failed, "usf/value"),
    ("usf-compressed", Failed, "usf/compressed"),
    ("range-three-numbers", Failed, "swa/not-two-ranges"),
    ("range-five-numbers", Failed, "swa/not-two-ranges"),
    ("range-three-ranges", Failed, "swa/not-two-ranges"),
    ("range-one", Failed, "swa/not-two-ranges"),
    ("range-reals", Failed, "usf/byterange"),
    ("range-not-from-start", Failed, "swa/first-range"),
    ("range-overlap", Failed, "usf/byterange-overlap"),
    ("range-no-gap", Failed, "swa/gap"),
    ("range-past-end", Failed, "usf/byterange-past-end"),
    ("range-short-of-end", Failed, "swa/inside-revision"),
    ("range-mid-revision", Failed, "swa/inside-revision"),
    ("range-eof-marker-only", Failed, "swa/gap"),
    ("range-huge", Failed, "usf/byterange-past-end"),
    ("range-indirect", Failed, "usf/byterange"),
    ("range-indirect-number", Failed, "usf/byterange"),
    ("range-backwards", Failed, "swa/first-range"),
    ("swa-moved-range", Failed, "swa/gap"),
    ("swa-second-byterange", Failed, "swa/double-key"),
    ("swa-gap-too-wide", Failed, "swa/gap"),
    ("swa-gap-too-early", Failed, "swa/gap"),
    ("swa-gap-without-brackets", Failed, "swa/gap"),
    ("swa-gap-elsewhere", Failed, "swa/gap"),
    ("swa-entry-in-gap", Failed, "swa/gap"),
    ("swa-padding", Failed, "swa/padding"),
    ("isa-contents", Capped, "the content of page 1 was changed"),
    ("isa-contents-with-signature-copy", Failed, "swa/gap"),
    ("isa-other-contents", Capped, "Contents of page 1 was changed"),
    ("isa-font", Capped, "object 5 (Font, Type1) was changed"),
    ("isa-page-box", Capped, "MediaBox of page 1 was changed"),
    ("isa-resources", Capped, "Resources of page 1 was changed"),
    ("isa-annotation", Capped, "object 20 (Annot, FreeText) was added to page 1"),
    ("isa-annotation-removed", Capped, "annotations of page 1 were removed"),
    ("isa-form-value", Capped, "object 7 (Annot, Widget, Tx) was changed"),
    ("isa-form-appearance", Capped, "object 8 (XObject, Form) was changed"),
    ("isa-layer-off", Capped, "OCProperties of the catalogue was changed"),
    ("isa-open-action", Capped, "OpenAction of the catalogue was changed"),
    ("isa-additional-actions", Capped, "AA of page 1 was changed"),
    ("isa-names", Capped, "Names of the catalogue was changed"),
    ("isa-page-added", Capped, "object 2 (Pages) was changed"),
    ("isa-title", Capped, "title, author or the like"),
    ("isa-need-appearances", Capped, "NeedAppearances of the form was changed"),
    ("isa-xfa", Capped, "XFA of the form was changed"),
    ("isa-signature-removed", Capped, "isa/signature-removed"),
    ("isa-signature-emptied", Capped, "isa/signature-removed"),
    ("isa-signature-moved", Capped, "object 13 (Annot, Widget, Sig) was changed"),
    ("isa-signature-repainted", Capped, "object 15 (XObject, Form) was changed"),
    ("isa-perms", Capped, "Perms of the catalogue was changed"),
    ("isa-unsigned-stamp", Capped, "field Seal shows a picture and holds no signature"),
    ("isa-unsigned-stamp-in-group", Failed, "field Seal shows a picture and holds no signature"),
    ("isa-signature-with-action", Failed, "has /A"),
    ("isa-signature-of-same-name", Failed, "field/double-name"),
    ("isa-text-field", Capped, "object 20 (Annot, Widget, Tx) is no signature field"),
    ("isa-root-moved", Capped, "the trailer names another catalogue"),
    ("isa-no-xref", Failed, "isa/loose-structure"),
    ("isa-no-xref-but-marker", Failed, "isa/loose-structure"),
    ("isa-no-trailer", Failed, "isa/loose-structure"),
    ("isa-history-cut", Failed, "swa/inside-revision"),
    ("tail-octets", Capped, "isa/tail"),
    ("tail-line-end", Capped, "isa/tail"),
    ("tail-comment", Capped, "isa/tail"),
    ("tail-marker", Capped, "isa/tail"),
    ("tail-object", Failed, "isa/loose-structure"),
    ("double-key-catalog", Failed, "structure/double-key"),
    ("double-key-value", Failed, "swa/double-key"),
    ("field-unlisted", Capped, "field/unlisted"),
    ("field-with-two-widgets", Failed, "field/several-widgets"),
    ("objects-overlap", Capped, "structure/overlap"),
    ("objects-many-strays", Capped, "structure/strays"),
    ("shared-value", Capped, "field/shared-value"),
    ("shared-value-signed", Capped, "field/shared-value"),
    ("stray-words-between-revisions", Capped, "isa/loose-octets"),
    ("double-object-in-increment", Capped, "shadow/double-object"),
    ("hybrid-disagrees", Failed, "structure/hybrid"),
    ("shadow-prepared-double", Failed, "structure/double-object"),
    ("shadow-prepared-sleeper", Capped, "shadow/sleeper"),
    ("shadow-hide", Capped, "object 8 (XObject, Form) was removed"),
    ("shadow-hide-overlay", Capped, "object 8 (XObject, Form) was changed"),
    ("shadow-replace", Capped, "object 5 (Font, Type1) was changed"),
    ("shadow-hide-and-replace", Failed, "shadow/woken"),
    ("shadow-sleeper-woken", Capped, "object 11, to which the signed object 3 refers, was not there"),
    ("shadow-sleeper-defined", Capped, "object 11, to which the signed object 3 refers, was not there"),
    ("certified-2-eaa", Capped, "certification/changed"),
    ("certified-3-eaa", Capped, "certification/changed"),
    ("certified-2-ssa", Capped, "certification/changed"),
    ("certified-1-new-signature", Failed, "though the author certified the document against any change"),
    (
        "certified-1-visible-time-stamp",
        Failed,
        "with its own appearance, though the author certified the document against any change",
    ),
    ("certified-twice", Failed, "certification/twice"),
    ("certified-perms-elsewhere", Capped, "certification/elsewhere"),
];

#[test]
fn every_attack_is_seen_for_what_it_is() {
    let attacks = forge::attacks(&honest);
    let made: BTreeSet<&str> = attacks.iter().map(|attack| attack.name).collect();
    assert_eq!(made, ATTACKS.iter().map(|(name, ..)| *name).collect());
    for (name, expected, finding) in ATTACKS {
        let attack = attacks.iter().find(|attack| attack.name == *name).unwrap();
        let analysis = analyse(&attack.bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        let found = findings(&analysis);
        assert_eq!(severity(&analysis), Some(*expected), "{name}: {found}");
        assert!(found.contains(finding), "{name}: {found}");
    }
}

#[test]
fn a_form_filled_in_after_signing_is_a_change_whatever_the_certification_allows() {
    for name in ["filled-after", "certified-2-filled"] {
        let analysis = analyse(&honest(name)).unwrap();
        assert_eq!(severity(&analysis), Some(Capped), "{name}");
        assert!(findings(&analysis).contains("object 7 (Annot, Widget, Tx) was changed"), "{name}");
    }
}

#[test]
fn a_later_table_that_changes_nothing_is_no_change() {
    let analysis = analyse(&forge::empty_increment(&honest("one"))).unwrap();
    assert_eq!(analysis.signatures[0].covers, Revision(1));
    assert!(analysis.is_clean(), "{}", findings(&analysis));
}

#[test]
fn octets_before_the_header_do_not_pass() {
    let bytes = [b"#!/bin/sh\n".to_vec(), honest("one")].concat();
    assert!(analyse(&bytes).map_or(true, |analysis| !analysis.is_clean()));
}

#[test]
fn the_samples_of_others_are_never_clean() {
    let folder: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/samples/seal");
    let table = [
        ("dss-hide.pdf", Revision(1), "object 8 was written again"),
        ("dss-modified_after_signature.pdf", Revision(2), "Contents of page 1 was changed"),
        ("pyhanko-tail-uncovered.pdf", Part, "swa/inside-revision"),
    ];
    for (name, covers, finding) in table {
        let Ok(bytes) = std::fs::read(folder.join(name)) else {
            eprintln!("SKIPPED: {name} is not in {}", folder.display());
            continue;
        };
        let analysis = analyse(&bytes).unwrap();
        assert_eq!(analysis.signatures[0].covers, covers, "{name}");
        assert!(
            severity(&analysis).is_some() && findings(&analysis).contains(finding),
            "{name}: {}",
            findings(&analysis)
        );
    }
}

/// A value of the right shape, for structure alone.
const VALUE: &[u8] = &[0x30, 0x03, 0x02, 0x01, 0x07];

fn deflated(octets: &[u8]) -> std::sync::Arc<[u8]> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(octets).unwrap();
    encoder.finish().unwrap().into()
}

fn seal() -> Appearance {
    let idat = deflated(&[[0u8].as_slice(), &[200; 40]].concat().repeat(40));
    let paint = Paint::Mask { rgb: [220, 20, 20], width_px: 40, height_px: 40, idat };
    Appearance { width_um: 40_000, height_um: 40_000, paint }
}

fn picture(alpha: bool) -> Appearance {
    let alpha = alpha.then(|| deflated(&[128; 6]));
    let paint = Paint::Colour { width_px: 3, height_px: 2, rgb: deflated(&[9; 18]), alpha };
    Appearance { width_um: 45_000, height_um: 30_123, paint }
}

fn stamp(bytes: &[u8], page: u32, x_mm: f64, appearance: &Appearance) -> Vec<u8> {
    let names = StampNames {
        kind: SignatureKind::SesSeal,
        reason: Some("批准发布".into()),
        location: None,
        signed_at: "D:20261120183000+08'00'".into(),
    };
    let limits = Limits::default();
    let pdf = open(bytes, &limits).unwrap();
    let placement = Placement { page, x_mm, y_mm: 100.0 };
    pdf.prepare(&placement, appearance, &names, 2048).unwrap().embed(VALUE).unwrap()
}

#[test]
fn our_own_stamps_are_clean_one_upon_the_other_on_every_sort_of_file() {
    for name in [
        "one-page",
        "many-pages",
        "linearized",
        "linearized-streams",
        "hybrid",
        "attacks/plain",
        "attacks/streams",
    ] {
        let mut bytes = load(name);
        let before = analyse(&bytes).unwrap().signatures.len();
        for count in 1..=3 {
            bytes = stamp(&bytes, 1, 20.0 + 45.0 * f64::from(count), &seal());
            let analysis = analyse(&bytes).unwrap();
            assert!(analysis.is_clean(), "{name}: {}", findings(&analysis));
            let signatures = &analysis.signatures[before..];
            assert_eq!(signatures.len(), count as usize, "{name}");
            assert_eq!(signatures.last().unwrap().covers, Whole, "{name}");
            for (earlier, placed) in signatures.iter().rev().skip(1).rev().enumerate() {
                assert!(matches!(placed.covers, Revision(_)), "{name}");
                assert_eq!(placed.changes_after.len(), count as usize - 1 - earlier, "{name}");
            }
            for placed in signatures {
                assert_eq!(placed.value, VALUE);
                assert_eq!(placed.appearance.as_ref(), Some(&seal()), "{name}");
                assert_eq!(placed.reason.as_deref(), Some("批准发布"));
            }
        }
    }
}

#[test]
fn a_stamp_after_anothers_signature_leaves_that_clean() {
    for name in [
        "attacks/one",
        "attacks/two",
        "attacks/lta",
        "attacks/prepared",
        "attacks/streams-two",
        "attacks/certified-2",
    ] {
        let analysis = analyse(&stamp(&load(name), 1, 100.0, &picture(true))).unwrap();
        assert!(analysis.is_clean(), "{name}: {}", findings(&analysis));
        assert!(
            analysis.signatures[0].changes_after.iter().any(|change| change.what.contains("Stamp1")),
            "{name}"
        );
    }
}

#[test]
fn a_stamps_picture_and_place_come_back_as_they_were_given_on_turned_pages_too() {
    let bytes = load("many-pages");
    for page in 1..=5 {
        for appearance in [seal(), picture(true), picture(false)] {
            let analysis = analyse(&stamp(&bytes, page, 60.0, &appearance)).unwrap();
            let placed = analysis.signatures.last().unwrap();
            assert_eq!(placed.appearance.as_ref(), Some(&appearance), "page {page}");
            assert_eq!(placed.widget.page, Some(page));
            assert!(!placed.widget.is_invisible);
            let rect = placed.widget.rect_mm.unwrap();
            let centre = [rect.left + rect.width / 2.0, rect.top + rect.height / 2.0];
            assert!(
                (centre[0] - 60.0).abs() < 0.01 && (centre[1] - 100.0).abs() < 0.01,
                "page {page}: {centre:?}"
            );
            assert!((rect.width - f64::from(appearance.width_um) / 1000.0).abs() < 0.01, "page {page}");
        }
    }
}

#[test]
fn a_stamp_that_shows_anything_else_has_no_picture_of_ours() {
    let stamped = stamp(&honest("plain"), 1, 100.0, &seal());
    let swap = |old: &[u8], new: &[u8]| {
        let at = stamped.windows(old.len()).rposition(|window| window == old);
        let at = at.unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(&stamped)));
        [&stamped[..at], new, &stamped[at + old.len()..]].concat()
    };
    assert!(analyse(&stamped).unwrap().signatures[0].appearance.is_some());
    let table: [(&[u8], &[u8]); 7] = [
        (b"cm /S Do Q", b"cm /S Do /"),
        (b"/Columns 40", b"/Columns 20"),
        (b"/DeviceRGB", b"/DeviceXYZ"),
        (b"/Predictor 15", b"/Predictor 12"),
        (b"/Matrix[1", b"/Matrix[2"),
        (b"/Rect[2", b"/Rect[1"),
        (b"/BitsPerComponent 8", b"/BitsPerComponent 4"),
    ];
    for (old, new) in table {
        let analysis = analyse(&swap(old, new)).unwrap();
        assert!(analysis.signatures[0].appearance.is_none(), "{}", String::from_utf8_lossy(new));
    }
}

#[test]
fn attacks_on_our_own_stamp_are_seen_too() {
    let stamped = stamp(&honest("plain"), 1, 100.0, &seal());
    let analysis =
        analyse(&forge::replaced(&stamped, 4, "<< /Length 14 >>\nstream\nBT (900) Tj ET\nendstream"))
            .unwrap();
    assert!(findings(&analysis).contains("the content of page 1 was changed"));
    let analysis = analyse(&[stamped.as_slice(), b"more"].concat()).unwrap();
    assert_eq!(severity(&analysis), Some(Capped));
}

#[test]
fn a_whitelist_lets_nothing_by_that_is_shown_elsewhere() {
    // In the signed revision the page's content is also called metadata, or one of the certificates for validation.
    let table = [
        ("alias-metadata", "/Type /Metadata /Subtype /XML", "lead to something else"),
        ("alias-dss", "", "the content of page 1 was changed"),
        ("alias-structure", "/Type /XRef", "the content of page 1 was changed"),
        ("alias-trailer", "", "object 4 was changed"),
    ];
    for (name, entries, finding) in table {
        let stamped = stamp(&honest(name), 1, 100.0, &seal());
        assert!(analyse(&stamped).unwrap().is_clean(), "{name}");
        let text = format!("<< {entries} /Length 14 >>\nstream\nBT (900) Tj ET\nendstream");
        let found = findings(&analyse(&forge::replaced(&stamped, 4, &text)).unwrap());
        assert!(found.contains(finding), "{name}: {found}");
    }
}

#[test]
fn nested_objects_end_the_reading_early() {
    // Every object reaches to the end of the file: reading each would take the square of its length.
    let mut bytes = b"%PDF-1.7\n".to_vec();
    let mut offsets = Vec::new();
    for number in 1..=4000 {
        offsets.push(bytes.len());
        bytes.extend_from_slice(
            format!("{number} 0 obj (aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa").as_bytes(),
        );
    }
    let table: String = offsets.iter().map(|at| format!("{at:010} 00000 n \n")).collect();
    let start = bytes.len();
    bytes.extend_from_slice(
        format!("xref\n0 4001\n0000000000 65535 f \n{table}trailer\n<< /Size 4001 /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n").as_bytes(),
    );
    assert!(matches!(analyse(&bytes), Err(PdfError::TooLarge { .. })));
}

fn mutated(bytes: &[u8], edits: &[(prop::sample::Index, u8, u8)]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for (place, kind, octet) in edits {
        let at = place.index(bytes.len());
        match kind % 4 {
            0 => bytes[at] = *octet,
            1 => bytes.insert(at, *octet),
            2 => drop(bytes.remove(at)),
            _ => bytes[at] = bytes[at].wrapping_add(1),
        }
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_mutation_panics(
        which in 0usize..5,
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), any::<u8>()), 1..6),
    ) {
        let bytes = honest(["two", "lta", "streams-two", "linear-two", "certified-2-signed"][which]);
        let _ = analyse(&mutated(&bytes, &edits));
    }

    /// Where the signed octets come out as they were, so that the mathematics would agree, a clean verdict of whole
    /// coverage is given for the very file and for other digits of the value alone.
    #[test]
    fn whatever_happens_outside_the_signed_octets_is_seen(
        inside in any::<bool>(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), any::<u8>()), 1..4),
    ) {
        let bytes = honest("one");
        let token = forge::contents(&bytes);
        let changed = if inside {
            [&bytes[..token.start], &mutated(&bytes[token.clone()], &edits), &bytes[token.end..]].concat()
        } else {
            let tail: Vec<u8> = edits.iter().map(|(_, _, octet)| *octet).collect();
            [bytes.as_slice(), &tail].concat()
        };
        if let Ok(analysis) = analyse(&changed) && analysis.is_clean() && !analysis.signatures.is_empty() {
            prop_assert_eq!(analysis.signatures[0].covers, Whole);
            prop_assert_eq!(changed.len(), bytes.len());
            let digits = &changed[token.start + 1..token.end - 1];
            prop_assert!(inside && digits.iter().all(u8::is_ascii_hexdigit));
        }
    }

    /// Objects spliced in anywhere behind the signature, without and with a table.
    #[test]
    fn random_increments_are_never_clean_if_they_change_an_object(
        number in 1u32..12,
        octets in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let text = format!("<< /Length {} >>\nstream\n{}\nendstream", octets.len(), String::from_utf8_lossy(&octets));
        let changed = forge::replaced(&honest("one"), number, &text);
        if let Ok(analysis) = analyse(&changed) {
            prop_assert!(!analysis.is_clean());
        }
    }
}

#[test]
fn what_is_only_printed_or_pointed_at_is_shown_all_the_same() {
    let stamped = stamp(&honest("plain"), 1, 100.0, &seal());
    let at = |needle: &[u8]| stamped.windows(needle.len()).rposition(|window| window == needle).unwrap();
    let swap = |old: &[u8], new: &[u8]| [&stamped[..at(old)], new, &stamped[at(old) + old.len()..]].concat();
    // Flags: hidden, not viewed, printed though not viewed. Looks: under the pointer alone.
    let table: [(&[u8], &[u8], bool); 4] = [
        (b"/F 132", b"/F 130", true),
        (b"/F 132", b"/F 032", true),
        (b"/F 132", b"/F 036", false),
        (b"/AP<</N ", b"/AP<</R ", false),
    ];
    for (old, new, expected) in table {
        let analysis = analyse(&swap(old, new)).unwrap();
        let name = String::from_utf8_lossy(new);
        assert_eq!(analysis.signatures[0].widget.is_invisible, expected, "{name}");
    }
}

#[test]
fn a_long_name_above_many_fields_ends_the_reading() {
    let kids = "<< /T (k) >>".repeat(20_000);
    let form = format!("<< /Fields [<< /T ({}) /FT /Sig /Kids [{kids}] >>] >>", "n".repeat(60_000));
    let objects = [
        "<< /Type /Catalog /Pages 2 0 R /AcroForm 4 0 R >>".to_owned(),
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_owned(),
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] >>".to_owned(),
        form,
    ];
    let (mut bytes, mut table) = (b"%PDF-1.7\n".to_vec(), String::new());
    for (index, object) in objects.iter().enumerate() {
        table.push_str(&format!("{:010} 00000 n \n", bytes.len()));
        bytes.extend_from_slice(format!("{} 0 obj\n{object}\nendobj\n", index + 1).as_bytes());
    }
    let start = bytes.len();
    let tail = format!(
        "xref\n0 5\n0000000000 65535 f \n{table}trailer\n<< /Size 5 /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n"
    );
    bytes.extend_from_slice(tail.as_bytes());
    assert!(matches!(analyse(&bytes), Err(PdfError::TooLarge { what: "octets in names of fields", .. })));
}

#[test]
fn a_deflated_table_names_no_more_objects_than_the_file_has_octets() {
    let mut bytes = b"%PDF-1.7\n".to_vec();
    let start = bytes.len();
    let rows = deflated(&[0; 6 * 500_000]);
    let head = format!(
        "4 0 obj\n<< /Type /XRef /Size 500000 /W [1 4 1] /Root 1 0 R /Filter /FlateDecode /Length {} >>\nstream\n",
        rows.len()
    );
    bytes.extend_from_slice(head.as_bytes());
    bytes.extend_from_slice(&rows);
    bytes.extend_from_slice(format!("\nendstream\nendobj\nstartxref\n{start}\n%%EOF\n").as_bytes());
    assert!(matches!(analyse(&bytes), Err(PdfError::TooLarge { what: "cross-reference entries", .. })));
}
