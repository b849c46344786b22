//! Any octets before the real listener with every route of the service behind it: an answer in time, never a 5xx (but a full
//! house, which says when to come again), never a panic, and refusals of the interface are problem documents.
//!
//! The input: which route, who asks, then lines: the parameters of the path, the query, headers up to an empty line, the body.
//! Octets 1 to 7 stand for an officer, an API key, a maker, an owner, a seal, its owner's credit code, a stamp that is not there. A first octet of 255: what follows goes out as it is.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::{
    fs,
    io::{Read as _, Write as _},
    os::unix::net::UnixStream,
    path::PathBuf,
    sync::LazyLock,
    time::Duration,
};
use tokio::{net::UnixListener, runtime::Runtime};
use yinxin::{
    app::{App, Sources, init_at_cost},
    config::Config,
    http::{Operation, Stop, Switch, Takes, serve_unix},
    keys::UnlockCost,
};

/// Under the sanitizer, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
const ROLES: [&str; 7] = [
    "system_administrator",
    "security_administrator",
    "auditor",
    "seal_operator",
    "seal_approver",
    "verifier",
    "viewer",
];

struct House {
    socket: PathBuf,
    operations: Vec<Operation>,
    /// In the order of [`ROLES`].
    keys: Vec<String>,
    ids: Vec<String>,
    _runtime: Runtime,
    _stop: Switch,
    _folder: tempfile::TempDir,
}

struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

static HOUSE: LazyLock<House> = LazyLock::new(House::open);

fuzz_target!(|bytes: &[u8]| {
    let Some((&first, rest)) = bytes.split_first() else { return };
    if first == 255 {
        return judge(&HOUSE.send(rest, true), rest, None);
    }
    let house = &*HOUSE;
    let operation = &house.operations[usize::from(first) % house.operations.len()];
    let request = house.request(operation, rest);
    judge(&house.send(&request, false), &request, Some(operation));
});

fn judge(answer: &Option<Answer>, request: &[u8], operation: Option<&Operation>) {
    let shown = || String::from_utf8_lossy(request).into_owned();
    let Some(Answer { status, head, body }) = answer else {
        // Half a request has no answer; a whole one has.
        assert!(operation.is_none(), "no answer to {}", shown());
        return;
    };
    let told = || format!("{}\n→ {head}\n{}", shown(), String::from_utf8_lossy(body));
    assert!(*status < 500 || (*status == 503 && head.contains("retry-after")), "{}", told());
    if *status >= 400 && head.contains("application/problem+json") {
        let problem: serde_json::Value = serde_json::from_slice(body).unwrap_or_else(|_| panic!("{}", told()));
        assert!(problem["code"].is_string() && problem["status"] == *status, "{}", told());
    }
}

