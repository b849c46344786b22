//! The daemon as a process: started, waited for, armed, ended.

use crate::{
    failpoint,
    http::{Ask, Client, Place},
    trouble::{Outcome, Trouble},
};
use rustix::process::{Pid, Signal, kill_process};
use std::{
    ffi::OsStr,
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use tokio::sync::oneshot;

/// The first argument that makes this program the daemon.
pub const HIDDEN: &str = "daemon";
/// Longest wait for a daemon to be ready, or to end.
const PATIENCE: Duration = Duration::from_secs(60);

/// Which program runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Program {
    /// This one, as the daemon: `yinxin`'s own `main`, with a hook at its failpoints.
    Ours,
    /// The program `yinxin` itself.
    Released(PathBuf),
    /// Another build of this one.
    Twin(PathBuf),
}

/// How a daemon is started.
#[derive(Debug, Clone)]
pub struct Start {
    pub program: Program,
    pub data: PathBuf,
    /// Port 0 asks for any.
    pub listen: SocketAddr,
    /// `YINXIN_*`, and failpoints armed from the start.
    pub environment: Vec<(String, String)>,
}

/// What a command said.
#[derive(Debug)]
pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Start {
    /// Our program on this data directory, on any port.
    pub fn on(data: &Path) -> Self {
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        Self { program: Program::Ours, data: data.to_owned(), listen, environment: Vec::new() }
    }

    /// With one more variable.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.environment.push((name.to_owned(), value.into()));
        self
    }

    /// Whether no other daemon can be at work on these data.
    pub fn is_alone(&self) -> bool {
        !self.environment.iter().any(|(name, _)| name == "YINXIN_DATABASE_URL")
    }

    /// Runs a command of the program to its end.
    pub async fn command<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Outcome<Said> {
        let mut command = self.program()?;
        command.args(arguments).arg("--dir").arg(&self.data).stdin(Stdio::null());
        let output = tokio::task::spawn_blocking(move || command.output()).await??;
        let text = |octets: Vec<u8>| String::from_utf8_lossy(&octets).into_owned();
        Ok(Said {
            code: output.status.code().unwrap_or(-1),
            out: text(output.stdout),
            err: text(output.stderr),
        })
    }

    /// Starts the daemon and waits until it is ready.
    pub async fn ready(&self) -> Outcome<Daemon> {
        let mut daemon = self.spawn()?;
        daemon.wait_until_ready().await?;
        Ok(daemon)
    }

    /// Starts the daemon and waits for nothing.
    pub fn spawn(&self) -> Outcome<Daemon> {
        let started = Instant::now();
        let mut command = self.program()?;
        command.arg("serve").arg("--dir").arg(&self.data).arg("--listen").arg(self.listen.to_string());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.env(failpoint::CONTROLLED, "yes").spawn()?;
        let log = Arc::new(Mutex::new(String::new()));
        let (tell, told) = oneshot::channel();
        if let Some(out) = child.stdout.take() {
            std::thread::spawn(move || read_address(BufReader::new(out), tell));
        }
        if let Some(err) = child.stderr.take() {
            let log = log.clone();
            std::thread::spawn(move || collect(err, &log));
        }
        let control = child.stdin.take();
        Ok(Daemon { child, control, log, told: Some(told), address: self.listen, started, start_ms: 0.0 })
    }

    fn program(&self) -> Outcome<Command> {
        let (path, hidden) = match &self.program {
            Program::Ours => (std::env::current_exe()?, true),
            Program::Twin(path) => (path.clone(), true),
            Program::Released(path) => (path.clone(), false),
        };
        let mut command = Command::new(path);
        if hidden {
            command.arg(HIDDEN);
        }
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        Ok(command)
    }
}

/// A daemon; killed when dropped.
pub struct Daemon {
    child: Child,
    control: Option<ChildStdin>,
    log: Arc<Mutex<String>>,
    told: Option<oneshot::Receiver<SocketAddr>>,
    /// Where it listens, once ready.
    pub address: SocketAddr,
    started: Instant,
    /// From the start of the process to its first answer, once ready.
    pub start_ms: f64,
}

