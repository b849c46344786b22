//! Why a command came to nothing, and how that is told.

use crate::app::AppError;

/// Why a command came to nothing.
#[derive(Debug)]
pub enum CliError {
    /// The command was called wrongly.
    Usage(String),
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

    /// 64 for wrong usage (sysexits.h), 1 for everything else.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => super::USAGE,
            Self::Refused { .. } | Self::Failed(_) => 1,
        }
    }

    /// Tells it on standard error.
    pub fn print(&self) {
        match self {
            Self::Usage(says) => eprintln!("yinxin: {says}"),
            Self::Failed(says) => eprintln!("yinxin: {says}"),
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
        Self::Failed(error.to_string())
    }
}
