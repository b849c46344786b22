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
pub fn appearance(bytes: &[u8], width_um: u32, height_um: u32, limits: &Limits) -> Result<Appearance, PngError> {
    if width_um == 0 || height_um == 0 {
        return Err(PngError::NoSize);
    }
    let file = File::read(bytes, limits)?;
    let paint = match file.mask_colour() {
        Some(rgb) => Paint::Mask { rgb, width_px: file.width_px, height_px: file.height_px, idat: file.idat()? },
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

/// Decodes a picture and shows its rows in order, as red, green, blue, opacity, 8 bits each.
///
/// # Errors
/// [`PngError`] as of [`appearance`].
pub(crate) fn each_row(bytes: &[u8], limits: &Limits, row: impl FnMut(&[u8])) -> Result<(u32, u32), PngError> {
    let file = File::read(bytes, limits)?;
    decode(bytes, &file, row)?;
    Ok((file.width_px, file.height_px))
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
            let (kind, content, after) = take_chunk(rest)?;
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

    fn take(&mut self, kind: [u8; 4], content: &'a [u8], last: [u8; 4], limits: &Limits) -> Result<(), PngError> {
        match &kind {
            b"IHDR" => self.header(content, limits),
            b"PLTE" if self.palette.is_some() || !self.rows.is_empty() => Err(PngError::Malformed("PLTE out of place")),
            b"PLTE" => {
                self.palette = Some(content);
                Ok(())
            }
            b"tRNS" if self.ramp.is_some() || !self.rows.is_empty() => Err(PngError::Malformed("tRNS out of place")),
            b"tRNS" => {
                self.ramp = Some(content);
                Ok(())
            }
            b"IDAT" if !self.rows.is_empty() && last != kind => Err(PngError::Malformed("IDAT chunks lie apart")),
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
        let Ok([w0, w1, w2, w3, h0, h1, h2, h3, depth, colour, packing, filters, interlace]) = <[u8; 13]>::try_from(content)
        else {
            return Err(PngError::Malformed("IHDR has not 13 octets"));
        };
        (self.width_px, self.height_px) = (u32::from_be_bytes([w0, w1, w2, w3]), u32::from_be_bytes([h0, h1, h2, h3]));
        (self.depth, self.colour, self.interlaced) = (depth, colour, interlace == 1);
        // ISO/IEC 15948, table 11.1.
        let known = matches!((colour, depth), (0, 1 | 2 | 4 | 8 | 16) | (3, 1 | 2 | 4 | 8) | (2 | 4 | 6, 8 | 16));
        if self.width_px == 0 || self.height_px == 0 || !known || packing != 0 || filters != 0 || interlace > 1 {
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
        if self.colour == 3 && self.palette.is_none() {
            return Err(PngError::Malformed("no palette"));
        }
        Ok(self)
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
        let header = cmf & 0x0F == 8 && cmf >> 4 <= 7 && flg & 0x20 == 0 && (u32::from(cmf) << 8 | u32::from(flg)).is_multiple_of(31);
        // Deflate shrinks 1032-fold at most: fewer octets than that cannot hold the rows.
        let rows = (u64::from(self.width_px) + 1) * u64::from(self.height_px);
        if !header || (joined.len() as u64).saturating_mul(1032) < rows {
            return Err(PngError::Malformed("no zlib stream that could hold the rows"));
        }
        Ok(joined.into())
    }
}

/// The first chunk: its kind, its content, and what follows it.
fn take_chunk(bytes: &[u8]) -> Result<([u8; 4], &[u8], &[u8]), PngError> {
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
    Ok((*kind, content, rest))
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
    decoder.set_transformations(png::Transformations::EXPAND | png::Transformations::STRIP_16 | png::Transformations::ALPHA);
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
    reader.finish().map_err(|_| BROKEN)
}

/// Whether two zlib streams unpack to the same `length` octets and end there.
fn same_rows(one: &[u8], other: &[u8], length: u64) -> bool {
    let (mut one, mut other) = (ZlibDecoder::new(one).take(length + 1), ZlibDecoder::new(other).take(length + 1));
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
