//! Checking a backup without restoring it: every octet is opened, every digest compared, the audit chains inside walked and
//! compared with the heads inside, and with a file of heads from outside.

use super::{
    BackupError, HEADS_FILE, Manifest, RecipientKey,
    manifest::TableHead,
    read::{Ending, Item, Reader},
};
use crate::{
    audit::{AuditReport, Check, HeadKeys, KeyLine, Link, Record, key_name},
    base::{Entropy, Timestamp, id::fresh_body},
    store::Cell,
};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};
use yinxin_pki::sign::PublicKey;

/// What a backup is compared with besides itself.
#[derive(Default)]
pub struct HeadsComparison<'h> {
    /// A file of heads from outside, today's or the witness's.
    pub heads: Option<&'h Path>,
    /// The audit keys that are believed; without them, those that the backup names itself.
    pub keys: Option<&'h HeadKeys>,
}

/// What was found.
#[derive(Debug, Clone)]
pub struct BackupReport {
    /// What the backup says of itself; all of it was compared with what is inside.
    pub manifest: Manifest,
    /// SM3 of the manifest, in hex: what the record `service.backed_up` has.
    pub manifest_sm3: String,
    /// The short name of the audit key that signed it.
    pub signed_by: String,
    /// That key.
    pub signing_key: PublicKey,
    /// Whether that key is among those that were given as believed; `None` where none were given.
    pub is_believed: Option<bool>,
    /// The chains inside, compared with the heads inside.
    pub audit: AuditReport,
    /// The same, compared with the heads from outside.
    pub outside: Option<AuditReport>,
}

impl BackupReport {
    /// Whether nothing is wrong.
    pub fn is_sound(&self) -> bool {
        self.audit.is_sound()
            && self.outside.as_ref().is_none_or(AuditReport::is_sound)
            && self.is_believed != Some(false)
    }
}

/// Checks a backup. Blocking within: for commands. `scratch` is a directory for a file of the length of the heads.
pub async fn verify(
    from: impl Read,
    own: &RecipientKey,
    comparison: HeadsComparison<'_>,
    scratch: &Path,
    entropy: &dyn Entropy,
) -> Result<BackupReport, BackupError> {
    let mut walk = Walk::begin(from, own, comparison, Spool::in_folder(scratch, entropy)?)?;
    while walk.next()?.is_some() {}
    walk.report().map(|(report, _)| report)
}

/// A backup being read and checked at once.
pub(super) struct Walk<'h, R> {
    reader: Reader<R>,
    comparison: HeadsComparison<'h>,
    spool: Spool,
    named: HeadKeys,
    checks: Option<Checks>,
    columns: Option<Columns>,
    ending: Option<Box<Ending>>,
}

/// What a walk hands on.
pub(super) enum Step {
    Table(TableHead),
    Row(Vec<Cell>),
    /// Nothing of interest.
    Other,
}

struct Checks {
    inside: Check,
    outside: Option<Check>,
}

impl<'h, R: Read> Walk<'h, R> {
    pub(super) fn begin(
        from: R,
        own: &RecipientKey,
        comparison: HeadsComparison<'h>,
        spool: Spool,
    ) -> Result<Self, BackupError> {
        let reader = Reader::begin(from, own)?;
        let named = HeadKeys::new(reader.beginning().audit_keys.iter().filter_map(KeyLine::key));
        Ok(Self { reader, comparison, spool, named, checks: None, columns: None, ending: None })
    }

    pub(super) fn beginning(&self) -> &super::Beginning {
        self.reader.beginning()
    }

    /// The next step; `None` when all came and was as the manifest says.
    pub(super) fn next(&mut self) -> Result<Option<Step>, BackupError> {
        match self.reader.next()? {
            Item::File(name) => {
                if name != HEADS_FILE {
                    return Err(BackupError::DoesNotFit { says: format!("the backup holds a file {name}") });
                }
                Ok(Some(Step::Other))
            }
            Item::Piece(octets) => {
                self.spool.file.write_all(&octets)?;
                Ok(Some(Step::Other))
            }
            Item::Table(head) => {
                self.begin_checks()?;
                self.columns = Columns::of(&head);
                Ok(Some(Step::Table(head)))
            }
            Item::Row(cells) => {
                self.check(&cells)?;
                Ok(Some(Step::Row(cells)))
            }
            Item::End(ending) => {
                self.begin_checks()?;
                self.ending = Some(ending);
                Ok(None)
            }
        }
    }

    /// The heads are whole when the first table comes.
    fn begin_checks(&mut self) -> Result<(), BackupError> {
        if self.checks.is_some() {
            return Ok(());
        }
        self.spool.file.flush()?;
        let beginning = self.reader.beginning();
        let keys = self.comparison.keys.unwrap_or(&self.named);
        let begin = |heads: &Path| {
            Check::begin(heads, keys, &beginning.node, Some(Timestamp::from_ms(beginning.at_ms)))
        };
        let outside = self.comparison.heads.map(begin).transpose()?;
        self.checks = Some(Checks { inside: begin(&self.spool.path)?, outside });
        Ok(())
    }

