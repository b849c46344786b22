//! What the benches share: CPU time, interleaved rounds, medians, a table and a line of JSON.
//!
//! Wall time of a shared machine says little, so CPU time is measured; and since the clock of a CPU wanders too, the
//! subjects of one comparison take turns, a batch of each in every round, and the median of the rounds is told.

#![allow(dead_code, reason = "each bench uses a part of this")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a bench that cannot go on ends")]

pub mod daemon;
pub mod peer;
pub mod trust;

use rustix::time::{ClockId, clock_gettime};
use serde_json::{Map, Value, json};
use std::{fmt::Display, time::Instant};

/// CPU time of this thread, in milliseconds.
pub fn thread_cpu_ms() -> f64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    now.tv_sec as f64 * 1e3 + now.tv_nsec as f64 / 1e6
}

/// Something measured in turns with others: one call does a batch and answers milliseconds of CPU for one item of it.
pub struct Subject<'a> {
    name: String,
    batch: Box<dyn FnMut() -> f64 + 'a>,
    samples: Vec<f64>,
}

impl<'a> Subject<'a> {
    /// `once` on this thread, `times` times in a batch.
    pub fn here(name: &str, times: u32, mut once: impl FnMut() + 'a) -> Self {
        Self::batches(name, move || {
            let before = thread_cpu_ms();
            (0..times).for_each(|_| once());
            (thread_cpu_ms() - before) / f64::from(times)
        })
    }

    /// A batch that measures itself.
    pub fn batches(name: &str, batch: impl FnMut() -> f64 + 'a) -> Self {
        Self { name: name.into(), batch: Box::new(batch), samples: Vec::new() }
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The median of its rounds.
    pub fn median(&self) -> f64 {
        median(&self.samples)
    }
}

/// One round to warm up, then `rounds` rounds, in which every subject has its turn.
pub fn take_turns(rounds: usize, subjects: &mut [Subject<'_>]) {
    for round in 0..=rounds {
        for subject in subjects.iter_mut() {
            let sample = (subject.batch)();
            if round > 0 {
                subject.samples.push(sample);
            }
        }
    }
}

/// The middle one; 0 of nothing.
pub fn median(samples: &[f64]) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

/// Milliseconds since `start` on the wall.
pub fn wall_ms(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1e3
}

/// What a bench found, told as a table while it goes and as one line of JSON at its end.
pub struct Figures {
    bench: &'static str,
    values: Map<String, Value>,
    missed: Vec<String>,
}

impl Figures {
    /// Of this bench.
    pub fn of(bench: &'static str) -> Self {
        println!("{bench}: {}", machine());
        Self { bench, values: Map::new(), missed: Vec::new() }
    }

    /// A figure without a promise.
    pub fn tell(&mut self, name: &str, value: f64, unit: impl Display) {
        println!("  {name:<58} {value:>9.3} {unit}");
        self.values.insert(name.into(), json!((value * 1e4).round() / 1e4));
    }

    /// A figure that must not exceed `reach`.
    pub fn at_most(&mut self, name: &str, value: f64, reach: f64, unit: &str) {
        self.reach(name, value, value <= reach, &format!("{unit} (reach ≤ {reach})"));
    }

    /// A figure that must not fall below `reach`.
    pub fn at_least(&mut self, name: &str, value: f64, reach: f64, unit: &str) {
        self.reach(name, value, value >= reach, &format!("{unit} (reach ≥ {reach})"));
    }

    fn reach(&mut self, name: &str, value: f64, holds: bool, unit: &str) {
        self.tell(name, value, format!("{unit} {}", if holds { "holds" } else { "MISSED" }));
        if !holds {
            self.missed.push(name.into());
        }
    }

    /// The line of JSON.
    pub fn end(self) {
        let Self { bench, values, missed } = self;
        println!("{}", json!({ "bench": bench, "machine": machine(), "figures": values, "missed": missed }));
    }
}

/// How many processors of which kind.
pub fn machine() -> String {
    let cpus = std::thread::available_parallelism().map_or(0, |count| count.get());
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = text.lines().find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1));
    format!("{cpus} × {}", model.unwrap_or("unknown CPU"))
}
