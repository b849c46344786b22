//! Every limit of the front door: what is sent, and what is answered.

use super::network::{Server, heard, server};
use std::{
    net::{IpAddr, SocketAddr},
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
    task::JoinSet,
};
use yinxin::http::Limits;

const BRIEF: Duration = Duration::from_millis(100);
/// Nothing here may take longer, however busy the machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Limits that are reached soon.
fn narrow() -> Limits {
    Limits { head: BRIEF, drain: BRIEF, pace: 1000, pace_span: BRIEF, ..Limits::default() }
}

fn post(path: &str, headers: &str, body: &str) -> Vec<u8> {
    format!("POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n{body}").into_bytes()
}

fn get(headers: &str) -> Vec<u8> {
    format!("GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n").into_bytes()
}

#[tokio::test]
async fn each_limit_has_its_own_answer() {
    const ECHO: &str = "/api/v1/test/echo";
    let many = |count: usize| (0..count).map(|number| format!("X-{number}: y\r\n")).collect::<String>();
    let memory = Limits { bodies_bytes: 4096, ..narrow() };
    let brief = Limits { request: BRIEF, pace_span: PATIENCE, ..narrow() };
    let table: &[(&str, Limits, Vec<u8>, &str, &str)] = &[
        ("nothing", narrow(), get(""), "HTTP/1.1 200", "ok"),
        ("octets of the head", narrow(), get(&format!("X: {}\r\n", "y".repeat(100_000))), "HTTP/1.1 431", ""),
        ("number of headers", narrow(), get(&many(100)), "HTTP/1.1 431", ""),
        ("time of the head", narrow(), b"GET /healthz HTTP/1.1\r\nHost: ".to_vec(), "", ""),
        (
            "declared length of the body",
            narrow(),
            post(ECHO, "Content-Length: 100001\r\n", ""),
            "HTTP/1.1 413",
            "request/too-large",
        ),
        (
            "length of the body",
            narrow(),
            post(
                ECHO,
                "Transfer-Encoding: chunked\r\n",
                &format!("186a1\r\n{}\r\n0\r\n\r\n", "x".repeat(100_001)),
            ),
            "HTTP/1.1 413",
            "request/too-large",
        ),
        (
            "pace of the body",
            narrow(),
            post(ECHO, "Content-Length: 1000\r\n", "slow"),
            "HTTP/1.1 408",
            "request/too-slow",
        ),
        (
            "memory for bodies",
            memory,
            post(ECHO, "Content-Length: 5000\r\n", &"x".repeat(5000)),
            "HTTP/1.1 503",
            "service/busy",
        ),
        (
            "time of the request",
            brief,
            post(ECHO, "Content-Length: 1000\r\n", "slow"),
            "HTTP/1.1 503",
            "service/deadline",
        ),
        (
            "a body where none is taken",
            narrow(),
            get("Content-Length: 1\r\n"),
            "HTTP/1.1 413",
            "request/too-large",
        ),
    ];
    for (limit, limits, sent, status, says) in table {
        let server = server(*limits).await;
        let answer = tokio::time::timeout(PATIENCE, server.say(sent)).await.expect(limit);
        assert!(answer.starts_with(status) && answer.contains(says), "{limit}: {answer}");
        assert!(
            !answer.starts_with("HTTP/1.1 503") || answer.contains("retry-after: 1"),
            "{limit}: {answer}"
        );
        assert!(!status.is_empty() || !answer.contains("200"), "{limit}: {answer}");
    }
}

/// A request that is worked on until the stage lets it go on.
async fn waits(server: &Server) -> TcpStream {
    let mut stream = server.connect().await;
    let wait = b"GET /api/v1/test/wait HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    stream.write_all(wait).await.unwrap();
    server.front.stage.waiting.notified().await;
    stream
}

