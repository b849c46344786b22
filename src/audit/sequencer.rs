//! Chains what this node has committed, and signs the chain's head.

use super::{
    Meters, Record,
    chain::{self, Head, Line, key_name},
    error::AuditError,
    heads::{self, HeadFile, HeadsPlace},
    store::{self, Place},
    witness::{Disagreement, Witness},
};
use crate::{
    base::{Clock, Entropy, entropy::Rng, failpoint},
    store::{Rx, Store, StoreError, Tx},
};
use std::{fmt, path::Path, sync::Arc, time::Duration};
use tokio::sync::watch;
use yinxin_pki::sign::{SignError, SignInput, Signer};

/// Records chained in one transaction.
const BATCH: u32 = 500;
/// Batches between two heads: a backlog is signed on the way.
const BATCHES_MAX: usize = 20;
/// Longest part of the chain without a signed head that a full disk or a signer without an answer may bring about: more than
/// two steps chain.
const UNSIGNED_MAX: i64 = 2 * (BATCH as i64) * (BATCHES_MAX as i64);
/// Rest between two looks; with the work itself, a record is chained within a second.
const REST: Duration = Duration::from_millis(500);

/// Chains the records of one node; there is one of it for each.
pub struct Sequencer {
    store: Store,
    signer: Arc<dyn Signer>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    /// `None` while a write is under way, and for good after one failed.
    heads: Option<HeadFile>,
    /// `None` where none is configured, and while it is at work.
    witness: Option<Witness>,
    signed: Signed,
    /// Records that were chained since, and whose head is not kept yet.
    unsigned: i64,
    meters: Arc<Meters>,
}

/// How far the chain is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Signed {
    pub seq: i64,
    pub hash: String,
}

impl Signed {
    /// What the last line of a file of heads says of this node; an error where it speaks of another.
    pub(super) fn of(last: Option<&Line>, node: &str) -> Result<Self, AuditError> {
        match last {
            None => Ok(Self { seq: 0, hash: chain::ORIGIN.into() }),
            Some(line) if line.node() == node => {
                let (seq, hash) = line.mark();
                Ok(Self { seq, hash: hash.to_owned() })
            }
            Some(line) => Err(of_heads(format!("it belongs to node {}, not {node}", line.node()))),
        }
    }

    /// Fails with [`AuditError::RolledBack`] where the database does not have the record that was signed.
    pub(super) async fn compare(&self, rx: &mut Rx, node: &str) -> Result<(), AuditError> {
        let Self { seq, hash } = self;
        if *seq == 0 {
            return Ok(());
        }
        let before = Place(seq.saturating_sub(1), i64::MAX);
        let there = store::walk(rx, node, before, 1).await?;
        let rolled_back = |says: &str| AuditError::RolledBack { signed: *seq, says: says.into() };
        match there.first().and_then(|record| record.link.as_ref()) {
            Some(link) if link.seq == *seq && link.hash == *hash => Ok(()),
            Some(link) if link.seq == *seq => Err(rolled_back("the database has another record there")),
            _ => Err(rolled_back("the database has no record there")),
        }
    }
}

/// Compares the last head outside the database with the database, without taking the file: whether this node may work.
/// Fails as [`Sequencer::open`] would where the database is an old copy.
pub async fn compare(store: &Store, place: &HeadsPlace) -> Result<(), AuditError> {
    let path = place.file.clone();
    let last = tokio::task::spawn_blocking(move || heads::last(&path)).await;
    let last = last.map_err(|_| of_heads("reading was interrupted"))?.map_err(of_heads)?;
    let signed = Signed::of(last.as_ref(), store.node())?;
    store.read(async |rx| signed.compare(rx, store.node()).await).await
}

