//! What a stamp adds, leaves alone and refuses.

use super::*;

#[test]
fn a_stamp_changes_no_earlier_octet_and_covers_all_but_its_value() {
    for name in SOUND.into_iter().filter(|name| *name != "certified-p1.pdf") {
        let before = fixture(name);
        let after = stamped(&before, &at(1));
        assert!(after.starts_with(&before), "{name}");
        let pdf = opened(&after);
        assert_eq!(pdf.oddities(), [], "{name}");
        assert_eq!(pdf.revisions().len(), opened(&before).revisions().len() + 1, "{name}");
        let (range, contents) = last_signature(&pdf);
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
    let (_, contents) = last_signature(&opened(&after));
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
            let pdf = opened(&bytes);
            let now: Vec<_> = fields(&pdf).iter().map(|field| signature(&pdf, field)).collect();
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
fn each_kind_of_signature_is_announced_by_its_own_names() {
    let table = [
        (SignatureKind::SesSeal, &b"Gomain.GMPkiLite"[..], &b"GM.sm2seal"[..]),
        (SignatureKind::Cms, b"Adobe.PPKLite", b"adbe.pkcs7.detached"),
        (SignatureKind::Pades, b"Adobe.PPKLite", b"ETSI.CAdES.detached"),
    ];
    let bytes = fixture("one-page.pdf");
    for (kind, filter, sub_filter) in table {
        let said = StampNames { location: Some("Linjiang".into()), ..names(kind) };
        let prepared = opened(&bytes).prepare(&at(1), &ring(), &said, 64).unwrap();
        assert_eq!((prepared.field(), prepared.room_bytes()), ("Stamp1", 64));
        let after = prepared.embed(&[0x30, 0]).unwrap();
        let pdf = opened(&after);
        let view = pdf.latest();
        let field = view.follow(&fields(&pdf)[0]).unwrap();
        let value = view.lookup_in(field.as_dict().unwrap(), b"V").unwrap();
        let value = value.as_dict().unwrap();
        assert!(
            value.is(b"Type", b"Sig") && value.is(b"Filter", filter) && value.is(b"SubFilter", sub_filter)
        );
        let text = |key: &[u8]| value.find(key).unwrap().as_string().unwrap().bytes.clone();
        assert_eq!(text(b"M"), b"D:20261120183000+08'00'");
        assert_eq!(text(b"Location"), b"Linjiang");
        assert!(text(b"Reason").starts_with(&[0xfe, 0xff, 0x62, 0x79]), "UTF-16 with its mark");
        assert_eq!(field.as_dict().unwrap().find(b"F"), Some(&Object::Integer(132)));
    }
}

#[test]
fn a_name_taken_by_another_field_is_passed_over() {
    let field = "<</FT/Tx/T(Stamp1)/Kids[<</T<feff0041>>>]>>";
    let bytes = built("/AcroForm<</Fields[4 0 R<</T<feff005300740061006d00700032>>>]>>", "", &[field]);
    let pdf = opened(&bytes);
    let prepared = pdf.prepare(&at(1), &ring(), &names(SignatureKind::SesSeal), 64).unwrap();
    assert_eq!(prepared.field(), "Stamp3");
}

#[test]
fn an_opened_and_a_prepared_file_may_change_threads() {
    fn moves<T: Send + Sync>() {}
    moves::<Pdf<'_>>();
    moves::<Prepared>();
}

#[test]
fn fields_without_end_are_refused() {
    let refused = |objects: &[&str]| {
        let bytes = built("/AcroForm<</Fields[4 0 R 7 0 R 8 0 R 9 0 R 10 0 R]>>", "", objects);
        opened(&bytes).prepare(&at(1), &ring(), &names(SignatureKind::Cms), 64).map(|_| ()).unwrap_err()
    };
    // The same hundred thousand kids, reached by five names.
    let kids = format!("<</Kids[{}]>>", "<<>>".repeat(100_000));
    let wide = ["5 0 R", &kids, "null", "5 0 R", "5 0 R", "5 0 R", "5 0 R"];
    assert!(matches!(refused(&wide), PdfError::TooLarge { what: "fields, or levels of fields", .. }));
    let long = format!("<</T({})>>", "x".repeat(5000));
    assert!(matches!(refused(&[&long]), PdfError::TooLarge { what: "octets in the name of a field", .. }));
    let many = format!("<</FT/Sig/Kids[{}]>>", "<</V<<>>>>".repeat(1001));
    assert!(matches!(refused(&[&many]), PdfError::TooLarge { what: "signatures", .. }));
}
