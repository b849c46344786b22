use proptest::prelude::*;

use super::file::{SIGNATURE, put_chunk};
use super::*;

/// A PNG from a header's last fields and chunks, with right checksums.
fn png(size: (u32, u32), depth: u8, colour: u8, interlace: u8, chunks: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
    let mut header = [size.0.to_be_bytes(), size.1.to_be_bytes()].concat();
    header.extend([depth, colour, 0, 0, interlace]);
    let mut png = SIGNATURE.to_vec();
    put_chunk(&mut png, *b"IHDR", &header);
    for (kind, content) in chunks {
        put_chunk(&mut png, **kind, content);
    }
    put_chunk(&mut png, *b"IEND", &[]);
    png
}

fn pack(bytes: &[u8]) -> Vec<u8> {
    zlib(bytes, Compression::best())
}

fn unpack(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    ZlibDecoder::new(bytes).read_to_end(&mut out).unwrap();
    out
}

fn read(bytes: &[u8]) -> Result<Paint, PngError> {
    appearance(bytes, 1000, 1000, &Limits::default()).map(|a| a.paint)
}

fn planes(paint: &Paint) -> (Vec<u8>, Option<Vec<u8>>) {
    let Paint::Colour { rgb, alpha, .. } = paint else { panic!("{paint:?}") };
    (unpack(rgb), alpha.as_deref().map(unpack))
}

#[test]
fn a_mask_keeps_its_compressed_rows_as_received() {
    let file = encode_mask([9, 8, 7], 2, 3, &[1, 2, 3, 4, 5, 6], 600);
    let Paint::Mask { rgb, width_px, height_px, idat } = read(&file).unwrap() else { panic!() };
    assert_eq!((rgb, width_px, height_px), ([9, 8, 7], 2, 3));
    assert_eq!(unpack(&idat), [0, 1, 2, 0, 3, 4, 0, 5, 6]);
    assert!(file.windows(idat.len()).any(|w| w == &*idat));
}

#[test]
fn other_software_reads_a_mask_as_colour_with_opacity() {
    let file = encode_mask([9, 8, 7], 2, 1, &[0, 200], 600);
    let mut rows = Vec::new();
    assert_eq!(size_px(&file, &Limits::default()), Ok((2, 1)));
    assert_eq!(each_row(&file, &Limits::default(), |row| rows.extend_from_slice(row)), Ok(()));
    assert_eq!(rows, [9, 8, 7, 0, 9, 8, 7, 200]);
    let reader = png::Decoder::new(Cursor::new(&file)).read_info().unwrap();
    assert_eq!(reader.info().pixel_dims.unwrap().xppu, 23_622); // 600 dpi
}

#[test]
fn rows_in_several_chunks_are_joined() {
    let ramp: Vec<u8> = (0..=255).collect();
    let rows = pack(&[0, 7, 0, 8]);
    let (one, two) = rows.split_at(3);
    let palette = [5; 768];
    let file = png((1, 2), 8, 3, 0, &[(b"PLTE", &palette), (b"tRNS", &ramp), (b"IDAT", one), (b"IDAT", two)]);
    let Paint::Mask { idat, .. } = read(&file).unwrap() else { panic!() };
    assert_eq!(*idat, *rows);
}

#[test]
fn every_kind_of_pixel_becomes_colour_and_opacity_where_needed() {
    let grey = png((2, 1), 8, 0, 0, &[(b"IDAT", &pack(&[0, 10, 20]))]);
    assert_eq!(planes(&read(&grey).unwrap()), (vec![10, 10, 10, 20, 20, 20], None));
    let bits = png((3, 1), 1, 0, 0, &[(b"IDAT", &pack(&[0, 0b1010_0000]))]);
    assert_eq!(planes(&read(&bits).unwrap()).0, [255, 255, 255, 0, 0, 0, 255, 255, 255]);
    let wide = png((1, 1), 16, 6, 0, &[(b"IDAT", &pack(&[0, 1, 99, 2, 99, 3, 99, 4, 99]))]);
    assert_eq!(planes(&read(&wide).unwrap()), (vec![1, 2, 3], Some(vec![4])));
    let palette = png(
        (2, 1),
        8,
        3,
        0,
        &[(b"PLTE", &[1, 2, 3, 4, 5, 6]), (b"tRNS", &[9]), (b"IDAT", &pack(&[0, 0, 1]))],
    );
    assert_eq!(planes(&read(&palette).unwrap()), (vec![1, 2, 3, 4, 5, 6], Some(vec![9, 255])));
    let opaque = png((1, 1), 8, 6, 0, &[(b"IDAT", &pack(&[0, 1, 2, 3, 255]))]);
    assert_eq!(planes(&read(&opaque).unwrap()), (vec![1, 2, 3], None));
    // Adam7 of two by two: pass 1 has (0,0), pass 6 has (1,0), pass 7 the second row.
    let woven = png((2, 2), 8, 0, 1, &[(b"IDAT", &pack(&[0, 1, 0, 2, 0, 3, 4]))]);
    assert_eq!(planes(&read(&woven).unwrap()).0, [1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4]);
}

