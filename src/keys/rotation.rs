//! Changing what opens the keystore while it is in use: a new passphrase, a new master key.
//!
//! A new passphrase rewraps the header, one row. A new master key is announced in one transaction, with bridges to and
//! from the old one (`master`); then keys are rewrapped in bounded steps, by whichever node comes by, each row by itself
//! and only as it was looked at, so that steps may be repeated, cut short, and done by two at once; and when nothing stands
//! under the old one, and every node that runs says that it holds the new one, the old one goes.

use super::{
    KeyId, KeysError, Keystore, NewHeader, UnlockCost,
    keystore::{blocking, new_header, read_header},
    master::Bridges,
    store,
    wrap::{KEY_BYTES, SecretKey},
};
use crate::{
    base::{Secret, Timestamp},
    store::{Rx, Tx},
};
use serde::Serialize;
use std::sync::PoisonError;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Characters of a new passphrase, at least.
const PASSPHRASE_LEAST_CHARS: usize = 12;
/// Keys rewrapped in one step.
const STEP: i64 = 50;
/// How long a node's word counts that it runs.
const ALIVE_MS: i64 = 120_000;
/// How often a node gives it.
const TOLD_EVERY_MS: i64 = 30_000;

/// A new master key with its header and bridges, not yet recorded.
pub struct NewMaster {
    from: i64,
    bridges: Bridges,
    header: NewHeader,
}

/// What opens the keystore, for those who look after it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeystoreState {
    /// How often the header was written, the first time included: by a new passphrase, or a new master key.
    pub generation: i64,
    /// When that was last.
    pub changed_at: Timestamp,
    /// The number of the master key that the passphrase opens.
    pub master: i64,
    /// When that one was made.
    pub master_made_at: Timestamp,
    /// The replacement that is under way.
    pub rotation: Option<RotationState>,
}

/// A replacement of the master key, under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RotationState {
    /// The number of the one that goes.
    pub from: i64,
    /// The number of the one that comes.
    pub to: i64,
    /// When it began.
    pub begun_at: Timestamp,
    /// Keys that still stand under the old one.
    pub keys_left: i64,
    /// Nodes that run and do not hold the new one yet.
    pub waits_for: Vec<String>,
}

impl NewMaster {
    /// The number of the master key that goes.
    pub fn from(&self) -> i64 {
        self.from
    }

    /// The number of the one that comes.
    pub fn to(&self) -> i64 {
        self.header.0.master
    }
}

impl Keystore {
    /// The header under a new passphrase; keys stay as they are. Nothing changes until [`Keystore::replace_header`].
    ///
    /// # Errors
    /// [`KeysError::WeakPassphrase`], [`KeysError::SamePassphrase`].
    pub async fn rewrap(
        &self,
        passphrase: &Secret<String>,
        cost: UnlockCost,
        now: Timestamp,
    ) -> Result<NewHeader, KeysError> {
        if passphrase.expose().chars().count() < PASSPHRASE_LEAST_CHARS {
            return Err(KeysError::WeakPassphrase { least: PASSPHRASE_LEAST_CHARS });
        }
        self.learn().await?;
        let inner = &self.0;
        let header = read_header(&inner.store).await?;
        let (id, next) = (header.master, header.generation.saturating_add(1));
        let master = inner.soft.ring.find(id).ok_or(KeysError::OtherMaster { master: id })?;
        let candidate = Secret::new(passphrase.expose().clone());
        match blocking(move || header.unwrap(&candidate)).await {
            Ok(_) => return Err(KeysError::SamePassphrase),
            Err(KeysError::WrongPassphrase { .. }) => {}
            Err(other) => return Err(other),
        }
        new_header((id, &master), passphrase, cost, next, &inner.entropy, now).await
    }

