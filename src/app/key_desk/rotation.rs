//! A new passphrase, a new master key, and the work that the latter brings: every node keeps up with master keys, and
//! each does its part of rewrapping.

use super::{KeyDesk, failpoint};
use crate::{
    audit,
    base::Timestamp,
    keys::{KeyId, KeysError, KeystoreState, PassphraseSource, UnlockCost},
    officer::Caller,
    store::Tx,
};
use serde_json::json;
use std::time::Duration;
use tokio::sync::watch;

/// How often a node looks whether there is a new master key, or a new key of the audit.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Rest between two steps of rewrapping, for those who wait to write.
const STEP_REST: Duration = Duration::from_millis(20);
/// Steps that a command does before it ends; a daemon goes on with the rest.
const STEPS_AT_ONCE: usize = 10_000;

impl KeyDesk {
    /// Changes the passphrase to the one that lies at `source`. What other nodes hold goes on opening keys for them; they
    /// need the new passphrase at their next start.
    pub(super) async fn change_passphrase(
        &self,
        caller: &Caller,
        source: PassphraseSource,
    ) -> Result<KeystoreState, KeysError> {
        let desk = &self.0;
        let passphrase = read(source).await?;
        let header = desk.keystore.rewrap(&passphrase, UnlockCost::default(), caller.now).await?;
        let write = async |tx: &mut Tx| {
            desk.keystore.replace_header(tx, &header).await?;
            let entry = caller.entry("keystore.passphrase_changed", "keystore", json!({}));
            audit::append(tx, &entry).await?;
            failpoint::reach("keys.passphrase.written");
            Ok::<_, KeysError>(())
        };
        desk.store.write(write).await?;
        failpoint::reach("keys.passphrase.changed");
        desk.keystore.state(caller.now).await
    }

    /// Begins a new master key. `source` holds the present passphrase.
    pub(super) async fn begin_rotation(
        &self,
        caller: &Caller,
        source: PassphraseSource,
    ) -> Result<KeystoreState, KeysError> {
        let desk = &self.0;
        let passphrase = read(source).await?;
        let new = desk.keystore.new_master(&passphrase, UnlockCost::default(), caller.now).await?;
        let write = async |tx: &mut Tx| {
            desk.keystore.begin_rotation(tx, &new).await?;
            let detail = json!({ "from": new.from(), "to": new.to() });
            audit::append(tx, &caller.entry("keystore.rotation_begun", "keystore", detail)).await?;
            failpoint::reach("keys.rotation.written");
            Ok::<_, KeysError>(())
        };
        desk.store.write(write).await?;
        failpoint::reach("keys.rotation.begun");
        desk.keystore.keep_up(caller.now).await?;
        desk.keystore.state(caller.now).await
    }

    /// Keeps up with what changed, and does what there is to do of a replacement, `steps` at the most.
    pub(in crate::app) async fn work(&self, steps: usize, rest: Duration) -> Result<(), KeysError> {
        let desk = &self.0;
        desk.keystore.keep_up(desk.clock.now()).await?;
        desk.audit_key.keep_up().await?;
        if !desk.keystore.is_rotating().await? {
            return Ok(());
        }
        let mut after: Option<KeyId> = None;
        for _ in 0..steps {
            match desk.keystore.rewrap_some(after.as_ref()).await? {
                Some(last) => after = Some(last),
                None => return self.end_rotation(desk.clock.now()).await,
            }
            failpoint::reach("keys.rotation.stepped");
            tokio::time::sleep(rest).await;
        }
        Ok(())
    }

    /// The same, as much as a command does before it ends.
    pub(in crate::app) async fn work_off(&self) -> Result<(), KeysError> {
        self.work(STEPS_AT_ONCE, Duration::ZERO).await
    }

    async fn end_rotation(&self, now: Timestamp) -> Result<(), KeysError> {
        let desk = &self.0;
        let caller = Caller::system("rotation", now);
        let write = async |tx: &mut Tx| {
            let Some(gone) = desk.keystore.end_rotation(tx, now).await? else { return Ok(None) };
            let detail = json!({ "gone": gone });
            audit::append(tx, &caller.entry("keystore.rotation_ended", "keystore", detail)).await?;
            failpoint::reach("keys.rotation.ending");
            Ok::<_, KeysError>(Some(gone))
        };
        if let Some(gone) = desk.store.write(write).await? {
            failpoint::reach("keys.rotation.ended");
            tracing::info!(name: "keys.old_master_gone", gone, "nothing stands under the old master key any more; it is gone");
        }
        desk.keystore.keep_up(now).await
    }
}

/// Works beside the requests until told to stop, then says that this node runs no more.
pub(in crate::app) async fn watch(desk: KeyDesk, mut stop: watch::Receiver<bool>) {
    loop {
        if let Err(error) = desk.work(STEPS_AT_ONCE, STEP_REST).await {
            tracing::warn!(name: "keys.unattended", code = error.code(), %error, "keys could not be looked after; tried again in a moment");
        }
        tokio::select! {
            _ = stop.changed() => break,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
    if let Err(error) = desk.0.keystore.leave().await {
        tracing::warn!(name: "keys.leave_unsaid", code = error.code(), %error, "that this node leaves could not be said; its word runs out");
    }
}

async fn read(source: PassphraseSource) -> Result<crate::base::Secret<String>, KeysError> {
    let read = tokio::task::spawn_blocking(move || source.read()).await;
    Ok(read.map_err(|_| KeysError::Fault)??)
}
