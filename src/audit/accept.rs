//! Going on from an old copy of the database, knowingly: somebody says why, a record tells it, and the file of heads says
//! under signature what is lost. Without it the node does not work.

use super::{
    Entry, RESTORED,
    chain::{HeadKeys, Line, ORIGIN, Restoration, Signed as By, key_name},
    error::AuditError,
    heads::{HeadFile, HeadsPlace, Lines},
    sequencer::{Signed, chain_waiting, of_heads, open_heads},
    store,
};
use crate::{
    base::{Clock, Entropy, Timestamp, entropy::Rng, id::fresh_body},
    store::{Rx, Store},
};
use serde_json::{Value, json};
use std::{io, path::Path, sync::Arc};
use yinxin_pki::sign::{SignError, SignInput, Signer};

/// Marks of the file that are held in memory while the newest one is looked for that the database agrees with.
const SAMPLES: usize = 4096;

/// Who accepts, and why.
#[derive(Debug, Clone)]
pub struct Acceptance {
    /// An officer's id, or `system` for a command on the machine itself.
    pub actor: String,
    /// The id of the request, or empty.
    pub request: String,
    /// Why.
    pub reason: String,
    /// More, for the record: from which backup.
    pub detail: Value,
}

/// Who signs, and when.
pub struct Hand {
    /// The audit key.
    pub signer: Arc<dyn Signer>,
    /// For nonces and the restoration's name.
    pub entropy: Arc<dyn Entropy>,
    /// The instant.
    pub now: Timestamp,
}

/// A restoration, signed, with the file that it goes into held: nobody else works meanwhile.
pub struct Prepared {
    restoration: Restoration,
    heads: HeadFile,
}

/// Looks how far the database that `rx` reads is behind the file of heads; `None` where it is not.
///
/// # Errors
/// [`AuditError::Heads`] also where the file's last line is not signed by any of `keys`: it belongs to another service, or
/// somebody wrote into it.
pub async fn prepare_restoration(
    rx: &mut Rx,
    node: &str,
    place: &HeadsPlace,
    keys: &HeadKeys,
    hand: Hand,
) -> Result<Option<Prepared>, AuditError> {
    let heads = open_heads(&place.file).await?;
    let Some(last) = heads.last() else { return Ok(None) };
    let signed = Signed::of(Some(last), node)?;
    if keys.judge(last) != By::Well {
        let says =
            "its last line is not signed by this service; it belongs to another one, or was written into";
        return Err(of_heads(says));
    }
    match signed.compare(rx, node).await {
        Ok(()) => return Ok(None),
        Err(AuditError::RolledBack { .. }) => {}
        Err(error) => return Err(error),
    }
    let mut restoration = lost(rx, node, &place.file, &signed).await?;
    restoration.restoration = format!("restoration_{}", fresh_body(hand.now, &*hand.entropy));
    restoration.at = hand.now;
    restoration.key = Some(key_name(&hand.signer.public_key()));
    let restoration = sign(restoration, hand.signer, hand.entropy).await?;
    Ok(Some(Prepared { restoration, heads }))
}

impl Prepared {
    /// What is going to be said.
    pub fn restoration(&self) -> &Restoration {
        &self.restoration
    }

    /// The record of it. It is to be committed before [`Prepared::write`]: a crash between the two leaves the node held back,
    /// and both can be done again.
    pub fn entry(&self, acceptance: Acceptance) -> Entry {
        let line = &self.restoration;
        let mut detail = json!({
            "reason": acceptance.reason,
            "node": line.node,
            "lost_from": line.back_to.saturating_add(1),
            "lost_to": line.lost_to,
            "lost_hash": line.lost_hash,
            "goes_on_at": line.goes_on_at,
        });
        if !acceptance.detail.is_null() {
            detail["from"] = acceptance.detail;
        }
        Entry {
            actor: acceptance.actor,
            action: RESTORED,
            subject: line.restoration.clone(),
            detail,
            request: acceptance.request,
            at: line.at,
        }
    }

    /// Says it in the file of heads.
    pub async fn write(self) -> Result<(), AuditError> {
        let Self { restoration, mut heads } = self;
        let kept = tokio::task::spawn_blocking(move || heads.append(&Line::Restored(restoration))).await;
        kept.map_err(|_| of_heads("writing was interrupted"))?.map_err(of_heads)
    }
}