    /// Records a new header in the caller's transaction, beside its audit entry.
    ///
    /// # Errors
    /// [`KeysError::Changed`] where somebody else changed it meanwhile.
    pub async fn replace_header(&self, tx: &mut Tx, header: &NewHeader) -> Result<(), KeysError> {
        if store::replace_header(tx, &header.0).await? { Ok(()) } else { Err(KeysError::Changed) }
    }

    /// A new master key under the present passphrase, which it takes again: whoever can't give it could not start a node
    /// afterwards. Nothing changes until [`Keystore::begin_rotation`].
    ///
    /// # Errors
    /// [`KeysError::WrongPassphrase`], [`KeysError::Rotating`].
    pub async fn new_master(
        &self,
        passphrase: &Secret<String>,
        cost: UnlockCost,
        now: Timestamp,
    ) -> Result<NewMaster, KeysError> {
        let inner = &self.0;
        let header = read_header(&inner.store).await?;
        let (from, next) = (header.master, header.generation.saturating_add(1));
        self.refuse_if_rotating().await?;
        if self.learn().await? != from {
            return Err(KeysError::Changed);
        }
        let candidate = Secret::new(passphrase.expose().clone());
        let old = blocking(move || header.unwrap(&candidate)).await?;
        let held = inner.soft.ring.find(from).filter(|held| bool::from(held[..].ct_eq(&old[..])));
        if held.is_none() {
            return Err(KeysError::damaged("the header"));
        }
        let mut new: SecretKey = Zeroizing::new([0; KEY_BYTES]);
        inner.entropy.fill(&mut new[..]);
        let bridges = Bridges::between(from, &old, &new, &*inner.entropy)?;
        let to = (from.saturating_add(1), &new);
        let header = new_header(to, passphrase, cost, next, &inner.entropy, now).await?;
        Ok(NewMaster { from, bridges, header })
    }

    async fn refuse_if_rotating(&self) -> Result<(), KeysError> {
        let rows = self.0.store.read(async |rx| store::masters(rx).await).await?;
        match rows.iter().find(|row| row.next.is_some()) {
            Some(row) => Err(KeysError::Rotating { from: row.id, to: row.id.saturating_add(1) }),
            None => Ok(()),
        }
    }

    /// Announces a new master key in the caller's transaction, beside its audit entry. From its commit on keys are made
    /// under the new one, and [`Keystore::rewrap_some`] finds what is to be done.
    ///
    /// # Errors
    /// [`KeysError::Changed`] where somebody else changed the keystore meanwhile.
    pub async fn begin_rotation(&self, tx: &mut Tx, new: &NewMaster) -> Result<(), KeysError> {
        let NewHeader(header) = &new.header;
        let recorded = store::replace_header(tx, header).await?
            && store::insert_master(tx, header.master, header.made_at).await?
            && store::bridge(tx, new.from, &new.bridges).await?;
        if recorded { Ok(()) } else { Err(KeysError::Changed) }
    }

    /// Learns of master keys that came or went, and says that this node holds the newest. Called every second or two.
    ///
    /// # Errors
    /// [`KeysError::OtherMaster`] where it was replaced while this node was away and the passphrase is not at hand.
    pub async fn keep_up(&self, now: Timestamp) -> Result<(), KeysError> {
        let newest = self.learn().await?;
        let inner = &self.0;
        // Nobody else can be waiting for the word of the only process.
        if inner.store.is_ours_alone() {
            return Ok(());
        }
        let told = *inner.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.is_some_and(|(master, at)| master == newest && now < at.plus_ms(TOLD_EVERY_MS)) {
            return Ok(());
        }
        let node = inner.store.node();
        inner.store.write(async |tx: &mut Tx| store::hold(tx, node, newest, now).await).await?;
        *inner.told.lock().unwrap_or_else(PoisonError::into_inner) = Some((newest, now));
        Ok(())
    }

