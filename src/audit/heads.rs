//! The file of signed heads, outside the database: JSON lines, only ever appended to, each synced before the next.

use super::chain::Head;
use rustix::fs::{FlockOperation, flock};
use std::{
    fs::{File, OpenOptions},
    io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

/// Longest line that is read; ours have some 350 octets.
const LINE_MAX: u64 = 4096;

/// The file, open for its one writer.
pub(super) struct HeadFile {
    file: File,
    last: Option<Head>,
}

impl HeadFile {
    /// Opens or makes the file (0600) and reads its last head. An unfinished last line, of a write that the machine did
    /// not survive, is cut off: nobody was told of that head. `WouldBlock` where another process has the file.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
        flock(&file, FlockOperation::NonBlockingLockExclusive)?;
        let (end, last) = last_line(&mut file)?;
        file.set_len(end)?;
        file.seek(SeekFrom::End(0))?;
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            File::open(folder)?.sync_all()?; // A new name is kept only once its folder is.
        }
        Ok(Self { file, last })
    }

    /// The last head in the file.
    pub(super) fn last(&self) -> Option<&Head> {
        self.last.as_ref()
    }

    /// Appends and syncs. After an error the file must not be written to again: a second sync would be answered "fine".
    pub(super) fn append(&mut self, head: &Head) -> io::Result<()> {
        let mut line = serde_json::to_vec(head)?;
        line.push(b'\n');
        self.file.write_all(&line)?;
        self.file.sync_data()?;
        self.last = Some(head.clone());
        Ok(())
    }
}

/// The node that a file of heads belongs to; `None` where there is no file, or no head in it.
pub fn node_of(path: &Path) -> io::Result<Option<String>> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    Ok(last_line(&mut file)?.1.map(|head| head.node))
}

impl Drop for HeadFile {
    /// Let go of by name: closing alone leaves it with a process that was just forked and has not closed its copy yet.
    fn drop(&mut self) {
        let _ = flock(&self.file, FlockOperation::Unlock);
    }
}

/// Where the last finished line ends, and what it says.
fn last_line(file: &mut File) -> io::Result<(u64, Option<Head>)> {
    let length = file.seek(SeekFrom::End(0))?;
    let from = length.saturating_sub(2 * LINE_MAX);
    file.seek(SeekFrom::Start(from))?;
    let mut end = Vec::new();
    file.take(2 * LINE_MAX).read_to_end(&mut end)?;
    let Some(newline) = end.iter().rposition(|&octet| octet == b'\n') else {
        return if from == 0 { Ok((0, None)) } else { Err(invalid("its last line is too long")) };
    };
    let start = end[..newline].iter().rposition(|&octet| octet == b'\n').map_or(0, |before| before + 1);
    let head =
        serde_json::from_slice(&end[start..newline]).map_err(|_| invalid("its last line is no head"))?;
    Ok((from + newline as u64 + 1, Some(head)))
}

fn invalid(says: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, says)
}

/// Reads the file from its beginning, line by line (from 1): a head, or `None` where the line is none. A file that is
/// not there has no lines. Stops at the first error of `each`.
pub(super) fn read(path: &Path, mut each: impl FnMut(u64, Option<Head>)) -> io::Result<()> {
    let mut file = match File::open(path) {
        Ok(file) => BufReader::new(file),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        let read = (&mut file).take(LINE_MAX).read_until(b'\n', &mut line)?;
        if read == 0 {
            break;
        }
        // An unfinished last line is being written just now, or is cut off at the next start.
        let Some(text) = line.strip_suffix(b"\n") else {
            if read as u64 == LINE_MAX {
                each(number, None);
            }
            break;
        };
        each(number, serde_json::from_slice(text).ok());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Timestamp;

    fn head(seq: i64) -> Head {
        Head { node: "n".into(), seq, hash: "h".into(), at: Timestamp::from_ms(seq), signature: "s".into() }
    }

    fn lines(path: &Path) -> Vec<Option<i64>> {
        let mut found = Vec::new();
        read(path, |_, head| found.push(head.map(|head| head.seq))).unwrap();
        found
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
            proptest::prop_assert!(lines(&path).len() <= newlines + octets.len() / LINE_MAX as usize);
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
