//! Who is let in when there is more than can be done.
//!
//! Each [`Load`] has places of its own, so that a flood of one kind takes nothing from the others: what must always get
//! through (a revocation, a suspension, the state of things) has places that nobody else uses. There is no queue in which
//! somebody might be refused late: who gets no place hears so at once, before the body is read and before anybody asks who
//! comes; who gets one is served.
//!
//! A body is received before a place is taken, for a slow sender shall not hold one. Bodies, and the answers made of them,
//! share one measure of memory: strangers three quarters of it, one address of theirs a quarter.

use super::{Limits, Load, Problem};
use std::{
    collections::HashMap,
    fmt,
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Places for what must always get through, of officers, and as many of everybody else.
const URGENT: usize = 64;
/// Refusals are told in the log once in this time, all together.
const TELL_EVERY: Duration = Duration::from_secs(1);
const KIB: usize = 1024;

/// All places.
pub(super) struct Admission {
    /// Places by kind.
    places: [Arc<Semaphore>; Load::ALL.len()],
    memory: Arc<Memory>,
    refused: Refused,
}

/// What bodies take up, in units of a kibibyte.
struct Memory {
    all: Arc<Semaphore>,
    of_strangers: Arc<Semaphore>,
    of_one: usize,
    by_address: Mutex<HashMap<IpAddr, usize>>,
}

/// A place among the requests of one kind, given back when dropped.
#[derive(Debug)]
pub(super) struct Place(#[allow(dead_code, reason = "it is held")] OwnedSemaphorePermit);

/// Whose body it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sender {
    /// One of our officers, or somebody on this machine.
    Known,
    /// Anyone else, by where he comes from.
    Stranger(IpAddr),
}

/// Memory for one body, and for what is made of it; given back when dropped.
pub(super) struct Room {
    memory: Arc<Memory>,
    sender: Sender,
    /// In kibibytes.
    held: Vec<OwnedSemaphorePermit>,
    kibibytes: usize,
    octets: usize,
}

impl Admission {
    pub(super) fn new(limits: &Limits) -> Self {
        let places = Load::ALL.map(|load| {
            let places = match load {
                Load::Probe => Semaphore::MAX_PERMITS,
                Load::Urgent | Load::Status => URGENT,
                Load::Read | Load::Write => limits.light_requests,
                Load::Stamp => limits.stamp_requests,
                Load::Heavy => limits.heavy_requests,
            };
            semaphore(places)
        });
        Self { places, memory: Arc::new(Memory::of(limits.bodies_bytes / KIB)), refused: Refused::default() }
    }

    /// Whether there is a place just now; a quick look, which takes none.
    pub(super) fn look(&self, load: Load) -> Result<(), Problem> {
        match self.places(load).available_permits() {
            0 => Err(self.refuse()),
            _ => Ok(()),
        }
    }

    /// A place, or a quick refusal.
    pub(super) fn enter(&self, load: Load) -> Result<Place, Problem> {
        self.places(load).clone().try_acquire_owned().map(Place).map_err(|_| self.refuse())
    }

    /// Memory for a body that is about to arrive.
    pub(super) fn room(&self, sender: Sender) -> Room {
        Room { memory: self.memory.clone(), sender, held: Vec::new(), kibibytes: 0, octets: 0 }
    }

    fn places(&self, load: Load) -> &Arc<Semaphore> {
        &self.places[load as usize]
    }

    /// The refusal, counted.
    pub(super) fn refuse(&self) -> Problem {
        self.refused.count();
        busy()
    }
}

/// As many requests are being worked on as are taken on.
pub(super) fn busy() -> Problem {
    let says = "as many requests are being worked on as the service takes";
    Problem::new("service/busy", says).retry_after_s(1)
}

fn semaphore(permits: usize) -> Arc<Semaphore> {
    Arc::new(Semaphore::new(permits.min(Semaphore::MAX_PERMITS)))
}

impl Memory {
    fn of(kibibytes: usize) -> Self {
        Self {
            all: semaphore(kibibytes),
            of_strangers: semaphore(kibibytes - kibibytes / 4),
            of_one: kibibytes / 4,
            by_address: Mutex::default(),
        }
    }

    /// Takes so many more of a stranger's share for a body that has `own` of it; `false` where it is used up. One body is
    /// let in whatever its length: a share may be smaller than the longest document.
    fn share(&self, address: IpAddr, more: usize, own: usize) -> bool {
        let mut by_address = self.by_address();
        let taken = by_address.get(&address).copied().unwrap_or(0);
        let is_within = taken == own || taken.saturating_add(more) <= self.of_one;
        if is_within {
            by_address.insert(address, taken.saturating_add(more));
        }
        is_within
    }

    fn give_back(&self, address: IpAddr, kibibytes: usize) {
        let mut by_address = self.by_address();
        if let Some(taken) = by_address.get_mut(&address) {
            *taken = taken.saturating_sub(kibibytes);
            if *taken == 0 {
                by_address.remove(&address);
            }
        }
    }

    fn by_address(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.by_address.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Room {
    /// Grows to hold so many octets more; `false` where there is no memory for them.
    pub(super) fn grow(&mut self, octets: usize) -> bool {
        let wanted = self.octets.saturating_add(octets);
        let more = wanted.div_ceil(KIB) - self.kibibytes;
        if more > 0 && !self.take(more) {
            return false;
        }
        self.octets = wanted;
        true
    }

    fn take(&mut self, more: usize) -> bool {
        let Ok(permits) = u32::try_from(more) else { return false };
        let take = |from: &Arc<Semaphore>| from.clone().try_acquire_many_owned(permits).ok();
        let mut held = Vec::with_capacity(2);
        if let Sender::Stranger(address) = self.sender {
            let Some(permit) = take(&self.memory.of_strangers) else { return false };
            held.push(permit);
            if !self.memory.share(address, more, self.kibibytes) {
                return false;
            }
        }
        let Some(permit) = take(&self.memory.all) else {
            self.give_back(more);
            return false;
        };
        held.push(permit);
        self.kibibytes += more;
        for permit in held {
            match self.held.iter_mut().find(|known| Arc::ptr_eq(known.semaphore(), permit.semaphore())) {
                Some(known) => known.merge(permit),
                None => self.held.push(permit),
            }
        }
        true
    }

    fn give_back(&self, kibibytes: usize) {
        if let Sender::Stranger(address) = self.sender {
            self.memory.give_back(address, kibibytes);
        }
    }

    /// Whether anything is held.
    pub(super) fn is_empty(&self) -> bool {
        self.kibibytes == 0
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.give_back(self.kibibytes);
    }
}

impl fmt::Debug for Room {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Room({} octets)", self.octets)
    }
}

/// Refusals since they were last told: under a flood, a line for each would be a flood too.
struct Refused {
    start: Instant,
    told_ms: AtomicU64,
    count: AtomicU64,
}

impl Default for Refused {
    fn default() -> Self {
        Self { start: Instant::now(), told_ms: AtomicU64::new(0), count: AtomicU64::new(0) }
    }
}

impl Refused {
    fn count(&self) {
        self.count.fetch_add(1, Ordering::Relaxed);
        let (now, told) = (self.now_ms(), self.told_ms.load(Ordering::Relaxed));
        let is_due = now.saturating_sub(told) >= TELL_EVERY.as_millis() as u64;
        let is_mine =
            || self.told_ms.compare_exchange(told, now, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if is_due && is_mine() {
            let refused = self.count.swap(0, Ordering::Relaxed);
            tracing::warn!(name: "http.overload", refused, "more is asked than is taken on; what is beyond is refused");
        }
    }

    /// Never 0, so that the very first refusal is told too.
    fn now_ms(&self) -> u64 {
        let since = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        since.saturating_add(TELL_EVERY.as_millis() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admission(light_requests: usize, bodies_bytes: usize) -> Admission {
        Admission::new(&Limits { light_requests, bodies_bytes, ..Limits::default() })
    }

    #[test]
    fn a_flood_of_one_kind_takes_no_place_of_another() {
        let admission = admission(2, 0);
        let held = [admission.enter(Load::Read), admission.enter(Load::Read)];
        assert!(held.iter().all(Result::is_ok));
        let refused = admission.enter(Load::Read).expect_err("full");
        assert_eq!((refused.code(), refused.status().as_u16()), ("service/busy", 503));
        assert!(admission.look(Load::Read).is_err());
        for load in Load::ALL.into_iter().filter(|load| *load != Load::Read) {
            assert!(admission.look(load).is_ok() && admission.enter(load).is_ok(), "{load:?}");
        }
        drop(held);
        assert!(admission.enter(Load::Read).is_ok());
    }

    #[test]
    fn memory_is_given_out_once_and_comes_back() {
        let admission = admission(1, 10 * KIB);
        let (mut one, mut other) = (admission.room(Sender::Known), admission.room(Sender::Known));
        assert!(one.grow(1) && one.grow(KIB - 1) && one.grow(8 * KIB));
        assert!(other.grow(KIB) && !other.grow(1) && !one.grow(1));
        drop(other);
        assert!(one.grow(KIB) && !one.grow(1));
        drop(one);
        assert!(admission.room(Sender::Known).grow(10 * KIB));
    }

    #[test]
    fn strangers_leave_a_quarter_to_officers_and_one_address_has_a_quarter() {
        let admission = admission(1, 16 * KIB);
        let stranger = |last: u8| admission.room(Sender::Stranger([192, 0, 2, last].into()));
        let (mut first, mut second) = (stranger(1), stranger(1));
        assert!(first.grow(3 * KIB) && second.grow(KIB) && !second.grow(1) && !first.grow(1));
        let mut long = stranger(2);
        assert!(long.grow(5 * KIB) && long.grow(3 * KIB), "a single body is let in beyond the share");
        assert!(!stranger(2).grow(1) && !stranger(3).grow(1), "three quarters are taken");
        assert!(admission.room(Sender::Known).grow(4 * KIB));
        drop((first, second));
        assert!(stranger(1).grow(4 * KIB) && stranger(3).grow(KIB));
        drop(long);
        assert!(admission.memory.by_address().is_empty());
    }
}
