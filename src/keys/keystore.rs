//! The keystore, unlocked: makes keys, opens them into signers, destroys them. Private parts leave it only inside a
//! [`Signer`].

use super::{
    Custody, Key, KeyId, KeyKind, KeyPurpose, KeysError, PassphraseSource, UnlockCost,
    cache::Cache,
    custody::{Custodian, Soft},
    header::Header,
    key::KeyRow,
    master::Ring,
    store,
    wrap::{KEY_BYTES, SecretKey},
};
use crate::{
    base::{Entropy, Secret, Timestamp},
    store::{Rx, Store, Tx},
};
use std::sync::{Arc, Mutex};
use yinxin_pki::sign::{PublicKey, Signer};
use zeroize::Zeroizing;

/// Opened keys that are held at most.
const CACHE_ROOM: usize = 256;
/// Keys listed in one call at most.
const LONGEST_LIST: usize = 1000;
/// Keys of one purpose that [`Keystore::of_purpose`] answers at most.
const MOST_OF_PURPOSE: i64 = 100;
/// Attempts to open a key whose master key is replaced at the same moment.
const TRIES: usize = 3;

/// An unlocked keystore. Cheap to clone; master keys are wiped when the last clone goes.
#[derive(Clone)]
pub struct Keystore(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub store: Store,
    pub entropy: Arc<dyn Entropy>,
    pub soft: Arc<Soft>,
    custodians: Vec<Arc<dyn Custodian>>,
    cache: Cache,
    /// Where the passphrase lay at the start: for a node that was away while the master key was replaced.
    source: Option<PassphraseSource>,
    /// Which master key this node said last that it holds, and when.
    pub told: Mutex<Option<(i64, Timestamp)>>,
}

/// A header under a new passphrase, not yet recorded.
pub struct NewHeader(pub(super) Header);

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
        let NewHeader(header) = new_header((1, &master), passphrase, cost, 1, &entropy, now).await?;
        store
            .write(async |tx: &mut Tx| {
                store::insert_master(tx, 1, now).await?;
                if store::insert_header(tx, &header).await? { Ok(()) } else { Err(KeysError::Exists) }
            })
            .await?;
        Ok(Self::assembled(store, Ring::new(1, master), None, entropy))
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
        Self::unlocked(store, passphrase, None, entropy).await
    }

    /// The same, with the passphrase that lies at `source`. Should the master key be replaced while this node is away
    /// (paused, cut off), it is read there again.
    ///
    /// # Errors
    /// As [`Keystore::unlock`], and [`KeysError::Passphrase`].
    pub async fn unlock_from(
        store: Store,
        source: PassphraseSource,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, KeysError> {
        let passphrase = source.read()?;
        Self::unlocked(store, &passphrase, Some(source), entropy).await
    }

    async fn unlocked(
        store: Store,
        passphrase: &Secret<String>,
        source: Option<PassphraseSource>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, KeysError> {
        let header = read_header(&store).await?;
        let (id, passphrase) = (header.master, Secret::new(passphrase.expose().clone()));
        let master = blocking(move || header.unwrap(&passphrase)).await?;
        let keystore = Self::assembled(store, Ring::new(id, master), source, entropy);
        keystore.learn().await?;
        Ok(keystore)
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
        let id = header.master;
        let ring = Ring::new(id, blocking(move || header.unwrap(&passphrase)).await?);
        ring.follow(&store::masters(rx).await?)?;
        let soft = Soft { ring };
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

    /// Makes a key in the caller's transaction: it is there when that commits, beside what refers to it and its audit
    /// entry.
    pub async fn make(
        &self,
        tx: &mut Tx,
        purpose: KeyPurpose,
        kind: KeyKind,
        now: Timestamp,
    ) -> Result<Key, KeysError> {
        // As the database has it now: under a master key that is about to go, nothing new is put.
        let master = self.0.soft.ring.follow(&store::masters(tx).await?)?;
        let row = self.0.soft.make((purpose, kind), master, &self.0.entropy, now)?;
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
        let mut tries = 1..TRIES;
        loop {
            match self.try_signer(id).await {
                // The row was read before, or the master key learned of after, one took the other's place.
                Err(KeysError::OtherMaster { .. }) if tries.next().is_some() => {
                    self.learn().await.map(|_| ())?
                }
                other => return other,
            }
        }
    }

    async fn try_signer(&self, id: &KeyId) -> Result<Arc<dyn Signer>, KeysError> {
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

    /// Keys with this purpose, newest first, destroyed ones too, 100 at most: for purposes that few keys have.
    pub async fn of_purpose(&self, purpose: KeyPurpose) -> Result<Vec<Key>, KeysError> {
        let read = self.0.store.read(async |rx| store::newest(rx, purpose.as_str(), MOST_OF_PURPOSE).await);
        read.await?.iter().map(KeyRow::describe).collect()
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

    /// Learns which master keys there are now; the newest one's number.
    ///
    /// # Errors
    /// [`KeysError::OtherMaster`] where it was replaced while this node was away and the passphrase is not at hand.
    pub(super) async fn learn(&self) -> Result<i64, KeysError> {
        let inner = &self.0;
        let rows = inner.store.read(async |rx| store::masters(rx).await).await?;
        match (inner.soft.ring.follow(&rows), &inner.source) {
            (Err(KeysError::OtherMaster { master }), Some(source)) => {
                tracing::info!(name: "keys.no_bridge", master, "no bridge leads to the new master key; the passphrase is read again");
                self.unlock_again(source.clone()).await?;
                inner.soft.ring.follow(&rows)
            }
            (other, _) => other,
        }
    }

    async fn unlock_again(&self, source: PassphraseSource) -> Result<(), KeysError> {
        let header = read_header(&self.0.store).await?;
        let id = header.master;
        let master = blocking(move || header.unwrap(&source.read()?)).await?;
        self.0.soft.ring.take(id, master);
        Ok(())
    }

    fn assembled(
        store: Store,
        ring: Ring,
        source: Option<PassphraseSource>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        let soft = Arc::new(Soft { ring });
        let custodians: Vec<Arc<dyn Custodian>> = vec![soft.clone()];
        let (cache, told) = (Cache::new(CACHE_ROOM), Mutex::default());
        Self(Arc::new(Inner { store, entropy, soft, custodians, cache, source, told }))
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

pub(super) async fn read_header(store: &Store) -> Result<Header, KeysError> {
    store.read(async |rx| store::header(rx).await).await?.ok_or(KeysError::NoKeystore)
}

pub(super) async fn new_header(
    (id, master): (i64, &SecretKey),
    passphrase: &Secret<String>,
    cost: UnlockCost,
    generation: i64,
    entropy: &Arc<dyn Entropy>,
    now: Timestamp,
) -> Result<NewHeader, KeysError> {
    let (master, entropy) = (master.clone(), entropy.clone());
    let passphrase = Secret::new(passphrase.expose().clone());
    let wrap = move || Header::wrap((id, &master), &passphrase, cost, generation, now, &*entropy);
    blocking(wrap).await.map(NewHeader)
}

/// Runs `work` where blocking is allowed; a panic in it is a fault, not ours.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, KeysError> + Send + 'static,
) -> Result<T, KeysError> {
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(KeysError::Fault))
}
