//! Walks the chains and compares them with the signed heads: every defect is named.

use super::{
    Record,
    chain::{self, Head},
    heads, store,
};
use crate::store::{Rx, Store, StoreError};
use serde::Serialize;
use std::{collections::BTreeMap, fmt, io, path::Path};
use yinxin_pki::sign::PublicKey;

/// Records read at once.
const PAGE: u32 = 1000;
/// Defects that are listed; the rest is counted.
const LISTED: usize = 1000;
/// How far around its place a moved record's true place is looked for.
const NEIGHBOURS: i64 = 1000;
/// How many records are looked for in that way.
const SEARCHES: u32 = 100;

/// Something that the chain, its heads, or both prove to be wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "id", rename_all = "kebab-case")]
pub enum Defect {
    /// The record at this place is not what was hashed.
    Changed {
        /// Whose chain.
        node: String,
        /// Its place.
        seq: i64,
        /// Its number.
        row: i64,
    },
    /// The record was changed, or put in another's place, and its hash made anew: the next one does not follow it.
    Replaced {
        /// Whose chain.
        node: String,
        /// Its place.
        seq: i64,
    },
    /// Records are missing from the middle or the beginning.
    Removed {
        /// Whose chain.
        node: String,
        /// First missing place.
        from: i64,
        /// Last missing place.
        to: i64,
    },
    /// The record stands in another place than the one it was chained at.
    Reordered {
        /// Whose chain.
        node: String,
        /// Where it stands.
        seq: i64,
        /// Where it belongs.
        belongs_at: i64,
    },
    /// Two records claim one place.
    Doubled {
        /// Whose chain.
        node: String,
        /// The place.
        seq: i64,
    },
    /// The chain ends before its signed head; the database still knows that head: records were cut off the end.
    Truncated {
        /// Whose chain.
        node: String,
        /// Last place present.
        ends_at: i64,
        /// Place of the last signed head.
        signed_to: i64,
    },
    /// The chain ends before its signed head, and the database does not know that head either: an old copy was put in
    /// the database's place, or end and heads were cut off together.
    OldCopy {
        /// Whose chain.
        node: String,
        /// Last place present.
        ends_at: i64,
        /// Place of the last signed head.
        signed_to: i64,
    },
    /// The record at a signed head has another hash: some or all records after the last good head up to here were
    /// made anew.
    Rewritten {
        /// Whose chain.
        node: String,
        /// Place of the last head before that holds, 0 if none.
        after: i64,
        /// Place of this head.
        seq: i64,
    },
    /// A head in the file is not signed by the given key.
    ForgedHead {
        /// Line of the file, from 1.
        line: u64,
        /// Whose chain it claims.
        node: String,
        /// The place it claims.
        seq: i64,
    },
    /// A line of the file is no head.
    BrokenLine {
        /// Line of the file, from 1.
        line: u64,
    },
    /// A head is older than the one before it in the file.
    HeadsReordered {
        /// Line of the file, from 1.
        line: u64,
    },
    /// The database knows a head that the file lacks: lines were removed, or the head was made up.
    HeadMissing {
        /// Whose chain.
        node: String,
        /// Its place.
        seq: i64,
    },
}

impl Defect {
    /// Stable code for the error catalogue.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Changed { .. } => "audit/changed",
            Self::Replaced { .. } => "audit/replaced",
            Self::Removed { .. } => "audit/removed",
            Self::Reordered { .. } => "audit/reordered",
            Self::Doubled { .. } => "audit/doubled",
            Self::Truncated { .. } => "audit/truncated",
            Self::OldCopy { .. } => "audit/old-copy",
            Self::Rewritten { .. } => "audit/rewritten",
            Self::ForgedHead { .. } => "audit/forged-head",
            Self::BrokenLine { .. } => "audit/broken-line",
            Self::HeadsReordered { .. } => "audit/heads-reordered",
            Self::HeadMissing { .. } => "audit/head-missing",
        }
    }
}

