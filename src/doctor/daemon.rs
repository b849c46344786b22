//! The daemon, where one is at work: what it says about itself over its socket.

use super::{Case, finding::Notes};
use crate::config::Config;
use rustix::net::sockopt::socket_peercred;
use serde_json::Value;
use std::{
    fs,
    io::{Read as _, Write as _},
    os::unix::net::UnixStream,
    time::Duration,
};

const SUBJECT: &str = "daemon";
/// The longest wait for each part of its answer.
const PATIENCE: Duration = Duration::from_secs(10);
const ANSWER_MAX_BYTES: u64 = 1 << 20;
/// Beside connections, a daemon holds files, sockets and connections to the database.
const DESCRIPTORS_BESIDE: u64 = 128;

/// What a daemon says.
pub(super) struct Daemon {
    /// Its process.
    pid: Option<i32>,
    /// What it answers about its readiness; `None` where it does not answer.
    readiness: Option<Value>,
}

/// Asks the daemon at the socket; `None` where nobody listens there.
pub(super) async fn ask(config: &Config) -> Option<Daemon> {
    let path = config.socket_path();
    let asked = tokio::task::spawn_blocking(move || {
        let stream = UnixStream::connect(path).ok()?;
        let pid = socket_peercred(&stream).ok().map(|peer| peer.pid.as_raw_nonzero().get());
        Some(Daemon { pid, readiness: readiness(stream) })
    });
    asked.await.ok().flatten()
}

fn readiness(mut stream: UnixStream) -> Option<Value> {
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    stream.set_write_timeout(Some(PATIENCE)).ok()?;
    let ask = "GET /api/v1/service/readiness HTTP/1.1\r\nHost: yinxin\r\nConnection: close\r\n\r\n";
    stream.write_all(ask.as_bytes()).ok()?;
    let mut answer = Vec::new();
    stream.take(ANSWER_MAX_BYTES).read_to_end(&mut answer).ok()?;
    let body = answer.windows(4).position(|octets| octets == b"\r\n\r\n")? + 4;
    serde_json::from_slice(answer.get(body..)?).ok()
}

pub(super) fn look(notes: &mut Notes, case: &Case<'_>, daemon: Option<&Daemon>) {
    let mut of = notes.of(SUBJECT);
    let Some(daemon) = daemon else {
        let socket = case.config.socket_path();
        let found = format!("none is at work at {}; its data are looked at without it", socket.display());
        return of.fine("at-work", found);
    };
    let Some(readiness) = &daemon.readiness else {
        let advice = "look into its log; if it hangs, stop it (SIGTERM) and start it again";
        return of.wrong("at-work", "one listens at the socket and does not answer", advice);
    };
    of.fine("at-work", "one is at work and answers");
    for vital in readiness["vitals"].as_array().into_iter().flatten() {
        let text = |name: &str| vital[name].as_str().unwrap_or_default().to_owned();
        let found = format!("{}: {}", text("name"), text("found"));
        match vital["ready"].as_bool() {
            Some(true) => of.fine("ready", found),
            _ => of.wrong("ready", found, "it takes no part in the work until that is mended; see its log"),
        }
    }
    if let Some(pid) = daemon.pid {
        process(notes, case, pid);
    }
}

/// What the operating system says about its process.
fn process(notes: &mut Notes, case: &Case<'_>, pid: i32) {
    let mut of = notes.of(SUBJECT);
    let read = |name: &str| fs::read_to_string(format!("/proc/{pid}/{name}")).ok();
    match read("limits").as_deref().and_then(|limits| limit(limits, "Max core file size")) {
        Some(0) => of.fine("core", "writes no core files"),
        Some(_) => {
            let advice = "set LimitCORE=0 in its unit: a core file holds keys and documents";
            of.weak("core", "it would write its memory to disk where it crashes", advice);
        }
        None => of.unknown("core", "its limits can't be read; run this as its user, or as root"),
    }
    let wanted = case.config.limits.connections as u64 + DESCRIPTORS_BESIDE;
    match read("limits").as_deref().and_then(|limits| limit(limits, "Max open files")) {
        Some(most) if most < wanted => {
            let found = format!("it may open {most} files, and limits.connections needs {wanted}");
            of.weak("descriptors", found, "raise LimitNOFILE in its unit, or lower limits.connections");
        }
        Some(most) => of.fine("descriptors", format!("it may open {most} files, and needs at most {wanted}")),
        None => {}
    }
    let status = read("status");
    let field = |name: &str| {
        let line = status.as_deref()?.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse::<u64>().ok()
    };
    if field("Uid:") == Some(0) {
        let advice = "run it as a user of its own; it needs no rights of root";
        of.weak("user", "it works as root", advice);
    }
    if field("VmSwap:").is_some_and(|kib| kib > 0) {
        let advice = "set MemorySwapMax=0 in its unit, or encrypt the swap: it may hold keys";
        of.weak("swapped", "parts of its memory are on the swap", advice);
    }
}

/// A line of `/proc/PID/limits`, in force; `unlimited` is the most there is.
fn limit(limits: &str, name: &str) -> Option<u64> {
    let rest = limits.lines().find_map(|line| line.strip_prefix(name))?;
    match rest.split_whitespace().next()? {
        "unlimited" => Some(u64::MAX),
        number => number.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::limit;

    #[test]
    fn limits_are_read_as_the_kernel_writes_them() {
        let limits = "Limit                     Soft Limit           Hard Limit           Units     \n\
                      Max core file size        0                    unlimited            bytes     \n\
                      Max open files            1024                 524288               files     \n\
                      Max cpu time              unlimited            unlimited            seconds   \n";
        assert_eq!(limit(limits, "Max core file size"), Some(0));
        assert_eq!(limit(limits, "Max open files"), Some(1024));
        assert_eq!(limit(limits, "Max cpu time"), Some(u64::MAX));
        assert_eq!(limit(limits, "Max nothing"), None);
    }
}
