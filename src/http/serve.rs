//! Listening: TCP and UNIX sockets, a bounded number of connections, a deadline for every request's head, an orderly stop.

use super::{
    Limits, Meters, Proxies, admission,
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

/// Tells listeners to stop: give each a clone of what [`Stop::switch`] answers.
#[derive(Debug, Clone)]
pub struct Stop(watch::Receiver<Phase>);

/// What stops listeners.
#[derive(Debug)]
pub struct Switch(watch::Sender<Phase>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Serving,
    Leaving,
    Stopped,
}

/// In the extensions of every request that comes while the service is about to stop.
#[derive(Debug, Clone, Copy)]
pub struct Leaving;

/// Octets of a request's head.
const HEAD_MAX_BYTES: usize = 32 * 1024;
const HEADERS_MAX: usize = 64;
/// Connections that are told at a time that there is no place; more are closed without a word.
const DOORSTEP: usize = 256;
const DOORSTEP_WAIT: Duration = Duration::from_millis(250);
/// After a failed `accept` (no descriptors left), wait rather than spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long after the stop what is on its way is still taken: connections that the kernel accepted for us, requests on
/// connections that were idle.
const LAST_CALL: Duration = Duration::from_millis(100);

impl Switch {
    /// Says that the service is about to stop: `/readyz` answers so, and connections end with their next answer. Everything
    /// is still taken.
    pub fn leave(&self) {
        self.0.send_if_modified(|phase| {
            let first = *phase < Phase::Leaving;
            *phase = (*phase).max(Phase::Leaving);
            first
        });
    }

    /// Stops: nothing new is taken, what was begun is answered.
    pub fn stop(&self) {
        self.0.send_replace(Phase::Stopped);
    }
}

impl Stop {
    /// A switch and what listens to it.
    pub fn switch() -> (Switch, Stop) {
        let (sender, receiver) = watch::channel(Phase::Serving);
        (Switch(sender), Stop(receiver))
    }

    /// Waits until the switch is thrown, or dropped.
    pub async fn thrown(&mut self) {
        // An error means that the switch is gone: nobody can throw it any more, so this counts as thrown.
        let _ = self.0.wait_for(|phase| *phase == Phase::Stopped).await;
    }

    /// The stop, and a moment more.
    async fn last_called(&mut self) {
        self.thrown().await;
        tokio::time::sleep(LAST_CALL).await;
    }

    /// Whether the service is about to stop, or stops.
    pub fn is_leaving(&self) -> bool {
        *self.0.borrow() >= Phase::Leaving
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
    serve(listener, router, limits, (Proxies::default(), Arc::default()), stop).await;
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

    /// Serves as [`serve_tcp`] does, and counts connections where `meters` is read.
    pub async fn serve(self, router: Router, limits: Limits, stop: Stop, meters: Arc<Meters>) {
        match self.tls {
            None => serve(self.tcp, router, limits, (self.proxies, meters), stop).await,
            Some(tls) => {
                let listener = TlsListener::new(self.tcp, tls, &limits);
                serve(listener, router, limits, (self.proxies, meters), stop).await;
            }
        }
    }
}

/// Serves connections of a UNIX socket until `stop`. Who may connect is the socket file's permissions.
pub async fn serve_unix(listener: UnixListener, router: Router, limits: Limits, stop: Stop) {
    serve(listener, router, limits, (Proxies::default(), Arc::default()), stop).await;
}

async fn serve<L: Listener>(
    listener: L,
    router: Router,
    limits: Limits,
    (proxies, meters): (Proxies, Arc<Meters>),
    stop: Stop,
) {
    let house = House {
        crowd: Crowd::new(&limits),
        full: full_house(),
        doorstep: Arc::new(Semaphore::new(DOORSTEP)),
        drains: Arc::new(Semaphore::new(limits.drains)),
        listener: Arc::new(listener),
        router,
        limits,
        proxies,
        meters,
        stop: stop.clone(),
    };
    let mut connections = JoinSet::new();
    let mut thrown = stop;
    loop {
        tokio::select! {
            accepted = house.listener.next() => match accepted {
                Ok((raw, peer)) => house.take(raw, peer, &mut connections),
                Err(error) => {
                    tracing::warn!(name: "http.connection_not_taken", %error, "a connection could not be taken");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
            () = thrown.thrown() => break,
            // Ended conversations are let go as they end, so that the set holds only living ones.
            Some(_) = connections.join_next() => {}
        }
    }
    // Who connected before this instant was accepted by the kernel in our name; a closed listener would reset them.
    let last_call = async {
        while let Ok(Ok((raw, peer))) = tokio::time::timeout(LAST_CALL, house.listener.next()).await {
            house.take(raw, peer, &mut connections);
        }
    };
    let _ = tokio::time::timeout(LAST_CALL * 10, last_call).await;
    // Nobody new is let in, not even into the kernel's queue: nobody else holds the listener in a moment.
    drop(house);
    let all_ended = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(limits.stop, all_ended).await.is_err() {
        tracing::warn!(name: "http.stop_cut_short", "requests were still in progress at the end of the time for an orderly stop");
    }
}

/// What all connections of a listener share.
struct House<L> {
    listener: Arc<L>,
    crowd: Arc<Crowd>,
    /// What those hear for whom there is no place, and how many at a time.
    full: Bytes,
    doorstep: Arc<Semaphore>,
    drains: Arc<Semaphore>,
    router: Router,
    limits: Limits,
    proxies: Proxies,
    meters: Arc<Meters>,
    stop: Stop,
}

impl<L: Listener> House<L> {
    /// Taken from the kernel in any case: whoever finds no place hears so at once, and waits for nothing.
    fn take(&self, raw: L::Raw, peer: PeerAddress, connections: &mut JoinSet<()>) {
        match self.crowd.enter(peer.0.filter(|address| !self.proxies.trusts(*address))) {
            Ok(place) => {
                let (router, drains, stop) = (self.router.clone(), self.drains.clone(), self.stop.clone());
                let desk = Desk { router, peer, drains, place, meters: self.meters.clone(), stop };
                connections.spawn(receive(self.listener.clone(), raw, desk, self.limits));
            }
            Err(reason) => {
                self.meters.turned_away.one();
                tracing::debug!(name: "http.connection_turned_away", ?reason, "a connection was turned away");
                let place = self.doorstep.clone().try_acquire_owned();
                if let (Some(stream), Ok(place)) = (L::unwelcome(raw), place) {
                    connections.spawn(turn_away(stream, self.full.clone(), place));
                }
            }
        }
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
    meters: Arc<Meters>,
    stop: Stop,
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
async fn receive<L: Listener>(listener: Arc<L>, raw: L::Raw, desk: Desk, limits: Limits) {
    let meters = Arc::clone(&desk.meters);
    meters.connected.one();
    let _open = meters.connections.hold();
    let mut stop = desk.stop.clone();
    let welcomed = tokio::select! {
        welcomed = listener.welcome(raw) => welcomed,
        () = stop.last_called() => return,
        () = desk.place.presence().is_sent_off() => return,
    };
    // A conversation must not hold the listener: its port shall be free as soon as nobody new is let in.
    drop(listener);
    match welcomed {
        Ok(stream) => converse(stream, desk, limits).await,
        Err(error) => {
            meters.unmade.one();
            tracing::debug!(name: "http.connection_unmade", %error, "a connection came to nothing");
        }
    }
}

/// One connection, to its end.
async fn converse<IO>(stream: IO, desk: Desk, limits: Limits)
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let Desk { router, peer, drains, place, mut stop, .. } = desk;
    let presence = place.presence();
    let (sink, leftovers) = Sink::new(drains);
    // The original sink stays here to the end: as long as the connection stands, the drain waits for more.
    let leaving = stop.clone();
    let service = service_fn(|request| {
        let at = At { peer, presence: presence.clone(), is_leaving: leaving.is_leaving() };
        answer(request, at, router.clone(), sink.clone())
    });
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
            // A request may be on its way on a connection that is idle as far as we know.
            () = stop.last_called() => {
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
        tracing::debug!(name: "http.connection_broken", %error, "a connection ended badly");
    }
}

/// The connection on which a request comes.
struct At {
    peer: PeerAddress,
    presence: Arc<Presence>,
    is_leaving: bool,
}

/// One request. What it leaves of its body goes down the sink.
async fn answer(
    request: hyper::Request<Incoming>,
    at: At,
    router: Router,
    sink: Sink,
) -> Result<Response, Infallible> {
    let At { peer, presence, is_leaving } = at;
    let (parts, body) = request.into_parts();
    let (body, terms) = Lent::new(&parts.headers, body);
    let mut request = hyper::Request::from_parts(parts, Body::new(body));
    request.extensions_mut().insert(peer);
    request.extensions_mut().insert(presence);
    if is_leaving {
        request.extensions_mut().insert(Leaving);
    }
    let mut response = router.oneshot(request).await?;
    // What is left of a body that came too slowly is not waited for.
    let is_given_up = response.status() == StatusCode::REQUEST_TIMEOUT;
    if !is_given_up {
        sink.take(terms, response.headers_mut());
    }
    if is_given_up || is_leaving {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response)
}
