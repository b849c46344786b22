//! The chains as a file that stands by itself: who has it and a file of heads needs no database to check them.
//!
//! JSON lines (UTF-8), each an object with one member:
//! 1. `start`: format, when, which node's daemon wrote it, and the public parts of all audit keys;
//! 2. `head`, one for each head that the database knows, in the order of node and place;
//! 3. `record`, one for each record: the chained ones in the order of node, place and number, then those that wait. `detail`
//!    is a text, exactly as it is chained; `at_ms` counts from 1970; the hash is that of the documentation of the chain
//!    (SM3 over the fields, each behind its length in eight octets: "yinxin audit record 1", node, place, hash before, id,
//!    at_ms, actor, action, subject, detail, request);
//! 4. `end`: how many of each, and the SM3 of all lines before. Without it the export is not whole.
//!
//! All of it is one instant of the database.

use super::{
    AuditReport, Check, HeadKey, HeadKeys, Link, Record,
    store::{self, Place},
};
use crate::{
    base::Timestamp,
    store::{Rx, Store, StoreError},
};
use serde::{Deserialize, Serialize};
use std::{
    io::{self, BufRead, Read as _},
    path::Path,
};
use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use yinxin_pki::{sign::PublicKey, sm2, sm3::Sm3};

/// Rows read at once.
const PAGE: u32 = 500;
/// The longest line that is read back.
const LINE_MAX: u64 = 16 << 20;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Start(Start),
    Head(HeadLine),
    Record(RecordLine),
    End(End),
}

#[derive(Serialize, Deserialize)]
struct Start {
    /// 1.
    audit_export: u32,
    at_ms: i64,
    at: String,
    node: String,
    keys: Vec<KeyLine>,
}

/// A key that signs, or signed, heads, in data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyLine {
    /// Its short name, see [`super::key_name`].
    pub name: String,
    /// `sm2` or `p-256`.
    pub kind: String,
    /// `04 ‖ x ‖ y` in hex.
    pub public: String,
    /// Milliseconds since 1970.
    pub made_at_ms: i64,
    /// The same, or nothing while it can sign.
    pub destroyed_at_ms: Option<i64>,
}

#[derive(Serialize, Deserialize)]
struct HeadLine {
    node: String,
    seq: i64,
    hash: String,
    at_ms: i64,
    signature: String,
}

#[derive(Serialize, Deserialize)]
struct RecordLine {
    node: String,
    seq: Option<i64>,
    previous: Option<String>,
    hash: Option<String>,
    id: i64,
    at_ms: i64,
    at: String,
    actor: String,
    action: String,
    subject: String,
    detail: String,
    request: String,
}

#[derive(Serialize, Deserialize)]
struct End {
    heads: u64,
    records: u64,
    sm3: String,
}

impl KeyLine {
    /// The lines of these keys; those of a kind that signs no heads are left out.
    pub fn of(keys: &HeadKeys) -> Vec<Self> {
        let line = |(name, key): (&str, &HeadKey)| {
            let (kind, public) = match &key.key {
                PublicKey::Sm2(key) => ("sm2", &key.sec1()[..]),
                PublicKey::P256(octets) => ("p-256", &octets[..]),
                _ => return None,
            };
            Some(Self {
                name: name.to_owned(),
                kind: kind.to_owned(),
                public: hex::encode(public),
                made_at_ms: key.made_at.ms(),
                destroyed_at_ms: key.destroyed_at.map(Timestamp::ms),
            })
        };
        keys.iter().filter_map(line).collect()
    }

    /// The key; `None` where kind or point mean nothing.
    pub fn key(&self) -> Option<HeadKey> {
        let octets = hex::decode(&self.public).ok()?;
        let key = match self.kind.as_str() {
            "sm2" => PublicKey::Sm2(sm2::PublicKey::from_sec1(&octets).ok()?),
            "p-256" if octets.len() == 65 => PublicKey::P256(octets.into()),
            _ => return None,
        };
        Some(HeadKey {
            key,
            made_at: Timestamp::from_ms(self.made_at_ms),
            destroyed_at: self.destroyed_at_ms.map(Timestamp::from_ms),
        })
    }
}

