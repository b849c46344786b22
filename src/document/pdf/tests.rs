//! Stories over the samples of `fixtures/pdf`, with other software as the judge where it is installed.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;

use proptest::prelude::*;

use super::*;
use crate::document::appearance::{Appearance, Paint};

const SOUND: [&str; 9] = [
    "one-page.pdf",
    "many-pages.pdf",
    "linearized.pdf",
    "linearized-streams.pdf",
    "hybrid.pdf",
    "rsa-signed.pdf",
    "ecdsa-signed.pdf",
    "certified-p1.pdf",
    "certified-p2.pdf",
];

fn fixture(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/pdf").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn opened(bytes: &[u8]) -> Pdf<'_> {
    open(bytes, &Limits::default()).unwrap()
}

fn deflated(octets: &[u8]) -> std::sync::Arc<[u8]> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(octets).unwrap();
    encoder.finish().unwrap().into()
}

/// A red ring of 40 mm with a bar from its centre to its top, so that a turn shows.
fn ring() -> Appearance {
    let side = 400i32;
    let mut rows = Vec::new();
    for y in 0..side {
        rows.push(0);
        for x in 0..side {
            let (dx, dy) = (x - side / 2, y - side / 2);
            let radius = dx * dx + dy * dy;
            let is_ring = (180 * 180..200 * 200).contains(&radius);
            let is_bar = dx.abs() < 12 && (-150..0).contains(&dy);
            rows.push(if is_ring || is_bar { 220 } else { 0 });
        }
    }
    let paint = Paint::Mask { rgb: [220, 20, 20], width_px: 400, height_px: 400, idat: deflated(&rows) };
    Appearance { width_um: 40_000, height_um: 40_000, paint }
}

fn names(kind: SignatureKind) -> StampNames {
    let signed_at = "D:20261120183000+08'00'".into();
    StampNames { kind, reason: Some("批准发布 (1)".into()), location: None, signed_at }
}

fn at(page: u32) -> Placement {
    Placement { page, x_mm: 120.0, y_mm: 150.0 }
}

fn stamped(bytes: &[u8], placement: &Placement) -> Vec<u8> {
    let prepared = opened(bytes).prepare(placement, &ring(), &names(SignatureKind::SesSeal), 4096).unwrap();
    prepared.embed(&[0x30, 0x82, 0x00, 0xff]).unwrap()
}

/// `/ByteRange` and the span of `/Contents` of each signature, in the order of the fields.
fn signatures(pdf: &Pdf<'_>) -> Vec<(Vec<i64>, std::ops::Range<usize>)> {
    let view = pdf.latest();
    let form = view.lookup_in(&view.catalog().unwrap(), b"AcroForm").unwrap();
    let fields = view.lookup_in(form.as_dict().unwrap(), b"Fields").unwrap();
    let mut found = Vec::new();
    for field in fields.as_array().unwrap() {
        let field = view.follow(field).unwrap();
        let value = view.lookup_in(field.as_dict().unwrap(), b"V").unwrap();
        let value = value.as_dict().unwrap();
        let range = value.find(b"ByteRange").unwrap().as_array().unwrap();
        let contents = value.find(b"Contents").unwrap().as_string().unwrap();
        found.push((range.iter().map(|n| n.as_integer().unwrap()).collect(), contents.span.clone().unwrap()));
    }
    found
}

fn judge(program: &str, arguments: &[&str], bytes: &[u8]) -> Option<(bool, String)> {
    let mut file = tempfile::Builder::new().suffix(".pdf").tempfile().unwrap();
    file.write_all(bytes).unwrap();
    match Command::new(program).args(arguments).arg(file.path()).output() {
        Ok(output) => {
            let says = [output.stdout, output.stderr].concat();
            Some((output.status.success(), String::from_utf8_lossy(&says).into_owned()))
        }
        Err(error) => {
            eprintln!("SKIPPED: {program}: {error}");
            None
        }
    }
}

