//! The first look at a file of heads: every line is read and its signature checked, so that whatever walks the chains
//! afterwards knows which lines count. What is kept of it in memory does not grow with the file.

use super::{
    AuditReport, Defect,
    chain::{HeadKeys, Line, Restoration, Signed},
    heads::Lines,
};
use crate::base::Timestamp;
use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
};

/// Lines whose signatures are checked at a time.
const BATCH: usize = 512;
/// Threads that check them.
const THREADS_MAX: usize = 4;
/// Lines that do not count and are remembered one by one; after the last of them none counts.
const BAD_MAX: usize = 1 << 20;
/// Restorations of one file; and heads out of order that are remembered for the comparison with the database.
const ODD_MAX: usize = 1000;

/// What a file of heads says, and which of its lines count.
pub(super) struct Survey {
    path: PathBuf,
    /// Lines looked at; later ones were written since.
    lines: u64,
    /// Lines that do not count, in order.
    bad: Vec<u64>,
    chains: BTreeMap<String, Chain>,
    until: Option<Timestamp>,
}

/// What the file says of one node's chain.
#[derive(Default)]
pub(super) struct Chain {
    /// Restorations with their lines, in order.
    pub restorations: Vec<(u64, Restoration)>,
    /// The last mark that counts: place and hash. `None` where no line of this node counts.
    pub last: Option<(i64, String)>,
    /// Place and signature of lines that stand out of order.
    strays: Vec<(i64, String)>,
    /// Whether the lines that now come are newer than what is looked at.
    is_past: bool,
}

/// The record that a signed line vouches for.
pub(super) struct Mark {
    pub seq: i64,
    pub hash: String,
}

impl Survey {
    /// Reads the whole file; defects of lines go into `report`. Blocking. A file that is not there has no lines. What
    /// was signed at `until` or later is counted and left out: it is to be compared with a copy of that instant, which
    /// has surely what was signed in an earlier millisecond.
    pub(super) fn of(
        path: &Path,
        keys: &HeadKeys,
        until: Option<Timestamp>,
        report: &mut AuditReport,
    ) -> io::Result<Self> {
        let (path, bad, chains) = (path.to_owned(), Vec::new(), BTreeMap::new());
        let mut survey = Self { path, lines: 0, bad, chains, until };
        let mut lines = Lines::open(&survey.path)?;
        loop {
            let batch: Vec<_> = lines.by_ref().take(BATCH).collect::<io::Result<_>>()?;
            if batch.is_empty() {
                return Ok(survey);
            }
            let judged = judge_all(&batch, keys);
            for ((number, line), signed) in batch.into_iter().zip(judged) {
                survey.lines = number;
                survey.take(number, line, signed, report);
            }
        }
    }

    fn take(&mut self, number: u64, line: Option<Line>, signed: Signed, report: &mut AuditReport) {
        let Some(line) = line else {
            self.reject(number);
            return report.add(Defect::BrokenLine { line: number });
        };
        let (seq, node) = (line.mark().0, line.node().to_owned());
        let newer = self.until.is_some_and(|until| line.at() >= until);
        if newer && signed != Signed::Well {
            // Perhaps by a key that was made since: nothing that this copy could know.
            report.newer += 1;
            return self.reject(number);
        }
        match signed {
            Signed::Well => {}
            Signed::Retired => {
                self.reject(number);
                return report.add(Defect::RetiredKey { line: number, node, seq });
            }
            Signed::Not => {
                self.reject(number);
                return report.add(Defect::ForgedHead { line: number, node, seq });
            }
        }
        report.heads += 1;
        let chain = self.chains.entry(node.clone()).or_default();
        chain.is_past |= newer;
        if chain.is_past {
            report.newer += 1;
            report.goes_on_to(&node, seq);
            return self.reject(number);
        }
        if chain.accept(number, line) {
            return;
        }
        self.reject(number);
        report.add(Defect::HeadsReordered { line: number });
    }

    fn reject(&mut self, line: u64) {
        if self.bad.len() < BAD_MAX {
            self.bad.push(line);
        }
    }

    /// What the file says, node by node.
    pub(super) fn chains(&self) -> impl Iterator<Item = (&str, &Chain)> {
        self.chains.iter().map(|(node, chain)| (node.as_str(), chain))
    }

    pub(super) fn chain(&self, node: &str) -> Option<&Chain> {
        self.chains.get(node)
    }

    fn counts(&self, number: u64) -> bool {
        let overflown = self.bad.len() == BAD_MAX && self.bad.last().is_some_and(|&last| number > last);
        number <= self.lines && !overflown && self.bad.binary_search(&number).is_err()
    }

    /// What the file has of `node`, for the comparison with what the database has.
    pub(super) fn presence(&self, node: &str) -> io::Result<Presence> {
        Ok(Presence { lines: Lines::open(&self.path)?, node: node.to_owned(), held: None })
    }
}

