//! `/healthz`: the process answers. `/readyz`: it can do its work, because the database answers too.

use super::{Access, Gives, Load, Operation, Problem, Route};
use crate::store::{FromRow, Row, Statement, Store, StoreError};
use axum::extract::State;

const READY: Statement = Statement::portable("http.ready", "SELECT 1");

/// Every statement of this room, for the test that prepares them all.
pub const STATEMENTS: &[&Statement] = &[&READY];

/// That a row came back is all there is to know.
struct Answered;

impl FromRow for Answered {
    fn from_row(_: &Row) -> Result<Self, StoreError> {
        Ok(Self)
    }
}

/// Both routes.
pub fn routes(store: &Store) -> Vec<Route> {
    vec![
        Operation::get(Access::PUBLIC, "/healthz", "readHealth", "Whether the process answers")
            .load(Load::Probe)
            .gives(200, Gives::Bytes("text/plain"))
            .handled_by((), async || "ok\n"),
        Operation::get(Access::PUBLIC, "/readyz", "readReadiness", "Whether the service can do its work")
            .load(Load::Probe)
            .gives(200, Gives::Bytes("text/plain"))
            .problems(&["service/not-ready"])
            .handled_by(store.clone(), ready),
    ]
}

async fn ready(State(store): State<Store>) -> Result<&'static str, Problem> {
    match store.read(async |rx| rx.one::<Answered>(&READY, &[]).await).await {
        Ok(Answered) => Ok("ready\n"),
        Err(error) => {
            tracing::warn!(%error, "not ready");
            Err(Problem::new("service/not-ready", "the database does not answer").retry_after_s(2))
        }
    }
}