#[test]
fn every_sound_sample_opens_without_oddities_and_every_object_reads() {
    for name in SOUND {
        let bytes = fixture(name);
        let pdf = opened(&bytes);
        assert_eq!(pdf.oddities(), [], "{name}");
        assert!(pdf.tail().is_empty(), "{name}");
        for revision in 0..pdf.revisions().len() {
            let view = pdf.at(revision);
            for (number, entry) in pdf.revisions()[..=revision].iter().flat_map(|older| &older.entries) {
                let generation = if let Entry::At { generation, .. } = entry { *generation } else { 0 };
                view.resolve(ObjectId { number: *number, generation })
                    .unwrap_or_else(|error| panic!("{name} {number}: {error}"));
            }
            assert!(!view.pages().unwrap().is_empty(), "{name}");
        }
    }
}

#[test]
fn a_linearised_file_is_one_revision_and_a_signed_one_is_two() {
    for (name, revisions) in [
        ("one-page.pdf", 1),
        ("linearized.pdf", 1),
        ("linearized-streams.pdf", 1),
        ("hybrid.pdf", 1),
        ("rsa-signed.pdf", 2),
        ("certified-p2.pdf", 2),
    ] {
        let bytes = fixture(name);
        let pdf = opened(&bytes);
        assert_eq!(pdf.revisions().len(), revisions, "{name}");
        assert_eq!(pdf.revisions().last().unwrap().end, bytes.len(), "{name}");
    }
}

#[test]
fn pages_and_objects_agree_with_lopdf() {
    for name in SOUND {
        let bytes = fixture(name);
        let pdf = opened(&bytes);
        let oracle = lopdf::Document::load_mem(&bytes).unwrap();
        let ours: Vec<u32> = pdf.latest().pages().unwrap().iter().map(|page| page.id.number).collect();
        let theirs: Vec<u32> = oracle.get_pages().values().map(|id| id.0).collect();
        assert_eq!(ours, theirs, "{name}");
    }
}

#[test]
fn the_hidden_object_of_a_hybrid_file_is_found() {
    let bytes = fixture("hybrid.pdf");
    let pdf = opened(&bytes);
    assert_eq!(pdf.latest().entry(5), Some(Entry::InStream { stream: 6, index: 0 }));
    let outlines = pdf.latest().resolve(ObjectId { number: 5, generation: 0 }).unwrap();
    assert!(outlines.as_dict().unwrap().is(b"Type", b"Outlines"));
    assert_eq!(pdf.latest().object_span(ObjectId { number: 5, generation: 0 }), None);
}

#[test]
fn an_earlier_view_shows_the_file_as_it_was() {
    let first = fixture("one-page.pdf");
    let second = stamped(&first, &at(1));
    let pdf = opened(&second);
    assert!(pdf.at(0).catalog().unwrap().find(b"AcroForm").is_none());
    assert!(pdf.latest().catalog().unwrap().find(b"AcroForm").is_some());
    assert_eq!(pdf.revisions()[0].end, first.len());
    let id = pdf.latest().pages().unwrap()[0].id;
    let before = pdf.at(0).object_span(id).unwrap();
    let after = pdf.latest().object_span(id).unwrap();
    assert!(before.end <= first.len() && after.start >= first.len());
    assert!(second[after].ends_with(b"endobj"));
}

#[test]
fn what_cannot_be_read_is_refused_with_its_own_code() {
    let limits = Limits::default();
    let code = |bytes: &[u8]| {
        open(bytes, &limits).and_then(|pdf| pdf.latest().pages().map(|_| ())).unwrap_err().code()
    };
    assert_eq!(code(b""), "pdf/empty");
    assert_eq!(code(b"PK\x03\x04 no document at all"), "pdf/not-pdf");
    assert_eq!(code(&fixture("encrypted.pdf")), "pdf/encrypted");
    assert_eq!(code(&fixture("truncated.pdf")), "pdf/malformed");
    assert_eq!(code(&fixture("xref-loop.pdf")), "pdf/malformed");
    assert_eq!(code(&fixture("bomb.pdf")), "pdf/too-large");
    assert_eq!(code(b"%PDF-1.4\nstartxref\n99999999999\n%%EOF"), "pdf/malformed");
    let small = Limits { max_bytes: 1000, ..limits.clone() };
    assert_eq!(open(&fixture("one-page.pdf"), &small).unwrap_err().code(), "pdf/too-large");
    let few = Limits { max_objects: 5, ..limits.clone() };
    assert_eq!(open(&fixture("one-page.pdf"), &few).unwrap_err().code(), "pdf/too-large");
}

