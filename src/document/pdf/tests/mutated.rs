//! Damaged files: no panic, no bound passed; and what can be stamped can be opened again.

use proptest::prelude::*;

use super::*;

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
        let again = open(&after, &Limits::default()).unwrap();
        assert_eq!(again.revisions().len(), pdf.revisions().len() + 1);
        let (range, contents) = last_signature(&again);
        assert_eq!(range, [0, contents.start, contents.end, after.len() - contents.end].map(|n| n as i64));
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
