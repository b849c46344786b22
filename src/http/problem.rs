//! What a failed request is told: `application/problem+json` (RFC 9457), or a page for people.
//!
//! Rooms make a [`Problem`] from their own errors in their `http.rs`; only the catalogue knows status numbers. A problem
//! travels to the front door inside the response's extensions, and is put into words there, where language, request id and
//! form are known.

use super::catalogue::{self, Kind};
use crate::{base::Refusal, officer::Denied, store::StoreError};
use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

/// Why a request failed.
#[derive(Debug, Clone)]
pub struct Problem {
    kind: &'static Kind,
    /// What was tried and what was found: no secrets, no internals.
    detail: String,
    retry_after_s: Option<u32>,
}

impl Problem {
    /// A problem of the catalogue. A code that stands there nowhere is told as `internal`; a test looks for such codes.
    pub fn new(code: &str, detail: impl Into<String>) -> Self {
        match catalogue::find(code) {
            Some(kind) => Self { kind, detail: detail.into(), retry_after_s: None },
            None => {
                tracing::error!(name: "http.code_missing", code, "an error code is missing in the catalogue");
                Self::internal()
            }
        }
    }

    /// Something broke that the caller can do nothing about. The cause belongs into the log, not here.
    pub fn internal() -> Self {
        Self {
            kind: catalogue::INTERNAL,
            detail: "the service could not finish this request".into(),
            retry_after_s: None,
        }
    }

    /// The same, with the seconds after which it is worth trying again.
    pub fn retry_after_s(self, seconds: u32) -> Self {
        Self { retry_after_s: Some(seconds), ..self }
    }

    /// The entry of the catalogue.
    pub fn kind(&self) -> &'static Kind {
        self.kind
    }

    /// The stable code.
    pub fn code(&self) -> &'static str {
        self.kind.code
    }

    /// What was tried and what was found.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.kind.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// The JSON form, in Chinese or English.
    pub fn json(&self, request: &str, english: bool) -> serde_json::Value {
        let kind = self.kind;
        let (title, hint) =
            if english { (kind.title_en, kind.hint_en) } else { (kind.title_zh, kind.hint_zh) };
        serde_json::json!({
            "type": format!("/problems/{}", kind.code),
            "title": title,
            "status": kind.status,
            "detail": self.detail,
            "code": kind.code,
            "hint": hint,
            "request": request,
        })
    }
}

/// Status and headers now; the words at the front door.
impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = self.status();
        if let Some(seconds) = self.retry_after_s {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status() == StatusCode::UNAUTHORIZED {
            let scheme = HeaderValue::from_static("Bearer realm=\"yinxin\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, scheme);
        }
        response.extensions_mut().insert(self);
        response
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        Self::new(refusal.code, refusal.says)
    }
}

impl From<Denied> for Problem {
    fn from(denied: Denied) -> Self {
        Self::new(denied.code(), denied.to_string())
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match &error {
            StoreError::Conflict { constraint, .. } if constraint == super::idempotency::CONSTRAINT => {
                Self::new("idempotency/in-progress", "another attempt with this key got ahead")
                    .retry_after_s(1)
            }
            StoreError::Unknown => {
                tracing::warn!(name: "store.commit_unconfirmed", "a commit was not confirmed in time: its outcome is not known");
                Self::new("service/unknown", "the database did not confirm the commit in time")
                    .retry_after_s(1)
            }
            StoreError::Full | StoreError::ReadOnly | StoreError::Halted => {
                tracing::error!(name: "store.change_refused", %error, "a change was refused");
                Self::new("service/no-changes", "changes are not taken now; nothing was done")
                    .retry_after_s(10)
            }
            StoreError::Corrupt { .. } => {
                tracing::error!(name: "store.damaged", %error, "the database is damaged; see to it");
                Self::new("service/damaged", "what this needs is damaged in the database; nothing was done")
                    .retry_after_s(60)
            }
            error if error.is_passing() || *error == StoreError::Fenced => {
                tracing::warn!(name: "store.request_refused", %error, "the database could not serve a request");
                Self::new("service/busy", "the database could not take this on; nothing was done")
                    .retry_after_s(1)
            }
            error => {
                tracing::error!(name: "store.request_failed", %error, "the database failed a request");
                Self::internal()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_says_what_to_do_in_both_languages_and_nothing_about_the_inside() {
        let problem = Problem::new("auth/api-key-invalid", "the key is not known");
        let (zh, en) = (problem.json("req_1", false), problem.json("req_1", true));
        assert_eq!(zh["title"], "密钥无效");
        assert_eq!(en["title"], "The API key is not accepted");
        assert_eq!(en["type"], "/problems/auth/api-key-invalid");
        assert_eq!(problem.clone().into_response().headers()["www-authenticate"], "Bearer realm=\"yinxin\"");
        let fault = StoreError::Fault { statement: "officer.find", code: "sqlite 1".into() };
        let told = Problem::from(fault).json("req_1", true).to_string();
        assert!(!told.contains("officer.find") && !told.contains("sqlite"), "{told}");
    }

    #[test]
    fn what_the_database_says_becomes_what_the_caller_may_do() {
        for (error, code) in [
            (StoreError::Busy, "service/busy"),
            (StoreError::Full, "service/no-changes"),
            (StoreError::ReadOnly, "service/no-changes"),
            (StoreError::Unknown, "service/unknown"),
            (StoreError::Fenced, "service/busy"),
            (StoreError::Spoiled, "internal"),
        ] {
            assert_eq!(Problem::from(error).code(), code);
        }
        assert_eq!(Problem::new("no/such-code", "").code(), "internal");
    }
}
