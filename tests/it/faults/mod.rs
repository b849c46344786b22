//! Disks, files and clocks that fail under the whole daemon: each time a clear word at the start or a clear 503, and nothing
//! that was acknowledged is lost.

mod clock;
mod damage;
mod disk;
mod files;

use crate::support::process::{Daemon, Place, Sealed};
use std::{
    fs,
    io::{Read as _, Write as _},
    path::Path,
};

/// A document to stamp.
fn document() -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/pdf/one-page.pdf")).unwrap()
}

/// What the daemon answered.
#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// Status and code of a problem.
    fn problem(&self) -> String {
        format!("{} {}", self.status, self.json()["code"].as_str().unwrap_or_default())
    }
}

/// One request on a connection of its own; `key` names a file.
fn ask(daemon: &Daemon, method: &str, path: &str, key: Option<&str>, content: &str, body: &[u8]) -> Answer {
    let key = key.map_or(String::new(), |file| {
        format!("Authorization: Bearer {}\r\n", fs::read_to_string(file).unwrap().trim())
    });
    let mut stream = daemon.connect();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: {content}\r\n\
         Content-Length: {}\r\n{key}\r\n",
        body.len()
    )
    .unwrap();
    // A refusal may come before the body was read, and the connection be closed behind it.
    let _ = stream.write_all(body);
    let mut all = Vec::new();
    let _ = stream.read_to_end(&mut all);
    let end = all.windows(4).position(|word| word == b"\r\n\r\n");
    let end = end.unwrap_or_else(|| panic!("{method} {path} is not answered:\n{}", daemon.log()));
    let head = String::from_utf8(all[..end].to_vec()).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head, body: all[end + 4..].to_vec() }
}

fn get(daemon: &Daemon, path: &str, key: Option<&str>) -> Answer {
    ask(daemon, "GET", path, key, "text/plain", b"")
}

/// Stamps once; answers the id of the stamp, or the problem.
fn stamp(daemon: &Daemon, sealed: &Sealed) -> Result<String, Answer> {
    let path = format!("/api/v1/stamps?seal={}&page=1&x_mm=150&y_mm=232", sealed.seal);
    let answer = ask(daemon, "POST", &path, Some(&sealed.operator), "application/pdf", &document());
    if answer.status != 201 {
        return Err(answer);
    }
    let line = answer.head.lines().find_map(|line| line.strip_prefix("yinxin-stamp: "));
    Ok(line.unwrap().to_owned())
}

/// Reading, verifying and being asked for a sign of life go on, whatever happens to writing.
fn still_serves_readers(daemon: &Daemon, sealed: &Sealed) {
    assert_eq!(get(daemon, "/healthz", None).status, 200);
    let seal = get(daemon, &format!("/api/v1/seals/{}", sealed.seal), Some(&sealed.approver));
    assert_eq!((seal.status, &seal.json()["state"]), (200, &"active".into()));
    let verified =
        ask(daemon, "POST", "/api/v1/verifications", None, "application/octet-stream", &document());
    assert_eq!(verified.status, 200, "{verified:?}");
}

/// Every acknowledged stamp stands in the register as done, nothing is open, and the audit chain holds.
fn kept_all(place: &Place, daemon: &Daemon, sealed: &Sealed, kept: &[String]) {
    let register = get(daemon, "/api/v1/stamps?limit=500", Some(&sealed.approver)).json();
    let register = register["items"].as_array().unwrap();
    for id in kept {
        let line = register.iter().find(|line| line["id"] == **id);
        assert!(line.is_some_and(|line| line["state"] == "done"), "{id}: {line:?}");
    }
    let audit = place.run(["audit", "verify", "--key-file", &place.key("auditor")]);
    assert!(audit.code == 0 && audit.out.contains("the chain holds"), "{audit:?}");
}

/// A 503 that says what is the matter and when to come again.
fn is_a_clear_refusal(answer: &Answer) {
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(answer.head.to_ascii_lowercase().contains("\r\nretry-after: "), "{}", answer.head);
    let problem = answer.json();
    assert!(problem["detail"].as_str().is_some_and(|says| !says.is_empty()), "{problem}");
}
