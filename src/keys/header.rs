//! The keystore's header: how a passphrase opens the master key.
//!
//! Argon2id (RFC 9106) makes a root from the passphrase; HKDF-SM3 makes from it the key that wraps the master key, and
//! a verifier that tells a wrong passphrase from a damaged row. All other keys hang on the random master key, so that
//! a new passphrase rewraps 32 octets and touches no key. Master keys are numbered: a new one has a new header too.

use super::{
    KeysError,
    wrap::{Aead, KEY_BYTES, SecretKey, derive, framed},
};
use crate::base::{Entropy, Secret, Timestamp};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use subtle::ConstantTimeEq;
use yinxin_pki::sm3;
use zeroize::Zeroizing;

/// The layout that is written: the number of the master key is bound in.
const FORMAT: i64 = 2;
/// The layout of the first release, which had one master key, number 1.
const FIRST_FORMAT: i64 = 1;
/// Argon2id, version 1.3.
const KDF: &str = "argon2id-19";
const SALT_BYTES: usize = 16;

/// What one unlocking costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnlockCost {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes over it.
    pub passes: u32,
}

impl UnlockCost {
    /// The least that is accepted, at making and at opening: 19 MiB, two passes (the lower bound of OWASP's advice).
    pub const FLOOR: Self = Self { memory_kib: 19 * 1024, passes: 2 };
    /// The most that is accepted, so that a changed header can't starve the machine.
    pub const CEILING: Self = Self { memory_kib: 1024 * 1024, passes: 64 };

    pub(super) fn checked(self) -> Result<Params, KeysError> {
        let within = |value: u32, floor: u32, ceiling: u32| (floor..=ceiling).contains(&value);
        if !within(self.memory_kib, Self::FLOOR.memory_kib, Self::CEILING.memory_kib)
            || !within(self.passes, Self::FLOOR.passes, Self::CEILING.passes)
        {
            let (least, most) = (Self::FLOOR, Self::CEILING);
            return Err(KeysError::Cost {
                says: format!(
                    "{} KiB and {} passes; it takes {} to {} KiB and {} to {} passes",
                    self.memory_kib,
                    self.passes,
                    least.memory_kib,
                    most.memory_kib,
                    least.passes,
                    most.passes
                ),
            });
        }
        // One lane: this machine's threads have other work while the daemon starts.
        Params::new(self.memory_kib, self.passes, 1, Some(KEY_BYTES)).map_err(|_| KeysError::Fault)
    }
}

impl Default for UnlockCost {
    /// Some 40 to 50 ms of one core and 32 MiB for the time of the unlocking: the daemon answers 120 ms after its
    /// start. glibc gives a block of this size back to the system, and smaller ones would teach it to keep them.
    fn default() -> Self {
        Self { memory_kib: 32 * 1024, passes: 3 }
    }
}

/// The header row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Header {
    pub format: i64,
    pub kdf: String,
    pub memory_kib: i64,
    pub passes: i64,
    pub salt: Vec<u8>,
    pub aead: String,
    pub verifier: Vec<u8>,
    pub wrapped: Vec<u8>,
    pub generation: i64,
    pub made_at: Timestamp,
    pub checksum: Vec<u8>,
    /// Which master key is wrapped.
    pub master: i64,
}

/// What a passphrase gives: the key that wraps the master key, and the verifier.
pub(super) struct Root {
    pub wrapping: SecretKey,
    verifier: SecretKey,
}

impl Header {
    /// Wraps a master key under `passphrase`. Blocking: it costs what `cost` says.
    pub fn wrap(
        (number, master): (i64, &SecretKey),
        passphrase: &Secret<String>,
        cost: UnlockCost,
        generation: i64,
        made_at: Timestamp,
        entropy: &dyn Entropy,
    ) -> Result<Self, KeysError> {
        let mut salt = vec![0; SALT_BYTES];
        entropy.fill(&mut salt);
        let root = Root::of(passphrase, cost.checked()?, &salt)?;
        let mut header = Self {
            format: FORMAT,
            kdf: KDF.into(),
            memory_kib: cost.memory_kib.into(),
            passes: cost.passes.into(),
            salt,
            aead: Aead::Aes256Gcm.id().into(),
            verifier: root.verifier.to_vec(),
            wrapped: Vec::new(),
            generation,
            made_at,
            checksum: Vec::new(),
            master: number,
        };
        header.wrapped = Aead::Aes256Gcm
            .wrap(&root.wrapping, &header.context(), &master[..], entropy)
            .ok_or(KeysError::Fault)?;
        header.checksum = header.sum();
        Ok(header)
    }

