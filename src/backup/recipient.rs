//! Whom backups are encrypted to: a public line for the configuration, and a private key in a file of its own, locked by a
//! passphrase, that is kept away from the service.

use super::{BackupError, hpke};
use crate::{
    base::{Entropy, Secret},
    keys::{KeysError, Locked, UnlockCost},
};
use p256::{PublicKey, SecretKey, elliptic_curve::sec1::ToSec1Point as _};
use serde::{Deserialize, Serialize};
use std::fmt;
use yinxin_pki::sm3;

/// Recipients of one backup at most.
pub const RECIPIENTS_MAX: usize = 8;

const PREFIX: &str = "yinxin-backup-1:";
const POINT_BYTES: usize = 33;
const CHECK_BYTES: usize = 4;
/// Octets of a recipient's name in a backup's head.
pub(super) const NAME_BYTES: usize = 8;

/// The public half: P-256. As text, `yinxin-backup-1:`, then hex of the compressed point and of the first four octets of its
/// SM3.
#[derive(Clone, PartialEq, Eq)]
pub struct Recipient(PublicKey);

impl Recipient {
    /// Reads the public line.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let body = text.trim().strip_prefix(PREFIX);
        let body = body
            .ok_or_else(|| format!("a recipient begins with {PREFIX}; `yinxin backup keygen` makes one"))?;
        let octets = hex::decode(body).ok().filter(|octets| octets.len() == POINT_BYTES + CHECK_BYTES);
        let octets = octets.ok_or("a recipient has 74 hexadecimal digits behind its prefix")?;
        let (point, check) = octets.split_at(POINT_BYTES);
        if sm3::digest(point)[..CHECK_BYTES] != *check {
            return Err("the recipient's last digits do not fit: it was mistyped or cut".into());
        }
        PublicKey::from_sec1_bytes(point).map(Self).map_err(|_| "the recipient is no point of P-256".into())
    }

    pub(super) fn key(&self) -> &PublicKey {
        &self.0
    }

    /// The first eight octets of the SM3 of the uncompressed point.
    pub(super) fn name(&self) -> [u8; NAME_BYTES] {
        let mut name = [0; NAME_BYTES];
        name.copy_from_slice(&sm3::digest(hpke::octets(&self.0))[..NAME_BYTES]);
        name
    }
}

impl fmt::Display for Recipient {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let point = self.0.to_sec1_point(true);
        let check = sm3::digest(point.as_bytes());
        write!(out, "{PREFIX}{}{}", hex::encode(point.as_bytes()), hex::encode(&check[..CHECK_BYTES]))
    }
}

impl fmt::Debug for Recipient {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Recipient({self})")
    }
}

/// The private half, open. Wiped on drop.
pub struct RecipientKey(SecretKey);

/// The file of a private half.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct KeyFile {
    /// 1.
    pub yinxin_backup_key: u32,
    /// The public line.
    pub recipient: String,
    /// The private scalar, 32 octets big-endian, locked; bound to the public line.
    pub locked: Locked,
}

impl RecipientKey {
    /// A fresh one.
    pub fn generate(entropy: &dyn Entropy) -> Self {
        Self(hpke::generate(entropy))
    }

    /// The public half.
    pub fn recipient(&self) -> Recipient {
        Recipient(self.0.public_key())
    }

    pub(super) fn key(&self) -> &SecretKey {
        &self.0
    }

    /// The file that keeps it. Blocking: it costs what `cost` says.
    ///
    /// # Errors
    /// [`BackupError::Key`].
    pub fn lock(
        &self,
        passphrase: &Secret<String>,
        cost: UnlockCost,
        entropy: &dyn Entropy,
    ) -> Result<KeyFile, BackupError> {
        let recipient = self.recipient().to_string();
        let scalar = zeroize::Zeroizing::new(self.0.to_bytes());
        let locked =
            Locked::lock(&scalar[..], recipient.as_bytes(), passphrase, cost, entropy).map_err(of_keys)?;
        Ok(KeyFile { yinxin_backup_key: 1, recipient, locked })
    }
}

impl fmt::Debug for RecipientKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "RecipientKey({})", self.recipient())
    }
}

impl KeyFile {
    /// Reads the file's text (JSON).
    ///
    /// # Errors
    /// [`BackupError::Key`].
    pub fn parse(text: &[u8]) -> Result<Self, BackupError> {
        let wrong = |says: &str| BackupError::Key { says: says.into() };
        let file: Self = serde_json::from_slice(text)
            .map_err(|_| wrong("this is no key file of `yinxin backup keygen`"))?;
        match file.yinxin_backup_key {
            1 => Ok(file),
            _ => Err(wrong("the key file was made by a newer release; open it with that")),
        }
    }

    /// Opens it. Blocking.
    ///
    /// # Errors
    /// [`BackupError::Key`].
    pub fn open(&self, passphrase: &Secret<String>) -> Result<RecipientKey, BackupError> {
        let scalar = self.locked.open(self.recipient.as_bytes(), passphrase).map_err(of_keys)?;
        let damaged = || BackupError::Key { says: "the key file is damaged".into() };
        let key = RecipientKey(SecretKey::from_slice(&scalar).map_err(|_| damaged())?);
        if key.recipient().to_string() == self.recipient { Ok(key) } else { Err(damaged()) }
    }
}

fn of_keys(error: KeysError) -> BackupError {
    let says = match error {
        KeysError::WrongPassphrase { .. } => "the passphrase does not open the key file".to_owned(),
        KeysError::Damaged { .. } => "the key file is damaged".to_owned(),
        error => error.to_string(),
    };
    BackupError::Key { says }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::entropy::SeededEntropy;

    #[test]
    fn a_recipient_is_read_as_it_was_printed_and_no_mistyped_digit_passes() {
        let recipient = RecipientKey::generate(&SeededEntropy::new(1)).recipient();
        let text = recipient.to_string();
        assert_eq!(Recipient::parse(&format!(" {text}\n")).unwrap(), recipient);
        for at in PREFIX.len()..text.len() {
            let mut other = text.clone();
            other.replace_range(at..=at, if &text[at..=at] == "0" { "1" } else { "0" });
            assert!(Recipient::parse(&other).is_err(), "digit {at}");
        }
        for bad in ["", "age1xyz", PREFIX, &text[..text.len() - 2]] {
            assert!(Recipient::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_key_file_opens_with_its_passphrase() {
        let (chance, word) = (SeededEntropy::new(1), Secret::new("word".to_owned()));
        let key = RecipientKey::generate(&chance);
        let text = serde_json::to_vec(&key.lock(&word, UnlockCost::FLOOR, &chance).unwrap()).unwrap();
        let file = KeyFile::parse(&text).unwrap();
        assert_eq!(file.open(&word).unwrap().recipient(), key.recipient());
        let wrong = file.open(&Secret::new("other".to_owned())).unwrap_err();
        assert!(wrong.to_string().contains("does not open"), "{wrong}");
        let other = RecipientKey::generate(&chance).recipient().to_string();
        let swapped = KeyFile { recipient: other, ..file };
        assert!(swapped.open(&word).unwrap_err().to_string().contains("damaged"));
        assert!(KeyFile::parse(b"{}").is_err());
    }
}
