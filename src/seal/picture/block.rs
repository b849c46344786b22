//! Upright text: single lines, the rectangle and the square name seal.

use super::design::{NameSeal, Rectangle, SEAL_RED, border, outer};
use super::drawing::{Drawing, Path, Place};
use super::error::DrawError;
use super::glyph::{Glyph, glyphs, room};

/// A horizontal line of text.
pub(super) struct Line {
    pub part: &'static str,
    pub centre_x: f64,
    pub top: f64,
    pub height: f64,
    /// Width over height of a full square: as wide as it may become, as narrow as it may become.
    pub widths: (f64, f64),
}

/// Sets a line within `room_um`, centred. Refuses a text that would become narrower than allowed.
pub(super) fn set_line(glyphs: &[Glyph], line: &Line, room_um: f64) -> Result<Vec<Path>, DrawError> {
    let cell = (room_um / room(glyphs).max(0.1)).min(line.widths.0 * line.height * 1.06);
    let width = cell / 1.06;
    if width < line.widths.1 * line.height {
        return Err(DrawError::TextTooLong { part: line.part, characters: glyphs.len() });
    }
    let mut x = line.centre_x - cell * room(glyphs) / 2.0;
    let mut paths = Vec::with_capacity(glyphs.len());
    for glyph in glyphs {
        let centre = x + glyph.room * cell / 2.0;
        x += glyph.room * cell;
        if !glyph.outline.is_empty() {
            paths
                .push(Place::upright(centre, line.top + line.height, width, line.height).put(&glyph.outline));
        }
    }
    Ok(paths)
}

pub(super) fn draw_rectangle(seal: &Rectangle) -> Result<Drawing, DrawError> {
    let (width, height) = (outer("width", seal.width_um)?, outer("height", seal.height_um)?);
    let border = border(seal.border_um)?;
    let mut paths = vec![Path::frame(width, height, border)];
    let lines = seal.lines.len();
    if lines == 0 {
        return Err(DrawError::EmptyText("line"));
    }
    if lines > 4 {
        return Err(DrawError::TextTooLong {
            part: "line",
            characters: seal.lines.iter().map(|l| l.chars().count()).sum(),
        });
    }
    // Air inside the frame, and a sixth of a line between lines.
    let air = border + 0.06 * width.min(height);
    let share = (height - 2.0 * air) / (lines as f64 * 7.0 - 1.0);
    let (line_height, step) = (share * 6.0, share * 7.0);
    let mut top = air;
    for text in &seal.lines {
        let line =
            Line { part: "line", centre_x: width / 2.0, top, height: line_height, widths: (1.0, 0.45) };
        paths.extend(set_line(&glyphs("line", text)?, &line, width - 2.0 * air)?);
        top += step;
    }
    Ok(Drawing { width_um: seal.width_um, height_um: seal.height_um, colour: SEAL_RED, paths })
}

pub(super) fn draw_name(seal: &NameSeal) -> Result<Drawing, DrawError> {
    let side = outer("side", seal.side_um)?;
    let border = border(seal.border_um)?;
    let name = glyphs("name", &seal.name)?;
    // Columns from the right, each from the top.
    let columns: &[&[usize]] = match name.len() {
        2 => &[&[0], &[1]],
        3 => &[&[0], &[1, 2]],
        4 => &[&[0, 1], &[2, 3]],
        other => return Err(DrawError::NameLength(other)),
    };
    let mut paths = vec![Path::frame(side, side, border)];
    let air = border + 0.045 * side;
    let gap = 0.03 * side;
    let cell_width = (side - 2.0 * air - gap) / 2.0;
    for (column, cells) in columns.iter().enumerate() {
        let x = side - air - cell_width / 2.0 - column as f64 * (cell_width + gap);
        let count = cells.len() as f64;
        let cell_height = (side - 2.0 * air - gap * (count - 1.0)) / count;
        for (row, glyph) in cells.iter().filter_map(|i| name.get(*i)).enumerate() {
            let foot = air + cell_height + row as f64 * (cell_height + gap);
            paths.push(Place::upright(x, foot, cell_width, cell_height).put(&glyph.outline));
        }
    }
    Ok(Drawing { width_um: seal.side_um, height_um: seal.side_um, colour: SEAL_RED, paths })
}
