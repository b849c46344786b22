//! Samples made with other people's software, where the folder beside the project is present.

use std::{fs, path::Path};

/// A file of `samples/seal`, or `None`, said aloud, where there is none.
pub(crate) fn sample(name: &str) -> Option<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/samples/seal");
    let bytes = fs::read(folder.join(name)).ok();
    if bytes.is_none() {
        eprintln!("SKIPPED: the sample {name} is not here");
    }
    bytes
}
