//! How much work a foreign document may cause. Whoever reads or judges one spends steps as it goes; where they, or the
//! time that somebody outside measures, are used up, every further step is refused, and the work ends where it stands.
//!
//! This package knows no clock: who has one hands in a watch, which is asked now and then.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

/// Steps between two looks at the watch: some tens of microseconds of reading.
const LOOK_EVERY: u64 = 1024;

/// What is left of the work that one document may cause. Clones share it. The default has no end.
#[derive(Clone, Default)]
pub struct Budget(Option<Arc<Meter>>);

struct Meter {
    steps_left: AtomicU64,
    until_look: AtomicU64,
    is_spent: AtomicBool,
    watch: Box<dyn Fn() -> bool + Send + Sync>,
}

/// The budget is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spent;

impl Budget {
    /// No end: for documents of one's own making.
    pub fn unlimited() -> Self {
        Self(None)
    }

    /// So many steps, and as long as `is_over` says no; it is asked about every thousand steps. A step is about the
    /// reading of one value, a twentieth of a microsecond.
    pub fn new(steps: u64, is_over: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(Meter {
            steps_left: AtomicU64::new(steps),
            until_look: AtomicU64::new(LOOK_EVERY),
            is_spent: AtomicBool::new(false),
            watch: Box::new(is_over),
        })))
    }

    /// So many steps.
    pub fn of_steps(steps: u64) -> Self {
        Self::new(steps, || false)
    }

    /// Takes `steps`.
    ///
    /// # Errors
    /// [`Spent`] where there are not so many left, or the time is over; from then on always.
    pub fn spend(&self, steps: u64) -> Result<(), Spent> {
        match &self.0 {
            None => Ok(()),
            Some(meter) => meter.spend(steps),
        }
    }

    /// Whether it is used up, as far as is known: the watch is not asked.
    pub fn is_spent(&self) -> bool {
        self.0.as_ref().is_some_and(|meter| meter.is_spent.load(Ordering::Relaxed))
    }
}

impl Meter {
    // One thread works on a document, so that plain loads and stores lose nothing; of two, some steps would be free.
    fn spend(&self, steps: u64) -> Result<(), Spent> {
        if self.is_spent.load(Ordering::Relaxed) {
            return Err(Spent);
        }
        let left = self.steps_left.load(Ordering::Relaxed).checked_sub(steps);
        self.steps_left.store(left.unwrap_or(0), Ordering::Relaxed);
        let until_look = self.until_look.load(Ordering::Relaxed);
        let is_over = if let Some(later) = until_look.checked_sub(steps) {
            self.until_look.store(later, Ordering::Relaxed);
            false
        } else {
            self.until_look.store(LOOK_EVERY, Ordering::Relaxed);
            (self.watch)()
        };
        if left.is_none() || is_over {
            self.is_spent.store(true, Ordering::Relaxed);
            return Err(Spent);
        }
        Ok(())
    }
}

/// A meter is no bound: two limits that differ only in what is left of it are the same limits.
impl PartialEq for Budget {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Budget {}

impl fmt::Debug for Budget {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            None => out.write_str("Budget(unlimited)"),
            Some(meter) => write!(out, "Budget({} steps left)", meter.steps_left.load(Ordering::Relaxed)),
        }
    }
}

impl fmt::Display for Spent {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("the work that one document may cause is used up")
    }
}

impl std::error::Error for Spent {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    #[test]
    fn steps_end_and_stay_ended() {
        let budget = Budget::of_steps(10);
        let other = budget.clone();
        assert_eq!(budget.spend(7), Ok(()));
        assert_eq!(other.spend(4), Err(Spent));
        assert_eq!((budget.spend(1), budget.is_spent()), (Err(Spent), true));
        assert_eq!(Budget::unlimited().spend(u64::MAX), Ok(()));
    }

    #[test]
    fn the_watch_is_asked_now_and_then_and_has_the_last_word() {
        let asked = Arc::new(AtomicUsize::new(0));
        let budget = Budget::new(u64::MAX, {
            let asked = asked.clone();
            move || asked.fetch_add(1, Ordering::Relaxed) == 2
        });
        let steps = (0..100_000).take_while(|_| budget.spend(1).is_ok()).count() as u64;
        assert!((2 * LOOK_EVERY..4 * LOOK_EVERY).contains(&steps), "{steps}");
        assert_eq!(asked.load(Ordering::Relaxed), 3);
        // A dear step is never free of a look.
        let budget = Budget::new(u64::MAX, || true);
        assert_eq!(budget.spend(LOOK_EVERY + 1), Err(Spent));
    }
}
