//! Any bytes as a PDF to be stamped: what is stamped begins with every octet that came, opens again, and its newest
//! signature covers it whole.
#![no_main]

#[path = "../src/limits.rs"]
mod limits;

use libfuzzer_sys::fuzz_target;
use yinxin::document::{
    appearance::{Appearance, Paint},
    pdf::{self, Placement, SignatureKind, StampNames},
};

fuzz_target!(|bytes: &[u8]| {
    let limits = limits::small();
    let Ok(file) = pdf::open(bytes, &limits) else { return };
    // A zlib stream of one row of one pixel: filter 0, opacity 255.
    let idat = [0x78, 0x01, 0x01, 0x02, 0x00, 0xfd, 0xff, 0x00, 0xff, 0x01, 0x01, 0x01, 0x00][..].into();
    let paint = Paint::Mask { rgb: [200, 0, 0], width_px: 1, height_px: 1, idat };
    let dot = Appearance { width_um: 1000, height_um: 1000, paint };
    let names = StampNames {
        kind: SignatureKind::SesSeal,
        reason: Some("用印".into()),
        location: None,
        signed_at: "D:20261121120000+08'00'".into(),
    };
    let placement = Placement { page: 1, x_mm: 20.0, y_mm: 20.0 };
    let Ok(prepared) = file.prepare(&placement, &dot, &names, 16) else { return };
    let digests = prepared.digests();
    assert_eq!(digests.signed, prepared.digest());
    let product = prepared.embed(&[0x30, 0x00]).unwrap();
    assert!(product.starts_with(bytes));
    let again = pdf::open(&product, &limits).unwrap();
    assert_eq!(again.revisions().len(), file.revisions().len() + 1);
});
