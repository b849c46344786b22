//! The round official seal 圆形公章.

use std::f64::consts::PI;

use super::arc::{Curve, Setting, Way};
use super::block::{Line, set_line};
use super::design::{Centre, Round, SEAL_RED, border, code, outer, within};
use super::drawing::{Drawing, Path};
use super::error::DrawError;
use super::glyph::{glyphs, room};

/// Distances from the centre, micrometres: what is free for what.
struct Rings {
    radius: f64,
    /// Heads of the name's characters.
    head: f64,
    /// Feet of the name's characters.
    foot: f64,
    /// Where the code's digits begin, seen from the centre; `head` when there is none.
    floor: f64,
    /// The name's last character ends here, radians from the top.
    end: f64,
}

pub(super) fn draw(seal: &Round) -> Result<Drawing, DrawError> {
    let diameter = outer("diameter", seal.diameter_um)?;
    let border = border(seal.border_um)?;
    let (radius, centre) = (diameter / 2.0, (diameter / 2.0, diameter / 2.0));
    let middle = radius - border / 2.0;
    let mut paths = vec![Path::ring(centre, (middle, middle), border)];

    let name = glyphs("name", &seal.name)?;
    let long = room(&name);
    let height = height_share(long) * diameter;
    let head = radius - border - 0.022 * diameter;
    let lower = seal.line.is_some() || seal.marking;
    let sweep_deg = sweep(long).min(if lower { 252.0 } else { 284.0 });
    let mut rings =
        Rings { radius, head, foot: head - height, floor: head, end: sweep_deg.to_radians() / 2.0 };
    let curve = Curve { centre, radii: (rings.foot, rings.foot) };
    paths.extend(
        curve
            .set(&name, &Setting { part: "name", way: Way::Over, sweep_deg, height, widths: (0.84, 0.44) })?,
    );

    let star = star(seal, &rings, &mut paths)?;
    if let Some(text) = &seal.code {
        paths.extend(set_code(code(text)?, &mut rings, border)?);
    }
    set_lower(seal, &rings, star, &mut paths)?;
    Ok(Drawing { width_um: seal.diameter_um, height_um: seal.diameter_um, colour: SEAL_RED, paths })
}

/// Draws the middle; answers how far it reaches below the centre.
fn star(seal: &Round, rings: &Rings, paths: &mut Vec<Path>) -> Result<f64, DrawError> {
    let Centre::Star { diameter_um } = seal.centre else { return Ok(0.0) };
    let radius = within("star", diameter_um, 2_000, seal.diameter_um / 2)? / 2.0;
    if radius > rings.foot * 0.92 {
        let most_um = (rings.foot * 1.84) as u32;
        return Err(DrawError::BadSize { part: "star", um: diameter_um, least_um: 2_000, most_um });
    }
    paths.push(Path::star((rings.radius, rings.radius), radius));
    // The lower points stand at 36° from the vertical.
    Ok(radius * (PI / 5.0).cos())
}

/// Height of the name's characters over the seal's diameter: short names are set larger. At 42 mm 6.1 to 4.4 mm.
fn height_share(room: f64) -> f64 {
    between(room, &[(7.0, 0.146), (12.0, 0.136), (20.0, 0.118), (30.0, 0.104)])
}

/// Degrees that a name takes, outer edge to outer edge.
fn sweep(room: f64) -> f64 {
    between(
        room,
        &[
            (1.0, 30.0),
            (2.0, 75.0),
            (4.0, 140.0),
            (6.0, 186.0),
            (8.0, 214.0),
            (12.0, 246.0),
            (18.0, 268.0),
            (26.0, 284.0),
        ],
    )
}

/// A value read off a table of points, straight in between, level beyond its ends.
fn between(x: f64, table: &[(f64, f64)]) -> f64 {
    let after = table.partition_point(|p| p.0 < x);
    match (after.checked_sub(1).and_then(|i| table.get(i)), table.get(after)) {
        (Some(a), Some(b)) => a.1 + (b.1 - a.1) * (x - a.0) / (b.0 - a.0),
        (Some(edge), None) | (None, Some(edge)) => edge.1,
        (None, None) => 0.0,
    }
}

/// The code along the lower inner arc, its digits some 1.3 mm high at 42 mm.
fn set_code(text: &str, rings: &mut Rings, border: f64) -> Result<Vec<Path>, DrawError> {
    let digits = glyphs("code", text)?;
    // Capitals and digits reach 0.88 of the square from its foot at 0.09: a digit is 0.8 of this height.
    let height = rings.radius * 0.084;
    let foot = rings.radius - border - rings.radius * 0.026;
    let natural = room(&digits) * height * 1.06 / foot;
    let free = 2.0 * (PI - rings.end) - 2.0 * (0.05);
    let sweep_deg = natural.min(free).to_degrees();
    rings.floor = foot - height;
    let curve = Curve { centre: (rings.radius, rings.radius), radii: (foot, foot) };
    curve.set(&digits, &Setting { part: "code", way: Way::Under, sweep_deg, height, widths: (1.0, 0.6) })
}

/// The horizontal lines below the middle: what the seal is for, then the marking.
fn set_lower(seal: &Round, rings: &Rings, star: f64, paths: &mut Vec<Path>) -> Result<(), DrawError> {
    let d = rings.radius * 2.0;
    // Under a star the line follows it; in an empty middle it is larger and stands near the centre.
    let (mut top, line_height) =
        if star > 0.0 { (star + 0.052 * d, 0.095 * d) } else { (0.03 * d, 0.118 * d) };
    if seal.line.is_none() {
        top = top.max(0.25 * d);
    }
    let mut put = |part: &'static str, text: &str, height: f64| {
        let line =
            Line { part, centre_x: rings.radius, top: rings.radius + top, height, widths: (0.86, 0.48) };
        let room = 2.0 * rings.half_width(top, top + height);
        top += height + 0.02 * d;
        set_line(&glyphs(part, text)?, &line, room).map(|set| paths.extend(set))
    };
    if let Some(text) = &seal.line {
        put("line", text, line_height)?;
    }
    if seal.marking {
        put("marking", "电子印章", 0.062 * d)?;
    }
    Ok(())
}

impl Rings {
    /// Half the width free for a horizontal line between `top` and `bottom`, measured downwards from the centre.
    fn half_width(&self, top: f64, bottom: f64) -> f64 {
        let air = self.radius * 0.055;
        let free = |y: f64| {
            // Down the middle the feet of the name bound it, then the edge of its last character, then the border or code.
            let (foot, head) = (-self.foot * self.end.cos(), -self.head * self.end.cos());
            let by_name = if y <= foot {
                (self.foot.powi(2) - y.powi(2)).max(0.0).sqrt()
            } else if y <= head {
                y * (PI - self.end).tan()
            } else {
                f64::INFINITY
            };
            by_name.min((self.floor.powi(2) - y.powi(2)).max(0.0).sqrt())
        };
        let least =
            (0..=8).map(|i| free(top + (bottom - top) * f64::from(i) / 8.0)).fold(f64::INFINITY, f64::min);
        (least - air).max(0.0)
    }
}
