//! The picture of a stamp, read back where it has the exact shape that [`super::super::stamp`] writes: one picture, drawn
//! at its real size, upright, and nothing else. Anything that could show something different is no picture of ours.

use super::super::{Dict, Object, Page, Rect, Stream, View};
use super::field::Field;
use super::place::{MM, rect};
use crate::document::appearance::{Appearance, Paint};

/// What two lengths in user space may differ by: they were written with five decimals.
const SLACK: f64 = 1e-3;

/// What the one widget of `field` on `page` paints; `None` for any shape but our own.
pub(super) fn appearance(view: View<'_>, field: &Field, page: &Page) -> Option<Appearance> {
    let [(_, widget)] = &field.widgets[..] else { return None };
    let appearances = followed_dict(view, widget, b"AP")?;
    has_only(&appearances, &[b"N"]).then_some(())?;
    let form = followed_stream(view, &appearances, b"N")?;
    has_only(&form.dict, &[b"Type", b"Subtype", b"BBox", b"Matrix", b"Resources", b"Length"]).then_some(())?;
    form.dict.is(b"Subtype", b"Form").then_some(())?;
    let [left, bottom, width, height] = numbers(&form.dict, b"BBox")?;
    let is_upright = numbers(&form.dict, b"Matrix")? == turn_back(page.rotate);
    let place = rect(view, widget).ok()??;
    if [left, bottom] != [0.0, 0.0] || !is_upright || !fills(place, [width, height], page.rotate) {
        return None;
    }
    let drawn = format!("q {width} 0 0 {height} 0 0 cm /S Do Q");
    (octets(view, &form)? == drawn.as_bytes()).then_some(())?;
    let resources = followed_dict(view, &form.dict, b"Resources")?;
    let pictures = followed_dict(view, &resources, b"XObject")?;
    (has_only(&resources, &[b"XObject"]) && has_only(&pictures, &[b"S"])).then_some(())?;
    let paint = paint(view, &followed_stream(view, &pictures, b"S")?)?;
    let [width_um, height_um] = [width, height].map(|side| micrometres(side * page.user_unit));
    Some(Appearance { width_um: width_um?, height_um: height_um?, paint })
}

/// The matrix that undoes the turn of a page.
fn turn_back(rotate: u16) -> [f64; 6] {
    match rotate {
        90 => [0.0, 1.0, -1.0, 0.0, 0.0, 0.0],
        180 => [-1.0, 0.0, 0.0, -1.0, 0.0, 0.0],
        270 => [0.0, -1.0, 1.0, 0.0, 0.0, 0.0],
        _ => [1.0, 0.0, 0.0, 1.0, 0.0, 0.0],
    }
}

/// Whether a picture of this size fills the annotation's rectangle without being stretched.
fn fills(place: Rect, [width, height]: [f64; 2], rotate: u16) -> bool {
    let [across, down] = if matches!(rotate, 90 | 270) { [height, width] } else { [width, height] };
    (place.width() - across).abs() < SLACK && (place.height() - down).abs() < SLACK
}

fn micrometres(points: f64) -> Option<u32> {
    let micrometres = (points * MM * 1000.0).round();
    // In range, so that the cast is exact.
    (1.0..=4e9).contains(&micrometres).then_some(micrometres as u32)
}

fn paint(view: View<'_>, picture: &Stream) -> Option<Paint> {
    let size = raster(picture, b"DeviceRGB")?;
    let is_plain = picture.dict.find(b"DecodeParms").is_none();
    let mask = match picture.dict.find(b"SMask") {
        Some(_) => Some(followed_stream(view, &picture.dict, b"SMask")?),
        None => None,
    };
    if let ([1, 1], None, Some(mask)) = (size, picture.dict.find(b"Filter"), &mask) {
        let rgb = <[u8; 3]>::try_from(octets(view, picture)?).ok()?;
        let [width_px, height_px] = raster(mask, b"DeviceGray")?;
        let is_png = is_deflated(mask) && is_png_rows(&mask.dict, width_px);
        return (is_plain && is_png && mask.dict.find(b"SMask").is_none()).then_some(Paint::Mask {
            rgb,
            width_px,
            height_px,
            idat: octets(view, mask)?.into(),
        });
    }
    let alpha = match &mask {
        None => None,
        Some(mask) => {
            let is_alike = raster(mask, b"DeviceGray")? == size && is_deflated(mask);
            let is_bare = mask.dict.find(b"DecodeParms").is_none() && mask.dict.find(b"SMask").is_none();
            (is_alike && is_bare).then_some(())?;
            Some(octets(view, mask)?.into())
        }
    };
    let [width_px, height_px] = size;
    (is_plain && is_deflated(picture)).then_some(())?;
    Some(Paint::Colour { width_px, height_px, rgb: octets(view, picture)?.into(), alpha })
}

/// Width and height of an 8-bit image of this colour space with no entry that would change how it looks.
fn raster(picture: &Stream, colours: &[u8]) -> Option<[u32; 2]> {
    let dict = &picture.dict;
    let keys: [&[u8]; 10] = [
        b"Type",
        b"Subtype",
        b"Width",
        b"Height",
        b"ColorSpace",
        b"BitsPerComponent",
        b"Filter",
        b"DecodeParms",
        b"SMask",
        b"Length",
    ];
    let is_known = has_only(dict, &keys)
        && dict.is(b"Subtype", b"Image")
        && dict.is(b"ColorSpace", colours)
        && dict.find(b"BitsPerComponent") == Some(&Object::Integer(8));
    is_known.then_some(())?;
    let side =
        |key: &[u8]| dict.find(key)?.as_integer().and_then(|n| u32::try_from(n).ok()).filter(|n| *n > 0);
    Some([side(b"Width")?, side(b"Height")?])
}

fn is_deflated(picture: &Stream) -> bool {
    picture.dict.is(b"Filter", b"FlateDecode")
}

fn is_png_rows(dict: &Dict, width_px: u32) -> bool {
    let Some(Object::Dict(parameters)) = dict.find(b"DecodeParms") else { return false };
    let expected: [(&[u8], i64); 4] =
        [(b"Predictor", 15), (b"Colors", 1), (b"BitsPerComponent", 8), (b"Columns", i64::from(width_px))];
    has_only(parameters, &expected.map(|(key, _)| key))
        && expected.iter().all(|(key, value)| parameters.find(key) == Some(&Object::Integer(*value)))
}

fn has_only(dict: &Dict, keys: &[&[u8]]) -> bool {
    !dict.has_duplicates() && dict.entries().iter().all(|(key, _)| keys.contains(&key.as_slice()))
}

fn followed_dict(view: View<'_>, dict: &Dict, key: &[u8]) -> Option<Dict> {
    match view.lookup_in(dict, key) {
        Ok(Object::Dict(found)) => Some(found),
        _ => None,
    }
}

fn followed_stream(view: View<'_>, dict: &Dict, key: &[u8]) -> Option<Stream> {
    match view.lookup_in(dict, key) {
        Ok(Object::Stream(found)) => Some(found),
        _ => None,
    }
}

/// The octets as they stand in the file, before any filter.
fn octets<'p>(view: View<'p>, stream: &Stream) -> Option<&'p [u8]> {
    view.pdf().bytes().get(stream.span.clone())
}

fn numbers<const N: usize>(dict: &Dict, key: &[u8]) -> Option<[f64; N]> {
    let items = dict.find(key)?.as_array()?;
    let numbers: Option<Vec<f64>> = items.iter().map(Object::as_number).collect();
    numbers?.try_into().ok()
}
