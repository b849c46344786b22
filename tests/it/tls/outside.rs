//! The guarded client over https, against OpenSSL's own server.

use crate::support::certificates::{Authority, Kind, Pair};
use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};
use yinxin::{
    outside::{Client, Guard, Network, OutsideError, Request, Url},
    tls,
};

/// `openssl s_server`, which answers with a file. Killed when dropped.
struct Server {
    child: Child,
    port: u16,
}

impl Server {
    fn start(pair: &Pair, folder: &Path, more: &[&str]) -> Self {
        let answer = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n\r\nok\n";
        std::fs::write(folder.join("answer"), answer).unwrap();
        let mut child = Command::new("openssl")
            .args(["s_server", "-accept", "127.0.0.1:0", "-HTTP", "-cert"])
            .arg(&pair.certificate)
            .arg("-key")
            .arg(&pair.key)
            .args(more)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let accept = lines.map_while(Result::ok).find(|line| line.starts_with("ACCEPT")).unwrap();
        let port = accept.rsplit(':').next().unwrap().parse().unwrap();
        Self { child, port }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn ask(client: &Client, url: &str) -> Result<Vec<u8>, OutsideError> {
    let request = Request {
        url: Url::parse(url).unwrap(),
        content: None,
        accept: "text/plain",
        answer_max_bytes: 1000,
        deadline: Duration::from_secs(30),
    };
    client.ask(request).await.map(|answer| answer.bytes.to_vec())
}

fn client() -> Client {
    Client::new(Guard::allowing(vec![Network::parse("127.0.0.0/8").unwrap()]))
}

#[tokio::test]
async fn only_who_proves_to_be_who_was_asked_is_heard() {
    let Some(authority) = Authority::new() else { return };
    let other = Authority::new().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let believing =
        |authority: &Authority| client().believing(tls::client(&authority.certificate()).unwrap());
    let good = Server::start(&authority.server("good"), folder.path(), &[]);
    let url = |server: &Server, host: &str| format!("https://{host}:{}/answer", server.port);
    assert_eq!(ask(&believing(&authority), &url(&good, "127.0.0.1")).await, Ok(b"ok\n".to_vec()));
    assert_eq!(ask(&believing(&authority), &url(&good, "localhost")).await, Ok(b"ok\n".to_vec()));
    // Nobody to believe, another authority, another name, out of time, too old a TLS.
    assert_eq!(ask(&client(), &url(&good, "localhost")).await, Err(OutsideError::NoAuthorities));
    assert_eq!(ask(&believing(&other), &url(&good, "localhost")).await, Err(OutsideError::Unproven));
    assert_eq!(ask(&believing(&authority), &url(&good, "127.0.0.2")).await, Err(OutsideError::Unreachable));
    let expired = Server::start(&authority.issue("expired", Kind::P256, -1), folder.path(), &[]);
    assert_eq!(ask(&believing(&authority), &url(&expired, "localhost")).await, Err(OutsideError::Unproven));
    let old = ["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"];
    let old = Server::start(&authority.server("old"), folder.path(), &old);
    assert_eq!(ask(&believing(&authority), &url(&old, "localhost")).await, Err(OutsideError::Unproven));
    // The guard stands before it all.
    let strict = Client::new(Guard::default()).believing(tls::client(&authority.certificate()).unwrap());
    assert_eq!(ask(&strict, &url(&good, "localhost")).await, Err(OutsideError::Closed));
}

#[tokio::test]
async fn a_certificate_for_another_name_is_no_proof() {
    let Some(authority) = Authority::new() else { return };
    let folder = tempfile::tempdir().unwrap();
    let client = client().believing(tls::client(&authority.certificate()).unwrap());
    let server = Server::start(&authority.named("elsewhere", "DNS:elsewhere.example"), folder.path(), &[]);
    let url = format!("https://localhost:{}/answer", server.port);
    assert_eq!(ask(&client, &url).await, Err(OutsideError::Unproven));
}