impl fmt::Display for Defect {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Changed { node, seq, row } => {
                write!(out, "{node}/{seq}: the record (row {row}) was changed")
            }
            Self::Replaced { node, seq } => write!(
                out,
                "{node}/{seq}: the record was changed or replaced and hashed anew; {} does not follow it",
                seq.saturating_add(1)
            ),
            Self::Removed { node, from, to } => write!(out, "{node}: records {from} to {to} were removed"),
            Self::Reordered { node, seq, belongs_at } => {
                write!(out, "{node}/{seq}: the record was moved here from {belongs_at}")
            }
            Self::Doubled { node, seq } => write!(out, "{node}/{seq}: two records claim this place"),
            Self::Truncated { node, ends_at, signed_to } => write!(
                out,
                "{node}: the chain was signed up to {signed_to} and ends at {ends_at}; its end was cut off"
            ),
            Self::OldCopy { node, ends_at, signed_to } => write!(
                out,
                "{node}: the chain was signed up to {signed_to} and the database knows it only to {ends_at}; it is an \
                 old copy, or was cut back with its heads"
            ),
            Self::Rewritten { node, after, seq } => write!(
                out,
                "{node}: record {seq} is not the one that was signed; records after {after} were written anew"
            ),
            Self::ForgedHead { line, node, seq } => {
                write!(out, "line {line} of the heads ({node}/{seq}) is not signed by this key")
            }
            Self::BrokenLine { line } => write!(out, "line {line} of the heads is not readable"),
            Self::HeadsReordered { line } => {
                write!(out, "line {line} of the heads is older than the one before")
            }
            Self::HeadMissing { node, seq } => write!(
                out,
                "the database has a signed head at {node}/{seq} that the file of heads lacks: a line was removed, or \
                 the head was made up"
            ),
        }
    }
}

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct AuditReport {
    /// Records in the chains.
    pub chained: u64,
    /// Records not chained yet: younger than a second while the daemon runs, or written before it was stopped hard.
    pub unchained: u64,
    /// Heads in the file whose signature holds.
    pub heads: u64,
    /// Chains without a head in this file (those of other nodes): checked link by link only.
    pub without_heads: Vec<String>,
    /// What is wrong, by chain and place; at most a thousand.
    pub defects: Vec<Defect>,
    /// How many more there are.
    pub further: u64,
}

impl AuditReport {
    /// Whether nothing is wrong.
    pub fn is_sound(&self) -> bool {
        self.defects.is_empty()
    }

    fn add(&mut self, defect: Defect) {
        if self.defects.len() < LISTED {
            self.defects.push(defect);
        } else {
            self.further += 1;
        }
    }
}

/// Checks all chains of the database, link by link, and those of the nodes in the file of heads against it.
///
/// It may run beside a working daemon: the database is seen at one instant. The inner error is that of reading the
/// file; a file that is not there has no heads.
pub async fn verify(
    store: &Store,
    heads_file: &Path,
    key: &PublicKey,
) -> Result<io::Result<AuditReport>, StoreError> {
    let mut report = AuditReport::default();
    // The file first: what it says has been in the database before.
    let heads = match signed_heads(heads_file, key, &mut report) {
        Ok(heads) => heads,
        Err(error) => return Ok(Err(error)),
    };
    let walked = store.snapshot(async |rx| -> Result<_, StoreError> {
        let mut recorded = BTreeMap::new();
        for node in store::nodes(rx).await? {
            let signed = heads.get(&node).map_or(&[][..], Vec::as_slice);
            if signed.is_empty() {
                report.without_heads.push(node.clone());
            }
            walk(rx, &node, signed, &mut report).await?;
            recorded.insert(node.clone(), recorded_heads(rx, &node).await?);
        }
        let unseen = heads.iter().filter(|(node, _)| !recorded.contains_key(*node));
        for (node, signed) in unseen {
            let signed_to = signed.last().map_or(0, |mark| mark.seq);
            report.add(Defect::OldCopy { node: node.clone(), ends_at: 0, signed_to });
        }
        Ok(recorded)
    });
    let recorded = walked.await?;
    // The file again: what the database says about heads has been in the file before.
    if let Err(error) = find_missing(heads_file, store.node(), recorded, &mut report) {
        return Ok(Err(error));
    }
    Ok(Ok(report))
}

/// What a signed head says of a chain.
struct Mark {
    seq: i64,
    hash: String,
}

fn signed_heads(
    path: &Path,
    key: &PublicKey,
    report: &mut AuditReport,
) -> io::Result<BTreeMap<String, Vec<Mark>>> {
    let mut marks: BTreeMap<String, Vec<Mark>> = BTreeMap::new();
    heads::read(path, |line, head| {
        let Some(head) = head else { return report.add(Defect::BrokenLine { line }) };
        if !head.is_signed_by(key) {
            return report.add(Defect::ForgedHead { line, node: head.node, seq: head.seq });
        }
        report.heads += 1;
        let Head { node, seq, hash, .. } = head;
        let chain = marks.entry(node).or_default();
        if chain.last().is_some_and(|last| last.seq >= seq) {
            return report.add(Defect::HeadsReordered { line });
        }
        chain.push(Mark { seq, hash });
    })?;
    Ok(marks)
}

