//! What goes wrong with keys, said so that an operator knows what to do. No secrets, no octets of a row.

use super::{KeyId, KeyPurpose, PassphraseError};
use crate::{base::Timestamp, store::StoreError};
use std::fmt;

/// Why an act on the keystore failed.
#[derive(Debug)]
pub enum KeysError {
    /// The passphrase could not be read.
    Passphrase(PassphraseError),
    /// The passphrase does not open this keystore.
    WrongPassphrase {
        /// How often it was set, the first time included.
        generation: i64,
        /// Since when another one opens it.
        since: Timestamp,
    },
    /// The new passphrase is the one that is in use.
    SamePassphrase,
    /// The new passphrase is too short to be one.
    WeakPassphrase {
        /// Characters that it takes at least.
        least: usize,
    },
    /// The master key is being replaced just now; one replacement after the other.
    Rotating {
        /// The number of the one that goes.
        from: i64,
        /// The number of the one that comes.
        to: i64,
    },
    /// A master key that this process does not hold: it was replaced while this node was away.
    OtherMaster {
        /// Its number.
        master: i64,
    },
    /// A row is not as it was written: the disk, or somebody, changed it.
    Damaged {
        /// The row: `the keystore's header`, or a key id.
        row: String,
    },
    /// There is no keystore in this database yet.
    NoKeystore,
    /// There is one already; nothing was written.
    Exists,
    /// Somebody else changed it at the same time; nothing was written.
    Changed,
    /// The cost of unlocking lies outside what is accepted.
    Cost {
        /// The limit that is broken.
        says: String,
    },
    /// No key has this id.
    Unknown(KeyId),
    /// The key was destroyed.
    Destroyed(KeyId),
    /// The key was made for another purpose.
    WrongPurpose {
        /// Which key.
        key: KeyId,
        /// What it was made for.
        made_for: KeyPurpose,
        /// What it was to do.
        asked_for: KeyPurpose,
    },
    /// The key lies in a device that this build or this machine doesn't have.
    NoDevice {
        /// `pkcs11` or `sdf`.
        custody: &'static str,
        /// Which key.
        key: KeyId,
    },
    /// The machine failed (a thread, a cipher); nothing was released.
    Fault,
    /// The database failed.
    Store(StoreError),
}

impl KeysError {
    /// The stable code of the error catalogue.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Passphrase(_) => "keys/passphrase-file",
            Self::WrongPassphrase { .. } => "keys/wrong-passphrase",
            Self::SamePassphrase => "keys/same-passphrase",
            Self::WeakPassphrase { .. } => "keys/weak-passphrase",
            Self::Rotating { .. } => "keys/rotating",
            Self::OtherMaster { .. } => "keys/other-master",
            Self::Damaged { .. } => "keys/damaged",
            Self::NoKeystore => "keys/no-keystore",
            Self::Exists => "keys/exists",
            Self::Changed => "keys/changed",
            Self::Cost { .. } => "keys/cost",
            Self::Unknown(_) => "keys/unknown",
            Self::Destroyed(_) => "keys/destroyed",
            Self::WrongPurpose { .. } => "keys/wrong-purpose",
            Self::NoDevice { .. } => "keys/no-device",
            Self::Fault => "keys/fault",
            Self::Store(_) => "keys/store",
        }
    }

    pub(super) fn damaged(row: impl fmt::Display) -> Self {
        Self::Damaged { row: row.to_string() }
    }
}

impl fmt::Display for KeysError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Passphrase(error) => error.fmt(out),
            Self::WrongPassphrase { generation: 1, .. } => {
                out.write_str("the passphrase does not open this keystore")
            }
            Self::WrongPassphrase { since, .. } => write!(
                out,
                "the passphrase does not open this keystore: another one does since {since}, when it was changed last; \
                 put that one in the place of this one"
            ),
            Self::SamePassphrase => {
                out.write_str("the new passphrase is the one in use already; nothing was changed")
            }
            Self::WeakPassphrase { least } => {
                write!(out, "the new passphrase is too short: it takes {least} characters at least")
            }
            Self::Rotating { from, to } => {
                write!(
                    out,
                    "master key {from} is being replaced by {to}; that goes on by itself until it is done"
                )
            }
            Self::OtherMaster { master } => write!(
                out,
                "the keystore's master key was replaced by number {master} while this node was away, and the \
                 passphrase at hand does not open it; start this node again with the present passphrase"
            ),
            Self::Damaged { row } => write!(
                out,
                "{row} in the keystore is damaged or was tampered with; nothing was opened. Restore it from a backup"
            ),
            Self::NoKeystore => out.write_str("this database holds no keystore yet; `yinxin init` makes one"),
            Self::Exists => out.write_str("this database holds a keystore already; nothing was written"),
            Self::Changed => out
                .write_str("the keystore was changed by somebody else at the same time; nothing was written"),
            Self::Cost { says } => write!(out, "the cost of unlocking is not accepted: {says}"),
            Self::Unknown(id) => write!(out, "there is no key {id}"),
            Self::Destroyed(id) => write!(out, "the key {id} was destroyed"),
            Self::WrongPurpose { key, made_for, asked_for } => {
                write!(out, "the key {key} was made for {made_for}, not for {asked_for}")
            }
            Self::NoDevice { custody, key } => {
                write!(out, "the key {key} lies in a {custody} device, and this build has no such device")
            }
            Self::Fault => out.write_str("the keystore failed and nothing was released"),
            Self::Store(error) => error.fmt(out),
        }
    }
}

impl std::error::Error for KeysError {}

impl From<StoreError> for KeysError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<PassphraseError> for KeysError {
    fn from(error: PassphraseError) -> Self {
        Self::Passphrase(error)
    }
}
