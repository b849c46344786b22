//! The front door: what happens to every request before a route is chosen and after it has answered. Names the request,
//! reads the clock once, catches panics, puts problems into words, sets the headers that protect pages.

use super::{Problem, request_id, table::Hall};
use crate::base::Timestamp;
use axum::{
    body::Body,
    extract::{MatchedPath, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use std::{
    future::{Future, poll_fn},
    net::IpAddr,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::Arc,
    task::Poll,
};
use tracing::{Instrument as _, field::Empty};

/// What is known about a request when it arrives.
#[derive(Debug, Clone)]
pub struct Arrival {
    /// The request's id.
    pub request: String,
    /// The instant at which everything in it is judged.
    pub now: Timestamp,
    /// The caller's address: the other end of the connection, or whom a trusted proxy names; `None` on a UNIX socket.
    pub address: Option<IpAddr>,
    /// Whether the reader asked for English rather than Chinese.
    pub english: bool,
}

/// Draws a problem as a page for people.
pub type ProblemPage = fn(&Problem, &Arrival) -> Response;

/// Pages may load our own stylesheet and pictures and send forms to us; nothing else, no script, no frame.
const CONTENT_POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self' data:; font-src 'self'; \
form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// The code of those who are refused because there is more than can be done.
const BUSY: &str = "service/busy";

/// RFC 6797: for a year, this host alone; its neighbours are not ours.
const HTTPS_FOR_A_YEAR: HeaderValue = HeaderValue::from_static("max-age=31536000");

pub(super) async fn pass(State(hall): State<Arc<Hall>>, mut request: Request, next: Next) -> Response {
    let Hall { kit, routes } = &*hall;
    let now = kit.clock.now();
    let arrival = Arrival {
        request: request_id::of(request.headers(), now, kit.entropy.as_ref()),
        now,
        address: address(kit, &request),
        english: is_english(request.uri(), request.headers()),
    };
    let matched = request.extensions().get::<MatchedPath>();
    let passage = routes.begin(request.method(), matched.map(MatchedPath::as_str));
    // Only what a route declares: a path may hold anything that somebody typed into it.
    let (method, route) = (known_method(request.method()), passage.path());
    let wants_page = wants_page(request.uri().path(), request.headers());
    let parent = request.headers().get("traceparent").filter(|_| cfg!(feature = "otel"));
    let span = tracing::info_span!(
        "request",
        request = arrival.request.as_str(),
        route,
        method,
        traceparent = parent.and_then(|value| value.to_str().ok()),
        status = Empty
    );
    request.extensions_mut().insert(arrival.clone());
    let mut response = match caught(next.run(request)).instrument(span.clone()).await {
        Ok(response) => response,
        Err(()) => {
            kit.meters.panics.one();
            Problem::internal().into_response()
        }
    };
    let told = put_into_words(&mut response, &arrival, wants_page.then_some(kit.problem_page).flatten());
    if let Some(code) = told {
        kit.meters.problems.one(code);
    }
    protect(&mut response, &arrival);
    if kit.https {
        response.headers_mut().insert(header::STRICT_TRANSPORT_SECURITY, HTTPS_FOR_A_YEAR);
    }
    let status = response.status().as_u16();
    passage.end(status);
    span.record("status", status);
    // Whoever refused has told of it, once a second for all: under a flood, a line for each would be a flood too.
    if told != Some(BUSY) {
        span.in_scope(|| log(told));
    }
    response
}

fn address(kit: &super::Kit, request: &Request) -> Option<IpAddr> {
    let peer = request.extensions().get::<super::PeerAddress>().and_then(|peer| peer.0)?;
    Some(kit.proxies.caller(peer, request.headers()))
}

/// Whether the reader prefers English: `?lang=en` decides, then `Accept-Language`; Chinese otherwise.
pub fn is_english(uri: &Uri, headers: &HeaderMap) -> bool {
    let asked = uri.query().unwrap_or_default().split('&').find_map(|pair| pair.strip_prefix("lang="));
    if let Some(language) = asked {
        return language.starts_with("en");
    }
    let accepted =
        headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    // First come, first served: browsers list languages by preference, and two are all there is to choose from.
    let mut known =
        accepted.split(',').map(str::trim).filter(|tag| tag.starts_with("zh") || tag.starts_with("en"));
    known.next().is_some_and(|tag| tag.starts_with("en"))
}

fn wants_page(path: &str, headers: &HeaderMap) -> bool {
    let accepts = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    !path.starts_with("/api/") && accepts.contains("text/html")
}

/// Runs a future; a panic inside becomes `Err`, with the message in the log and not in the answer.
async fn caught<T>(future: impl Future<Output = T>) -> Result<T, ()> {
    let mut future = pin!(future);
    let outcome = poll_fn(|context| {
        // The future is dropped after a panic and never polled again: nothing half-changed is seen.
        match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
            Ok(Poll::Ready(value)) => Poll::Ready(Ok(value)),
            Ok(Poll::Pending) => Poll::Pending,
            Err(_) => Poll::Ready(Err(())),
        }
    });
    outcome
        .await
        .inspect_err(|()| tracing::error!(name: "http.handler_panicked", "a request handler panicked"))
}

/// Gives a failed answer its body: JSON for programs, a page for people. Answers the code of the problem.
fn put_into_words(
    response: &mut Response,
    arrival: &Arrival,
    page: Option<ProblemPage>,
) -> Option<&'static str> {
    let problem = match response.extensions_mut().remove::<Problem>() {
        Some(problem) => problem,
        None if is_bare_failure(response) => bare(response.status()),
        None => return None,
    };
    let headers = std::mem::take(response.headers_mut());
    *response = match page {
        Some(page) => page(&problem, arrival),
        None => json(&problem, arrival),
    };
    *response.status_mut() = problem.status();
    for name in [header::RETRY_AFTER, header::WWW_AUTHENTICATE, header::ALLOW, header::CONNECTION] {
        if let Some(value) = headers.get(&name) {
            response.headers_mut().insert(name, value.clone());
        }
    }
    Some(problem.code())
}

