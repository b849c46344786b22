//! PNG pictures from anywhere, inspected within limits, and the one form that seals drawn here are kept in.
//!
//! That form is an 8-bit palette PNG whose 256 colours are all the seal's own and whose transparency is the index itself.
//! Its rows are thus rows of opacity, and its compressed stream serves as a PDF soft mask without being unpacked
//! (PDF predictors 10 to 15 are PNG's filters: ISO 32000-2, 7.4.4.4).

use std::fmt;
use std::io::{Cursor, Read, Write};
use std::sync::Arc;

use flate2::{Compression, Crc, read::ZlibDecoder, write::ZlibEncoder};

use super::appearance::{Appearance, Paint};

/// How large a picture may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Octets of the file.
    pub bytes: usize,
    /// Pixels of the width, and of the height.
    pub side_px: u32,
}

impl Default for Limits {
    /// 2 MiB and 4096 pixels: unpacked, such a picture has at most 64 MiB.
    fn default() -> Self {
        Self { bytes: 2 << 20, side_px: 4096 }
    }
}

/// Why a picture was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PngError {
    /// It doesn't begin as a PNG does.
    NotPng,
    /// Larger than the limits, in octets or in pixels.
    TooLarge,
    /// It moves: a seal doesn't.
    Animated,
    /// A size on paper of nothing.
    NoSize,
    /// Broken: what was found.
    Malformed(&'static str),
}

impl PngError {
    /// The stable code, for machines.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotPng => "picture/not-png",
            Self::TooLarge => "picture/too-large",
            Self::Animated => "picture/animated",
            Self::NoSize => "picture/no-size",
            Self::Malformed(_) => "picture/malformed",
        }
    }
}

impl fmt::Display for PngError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotPng => f.write_str("the picture is not a PNG file"),
            Self::TooLarge => f.write_str("the picture is too large: 2 MB and 4096 × 4096 pixels are taken"),
            Self::Animated => f.write_str("the picture is animated; a seal stands still"),
            Self::NoSize => f.write_str("the picture has no size on paper"),
            Self::Malformed(what) => write!(f, "the PNG file is broken: {what}"),
        }
    }
}

impl std::error::Error for PngError {}

/// The appearance of a PNG at a size on paper: the single function used both when stamping and when verifying, so that
/// what stands on a page can be compared with what the seal holds.
///
/// A picture in the form of [`encode_mask`] becomes [`Paint::Mask`] with its compressed rows as received: structure and
/// checksums of the file are checked, the rows are not unpacked (whoever takes a picture in from outside unpacks it once,
/// see `seal::picture::check_import`). Any other is decoded and packed again as [`Paint::Colour`], with opacity only
/// where some pixel isn't opaque.
///
/// # Errors
/// [`PngError`], see there; no bytes make it panic, and it never holds more than the limits allow.
pub fn appearance(
    bytes: &[u8],
    width_um: u32,
    height_um: u32,
    limits: &Limits,
) -> Result<Appearance, PngError> {
    if width_um == 0 || height_um == 0 {
        return Err(PngError::NoSize);
    }
    let file = File::read(bytes, limits)?;
    let paint = match file.mask_colour() {
        Some(rgb) => {
            Paint::Mask { rgb, width_px: file.width_px, height_px: file.height_px, idat: file.idat()? }
        }
        None => colour(bytes, &file)?,
    };
    Ok(Appearance { width_um, height_um, paint })
}

/// Whether two appearances show the same: equal, or equal once their rows are unpacked. Packed rows of a
/// [`Paint::Colour`] may differ between versions of the packer, its pixels may not.
#[must_use]
pub fn same_picture(one: &Appearance, other: &Appearance) -> bool {
    if one == other {
        return true;
    }
    if (one.width_um, one.height_um) != (other.width_um, other.height_um) {
        return false;
    }
    match (&one.paint, &other.paint) {
        (
            Paint::Colour { width_px, height_px, rgb, alpha },
            Paint::Colour { width_px: width, height_px: height, rgb: other_rgb, alpha: other_alpha },
        ) if (width_px, height_px) == (width, height) => {
            let pixels = u64::from(*width).saturating_mul(u64::from(*height));
            let alphas = match (alpha, other_alpha) {
                (None, None) => true,
                (Some(a), Some(b)) => same_rows(a, b, pixels),
                _ => false,
            };
            alphas && same_rows(rgb, other_rgb, pixels.saturating_mul(3))
        }
        _ => false,
    }
}

