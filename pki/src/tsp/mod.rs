//! Time stamps: RFC 3161, with SM3 and SM2 as GB/T 20520 has it, and with whatever other authorities sign.

mod info;
pub mod make;
mod request;
mod response;

pub use info::{Accuracy, Token, TstInfo};
pub use make::TokenDraft;
pub use request::Request;
pub use response::{Failure, Response, granted, rejection};

use crate::{cms::CmsError, der::DerError};
use std::fmt;

/// The longest request that is read, in bytes.
pub const REQUEST_LIMIT_BYTES: usize = 16 << 10;
/// The longest nonce that is read and echoed, in octets.
pub const NONCE_LIMIT_OCTETS: usize = 64;
/// The longest serial number of a token, in octets (RFC 3161 2.4.2: 160 bits, and a sign octet).
pub const SERIAL_LIMIT_OCTETS: usize = 21;

/// Why bytes are not a request, a response or a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TspError {
    /// Longer than is read.
    TooLarge,
    /// A version other than 1.
    Version(u64),
    /// A digest algorithm that is unknown or too weak.
    Digest(String),
    /// The imprint is not as long as its algorithm makes it.
    ImprintLength,
    /// The request carries extensions; none is understood.
    Extensions,
    /// The authority's key is of a kind that signs no tokens here.
    Key,
    /// Not signed data, or not one signer.
    Cms(CmsError),
    /// Signed data of something else than a time stamp.
    NotToken(String),
    /// A field is not what the notation says.
    Field {
        /// Which field.
        field: &'static str,
        /// What is wrong with it.
        error: DerError,
    },
}

impl TspError {
    fn at(field: &'static str) -> impl Fn(DerError) -> Self {
        move |error| Self::Field { field, error }
    }

    /// What an authority answers to a request that fails like this (RFC 3161 2.4.2).
    pub fn failure(&self) -> Failure {
        match self {
            Self::Digest(_) => Failure::BadAlgorithm,
            Self::Extensions => Failure::UnacceptedExtension,
            Self::TooLarge | Self::Version(_) | Self::Cms(_) | Self::NotToken(_) => Failure::BadRequest,
            Self::Key => Failure::SystemFailure,
            Self::ImprintLength | Self::Field { .. } => Failure::BadDataFormat,
        }
    }
}

impl From<CmsError> for TspError {
    fn from(error: CmsError) -> Self {
        Self::Cms(error)
    }
}

impl fmt::Display for TspError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge => write!(out, "longer than {REQUEST_LIMIT_BYTES} bytes"),
            Self::Version(version) => write!(out, "version {version} is unknown; only 1 exists"),
            Self::Digest(id) => write!(out, "the digest algorithm {id} is unknown or too weak"),
            Self::ImprintLength => out.write_str("the imprint is not as long as its algorithm makes it"),
            Self::Extensions => out.write_str("extensions are not understood"),
            Self::Key => out.write_str("the authority's key is of a kind that signs no tokens"),
            Self::Cms(error) => write!(out, "the signed data cannot be read: {error}"),
            Self::NotToken(id) => write!(out, "the signed content is of type {id}, not a time stamp"),
            Self::Field { field, error } => write!(out, "{field}: {error}"),
        }
    }
}

impl std::error::Error for TspError {}