    /// Opens the master key. Blocking: it costs what the header says.
    ///
    /// The checksum is looked at first, so that a damaged row is not called a wrong passphrase. It is no secret: who
    /// changes the row on purpose can renew it, and is then stopped by the verifier or by the wrapping.
    pub fn unwrap(&self, passphrase: &Secret<String>) -> Result<SecretKey, KeysError> {
        let damaged = || KeysError::damaged("the header");
        let known = self.format == FORMAT || (self.format == FIRST_FORMAT && self.master == 1);
        if self.checksum != self.sum() || !known || self.kdf != KDF || self.salt.len() != SALT_BYTES {
            return Err(damaged());
        }
        let aead = Aead::from_id(&self.aead).ok_or_else(damaged)?;
        let narrow = |value: i64| u32::try_from(value).map_err(|_| damaged());
        let cost = UnlockCost { memory_kib: narrow(self.memory_kib)?, passes: narrow(self.passes)? };
        let root = Root::of(passphrase, cost.checked()?, &self.salt)?;
        if !bool::from(root.verifier[..].ct_eq(&self.verifier)) {
            return Err(KeysError::WrongPassphrase { generation: self.generation, since: self.made_at });
        }
        let plain = aead.unwrap(&root.wrapping, &self.context(), &self.wrapped).ok_or_else(damaged)?;
        let mut master = Zeroizing::new([0; KEY_BYTES]);
        if plain.len() != KEY_BYTES {
            return Err(damaged());
        }
        master.copy_from_slice(&plain);
        Ok(master)
    }

    /// What the wrapping binds: every field that is not derived.
    fn context(&self) -> Vec<u8> {
        let mut bound = framed([
            &b"yinxin keystore header"[..],
            &self.format.to_be_bytes(),
            self.kdf.as_bytes(),
            &self.memory_kib.to_be_bytes(),
            &self.passes.to_be_bytes(),
            &self.salt,
            self.aead.as_bytes(),
            &self.generation.to_be_bytes(),
            &self.made_at.ms().to_be_bytes(),
        ]);
        if self.format != FIRST_FORMAT {
            bound.extend(framed([&self.master.to_be_bytes()[..]]));
        }
        bound
    }

    fn sum(&self) -> Vec<u8> {
        sm3::digest(framed([&self.context()[..], &self.verifier, &self.wrapped])).to_vec()
    }
}

