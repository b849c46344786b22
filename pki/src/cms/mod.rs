//! Signed data: RFC 5652 and its Chinese twin GB/T 35275 (GM/T 0010), which differ in their identifiers.
//!
//! Exactly one signer is read. Attributes are checked as they were encoded, with the tag of a SET in place of `[0]`.

mod attributes;
mod ber;
pub mod make;
mod read;

pub use attributes::{Attributes, CertificateHash};
pub use make::Draft;
pub(crate) use read::algorithm_id;
pub use read::{SignedData, SignerId, SignerInfo};

use crate::der::DerError;
use std::{borrow::Cow, fmt};

/// The longest signed data that is read, in bytes.
pub const LIMIT_BYTES: usize = 16 << 20;
/// The most certificates, revocation lists or attributes that are read in one.
pub const LIMIT_ENTRIES: usize = 256;

/// The same in definite lengths, for [`SignedData::parse`], where a signer wrote indefinite ones. Zeros behind such data (the
/// padding of a PDF's `/Contents`, whose end nothing else tells) are dropped. Anything else comes back as it is.
pub fn definite(bytes: &[u8]) -> Cow<'_, [u8]> {
    if bytes.len() > LIMIT_BYTES { Cow::Borrowed(bytes) } else { ber::definite(bytes) }
}

/// Why bytes are not signed data that can be judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CmsError {
    /// Longer than [`LIMIT_BYTES`].
    TooLarge,
    /// A list longer than [`LIMIT_ENTRIES`].
    TooMany {
        /// Which list.
        list: &'static str,
    },
    /// The content is of another type than signedData.
    NotSignedData(String),
    /// Not exactly one signer.
    Signers(usize),
    /// A field is not what the notation says.
    Field {
        /// Which field.
        field: &'static str,
        /// What is wrong with it.
        error: DerError,
    },
    /// An attribute is missing, stands twice, or has not exactly one value.
    Attribute(&'static str),
}

impl CmsError {
    fn at(field: &'static str) -> impl Fn(DerError) -> Self {
        move |error| Self::Field { field, error }
    }
}

impl fmt::Display for CmsError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge => write!(out, "longer than {LIMIT_BYTES} bytes"),
            Self::TooMany { list } => write!(out, "{list} has more than {LIMIT_ENTRIES} entries"),
            Self::NotSignedData(id) => write!(out, "the content is of type {id}, not signed data"),
            Self::Signers(count) => write!(out, "it carries {count} signers; exactly one is read"),
            Self::Field { field, error } => write!(out, "{field}: {error}"),
            Self::Attribute(name) => {
                write!(out, "the attribute {name} must stand exactly once, with one value")
            }
        }
    }
}

impl std::error::Error for CmsError {}
