//! Where a value comes from, and what is wrong with it: always told together.

use std::{fmt, path::PathBuf};

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nobody said anything.
    Default,
    /// The configuration file.
    File {
        /// Its path.
        path: PathBuf,
        /// The line, from 1; 0 where it is the file as a whole.
        line: usize,
    },
    /// This environment variable.
    Variable(String),
    /// This flag of the command, or the command itself.
    Option(&'static str),
    /// This file among systemd's credentials.
    Credential(PathBuf),
}

/// One thing that is wrong with the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The key, where it is one; unknown keys as they are written.
    pub key: Option<String>,
    /// Where it stands.
    pub origin: Origin,
    /// What is wrong and what is taken; without the value where that is a secret.
    pub says: String,
}

/// Why there is no configuration: everything that is wrong with it, not only the first thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// At least one.
    pub faults: Vec<Fault>,
}

impl ConfigError {
    /// Whether only flags of the command are to blame.
    pub fn is_usage(&self) -> bool {
        self.faults.iter().all(|fault| matches!(fault.origin, Origin::Option(_)))
    }
}

impl Origin {
    /// One word for the kind of origin.
    pub fn word(&self) -> &'static str {
        match self {
            Origin::Default => "default",
            Origin::File { .. } => "file",
            Origin::Variable(_) => "environment",
            Origin::Option(_) => "option",
            Origin::Credential(_) => "credential",
        }
    }

    /// Who is heard over whom: a later layer over an earlier one.
    pub(super) fn layer(&self) -> u8 {
        match self {
            Origin::Default => 0,
            Origin::Credential(_) => 1,
            Origin::File { .. } => 2,
            Origin::Variable(_) => 3,
            Origin::Option(_) => 4,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => out.write_str("default"),
            Origin::File { path, line: 0 } => write!(out, "file {}", path.display()),
            Origin::File { path, line } => write!(out, "file {} line {line}", path.display()),
            Origin::Variable(name) => write!(out, "environment {name}"),
            Origin::Option(flag) => write!(out, "option {flag}"),
            Origin::Credential(path) => write!(out, "credential {}", path.display()),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.key {
            Some(key) => write!(out, "{key} ({}): {}", self.origin, self.says),
            None => write!(out, "{}: {}", self.origin, self.says),
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.faults.as_slice() {
            [fault] => write!(out, "the configuration can't be taken: {fault}"),
            faults => {
                out.write_str("the configuration can't be taken:")?;
                faults.iter().try_for_each(|fault| write!(out, "\n  {fault}"))
            }
        }
    }
}

impl std::error::Error for ConfigError {}
