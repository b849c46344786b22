//! The program as people and service managers run it.

use super::databases::{Database, postgres};
use std::{
    ffi::OsStr,
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

/// A data directory of its own.
pub struct Place {
    folder: tempfile::TempDir,
    program: PathBuf,
    variables: Vec<(String, String)>,
    data: PathBuf,
}

/// What a command said.
#[derive(Debug)]
pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

/// A running daemon; killed when dropped.
pub struct Daemon {
    child: Child,
    /// `127.0.0.1:40001`
    pub address: String,
    /// The same of administration, where it has an address of its own.
    pub administration: Option<String>,
    log: Arc<Mutex<Vec<u8>>>,
}

impl Place {
    /// An empty one.
    pub fn empty() -> Self {
        let program = PathBuf::from(env!("CARGO_BIN_EXE_yinxin"));
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        Self { folder, program, data, variables: Vec::new() }
    }

    /// An empty one whose data directory lies elsewhere.
    pub fn with_data_in(data: PathBuf) -> Self {
        Self { data, ..Self::empty() }
    }

    /// An empty one whose service works on this database.
    pub fn on(database: &Database) -> Self {
        Self { variables: database.variables(), ..Self::empty() }
    }

    /// Sets a variable for every command.
    pub fn set(&mut self, name: &str, value: &str) {
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    /// With these variables for every command.
    #[must_use]
    pub fn with(mut self, variables: impl IntoIterator<Item = (String, String)>) -> Self {
        self.variables.extend(variables);
        self
    }

    /// With another program of the same commands: the endurance harness's daemon.
    #[must_use]
    pub fn with_program(mut self, program: PathBuf) -> Self {
        self.program = program;
        self
    }

    /// The same after `init`.
    #[must_use]
    pub fn after_init(self) -> Self {
        let said = self.run(["init"]);
        assert_eq!(said.code, 0, "{said:?}");
        self
    }

    /// Another node of the same service, on its database and with its passphrase; nothing is made.
    pub fn another_node(&self) -> Self {
        let passphrase = self.dir().join("passphrase").display().to_string();
        let shared = self.variables.iter().filter(|(name, _)| name != "YINXIN_NODE").cloned();
        Self::empty().with(shared).with([("YINXIN_PASSPHRASE_FILE".to_owned(), passphrase)])
    }

    /// One after `init`, which makes a passphrase as for trying things out.
    pub fn initialised() -> Self {
        Self::empty().after_init()
    }

    pub fn dir(&self) -> PathBuf {
        self.data.clone()
    }

    pub fn file(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// A first officer's key file.
    pub fn key(&self, role: &str) -> String {
        self.dir().join("officer-keys").join(role).display().to_string()
    }

    pub fn command<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(&self.program);
        if self.program.ends_with("endurance") {
            command.arg("daemon");
        }
        command.args(arguments).arg("--dir").arg(self.dir()).current_dir(self.folder.path());
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs a command to its end.
    pub fn run<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Said {
        Said::of(self.command(arguments).stdin(Stdio::null()).output().unwrap())
    }

    /// Runs a command that must go well; what it printed.
    pub fn good<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> String {
        let said = self.run(arguments);
        assert_eq!(said.code, 0, "{said:?}");
        said.out
    }

    /// Starts the daemon on a free port.
    pub fn serve(&self) -> Daemon {
        self.serve_with(&[])
    }

    /// The same with these settings in its environment.
    pub fn serve_with(&self, settings: &[(&str, &str)]) -> Daemon {
        let mut command = self.command(["serve", "--listen", "127.0.0.1:0"]);
        Daemon::start(command.envs(settings.iter().copied()))
    }

    /// The same, or `None` where it does not start.
    pub fn try_serve(&self) -> Option<Daemon> {
        let mut probe = self.command(["serve", "--listen", "127.0.0.1:0"]);
        let mut child = probe.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let starts = line.starts_with("serving on ");
        // It may have ended by itself.
        let _ = child.kill();
        child.wait().unwrap();
        starts.then(|| self.serve())
    }

    /// Starts the daemon on a configuration, which must name free ports.
    pub fn serve_as(&self, toml: &str) -> Daemon {
        let file = self.file("yinxin.toml");
        fs::write(&file, toml).unwrap();
        Daemon::started(&mut self.command(["serve", "--config", &file]), toml.contains("admin_address"))
    }

    /// Hires an officer; the key lies in the file that is answered.
    pub fn hire(&self, name: &str, role: &str) -> (String, String) {
        let security = self.key("security_administrator");
        let out = self.good(["officer", "add", name, "--role", role, "--key-file", &security]);
        let [id, key]: [&str; 2] = out.lines().collect::<Vec<_>>().try_into().unwrap();
        let file = self.file(name);
        fs::write(&file, key).unwrap();
        (id.to_owned(), file)
    }

    /// An office with a seal in force, by commands alone.
    pub fn sealed(&self) -> Sealed {
        let (_, operator) = self.hire("operator", "seal_operator");
        let (_, approver) = self.hire("approver", "seal_approver");
        let system = self.key("system_administrator");
        let first = |out: String| out.split_whitespace().next().unwrap().to_owned();
        let maker =
            ["seal", "add-maker", "--name", "某制作中心", "--vendor", "YINXIN", "--key-file", &system];
        let maker = first(self.good(maker));
        let owner =
            ["--name", "某市大数据管理局", "--credit-code", "11440100MB2C000137", "--key-file", &operator];
        let owner = first(self.good(["seal", "add-owner"].into_iter().chain(owner)));
        let apply = ["--owner", &owner, "--maker", &maker, "--name", "公章", "--key-file", &operator];
        let seal = first(self.good(["seal", "apply"].into_iter().chain(apply)));
        self.good(["seal", "approve", &seal, "--key-file", &approver]);
        self.good(["seal", "make", &seal, "--key-file", &operator]);
        Sealed { operator, approver, seal }
    }
}

/// Tells the story in an empty place on each engine, with the database in hand as whoever holds it has it.
pub async fn for_each_place(story: impl AsyncFn(&mut Place, &Database)) {
    let mut place = Place::empty();
    let database = Database::of_file(place.dir().join("yinxin.db"));
    story(&mut place, &database).await;
    if let Some(database) = postgres().await {
        story(&mut Place::on(&database), &database).await;
    }
}

/// Key files of two officers, and the id of a seal in force.
pub struct Sealed {
    pub operator: String,
    pub approver: String,
    pub seal: String,
}

impl Sealed {
    /// The arguments that stamp `fixtures/pdf/one-page.pdf` into `out`.
    pub fn stamp(&self, out: &str) -> Vec<String> {
        let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/pdf/one-page.pdf");
        let document = document.display().to_string();
        let arguments = ["stamp", &document, "--seal", &self.seal, "--x", "150", "--y", "232", "--out", out];
        arguments.into_iter().chain(["--key-file", &self.operator]).map(str::to_owned).collect()
    }
}

impl Said {
    pub fn of(output: Output) -> Self {
        let text = |octets| String::from_utf8(octets).unwrap();
        let code = output.status.code().unwrap_or(-1);
        Self { code, out: text(output.stdout), err: text(output.stderr) }
    }
}

impl Daemon {
    /// Starts one, and waits until it serves.
    pub fn start(command: &mut Command) -> Self {
        Self::started(command, false)
    }

    fn started(command: &mut Command, administration: bool) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut next = |words: &str| {
            let mut line = String::new();
            out.read_line(&mut line).unwrap();
            let address = line.trim().strip_prefix(words).and_then(|rest| rest.split_once("://"));
            address.map(|(_, address)| address.to_owned())
        };
        let Some(address) = next("serving on ") else {
            let said = Said::of(child.wait_with_output().unwrap());
            panic!("the daemon did not start: {said:?}");
        };
        let administration = administration.then(|| next("administration on ").unwrap());
        // Its log is read to the end by somebody, or the pipe would fill.
        let mut lines = child.stderr.take().unwrap();
        let log = Arc::new(Mutex::new(Vec::new()));
        let kept = log.clone();
        std::thread::spawn(move || {
            let mut piece = [0; 4096];
            while let Ok(length @ 1..) = lines.read(&mut piece) {
                kept.lock().unwrap().extend_from_slice(&piece[..length]);
            }
        });
        Self { child, address, administration, log }
    }

    /// What it has logged by now.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&self.log.lock().unwrap()).into_owned()
    }

    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until its log holds this; all of it.
    pub fn wait_for(&self, said: &str) -> String {
        self.has_logged(said, 1);
        self.log()
    }

    /// One request on a connection of its own; status, and the whole answer as text.
    pub fn exchange(&self, method: &str, path: &str, headers: &str, body: &[u8]) -> (u16, String) {
        let mut stream = self.connect();
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}Content-Length: {length}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(body).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let answer = String::from_utf8_lossy(&answer).into_owned();
        (answer.get(9..12).and_then(|status| status.parse().ok()).unwrap_or_default(), answer)
    }

    /// Waits until the log says this, so many times.
    pub fn has_logged(&self, words: &str, times: usize) {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let log = self.log();
            if log.matches(words).count() >= times {
                return;
            }
            assert!(Instant::now() < deadline, "the log does not say `{words}`:\n{log}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub fn wait(mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }

    /// Its end, and everything that it logged.
    pub fn last_words(mut self) -> (ExitStatus, String) {
        let status = self.child.wait().unwrap();
        // The last of it may still be on its way: whoever reads lets go of the log at the end of the pipe.
        let begun = Instant::now();
        while Arc::strong_count(&self.log) > 1 && begun.elapsed() < Duration::from_secs(5) {
            std::thread::sleep(Duration::from_millis(5));
        }
        (status, String::from_utf8_lossy(&self.log.lock().unwrap()).into_owned())
    }

    /// Asks once, on a connection of its own: status, head and body.
    pub fn ask(&self, head: &str, body: &[u8]) -> Answered {
        use std::io::Write as _;
        let mut stream = self.connect();
        let length = body.len();
        let head = format!("{head}\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(body).unwrap();
        let mut all = Vec::new();
        stream.read_to_end(&mut all).unwrap();
        Answered::of(all)
    }

    pub fn connect(&self) -> std::net::TcpStream {
        let stream = std::net::TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream
    }
}

/// An answer over the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Answered {
    fn of(mut all: Vec<u8>) -> Self {
        let end = all.windows(4).position(|word| word == b"\r\n\r\n").expect("an answer") + 4;
        let body = all.split_off(end);
        let head = String::from_utf8(all).unwrap();
        Self { status: head[9..12].parse().unwrap(), head: head.to_ascii_lowercase(), body }
    }

    /// The beginning of the body, for people.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).chars().filter(|found| !found.is_control()).take(400).collect()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended by itself, which is as well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
