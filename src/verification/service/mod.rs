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
use tokio::{runtime::Handle, sync::Semaphore};
use yinxin_pki::report::{Profile, Report};

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
    /// How much is taken on.
    pub settings: Settings,
}

/// How much is taken on.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Documents judged at a time; more are answered 503.
    pub at_once: usize,
    /// How long a request waits for its report.
    pub patience: Duration,
    /// How long the register of seals is waited for.
    pub register_patience: Duration,
    /// The longest document, in octets.
    pub max_bytes: usize,
    /// Requests a minute from one address without a key.
    pub per_minute: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            at_once: 4,
            patience: Duration::from_secs(30),
            register_patience: Duration::from_secs(2),
            max_bytes: 64 << 20,
            per_minute: 30,
        }
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
    places: Arc<Semaphore>,
}

impl Verifications {
    /// Puts the room together.
    pub fn new(parts: Parts) -> Self {
        let places = Arc::new(Semaphore::new(parts.settings.at_once));
        Self(Arc::new(Room { parts, meters: Meters::default(), places }))
    }

    /// What it counts as it works.
    pub fn meters(&self) -> &Meters {
        &self.0.meters
    }

    /// Documents that are judged now.
    pub fn at_work(&self) -> usize {
        self.settings().at_once.saturating_sub(self.0.places.available_permits())
    }

    /// How much is taken on.
    pub fn settings(&self) -> &Settings {
        &self.0.parts.settings
    }

    /// Judges a document; keeps nothing.
    pub async fn verify(&self, caller: &Caller, ask: Verify) -> Result<Report, VerificationError> {
        let begun = Instant::now();
        let outcome = self.judged(caller, ask).await;
        let meters = self.meters();
        match &outcome {
            Ok(report) => {
                meters.verdicts.one(words::verdict(report.verdict)[1]);
                meters.judged_us.note_time(begun.elapsed());
            }
            Err(VerificationError::Busy) => meters.unanswered.one("busy"),
            Err(VerificationError::Deadline) => meters.unanswered.one("late"),
            Err(_) => meters.unanswered.one("broken"),
        }
        outcome
    }

    async fn judged(&self, caller: &Caller, ask: Verify) -> Result<Report, VerificationError> {
        // A place first: whoever waits would hold a document in memory.
        let place = Arc::clone(&self.0.places).try_acquire_owned().map_err(|_| VerificationError::Busy)?;
        let trust = self.0.parts.trust.trust(caller.now).await?;
        let settings = self.settings().clone();
        let judged_at = ask.at.unwrap_or(caller.now);
        let waited = self.0.parts.register.clone().map(|register| Waited {
            register,
            runtime: Handle::current(),
            patience: settings.register_patience,
        });
        let work = tokio::task::spawn_blocking(move || {
            // The place is held until the work ends, also where nobody waits for it any more.
            let _place = place;
            let demand = Demand {
                profile: ask.profile,
                status: waited.as_ref().map(|waited| waited as _),
                limits: Limits::default().with_max_bytes(settings.max_bytes),
                ..Demand::new(&trust, judged_at)
            };
            judge(&ask.document, &demand)
        });
        match tokio::time::timeout(self.settings().patience, work).await {
            Ok(Ok(report)) => Ok(report),
            Ok(Err(_)) => Err(VerificationError::Broken),
            Err(_) => Err(VerificationError::Deadline),
        }
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
            report: serde_json::to_string(&report).map_err(|_| VerificationError::Broken)?,
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
