//! What a key is: its id, its kind, what it is for, and who keeps it.

use super::KeysError;
use crate::{base::Timestamp, id_type};
use yinxin_pki::{sign::PublicKey, sm2};

id_type!(
    /// A private key of this service.
    KeyId,
    "key"
);

/// Declares an enum whose cases have a word in the database.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$case_meta:meta])* $case:ident = $word:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$case_meta])* $case),+ }

        impl $name {
            /// Every case.
            pub const ALL: &'static [Self] = &[$(Self::$case),+];

            /// The word in the database and in listings.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$case => $word),+ }
            }

            /// The case with this word.
            pub fn parse(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|case| case.as_str() == word)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                out.write_str(self.as_str())
            }
        }
    };
}

words!(
    /// The mathematics of a key.
    KeyKind {
        /// SM2 (GB/T 32918).
        Sm2 = "sm2",
        /// NIST P-256, for readers without SM2.
        P256 = "p-256",
    }
);

words!(
    /// What a key is for. A key wrapped for one purpose opens for no other.
    KeyPurpose {
        /// The root of the own authority.
        RootCa = "root-ca",
        /// The issuing authority under the root.
        IssuingCa = "issuing-ca",
        /// Signs seals (制作主体).
        SealMaker = "seal-maker",
        /// Signs stamps (使用主体).
        SealOwner = "seal-owner",
        /// Signs time stamps.
        TimeStamping = "time-stamping",
        /// Signs checkpoints of the audit chain.
        Audit = "audit",
    }
);

words!(
    /// Who keeps the private part.
    Custody {
        /// This keystore, wrapped.
        Soft = "soft",
        /// A PKCS#11 token.
        Pkcs11 = "pkcs11",
        /// An SDF device (GM/T 0018).
        Sdf = "sdf",
    }
);

/// A key as everybody may see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Its name.
    pub id: KeyId,
    /// What it is for.
    pub purpose: KeyPurpose,
    /// Its mathematics.
    pub kind: KeyKind,
    /// Who keeps the private part.
    pub custody: Custody,
    /// The public part.
    pub public_key: PublicKey,
    /// When it was made.
    pub made_at: Timestamp,
    /// When its private part was destroyed; `None` while it can sign.
    pub destroyed_at: Option<Timestamp>,
}

impl Key {
    /// Whether it lives and was made for `purpose`.
    ///
    /// # Errors
    /// [`KeysError::Destroyed`], [`KeysError::WrongPurpose`].
    pub fn may_serve(&self, purpose: KeyPurpose) -> Result<(), KeysError> {
        if self.destroyed_at.is_some() {
            return Err(KeysError::Destroyed(self.id.clone()));
        }
        if self.purpose != purpose {
            return Err(KeysError::WrongPurpose {
                key: self.id.clone(),
                made_for: self.purpose,
                asked_for: purpose,
            });
        }
        Ok(())
    }
}

/// The row of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KeyRow {
    pub id: KeyId,
    pub purpose: String,
    pub kind: String,
    pub custody: String,
    /// What the device calls it; `None` for soft keys.
    pub handle: Option<String>,
    /// `04 ‖ x ‖ y`, 65 octets.
    pub public_key: Vec<u8>,
    /// How `wrapped` is wrapped; `None` for keys in devices.
    pub aead: Option<String>,
    /// The private part, wrapped; `None` for keys in devices and for destroyed ones.
    pub wrapped: Option<Vec<u8>>,
    pub made_at: Timestamp,
    pub destroyed_at: Option<Timestamp>,
    /// The number of the master key that it is wrapped under.
    pub master: i64,
}

impl KeyRow {
    /// The key that this row describes, or `damaged` where its words or its point mean nothing.
    pub fn describe(&self) -> Result<Key, KeysError> {
        let damaged = || KeysError::damaged(&self.id);
        let kind = KeyKind::parse(&self.kind).ok_or_else(damaged)?;
        Ok(Key {
            id: KeyId::parse(self.id.as_str()).ok_or_else(damaged)?,
            purpose: KeyPurpose::parse(&self.purpose).ok_or_else(damaged)?,
            kind,
            custody: Custody::parse(&self.custody).ok_or_else(damaged)?,
            public_key: kind.public_key(&self.public_key).ok_or_else(damaged)?,
            made_at: self.made_at,
            destroyed_at: self.destroyed_at,
        })
    }
}

impl KeyKind {
    fn public_key(self, sec1: &[u8]) -> Option<PublicKey> {
        match self {
            Self::Sm2 => sm2::PublicKey::from_sec1(sec1).ok().map(PublicKey::Sm2),
            // `ring` looks at the point whenever it is used.
            Self::P256 => (sec1.len() == 65 && sec1[0] == 4).then(|| PublicKey::P256(sec1.into())),
        }
    }
}
