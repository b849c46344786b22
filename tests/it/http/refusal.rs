//! Refusals of requests whose bodies are still on their way: a client that sends all it has before it reads must hear them.

use super::network::{Server, heard, server};
use crate::support::front::Person;
use serde_json::Value;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use yinxin::{http::Limits, officer::Role};

const MEGABYTE: usize = 1_000_000;
/// Longer than a test may take: what ends sooner has ended for another reason.
const NEVER: Duration = Duration::from_secs(3600);

/// The head of a request with a body of `length` octets.
fn head(line: &str, length: usize, more: &str) -> String {
    format!("{line} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n{more}\r\n")
}

fn bearer(person: &Person) -> String {
    format!("Authorization: Bearer {}\r\n", person.key)
}

/// Sends a request whole, reading nothing before its last octet is gone, then reads until the server hangs up.
async fn sent_whole(server: &Server, line: &str, length: usize, more: &str) -> String {
    let mut stream = server.connect().await;
    stream.write_all(head(line, length, &format!("Connection: close\r\n{more}")).as_bytes()).await.unwrap();
    let chunk = vec![b'x'; MEGABYTE];
    for _ in 0..length / MEGABYTE {
        stream.write_all(&chunk).await.unwrap_or_else(|error| panic!("{line}: hung up on: {error}"));
    }
    heard(&mut stream).await
}

/// The status line's number and the problem's code, of an answer that arrived whole.
fn problem(answer: &str) -> String {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {answer:?}"));
    let problem: Value = serde_json::from_str(body).unwrap();
    let kind = problem["code"].as_str().or(problem["type"].as_str()).unwrap();
    format!("{} {kind}", head.split(' ').nth(1).unwrap())
}

