//! The file of signed heads, outside the database: JSON lines, only ever appended to, each synced before the next.

use super::chain::Line;
use crate::base::folder;
use rustix::fs::{FlockOperation, flock};
use std::{
    fs::{File, OpenOptions},
    io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

/// Longest line that is read; ours have some 350 octets.
const LINE_MAX: u64 = 4096;

/// Where the signed heads are kept outside the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeadsPlace {
    /// The file that must be there, and be written, or nothing is recorded any more.
    pub file: PathBuf,
    /// A second place, on another disk or machine: whoever cuts the database and the file back has it against them. It may
    /// be out of reach for a while and is then brought up to date.
    pub witness: Option<PathBuf>,
}

impl<P: AsRef<Path>> From<P> for HeadsPlace {
    /// The file alone.
    fn from(file: P) -> Self {
        Self { file: file.as_ref().to_owned(), witness: None }
    }
}

/// The file, open for its one writer.
pub(super) struct HeadFile {
    file: File,
    last: Option<Line>,
    /// Where the last finished line ends.
    end: u64,
    /// After a failed write or sync nobody knows what the file holds, and another sync would be answered "fine".
    is_doubtful: bool,
}

impl HeadFile {
    /// Opens or makes the file (0600) and reads its last line. An unfinished last line, of a write that the machine did
    /// not survive, is cut off: nobody was told of that head. `WouldBlock` where another process has the file.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
        flock(&file, FlockOperation::NonBlockingLockExclusive)?;
        let (end, last) = last_line(&mut file)?;
        file.set_len(end)?;
        file.seek(SeekFrom::End(0))?;
        folder::keep_name(path)?;
        Ok(Self { file, last, end, is_doubtful: false })
    }

    /// The last line of the file.
    pub(super) fn last(&self) -> Option<&Line> {
        self.last.as_ref()
    }

    /// Appends and syncs. After an error the file must not be written to again, unless it [`Self::is_sound`]: then there was
    /// no room, and nothing was left behind.
    pub(super) fn append(&mut self, line: &Line) -> io::Result<()> {
        self.write(line)?;
        self.sync()
    }

    /// Appends without syncing: [`Self::sync`] follows after the last of many.
    pub(super) fn write(&mut self, line: &Line) -> io::Result<()> {
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        let was_doubtful = std::mem::replace(&mut self.is_doubtful, true);
        if let Err(error) = self.file.write_all(&text) {
            if is_lack_of_room(&error) {
                self.file.set_len(self.end)?;
                self.file.seek(SeekFrom::End(0))?;
                self.is_doubtful = was_doubtful;
            }
            return Err(error);
        }
        self.is_doubtful = was_doubtful;
        self.end += text.len() as u64;
        self.last = Some(line.clone());
        Ok(())
    }

    pub(super) fn sync(&mut self) -> io::Result<()> {
        let synced = self.file.sync_data();
        self.is_doubtful |= synced.is_err();
        synced
    }

    /// Whether it may be written to again.
    pub(super) fn is_sound(&self) -> bool {
        !self.is_doubtful
    }
}

/// The node that a file of heads belongs to; `None` where there is no file, or no head in it.
pub fn node_of(path: &Path) -> io::Result<Option<String>> {
    Ok(last(path)?.map(|line| line.node().to_owned()))
}

impl Drop for HeadFile {
    /// Let go of by name: closing alone leaves it with a process that was just forked and has not closed its copy yet.
    fn drop(&mut self) {
        let _ = flock(&self.file, FlockOperation::Unlock);
    }
}

