//! A drawing as data: outlines in micrometres, y downwards from the upper left corner.

/// A seal drawn at its real size.
#[derive(Debug, Clone, PartialEq)]
pub struct Drawing {
    /// Width on paper, micrometres.
    pub width_um: u32,
    /// Height on paper, micrometres.
    pub height_um: u32,
    /// Red, green, blue.
    pub colour: [u8; 3],
    /// Outlines, painted in order; each character is one.
    pub paths: Vec<Path>,
}

/// One outline and how it is inked.
#[derive(Debug, Clone, PartialEq)]
pub struct Path {
    /// The outline.
    pub commands: Vec<Command>,
    /// Filled or drawn along.
    pub ink: Ink,
}

/// How an outline is inked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Ink {
    /// Its inside is filled.
    Fill(FillRule),
    /// A line of this width runs along it, half to each side.
    Stroke {
        /// Width of the line, micrometres.
        width_um: f64,
    },
}

/// What counts as inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FillRule {
    /// Winding number other than zero.
    NonZero,
    /// Odd number of crossings.
    EvenOdd,
}

/// A step of an outline, absolute, in micrometres.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Command {
    /// Begins a contour.
    Move(f64, f64),
    /// A straight line.
    Line(f64, f64),
    /// A cubic Bézier curve: two control points and the end.
    Cubic(f64, f64, f64, f64, f64, f64),
    /// Closes the contour.
    Close,
}

impl Path {
    /// An ellipse about a centre, as four curves from its top, drawn along with a line.
    pub(super) fn ring(centre: (f64, f64), radii: (f64, f64), width_um: f64) -> Self {
        // The usual constant: the curve leaves the true circle by at most 0.03 % of the radius (6 µm at 42 mm).
        const K: f64 = 0.552_284_749_8;
        let ((cx, cy), (rx, ry)) = (centre, radii);
        let (kx, ky) = (K * rx, K * ry);
        let commands = vec![
            Command::Move(cx, cy - ry),
            Command::Cubic(cx + kx, cy - ry, cx + rx, cy - ky, cx + rx, cy),
            Command::Cubic(cx + rx, cy + ky, cx + kx, cy + ry, cx, cy + ry),
            Command::Cubic(cx - kx, cy + ry, cx - rx, cy + ky, cx - rx, cy),
            Command::Cubic(cx - rx, cy - ky, cx - kx, cy - ry, cx, cy - ry),
            Command::Close,
        ];
        Self { commands, ink: Ink::Stroke { width_um } }
    }

    /// A rectangular frame whose outer edge is the drawing's edge.
    pub(super) fn frame(width_um: f64, height_um: f64, border_um: f64) -> Self {
        let h = border_um / 2.0;
        let commands = vec![
            Command::Move(h, h),
            Command::Line(width_um - h, h),
            Command::Line(width_um - h, height_um - h),
            Command::Line(h, height_um - h),
            Command::Close,
        ];
        Self { commands, ink: Ink::Stroke { width_um: border_um } }
    }

    /// A five-pointed star, one point up, whose points lie on a circle of `radius`.
    pub(super) fn star(centre: (f64, f64), radius: f64) -> Self {
        // A regular pentagram: inner radius over outer, 1/φ².
        const INNER: f64 = 0.381_966_011_25;
        let mut commands: Vec<Command> = (0..10u32)
            .map(|i| {
                let r = if i % 2 == 0 { radius } else { radius * INNER };
                let t = f64::from(i) * std::f64::consts::PI / 5.0;
                let (x, y) = (centre.0 + r * t.sin(), centre.1 - r * t.cos());
                if i == 0 { Command::Move(x, y) } else { Command::Line(x, y) }
            })
            .collect();
        commands.push(Command::Close);
        Self { commands, ink: Ink::Fill(FillRule::NonZero) }
    }
}

/// An affine map: a character's own square to its place on the seal.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    /// Where the middle of the character's foot stands.
    pub foot: (f64, f64),
    /// The direction of reading, of unit length.
    pub right: (f64, f64),
    /// The direction of the head, of unit length.
    pub up: (f64, f64),
    /// Width of the square, micrometres.
    pub width: f64,
    /// Height of the square, micrometres.
    pub height: f64,
}

impl Place {
    /// An upright place: middle of the foot at (`x`, `y`).
    pub fn upright(x: f64, y: f64, width: f64, height: f64) -> Self {
        Self { foot: (x, y), right: (1.0, 0.0), up: (0.0, -1.0), width, height }
    }

    fn at(&self, u: f64, v: f64) -> (f64, f64) {
        let (w, h) = (u * self.width, v * self.height);
        (self.foot.0 + self.right.0 * w + self.up.0 * h, self.foot.1 + self.right.1 * w + self.up.1 * h)
    }

    /// Maps an outline given in the square (u from −½ to ½ rightwards, v from 0 at the foot to 1).
    pub fn put(&self, outline: &[Command]) -> Path {
        let commands = outline
            .iter()
            .map(|step| match *step {
                Command::Move(x, y) => {
                    let (x, y) = self.at(x, y);
                    Command::Move(x, y)
                }
                Command::Line(x, y) => {
                    let (x, y) = self.at(x, y);
                    Command::Line(x, y)
                }
                Command::Cubic(a, b, c, d, e, f) => {
                    let ((a, b), (c, d), (e, f)) = (self.at(a, b), self.at(c, d), self.at(e, f));
                    Command::Cubic(a, b, c, d, e, f)
                }
                Command::Close => Command::Close,
            })
            .collect();
        Path { commands, ink: Ink::Fill(FillRule::NonZero) }
    }
}
