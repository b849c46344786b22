//! The record of who did what: written in the same transaction as the act, chained by SM3 within a second after its
//! commit, signed at the chain's head, each signed head kept outside the database too.
//!
//! Appending takes no lock on any chain's head: that would let one transaction through at a time. A [`Sequencer`] on
//! each node chains what that node has committed, in a chain of its own.

mod accept;
mod chain;
mod check;
mod defect;
mod error;
mod export;
mod heads;
mod meter;
mod query;
mod sequencer;
mod store;
mod survey;
mod verify;
mod witness;

pub use accept::{Acceptance, Hand, Prepared, accept_restored, prepare_restoration};
pub use chain::{Head, HeadKey, HeadKeys, Restoration, key_name};
pub use check::{Check, RESTORED};
pub use defect::{AuditReport, Defect, Restored};
pub use error::AuditError;
pub use export::{ExportError, ExportReport, KeyLine, export_chain, verify_export};
pub use heads::{HeadsPlace, follow, node_of};
pub use meter::Meters;
pub use query::{Filter, export, query};
pub use sequencer::{Sequencer, chain_all_waiting, chain_waiting, compare};
pub use store::{ChainEnd, STATEMENTS, chain_ends};
pub use verify::verify;

use crate::{
    base::Timestamp,
    store::{Rx, StoreError, Tx},
};
use serde::Serialize;
use yinxin_pki::sm3;

/// One fact to record.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Who: an officer's id, `anonymous`, `system`.
    pub actor: String,
    /// What, in the past tense, `seal.suspended`.
    pub action: &'static str,
    /// To what: an id.
    pub subject: String,
    /// More, without secrets and personal data.
    pub detail: serde_json::Value,
    /// The id of the request, or empty.
    pub request: String,
    /// When.
    pub at: Timestamp,
}

/// Whether this build records nothing: one to measure what the audit costs, which serves nothing but a bench's scratch data.
pub const IS_LEFT_OUT: bool = cfg!(yinxin_bench_without_audit);

/// Records `entry`; kept if and only if this transaction is.
pub async fn append(tx: &mut Tx, entry: &Entry) -> Result<(), StoreError> {
    if IS_LEFT_OUT {
        return Ok(());
    }
    store::append(tx, entry).await
}

/// What stands in a record in place of a text that people wrote: such a text may name a person, and a record stays for good.
/// SM3 in hex over the subject and the text: shows whether the text that stands elsewhere is still the one, and does not tell
/// it.
pub fn fingerprint(subject: impl std::fmt::Display, text: &str) -> String {
    hex::encode(sm3::digest(format!("{subject}\0{text}")))
}

/// How many records of this node wait to be chained.
pub async fn waiting(rx: &mut Rx, node: &str) -> Result<i64, StoreError> {
    store::count_unchained(rx, node).await
}

/// When the newest record was written; `None` where there is none.
pub async fn newest_at(rx: &mut Rx) -> Result<Option<Timestamp>, StoreError> {
    store::newest_at(rx).await
}

/// A fact as recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Record {
    /// Number within the database; later ones are usually larger.
    pub id: i64,
    /// The node that wrote it.
    pub node: String,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: String,
    /// What.
    pub action: String,
    /// To what.
    pub subject: String,
    /// More: JSON text, exactly as it is chained.
    #[serde(serialize_with = "as_json")]
    pub detail: String,
    /// The id of the request, or empty.
    pub request: String,
    /// Its place in the chain; `None` in the second before it is chained.
    pub link: Option<Link>,
}

/// A record's place in its node's chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Link {
    /// From 1, without gaps.
    pub seq: i64,
    /// Hash of the record before it, in hex; zeros before the first.
    pub previous: String,
    /// SM3 over the place, the hash before and the record, in hex.
    pub hash: String,
}

/// JSON text as JSON; text that is none (someone changed it) as a text.
fn as_json<S: serde::Serializer>(text: &str, to: S) -> Result<S::Ok, S::Error> {
    match serde_json::from_str::<serde_json::Value>(text) {
        Ok(value) => value.serialize(to),
        Err(_) => to.serialize_str(text),
    }
}
