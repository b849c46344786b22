//! Who keeps private keys and opens them into signers.
//!
//! The seam for devices. A PKCS#11 token or an SDF device stands beside [`Soft`] as another [`Custodian`] with these
//! habits, which the rest of the room is built for:
//! * it **blocks**: `open` runs on a thread that may wait, signatures run in a [`super::SigningPool`] of the device's own;
//! * it is **slow**: milliseconds a signature, so requests are bounded by queue and patience, not by hope;
//! * it **may vanish**: `open` answers [`KeysError::NoDevice`], a signer [`yinxin_pki::sign::SignError::Gone`], and a
//!   later `open` may succeed again; the keystore forgets a cached signer when told so ([`super::Keystore::forget`]);
//! * it **vouches for nothing**: `checks_own_products` stays false, and the pool verifies what it makes.

use super::{
    Custody, KeyId, KeyKind, KeyPurpose, KeysError,
    key::KeyRow,
    master::Ring,
    wrap::{Aead, SecretKey, derive, framed},
};
use crate::base::{Entropy, Timestamp, entropy::Rng};
use std::sync::Arc;
use yinxin_pki::{
    sign::{P256Key, PublicKey, Signer},
    sm2,
};
use zeroize::Zeroizing;

/// Opens keys of one custody. Blocking.
pub(super) trait Custodian: Send + Sync {
    /// The custody whose keys it opens.
    fn custody(&self) -> Custody;

    /// The signer of the key that `row` names by what is wrapped in it, or by its handle.
    fn open(&self, row: &KeyRow) -> Result<Arc<dyn Signer>, KeysError>;
}

/// Keys wrapped in the database, under master keys that this holds. Wiped on drop.
pub(super) struct Soft {
    pub ring: Ring,
}

impl Soft {
    /// A fresh key, wrapped under this master key.
    pub fn make(
        &self,
        (purpose, kind): (KeyPurpose, KeyKind),
        master: i64,
        entropy: &Arc<dyn Entropy>,
        now: Timestamp,
    ) -> Result<KeyRow, KeysError> {
        let (secret, public_key) = generate(kind, entropy)?;
        let aead = Aead::Aes256Gcm;
        let mut row = KeyRow {
            id: KeyId::fresh(now, &**entropy),
            purpose: purpose.as_str().into(),
            kind: kind.as_str().into(),
            custody: Custody::Soft.as_str().into(),
            handle: None,
            public_key,
            aead: Some(aead.id().into()),
            wrapped: None,
            made_at: now,
            destroyed_at: None,
            master,
        };
        let key = self.wrapping_key(&row)?;
        row.wrapped = Some(aead.wrap(&key, &context(&row), &secret, &**entropy).ok_or(KeysError::Fault)?);
        Ok(row)
    }

    /// The same key, wrapped under another master key. `None` where nothing is wrapped: it is destroyed, or in a device.
    pub fn rewrapped(
        &self,
        row: &KeyRow,
        master: i64,
        entropy: &dyn Entropy,
    ) -> Result<Option<KeyRow>, KeysError> {
        if row.wrapped.is_none() {
            return Ok(None);
        }
        let (aead, secret) = self.secret(row)?;
        let mut other = KeyRow { master, ..row.clone() };
        let key = self.wrapping_key(&other)?;
        other.wrapped = Some(aead.wrap(&key, &context(&other), &secret, entropy).ok_or(KeysError::Fault)?);
        Ok(Some(other))
    }

    fn wrapping_key(&self, row: &KeyRow) -> Result<SecretKey, KeysError> {
        let master = self.ring.find(row.master).ok_or(KeysError::OtherMaster { master: row.master })?;
        derive(&master, "yinxin key wrapping", &[&row.purpose, row.id.as_str()]).ok_or(KeysError::Fault)
    }

    /// What is wrapped in a row.
    fn secret(&self, row: &KeyRow) -> Result<(Aead, Zeroizing<Vec<u8>>), KeysError> {
        let damaged = || KeysError::damaged(&row.id);
        let (Some(aead), Some(wrapped)) = (&row.aead, &row.wrapped) else { return Err(damaged()) };
        let aead = Aead::from_id(aead).ok_or_else(damaged)?;
        let secret = aead.unwrap(&self.wrapping_key(row)?, &context(row), wrapped).ok_or_else(damaged)?;
        Ok((aead, secret))
    }
}

impl Custodian for Soft {
    fn custody(&self) -> Custody {
        Custody::Soft
    }

    fn open(&self, row: &KeyRow) -> Result<Arc<dyn Signer>, KeysError> {
        let damaged = || KeysError::damaged(&row.id);
        let key = row.describe()?;
        let (_, secret) = self.secret(row)?;
        let signer = signer_of(key.kind, &secret).ok_or_else(damaged)?;
        // The wrapping binds the public key; looking again costs nothing and catches a fault in the machine.
        if signer.public_key() == key.public_key { Ok(signer) } else { Err(damaged()) }
    }
}

/// What the wrapping of a key binds: every field of its row but its destruction. The number of the master key needs no
/// binding: under another one the wrapping does not open.
fn context(row: &KeyRow) -> Vec<u8> {
    framed([
        &b"yinxin key"[..],
        row.id.as_str().as_bytes(),
        row.purpose.as_bytes(),
        row.kind.as_bytes(),
        row.custody.as_bytes(),
        row.handle.as_deref().unwrap_or_default().as_bytes(),
        &row.public_key,
        row.aead.as_deref().unwrap_or_default().as_bytes(),
        &row.made_at.ms().to_be_bytes(),
    ])
}

/// A fresh private key in the form that is wrapped (SM2: d; P-256: PKCS#8), and its public point.
fn generate(kind: KeyKind, entropy: &Arc<dyn Entropy>) -> Result<(Zeroizing<Vec<u8>>, Vec<u8>), KeysError> {
    let secret = match kind {
        KeyKind::Sm2 => {
            let key =
                sm2::PrivateKey::generate(&mut Rng::new(entropy.clone())).map_err(|_| KeysError::Fault)?;
            Zeroizing::new(key.to_bytes().to_vec())
        }
        KeyKind::P256 => P256Key::generate().ok_or(KeysError::Fault)?,
    };
    let signer = signer_of(kind, &secret).ok_or(KeysError::Fault)?;
    let public_key = match signer.public_key() {
        PublicKey::Sm2(key) => key.sec1().to_vec(),
        PublicKey::P256(point) => point.into_vec(),
        _ => return Err(KeysError::Fault),
    };
    Ok((secret, public_key))
}

/// The SM2 key is wiped when the last holder lets go. `ring` does not wipe its P-256 keys; that is a known remainder.
fn signer_of(kind: KeyKind, secret: &[u8]) -> Option<Arc<dyn Signer>> {
    match kind {
        KeyKind::Sm2 => {
            let mut d = Zeroizing::new([0; 32]);
            if secret.len() != d.len() {
                return None;
            }
            d.copy_from_slice(secret);
            Some(Arc::new(sm2::PrivateKey::from_bytes(&d).ok()?))
        }
        KeyKind::P256 => Some(Arc::new(P256Key::from_pkcs8(secret)?)),
    }
}