#[test]
fn a_stamp_changes_no_earlier_octet_and_covers_all_but_its_value() {
    for name in SOUND.into_iter().filter(|name| *name != "certified-p1.pdf") {
        let before = fixture(name);
        let after = stamped(&before, &at(1));
        assert!(after.starts_with(&before), "{name}");
        let pdf = opened(&after);
        assert_eq!(pdf.oddities(), [], "{name}");
        assert_eq!(pdf.revisions().len(), opened(&before).revisions().len() + 1, "{name}");
        let (range, contents) = signatures(&pdf).pop().unwrap();
        let gap = [0, contents.start, contents.end, after.len() - contents.end].map(|n| n as i64);
        assert_eq!(range, gap, "{name}");
        assert!(after[contents].starts_with(b"<308200ff0000"), "{name}");
        let style = |pdf: &Pdf<'_>| pdf.revisions().last().unwrap().has_stream;
        assert_eq!(style(&pdf), style(&opened(&before)), "{name}");
    }
}

#[test]
fn the_digest_is_sm3_over_the_byte_range_of_the_file_that_comes_out() {
    use sm3::Digest as _;
    let bytes = fixture("many-pages.pdf");
    let prepared = opened(&bytes).prepare(&at(3), &ring(), &names(SignatureKind::SesSeal), 100).unwrap();
    let digest = prepared.digest();
    let after = prepared.embed(&[0xab; 100]).unwrap();
    let (_, contents) = signatures(&opened(&after)).pop().unwrap();
    let covered = [&after[..contents.start], &after[contents.end..]].concat();
    assert_eq!(digest[..], sm3::Sm3::digest(covered)[..]);
}

#[test]
fn three_stamps_in_turn_leave_the_earlier_ranges_whole() {
    for name in ["one-page.pdf", "many-pages.pdf", "linearized-streams.pdf", "rsa-signed.pdf"] {
        let mut bytes = fixture(name);
        let count = if name.starts_with("rsa") { 1 } else { 0 };
        let mut earlier = Vec::new();
        for _ in 0..3 {
            let next = stamped(&bytes, &at(1));
            assert!(next.starts_with(&bytes), "{name}");
            bytes = next;
            let now = signatures(&opened(&bytes));
            assert_eq!(now[..earlier.len()], earlier, "{name}");
            earlier = now;
        }
        assert_eq!(earlier.len(), 3 + count, "{name}");
        let pdf = opened(&bytes);
        for (range, contents) in &earlier {
            let end = (range[2] + range[3]) as usize;
            assert!(pdf.revisions().iter().any(|revision| revision.end == end), "{name}");
            assert_eq!(range[1] as usize, contents.start, "{name}");
        }
        let page = &pdf.latest().pages().unwrap()[0].dict;
        let annotations = pdf.latest().lookup_in(page, b"Annots").unwrap();
        assert_eq!(annotations.as_array().unwrap().len(), 3 + count, "{name}");
    }
}

#[test]
fn refusals_name_what_they_found() {
    let seal = names(SignatureKind::SesSeal);
    let refused = |name: &str, placement: Placement| {
        opened(&fixture(name)).prepare(&placement, &ring(), &seal, 4096).unwrap_err()
    };
    assert_eq!(refused("one-page.pdf", at(2)), PdfError::MissingPage { page: 2, pages: 1 });
    assert_eq!(refused("one-page.pdf", at(0)), PdfError::MissingPage { page: 0, pages: 1 });
    assert_eq!(refused("certified-p1.pdf", at(1)), PdfError::Certified { permission: 1 });
    let outside = Placement { page: 1, x_mm: 200.0, y_mm: 50.0 };
    assert_eq!(refused("one-page.pdf", outside).code(), "pdf/off-page");
    assert!(matches!(refused("bomb.pdf", at(1)), PdfError::TooLarge { .. }));
    let bytes = fixture("one-page.pdf");
    let prepared = opened(&bytes).prepare(&at(1), &ring(), &seal, 10).unwrap();
    assert_eq!(prepared.embed(&[0; 11]).unwrap_err(), PdfError::NoRoom { needed: 11, room: 10 });
    let error = opened(&bytes).prepare(&at(1), &ring(), &seal, MAX_ROOM_BYTES + 1).unwrap_err();
    assert_eq!(error.code(), "pdf/too-large");
}

