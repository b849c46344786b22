//! Characters as outlines, from the bundled Song face.

use ttf_parser::{Face, OutlineBuilder};

use super::drawing::Command;
use super::error::DrawError;

const FONT: &[u8] = include_bytes!("../../../assets/fonts/yinxin-song.otf");

/// The square that ideographs of this face fill, in units of 1/1000 em: from 40 to 960 across, from −80 to 840 up.
const SQUARE: f64 = 920.0;
const SQUARE_FOOT: f64 = -80.0;
const SQUARE_MIDDLE: f64 = 500.0;

/// Air around a character that isn't an ideograph, in squares.
const AIR: f64 = 0.12;

/// A character in its square: u from −½ to ½, v from 0 at the foot to 1.
#[derive(Debug, Clone)]
pub(super) struct Glyph {
    pub outline: Vec<Command>,
    /// Room it takes in a line, in squares: 1 for an ideograph, less for a bracket or a digit.
    pub room: f64,
}

/// The glyphs of a text. Refuses an empty text and any character the face lacks.
pub(super) fn glyphs(part: &'static str, text: &str) -> Result<Vec<Glyph>, DrawError> {
    let face = face();
    let text = text.trim();
    // The longest text that any seal takes has 30 characters; this bound only keeps work finite.
    if text.chars().count() > 100 {
        return Err(DrawError::TextTooLong { part, characters: text.chars().count() });
    }
    let found: Result<Vec<_>, _> = text.chars().map(|c| glyph(&face, c)).collect();
    let found = found?;
    if found.iter().all(|g| g.outline.is_empty()) {
        return Err(DrawError::EmptyText(part));
    }
    Ok(found)
}

/// The room a text takes when set solid, in squares.
pub(super) fn room(glyphs: &[Glyph]) -> f64 {
    glyphs.iter().map(|g| g.room).sum()
}

#[allow(clippy::expect_used, reason = "the font is part of this program, and a test below opens it")]
fn face() -> Face<'static> {
    Face::parse(FONT, 0).expect("the bundled face parses")
}

fn glyph(face: &Face<'_>, c: char) -> Result<Glyph, DrawError> {
    if c == ' ' {
        return Ok(Glyph { outline: Vec::new(), room: 0.3 });
    }
    let id = face.glyph_index(c).filter(|id| id.0 != 0).ok_or(DrawError::MissingGlyph(c))?;
    let mut pen = Pen::default();
    let ink = face.outline_glyph(id, &mut pen).ok_or(DrawError::MissingGlyph(c))?;
    let (left, right) = (f64::from(ink.x_min), f64::from(ink.x_max));
    let (middle, room) = if ideograph(c) {
        (SQUARE_MIDDLE, 1.0)
    } else {
        ((left + right) / 2.0, (right - left) / SQUARE + AIR)
    };
    let to_square = |x: f64, y: f64| ((x - middle) / SQUARE, (y - SQUARE_FOOT) / SQUARE);
    let outline = pen.steps.into_iter().map(|step| map(step, &to_square)).collect();
    Ok(Glyph { outline, room })
}

fn map(step: Command, to: &impl Fn(f64, f64) -> (f64, f64)) -> Command {
    match step {
        Command::Move(x, y) => {
            let (x, y) = to(x, y);
            Command::Move(x, y)
        }
        Command::Line(x, y) => {
            let (x, y) = to(x, y);
            Command::Line(x, y)
        }
        Command::Cubic(a, b, c, d, e, f) => {
            let ((a, b), (c, d), (e, f)) = (to(a, b), to(c, d), to(e, f));
            Command::Cubic(a, b, c, d, e, f)
        }
        Command::Close => Command::Close,
    }
}

/// Han characters stand in a full square each.
fn ideograph(c: char) -> bool {
    matches!(u32::from(c), 0x3007 | 0x3400..=0x9FFF | 0xF900..=0xFAFF | 0x2_0000..=0x3_FFFF)
}

#[derive(Default)]
struct Pen {
    steps: Vec<Command>,
    at: (f64, f64),
}

impl OutlineBuilder for Pen {
    fn move_to(&mut self, x: f32, y: f32) {
        self.at = (x.into(), y.into());
        self.steps.push(Command::Move(self.at.0, self.at.1));
    }

    fn line_to(&mut self, x: f32, y: f32) {
        self.at = (x.into(), y.into());
        self.steps.push(Command::Line(self.at.0, self.at.1));
    }

    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        // The cubic that is this quadratic: its controls lie two thirds of the way to the one control.
        let (from, control, to) = (self.at, (f64::from(x1), f64::from(y1)), (f64::from(x), f64::from(y)));
        let towards =
            |p: (f64, f64)| (p.0 + (control.0 - p.0) * 2.0 / 3.0, p.1 + (control.1 - p.1) * 2.0 / 3.0);
        let (one, two) = (towards(from), towards(to));
        self.at = to;
        self.steps.push(Command::Cubic(one.0, one.1, two.0, two.1, to.0, to.1));
    }

    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        self.at = (x.into(), y.into());
        self.steps.push(Command::Cubic(x1.into(), y1.into(), x2.into(), y2.into(), self.at.0, self.at.1));
    }

    fn close(&mut self) {
        self.steps.push(Command::Close);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_listed_character_has_an_outline() {
        let face = face();
        let listed = include_str!("../../../assets/fonts/characters.txt");
        for c in listed.chars().filter(|c| !c.is_whitespace()) {
            let glyph = glyph(&face, c).unwrap_or_else(|e| panic!("{e}"));
            assert!(!glyph.outline.is_empty(), "{c}");
        }
        assert!(listed.chars().count() > 8_400);
    }

    #[test]
    fn place_names_beyond_gb2312_are_drawn() {
        assert_eq!(glyphs("name", "犍为鄠邑旌德浉河邗江堽城翀堃瀍河").unwrap().len(), 16);
    }

    #[test]
    fn a_character_the_face_lacks_is_named() {
        assert_eq!(glyphs("name", "某市\u{1F600}局").unwrap_err(), DrawError::MissingGlyph('\u{1F600}'));
        assert_eq!(glyphs("name", "某\u{0}").unwrap_err(), DrawError::MissingGlyph('\u{0}'));
        assert_eq!(glyphs("name", "  ").unwrap_err(), DrawError::EmptyText("name"));
    }

    #[test]
    fn ideographs_stay_within_their_square() {
        for glyph in glyphs("name", "国务院数据管理局一").unwrap() {
            for step in glyph.outline {
                if let Command::Line(u, v) = step {
                    assert!(u.abs() <= 0.56 && (-0.06..=1.06).contains(&v), "{u} {v}");
                }
            }
        }
    }
}
