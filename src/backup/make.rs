//! Making a backup: one pass over one instant of the database, into whatever takes the octets.

use super::{
    BackupError, HEADS_FILE, Recipient,
    envelope::Envelope,
    frame::{self, kind},
    manifest::{
        Beginning, FileEntry, FileHead, LAYOUT, Manifest, Signature, TableEntry, TableHead, signed_octets,
    },
    parts,
};
use crate::{
    audit::{ChainEnd, HeadKeys, KeyLine, chain_ends},
    base::{Entropy, Timestamp, entropy::Rng},
    store::{Rx, Store, Table, migrations},
};
use serde::Serialize;
use std::{
    fs::File,
    io::{self, Read},
    path::Path,
    sync::Arc,
};
use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use yinxin_pki::{
    sign::{SignInput, Signer},
    sm3::Sm3,
};

/// Octets that are gathered before they are handed on.
const HAND_ON: usize = 128 * 1024;
/// Rows between two looks at the database's log.
const LOOK_EVERY: u64 = 1000;

/// What a backup is made from.
pub struct Making<'m> {
    /// The database.
    pub store: &'m Store,
    /// The file of audit heads.
    pub heads_file: &'m Path,
    /// All audit keys.
    pub keys: &'m HeadKeys,
    /// The audit key that signs the manifest.
    pub signer: Arc<dyn Signer>,
    /// Whom it is encrypted to, 1 to 8.
    pub recipients: &'m [Recipient],
    /// For keys and nonces.
    pub entropy: Arc<dyn Entropy>,
    /// Its id.
    pub id: &'m str,
    /// The instant: read before this is called.
    pub now: Timestamp,
    /// The longest that SQLite's log may become meanwhile, in octets.
    pub log_limit_bytes: u64,
}

/// What was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// Octets of the whole file.
    pub bytes: u64,
    /// Rows of all tables.
    pub rows: u64,
    /// SM3 of the manifest, in hex.
    pub manifest_sm3: String,
}

/// Makes a backup. The writers of the database are not held up; memory holds a row and some chunks.
pub async fn make(
    making: &Making<'_>,
    out: &mut (impl AsyncWrite + Unpin + Send),
) -> Result<Made, BackupError> {
    let mut ready = Vec::new();
    let envelope = Envelope::begin(making.recipients, &*making.entropy, &mut ready)?;
    let mut sheet = Sheet { envelope, ready, bytes: 0, out };
    let contents = making.store.snapshot(async |rx| write_all(rx, making, &mut sheet).await).await?;
    let manifest = json(&contents.manifest())?;
    sheet.record(kind::MANIFEST, &manifest).await?;
    let signature = sign(making, &manifest).await?;
    sheet.record(kind::SIGNATURE, &json(&signature)?).await?;
    let rows = contents.tables.iter().map(|table| table.rows).sum();
    let manifest_sm3 = hex::encode(yinxin_pki::sm3::digest(&manifest));
    Ok(Made { bytes: sheet.end().await?, rows, manifest_sm3 })
}

fn json(value: &impl Serialize) -> Result<Vec<u8>, BackupError> {
    serde_json::to_vec(value).map_err(|error| BackupError::Io(error.into()))
}

/// What has been written, for the manifest.
struct Contents {
    beginning: Beginning,
    tables: Vec<TableEntry>,
    files: Vec<FileEntry>,
    chains: Vec<ChainEnd>,
}

impl Contents {
    fn manifest(&self) -> Manifest {
        Manifest {
            beginning: self.beginning.clone(),
            tables: self.tables.clone(),
            files: self.files.clone(),
            chains: self.chains.clone(),
            kept_apart: vec![
                "the keystore's passphrase".into(),
                "the configuration and the secrets that it names".into(),
                "API keys of officers in clear text".into(),
            ],
        }
    }
}

async fn write_all<W: AsyncWrite + Unpin + Send>(
    rx: &mut Rx,
    making: &Making<'_>,
    sheet: &mut Sheet<'_, W>,
) -> Result<Contents, BackupError> {
    // The first statement is the instant.
    rx.no_hurry().await?;
    let migrations = migrations::applied(rx).await?;
    let store = making.store;
    let beginning = Beginning {
        backup: LAYOUT,
        id: making.id.to_owned(),
        at: making.now.rfc3339(),
        at_ms: making.now.ms(),
        node: store.node().to_owned(),
        engine: store.engine_name().to_owned(),
        release: env!("CARGO_PKG_VERSION").to_owned(),
        schema: migrations.last().map_or(0, |(number, _)| *number),
        migrations,
        audit_keys: KeyLine::of(making.keys),
    };
    sheet.record(kind::BEGINNING, &json(&beginning)?).await?;
    // After the instant: every head that the database knows stood in the file before.
    let files = sheet.file(HEADS_FILE, making.heads_file).await?.into_iter().collect();
    let mut tables = rx.tables().await?;
    // The heads before the records that they signed: whoever checks them reads once.
    tables.sort_by_key(|table| (table.name != "audit_head", table.name != "audit", table.name.clone()));
    let mut written = Vec::new();
    for table in &tables {
        written.push(write_table(rx, making, table, sheet).await?);
    }
    Ok(Contents { beginning, tables: written, files, chains: chain_ends(rx).await? })
}

