//! The end of a reservation, also where its request came to no end: freed or settled beside, and tried again until the
//! database has taken it.

use super::{
    IdempotencyKey,
    store::{self, Settled},
};
use crate::{
    base::Timestamp,
    http::table::Kit,
    store::{Store, StoreError},
};
use std::{sync::Arc, time::Duration};
use tokio::{
    runtime::Handle,
    sync::Semaphore,
    time::{Instant, sleep},
};

/// Ends written at a time beside the requests; beyond, the lease sees to it.
pub(in crate::http) const AT_ONCE: usize = 256;
/// Waits between attempts, from the first to the longest.
const PAUSES: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(2)];

/// A key that this request holds, or may hold. Dropped, it is freed.
pub(in crate::http) struct Reservation {
    /// Present until the end.
    key: Option<IdempotencyKey>,
    desk: Desk,
    is_certain: bool,
}

/// What writing an end takes.
#[derive(Clone)]
struct Desk {
    store: Store,
    places: Arc<Semaphore>,
    patience: Duration,
}

/// How a reservation ends.
enum End {
    /// Its request led to nothing, or nobody knows: free, if it has no subject.
    Free,
    /// The same, where the reservation itself may come to be only later.
    FreeOnceThere,
    /// Its request was answered so.
    Settled(Settled),
}

impl Reservation {
    pub(super) fn of(kit: &Kit, key: IdempotencyKey) -> Self {
        Self { key: Some(key), desk: Desk::of(kit), is_certain: true }
    }

    /// One of which nobody knows yet whether it is there.
    pub(super) fn in_doubt(kit: &Kit, key: IdempotencyKey) -> Self {
        Self { key: Some(key), desk: Desk::of(kit), is_certain: false }
    }

    /// It is known how it stands; another takes care of it, or it is not there.
    pub(super) fn dispel(mut self) {
        self.key = None;
    }

    /// Frees the key; one that led to a subject may be asked about again at once.
    pub(super) async fn release(self) {
        self.end(End::Free).await;
    }

    /// Stores the answer.
    pub(super) async fn settle(self, settled: Settled) {
        self.end(End::Settled(settled)).await;
    }

    async fn end(mut self, end: End) {
        // Still in its place while it is written: a request that is dropped here frees its key, if it has no subject.
        let Some(key) = self.key.as_ref() else { return };
        let written = self.desk.write(key, &end).await;
        let Some(key) = self.key.take() else { return };
        match written {
            Ok(_) => {}
            Err(error) if may_pass(&error) => {
                tracing::warn!(name: "http.answer_kept_late", %error, "an answer could not be kept for its idempotency key; it is tried again");
                self.desk.clone().later(key, end);
            }
            Err(error) => {
                tracing::error!(name: "http.answer_not_kept", %error, "an answer could not be kept for its idempotency key")
            }
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        // After a panic nothing is as it should be: the lease decides then, as after a crash.
        if let Some(key) = self.key.take().filter(|_| !std::thread::panicking()) {
            let end = if self.is_certain { End::Free } else { End::FreeOnceThere };
            self.desk.clone().later(key, end);
        }
    }
}

impl Desk {
    fn of(kit: &Kit) -> Self {
        let patience = kit.limits.request + Duration::from_millis(super::LEASE_MARGIN_MS.unsigned_abs());
        Self { store: kit.store.clone(), places: Arc::clone(&kit.afterwards), patience }
    }

    /// Whether the reservation was there.
    async fn write(&self, key: &IdempotencyKey, end: &End) -> Result<bool, StoreError> {
        let long_past = Timestamp::from_ms(0);
        self.store
            .write(async |tx| match end {
                End::Free | End::FreeOnceThere => store::release(tx, key, long_past).await,
                End::Settled(settled) => store::settle(tx, key, settled).await,
            })
            .await
    }

    /// Writes it beside, until it is written or the lease would have ended anyway.
    fn later(self, key: IdempotencyKey, end: End) {
        let (Ok(place), Ok(runtime)) = (Arc::clone(&self.places).try_acquire_owned(), Handle::try_current())
        else {
            return;
        };
        runtime.spawn(async move {
            let _place = place;
            let until = Instant::now() + self.patience;
            let [mut pause, longest] = PAUSES;
            while Instant::now() < until {
                match self.write(&key, &end).await {
                    Ok(found) if found || !matches!(end, End::FreeOnceThere) => return,
                    Ok(_) => {}
                    Err(error) if may_pass(&error) => {}
                    Err(_) => return,
                }
                sleep(pause).await;
                pause = (pause * 2).min(longest);
            }
        });
    }
}

fn may_pass(error: &StoreError) -> bool {
    error.is_passing() || *error == StoreError::Unknown
}
