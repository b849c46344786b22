//! The guarded client: one request, one answer, over a connection of its own.

use super::{BadUrl, Guard, Url};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::{
    body::{Bytes, Incoming},
    client::conn::http1,
    http::{self, HeaderValue, Method, header},
};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, pki_types::ServerName};
use std::{fmt, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, lookup_host},
};
use tokio_rustls::{TlsConnector, client::TlsStream};

/// Reaches other parties.
#[derive(Debug, Clone)]
pub struct Client {
    guard: Guard,
    /// Whom we believe over https; `None`: nobody.
    tls: Option<Arc<ClientConfig>>,
}

/// What is asked of another party.
#[derive(Debug, Clone)]
pub struct Request {
    /// Where.
    pub url: Url,
    /// What is sent; `None` asks with GET, anything else with POST.
    pub content: Option<Content>,
    /// The media type that the answer must have.
    pub accept: &'static str,
    /// The longest answer, in bytes.
    pub answer_max_bytes: usize,
    /// From now to the answer's last byte.
    pub deadline: Duration,
}

/// A body and what it is.
#[derive(Debug, Clone)]
pub struct Content {
    /// Its media type.
    pub media_type: &'static str,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// What another party answered, with status 200 and the media type that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The body.
    pub bytes: Bytes,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutsideError {
    /// The address is none for this client.
    Url(BadUrl),
    /// The name is not known.
    Unresolved,
    /// The name leads inside the house, where the client does not go unless the configuration says so.
    Closed,
    /// Nobody listens there.
    Unreachable,
    /// It is https, and the configuration names no authority to believe (`outside.ca_file`).
    NoAuthorities,
    /// Who answers can't prove to be who was asked: another authority, another name, out of time; or speaks no TLS of ours.
    Unproven,
    /// No whole answer in time.
    Deadline,
    /// The answer is longer than this many bytes.
    TooLong(usize),
    /// Another status than 200. Redirects are among them, and are not followed.
    Status(u16),
    /// The answer is of another type than was asked for.
    MediaType,
    /// What came back is not HTTP, or ends early.
    Broken,
}

/// Octets of an answer's head; hyper's least is 8 KiB.
const HEAD_MAX_BYTES: usize = 16 * 1024;
const HEADERS_MAX: usize = 64;
/// Addresses of a name that are looked at and tried.
const ADDRESSES_MAX: usize = 4;

impl Client {
    /// A client that goes where `guard` lets it.
    pub fn new(guard: Guard) -> Self {
        Self { guard, tls: None }
    }

    /// The same, and over https it believes whom `tls` says ([`crate::tls::client`]).
    pub fn believing(self, tls: Arc<ClientConfig>) -> Self {
        Self { tls: Some(tls), ..self }
    }

    /// Asks once. Nothing is retried, nothing followed, nothing kept.
    ///
    /// # Errors
    /// [`OutsideError`]; what the other party said in a failed answer is not passed on.
    pub async fn ask(&self, request: Request) -> Result<Answer, OutsideError> {
        let deadline = request.deadline;
        tokio::time::timeout(deadline, self.converse(request)).await.unwrap_or(Err(OutsideError::Deadline))
    }

    async fn converse(&self, request: Request) -> Result<Answer, OutsideError> {
        if !request.url.is_secure() {
            return exchange(self.connect(&request.url).await?, request).await;
        }
        // Before anybody is bothered.
        let tls = self.tls.clone().ok_or(OutsideError::NoAuthorities)?;
        let stream = secure(self.connect(&request.url).await?, tls, request.url.host()).await?;
        exchange(stream, request).await
    }

    /// Resolves, checks, and connects to exactly what was checked. Where one address of a name is closed, the name is: a
    /// mixture is a trick or a mistake.
    async fn connect(&self, url: &Url) -> Result<TcpStream, OutsideError> {
        let found = lookup_host((url.host(), url.port())).await.map_err(|_| OutsideError::Unresolved)?;
        let found: Vec<SocketAddr> = found.take(ADDRESSES_MAX).collect();
        if !found.iter().all(|address| self.guard.admits(address.ip())) {
            return Err(OutsideError::Closed);
        }
        let mut failed = OutsideError::Unresolved;
        for address in found {
            match TcpStream::connect(address).await {
                Ok(stream) => return Ok(stream),
                Err(_) => failed = OutsideError::Unreachable,
            }
        }
        Err(failed)
    }
}

async fn exchange<IO>(stream: IO, request: Request) -> Result<Answer, OutsideError>
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(HEAD_MAX_BYTES)
        .max_headers(HEADERS_MAX)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|_| OutsideError::Broken)?;
    let (max, accept) = (request.answer_max_bytes, request.accept);
    let exchange = async {
        let message = message(request)?;
        let answer = sender.send_request(message).await.map_err(|_| OutsideError::Broken)?;
        read(answer, accept, max).await
    };
    // The connection works as long as the exchange waits, and is dropped with it: no task is left behind.
    let mut exchange = std::pin::pin!(exchange);
    tokio::select! {
        answer = &mut exchange => answer,
        // The other side has ended; what it said until then may still be whole.
        _ = connection => exchange.await,
    }
}

