//! Reading a backup: what comes out of it one by one, and the comparison of everything with its manifest. Blocking.

use super::{
    BackupError, RecipientKey,
    envelope::Opened,
    frame::{self, kind},
    manifest::{Beginning, FileEntry, FileHead, LAYOUT, Manifest, Signature, TableEntry, TableHead, parsed},
};
use crate::store::Cell;
use std::io::Read;
use yinxin_pki::sm3::{self, Sm3};

/// A backup being read.
pub(super) struct Reader<R> {
    opened: Opened<R>,
    beginning: Beginning,
    at: At,
    tables: Vec<TableEntry>,
    files: Vec<FileEntry>,
}

/// What the records now belong to.
enum At {
    Nothing,
    File { entry: FileEntry, digest: Sm3 },
    Table { entry: TableEntry, columns: usize, digest: Sm3 },
}

/// What came.
pub(super) enum Item {
    /// A file begins.
    File(String),
    /// Some of its octets.
    Piece(Vec<u8>),
    /// A table begins.
    Table(TableHead),
    /// One of its rows.
    Row(Vec<Cell>),
    /// All came, and is as the manifest says.
    End(Box<Ending>),
}

/// The end of a backup.
#[derive(Debug, Clone)]
pub(super) struct Ending {
    pub manifest: Manifest,
    pub manifest_sm3: String,
    pub signature: Signature,
}

impl<R: Read> Reader<R> {
    pub(super) fn begin(from: R, own: &RecipientKey) -> Result<Self, BackupError> {
        let mut opened = Opened::begin(from, own)?;
        let Some((kind::BEGINNING, body)) = frame::next(&mut opened)? else {
            return Err(BackupError::damaged("it does not begin as it must"));
        };
        // A later layout may say more, and something else.
        let layout: serde_json::Value = parsed(&body, "its beginning")?;
        if layout["backup"] != LAYOUT {
            return Err(BackupError::Newer { says: format!("the backup has layout {}", layout["backup"]) });
        }
        let beginning = parsed(&body, "its beginning")?;
        Ok(Self { opened, beginning, at: At::Nothing, tables: Vec::new(), files: Vec::new() })
    }

    pub(super) fn beginning(&self) -> &Beginning {
        &self.beginning
    }

    pub(super) fn next(&mut self) -> Result<Item, BackupError> {
        let Some((kind, body)) = frame::next(&mut self.opened)? else {
            return Err(BackupError::damaged("it has no manifest"));
        };
        match (kind, &mut self.at) {
            (kind::FILE, _) => {
                self.close();
                let FileHead { name } = parsed(&body, "the head of a file")?;
                let entry = FileEntry { name: name.clone(), bytes: 0, sm3: String::new() };
                self.at = At::File { entry, digest: Sm3::new() };
                Ok(Item::File(name))
            }
            (kind::PIECE, At::File { entry, digest }) => {
                digest.update(&body);
                entry.bytes += body.len() as u64;
                Ok(Item::Piece(body))
            }
            (kind::TABLE, _) => {
                self.close();
                let head: TableHead = parsed(&body, "the head of a table")?;
                let entry = TableEntry { name: head.name.clone(), rows: 0, sm3: String::new() };
                self.at = At::Table { entry, columns: head.columns.len(), digest: Sm3::new() };
                Ok(Item::Table(head))
            }
            (kind::ROW, At::Table { entry, columns, digest }) => {
                let cells = frame::cells(&body)?;
                if cells.len() != *columns {
                    return Err(BackupError::damaged("a row has more or fewer cells than its table"));
                }
                digest.update(&body);
                entry.rows += 1;
                Ok(Item::Row(cells))
            }
            (kind::MANIFEST, _) => {
                self.close();
                Ok(Item::End(Box::new(self.end(&body)?)))
            }
            _ => Err(BackupError::damaged("a record stands where it does not belong")),
        }
    }

    fn close(&mut self) {
        match std::mem::replace(&mut self.at, At::Nothing) {
            At::Nothing => {}
            At::File { entry, digest } => {
                self.files.push(FileEntry { sm3: hex::encode(digest.finish()), ..entry });
            }
            At::Table { entry, digest, .. } => {
                self.tables.push(TableEntry { sm3: hex::encode(digest.finish()), ..entry });
            }
        }
    }

    fn end(&mut self, body: &[u8]) -> Result<Ending, BackupError> {
        let manifest: Manifest = parsed(body, "its manifest")?;
        let Some((kind::SIGNATURE, signature)) = frame::next(&mut self.opened)? else {
            return Err(BackupError::damaged("its manifest is not signed"));
        };
        let signature: Signature = parsed(&signature, "its signature")?;
        if frame::next(&mut self.opened)?.is_some() {
            return Err(BackupError::damaged("it goes on behind its end"));
        }
        if !signature.holds(body) {
            return Err(BackupError::damaged("the signature under its manifest does not hold"));
        }
        if manifest.beginning != self.beginning {
            return Err(BackupError::damaged("its manifest says something else than its beginning"));
        }
        compare(&manifest.tables, &self.tables, |entry| &entry.name)?;
        compare(&manifest.files, &self.files, |entry| &entry.name)?;
        Ok(Ending { manifest, manifest_sm3: hex::encode(sm3::digest(body)), signature })
    }
}

fn compare<E: PartialEq>(said: &[E], found: &[E], name: impl Fn(&E) -> &String) -> Result<(), BackupError> {
    if said == found {
        return Ok(());
    }
    let different = said.iter().zip(found).find(|(said, found)| said != found);
    let which = different.map_or("their number", |(said, _)| name(said));
    Err(BackupError::damaged(format!("what it holds is not what its manifest says ({which})")))
}
