//! Where the database is and how long anyone waits for it.

use super::OpenError;
use crate::base::Secret;
use std::path::PathBuf;

/// What [`super::Store::open`] needs.
#[derive(Debug)]
pub struct StoreConfig {
    /// Which database.
    pub engine: EngineConfig,
    /// The name of this node: 1 to 64 letters, digits, `-`, `_`, `.`. Different on every node of one database.
    pub node: String,
    /// How long to wait.
    pub deadlines: Deadlines,
}

/// Which database.
#[derive(Debug)]
pub enum EngineConfig {
    /// A file; its directory is made (0700) where missing. One daemon only.
    Sqlite {
        /// The file.
        path: PathBuf,
        /// Connections that read, 1 to 64.
        readers: u32,
    },
    /// A server, version 15 or later, for one node or several.
    Postgres {
        /// `postgres://user:password@host/database`.
        url: Secret<String>,
        /// The schema to work in; `None`: the role's own.
        schema: Option<String>,
        /// Connections of this node, 2 to 1000.
        connections: u32,
    },
}

/// How long anyone waits, in milliseconds; each at least 1.
#[derive(Debug, Clone, Copy)]
pub struct Deadlines {
    /// For a turn to write, or for a connection.
    pub wait_ms: u64,
    /// For the closure of one write or read, and for each statement of it.
    pub body_ms: u64,
    /// For a lock on a row that another transaction holds (PostgreSQL), or that another process holds (SQLite).
    pub lock_ms: u64,
    /// For the commit; past it the outcome is unknown.
    pub commit_ms: u64,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self { wait_ms: 5_000, body_ms: 10_000, lock_ms: 2_000, commit_ms: 5_000 }
    }
}

impl StoreConfig {
    /// A database in this file, as node `local`, with the usual deadlines.
    pub fn sqlite(path: impl Into<PathBuf>) -> Self {
        Self {
            engine: EngineConfig::Sqlite { path: path.into(), readers: 4 },
            node: "local".into(),
            deadlines: Deadlines::default(),
        }
    }

    pub(super) fn check(&self) -> Result<(), OpenError> {
        if !is_node_name(&self.node) {
            return Err(OpenError::Config {
                says: "the node's name must be 1 to 64 letters, digits, -, _ or .".into(),
            });
        }
        let d = &self.deadlines;
        if [d.wait_ms, d.body_ms, d.lock_ms, d.commit_ms].iter().any(|ms| !(1..=3_600_000).contains(ms)) {
            return Err(OpenError::Config {
                says: "a deadline of the store must be between 1 ms and one hour".into(),
            });
        }
        match &self.engine {
            EngineConfig::Sqlite { readers, .. } if !(1..=64).contains(readers) => {
                Err(OpenError::Config { says: "readers must be 1 to 64".into() })
            }
            EngineConfig::Postgres { connections, .. } if !(2..=1000).contains(connections) => {
                Err(OpenError::Config { says: "connections must be 2 to 1000".into() })
            }
            EngineConfig::Postgres { schema: Some(schema), .. } if !is_plain_name(schema) => {
                Err(OpenError::Config {
                    says: "the schema's name must be 1 to 63 lower-case letters, digits or _".into(),
                })
            }
            _ => Ok(()),
        }
    }
}

/// Whether a node may be called so: 1 to 64 letters, digits, `-`, `_`, `.`.
pub fn is_node_name(name: &str) -> bool {
    let plain = |octet: u8| octet.is_ascii_alphanumeric() || b"-_.".contains(&octet);
    (1..=64).contains(&name.len()) && name.bytes().all(plain)
}

/// A name that needs no quotes in SQL.
fn is_plain_name(name: &str) -> bool {
    (1..=63).contains(&name.len())
        && name.bytes().all(|octet| octet.is_ascii_lowercase() || octet.is_ascii_digit() || octet == b'_')
        && !name.starts_with(|first: char| first.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_settings_are_refused() {
        let good = StoreConfig::sqlite("x.db");
        assert!(good.check().is_ok());
        for node in ["", "a b", "节点", &"n".repeat(65)] {
            assert!(StoreConfig { node: node.into(), ..StoreConfig::sqlite("x.db") }.check().is_err());
        }
        let deadlines = Deadlines { commit_ms: 0, ..Deadlines::default() };
        assert!(StoreConfig { deadlines, ..StoreConfig::sqlite("x.db") }.check().is_err());
        for schema in ["", "A", "a;b", "1a"] {
            let url = Secret::new(String::new());
            let engine = EngineConfig::Postgres { url, schema: Some(schema.into()), connections: 4 };
            assert!(StoreConfig { engine, ..StoreConfig::sqlite("x.db") }.check().is_err());
        }
    }
}
