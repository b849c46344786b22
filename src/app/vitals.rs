//! How the service stands: looked at beside the requests every few seconds, so that whoever reads metrics waits for no
//! database; and what readiness asks.

use crate::{
    audit,
    authority::store::census::{self as certs, Ends},
    backup,
    base::{Clock, Timestamp},
    http::{
        Hold,
        health::{Found, Health},
    },
    job, keys,
    officer::store::census as officers,
    store::{Store, StoreError},
};
use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};
use tokio::sync::watch;

/// Between two looks.
const EVERY: Duration = Duration::from_secs(10);
/// What changes slowly, and takes longer to count, is looked at every so many looks.
const SLOW_EVERY: u32 = 30;
/// Certificates and keys that end within this time are counted as ending.
const SOON_DAYS: i64 = 30;
/// Below this, the next writes may fail.
const DISK_LEAST_BYTES: u64 = 64 << 20;
/// Records are chained every half a second: after this long, something is wrong.
const CHAIN_PATIENCE_MS: i64 = 60_000;
/// Clocks are set a little now and then; a longer step back makes records that seem to be older than those before them.
const STEP_BACK_MS: i64 = 1_000;

/// Looks, and remembers what was seen last. Cheap to clone.
#[derive(Clone)]
pub(super) struct Vitals(Arc<Inner>);

struct Inner {
    parts: Parts,
    seen: Mutex<Seen>,
    /// The latest instant that the clock ever showed to this process. Not to others: whoever sets a wrong clock right and
    /// starts the service again has said that he knows.
    latest_ms: AtomicI64,
}

/// What is looked at.
pub(super) struct Parts {
    /// The database.
    pub store: Store,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The data directory.
    pub folder: PathBuf,
    /// SQLite's file.
    pub database: Option<PathBuf>,
    /// The sequencer's counts.
    pub chain: Arc<audit::Meters>,
    /// Whether the service is held back.
    pub hold: Hold,
}

/// What was seen last; `None` before the first look, or where it did not succeed.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    /// When the last whole look ended.
    pub at: Option<Timestamp>,
    /// Records that wait to be chained.
    pub unchained: Option<i64>,
    /// The outbox.
    pub line: Option<job::Line>,
    /// What changes slowly.
    pub slow: Option<Slow>,
}

/// What changes slowly.
#[derive(Debug, Clone)]
pub(super) struct Slow {
    /// The authority's own certificates by role.
    pub certs: Vec<Ends>,
    /// Until when the revocation list is good.
    pub list_ends: Option<Timestamp>,
    /// Officers' keys.
    pub api_keys: officers::Keys,
    /// The newest master key of the keystore.
    pub master: Option<keys::census::Newest>,
    /// When the last backup was recorded.
    pub backed_up_at: Option<Timestamp>,
}

/// A file system.
#[derive(Debug, Clone, Copy)]
pub(super) struct Disk {
    /// Free for us.
    pub free_bytes: u64,
    /// In all.
    pub size_bytes: u64,
}

impl Vitals {
    pub(super) fn new(parts: Parts) -> Self {
        let latest_ms = AtomicI64::new(parts.clock.now().ms());
        Self(Arc::new(Inner { parts, seen: Mutex::default(), latest_ms }))
    }