/// The last line of a file that somebody else may be writing to; `None` where there is no file, or nothing in it.
pub(super) fn last(path: &Path) -> io::Result<Option<Line>> {
    match File::open(path) {
        Ok(mut file) => Ok(last_line(&mut file)?.1),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Brings the file at `path` up to what the one at `source` has, where its last line stands there; a file that is not there
/// is made. False where the file goes on in another way than `source` does. Blocking.
pub fn follow(path: &Path, source: &Path) -> io::Result<bool> {
    match super::witness::Witness::new(path.to_owned(), source.to_owned()).catch_up() {
        Ok(()) => Ok(true),
        Err(super::witness::Disagreement::FileCut { .. }) => Ok(false),
        Err(super::witness::Disagreement::Io(error)) => Err(error),
    }
}

/// Where the last finished line ends, and what it says.
fn last_line(file: &mut File) -> io::Result<(u64, Option<Line>)> {
    let length = file.seek(SeekFrom::End(0))?;
    let from = length.saturating_sub(2 * LINE_MAX);
    file.seek(SeekFrom::Start(from))?;
    let mut end = Vec::new();
    file.take(2 * LINE_MAX).read_to_end(&mut end)?;
    let Some(newline) = end.iter().rposition(|&octet| octet == b'\n') else {
        return if from == 0 { Ok((0, None)) } else { Err(invalid("its last line is too long")) };
    };
    let start = end[..newline].iter().rposition(|&octet| octet == b'\n').map_or(0, |before| before + 1);
    let line =
        serde_json::from_slice(&end[start..newline]).map_err(|_| invalid("its last line is no head"))?;
    Ok((from + newline as u64 + 1, Some(line)))
}

fn is_lack_of_room(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}

fn invalid(says: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, says)
}

/// The lines of the file from its beginning, counted from 1: what each says, or `None` where it is no head. A file that
/// is not there has no lines.
pub(super) struct Lines {
    file: Option<BufReader<File>>,
    number: u64,
    text: Vec<u8>,
}

impl Lines {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = match File::open(path) {
            Ok(file) => Some(BufReader::with_capacity(1 << 16, file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        Ok(Self { file, number: 0, text: Vec::new() })
    }

    fn read(&mut self) -> io::Result<Option<(u64, Option<Line>)>> {
        let Some(file) = &mut self.file else { return Ok(None) };
        self.text.clear();
        let read = file.take(LINE_MAX).read_until(b'\n', &mut self.text)?;
        self.number += 1;
        match self.text.strip_suffix(b"\n") {
            Some(text) => Ok(Some((self.number, serde_json::from_slice(text).ok()))),
            // Longer than any of ours: what follows cannot be told apart any more.
            None if read as u64 == LINE_MAX => {
                self.file = None;
                Ok(Some((self.number, None)))
            }
            // An unfinished last line is being written just now, or is cut off at the next start.
            None => {
                self.file = None;
                Ok(None)
            }
        }
    }
}

impl Iterator for Lines {
    type Item = io::Result<(u64, Option<Line>)>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read().transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{audit::Head, base::Timestamp};

    fn head(seq: i64) -> Line {
        let (at, signature) = (Timestamp::from_ms(seq), "s".into());
        Line::Head(Head { node: "n".into(), seq, hash: "h".into(), at, signature, key: None })
    }

    fn lines(path: &Path) -> Vec<Option<i64>> {
        let lines = Lines::open(path).unwrap().map(|line| line.unwrap());
        lines.map(|(_, line)| line.map(|line| line.mark().0)).collect()
    }

    #[test]
    fn an_unfinished_line_is_cut_off_and_writing_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("heads");
        assert_eq!(lines(&path), []);
        let mut file = HeadFile::open(&path).unwrap();
        assert_eq!(file.last(), None);
        file.append(&head(1)).unwrap();
        file.append(&head(2)).unwrap();
        assert!(HeadFile::open(&path).is_err(), "one writer only");
        drop(file);
        let mut whole = std::fs::read(&path).unwrap();
        whole.extend_from_slice(b"{\"node\":\"n");
        std::fs::write(&path, &whole).unwrap();
        assert_eq!(lines(&path), [Some(1), Some(2)]);
        let mut file = HeadFile::open(&path).unwrap();
        assert_eq!(file.last(), Some(&head(2)));
        file.append(&head(3)).unwrap();
        assert_eq!(lines(&path), [Some(1), Some(2), Some(3)]);
    }

    proptest::proptest! {
        #[test]
        fn any_octets_are_read_without_panic(octets in proptest::collection::vec(proptest::num::u8::ANY, 0..9000)) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("heads");
            std::fs::write(&path, &octets).unwrap();
            let newlines = octets.iter().filter(|&&octet| octet == b'\n').count();
            proptest::prop_assert!(lines(&path).len() <= newlines + 1);
            drop(HeadFile::open(&path));
        }
    }

    #[test]
    fn a_line_that_is_no_head_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("heads");
        std::fs::write(&path, b"nonsense\n\xff\n").unwrap();
        assert_eq!(lines(&path), [None, None]);
        assert!(HeadFile::open(&path).is_err());
    }
}