    /// Says that this node runs no more.
    pub async fn leave(&self) -> Result<(), KeysError> {
        let inner = &self.0;
        if inner.told.lock().unwrap_or_else(PoisonError::into_inner).take().is_some() {
            let node = inner.store.node();
            inner.store.write(async |tx: &mut Tx| store::let_go(tx, node).await).await?;
        }
        Ok(())
    }

    /// Whether a replacement of the master key is under way.
    pub async fn is_rotating(&self) -> Result<bool, KeysError> {
        Ok(self.refuse_if_rotating().await.is_err())
    }

    /// One bounded step of a replacement: rewraps up to 50 keys after `after`, one transaction. Answers where to go on;
    /// `None` where nothing is left behind it.
    pub async fn rewrap_some(&self, after: Option<&KeyId>) -> Result<Option<KeyId>, KeysError> {
        let newest = self.learn().await?;
        let inner = &self.0;
        let (old, after) = (newest.saturating_sub(1), after.map_or("", KeyId::as_str));
        let rows = inner.store.read(async |rx| store::under(rx, after, old, STEP).await).await?;
        let Some(last) = rows.last().map(|row| row.id.clone()) else { return Ok(None) };
        let (soft, entropy) = (inner.soft.clone(), inner.entropy.clone());
        let work = move || {
            let pair = |row: &super::key::KeyRow| match soft.rewrapped(row, newest, &*entropy) {
                // A damaged row stays where it is and holds the old master key; the others go on.
                Err(error @ KeysError::Damaged { .. }) => {
                    tracing::error!(name: "keys.not_rewrapped", %error, "a key could not be rewrapped");
                    Ok(None)
                }
                other => Ok(other?.map(|new| (row.clone(), new))),
            };
            rows.iter().filter_map(|row| pair(row).transpose()).collect::<Result<Vec<_>, KeysError>>()
        };
        let pairs = blocking(work).await?;
        inner
            .store
            .write(async |tx: &mut Tx| {
                for (old, new) in &pairs {
                    store::rewrap(tx, old, new).await?;
                }
                Ok::<_, KeysError>(())
            })
            .await?;
        Ok(Some(last))
    }

    /// Ends a replacement in the caller's transaction, where nothing stands under the old master key and every node that
    /// runs holds the new one; the number of the one that went, or `None` where it is too early.
    pub async fn end_rotation(&self, tx: &mut Tx, now: Timestamp) -> Result<Option<i64>, KeysError> {
        let rows = store::masters(tx).await?;
        let Some(old) = rows.iter().find(|row| row.next.is_some()).map(|row| row.id) else { return Ok(None) };
        let new = old.saturating_add(1);
        if !store::without(tx, new, now.plus_ms(-ALIVE_MS)).await?.is_empty() {
            return Ok(None);
        }
        store::pass_on(tx, old, new).await?;
        Ok(store::retire(tx, old).await?.then_some(old))
    }

    /// What opens the keystore, and how far a replacement is.
    pub async fn state(&self, now: Timestamp) -> Result<KeystoreState, KeysError> {
        self.0.store.read(async |rx: &mut Rx| state(rx, now).await).await
    }
}

async fn state(rx: &mut Rx, now: Timestamp) -> Result<KeystoreState, KeysError> {
    let header = store::header(rx).await?.ok_or(KeysError::NoKeystore)?;
    let rows = store::masters(rx).await?;
    let newest = rows.last().ok_or_else(|| KeysError::damaged("the list of master keys"))?;
    let rotation = match rows.iter().find(|row| row.next.is_some()) {
        None => None,
        Some(old) => Some(RotationState {
            from: old.id,
            to: newest.id,
            begun_at: newest.made_at,
            keys_left: store::count_under(rx, old.id).await?,
            waits_for: store::without(rx, newest.id, now.plus_ms(-ALIVE_MS)).await?,
        }),
    };
    Ok(KeystoreState {
        generation: header.generation,
        changed_at: header.made_at,
        master: header.master,
        master_made_at: newest.made_at,
        rotation,
    })
}
