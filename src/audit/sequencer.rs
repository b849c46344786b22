//! Chains what this node has committed, and signs the chain's head.

use super::{
    Record,
    chain::{self, Head},
    heads::HeadFile,
    store,
};
use crate::{
    base::{Clock, Entropy, entropy::Rng, failpoint},
    store::{Store, StoreError, Tx},
};
use std::{fmt, path::Path, sync::Arc, time::Duration};
use tokio::sync::watch;
use yinxin_pki::sign::{SignError, SignInput, Signer};

/// Records chained in one transaction.
const BATCH: u32 = 500;
/// Batches between two heads: a backlog is signed on the way.
const BATCHES_MAX: usize = 20;
/// Rest between two looks; with the work itself, a record is chained within a second.
const REST: Duration = Duration::from_millis(500);

/// Why chaining stopped, or a step of it did not succeed.
#[derive(Debug)]
pub enum AuditError {
    /// The database lacks what a signed head says it had: records were cut off, or an old copy was put in its place.
    RolledBack {
        /// Where the signed head stands.
        signed: i64,
        /// Where the database's chain ends, or what is wrong there.
        says: String,
    },
    /// The file of heads could not be opened, written or synced. It is not tried again: restart the process.
    Heads {
        /// What the operating system said.
        says: String,
    },
    /// The signer gave no signature.
    Sign(SignError),
    /// The database.
    Store(StoreError),
}

impl AuditError {
    /// Whether trying again in a moment may help.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::RolledBack { .. } | Self::Heads { .. } => false,
            Self::Sign(_) => true,
            Self::Store(error) => *error != StoreError::Halted,
        }
    }

    /// Stable code for the error catalogue.
    pub fn code(&self) -> &'static str {
        match self {
            Self::RolledBack { .. } => "audit/rolled-back",
            Self::Heads { .. } => "audit/heads",
            Self::Sign(_) => "audit/sign",
            Self::Store(error) => error.code(),
        }
    }
}

impl From<StoreError> for AuditError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl fmt::Display for AuditError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RolledBack { signed, says } => write!(
                out,
                "the audit chain was signed up to {signed}, but {says}: records were removed, or an old copy of the \
                 database was put in its place; run `yinxin audit verify`"
            ),
            Self::Heads { says } => write!(out, "the file of audit heads: {says}"),
            Self::Sign(error) => write!(out, "the audit head could not be signed: {error}"),
            Self::Store(error) => error.fmt(out),
        }
    }
}

impl std::error::Error for AuditError {}

/// Chains the records of one node; there is one of it for each.
pub struct Sequencer {
    store: Store,
    signer: Arc<dyn Signer>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    /// `None` while a write is under way, and for good after one failed.
    heads: Option<HeadFile>,
    signed: Signed,
}

/// How far the chain is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Signed {
    seq: i64,
    hash: String,
}

impl Sequencer {
    /// Opens the file of heads and compares its last head with the database. Fails with [`AuditError::RolledBack`]
    /// where the database is behind it: going on would make a second chain beside the signed one.
    pub async fn open(
        store: Store,
        heads: &Path,
        signer: Arc<dyn Signer>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, AuditError> {
        let path = heads.to_owned();
        let heads = tokio::task::spawn_blocking(move || HeadFile::open(&path)).await;
        let heads = heads.map_err(|_| of_heads("opening was interrupted"))?.map_err(of_heads)?;
        let signed = match heads.last() {
            None => Signed { seq: 0, hash: chain::ORIGIN.into() },
            Some(head) if head.node == store.node() => Signed { seq: head.seq, hash: head.hash.clone() },
            Some(head) => {
                return Err(of_heads(format!("it belongs to node {}, not {}", head.node, store.node())));
            }
        };
        let sequencer = Self { store, signer, clock, entropy, heads: Some(heads), signed };
        sequencer.compare_with_database().await?;
        Ok(sequencer)
    }

    /// Chains all that is committed by now and signs the new head. How many records were chained.
    pub async fn step(&mut self) -> Result<usize, AuditError> {
        let mut chained = 0;
        let mut end = None;
        for _ in 0..BATCHES_MAX {
            let batch = self.chain_batch().await?;
            chained += batch.count;
            end = Some(batch.end);
            if batch.count < BATCH as usize {
                break;
            }
        }
        match end {
            Some(end) if end.seq > self.signed.seq => self.sign(end).await?,
            _ => {}
        }
        Ok(chained)
    }

    /// Works until `stop` says true (or its sender is gone), then once more. An error is one that will not pass:
    /// records are no longer chained, and the daemon should say so and stop.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) -> Result<(), AuditError> {
        loop {
            let stopping = *stop.borrow();
            match self.step().await {
                Ok(_) => {}
                Err(error) if error.is_passing() => {
                    tracing::warn!(%error, "audit records wait to be chained")
                }
                Err(error) => {
                    tracing::error!(%error, "audit records are no longer chained");
                    return Err(error);
                }
            }
            if stopping {
                return Ok(());
            }
            tokio::select! {
                changed = stop.changed() => if changed.is_err() { return self.step().await.map(drop) },
                () = tokio::time::sleep(REST) => {}
            }
        }
    }

