//! Where the data directory keeps what.

use crate::config::Config;
use std::path::PathBuf;

/// The keystore's passphrase: as configured, else in the data directory.
pub fn passphrase(config: &Config) -> PathBuf {
    config.passphrase_file.clone().unwrap_or_else(|| config.data_dir.join("passphrase"))
}

/// The signed heads of the audit chain: outside the database.
pub fn heads(config: &Config) -> PathBuf {
    config.data_dir.join("audit-heads.jsonl")
}

/// The first officers' API keys.
pub fn officer_keys(config: &Config) -> PathBuf {
    config.data_dir.join("officer-keys")
}