#[tokio::test]
async fn in_a_full_house_a_newcomer_is_told_so_unasked_and_who_is_served_stays() {
    let server = server(Limits { connections: 1, ..Limits::default() }).await;
    let mut first = waits(&server).await;
    // It says nothing, and is told all the same.
    let refused = heard(&mut server.connect().await).await;
    assert!(refused.starts_with("HTTP/1.1 503") && refused.contains("retry-after: 1"), "{refused}");
    assert!(refused.contains("connection: close") && refused.contains("service/busy"), "{refused}");
    server.front.stage.go_on.notify_one();
    assert!(heard(&mut first).await.ends_with("went on"));
    assert!(server.say(&get("")).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn one_address_has_its_share_of_connections_and_others_have_theirs() {
    let server = server(Limits { connections_per_address: 1, ..Limits::default() }).await;
    let mut first = waits(&server).await;
    assert!(heard(&mut server.connect().await).await.starts_with("HTTP/1.1 503"));
    let mut other = from(2, server.address).await.unwrap();
    other.write_all(&get("")).await.unwrap();
    assert!(heard(&mut other).await.starts_with("HTTP/1.1 200"));
    server.front.stage.go_on.notify_one();
    assert!(heard(&mut first).await.ends_with("went on"));
}

#[tokio::test]
async fn an_answer_that_nobody_reads_is_given_up() {
    let server = server(Limits { stalled_write: BRIEF, ..Limits::default() }).await;
    let mut stream = server.connect().await;
    // More answers than any buffer between us holds, and none of them is read.
    let ask = b"GET /api/v1/openapi.json HTTP/1.1\r\nHost: x\r\n\r\n";
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        match tokio::time::timeout(BRIEF * 5, stream.write_all(ask)).await {
            Ok(Ok(())) | Err(_) => {}
            Ok(Err(_)) => return,
        }
    }
    panic!("it was not given up");
}

/// A connection from 127.0.0.`last`: all of 127/8 is this machine.
async fn from(last: u8, to: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::new(IpAddr::from([127, 0, 0, last]), 0))?;
    socket.connect(to).await
}

/// Holds a connection as long as it is let, then opens the next one.
async fn pester(last: u8, to: SocketAddr, opening: Vec<u8>) {
    loop {
        if let Ok(mut stream) = from(last, to).await {
            let _ = stream.write_all(&opening).await;
            let _ = stream.read_to_end(&mut Vec::new()).await;
        }
        tokio::time::sleep(BRIEF).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_of_slow_clients_keep_nobody_from_being_served() {
    const PESTERERS: usize = 2000;
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let raised = rustix::process::Rlimit { current: limit.maximum, ..limit };
    let _ = rustix::process::setrlimit(rustix::process::Resource::Nofile, raised);
    let limits = Limits {
        connections: 400,
        connections_per_address: 150,
        head: PATIENCE,
        pace_span: PATIENCE,
        ..Limits::default()
    };
    let server = server(limits).await;
    let mut pesterers = JoinSet::new();
    for number in 0..PESTERERS {
        let opening = match number % 3 {
            0 => b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: ".to_vec(),
            1 => post("/api/v1/test/echo", "Content-Length: 1000\r\n", "slow"),
            _ => Vec::new(),
        };
        pesterers.spawn(pester(2 + (number % 8) as u8, server.address, opening));
    }
    // From then on, some of them have sat there for long enough to make room.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let mut kept = server.connect().await;
    for _ in 0..40 {
        let answer = tokio::time::timeout(PATIENCE, server.say(&get(""))).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "a fresh connection: {answer}");
        let slow = post("/api/v1/test/echo", "Content-Length: 4\r\n", "word");
        let answer = tokio::time::timeout(PATIENCE, server.say(&slow)).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "a body: {answer}");
        kept.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        let mut answer = [0; 15];
        tokio::time::timeout(PATIENCE, kept.read_exact(&mut answer)).await.unwrap().unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200 OK", "the connection that was kept");
        let mut rest = vec![0; 4096];
        let _ = kept.read(&mut rest).await.unwrap();
    }
    assert_eq!(pesterers.len(), PESTERERS);
    pesterers.shutdown().await;
    assert!(server.say(&get("")).await.starts_with("HTTP/1.1 200"));
}
