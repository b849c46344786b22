//! Settings as written, before anyone has looked at what they mean.

use super::ConfigError;
use serde::Deserialize;
use std::path::PathBuf;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Raw {
    pub data_dir: Option<PathBuf>,
    pub passphrase_file: Option<PathBuf>,
    /// Never in the file: systemd sets it.
    #[serde(skip)]
    pub credentials_dir: Option<PathBuf>,
    pub public_url: Option<String>,
    pub listen: RawListen,
    pub database: RawDatabase,
    pub limits: RawLimits,
    pub outside: RawOutside,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawListen {
    pub address: Option<String>,
    pub socket: Option<PathBuf>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawDatabase {
    pub url: Option<String>,
    pub url_file: Option<PathBuf>,
    pub schema: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawLimits {
    pub connections: Option<u64>,
    pub light_requests: Option<u64>,
    pub heavy_requests: Option<u64>,
    pub document_bytes: Option<u64>,
    pub request_seconds: Option<u64>,
    pub verifications_per_minute: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawOutside {
    pub allowed_networks: Vec<String>,
}

/// The address may hold a password.
impl std::fmt::Debug for RawDatabase {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("RawDatabase(…)")
    }
}

impl Raw {
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        // Only the place and the reason: the line itself may hold a password.
        toml::from_str(text).map_err(|error| {
            let line =
                error.span().map_or(0, |span| 1 + text[..span.start.min(text.len())].matches('\n').count());
            ConfigError::Toml(format!("line {line}: {}", error.message()))
        })
    }

    /// Sets what the variable `YINXIN_<name>` says.
    pub fn set(&mut self, name: &str, value: String) -> Result<(), ConfigError> {
        let path = |value: String| Some(PathBuf::from(value));
        match name {
            "DATA_DIR" => self.data_dir = path(value),
            "PASSPHRASE_FILE" => self.passphrase_file = path(value),
            "PUBLIC_URL" => self.public_url = Some(value),
            "LISTEN_ADDRESS" => self.listen.address = Some(value),
            "LISTEN_SOCKET" => self.listen.socket = path(value),
            "DATABASE_URL" => (self.database.url, self.database.url_file) = (Some(value), None),
            "DATABASE_URL_FILE" => (self.database.url, self.database.url_file) = (None, path(value)),
            "DATABASE_SCHEMA" => self.database.schema = Some(value),
            "LIMITS_CONNECTIONS" => self.limits.connections = number("limits.connections", &value)?,
            "LIMITS_LIGHT_REQUESTS" => self.limits.light_requests = number("limits.light_requests", &value)?,
            "LIMITS_HEAVY_REQUESTS" => self.limits.heavy_requests = number("limits.heavy_requests", &value)?,
            "LIMITS_DOCUMENT_BYTES" => self.limits.document_bytes = number("limits.document_bytes", &value)?,
            "LIMITS_REQUEST_SECONDS" => {
                self.limits.request_seconds = number("limits.request_seconds", &value)?
            }
            "LIMITS_VERIFICATIONS_PER_MINUTE" => {
                self.limits.verifications_per_minute = number("limits.verifications_per_minute", &value)?;
            }
            "OUTSIDE_ALLOWED_NETWORKS" => {
                let networks = value.split(',').map(|network| network.trim().to_owned());
                self.outside.allowed_networks = networks.filter(|network| !network.is_empty()).collect();
            }
            _ => return Err(ConfigError::Variable(name.to_owned())),
        }
        Ok(())
    }
}

fn number(key: &'static str, text: &str) -> Result<Option<u64>, ConfigError> {
    let wrong = |_| ConfigError::Value { key, says: "it is no whole number".into() };
    text.trim().parse().map(Some).map_err(wrong)
}