impl Root {
    pub(super) fn of(passphrase: &Secret<String>, params: Params, salt: &[u8]) -> Result<Self, KeysError> {
        let mut blocks = Zeroizing::new(vec![Block::new(); params.block_count()]);
        let mut root = Zeroizing::new([0; KEY_BYTES]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into_with_memory(
                passphrase.expose().as_bytes(),
                salt,
                &mut root[..],
                blocks.as_mut_slice(),
            )
            .map_err(|_| KeysError::Fault)?;
        Ok(Self {
            wrapping: derive(&root, "yinxin keystore wrapping", &[]).ok_or(KeysError::Fault)?,
            verifier: derive(&root, "yinxin keystore verifier", &[]).ok_or(KeysError::Fault)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::entropy::SeededEntropy;

    fn secret(text: &str) -> Secret<String> {
        Secret::new(text.to_owned())
    }

    fn header() -> Header {
        let chance = SeededEntropy::new(1);
        let (master, at) = (Zeroizing::new([9; KEY_BYTES]), Timestamp::from_ms(1));
        Header::wrap((1, &master), &secret("right"), UnlockCost::FLOOR, 1, at, &chance).unwrap()
    }

    fn code(header: &Header, passphrase: &str) -> &'static str {
        header.unwrap(&secret(passphrase)).map_or_else(|error| error.code(), |_| "opened")
    }

    /// One field bent.
    type Bend = fn(&mut Header);

    const BENDS: [(&str, Bend); 14] = [
        ("format", |header| header.format += 1),
        ("format of the first release", |header| header.format = FIRST_FORMAT),
        ("master", |header| header.master += 1),
        ("kdf", |header| header.kdf.push('x')),
        ("memory_kib", |header| header.memory_kib += 1),
        ("memory_kib below the floor", |header| header.memory_kib = 8),
        ("memory_kib without end", |header| header.memory_kib = i64::MAX),
        ("passes", |header| header.passes += 1),
        ("salt", |header| header.salt[15] ^= 1),
        ("aead", |header| header.aead = "sm4-gcm".into()),
        ("verifier", |header| header.verifier[0] ^= 0x80),
        ("wrapped", |header| header.wrapped[59] ^= 1),
        ("generation", |header| header.generation += 1),
        ("made_at", |header| header.made_at = Timestamp::from_ms(2)),
    ];

    #[test]
    fn the_right_passphrase_opens_and_a_wrong_one_is_named() {
        let header = header();
        assert_eq!(*header.unwrap(&secret("right")).unwrap(), [9; KEY_BYTES]);
        assert_eq!(code(&header, "wrong"), "keys/wrong-passphrase");
        assert_eq!(code(&header, ""), "keys/wrong-passphrase");
    }

    #[test]
    fn a_bent_field_is_damage_and_not_a_wrong_passphrase() {
        for (field, bend) in BENDS {
            let mut bent = header();
            bend(&mut bent);
            assert_eq!(code(&bent, "right"), "keys/damaged", "{field}");
        }
        let mut bent = header();
        bent.checksum[0] ^= 1;
        assert_eq!(code(&bent, "right"), "keys/damaged");
    }

    /// Who can write the row can renew its checksum; what then stops them is the passphrase.
    #[test]
    fn a_bent_field_under_a_fresh_checksum_opens_nothing() {
        for (field, bend) in BENDS {
            let mut bent = header();
            bend(&mut bent);
            bent.checksum = bent.sum();
            assert_ne!(code(&bent, "right"), "opened", "{field}");
        }
    }

    /// Made by the release before this one, with the passphrase "right": it stays readable.
    #[test]
    fn a_header_of_the_first_release_opens() {
        let mut header = header();
        header.format = FIRST_FORMAT;
        let params = UnlockCost::FLOOR.checked().unwrap();
        let root = Root::of(&secret("right"), params, &header.salt).unwrap();
        let chance = SeededEntropy::new(2);
        header.wrapped = Aead::Aes256Gcm.wrap(&root.wrapping, &header.context(), &[7; 32], &chance).unwrap();
        header.checksum = header.sum();
        assert_eq!(*header.unwrap(&secret("right")).unwrap(), [7; KEY_BYTES]);
        header.master = 2;
        assert_eq!(code(&header, "right"), "keys/damaged", "it knew of no second master key");
    }

    #[test]
    fn costs_beyond_the_limits_are_refused() {
        let least = UnlockCost::FLOOR;
        let most = UnlockCost::CEILING;
        for cost in [
            UnlockCost { memory_kib: least.memory_kib - 1, ..least },
            UnlockCost { passes: least.passes - 1, ..least },
            UnlockCost { memory_kib: most.memory_kib + 1, ..least },
            UnlockCost { passes: most.passes + 1, ..least },
        ] {
            assert_eq!(cost.checked().unwrap_err().code(), "keys/cost", "{cost:?}");
        }
        assert!(UnlockCost::default().checked().is_ok());
    }

    /// RFC 9106 has no vector without secret and associated data; this one is the reference implementation's test
    /// (version 0x13, t=2, m=65536, p=1, "password", "somesalt"), at its own length.
    #[test]
    fn argon2id_is_the_published_one() {
        let params = Params::new(65536, 2, 1, Some(32)).unwrap();
        let mut out = [0; 32];
        let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        argon.hash_password_into(b"password", b"somesalt", &mut out).unwrap();
        assert_eq!(hex::encode(out), "09316115d5cf24ed5a15a31a3ba326e5cf32edc24702987c02b6566f61913cf7");
    }
}
