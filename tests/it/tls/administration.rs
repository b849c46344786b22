//! A listener of its own for administration, and proxies before the public one.

use super::{curl, section};
use crate::support::{
    certificates::Authority,
    front::{request, send},
    process::Place,
    whole::Whole,
};
use axum::{
    body::Body,
    http::{Method, Request},
};
use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::{Duration, Instant},
};
use yinxin::{http::Operation, officer::Role};

/// Every route: those of administration are turned away where they don't belong, whoever asks; all others are as they were.
#[tokio::test]
async fn no_route_of_administration_is_on_the_public_listener() {
    let whole = Whole::new().await;
    let public = whole.app.public_router().unwrap();
    let operations: Vec<Operation> = whole.app.table().unwrap().operations().cloned().collect();
    let administration = operations.iter().filter(|operation| operation.is_administration()).count();
    assert!(administration >= 12 && administration < operations.len() / 2, "{administration}");
    for operation in &operations {
        for key in [None].into_iter().chain(whole.people.values().map(|person| Some(person.key.as_str()))) {
            let asked = || asking(operation, key);
            let (on_public, on_all) = (send(&public, asked()).await, send(&whole.router, asked()).await);
            let turned_away = on_public.status == 421;
            assert_eq!(turned_away, operation.is_administration(), "{}: {}", operation.id, on_public.text());
            assert_ne!(on_all.status, 421, "{}", operation.id);
            if turned_away {
                assert_eq!(on_public.problem(), "421 request/administration-elsewhere");
            }
        }
    }
}

/// What the three administrators may do is administration, and nothing that others need is.
#[tokio::test]
async fn administration_is_what_only_administrators_and_auditors_may() {
    let whole = Whole::new().await;
    for operation in whole.app.table().unwrap().operations() {
        let admits = |role: &Role| operation.access.admits(|right| role.rights().contains(&right));
        let daily = Role::ALL.iter().any(|role| !role.stands_apart() && admits(role));
        assert!(operation.is_administration() || daily, "{} is neither", operation.id);
        if operation.administration.is_none() {
            assert_eq!(operation.is_administration(), !daily, "{}", operation.id);
        }
    }
}

fn asking(operation: &Operation, key: Option<&str>) -> Request<Body> {
    let named = |part: &'static str| if part.starts_with('{') { "x" } else { part };
    let path: Vec<_> = operation.path.split('/').map(named).collect();
    request(operation.method.as_str(), &path.join("/"), key).body(Body::empty()).unwrap()
}

/// The rule for both methods of a path: each goes its own way.
#[tokio::test]
async fn a_path_that_is_half_administration_is_turned_away_by_half() {
    let whole = Whole::new().await;
    let public = whole.app.public_router().unwrap();
    for (method, status) in [(Method::GET, 401), (Method::POST, 421), (Method::DELETE, 405)] {
        let asked =
            Request::builder().method(method.clone()).uri("/api/v1/makers").body(Body::empty()).unwrap();
        assert_eq!(send(&public, asked).await.status, status, "{method}");
    }
}

#[test]
fn administration_has_its_own_address_with_certificates_of_its_own() {
    let Some(authority) = Authority::new() else { return };
    let place = Place::initialised();
    let (server, officer) = (authority.server("server"), authority.server("officer"));
    let toml = format!(
        "[listen]\naddress = '127.0.0.1:0'\nadmin_address = '127.0.0.1:0'\n{}{}client_ca_file = '{}'\n",
        section("tls", &server),
        section("admin_tls", &server),
        authority.certificate().display()
    );
    let daemon = place.serve_as(&toml);
    let own = daemon.administration.clone().unwrap();
    let key = std::fs::read_to_string(place.key("auditor")).unwrap();
    let bearer = format!("Authorization: Bearer {}", key.trim());
    let (certificate, private) =
        (officer.certificate.display().to_string(), officer.key.display().to_string());
    let shown = ["--cert", &certificate, "--key", &private, "--header", &bearer];
    let path = "/api/v1/audit/records";
    let on_own = curl(&authority, &own, path, &shown).unwrap();
    assert!(on_own.ends_with("\n200"), "{on_own}");
    let without = curl(&authority, &own, path, &["--header", &bearer]);
    assert!(without.is_err(), "{without:?}");
    let on_public = curl(&authority, &daemon.address, path, &shown).unwrap();
    assert!(on_public.ends_with("\n421") && on_public.contains("administration-elsewhere"), "{on_public}");
    // Commands beside the daemon come by its socket.
    place.good(["audit", "list", "--key-file", &place.key("auditor")]);
}

/// As many idle connections as are taken stand at the public address: administration is answered as ever.
#[test]
fn a_crowd_at_the_public_address_does_not_keep_administration_out() {
    let place = Place::initialised();
    let toml = "[listen]\naddress = '127.0.0.1:0'\nadmin_address = '127.0.0.1:0'\n[limits]\nconnections = 2\nlight_requests = 1\n";
    let daemon = place.serve_as(toml);
    let get = |address: &str| {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        write!(stream, "GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        stream
    };
    let mut crowd: Vec<_> = (0..2).map(|_| daemon.connect()).collect();
    // Both have a place: they are heard.
    for stream in &mut crowd {
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        stream.read_exact(&mut [0; 15]).unwrap();
    }
    // Whoever comes to a full house hears so at once.
    let answer_of = |address: &str| {
        let mut answer = String::new();
        get(address).read_to_string(&mut answer).unwrap();
        answer
    };
    let answer = answer_of(&daemon.address);
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("retry-after: 1"), "{answer}");
    let answer = answer_of(daemon.administration.as_deref().unwrap());
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    place.good(["audit", "list", "--key-file", &place.key("auditor")]);
    // And is let in once somebody has left.
    drop(crowd);
    let patience = Instant::now();
    while !answer_of(&daemon.address).starts_with("HTTP/1.1 200") {
        assert!(patience.elapsed() < Duration::from_secs(60), "nobody is let in though all have left");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The limit by address sees whom a trusted proxy names, and nobody whom somebody else names.
#[test]
fn the_limit_by_address_sees_through_trusted_proxies_alone() {
    let place = Place::initialised();
    for (trusted, second_is_let_in) in [("['127.0.0.1']", true), ("['192.0.2.7']", false)] {
        let toml = format!(
            "[listen]\naddress = '127.0.0.1:0'\ntrusted_proxies = {trusted}\n[limits]\nverifications_per_minute = 1\n"
        );
        let daemon = place.serve_as(&toml);
        let status = |caller: &str| {
            let mut stream = daemon.connect();
            write!(
                stream,
                "POST /api/v1/verifications HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Forwarded-For: {caller}\r\n\
                 Content-Length: 0\r\n\r\n"
            )
            .unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            answer.split(' ').nth(1).unwrap().to_owned()
        };
        assert_ne!(status("192.0.2.1"), "429");
        assert_eq!(status("192.0.2.1"), "429");
        assert_eq!(status("192.0.2.2") != "429", second_is_let_in, "{trusted}");
        // Whoever writes an address before the one that the proxy saw gains nothing.
        assert_eq!(status("6.6.6.6, 192.0.2.1"), "429");
    }
}
