//! Stamping: a signature field with its picture, added by one increment (ISO 32000-2, 12.7.5.5 and 12.8).

use std::sync::Arc;

use sm3::{Digest as _, Sm3};

use super::PdfError;
use super::file::{Pdf, View};
use super::object::{Dict, Object, ObjectId, PdfString};
use super::page::Page;
use super::permission::{Fields, STAMP};
use super::place::{Place, Placement, place};
use super::write::{Increment, Unsigned, hex_pair};
use crate::document::appearance::{Appearance, Paint};

/// Most octets kept for a signature value.
pub const MAX_ROOM_BYTES: usize = 4 << 20;
/// Annotation flags print (4) and locked (128).
const PRINT_AND_LOCKED: i64 = 132;
/// Signature flags: signatures exist (1), append only (2).
const SIGNATURES_EXIST_APPEND_ONLY: i64 = 3;

type Result<T> = std::result::Result<T, PdfError>;

/// Which pair of `/Filter` and `/SubFilter` announces the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignatureKind {
    /// A bare SES_Signature of GB/T 38540: `Gomain.GMPkiLite`, `GM.sm2seal`.
    SesSeal,
    /// CMS: `Adobe.PPKLite`, `adbe.pkcs7.detached`.
    Cms,
    /// PAdES: `Adobe.PPKLite`, `ETSI.CAdES.detached`.
    Pades,
}

/// What a stamp says of itself beside its value. None of it is proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StampNames {
    /// What the value will be.
    pub kind: SignatureKind,
    /// Why it was stamped.
    pub reason: Option<String>,
    /// Where it was stamped.
    pub location: Option<String>,
    /// The signing time as a PDF date: `D:20261120183000+08'00'`.
    pub signed_at: String,
}

/// A file ready for its signature value.
#[derive(Debug)]
pub struct Prepared {
    unsigned: Unsigned,
    field: String,
    document_bytes: usize,
}

/// What one pass over a prepared file tells: each octet is digested once, though three digests are wanted.
#[derive(Clone)]
pub struct Digests {
    /// SM3 of the document as it came.
    pub document: [u8; 32],
    /// SM3 over the octets of `/ByteRange`: all but the value.
    pub signed: [u8; 32],
    before_value: Sm3,
    value_at: usize,
}

impl Pdf<'_> {
    /// Adds a stamp to a page, with `room_bytes` for a value not yet known. Every octet of the file stays as it was.
    ///
    /// # Errors
    /// [`PdfError::MissingPage`], [`PdfError::OffPage`], [`PdfError::PageSize`], [`PdfError::StampSize`],
    /// [`PdfError::Certified`], [`PdfError::Locked`], [`PdfError::Form`]; [`PdfError::Malformed`] where an object that
    /// must be read or changed is broken or ambiguous; limits.
    pub fn prepare(
        &self,
        placement: &Placement,
        appearance: &Appearance,
        names: &StampNames,
        room_bytes: usize,
    ) -> Result<Prepared> {
        if room_bytes > MAX_ROOM_BYTES {
            return Err(PdfError::TooLarge {
                what: "octets of room for a signature value",
                limit: MAX_ROOM_BYTES,
            });
        }
        let view = self.latest();
        let page = view.page(placement.page)?;
        let page = Page { dict: unambiguous(page.dict)?, ..page };
        let place = place(placement, appearance, &page)?;
        let form = Form::read(view)?;
        let field = form.free_name()?;
        form.fields.allow(view, &form.catalog, &field)?;

        let mut increment = Increment::new(view)?;
        let picture = picture(&mut increment, appearance, &place)?;
        let signature = increment.add_signature(signature(names), room_bytes)?;
        let widget = increment.add(Object::Dict(widget(&page, &place, &field, signature, picture)))?;
        annotate(&mut increment, page, widget)?;
        form.extend(&mut increment, widget)?;
        Ok(Prepared { unsigned: increment.finish()?, field, document_bytes: self.bytes().len() })
    }
}

impl Prepared {
    /// SM3 over the octets of `/ByteRange`: all but the value.
    pub fn digest(&self) -> [u8; 32] {
        let mut hasher = Sm3::new();
        for part in self.signed_parts() {
            hasher.update(part);
        }
        hasher.finalize().into()
    }

