//! Stories over the samples of `fixtures/pdf`, with other software as the judge where it is installed.

mod mutated;
mod others;
mod reading;
mod stamping;

use std::io::Write as _;
use std::ops::Range;
use std::path::PathBuf;

use super::*;
use crate::document::appearance::{Appearance, Paint};

const SOUND: [&str; 9] = [
    "one-page.pdf",
    "many-pages.pdf",
    "linearized.pdf",
    "linearized-streams.pdf",
    "hybrid.pdf",
    "rsa-signed.pdf",
    "ecdsa-signed.pdf",
    "certified-p1.pdf",
    "certified-p2.pdf",
];

fn fixture(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/pdf").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn opened(bytes: &[u8]) -> Pdf<'_> {
    open(bytes, &Limits::default()).unwrap()
}

fn deflated(octets: &[u8]) -> std::sync::Arc<[u8]> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(octets).unwrap();
    encoder.finish().unwrap().into()
}

/// A red ring of 40 mm with a bar from its centre to its top, so that a turn shows.
fn ring() -> Appearance {
    let side = 400i32;
    let mut rows = Vec::new();
    for y in 0..side {
        rows.push(0);
        for x in 0..side {
            let (dx, dy) = (x - side / 2, y - side / 2);
            let radius = dx * dx + dy * dy;
            let is_ring = (180 * 180..200 * 200).contains(&radius);
            let is_bar = dx.abs() < 12 && (-150..0).contains(&dy);
            rows.push(if is_ring || is_bar { 220 } else { 0 });
        }
    }
    let paint = Paint::Mask { rgb: [220, 20, 20], width_px: 400, height_px: 400, idat: deflated(&rows) };
    Appearance { width_um: 40_000, height_um: 40_000, paint }
}

fn names(kind: SignatureKind) -> StampNames {
    let signed_at = "D:20261120183000+08'00'".into();
    StampNames { kind, reason: Some("批准发布 (1)".into()), location: None, signed_at }
}

fn at(page: u32) -> Placement {
    Placement { page, x_mm: 120.0, y_mm: 150.0 }
}

fn stamped(bytes: &[u8], placement: &Placement) -> Vec<u8> {
    let prepared = opened(bytes).prepare(placement, &ring(), &names(SignatureKind::SesSeal), 4096).unwrap();
    prepared.embed(&[0x30, 0x82, 0x00, 0xff]).unwrap()
}

/// The fields of the form, in order.
fn fields(pdf: &Pdf<'_>) -> Vec<Object> {
    let view = pdf.latest();
    let form = view.lookup_in(&view.catalog().unwrap(), b"AcroForm").unwrap();
    let fields = view.lookup_in(form.as_dict().unwrap(), b"Fields").unwrap();
    fields.as_array().unwrap().to_vec()
}

/// `/ByteRange` and the span of `/Contents` of a signed field.
fn signature(pdf: &Pdf<'_>, field: &Object) -> (Vec<i64>, Range<usize>) {
    let view = pdf.latest();
    let field = view.follow(field).unwrap();
    let value = view.lookup_in(field.as_dict().unwrap(), b"V").unwrap();
    let value = value.as_dict().unwrap();
    let range = value.find(b"ByteRange").unwrap().as_array().unwrap();
    let contents = value.find(b"Contents").unwrap().as_string().unwrap();
    (range.iter().map(|n| n.as_integer().unwrap()).collect(), contents.span.clone().unwrap())
}

/// The newest signature.
fn last_signature(pdf: &Pdf<'_>) -> (Vec<i64>, Range<usize>) {
    signature(pdf, fields(pdf).last().unwrap())
}

/// A file of one page with `objects` from number 4 on, and `catalog` and `page` entries of their own.
fn built(catalog: &str, page: &str, objects: &[&str]) -> Vec<u8> {
    let mut bodies = vec![
        format!("<</Type/Catalog/Pages 2 0 R{catalog}>>"),
        "<</Type/Pages/Kids[3 0 R]/Count 1>>".to_string(),
        format!("<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]{page}>>"),
    ];
    bodies.extend(objects.iter().map(|body| body.to_string()));
    let mut out = String::from("%PDF-1.7\n");
    let mut rows = String::new();
    for (index, body) in bodies.iter().enumerate() {
        rows.push_str(&format!("{:010} 00000 n \n", out.len()));
        out.push_str(&format!("{} 0 obj\n{body}\nendobj\n", index + 1));
    }
    let start = out.len();
    let size = bodies.len() + 1;
    out.push_str(&format!(
        "xref\n0 {size}\n0000000000 65535 f \n{rows}trailer\n<</Size {size}/Root 1 0 R>>\n"
    ));
    out.push_str(&format!("startxref\n{start}\n%%EOF"));
    out.into_bytes()
}
