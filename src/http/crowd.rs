//! The connections that stand at a time: how many in all, how many of one address, and who goes where the house is full.
//!
//! A connection that only sits there (between two requests, in the middle of a head, or with a body on its way) may be sent
//! off to make room, so that an address which holds many such is no danger to the others: the newcomer takes the place of the
//! longest sitter of the address that has most of them. One whose request is worked on, or whose answer is being read, stays.

use super::{Limits, rate::network};
use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::sync::Notify;

/// Nobody is sent off before having sat for so long.
const SITS_LEAST: Duration = Duration::from_secs(1);

/// All connections of one listener.
pub(super) struct Crowd {
    most: usize,
    most_of_one: usize,
    start: Instant,
    standing: Mutex<Standing>,
}

#[derive(Default)]
struct Standing {
    next: u64,
    members: HashMap<u64, Member>,
    of_address: HashMap<IpAddr, usize>,
}

struct Member {
    address: Option<IpAddr>,
    presence: Arc<Presence>,
}

/// What a connection is at.
#[derive(Debug)]
pub(super) struct Presence {
    start: Instant,
    is_working: AtomicBool,
    is_writing: AtomicBool,
    /// Milliseconds from `start` on, when it last came to sit.
    sits_since_ms: AtomicU64,
    sent_off: Notify,
}

/// A place in the crowd, given back when dropped.
pub(super) struct Standpoint {
    crowd: Arc<Crowd>,
    number: u64,
    presence: Arc<Presence>,
}

/// There is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Full {
    /// For anyone.
    House,
    /// For this address.
    Address,
}

impl Crowd {
    pub(super) fn new(limits: &Limits) -> Arc<Self> {
        Arc::new(Self {
            most: limits.connections,
            most_of_one: limits.connections_per_address,
            start: Instant::now(),
            standing: Mutex::default(),
        })
    }

    /// Takes a connection in. `None`: one that is not counted by its address.
    pub(super) fn enter(self: &Arc<Self>, address: Option<IpAddr>) -> Result<Standpoint, Full> {
        let address = address.map(network);
        let mut standing = self.standing();
        let others = address.map_or(0, |address| standing.count(address));
        if address.is_some() && others >= self.most_of_one {
            return Err(Full::Address);
        }
        if standing.members.len() >= self.most {
            let number = standing.longest_sitter(others, self.now_ms()).ok_or(Full::House)?;
            standing.send_off(number);
        }
        let number = standing.next;
        standing.next += 1;
        let presence = Arc::new(Presence::new(self.start));
        standing.members.insert(number, Member { address, presence: presence.clone() });
        if let Some(address) = address {
            *standing.of_address.entry(address).or_default() += 1;
        }
        Ok(Standpoint { crowd: self.clone(), number, presence })
    }

    fn standing(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now_ms(&self) -> u64 {
        milliseconds(self.start.elapsed())
    }
}

impl Standing {
    fn count(&self, address: IpAddr) -> usize {
        self.of_address.get(&address).copied().unwrap_or(0)
    }

    /// Who has sat longest of the address with most connections, if those are more than the newcomer's own and his.
    fn longest_sitter(&self, newcomers: usize, now_ms: u64) -> Option<u64> {
        let sitting = self.members.iter().filter_map(|(number, member)| {
            let since_ms = member.presence.sits_since_ms()?;
            let count = self.count(member.address?);
            let has_sat = now_ms.saturating_sub(since_ms) >= milliseconds(SITS_LEAST);
            (has_sat && count > newcomers + 1).then_some((count, std::cmp::Reverse(since_ms), *number))
        });
        sitting.max().map(|(_, _, number)| number)
    }

    /// Its place is free at once; its task hears of it.
    fn send_off(&mut self, number: u64) {
        if let Some(member) = self.leave(number) {
            member.presence.sent_off.notify_one();
        }
    }

    fn leave(&mut self, number: u64) -> Option<Member> {
        let member = self.members.remove(&number)?;
        if let Some(address) = member.address
            && let Some(count) = self.of_address.get_mut(&address)
        {
            *count -= 1;
            if *count == 0 {
                self.of_address.remove(&address);
            }
        }
        Some(member)
    }
}

impl Standpoint {
    /// What this connection is at.
    pub(super) fn presence(&self) -> &Arc<Presence> {
        &self.presence
    }
}

impl Drop for Standpoint {
    fn drop(&mut self) {
        self.crowd.standing().leave(self.number);
    }
}

impl Presence {
    fn new(start: Instant) -> Self {
        Self {
            start,
            is_working: AtomicBool::new(false),
            is_writing: AtomicBool::new(false),
            sits_since_ms: AtomicU64::new(milliseconds(start.elapsed())),
            sent_off: Notify::new(),
        }
    }