/// The name is proven where it is a name, the address where it is one.
async fn secure(
    stream: TcpStream,
    tls: Arc<ClientConfig>,
    host: &str,
) -> Result<TlsStream<TcpStream>, OutsideError> {
    let name = ServerName::try_from(host.to_owned()).map_err(|_| OutsideError::Url(BadUrl::Host))?;
    TlsConnector::from(tls).connect(name, stream).await.map_err(|_| OutsideError::Unproven)
}

fn message(request: Request) -> Result<http::Request<Full<Bytes>>, OutsideError> {
    let method = if request.content.is_some() { Method::POST } else { Method::GET };
    let mut message = http::Request::builder()
        .method(method)
        .uri(request.url.target())
        .header(header::HOST, request.url.authority())
        .header(header::ACCEPT, request.accept)
        .header(header::CONNECTION, "close")
        .header(header::USER_AGENT, "yinxin");
    let body = match request.content {
        Some(content) => {
            message = message.header(header::CONTENT_TYPE, HeaderValue::from_static(content.media_type));
            content.bytes
        }
        None => Vec::new(),
    };
    message.body(Full::new(Bytes::from(body))).map_err(|_| OutsideError::Url(BadUrl::Text))
}

async fn read(
    answer: http::Response<Incoming>,
    accept: &str,
    max_bytes: usize,
) -> Result<Answer, OutsideError> {
    if answer.status() != http::StatusCode::OK {
        return Err(OutsideError::Status(answer.status().as_u16()));
    }
    let found = answer.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let found = found.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if !found.eq_ignore_ascii_case(accept) {
        return Err(OutsideError::MediaType);
    }
    match Limited::new(answer.into_body(), max_bytes).collect().await {
        Ok(body) => Ok(Answer { bytes: body.to_bytes() }),
        Err(error) if error.is::<LengthLimitError>() => Err(OutsideError::TooLong(max_bytes)),
        Err(_) => Err(OutsideError::Broken),
    }
}

impl OutsideError {
    /// The stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Url(_) | Self::NoAuthorities => "outside/bad-address",
            Self::Closed => "outside/closed-address",
            Self::Unresolved | Self::Unreachable | Self::Deadline => "outside/unreachable",
            Self::TooLong(_) | Self::Status(_) | Self::MediaType | Self::Broken | Self::Unproven => {
                "outside/bad-answer"
            }
        }
    }
}

impl From<BadUrl> for OutsideError {
    fn from(error: BadUrl) -> Self {
        Self::Url(error)
    }
}

impl fmt::Display for OutsideError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(error) => error.fmt(out),
            Self::Unresolved => out.write_str("the name of the other party is not known"),
            Self::Closed => out.write_str(
                "the address leads into a private network that the configuration does not allow (outside.allowed_networks)",
            ),
            Self::Unreachable => out.write_str("the other party does not listen"),
            Self::NoAuthorities => out.write_str(
                "the address is https, and the configuration names no authorities to believe (outside.ca_file)",
            ),
            Self::Unproven => out.write_str(
                "the other party could not prove to be who was asked: its certificate must come from an authority in \
                 outside.ca_file, for this name, and be in force",
            ),
            Self::Deadline => out.write_str("the other party did not answer in time"),
            Self::TooLong(max) => write!(out, "the other party's answer is longer than {max} bytes"),
            Self::Status(status) => write!(out, "the other party answered with status {status}"),
            Self::MediaType => out.write_str("the other party's answer is of another type than was asked for"),
            Self::Broken => out.write_str("the other party's answer is not whole HTTP"),
        }
    }
}