/// The signatures of a batch, on several threads: this is what takes the time.
fn judge_all(batch: &[(u64, Option<Line>)], keys: &HeadKeys) -> Vec<Signed> {
    let judge = |(_, line): &(u64, Option<Line>)| line.as_ref().map_or(Signed::Not, |line| keys.judge(line));
    let threads = thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX);
    if threads == 1 || batch.len() < 2 * threads {
        return batch.iter().map(judge).collect();
    }
    let share = batch.len().div_ceil(threads);
    thread::scope(|scope| {
        let parts: Vec<_> = batch
            .chunks(share)
            .map(|part| (part.len(), scope.spawn(move || part.iter().map(judge).collect::<Vec<_>>())))
            .collect();
        // A thread that ended by a panic has found nothing good.
        parts.into_iter().flat_map(|(len, part)| part.join().unwrap_or(vec![Signed::Not; len])).collect()
    })
}

impl Chain {
    /// Whether the line has its place behind the one before. A restoration names exactly the last head before it, so that
    /// it cannot be copied to another place.
    fn accept(&mut self, number: u64, line: Line) -> bool {
        let (seq, hash) = line.mark();
        let mark = (seq, hash.to_owned());
        let good = match &line {
            Line::Head(_) => self.last.as_ref().is_none_or(|(last, _)| seq > *last),
            Line::Restored(line) => {
                self.restorations.len() < ODD_MAX
                    && line.back_to <= line.goes_on_at
                    && self
                        .last
                        .as_ref()
                        .is_some_and(|(last, hash)| line.lost_to == *last && line.lost_hash == *hash)
            }
        };
        match (good, line) {
            (true, Line::Restored(line)) => self.restorations.push((number, line)),
            (true, Line::Head(_)) => {}
            (false, line) => {
                if self.strays.len() < ODD_MAX {
                    self.strays.push((seq, line.signature().to_owned()));
                }
                return false;
            }
        }
        self.last = Some(mark);
        true
    }

    /// Whether a mark at this line was lost by a later restoration.
    fn lost(&self, number: u64, seq: i64) -> bool {
        self.restorations.iter().any(|(at, line)| *at > number && line.back_to < seq)
    }

    /// Whether the database may know a head here that the file lacks: it was at work on its own before it was accepted.
    fn was_on_its_own(&self, seq: i64) -> bool {
        self.restorations.iter().any(|(_, line)| line.back_to < seq && seq <= line.goes_on_at)
    }
}

/// The marks of one node that count, in the order of their places: what was lost by a restoration is left out.
pub(super) struct Marks {
    survey: Arc<Survey>,
    node: String,
    lines: Lines,
}

impl Marks {
    pub(super) fn of(survey: &Arc<Survey>, node: &str) -> io::Result<Self> {
        let lines = Lines::open(&survey.path)?;
        Ok(Self { survey: survey.clone(), node: node.to_owned(), lines })
    }
}

impl Iterator for Marks {
    type Item = io::Result<Mark>;

    fn next(&mut self) -> Option<Self::Item> {
        let chain = self.survey.chain(&self.node)?;
        loop {
            let (number, line) = match self.lines.next()? {
                Ok(read) => read,
                Err(error) => return Some(Err(error)),
            };
            let Some(line) = line.filter(|line| line.node() == self.node) else { continue };
            let (seq, hash) = line.mark();
            if self.survey.counts(number) && !chain.lost(number, seq) {
                return Some(Ok(Mark { seq, hash: hash.to_owned() }));
            }
        }
    }
}

/// Walks the file beside the heads of the database, which come in the order of their places.
pub(super) struct Presence {
    lines: Lines,
    node: String,
    /// The line read last, not passed yet.
    held: Option<(i64, String)>,
}

impl Presence {
    /// Whether the file has this head, or a reason to lack it.
    pub(super) fn has(&mut self, survey: &Survey, seq: i64, signature: &str) -> io::Result<bool> {
        let chain = survey.chain(&self.node);
        loop {
            match &self.held {
                Some((at, found)) if *at == seq && found == signature => return Ok(true),
                Some((at, _)) if *at > seq => break,
                _ => {
                    self.held = self.next_line(chain)?;
                    if self.held.is_none() {
                        break;
                    }
                }
            }
        }
        Ok(chain.is_some_and(|chain| {
            chain.was_on_its_own(seq)
                || chain.strays.iter().any(|(at, stray)| *at == seq && stray == signature)
        }))
    }

    fn next_line(&mut self, chain: Option<&Chain>) -> io::Result<Option<(i64, String)>> {
        for read in self.lines.by_ref() {
            let (number, Some(Line::Head(head))) = read? else { continue };
            let stray = chain.is_some_and(|chain| {
                chain.lost(number, head.seq)
                    || chain.strays.iter().any(|(at, stray)| *at == head.seq && *stray == head.signature)
            });
            if head.node == self.node && !stray {
                return Ok(Some((head.seq, head.signature)));
            }
        }
        Ok(None)
    }
}
