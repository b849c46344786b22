//! Why a run came to nothing.

use std::fmt;

pub type Outcome<T> = Result<T, Trouble>;

/// Why a run came to nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// The machine lacks what the mode needs; said loudly, exit code 3.
    NotHere(String),
    /// The harness, or the daemon where it had to do well, failed; exit code 2.
    Failed(String),
}

impl Trouble {
    pub fn failed(says: impl fmt::Display) -> Self {
        Self::Failed(says.to_string())
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotHere(says) | Self::Failed(says) => out.write_str(says),
        }
    }
}

impl std::error::Error for Trouble {}

macro_rules! from {
    ($($source:ty),+ $(,)?) => {$(
        impl From<$source> for Trouble {
            fn from(error: $source) -> Self {
                Self::failed(error)
            }
        }
    )+};
}

from!(std::io::Error, serde_json::Error, tokio::task::JoinError, sqlx::Error, crate::http::Lost);
