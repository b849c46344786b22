//! What this process may still do once it serves: everything it does not need is given up before the first request, so that
//! a hole in a parser is no way to the machine.
//!
//! Three layers, each on its own, each as far as the kernel has it:
//!
//! | layer | by | holds against |
//! | --- | --- | --- |
//! | the process | `prctl`, `setrlimit` | core files and memory read by others of the same user |
//! | files and ports | Landlock (Linux 5.13; ports 6.7; signals 6.12) | reading and writing elsewhere, listening and connecting elsewhere |
//! | system calls | seccomp | programs, children, debuggers, the kernel's seldom-used rooms |
//!
//! Landlock holds for the thread that asked and for the threads it starts: [`enter`] is called before there are others.

mod calls;
mod files;
mod process;

pub use files::{Fence, Layer};

use std::{fmt, path::PathBuf};

/// How much is insisted on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// Nothing is given up.
    Off,
    /// As much as the kernel has; what it has not is said.
    #[default]
    On,
    /// All three layers, or no start.
    Require,
}

/// What the process needs for its work.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// Files, and directories with all in them, that are read.
    pub read: Vec<PathBuf>,
    /// Directories in which files are made, written, renamed and removed.
    pub write: Vec<PathBuf>,
    /// Directories in which sockets are made and removed.
    pub sockets: Vec<PathBuf>,
    /// TCP ports on which it listens; 0 stands for any that is free.
    pub bind: Vec<u16>,
    /// TCP ports to which it connects, at any address.
    pub connect: Vec<u16>,
}

/// What is in force from now on, until the process ends. To be kept as long as that.
#[derive(Debug)]
pub struct Standing {
    /// Files and ports; `None`: nothing.
    pub fence: Option<Fence>,
    /// Whether system calls are forbidden.
    pub calls: bool,
    /// Whether memory is closed to others, and no core is written.
    pub process: bool,
}

/// Why a process that insists on its sandbox must not start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SandboxError {
    says: String,
}

/// Gives up what `plan` does not name. There is no way back.
///
/// # Errors
/// [`SandboxError`] with [`Mode::Require`], where a layer is not to be had in full.
pub fn enter(mode: Mode, plan: &Plan) -> Result<Standing, SandboxError> {
    if mode == Mode::Off {
        return Ok(Standing { fence: None, calls: false, process: false });
    }
    let mut missing = Vec::new();
    let mut note = |layer: &str, says: String| missing.push(format!("{layer}: {says}"));
    let process = process::close().map_err(|error| note("the process", error.to_string())).is_ok();
    let fence = files::fence(plan).map_err(|error| note("files and ports", error)).ok();
    if let Some(fence) = &fence
        && fence.layer != Layer::Full
    {
        note("files and ports", "this kernel's Landlock has only a part of it".into());
    }
    let calls = calls::forbid().map_err(|error| note("system calls", error)).is_ok();
    match (mode, missing.is_empty()) {
        (Mode::Require, false) => Err(SandboxError { says: missing.join("; ") }),
        _ => Ok(Standing { fence, calls, process }),
    }
}

impl Mode {
    /// Each mode by its name in the configuration.
    pub const NAMES: [(&'static str, Self); 3] =
        [("off", Self::Off), ("on", Self::On), ("require", Self::Require)];

    /// The mode of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(known, _)| *known == name).map(|(_, mode)| *mode)
    }
}

impl Standing {
    /// Whether every layer is in force in full.
    pub fn is_full(&self) -> bool {
        self.calls && self.process && self.fence.as_ref().is_some_and(|fence| fence.layer == Layer::Full)
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let files = match self.fence.as_ref().map(|fence| fence.layer) {
            Some(Layer::Full) => "in full",
            Some(Layer::Part) => "in part (an older kernel)",
            None => "not in force",
        };
        let or_not = |there: bool| if there { "in force" } else { "not in force" };
        write!(
            out,
            "files and ports (Landlock) {files}, system calls (seccomp) {}, memory and cores {}",
            or_not(self.calls),
            if self.process { "closed" } else { "open" },
        )
    }
}

impl fmt::Display for SandboxError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "the configuration insists on the sandbox, which is not to be had here: {}; sandbox = \"on\" takes what there is",
            self.says
        )
    }
}

impl std::error::Error for SandboxError {}
