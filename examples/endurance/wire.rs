//! A lean client for measuring, since it runs on the machine that it measures: requests are octets made beforehand, and of an
//! answer only what counts is looked at.

use std::{io, net::SocketAddr, ops::Range};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// One connection.
pub struct Wire {
    stream: TcpStream,
    buffer: Vec<u8>,
    filled: usize,
}

/// What was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heard {
    pub status: u16,
    /// Whether it says after how many seconds to come again.
    pub says_when: bool,
    /// Whether the connection is at its end.
    pub closes: bool,
}

impl Heard {
    pub fn is_good(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// The longest head of an answer.
const HEAD_MAX_BYTES: usize = 16 * 1024;

impl Wire {
    pub async fn open(to: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(to).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: vec![0; HEAD_MAX_BYTES], filled: 0 })
    }

    /// Sends a request and hears its answer to the end.
    pub async fn ask(&mut self, request: &[u8]) -> io::Result<Heard> {
        self.filled = 0;
        // Whoever is refused may be told so before all of it is sent.
        let sent = self.stream.write_all(request).await;
        let head = match self.head().await {
            Ok(head) => head,
            Err(error) => return Err(sent.err().unwrap_or(error)),
        };
        let (heard, length) = read_head(&self.buffer[..head.end])?;
        self.pass_over(head.end, length).await?;
        Ok(heard)
    }

    /// The head of the answer, within the buffer.
    async fn head(&mut self) -> io::Result<Range<usize>> {
        loop {
            if let Some(end) = find(&self.buffer[..self.filled], b"\r\n\r\n") {
                return Ok(0..end + 4);
            }
            let read = match self.buffer.get_mut(self.filled..) {
                Some(room) if !room.is_empty() => self.stream.read(room).await?,
                _ => return Err(io::ErrorKind::InvalidData.into()),
            };
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.filled += read;
        }
    }

    async fn pass_over(&mut self, head: usize, length: usize) -> io::Result<()> {
        let mut left = length.saturating_sub(self.filled - head);
        while left > 0 {
            let most = left.min(self.buffer.len());
            let read = self.stream.read(&mut self.buffer[..most]).await?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            left -= read;
        }
        Ok(())
    }
}

/// The daemon writes names of headers in lower case.
fn read_head(head: &[u8]) -> io::Result<(Heard, usize)> {
    let text = std::str::from_utf8(head).map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
    let mut lines = text.split("\r\n");
    let status = lines.next().and_then(|line| line.get(9..12)?.parse().ok());
    let status = status.ok_or(io::Error::from(io::ErrorKind::InvalidData))?;
    let mut heard = Heard { status, says_when: false, closes: false };
    let mut length = 0;
    for line in lines {
        match line.split_once(": ") {
            Some(("content-length", value)) => length = value.parse().unwrap_or(0),
            Some(("connection", value)) => heard.closes = value == "close",
            Some(("retry-after", _)) => heard.says_when = true,
            _ => {}
        }
    }
    Ok((heard, length))
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

/// A `POST` by the officer of this key, with an idempotency key.
pub fn post(path: &str, key: &str, once: &str, content: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\nIdempotency-Key: {once}\r\n\
         Content-Type: {content}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// A `GET`, by the officer of this key where there is one.
pub fn get(path: &str, key: Option<&str>) -> Vec<u8> {
    let by = key.map(|key| format!("Authorization: Bearer {key}\r\n")).unwrap_or_default();
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{by}\r\n").into_bytes()
}
