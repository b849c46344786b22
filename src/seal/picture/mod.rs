//! How a seal looks: drawn by rule from its [`Design`], or imported as a picture and checked.
//!
//! A [`Drawing`] is data in micrometres on paper. It becomes an SVG ([`Drawing::svg`]) or a 600-dpi PNG
//! ([`Drawing::png`]) whose compressed pixels serve as a PDF soft mask as they are (see [`crate::document::png`]).
//! The same design gives the same bytes on every run.
//!
//! Deliberately absent: seals that bear the national emblem (国徽). The emblem is drawn to a state standard and may not be
//! approximated; such seals are imported as pictures ([`check_import`]). Presets say which ranks bear it.

mod arc;
mod block;
mod design;
mod drawing;
mod error;
mod glyph;
mod import;
mod oval;
mod preset;
mod raster;
mod round;
mod svg;
#[cfg(test)]
mod tests;

pub use design::{Centre, Design, NameSeal, Oval, Rectangle, Round, SEAL_RED};
pub use drawing::{Command, Drawing, FillRule, Ink, Path};
pub use error::{DrawError, ImportError};
pub use import::{Imported, check_import};
pub use preset::{PRESETS, Preset, PresetCentre};
pub use raster::DPI;
