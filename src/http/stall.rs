//! A connection whose reader takes nothing for too long, or too little, is given up: it would hold an answer in memory for
//! good.

use super::crowd::Presence;
use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep_until},
};

/// A stream that fails where, in any span of `patience` while an answer waits, less than a least number of octets is taken.
pub(super) struct Impatient<T> {
    inner: T,
    patience: Duration,
    /// Octets that have to go out in that time.
    least: usize,
    /// Runs from the first write that had to wait until everything is out.
    waiting: Option<Pin<Box<Sleep>>>,
    /// Octets that went out since it began.
    taken: usize,
    presence: Arc<Presence>,
}

impl<T> Impatient<T> {
    /// `least`: octets that a reader has to take in any span of `patience`.
    pub(super) fn new(inner: T, patience: Duration, least: usize, presence: Arc<Presence>) -> Self {
        Self { inner, patience, least, waiting: None, taken: 0, presence }
    }

    /// After a write: how much went out, or that it has to wait.
    fn wrote(
        &mut self,
        outcome: Poll<io::Result<usize>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        match outcome {
            Poll::Ready(Ok(octets)) => {
                self.taken = self.taken.saturating_add(octets);
                Poll::Ready(Ok(octets))
            }
            Poll::Ready(error) => Poll::Ready(error),
            Poll::Pending => self.wait(context),
        }
    }

    /// After a flush: everything is out, or has to wait.
    fn flushed(&mut self, outcome: Poll<io::Result<()>>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if outcome.is_pending() {
            return self.wait(context);
        }
        self.waiting = None;
        self.presence.set_writing(false);
        outcome
    }

    fn wait<R>(&mut self, context: &mut Context<'_>) -> Poll<io::Result<R>> {
        loop {
            if self.waiting.is_none() {
                self.presence.set_writing(true);
                self.taken = 0;
            }
            let due = || Box::pin(sleep_until(Instant::now() + self.patience));
            let waiting = self.waiting.get_or_insert_with(due);
            if waiting.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
            if self.taken < self.least {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            self.waiting = None;
        }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Impatient<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(context, into)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Impatient<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.inner).poll_write(context, octets);
        self.wrote(outcome, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.inner).poll_write_vectored(context, slices);
        self.wrote(outcome, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.inner).poll_flush(context);
        self.flushed(outcome, context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.inner).poll_shutdown(context);
        self.flushed(outcome, context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    #[tokio::test]
    async fn a_reader_who_takes_nothing_is_given_up() {
        let (ours, mut theirs) = duplex(8);
        let mut ours = Impatient::new(ours, Duration::from_millis(20), 1, Presence::alone());
        ours.write_all(b"12345678").await.expect("fits");
        let given_up = ours.write_all(b"9").await.expect_err("nobody reads");
        assert_eq!(given_up.kind(), io::ErrorKind::TimedOut);
        let mut read = [0; 8];
        theirs.read_exact(&mut read).await.expect("what was written");
        assert_eq!(&read, b"12345678");
    }

    #[tokio::test]
    async fn a_reader_who_sips_is_given_up_and_one_who_drinks_is_not() {
        let transfer = async |sip: usize| {
            let (ours, mut theirs) = duplex(8);
            let mut ours = Impatient::new(ours, Duration::from_millis(100), 20, Presence::alone());
            let reader = tokio::spawn(async move {
                let mut some = vec![0; sip];
                while theirs.read_exact(&mut some).await.is_ok() {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            });
            let sent = async {
                ours.write_all(&[7; 160]).await?;
                ours.flush().await
            };
            let sent = sent.await;
            drop(ours);
            reader.await.expect("a reader");
            sent
        };
        assert_eq!(transfer(1).await.expect_err("a sip each time").kind(), io::ErrorKind::TimedOut);
        assert!(transfer(8).await.is_ok());
    }
}
