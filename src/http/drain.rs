//! What a client still sends when its answer stands: read and thrown away within bounds. A connection that is closed with
//! octets unread is reset, and a client that sends all it has before it reads would never hear why it was refused
//! (RFC 9112 9.6).

use axum::{
    body::Bytes,
    http::{HeaderMap, HeaderValue, header},
};
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot},
    time::timeout,
};

/// Octets thrown away of one body: four times the longest document by default, and enough for a document that is much too
/// long. Nothing of it is held, so the time is the narrower bound on most networks.
const DRAIN_MAX_BYTES: u64 = 256 << 20;

/// The body of a request, which comes back to the connection where it is dropped before its end.
pub(super) struct Lent {
    body: Option<Incoming>,
    back: Option<oneshot::Sender<Incoming>>,
}

/// What remains of a body after its answer, with its place among all that are drained.
pub(super) struct Leftover {
    body: Incoming,
    _place: OwnedSemaphorePermit,
}

/// Where a connection hands over what remains of its bodies.
#[derive(Clone)]
pub(super) struct Sink {
    places: Arc<Semaphore>,
    leftovers: mpsc::Sender<Leftover>,
}

/// What has to be known of a request once it has been answered.
pub(super) struct Terms {
    back: oneshot::Receiver<Incoming>,
    /// The client waits for a word before it sends (RFC 9110 10.1.1).
    asks_first: bool,
}

impl Lent {
    /// Lends a body out.
    pub(super) fn new(headers: &HeaderMap, body: Incoming) -> (Self, Terms) {
        let (sender, back) = oneshot::channel();
        (
            Self { body: Some(body), back: Some(sender) },
            Terms { back, asks_first: headers.contains_key(header::EXPECT) },
        )
    }
}

impl Sink {
    /// A sink with `places` shared by all connections, and what comes out of it. One connection answers one request after
    /// the other, so hardly more than one body ever waits.
    pub(super) fn new(places: Arc<Semaphore>) -> (Self, mpsc::Receiver<Leftover>) {
        let (leftovers, receiver) = mpsc::channel(1);
        (Self { places, leftovers }, receiver)
    }

    /// Hands over what remains of a request that has been answered. Says in the answer's head where the connection is not
    /// going to be kept.
    pub(super) fn take(&self, mut terms: Terms, answer: &mut HeaderMap) {
        let Ok(body) = terms.back.try_recv() else { return };
        let endless = body.size_hint().lower() > DRAIN_MAX_BYTES;
        // Whoever asked first may send the body or leave it out: what follows could be either, a body or a request.
        let mut kept = !endless && !terms.asks_first;
        match Arc::clone(&self.places).try_acquire_owned() {
            Ok(place) => kept &= self.leftovers.try_send(Leftover { body, _place: place }).is_ok(),
            Err(_) => kept = false,
        }
        if !kept {
            answer.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
    }
}

impl Leftover {
    /// Reads to the end of the body, or of `within`, or of what is thrown away at most.
    async fn drain(mut self, within: Duration) {
        let to_the_end = async {
            let mut room = DRAIN_MAX_BYTES;
            while let Some(Ok(frame)) = self.body.frame().await {
                let octets = frame.data_ref().map_or(0, Bytes::len) as u64;
                let Some(rest) = room.checked_sub(octets) else { return };
                room = rest;
            }
        };
        // Out of time or out of patience, the body is dropped unread, and the connection closes.
        let _ = timeout(within, to_the_end).await;
    }
}

/// Drains what one connection leaves, one after the other, for as long as the connection stands.
pub(super) async fn all(mut leftovers: mpsc::Receiver<Leftover>, within: Duration) {
    while let Some(leftover) = leftovers.recv().await {
        leftover.drain(within).await;
    }
}

impl Body for Lent {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Some(body) = self.body.as_mut() else { return Poll::Ready(None) };
        let outcome = Pin::new(body).poll_frame(context);
        if matches!(outcome, Poll::Ready(None | Some(Err(_)))) {
            // Ended, or broken: nothing to come back.
            self.body = None;
        }
        outcome
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Incoming::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), Incoming::size_hint)
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let unread = self.body.take().filter(|body| !body.is_end_stream());
        if let (Some(body), Some(back)) = (unread, self.back.take()) {
            // Nobody waits for it where the answer is out already: then it ends here.
            let _ = back.send(body);
        }
    }
}
