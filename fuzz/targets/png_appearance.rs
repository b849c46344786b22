//! Any bytes as the picture of a seal: how it looks, and what an import makes of it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use yinxin::{
    document::png::{Limits, appearance, same_picture, size_px},
    seal::picture::check_import,
};

fuzz_target!(|bytes: &[u8]| {
    let limits = Limits { bytes: 64 << 10, side_px: 256 };
    let size = size_px(bytes, &limits);
    if let Ok(look) = appearance(bytes, 40_000, 40_000, &limits) {
        assert!(size.is_ok());
        assert!(same_picture(&look, &look));
    }
    // The import has limits of its own; what it takes must have an appearance.
    if size.is_ok()
        && let Ok(taken) = check_import(bytes, 40, 40)
    {
        appearance(&taken.png, 40_000, 40_000, &Limits::default()).unwrap();
    }
});
