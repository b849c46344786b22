//! What a backup says of itself.

use super::BackupError;
use crate::{
    audit::{ChainEnd, KeyLine},
    store::Table,
};
use serde::{Deserialize, Serialize};
use yinxin_pki::sign::{Algorithm, Digest, PublicKey, verify};

/// The layout of records and manifest.
pub(super) const LAYOUT: u32 = 1;

/// What a backup says before everything else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Beginning {
    /// The layout: 1.
    pub backup: u32,
    /// Its id, `backup_…`.
    pub id: String,
    /// The instant, RFC 3339: all that was signed into the audit until then is inside.
    pub at: String,
    /// The same in milliseconds since 1970.
    pub at_ms: i64,
    /// The node that made it.
    pub node: String,
    /// The engine that it comes from, `sqlite` or `postgres`. It can be restored into either.
    pub engine: String,
    /// The release that made it.
    pub release: String,
    /// The number of the last migration.
    pub schema: i64,
    /// All migrations: number and name.
    pub migrations: Vec<(i64, String)>,
    /// The audit keys: public parts.
    pub audit_keys: Vec<KeyLine>,
}

/// What a backup says when all of it is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// As at its beginning.
    #[serde(flatten)]
    pub beginning: Beginning,
    /// Its tables, in their order.
    pub tables: Vec<TableEntry>,
    /// Its files, in their order.
    pub files: Vec<FileEntry>,
    /// Where the chains of audit records end, node by node.
    pub chains: Vec<ChainEnd>,
    /// What a restoration needs besides, in words.
    pub kept_apart: Vec<String>,
}

/// A table in a manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableEntry {
    /// Its name.
    pub name: String,
    /// How many rows.
    pub rows: u64,
    /// SM3 over the bodies of its rows, in hex.
    pub sm3: String,
}

/// A file in a manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Its name.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// Its SM3, in hex.
    pub sm3: String,
}

/// The signature under a manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signature {
    /// The key: its short name, kind, public part, and when it was made.
    pub key: KeyLine,
    /// The value (DER for SM2), in hex.
    pub value: String,
}

/// The body of a `F` record.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct FileHead {
    pub name: String,
}

/// The body of a `T` record.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct TableHead {
    pub name: String,
    /// Name and kind: `int`, `text`, `bytes`, `bool`.
    pub columns: Vec<(String, String)>,
    pub key: Vec<String>,
}

/// What is signed.
pub(super) fn signed_octets(manifest: &[u8]) -> Vec<u8> {
    [&b"yinxin backup manifest 1\n"[..], manifest].concat()
}

impl Signature {
    /// Whether it holds over the manifest as it stands in the backup.
    pub(super) fn holds(&self, manifest: &[u8]) -> bool {
        let (Some(key), Ok(value)) = (self.public_key(), hex::decode(&self.value)) else { return false };
        let algorithm = match key {
            PublicKey::Sm2(_) => Algorithm::Sm2Sm3,
            _ => Algorithm::Ecdsa(Digest::Sha256),
        };
        verify(&key, algorithm, &signed_octets(manifest), &value).is_ok()
    }

    /// The key; `None` where it means nothing.
    pub fn public_key(&self) -> Option<PublicKey> {
        self.key.key().map(|key| key.key)
    }
}

/// A kind's word.
pub(super) fn kind_word(kind: crate::store::ColumnKind) -> &'static str {
    use crate::store::ColumnKind;
    match kind {
        ColumnKind::Int => "int",
        ColumnKind::Text => "text",
        ColumnKind::Bytes => "bytes",
        ColumnKind::Bool => "bool",
    }
}

impl From<&Table> for TableHead {
    fn from(table: &Table) -> Self {
        let columns =
            table.columns.iter().map(|column| (column.name.clone(), kind_word(column.kind).to_owned()));
        Self { name: table.name.clone(), columns: columns.collect(), key: table.key.clone() }
    }
}

impl TableHead {
    /// Whether rows of this backup's table fit into `table`: the same columns in the same order. Truth values are numbers in
    /// one engine.
    pub(super) fn fits(&self, table: &Table) -> bool {
        let same = |(name, kind): &(String, String), column: &crate::store::Column| {
            let found = kind_word(column.kind);
            *name == column.name
                && (kind == found || [kind.as_str(), found].iter().all(|kind| ["int", "bool"].contains(kind)))
        };
        self.columns.len() == table.columns.len()
            && self.columns.iter().zip(&table.columns).all(|(head, column)| same(head, column))
    }
}

/// JSON of a record's body.
pub(super) fn parsed<T: serde::de::DeserializeOwned>(body: &[u8], what: &str) -> Result<T, BackupError> {
    serde_json::from_slice(body).map_err(|_| BackupError::damaged(format!("{what} is not readable")))
}
