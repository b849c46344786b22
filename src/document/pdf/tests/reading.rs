//! What is read, what is tolerated, what is refused.

use std::io::Write as _;

use super::*;

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
fn one_page_is_found_as_among_all() {
    for name in SOUND {
        let bytes = fixture(name);
        let pdf = opened(&bytes);
        let pages = pdf.latest().pages().unwrap();
        for (number, page) in (1..).zip(&pages) {
            assert_eq!(pdf.latest().page(number).as_ref(), Ok(page), "{name}");
        }
        let missing = PdfError::MissingPage { page: 0, pages: pages.len() };
        assert_eq!(pdf.latest().page(0), Err(missing), "{name}");
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
    let free = String::from_utf8(sound.clone()).unwrap().replace("65535 f", "65536 f");
    assert_eq!(opened(free.as_bytes()).oddities(), []);
    let shifted = String::from_utf8(sound).unwrap().replace("%PDF-1.7\n", "\n%PDF-1.\n");
    assert_eq!(opened(shifted.as_bytes()).oddities()[0].what, "octets stand before the header");
}

#[test]
fn one_large_object_under_many_numbers_ends() {
    // Every kid of the page tree is the same big dictionary in one object stream.
    let big = format!("<</Type/Page/Big[{}]>>", "0 ".repeat(20_000));
    let kids: String = (10..400).map(|number| format!("{number} 0 R ")).collect();
    let head: String = (10..400).map(|number| format!("{number} 0 ")).collect();
    let mut out = String::from("%PDF-1.7\n1 0 obj\n<</Type/Catalog/Pages 2 0 R>>\nendobj\n");
    let pages = out.len();
    out.push_str(&format!("2 0 obj\n<</Type/Pages/Kids[{kids}]>>\nendobj\n"));
    let container = out.len();
    let length = head.len() + big.len();
    out.push_str(&format!("3 0 obj\n<</Type/ObjStm/N 390/First {}/Length {length}>>\nstream\n", head.len()));
    out.push_str(&format!("{head}{big}\nendstream\nendobj\n"));
    let start = out.len();
    let mut rows = format!("01{:06x}0000 01{pages:06x}0000 01{container:06x}0000 ", 9);
    (0..390).for_each(|index| rows.push_str(&format!("02000003{index:04x} ")));
    let length = rows.len() + 1;
    out.push_str(&format!(
        "4 0 obj\n<</Type/XRef/W[1 3 2]/Index[1 3 10 390]/Size 400/Root 1 0 R/Length {length}"
    ));
    out.push_str(&format!(
        "/Filter/ASCIIHexDecode>>\nstream\n{rows}>\nendstream\nendobj\nstartxref\n{start}\n%%EOF"
    ));
    let pdf = opened(out.as_bytes());
    assert!(matches!(pdf.latest().pages(), Err(PdfError::TooLarge { what: "values in all pages", .. })));
    let limits = Limits { max_parsed_bytes: 1 << 20, ..Limits::default() };
    let pdf = open(out.as_bytes(), &limits).unwrap();
    assert!(matches!(pdf.latest().page(390), Err(PdfError::TooLarge { what: "octets read as objects", .. })));
}