/// A file of one page with `objects` from number 4 on, and `catalog` and `page` entries of their own.
fn built(catalog: &str, page: &str, objects: &[&str]) -> Vec<u8> {
    let mut bodies = vec![
        format!("<</Type/Catalog/Pages 2 0 R{catalog}>>"),
        "<</Type/Pages/Kids[3 0 R]/Count 1>>".to_string(),
        format!("<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]{page}>>"),
    ];
    bodies.extend(objects.iter().map(|body| body.to_string()));
    let mut out = String::from("%PDF-1.7\n");
    let mut rows = String::new();
    for (index, body) in bodies.iter().enumerate() {
        rows.push_str(&format!("{:010} 00000 n \n", out.len()));
        out.push_str(&format!("{} 0 obj\n{body}\nendobj\n", index + 1));
    }
    let start = out.len();
    let size = bodies.len() + 1;
    out.push_str(&format!(
        "xref\n0 {size}\n0000000000 65535 f \n{rows}trailer\n<</Size {size}/Root 1 0 R>>\n"
    ));
    out.push_str(&format!("startxref\n{start}\n%%EOF"));
    out.into_bytes()
}

#[test]
fn locks_and_certifications_are_honoured_as_a_table() {
    let reference = |method: &str, parameters: &str| {
        format!("<</Type/Sig/Reference[<</TransformMethod/{method}/TransformParams<<{parameters}>>>>]>>")
    };
    let table = [
        (reference("FieldMDP", "/Action/All"), "", "pdf/locked"),
        (reference("FieldMDP", "/Action/Include/Fields[(Other)]"), "", ""),
        (reference("FieldMDP", "/Action/Include/Fields[(Stamp1)]"), "", "pdf/locked"),
        (reference("FieldMDP", "/Action/Exclude/Fields[(Stamp1)]"), "", ""),
        (reference("FieldMDP", "/Action/Exclude/Fields[(Other)]"), "", "pdf/locked"),
        (reference("DocMDP", "/P 1"), "", "pdf/certified"),
        (reference("DocMDP", "/P 3"), "", ""),
        (reference("DocMDP", ""), "", ""),
        (reference("DocMDP", "/P 9"), "", "pdf/certified"),
        ("<</Type/Sig>>".into(), "/Lock<</Action/All>>", "pdf/locked"),
        ("<</Type/Sig>>".into(), "/Lock<</Action/Include/Fields[]/P 1>>", "pdf/locked"),
        ("null".into(), "/Lock<</Action/All>>", ""),
    ];
    for (value, field, code) in table {
        let field = format!("<</FT/Sig/T(Old)/V 5 0 R{field}>>");
        let bytes = built("/AcroForm<</Fields[4 0 R]>>", "", &[&field, &value]);
        let pdf = opened(&bytes);
        let answer = pdf.prepare(&at(1), &ring(), &names(SignatureKind::Cms), 64);
        assert_eq!(answer.as_ref().map_or_else(PdfError::code, |_| ""), code, "{field} {value}");
    }
}

#[test]
fn forms_and_annotations_are_extended_wherever_they_stand() {
    let table: [(&str, &str, &[&str]); 6] = [
        ("", "", &[]),
        ("/AcroForm<</Fields[]/DA(/F 1 Tf)>>", "/Annots[]", &[]),
        ("/AcroForm 4 0 R", "/Annots 5 0 R", &["<</Fields 6 0 R/SigFlags 3>>", "[]", "[]"]),
        ("/AcroForm 4 0 R", "/Annots 5 0 R", &["<</Fields[5 0 R]>>", "null"]),
        ("/AcroForm null", "/Annots null", &[]),
        ("/AcroForm 9 0 R", "/Annots 9 0 R", &[]),
    ];
    for (catalog, page, objects) in table {
        let before = built(catalog, page, objects);
        let after = stamped(&before, &at(1));
        let pdf = opened(&after);
        let view = pdf.latest();
        let form = view.lookup_in(&view.catalog().unwrap(), b"AcroForm").unwrap();
        let form = form.as_dict().unwrap();
        assert_eq!(form.find(b"SigFlags"), Some(&Object::Integer(3)), "{catalog}");
        let fields = view.lookup_in(form, b"Fields").unwrap();
        let annotations = view.lookup_in(&view.pages().unwrap()[0].dict, b"Annots").unwrap();
        assert_eq!(fields.as_array().unwrap().last(), annotations.as_array().unwrap().last(), "{catalog}");
        assert_eq!(form.find(b"DA").is_some(), catalog.contains("DA"));
        assert!(after.starts_with(&before));
        lopdf::Document::load_mem(&after).unwrap();
    }
}

