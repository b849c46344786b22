//! The routes of this room: decode, call one command, encode.

mod life;
mod register;
mod shapes;
mod stamps;

use super::{error::SealError, service::SealService};
use crate::{
    document::pool::Unread,
    http::{Param, Problem, Route, shape},
    keys::KeysError,
};
use serde::Deserialize;
use serde_json::json;

/// All routes of this room; documents to stamp have at most `document_bytes`.
pub fn routes(service: &SealService, document_bytes: usize) -> Vec<Route> {
    let mut routes = register::routes(service);
    routes.extend(life::routes(service));
    routes.extend(stamps::routes(service, document_bytes));
    routes
}

/// Rows of a page, where the request says nothing and at the most.
const PAGE_ROWS: (i64, i64) = (50, 500);

/// Which page of a list.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Page {
    #[serde(default)]
    after: String,
    limit: Option<i64>,
}

impl Page {
    fn limit(&self) -> i64 {
        self.limit.unwrap_or(PAGE_ROWS.0).clamp(1, PAGE_ROWS.1)
    }
}

const AFTER: Param =
    Param { name: "after", says: "rows after this id", schema: || shape::text("an id"), required: false };
const LIMIT: Param = Param {
    name: "limit",
    says: "rows at the most; 50 where left out",
    schema: || json!({ "type": "integer", "minimum": 1, "maximum": 500 }),
    required: false,
};

impl From<SealError> for Problem {
    fn from(error: SealError) -> Self {
        match error {
            SealError::Refused(refusal) => refusal.into(),
            SealError::Denied(denied) => denied.into(),
            SealError::Store(error) | SealError::Keys(KeysError::Store(error)) => error.into(),
            SealError::Authority(error) => error.into(),
            SealError::Sign(_) | SealError::NoTimeStamp | SealError::Keys(_) => {
                tracing::warn!(name: "seal.not_signed", code = error.code(), %error, "a signature could not be made");
                let problem = Problem::new(error.code(), error.to_string());
                if problem.status().as_u16() == 503 { problem.retry_after_s(1) } else { problem }
            }
            SealError::Unread(Unread::Busy) => Problem::new(error.code(), error.to_string()).retry_after_s(1),
            SealError::Unread(Unread::Broken) => Problem::internal(),
            SealError::Make(_) | SealError::Withheld { .. } => {
                tracing::error!(name: "seal.withheld", %error, "a product of ours was withheld");
                Problem::internal()
            }
            SealError::Unknown { .. } | SealError::Document(_) => {
                Problem::new(error.code(), error.to_string())
            }
        }
    }
}

/// Reads an id of a path, or says that nothing of that name exists.
fn known_id<T>(parsed: Option<T>, what: &'static str, text: &str) -> Result<T, Problem> {
    let id: String = text.chars().take(64).collect();
    parsed.ok_or_else(|| SealError::Unknown { what, id }.into())
}