    /// What was seen last.
    pub(super) fn seen(&self) -> Seen {
        self.0.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What is looked at.
    pub(super) fn parts(&self) -> &Parts {
        &self.0.parts
    }

    /// By how many milliseconds the clock is behind the latest instant that it ever showed.
    pub(super) fn clock_behind_ms(&self) -> i64 {
        let now = self.0.parts.clock.now().ms();
        let latest = self.0.latest_ms.fetch_max(now, Ordering::Relaxed);
        (latest - now).max(0)
    }

    /// What readiness asks.
    pub(super) fn health(&self) -> Health {
        let (disk, chain, clock) = (self.clone(), self.clone(), self.clone());
        Health::of(&self.0.parts.store)
            .unless(self.0.parts.hold.clone())
            .and("disk", move || std::future::ready(disk.disk_found()))
            .and("audit", move || std::future::ready(chain.chain_found()))
            .and("clock", move || std::future::ready(clock.clock_found()))
    }

    /// Looks every few seconds until `stop`.
    pub(super) async fn watch(self, mut stop: watch::Receiver<bool>) {
        for round in 0u32.. {
            if let Err(error) = self.look(round % SLOW_EVERY == 0).await {
                tracing::warn!(name: "vitals.unseen", %error, "how the service stands could not be looked at");
            }
            tokio::select! {
                _ = stop.changed() => return,
                () = tokio::time::sleep(EVERY) => {}
            }
        }
    }

    /// Looks once.
    pub(super) async fn look(&self, slow: bool) -> Result<(), StoreError> {
        let Parts { store, clock, .. } = &self.0.parts;
        let (node, now) = (store.node().to_owned(), clock.now());
        let soon = now.plus_days(SOON_DAYS);
        let (unchained, line) = store
            .read(async |rx| Ok::<_, StoreError>((audit::waiting(rx, &node).await?, job::line(rx).await?)))
            .await?;
        let slow = match slow {
            false => None,
            true => Some(store.read(async |rx| slowly(rx, now, soon).await).await?),
        };
        let mut seen = self.0.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.at = Some(now);
        seen.unchained = Some(unchained);
        seen.line = Some(line);
        seen.slow = slow.or(seen.slow.take());
        Ok(())
    }

    fn disk_found(&self) -> Found {
        let Some(disk) = disk(&self.0.parts.folder) else { return Ok("its free room is not told".into()) };
        let free = disk.free_bytes >> 20;
        if disk.free_bytes < DISK_LEAST_BYTES {
            return Err(format!("{free} MiB are free, and {} are needed", DISK_LEAST_BYTES >> 20));
        }
        Ok(format!("{free} MiB are free"))
    }

    fn chain_found(&self) -> Found {
        let Parts { chain, hold, .. } = &self.0.parts;
        if let Some(held) = hold.held() {
            return Err(held.says);
        }
        if chain.stopped.value() != 0 {
            return Err("records are no longer chained; run `yinxin audit verify`, then start again".into());
        }
        // Before the first step nothing can be late: the sequencer has just begun.
        let Some(stepped) = chain.stepped_at() else { return Ok("not begun yet".into()) };
        let late_ms = self.0.parts.clock.now().ms() - stepped.ms();
        if late_ms > CHAIN_PATIENCE_MS {
            return Err(format!("no record was chained for {} s", late_ms / 1000));
        }
        Ok("records are chained".into())
    }

    fn clock_found(&self) -> Found {
        let behind_ms = self.clock_behind_ms();
        if behind_ms > STEP_BACK_MS {
            return Err(format!("the clock is {} s behind what it showed before", (behind_ms + 999) / 1000));
        }
        Ok("goes forward".into())
    }
}

async fn slowly(rx: &mut crate::store::Rx, now: Timestamp, soon: Timestamp) -> Result<Slow, StoreError> {
    Ok(Slow {
        certs: certs::own_ends(rx, now, soon).await?,
        list_ends: certs::list_ends(rx).await?,
        api_keys: officers::keys(rx, now, soon).await?,
        master: keys::census::newest_master(rx).await?,
        backed_up_at: backup::last_at(rx).await?,
    })
}

/// The file system that holds `path`; `None` where it is not told.
pub(super) fn disk(path: &Path) -> Option<Disk> {
    let found = rustix::fs::statvfs(path).ok()?;
    Some(Disk {
        free_bytes: found.f_bavail.saturating_mul(found.f_frsize),
        size_bytes: found.f_blocks.saturating_mul(found.f_frsize),
    })
}
