//! Opened keys, so that a signature doesn't pay for unwrapping each time. Bounded: the one unused longest leaves first,
//! and is wiped when its last holder lets go.

use super::{KeyId, key::KeyRow, wrap::framed};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use yinxin_pki::{sign::Signer, sm3};

/// Opened signers by key id. An entry answers only for the very row that it was opened from: a destroyed, changed or
/// tampered row is never answered from here.
pub(super) struct Cache {
    room: usize,
    entries: Mutex<Entries>,
}

#[derive(Default)]
struct Entries {
    tick: u64,
    by_key: HashMap<KeyId, Entry>,
}

struct Entry {
    row: [u8; 32],
    used: u64,
    signer: Arc<dyn Signer>,
}

impl Cache {
    /// Room for so many keys, at least one.
    pub fn new(room: usize) -> Self {
        Self { room: room.max(1), entries: Mutex::default() }
    }

    pub fn find(&self, row: &KeyRow) -> Option<Arc<dyn Signer>> {
        let mut entries = self.lock();
        entries.tick += 1;
        let tick = entries.tick;
        let entry = entries.by_key.get_mut(&row.id)?;
        if entry.row != fingerprint(row) {
            return None;
        }
        entry.used = tick;
        Some(entry.signer.clone())
    }

    pub fn put(&self, row: &KeyRow, signer: Arc<dyn Signer>) {
        let mut entries = self.lock();
        entries.tick += 1;
        let entry = Entry { row: fingerprint(row), used: entries.tick, signer };
        entries.by_key.insert(row.id.clone(), entry);
        while entries.by_key.len() > self.room {
            let oldest = entries.by_key.iter().min_by_key(|(_, entry)| entry.used).map(|(id, _)| id.clone());
            let Some(oldest) = oldest else { return };
            entries.by_key.remove(&oldest);
        }
    }

    pub fn forget(&self, id: &KeyId) {
        self.lock().by_key.remove(id);
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn fingerprint(row: &KeyRow) -> [u8; 32] {
    let text = |text: &Option<String>| text.clone().unwrap_or_default().into_bytes();
    sm3::digest(framed([
        row.id.as_str().as_bytes(),
        row.purpose.as_bytes(),
        row.kind.as_bytes(),
        row.custody.as_bytes(),
        &text(&row.handle),
        &row.public_key,
        &text(&row.aead),
        row.wrapped.as_deref().unwrap_or_default(),
        &row.made_at.ms().to_be_bytes(),
    ]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Timestamp;
    use yinxin_pki::sm2;

    fn row(number: u8) -> KeyRow {
        KeyRow {
            id: KeyId::from_row(format!("key_{number}")),
            purpose: "audit".into(),
            kind: "sm2".into(),
            custody: "soft".into(),
            handle: None,
            public_key: vec![number],
            aead: None,
            wrapped: None,
            made_at: Timestamp::from_ms(0),
            destroyed_at: None,
            master: 1,
        }
    }

    fn signer() -> Arc<dyn Signer> {
        Arc::new(sm2::PrivateKey::from_bytes(&[3; 32]).unwrap())
    }

    #[test]
    fn the_one_unused_longest_leaves_and_is_let_go() {
        let cache = Cache::new(2);
        let first = signer();
        let watch = Arc::downgrade(&first);
        cache.put(&row(1), first);
        cache.put(&row(2), signer());
        assert!(cache.find(&row(2)).is_some());
        assert!(watch.upgrade().is_some());
        cache.put(&row(3), signer());
        assert!(watch.upgrade().is_none());
        assert!(
            cache.find(&row(1)).is_none() && cache.find(&row(2)).is_some() && cache.find(&row(3)).is_some()
        );
    }

    #[test]
    fn another_row_under_the_same_id_finds_nothing() {
        let cache = Cache::new(2);
        cache.put(&row(1), signer());
        let changed = KeyRow { wrapped: Some(vec![1]), ..row(1) };
        assert!(cache.find(&changed).is_none());
        assert!(cache.find(&row(1)).is_some());
        cache.forget(&row(1).id);
        assert!(cache.find(&row(1)).is_none());
    }
}
