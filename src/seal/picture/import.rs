//! A seal's picture from outside: checked once, and brought into the form that drawn seals have where it is of one colour.

use super::error::ImportError;
use crate::document::png::{self, Limits};

/// A picture that passed [`check_import`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// The PNG to keep, packed anew without anything but pixels: of one colour in the form of [`png::encode_mask`].
    pub png: Vec<u8>,
    /// Width on paper, micrometres.
    pub width_um: u32,
    /// Height on paper, micrometres.
    pub height_um: u32,
    /// The colour, where the picture has one only.
    pub colour: Option<[u8; 3]>,
}

/// Checks a seal's picture and normalises it.
///
/// It must be a PNG within [`Limits`], 10 to 80 mm each way, 300 to 1200 pixels an inch at that size (1 % of tolerance, for
/// rounding to whole pixels), of fitting proportions (2 %), neither empty nor without ground. A picture of one colour,
/// on transparent or on white ground, is packed again as a mask of that colour; one of several colours keeps its
/// pixels if its ground is transparent.
///
/// # Errors
/// [`ImportError`], see there.
pub fn check_import(bytes: &[u8], width_mm: u32, height_mm: u32) -> Result<Imported, ImportError> {
    if !(10..=80).contains(&width_mm) || !(10..=80).contains(&height_mm) {
        return Err(ImportError::BadSize);
    }
    let limits = Limits::default();
    let (width_px, height_px) = png::size_px(bytes, &limits)?;
    check_size((width_px, height_px), (width_mm, height_mm))?;
    let mut pixels = Vec::new();
    png::each_row(bytes, &limits, |row| pixels.extend_from_slice(row.as_chunks::<4>().0))?;
    check_ground(&pixels)?;

    let transparent = pixels.iter().filter(|[.., a]| *a <= BLANK).count() * 20 >= pixels.len();
    let mask = if transparent { mask_of_transparent(&pixels) } else { mask_of_white(&pixels) };
    let (png, colour) = match mask {
        Some((colour, alpha)) => {
            (png::encode_mask(colour, width_px, height_px, &alpha, dpi(width_px, width_mm)), Some(colour))
        }
        None if transparent => (png::encode_rgba(width_px, height_px, pixels.as_flattened())?, None),
        None => return Err(ImportError::SeveralColours),
    };
    if png.len() > limits.bytes {
        return Err(png::PngError::TooLarge.into());
    }
    Ok(Imported { png, width_um: width_mm * 1000, height_um: height_mm * 1000, colour })
}

/// Opacity up to which a pixel counts as not painted; also how far from white it may be.
const BLANK: u8 = 10;

fn dpi(px: u32, mm: u32) -> u32 {
    // Both small: at most 4096 px and at least 10 mm.
    (px * 254 + mm * 5) / (mm * 10)
}

fn check_size(px: (u32, u32), mm: (u32, u32)) -> Result<(), ImportError> {
    // 1 % below 300 and above 1200.
    let (across, down) = (dpi(px.0, mm.0), dpi(px.1, mm.1));
    if across.min(down) < 297 {
        return Err(ImportError::BadResolution { dpi: across.min(down) });
    }
    if across.max(down) > 1212 {
        return Err(ImportError::BadResolution { dpi: across.max(down) });
    }
    let (paper, picture) = (f64::from(mm.0) / f64::from(mm.1), f64::from(px.0) / f64::from(px.1));
    if (picture / paper - 1.0).abs() > 0.02 { Err(ImportError::BadAspect) } else { Ok(()) }
}

/// Some must be painted, and some must not be.
fn check_ground(pixels: &[[u8; 4]]) -> Result<(), ImportError> {
    let blank = pixels.iter().filter(|p| is_blank(p)).count();
    if (pixels.len() - blank) * 200 < pixels.len() {
        return Err(ImportError::Empty);
    }
    if blank * 10 < pixels.len() { Err(ImportError::NoGround) } else { Ok(()) }
}

fn is_blank([r, g, b, a]: &[u8; 4]) -> bool {
    *a <= BLANK || (255 - r).max(255 - g).max(255 - b) <= BLANK
}

/// How far a channel may lie from the seal's colour for the picture to count as of one colour.
const SPREAD: f64 = 24.0;

/// Colour and opacities of a picture on transparent ground, if its painted pixels are of one colour.
fn mask_of_transparent(pixels: &[[u8; 4]]) -> Option<([u8; 3], Vec<u8>)> {
    let colour = mean(pixels.iter().map(|[r, g, b, a]| ([*r, *g, *b], f64::from(*a))));
    // The fainter a pixel, the less its colour shows, and the coarser makers' own rounding of it.
    let fits = |[r, g, b, a]: &[u8; 4]| {
        distance([*r, *g, *b].map(f64::from), colour) * f64::from(*a) / 255.0 <= SPREAD
    };
    pixels.iter().all(fits).then(|| (rounded(colour), pixels.iter().map(|p| p[3]).collect()))
}

/// Colour and opacities of a picture on white ground, if every pixel lies between white and one colour.
fn mask_of_white(pixels: &[[u8; 4]]) -> Option<([u8; 3], Vec<u8>)> {
    // Laid on white, should some pixels be a little transparent.
    let on_white = |[r, g, b, a]: &[u8; 4]| {
        let over = |c: u8| 255.0 - (255.0 - f64::from(c)) * f64::from(*a) / 255.0;
        [over(*r), over(*g), over(*b)]
    };
    let white = [255.0; 3];
    let far = pixels.iter().map(|p| distance(on_white(p), white)).fold(0.0, f64::max);
    let full = pixels.iter().map(on_white).filter(|p| distance(*p, white) >= far * 0.8);
    let colour = mean(full.map(|p| (rounded(p), 1.0)));
    let line = [0, 1, 2].map(|i| 255.0 - colour[i]);
    let length = line.iter().map(|c| c * c).sum::<f64>().max(1.0);
    let mut alpha = Vec::with_capacity(pixels.len());
    for pixel in pixels {
        let p = on_white(pixel);
        let share =
            ([0, 1, 2].map(|i| (255.0 - p[i]) * line[i]).iter().sum::<f64>() / length).clamp(0.0, 1.0);
        if distance(p, [0, 1, 2].map(|i| 255.0 - share * line[i])) > SPREAD {
            return None;
        }
        let opacity = (share * 255.0).round() as u8;
        alpha.push(if opacity <= BLANK { 0 } else { opacity });
    }
    Some((rounded(colour), alpha))
}

/// The weighted mean of colours; black when nothing weighs.
fn mean(colours: impl Iterator<Item = ([u8; 3], f64)>) -> [f64; 3] {
    let (mut sum, mut weight) = ([0.0; 3], 0.0);
    for (colour, w) in colours {
        for (total, c) in sum.iter_mut().zip(colour) {
            *total += f64::from(c) * w;
        }
        weight += w;
    }
    sum.map(|total| if weight > 0.0 { total / weight } else { 0.0 })
}

/// The largest difference in any channel.
fn distance(one: [f64; 3], other: [f64; 3]) -> f64 {
    one.iter().zip(other).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

fn rounded(colour: [f64; 3]) -> [u8; 3] {
    colour.map(|c| c.round().clamp(0.0, 255.0) as u8)
}