#[test]
fn a_mask_with_any_oddity_is_decoded_instead() {
    let ramp: Vec<u8> = (0..=255).collect();
    let mut other_ramp = ramp.clone();
    other_ramp[17] = 18;
    let mut two_colours = [5; 768];
    two_colours[767] = 6;
    let rows = pack(&[0, 7]);
    let kinds: [(&[u8], &[u8], u8); 4] = [
        (&two_colours, &ramp, 0),
        (&[5; 768], &other_ramp, 0),
        (&[5; 768], &ramp, 1),
        (&[5; 765], &ramp[..255], 0),
    ];
    for (palette, ramp, interlace) in kinds {
        let file = png((1, 1), 8, 3, interlace, &[(b"PLTE", palette), (b"tRNS", ramp), (b"IDAT", &rows)]);
        assert!(matches!(read(&file), Ok(Paint::Colour { .. })));
    }
}

#[test]
fn refusals_have_their_code() {
    let rows = pack(&[0, 7]);
    let rows = &rows[..];
    let good = png((1, 1), 8, 0, 0, &[(b"IDAT", rows)]);
    assert!(read(&good).is_ok());
    let trailing = [&good[..], b"x"].concat();
    let two_headers =
        png((1, 1), 8, 0, 0, &[(b"IHDR", &[0, 0, 0, 1, 0, 0, 0, 1, 8, 0, 0, 0, 0]), (b"IDAT", rows)]);
    let mask = [[5; 768].to_vec(), (0..=255).collect()];
    let starved = png((4000, 4000), 8, 3, 0, &[(b"PLTE", &mask[0]), (b"tRNS", &mask[1]), (b"IDAT", rows)]);
    let no_stream = png((1, 1), 8, 3, 0, &[(b"PLTE", &mask[0]), (b"tRNS", &mask[1]), (b"IDAT", b"\0\0\0\0")]);
    let table: [(&str, &[u8], &str); 23] = [
        ("torn palette", &png((1, 1), 1, 3, 0, &[(b"PLTE", &[1, 2]), (b"IDAT", rows)]), "picture/malformed"),
        (
            "long ramp",
            &png((1, 1), 8, 3, 0, &[(b"PLTE", &[1; 3]), (b"tRNS", &[1; 2]), (b"IDAT", rows)]),
            "picture/malformed",
        ),
        ("odd ramp", &png((1, 1), 8, 0, 0, &[(b"tRNS", &[1; 3]), (b"IDAT", rows)]), "picture/malformed"),
        ("empty", b"", "picture/not-png"),
        ("text", b"a seal, they said", "picture/not-png"),
        ("jpeg", b"\xff\xd8\xff\xe0\0\x10JFIF", "picture/not-png"),
        ("signature only", SIGNATURE, "picture/malformed"),
        ("trailing", &trailing, "picture/malformed"),
        ("two headers", &two_headers, "picture/malformed"),
        ("no pixels", &png((1, 1), 8, 0, 0, &[]), "picture/malformed"),
        ("empty pixels", &png((1, 1), 8, 0, 0, &[(b"IDAT", b"")]), "picture/malformed"),
        ("no palette", &png((1, 1), 8, 3, 0, &[(b"IDAT", rows)]), "picture/malformed"),
        (
            "apart",
            &png((1, 1), 8, 0, 0, &[(b"IDAT", rows), (b"tEXt", b"a\0b"), (b"IDAT", b"")]),
            "picture/malformed",
        ),
        ("critical", &png((1, 1), 8, 0, 0, &[(b"ABCD", b""), (b"IDAT", rows)]), "picture/malformed"),
        ("depth", &png((1, 1), 3, 0, 0, &[(b"IDAT", rows)]), "picture/malformed"),
        ("weave", &png((1, 1), 8, 0, 2, &[(b"IDAT", rows)]), "picture/malformed"),
        ("zero", &png((0, 1), 8, 0, 0, &[(b"IDAT", rows)]), "picture/malformed"),
        ("missing row", &png((1, 2), 8, 0, 0, &[(b"IDAT", rows)]), "picture/malformed"),
        ("starved mask", &starved, "picture/malformed"),
        ("no stream", &no_stream, "picture/malformed"),
        (
            "animated",
            &png((1, 1), 8, 0, 0, &[(b"acTL", &[0, 0, 0, 1, 0, 0, 0, 0]), (b"IDAT", rows)]),
            "picture/animated",
        ),
        ("wide", &png((4097, 1), 8, 0, 0, &[(b"IDAT", rows)]), "picture/too-large"),
        ("huge", &png((u32::MAX, u32::MAX), 8, 6, 0, &[(b"IDAT", rows)]), "picture/too-large"),
    ];
    for (name, bytes, code) in table {
        assert_eq!(read(bytes).unwrap_err().code(), code, "{name}");
    }
    let heavy = png((1, 1), 8, 0, 0, &[(b"tEXt", &vec![b'a'; 2 << 20]), (b"IDAT", rows)]);
    assert_eq!(read(&heavy), Err(PngError::TooLarge));
    assert_eq!(appearance(&good, 0, 1, &Limits::default()), Err(PngError::NoSize));
}