    /// The digests of document and covered octets together.
    pub fn digests(&self) -> Digests {
        let [before, after] = self.signed_parts();
        let (document, increment) = before.split_at(self.document_bytes.min(before.len()));
        let mut hasher = Sm3::new();
        hasher.update(document);
        let document = hasher.clone().finalize().into();
        hasher.update(increment);
        let before_value = hasher.clone();
        hasher.update(after);
        Digests { document, signed: hasher.finalize().into(), before_value, value_at: before.len() }
    }

    /// The two parts of the file that the signature covers, for digests other than SM3.
    pub fn signed_parts(&self) -> [&[u8]; 2] {
        let Unsigned { octets, contents } = &self.unsigned;
        [&octets[..contents.start], &octets[contents.end..]]
    }

    /// The name of the new field: `Stamp1`, `Stamp2` …
    pub fn field(&self) -> &str {
        &self.field
    }

    /// Octets kept for the value.
    pub fn room_bytes(&self) -> usize {
        (self.unsigned.contents.len() - 2) / 2
    }

    /// Puts the signature value in its place and gives back the stamped file.
    ///
    /// # Errors
    /// [`PdfError::NoRoom`] where `value` is longer than the room prepared.
    pub fn embed(self, value: &[u8]) -> Result<Vec<u8>> {
        let room = self.room_bytes();
        if value.len() > room {
            return Err(PdfError::NoRoom { needed: value.len(), room });
        }
        let Unsigned { mut octets, contents } = self.unsigned;
        let places = octets[contents.start + 1..contents.end - 1].chunks_exact_mut(2);
        for (place, byte) in places.zip(value) {
            place.copy_from_slice(&hex_pair(*byte));
        }
        Ok(octets)
    }
}

impl Digests {
    /// SM3 of the stamped file, of which only value and what follows it are digested anew. `product` must be what
    /// [`Prepared::embed`] gave back.
    pub fn product(self, product: &[u8]) -> [u8; 32] {
        let mut hasher = self.before_value;
        hasher.update(product.get(self.value_at..).unwrap_or_default());
        hasher.finalize().into()
    }
}

impl std::fmt::Debug for Digests {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Digests(…)")
    }
}

fn signature(names: &StampNames) -> Dict {
    let (filter, sub_filter): (&str, &str) = match names.kind {
        SignatureKind::SesSeal => ("Gomain.GMPkiLite", "GM.sm2seal"),
        SignatureKind::Cms => ("Adobe.PPKLite", "adbe.pkcs7.detached"),
        SignatureKind::Pades => ("Adobe.PPKLite", "ETSI.CAdES.detached"),
    };
    let mut dict = Dict::new();
    dict.set(b"Type", name("Sig"));
    dict.set(b"Filter", name(filter));
    dict.set(b"SubFilter", name(sub_filter));
    dict.set(b"M", text(&names.signed_at));
    for (key, value) in [(&b"Reason"[..], &names.reason), (b"Location", &names.location)] {
        if let Some(value) = value {
            dict.set(key, text(value));
        }
    }
    dict
}

/// The field and its widget in one dictionary (12.5.6.19).
fn widget(page: &Page, place: &Place, field: &str, signature: ObjectId, picture: ObjectId) -> Dict {
    let rect = place.rect;
    let mut dict = Dict::new();
    dict.set(b"Type", name("Annot"));
    dict.set(b"Subtype", name("Widget"));
    dict.set(b"FT", name("Sig"));
    dict.set(b"T", text(field));
    dict.set(b"F", Object::Integer(PRINT_AND_LOCKED));
    dict.set(b"Rect", numbers(&[rect.left, rect.bottom, rect.right, rect.top]));
    dict.set(b"P", Object::Reference(page.id));
    dict.set(b"V", Object::Reference(signature));
    dict.set(b"AP", one_entry(b"N", Object::Reference(picture)));
    if place.rotate != 0 {
        dict.set(b"MK", one_entry(b"R", Object::Integer(i64::from(place.rotate))));
    }
    dict
}

