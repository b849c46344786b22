//! `/healthz`: the process answers. `/readyz`: it can do its work: the database answers, and changes are taken.

use super::{Access, Gives, Operation, Problem, Route};
use crate::store::Store;
use axum::extract::State;

/// Both routes.
pub fn routes(store: &Store) -> Vec<Route> {
    vec![
        Operation::get(Access::PUBLIC, "/healthz", "readHealth", "Whether the process answers")
            .gives(200, Gives::Bytes("text/plain"))
            .handled_by((), async || "ok\n"),
        Operation::get(Access::PUBLIC, "/readyz", "readReadiness", "Whether the service can do its work")
            .gives(200, Gives::Bytes("text/plain"))
            .problems(&["service/not-ready"])
            .handled_by(store.clone(), ready),
    ]
}

async fn ready(State(store): State<Store>) -> Result<&'static str, Problem> {
    match store.ping().await {
        Ok(()) => Ok("ready\n"),
        Err(error) => {
            tracing::warn!(%error, "not ready");
            Err(Problem::new("service/not-ready", "the database does not answer, or takes no changes")
                .retry_after_s(2))
        }
    }
}
