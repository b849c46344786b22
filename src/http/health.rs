//! `/healthz`: the process answers. `/readyz`: it can do its work: the database answers, and changes are taken.

use super::{Access, Gives, Hold, Leaving, Load, Operation, Problem, Route};
use crate::store::Store;
use axum::{Extension, extract::State};

/// Both routes.
pub fn routes(store: &Store, hold: &Hold) -> Vec<Route> {
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
            .handled_by((store.clone(), hold.clone()), ready),
    ]
}

async fn ready(
    leaving: Option<Extension<Leaving>>,
    State((store, hold)): State<(Store, Hold)>,
) -> Result<&'static str, Problem> {
    if leaving.is_some() {
        return Err(Problem::new("service/draining", "this node is about to stop; the others go on"));
    }
    if let Some(problem) = hold.problem() {
        return Err(problem);
    }
    match store.ping().await {
        Ok(()) => Ok("ready\n"),
        Err(error) => {
            tracing::warn!(%error, "not ready");
            Err(Problem::new("service/not-ready", "the database does not answer, or takes no changes")
                .retry_after_s(2))
        }
    }
}