fn json(problem: &Problem, arrival: &Arrival) -> Response {
    let mut response = Response::new(Body::from(problem.json(&arrival.request, arrival.english).to_string()));
    let json = HeaderValue::from_static("application/problem+json");
    let language = HeaderValue::from_static(if arrival.english { "en" } else { "zh-CN" });
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response.headers_mut().insert(header::CONTENT_LANGUAGE, language);
    response
}

/// An answer of the framework's own (a path that can't be decoded, a wrong method): plain text or nothing.
fn is_bare_failure(response: &Response) -> bool {
    let content = response.headers().get(header::CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    let failed = response.status().is_client_error() || response.status().is_server_error();
    failed && (content.is_empty() || content.starts_with(b"text/plain"))
}

fn bare(status: StatusCode) -> Problem {
    match status.as_u16() {
        404 => Problem::new("request/unknown-path", "no route has this path"),
        405 => Problem::new("request/method-not-allowed", "the path exists, with other methods"),
        413 => Problem::new("request/too-large", "the body is longer than this route takes"),
        415 => Problem::new(
            "request/unsupported-media-type",
            "the body has a type that this route does not take",
        ),
        400..500 => Problem::new("request/malformed", "the request could not be read"),
        _ => Problem::internal(),
    }
}

fn protect(response: &mut Response, arrival: &Arrival) {
    let headers = response.headers_mut();
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CONTENT_SECURITY_POLICY, CONTENT_POLICY),
        (header::X_FRAME_OPTIONS, "DENY"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // Static files by hash say themselves that they may be kept.
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    if let Ok(id) = HeaderValue::from_str(&arrival.request) {
        headers.insert(request_id::REQUEST_ID, id);
    }
}

/// The method's name, where it is one: else it may be anything that somebody typed.
fn known_method(method: &Method) -> &'static str {
    let all = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];
    all.into_iter().find(|name| method == name).unwrap_or("other")
}

/// One line a request, inside its span. No path, no query, no headers, no address: they carry what is personal.
fn log(code: Option<&'static str>) {
    match code {
        None => tracing::info!(name: "request.answered", "answered"),
        Some(code) => tracing::info!(name: "request.answered", code, "answered"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chinese_comes_first_and_english_when_asked() {
        let of = |uri: &str, accept: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_LANGUAGE, accept.parse().expect("a header"));
            is_english(&uri.parse().expect("a uri"), &headers)
        };
        for (uri, accept, english) in [
            ("/verify", "", false),
            ("/verify", "zh-CN,zh;q=0.9,en;q=0.8", false),
            ("/verify", "en-GB,en;q=0.9,zh;q=0.1", true),
            ("/verify", "fr, en;q=0.5", true),
            ("/verify", "fr", false),
            ("/verify?lang=en", "zh-CN", true),
            ("/verify?a=1&lang=zh-CN", "en", false),
        ] {
            assert_eq!(of(uri, accept), english, "{uri} {accept}");
        }
    }

    #[tokio::test]
    async fn a_panic_is_caught_wherever_it_happens() {
        assert_eq!(caught(async { 1 }).await, Ok(1));
        let late = async {
            tokio::task::yield_now().await;
            panic!("for the test");
        };
        assert_eq!(caught::<()>(late).await, Err(()));
    }
}
