//! The heads' second place, on another disk or machine. It may be out of reach; then the file goes on without it, loudly,
//! and it is brought up to date as soon as it is back.

use super::{
    chain::Line,
    heads::{HeadFile, Lines},
};
use std::{io, path::PathBuf};

/// The witness of a file of heads.
pub(super) struct Witness {
    path: PathBuf,
    of: PathBuf,
    /// `None` while it is out of reach.
    open: Option<HeadFile>,
}

/// What is wrong with a witness.
pub(super) enum Disagreement {
    /// It knows a line that its file lacks: the file was cut, replaced, or put back.
    FileCut {
        /// The place that the file ends at, 0 where it is empty.
        file_to: i64,
        /// The place that the witness knows.
        witness_to: i64,
    },
    /// Out of reach, for now.
    Io(io::Error),
}

impl From<io::Error> for Disagreement {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl Witness {
    /// The witness at `path` of the file at `of`; not opened yet.
    pub(super) fn new(path: PathBuf, of: PathBuf) -> Self {
        Self { path, of, open: None }
    }

    pub(super) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Opens the witness, where it is not, and appends what it lacks. Blocking.
    pub(super) fn catch_up(&mut self) -> Result<(), Disagreement> {
        if self.open.is_some() {
            return Ok(());
        }
        let mut witness = HeadFile::open(&self.path)?;
        let missed = self.missed(witness.last())?;
        for line in missed {
            if let (_, Some(line)) = line? {
                witness.write(&line)?;
            }
        }
        witness.sync()?;
        self.open = Some(witness);
        Ok(())
    }

    /// The lines of the file behind the witness's last one.
    fn missed(&self, last: Option<&Line>) -> Result<Lines, Disagreement> {
        let mut lines = Lines::open(&self.of)?;
        let Some(last) = last else { return Ok(lines) };
        let mut file_to = 0;
        for read in lines.by_ref() {
            match read? {
                (_, Some(line)) if line == *last => return Ok(lines),
                (_, Some(line)) => file_to = line.mark().0,
                (_, None) => {}
            }
        }
        Err(Disagreement::FileCut { file_to, witness_to: last.mark().0 })
    }

    /// Appends; where that fails, the witness is let go of until [`Self::catch_up`]. Blocking.
    pub(super) fn append(&mut self, line: &Line) -> io::Result<()> {
        let Some(mut witness) = self.open.take() else { return Ok(()) };
        witness.append(line)?;
        self.open = Some(witness);
        Ok(())
    }
}
