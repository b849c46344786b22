//! Where chance comes from: the operating system, or a seed in tests.

use rand_core::{CryptoRng, TryCryptoRng, TryRng};
use std::{
    convert::Infallible,
    sync::{Arc, Mutex, PoisonError},
};
use yinxin_pki::sm3;

/// A source of octets that nobody can foresee.
pub trait Entropy: Send + Sync {
    /// Fills `out`. Never fails: a source that can't answer ends the process.
    fn fill(&self, out: &mut [u8]);
}

/// The operating system's source.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    #[allow(
        clippy::disallowed_methods,
        reason = "the one place where the operating system is asked for chance"
    )]
    fn fill(&self, out: &mut [u8]) {
        if getrandom::fill(out).is_err() {
            // Keys and nonces made without chance are worse than no service at all.
            tracing::error!(name: "service.no_randomness", "the operating system gives no randomness; ending the process");
            std::process::abort();
        }
    }
}

/// A reproducible source for tests: SM3 over a seed and a counter.
#[derive(Debug)]
pub struct SeededEntropy(Mutex<(u64, u64)>);

impl SeededEntropy {
    /// The stream that belongs to `seed`.
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new((seed, 0)))
    }
}

impl Entropy for SeededEntropy {
    fn fill(&self, out: &mut [u8]) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for chunk in out.chunks_mut(32) {
            state.1 += 1;
            let block = sm3::digest([state.0.to_be_bytes(), state.1.to_be_bytes()].concat());
            chunk.copy_from_slice(&block[..chunk.len()]);
        }
    }
}

/// An [`Entropy`] in the shape that cryptographic libraries take.
pub struct Rng(Arc<dyn Entropy>);

impl Rng {
    /// Draws from `source`.
    pub fn new(source: Arc<dyn Entropy>) -> Self {
        Self(source)
    }

    /// The trait object that signers take.
    pub fn as_dyn(&mut self) -> &mut dyn CryptoRng {
        self
    }
}

impl TryRng for Rng {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut octets = [0; 4];
        self.0.fill(&mut octets);
        Ok(u32::from_le_bytes(octets))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut octets = [0; 8];
        self.0.fill(&mut octets);
        Ok(u64::from_le_bytes(octets))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        self.0.fill(out);
        Ok(())
    }
}

impl TryCryptoRng for Rng {}
