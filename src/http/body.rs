//! Bodies: received whole before anybody works on them, at a least pace, within the memory that all of them share.

use super::{
    Problem,
    admission::{Admission, Room, Sender},
    extract::is_too_long,
    gate::too_large,
};
use axum::body::{Body, Bytes};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::{Frame, SizeHint};
use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};
use tokio::time::{Instant, timeout_at};

/// At which pace a body has to come.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// Octets a second.
    pub bytes_a_second: u32,
    /// Over which span that is measured: whoever sent much in one is asked for as much in the next.
    pub span: Duration,
}

/// A span under way.
struct Span {
    until: Instant,
    octets: u64,
}

impl Pace {
    fn span(self) -> Span {
        Span { until: Instant::now() + self.span, octets: 0 }
    }

    fn is_kept(self, span: &Span) -> bool {
        let wanted = u128::from(self.bytes_a_second) * self.span.as_millis() / 1000;
        u128::from(span.octets) >= wanted
    }
}

/// Receives a body of at most `limit` octets.
///
/// # Errors
/// `request/too-large`; `request/too-slow`; `service/busy` where there is no memory for it; `request/malformed` where it
/// ends early.
pub(super) async fn receive(
    body: Body,
    limit: usize,
    pace: Pace,
    sender: Sender,
    admission: &Admission,
) -> Result<(Bytes, Room), Problem> {
    let mut room = admission.room(sender);
    let mut body = Limited::new(body, limit);
    let mut parts: Vec<Bytes> = Vec::new();
    let (mut span, mut octets) = (pace.span(), 0);
    loop {
        let frame = timeout_at(span.until, body.frame()).await.map_err(|_| too_slow(pace))?;
        let Some(frame) = frame else { break };
        let frame = frame.map_err(|error| match is_too_long(&*error) {
            true => too_large(limit),
            false => Problem::new("request/malformed", "the body ended before its announced length"),
        })?;
        let Ok(part) = frame.into_data() else { continue };
        octets += part.len();
        span.octets += part.len() as u64;
        if pace.is_kept(&span) {
            span = pace.span();
        }
        if !room.grow(part.len()) {
            return Err(admission.refuse());
        }
        parts.push(part);
    }
    Ok((joined(parts, octets), room))
}

fn joined(mut parts: Vec<Bytes>, octets: usize) -> Bytes {
    if parts.len() == 1 {
        return parts.pop().unwrap_or_default();
    }
    let mut whole = Vec::with_capacity(octets);
    parts.iter().for_each(|part| whole.extend_from_slice(part));
    whole.into()
}

fn too_slow(pace: Pace) -> Problem {
    let says = format!("the body has to come at {} bytes a second at least", pace.bytes_a_second);
    Problem::new("request/too-slow", says)
}

/// An answer that holds the memory of what it was made of until it is sent.
pub(super) struct Holding {
    body: Body,
    _room: Room,
}

impl Holding {
    pub(super) fn until_sent(body: Body, room: Room) -> Body {
        if room.is_empty() { body } else { Body::new(Self { body, _room: room }) }
    }
}

impl hyper::body::Body for Holding {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Limits;
    use std::convert::Infallible;
    use tokio::sync::mpsc;

    /// A body that gives so many octets every so often, without an end.
    struct Drip(mpsc::Receiver<Bytes>);

    fn drip(octets: usize, every: Duration) -> Body {
        let (sender, receiver) = mpsc::channel(1);
        tokio::spawn(async move {
            while sender.send(vec![7; octets].into()).await.is_ok() {
                tokio::time::sleep(every).await;
            }
        });
        Body::new(Drip(receiver))
    }

    impl hyper::body::Body for Drip {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            self.0.poll_recv(context).map(|part| part.map(|part| Ok(Frame::data(part))))
        }
    }

    #[tokio::test]
    async fn a_body_that_drips_is_given_up_and_one_that_keeps_pace_is_not() {
        let admission = Admission::new(&Limits::default());
        let pace = Pace { bytes_a_second: 10_000, span: Duration::from_millis(100) };
        let receive = async |body| {
            receive(body, 20_000, pace, Sender::Known, &admission).await.expect_err("endless").code()
        };
        let began = Instant::now();
        assert_eq!(receive(drip(1, Duration::from_millis(20))).await, "request/too-slow");
        assert_eq!(receive(drip(1, Duration::from_secs(3600))).await, "request/too-slow");
        assert!(began.elapsed() < Duration::from_secs(30));
        // Much at first buys no time later.
        assert_eq!(receive(drip(15_000, Duration::from_secs(3600))).await, "request/too-slow");
        // Far above the pace: its length is what ends it.

        assert_eq!(receive(drip(1000, Duration::from_millis(1))).await, "request/too-large");
    }

    #[tokio::test]
    async fn bodies_beyond_the_memory_of_all_are_refused_and_memory_comes_back_with_the_answer() {
        let admission = Admission::new(&Limits { bodies_bytes: 8192, ..Limits::default() });
        let pace = Pace { bytes_a_second: 1, span: Duration::from_secs(60) };
        let send = async |octets: usize| {
            receive(Body::from(vec![7; octets]), 100_000, pace, Sender::Known, &admission).await
        };
        let (whole, room) = send(8000).await.expect("it fits");
        assert_eq!(whole.len(), 8000);
        assert_eq!(send(2000).await.expect_err("no memory").code(), "service/busy");
        let answer = Holding::until_sent(Body::from(whole), room);
        assert_eq!(send(2000).await.expect_err("the answer holds it").code(), "service/busy");
        assert_eq!(answer.collect().await.expect("whole").to_bytes().len(), 8000);
        assert!(send(2000).await.is_ok());
    }
}