    async fn chain_batch(&self) -> Result<Batch, AuditError> {
        let (node, signed) = (self.store.node(), &self.signed);
        // Most looks find nothing, and need no turn to write.
        let (idle, end) = self
            .store
            .read(async |rx| -> Result<_, StoreError> {
                Ok((store::unchained(rx, node, 1).await?.is_empty(), store::tail(rx, node).await?))
            })
            .await?;
        if idle {
            return Ok(Batch { count: 0, end: check_tail(end, signed)? });
        }
        let batch = self.store.write(async |tx| chain_next(tx, node, signed).await).await?;
        failpoint::reach("audit.chained");
        Ok(batch)
    }

    async fn sign(&mut self, end: Signed) -> Result<(), AuditError> {
        let node = self.store.node().to_owned();
        let at = self.clock.now();
        let mut head = Head { node, seq: end.seq, hash: end.hash.clone(), at, signature: String::new() };
        let (signer, entropy) = (self.signer.clone(), self.entropy.clone());
        let signed = tokio::task::spawn_blocking(move || {
            let octets = head.signed_octets();
            let value = signer.sign(SignInput::Message(&octets), Rng::new(entropy).as_dyn())?;
            head.signature = hex::encode(value);
            Ok(head)
        });
        let head = signed.await.unwrap_or(Err(SignError::Fault)).map_err(AuditError::Sign)?;
        failpoint::reach("audit.signed");
        self.keep(head.clone()).await?;
        failpoint::reach("audit.appended");
        self.signed = end;
        // The file comes first: whatever stands in the database stands in the file too.
        self.store.write(async |tx| store::add_head(tx, &head).await).await?;
        failpoint::reach("audit.kept");
        Ok(())
    }

    async fn keep(&mut self, head: Head) -> Result<(), AuditError> {
        let Some(mut heads) = self.heads.take() else {
            return Err(of_heads("an earlier write failed; start the process again"));
        };
        let kept = tokio::task::spawn_blocking(move || heads.append(&head).map(|()| heads)).await;
        self.heads = Some(kept.map_err(|_| of_heads("writing was interrupted"))?.map_err(of_heads)?);
        Ok(())
    }

    async fn compare_with_database(&self) -> Result<(), AuditError> {
        let Signed { seq, hash } = &self.signed;
        if *seq == 0 {
            return Ok(());
        }
        let node = self.store.node();
        let there = self
            .store
            .read(async |rx| store::walk(rx, node, (seq.saturating_sub(1), i64::MAX), 1).await)
            .await?;
        let rolled_back = |says: &str| AuditError::RolledBack { signed: *seq, says: says.into() };
        match there.first().and_then(|record| record.link.as_ref()) {
            Some(link) if link.seq == *seq && link.hash == *hash => Ok(()),
            Some(link) if link.seq == *seq => Err(rolled_back("the database has another record there")),
            _ => Err(rolled_back("the database has no record there")),
        }
    }
}

impl fmt::Debug for Sequencer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Sequencer({}, signed to {})", self.store.node(), self.signed.seq)
    }
}

struct Batch {
    count: usize,
    end: Signed,
}

async fn chain_next(tx: &mut Tx, node: &str, signed: &Signed) -> Result<Batch, AuditError> {
    let mut end = check_tail(store::tail(tx, node).await?, signed)?;
    let records = store::unchained(tx, node, BATCH).await?;
    if records.is_empty() {
        return Ok(Batch { count: 0, end });
    }
    let links: Vec<_> = records.iter().map(|record| link(record, &mut end)).collect();
    let changed = store::chain(tx, &serde_json::Value::from(links).to_string()).await?;
    if changed != records.len() as u64 {
        let says = format!("{} records were to be chained and {changed} were", records.len());
        return Err(StoreError::Corrupt { says }.into());
    }
    Ok(Batch { count: records.len(), end })
}

/// One link as the statement takes it; moves `end` on.
fn link(record: &Record, end: &mut Signed) -> serde_json::Value {
    // At the last number of all, the unique index refuses the doubled place.
    let (seq, previous) = (end.seq.saturating_add(1), std::mem::take(&mut end.hash));
    let hash = chain::hash(record, seq, &previous);
    *end = Signed { seq, hash: hash.clone() };
    serde_json::json!({ "id": record.id, "seq": seq, "previous": previous, "hash": hash })
}

/// Where the chain ends; it cannot be before its signed head.
fn check_tail(tail: Option<super::Link>, signed: &Signed) -> Result<Signed, AuditError> {
    let end = match tail {
        Some(link) => Signed { seq: link.seq, hash: link.hash },
        None => Signed { seq: 0, hash: chain::ORIGIN.into() },
    };
    if end.seq < signed.seq || (end.seq == signed.seq && end != *signed) {
        let says = format!("the database's chain ends at {} in another way", end.seq);
        return Err(AuditError::RolledBack { signed: signed.seq, says });
    }
    Ok(end)
}

fn of_heads(says: impl fmt::Display) -> AuditError {
    AuditError::Heads { says: says.to_string() }
}
