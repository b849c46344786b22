//! What a seal shall look like: shape, measures and texts. Rules draw it ([`Design::draw`]).

use serde::{Deserialize, Serialize};

use super::drawing::Drawing;
use super::error::DrawError;

/// The red of seals. Pictures in real seals are pure or nearly pure red.
pub const SEAL_RED: [u8; 3] = [255, 0, 0];

/// The design of a seal. Measures are micrometres on paper.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "shape", rename_all = "kebab-case")]
pub enum Design {
    /// 圆形公章.
    Round(Round),
    /// 椭圆章 (发票专用章 and the like).
    Oval(Oval),
    /// 长方形章.
    Rectangle(Rectangle),
    /// 法定代表人名章.
    Name(NameSeal),
}

/// What stands in the middle of a round seal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Centre {
    /// A five-pointed star, point up; the diameter is that of the circle through its points.
    Star {
        /// Micrometres; at most half of the seal's.
        diameter_um: u32,
    },
    /// Nothing: usual for special seals in some provinces.
    Empty,
}

/// A round official seal: border, the unit's name over the top, star, and more below.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Round {
    /// Outer diameter, 10 000 to 80 000.
    pub diameter_um: u32,
    /// Width of the border, 200 to 3 000.
    pub border_um: u32,
    /// The middle.
    pub centre: Centre,
    /// The unit's name (法定名称), clockwise over the top: up to some 30 characters.
    pub name: String,
    /// A horizontal line below the middle, such as 合同专用章.
    #[serde(default)]
    pub line: Option<String>,
    /// Small digits along the lower inner arc, such as 4401000012345.
    #[serde(default)]
    pub code: Option<String>,
    /// Adds a small line 电子印章, as 《电子印章管理办法》(国办发〔2025〕33号) allows for seals without a physical counterpart.
    #[serde(default)]
    pub marking: bool,
}

/// An oval seal: name over the top, a number across the middle, a line below.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Oval {
    /// Outer width, 10 000 to 80 000, not less than the height.
    pub width_um: u32,
    /// Outer height, 10 000 to 80 000.
    pub height_um: u32,
    /// Width of the border, 200 to 3 000.
    pub border_um: u32,
    /// The unit's name over the top.
    pub name: String,
    /// Digits across the middle, such as the 18 of a tax number.
    #[serde(default)]
    pub code: Option<String>,
    /// A horizontal line below, such as 发票专用章.
    #[serde(default)]
    pub line: Option<String>,
    /// Adds a small line 电子印章.
    #[serde(default)]
    pub marking: bool,
}

/// A framed rectangle with one to four lines of text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rectangle {
    /// Outer width, 10 000 to 80 000.
    pub width_um: u32,
    /// Outer height, 10 000 to 80 000.
    pub height_um: u32,
    /// Width of the border, 200 to 3 000.
    pub border_um: u32,
    /// The lines, from the top.
    pub lines: Vec<String>,
}

/// A square name seal, read in columns from the right: 张三 side by side, 张三丰 as 张 | 三丰, four as two by two.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NameSeal {
    /// Outer side, 10 000 to 80 000; 18 000 to 25 000 is usual.
    pub side_um: u32,
    /// Width of the border, 200 to 3 000.
    pub border_um: u32,
    /// 2 to 4 characters, with 印 or 之印 where wanted.
    pub name: String,
}

impl Design {
    /// Draws the design at its real size, in seal red.
    ///
    /// # Errors
    /// [`DrawError`]: a measure out of range, a text that is empty or doesn't fit, a character that the face lacks.
    pub fn draw(&self) -> Result<Drawing, DrawError> {
        match self {
            Self::Round(seal) => super::round::draw(seal),
            Self::Oval(seal) => super::oval::draw(seal),
            Self::Rectangle(seal) => super::block::draw_rectangle(seal),
            Self::Name(seal) => super::block::draw_name(seal),
        }
    }
}

/// Checks a measure.
pub(super) fn within(part: &'static str, um: u32, least_um: u32, most_um: u32) -> Result<f64, DrawError> {
    if (least_um..=most_um).contains(&um) {
        return Ok(f64::from(um));
    }
    Err(DrawError::BadSize { part, um, least_um, most_um })
}

/// Checks an outer measure: 10 to 80 mm.
pub(super) fn outer(part: &'static str, um: u32) -> Result<f64, DrawError> {
    within(part, um, 10_000, 80_000)
}

/// Checks the border's width: 0.2 to 3 mm.
pub(super) fn border(um: u32) -> Result<f64, DrawError> {
    within("border", um, 200, 3_000)
}

/// Checks a code: 1 to 20 digits or capital letters.
pub(super) fn code(text: &str) -> Result<&str, DrawError> {
    let good =
        (1..=20).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase());
    if good { Ok(text) } else { Err(DrawError::BadCode) }
}
