//! From millimetres on the page one sees to a rectangle in user space.

use super::PdfError;
use super::page::{Page, Rect};
use crate::document::appearance::Appearance;

/// Points to a millimetre.
const POINTS_PER_MM: f64 = 72.0 / 25.4;
/// A stamp may stick out by this much, for rounding's sake.
const SLACK_MM: f64 = 0.01;
/// Largest side of a stamp, in micrometres.
const MAX_STAMP_UM: u32 = 2_000_000;

/// Where a stamp goes: its centre on the page as a reader shows it (cropped and turned).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Placement {
    /// Page number from 1.
    pub page: u32,
    /// Centre from the left edge, in millimetres.
    pub x_mm: f64,
    /// Centre from the top edge, in millimetres.
    pub y_mm: f64,
}

/// A place found on a page.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Place {
    /// The annotation's rectangle in user space.
    pub(super) rect: Rect,
    /// Width and height of the upright picture in user space units.
    pub(super) size: [f64; 2],
    /// The turn of the page, which the picture undoes: 0, 90, 180 or 270.
    pub(super) rotate: u16,
}

/// Finds the rectangle for `appearance` at `placement`.
///
/// # Errors
/// [`PdfError::StampSize`], [`PdfError::PageSize`], [`PdfError::OffPage`], each with its numbers.
pub(super) fn place(placement: &Placement, appearance: &Appearance, page: &Page) -> Result<Place, PdfError> {
    let stamp_um = [appearance.width_um, appearance.height_um];
    if !stamp_um.iter().all(|side| (1..=MAX_STAMP_UM).contains(side)) {
        return Err(PdfError::StampSize { stamp_um });
    }
    let units_per_mm = POINTS_PER_MM / page.user_unit;
    let visible = page.crop_box;
    let [across, down] = turned([visible.width(), visible.height()], page.rotate);
    let page_mm = [across / units_per_mm, down / units_per_mm];
    if !page_mm.iter().all(|side| (1.0..=20_000.0).contains(side)) {
        return Err(PdfError::PageSize { page: placement.page, page_mm });
    }
    let [width_mm, height_mm] = stamp_um.map(|side| f64::from(side) / 1000.0);
    let [left, top] = [placement.x_mm - width_mm / 2.0, placement.y_mm - height_mm / 2.0];
    let [right, bottom] = [left + width_mm, top + height_mm];
    let fits = |low: f64, high: f64, side: f64| low >= -SLACK_MM && high <= side + SLACK_MM;
    if !fits(left, right, page_mm[0]) || !fits(top, bottom, page_mm[1]) {
        return Err(PdfError::OffPage {
            page: placement.page,
            stamp_mm: [left, top, right, bottom],
            page_mm,
        });
    }
    let size = [width_mm * units_per_mm, height_mm * units_per_mm];
    let centre = [placement.x_mm * units_per_mm, placement.y_mm * units_per_mm];
    Ok(Place { rect: rect(visible, centre, size, page.rotate), size, rotate: page.rotate })
}

/// A clockwise turn by 90° brings the left edge up and the bottom edge to the left (ISO 32000-2, table 31).
fn rect(visible: Rect, [across, down]: [f64; 2], size: [f64; 2], rotate: u16) -> Rect {
    let [x, y] = match rotate {
        90 => [visible.left + down, visible.bottom + across],
        180 => [visible.right - across, visible.bottom + down],
        270 => [visible.right - down, visible.top - across],
        _ => [visible.left + across, visible.top - down],
    };
    let [width, height] = turned(size, rotate);
    Rect { left: x - width / 2.0, bottom: y - height / 2.0, right: x + width / 2.0, top: y + height / 2.0 }
}

fn turned([a, b]: [f64; 2], rotate: u16) -> [f64; 2] {
    if rotate == 90 || rotate == 270 { [b, a] } else { [a, b] }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::appearance::Paint;
    use crate::document::pdf::{Dict, ObjectId};

    fn page(rotate: u16, user_unit: f64) -> Page {
        let crop_box = Rect {
            left: 10.0,
            bottom: 20.0,
            right: 10.0 + 210.0 * POINTS_PER_MM,
            top: 20.0 + 297.0 * POINTS_PER_MM,
        };
        let id = ObjectId { number: 1, generation: 0 };
        Page { id, dict: Dict::new(), media_box: crop_box, crop_box, rotate, user_unit }
    }

    fn stamp(width_um: u32, height_um: u32) -> Appearance {
        let paint = Paint::Mask { rgb: [0; 3], width_px: 1, height_px: 1, idat: [].into() };
        Appearance { width_um, height_um, paint }
    }

    fn at(page_number: u32, x_mm: f64, y_mm: f64) -> Placement {
        Placement { page: page_number, x_mm, y_mm }
    }

    #[test]
    fn the_centre_lands_where_a_reader_shows_it_however_the_page_is_turned() {
        // (turn, centre of the rectangle in mm from the left and the bottom of the crop box)
        for (rotate, x_mm, y_mm) in
            [(0, 30.0, 247.0), (90, 50.0, 30.0), (180, 180.0, 50.0), (270, 160.0, 267.0)]
        {
            let page = page(rotate, 1.0);
            let rect = place(&at(1, 30.0, 50.0), &stamp(40_000, 20_000), &page).unwrap().rect;
            let centre = [(rect.left + rect.right) / 2.0 - 10.0, (rect.bottom + rect.top) / 2.0 - 20.0];
            let centre = centre.map(|side| (side / POINTS_PER_MM * 1e6).round() / 1e6);
            assert_eq!(centre, [x_mm, y_mm], "turned by {rotate}");
            let is_upright = rect.width() > rect.height();
            assert_eq!(is_upright, rotate % 180 == 0);
        }
    }

    #[test]
    fn a_user_unit_makes_the_page_larger_and_the_stamp_no_larger() {
        let place = place(&at(1, 400.0, 500.0), &stamp(40_000, 40_000), &page(0, 2.0)).unwrap();
        assert!((place.size[0] - 20.0 * POINTS_PER_MM).abs() < 1e-9);
    }

    #[test]
    fn what_does_not_fit_is_refused_with_numbers() {
        let seal = stamp(40_000, 40_000);
        assert!(place(&at(1, 20.0, 20.0), &seal, &page(0, 1.0)).is_ok());
        for (x_mm, y_mm) in [
            (19.9, 20.0),
            (20.0, 277.1),
            (190.1, 100.0),
            (f64::NAN, 50.0),
            (50.0, f64::INFINITY),
            (-5.0, 9.0),
        ] {
            assert!(matches!(
                place(&at(1, x_mm, y_mm), &seal, &page(0, 1.0)),
                Err(PdfError::OffPage { page: 1, .. })
            ));
        }
        let mut small = page(0, 1.0);
        small.crop_box = Rect::default();
        assert!(matches!(place(&at(1, 0.0, 0.0), &seal, &small), Err(PdfError::PageSize { .. })));
        assert!(matches!(place(&at(1, 0.0, 0.0), &seal, &page(0, 1e9)), Err(PdfError::PageSize { .. })));
        assert!(matches!(
            place(&at(1, 50.0, 50.0), &stamp(0, 9), &page(0, 1.0)),
            Err(PdfError::StampSize { .. })
        ));
        let error = place(&at(1, 5.0, 50.0), &seal, &page(0, 1.0)).unwrap_err().to_string();
        assert!(
            error.contains("from -15.0 to 25.0 mm across") && error.contains("210.0 × 297.0 mm"),
            "{error}"
        );
    }
}