impl Daemon {
    /// Waits for the first good answer of `/readyz`.
    pub async fn wait_until_ready(&mut self) -> Outcome<()> {
        let told = self.told.take().ok_or(Trouble::failed("it was waited for before"))?;
        let told = tokio::time::timeout(PATIENCE, told).await;
        let Ok(Ok(address)) = told else { return Err(self.did_not("start")) };
        self.address = address;
        let mut client = Client::to(&Place::at(address));
        loop {
            match client.ask(&Ask::get("/readyz")).await {
                Ok(answer) if answer.status == 200 => break,
                // It will not become ready by waiting: what it found has to be looked into.
                Ok(answer) if answer.code().starts_with("audit/") => return Err(self.did_not("become ready")),
                _ => {}
            }
            if self.started.elapsed() > PATIENCE || self.has_ended() {
                return Err(self.did_not("become ready"));
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        self.start_ms = self.started.elapsed().as_secs_f64() * 1e3;
        Ok(())
    }

    /// Has it end itself at the `count`-th passage of a failpoint from now on. Ours only.
    pub fn arm(&mut self, point: &str, count: u64) -> Outcome<()> {
        let control = self.control.as_mut().ok_or(Trouble::failed("this daemon takes no words"))?;
        // A daemon that has just ended by itself hears nothing, which is as well.
        let _ = writeln!(control, "{point} {count}");
        Ok(())
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal; that it is gone already is as well.
    pub fn signal(&self, signal: Signal) {
        let _ = kill_process(Pid::from_child(&self.child), signal);
    }

    /// SIGKILL, and waits for its end.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// SIGTERM, and waits for its orderly end.
    pub async fn terminate(&mut self) -> Outcome<ExitStatus> {
        self.signal(Signal::TERM);
        match self.ended_within(PATIENCE).await {
            Some(status) => Ok(status),
            None => Err(self.did_not("end")),
        }
    }

    /// Its end, if it comes in time.
    pub async fn ended_within(&mut self, patience: Duration) -> Option<ExitStatus> {
        let asked = Instant::now();
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) => return Some(status),
                _ if asked.elapsed() >= patience => return None,
                _ => tokio::time::sleep(Duration::from_millis(1)).await,
            }
        }
    }

    pub fn has_ended(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(Some(_)))
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A line of `/proc/PID/status`, in MiB: `VmRSS`, `VmHWM`.
    pub fn memory_mib(&self, name: &str) -> f64 {
        let text = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
        kib.unwrap_or_default() / 1024.0
    }

    /// CPU time of all its threads so far, in milliseconds, to ten of them.
    pub fn cpu_ms(&self) -> f64 {
        cpu_ms(&self.pid().to_string())
    }

    fn did_not(&mut self, what: &str) -> Trouble {
        let ended = match self.child.try_wait() {
            Ok(Some(status)) => format!("it ended with {status}"),
            _ => "it still runs".to_owned(),
        };
        // Its last words may still be in the pipe.
        std::thread::sleep(Duration::from_millis(50));
        let log = self.log();
        let tail: Vec<&str> = log.lines().rev().take(12).collect();
        let tail: Vec<&str> = tail.into_iter().rev().collect();
        Trouble::failed(format!("the daemon did not {what}; {ended}; its last words:\n{}", tail.join("\n")))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.kill();
    }
}

/// CPU time of a process so far, by its number or `self`.
pub fn cpu_ms(pid: &str) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let after = stat.rsplit(')').next().unwrap_or_default();
    let fields: Vec<f64> = after.split_whitespace().skip(1).filter_map(|field| field.parse().ok()).collect();
    // utime and stime: fields 14 and 15 of proc(5), of which the first three are gone; in ticks of 10 ms.
    fields.get(10..12).map_or(0.0, |both| both.iter().sum::<f64>() * 10.0)
}

/// Tells the address from the first line that has one, and reads the rest away.
fn read_address(mut out: BufReader<impl std::io::Read>, tell: oneshot::Sender<SocketAddr>) {
    let mut line = String::new();
    let mut tell = Some(tell);
    while out.read_line(&mut line).is_ok_and(|read| read > 0) {
        let address = line.trim().strip_prefix("serving on http://").and_then(|text| text.parse().ok());
        if let Some(address) = address
            && let Some(tell) = tell.take()
        {
            // Nobody waits any more where the start was given up.
            let _ = tell.send(address);
        }
        line.clear();
    }
}

fn collect(mut err: impl std::io::Read, log: &Mutex<String>) {
    let mut octets = [0; 4096];
    while let Ok(read @ 1..) = err.read(&mut octets) {
        let text = String::from_utf8_lossy(&octets[..read]);
        log.lock().unwrap_or_else(PoisonError::into_inner).push_str(&text);
    }
}
