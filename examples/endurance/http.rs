//! A client for HTTP/1.1 that keeps its connection, with a deadline for every answer, and says whether the request may
//! have arrived where there is none.

use axum::body::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{
    HeaderMap, Request, StatusCode,
    client::conn::http1::{self, SendRequest},
    header,
};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::{
    fmt,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{net::TcpStream, time::timeout};

/// The usual longest wait for an answer.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Where the daemon is. Shared, for it may move when it is started again.
#[derive(Debug, Clone)]
pub struct Place(Arc<Mutex<SocketAddr>>);

impl Place {
    pub fn at(address: SocketAddr) -> Self {
        Self(Arc::new(Mutex::new(address)))
    }

    pub fn get(&self) -> SocketAddr {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn set(&self, address: SocketAddr) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = address;
    }
}

/// No answer came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lost {
    /// Nobody took the connection: nothing was asked.
    NotSent(String),
    /// The connection broke, or the deadline passed, after something may have been sent: what became of it is not known.
    Unknown(String),
}

impl fmt::Display for Lost {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSent(says) => write!(out, "nothing was asked: {says}"),
            Self::Unknown(says) => write!(out, "no answer: {says}"),
        }
    }
}

impl std::error::Error for Lost {}

/// What was answered.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    /// The body as JSON; `null` where it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The stable code of a problem; empty where it is none.
    pub fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// This answer where it is a good one; else its status, code and detail.
    pub fn good(self) -> Result<Self, Lost> {
        if self.status.is_success() {
            return Ok(self);
        }
        Err(Lost::Unknown(format!("{} {}", self.status, String::from_utf8_lossy(&self.body))))
    }
}

/// A request.
#[derive(Debug, Clone)]
pub struct Ask {
    method: &'static str,
    path: String,
    headers: Vec<(&'static str, String)>,
    body: Bytes,
}

impl Ask {
    pub fn get(path: impl Into<String>) -> Self {
        Self { method: "GET", path: path.into(), headers: Vec::new(), body: Bytes::new() }
    }

    /// A `POST` of JSON; of nothing where it is `null`.
    pub fn post(path: impl Into<String>, body: &Value) -> Self {
        let asked = Self { method: "POST", ..Self::get(path) };
        if body.is_null() { asked } else { asked.carrying("application/json", body.to_string()) }
    }

    pub fn put(path: impl Into<String>) -> Self {
        Self { method: "PUT", ..Self::get(path) }
    }

    #[must_use]
    pub fn carrying(mut self, content: &str, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self.with("content-type", content)
    }

    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// As the officer of this API key.
    #[must_use]
    pub fn by(self, key: &str) -> Self {
        self.with("authorization", format!("Bearer {key}"))
    }

    /// With an idempotency key.
    #[must_use]
    pub fn once(self, key: &str) -> Self {
        self.with("idempotency-key", key)
    }

    fn request(&self) -> Result<Request<Full<Bytes>>, Lost> {
        let mut request =
            Request::builder().method(self.method).uri(&self.path).header(header::HOST, "localhost");
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        request.body(Full::new(self.body.clone())).map_err(|error| Lost::NotSent(error.to_string()))
    }
}

/// One connection, opened when it is needed and again when it broke.
pub struct Client {
    place: Place,
    open: Option<SendRequest<Full<Bytes>>>,
}

impl Client {
    pub fn to(place: &Place) -> Self {
        Self { place: place.clone(), open: None }
    }

    /// Asks once, with the usual patience.
    pub async fn ask(&mut self, ask: &Ask) -> Result<Answer, Lost> {
        self.ask_within(ask, PATIENCE).await
    }

    /// Asks once.
    pub async fn ask_within(&mut self, ask: &Ask, patience: Duration) -> Result<Answer, Lost> {
        let request = ask.request()?;
        let mut sender = match self.open.take() {
            Some(sender) if !sender.is_closed() => sender,
            _ => connect(self.place.get()).await?,
        };
        let exchange = async {
            sender.ready().await.map_err(|error| Lost::NotSent(error.to_string()))?;
            let response = sender.send_request(request).await;
            let (head, body) = response.map_err(unknown)?.into_parts();
            let body = body.collect().await.map_err(unknown)?.to_bytes();
            Ok(Answer { status: head.status, headers: head.headers, body })
        };
        let answered = timeout(patience, exchange).await;
        let answered = answered.map_err(|_| Lost::Unknown(format!("nothing within {patience:?}")))?;
        if answered.is_ok() {
            self.open = Some(sender);
        }
        answered
    }
}

async fn connect(address: SocketAddr) -> Result<SendRequest<Full<Bytes>>, Lost> {
    const PATIENCE: Duration = Duration::from_secs(5);
    let open = async {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok::<_, std::io::Error>(stream)
    };
    let stream = timeout(PATIENCE, open).await.map_err(|_| Lost::NotSent("no connection in time".into()))?;
    let stream = stream.map_err(|error| Lost::NotSent(error.to_string()))?;
    let (sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(|error| Lost::NotSent(error.to_string()))?;
    // It ends with the sender, or by an error that the sender hears of.
    tokio::spawn(async move { connection.await.ok() });
    Ok(sender)
}

fn unknown(error: hyper::Error) -> Lost {
    Lost::Unknown(error.to_string())
}

impl Ask {
    /// Whether a repetition of it is known by its idempotency key.
    pub fn is_creating(&self) -> bool {
        self.headers.iter().any(|(name, _)| *name == "idempotency-key")
    }

    /// Whether its path ends so.
    pub fn is_about(&self, end: &str) -> bool {
        self.path.ends_with(end)
    }
}
