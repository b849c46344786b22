//! Walks the chains and compares them with the signed heads: every defect is named. What comes in comes one by one, from
//! a database, an export or a backup, and nothing of it is kept.

use super::{
    AuditReport, Defect, HeadKeys, Link, Record, Restored, chain,
    survey::{Chain, Mark, Marks, Presence, Survey},
};
use crate::base::Timestamp;
use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    iter::Peekable,
    path::Path,
    sync::Arc,
};

/// The action of the record that tells of an accepted restoration; its subject is the restoration's name.
pub const RESTORED: &str = "service.restored";

/// How far around its place a moved record's true place is looked for.
const NEIGHBOURS: i64 = 1000;
/// How many records are looked for in that way.
const SEARCHES: u32 = 100;

/// A check under way, of a database, an export or a backup. First come the heads that the database knows, in the order of node and place; then the chained
/// records, in the order of node, place and number; records that wait to be chained at any time.
pub struct Check {
    survey: Arc<Survey>,
    /// Whose file of heads it is: the node whose own heads must all be in it.
    own: String,
    report: AuditReport,
    /// The highest place of a head that the database knows, by node.
    recorded: BTreeMap<String, i64>,
    presence: Option<(String, Option<Presence>)>,
    missing: Vec<Defect>,
    /// How many records of a node wait to be chained.
    waiting: BTreeMap<String, u64>,
    walk: Option<Walk>,
    walked: BTreeSet<String>,
    told: BTreeSet<String>,
}

impl Check {
    /// Reads the file of heads, whose lines may be signed by any of `keys`, and makes ready to compare it. `own` is the node
    /// whose own heads must all be in the file. Lines signed at `until` or later are counted and left out, for a copy of that
    /// instant. A file that is not there has no heads. Blocking: each signature is checked.
    pub fn begin(
        heads_file: &Path,
        keys: &HeadKeys,
        own: &str,
        until: Option<Timestamp>,
    ) -> io::Result<Self> {
        let mut report = AuditReport::default();
        let survey = Survey::of(heads_file, keys, until, &mut report)?;
        Ok(Self {
            survey: Arc::new(survey),
            own: own.to_owned(),
            report,
            recorded: BTreeMap::new(),
            presence: None,
            missing: Vec::new(),
            waiting: BTreeMap::new(),
            walk: None,
            walked: BTreeSet::new(),
            told: BTreeSet::new(),
        })
    }

    /// A head that the database knows. Chains that the file does not speak of at all belong to other nodes' files.
    pub fn head(&mut self, node: &str, seq: i64, signature: &str) -> io::Result<()> {
        if self.presence.as_ref().is_none_or(|(at, _)| at != node) {
            let spoken_of = node == self.own || self.survey.chain(node).is_some();
            let presence = spoken_of.then(|| self.survey.presence(node)).transpose()?;
            self.presence = Some((node.to_owned(), presence));
        }
        self.recorded.insert(node.to_owned(), seq);
        if let Some((_, Some(presence))) = &mut self.presence
            && !presence.has(&self.survey, seq, signature)?
        {
            self.missing.push(Defect::HeadMissing { node: node.to_owned(), seq });
            // Beyond what is listed only the number matters.
            if self.missing.len() > 2 * super::defect::LISTED {
                self.missing.pop();
                self.report.further += 1;
            }
        }
        Ok(())
    }

    /// A record, chained or not.
    pub fn record(&mut self, record: &Record) -> io::Result<()> {
        let Some(link) = &record.link else {
            self.wait(&record.node, 1);
            return Ok(());
        };
        if self.walk.as_ref().is_none_or(|walk| walk.node != record.node) {
            self.end_walk()?;
            self.walk = Some(Walk::new(&self.survey, &record.node)?);
            self.walked.insert(record.node.clone());
        }
        if record.action == RESTORED {
            self.tell(record);
        }
        match &mut self.walk {
            Some(walk) => walk.step(record, link, &mut self.report),
            None => Ok(()),
        }
    }

    /// Records of a node that wait to be chained.
    pub(super) fn wait(&mut self, node: &str, count: u64) {
        *self.waiting.entry(node.to_owned()).or_default() += count;
        self.report.unchained += count;
    }

    /// Keeps the names that the file speaks of, and no others: their number has a bound.
    fn tell(&mut self, record: &Record) {
        let known = self.survey.chain(&record.node).is_some_and(|chain| {
            chain.restorations.iter().any(|(_, line)| line.restoration == record.subject)
        });
        if known {
            self.told.insert(record.subject.clone());
        }
    }

    fn end_walk(&mut self) -> io::Result<()> {
        if let Some(walk) = self.walk.take() {
            let (node, ends_at) = (walk.node.clone(), walk.place());
            self.compare_end(&node, ends_at);
        }
        Ok(())
    }

    /// Compares the end of a chain with its last signed mark.
    fn compare_end(&mut self, node: &str, ends_at: i64) {
        let last = self.survey.chain(node).and_then(|chain| chain.last.as_ref());
        let Some(&(signed_to, _)) = last.filter(|(seq, _)| *seq > ends_at) else { return };
        let known = self.recorded.get(node).is_some_and(|&seq| seq > ends_at);
        let node = node.to_owned();
        self.report.add(match known {
            true => Defect::Truncated { node, ends_at, signed_to },
            false => Defect::OldCopy { node, ends_at, signed_to },
        });
    }

