//! Going on from an old copy of the database, knowingly: somebody says why, a record tells it, and the file of heads says
//! under signature what is lost. Without it the node does not work.

use super::{
    Entry, RESTORED,
    chain::{Line, ORIGIN, Restoration, key_name},
    error::AuditError,
    heads::{HeadsPlace, Lines},
    sequencer::{Signed, of_heads, open_heads},
    store,
};
use crate::{
    base::{Clock, Entropy, Timestamp, entropy::Rng, id::fresh_body},
    store::Store,
};
use serde_json::{Value, json};
use std::{collections::BTreeMap, io, path::Path, sync::Arc};
use yinxin_pki::sign::{SignError, SignInput, Signer};

/// Heads of the database that are looked for in the file.
const LOOKED_FOR: u32 = 1000;

/// What was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// The line that now stands in the file of heads.
    pub restoration: Restoration,
}

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

/// Accepts that the database is behind the file of heads: records who did and why, then says in the file what is lost.
/// `None` where nothing is behind; then nothing was done.
///
/// The record is committed first: a crash between the two leaves the node held back, and a second call repeats both.
pub async fn accept_restored(
    store: &Store,
    place: &HeadsPlace,
    signer: Arc<dyn Signer>,
    clock: &dyn Clock,
    entropy: Arc<dyn Entropy>,
    acceptance: Acceptance,
) -> Result<Option<Accepted>, AuditError> {
    let mut heads = open_heads(&place.file).await?;
    let signed = Signed::of(heads.last(), store.node())?;
    match signed.compare(store).await {
        Ok(()) => return Ok(None),
        Err(AuditError::RolledBack { .. }) => {}
        Err(error) => return Err(error),
    }
    let now = clock.now();
    let mut restoration = lost(store, &place.file, &signed, now).await?;
    restoration.restoration = format!("restoration_{}", fresh_body(now, &*entropy));
    restoration.key = Some(key_name(&signer.public_key()));
    let restoration = sign(restoration, signer, entropy).await?;
    record(store, &restoration, &acceptance).await?;
    let line = Line::Restored(restoration.clone());
    let kept = tokio::task::spawn_blocking(move || heads.append(&line)).await;
    kept.map_err(|_| of_heads("writing was interrupted"))?.map_err(of_heads)?;
    Ok(Some(Accepted { restoration }))
}

/// What is lost, by the file and the database as they are; unnamed and unsigned.
async fn lost(
    store: &Store,
    file: &Path,
    signed: &Signed,
    now: Timestamp,
) -> Result<Restoration, AuditError> {
    let node = store.node();
    let (tail, known) = store
        .snapshot(async |rx| -> Result<_, AuditError> {
            Ok((store::tail(rx, node).await?, store::good_heads(rx, node, LOOKED_FOR).await?))
        })
        .await?;
    let (goes_on_at, goes_on_hash) = tail.map_or((0, ORIGIN.to_owned()), |link| (link.seq, link.hash));
    let (path, name) = (file.to_owned(), node.to_owned());
    let common = tokio::task::spawn_blocking(move || newest_common(&path, &name, known.into_iter().collect()));
    let common = common.await.map_err(|_| of_heads("reading was interrupted"))?.map_err(of_heads)?;
    Ok(Restoration {
        restoration: String::new(),
        node: node.to_owned(),
        back_to: common.min(goes_on_at),
        lost_to: signed.seq,
        lost_hash: signed.hash.clone(),
        goes_on_at,
        goes_on_hash,
        at: now,
        signature: String::new(),
        key: None,
    })
}

/// The highest place at which file and database have the same head, 0 where there is none.
fn newest_common(path: &Path, node: &str, known: BTreeMap<i64, String>) -> io::Result<i64> {
    let mut common = 0;
    for read in Lines::open(path)? {
        let (_, Some(line)) = read? else { continue };
        let (seq, hash) = line.mark();
        if line.node() == node && known.get(&seq).is_some_and(|known| known == hash) {
            common = common.max(seq);
        }
    }
    Ok(common)
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

async fn record(
    store: &Store,
    restoration: &Restoration,
    acceptance: &Acceptance,
) -> Result<(), AuditError> {
    let mut detail = json!({
        "reason": acceptance.reason,
        "node": restoration.node,
        "lost_from": restoration.back_to.saturating_add(1),
        "lost_to": restoration.lost_to,
        "lost_hash": restoration.lost_hash,
        "goes_on_at": restoration.goes_on_at,
    });
    if !acceptance.detail.is_null() {
        detail["from"] = acceptance.detail.clone();
    }
    let entry = Entry {
        actor: acceptance.actor.clone(),
        action: RESTORED,
        subject: restoration.restoration.clone(),
        detail,
        request: acceptance.request.clone(),
        at: restoration.at,
    };
    Ok(store.write(async |tx| super::append(tx, &entry).await).await?)
}
