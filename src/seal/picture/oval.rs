//! The oval seal 椭圆章, as invoices bear it: 40 × 30 mm, border 1, name 4.2 mm high over the top, number across, line below.

use super::arc::{Curve, Setting, Way};
use super::block::{Line, set_line};
use super::design::{Oval, SEAL_RED, border, code, outer, within};
use super::drawing::{Drawing, Path};
use super::error::DrawError;
use super::glyph::{glyphs, room};

pub(super) fn draw(seal: &Oval) -> Result<Drawing, DrawError> {
    let (width, height) = (outer("width", seal.width_um)?, outer("height", seal.height_um)?);
    within("height", seal.height_um, 10_000, seal.width_um)?;
    let border = border(seal.border_um)?;
    let (rx, ry) = (width / 2.0, height / 2.0);
    let centre = (rx, ry);
    let mut paths = vec![Path::ring(centre, (rx - border / 2.0, ry - border / 2.0), border)];

    // Proportions of the invoice seal (国家税务总局公告2011年第7号): 4.2, 3.7 and 4.6 mm of a height of 30; 0.5 from the border.
    let name = glyphs("name", &seal.name)?;
    let name_height = 0.14 * height;
    let inset = border + 0.017 * height + name_height;
    let curve = Curve { centre, radii: (rx - inset, ry - inset) };
    let sweep_deg = (room(&name) * 22.0).clamp(60.0, 236.0);
    let how = Setting { part: "name", way: Way::Over, sweep_deg, height: name_height, widths: (0.9, 0.42) };
    paths.extend(curve.set(&name, &how)?);

    if let Some(text) = &seal.code {
        // A digit fills some 0.8 of its square's height.
        let tall = 0.123 * height / 0.8;
        let line =
            Line { part: "code", centre_x: rx, top: ry - tall * 0.5, height: tall, widths: (0.62, 0.3) };
        paths.extend(set_line(&glyphs("code", code(text)?)?, &line, width * 0.63)?);
    }
    let mut top = ry + 0.14 * height;
    if let Some(text) = &seal.line {
        let line = Line { part: "line", centre_x: rx, top, height: 0.153 * height, widths: (0.66, 0.4) };
        paths.extend(set_line(&glyphs("line", text)?, &line, width * 0.46)?);
        top += 0.175 * height;
    }
    if seal.marking {
        let line = Line { part: "marking", centre_x: rx, top, height: 0.085 * height, widths: (0.9, 0.5) };
        paths.extend(set_line(&glyphs("marking", "电子印章")?, &line, width * 0.3)?);
    }
    Ok(Drawing { width_um: seal.width_um, height_um: seal.height_um, colour: SEAL_RED, paths })
}
