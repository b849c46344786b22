//! Where the signatures of a PDF sit, what each covers, and what came after it. Knows structure, not mathematics.
//!
//! The rules are those of ISO 32000-2, 12.8, read as narrowly as the attacks on them demand: exactly two ranges around
//! the very token of the value; whole revisions or nothing; and after a signature only what a short whitelist names,
//! found by comparing objects of the signed revision with those of now, never by trusting a cross-reference list.

mod allow;
mod change;
mod coverage;
mod extent;
mod field;
mod picture;
mod place;
mod same;
mod survey;
#[cfg(test)]
mod tests;
mod text;
mod value;

use std::ops::Range;

use super::{Limits, Pdf, PdfError};
use crate::document::appearance::Appearance;

/// Signatures of one file that are looked at; a file with more is refused.
const MAX_SIGNATURES: usize = 256;
/// Changes listed after one signature; the rest is counted in one more entry.
const MAX_CHANGES: usize = 100;
/// Tricks listed for one file.
const MAX_TRICKS: usize = 100;

type Result<T> = std::result::Result<T, PdfError>;

/// Every signature of a file, and what is odd about the file as a whole.
#[derive(Debug, Clone, PartialEq)]
pub struct Analysis {
    /// Oldest first (by where their ranges end), document time stamps included.
    pub signatures: Vec<Placed>,
    /// Tricks that concern the file, and so every signature in it; the gravest first.
    pub tricks: Vec<Trick>,
}

/// A signature, where it sits and what it covers.
#[derive(Debug, Clone, PartialEq)]
pub struct Placed {
    /// The field's full name (`/T`, with dots between parent and child).
    pub field_name: String,
    /// `/Filter`. A hint at best: the first element of the value decides what it is.
    pub filter: Option<String>,
    /// `/SubFilter`, also a hint.
    pub sub_filter: Option<String>,
    /// Whether it calls itself a document time stamp (`/Type /DocTimeStamp` or `/SubFilter /ETSI.RFC3161`).
    pub is_time_stamp: bool,
    /// The octets of `/Contents` up to the end of their outermost ASN.1 element; empty where there are none.
    pub value: Vec<u8>,
    /// The two stretches of the file that were signed. `None` where `/ByteRange` gives no two ranges around the value,
    /// which a failed trick then says: there is nothing to check a signature against.
    pub signed: Option<[Range<usize>; 2]>,
    /// How far they reach.
    pub covers: Coverage,
    /// What lies outside them without being a whole later revision, as sentences.
    pub uncovered: Vec<String>,
    /// Where it is shown.
    pub widget: Widget,
    /// The picture it shows, where that has the exact shape of our own stamps; `None` for anything else.
    pub appearance: Option<Appearance>,
    /// What later revisions changed, allowed or not.
    pub changes_after: Vec<Change>,
    /// Tricks that concern this signature.
    pub tricks: Vec<Trick>,
    /// What its signer certified about later changes (DocMDP).
    pub certification: Option<DocMdp>,
    /// `/M` as written: claimed, unverified.
    pub signing_time_text: Option<String>,
    /// `/Reason`.
    pub reason: Option<String>,
    /// `/Location`.
    pub location: Option<String>,
    /// `/Name`.
    pub name: Option<String>,
}

/// How far a signature's ranges reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coverage {
    /// From the first octet to the last, its own value excepted.
    Whole,
    /// To the end of the revision of this index (from 0, the oldest); whole revisions follow.
    Revision(usize),
    /// Anything else.
    Part,
}

/// Where a signature field is shown.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Widget {
    /// The page that lists it, from 1; `None` where none does.
    pub page: Option<u32>,
    /// Its box on the visible page; `None` where it has no area or is on no page.
    pub rect_mm: Option<RectMm>,
    /// Nothing can be seen: no area, no page, no appearance, or flagged hidden.
    pub is_invisible: bool,
}

/// A box on a page as it is shown (cropped and turned), in millimetres.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RectMm {
    /// From the page's left edge.
    pub left: f64,
    /// From the page's top edge.
    pub top: f64,
    /// Width.
    pub width: f64,
    /// Height.
    pub height: f64,
}

/// What an author's certification lets others do (ISO 32000-2, 12.8.2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DocMdp {
    /// 1: nothing; 2: filling in forms and signing; 3: annotations too. 2 where it isn't said.
    pub permission: i64,
}

/// One thing that differs between what was signed and what the file is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// A sentence.
    pub what: String,
    /// Whether it is on the whitelist and, after a certification, permitted by it.
    pub allowed: bool,
    /// What sort of thing.
    pub kind: ChangeKind,
    /// The field that was added and shows something, wherever whoever added it wanted.
    pub shown_field: Option<String>,
}

/// Sorts of changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    /// A further signature field, signed or empty, with its own appearance.
    Signature,
    /// A further document time stamp.
    TimeStamp,
    /// Certificates and revocation data for long-term checking (DSS).
    ValidationData,
    /// Producer, date, metadata or version of the file: nothing shown.
    Description,
    /// Anything else.
    Content,
}

