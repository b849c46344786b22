//! The daemon: from `spawn` to its first 200 on `/healthz`, and the memory it holds while nobody asks it for anything.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a bench that cannot go on ends")]

mod common;

use common::{
    Figures,
    daemon::{Daemon, yinxin},
    median,
};
use std::{thread::sleep, time::Duration};

const STARTS: usize = 15;

fn main() {
    let mut figures = Figures::of("daemon");
    let folder = tempfile::tempdir().unwrap();
    let init = yinxin(folder.path(), &["init"]);
    assert!(init.status.success(), "{}", String::from_utf8_lossy(&init.stderr));
    let mut cpus = Vec::new();
    let start = |_| {
        let daemon = Daemon::start(folder.path());
        cpus.push(daemon.cpu_ms());
        daemon.start_ms
    };
    let starts: Vec<f64> = (0..STARTS).map(start).collect();
    figures.at_most("start to first answer (Argon2 in it), median", median(&starts), 120.0, "ms");
    figures.tell("  CPU of a start, all threads, to 10 ms", median(&cpus), "ms");
    let fastest = starts.iter().copied().fold(f64::INFINITY, f64::min);
    figures.tell("  the fastest start", fastest, "ms");
    figures.tell("  the slowest start", starts.iter().copied().fold(0.0, f64::max), "ms");

    let daemon = Daemon::start(folder.path());
    sleep(Duration::from_secs(3));
    figures.at_most("idle after 3 s, resident (VmRSS)", daemon.memory_mib("VmRSS"), 25.0, "MiB");
    figures.tell("  of which anonymous (RssAnon)", daemon.memory_mib("RssAnon"), "MiB");
    figures.tell("  its share of what is shared (Pss)", daemon.memory_mib("Pss"), "MiB");
    figures.tell("  the most it ever held (VmHWM: Argon2)", daemon.memory_mib("VmHWM"), "MiB");
    figures.end();
}
