//! Clients at work: each applies for a seal, has it approved and made, stamps with it, and now and then revokes it. A request
//! without an answer is sent again, with the same idempotency key, until there is one.

use crate::{
    daemon::Start,
    http::{Answer, Ask, Client, Lost, Place},
    ledger::{Deed, Findings, Ledger, Promise, sm3_hex},
    office::Office,
    plan::Dice,
    trouble::{Outcome, Trouble},
};
use axum::http::StatusCode;
use serde_json::{Value, json};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::task::JoinSet;

/// Longest wait for the answer to one deed, over all attempts.
const DEED_PATIENCE: Duration = Duration::from_secs(240);
/// Where other nodes may be at work, what is open is closed after two minutes, by a sweep every minute.
const SWEPT_WITHIN: Duration = Duration::from_secs(200);
/// Stamps with each seal, at the most.
const STAMPS: u64 = 4;
/// Percent of seals whose certificate is revoked after use.
const REVOKED: u64 = 40;

/// Clients at work.
pub struct Load {
    stop: Arc<AtomicBool>,
    clients: JoinSet<Outcome<()>>,
}

/// What all clients share.
#[derive(Clone)]
pub struct Stage {
    pub office: Arc<Office>,
    pub place: Place,
    pub ledger: Arc<Ledger>,
    /// Makes every name unlike all others.
    pub names: Arc<AtomicU64>,
    /// Attempts that did not go well, whatever came of the next one.
    pub failed: Arc<AtomicU64>,
}

impl Stage {
    pub fn new(office: Office, place: Place) -> Self {
        Self {
            office: Arc::new(office),
            place,
            ledger: Arc::default(),
            names: Arc::default(),
            failed: Arc::default(),
        }
    }

    /// How many attempts did not go well so far.
    pub fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }

    /// Reads everything back and compares. On PostgreSQL another node might be at work on what this one left open, so that
    /// counts as open only, until a sweep has closed it.
    pub async fn compare(&self, start: &Start) -> Outcome<Findings> {
        let mut findings = self.ledger.compare(&self.office, &self.place, start).await?;
        if !start.is_alone() {
            findings.half -= findings.open;
        }
        Ok(findings)
    }

    /// The same, once nothing is open any more: the sweep has had its time.
    pub async fn settled(&self, start: &Start) -> Outcome<Findings> {
        let begun = Instant::now();
        loop {
            let findings = self.ledger.compare(&self.office, &self.place, start).await?;
            if findings.open == 0 || start.is_alone() || begun.elapsed() > SWEPT_WITHIN {
                return Ok(findings);
            }
            tokio::time::sleep(Duration::from_secs(5)).await;
        }
    }

    fn name(&self, what: &str) -> String {
        format!("{what}-{:06}", self.names.fetch_add(1, Ordering::Relaxed))
    }
}

impl Load {
    /// Sets so many clients to work.
    pub fn start(stage: &Stage, clients: u64, seed: u64) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let mut set = JoinSet::new();
        for number in 0..clients {
            let worker = Worker {
                client: Client::to(&stage.place),
                stage: stage.clone(),
                dice: Dice::of(seed, number + 1),
                stop: stop.clone(),
            };
            set.spawn(worker.run());
        }
        Self { stop, clients: set }
    }

    /// Tells them to begin nothing more, and waits until each has its last answer.
    pub async fn end(mut self) -> Outcome<()> {
        self.stop.store(true, Ordering::SeqCst);
        while let Some(ended) = self.clients.join_next().await {
            ended??;
        }
        Ok(())
    }
}

struct Worker {
    client: Client,
    stage: Stage,
    dice: Dice,
    stop: Arc<AtomicBool>,
}

impl Worker {
    async fn run(mut self) -> Outcome<()> {
        while !self.is_over() {
            let Some(seal) = self.apply().await? else { continue };
            if self.is_over() || !self.change(&seal, Deed::Approve).await? {
                continue;
            }
            if self.is_over() || !self.change(&seal, Deed::Make).await? {
                continue;
            }
            for _ in 0..self.dice.below(STAMPS + 1) {
                if self.is_over() {
                    return Ok(());
                }
                self.stamp(&seal).await?;
            }
            if self.dice.chance(REVOKED) && !self.is_over() {
                self.revoke(&seal).await?;
            }
        }
        Ok(())
    }

    fn is_over(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }

    async fn apply(&mut self) -> Outcome<Option<String>> {
        let name = self.stage.name("公章");
        let version = if self.dice.chance(50) { 4 } else { 5 };
        let body = self.stage.office.application(&name, version);
        let ask = Ask::post("/api/v1/seals", &body).by(&self.stage.office.operator).once(&key_of(&name));
        let entry = self.stage.ledger.ask(Deed::Apply, &name);
        let Some(answer) = self.until_answered(&ask, &name).await? else { return Ok(None) };
        let id = answer.json()["id"].as_str().unwrap_or_default().to_owned();
        self.stage.ledger.answered(entry, Promise { id: id.clone(), sm3: String::new() });
        Ok(Some(id))
    }

    /// Approving or making: without an idempotency key, so a second attempt may find it done; then it is looked at, and what
    /// was seen counts as answered.
    async fn change(&mut self, seal: &str, deed: Deed) -> Outcome<bool> {
        let (act, key) = match deed {
            Deed::Approve => ("approve", self.stage.office.approver.clone()),
            _ => ("make", self.stage.office.operator.clone()),
        };
        let entry = self.stage.ledger.ask(deed, seal);
        let ask = Ask::post(format!("/api/v1/seals/{seal}/{act}"), &Value::Null).by(&key);
        let Some(answer) = self.until_answered(&ask, seal).await? else { return Ok(false) };
        let found = answer.json();
        let sm3 = found["esl_sm3"].as_str().unwrap_or_default().to_owned();
        self.stage.ledger.answered(entry, Promise { id: seal.to_owned(), sm3 });
        Ok(true)
    }

