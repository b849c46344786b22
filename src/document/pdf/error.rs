//! Why a PDF could not be read or stamped.

use std::fmt;
use yinxin_pki::budget::Spent;

/// A refusal: what was tried, what was found, what the reader may do.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum PdfError {
    /// No octets at all.
    Empty,
    /// No `%PDF-` header in the first 1024 octets.
    NotPdf,
    /// The trailer names an encryption dictionary.
    Encrypted,
    /// A bound of [`Limits`](super::Limits) was passed.
    TooLarge {
        /// What was counted, with its unit: `octets`, `cross-reference entries` …
        what: &'static str,
        /// The bound.
        limit: usize,
    },
    /// The work that one document may cause is used up ([`Limits::budget`](super::Limits)).
    TooCostly,
    /// The file breaks the syntax of ISO 32000.
    Malformed {
        /// What was expected or found.
        what: &'static str,
        /// Offset in the file (inside an object stream: in its decoded octets); 0 where no single place is to blame.
        at: usize,
    },
    /// A stream filter we do not decode.
    Unsupported {
        /// The filter or parameter.
        what: &'static str,
    },
    /// There is no such page.
    MissingPage {
        /// The page asked for, from 1.
        page: u32,
        /// Pages in the document.
        pages: usize,
    },
    /// The stamp would not lie wholly on the visible page.
    OffPage {
        /// The page asked for, from 1.
        page: u32,
        /// The box of the stamp from the left and top edge, in millimetres: left, top, right, bottom.
        stamp_mm: [f64; 4],
        /// Width and height of the visible page in millimetres.
        page_mm: [f64; 2],
    },
    /// The page has no box, an empty one, or one beyond all paper.
    PageSize {
        /// The page asked for, from 1.
        page: u32,
        /// Width and height in millimetres as declared; zero where there is none.
        page_mm: [f64; 2],
    },
    /// The stamp's picture has no size, or none a page could hold.
    StampSize {
        /// Width and height in micrometres.
        stamp_um: [u32; 2],
    },
    /// The author certified the document and allows no more signatures.
    Certified {
        /// The `/P` of the DocMDP transform (1: no changes at all).
        permission: i64,
    },
    /// A signature locks the document or the field that would be written.
    Locked {
        /// The field whose signature locks, in full.
        by: String,
    },
    /// The signature value is longer than the room kept for it.
    NoRoom {
        /// Octets of the value.
        needed: usize,
        /// Octets kept.
        room: usize,
    },
    /// The form is of a kind that cannot take a signature field (dynamic XFA).
    Form {
        /// What stands in the way.
        what: &'static str,
    },
}

impl PdfError {
    /// The stable code of this refusal.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Empty => "pdf/empty",
            Self::NotPdf => "pdf/not-pdf",
            Self::Encrypted => "pdf/encrypted",
            Self::TooLarge { .. } => "pdf/too-large",
            Self::TooCostly => "pdf/too-costly",
            Self::Malformed { .. } => "pdf/malformed",
            Self::Unsupported { .. } => "pdf/unsupported",
            Self::MissingPage { .. } => "pdf/missing-page",
            Self::OffPage { .. } => "pdf/off-page",
            Self::PageSize { .. } => "pdf/page-size",
            Self::StampSize { .. } => "pdf/stamp-size",
            Self::Certified { .. } => "pdf/certified",
            Self::Locked { .. } => "pdf/locked",
            Self::NoRoom { .. } => "pdf/no-room",
            Self::Form { .. } => "pdf/form",
        }
    }

    pub(super) fn malformed(what: &'static str, at: usize) -> Self {
        Self::Malformed { what, at }
    }
}

impl From<Spent> for PdfError {
    fn from(_: Spent) -> Self {
        Self::TooCostly
    }
}

impl fmt::Display for PdfError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(f, "the file is empty: send the PDF itself"),
            Self::NotPdf => write!(f, "this is not a PDF: its first 1024 octets hold no %PDF- header"),
            Self::Encrypted => write!(f, "this PDF is encrypted: remove its password and permissions first"),
            Self::TooLarge { what, limit } => write!(f, "this PDF is too large: more than {limit} {what}"),
            Self::TooCostly => {
                write!(f, "reading this PDF takes more work than one document may cause; it was given up")
            }
            Self::Malformed { what, at } => {
                let place = if *at > 0 { format!(" at octet {at}") } else { String::new() };
                write!(f, "this PDF is damaged{place}: {what}; have the program that made it write it again")
            }
            Self::Unsupported { what } => write!(f, "this PDF uses {what}, which is not supported here"),
            Self::MissingPage { page, pages } => {
                write!(f, "there is no page {page}: the document has {pages}, counted from 1")
            }
            Self::OffPage { page, stamp_mm: [left, top, right, bottom], page_mm: [width, height] } => write!(
                f,
                "the stamp would reach from {left:.1} to {right:.1} mm across and from {top:.1} to {bottom:.1} mm down, \
                 but page {page} is {width:.1} × {height:.1} mm: move its centre inwards"
            ),
            Self::PageSize { page, page_mm: [width, height] } => write!(
                f,
                "page {page} is declared as {width:.1} × {height:.1} mm: a page to stamp measures between 1 mm and 20 m"
            ),
            Self::StampSize { stamp_um: [width, height] } => write!(
                f,
                "the stamp's picture is {width} × {height} µm: it must measure between 1 µm and 2 m and have pixels"
            ),
            Self::Certified { permission } => write!(
                f,
                "the author certified this document and allows no more changes (DocMDP P {permission}): \
                 ask for a copy without certification"
            ),
            Self::Locked { by } => {
                write!(f, "the signature in field {by} locks this document against further signature fields")
            }
            Self::NoRoom { needed, room } => {
                write!(
                    f,
                    "the signature value has {needed} octets, but only {room} were kept: prepare with room for {needed}"
                )
            }
            Self::Form { what } => write!(f, "the form in this PDF cannot take a signature: {what}"),
        }
    }
}

impl std::error::Error for PdfError {}
