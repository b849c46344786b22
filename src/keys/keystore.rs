//! The keystore, unlocked: makes keys, opens them into signers, destroys them. Private parts leave it only inside a
//! [`Signer`].

use super::{
    Custody, Key, KeyId, KeyKind, KeyPurpose, KeysError, UnlockCost,
    cache::Cache,
    custody::{Custodian, Soft},
    header::Header,
    key::KeyRow,
    store,
    wrap::{KEY_BYTES, SecretKey},
};
use crate::{
    base::{Entropy, Secret, Timestamp},
    store::{Rx, Store, Tx},
};
use std::sync::Arc;
use yinxin_pki::sign::{PublicKey, Signer};
use zeroize::Zeroizing;

/// Opened keys that are held at most.
const CACHE_ROOM: usize = 256;
/// Keys listed in one call at most.
const LONGEST_LIST: usize = 1000;

/// An unlocked keystore. Cheap to clone; the master key is wiped when the last clone goes.
#[derive(Clone)]
pub struct Keystore(Arc<Inner>);

struct Inner {
    store: Store,
    entropy: Arc<dyn Entropy>,
    soft: Arc<Soft>,
    custodians: Vec<Arc<dyn Custodian>>,
    cache: Cache,
}

/// A header under a new passphrase, not yet recorded.
pub struct NewHeader(Header);

impl Keystore {
    /// Makes the keystore of this database, with a fresh master key under `passphrase`.
    ///
    /// # Errors
    /// [`KeysError::Exists`] where there is one, [`KeysError::Cost`] below the floor.
    pub async fn create(
        store: Store,
        passphrase: &Secret<String>,
        cost: UnlockCost,
        entropy: Arc<dyn Entropy>,
        now: Timestamp,
    ) -> Result<Self, KeysError> {
        let mut master: SecretKey = Zeroizing::new([0; KEY_BYTES]);
        entropy.fill(&mut master[..]);
        let NewHeader(header) = new_header(&master, passphrase, cost, 1, &entropy, now).await?;
        let inserted = store.write(async |tx: &mut Tx| store::insert_header(tx, &header).await).await?;
        if !inserted {
            return Err(KeysError::Exists);
        }
        Ok(Self::assembled(store, master, entropy))
    }