/// The form XObject that draws the seal at its size; a turned page is turned back by the matrix.
fn picture(increment: &mut Increment<'_>, appearance: &Appearance, place: &Place) -> Result<ObjectId> {
    let image = image(increment, appearance)?;
    let [width, height] = place.size;
    let matrix = match place.rotate {
        90 => [0.0, 1.0, -1.0, 0.0, 0.0, 0.0],
        180 => [-1.0, 0.0, 0.0, -1.0, 0.0, 0.0],
        270 => [0.0, -1.0, 1.0, 0.0, 0.0, 0.0],
        _ => [1.0, 0.0, 0.0, 1.0, 0.0, 0.0],
    };
    let mut dict = Dict::new();
    dict.set(b"Type", name("XObject"));
    dict.set(b"Subtype", name("Form"));
    dict.set(b"BBox", numbers(&[0.0, 0.0, width, height]));
    dict.set(b"Matrix", numbers(&matrix));
    dict.set(b"Resources", one_entry(b"XObject", one_entry(b"S", Object::Reference(image))));
    let content = format!("q {} 0 0 {} 0 0 cm /S Do Q", rounded(width), rounded(height));
    increment.add_stream(dict, content.into_bytes().into())
}

fn image(increment: &mut Increment<'_>, appearance: &Appearance) -> Result<ObjectId> {
    let pixels = |width: u32, height: u32| {
        let stamp_um = [appearance.width_um, appearance.height_um];
        if width == 0 || height == 0 { Err(PdfError::StampSize { stamp_um }) } else { Ok([width, height]) }
    };
    match &appearance.paint {
        Paint::Mask { rgb, width_px, height_px, idat } => {
            let mut mask = raster("DeviceGray", pixels(*width_px, *height_px)?, true);
            let columns = Object::Integer(i64::from(*width_px));
            mask.set(b"DecodeParms", png_rows(columns));
            let mask = increment.add_stream(mask, Arc::clone(idat))?;
            // One pixel of colour is enough: a soft mask has a size of its own (11.6.5.2).
            let mut dot = raster("DeviceRGB", [1, 1], false);
            dot.set(b"SMask", Object::Reference(mask));
            increment.add_stream(dot, rgb.to_vec().into())
        }
        Paint::Colour { width_px, height_px, rgb, alpha } => {
            let size = pixels(*width_px, *height_px)?;
            let mut picture = raster("DeviceRGB", size, true);
            if let Some(alpha) = alpha {
                let mask = increment.add_stream(raster("DeviceGray", size, true), Arc::clone(alpha))?;
                picture.set(b"SMask", Object::Reference(mask));
            }
            increment.add_stream(picture, Arc::clone(rgb))
        }
    }
}

fn raster(colours: &str, [width_px, height_px]: [u32; 2], is_deflated: bool) -> Dict {
    let mut dict = Dict::new();
    dict.set(b"Type", name("XObject"));
    dict.set(b"Subtype", name("Image"));
    dict.set(b"Width", Object::Integer(i64::from(width_px)));
    dict.set(b"Height", Object::Integer(i64::from(height_px)));
    dict.set(b"ColorSpace", name(colours));
    dict.set(b"BitsPerComponent", Object::Integer(8));
    if is_deflated {
        dict.set(b"Filter", name("FlateDecode"));
    }
    dict
}

fn png_rows(columns: Object) -> Object {
    let mut parameters = Dict::new();
    parameters.set(b"Predictor", Object::Integer(15));
    parameters.set(b"Colors", Object::Integer(1));
    parameters.set(b"BitsPerComponent", Object::Integer(8));
    parameters.set(b"Columns", columns);
    Object::Dict(parameters)
}

/// Adds `widget` to the annotations of `page`, which may be inline, indirect or absent.
fn annotate(increment: &mut Increment<'_>, page: Page, widget: ObjectId) -> Result<()> {
    let mut dict = page.dict;
    let place = dict.find(b"Annots").cloned().unwrap_or(Object::Null);
    match append(increment, &place, widget)? {
        Appended::Elsewhere => {}
        Appended::Inline(array) => {
            dict.set(b"Annots", array);
            increment.replace(page.id, Object::Dict(dict));
        }
    }
    Ok(())
}

/// Where an array went that was appended to.
enum Appended {
    /// It stands in its parent, which must be written again.
    Inline(Object),
    /// It is an object of its own and was replaced.
    Elsewhere,
}

fn append(increment: &mut Increment<'_>, array: &Object, item: ObjectId) -> Result<Appended> {
    let item = Object::Reference(item);
    let resolved = match array {
        Object::Reference(id) => increment.resolve(*id)?,
        direct => direct.clone(),
    };
    match (array, resolved) {
        (_, Object::Null) => Ok(Appended::Inline(Object::Array(vec![item]))),
        (Object::Reference(id), Object::Array(mut items)) => {
            items.push(item);
            increment.replace(*id, Object::Array(items));
            Ok(Appended::Elsewhere)
        }
        (_, Object::Array(mut items)) => {
            items.push(item);
            Ok(Appended::Inline(Object::Array(items)))
        }
        _ => Err(PdfError::malformed("the annotations of a page or the fields of a form are no array", 0)),
    }
}

