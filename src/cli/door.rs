//! How commands reach the service: through its own REST interface, in this process or over the daemon's UNIX socket.
//!
//! One way in for everybody: a command line is a caller like any other, with an officer's API key, the same rights and
//! the same audit. Where a daemon holds the data, its socket is used; else the service is opened here for the command.

use super::CliError;
use crate::{app::App, config::Config};
use axum::{
    Router,
    body::{Body, Bytes},
    http::{HeaderMap, Method, Request, StatusCode, header},
};
use http_body_util::{BodyExt as _, Limited};
use hyper_util::rt::TokioIo;
use std::{path::PathBuf, time::Duration};
use tokio::net::UnixStream;
use tower::ServiceExt as _;

/// The longest answer that a command takes: a stamped document.
const ANSWER_BYTES: usize = 160 << 20;
/// The longest wait for an answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(120);

/// A way to the service.
pub struct Door(Way);

enum Way {
    Inside { router: Router, app: Box<App> },
    Socket(PathBuf),
}

/// What the service answered.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, whole.
    pub body: Bytes,
}

/// A request of a command.
#[derive(Debug)]
pub struct Ask<'a> {
    /// The method.
    pub method: Method,
    /// Path and query.
    pub path: &'a str,
    /// The media type of the body.
    pub content: &'a str,
    /// The body.
    pub body: Bytes,
    /// The idempotency key.
    pub idempotency_key: Option<&'a str>,
    /// The longest wait for the whole answer.
    pub patience: Duration,
}

impl<'a> Ask<'a> {
    /// A `GET`.
    pub fn get(path: &'a str) -> Self {
        let (body, patience) = (Bytes::new(), PATIENCE);
        Self { method: Method::GET, path, content: "", body, idempotency_key: None, patience }
    }

    /// A `POST` of JSON.
    pub fn post(path: &'a str, body: &serde_json::Value) -> Self {
        let body = if body.is_null() { Bytes::new() } else { body.to_string().into() };
        let patience = PATIENCE;
        Self {
            method: Method::POST,
            path,
            content: "application/json",
            body,
            idempotency_key: None,
            patience,
        }
    }

    /// The same, with more patience.
    pub fn patient(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }
}

impl Door {
    /// Goes to the daemon that runs on this data, or opens the service here.
    pub async fn open(config: &Config) -> Result<Self, CliError> {
        let socket = config.socket_path();
        if UnixStream::connect(&socket).await.is_ok() {
            return Ok(Self(Way::Socket(socket)));
        }
        let app = App::open(config).await?;
        Ok(Self(Way::Inside { router: app.router()?, app: Box::new(app) }))
    }

    /// Goes to the daemon that runs on this data, whether it is there or not.
    pub fn of_daemon(config: &Config) -> Self {
        Self(Way::Socket(config.socket_path()))
    }

    /// Uses an open service.
    pub fn inside(app: App) -> Result<Self, CliError> {
        Ok(Self(Way::Inside { router: app.router()?, app: Box::new(app) }))
    }

    /// Asks, as the officer of `key` where there is one.
    pub async fn ask(&self, key: Option<&str>, ask: Ask<'_>) -> Result<Answer, CliError> {
        let patience = ask.patience;
        let answer = tokio::time::timeout(patience, self.send(request(key, ask)?)).await;
        answer.map_err(|_| {
            CliError::failed(format!("the service did not answer in {} seconds", patience.as_secs()))
        })?
    }

    /// Asks for something long and writes it into `out` as it comes; how many octets. An answer that breaks off is an error:
    /// what was written then is a part.
    pub async fn stream(
        &self,
        key: Option<&str>,
        ask: Ask<'_>,
        out: &mut (dyn std::io::Write + Send),
    ) -> Result<(HeaderMap, u64), CliError> {
        let request = request(key, ask)?;
        match &self.0 {
            Way::Inside { router, .. } => {
                let Ok(response) = router.clone().oneshot(request).await;
                let (head, body) = response.into_parts();
                pour(head.status, head.headers, body, out).await
            }
            Way::Socket(path) => {
                let (response, running) = connected(path, request).await?;
                let (head, body) = response.into_parts();
                let poured = pour(head.status, head.headers, body, out).await;
                running.abort();
                poured
            }
        }
    }

    /// Asks for JSON; a problem becomes an error with its code, detail and hint.
    pub async fn json(&self, key: Option<&str>, ask: Ask<'_>) -> Result<serde_json::Value, CliError> {
        let answer = self.ask(key, ask).await?.good()?;
        if answer.body.is_empty() {
            return Ok(serde_json::Value::Null);
        }
        serde_json::from_slice(&answer.body).map_err(|_| CliError::failed("the service answered no JSON"))
    }

