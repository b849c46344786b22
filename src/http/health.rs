//! `/healthz`: the process answers. `/readyz`: it can do its work; where not, one word says why, and the sentence behind
//! that word is for those who run the service (`/api/v1/service/readiness`).

use super::{
    Access, Gives, Hold, Leaving, Load, Operation, Problem, Route, Shape,
    shape::{list_of, object, text},
};
use crate::{
    officer::Right,
    store::{Store, StoreError},
};
use axum::{Extension, Json, extract::State};
use serde::Serialize;
use serde_json::{Value, json};
use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

/// A look that takes longer has found that something hangs.
const PATIENCE: Duration = Duration::from_secs(2);
/// Who reads the sentences.
pub const READERS: &[Right] = &[Right::ServiceRead, Right::MetricsRead];

/// What a look found: how it is, or what is wrong.
pub type Found = Result<String, String>;
type Look = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Found> + Send>> + Send + Sync>;

/// What the service needs to do its work, and how to look at each.
#[derive(Clone, Default)]
pub struct Health {
    looks: Vec<(&'static str, Look)>,
    hold: Hold,
}

/// What came of one look.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Vital {
    /// What was looked at, in one word.
    pub name: &'static str,
    /// Whether the service can do its work, as far as this goes.
    pub ready: bool,
    /// What was found.
    pub found: String,
}

impl Health {
    /// The database alone.
    pub fn of(store: &Store) -> Self {
        let store = store.clone();
        Self::default().and("database", move || {
            let store = store.clone();
            async move {
                let answered = store.ping().await;
                answered.map(|()| "answers".to_owned()).map_err(|error: StoreError| error.to_string())
            }
        })
    }

    /// Not while the service is held back: what holds it back is said to everybody.
    #[must_use]
    pub fn unless(self, hold: Hold) -> Self {
        Self { hold, ..self }
    }

    /// And this as well.
    #[must_use]
    pub fn and<F>(mut self, name: &'static str, look: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Found> + Send + 'static,
    {
        self.looks.push((name, Arc::new(move || Box::pin(look()))));
        self
    }

    /// Looks at everything, one after the other.
    pub async fn look(&self) -> Vec<Vital> {
        self.look_within(PATIENCE).await
    }

    async fn look_within(&self, patience: Duration) -> Vec<Vital> {
        let mut vitals = Vec::with_capacity(self.looks.len());
        for (name, look) in &self.looks {
            let found = tokio::time::timeout(patience, look()).await;
            let found = found.unwrap_or_else(|_| Err("no answer in time".to_owned()));
            let ready = found.is_ok();
            vitals.push(Vital { name, ready, found: found.unwrap_or_else(|wrong| wrong) });
        }
        vitals
    }
}

static READINESS: Shape = Shape {
    name: "Readiness",
    json: || {
        let vital = object(
            &[
                ("name", text("what was looked at")),
                ("ready", json!({ "type": "boolean" })),
                ("found", text("what was found")),
            ],
            &[],
        );
        object(&[("ready", json!({ "type": "boolean" })), ("vitals", list_of(vital))], &[])
    },
    parts: &[],
};

/// All routes of health.
pub fn routes(health: &Health) -> Vec<Route> {
    vec![
        Operation::get(Access::PUBLIC, "/healthz", "readHealth", "Whether the process answers")
            .load(Load::Probe)
            .gives(200, Gives::Bytes("text/plain"))
            .while_held()
            .handled_by((), async || "ok\n"),
        Operation::get(Access::PUBLIC, "/readyz", "readReadiness", "Whether the service can do its work")
            .load(Load::Probe)
            .gives(200, Gives::Bytes("text/plain"))
            .problems(&["service/not-ready", "service/draining", "audit/rolled-back", "audit/stopped"])
            .while_held()
            .handled_by(health.clone(), ready),
        Operation::get(
            Access::LocalOrOneOf(READERS),
            "/api/v1/service/readiness",
            "explainReadiness",
            "What the service needs to do its work, and how each of it is; also over the UNIX socket, without a key.",
        )
        .gives(200, Gives::Json(&READINESS))
        .on_administration()
        .while_held()
        .handled_by(health.clone(), explain),
    ]
}

async fn ready(
    leaving: Option<Extension<Leaving>>,
    State(health): State<Health>,
) -> Result<&'static str, Problem> {
    if leaving.is_some() {
        return Err(Problem::new("service/draining", "this node is about to stop; the others go on"));
    }
    if let Some(problem) = health.hold.problem() {
        return Err(problem);
    }
    let vitals = health.look().await;
    let Some(first) = vitals.iter().find(|vital| !vital.ready) else { return Ok("ready\n") };
    for vital in vitals.iter().filter(|vital| !vital.ready) {
        tracing::warn!(name: "service.not_ready", vital = vital.name, found = vital.found, "not ready");
    }
    Err(Problem::new("service/not-ready", format!("not ready: {}", first.name)).retry_after_s(2))
}

async fn explain(State(health): State<Health>) -> Json<Value> {
    let vitals = health.look().await;
    Json(json!({ "ready": vitals.iter().all(|vital| vital.ready), "vitals": vitals }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_hangs_is_said_to_hang() {
        let health = Health::default()
            .and("one", async || Ok("fine".into()))
            .and("two", async || std::future::pending().await);
        let vitals = health.look_within(Duration::from_millis(10)).await;
        assert!(vitals[0].ready && !vitals[1].ready);
        assert_eq!(vitals[1].found, "no answer in time");
    }
}
