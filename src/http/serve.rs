//! Listening: TCP and UNIX sockets, a bounded number of connections, a deadline for every request's head, an orderly stop.

use super::{
    Limits, Proxies, admission,
    crowd::{Crowd, Presence, Standpoint},
    drain::{self, Lent, Sink},
    stall::Impatient,
    tls::TlsListener,
};
use crate::tls::ServerTls;
use axum::{
    Router,
    body::{Body, Bytes},
    http::{HeaderValue, StatusCode, header},
    response::Response,
};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::{convert::Infallible, future::Future, io, net::IpAddr, pin::pin, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream, UnixListener, UnixStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    task::JoinSet,
};
use tower::ServiceExt as _;

/// The other end of a connection; `None` on a UNIX socket.
#[derive(Debug, Clone, Copy)]
pub struct PeerAddress(pub Option<IpAddr>);

/// Tells listeners to stop: clone the receiver for each, send `true` once.
#[derive(Debug, Clone)]
pub struct Stop(watch::Receiver<bool>);

/// Octets of a request's head.
const HEAD_MAX_BYTES: usize = 32 * 1024;
const HEADERS_MAX: usize = 64;
/// Connections that are told at a time that there is no place; more are closed without a word.
const DOORSTEP: usize = 256;
const DOORSTEP_WAIT: Duration = Duration::from_millis(250);
/// After a failed `accept` (no descriptors left), wait rather than spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

impl Stop {
    /// A switch and what listens to it.
    pub fn switch() -> (watch::Sender<bool>, Stop) {
        let (sender, receiver) = watch::channel(false);
        (sender, Stop(receiver))
    }

    /// Waits until the switch is thrown, or dropped.
    pub async fn thrown(&mut self) {
        // An error means that the switch is gone: nobody can throw it any more, so this counts as thrown.
        let _ = self.0.wait_for(|thrown| *thrown).await;
    }
}

/// Where connections come from.
pub(super) trait Listener: Send + Sync + 'static {
    type Raw: Send + 'static;
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// The next connection. Dropped before it is ready, it loses none.
    fn next(&self) -> impl Future<Output = io::Result<(Self::Raw, PeerAddress)>> + Send;

    /// What stands between a connection and its first request; it ends in time.
    fn welcome(&self, raw: Self::Raw) -> impl Future<Output = io::Result<Self::Stream>> + Send;

    /// A connection for which there is no place, as what can be told so; `None` where that takes more than a few octets.
    fn unwelcome(raw: Self::Raw) -> Option<impl AsyncRead + AsyncWrite + Unpin + Send + 'static>;
}

impl Listener for TcpListener {
    type Raw = TcpStream;
    type Stream = TcpStream;

    async fn next(&self) -> io::Result<(TcpStream, PeerAddress)> {
        let (stream, peer) = self.accept().await?;
        // Answers are written whole; waiting for more to send only delays them.
        stream.set_nodelay(true)?;
        Ok((stream, PeerAddress(Some(peer.ip().to_canonical()))))
    }

    async fn welcome(&self, stream: TcpStream) -> io::Result<TcpStream> {
        Ok(stream)
    }

    fn unwelcome(stream: TcpStream) -> Option<impl AsyncRead + AsyncWrite + Unpin + Send + 'static> {
        Some(stream)
    }
}

impl Listener for UnixListener {
    type Raw = UnixStream;
    type Stream = UnixStream;

    async fn next(&self) -> io::Result<(UnixStream, PeerAddress)> {
        Ok((self.accept().await?.0, PeerAddress(None)))
    }

    async fn welcome(&self, stream: UnixStream) -> io::Result<UnixStream> {
        Ok(stream)
    }

    fn unwelcome(stream: UnixStream) -> Option<impl AsyncRead + AsyncWrite + Unpin + Send + 'static> {
        Some(stream)
    }
}

/// Serves TCP connections until `stop`, then lets requests in progress end (for [`Limits::stop`] at most).
pub async fn serve_tcp(listener: TcpListener, router: Router, limits: Limits, stop: Stop) {
    serve(listener, router, limits, Proxies::default(), stop).await;
}

/// An address where requests come in.
pub struct Entrance {
    /// The listener.
    pub tcp: TcpListener,
    /// Its TLS; `None`: plain HTTP.
    pub tls: Option<Arc<ServerTls>>,
    /// Whose connections are not counted by their address: many callers come through one proxy.
    pub proxies: Proxies,
}

impl Entrance {
    /// `https://127.0.0.1:8443`.
    ///
    /// # Errors
    /// The system's, where it does not know the listener's address.
    pub fn url(&self) -> io::Result<String> {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        Ok(format!("{scheme}://{}", self.tcp.local_addr()?))
    }

    /// Serves as [`serve_tcp`] does.
    pub async fn serve(self, router: Router, limits: Limits, stop: Stop) {
        match self.tls {
            None => serve(self.tcp, router, limits, self.proxies, stop).await,
            Some(tls) => {
                let listener = TlsListener::new(self.tcp, tls, &limits);
                serve(listener, router, limits, self.proxies, stop).await;
            }
        }
    }
}

/// Serves connections of a UNIX socket until `stop`. Who may connect is the socket file's permissions.
pub async fn serve_unix(listener: UnixListener, router: Router, limits: Limits, stop: Stop) {
    serve(listener, router, limits, Proxies::default(), stop).await;
}