#[test]
fn ambiguous_or_foreign_structures_are_not_written_over() {
    let refused = |catalog: &str, page: &str| {
        let bytes = built(catalog, page, &[]);
        opened(&bytes).prepare(&at(1), &ring(), &names(SignatureKind::Cms), 64).unwrap_err().code()
    };
    assert_eq!(refused("/Lang(a)/Lang(b)", ""), "pdf/malformed");
    assert_eq!(refused("", "/Annots[]/Annots[]"), "pdf/malformed");
    assert_eq!(refused("", "/Annots(none)"), "pdf/malformed");
    assert_eq!(refused("/AcroForm[]", ""), "pdf/malformed");
    assert_eq!(refused("/NeedsRendering true", ""), "pdf/form");
    assert_eq!(refused("", "/MediaBox[0 0 1 1]/Rotate 90"), "pdf/malformed");
    assert_eq!(refused("", "/CropBox[0 0 1 1]"), "pdf/page-size");
}

#[test]
fn a_reference_beyond_its_revision_is_refused() {
    let first = built("", "", &[]);
    let second = stamped(&first, &at(1));
    let mut forged = second.clone();
    let row = first.windows(8).position(|window| window == b"xref\n0 4").unwrap() + 9 + 20;
    let later = format!("{:010}", first.len() + 1);
    forged[row..row + 10].copy_from_slice(later.as_bytes());
    assert!(matches!(open(&forged, &Limits::default()), Err(PdfError::Malformed { .. })));
}

#[test]
fn objects_that_lead_to_themselves_end() {
    let circle = built("", "/Annots 4 0 R", &["5 0 R", "4 0 R"]);
    let pdf = opened(&circle);
    assert!(pdf.latest().follow(&Object::Reference(ObjectId { number: 4, generation: 0 })).is_err());
    let length = built("", "", &["<</Length 4 0 R>>\nstream\nabc\nendstream"]);
    assert!(opened(&length).latest().resolve(ObjectId { number: 4, generation: 0 }).is_err());
    let kids = built("", "/Kids[2 0 R]", &[]);
    let kids = String::from_utf8(kids).unwrap().replace("/Type/Page/Parent", "/Type/Node/Parent");
    assert!(opened(kids.as_bytes()).latest().pages().is_err());
}

#[test]
fn others_accept_what_comes_out() {
    for (name, page) in
        [("one-page.pdf", 1), ("many-pages.pdf", 2), ("linearized-streams.pdf", 3), ("hybrid.pdf", 1)]
    {
        let once = stamped(&fixture(name), &at(page));
        let twice = stamped(&once, &Placement { page, x_mm: 60.0, y_mm: 100.0 });
        assert_eq!(
            lopdf::Document::load_mem(&twice).unwrap().get_pages().len(),
            opened(&twice).latest().pages().unwrap().len()
        );
        if let Some((is_sound, says)) = judge("qpdf", &["--check"], &twice) {
            assert!(is_sound, "{name}: {says}");
        }
        if let Some((_, says)) = judge("pdfsig", &["-nocert"], &twice) {
            assert!(says.contains("Signature #2"), "{name}: {says}");
            assert!(says.contains("- Total document signed"), "{name}: {says}");
        }
    }
}