    /// What was found.
    pub fn finish(mut self) -> io::Result<AuditReport> {
        self.end_walk()?;
        let survey = self.survey.clone();
        for (node, chain) in survey.chains() {
            if !self.walked.contains(node) {
                self.compare_end(node, 0);
            }
            self.compare_restorations(node, chain);
        }
        let nodes: BTreeSet<_> =
            self.walked.iter().chain(self.waiting.keys()).chain(self.recorded.keys()).collect();
        let without = nodes.into_iter().filter(|node| survey.chain(node).is_none());
        self.report.without_heads = without.cloned().collect();
        for defect in self.missing {
            self.report.add(defect);
        }
        Ok(self.report)
    }

    fn compare_restorations(&mut self, node: &str, chain: &Chain) {
        for (place, (_, line)) in chain.restorations.iter().enumerate() {
            self.report.restorations.push(Restored {
                restoration: line.restoration.clone(),
                node: node.to_owned(),
                at: line.at,
                lost_from: line.back_to.saturating_add(1),
                lost_to: line.lost_to,
                goes_on_at: line.goes_on_at,
            });
            // The record may wait to be chained, or be lost itself where the database was set back once more.
            let is_last = place + 1 == chain.restorations.len();
            if is_last && !self.told.contains(&line.restoration) && !self.waiting.contains_key(node) {
                let restoration = line.restoration.clone();
                self.report.add(Defect::RestorationUnrecorded { node: node.to_owned(), restoration });
            }
        }
    }
}

/// One chain.
struct Walk {
    node: String,
    /// Marks not passed yet.
    marks: Peekable<Marks>,
    good_head: i64,
    before: Before,
    searches: u32,
}

/// What is known of the record before.
enum Before {
    Origin,
    /// It is what its hash says.
    Sound {
        seq: i64,
        hash: String,
    },
    /// It is not, so what follows cannot be compared with it.
    Unsound {
        seq: i64,
    },
}

impl Walk {
    fn new(survey: &Arc<Survey>, node: &str) -> io::Result<Self> {
        Ok(Self {
            node: node.to_owned(),
            marks: Marks::of(survey, node)?.peekable(),
            good_head: 0,
            before: Before::Origin,
            searches: SEARCHES,
        })
    }

    fn place(&self) -> i64 {
        match &self.before {
            Before::Origin => 0,
            Before::Sound { seq, .. } | Before::Unsound { seq } => *seq,
        }
    }

    fn step(&mut self, record: &Record, link: &Link, report: &mut AuditReport) -> io::Result<()> {
        let (seq, node) = (link.seq, self.node.clone());
        report.chained += 1;
        let place = self.place();
        if seq == place && !matches!(self.before, Before::Origin) {
            report.add(Defect::Doubled { node, seq });
            return Ok(());
        }
        let next = place.saturating_add(1);
        if seq > next {
            report.add(Defect::Removed { node: node.clone(), from: next, to: seq - 1 });
        }
        let sound = chain::hash(record, seq, &link.previous) == link.hash;
        if !sound {
            report.add(match self.true_place(record, link) {
                Some(belongs_at) => Defect::Reordered { node, seq, belongs_at },
                None => Defect::Changed { node, seq, row: record.id },
            });
        } else if seq == next && !self.is_followed_by(&link.previous) {
            report.add(Defect::Replaced { node, seq: place.max(1) });
        }
        self.compare_with_marks(link, report)?;
        self.before = match sound {
            true => Before::Sound { seq, hash: link.hash.clone() },
            false => Before::Unsound { seq },
        };
        Ok(())
    }

    /// Whether a record with this `previous` can stand behind the one before.
    fn is_followed_by(&self, previous: &str) -> bool {
        match &self.before {
            Before::Origin => previous == chain::ORIGIN,
            Before::Sound { hash, .. } => previous == hash,
            Before::Unsound { .. } => true,
        }
    }

    /// Where a moved record was chained: its hash holds there.
    fn true_place(&mut self, record: &Record, link: &Link) -> Option<i64> {
        self.searches = self.searches.checked_sub(1)?;
        let first = link.seq.saturating_sub(NEIGHBOURS).max(1);
        let mut places = first..=link.seq.saturating_add(NEIGHBOURS);
        places.find(|&place| chain::hash(record, place, &link.previous) == link.hash)
    }

    fn compare_with_marks(&mut self, link: &Link, report: &mut AuditReport) -> io::Result<()> {
        let passed = |next: &io::Result<Mark>| next.as_ref().map_or(true, |mark| mark.seq <= link.seq);
        while let Some(mark) = self.marks.next_if(passed).transpose()? {
            // A mark whose record is missing: that was said as removed.
            if mark.seq < link.seq {
                continue;
            }
            if mark.hash == link.hash {
                self.good_head = mark.seq;
            } else {
                let (node, after) = (self.node.clone(), self.good_head);
                report.add(Defect::Rewritten { node, after, seq: mark.seq });
            }
        }
        Ok(())
    }
}