    async fn stamp(&mut self, seal: &str) -> Outcome<()> {
        let purpose = self.stage.name("stamp");
        let with_time = self.dice.chance(50);
        let ask = self.stage.office.stamp(seal, &purpose, with_time).once(&key_of(&purpose));
        let entry = self.stage.ledger.ask(Deed::Stamp, &purpose);
        if let Some(answer) = self.until_answered(&ask, &purpose).await? {
            let id = answer.header("yinxin-stamp").unwrap_or_default().to_owned();
            self.stage.ledger.answered(entry, Promise { id, sm3: sm3_hex(&answer.body) });
        }
        Ok(())
    }

    async fn revoke(&mut self, seal: &str) -> Outcome<()> {
        let ask = Ask::get(format!("/api/v1/seals/{seal}")).by(&self.stage.office.operator);
        let Some(answer) = self.until_answered(&ask, seal).await? else { return Ok(()) };
        let serial = answer.json()["certificate"].as_str().unwrap_or_default().to_owned();
        let entry = self.stage.ledger.ask(Deed::Revoke, &serial);
        let ask = Ask::post(
            format!("/api/v1/certificates/{serial}/revocation"),
            &json!({ "reason": "cessation-of-operation" }),
        );
        let ask = ask.by(&self.stage.office.system);
        if self.until_answered(&ask, &serial).await?.is_some() {
            self.stage.ledger.answered(entry, Promise::default());
        }
        Ok(())
    }

    /// Sends until there is an answer. `None` where it is one that no client should get; that is written down.
    async fn until_answered(&mut self, ask: &Ask, name: &str) -> Outcome<Option<Answer>> {
        let begun = Instant::now();
        let mut may_have_arrived = false;
        let mut last = String::new();
        while begun.elapsed() < DEED_PATIENCE {
            let asked = self.client.ask(ask).await;
            if !asked.as_ref().is_ok_and(|answer| answer.status.is_success()) {
                self.stage.failed.fetch_add(1, Ordering::Relaxed);
            }
            let wait_ms = match asked {
                Ok(answer) if answer.status.is_success() => return Ok(Some(answer)),
                Ok(answer) => match judge(&answer, may_have_arrived && !ask.is_creating()) {
                    Next::Wait(ms) => {
                        last = format!("{} {}", answer.status, answer.code());
                        ms
                    }
                    Next::Look => match self.look(ask, name).await? {
                        Seen::Done(answer) => return Ok(Some(answer)),
                        Seen::Open => 500,
                        Seen::Neither => return Ok(None),
                    },
                    Next::Surprise => {
                        let says = String::from_utf8_lossy(&answer.body).into_owned();
                        self.stage.ledger.surprised(format!("{name}: {} {says}", answer.status));
                        return Ok(None);
                    }
                },
                Err(Lost::NotSent(_)) => 5,
                Err(Lost::Unknown(_)) => {
                    may_have_arrived = true;
                    5
                }
            };
            // A 503 may come after the effect: an outcome that the daemon itself does not know.
            may_have_arrived |= wait_ms > 5;
            tokio::time::sleep(Duration::from_millis(wait_ms)).await;
        }
        Err(Trouble::failed(format!("no answer about {name} in {DEED_PATIENCE:?}; the last was {last:?}")))
    }

    /// An earlier attempt may have done it: reads how the seal stands. What is neither done nor open is a surprise.
    async fn look(&mut self, ask: &Ask, name: &str) -> Outcome<Seen> {
        if ask.is_about("revocation") {
            let (headers, body) = Default::default();
            return Ok(Seen::Done(Answer { status: StatusCode::OK, headers, body }));
        }
        let (done, open): (&[&str], &[&str]) = match ask.is_about("/approve") {
            true => (&["approved", "making", "active"], &["applied"]),
            false => (&["active"], &["approved", "making"]),
        };
        let look = Ask::get(format!("/api/v1/seals/{name}")).by(&self.stage.office.operator);
        let Ok(answer) = self.client.ask(&look).await else { return Ok(Seen::Open) };
        let state = answer.json()["state"].as_str().unwrap_or_default().to_owned();
        if done.contains(&state.as_str()) {
            return Ok(Seen::Done(answer));
        }
        if open.contains(&state.as_str()) || answer.status == 503 {
            return Ok(Seen::Open);
        }
        let says = format!("{name}: refused, and then {} {state} {}", answer.status, answer.code());
        self.stage.ledger.surprised(says);
        Ok(Seen::Neither)
    }
}

/// How a seal was found after a refusal.
enum Seen {
    Done(Answer),
    /// Not done yet, and it can be.
    Open,
    Neither,
}

enum Next {
    Wait(u64),
    Look,
    Surprise,
}

fn judge(answer: &Answer, may_have_arrived: bool) -> Next {
    let code = answer.code();
    match (answer.status.as_u16(), code.as_str()) {
        (503 | 429, _) => Next::Wait(50),
        (409, "idempotency/in-progress") => Next::Wait(100),
        (409, "seal/wrong-state" | "authority/wrong-state") if may_have_arrived => Next::Look,
        _ => Next::Surprise,
    }
}

/// 8 to 128 visible ASCII characters.
fn key_of(name: &str) -> String {
    format!("endurance-{}", hex::encode(name))
}
