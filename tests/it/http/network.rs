//! A real listening server, and clients that misbehave on the wire.

use crate::support::front::Front;
use std::time::Duration;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream, UnixListener, UnixStream},
    task::JoinHandle,
};
use yinxin::http::{Limits, Stop, Switch, serve_tcp, serve_unix};

pub(super) struct Server {
    pub(super) front: Front,
    pub(super) address: std::net::SocketAddr,
    switch: Switch,
    served: JoinHandle<()>,
}

pub(super) async fn server(limits: Limits) -> Server {
    let front = Front::scratch(limits).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (switch, stop) = Stop::switch();
    let served = tokio::spawn(serve_tcp(listener, front.router.clone(), limits, stop));
    Server { front, address, switch, served }
}

impl Server {
    pub(super) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends these octets and reads until the server hangs up.
    pub(super) async fn say(&self, octets: &[u8]) -> String {
        let mut stream = self.connect().await;
        // The server may refuse, and hang up, before it has heard everything.
        let _ = stream.write_all(octets).await;
        heard(&mut stream).await
    }
}

pub(super) async fn heard(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut all = Vec::new();
    let _ = stream.read_to_end(&mut all).await;
    String::from_utf8_lossy(&all).into_owned()
}

#[tokio::test]
async fn a_plain_request_is_answered_over_tcp_with_protecting_headers() {
    let server = server(Limits::default()).await;
    let answer = server.say(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    for header in [
        "x-content-type-options: nosniff",
        "frame-ancestors 'none'",
        "cache-control: no-store",
        "x-request-id: req_",
    ] {
        assert!(answer.contains(header), "{header} in {answer}");
    }
}

#[tokio::test]
async fn a_head_that_never_ends_is_hung_up_on() {
    let limits = Limits { head: Duration::from_millis(50), ..Limits::default() };
    let server = server(limits).await;
    let answer = server.say(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: ").await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{answer}");
    let silent = server.say(b"").await;
    assert!(!silent.contains("200"), "{silent}");
    assert!(
        server.say(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.contains("200 OK")
    );
}

#[tokio::test]
async fn a_body_that_never_comes_ends_with_the_request_s_time() {
    let brief = Duration::from_millis(50);
    let server = server(Limits { request: brief, drain: brief, ..Limits::default() }).await;
    let slow =
        b"POST /api/v1/test/echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 100\r\n\r\nabc";
    let answer = server.say(slow).await;
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("service/deadline"), "{answer}");
}

#[tokio::test]
async fn a_huge_body_is_refused_unread_when_it_says_so_and_cut_off_when_it_does_not() {
    let server = server(Limits { drain: Duration::from_millis(50), ..Limits::default() }).await;
    let declared = b"POST /api/v1/test/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000000\r\n\r\n";
    let answer = server.say(declared).await;
    assert!(answer.starts_with("HTTP/1.1 413") && answer.contains("request/too-large"), "{answer}");
    let mut chunked =
        b"POST /api/v1/test/echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    chunked.extend(format!("{:x}\r\n{}\r\n", 100_001, "x".repeat(100_001)).into_bytes());
    let mut stream = server.connect().await;
    stream.write_all(&chunked).await.unwrap();
    let answer = heard(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    let mut just_fits =
        b"POST /api/v1/test/echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 100000\r\n\r\n"
            .to_vec();
    just_fits.extend(vec![b'x'; 100_000]);
    assert!(server.say(&just_fits).await.ends_with("100000"));
}

#[tokio::test]
async fn garbage_and_endless_heads_are_refused() {
    let server = server(Limits::default()).await;
    for octets in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\r\n\r\n\r\nGET\r\n\r\n",
    ] {
        let answer = server.say(octets).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
    }
    let mut long = b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Long: ".to_vec();
    long.extend(vec![b'x'; 200_000]);
    let answer = server.say(&long).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
    let smuggled =
        b"POST /api/v1/test/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd";
    assert!(server.say(smuggled).await.starts_with("HTTP/1.1 400"));
}

#[tokio::test]
async fn an_orderly_stop_lets_a_request_end_and_takes_no_more() {
    let server = server(Limits::default()).await;
    let mut stream = server.connect().await;
    stream.write_all(b"GET /api/v1/test/wait HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    server.front.stage.waiting.notified().await;
    server.switch.stop();
    server.front.stage.go_on.notify_one();
    let answer = heard(&mut stream).await;
    assert!(answer.ends_with("went on"), "{answer}");
    server.served.await.unwrap();
    assert!(TcpStream::connect(server.address).await.is_err());
}

#[tokio::test]
async fn a_node_that_is_about_to_stop_says_so_and_still_takes_everything() {
    let server = server(Limits::default()).await;
    let mut kept = server.connect().await;
    let ask = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
    kept.write_all(ask).await.unwrap();
    let mut answer = vec![0; 4096];
    let read = kept.read(&mut answer).await.unwrap();
    assert!(!String::from_utf8_lossy(&answer[..read]).contains("connection: close"));
    server.switch.leave();
    let ready = server.say(b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(ready.starts_with("HTTP/1.1 503") && ready.contains("service/draining"), "{ready}");
    // A new connection is taken and answered, and ends with the answer; so does one that was kept.
    assert!(server.say(ask).await.ends_with("ok\n"));
    kept.write_all(ask).await.unwrap();
    let last = heard(&mut kept).await;
    assert!(last.contains("connection: close") && last.ends_with("ok\n"), "{last}");
    server.switch.stop();
    server.served.await.unwrap();
}

/// What the kernel had accepted in our name before the stop is answered, and so is a request on its way on a connection
/// that was idle: neither is reset.
#[tokio::test]
async fn who_came_before_the_stop_is_answered() {
    let server = server(Limits::default()).await;
    let ask = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
    let mut idle = server.connect().await;
    idle.write_all(ask).await.unwrap();
    let mut answer = vec![0; 4096];
    assert!(idle.read(&mut answer).await.unwrap() > 0);
    // Not a turn of the runtime lies between these and the stop: nobody has accepted them yet.
    let late: Vec<_> = (0..5).map(|_| std::net::TcpStream::connect(server.address).unwrap()).collect();
    server.switch.stop();
    idle.write_all(ask).await.unwrap();
    assert!(heard(&mut idle).await.ends_with("ok\n"));
    for stream in late {
        stream.set_nonblocking(true).unwrap();
        let mut stream = TcpStream::from_std(stream).unwrap();
        stream.write_all(ask).await.unwrap();
        assert!(heard(&mut stream).await.ends_with("ok\n"));
    }
    server.served.await.unwrap();
}

#[tokio::test]
async fn an_orderly_stop_does_not_wait_for_ever() {
    let limits = Limits { stop: Duration::from_millis(30), ..Limits::default() };
    let server = server(limits).await;
    let mut stream = server.connect().await;
    stream.write_all(b"GET /api/v1/test/wait HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    server.front.stage.waiting.notified().await;
    server.switch.stop();
    server.served.await.unwrap();
    assert_eq!(heard(&mut stream).await, "");
}

#[tokio::test]
async fn the_same_doors_stand_open_on_a_unix_socket() {
    let limits = Limits::default();
    let front = Front::scratch(limits).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("yinxin.sock");
    let (switch, stop) = Stop::switch();
    let served =
        tokio::spawn(serve_unix(UnixListener::bind(&path).unwrap(), front.router.clone(), limits, stop));
    // No address, no rate: who may connect is the socket file's permissions.
    for _ in 0..5 {
        let mut stream = UnixStream::connect(&path).await.unwrap();
        stream
            .write_all(b"GET /api/v1/test/rated HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            .await
            .unwrap();
        assert!(heard(&mut stream).await.ends_with("ok"));
    }
    let mut stream = UnixStream::connect(&path).await.unwrap();
    stream.write_all(b"GET /api/v1/me HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
    assert!(heard(&mut stream).await.starts_with("HTTP/1.1 401"), "a socket is no key");
    drop(switch);
    served.await.unwrap();
}
