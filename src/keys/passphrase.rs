//! Where the keystore's passphrase comes from: a file that nobody else can read, or a systemd credential.
//! Never the environment, never an argument: both are seen by others.

use crate::base::{
    Secret,
    plain_file::{self, PlainFileError, Rule},
};
use std::{fmt, path::PathBuf};

/// Longest passphrase in octets, before its trailing newline is taken off.
const LONGEST: u64 = 1024;

/// Where to read a passphrase.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PassphraseSource {
    /// A file of our own user with mode 0600 or stricter.
    File(PathBuf),
    /// A credential that systemd placed (`LoadCredential=`; the path lies in `$CREDENTIALS_DIRECTORY`). It belongs to
    /// root or to our user; systemd may grant our user the right to read by an access list, which shows as a
    /// readable group, so that one bit is allowed here.
    Credential(PathBuf),
}

/// Why a passphrase was not taken. The file's content is never shown.
#[derive(Debug)]
pub struct PassphraseError {
    path: PathBuf,
    why: Why,
}

#[derive(Debug)]
enum Why {
    File(PlainFileError),
    Empty,
    NotText,
}

impl fmt::Display for PassphraseError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "the passphrase file {}: ", self.path.display())?;
        match &self.why {
            Why::File(error) => error.fmt(out),
            Why::Empty => out.write_str("is empty"),
            Why::NotText => out.write_str("is not UTF-8 text"),
        }
    }
}

impl std::error::Error for PassphraseError {}

impl PassphraseSource {
    /// The file.
    pub fn path(&self) -> &std::path::Path {
        let (Self::File(path) | Self::Credential(path)) = self;
        path
    }

    /// Reads the passphrase: UTF-8, 1 to 1024 octets; one trailing newline (`\n` or `\r\n`) is taken off.
    /// Blocking: a few system calls.
    pub fn read(&self) -> Result<Secret<String>, PassphraseError> {
        let (path, rule) = match self {
            Self::File(path) => (path, Rule::Ours),
            Self::Credential(path) => (path, Rule::Shared),
        };
        let octets = plain_file::read(path, rule, LONGEST).map_err(Why::File);
        let passphrase = octets.and_then(|octets| passphrase_of(&octets));
        passphrase.map(Secret::new).map_err(|why| PassphraseError { path: path.clone(), why })
    }
}

fn passphrase_of(octets: &[u8]) -> Result<String, Why> {
    let line = octets.strip_suffix(b"\n").unwrap_or(octets);
    let line = if line.len() < octets.len() { line.strip_suffix(b"\r").unwrap_or(line) } else { line };
    if line.is_empty() {
        return Err(Why::Empty);
    }
    std::str::from_utf8(line).map(str::to_owned).map_err(|_| Why::NotText)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::process::geteuid;
    use std::{os::unix::fs::PermissionsExt, path::Path};

    fn written(dir: &Path, content: &[u8], mode: u32) -> PathBuf {
        let path = dir.join("passphrase");
        let _ = std::fs::remove_file(&path);
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    fn answer(source: &PassphraseSource) -> String {
        match source.read() {
            Ok(secret) => format!("taken: {:?}", secret.expose()),
            Err(error) => error.to_string().split(": ").skip(1).collect::<Vec<_>>().join(": "),
        }
    }

    #[test]
    fn contents_are_taken_or_refused_as_the_table_says() {
        let dir = tempfile::tempdir().unwrap();
        let long = "x".repeat(1025);
        for (content, expected) in [
            (&b"secret"[..], "taken: \"secret\""),
            (b"secret\n", "taken: \"secret\""),
            (b"secret\r\n", "taken: \"secret\""),
            (b"secret\n\n", "taken: \"secret\\n\""),
            (b" two words ", "taken: \" two words \""),
            ("\u{5370}\u{4fe1}\n".as_bytes(), "taken: \"\u{5370}\u{4fe1}\""),
            (b"", "is empty"),
            (b"\n", "is empty"),
            (b"\r\n", "is empty"),
            (b"\xff\xfe", "is not UTF-8 text"),
            (long.as_bytes(), "is longer than 1024 bytes"),
        ] {
            let path = written(dir.path(), content, 0o600);
            assert_eq!(answer(&PassphraseSource::File(path)), expected);
        }
    }

    #[test]
    fn a_file_that_others_may_open_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        for (mode, as_file, as_credential) in [
            (0o600, true, true),
            (0o400, true, true),
            (0o440, false, true),
            (0o640, false, true),
            (0o660, false, false),
            (0o604, false, false),
            (0o644, false, false),
            (0o700, false, false),
        ] {
            let path = written(dir.path(), b"secret", mode);
            assert_eq!(PassphraseSource::File(path.clone()).read().is_ok(), as_file, "{mode:o}");
            assert_eq!(PassphraseSource::Credential(path).read().is_ok(), as_credential, "{mode:o}");
        }
    }

    #[test]
    fn a_directory_a_pipe_and_nothing_are_refused_at_once() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(answer(&PassphraseSource::File(dir.path().into())), "is no plain file");
        let pipe = dir.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg("-m").arg("600").arg(&pipe).status();
        if made.is_ok_and(|status| status.success()) {
            assert_eq!(answer(&PassphraseSource::File(pipe)), "is no plain file");
        } else {
            eprintln!("SKIPPED: no mkfifo here");
        }
        let missing = PassphraseSource::File(dir.path().join("none"));
        assert!(answer(&missing).starts_with("can't be read"));
    }

    #[test]
    fn a_file_of_another_user_is_refused() {
        if !geteuid().is_root() {
            eprintln!("SKIPPED: only root can give a file away");
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let path = written(dir.path(), b"secret", 0o600);
        std::os::unix::fs::chown(&path, Some(12345), None).unwrap();
        assert!(answer(&PassphraseSource::File(path)).starts_with("belongs to user 12345"));
    }
}