async fn recorded_heads(rx: &mut Rx, node: &str) -> Result<Vec<(i64, String)>, StoreError> {
    let mut found: Vec<(i64, String)> = Vec::new();
    loop {
        let after = found.last().map_or(i64::MIN, |(seq, _)| *seq);
        let page = store::heads(rx, node, after, PAGE).await?;
        if page.is_empty() {
            return Ok(found);
        }
        found.extend(page.into_iter().map(|head| (head.seq, head.signature)));
    }
}

/// Heads of the database that the file lacks. Chains that the file does not speak of at all belong to other nodes'
/// files, except this node's own.
fn find_missing(
    path: &Path,
    own: &str,
    mut recorded: BTreeMap<String, Vec<(i64, String)>>,
    report: &mut AuditReport,
) -> io::Result<()> {
    let mut spoken_of: BTreeMap<String, std::collections::BTreeSet<(i64, String)>> = BTreeMap::new();
    heads::read(path, |_, head| {
        if let Some(head) = head {
            spoken_of.entry(head.node).or_default().insert((head.seq, head.signature));
        }
    })?;
    recorded.retain(|node, _| node == own || spoken_of.contains_key(node));
    for (node, heads) in recorded {
        let lines = spoken_of.remove(&node).unwrap_or_default();
        for (seq, signature) in heads {
            if !lines.contains(&(seq, signature)) {
                report.add(Defect::HeadMissing { node: node.clone(), seq });
            }
        }
    }
    Ok(())
}

/// Walks one chain.
async fn walk(rx: &mut Rx, node: &str, signed: &[Mark], report: &mut AuditReport) -> Result<(), StoreError> {
    let mut walk = Walk { node, signed, good_head: 0, before: Before::Origin, searches: SEARCHES };
    let mut after = (i64::MIN, i64::MIN);
    loop {
        let page = store::walk(rx, node, after, PAGE).await?;
        for record in &page {
            let Some(link) = &record.link else { continue };
            walk.step(record, link, report);
            after = (link.seq, record.id);
        }
        if page.is_empty() {
            break;
        }
    }
    let ends_at = walk.place();
    if let Some(last) = signed.last().filter(|last| last.seq > ends_at) {
        let known = !store::heads(rx, node, ends_at, 1).await?.is_empty();
        let (node, signed_to) = (node.to_owned(), last.seq);
        report.add(match known {
            true => Defect::Truncated { node, ends_at, signed_to },
            false => Defect::OldCopy { node, ends_at, signed_to },
        });
    }
    report.unchained += u64::try_from(store::count_unchained(rx, node).await?).unwrap_or(0);
    Ok(())
}

struct Walk<'a> {
    node: &'a str,
    /// Heads not passed yet.
    signed: &'a [Mark],
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

impl Walk<'_> {
    fn place(&self) -> i64 {
        match &self.before {
            Before::Origin => 0,
            Before::Sound { seq, .. } | Before::Unsound { seq } => *seq,
        }
    }

    fn step(&mut self, record: &Record, link: &super::Link, report: &mut AuditReport) {
        let (seq, node) = (link.seq, self.node.to_owned());
        report.chained += 1;
        let place = self.place();
        if seq == place && !matches!(self.before, Before::Origin) {
            return report.add(Defect::Doubled { node, seq });
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
        self.compare_with_heads(link, report);
        self.before = match sound {
            true => Before::Sound { seq, hash: link.hash.clone() },
            false => Before::Unsound { seq },
        };
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
    fn true_place(&mut self, record: &Record, link: &super::Link) -> Option<i64> {
        self.searches = self.searches.checked_sub(1)?;
        let first = link.seq.saturating_sub(NEIGHBOURS).max(1);
        let mut places = first..=link.seq.saturating_add(NEIGHBOURS);
        places.find(|&place| chain::hash(record, place, &link.previous) == link.hash)
    }

    fn compare_with_heads(&mut self, link: &super::Link, report: &mut AuditReport) {
        while let Some((mark, later)) = self.signed.split_first().filter(|(mark, _)| mark.seq <= link.seq) {
            self.signed = later;
            // A head whose record is missing: that was said as removed.
            if mark.seq < link.seq {
                continue;
            }
            if mark.hash == link.hash {
                self.good_head = mark.seq;
            } else {
                let (node, after) = (self.node.to_owned(), self.good_head);
                report.add(Defect::Rewritten { node, after, seq: mark.seq });
            }
        }
    }
}
