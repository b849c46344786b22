//! A drawing as pixels, 600 to the inch.

use tiny_skia::{Mask, PathBuilder, Stroke, Transform};

use super::drawing::{Command, Drawing, FillRule, Ink, Path};
use crate::document::png;

/// Pixels an inch of drawn seals: 40 mm are 945 pixels, as in the pictures of real ones.
pub const DPI: u32 = 600;

/// Pixels of a length at 600 dpi, rounded.
pub(super) fn pixels(um: u32) -> u32 {
    let px = (u64::from(um) * u64::from(DPI) + 12_700) / 25_400;
    u32::try_from(px).unwrap_or(u32::MAX)
}

impl Drawing {
    /// The drawing as a PNG of one colour, 600 dpi, whose index is its opacity (see [`png::encode_mask`]).
    #[must_use]
    pub fn png(&self) -> Vec<u8> {
        let (width, height) = (pixels(self.width_um), pixels(self.height_um));
        png::encode_mask(self.colour, width, height, &self.mask(width, height), DPI)
    }

    /// Opacity of each pixel, row by row from the top, in eight levels: at 600 dpi nobody can tell them from 256, and the
    /// file is a fifth smaller.
    pub(super) fn mask(&self, width: u32, height: u32) -> Vec<u8> {
        let Some(mut mask) = Mask::new(width, height) else { return Vec::new() };
        // The outer edge of the drawing falls on the outer edge of the pixels, so that borders are whole all around.
        let scale =
            (f64::from(width) / f64::from(self.width_um), f64::from(height) / f64::from(self.height_um));
        for path in &self.paths {
            if let Some((outline, rule)) = outline(path, scale) {
                mask.fill_path(&outline, rule, true, Transform::identity());
            }
        }
        let mut alpha = mask.take();
        for opacity in &mut alpha {
            *opacity = eighth(*opacity);
        }
        alpha
    }
}

/// The nearest of eight levels from 0 to 255.
fn eighth(opacity: u8) -> u8 {
    let level = (u16::from(opacity) * 7 + 127) / 255;
    ((level * 255 + 3) / 7) as u8
}

/// The area that a path inks, in pixels. `None`: it has none.
fn outline(path: &Path, scale: (f64, f64)) -> Option<(tiny_skia::Path, tiny_skia::FillRule)> {
    let x = |um: f64| (um * scale.0) as f32;
    let y = |um: f64| (um * scale.1) as f32;
    let mut pen = PathBuilder::new();
    for step in &path.commands {
        match *step {
            Command::Move(a, b) => pen.move_to(x(a), y(b)),
            Command::Line(a, b) => pen.line_to(x(a), y(b)),
            Command::Cubic(a, b, c, d, e, f) => pen.cubic_to(x(a), y(b), x(c), y(d), x(e), y(f)),
            Command::Close => pen.close(),
        }
    }
    let outline = pen.finish()?;
    match path.ink {
        Ink::Fill(FillRule::NonZero) => Some((outline, tiny_skia::FillRule::Winding)),
        Ink::Fill(FillRule::EvenOdd) => Some((outline, tiny_skia::FillRule::EvenOdd)),
        Ink::Stroke { width_um } => {
            let stroke = Stroke { width: x(width_um), ..Stroke::default() };
            outline.stroke(&stroke, 1.0).map(|area| (area, tiny_skia::FillRule::Winding))
        }
    }
}
