//! The page tree (ISO 32000-2, 7.7.3), walked with a bound.

use std::collections::HashSet;

use super::PdfError;
use super::file::View;
use super::object::{Dict, Object, ObjectId};

/// Levels of the page tree.
const MAX_LEVELS: usize = 64;

type Result<T> = std::result::Result<T, PdfError>;

/// A rectangle in user space, normalised: `left ≤ right`, `bottom ≤ top`.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Rect {
    /// Least x.
    pub left: f64,
    /// Least y.
    pub bottom: f64,
    /// Greatest x.
    pub right: f64,
    /// Greatest y.
    pub top: f64,
}

/// A page with what it inherits.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// The page object.
    pub id: ObjectId,
    /// Its dictionary as written, without what it inherits.
    pub dict: Dict,
    /// `/MediaBox`, inherited or own; all zero where it is missing or no rectangle.
    pub media_box: Rect,
    /// `/CropBox` within the media box: what a reader shows. The media box where there is none.
    pub crop_box: Rect,
    /// Clockwise turn when shown: 0, 90, 180 or 270 degrees.
    pub rotate: u16,
    /// Points to a unit of user space, 1 by default.
    pub user_unit: f64,
}

impl Rect {
    /// Right less left.
    pub fn width(&self) -> f64 {
        self.right - self.left
    }

    /// Top less bottom.
    pub fn height(&self) -> f64 {
        self.top - self.bottom
    }

    /// The part of both, `None` where they do not meet.
    pub fn intersection(&self, other: &Self) -> Option<Self> {
        let both = Self {
            left: self.left.max(other.left),
            bottom: self.bottom.max(other.bottom),
            right: self.right.min(other.right),
            top: self.top.min(other.top),
        };
        (both.width() > 0.0 && both.height() > 0.0).then_some(both)
    }
}

/// What a node hands down to its children.
#[derive(Clone, Default)]
struct Inherited {
    media_box: Option<Rect>,
    crop_box: Option<Rect>,
    rotate: Option<i64>,
}

/// Every page in order.
pub(super) fn pages(view: View<'_>) -> Result<Vec<Page>> {
    let mut pages = Vec::new();
    let before = view.pdf().values_read();
    let limit = view.pdf().limits().max_values.saturating_mul(4);
    let mut is_too_large = false;
    walk(view, &mut |page| {
        pages.push(page);
        is_too_large = view.pdf().values_read() - before > limit;
        if is_too_large { Walk::Stop } else { Walk::On }
    })?;
    if is_too_large { Err(PdfError::TooLarge { what: "values in all pages", limit }) } else { Ok(pages) }
}

/// Page `number`, from 1. Pages behind it are not looked at, those before it not kept.
pub(super) fn nth(view: View<'_>, number: u32) -> Result<Page> {
    let (mut count, mut found) = (0usize, None);
    walk(view, &mut |page| {
        count += 1;
        if count != number as usize {
            return Walk::On;
        }
        found = Some(page);
        Walk::Stop
    })?;
    found.ok_or(PdfError::MissingPage { page: number, pages: count })
}

#[derive(PartialEq)]
enum Walk {
    On,
    Stop,
}

fn walk(view: View<'_>, visit: &mut dyn FnMut(Page) -> Walk) -> Result<()> {
    let catalog = view.catalog()?;
    let root = catalog.find(b"Pages").and_then(Object::as_reference);
    let root = root.ok_or(PdfError::malformed("the catalogue leads to no page tree", 0))?;
    let mut seen = HashSet::new();
    // Children are pushed in reverse, so that the stack gives pages in order.
    let mut open = vec![(root, Inherited::default(), 0usize)];
    while let Some((id, inherited, level)) = open.pop() {
        if !seen.insert(id) || level > MAX_LEVELS {
            return Err(PdfError::malformed("the page tree goes round in a circle or too deep", 0));
        }
        let Object::Dict(node) = view.resolve(id)? else {
            return Err(PdfError::malformed("a node of the page tree is no dictionary", 0));
        };
        let inherited = inherited.with(view, &node)?;
        let kids = if node.is(b"Type", b"Page") { Object::Null } else { view.lookup_in(&node, b"Kids")? };
        let Object::Array(kids) = kids else {
            if visit(page(view, id, node, &inherited)?) == Walk::Stop {
                return Ok(());
            }
            continue;
        };
        if seen.len() + open.len() + kids.len() > view.pdf().limits().max_pages {
            return Err(PdfError::TooLarge { what: "pages", limit: view.pdf().limits().max_pages });
        }
        for kid in kids.iter().rev() {
            let kid = kid.as_reference().ok_or(PdfError::malformed("a page is not an indirect object", 0))?;
            open.push((kid, inherited.clone(), level + 1));
        }
    }
    Ok(())
}

impl Inherited {
    fn with(self, view: View<'_>, node: &Dict) -> Result<Self> {
        Ok(Self {
            media_box: rect(view, node, b"MediaBox")?.or(self.media_box),
            crop_box: rect(view, node, b"CropBox")?.or(self.crop_box),
            rotate: view.lookup_in(node, b"Rotate")?.as_integer().or(self.rotate),
        })
    }
}

fn page(view: View<'_>, id: ObjectId, dict: Dict, inherited: &Inherited) -> Result<Page> {
    let media_box = inherited.media_box.unwrap_or_default();
    let crop_box = inherited.crop_box.and_then(|crop| crop.intersection(&media_box)).unwrap_or(media_box);
    let user_unit = view.lookup_in(&dict, b"UserUnit")?.as_number().filter(|unit| *unit > 0.0).unwrap_or(1.0);
    // Anything but a multiple of 90 is void (table 31).
    let turn = inherited.rotate.unwrap_or(0).rem_euclid(360);
    let rotate = if turn % 90 == 0 { turn as u16 } else { 0 };
    Ok(Page { id, dict, media_box, crop_box, rotate, user_unit })
}

/// Four numbers under `key`, normalised; `None` where there is something else.
fn rect(view: View<'_>, dict: &Dict, key: &[u8]) -> Result<Option<Rect>> {
    let Object::Array(items) = view.lookup_in(dict, key)? else { return Ok(None) };
    let [a, b, c, d] = &items[..] else { return Ok(None) };
    let mut numbers = [0.0; 4];
    for (number, item) in numbers.iter_mut().zip([a, b, c, d]) {
        match view.follow(item)?.as_number() {
            Some(value) if value.is_finite() => *number = value,
            _ => return Ok(None),
        }
    }
    let [a, b, c, d] = numbers;
    Ok(Some(Rect { left: a.min(c), bottom: b.min(d), right: a.max(c), top: b.max(d) }))
}
