//! What a check of the chains can find, in data and in words.

use crate::base::Timestamp;
use serde::Serialize;
use std::fmt;

/// Defects that are listed; the rest is counted.
pub(super) const LISTED: usize = 1000;

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
    /// A head is signed by a key whose private part had been destroyed before: somebody has a copy of that key.
    RetiredKey {
        /// Line of the file, from 1.
        line: u64,
        /// Whose chain it claims.
        node: String,
        /// The place it claims.
        seq: i64,
    },
    /// A head is older than the one before it in the file, or a restoration stands where it does not belong.
    HeadsReordered {
        /// Line of the file, from 1.
        line: u64,
    },
    /// The file says that an old copy was accepted, and no record tells who did.
    RestorationUnrecorded {
        /// Whose chain.
        node: String,
        /// The restoration's name.
        restoration: String,
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
            Self::RetiredKey { .. } => "audit/retired-key",
            Self::HeadsReordered { .. } => "audit/heads-reordered",
            Self::RestorationUnrecorded { .. } => "audit/restoration-unrecorded",
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
                write!(out, "line {line} of the heads ({node}/{seq}) is not signed by any audit key")
            }
            Self::BrokenLine { line } => write!(out, "line {line} of the heads is not readable"),
            Self::RetiredKey { line, node, seq } => write!(
                out,
                "line {line} of the heads ({node}/{seq}) is signed by a key that was destroyed before; somebody has a \
                 copy of it"
            ),
            Self::HeadsReordered { line } => {
                write!(
                    out,
                    "line {line} of the heads is older than the one before, or stands in another's place"
                )
            }
            Self::RestorationUnrecorded { node, restoration } => write!(
                out,
                "{node}: the file of heads says that an old copy was accepted ({restoration}), and no record tells by \
                 whom"
            ),
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
    /// Heads that are newer than the export or backup that is checked: not compared.
    pub newer: u64,
    /// The last place that those heads know, by node.
    pub newer_to: std::collections::BTreeMap<String, i64>,
    /// Chains without a head in this file (those of other nodes): checked link by link only.
    pub without_heads: Vec<String>,
    /// Old copies of the database that were accepted: what is lost since, and known to be.
    pub restorations: Vec<Restored>,
    /// What is wrong, by chain and place; at most a thousand.
    pub defects: Vec<Defect>,
    /// How many more there are.
    pub further: u64,
}

/// An old copy of the database that was accepted, as the file of heads has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Restored {
    /// Its name: the subject of the record that tells more.
    pub restoration: String,
    /// Whose chain.
    pub node: String,
    /// When.
    pub at: Timestamp,
    /// The first place whose signed record is lost.
    pub lost_from: i64,
    /// The last one.
    pub lost_to: i64,
    /// The place after which the chain goes on.
    pub goes_on_at: i64,
}

impl fmt::Display for Restored {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { restoration, node, at, lost_from, lost_to, goes_on_at } = self;
        write!(
            out,
            "{node}: went on from an older state at {} ({restoration}); records {lost_from} to {lost_to} as they were \
             signed before are lost, and the chain goes on after {goes_on_at}",
            at.rfc3339()
        )
    }
}

impl AuditReport {
    /// Whether nothing is wrong.
    pub fn is_sound(&self) -> bool {
        self.defects.is_empty()
    }

    pub(super) fn goes_on_to(&mut self, node: &str, seq: i64) {
        match self.newer_to.get_mut(node) {
            Some(to) => *to = seq.max(*to),
            None => drop(self.newer_to.insert(node.to_owned(), seq)),
        }
    }

    pub(super) fn add(&mut self, defect: Defect) {
        if self.defects.len() < LISTED {
            self.defects.push(defect);
        } else {
            self.further += 1;
        }
    }
}
