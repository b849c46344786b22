//! Keys that open, looked up less often than they are used, and never believed longer than they are good.
//!
//! Where nobody else writes the database (SQLite), what was found holds until somebody here changes an officer or a key
//! ([`Known`]). Where other nodes write it too, nothing is kept: but requests with the same key that come while it is being
//! looked up share the next look ([`Looks`]), which begins after all of them came. So a key that is revoked anywhere is
//! refused everywhere at once.

use crate::{
    officer::{ApiKeyId, store::SignIn},
    store::StoreError,
};
use std::{
    collections::HashMap,
    future::Future,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// What a look at a key found.
type Found = Result<Option<Arc<SignIn>>, StoreError>;

/// How long what was found is kept at the most, so that keys that are used no more go.
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

/// Looks at keys that are under way.
#[derive(Default)]
pub(super) struct Looks(Mutex<HashMap<ApiKeyId, Arc<Line>>>);

/// Those who wait for a look at one key.
#[derive(Default)]
struct Line {
    /// Looks begun so far.
    begun: AtomicU64,
    /// The last one that came to an end, by its number.
    last: tokio::sync::Mutex<(u64, Option<Found>)>,
}

impl Looks {
    /// What a look found that began after this was called: one's own, or another's.
    pub(super) async fn share(&self, id: &ApiKeyId, look: impl Future<Output = Found>) -> Found {
        let standing =
            Standing { line: self.lines().entry(id.clone()).or_default().clone(), id, looks: self };
        let line = &standing.line;
        let came_after = line.begun.load(Ordering::SeqCst);
        let mut last = line.last.lock().await;
        if last.0 > came_after
            && let Some(found) = &last.1
        {
            return found.clone();
        }
        let number = line.begun.fetch_add(1, Ordering::SeqCst) + 1;
        let found = look.await;
        *last = (number, Some(found.clone()));
        found
    }

    fn lines(&self) -> MutexGuard<'_, HashMap<ApiKeyId, Arc<Line>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One who stands in a line; the last one to leave takes it away.
struct Standing<'l> {
    line: Arc<Line>,
    id: &'l ApiKeyId,
    looks: &'l Looks,
}

impl Drop for Standing<'_> {
    fn drop(&mut self) {
        let mut lines = self.looks.lines();
        // The map's, and this one's: nobody comes to it while the map is locked.
        if Arc::strong_count(&self.line) == 2 {
            lines.remove(self.id);
        }
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

    #[tokio::test]
    async fn whoever_comes_during_a_look_shares_the_next_one_and_nobody_an_earlier_one() {
        let (now, chance) = (Timestamp::from_seconds(1), SeededEntropy::new(1));
        let id = ApiKeyId::fresh(now, &chance);
        let (looks, done) = (Looks::default(), AtomicU64::new(0));
        let (go_on, held) = tokio::sync::oneshot::channel::<()>();
        let first = looks.share(&id, async {
            held.await.expect("let go on");
            done.fetch_add(1, Ordering::SeqCst);
            Ok(None)
        });
        let mut first = std::pin::pin!(first);
        assert!(Future::poll(first.as_mut(), &mut context()).is_pending());
        let later = || {
            looks.share(&id, async {
                done.fetch_add(1, Ordering::SeqCst);
                Ok(None)
            })
        };
        let (mut second, mut third) = (std::pin::pin!(later()), std::pin::pin!(later()));
        assert!(Future::poll(second.as_mut(), &mut context()).is_pending());
        assert!(Future::poll(third.as_mut(), &mut context()).is_pending());
        go_on.send(()).expect("it waits");
        let found = tokio::join!(first, second, third);
        assert!(matches!(found, (Ok(None), Ok(None), Ok(None))));
        assert_eq!(done.load(Ordering::SeqCst), 2);
        later().await.expect("a look of its own");
        assert_eq!(done.load(Ordering::SeqCst), 3);
        // One who no longer waits leaves nothing behind.
        {
            let mut gone = std::pin::pin!(looks.share(&id, std::future::pending()));
            assert!(Future::poll(gone.as_mut(), &mut context()).is_pending());
        }
        assert!(looks.lines().is_empty());
    }

    fn context() -> std::task::Context<'static> {
        std::task::Context::from_waker(std::task::Waker::noop())
    }
}
