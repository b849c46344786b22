//! A small secret under a passphrase, for files that leave this machine: Argon2id, then AES-256-GCM, with everything that
//! opening needs beside it.

use super::{
    KeysError, UnlockCost,
    header::Root,
    wrap::{Aead, framed},
};
use crate::base::{Entropy, Secret, Timestamp};
use serde::{Deserialize, Serialize};
use yinxin_pki::sm3;
use zeroize::Zeroizing;

/// Argon2id, version 1.3.
const KDF: &str = "argon2id-19";
const SALT_BYTES: usize = 16;

/// The locked secret. All octets are hex.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Locked {
    /// `argon2id-19`: Argon2id, version 1.3, one lane.
    pub kdf: String,
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes over it.
    pub passes: u32,
    /// 16 octets.
    pub salt: String,
    /// `aes-256-gcm`.
    pub aead: String,
    /// nonce ‖ ciphertext ‖ tag, bound to what the owner of the file says, and to all of the above.
    pub wrapped: String,
    /// SM3 over all of it, so that damage is told from a wrong passphrase. No secret.
    pub checksum: String,
}

impl Locked {
    /// Locks `secret`, bound to `context`. Blocking: it costs what `cost` says.
    ///
    /// # Errors
    /// [`KeysError::Cost`].
    pub fn lock(
        secret: &[u8],
        context: &[u8],
        passphrase: &Secret<String>,
        cost: UnlockCost,
        entropy: &dyn Entropy,
    ) -> Result<Self, KeysError> {
        let mut salt = [0; SALT_BYTES];
        entropy.fill(&mut salt);
        let root = Root::of(passphrase, cost.checked()?, &salt)?;
        let mut locked = Self {
            kdf: KDF.into(),
            memory_kib: cost.memory_kib,
            passes: cost.passes,
            salt: hex::encode(salt),
            aead: Aead::Aes256Gcm.id().into(),
            wrapped: String::new(),
            checksum: String::new(),
        };
        let wrapped = Aead::Aes256Gcm.wrap(&root.wrapping, &locked.bound(context), secret, entropy);
        locked.wrapped = hex::encode(wrapped.ok_or(KeysError::Fault)?);
        locked.checksum = locked.sum(context);
        Ok(locked)
    }

    /// Opens it. Blocking: it costs what was chosen at locking.
    ///
    /// # Errors
    /// [`KeysError::WrongPassphrase`], [`KeysError::Damaged`].
    pub fn open(&self, context: &[u8], passphrase: &Secret<String>) -> Result<Zeroizing<Vec<u8>>, KeysError> {
        let damaged = || KeysError::damaged("the locked file");
        if self.checksum != self.sum(context) || self.kdf != KDF {
            return Err(damaged());
        }
        let aead = Aead::from_id(&self.aead).ok_or_else(damaged)?;
        let (salt, wrapped) = (hex::decode(&self.salt), hex::decode(&self.wrapped));
        let (Ok(salt), Ok(wrapped)) = (salt, wrapped) else { return Err(damaged()) };
        if salt.len() != SALT_BYTES {
            return Err(damaged());
        }
        let cost = UnlockCost { memory_kib: self.memory_kib, passes: self.passes };
        let root = Root::of(passphrase, cost.checked()?, &salt)?;
        // Such a file is locked once: there is no later passphrase to speak of.
        let wrong = KeysError::WrongPassphrase { generation: 1, since: Timestamp::from_ms(0) };
        aead.unwrap(&root.wrapping, &self.bound(context), &wrapped).ok_or(wrong)
    }

    fn bound(&self, context: &[u8]) -> Vec<u8> {
        framed([
            &b"yinxin locked"[..],
            context,
            self.kdf.as_bytes(),
            &self.memory_kib.to_be_bytes(),
            &self.passes.to_be_bytes(),
            self.salt.as_bytes(),
            self.aead.as_bytes(),
        ])
    }

    fn sum(&self, context: &[u8]) -> String {
        hex::encode(sm3::digest(framed([&self.bound(context)[..], self.wrapped.as_bytes()])))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::entropy::SeededEntropy;

    #[test]
    fn a_locked_secret_opens_with_its_passphrase_and_says_what_is_wrong_otherwise() {
        let secret = |text: &str| Secret::new(text.to_owned());
        let chance = SeededEntropy::new(1);
        let locked = Locked::lock(b"private", b"file", &secret("right"), UnlockCost::FLOOR, &chance).unwrap();
        assert_eq!(&**locked.open(b"file", &secret("right")).unwrap(), b"private");
        let code = |locked: &Locked, context: &[u8], word: &str| {
            locked.open(context, &secret(word)).map_or_else(|error| error.code(), |_| "opened")
        };
        assert_eq!(code(&locked, b"file", "wrong"), "keys/wrong-passphrase");
        assert_eq!(code(&locked, b"other", "right"), "keys/damaged");
        let mut bent = locked.clone();
        bent.wrapped.replace_range(0..1, if bent.wrapped.starts_with('0') { "1" } else { "0" });
        assert_eq!(code(&bent, b"file", "right"), "keys/damaged");
        bent.checksum = bent.sum(b"file");
        assert_eq!(code(&bent, b"file", "right"), "keys/wrong-passphrase");
        let bent = Locked { memory_kib: 8, ..locked };
        assert_eq!(code(&bent, b"file", "right"), "keys/damaged");
    }
}