impl House {
    fn open() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::load(None, []).unwrap();
        config.data_dir = folder.path().join("data");
        config.database = yinxin::config::Database::Sqlite { path: folder.path().join("data/yinxin.db") };
        config.limits.verifications_per_minute = 100_000;
        config.limits.document_bytes = 1 << 20;
        let socket = folder.path().join("socket");
        let (stop, stopped) = Stop::switch();
        let operations = runtime.block_on(async {
            init_at_cost(&config, Sources::default(), UnlockCost::FLOOR).await.unwrap();
            let app = App::open(&config).await.unwrap();
            let operations: Vec<Operation> = app.table().unwrap().operations().cloned().collect();
            let router = app.router().unwrap();
            let listener = UnixListener::bind(&socket).unwrap();
            tokio::spawn(async move {
                // Kept for as long as it serves.
                let _app = app;
                serve_unix(listener, router, yinxin::http::Limits::default(), stopped).await;
            });
            operations
        });
        let first = |role: &str| fs::read_to_string(config.data_dir.join("officer-keys").join(role)).unwrap();
        let keys = ROLES[..3].iter().map(|role| first(role)).collect();
        let house =
            Self { socket, operations, keys, ids: Vec::new(), _runtime: runtime, _stop: stop, _folder: folder };
        house.furnish()
    }

    /// An officer for every role, and one of everything that has an id.
    fn furnish(mut self) -> Self {
        for role in &ROLES[3..] {
            let body = format!(r#"{{"name":"{role}","roles":["{role}"]}}"#);
            let officer = self.made(1, "/api/v1/officers", &body);
            let id = officer["id"].as_str().unwrap().to_owned();
            let key = self.made(1, &format!("/api/v1/officers/{id}/keys"), r#"{"label":"fuzz"}"#);
            self.keys.push(key["secret"].as_str().unwrap_or_else(|| panic!("{key}")).to_owned());
            self.ids = vec![id, key["id"].as_str().unwrap_or_default().to_owned()];
        }
        let id = |value: serde_json::Value| value["id"].as_str().unwrap_or_else(|| panic!("{value}")).to_owned();
        let maker = id(self.made(0, "/api/v1/makers", r#"{"name":"maker","vendor":"YINXIN"}"#));
        let owner = r#"{"name":"某市大数据管理局","credit_code":"11440100MB2C000137","kind":"organisation"}"#;
        let owner = id(self.made(3, "/api/v1/owners", owner));
        let look = r#"{"by":"preset","preset":"department"}"#;
        let body = format!(r#"{{"owner":"{owner}","maker":"{maker}","name":"公章","look":{look}}}"#);
        let seal = id(self.made(3, "/api/v1/seals", &body));
        self.made(4, &format!("/api/v1/seals/{seal}/approve"), "");
        self.made(3, &format!("/api/v1/seals/{seal}/make"), "");
        self.ids.extend([maker, owner, seal, "11440100MB2C000137".into(), "stamp_01m7x000000000000000000000".into()]);
        self
    }

    fn made(&self, who: usize, path: &str, body: &str) -> serde_json::Value {
        let kind = if body.is_empty() { "" } else { "Content-Type: application/json\r\n" };
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {}\r\n{kind}\
             Content-Length: {}\r\n\r\n{body}",
            self.keys[who],
            body.len()
        );
        let answer = self.send(request.as_bytes(), false).expect("an answer");
        assert!(answer.status < 300, "{path}: {} {}", answer.status, String::from_utf8_lossy(&answer.body));
        serde_json::from_slice(&answer.body).unwrap_or_default()
    }

    fn request(&self, operation: &Operation, bytes: &[u8]) -> Vec<u8> {
        let (who, rest) = bytes.split_first().map_or((0, bytes), |(who, rest)| (usize::from(*who), rest));
        let mut lines = rest.split(|octet| *octet == b'\n');
        let mut taken = 0;
        let mut line = || {
            let line = lines.next().unwrap_or_default();
            taken += line.len() + 1;
            line
        };
        let mut request = format!("{} ", operation.method).into_bytes();
        for (index, part) in operation.path.split(['{', '}']).enumerate() {
            match index % 2 {
                0 => request.extend(part.as_bytes()),
                _ => self.target(line(), &mut request),
            }
        }
        let query = line();
        if !query.is_empty() {
            request.push(b'?');
            self.target(query, &mut request);
        }
        request.extend(b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n");
        // One of the roles, or nobody.
        if let Some(key) = self.keys.get(who % (self.keys.len() + 1)) {
            request.extend(format!("Authorization: Bearer {key}\r\n").bytes());
        }
        let mut typed = false;
        loop {
            let header = line();
            if header.is_empty() {
                break;
            }
            typed |= header.to_ascii_lowercase().starts_with(b"content-type:");
            let framing: [&[u8]; 5] =
                [b"content-length", b"transfer-encoding", b"expect", b"connection", b"upgrade"];
            let name = header.to_ascii_lowercase();
            if !framing.iter().any(|word| name.windows(word.len()).any(|found| found == *word)) {
                self.fill(header, &mut request);
                request.extend(b"\r\n");
            }
        }
        let mut body = Vec::new();
        self.fill(rest.get(taken..).unwrap_or_default(), &mut body);
        let kind = match operation.takes {
            Takes::Json(_) => "application/json",
            Takes::Multipart(_) => "multipart/form-data; boundary=b",
            Takes::Form => "application/x-www-form-urlencoded",
            Takes::Bytes(kind) => kind,
            Takes::Nothing => "",
        };
        if !typed && !kind.is_empty() {
            request.extend(format!("Content-Type: {kind}\r\n").bytes());
        }
        if !body.is_empty() || !kind.is_empty() {
            request.extend(format!("Content-Length: {}\r\n", body.len()).bytes());
        }
        request.extend(b"\r\n");
        request.extend(body);
        request
    }

    /// Ids in the place of their octets.
    fn fill(&self, bytes: &[u8], out: &mut Vec<u8>) {
        for octet in bytes {
            match self.ids.get(usize::from(*octet).wrapping_sub(1)) {
                Some(id) => out.extend(id.as_bytes()),
                None => out.push(*octet),
            }
        }
    }

    /// The same in a target, where octets that would end it are written as their numbers.
    fn target(&self, bytes: &[u8], out: &mut Vec<u8>) {
        let mut filled = Vec::new();
        self.fill(bytes, &mut filled);
        for octet in filled {
            match octet {
                b'!'..=b'~' => out.push(octet),
                _ => out.extend(format!("%{octet:02X}").bytes()),
            }
        }
    }

    /// Sends all, and reads to the end of the connection. What may be half a request `ends` there; a whole one does not, for a
    /// client that hangs up is not answered.
    fn send(&self, request: &[u8], ends: bool) -> Option<Answer> {
        let mut stream = UnixStream::connect(&self.socket).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        // The service may hang up before it has heard all.
        let _ = stream.write_all(request);
        if ends {
            let _ = stream.shutdown(std::net::Shutdown::Write);
        }
        let mut heard = Vec::new();
        if let Err(error) = stream.read_to_end(&mut heard) {
            assert!(error.kind() != std::io::ErrorKind::WouldBlock, "no answer in time");
        }
        let end = heard.windows(4).position(|word| word == b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(&heard[..end]).to_ascii_lowercase();
        let status = head.get(9..12)?.parse().ok()?;
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
        // After the answer to a request that was whole, another one follows to what came behind it.
        let body = heard[end + 4..].iter().copied().take(length.unwrap_or(usize::MAX)).collect();
        Some(Answer { status, head, body })
    }
}
