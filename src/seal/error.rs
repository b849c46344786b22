//! Why a command of this room came to nothing.

use crate::{
    authority::AuthorityError,
    base::Refusal,
    document::{pdf::PdfError, pool::Unread},
    keys::KeysError,
    officer::Denied,
    store::StoreError,
};
use std::fmt;
use yinxin_pki::{ses::MakeError, sign::SignError};

/// Why a command of this room came to nothing.
#[derive(Debug)]
pub enum SealError {
    /// A rule said no.
    Refused(Refusal),
    /// The caller may not.
    Denied(Denied),
    /// There is no such thing.
    Unknown {
        /// What: `seal`, `owner`, `maker`, `stamp`, `officer`.
        what: &'static str,
        /// Which.
        id: String,
    },
    /// The document cannot be stamped.
    Document(PdfError),
    /// The document, or what was made of it, was not read.
    Unread(Unread),
    /// No signature came.
    Sign(SignError),
    /// The keystore refused.
    Keys(KeysError),
    /// The authority refused.
    Authority(AuthorityError),
    /// The database refused.
    Store(StoreError),
    /// Seal or stamp data could not be made.
    Make(MakeError),
    /// The time-stamp authority gave no token.
    NoTimeStamp,
    /// Our own product did not pass our own check; it was withheld.
    Withheld {
        /// What the check said, for the log.
        says: String,
    },
}

impl SealError {
    /// Whether it is certain that nothing was committed: a database that did not confirm may have done it.
    pub(super) fn is_decided(&self) -> bool {
        !matches!(self, Self::Store(StoreError::Unknown))
    }

    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Refused(refusal) => refusal.code,
            Self::Denied(denied) => denied.code(),
            Self::Unknown { what: "owner", .. } => "owner/unknown",
            Self::Unknown { what: "maker", .. } => "maker/unknown",
            Self::Unknown { what: "stamp", .. } => "stamp/unknown",
            Self::Unknown { what: "officer", .. } => "officer/unknown",
            Self::Unknown { .. } => "seal/unknown",
            Self::Document(error) => error.code(),
            Self::Unread(Unread::Busy) => "service/busy",
            Self::Sign(SignError::Busy) => "keys/busy",
            Self::Sign(SignError::Gone { .. }) => "keys/gone",
            Self::NoTimeStamp => "authority/no-time-stamp",
            Self::Keys(error) => error.code(),
            Self::Authority(error) => error.code(),
            Self::Store(error) => error.code(),
            Self::Unread(Unread::Broken) | Self::Sign(_) | Self::Make(_) | Self::Withheld { .. } => {
                "internal"
            }
        }
    }
}

impl fmt::Display for SealError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refusal) => refusal.fmt(out),
            Self::Denied(denied) => denied.fmt(out),
            Self::Unknown { what, id } => write!(out, "there is no {what} {id}"),
            Self::Document(error) => error.fmt(out),
            Self::Unread(error) => error.fmt(out),
            Self::Sign(error) => error.fmt(out),
            Self::NoTimeStamp => {
                out.write_str("the time-stamp authority gave no token; nothing was handed out")
            }
            Self::Keys(error) => error.fmt(out),
            Self::Authority(error) => error.fmt(out),
            Self::Store(error) => error.fmt(out),
            Self::Make(error) => error.fmt(out),
            Self::Withheld { says } => {
                write!(out, "the product did not pass our own check and was withheld: {says}")
            }
        }
    }
}

impl std::error::Error for SealError {}

macro_rules! from {
    ($($source:ty => $variant:ident),+ $(,)?) => {
        $(impl From<$source> for SealError {
            fn from(error: $source) -> Self {
                Self::$variant(error)
            }
        })+
    };
}

from! {
    Refusal => Refused,
    Denied => Denied,
    PdfError => Document,
    Unread => Unread,
    SignError => Sign,
    KeysError => Keys,
    AuthorityError => Authority,
    StoreError => Store,
    MakeError => Make,
}
