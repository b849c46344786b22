//! Files that we depend on: read whole and bounded, and only where others can't do with them what they must not. Checked by
//! the handle that is read, so that the file can't be swapped in between.

use rustix::{
    fs::{FileType, Mode, OFlags},
    process::geteuid,
};
use std::{fmt, fs::File, io, io::Read as _, path::Path};
use zeroize::Zeroizing;

/// What others may do with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// Whatever its owner lets them.
    Anything,
    /// Read it, and not write it, mode 0664 at most.
    Read,
    /// Nothing: a secret of our own user, mode 0600 at most.
    Ours,
    /// A secret that the group may read, mode 0640 at most, and that root may own: so systemd places credentials, Kubernetes its secrets, and
    /// distributions the keys of TLS.
    Shared,
}

/// Why a file was not read. Its content is never shown.
#[derive(Debug)]
pub enum PlainFileError {
    /// The operating system's word.
    Unreadable(io::Error),
    /// A directory, a pipe, a device.
    NoFile,
    /// The mode lets others in.
    Open {
        /// The mode as found.
        mode: u32,
        /// The widest that is taken.
        allowed: &'static str,
    },
    /// It belongs to this user, who is none of those that may own it.
    Owner(u32),
    /// Longer than this many octets.
    Long(u64),
}

/// Reads a file of at most `max_bytes` octets. Blocking: a few system calls.
///
/// # Errors
/// [`PlainFileError`].
pub fn read(path: &Path, rule: Rule, max_bytes: u64) -> Result<Zeroizing<Vec<u8>>, PlainFileError> {
    // NONBLOCK: a named pipe in the file's place must not hold the start up.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let handle = rustix::fs::open(path, flags, Mode::empty()).map_err(|error| unreadable(error.into()))?;
    let found = rustix::fs::fstat(&handle).map_err(|error| unreadable(error.into()))?;
    check(&found, rule)?;
    // Room for all that may come: a growing buffer would leave copies behind that nobody wipes.
    let length = u64::try_from(found.st_size).unwrap_or(0).min(max_bytes) + 1;
    let mut octets = Zeroizing::new(Vec::with_capacity(2 * usize::try_from(length).unwrap_or(0)));
    File::from(handle).take(max_bytes + 1).read_to_end(&mut octets).map_err(unreadable)?;
    if octets.len() as u64 > max_bytes {
        return Err(PlainFileError::Long(max_bytes));
    }
    Ok(octets)
}

fn unreadable(error: io::Error) -> PlainFileError {
    PlainFileError::Unreadable(error)
}

fn check(found: &rustix::fs::Stat, rule: Rule) -> Result<(), PlainFileError> {
    if FileType::from_raw_mode(found.st_mode) != FileType::RegularFile {
        return Err(PlainFileError::NoFile);
    }
    let (own, mode) = (geteuid().as_raw(), found.st_mode & 0o7777);
    let (forbidden, allowed, root_may_own) = match rule {
        Rule::Anything => return Ok(()),
        Rule::Read if mode & 0o002 != 0 => return Err(PlainFileError::Open { mode, allowed: "0664" }),
        Rule::Read => return Ok(()),
        Rule::Ours => (0o177, "0600", false),
        Rule::Shared => (0o137, "0640", true),
    };
    if mode & forbidden != 0 {
        return Err(PlainFileError::Open { mode, allowed });
    }
    if found.st_uid != own && !(root_may_own && found.st_uid == 0) {
        return Err(PlainFileError::Owner(found.st_uid));
    }
    Ok(())
}

impl fmt::Display for PlainFileError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(error) => write!(out, "can't be read: {error}"),
            Self::NoFile => out.write_str("is no plain file"),
            Self::Open { mode, allowed } => {
                write!(out, "has mode {mode:04o}, which lets others in; it may have {allowed} at most")
            }
            Self::Owner(uid) => {
                write!(out, "belongs to user {uid}; it must belong to the user of this process")
            }
            Self::Long(max) => write!(out, "is longer than {max} bytes"),
        }
    }
}

impl std::error::Error for PlainFileError {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        fs,
        os::unix::fs::{PermissionsExt as _, chown, symlink},
    };

    fn told(path: &Path, rule: Rule) -> String {
        read(path, rule, 10)
            .map_or_else(|error| error.to_string(), |octets| format!("{} octets", octets.len()))
    }

    #[test]
    fn a_file_that_others_may_open_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("secret");
        fs::write(&path, "secret").expect("written");
        for (mode, ours, shared) in [
            (0o600, true, true),
            (0o400, true, true),
            (0o640, false, true),
            (0o440, false, true),
            (0o660, false, false),
            (0o644, false, false),
            (0o604, false, false),
        ] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("set");
            for (rule, good) in [(Rule::Ours, ours), (Rule::Shared, shared)] {
                let told = told(&path, rule);
                assert_eq!(told == "6 octets", good, "{mode:o} {rule:?}: {told}");
                assert!(good || told.contains(&format!("mode {mode:04o}")), "{told}");
            }
        }
    }

    #[test]
    fn what_is_no_file_or_too_long_or_a_loop_is_refused_at_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        assert_eq!(told(folder.path(), Rule::Ours), "is no plain file");
        assert!(told(&at("none"), Rule::Ours).starts_with("can't be read"));
        symlink(at("a"), at("b")).expect("a link");
        symlink(at("b"), at("a")).expect("a link");
        assert!(told(&at("a"), Rule::Ours).contains("symbolic links"), "{}", told(&at("a"), Rule::Ours));
        fs::write(at("long"), "12345678901").expect("written");
        fs::set_permissions(at("long"), fs::Permissions::from_mode(0o600)).expect("set");
        assert_eq!(told(&at("long"), Rule::Ours), "is longer than 10 bytes");
    }

    #[test]
    fn a_file_of_another_user_is_refused() {
        if !geteuid().is_root() {
            eprintln!("SKIPPED: only root can give a file away");
            return;
        }
        let file = tempfile::NamedTempFile::new().expect("a file");
        chown(file.path(), Some(12345), None).expect("given away");
        for rule in [Rule::Ours, Rule::Shared] {
            assert!(told(file.path(), rule).starts_with("belongs to user 12345"));
        }
    }
}
