//! Verifying for others: bounded in number and in time, with the service's own trust and register.
//!
//! Anyone may ask, and nothing is kept. Of an officer who keeps reports, the report, its act and its key of idempotency
//! are one transaction.

mod sources;

pub use sources::{Answer, AuthorityTrust, OwnRegister, SealRegister, TrustSource};

use super::{Demand, Limits, Meters, VerificationError, judge, store, text::words};
use crate::{
    audit,
    base::{Entropy, Timestamp},
    document::pool::{Lane, ReadingPool, Unread},
    http::{IdempotencyKey, idempotency},
    officer::{Caller, OfficerId, Right},
    store::Store,
};
use axum::body::Bytes;
use serde_json::json;
use sources::Waited;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::runtime::Handle;
use yinxin_pki::{
    budget::Budget,
    report::{Profile, Report},
};

crate::id_type!(
    /// A report that is kept.
    VerificationId,
    "verification"
);

/// What the service works with.
pub struct Parts {
    /// The database.
    pub store: Store,
    /// Whom to trust.
    pub trust: Arc<dyn TrustSource>,
    /// Whom to ask about seals; `None`: nobody.
    pub register: Option<Arc<dyn SealRegister>>,
    /// Chance.
    pub entropy: Arc<dyn Entropy>,
    /// Who reads documents.
    pub readers: Arc<ReadingPool>,
    /// How much is taken on.
    pub settings: Settings,
}

/// How much is taken on.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How long the register of seals is waited for.
    pub register_patience: Duration,
    /// The longest document, in octets.
    pub max_bytes: usize,
    /// Requests a minute from one address without a key.
    pub per_minute: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self { register_patience: Duration::from_secs(2), max_bytes: 64 << 20, per_minute: 30 }
    }
}

/// What is asked.
#[derive(Debug, Clone)]
pub struct Verify {
    /// The document.
    pub document: Bytes,
    /// The instant of judging; now where left out.
    pub at: Option<Timestamp>,
    /// How strictly.
    pub profile: Profile,
}

/// A report that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Its id.
    pub id: VerificationId,
    /// When it was asked for.
    pub at: Timestamp,
    /// Who asked.
    pub officer: OfficerId,
    /// SM3 of the document, hex.
    pub document_sm3: String,
    /// The verdict.
    pub verdict: String,
    /// The report, JSON as it was answered.
    pub report: String,
}

/// The commands. Cheap to clone.
#[derive(Clone)]
pub struct Verifications(Arc<Room>);

struct Room {
    parts: Parts,
    meters: Meters,
}

impl Verifications {
    /// Puts the room together.
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(Room { parts, meters: Meters::default() }))
    }

    /// What it counts as it works.
    pub fn meters(&self) -> &Meters {
        &self.0.meters
    }

    /// How much is taken on.
    pub fn settings(&self) -> &Settings {
        &self.0.parts.settings
    }

    /// Judges a document; keeps nothing. One that costs more than one document may is given up, undecided.
    pub async fn verify(&self, caller: &Caller, ask: Verify) -> Result<Report, VerificationError> {
        let begun = Instant::now();
        let meters = self.meters();
        let _held = meters.at_work.hold();
        let outcome = self.judged(caller, ask).await;
        match &outcome {
            Ok(report) => {
                meters.verdicts.one(words::verdict(report.verdict)[1]);
                meters.judged_us.note_time(begun.elapsed());
            }
            Err(VerificationError::Unread(Unread::Busy)) => meters.unanswered.one("busy"),
            Err(_) => meters.unanswered.one("broken"),
        }
        outcome
    }

    async fn judged(&self, caller: &Caller, ask: Verify) -> Result<Report, VerificationError> {
        let trust = self.0.parts.trust.trust(caller.now).await?;
        let settings = self.settings().clone();
        let judged_at = ask.at.unwrap_or(caller.now);
        let waited = self.0.parts.register.clone().map(|register| Waited {
            register,
            runtime: Handle::current(),
            patience: settings.register_patience,
        });
        let work = move |budget: &Budget| {
            let demand = Demand {
                profile: ask.profile,
                status: waited.as_ref().map(|waited| waited as _),
                limits: Limits::default().with_max_bytes(settings.max_bytes).within(budget),
                ..Demand::new(&trust, judged_at)
            };
            judge(&ask.document, &demand)
        };
        Ok(self.0.parts.readers.run(Lane::Foreign, work).await?)
    }

    /// Judges a document and keeps the report, for officers who may.
    pub async fn verify_and_keep(
        &self,
        caller: &Caller,
        ask: Verify,
        once: Option<&IdempotencyKey>,
    ) -> Result<Kept, VerificationError> {
        let officer = caller.officer(Right::VerificationRead)?.id.clone();
        if let Some(earlier) = IdempotencyKey::earlier_of(once) {
            return self.kept(caller, &VerificationId::from_row(earlier.to_owned())).await;
        }
        let report = self.verify(caller, ask).await?;
        let kept = Kept {
            id: VerificationId::fresh(caller.now, self.0.parts.entropy.as_ref()),
            at: caller.now,
            officer,
            document_sm3: report.document.sm3.clone(),
            verdict: words::verdict(report.verdict)[1].to_owned(),
            report: serde_json::to_string(&report).map_err(|_| Unread::Broken)?,
        };
        self.0
            .parts
            .store
            .write(async |tx| {
                idempotency::record(tx, once, &kept.id).await?;
                store::insert(tx, &kept).await?;
                let detail = json!({ "document": kept.document_sm3, "verdict": kept.verdict });
                audit::append(tx, &caller.entry("verification.kept", &kept.id, detail)).await?;
                Ok::<_, VerificationError>(kept)
            })
            .await
    }

    /// A kept report.
    pub async fn kept(&self, caller: &Caller, id: &VerificationId) -> Result<Kept, VerificationError> {
        caller.officer(Right::VerificationRead)?;
        let found = self.0.parts.store.read(async |rx| store::find(rx, id).await).await?;
        found.ok_or_else(|| VerificationError::Unknown(id.clone()))
    }
}