    fn check(&mut self, cells: &[Cell]) -> Result<(), BackupError> {
        let (Some(columns), Some(checks)) = (&self.columns, &mut self.checks) else { return Ok(()) };
        let all = std::iter::once(&mut checks.inside).chain(&mut checks.outside);
        match columns {
            Columns::Head(places) => {
                let [node, seq, signature] = *places;
                let (node, seq, signature) = (text(cells, node)?, int(cells, seq)?, text(cells, signature)?);
                for check in all {
                    check.head(node, seq, signature)?;
                }
            }
            Columns::Record(places) => {
                let record = record(cells, places)?;
                for check in all {
                    check.record(&record)?;
                }
            }
        }
        Ok(())
    }

    /// What was found, and the file of heads, where it is spooled.
    pub(super) fn report(self) -> Result<(BackupReport, Spool), BackupError> {
        let Self { comparison, spool, named, checks, ending, .. } = self;
        let (Some(checks), Some(ending)) = (checks, ending) else {
            return Err(BackupError::damaged("it was not read to its end"));
        };
        let Ending { manifest, manifest_sm3, signature } = *ending;
        let key = signature.public_key().ok_or_else(|| BackupError::damaged("its signature names no key"))?;
        let among = |keys: &HeadKeys| keys.iter().any(|(_, known)| known.key == key);
        if !among(&named) {
            return Err(BackupError::damaged("its manifest is signed by another key than the service's"));
        }
        let report = BackupReport {
            is_believed: comparison.keys.map(among),
            signed_by: key_name(&key),
            signing_key: key.clone(),
            audit: checks.inside.finish()?,
            outside: checks.outside.map(Check::finish).transpose()?,
            manifest,
            manifest_sm3,
        };
        Ok((report, spool))
    }
}

/// Where the columns of the audit's tables stand.
enum Columns {
    /// node, seq, signature.
    Head([usize; 3]),
    /// id, node, at_ms, actor, action, subject, detail, request, seq, previous, hash.
    Record([usize; 11]),
}

impl Columns {
    /// `None` for other tables, and for the audit's own where they lack a column: then the comparison of the tables fails.
    fn of(head: &TableHead) -> Option<Self> {
        fn places<const N: usize>(head: &TableHead, names: [&str; N]) -> Option<[usize; N]> {
            let mut found = [0; N];
            for (place, wanted) in found.iter_mut().zip(names) {
                *place = head.columns.iter().position(|(name, _)| name == wanted)?;
            }
            Some(found)
        }
        match head.name.as_str() {
            "audit_head" => places(head, ["node", "seq", "signature"]).map(Self::Head),
            "audit" => {
                let names = ["id", "node", "at_ms", "actor", "action", "subject", "detail", "request"];
                let [id, node, at, actor, action, subject, detail, request] = places(head, names)?;
                let [seq, previous, hash] = places(head, ["seq", "previous", "hash"])?;
                Some(Self::Record([
                    id, node, at, actor, action, subject, detail, request, seq, previous, hash,
                ]))
            }
            _ => None,
        }
    }
}

fn record(cells: &[Cell], places: &[usize; 11]) -> Result<Record, BackupError> {
    let [id, node, at, actor, action, subject, detail, request, seq, previous, hash] = *places;
    let owned = |place| text(cells, place).map(str::to_owned);
    let link = match cells.get(seq) {
        Some(Cell::Null) => None,
        _ => Some(Link { seq: int(cells, seq)?, previous: owned(previous)?, hash: owned(hash)? }),
    };
    Ok(Record {
        id: int(cells, id)?,
        node: owned(node)?,
        at: Timestamp::from_ms(int(cells, at)?),
        actor: owned(actor)?,
        action: owned(action)?,
        subject: owned(subject)?,
        detail: owned(detail)?,
        request: owned(request)?,
        link,
    })
}

fn text(cells: &[Cell], place: usize) -> Result<&str, BackupError> {
    match cells.get(place) {
        Some(Cell::Text(text)) => Ok(text),
        _ => Err(BackupError::damaged("a record of the audit lacks a text")),
    }
}

fn int(cells: &[Cell], place: usize) -> Result<i64, BackupError> {
    match cells.get(place) {
        Some(Cell::Int(number)) => Ok(*number),
        _ => Err(BackupError::damaged("a record of the audit lacks a number")),
    }
}

/// A file for the heads of the backup; removed when dropped.
pub(super) struct Spool {
    pub path: PathBuf,
    file: File,
}

impl Spool {
    pub(super) fn in_folder(folder: &Path, entropy: &dyn Entropy) -> io::Result<Self> {
        let path = folder.join(format!(".heads-{}", fresh_body(Timestamp::from_ms(0), entropy)));
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        Ok(Self { path, file })
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        // It holds nothing that is secret.
        let _ = fs::remove_file(&self.path);
    }
}
