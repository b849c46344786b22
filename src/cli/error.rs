//! Why a command came to nothing, and how that is told.

use crate::{app::AppError, config::ConfigError};

/// Why a command came to nothing.
#[derive(Debug)]
pub enum CliError {
    /// The command was called wrongly.
    Usage(String),
    /// The configuration can't be taken.
    Configuration(String),
    /// The service refused.
    Refused {
        /// Stable code.
        code: String,
        /// What was tried and what was found.
        says: String,
        /// What may be done.
        hint: String,
    },
    /// Something failed on the way.
    Failed(String),
}

impl CliError {
    /// Wrong usage.
    pub fn usage(says: impl Into<String>) -> Self {
        Self::Usage(says.into())
    }

    /// A failure on the way.
    pub fn failed(says: impl Into<String>) -> Self {
        Self::Failed(says.into())
    }

    /// 64 for wrong usage, 78 for a configuration that can't be taken (sysexits.h), 1 for everything else.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => super::USAGE,
            Self::Configuration(_) => super::CONFIGURATION,
            Self::Refused { .. } | Self::Failed(_) => 1,
        }
    }

    /// Tells it on standard error.
    pub fn print(&self) {
        match self {
            Self::Usage(says) => eprintln!("yinxin: {says}"),
            Self::Configuration(says) | Self::Failed(says) => eprintln!("yinxin: {says}"),
            Self::Refused { code, says, hint } => {
                eprintln!("yinxin: {says} [{code}]");
                if !hint.is_empty() {
                    eprintln!("        {hint}");
                }
            }
        }
    }
}

impl From<AppError> for CliError {
    fn from(error: AppError) -> Self {
        match error {
            // Starting again does not help, as with any other word of the configuration.
            AppError::Tls { .. } => Self::Configuration(error.to_string()),
            AppError::Listen { .. } => Self::Failed(format!("{error}; --listen names another")),
            error => Self::Failed(error.to_string()),
        }
    }
}

impl From<ConfigError> for CliError {
    fn from(error: ConfigError) -> Self {
        let says = error.to_string();
        if error.is_usage() { Self::Usage(says) } else { Self::Configuration(says) }
    }
}
