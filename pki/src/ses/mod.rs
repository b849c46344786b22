//! Electronic seals and stamps: GM/T 0031-2014 (V1, read only), GB/T 38540-2020 (V4) and GM/T 0031-2025 (V5).
//!
//! Reading keeps spans over the received bytes, because real makers encode what a DER writer would drop, and a
//! signature covers what was sent. What departs from the standard is noted in one of two lists: an *oddity* changes no
//! meaning and is left to the profile; a *defect* fails check 1, and everything else can still be judged.

mod ext_data;
pub mod make;
mod notes;
mod seal;
mod stamp;
#[cfg(test)]
mod tests;

pub use ext_data::ExtData;
pub use make::{
    ExtDataDraft, MakeError, PictureDraft, PreparedSeal, PreparedStamp, SealDraft, SignersDraft, StampDraft,
};
pub use notes::Notes;
pub use seal::{Picture, Seal, Signers};
pub use stamp::{Stamp, TimeInfo};

use crate::der::DerError;
use std::fmt;

/// The longest seal or stamp that is read, in bytes.
pub const LIMIT_BYTES: usize = 16 << 20;
/// The longest list (certificates, digests, extension data) that is read.
pub const LIMIT_ENTRIES: usize = 1024;

/// Which standard a seal or stamp follows. The number in its header is not always the one it should be, so this is
/// told from the shape first (seal.md §0).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// GM/T 0031-2014.
    V1,
    /// GB/T 38540-2020.
    V4,
    /// GM/T 0031-2025.
    V5,
}

impl Version {
    /// The number that the header should carry.
    pub fn number(self) -> u64 {
        match self {
            Self::V1 => 1,
            Self::V4 => 4,
            Self::V5 => 5,
        }
    }
}

/// Why bytes are not a seal or a stamp.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SesError {
    /// Longer than [`LIMIT_BYTES`].
    TooLarge,
    /// A list longer than [`LIMIT_ENTRIES`].
    TooMany {
        /// Which list.
        list: &'static str,
    },
    /// A field is not what the notation says.
    Field {
        /// Which field.
        field: &'static str,
        /// What is wrong with it.
        error: DerError,
    },
}

impl SesError {
    fn at(field: &'static str) -> impl Fn(DerError) -> Self {
        move |error| Self::Field { field, error }
    }
}

impl fmt::Display for SesError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge => write!(out, "longer than {LIMIT_BYTES} bytes"),
            Self::TooMany { list } => write!(out, "{list} has more than {LIMIT_ENTRIES} entries"),
            Self::Field { field, error } => write!(out, "{field}: {error}"),
        }
    }
}

impl std::error::Error for SesError {}
