//! Bodies that are written while they are read: long answers take no more memory than a pipe has. Where the writing fails,
//! the answer breaks off, so that nobody takes a part for the whole.

use axum::body::{Body, Bytes};
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use std::{
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    io::{AsyncRead as _, DuplexStream, ReadBuf, duplex},
    runtime::Handle,
    task::JoinHandle,
    time::timeout,
};

/// Octets between writer and reader.
const PIPE_BYTES: usize = 256 * 1024;
/// Octets of one frame.
const FRAME_BYTES: usize = 64 * 1024;

/// A body that `write` fills, on a thread of its own that may block, within `deadline`. An error breaks the answer off; where
/// the reader goes away, writing into the pipe fails.
pub(super) fn body<W>(deadline: Duration, write: impl FnOnce(DuplexStream) -> W + Send + 'static) -> Body
where
    W: Future<Output = Result<(), String>>,
{
    let (writer, reader) = duplex(PIPE_BYTES);
    let runtime = Handle::current();
    let outcome = tokio::task::spawn_blocking(move || {
        let outcome = runtime.block_on(async { timeout(deadline, write(writer)).await });
        let outcome = outcome.unwrap_or_else(|_| Err("it took longer than it may".to_owned()));
        if let Err(says) = &outcome {
            tracing::warn!(name: "http.answer_broken_off", found = says, "an answer was broken off");
        }
        outcome
    });
    Body::new(Piped { reader, outcome: Some(outcome) })
}

struct Piped {
    reader: DuplexStream,
    /// `None` once it was told.
    outcome: Option<JoinHandle<Result<(), String>>>,
}

impl HttpBody for Piped {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let mut room = vec![0; FRAME_BYTES];
        let mut buffer = ReadBuf::new(&mut room);
        ready!(Pin::new(&mut self.reader).poll_read(context, &mut buffer))?;
        let read = buffer.filled().len();
        if read > 0 {
            room.truncate(read);
            return Poll::Ready(Some(Ok(Frame::data(room.into()))));
        }
        // The end of the pipe is the end of the answer only where the writer says so.
        let Some(outcome) = &mut self.outcome else { return Poll::Ready(None) };
        let outcome = ready!(Pin::new(outcome).poll(context));
        self.outcome = None;
        match outcome {
            Ok(Ok(())) => Poll::Ready(None),
            Ok(Err(says)) => Poll::Ready(Some(Err(io::Error::other(says)))),
            Err(_) => Poll::Ready(Some(Err(io::Error::other("the writer broke down")))),
        }
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}