impl Sequencer {
    /// Opens the file of heads and compares its last head with the database. Fails with [`AuditError::RolledBack`]
    /// where the database is behind it: going on would make a second chain beside the signed one.
    ///
    /// With a witness that is within reach, fails with [`AuditError::FileCut`] where the witness knows more than the file.
    pub async fn open(
        store: Store,
        heads: impl Into<HeadsPlace>,
        signer: Arc<dyn Signer>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, AuditError> {
        let HeadsPlace { file, witness } = heads.into();
        let witness = witness.map(|path| Witness::new(path, file.clone()));
        let heads = open_heads(&file).await?;
        let signed = Signed::of(heads.last(), store.node())?;
        store.read(async |rx| signed.compare(rx, store.node()).await).await?;
        let meters = Arc::default();
        let mut sequencer =
            Self { store, signer, clock, entropy, heads: Some(heads), witness, signed, unsigned: 0, meters };
        sequencer.mind_witness(None).await?;
        Ok(sequencer)
    }

    /// Counts where `meters` is read.
    #[must_use]
    pub fn counted_by(mut self, meters: Arc<Meters>) -> Self {
        meters.signed_seq.set(self.signed.seq);
        if let Some(head) = self.heads.as_ref().and_then(HeadFile::last) {
            meters.signed_ms.set(head.at().ms());
        }
        self.meters = meters;
        self
    }

    /// Chains all that is committed by now and signs the new head. How many records were chained.
    pub async fn step(&mut self) -> Result<usize, AuditError> {
        let outcome = self.try_step().await;
        match &outcome {
            Ok(_) => self.meters.stepped_ms.set(self.clock.now().ms()),
            Err(_) => self.meters.failures.one(),
        }
        outcome
    }

    async fn try_step(&mut self) -> Result<usize, AuditError> {
        let mut chained = 0;
        let mut end = None;
        for _ in 0..BATCHES_MAX {
            let batch = self.chain_batch().await?;
            chained += batch.count;
            self.meters.chained.add(batch.count as u64);
            end = Some(batch.end);
            if batch.count < BATCH as usize {
                break;
            }
        }
        match end {
            Some(end) if end.seq > self.signed.seq => {
                self.unsigned = end.seq - self.signed.seq;
                self.sign(end).await?;
            }
            _ => {}
        }
        Ok(chained)
    }

    /// Works until `stop` says true (or its sender is gone), then once more. An error is one that will not pass:
    /// records are no longer chained, and the daemon should say so and stop.
    ///
    /// What is recorded and not signed could be removed unseen. So where the database goes on taking records and no head can be
    /// signed or kept, that passes up to [`UNSIGNED_MAX`] records and no further.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) -> Result<(), AuditError> {
        loop {
            let stopping = *stop.borrow();
            match self.step().await {
                Ok(_) => {}
                Err(error @ (AuditError::Sign(_) | AuditError::NoRoom)) if self.unsigned > UNSIGNED_MAX => {
                    self.meters.stopped.set(1);
                    return Err(error);
                }
                Err(error) if error.is_passing() => {
                    tracing::warn!(name: "audit.waiting", %error, "audit records wait to be chained")
                }
                Err(error) => {
                    self.meters.stopped.set(1);
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
        let key = Some(key_name(&self.signer.public_key()));
        let mut head = Head { node, seq: end.seq, hash: end.hash.clone(), at, signature: String::new(), key };
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
        self.unsigned = 0;
        self.meters.signed_ms.set(head.at.ms());
        self.meters.signed_seq.set(head.seq);
        // The file comes first: whatever stands in the database stands in the file too.
        self.store.write(async |tx| store::add_head(tx, &head).await).await?;
        failpoint::reach("audit.kept");
        Ok(())
    }

    async fn keep(&mut self, head: Head) -> Result<(), AuditError> {
        let Some(mut heads) = self.heads.take() else {
            return Err(of_heads("an earlier write failed; start the process again"));
        };
        let line = Line::Head(head);
        let kept = tokio::task::spawn_blocking(move || {
            let outcome = heads.append(&line);
            (heads, line, outcome)
        });
        let (heads, line, outcome) = kept.await.map_err(|_| of_heads("writing was interrupted"))?;
        match outcome {
            Ok(()) => self.heads = Some(heads),
            Err(_) if heads.is_sound() => {
                self.heads = Some(heads);
                return Err(AuditError::NoRoom);
            }
            Err(error) => return Err(of_heads(error)),
        }
        self.mind_witness(Some(line)).await
    }

    /// Brings the witness up to date, and `line` to it. A witness out of reach is said, and waited for.
    async fn mind_witness(&mut self, line: Option<Line>) -> Result<(), AuditError> {
        let Some(mut witness) = self.witness.take() else { return Ok(()) };
        let minded = tokio::task::spawn_blocking(move || {
            // An open witness lacks this line only; one that was away is given all that the file has, this line included.
            let outcome = match line.filter(|_| witness.is_open()) {
                Some(line) => witness.append(&line).map_err(Disagreement::Io),
                None => witness.catch_up(),
            };
            (witness, outcome)
        });
        let (witness, outcome) = minded.await.map_err(|_| of_heads("the witness was interrupted"))?;
        self.witness = Some(witness);
        match outcome {
            Ok(()) => Ok(()),
            Err(Disagreement::FileCut { file_to, witness_to }) => {
                Err(AuditError::FileCut { file_to, witness_to })
            }
            Err(Disagreement::Io(error)) => {
                tracing::error!(name: "audit.witness_away", %error, "the witness of the audit heads is out of reach; it is brought up to date later");
                Ok(())
            }
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

/// Chains all records of `node` that wait, in this transaction; signs nothing. For a database whose sequencer is not at work.
pub async fn chain_waiting(tx: &mut Tx, node: &str) -> Result<usize, AuditError> {
    let from_the_start = Signed { seq: 0, hash: chain::ORIGIN.into() };
    let mut chained = 0;
    loop {
        match chain_next(tx, node, &from_the_start).await?.count {
            0 => return Ok(chained),
            count => chained += count,
        }
    }
}

/// The same for the records of every node: where none of them will come back for their own.
pub async fn chain_all_waiting(tx: &mut Tx) -> Result<usize, AuditError> {
    let mut chained = 0;
    for node in store::nodes(tx).await? {
        chained += chain_waiting(tx, &node).await?;
    }
    Ok(chained)
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

pub(super) async fn open_heads(path: &Path) -> Result<HeadFile, AuditError> {
    let path = path.to_owned();
    let heads = tokio::task::spawn_blocking(move || HeadFile::open(&path)).await;
    heads.map_err(|_| of_heads("opening was interrupted"))?.map_err(of_heads)
}

pub(super) fn of_heads(says: impl fmt::Display) -> AuditError {
    AuditError::Heads { says: says.to_string() }
}
