//! Private keys: kept wrapped in the database, opened into signers, used by a bounded pool.
pub mod passphrase;
mod pool;
mod wrap;
pub use passphrase::{PassphraseError, PassphraseSource};
pub use pool::{PoolSize, SigningPool, ToSign};