/// Accepts that the database is behind the file of heads: records who did and why, then says in the file what is lost.
/// `None` where nothing is behind; then nothing was done.
pub async fn accept_restored(
    store: &Store,
    place: &HeadsPlace,
    keys: &HeadKeys,
    signer: Arc<dyn Signer>,
    sources: (&dyn Clock, Arc<dyn Entropy>),
    acceptance: Acceptance,
) -> Result<Option<Restoration>, AuditError> {
    let (clock, entropy) = sources;
    let hand = Hand { signer, entropy, now: clock.now() };
    let node = store.node();
    // What waited when the copy was made is chained as it was then: only what is truly gone is called lost.
    store.write(async |tx| chain_waiting(tx, node).await).await?;
    let prepared = store.snapshot(async |rx| prepare_restoration(rx, node, place, keys, hand).await).await?;
    let Some(prepared) = prepared else { return Ok(None) };
    let entry = prepared.entry(acceptance);
    store.write(async |tx| super::append(tx, &entry).await).await?;
    let restoration = prepared.restoration().clone();
    prepared.write().await?;
    Ok(Some(restoration))
}

/// What is lost, by the file and the database as they are; unnamed and unsigned.
async fn lost(rx: &mut Rx, node: &str, file: &Path, signed: &Signed) -> Result<Restoration, AuditError> {
    let tail = store::tail(rx, node).await?;
    let (goes_on_at, goes_on_hash) = tail.map_or((0, ORIGIN.to_owned()), |link| (link.seq, link.hash));
    let back_to = newest_common(rx, node, file, goes_on_at).await?;
    Ok(Restoration {
        restoration: String::new(),
        node: node.to_owned(),
        back_to,
        lost_to: signed.seq,
        lost_hash: signed.hash.clone(),
        goes_on_at,
        goes_on_hash,
        at: Timestamp::from_ms(0),
        signature: String::new(),
        key: None,
    })
}

/// The highest place at which file and database agree, 0 where there is none. The chain makes it a matter of halving: where
/// the database has a signed record, it has all that were signed before.
async fn newest_common(rx: &mut Rx, node: &str, file: &Path, ends_at: i64) -> Result<i64, AuditError> {
    let (mut from, mut to) = (0, ends_at);
    loop {
        let (path, name) = (file.to_owned(), node.to_owned());
        let samples = tokio::task::spawn_blocking(move || samples(&path, &name, from, to));
        let samples = samples.await.map_err(|_| of_heads("reading was interrupted"))?;
        let (samples, all) = samples.map_err(of_heads)?;
        let (mut agreed, mut beyond) = (0, samples.len());
        while agreed < beyond {
            let middle = (agreed + beyond) / 2;
            let (seq, hash) = &samples[middle];
            match store::has_record(rx, node, *seq, hash).await? {
                true => agreed = middle + 1,
                false => beyond = middle,
            }
        }
        from = agreed.checked_sub(1).map_or(from, |last| samples[last].0);
        to = samples.get(agreed).map_or(to, |(seq, _)| seq - 1);
        if all || from >= to {
            return Ok(from);
        }
    }
}

/// Marks of `node` after the place `from` up to `to`, at most [`SAMPLES`], evenly spread; and whether these are all.
fn samples(path: &Path, node: &str, from: i64, to: i64) -> io::Result<(Vec<(i64, String)>, bool)> {
    let (mut kept, mut step, mut passed) = (Vec::<(i64, String)>::new(), 1, 0);
    for read in Lines::open(path)? {
        let (_, Some(line)) = read? else { continue };
        if let Line::Restored(line) = &line
            && line.node == node
        {
            // What was lost then is not looked for now.
            kept.retain(|(seq, _)| *seq <= line.back_to);
        }
        let (seq, hash) = line.mark();
        if line.node() != node || seq <= from || seq > to {
            continue;
        }
        if passed % step == 0 {
            kept.push((seq, hash.to_owned()));
        }
        passed += 1;
        if kept.len() > SAMPLES {
            let mut place = 0;
            kept.retain(|_| {
                place += 1;
                place % 2 == 1
            });
            step *= 2;
        }
    }
    kept.sort();
    Ok((kept, step == 1))
}

async fn sign(
    mut restoration: Restoration,
    signer: Arc<dyn Signer>,
    entropy: Arc<dyn Entropy>,
) -> Result<Restoration, AuditError> {
    let signed = tokio::task::spawn_blocking(move || {
        let octets = restoration.signed_octets();
        let value = signer.sign(SignInput::Message(&octets), Rng::new(entropy).as_dyn())?;
        restoration.signature = hex::encode(value);
        Ok(restoration)
    });
    signed.await.unwrap_or(Err(SignError::Fault)).map_err(AuditError::Sign)
}
