//! What the operating system says about this process, under the names that every Prometheus library uses.

use super::exposition::Page;
use rustix::process::{Resource, getrlimit};
use std::fs;

/// Ticks of `/proc/self/stat` a second: fixed for user space on Linux.
const TICKS: f64 = 100.0;

/// Writes what can be read; elsewhere than on Linux that is nothing.
pub(super) fn write(page: &mut Page) {
    if let Some(stat) = Stat::read() {
        page.counter("process_cpu_seconds_total", "CPU time of all threads, user and system, in seconds.")
            .is(stat.cpu_seconds);
        page.gauge("process_threads", "Threads of the process.").is(stat.threads);
        if let Some(started) = stat.started_seconds() {
            page.gauge("process_start_time_seconds", "When the process started, in seconds since 1970.")
                .is(started);
        }
    }
    if let Ok(status) = fs::read_to_string("/proc/self/status") {
        for (line, name, help) in [
            ("VmRSS:", "process_resident_memory_bytes", "Memory that is in RAM, in bytes."),
            ("VmSize:", "process_virtual_memory_bytes", "Address space, in bytes."),
        ] {
            if let Some(bytes) = kibibytes(&status, line) {
                page.gauge(name, help).is(bytes * 1024);
            }
        }
    }
    if let Ok(open) = fs::read_dir("/proc/self/fd") {
        // Reading the folder holds one open itself.
        page.gauge("process_open_fds", "Open file descriptors.").is(open.count().saturating_sub(1));
    }
    if let Some(most) = getrlimit(Resource::Nofile).current {
        page.gauge("process_max_fds", "File descriptors that may be open.").is(most);
    }
}

struct Stat {
    cpu_seconds: f64,
    threads: u64,
    /// After the start of the machine.
    started_ticks: f64,
}

impl Stat {
    fn read() -> Option<Self> {
        let stat = fs::read_to_string("/proc/self/stat").ok()?;
        // The program's name may hold blanks and parentheses; what follows it does not (proc(5)).
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let number = |field: usize| fields.get(field - 3)?.parse::<f64>().ok();
        Some(Self {
            cpu_seconds: (number(14)? + number(15)?) / TICKS,
            threads: number(20)? as u64,
            started_ticks: number(22)?,
        })
    }

    fn started_seconds(&self) -> Option<f64> {
        let machine = fs::read_to_string("/proc/stat").ok()?;
        let booted =
            machine.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse::<f64>().ok()?;
        Some(booted + self.started_ticks / TICKS)
    }
}

fn kibibytes(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}