#[test]
fn a_signature_by_others_stays_valid_under_our_stamp() {
    for name in ["rsa-signed.pdf", "ecdsa-signed.pdf", "certified-p2.pdf"] {
        let after = stamped(&fixture(name), &at(1));
        if let Some((_, says)) = judge("pdfsig", &["-nocert"], &after) {
            assert!(says.contains("Signature is Valid"), "{name}: {says}");
        }
    }
}

/// A detached CMS over `parts` by a fresh self-signed certificate; `None` where openssl is absent.
fn openssl_cms(parts: [&[u8]; 2]) -> Option<Vec<u8>> {
    let room = tempfile::tempdir().unwrap();
    let run = |arguments: &str| {
        let output = Command::new("openssl").args(arguments.split(' ')).current_dir(room.path()).output();
        match output {
            Ok(output) => {
                assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
                Some(output.stdout)
            }
            Err(error) => {
                eprintln!("SKIPPED: openssl: {error}");
                None
            }
        }
    };
    run("req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 30 -subj /CN=tester")?;
    std::fs::write(room.path().join("content"), parts.concat()).unwrap();
    run("cms -sign -binary -in content -signer cert.pem -inkey key.pem -md sha256 -outform DER")
}

#[test]
fn a_cms_value_from_openssl_is_valid_to_poppler_even_under_a_later_stamp() {
    let placement = Placement { page: 1, x_mm: 60.0, y_mm: 60.0 };
    for name in ["one-page.pdf", "many-pages.pdf"] {
        let bytes = fixture(name);
        let prepared = opened(&bytes).prepare(&placement, &ring(), &names(SignatureKind::Cms), 4096).unwrap();
        let Some(value) = openssl_cms(prepared.signed_parts()) else { return };
        let mut after = prepared.embed(&value).unwrap();
        if let Some((_, says)) = judge("pdfsig", &["-nocert"], &after) {
            assert!(says.contains("Signature is Valid"), "{name}: {says}");
            assert!(
                says.contains("adbe.pkcs7.detached") && says.contains("- Total document signed"),
                "{says}"
            );
        }
        let later = stamped(&after, &at(1));
        if let Some((_, says)) = judge("pdfsig", &["-nocert"], &later) {
            assert!(says.contains("Signature is Valid"), "{name}: {says}");
        }
        after[20] ^= 1;
        if let Some((_, says)) = judge("pdfsig", &["-nocert"], &after) {
            assert!(!says.contains("Signature is Valid"), "{name}: {says}");
        }
    }
}

#[test]
fn a_colour_picture_shows_in_its_colours_through_its_alpha() {
    let side = 100usize;
    let rgb: Vec<u8> =
        (0..side * side).flat_map(|n| if n % side < 50 { [0, 0, 255] } else { [0, 160, 0] }).collect();
    let alpha: Vec<u8> = (0..side * side).map(|n| if n / side < 50 { 255 } else { 0 }).collect();
    for (alpha, below) in [(Some(deflated(&alpha)), [255, 255, 255]), (None, [0, 0, 255])] {
        let paint = Paint::Colour { width_px: 100, height_px: 100, rgb: deflated(&rgb), alpha };
        let picture = Appearance { width_um: 20_000, height_um: 20_000, paint };
        let bytes = built("", "", &[]);
        let placement = Placement { page: 1, x_mm: 50.0, y_mm: 50.0 };
        let prepared =
            opened(&bytes).prepare(&placement, &picture, &names(SignatureKind::SesSeal), 16).unwrap();
        let Some((_, image)) = drawn(&["-r", "254"], &prepared.embed(&[]).unwrap()) else { return };
        assert_eq!(image.pixel(450, 450), [0, 0, 255]);
        assert_eq!(image.pixel(550, 450), [0, 160, 0]);
        assert_eq!(image.pixel(450, 550), below);
    }
}

