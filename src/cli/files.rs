//! Reading and writing files for commands: bounded, and never half done.

use super::CliError;
use crate::base::folder;
use std::{
    fs,
    io::{Read, Write},
    path::Path,
};

/// The longest file that a command reads whole.
pub const FILE_BYTES: u64 = 1 << 30;

/// Reads a file of at most `limit` octets.
pub fn read(path: &Path, limit: u64) -> Result<Vec<u8>, CliError> {
    let wrong = |error: std::io::Error| CliError::usage(format!("{}: {error}", path.display()));
    let file = fs::File::open(path).map_err(wrong)?;
    let mut content = Vec::new();
    file.take(limit + 1).read_to_end(&mut content).map_err(wrong)?;
    if content.len() as u64 > limit {
        return Err(CliError::usage(format!("{} is longer than {limit} bytes", path.display())));
    }
    Ok(content)
}

/// The API key in a file: one line.
pub fn read_key(path: &Path) -> Result<String, CliError> {
    let text = String::from_utf8(read(path, 1024)?)
        .map_err(|_| CliError::usage(format!("{} holds no API key", path.display())))?;
    Ok(text.trim().to_owned())
}

/// Writes a new file that only our own user can read (0600).
pub fn write_private(path: &Path, content: &[u8]) -> Result<(), CliError> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let wrong = |error: std::io::Error| CliError::failed(format!("{}: {error}", path.display()));
    let mut file =
        fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(wrong)?;
    let written = file.write_all(content).and_then(|()| file.sync_all());
    written.and_then(|()| folder::keep_name(path)).map_err(wrong)
}

/// Puts a file in the place of one that is there, for our own user alone (0600): at any instant one of the two is there, whole.
pub fn replace_private(path: &Path, content: &[u8]) -> Result<(), CliError> {
    let wrong = |error: std::io::Error| CliError::failed(format!("{}: {error}", path.display()));
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".part");
    let part = path.with_file_name(name);
    match fs::remove_file(&part) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(wrong(error)),
        _ => {}
    }
    write_private(&part, content)?;
    folder::rename(&part, path).map_err(wrong)
}

/// Writes a file beside its place first, and puts it there when it is whole and on the disk.
pub fn write(path: &Path, content: &[u8]) -> Result<(), CliError> {
    let wrong = |error: std::io::Error| CliError::failed(format!("{}: {error}", path.display()));
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(wrong)?;
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".part");
    let part = folder.join(name);
    let mut file = fs::File::create(&part).map_err(wrong)?;
    file.write_all(content).and_then(|()| file.sync_all()).map_err(wrong)?;
    folder::rename(&part, path).map_err(wrong)
}
