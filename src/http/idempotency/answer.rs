//! The answer to a request that made something, known before its effect is committed.

use super::{ANSWER_MAX_BYTES, IdempotencyKey, store::Settled};
use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::Value;

const JSON: &str = "application/json";

/// What was made, as it is told: JSON with status 201.
#[derive(Debug, Clone)]
pub struct Answer {
    location: Option<String>,
    body: String,
}

impl Answer {
    /// The thing that was made.
    pub fn created(thing: &Value) -> Self {
        Self { location: None, body: thing.to_string() }
    }

    /// With the path under which it is found from now on.
    pub fn found_at(self, path: String) -> Self {
        Self { location: Some(path), ..self }
    }

    pub(super) fn settled(self) -> Settled {
        Settled {
            status: StatusCode::CREATED.as_u16(),
            content_type: Some(JSON.to_owned()),
            location: self.location,
            answer: (self.body.len() <= ANSWER_MAX_BYTES).then(|| self.body.into_bytes()),
        }
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() = StatusCode::CREATED;
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(JSON));
        if let Some(place) = self.location.and_then(|path| HeaderValue::from_str(&path).ok()) {
            response.headers_mut().insert(header::LOCATION, place);
        }
        response
    }
}

/// A key, and what will be answered for it once the thing is made.
pub struct Once<T> {
    key: IdempotencyKey,
    answer: Box<dyn Fn(&T) -> Answer + Send + Sync>,
}

impl<T> Once<T> {
    /// The key of a request that has one.
    pub fn of(
        key: Option<IdempotencyKey>,
        answer: impl Fn(&T) -> Answer + Send + Sync + 'static,
    ) -> Option<Self> {
        key.map(|key| Self { key, answer: Box::new(answer) })
    }

    /// The subject that an earlier attempt with this key made: answer from it, and make nothing.
    pub fn earlier_of(once: Option<&Self>) -> Option<&str> {
        once.and_then(|once| once.key.earlier())
    }

    pub(super) fn key(&self) -> &IdempotencyKey {
        &self.key
    }

    pub(super) fn answer(&self, made: &T) -> Answer {
        (self.answer)(made)
    }
}
