//! Objects that were read more than once. A file with many signatures is asked for the same dictionaries by every one of
//! them, and the value of a signature is tens of thousands of digits.

use std::collections::HashMap;
use std::sync::Arc;

use super::object::{Object, ObjectId};
use super::syntax::Indirect;

/// Octets, as they stand in the file, of all objects that are remembered.
const REMEMBERED_BYTES: usize = 32 << 20;

/// Objects by their offset.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// `None`: read once. Most objects are, and are not worth a copy.
    objects: HashMap<usize, Option<Arc<Known>>>,
    octets: usize,
}

/// An object as it was read.
#[derive(Debug)]
pub(super) struct Known {
    id: ObjectId,
    pub(super) object: Object,
    /// Its length in the file.
    pub(super) octets: usize,
    /// Values in it.
    pub(super) values: usize,
}

impl Memory {
    /// What stands at `offset`, if it is remembered, and is `id`.
    pub(super) fn find(&self, id: ObjectId, offset: usize) -> Option<Arc<Known>> {
        self.objects.get(&offset)?.as_ref().filter(|known| known.id == id).cloned()
    }

    /// Takes note of an object that was read; the second time it is kept. Streams are not: their length may depend on
    /// the revision that is looked at, and their octets are stepped over anyway.
    pub(super) fn read(&mut self, offset: usize, indirect: &Indirect, values: usize) {
        match self.objects.get(&offset) {
            _ if matches!(indirect.object, Object::Stream(_)) => return,
            None => return drop(self.objects.insert(offset, None)),
            Some(Some(_)) => return,
            Some(None) => {}
        }
        let octets = indirect.span.len();
        self.octets = self.octets.saturating_add(octets);
        if self.octets > REMEMBERED_BYTES {
            *self = Self { octets, ..Self::default() };
        }
        let known = Known { id: indirect.id, object: indirect.object.clone(), octets, values };
        self.objects.insert(offset, Some(Arc::new(known)));
    }
}