    /// Has the service inside look after its keys; a daemon does so by itself.
    pub async fn look_after_keys(&self) -> Result<(), CliError> {
        match &self.0 {
            Way::Inside { app, .. } => Ok(app.look_after_keys().await?),
            Way::Socket(_) => Ok(()),
        }
    }

    /// Lets the service inside come to rest.
    pub async fn close(self) {
        if let Way::Inside { app, .. } = self.0 {
            app.close().await;
        }
    }

    async fn send(&self, request: Request<Body>) -> Result<Answer, CliError> {
        match &self.0 {
            Way::Inside { router, .. } => {
                let Ok(response) = router.clone().oneshot(request).await;
                let (head, body) = response.into_parts();
                take(head.status, head.headers, body).await
            }
            Way::Socket(path) => over_socket(path, request).await,
        }
    }
}

impl Answer {
    /// This answer, where it is a good one.
    pub fn good(self) -> Result<Self, CliError> {
        if self.status.is_success() {
            return Ok(self);
        }
        let problem: serde_json::Value = serde_json::from_slice(&self.body).unwrap_or_default();
        let text = |name: &str| problem[name].as_str().unwrap_or_default().to_owned();
        Err(CliError::Refused { code: text("code"), says: text("detail"), hint: text("hint") })
    }
}

fn request(key: Option<&str>, ask: Ask<'_>) -> Result<Request<Body>, CliError> {
    let mut request = Request::builder().method(ask.method).uri(ask.path).header(header::HOST, "yinxin");
    // The detail is English; the hint shall match it.
    request = request.header(header::ACCEPT_LANGUAGE, "en");
    if let Some(key) = key {
        request = request.header(header::AUTHORIZATION, format!("Bearer {key}"));
    }
    if !ask.content.is_empty() && !ask.body.is_empty() {
        request = request.header(header::CONTENT_TYPE, ask.content);
    }
    if let Some(once) = ask.idempotency_key {
        request = request.header("idempotency-key", once);
    }
    request.body(Body::from(ask.body)).map_err(|_| CliError::usage("that cannot be asked"))
}

async fn over_socket(path: &PathBuf, request: Request<Body>) -> Result<Answer, CliError> {
    let (response, running) = connected(path, request).await?;
    let (head, body) = response.into_parts();
    let answer = take(head.status, head.headers, body).await;
    running.abort();
    answer
}

type Running = tokio::task::JoinHandle<Result<(), hyper::Error>>;

async fn connected(
    path: &PathBuf,
    request: Request<Body>,
) -> Result<(hyper::Response<hyper::body::Incoming>, Running), CliError> {
    let lost = |_| CliError::failed("the daemon's socket did not answer");
    let stream =
        UnixStream::connect(path).await.map_err(|_| CliError::failed("the daemon's socket is gone"))?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(lost)?;
    let running = tokio::spawn(connection);
    let response = tokio::time::timeout(PATIENCE, sender.send_request(request)).await;
    let response =
        response.map_err(|_| CliError::failed("the service did not begin to answer in two minutes"))?;
    Ok((response.map_err(lost)?, running))
}

/// Writes a good answer into `out` as it comes; a problem is told.
async fn pour<B>(
    status: StatusCode,
    headers: HeaderMap,
    body: B,
    out: &mut (dyn std::io::Write + Send),
) -> Result<(HeaderMap, u64), CliError>
where
    B: hyper::body::Body<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    if !status.is_success() {
        take(status, headers, body).await?.good()?;
        return Err(CliError::failed("the service refused without a word"));
    }
    let (mut body, mut poured) = (body, 0);
    loop {
        let frame = tokio::time::timeout(PATIENCE, body.frame()).await;
        let frame = frame.map_err(|_| CliError::failed("the answer stands still"))?;
        let Some(frame) = frame else { break };
        let frame =
            frame.map_err(|_| CliError::failed("the answer broke off; the service's log says why"))?;
        if let Some(octets) = frame.data_ref() {
            out.write_all(octets).map_err(|error| CliError::failed(format!("cannot be written: {error}")))?;
            poured += octets.len() as u64;
        }
    }
    out.flush().map_err(|error| CliError::failed(format!("cannot be written: {error}")))?;
    Ok((headers, poured))
}

async fn take<B>(status: StatusCode, headers: HeaderMap, body: B) -> Result<Answer, CliError>
where
    B: hyper::body::Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let body = Limited::new(body, ANSWER_BYTES).collect().await;
    let body = body.map_err(|_| CliError::failed("the answer ended early or is too long"))?.to_bytes();
    Ok(Answer { status, headers, body })
}
