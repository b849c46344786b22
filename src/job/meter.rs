//! What workers count.

use crate::base::meter::{Counter, Histogram};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

/// What workers count, by kind of work. Kinds are words of the program: those that a worker has a handler for.
#[derive(Debug, Default)]
pub struct Meters(Mutex<BTreeMap<&'static str, Arc<Ends>>>);

/// How attempts at one kind of work ended.
#[derive(Debug)]
pub struct Ends {
    /// Attempts that did the work.
    pub done: Counter,
    /// Attempts that are made again later.
    pub retried: Counter,
    /// Attempts after which the job was given up.
    pub failed: Counter,
    /// How long attempts took, in microseconds.
    pub took_us: Histogram,
}

impl Meters {
    /// Every kind's, by its name.
    pub fn kinds(&self) -> BTreeMap<&'static str, Arc<Ends>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn of(&self, kind: &'static str) -> Arc<Ends> {
        let mut kinds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = || {
            Arc::new(Ends {
                done: Counter::default(),
                retried: Counter::default(),
                failed: Counter::default(),
                took_us: Histogram::of_times(),
            })
        };
        kinds.entry(kind).or_insert_with(fresh).clone()
    }
}
