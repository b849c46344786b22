//! What lies in `deploy/`: measured where a tool can measure it, tried where it can be tried, and everything it names is there.

mod container;
mod kubernetes;
mod names;
mod roles;
mod systemd;

use std::{fs, path::PathBuf};

/// A file or folder of `deploy/`.
fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("deploy").join(name)
}

fn text(name: &str) -> String {
    fs::read_to_string(path(name)).unwrap()
}
