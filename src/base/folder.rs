//! Folders whose names outlive a power cut: a file that was synced is lost all the same where the folder that names it was
//! not.

use std::{
    fs::{self, DirBuilder, File},
    io,
    os::unix::fs::DirBuilderExt as _,
    path::Path,
};

/// Makes a folder and those above it, for nobody else (0700), and their names are on the disk when this returns. One that is
/// there already is left as it is.
pub fn make_private(folder: &Path) -> io::Result<()> {
    let missing: Vec<&Path> =
        folder.ancestors().take_while(|path| !path.as_os_str().is_empty() && !path.exists()).collect();
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    // From the top: a name below one that is lost would be lost too.
    missing.into_iter().rev().try_for_each(keep_name)
}

/// Brings the name of a file or folder to the disk: what stands in it has to be synced by itself.
pub fn keep_name(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

/// Puts a file in its place, and is sure of it.
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)?;
    keep_name(to)
}
