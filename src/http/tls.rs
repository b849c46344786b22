//! Listening with TLS. The handshake stands between a connection and its first request: in the connection's own task, within a
//! deadline, and only so many at a time. Who is silent from the start takes no place among them.

use super::{
    Limits,
    serve::{Listener, PeerAddress},
};
use crate::tls::ServerTls;
use rustls::server::Acceptor;
use std::{io, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::timeout,
};
use tokio_rustls::{LazyConfigAcceptor, server::TlsStream};

/// A TCP listener whose connections speak TLS.
pub(super) struct TlsListener {
    tcp: TcpListener,
    tls: Arc<ServerTls>,
    deadline: Duration,
    /// Places among the handshakes under way.
    places: Semaphore,
}

/// The first octet of a TLS handshake (RFC 8446 5.1).
const HANDSHAKE: u8 = 0x16;
/// What is said to a client that speaks plain HTTP: in its own language, or it would never know.
const PLAIN_HTTP: &[u8] = b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 37\r\n\
Connection: close\r\n\r\nThis port speaks TLS: use https://.\r\n";
/// What such a client may still send before it reads that.
const PLAIN_REST_BYTES: u64 = 64 * 1024;

impl TlsListener {
    pub(super) fn new(tcp: TcpListener, tls: Arc<ServerTls>, limits: &Limits) -> Self {
        Self { tcp, tls, deadline: limits.handshake, places: Semaphore::new(limits.handshakes) }
    }

    async fn shake(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        if !speaks_tls(&stream).await? {
            return Err(tell_plain(stream).await);
        }
        // The hello is read before a place is taken, and before it is known which certificate is served.
        let hello = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
        let _place = self.places.acquire().await.map_err(io::Error::other)?;
        hello.into_stream(self.tls.config()).await
    }
}

impl Listener for TlsListener {
    type Raw = TcpStream;
    type Stream = TlsStream<TcpStream>;

    async fn next(&self) -> io::Result<(TcpStream, PeerAddress)> {
        self.tcp.next().await
    }

    /// Without a handshake there is nothing that the other end would understand.
    fn unwelcome(_: TcpStream) -> Option<impl AsyncRead + AsyncWrite + Unpin + Send + 'static> {
        None::<TcpStream>
    }

    async fn welcome(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        timeout(self.deadline, self.shake(stream)).await.unwrap_or(Err(io::ErrorKind::TimedOut.into()))
    }
}

/// Looks at the first octet without taking it.
async fn speaks_tls(stream: &TcpStream) -> io::Result<bool> {
    let mut first = [0];
    match stream.peek(&mut first).await? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(first[0] == HANDSHAKE || !first[0].is_ascii_uppercase()),
    }
}

/// Answers a client that speaks plain HTTP, and lets it come to read the answer.
async fn tell_plain(mut stream: TcpStream) -> io::Error {
    let told = async {
        stream.write_all(PLAIN_HTTP).await?;
        stream.shutdown().await?;
        tokio::io::copy(&mut stream.take(PLAIN_REST_BYTES), &mut tokio::io::sink()).await
    };
    match told.await {
        Ok(_) => io::Error::new(io::ErrorKind::InvalidData, "plain HTTP came instead of TLS"),
        Err(error) => error,
    }
}