/// Makes a PNG of one colour: `alpha` has `width_px` × `height_px` opacities, row by row; missing ones count as 0.
/// The same arguments give the same bytes.
#[must_use]
pub fn encode_mask(rgb: [u8; 3], width_px: u32, height_px: u32, alpha: &[u8], dpi: u32) -> Vec<u8> {
    let mut header = Vec::with_capacity(13);
    header.extend(width_px.to_be_bytes());
    header.extend(height_px.to_be_bytes());
    header.extend([8, 3, 0, 0, 0]);
    let palette: Vec<u8> = rgb.iter().copied().cycle().take(768).collect();
    let ramp: Vec<u8> = (0..=255).collect();
    let mut physical = Vec::with_capacity(9);
    let a_metre = (u64::from(dpi) * 10_000 + 127) / 254;
    let a_metre = u32::try_from(a_metre).unwrap_or(u32::MAX);
    physical.extend(a_metre.to_be_bytes());
    physical.extend(a_metre.to_be_bytes());
    physical.push(1);

    let mut png = SIGNATURE.to_vec();
    put_chunk(&mut png, *b"IHDR", &header);
    put_chunk(&mut png, *b"pHYs", &physical);
    put_chunk(&mut png, *b"PLTE", &palette);
    put_chunk(&mut png, *b"tRNS", &ramp);
    put_chunk(&mut png, *b"IDAT", &packed_rows(width_px as usize, height_px as usize, alpha));
    put_chunk(&mut png, *b"IEND", &[]);
    png
}

/// Makes a PNG of any colours from rows of red, green, blue, opacity, 8 bits each, and nothing else in it.
///
/// # Errors
/// [`PngError::Malformed`]: `rgba` isn't `width_px` × `height_px` × 4 octets.
pub fn encode_rgba(width_px: u32, height_px: u32, rgba: &[u8]) -> Result<Vec<u8>, PngError> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width_px, height_px);
    encoder.set_color(png::ColorType::Rgba);
    encoder.set_compression(png::Compression::High);
    let written = encoder.write_header().and_then(|mut writer| writer.write_image_data(rgba));
    written.map(|()| bytes).map_err(|_| PngError::Malformed("rows of another size than said"))
}

/// Width and height in pixels of a picture whose structure holds; nothing is unpacked.
///
/// # Errors
/// [`PngError`] as of [`appearance`].
pub fn size_px(bytes: &[u8], limits: &Limits) -> Result<(u32, u32), PngError> {
    File::read(bytes, limits).map(|file| (file.width_px, file.height_px))
}

/// Decodes a picture and shows its rows in order, as red, green, blue, opacity, 8 bits each.
///
/// # Errors
/// [`PngError`] as of [`appearance`].
pub(crate) fn each_row(bytes: &[u8], limits: &Limits, row: impl FnMut(&[u8])) -> Result<(), PngError> {
    decode(bytes, &File::read(bytes, limits)?, row)
}

const SIGNATURE: &[u8; 8] = b"\x89PNG\r\n\x1a\n";

/// What a PNG file says of itself; every chunk's place, length and checksum is checked.
#[derive(Default)]
struct File<'a> {
    width_px: u32,
    height_px: u32,
    depth: u8,
    colour: u8,
    interlaced: bool,
    palette: Option<&'a [u8]>,
    ramp: Option<&'a [u8]>,
    rows: Vec<&'a [u8]>,
}

impl<'a> File<'a> {
    fn read(bytes: &'a [u8], limits: &Limits) -> Result<Self, PngError> {
        let Some(mut rest) = bytes.strip_prefix(SIGNATURE) else { return Err(PngError::NotPng) };
        if bytes.len() > limits.bytes {
            return Err(PngError::TooLarge);
        }
        let mut file = Self::default();
        let mut last = *b"    ";
        // Each turn takes at least twelve octets of at most `limits.bytes`.
        loop {
            let Chunk { kind, content, after } = take_chunk(rest)?;
            if (last == *b"    ") != (kind == *b"IHDR") {
                return Err(PngError::Malformed("IHDR is not the first chunk, or not the only one"));
            }
            if kind == *b"IEND" {
                return file.end(content, after);
            }
            file.take(kind, content, last, limits)?;
            (rest, last) = (after, kind);
        }
    }