#[test]
fn every_cut_and_every_flipped_bit_is_seen() {
    let file = encode_mask([255, 0, 0], 5, 5, &[3; 25], 600);
    for end in 0..file.len() {
        assert!(read(&file[..end]).is_err(), "cut at {end}");
    }
    for at in 0..file.len() * 8 {
        let mut bad = file.clone();
        bad[at / 8] ^= 1 << (at % 8);
        assert!(read(&bad).is_err(), "bit {at}");
    }
}

#[test]
fn bombs_are_defused() {
    // A hundred megabytes behind a picture of one pixel: what is over is not unpacked into memory.
    let bomb = pack(&vec![0; 100 << 20]);
    assert!(bomb.len() < 200_000);
    for interlace in [0, 1] {
        let excess = png((1, 1), 8, 0, interlace, &[(b"IDAT", &bomb)]);
        if let Ok(paint) = read(&excess) {
            assert_eq!(planes(&paint).0, [0, 0, 0]);
        }
    }
    // Descriptions are skipped, not unpacked.
    let text = [b"Comment\0\0".to_vec(), bomb.clone()].concat();
    let profile = [b"profile\0\0".to_vec(), bomb].concat();
    let rows = pack(&[0, 7]);
    assert!(read(&png((1, 1), 8, 0, 0, &[(b"zTXt", &text), (b"iCCP", &profile), (b"IDAT", &rows)])).is_ok());
    // The largest picture that is taken stays small, for it is packed row by row.
    let large = png((4096, 4096), 1, 0, 0, &[(b"IDAT", &pack(&vec![0; 513 * 4096]))]);
    let Paint::Colour { rgb, alpha, .. } = read(&large).unwrap() else { panic!() };
    assert!(rgb.len() < 100_000 && alpha.is_none());
}

#[test]
fn pictures_are_the_same_when_their_pixels_are() {
    let file = png((2, 1), 8, 6, 0, &[(b"IDAT", &pack(&[0, 1, 2, 3, 4, 5, 6, 7, 8]))]);
    let one = appearance(&file, 1000, 1000, &Limits::default()).unwrap();
    let Paint::Colour { width_px, height_px, rgb, alpha } = one.paint.clone() else { panic!() };
    let repacked = |rgb: &[u8]| Appearance {
        paint: Paint::Colour {
            width_px,
            height_px,
            rgb: zlib(rgb, Compression::none()).into(),
            alpha: alpha.clone(),
        },
        ..one.clone()
    };
    let other = repacked(&unpack(&rgb));
    assert!(one != other && same_picture(&one, &other));
    assert!(!same_picture(&one, &repacked(&[1, 2, 3, 5, 6, 8])));
    assert!(!same_picture(&one, &repacked(&[1, 2, 3, 5, 6])));
    assert!(!same_picture(&one, &repacked(&[1, 2, 3, 5, 6, 7, 8])));
    assert!(!same_picture(&one, &Appearance { width_um: 2, ..one.clone() }));
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = read(&bytes);
        let _ = read(&[&SIGNATURE[..], &bytes].concat());
    }

    #[test]
    fn random_pictures_with_right_checksums_never_panic(
        size in (0u32..70, 0u32..70),
        depth in prop::sample::select(vec![1u8, 2, 4, 8, 16, 3]),
        colour in 0u8..8,
        interlace in 0u8..3,
        palette in prop::collection::vec(any::<u8>(), 0..800),
        ramp in prop::collection::vec(any::<u8>(), 0..300),
        rows in prop::collection::vec(any::<u8>(), 0..5000),
        packed in any::<bool>(),
    ) {
        let rows = if packed { pack(&rows) } else { rows };
        let chunks: [(&[u8; 4], &[u8]); 3] = [(b"PLTE", &palette), (b"tRNS", &ramp), (b"IDAT", &rows)];
        let _ = read(&png(size, depth, colour, interlace, &chunks));
        let _ = read(&png(size, depth, colour, interlace, &chunks[2..]));
    }
}
