//! Why a picture was refused. Every refusal has a stable code.

use std::fmt;

use crate::document::png::PngError;

/// Why a design cannot be drawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DrawError {
    /// The bundled face has no such character. Drawing refuses, for an empty box on a seal would be a forgery of a name.
    MissingGlyph(char),
    /// A text has no visible character.
    EmptyText(&'static str),
    /// A text does not fit even when set as narrow as stays readable.
    TextTooLong {
        /// Which text: `name`, `line`, `code`, `marking`.
        part: &'static str,
        /// Characters given.
        characters: usize,
    },
    /// A measure is outside what can be drawn.
    BadSize {
        /// Which measure.
        part: &'static str,
        /// What was given, micrometres.
        um: u32,
        /// Least allowed, micrometres.
        least_um: u32,
        /// Most allowed, micrometres.
        most_um: u32,
    },
    /// A code holds something else than up to 20 ASCII digits and capital letters.
    BadCode,
    /// A name seal takes 2 to 4 characters.
    NameLength(usize),
    /// Seals of this rank bear the national emblem, which is not drawn here: import the picture.
    NationalEmblem,
}

impl DrawError {
    /// The stable code, for machines.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::MissingGlyph(_) => "picture/missing-glyph",
            Self::EmptyText(_) => "picture/empty-text",
            Self::TextTooLong { .. } => "picture/text-too-long",
            Self::BadSize { .. } => "picture/bad-size",
            Self::BadCode => "picture/bad-code",
            Self::NameLength(_) => "picture/name-length",
            Self::NationalEmblem => "picture/national-emblem",
        }
    }
}

impl fmt::Display for DrawError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MissingGlyph(c) => {
                write!(f, "the seal face cannot draw {:?} (U+{:04X}); use a listed character or import a picture", c, *c as u32)
            }
            Self::EmptyText(part) => write!(f, "the {part} of the seal is empty"),
            Self::TextTooLong { part, characters } => {
                write!(f, "the {part} has {characters} characters, which do not fit readably; shorten it or use a larger seal")
            }
            Self::BadSize { part, um, least_um, most_um } => {
                write!(f, "the {part} is {um} µm; {least_um} to {most_um} µm can be drawn")
            }
            Self::BadCode => f.write_str("a seal code is 1 to 20 digits or capital letters"),
            Self::NameLength(n) => write!(f, "a name seal takes 2 to 4 characters; {n} were given"),
            Self::NationalEmblem => {
                f.write_str("seals of this rank bear the national emblem, which is not drawn here; import the approved picture")
            }
        }
    }
}

impl std::error::Error for DrawError {}

/// Why an imported picture cannot become a seal's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImportError {
    /// The file itself is refused.
    Png(PngError),
    /// The size on paper is not 10 to 80 mm.
    BadSize,
    /// Fewer than 300 or more than 1200 pixels an inch at that size.
    BadResolution {
        /// Pixels an inch found, rounded; the lesser of both directions when too few, the greater when too many.
        dpi: u32,
    },
    /// Width to height in pixels differs from that on paper by more than 2 %.
    BadAspect,
    /// Next to nothing is painted.
    Empty,
    /// Hardly any pixel is transparent or white: the stamp would cover the text under it.
    NoGround,
    /// On white ground, but of several colours: where it should be transparent cannot be told.
    SeveralColours,
}

impl ImportError {
    /// The stable code, for machines.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Png(e) => e.code(),
            Self::BadSize => "picture/bad-size",
            Self::BadResolution { .. } => "picture/bad-resolution",
            Self::BadAspect => "picture/bad-aspect",
            Self::Empty => "picture/empty",
            Self::NoGround => "picture/no-ground",
            Self::SeveralColours => "picture/several-colours",
        }
    }
}

impl fmt::Display for ImportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Png(e) => e.fmt(f),
            Self::BadSize => f.write_str("a seal measures 10 to 80 mm each way"),
            Self::BadResolution { dpi } => {
                write!(f, "the picture has {dpi} pixels an inch at this size; 300 to 1200 are taken, 600 is best")
            }
            Self::BadAspect => f.write_str("the picture's proportions differ from the seal's size by more than 2 %"),
            Self::Empty => f.write_str("the picture is empty"),
            Self::NoGround => f.write_str("the picture has neither transparent nor white ground"),
            Self::SeveralColours => {
                f.write_str("the picture on white ground has several colours; make the ground transparent, or keep to one colour")
            }
        }
    }
}

impl std::error::Error for ImportError {}

impl From<PngError> for ImportError {
    fn from(e: PngError) -> Self {
        Self::Png(e)
    }
}
