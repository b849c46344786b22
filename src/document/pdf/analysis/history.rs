//! Where each object was in each revision, at hand: a file of many revisions is asked this for every reference in it.

use std::collections::HashMap;

use super::super::{Entry, ObjectId, Pdf};

/// The entries of every object number, oldest first.
pub(super) struct History {
    entries: HashMap<u32, Vec<(usize, Entry)>>,
}

impl History {
    pub(super) fn new(pdf: &Pdf<'_>) -> Self {
        let mut entries: HashMap<u32, Vec<(usize, Entry)>> = HashMap::new();
        for (index, revision) in pdf.revisions().iter().enumerate() {
            for (number, entry) in &revision.entries {
                entries.entry(*number).or_default().push((index, *entry));
            }
        }
        Self { entries }
    }

    /// Where object `number` was as revision `index` left it; `Free` where it wasn't.
    pub(super) fn entry(&self, number: u32, index: usize) -> Entry {
        self.until(number, index).last().map_or(Entry::Free, |(_, entry)| *entry)
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
        self.until(id.number, index).iter().any(|(_, entry)| self::id(id.number, *entry) == Some(id))
    }

    fn until(&self, number: u32, index: usize) -> &[(usize, Entry)] {
        let entries = self.entries.get(&number).map_or(&[][..], Vec::as_slice);
        &entries[..entries.partition_point(|(revision, _)| *revision <= index)]
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
