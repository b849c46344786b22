//! Usual measures by kind of owner. Rules differ between provinces: these are a table to start from, not law.

use super::design::{Centre, Round};
use super::error::DrawError;

/// What a rule puts in the middle of a round seal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PresetCentre {
    /// A star on a circle of this diameter, micrometres.
    Star(u32),
    /// Nothing.
    Empty,
    /// The national emblem: not drawn here.
    NationalEmblem,
}

/// Usual measures of one kind of round seal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Preset {
    /// Stable name, for machines.
    pub id: &'static str,
    /// What people call it.
    pub zh: &'static str,
    /// Outer diameter, micrometres.
    pub diameter_um: u32,
    /// Width of the border, micrometres.
    pub border_um: u32,
    /// The middle.
    pub centre: PresetCentre,
    /// Where the measures come from.
    pub source: &'static str,
}

/// 国务院关于国家行政机关和企业事业单位社会团体印章管理的规定: diameters by rank, emblem or star, simplified Song, left to right.
/// It gives no width of border and no size of star: those below are of practice.
const RULE_1999: &str = "国发〔1999〕25号";
/// What engravers and public security offices use; it varies by province.
const PRACTICE: &str = "公安机关印章管理实务";

/// The table.
pub const PRESETS: &[Preset] = &[
    row(
        "government-province",
        "省、自治区、直辖市人民政府，国务院部委",
        50_000,
        1_200,
        PresetCentre::NationalEmblem,
        RULE_1999,
    ),
    row("government-city-county", "市、县人民政府", 45_000, 1_200, PresetCentre::NationalEmblem, RULE_1999),
    row("government-township", "乡、镇人民政府", 42_000, 1_200, PresetCentre::Star(14_000), RULE_1999),
    row(
        "department-large",
        "部门、直属机构（不超过 45 mm）",
        45_000,
        1_200,
        PresetCentre::Star(14_000),
        RULE_1999,
    ),
    row(
        "department",
        "部门、内设机构、事业单位、社会团体",
        42_000,
        1_200,
        PresetCentre::Star(14_000),
        RULE_1999,
    ),
    row("enterprise-state", "国有企业", 42_000, 1_200, PresetCentre::Star(14_000), PRACTICE),
    row("enterprise-joint-stock", "股份有限公司", 42_000, 1_200, PresetCentre::Star(14_000), PRACTICE),
    row("enterprise-limited", "有限责任公司", 40_000, 1_000, PresetCentre::Star(14_000), PRACTICE),
    row("sole-trader", "个体工商户、企业部门", 38_000, 1_000, PresetCentre::Star(12_000), PRACTICE),
    row("special", "业务专用章", 38_000, 1_000, PresetCentre::Star(12_000), PRACTICE),
    row("special-empty", "业务专用章（中空）", 38_000, 1_000, PresetCentre::Empty, PRACTICE),
];

const fn row(
    id: &'static str,
    zh: &'static str,
    diameter_um: u32,
    border_um: u32,
    centre: PresetCentre,
    source: &'static str,
) -> Preset {
    Preset { id, zh, diameter_um, border_um, centre, source }
}

impl Preset {
    /// The preset of this id.
    #[must_use]
    pub fn find(id: &str) -> Option<&'static Self> {
        PRESETS.iter().find(|p| p.id == id)
    }

    /// A round seal of these measures with a name and nothing else.
    ///
    /// # Errors
    /// [`DrawError::NationalEmblem`] where the rule asks for the emblem.
    pub fn round(&self, name: &str) -> Result<Round, DrawError> {
        let centre = match self.centre {
            PresetCentre::Star(diameter_um) => Centre::Star { diameter_um },
            PresetCentre::Empty => Centre::Empty,
            PresetCentre::NationalEmblem => return Err(DrawError::NationalEmblem),
        };
        Ok(Round {
            diameter_um: self.diameter_um,
            border_um: self.border_um,
            centre,
            name: name.to_owned(),
            line: None,
            code: None,
            marking: false,
        })
    }
}