/// A dictionary that two readers might read differently is not written again.
fn unambiguous(dict: Dict) -> Result<Dict> {
    if dict.has_duplicates() {
        return Err(PdfError::malformed("a page, the catalogue or the form names a key twice", 0));
    }
    Ok(dict)
}

/// The interactive form of a document, and what leads to it.
struct Form {
    catalog_id: ObjectId,
    catalog: Dict,
    dict: Dict,
    fields: Fields,
}

impl Form {
    fn read(view: View<'_>) -> Result<Self> {
        let catalog_id = view.trailer().find(b"Root").and_then(Object::as_reference);
        let catalog_id = catalog_id.ok_or(PdfError::malformed("the trailer's Root is no reference", 0))?;
        let catalog = unambiguous(view.catalog()?)?;
        if view.lookup_in(&catalog, b"NeedsRendering")? == Object::Bool(true) {
            return Err(PdfError::Form { what: "it is a dynamic XFA form; print it to a plain PDF first" });
        }
        let dict = match view.lookup_in(&catalog, b"AcroForm")? {
            Object::Null => Dict::new(),
            Object::Dict(dict) => unambiguous(dict)?,
            _ => return Err(PdfError::malformed("the form is no dictionary", 0)),
        };
        let fields = Fields::read(view, &dict)?;
        Ok(Self { catalog_id, catalog, dict, fields })
    }

    /// The first of `Stamp1`, `Stamp2` … that no field bears.
    fn free_name(&self) -> Result<String> {
        let most = self.fields.stamps.len() + 1;
        let mut names = (1..=most).map(|number| format!("{STAMP}{number}"));
        let taken = |name: &String| self.fields.stamps.contains(name);
        names.find(|name| !taken(name)).ok_or(PdfError::Form { what: "every name of a stamp is taken" })
    }

    /// Adds `widget` to the fields and says that signatures exist.
    fn extend(mut self, increment: &mut Increment<'_>, widget: ObjectId) -> Result<()> {
        let mut is_changed = false;
        let fields = self.dict.find(b"Fields").cloned().unwrap_or(Object::Null);
        if let Appended::Inline(array) = append(increment, &fields, widget)? {
            self.dict.set(b"Fields", array);
            is_changed = true;
        }
        let flags = self.dict.find(b"SigFlags").and_then(Object::as_integer).unwrap_or(0);
        if flags & SIGNATURES_EXIST_APPEND_ONLY != SIGNATURES_EXIST_APPEND_ONLY {
            self.dict.set(b"SigFlags", Object::Integer(flags | SIGNATURES_EXIST_APPEND_ONLY));
            is_changed = true;
        }
        if !is_changed {
            return Ok(());
        }
        let form = Object::Dict(self.dict);
        let place = match self.catalog.find(b"AcroForm") {
            Some(Object::Reference(id)) if !increment.resolve(*id)?.is_null() => {
                increment.replace(*id, form);
                return Ok(());
            }
            Some(Object::Dict(_)) => form,
            _ => Object::Reference(increment.add(form)?),
        };
        self.catalog.set(b"AcroForm", place);
        increment.replace(self.catalog_id, Object::Dict(self.catalog));
        Ok(())
    }
}

fn name(text: &str) -> Object {
    Object::Name(text.as_bytes().to_vec())
}

fn one_entry(key: &[u8], value: Object) -> Object {
    let mut dict = Dict::new();
    dict.set(key, value);
    Object::Dict(dict)
}

/// Five decimals: a hundredth of a micrometre.
fn rounded(value: f64) -> f64 {
    (value * 1e5).round() / 1e5
}

fn numbers(values: &[f64]) -> Object {
    Object::Array(values.iter().map(|value| Object::Real(rounded(*value))).collect())
}

/// A text string: ASCII as it is, anything else as UTF-16 with its mark (7.9.2.2).
fn text(value: &str) -> Object {
    if value.is_ascii() {
        return Object::String(PdfString { bytes: value.as_bytes().to_vec(), span: None, hex: false });
    }
    let units = std::iter::once(0xfeff).chain(value.encode_utf16());
    let bytes = units.flat_map(u16::to_be_bytes).collect();
    Object::String(PdfString { bytes, span: None, hex: true })
}