    fn take(
        &mut self,
        kind: [u8; 4],
        content: &'a [u8],
        last: [u8; 4],
        limits: &Limits,
    ) -> Result<(), PngError> {
        match &kind {
            b"IHDR" => self.header(content, limits),
            b"PLTE" if self.palette.is_some() || !self.rows.is_empty() => {
                Err(PngError::Malformed("PLTE out of place"))
            }
            b"PLTE" => {
                self.palette = Some(content);
                Ok(())
            }
            b"tRNS" if self.ramp.is_some() || !self.rows.is_empty() => {
                Err(PngError::Malformed("tRNS out of place"))
            }
            b"tRNS" => {
                self.ramp = Some(content);
                Ok(())
            }
            b"IDAT" if !self.rows.is_empty() && last != kind => {
                Err(PngError::Malformed("IDAT chunks lie apart"))
            }
            b"IDAT" => {
                self.rows.push(content);
                Ok(())
            }
            b"acTL" | b"fcTL" | b"fdAT" => Err(PngError::Animated),
            // Bit 5 of the first letter clear: a chunk without which the picture can't be understood.
            [first, ..] if first & 0x20 == 0 => Err(PngError::Malformed("unknown critical chunk")),
            _ => Ok(()),
        }
    }

    fn header(&mut self, content: &[u8], limits: &Limits) -> Result<(), PngError> {
        let Ok([w0, w1, w2, w3, h0, h1, h2, h3, depth, colour, packing, filters, interlace]) =
            <[u8; 13]>::try_from(content)
        else {
            return Err(PngError::Malformed("IHDR has not 13 octets"));
        };
        (self.width_px, self.height_px) =
            (u32::from_be_bytes([w0, w1, w2, w3]), u32::from_be_bytes([h0, h1, h2, h3]));
        (self.depth, self.colour, self.interlaced) = (depth, colour, interlace == 1);
        // ISO/IEC 15948, table 11.1.
        let known =
            matches!((colour, depth), (0, 1 | 2 | 4 | 8 | 16) | (3, 1 | 2 | 4 | 8) | (2 | 4 | 6, 8 | 16));
        if self.width_px == 0
            || self.height_px == 0
            || !known
            || packing != 0
            || filters != 0
            || interlace > 1
        {
            return Err(PngError::Malformed("IHDR holds values that don't exist"));
        }
        if self.width_px > limits.side_px || self.height_px > limits.side_px {
            return Err(PngError::TooLarge);
        }
        Ok(())
    }

    fn end(self, content: &[u8], after: &[u8]) -> Result<Self, PngError> {
        if !content.is_empty() || !after.is_empty() {
            return Err(PngError::Malformed("bytes after the end"));
        }
        if self.rows.iter().all(|r| r.is_empty()) {
            return Err(PngError::Malformed("no pixels"));
        }
        self.check_palette()?;
        Ok(self)
    }

    /// Lengths of palette and transparency: the decoder panics on a palette that ends within a colour.
    fn check_palette(&self) -> Result<(), PngError> {
        let entries = self.palette.map(|p| p.len() / 3);
        let whole = self.palette.is_none_or(|p| p.len() % 3 == 0 && (3..=768).contains(&p.len()));
        if !whole || (self.colour == 3 && entries.is_none()) {
            return Err(PngError::Malformed("no palette, or one of an odd length"));
        }
        let fits = match (self.ramp.map(<[u8]>::len), self.colour) {
            (None, _) => true,
            (Some(length), 0) => length == 2,
            (Some(length), 2) => length == 6,
            (Some(length), 3) => entries.is_some_and(|n| (1..=n).contains(&length)),
            _ => false,
        };
        if fits { Ok(()) } else { Err(PngError::Malformed("transparency of an odd length")) }
    }

    /// The one colour, if the file has the form of [`encode_mask`].
    fn mask_colour(&self) -> Option<[u8; 3]> {
        if self.colour != 3 || self.depth != 8 || self.interlaced {
            return None;
        }
        let ramp = self.ramp?;
        let identity = ramp.len() == 256 && ramp.iter().zip(0u8..=255).all(|(found, index)| *found == index);
        let (colours, []) = self.palette?.as_chunks::<3>() else { return None };
        let (first, others) = colours.split_first()?;
        (identity && others.len() == 255 && others.iter().all(|c| c == first)).then_some(*first)
    }

