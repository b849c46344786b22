//! Where a signature is shown: its page and its box in millimetres.

use std::collections::HashMap;

use super::super::{Dict, Object, ObjectId, Page, Rect, View};
use super::field::Field;
use super::{RectMm, Result, Widget};

/// Millimetres in a point.
pub(super) const MM: f64 = 25.4 / 72.0;
/// Annotation flags Hidden, Print and NoView (12.5.3): bits 2, 3 and 6. What is not viewed may be printed all the same.
const HIDDEN: i64 = 1 << 1;
const PRINT: i64 = 1 << 2;
const NO_VIEW: i64 = 1 << 5;

/// The page (from 0) that first lists each annotation.
pub(super) fn widgets_of(view: View<'_>, pages: &[Page]) -> Result<HashMap<ObjectId, usize>> {
    let mut shown = HashMap::new();
    for (index, page) in pages.iter().enumerate() {
        let Object::Array(annotations) = view.lookup_in(&page.dict, b"Annots")? else { continue };
        for id in annotations.iter().filter_map(Object::as_reference) {
            shown.entry(id).or_insert(index);
        }
    }
    Ok(shown)
}

/// Where the first widget of `field` is shown.
pub(super) fn widget(
    view: View<'_>,
    field: &Field,
    pages: &[Page],
    shown: &HashMap<ObjectId, usize>,
) -> Result<Widget> {
    let Some((id, dict)) = field.widgets.first() else { return Ok(Widget::default()) };
    let page = id.and_then(|id| shown.get(&id).copied());
    let rect = rect(view, dict)?;
    let rect_mm = page.and_then(|page| pages.get(page)).zip(rect).map(|(page, rect)| on_page(page, rect));
    let rect_mm = rect_mm.filter(|rect| rect.width > 0.0 && rect.height > 0.0);
    let flags = view.lookup_in(dict, b"F")?.as_integer().unwrap_or(0);
    let is_hidden = flags & HIDDEN != 0 || flags & NO_VIEW != 0 && flags & PRINT == 0;
    // One written in place has no number by which its page could be found; only pages hold such.
    let is_nowhere = rect_mm.is_none() && id.is_some()
        || rect.is_none_or(|rect| rect.width() <= 0.0 || rect.height() <= 0.0);
    let is_invisible = is_nowhere || is_hidden || !paints(view, dict)?;
    Ok(Widget { page: page.and_then(|page| u32::try_from(page + 1).ok()), rect_mm, is_invisible })
}

/// Whether it has an appearance for any state (also for the pointer above it), or borders and a ground (`/MK`).
fn paints(view: View<'_>, widget: &Dict) -> Result<bool> {
    for key in [&b"AP"[..], b"MK"] {
        if let Object::Dict(looks) = view.lookup_in(widget, key)? {
            for (_, look) in looks.entries() {
                if !view.follow(look)?.is_null() {
                    return Ok(true);
                }
            }
        }
    }
    Ok(false)
}

/// `/Rect`, normalised.
pub(super) fn rect(view: View<'_>, dict: &Dict) -> Result<Option<Rect>> {
    let Object::Array(items) = view.lookup_in(dict, b"Rect")? else { return Ok(None) };
    let mut numbers = [0.0; 4];
    if items.len() != numbers.len() {
        return Ok(None);
    }
    for (number, item) in numbers.iter_mut().zip(&items) {
        match view.follow(item)?.as_number() {
            Some(value) if value.is_finite() => *number = value,
            _ => return Ok(None),
        }
    }
    let [a, b, c, d] = numbers;
    Ok(Some(Rect { left: a.min(c), bottom: b.min(d), right: a.max(c), top: b.max(d) }))
}

/// From user space to the page as it is shown: cropped, then turned clockwise.
fn on_page(page: &Page, rect: Rect) -> RectMm {
    let seen = page.crop_box;
    let from =
        [rect.left - seen.left, seen.top - rect.top, seen.right - rect.right, rect.bottom - seen.bottom];
    let [left, top, right, bottom] = from;
    let (left, top) = match page.rotate {
        90 => (bottom, left),
        180 => (right, bottom),
        270 => (top, right),
        _ => (left, top),
    };
    let (width, height) = match page.rotate {
        90 | 270 => (rect.height(), rect.width()),
        _ => (rect.width(), rect.height()),
    };
    let mm = MM * page.user_unit;
    RectMm { left: left * mm, top: top * mm, width: width * mm, height: height * mm }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(rotate: u16) -> Page {
        let crop_box = Rect { left: 0.0, bottom: 0.0, right: 720.0, top: 1440.0 };
        let id = ObjectId { number: 1, generation: 0 };
        Page { id, dict: Dict::new(), media_box: crop_box, crop_box, rotate, user_unit: 1.0 }
    }

    #[test]
    fn a_box_is_measured_on_the_page_as_it_is_shown() {
        // Lower left corner of the unturned page; a quarter turn clockwise takes it to the upper left.
        let rect = Rect { left: 72.0, bottom: 144.0, right: 144.0, top: 288.0 };
        let table = [
            (0, [25.4, 406.4, 25.4, 50.8]),
            (90, [50.8, 25.4, 50.8, 25.4]),
            (180, [203.2, 50.8, 25.4, 50.8]),
            (270, [406.4, 203.2, 50.8, 25.4]),
        ];
        for (rotate, expected) in table {
            let RectMm { left, top, width, height } = on_page(&page(rotate), rect);
            for (found, expected) in [left, top, width, height].iter().zip(expected) {
                assert!((found - expected).abs() < 1e-9, "{rotate}: {found} {expected}");
            }
        }
    }
}
