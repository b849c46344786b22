//! Files that are there whole or not at all: written beside their place, synced, then put there.

use rustix::fs::{FlockOperation, flock};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

/// What the name of a file ends with that is being written.
const PART: &str = ".part";

/// A file being written beside its place, and locked meanwhile. Dropped unfinished, it is removed; where its process was
/// killed, [`sweep`] finds it.
pub struct PartFile {
    path: PathBuf,
    part: PathBuf,
    file: Option<File>,
}

impl PartFile {
    /// Begins a file for `path` (0600).
    ///
    /// # Errors
    /// Where something is at `path` already, or another one is being written there.
    pub fn begin(path: &Path) -> io::Result<Self> {
        if path.symlink_metadata().is_ok() {
            let says = format!("{} is there already", path.display());
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, says));
        }
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(PART);
        let part = path.with_file_name(name);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part);
        let file = file.map_err(|error| {
            io::Error::new(
                error.kind(),
                format!("{}: {error}; remove it where nobody writes it", part.display()),
            )
        })?;
        flock(&file, FlockOperation::NonBlockingLockExclusive)?;
        Ok(Self { path: path.to_owned(), part, file: Some(file) })
    }

    /// Puts it in its place once it is on the disk.
    pub fn finish(mut self) -> io::Result<()> {
        if let Some(file) = self.file.take() {
            let put = file.sync_all().and_then(|()| fs::rename(&self.part, &self.path));
            if put.is_err() {
                let _ = fs::remove_file(&self.part);
            }
            put?;
        }
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    }
}

impl Write for PartFile {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        match &mut self.file {
            Some(file) => file.write(octets),
            None => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.as_mut().map_or(Ok(()), Write::flush)
    }
}

impl Drop for PartFile {
    fn drop(&mut self) {
        if self.file.take().is_some() {
            // What cannot be removed is found at the next attempt.
            let _ = fs::remove_file(&self.part);
        }
    }
}

/// Removes what writers that were killed left in `folder`: parts of files whose names begin with `prefix` and end with
/// `suffix`, and that nobody has locked. Answers what was removed.
pub fn sweep(folder: &Path, prefix: &str, suffix: &str) -> io::Result<Vec<PathBuf>> {
    let suffix = format!("{suffix}{PART}");
    let mut removed = Vec::new();
    for path in named(folder, prefix, &suffix)? {
        let file = File::open(&path)?;
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok() {
            fs::remove_file(&path)?;
            removed.push(path);
        }
    }
    Ok(removed)
}

/// The plain files in `folder` whose names begin and end so, sorted.
fn named(folder: &Path, prefix: &str, suffix: &str) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let ours = name.to_str().is_some_and(|name| name.starts_with(prefix) && name.ends_with(suffix));
        if ours && entry.file_type()?.is_file() {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

/// Removes all but the `keep` newest of the files in `folder` whose names begin with `prefix` and end with `suffix`; names
/// sort by time. Answers what was removed.
pub fn keep_newest(folder: &Path, prefix: &str, suffix: &str, keep: usize) -> io::Result<Vec<PathBuf>> {
    let mut found = named(folder, prefix, suffix)?;
    let old = found.len().saturating_sub(keep);
    found.truncate(old);
    for path in &found {
        fs::remove_file(path)?;
    }
    File::open(folder)?.sync_all()?;
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_there_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.yxb");
        let mut part = PartFile::begin(&path).unwrap();
        part.write_all(b"half").unwrap();
        assert!(!path.exists());
        assert!(PartFile::begin(&path).is_err(), "one writer only");
        drop(part);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        let mut part = PartFile::begin(&path).unwrap();
        part.write_all(b"whole").unwrap();
        part.finish().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"whole");
        assert!(PartFile::begin(&path).is_err(), "nothing is overwritten");
    }

    #[test]
    fn what_a_killed_writer_left_is_swept_and_what_is_being_written_stays() {
        let folder = tempfile::tempdir().unwrap();
        let left = folder.path().join("yinxin-1.yxb.part");
        fs::write(&left, "half").unwrap();
        fs::write(folder.path().join("other.part"), "of somebody else").unwrap();
        let mut at_work = PartFile::begin(&folder.path().join("yinxin-2.yxb")).unwrap();
        assert_eq!(sweep(folder.path(), "yinxin-", ".yxb").unwrap(), [left]);
        at_work.write_all(b"whole").unwrap();
        at_work.finish().unwrap();
        assert!(sweep(folder.path(), "yinxin-", ".yxb").unwrap().is_empty());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn the_newest_stay() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["yinxin-a-3.yxb", "yinxin-a-1.yxb", "yinxin-a-2.yxb", "yinxin-b-0.yxb", "yinxin-a-0.txt"]
        {
            fs::write(folder.path().join(name), "").unwrap();
        }
        let removed = keep_newest(folder.path(), "yinxin-a-", ".yxb", 2).unwrap();
        assert_eq!(removed, [folder.path().join("yinxin-a-1.yxb")]);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 4);
    }
}