impl From<&Record> for RecordLine {
    fn from(record: &Record) -> Self {
        let link = record.link.clone();
        let (seq, previous, hash) = match link {
            Some(Link { seq, previous, hash }) => (Some(seq), Some(previous), Some(hash)),
            None => (None, None, None),
        };
        Self {
            node: record.node.clone(),
            seq,
            previous,
            hash,
            id: record.id,
            at_ms: record.at.ms(),
            at: record.at.rfc3339(),
            actor: record.actor.clone(),
            action: record.action.clone(),
            subject: record.subject.clone(),
            detail: record.detail.clone(),
            request: record.request.clone(),
        }
    }
}

impl From<RecordLine> for Record {
    fn from(line: RecordLine) -> Self {
        let link = line.seq.map(|seq| Link {
            seq,
            previous: line.previous.unwrap_or_default(),
            hash: line.hash.unwrap_or_default(),
        });
        Self {
            id: line.id,
            node: line.node,
            at: Timestamp::from_ms(line.at_ms),
            actor: line.actor,
            action: line.action,
            subject: line.subject,
            detail: line.detail,
            request: line.request,
            link,
        }
    }
}

/// Writes the chains to `out`; how many records. The inner error is that of `out`.
pub async fn export_chain(
    store: &Store,
    keys: &HeadKeys,
    now: Timestamp,
    out: &mut (impl AsyncWrite + Unpin + Send),
) -> Result<io::Result<u64>, StoreError> {
    let start = Start {
        audit_export: 1,
        at_ms: now.ms(),
        at: now.rfc3339(),
        node: store.node().to_owned(),
        keys: KeyLine::of(keys),
    };
    let mut sheet = Sheet { out, digest: Sm3::new(), heads: 0, records: 0 };
    if let Err(error) = sheet.write(&Line::Start(start)).await {
        return Ok(Err(error));
    }
    let written = store.snapshot(async |rx| write_all(rx, &mut sheet).await).await?;
    if let Err(error) = written {
        return Ok(Err(error));
    }
    Ok(sheet.end().await)
}

/// What is being written.
struct Sheet<'o, W> {
    out: &'o mut W,
    digest: Sm3,
    heads: u64,
    records: u64,
}

impl<W: AsyncWrite + Unpin + Send> Sheet<'_, W> {
    async fn write(&mut self, line: &Line) -> io::Result<()> {
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        self.digest.update(&text);
        match line {
            Line::Head(_) => self.heads += 1,
            Line::Record(_) => self.records += 1,
            Line::Start(_) | Line::End(_) => {}
        }
        self.out.write_all(&text).await
    }

    async fn end(mut self) -> io::Result<u64> {
        let sm3 = hex::encode(std::mem::replace(&mut self.digest, Sm3::new()).finish());
        let end = End { heads: self.heads, records: self.records, sm3 };
        self.write(&Line::End(end)).await?;
        self.out.flush().await?;
        Ok(self.records)
    }
}

async fn write_all<W: AsyncWrite + Unpin + Send>(
    rx: &mut Rx,
    sheet: &mut Sheet<'_, W>,
) -> Result<io::Result<()>, StoreError> {
    /// Ends where the reader went away.
    macro_rules! write {
        ($line:expr) => {
            if let Err(error) = sheet.write(&$line).await {
                return Ok(Err(error));
            }
        };
    }
    let nodes = store::nodes(rx).await?;
    for node in &nodes {
        let mut after = i64::MIN;
        loop {
            let page = store::heads(rx, node, after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = last.seq;
            for head in page {
                let (seq, at_ms) = (head.seq, head.at.ms());
                write!(Line::Head(HeadLine {
                    node: head.node,
                    seq,
                    hash: head.hash,
                    at_ms,
                    signature: head.signature
                }));
            }
        }
    }
    for node in &nodes {
        let mut after = Place::FIRST;
        loop {
            let page = store::walk(rx, node, after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Place::of(last);
            for record in &page {
                write!(Line::Record(record.into()));
            }
        }
    }
    for node in &nodes {
        let mut after = i64::MIN;
        loop {
            let page = store::waiting(rx, node, after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = last.id;
            for record in &page {
                write!(Line::Record(record.into()));
            }
        }
    }
    Ok(Ok(()))
}

/// Why an export could not be checked.
#[derive(Debug)]
pub enum ExportError {
    /// It cannot be read.
    Io(io::Error),
    /// It is no export of audit records, or one of a format that this program does not know.
    Format {
        /// Which line, from 1, and what is wrong there.
        says: String,
    },
    /// It ends early, or was changed after it was written.
    NotWhole {
        /// What was found.
        says: String,
    },
}

impl std::fmt::Display for ExportError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Io(error) => error.fmt(out),
            Self::Format { says } => write!(out, "this is no export of audit records: {says}"),
            Self::NotWhole { says } => write!(out, "the export is not whole: {says}"),
        }
    }
}

