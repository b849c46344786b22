//! pyHanko, the peer: a Python process that stamps when it is told to and measures its own CPU time.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

/// A running peer; it ends with the pipe.
pub struct Peer {
    child: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
    /// What it calls itself.
    pub version: String,
}

impl Peer {
    /// Starts it on a PDF and a picture. `None`, said aloud, where Python or pyHanko is absent.
    pub fn start(pdf: &Path, png: &Path) -> Option<Self> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/common/peer.py");
        let mut child = Command::new("python3")
            .arg(script)
            .args([pdf, png])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .inspect_err(|error| eprintln!("SKIPPED: no python3 to run the peer: {error}"))
            .ok()?;
        let orders = child.stdin.take()?;
        let mut answers = BufReader::new(child.stdout.take()?);
        let mut version = String::new();
        if answers.read_line(&mut version).ok()? == 0 {
            let _ = child.wait();
            eprintln!("SKIPPED: the peer, pyHanko, is not installed (pip install pyhanko[image-support])");
            return None;
        }
        Some(Self { child, orders, answers, version: version.trim().to_owned() })
    }

    /// Stamps so many times in the way named, and answers milliseconds of CPU for one.
    pub fn batch(&mut self, way: &str, times: u32) -> f64 {
        writeln!(self.orders, "{way} {times}").and_then(|()| self.orders.flush()).unwrap();
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        answer.trim().parse().unwrap()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = writeln!(self.orders, "end 0");
        let _ = self.child.wait();
    }
}