    /// One that belongs to no crowd.
    #[cfg(test)]
    pub(super) fn alone() -> Arc<Self> {
        Arc::new(Self::new(Instant::now()))
    }

    /// A request is worked on until what this gives is dropped.
    pub(super) fn works(self: &Arc<Self>) -> Working {
        self.is_working.store(true, Ordering::Relaxed);
        Working(self.clone())
    }

    /// Whether octets of an answer wait for their reader.
    pub(super) fn set_writing(&self, is_writing: bool) {
        if self.is_writing.swap(is_writing, Ordering::Relaxed) && !is_writing {
            self.sits_down();
        }
    }

    /// Resolves once this connection has to make room.
    pub(super) async fn is_sent_off(&self) {
        self.sent_off.notified().await;
    }

    fn sits_down(&self) {
        self.sits_since_ms.store(milliseconds(self.start.elapsed()), Ordering::Relaxed);
    }

    /// Since when it only sits there; `None` where it does more.
    fn sits_since_ms(&self) -> Option<u64> {
        let is_busy = self.is_working.load(Ordering::Relaxed) || self.is_writing.load(Ordering::Relaxed);
        (!is_busy).then(|| self.sits_since_ms.load(Ordering::Relaxed))
    }
}

/// A request under way.
#[derive(Debug)]
pub(super) struct Working(Arc<Presence>);

impl Drop for Working {
    fn drop(&mut self) {
        self.0.sits_down();
        self.0.is_working.store(false, Ordering::Relaxed);
    }
}

fn milliseconds(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crowd(most: usize, most_of_one: usize) -> Arc<Crowd> {
        Crowd::new(&Limits { connections: most, connections_per_address: most_of_one, ..Limits::default() })
    }

    fn ip(last: u8) -> Option<IpAddr> {
        Some([192, 0, 2, last].into())
    }

    /// As if it had sat for a while.
    fn tire(standpoint: &Standpoint) {
        standpoint.presence.sits_since_ms.store(0, Ordering::Relaxed);
    }

    fn old_crowd(most: usize, most_of_one: usize) -> Arc<Crowd> {
        let crowd = crowd(most, most_of_one);
        let mut crowd = Arc::into_inner(crowd).expect("the only one");
        crowd.start = crowd.start.checked_sub(SITS_LEAST * 2).expect("the machine has run for two seconds");
        Arc::new(crowd)
    }

    #[test]
    fn one_address_takes_its_share_and_no_more_and_sockets_are_not_counted() {
        let crowd = crowd(10, 2);
        let held = [crowd.enter(ip(1)), crowd.enter(ip(1))];
        assert!(held.iter().all(Result::is_ok));
        assert_eq!(crowd.enter(ip(1)).err(), Some(Full::Address));
        let others: Vec<_> = (0..8).map(|_| crowd.enter(None)).collect();
        assert!(others.iter().all(Result::is_ok));
        assert_eq!(crowd.enter(ip(2)).err(), Some(Full::House));
        drop(held);
        assert!(crowd.enter(ip(1)).is_ok() && crowd.enter(ip(2)).is_ok());
        assert_eq!(crowd.standing().of_address.len(), 0);
    }

    #[tokio::test]
    async fn in_a_full_house_the_longest_sitter_of_the_largest_party_makes_room() {
        let crowd = old_crowd(4, 3);
        let party: Vec<_> = (0..3).map(|_| crowd.enter(ip(1)).expect("a place")).collect();
        let _other = crowd.enter(ip(2)).expect("a place");
        // All have just come: nobody is sent off yet.
        assert_eq!(crowd.enter(ip(3)).err(), Some(Full::House));
        tire(&party[1]);
        let newcomer = crowd.enter(ip(3)).expect("the sitter's place");
        party[1].presence.is_sent_off().await;
        assert_eq!(crowd.standing().members.len(), 4);
        // Two against one is no larger party than the newcomer's would be.
        party.iter().chain([&newcomer]).for_each(tire);
        assert_eq!(crowd.enter(ip(3)).err(), Some(Full::House));
        drop(party);
        assert_eq!(crowd.standing().members.len(), 2);
    }

    #[test]
    fn whoever_is_worked_for_or_reads_an_answer_stays() {
        let crowd = old_crowd(3, 3);
        let party: Vec<_> = (0..3).map(|_| crowd.enter(ip(1)).expect("a place")).collect();
        party.iter().for_each(tire);
        let working: Vec<_> = party[..2].iter().map(|one| one.presence.works()).collect();
        party[2].presence.set_writing(true);
        assert_eq!(crowd.enter(ip(2)).err(), Some(Full::House));
        // Done just now: that is not sitting there for long.
        party[2].presence.set_writing(false);
        assert_eq!(crowd.enter(ip(2)).err(), Some(Full::House));
        drop(working);
        tire(&party[0]);
        assert!(crowd.enter(ip(2)).is_ok());
    }
}
