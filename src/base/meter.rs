//! What rooms count as they work: plain numbers, cheap enough for the hottest path, and ignorant of who reads them.
//!
//! Each room keeps its own in a struct of its own and lends it out; the composition root puts them into words
//! (`app/metrics`). Nothing here is global, so two services in one process count apart.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

/// How often something happened: only ever grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

/// How much there is now: goes up and down.
#[derive(Debug, Default)]
pub struct Gauge(AtomicI64);

/// One unit of a gauge, given back when dropped.
#[derive(Debug)]
pub struct Held<'g>(&'g Gauge);

/// How values are spread: a count for each range, and the sum.
#[derive(Debug)]
pub struct Histogram {
    /// Upper ends of the ranges, each included, in ascending order; whatever is above falls into a last one.
    bounds: &'static [u64],
    counts: Box<[AtomicU64]>,
    sum: AtomicU64,
}

/// A histogram as it stood at one instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spread {
    /// Upper ends of the ranges but the last.
    pub bounds: &'static [u64],
    /// How many values fell into each range: one more than there are bounds.
    pub counts: Vec<u64>,
    /// The sum of all values.
    pub sum: u64,
}

/// How often something happened, by a word of the program's own. Takes a lock: for what is rare.
#[derive(Debug, Default)]
pub struct Tally(Mutex<BTreeMap<&'static str, u64>>);

/// Ranges for waiting and working, in microseconds: from a tenth of a millisecond to half a minute.
pub const TIMES_US: &[u64] = &[
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    2_500_000, 10_000_000, 30_000_000,
];

impl Counter {
    /// It happened once more.
    pub fn one(&self) {
        self.add(1);
    }

    /// It happened so many times more.
    pub fn add(&self, times: u64) {
        self.0.fetch_add(times, Ordering::Relaxed);
    }

    /// How often so far.
    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Gauge {
    /// There is so much now.
    pub fn set(&self, value: i64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// One more, until the answer is dropped.
    pub fn hold(&self) -> Held<'_> {
        self.raise();
        Held(self)
    }

    /// One more. Whoever can should [`Gauge::hold`], which cannot be forgotten.
    pub fn raise(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// One less.
    pub fn lower(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    /// How much now.
    pub fn value(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.lower();
    }
}

impl Histogram {
    /// An empty one over these ranges.
    pub fn new(bounds: &'static [u64]) -> Self {
        Self {
            bounds,
            counts: (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect(),
            sum: AtomicU64::new(0),
        }
    }

    /// An empty one for times, in microseconds.
    pub fn of_times() -> Self {
        Self::new(TIMES_US)
    }

    /// Counts one value.
    pub fn note(&self, value: u64) {
        let range = self.bounds.partition_point(|&bound| bound < value);
        self.counts[range].fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(value, Ordering::Relaxed);
    }

    /// Counts one time, in microseconds.
    pub fn note_time(&self, time: Duration) {
        self.note(u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
    }

    /// How values are spread so far. Sum and counts are read one after the other, while others may count.
    pub fn spread(&self) -> Spread {
        Spread {
            bounds: self.bounds,
            counts: self.counts.iter().map(|count| count.load(Ordering::Relaxed)).collect(),
            sum: self.sum.load(Ordering::Relaxed),
        }
    }
}

impl Tally {
    /// It happened once more under this word.
    pub fn one(&self, word: &'static str) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(word).or_default() += 1;
    }

    /// How often so far, by word.
    pub fn values(&self) -> BTreeMap<&'static str, u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_falls_into_the_range_that_ends_at_or_above_it() {
        let histogram = Histogram::new(&[1, 10, 100]);
        for value in [0, 1, 2, 10, 11, 100, 101, u64::from(u32::MAX)] {
            histogram.note(value);
        }
        let spread = histogram.spread();
        assert_eq!(spread.counts, [2, 2, 2, 2]);
        assert_eq!(spread.sum, 225 + u64::from(u32::MAX));
        assert!(TIMES_US.is_sorted());
    }

    #[test]
    fn what_is_held_is_given_back_also_by_a_panic() {
        let gauge = Gauge::default();
        let _outer = gauge.hold();
        let caught = std::panic::catch_unwind(|| {
            let _inner = gauge.hold();
            assert_eq!(gauge.value(), 2);
            panic!("for the test");
        });
        assert!(caught.is_err());
        assert_eq!(gauge.value(), 1);
    }

    #[test]
    fn words_are_counted_apart() {
        let tally = Tally::default();
        for word in ["busy", "late", "busy"] {
            tally.one(word);
        }
        assert_eq!(tally.values(), BTreeMap::from([("busy", 2), ("late", 1)]));
    }
}
