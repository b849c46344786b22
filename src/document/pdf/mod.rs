//! PDF: reading with the spans, revisions and duplicates that a verifier must see, and stamping by an incremental
//! update that leaves every earlier octet as it was.
//!
//! | file | what it knows |
//! | --- | --- |
//! | `syntax`, `object` | octets to objects |
//! | `xref`, `file`, `filter`, `page` | revisions, a view of each, decoded streams, the page tree |
//! | `place`, `permission`, `stamp`, `write` | where a stamp goes, whether it may, what it adds, how that is written |

pub mod analysis;
mod error;
mod file;
mod filter;
mod history;
mod memory;
mod object;
mod page;
mod permission;
mod place;
mod stamp;
mod syntax;
mod write;
mod xref;

pub use error::PdfError;
pub use file::{Entry, Oddity, Pdf, Revision, View};
pub use object::{Dict, Object, ObjectId, PdfString, Stream};
pub use page::{Page, Rect};
pub use place::Placement;
pub use stamp::{Digests, MAX_ROOM_BYTES, Prepared, SignatureKind, StampNames};

use yinxin_pki::budget::Budget;

/// No file beyond this is opened, whatever the [`Limits`] say.
pub const HARD_MAX_BYTES: usize = 1 << 30;

/// Bounds on what a file may ask of its reader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Octets of the file, at most [`HARD_MAX_BYTES`].
    pub max_bytes: usize,
    /// Cross-reference entries of all revisions together.
    pub max_objects: usize,
    /// Revisions.
    pub max_revisions: usize,
    /// Levels of arrays and dictionaries in one another, at most 128.
    pub max_depth: usize,
    /// Values in one indirect object, and in all trailers together.
    pub max_values: usize,
    /// Nodes of the page tree.
    pub max_pages: usize,
    /// Decoded octets of one stream, also between two filters.
    pub max_decoded_bytes: usize,
    /// Decoded octets of all streams together, over the life of a [`Pdf`].
    pub max_total_decoded_bytes: usize,
    /// Octets read as objects over the life of a [`Pdf`]; an object asked for twice counts twice.
    pub max_parsed_bytes: usize,
    /// What is left of the work that this document may cause; shared by everyone who reads it with these limits.
    pub budget: Budget,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_bytes: 256 << 20,
            max_objects: 1_000_000,
            max_revisions: 512,
            max_depth: 64,
            max_values: 500_000,
            max_pages: 100_000,
            max_decoded_bytes: 32 << 20,
            max_total_decoded_bytes: 1 << 30,
            max_parsed_bytes: 1 << 30,
            budget: Budget::unlimited(),
        }
    }
}

/// Opens `bytes`: reads the header and the chain of cross-reference sections, and no object beyond them.
///
/// # Errors
/// [`PdfError::Empty`], [`PdfError::NotPdf`], [`PdfError::Encrypted`], [`PdfError::TooLarge`], [`PdfError::TooCostly`], and
/// [`PdfError::Malformed`] for a file that a strict reader cannot follow; nothing is repaired.
pub fn open<'a>(bytes: &'a [u8], limits: &Limits) -> Result<Pdf<'a>, PdfError> {
    Pdf::open(bytes, limits)
}

#[cfg(test)]
mod tests;