async fn write_table<W: AsyncWrite + Unpin + Send>(
    rx: &mut Rx,
    making: &Making<'_>,
    table: &Table,
    sheet: &mut Sheet<'_, W>,
) -> Result<TableEntry, BackupError> {
    look_at_log(making)?;
    sheet.record(kind::TABLE, &json(&TableHead::from(table))?).await?;
    let (mut rows, mut digest, mut body) = (0, Sm3::new(), Vec::new());
    for part in parts(table) {
        rx.each_row(table, part, async |cells| {
            frame::row(&cells, &mut body);
            digest.update(&body);
            rows += 1;
            if rows % LOOK_EVERY == 0 {
                look_at_log(making)?;
            }
            sheet.record(kind::ROW, &body).await
        })
        .await?;
    }
    Ok(TableEntry { name: table.name.clone(), rows, sm3: hex::encode(digest.finish()) })
}

/// SQLite cannot shorten its log while somebody reads an old instant.
fn look_at_log(making: &Making<'_>) -> Result<(), BackupError> {
    match making.store.log_bytes() {
        Some(bytes) if bytes > making.log_limit_bytes => Err(BackupError::LogTooLong { bytes }),
        _ => Ok(()),
    }
}

async fn sign(making: &Making<'_>, manifest: &[u8]) -> Result<Signature, BackupError> {
    let (signer, entropy) = (making.signer.clone(), making.entropy.clone());
    let octets = signed_octets(manifest);
    let public = signer.public_key();
    let value = tokio::task::spawn_blocking(move || {
        signer.sign(SignInput::Message(&octets), Rng::new(entropy).as_dyn())
    });
    let wrong = |says: String| BackupError::Sign { says };
    let value = value.await.map_err(|error| wrong(error.to_string()))?;
    let value = value.map_err(|error| wrong(error.to_string()))?;
    let key = making.keys.iter().find(|(_, key)| key.key == public).map(|(_, key)| key.clone());
    let key = key.and_then(|key| KeyLine::of(&HeadKeys::new([key])).pop());
    let key = key.ok_or_else(|| wrong("the key is none of the audit keys".into()))?;
    Ok(Signature { key, value: hex::encode(value) })
}

/// What is being written.
struct Sheet<'o, W> {
    envelope: Envelope,
    /// Encrypted, not handed on yet.
    ready: Vec<u8>,
    bytes: u64,
    out: &'o mut W,
}

impl<W: AsyncWrite + Unpin + Send> Sheet<'_, W> {
    async fn record(&mut self, kind: u8, body: &[u8]) -> Result<(), BackupError> {
        self.envelope.write(&frame::head(kind, body)?, &mut self.ready)?;
        self.envelope.write(body, &mut self.ready)?;
        if self.ready.len() >= HAND_ON { self.hand_on().await } else { Ok(()) }
    }

    async fn hand_on(&mut self) -> Result<(), BackupError> {
        self.out.write_all(&self.ready).await?;
        self.bytes += self.ready.len() as u64;
        self.ready.clear();
        Ok(())
    }

    /// A file up to its last whole line; nothing where there is none.
    async fn file(&mut self, name: &str, path: &Path) -> Result<Option<FileEntry>, BackupError> {
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        self.record(kind::FILE, &json(&FileHead { name: name.to_owned() })?).await?;
        let (mut bytes, mut digest) = (0, Sm3::new());
        let (mut piece, mut held) = (vec![0; 64 * 1024], 0);
        loop {
            let read = file.read(&mut piece[held..])?;
            let end = held + read;
            // What stands behind the last newline is being written just now: it waits for the rest, or stays out.
            let whole = piece[..end].iter().rposition(|&octet| octet == b'\n').map_or(0, |at| at + 1);
            if read == 0 || (whole == 0 && end == piece.len()) {
                break;
            }
            if whole > 0 {
                digest.update(&piece[..whole]);
                bytes += whole as u64;
                self.record(kind::PIECE, &piece[..whole]).await?;
            }
            piece.copy_within(whole..end, 0);
            held = end - whole;
        }
        Ok(Some(FileEntry { name: name.to_owned(), bytes, sm3: hex::encode(digest.finish()) }))
    }

    async fn end(mut self) -> Result<u64, BackupError> {
        self.envelope.end(&mut self.ready)?;
        self.out.write_all(&self.ready).await?;
        self.out.flush().await?;
        Ok(self.bytes + self.ready.len() as u64)
    }
}