async fn serve<L: Listener>(listener: L, router: Router, limits: Limits, proxies: Proxies, mut stop: Stop) {
    let crowd = Crowd::new(&limits);
    let (full, doorstep) = (full_house(), Arc::new(Semaphore::new(DOORSTEP)));
    let drains = Arc::new(Semaphore::new(limits.drains));
    let mut connections = JoinSet::new();
    let listener = Arc::new(listener);
    loop {
        tokio::select! {
            accepted = listener.next() => match accepted {
                // Taken from the kernel in any case: whoever finds no place hears so at once, and waits for nothing.
                Ok((raw, peer)) => match crowd.enter(peer.0.filter(|address| !proxies.trusts(*address))) {
                    Ok(place) => {
                        let desk = Desk { router: router.clone(), peer, drains: Arc::clone(&drains), place };
                        connections.spawn(receive(listener.clone(), raw, desk, limits, stop.clone()));
                    }
                    Err(reason) => {
                        tracing::debug!(?reason, "a connection was turned away");
                        if let (Some(stream), Ok(place)) =
                            (L::unwelcome(raw), Arc::clone(&doorstep).try_acquire_owned())
                        {
                            connections.spawn(turn_away(stream, full.clone(), place));
                        }
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be taken");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
            () = stop.thrown() => break,
            // Ended conversations are let go as they end, so that the set holds only living ones.
            Some(_) = connections.join_next() => {}
        }
    }
    // Nobody new is let in, not even into the kernel's queue: nobody else holds the listener now.
    drop(listener);
    let all_ended = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(limits.stop, all_ended).await.is_err() {
        tracing::warn!("requests were still in progress at the end of the time for an orderly stop");
    }
}

/// What answers the requests of one connection.
struct Desk {
    router: Router,
    peer: PeerAddress,
    /// Places among the bodies that are drained, of all connections.
    drains: Arc<Semaphore>,
    /// The connection's place among all.
    place: Standpoint,
}

/// What is said, unasked, to a connection for which there is no place.
fn full_house() -> Bytes {
    let body = admission::busy().json("", false).to_string();
    let head = "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/problem+json\r\nretry-after: 1\r\n\
                connection: close\r\ncache-control: no-store\r\ncontent-length: ";
    format!("{head}{}\r\n\r\n{body}", body.len()).into()
}

/// Tells, and waits a little for the other end to hear it: a connection that is closed with octets unread is reset.
async fn turn_away(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    says: Bytes,
    _place: OwnedSemaphorePermit,
) {
    let told = async {
        stream.write_all(&says).await?;
        stream.shutdown().await?;
        tokio::io::copy(&mut stream.take(HEAD_MAX_BYTES as u64), &mut tokio::io::sink()).await
    };
    // Whoever hears nothing within this time is closed all the same.
    let _ = tokio::time::timeout(DOORSTEP_WAIT, told).await;
}

/// One connection from its first octet: welcomed where it comes to that before the service stops, then to its end.
async fn receive<L: Listener>(listener: Arc<L>, raw: L::Raw, desk: Desk, limits: Limits, mut stop: Stop) {
    let welcomed = tokio::select! {
        welcomed = listener.welcome(raw) => welcomed,
        () = stop.thrown() => return,
        () = desk.place.presence().is_sent_off() => return,
    };
    // A conversation must not hold the listener: its port shall be free as soon as nobody new is let in.
    drop(listener);
    match welcomed {
        Ok(stream) => converse(stream, desk, limits, stop).await,
        Err(error) => tracing::debug!(%error, "a connection came to nothing"),
    }
}

/// One connection, to its end.
async fn converse<IO>(stream: IO, desk: Desk, limits: Limits, mut stop: Stop)
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let Desk { router, peer, drains, place } = desk;
    let presence = place.presence();
    let (sink, leftovers) = Sink::new(drains);
    // The original sink stays here to the end: as long as the connection stands, the drain waits for more.
    let service = service_fn(|request| answer(request, peer, presence.clone(), router.clone(), sink.clone()));
    let least = limits.pace as usize * usize::try_from(limits.stalled_write.as_secs()).unwrap_or(usize::MAX);
    let stream = Impatient::new(stream, limits.stalled_write, least.max(1), presence.clone());
    let stream = TokioIo::new(stream);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_buf_size(HEAD_MAX_BYTES)
        .max_headers(HEADERS_MAX)
        .serve_connection(stream, service);
    let conversation = async {
        let mut connection = pin!(connection);
        tokio::select! {
            outcome = connection.as_mut() => outcome,
            () = stop.thrown() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        }
    };
    // In one task, the drain first: a body that it gives up is seen by the connection in the same turn. From another task
    // nothing would wake a connection that waits for a silent client.
    let outcome = tokio::select! {
        biased;
        () = drain::all(leftovers, limits.drain) => return,
        () = presence.is_sent_off() => return,
        outcome = conversation => outcome,
    };
    if let Err(error) = outcome {
        tracing::debug!(%error, "a connection ended badly");
    }
}

/// One request. What it leaves of its body goes down the sink.
async fn answer(
    request: hyper::Request<Incoming>,
    peer: PeerAddress,
    presence: Arc<Presence>,
    router: Router,
    sink: Sink,
) -> Result<Response, Infallible> {
    let (parts, body) = request.into_parts();
    let (body, terms) = Lent::new(&parts.headers, body);
    let mut request = hyper::Request::from_parts(parts, Body::new(body));
    request.extensions_mut().insert(peer);
    request.extensions_mut().insert(presence);
    let mut response = router.oneshot(request).await?;
    if response.status() == StatusCode::REQUEST_TIMEOUT {
        // What is left of a body that came too slowly is not waited for.
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    } else {
        sink.take(terms, response.headers_mut());
    }
    Ok(response)
}