#[tokio::test]
async fn a_refusal_arrives_although_five_megabytes_were_sent_before_reading() {
    let server = server(Limits::default()).await;
    let lacking = bearer(server.front.person(Role::Verifier));
    for (line, more, wanted) in [
        ("POST /api/v1/test/echo", "Authorization: Bearer yx_wrong\r\n", "401 auth/api-key-invalid"),
        ("POST /api/v1/officers", "", "401 auth/required"),
        ("POST /api/v1/officers", lacking.as_str(), "403 auth/right-missing"),
        ("POST /api/v1/nowhere", "", "404 request/unknown-path"),
        ("DELETE /api/v1/test/echo", "", "405 request/method-not-allowed"),
        ("POST /api/v1/test/echo", "", "413 request/too-large"),
    ] {
        let answer = sent_whole(&server, line, 5 * MEGABYTE, more).await;
        assert!(problem(&answer).ends_with(wanted), "{line}: {answer}");
    }
    for _ in 0..3 {
        assert!(
            server
                .say(b"GET /api/v1/test/rated HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                .await
                .ends_with("ok")
        );
    }
    let answer = sent_whole(&server, "GET /api/v1/test/rated", 5 * MEGABYTE, "").await;
    assert!(problem(&answer).ends_with("429 request/too-many"), "{answer}");
}

#[tokio::test]
async fn a_full_house_is_told_to_a_client_with_a_large_body() {
    let server = server(Limits { heavy_requests: 0, ..Limits::default() }).await;
    let answer = sent_whole(&server, "POST /api/v1/test/echo", 5 * MEGABYTE, "").await;
    assert!(problem(&answer).ends_with("503 service/busy"), "{answer}");
}

#[tokio::test]
async fn two_hundred_megabytes_are_refused_and_the_refusal_is_heard() {
    let server = server(Limits::default()).await;
    let answer = sent_whole(&server, "POST /api/v1/test/echo", 200 * MEGABYTE, "").await;
    assert!(problem(&answer).ends_with("413 request/too-large"), "{answer}");
}

#[tokio::test]
async fn a_body_of_unsaid_length_that_turns_out_too_long_is_heard_out() {
    let server = server(Limits::default()).await;
    let mut stream = server.connect().await;
    let head = "POST /api/v1/test/echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let chunk = format!("{MEGABYTE:x}\r\n{}\r\n", "x".repeat(MEGABYTE));
    for _ in 0..5 {
        stream.write_all(chunk.as_bytes()).await.unwrap();
    }
    stream.write_all(b"0\r\n\r\n").await.unwrap();
    let answer = heard(&mut stream).await;
    assert!(problem(&answer).ends_with("413 request/too-large"), "{answer}");
}

#[tokio::test]
async fn a_refused_body_that_ended_leaves_the_connection_open() {
    let server = server(Limits::default()).await;
    let mut stream = server.connect().await;
    stream.write_all(head("POST /api/v1/nowhere", 2 * MEGABYTE, "").as_bytes()).await.unwrap();
    stream.write_all(&vec![b'x'; 2 * MEGABYTE]).await.unwrap();
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
    let both = heard(&mut stream).await;
    assert!(both.starts_with("HTTP/1.1 404") && both.ends_with("ok\n"), "{both}");
}

#[tokio::test]
async fn a_refused_body_that_drips_ends_in_time_and_gives_its_place_back() {
    let limits =
        Limits { drain: Duration::from_millis(100), connections: 1, request: NEVER, ..Limits::default() };
    let server = server(limits).await;
    let (mut reads, mut writes) = server.connect().await.into_split();
    writes.write_all(head("POST /api/v1/nowhere", MEGABYTE, "").as_bytes()).await.unwrap();
    let drips = tokio::spawn(async move {
        while writes.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    assert!(heard(&mut reads).await.starts_with("HTTP/1.1 404"));
    drips.await.unwrap();
    // One that says nothing more at all ends as well.
    assert!(
        server.say(head("POST /api/v1/nowhere", MEGABYTE, "").as_bytes()).await.starts_with("HTTP/1.1 404")
    );
    assert!(
        server.say(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.ends_with("ok\n")
    );
}

#[tokio::test]
async fn beyond_so_many_refused_bodies_at_a_time_the_connection_is_closed() {
    let server = server(Limits { drain: NEVER, drains: 1, ..Limits::default() }).await;
    let half = head("POST /api/v1/nowhere", MEGABYTE, "");
    let mut first = server.connect().await;
    first.write_all(half.as_bytes()).await.unwrap();
    let mut told = [0; 12];
    first.read_exact(&mut told).await.unwrap();
    assert_eq!(&told, b"HTTP/1.1 404");
    let second = server.say(half.as_bytes()).await;
    assert!(second.starts_with("HTTP/1.1 404") && second.contains("connection: close"), "{second}");
    first.write_all(&vec![b'x'; MEGABYTE]).await.unwrap();
    first.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
    assert!(heard(&mut first).await.ends_with("ok\n"));
}

#[tokio::test]
async fn who_asks_before_sending_is_refused_without_having_sent() {
    let server = server(Limits { drain: Duration::from_millis(50), ..Limits::default() }).await;
    let asking = "Expect: 100-continue\r\n";
    for (line, length, wanted) in [
        ("POST /api/v1/nowhere", 9, "HTTP/1.1 404"),
        ("POST /api/v1/test/echo", 200 * MEGABYTE, "HTTP/1.1 413"),
    ] {
        let answer = server.say(head(line, length, asking).as_bytes()).await;
        assert!(answer.starts_with(wanted) && answer.contains("connection: close"), "{answer}");
        assert!(!answer.contains("100 Continue"), "{answer}");
    }
    let mut stream = server.connect().await;
    let asked = head("POST /api/v1/test/echo", 3, &format!("{asking}Connection: close\r\n"));
    stream.write_all(asked.as_bytes()).await.unwrap();
    let mut go_on = [0; 25];
    stream.read_exact(&mut go_on).await.unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"abc").await.unwrap();
    assert!(heard(&mut stream).await.ends_with("\r\n\r\n3"));
}
