//! The key that signs heads of the audit chain: the newest of its purpose, looked up every second, so that all nodes change
//! to a new one within seconds. Heads that older ones signed stay good: all that were ever made are answered.

use super::{KeyDesk, failpoint};
use crate::{
    audit,
    keys::{Key, KeyId, KeyKind, KeyPurpose, KeysError, Keystore},
    officer::Caller,
    store::Tx,
};
use rand_core::CryptoRng;
use serde_json::json;
use std::sync::{Arc, PoisonError, RwLock};
use yinxin_pki::sign::{PublicKey, SignError, SignInput, Signer};

/// The present key of the audit, as a signer that changes when there is a newer one.
pub(in crate::app) struct AuditKey {
    keystore: Keystore,
    present: RwLock<Present>,
}

#[derive(Clone)]
struct Present {
    id: KeyId,
    signer: Arc<dyn Signer>,
}

impl AuditKey {
    /// Opens the newest.
    ///
    /// # Errors
    /// [`KeysError::NoKeystore`] where none was ever made.
    pub(in crate::app) async fn open(keystore: &Keystore) -> Result<Arc<Self>, KeysError> {
        let id = newest(keystore).await?.ok_or(KeysError::NoKeystore)?;
        let present = RwLock::new(Present { signer: keystore.signer(&id).await?, id });
        Ok(Arc::new(Self { keystore: keystore.clone(), present }))
    }

    /// Changes to the newest, where there is a newer one.
    pub(super) async fn keep_up(&self) -> Result<(), KeysError> {
        let Some(id) = newest(&self.keystore).await? else { return Ok(()) };
        if self.present().id == id {
            return Ok(());
        }
        let signer = self.keystore.signer(&id).await?;
        tracing::info!(name: "audit.new_key", %id, "heads of the audit chain are signed by a new key");
        *self.present.write().unwrap_or_else(PoisonError::into_inner) = Present { id, signer };
        Ok(())
    }

    fn present(&self) -> Present {
        self.present.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Signer for AuditKey {
    fn public_key(&self) -> PublicKey {
        self.present().signer.public_key()
    }

    fn sign(&self, input: SignInput<'_>, rng: &mut dyn CryptoRng) -> Result<Vec<u8>, SignError> {
        self.present().signer.sign(input, rng)
    }

    fn checks_own_products(&self) -> bool {
        self.present().signer.checks_own_products()
    }
}

/// The newest living key of the audit.
pub(in crate::app) async fn newest(keystore: &Keystore) -> Result<Option<KeyId>, KeysError> {
    Ok(newest_key(keystore).await?.map(|key| key.id))
}

async fn newest_key(keystore: &Keystore) -> Result<Option<Key>, KeysError> {
    let keys = keystore.of_purpose(KeyPurpose::Audit).await?;
    Ok(keys.into_iter().find(|key| key.destroyed_at.is_none()))
}

impl KeyDesk {
    /// Makes a new key of the audit. This node signs with it at once, others within seconds. The one before stays, for the
    /// heads that it signed.
    pub(super) async fn rotate_audit_key(&self, caller: &Caller) -> Result<Key, KeysError> {
        let desk = &self.0;
        let before = newest_key(&desk.keystore).await?;
        // Keys follow each other by the time of their making: a clock that was set back must not make this one older.
        let after = before.as_ref().map_or(caller.now, |key| key.made_at.plus_ms(1));
        let write = async |tx: &mut Tx| {
            let made_at = caller.now.max(after);
            let key = desk.keystore.make(tx, KeyPurpose::Audit, KeyKind::Sm2, made_at).await?;
            let detail = json!({ "before": before.as_ref().map(|key| &key.id) });
            audit::append(tx, &caller.entry("audit.key_rotated", &key.id, detail)).await?;
            failpoint::reach("keys.audit.written");
            Ok::<_, KeysError>(key)
        };
        let key = desk.store.write(write).await?;
        desk.audit_key.keep_up().await?;
        Ok(key)
    }
}
