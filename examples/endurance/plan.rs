//! What the command line asks for, and the chance that a run is made with.

use rand_core::TryRng;
use std::{ffi::OsString, path::PathBuf, sync::Arc};
use yinxin::base::{
    Entropy,
    entropy::{SeededEntropy, SystemEntropy},
};

/// What is to be done.
#[derive(Debug, Clone)]
pub struct Plan {
    pub mode: String,
    /// How often, or how much: the mode's own number. 1 where none is given.
    pub count: u32,
    /// The same; `None` where none is given.
    pub given: Option<u32>,
    /// Everything that is drawn comes from it.
    pub seed: u64,
    /// Data directories are kept, and their place is told.
    pub keep: bool,
    /// Further words of the mode's own: `torn`, `normal`, `postgres`.
    pub words: Vec<String>,
    /// A `yinxin` program beside this one, where there is one of the same build.
    pub released: Option<PathBuf>,
}

impl Plan {
    /// `MODE COUNT [WORD…] [--seed N] [--keep]`.
    pub fn parse(arguments: Vec<OsString>) -> Result<Self, String> {
        const USAGE: &str = "usage: endurance kill|power|failover|overload|writes|restart|rotation COUNT [WORD…] [--seed N] [--keep]";
        let mut given = arguments.into_iter().map(|text| text.into_string().map_err(|_| USAGE.to_owned()));
        let mut next = || given.next().transpose();
        let mode = next()?.ok_or(USAGE)?;
        let (mut numbers, mut words, mut seed, mut keep) = (Vec::new(), Vec::new(), None, false);
        while let Some(text) = next()? {
            match text.as_str() {
                "--seed" => seed = next()?.and_then(|text| text.parse().ok()),
                "--keep" => keep = true,
                other => match other.parse() {
                    Ok(number) => numbers.push(number),
                    Err(_) => words.push(text),
                },
            }
        }
        let seed = seed.unwrap_or_else(fresh_seed);
        let given = numbers.first().copied();
        Ok(Self { mode, count: given.unwrap_or(1), given, seed, keep, words, released: released() })
    }

    /// Whether the mode was given this word.
    pub fn says(&self, word: &str) -> bool {
        self.words.iter().any(|said| said == word)
    }
}

fn fresh_seed() -> u64 {
    let mut octets = [0; 4];
    SystemEntropy.fill(&mut octets);
    u64::from(u32::from_be_bytes(octets))
}

/// `target/PROFILE/examples/endurance` stands one floor below `target/PROFILE/yinxin`.
fn released() -> Option<PathBuf> {
    let own = std::env::current_exe().ok()?;
    let beside = own.parent()?.parent()?.join("yinxin");
    beside.is_file().then_some(beside)
}

/// Seeded dice.
pub struct Dice(yinxin::base::entropy::Rng);

impl Dice {
    /// The throws that belong to a seed and a name.
    pub fn of(seed: u64, name: u64) -> Self {
        let mixed = seed ^ name.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Self(yinxin::base::entropy::Rng::new(Arc::new(SeededEntropy::new(mixed))))
    }

    /// A number below `end`, which is at least 1.
    pub fn below(&mut self, end: u64) -> u64 {
        let Ok(number) = self.0.try_next_u64();
        number % end.max(1)
    }

    /// Whether a chance of `percent` came true.
    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}
