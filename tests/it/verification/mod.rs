//! Verification: documents broken one way at a time, the command, the service, and what others say of the same files.

mod command;
mod documents;
mod outside;
mod schema;
mod service;
mod whole;
pub mod world;

#[allow(dead_code, reason = "shared with the tests of the reader, which use more of it")]
#[path = "../../../fixtures/pdf/attacks/forge.rs"]
mod forge;

use std::path::{Path, PathBuf};

/// A file under `fixtures/pdf`.
fn fixture(name: &str) -> Vec<u8> {
    let path = fixture_path(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn fixture_path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/pdf").join(name)
}

/// The folder of samples made with others' software; `None`, said loudly, where it is not here.
fn samples() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/samples/seal");
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("SKIPPED: the samples of others are not here");
    None
}
