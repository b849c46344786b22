//! Any bytes as a signed PDF: where signatures sit and what came after them.
#![no_main]

#[path = "../src/limits.rs"]
mod limits;

use libfuzzer_sys::fuzz_target;
use yinxin::document::pdf::{self, analysis};

fuzz_target!(|bytes: &[u8]| {
    let limits = limits::small();
    let Ok(file) = pdf::open(bytes, &limits) else { return };
    let Ok(analysis) = analysis::signatures(&file, &limits) else { return };
    for placed in &analysis.signatures {
        if let Some([first, second]) = &placed.signed {
            assert!(first.start <= first.end && first.end <= second.start && second.end <= bytes.len());
            let value = hex::encode(&placed.value);
            let gap = String::from_utf8_lossy(&bytes[first.end..second.start]).to_lowercase();
            let gap: String = gap.chars().filter(char::is_ascii_hexdigit).collect();
            assert!(gap.starts_with(&value) || !placed.tricks.is_empty() || value.is_empty());
        }
    }
});
