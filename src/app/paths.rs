//! Where the data directory keeps what.

use crate::{audit::HeadsPlace, config::Config, keys::PassphraseSource};
use std::path::PathBuf;

/// The keystore's passphrase: the file that is configured, else systemd's credential `passphrase`, else a file in the
/// data directory. What lies among systemd's credentials is read by their rules.
pub fn passphrase(config: &Config) -> PassphraseSource {
    let credentials = config.credentials_dir.as_deref();
    let credential = credentials.map(|folder| folder.join("passphrase")).filter(|path| path.exists());
    match (&config.passphrase_file, credential) {
        (Some(path), _) if credentials.is_some_and(|folder| path.starts_with(folder)) => {
            PassphraseSource::Credential(path.clone())
        }
        (Some(path), _) => PassphraseSource::File(path.clone()),
        (None, Some(path)) => PassphraseSource::Credential(path),
        (None, None) => PassphraseSource::File(config.data_dir.join("passphrase")),
    }
}

/// The signed heads of the audit chain: outside the database.
pub fn heads(config: &Config) -> HeadsPlace {
    HeadsPlace { file: config.data_dir.join("audit-heads.jsonl"), witness: config.audit.witness_file.clone() }
}

/// The first officers' API keys.
pub fn officer_keys(config: &Config) -> PathBuf {
    config.data_dir.join("officer-keys")
}