#[test]
fn many_small_bombs_end_together() {
    let packed = {
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(&vec![0; 1 << 20]).unwrap();
        encoder.finish().unwrap()
    };
    let hex: String = packed.iter().map(|byte| format!("{byte:02x}")).collect();
    let length = hex.len() + 1;
    let bomb = format!("<</Length {length}/Filter[/ASCIIHexDecode/FlateDecode]>>\nstream\n{hex}>\nendstream");
    let bytes = built("", "", &[&bomb]);
    let limits = Limits { max_total_decoded_bytes: 8 << 20, ..Limits::default() };
    let pdf = open(&bytes, &limits).unwrap();
    let view = pdf.latest();
    let Object::Stream(stream) = view.resolve(ObjectId { number: 4, generation: 0 }).unwrap() else {
        panic!()
    };
    assert_eq!(view.stream_bytes(&stream).unwrap().len(), 1 << 20);
    let error = (0..8).find_map(|_| view.stream_bytes(&stream).err()).unwrap();
    assert_eq!(error, PdfError::TooLarge { what: "decoded octets in all", limit: 8 << 20 });
}

#[test]
fn cross_reference_tricks_are_refused_as_a_table() {
    let sound = String::from_utf8(built("", "", &[])).unwrap();
    let table: [(&str, &str); 8] = [
        ("xref\n0 4\n", "xref\n0 9\n"),
        ("xref\n0 4\n", "xref\n0 99999999999\n"),
        ("xref\n0 4\n0000000000", "xref\n8388606 4\n0000000000"),
        ("trailer\n<</Size 4", "0 1\n0000000000 65535 f \ntrailer\n<</Size 4"),
        ("/Root 1 0 R", "/Root 1 0 R/Root 2 0 R"),
        ("/Root 1 0 R", "/Root 1 0 R/Prev -1"),
        ("/Root 1 0 R", "/Root 1 0 R/Prev (x)"),
        ("%%EOF", ""),
    ];
    assert!(open(sound.as_bytes(), &Limits::default()).is_ok());
    for (old, new) in table {
        let forged = sound.replacen(old, new, 1);
        assert_ne!(forged, sound);
        assert!(open(forged.as_bytes(), &Limits::default()).is_err(), "{new}");
    }
}

#[test]
fn what_is_tolerated_is_told() {
    let sound = built("", "", &[]);
    let behind = [&sound[..], b"\njunk"].concat();
    let pdf = opened(&behind);
    assert_eq!(pdf.oddities().len(), 1);
    assert_eq!(&behind[pdf.tail()], b"junk");
    let blank = [&sound[..], b"\r\n\r\n "].concat();
    assert_eq!(opened(&blank).oddities(), []);
    let shifted = String::from_utf8(sound).unwrap().replace("%PDF-1.7\n", "\n%PDF-1.\n");
    assert_eq!(opened(shifted.as_bytes()).oddities()[0].what, "octets stand before the header");
}

#[test]
fn the_stamp_shows_where_it_was_put_and_lets_the_page_through() {
    for (name, page) in
        [("one-page.pdf", 1), ("many-pages.pdf", 2), ("many-pages.pdf", 4), ("many-pages.pdf", 5)]
    {
        let after = stamped(&fixture(name), &Placement { page, x_mm: 60.0, y_mm: 70.0 });
        let number = page.to_string();
        // 25.4 dpi: a pixel is a millimetre.
        let shown = ["-r", "254", "-cropbox", "-f", &number, "-l", &number];
        let Some((is_drawn, image)) = drawn(&shown, &after) else { return };
        assert!(is_drawn);
        let is_red = |x_mm: usize, y_mm: usize| {
            let [red, green, blue] = image.pixel(x_mm * 10, y_mm * 10);
            red > 180 && green < 120 && blue < 120
        };
        assert!(is_red(60, 62), "{name} {page}: the bar points up");
        assert!(!is_red(60, 78) && !is_red(52, 70) && !is_red(68, 70), "{name} {page}: and nowhere else");
        assert!(
            is_red(41, 70) && is_red(79, 70) && is_red(60, 51) && is_red(60, 89),
            "{name} {page}: the ring"
        );
        assert!(!is_red(38, 70) && !is_red(82, 70), "{name} {page}: 40 mm across");
    }
}

struct Pixmap {
    width: usize,
    rgb: Vec<u8>,
}

impl Pixmap {
    fn pixel(&self, x: usize, y: usize) -> [u8; 3] {
        let at = 3 * (y * self.width + x);
        [self.rgb[at], self.rgb[at + 1], self.rgb[at + 2]]
    }
}

