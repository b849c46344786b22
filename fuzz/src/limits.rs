//! Bounds for fuzzing: those of the service would let one input take a second.

use yinxin::document::pdf::Limits;

/// A megabyte decoded at a time, four in all.
pub fn small() -> Limits {
    Limits {
        max_decoded_bytes: 1 << 20,
        max_total_decoded_bytes: 4 << 20,
        max_parsed_bytes: 8 << 20,
        max_values: 10_000,
        max_objects: 10_000,
        max_revisions: 32,
        max_pages: 1_000,
        ..Limits::default()
    }
}