    /// The compressed rows as received, all IDAT chunks joined.
    fn idat(&self) -> Result<Arc<[u8]>, PngError> {
        let joined: Vec<u8> = self.rows.concat();
        let [cmf, flg, ..] = joined[..] else { return Err(PngError::Malformed("no zlib stream")) };
        // RFC 1950: deflate, window of at most 32 kB, no preset dictionary, check bits.
        let header = cmf & 0x0F == 8
            && cmf >> 4 <= 7
            && flg & 0x20 == 0
            && (u32::from(cmf) << 8 | u32::from(flg)).is_multiple_of(31);
        // Deflate shrinks 1032-fold at most: fewer octets than that cannot hold the rows.
        let rows = (u64::from(self.width_px) + 1) * u64::from(self.height_px);
        if !header || (joined.len() as u64).saturating_mul(1032) < rows {
            return Err(PngError::Malformed("no zlib stream that could hold the rows"));
        }
        Ok(joined.into())
    }
}

/// A chunk whose checksum holds, and what follows it.
struct Chunk<'a> {
    kind: [u8; 4],
    content: &'a [u8],
    after: &'a [u8],
}

fn take_chunk(bytes: &[u8]) -> Result<Chunk<'_>, PngError> {
    const CUT: PngError = PngError::Malformed("the file ends early");
    let (length, rest) = bytes.split_first_chunk::<4>().ok_or(CUT)?;
    let length = u32::from_be_bytes(*length) as usize;
    // Checked before use: `length` is outside's word.
    let (body, rest) = length.checked_add(4).and_then(|n| rest.split_at_checked(n)).ok_or(CUT)?;
    let (checksum, rest) = rest.split_first_chunk::<4>().ok_or(CUT)?;
    let (kind, content) = body.split_first_chunk::<4>().ok_or(CUT)?;
    let mut crc = Crc::new();
    crc.update(body);
    if crc.sum() != u32::from_be_bytes(*checksum) {
        return Err(PngError::Malformed("a chunk's checksum is wrong"));
    }
    Ok(Chunk { kind: *kind, content, after: rest })
}

fn put_chunk(png: &mut Vec<u8>, kind: [u8; 4], content: &[u8]) {
    let mut crc = Crc::new();
    crc.update(&kind);
    crc.update(content);
    png.extend((content.len() as u32).to_be_bytes());
    png.extend(kind);
    png.extend(content);
    png.extend(crc.sum().to_be_bytes());
}

/// Unfiltered rows, packed. Differences (filters 1 and 2) came out a fifth longer on every seal tried: its areas are even,
/// and its edges are noise to a difference.
fn packed_rows(width: usize, height: usize, alpha: &[u8]) -> Vec<u8> {
    let blank = vec![0; width];
    let mut rows = Vec::with_capacity((width + 1) * height);
    for y in 0..height {
        rows.push(0);
        rows.extend(alpha.get(y * width..(y + 1) * width).unwrap_or(&blank));
    }
    zlib(&rows, Compression::best())
}

#[allow(clippy::expect_used, reason = "writing into a Vec doesn't fail")]
fn zlib(bytes: &[u8], level: Compression) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), level);
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("a Vec takes all")
}

/// Decodes and packs again as planes of colour and, where some pixel isn't opaque, of opacity.
#[allow(clippy::expect_used, reason = "writing into a Vec doesn't fail")]
fn colour(bytes: &[u8], file: &File<'_>) -> Result<Paint, PngError> {
    let mut rgb = ZlibEncoder::new(Vec::new(), Compression::default());
    let mut alpha = ZlibEncoder::new(Vec::new(), Compression::default());
    let mut opaque = true;
    let (mut colours, mut opacities) = (Vec::new(), Vec::new());
    decode(bytes, file, |row| {
        colours.clear();
        opacities.clear();
        for [r, g, b, a] in row.as_chunks::<4>().0 {
            colours.extend([r, g, b]);
            opacities.push(*a);
            opaque &= *a == 255;
        }
        rgb.write_all(&colours).and_then(|()| alpha.write_all(&opacities)).expect("a Vec takes all");
    })?;
    let rgb = rgb.finish().expect("a Vec takes all").into();
    let alpha = alpha.finish().expect("a Vec takes all");
    let alpha = (!opaque).then(|| alpha.into());
    Ok(Paint::Colour { width_px: file.width_px, height_px: file.height_px, rgb, alpha })
}

