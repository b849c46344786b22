//! backup
mod envelope;
mod error;
mod hpke;
mod recipient;
pub use error::BackupError;
pub use recipient::{KeyFile, RECIPIENTS_MAX, Recipient, RecipientKey};
