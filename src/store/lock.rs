//! The lock that keeps a second daemon off one SQLite file.

use super::OpenError;
use rustix::fs::{FlockOperation, flock};
use std::{
    fs::{File, OpenOptions},
    io::{Read, Seek, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

/// Longest note of a holder that is read back.
const NOTE_MAX: u64 = 200;

/// Held as long as the value lives; the operating system lets go of it when the process ends, however it ends.
#[derive(Debug)]
pub(super) struct FileLock(File);

impl Drop for FileLock {
    /// Let go of by name: closing alone leaves it with a process that was just forked and has not closed its copy yet.
    fn drop(&mut self) {
        let _ = flock(&self.0, FlockOperation::Unlock);
    }
}

impl FileLock {
    /// Takes `<database>.lock`, or says who has it. A link to the database leads to the same lock.
    pub(super) fn take(database: &Path) -> Result<Self, OpenError> {
        let itself = std::fs::canonicalize(database).unwrap_or_else(|_| database.to_owned());
        let path = PathBuf::from(format!("{}.lock", itself.display()));
        let says =
            |error: &dyn std::fmt::Display| OpenError::File { path: path.clone(), says: error.to_string() };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(|error| says(&error))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                return Err(OpenError::Locked { holder: note(&mut file), path });
            }
            Err(error) => return Err(says(&error)),
        }
        // The note is for people only; the lock itself is the operating system's.
        let written = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "process {}", std::process::id()));
        written.map_err(|error| says(&error))?;
        Ok(Self(file))
    }
}

fn note(file: &mut File) -> String {
    let mut note = String::new();
    match file.take(NOTE_MAX).read_to_string(&mut note) {
        Ok(_) if !note.trim().is_empty() => note.trim().to_owned(),
        _ => "unknown process".to_owned(),
    }
}
