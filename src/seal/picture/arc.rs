//! Text along an ellipse (a circle is one with equal axes): evenly set by length of arc.

use std::f64::consts::PI;

use super::drawing::{Path, Place};
use super::error::DrawError;
use super::glyph::{Glyph, room};

/// The line on which characters stand.
#[derive(Debug, Clone, Copy)]
pub(super) struct Curve {
    pub centre: (f64, f64),
    /// Half axes, micrometres.
    pub radii: (f64, f64),
}

/// Which way a text runs and stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// Over the top, clockwise, feet to the centre: the name of a seal.
    Over,
    /// Along the bottom, anticlockwise, heads to the centre: the code of a seal.
    Under,
}

/// How a text is to be set on a curve.
#[derive(Debug, Clone, Copy)]
pub(super) struct Setting {
    pub part: &'static str,
    pub way: Way,
    /// From the first character's outer edge to the last one's, degrees seen from the centre; the middle is at the top (or bottom).
    pub sweep_deg: f64,
    /// Height of the characters, micrometres.
    pub height: f64,
    /// Width over height: as wide as it may become, as narrow as it may become.
    pub widths: (f64, f64),
}

impl Curve {
    fn point(&self, t: f64) -> (f64, f64) {
        (self.centre.0 + self.radii.0 * t.sin(), self.centre.1 - self.radii.1 * t.cos())
    }

    /// The outward normal at `t` (0 at the top, growing clockwise).
    fn outward(&self, t: f64) -> (f64, f64) {
        let (x, y) = (t.sin() / self.radii.0, -t.cos() / self.radii.1);
        let length = x.hypot(y);
        (x / length, y / length)
    }

    /// The parameter of the point seen from the centre at angle `a`, |a| ≤ π.
    fn parameter(&self, a: f64) -> f64 {
        (a.sin() * self.radii.1).atan2(a.cos() * self.radii.0)
    }

    /// Sets the text, one path a character. Refuses a text that would become narrower than allowed.
    pub fn set(&self, glyphs: &[Glyph], how: &Setting) -> Result<Vec<Path>, DrawError> {
        let half = self.parameter(how.sweep_deg.to_radians() / 2.0);
        let steps = match how.way {
            Way::Over => self.measure(-half, half),
            // By symmetry, the parameter counted from the bottom is the one counted from the top.
            Way::Under => self.measure(PI + half, PI - half),
        };
        let length = steps.last().map_or(0.0, |s| s.1);
        // A little air between neighbours' feet, where they come closest.
        let cell = length / room(glyphs).max(0.1);
        let width = (cell * 0.96).min(how.widths.0 * how.height);
        if width < how.widths.1 * how.height {
            return Err(DrawError::TextTooLong { part: how.part, characters: glyphs.len() });
        }
        let mut before = 0.0;
        let mut paths = Vec::with_capacity(glyphs.len());
        for glyph in glyphs {
            let t = parameter_at(&steps, (before + glyph.room / 2.0) * cell);
            before += glyph.room;
            if !glyph.outline.is_empty() {
                paths.push(self.place(t, how.way, width, how.height).put(&glyph.outline));
            }
        }
        Ok(paths)
    }

    fn place(&self, t: f64, way: Way, width: f64, height: f64) -> Place {
        let n = self.outward(t);
        let (right, up) = match way {
            Way::Over => ((-n.1, n.0), n),
            Way::Under => ((n.1, -n.0), (-n.0, -n.1)),
        };
        Place { foot: self.point(t), right, up, width, height }
    }

    /// Parameters and lengths of arc from `from` to `to`, in 720 steps (chords; off by under 10⁻⁵ of the length).
    fn measure(&self, from: f64, to: f64) -> Vec<(f64, f64)> {
        const STEPS: u32 = 720;
        let mut length = 0.0;
        let mut last = self.point(from);
        (0..=STEPS)
            .map(|i| {
                let t = from + (to - from) * f64::from(i) / f64::from(STEPS);
                let here = self.point(t);
                length += (here.0 - last.0).hypot(here.1 - last.1);
                last = here;
                (t, length)
            })
            .collect()
    }
}

/// The parameter at a length of arc, between measured steps by proportion.
fn parameter_at(steps: &[(f64, f64)], length: f64) -> f64 {
    let after = steps.partition_point(|s| s.1 < length).clamp(1, steps.len().saturating_sub(1).max(1));
    let (Some(a), Some(b)) = (steps.get(after - 1), steps.get(after)) else { return 0.0 };
    let share = if b.1 > a.1 { (length - a.1) / (b.1 - a.1) } else { 0.0 };
    a.0 + (b.0 - a.0) * share
}