/// A known way to make a signature look better than it is, or something that could hide one.
///
/// | `id` begins | what it is about |
/// | --- | --- |
/// | `usf/` | universal signature forgery: value or ranges missing, empty or senseless |
/// | `swa/` | signature wrapping: ranges around anything but the value, something hidden beside it |
/// | `isa/` | incremental saving: a tail, loose octets, a signature gone |
/// | `shadow/` | content prepared before signing, to be shown or hidden later |
/// | `structure/` | a file that two readers may read as two documents, or that one may mend |
/// | `certification/` | a certification broken, doubled or misplaced |
/// | `field/` | signature fields that share a value or a name, or that the form doesn't list |
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trick {
    /// Stable code, such as `swa/gap`.
    pub id: &'static str,
    /// A sentence.
    pub says: String,
    /// What it does to the verdict.
    pub severity: Severity,
}

/// What a trick does to a verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The verdict is undecided at best.
    Capped,
    /// Two readers may see two documents, or nothing is signed: failed.
    Failed,
}

impl Trick {
    fn failed(id: &'static str, says: impl Into<String>) -> Self {
        Self { id, says: says.into(), severity: Severity::Failed }
    }

    fn capped(id: &'static str, says: impl Into<String>) -> Self {
        Self { id, says: says.into(), severity: Severity::Capped }
    }
}

impl Analysis {
    /// Whether neither the file nor any signature shows a trick, an uncovered part or a change that isn't allowed.
    /// Says nothing of whether the signatures hold.
    pub fn is_clean(&self) -> bool {
        self.tricks.is_empty() && self.signatures.iter().all(Placed::is_clean)
    }
}

impl Placed {
    /// The signed octets of `bytes`, the file this was found in: what a digest is made of, in this order. `None` where
    /// there are none.
    pub fn signed_parts<'b>(&self, bytes: &'b [u8]) -> Option<[&'b [u8]; 2]> {
        let [first, second] = self.signed.as_ref()?;
        Some([bytes.get(first.clone())?, bytes.get(second.clone())?])
    }

    /// The revision it covers; `None` where that is the whole file, or nothing to speak of.
    fn signed_revision(&self) -> Option<usize> {
        match self.covers {
            Coverage::Revision(index) => Some(index),
            Coverage::Whole | Coverage::Part => None,
        }
    }

    /// Whether this signature shows no trick, no uncovered part and no change that isn't allowed.
    pub fn is_clean(&self) -> bool {
        self.tricks.is_empty()
            && self.uncovered.is_empty()
            && self.covers != Coverage::Part
            && self.changes_after.iter().all(|change| change.allowed)
    }
}

/// Finds every signature of `pdf` and compares what each signed with what the file is now. A file without any gives an
/// empty list.
///
/// # Errors
/// [`PdfError::Malformed`] where catalogue, form or page tree cannot be read; [`PdfError::TooLarge`] beyond 256
/// signatures, `limits` or those the file was opened with; [`PdfError::TooCostly`] once the budget of either is used up.
pub fn signatures(pdf: &Pdf<'_>, limits: &Limits) -> Result<Analysis> {
    // First, since it bounds what reading the objects of a hostile file costs.
    let history = pdf.history();
    let survey = survey::survey(pdf, history, limits)?;
    let view = pdf.latest();
    let (fields, names) = field::signed_fields(view)?;
    if fields.len() > MAX_SIGNATURES {
        return Err(PdfError::TooLarge { what: "signatures", limit: MAX_SIGNATURES });
    }
    let removed = field::removed(pdf, &fields)?;
    if fields.is_empty() && removed.is_empty() && !pdf.limits().budget.is_spent() {
        return Ok(Analysis { signatures: Vec::new(), tricks: Vec::new() });
    }
    let pages = view.pages()?;
    let shown = place::widgets_of(view, &pages)?;
    let mut comparisons = change::Comparisons::new(pdf, history, &survey, &pages);
    let mut signatures = Vec::with_capacity(fields.len());
    for each in &fields {
        let mut placed = value::read(pdf, each)?;
        coverage::judge(pdf, &mut placed);
        placed.widget = place::widget(view, each, &pages, &shown)?;
        let page = placed.widget.page.and_then(|page| pages.get(page as usize - 1));
        placed.appearance = page.and_then(|page| picture::appearance(view, each, page));
        if let Coverage::Revision(index) = placed.covers {
            placed.changes_after = comparisons.since(index)?;
        }
        value::enforce_certification(&mut placed);
        signatures.push(placed);
    }
    signatures.sort_by_key(|placed| placed.signed.as_ref().map(|[_, second]| second.end));
    let first_signed = signatures.iter().filter_map(Placed::signed_revision).min();
    let mut tricks = survey.tricks(first_signed);
    tricks.extend(coverage::of_file(pdf, &signatures));
    tricks.extend(names);
    tricks.extend(field::shared_values(&fields));
    tricks.extend(removed);
    tricks.extend(value::permissions(pdf, &fields)?);
    tricks.sort_by_key(|trick| std::cmp::Reverse(trick.severity));
    tricks.truncate(MAX_TRICKS);
    // What was passed over as unreadable may have been so for want of budget alone: nothing is said then.
    if limits.budget.is_spent() || pdf.limits().budget.is_spent() {
        return Err(PdfError::TooCostly);
    }
    Ok(Analysis { signatures, tricks })
}