impl std::error::Error for ExportError {}

impl From<io::Error> for ExportError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// What the check of an export found.
#[derive(Debug)]
pub struct ExportReport {
    /// When it was written, as it says itself.
    pub at: Timestamp,
    /// By which node's daemon.
    pub node: String,
    /// The keys that it names itself.
    pub keys: Vec<KeyLine>,
    /// The chains, compared with the heads.
    pub report: AuditReport,
}

/// Checks an export against a file of heads, without a database. Blocking; nothing of the records is kept.
///
/// `pinned` are the keys that are believed; without them, those that the export names itself: then whoever can make up
/// records can make up keys, and only the comparison of their names with those known from elsewhere tells.
pub fn verify_export(
    export: impl BufRead,
    heads_file: &Path,
    pinned: Option<&HeadKeys>,
) -> Result<ExportReport, ExportError> {
    let mut lines = ExportLines { export, number: 0, text: Vec::new(), digest: Sm3::new() };
    let Some(Line::Start(start)) = lines.next()? else {
        return Err(lines.format("it does not begin like one"));
    };
    if start.audit_export != 1 {
        return Err(lines.format("it was written by a newer release, which has to check it"));
    }
    let named = HeadKeys::new(start.keys.iter().filter_map(KeyLine::key));
    let at = Timestamp::from_ms(start.at_ms);
    let mut check = Check::begin(heads_file, pinned.unwrap_or(&named), &start.node, Some(at))?;
    let (mut heads, mut records) = (0, 0);
    let end = loop {
        // The digest of all lines before the last one.
        let digest = lines.digest.clone();
        match lines.next()? {
            Some(Line::Head(head)) => {
                heads += 1;
                check.head(&head.node, head.seq, &head.signature)?;
            }
            Some(Line::Record(record)) => {
                records += 1;
                check.record(&record.into())?;
            }
            Some(Line::End(end)) => break (end, digest),
            Some(Line::Start(_)) => return Err(lines.format("it begins twice")),
            None => {
                let says = format!("it ends after {} lines, without a last word", lines.number);
                return Err(ExportError::NotWhole { says });
            }
        }
    };
    let (end, digest) = end;
    if (end.heads, end.records) != (heads, records) || end.sm3 != hex::encode(digest.finish()) {
        let says = "its lines are not those that were written; it was changed afterwards".to_owned();
        return Err(ExportError::NotWhole { says });
    }
    let report = check.finish()?;
    Ok(ExportReport { report, at, node: start.node, keys: start.keys })
}

struct ExportLines<R> {
    export: R,
    number: u64,
    text: Vec<u8>,
    digest: Sm3,
}

impl<R: BufRead> ExportLines<R> {
    fn next(&mut self) -> Result<Option<Line>, ExportError> {
        self.text.clear();
        let read = (&mut self.export).take(LINE_MAX).read_until(b'\n', &mut self.text)?;
        if read == 0 {
            return Ok(None);
        }
        self.number += 1;
        if self.text.last() != Some(&b'\n') {
            let says = format!("it breaks off in line {}", self.number);
            return Err(ExportError::NotWhole { says });
        }
        self.digest.update(&self.text);
        serde_json::from_slice(&self.text)
            .map(Some)
            .map_err(|_| self.format("it is not one of the known lines"))
    }

    fn format(&self, says: &str) -> ExportError {
        ExportError::Format { says: format!("line {}: {says}", self.number) }
    }
}
