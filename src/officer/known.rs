//! Keys that opened a moment ago, so that a busy one is not looked up again for each of its requests.
//!
//! What is kept holds for half a second at most, and no longer than nobody on this node changes an officer or a key. So a
//! key that is revoked is refused at once on the node that revoked it, and half a second later on every other.

use super::{ApiKeyId, store::SignIn};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// How long a key is believed to be as it was.
const KNOWN_FOR: Duration = Duration::from_millis(500);
/// Keys kept at a time.
const KEYS_MAX: usize = 4096;

/// The keys.
#[derive(Default)]
pub(super) struct Known(Mutex<HashMap<ApiKeyId, Entry>>);

struct Entry {
    found: Arc<SignIn>,
    /// The edition of the store from before it was read.
    edition: u64,
    until: Instant,
}

impl Known {
    /// What was found of a key, where that still holds in this edition of the store.
    pub(super) fn find(&self, id: &ApiKeyId, edition: u64) -> Option<Arc<SignIn>> {
        let keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = keys.get(id)?;
        (entry.edition == edition && Instant::now() < entry.until).then(|| entry.found.clone())
    }

    /// Keeps what was found, read in this edition or a later one.
    pub(super) fn keep(&self, id: &ApiKeyId, edition: u64, found: &Arc<SignIn>) {
        let now = Instant::now();
        let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if keys.len() >= KEYS_MAX {
            keys.retain(|_, entry| now < entry.until);
            if keys.len() >= KEYS_MAX {
                keys.clear();
            }
        }
        keys.insert(id.clone(), Entry { found: found.clone(), edition, until: now + KNOWN_FOR });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        base::{Timestamp, entropy::SeededEntropy},
        officer::{ApiKey, ClearKey, Officer, OfficerId, OfficerState, Role, Roles},
    };

    #[test]
    fn a_key_is_known_in_its_edition_and_in_no_other() {
        let (now, chance) = (Timestamp::from_seconds(1), SeededEntropy::new(1));
        let clear = ClearKey::fresh(now, &chance);
        let officer = OfficerId::fresh(now, &chance);
        let found = Arc::new(SignIn {
            hash: clear.hash(),
            key: ApiKey {
                id: clear.id().clone(),
                officer: officer.clone(),
                label: "test".into(),
                made_at: now,
                expires_at: None,
                revoked_at: None,
                renewable: false,
                replaced_by: None,
            },
            officer: Officer {
                id: officer,
                name: "某人".into(),
                roles: Roles::only(Role::Viewer),
                state: OfficerState::Active,
                made_at: now,
            },
        });
        let known = Known::default();
        assert!(known.find(clear.id(), 7).is_none());
        known.keep(clear.id(), 7, &found);
        assert!(known.find(clear.id(), 7).is_some());
        assert!(known.find(clear.id(), 8).is_none());
        std::thread::sleep(KNOWN_FOR);
        assert!(known.find(clear.id(), 7).is_none());
        for _ in 0..2 * KEYS_MAX {
            known.keep(&ApiKeyId::fresh(now, &chance), 7, &found);
        }
        assert!(known.0.lock().expect("unpoisoned").len() <= KEYS_MAX);
    }
}