    /// Unlocks the keystore of this database. Takes what [`UnlockCost`] says, on a thread that may block.
    ///
    /// # Errors
    /// [`KeysError::NoKeystore`], [`KeysError::WrongPassphrase`], [`KeysError::Damaged`].
    pub async fn unlock(
        store: Store,
        passphrase: &Secret<String>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, KeysError> {
        let header = store.read(async |rx| store::header(rx).await).await?.ok_or(KeysError::NoKeystore)?;
        let passphrase = Secret::new(passphrase.expose().clone());
        let master = blocking(move || header.unwrap(&passphrase)).await?;
        Ok(Self::assembled(store, master, entropy))
    }

    /// The signer of the living key with this purpose and public part, straight from the tables that `rx` reads: in a
    /// database that is being restored and not open yet. `None` where there is none. That it opens proves that whoever made
    /// these rows had the passphrase: the wrapping binds the public part.
    ///
    /// # Errors
    /// [`KeysError::NoKeystore`], [`KeysError::WrongPassphrase`], [`KeysError::Damaged`].
    pub async fn signer_within(
        rx: &mut Rx,
        passphrase: &Secret<String>,
        purpose: KeyPurpose,
        public_key: &PublicKey,
    ) -> Result<Option<Arc<dyn Signer>>, KeysError> {
        let header = store::header(rx).await?.ok_or(KeysError::NoKeystore)?;
        let passphrase = Secret::new(passphrase.expose().clone());
        let soft = blocking(move || header.unwrap(&passphrase)).await.map(Soft::new)?;
        let mut after = String::new();
        loop {
            let page = store::list(rx, &after, LONGEST_LIST as i64).await?;
            let Some(last) = page.last() else { return Ok(None) };
            after = last.id.as_str().to_owned();
            for row in page.iter().filter(|row| row.destroyed_at.is_none()) {
                let key = row.describe()?;
                if key.purpose == purpose && key.public_key == *public_key {
                    return soft.open(row).map(Some);
                }
            }
        }
    }

    /// Whether this database holds a keystore.
    pub async fn exists(store: &Store) -> Result<bool, KeysError> {
        Ok(store.read(async |rx| store::header(rx).await).await?.is_some())
    }

    /// The header under a new passphrase; keys stay as they are. Nothing changes until [`Keystore::replace_header`].
    pub async fn rewrap(
        &self,
        passphrase: &Secret<String>,
        cost: UnlockCost,
        now: Timestamp,
    ) -> Result<NewHeader, KeysError> {
        let inner = &self.0;
        let header =
            inner.store.read(async |rx| store::header(rx).await).await?.ok_or(KeysError::NoKeystore)?;
        let next = header.generation.saturating_add(1);
        new_header(inner.soft.master(), passphrase, cost, next, &inner.entropy, now).await
    }

    /// Records a new header in the caller's transaction, beside its audit entry.
    ///
    /// # Errors
    /// [`KeysError::Exists`] where somebody else changed it meanwhile.
    pub async fn replace_header(&self, tx: &mut Tx, header: &NewHeader) -> Result<(), KeysError> {
        if store::replace_header(tx, &header.0).await? { Ok(()) } else { Err(KeysError::Exists) }
    }

    /// Makes a key in the caller's transaction: it is there when that commits, beside what refers to it and its audit
    /// entry.
    pub async fn make(
        &self,
        tx: &mut Tx,
        purpose: KeyPurpose,
        kind: KeyKind,
        now: Timestamp,
    ) -> Result<Key, KeysError> {
        let row = self.0.soft.make(purpose, kind, &self.0.entropy, now)?;
        store::insert(tx, &row).await?;
        row.describe()
    }

    /// A key as everybody may see it, in the caller's read or transaction; the row is believed as it stands.
    ///
    /// # Errors
    /// [`KeysError::Unknown`].
    pub async fn key(&self, rx: &mut Rx, id: &KeyId) -> Result<Key, KeysError> {
        store::find(rx, id).await?.ok_or_else(|| KeysError::Unknown(id.clone()))?.describe()
    }

    /// The signer of a key. The row is read each time, so that a key destroyed by another node signs no more; only the
    /// unwrapping is saved where the row is the one seen before. Not to be called inside a transaction.
    ///
    /// # Errors
    /// [`KeysError::Unknown`], [`KeysError::Destroyed`], [`KeysError::Damaged`], [`KeysError::NoDevice`].
    pub async fn signer(&self, id: &KeyId) -> Result<Arc<dyn Signer>, KeysError> {
        let inner = &self.0;
        let row = inner.store.read(async |rx| store::find(rx, id).await).await?;
        let row = row.ok_or_else(|| KeysError::Unknown(id.clone()))?;
        if row.destroyed_at.is_some() {
            return Err(KeysError::Destroyed(id.clone()));
        }
        if let Some(signer) = inner.cache.find(&row) {
            return Ok(signer);
        }
        let custodian = self.custodian(&row)?;
        let (row, signer) = blocking(move || custodian.open(&row).map(|signer| (row, signer))).await?;
        inner.cache.put(&row, signer.clone());
        Ok(signer)
    }

    /// Up to `limit` keys (1000 at most) after `after`, oldest first, destroyed ones too.
    pub async fn list(&self, after: Option<&KeyId>, limit: usize) -> Result<Vec<Key>, KeysError> {
        let limit = i64::try_from(limit.min(LONGEST_LIST)).unwrap_or_default();
        let after = after.map_or("", KeyId::as_str);
        let rows = self.0.store.read(async |rx| store::list(rx, after, limit).await).await?;
        rows.iter().map(KeyRow::describe).collect()
    }

    /// Destroys a key's private part in the caller's transaction. Its row stays, so that nobody wonders who it was.
    /// Copies may live on in database files and backups, wrapped, until those are overwritten.
    ///
    /// # Errors
    /// [`KeysError::Unknown`], [`KeysError::Destroyed`] where it already was.
    pub async fn destroy(&self, tx: &mut Tx, id: &KeyId, now: Timestamp) -> Result<(), KeysError> {
        self.forget(id);
        if store::destroy(tx, id, now).await? {
            return Ok(());
        }
        Err(match store::find(tx, id).await? {
            Some(_) => KeysError::Destroyed(id.clone()),
            None => KeysError::Unknown(id.clone()),
        })
    }

    /// Lets go of an opened key: it is opened anew when next asked for. For signers that answered that they are gone.
    pub fn forget(&self, id: &KeyId) {
        self.0.cache.forget(id);
    }

    fn assembled(store: Store, master: SecretKey, entropy: Arc<dyn Entropy>) -> Self {
        let soft = Arc::new(Soft::new(master));
        let custodians: Vec<Arc<dyn Custodian>> = vec![soft.clone()];
        Self(Arc::new(Inner { store, entropy, soft, custodians, cache: Cache::new(CACHE_ROOM) }))
    }

    fn custodian(&self, row: &KeyRow) -> Result<Arc<dyn Custodian>, KeysError> {
        let custody = Custody::parse(&row.custody).ok_or_else(|| KeysError::damaged(&row.id))?;
        let found = self.0.custodians.iter().find(|custodian| custodian.custody() == custody);
        found.cloned().ok_or_else(|| KeysError::NoDevice { custody: custody.as_str(), key: row.id.clone() })
    }
}

impl std::fmt::Debug for Keystore {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Keystore(…)")
    }
}

async fn new_header(
    master: &SecretKey,
    passphrase: &Secret<String>,
    cost: UnlockCost,
    generation: i64,
    entropy: &Arc<dyn Entropy>,
    now: Timestamp,
) -> Result<NewHeader, KeysError> {
    let (master, entropy) = (master.clone(), entropy.clone());
    let passphrase = Secret::new(passphrase.expose().clone());
    let wrap = move || Header::wrap(&master, &passphrase, cost, generation, now, &*entropy);
    blocking(wrap).await.map(NewHeader)
}

/// Runs `work` where blocking is allowed; a panic in it is a fault, not ours.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, KeysError> + Send + 'static,
) -> Result<T, KeysError> {
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(KeysError::Fault))
}
