//! Decoding requests: what handlers take, with problems instead of the framework's plain text.

use super::{
    Arrival, IdempotencyKey, Problem,
    gate::{BodyLimit, too_large},
};
use crate::officer::Caller;
use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, OptionalFromRequestParts, Query, Request},
    http::{header, request::Parts},
};
use http_body_util::{BodyExt as _, LengthLimitError};
use serde::de::DeserializeOwned;
use std::{convert::Infallible, error::Error};

/// A JSON body. Types should carry `#[serde(deny_unknown_fields)]`: a field that nobody reads is a mistake of the sender.
#[derive(Debug)]
pub struct JsonBody<T>(pub T);

/// Query parameters.
#[derive(Debug)]
pub struct QueryOf<T>(pub T);

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts.extensions.get::<Caller>().cloned().ok_or_else(Problem::internal)
    }
}

impl<S: Sync> FromRequestParts<S> for Arrival {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts.extensions.get::<Arrival>().cloned().ok_or_else(Problem::internal)
    }
}

/// `Option<IdempotencyKey>`: the key that the command has to record, where the caller sent one.
impl<S: Sync> OptionalFromRequestParts<S> for IdempotencyKey {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Infallible> {
        Ok(parts.extensions.get::<IdempotencyKey>().cloned())
    }
}

impl<T: DeserializeOwned, S: Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let content = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let media = content.unwrap_or_default().split(';').next().unwrap_or_default().trim();
        if !media.eq_ignore_ascii_case("application/json") {
            return Err(Problem::new("request/unsupported-media-type", "this route takes application/json"));
        }
        let bytes = read(request).await?;
        // The error names a place and a field, and may quote the sender's own value back to the sender.
        of_json(&bytes)
            .map(Self)
            .map_err(|error| Problem::new("request/malformed", format!("the JSON can't be taken: {error}")))
    }
}

/// Where a whole number is wanted, `3.0` is one too (JSON Schema 2020-12, 6.1.1), and some clients write all numbers so.
fn of_json<T: DeserializeOwned>(json: &[u8]) -> Result<T, serde_json::Error> {
    serde_json::from_slice(json).or_else(|error| match without_empty_fractions(json) {
        Some(json) if error.is_data() => serde_json::from_slice(&json),
        _ => Err(error),
    })
}

/// The same JSON with `.0` taken off its numbers; `None` where there is none. In text, where members that stand twice stay to
/// be refused.
fn without_empty_fractions(json: &[u8]) -> Option<Vec<u8>> {
    let mut written = Vec::with_capacity(json.len());
    let (mut in_text, mut rest) = (false, json);
    while let Some((&octet, after)) = rest.split_first() {
        let zeros = after.iter().take_while(|octet| **octet == b'0').count();
        // What is no number before or after stays, to be refused.
        let begins = written.last().is_some_and(u8::is_ascii_digit);
        let ends = after.get(zeros).is_none_or(|next| !next.is_ascii_digit() && !b"eE.".contains(next));
        let mut taken = 1;
        match octet {
            b'\\' if in_text => taken = 2.min(rest.len()),
            b'"' => in_text = !in_text,
            b'.' if !in_text && zeros > 0 && begins && ends => {
                rest = &after[zeros..];
                continue;
            }
            _ => {}
        }
        written.extend(&rest[..taken]);
        rest = &rest[taken..];
    }
    (written.len() < json.len()).then_some(written)
}

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for QueryOf<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        if !is_text(parts.uri.query().unwrap_or_default()) {
            return Err(Problem::new("request/malformed", "the query is not UTF-8 text, or holds a NUL"));
        }
        match Query::<T>::try_from_uri(&parts.uri) {
            Ok(Query(query)) => Ok(Self(query)),
            Err(rejection) => Err(Problem::new("request/malformed", rejection.body_text())),
        }
    }
}

/// Whether a query is UTF-8 without NUL once it is decoded (RFC 3986 2.1). The framework would put replacement characters
/// in place of what is no UTF-8, and the engines do not agree about NUL in a text.
fn is_text(query: &str) -> bool {
    let mut decoded = Vec::with_capacity(query.len());
    let mut rest = query.as_bytes();
    while let Some((&octet, after)) = rest.split_first() {
        rest = after;
        let pair = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        match pair.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(value) if octet == b'%' => {
                decoded.push(value);
                rest = &after[2..];
            }
            _ => decoded.push(octet),
        }
    }
    !decoded.contains(&0) && std::str::from_utf8(&decoded).is_ok()
}

/// Reads a whole body, within the limit of its route.
///
/// # Errors
/// `request/too-large`, or `request/malformed` where the sender stops in the middle.
pub async fn read(request: Request) -> Result<Bytes, Problem> {
    // Without the gate's limit nothing is read: there is no route without a gate.
    let limit = request.extensions().get::<BodyLimit>().ok_or_else(Problem::internal)?.0;
    match request.into_body().collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if is_too_long(&error) => Err(too_large(limit)),
        Err(_) => Err(Problem::new("request/malformed", "the body ended before its announced length")),
    }
}

/// Whether the limit of the route is what ended the body.
pub(super) fn is_too_long(error: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(error);
    // A chain of causes is a few links long; the bound only keeps a loop from hanging.
    for _ in 0..16 {
        match cause {
            Some(error) if error.is::<LengthLimitError>() => return true,
            Some(error) => cause = error.source(),
            None => return false,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::{is_text, of_json};
    use serde::Deserialize;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Taken {
        days: u32,
        name: String,
    }

    #[test]
    fn a_whole_number_may_be_written_with_an_empty_fraction() {
        let read = |json: &str| of_json::<Taken>(json.as_bytes());
        let wanted = Taken { days: 1469, name: "1.0 \\\" 2.0".into() };
        for number in ["1469", "1469.0", "1469.000"] {
            let json = format!(r#"{{"name":"1.0 \\\" 2.0","days":{number}}}"#);
            assert_eq!(read(&json).expect(number), wanted);
        }
        for wrong in [
            r#"{"name":"","days":1469.5}"#,
            r#"{"name":"","days":14.0e2}"#,
            r#"{"name":"","days":1.0.0}"#,
            r#"{"name":"","days":1.0,"days":.0}"#,
            r#"{"name":"","days":01.0}"#,
            r#"{"name":"","days":-1.0}"#,
            r#"{"name":"","days":1.0,"days":2}"#,
            r#"{"name":1.0,"days":1}"#,
            r#"{"name":"","days":1.0"#,
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_query_is_text_on_every_engine() {
        for good in ["", "a=1&b=%E5%8D%B0", "a=100%", "a=%zz", "%25"] {
            assert!(is_text(good), "{good}");
        }
        for bad in ["a=%00", "a=%ff", "a=%E5%8D", "%C0%80"] {
            assert!(!is_text(bad), "{bad}");
        }
    }
}
