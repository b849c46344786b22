//! Why bytes are not accepted as a certificate, a list or a request.

use crate::{der::DerError, oid::Oid};
use std::fmt;

/// Why bytes are not accepted as a certificate, a revocation list or a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum X509Error {
    /// More bytes than are read at all.
    TooLarge {
        /// The limit, in octets.
        limit: usize,
    },
    /// More elements than are read at all.
    TooMany {
        /// Of what.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// Not the DER of such an object.
    Der(DerError),
    /// An unknown version, or extensions where the version allows none.
    Version,
    /// The algorithm inside the signed part is not the one beside the signature (RFC 5280 4.1.1.2).
    AlgorithmsDiffer,
    /// An extension stands twice (RFC 5280 4.2).
    DuplicateExtension(Oid),
    /// An extension that matters here cannot be read.
    Extension(Oid),
    /// The public key is of a known kind and is not a valid key of it.
    Key,
    /// Neither DER nor the PEM text of such an object.
    Pem,
}

impl X509Error {
    /// Stable code for reports.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } | Self::TooMany { .. } => "x509/too-large",
            Self::Der(_) | Self::Version => "x509/malformed",
            Self::AlgorithmsDiffer => "x509/algorithms-differ",
            Self::DuplicateExtension(_) => "x509/duplicate-extension",
            Self::Extension(_) => "x509/malformed-extension",
            Self::Key => "x509/malformed-key",
            Self::Pem => "x509/not-pem-or-der",
        }
    }
}

impl From<DerError> for X509Error {
    fn from(error: DerError) -> Self {
        Self::Der(error)
    }
}

impl fmt::Display for X509Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { limit } => write!(out, "more than {limit} octets"),
            Self::TooMany { what, limit } => write!(out, "more than {limit} {what}"),
            Self::Der(error) => error.fmt(out),
            Self::Version => out.write_str("the version is unknown or allows no extensions"),
            Self::AlgorithmsDiffer => out.write_str(
                "the signed part names another signature algorithm than the one beside the signature",
            ),
            Self::DuplicateExtension(id) => write!(out, "the extension {id} stands twice"),
            Self::Extension(id) => write!(out, "the extension {id} cannot be read"),
            Self::Key => out.write_str("the public key is not valid"),
            Self::Pem => out.write_str("neither DER nor PEM text of the kind expected"),
        }
    }
}

impl std::error::Error for X509Error {}