/// Shows each row as RGBA. Row by row, so that a picture isn't held unpacked; an interlaced one must be, within 64 MiB.
fn decode(bytes: &[u8], file: &File<'_>, mut show: impl FnMut(&[u8])) -> Result<(), PngError> {
    const BROKEN: PngError = PngError::Malformed("the pixels cannot be unpacked");
    let mut decoder = png::Decoder::new(Cursor::new(bytes));
    decoder.set_transformations(
        png::Transformations::EXPAND | png::Transformations::STRIP_16 | png::Transformations::ALPHA,
    );
    // Descriptions and colour profiles may be bombs and aren't wanted.
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    let mut reader = decoder.read_info().map_err(|_| BROKEN)?;
    let samples = reader.output_color_type().0.samples();
    let mut rgba = Vec::with_capacity(file.width_px as usize * 4);
    let mut widen = |row: &[u8]| {
        rgba.clear();
        match samples {
            2 => rgba.extend(row.as_chunks::<2>().0.iter().flat_map(|[grey, a]| [*grey, *grey, *grey, *a])),
            _ => rgba.extend(row),
        }
        show(&rgba);
    };
    if file.interlaced {
        let size = reader.output_buffer_size().ok_or(PngError::TooLarge)?;
        let mut whole = vec![0; size];
        reader.next_frame(&mut whole).map_err(|_| BROKEN)?;
        whole.chunks_exact(file.width_px as usize * samples).for_each(widen);
        return Ok(());
    }
    for _ in 0..file.height_px {
        match reader.next_row() {
            Ok(Some(row)) => widen(row.data()),
            Ok(None) | Err(_) => return Err(BROKEN),
        }
    }
    // What follows the last row is left packed: it may be a bomb, and the file's structure has been checked.
    Ok(())
}

/// Whether two zlib streams unpack to the same `length` octets and end there.
fn same_rows(one: &[u8], other: &[u8], length: u64) -> bool {
    let (mut one, mut other) =
        (ZlibDecoder::new(one).take(length + 1), ZlibDecoder::new(other).take(length + 1));
    let (mut a, mut b) = ([0; 16_384], [0; 16_384]);
    let mut seen = 0;
    // Ends after at most `length + 1` octets, as the readers do.
    loop {
        let (Some(n), Some(m)) = (fill(&mut one, &mut a), fill(&mut other, &mut b)) else { return false };
        if a.get(..n) != b.get(..m) {
            return false;
        }
        seen += n as u64;
        if n == 0 {
            return seen == length;
        }
    }
}

/// Reads until the buffer is full or the stream ends. `None`: the stream is broken.
fn fill(stream: &mut impl Read, buffer: &mut [u8]) -> Option<usize> {
    let mut filled = 0;
    while let Some(free) = buffer.get_mut(filled..).filter(|free| !free.is_empty()) {
        match stream.read(free) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(_) => return None,
        }
    }
    Some(filled)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

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
        let file =
            png((1, 2), 8, 3, 0, &[(b"PLTE", &palette), (b"tRNS", &ramp), (b"IDAT", one), (b"IDAT", two)]);
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
        let starved =
            png((4000, 4000), 8, 3, 0, &[(b"PLTE", &mask[0]), (b"tRNS", &mask[1]), (b"IDAT", rows)]);
        let no_stream =
            png((1, 1), 8, 3, 0, &[(b"PLTE", &mask[0]), (b"tRNS", &mask[1]), (b"IDAT", b"\0\0\0\0")]);
        let table: [(&str, &[u8], &str); 23] = [
            (
                "torn palette",
                &png((1, 1), 1, 3, 0, &[(b"PLTE", &[1, 2]), (b"IDAT", rows)]),
                "picture/malformed",
            ),
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
        assert!(
            read(&png((1, 1), 8, 0, 0, &[(b"zTXt", &text), (b"iCCP", &profile), (b"IDAT", &rows)])).is_ok()
        );
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
}
