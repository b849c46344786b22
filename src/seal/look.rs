//! How a seal shall look, as an application asks for it, and the picture that comes of it.

use super::picture::{Design, Preset, check_import};
use crate::base::Refusal;
use serde::Deserialize;

/// What an application says about the picture.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "by", rename_all = "kebab-case", deny_unknown_fields)]
pub enum LookRequest {
    /// The usual measures of a kind of owner, with the owner's name on the arc.
    Preset {
        /// Which: `department`, `enterprise-limited` … (`yinxin seal presets` lists them).
        preset: String,
        /// The name on the arc; the owner's where it is left out.
        #[serde(default)]
        name: Option<String>,
        /// A horizontal line below the middle, such as 合同专用章.
        #[serde(default)]
        line: Option<String>,
        /// Whether the seal's code stands along the lower arc.
        #[serde(default)]
        with_code: bool,
        /// Adds a small line 电子印章.
        #[serde(default)]
        marking: bool,
    },
    /// Every measure and text given.
    Design {
        /// The design.
        design: Design,
    },
    /// A picture made elsewhere.
    Picture {
        /// The PNG in base64.
        png: String,
        /// Width on paper.
        width_mm: u32,
        /// Height on paper.
        height_mm: u32,
    },
}

/// A seal's picture at its real size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// The PNG that goes into the SESeal.
    pub png: Vec<u8>,
    /// Width on paper.
    pub width_mm: u32,
    /// Height on paper.
    pub height_mm: u32,
    /// What it was drawn from; `None` for an imported picture.
    pub design: Option<Design>,
}

impl LookRequest {
    /// Whether the seal's code is a part of the picture.
    pub fn shows_code(&self) -> bool {
        matches!(self, Self::Preset { with_code: true, .. })
    }

    /// Draws or checks the picture. `owner_name` and `code` fill in what a preset leaves open.
    pub fn realise(self, owner_name: &str, code: &str) -> Result<Look, Refusal> {
        match self {
            Self::Preset { preset, name, line, with_code, marking } => {
                let known = Preset::find(&preset).ok_or_else(|| unknown_preset(&preset))?;
                let name = name.unwrap_or_else(|| owner_name.to_owned());
                let mut round =
                    known.round(&name).map_err(|error| Refusal::new(error.code(), error.to_string()))?;
                round.line = line;
                round.marking = marking;
                round.code = with_code.then(|| code.to_owned());
                draw(Design::Round(round))
            }
            Self::Design { design } => draw(design),
            Self::Picture { png, width_mm, height_mm } => import(&png, width_mm, height_mm),
        }
    }
}

fn unknown_preset(id: &str) -> Refusal {
    let known: Vec<_> = super::picture::PRESETS.iter().map(|preset| preset.id).collect();
    let id: String = id.chars().take(40).collect();
    Refusal::new("input/preset", format!("there is no preset {id:?}; known are {}", known.join(", ")))
}

fn draw(design: Design) -> Result<Look, Refusal> {
    let drawing = design.draw().map_err(|error| Refusal::new(error.code(), error.to_string()))?;
    let (width_mm, height_mm) = (whole_mm(drawing.width_um)?, whole_mm(drawing.height_um)?);
    Ok(Look { png: drawing.png(), width_mm, height_mm, design: Some(design) })
}

/// SES pictures say their size in whole millimetres (seal.md §1.1).
fn whole_mm(um: u32) -> Result<u32, Refusal> {
    if um.is_multiple_of(1000) {
        return Ok(um / 1000);
    }
    Err(Refusal::new("input/seal-size", "width and height of a seal are whole millimetres"))
}

fn import(png: &str, width_mm: u32, height_mm: u32) -> Result<Look, Refusal> {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let bytes =
        STANDARD.decode(png).map_err(|_| Refusal::new("input/base64", "the picture is not valid base64"))?;
    let imported = check_import(&bytes, width_mm, height_mm)
        .map_err(|error| Refusal::new(error.code(), error.to_string()))?;
    Ok(Look { png: imported.png, width_mm, height_mm, design: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn preset(preset: &str) -> LookRequest {
        let json = format!(r#"{{"by":"preset","preset":"{preset}","with_code":true}}"#);
        serde_json::from_str(&json).unwrap()
    }

    #[test]
    fn a_preset_draws_the_owners_name() {
        let look = preset("department").realise("某市大数据管理局", "44010000000001").unwrap();
        assert_eq!((look.width_mm, look.height_mm), (42, 42));
        assert!(matches!(look.design, Some(Design::Round(round)) if round.name == "某市大数据管理局"));
    }

    #[test]
    fn what_cannot_be_drawn_is_named() {
        assert_eq!(preset("palace").realise("某市", "1").unwrap_err().code, "input/preset");
        let picture = |png: &str| LookRequest::Picture { png: png.into(), width_mm: 40, height_mm: 40 };
        assert_eq!(picture("%").realise("", "").unwrap_err().code, "input/base64");
        assert_eq!(picture("aGVsbG8=").realise("", "").unwrap_err().code, "picture/not-png");
    }
}
