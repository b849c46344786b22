//! PNG pictures from anywhere, inspected within limits, and the one form that seals drawn here are kept in.
//!
//! That form is an 8-bit palette PNG whose 256 colours are all the seal's own and whose transparency is the index itself.
//! Its rows are thus rows of opacity, and its compressed stream serves as a PDF soft mask without being unpacked
//! (PDF predictors 10 to 15 are PNG's filters: ISO 32000-2, 7.4.4.4).

mod file;
#[cfg(test)]
mod tests;

use std::fmt;
use std::io::{Cursor, Read, Write};

use flate2::{Compression, read::ZlibDecoder, write::ZlibEncoder};

use super::appearance::{Appearance, Paint};
use file::{File, SIGNATURE, put_chunk};

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
