//! The real daemon, as a process: made ready, started, asked, measured, stopped.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    time::{Duration, Instant},
};

/// The program that cargo built for this bench.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_yinxin");
/// Ticks of `/proc/PID/stat` a second: fixed for user space on Linux.
const TICKS: f64 = 100.0;
/// Longest wait for a daemon to answer or to end.
const PATIENCE: Duration = Duration::from_secs(20);

/// A data directory with everything of the demonstration in it: officers, seals, stamped documents.
pub struct Demo {
    folder: tempfile::TempDir,
}

impl Demo {
    /// Plays the demonstration once.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let output = yinxin(folder.path(), &["demo", "--once"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Self { folder }
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The id of its round seal.
    pub fn seal(&self) -> String {
        let made: serde_json::Value =
            serde_json::from_slice(&fs::read(self.path().join("demo.json")).unwrap()).unwrap();
        made["official"].as_str().unwrap().to_owned()
    }

    /// The file with the key of the officer who stamps.
    pub fn operator(&self) -> PathBuf {
        self.path().join("officer-keys/operator")
    }
}

/// Runs the program to its end on this data directory.
pub fn yinxin(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(PROGRAM).arg("--dir").arg(folder).args(arguments).output().unwrap()
}

/// A running daemon; stopped when dropped.
pub struct Daemon {
    child: Child,
    address: SocketAddr,
    /// From the call of `spawn` to the first 200 of `/healthz`.
    pub start_ms: f64,
}

impl Daemon {
    /// Starts it on a free port and waits for its first answer.
    pub fn start(folder: &Path) -> Self {
        let started = Instant::now();
        let mut child = Command::new(PROGRAM)
            .arg("--dir")
            .arg(folder)
            .args(["serve", "--listen", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("serving on http://").expect("an address").parse().unwrap();
        let mut daemon = Self { child, address, start_ms: 0.0 };
        while daemon.ask("GET", "/healthz", "", b"").is_none_or(|(status, _)| status != 200) {
            assert!(started.elapsed() < PATIENCE, "the daemon does not answer");
        }
        daemon.start_ms = super::wall_ms(started);
        daemon
    }

    /// One request on a connection of its own; status and body, or `None` where there is no answer.
    pub fn ask(&self, method: &str, path: &str, headers: &str, body: &[u8]) -> Option<(u16, Vec<u8>)> {
        let mut stream = TcpStream::connect(self.address).ok()?;
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n"
        );
        stream.write_all(head.as_bytes()).ok()?;
        stream.write_all(body).ok()?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).ok()?;
        let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
        let status = std::str::from_utf8(answer.get(9..12)?).ok()?.parse().ok()?;
        Some((status, answer.split_off(end + 4)))
    }

    /// A line of `/proc/PID/status` or `smaps_rollup`, in MiB.
    pub fn memory_mib(&self, name: &str) -> f64 {
        memory_mib(self.child.id(), name).unwrap_or_default()
    }

    /// CPU time of all its threads so far, in milliseconds, to ten of them.
    pub fn cpu_ms(&self) -> f64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let after = stat.rsplit(')').next().unwrap();
        let fields: Vec<f64> = after.split_whitespace().filter_map(|field| field.parse().ok()).collect();
        // utime and stime: fields 14 and 15 of proc(5), of which pid, name and state are gone.
        (fields[10] + fields[11]) * 1e3 / TICKS
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Some(pid) = rustix::process::Pid::from_raw(self.child.id() as i32) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        let asked = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) && asked.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs the program to its end; its status, and the most memory it held, looked at every millisecond.
pub fn peak_mib(folder: &Path, arguments: &[&str]) -> (ExitStatus, f64) {
    let mut child =
        Command::new(PROGRAM).arg("--dir").arg(folder).args(arguments).stdout(Stdio::null()).spawn().unwrap();
    let mut peak: f64 = 0.0;
    loop {
        peak = peak.max(memory_mib(child.id(), "VmHWM").unwrap_or_default());
        if let Some(status) = child.try_wait().unwrap() {
            return (status, peak);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn memory_mib(pid: u32, name: &str) -> Option<f64> {
    let file = if name.starts_with("Vm") || name.starts_with("Rss") { "status" } else { "smaps_rollup" };
    let text = fs::read_to_string(format!("/proc/{pid}/{file}")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    Some(line.split_whitespace().next()?.parse::<f64>().ok()? / 1024.0)
}
