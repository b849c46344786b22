//! What goes wrong with keys, said so that an operator knows what to do. No secrets, no octets of a row.

use super::{KeyId, KeyPurpose, PassphraseError};
use crate::store::StoreError;
use std::fmt;

/// Why an act on the keystore failed.
#[derive(Debug)]
pub enum KeysError {
    /// The passphrase could not be read.
    Passphrase(PassphraseError),
    /// The passphrase does not open this keystore.
    WrongPassphrase,
    /// A row is not as it was written: the disk, or somebody, changed it.
    Damaged {
        /// The row: `the keystore's header`, or a key id.
        row: String,
    },
    /// There is no keystore in this database yet.
    NoKeystore,
    /// There is one already, or it changed under our hands; nothing was written.
    Exists,
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
            Self::WrongPassphrase => "keys/wrong-passphrase",
            Self::Damaged { .. } => "keys/damaged",
            Self::NoKeystore => "keys/no-keystore",
            Self::Exists => "keys/exists",
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
            Self::WrongPassphrase => out.write_str("the passphrase does not open this keystore"),
            Self::Damaged { row } => write!(
                out,
                "{row} in the keystore is damaged or was tampered with; nothing was opened. Restore it from a backup"
            ),
            Self::NoKeystore => out.write_str("this database holds no keystore yet; `yinxin init` makes one"),
            Self::Exists => out.write_str(
                "this database holds a keystore already, or it was just changed; nothing was written",
            ),
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