impl std::error::Error for OutsideError {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outside::Network;
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };

    const GOOD: &[u8] =
        b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 2\r\n\r\nok";

    fn client() -> Client {
        Client::new(Guard::allowing(vec![Network::parse("127.0.0.0/8").expect("CIDR")]))
    }

    fn request(url: &str) -> Request {
        Request {
            url: Url::parse(url).expect(url),
            content: None,
            accept: "text/plain",
            answer_max_bytes: 1000,
            deadline: Duration::from_secs(10),
        }
    }

    /// A server that takes one connection, reads what comes first, says `answer` and then hangs or hangs up.
    async fn server(answer: Vec<u8>, hangs: bool) -> (String, tokio::task::JoinHandle<Vec<u8>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/tsa", listener.local_addr().expect("an address"));
        let served = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            let mut heard = vec![0; 4096];
            let length = stream.read(&mut heard).await.expect("a request");
            heard.truncate(length);
            // The client may hang up before it has heard everything.
            let _ = stream.write_all(&answer).await;
            if hangs {
                std::future::pending::<()>().await;
            }
            heard
        });
        (url, served)
    }

    async fn ask(answer: &[u8]) -> Result<Bytes, OutsideError> {
        let (url, _served) = server(answer.to_vec(), false).await;
        client().ask(request(&url)).await.map(|answer| answer.bytes)
    }

    #[tokio::test]
    async fn a_good_answer_is_read_and_the_request_says_what_it_must() {
        let (url, served) = server(GOOD.to_vec(), false).await;
        let content = Some(Content { media_type: "application/timestamp-query", bytes: b"abc".to_vec() });
        let answer = client().ask(Request { content, ..request(&url) }).await.expect("an answer");
        assert_eq!(&answer.bytes[..], b"ok");
        let heard = String::from_utf8(served.await.expect("served")).expect("ASCII").to_ascii_lowercase();
        assert!(heard.starts_with("post /tsa http/1.1\r\n"), "{heard}");
        for line in ["content-type: application/timestamp-query", "connection: close", "content-length: 3"] {
            assert!(heard.contains(line), "{heard}");
        }
    }

    #[tokio::test]
    async fn redirects_errors_and_other_types_are_no_answers() {
        let redirect =
            b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n";
        assert_eq!(ask(redirect).await, Err(OutsideError::Status(302)));
        assert_eq!(
            ask(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n").await,
            Err(OutsideError::Status(500))
        );
        let html = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\nok";
        assert_eq!(ask(html).await, Err(OutsideError::MediaType));
        assert_eq!(
            ask(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await,
            Err(OutsideError::MediaType)
        );
    }

    #[tokio::test]
    async fn garbage_and_halves_are_broken() {
        assert_eq!(ask(b"").await, Err(OutsideError::Broken));
        assert_eq!(ask(&[0xff; 64]).await, Err(OutsideError::Broken));
        assert_eq!(ask(b"HTTP/1.1 200 OK\r\n").await, Err(OutsideError::Broken));
        assert_eq!(ask(&GOOD[..GOOD.len() - 1]).await, Err(OutsideError::Broken));
        let mut endless_head = b"HTTP/1.1 200 OK\r\n".to_vec();
        for number in 0..100_000 {
            endless_head.extend(format!("X-{number}: y\r\n").into_bytes());
        }
        assert_eq!(ask(&endless_head).await, Err(OutsideError::Broken));
    }

    #[tokio::test]
    async fn a_huge_answer_is_cut_off_declared_or_not() {
        let mut declared =
            b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 100000000\r\n\r\n".to_vec();
        declared.extend(vec![b'x'; 100_000]);
        assert_eq!(ask(&declared).await, Err(OutsideError::TooLong(1000)));
        let mut until_close = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n".to_vec();
        until_close.extend(vec![b'x'; 100_000]);
        assert_eq!(ask(&until_close).await, Err(OutsideError::TooLong(1000)));
    }

    #[tokio::test]
    async fn a_silent_or_slow_party_is_left_when_the_time_is_over() {
        for answer in [&b""[..], b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\no"]
        {
            let (url, served) = server(answer.to_vec(), true).await;
            let hasty = Request { deadline: Duration::from_millis(50), ..request(&url) };
            assert_eq!(client().ask(hasty).await, Err(OutsideError::Deadline));
            served.abort();
        }
    }

    #[tokio::test]
    async fn by_default_nothing_inside_is_reached_by_address_or_by_name() {
        let (url, served) = server(GOOD.to_vec(), false).await;
        let strict = Client::new(Guard::default());
        for inside in
            [url.as_str(), "http://localhost:1/", "http://[::1]:1/", "http://169.254.169.254/latest"]
        {
            assert_eq!(strict.ask(request(inside)).await, Err(OutsideError::Closed), "{inside}");
        }
        assert!(!served.is_finished(), "somebody connected");
        served.abort();
    }

    #[tokio::test]
    async fn where_nobody_listens_is_said() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/", listener.local_addr().expect("an address"));
        drop(listener);
        assert_eq!(client().ask(request(&url)).await, Err(OutsideError::Unreachable));
    }
}