/// A page as poppler draws it.
fn drawn(arguments: &[&str], bytes: &[u8]) -> Option<(bool, Pixmap)> {
    let mut file = tempfile::Builder::new().suffix(".pdf").tempfile().unwrap();
    file.write_all(bytes).unwrap();
    let output = match Command::new("pdftoppm").args(arguments).arg(file.path()).output() {
        Ok(output) => output,
        Err(error) => {
            eprintln!("SKIPPED: pdftoppm: {error}");
            return None;
        }
    };
    let head: Vec<&[u8]> = output.stdout.splitn(4, |byte| *byte == b'\n').collect();
    assert_eq!(head[0], b"P6");
    let width = std::str::from_utf8(head[1]).unwrap().split(' ').next().unwrap().parse().unwrap();
    Some((output.status.success(), Pixmap { width, rgb: head[3].to_vec() }))
}

/// Does everything a reader can do with `bytes`; only a panic or a passed bound fails.
fn exercise(bytes: &[u8]) {
    let limits = Limits {
        max_decoded_bytes: 1 << 20,
        max_total_decoded_bytes: 4 << 20,
        max_values: 10_000,
        max_objects: 10_000,
        ..Limits::default()
    };
    let Ok(pdf) = open(bytes, &limits) else { return };
    for revision in 0..pdf.revisions().len() {
        let view = pdf.at(revision);
        let _ = view.pages();
        for (number, entry) in &pdf.revisions()[revision].entries {
            let generation = if let Entry::At { generation, .. } = entry { *generation } else { 0 };
            let id = ObjectId { number: *number, generation };
            if let Some(span) = view.object_span(id) {
                assert!(span.end <= bytes.len());
            }
            if let Ok(Object::Stream(stream)) = view.resolve(id)
                && let Ok(octets) = view.stream_bytes(&stream)
            {
                assert!(octets.len() <= limits.max_decoded_bytes);
            }
        }
    }
    let paint = Paint::Mask { rgb: [0; 3], width_px: 1, height_px: 1, idat: deflated(&[0, 255]) };
    let dot = Appearance { width_um: 1000, height_um: 1000, paint };
    let placement = Placement { page: 1, x_mm: 50.0, y_mm: 50.0 };
    if let Ok(prepared) = pdf.prepare(&placement, &dot, &names(SignatureKind::Pades), 8) {
        let after = prepared.embed(&[1; 8]).unwrap();
        assert!(after.starts_with(bytes));
    }
}

/// Small samples, since the large one is mostly font.
const SMALL: [&str; 6] = [
    "many-pages.pdf",
    "linearized.pdf",
    "linearized-streams.pdf",
    "hybrid.pdf",
    "ecdsa-signed.pdf",
    "bomb.pdf",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn flipped_octets_never_panic(which in 0..SMALL.len(), flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12)) {
        let mut bytes = fixture(SMALL[which]);
        for (place, value) in flips {
            let place = place.index(bytes.len());
            bytes[place] = value;
        }
        exercise(&bytes);
    }

    #[test]
    fn cut_and_spliced_files_never_panic(
        which in 0..SMALL.len(),
        other in 0..SMALL.len(),
        cut in any::<prop::sample::Index>(),
        from in any::<prop::sample::Index>(),
    ) {
        let (bytes, other) = (fixture(SMALL[which]), fixture(SMALL[other]));
        let cut = cut.index(bytes.len());
        exercise(&bytes[..cut]);
        exercise(&[&bytes[..cut], &other[from.index(other.len())..]].concat());
    }

    #[test]
    fn changed_digits_never_panic(which in 0..SMALL.len(), places in prop::collection::vec((any::<prop::sample::Index>(), b'0'..=b'9'), 1..6)) {
        let mut bytes = fixture(SMALL[which]);
        let digits: Vec<usize> = (0..bytes.len()).filter(|place| bytes[*place].is_ascii_digit()).collect();
        for (place, digit) in places {
            bytes[digits[place.index(digits.len())]] = digit;
        }
        exercise(&bytes);
    }

    #[test]
    fn random_octets_behind_a_header_never_panic(octets in prop::collection::vec(any::<u8>(), 0..300)) {
        exercise(&[&b"%PDF-1.7\n"[..], &octets, b"\nstartxref\n9\n%%EOF"].concat());
    }
}
