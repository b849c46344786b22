//! A drawing as SVG.

use std::fmt::Write;

use super::drawing::{Command, Drawing, FillRule, Ink, Path};

impl Drawing {
    /// The drawing as an SVG of real size on a transparent ground; coordinates are whole micrometres.
    /// Holds outlines only: no text, no script, nothing from outside.
    #[must_use]
    pub fn svg(&self) -> String {
        let [r, g, b] = self.colour;
        let (w, h) = (self.width_um, self.height_um);
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{}mm\" height=\"{}mm\" viewBox=\"0 0 {w} {h}\">\n\
             <g fill=\"#{r:02x}{g:02x}{b:02x}\" stroke=\"#{r:02x}{g:02x}{b:02x}\" stroke-width=\"0\">\n",
            f64::from(w) / 1000.0,
            f64::from(h) / 1000.0,
        );
        for path in &self.paths {
            write_path(&mut svg, path);
        }
        svg.push_str("</g>\n</svg>\n");
        svg
    }
}

fn write_path(svg: &mut String, path: &Path) {
    svg.push_str("<path d=\"");
    for step in &path.commands {
        // Writing to a String cannot fail.
        let _ = match *step {
            Command::Move(x, y) => write!(svg, "M{} {}", whole(x), whole(y)),
            Command::Line(x, y) => write!(svg, "L{} {}", whole(x), whole(y)),
            Command::Cubic(a, b, c, d, e, f) => {
                write!(svg, "C{} {} {} {} {} {}", whole(a), whole(b), whole(c), whole(d), whole(e), whole(f))
            }
            Command::Close => write!(svg, "Z"),
        };
    }
    let _ = match path.ink {
        Ink::Fill(FillRule::NonZero) => writeln!(svg, "\"/>"),
        Ink::Fill(FillRule::EvenOdd) => writeln!(svg, "\" fill-rule=\"evenodd\"/>"),
        Ink::Stroke { width_um } => writeln!(svg, "\" fill=\"none\" stroke-width=\"{}\"/>", whole(width_um)),
    };
}

/// Whole micrometres; coordinates of a drawing lie within ±10⁶.
fn whole(um: f64) -> i64 {
    um.round() as i64
}
