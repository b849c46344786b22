//! Private keys: kept wrapped in the database, opened into signers, used by a bounded pool.
//!
//! A passphrase (Argon2id) opens the master key; HKDF-SM3 gives each key its own wrapping key; AES-256-GCM wraps it,
//! bound to its id, kind, purpose and public key. All of it lies in the database, so that every node can use it, and a
//! copy of the database without the passphrase opens nothing. Devices stand beside the software keystore (`custody`).
//!
//! This room writes no audit entries (that room lies above): what changes keys takes the caller's transaction.

mod cache;
pub mod census;
mod checked;
mod custody;
mod error;
mod header;
mod key;
mod keystore;
mod locked;
mod master;
mod passphrase;
mod pool;
mod rotation;
mod store;
mod wrap;

pub use checked::Checked;
pub use error::KeysError;
pub use header::UnlockCost;
pub use key::{Custody, Key, KeyId, KeyKind, KeyPurpose};
pub use keystore::{Keystore, NewHeader};
pub use locked::Locked;
pub use passphrase::{PassphraseError, PassphraseSource};
pub use pool::{PoolMeters, PoolSize, SigningPool, ToSign};
pub use rotation::{KeystoreState, NewMaster, RotationState};
pub use store::STATEMENTS;
