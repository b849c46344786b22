//! The machine: what else sees the daemon's memory.

use super::finding::Notes;
use std::fs;

const SUBJECT: &str = "machine";

pub(super) fn look(notes: &mut Notes) {
    let mut of = notes.of(SUBJECT);
    let swaps = fs::read_to_string("/proc/swaps").unwrap_or_default();
    match swaps.lines().skip(1).filter(|line| !line.trim().is_empty()).count() {
        0 => of.fine("swap", "memory is not written to a swap"),
        _ => of.weak(
            "swap",
            "there is a swap; memory with keys in it may be written there",
            "encrypt it, or set MemorySwapMax=0 in the daemon's unit",
        ),
    }
    let pattern = fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap_or_default();
    let limit = rustix::process::getrlimit(rustix::process::Resource::Core).current;
    match (limit, pattern.trim()) {
        (Some(0), _) => of.fine("core", "core files are not written"),
        (_, pattern) => {
            let found = format!("core files of this session's processes go to `{pattern}`");
            of.weak(
                "core",
                found,
                "set `ulimit -c 0`, LimitCORE=0 in the unit: they hold keys and documents",
            );
        }
    }
    features(notes);
}

/// What the kernel offers to lock a process in.
fn features(notes: &mut Notes) {
    let mut of = notes.of(SUBJECT);
    let modules = fs::read_to_string("/sys/kernel/security/lsm").unwrap_or_default();
    match modules.split(',').any(|module| module.trim() == "landlock") {
        true => of.fine("landlock", "the kernel has Landlock"),
        false if modules.is_empty() => {
            of.unknown("landlock", "the kernel does not tell its security modules")
        }
        false => {
            of.weak("landlock", "the kernel has no Landlock", "a kernel of 5.13 or later can fence files off")
        }
    }
    let seccomp = fs::read_to_string("/proc/sys/kernel/seccomp/actions_avail").unwrap_or_default();
    match seccomp.is_empty() {
        false => of.fine("seccomp", "the kernel has seccomp"),
        true => of.weak("seccomp", "the kernel has no seccomp", "take a kernel with CONFIG_SECCOMP_FILTER"),
    }
}
