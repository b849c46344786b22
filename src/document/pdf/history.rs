//! Where each object was in each revision, at hand: a file of many revisions is asked this for every reference in it.

use super::{Entry, ObjectId, Revision};

/// The entries of every object number, oldest first. One flat list: a small file may name a million objects.
#[derive(Debug)]
pub(super) struct History {
    entries: Vec<(u32, usize, Entry)>,
}

impl History {
    pub(super) fn new(revisions: &[Revision]) -> Self {
        let count = revisions.iter().map(|revision| revision.entries.len()).sum();
        let mut entries = Vec::with_capacity(count);
        for (index, revision) in revisions.iter().enumerate() {
            entries.extend(revision.entries.iter().map(|(number, entry)| (*number, index, *entry)));
        }
        entries.sort_unstable_by_key(|(number, index, _)| (*number, *index));
        Self { entries }
    }

    /// Where object `number` was as revision `index` left it; `Free` where it wasn't.
    pub(super) fn entry(&self, number: u32, index: usize) -> Entry {
        self.find(number, index).unwrap_or(Entry::Free)
    }

    /// The same; `None` where no revision up to that one names it.
    pub(super) fn find(&self, number: u32, index: usize) -> Option<Entry> {
        self.until(number, index).last().map(|(_, _, entry)| *entry)
    }

    /// The id by which object `number` could be referred to in revision `index`.
    pub(super) fn id(&self, number: u32, index: usize) -> Option<ObjectId> {
        id(number, self.entry(number, index))
    }

    /// Whether `id` led to something in revision `index`.
    pub(super) fn is_live(&self, id: ObjectId, index: usize) -> bool {
        self.id(id.number, index) == Some(id)
    }

    /// Whether `id` led to something in revision `index` or one before it.
    pub(super) fn was_live(&self, id: ObjectId, index: usize) -> bool {
        self.until(id.number, index).iter().any(|(_, _, entry)| self::id(id.number, *entry) == Some(id))
    }

    fn until(&self, number: u32, index: usize) -> &[(u32, usize, Entry)] {
        let start = self.entries.partition_point(|(known, ..)| *known < number);
        let end = self.entries.partition_point(|(known, revision, _)| (*known, *revision) <= (number, index));
        self.entries.get(start..end).unwrap_or_default()
    }
}

/// The generation stands in the entry; compressed objects have none.
fn id(number: u32, entry: Entry) -> Option<ObjectId> {
    match entry {
        Entry::At { generation, .. } => Some(ObjectId { number, generation }),
        Entry::InStream { .. } => Some(ObjectId { number, generation: 0 }),
        Entry::Free => None,
    }
}
