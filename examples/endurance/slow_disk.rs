//! A disk in memory whose syncs take so long: a daemon on it is started under `strace`, which lets every sync wait and leaves
//! all other calls alone. The disk that forgets (`disk`) could wait too, but passes every write through this process, which
//! would be measured with it.

use crate::{
    daemon::Start,
    trouble::{Outcome, Trouble},
};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// A folder in memory, and the wait.
pub struct SlowDisk {
    folder: tempfile::TempDir,
    delay_ms: u64,
}

impl SlowDisk {
    /// An error where the machine has no `strace`, or it may not trace, or there is no memory disk.
    pub fn new(delay_ms: u64) -> Outcome<Self> {
        let works = Command::new("strace").args(["-f", "--seccomp-bpf", "-o", "/dev/null", "true"]).output();
        if !works.is_ok_and(|output| output.status.success()) {
            return Err(Trouble::NotHere("strace is not here, or may not trace".into()));
        }
        if !Path::new("/dev/shm").is_dir() {
            return Err(Trouble::NotHere("there is no /dev/shm".into()));
        }
        let folder = tempfile::Builder::new().prefix("endurance-slow-").tempdir_in("/dev/shm")?;
        Ok(Self { folder, delay_ms })
    }

    /// How a daemon is started on it.
    pub fn start(&self) -> Start {
        let wait = format!("inject=fsync,fdatasync:delay_exit={}", self.delay_ms * 1000);
        let record = self.record().display().to_string();
        let calls = "trace=fsync,fdatasync";
        let under = ["strace", "-f", "--seccomp-bpf", "-qq", "-o", &record, "-e", calls, "-e", &wait];
        let under = under.map(str::to_owned).into();
        Start { under, ..Start::on(&self.folder.path().join("data")) }
    }

    /// Syncs so far, of whatever was started on it last.
    pub fn syncs(&self) -> Outcome<u64> {
        let record = fs::read_to_string(self.record())?;
        // A call that others came between is told twice: "unfinished", with its arguments, and "resumed".
        Ok(record.lines().filter(|line| line.contains("sync(")).count() as u64)
    }

    fn record(&self) -> PathBuf {
        self.folder.path().join("syncs")
    }
}
