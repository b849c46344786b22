//! Loading a backup into an empty database: row by row as it is read, compared with the manifest before anything is kept.

use super::{
    BackupError, BackupReport, RecipientKey, frame,
    manifest::{TableEntry, TableHead},
    parts,
    verify::{HeadsComparison, Spool, Step, Walk},
};
use crate::{
    base::{Entropy, Timestamp},
    store::{Cell, Fill, StoreConfig, Table, migrations},
};
use std::{io::Read, path::Path};
use yinxin_pki::sm3::Sm3;

/// Octets of rows that are gathered for one statement.
const GATHERED: usize = 1 << 20;

/// A backup in an empty database: loaded, checked against itself, not kept yet.
pub struct Loaded {
    /// The database. [`Fill::keep`] keeps it; dropped, nothing of it stays.
    pub fill: Fill,
    /// What was found.
    pub report: BackupReport,
    spool: Spool,
}

impl Loaded {
    /// The file of heads as it was in the backup, as long as this value lives.
    pub fn heads(&self) -> &Path {
        &self.spool.path
    }
}

/// Loads a backup into the empty place that `config` names. Blocking within: for commands. The tables are made as the backup
/// has them; what later migrations change happens when the database is opened.
pub async fn load(
    from: impl Read,
    own: &RecipientKey,
    config: &StoreConfig,
    scratch: &Path,
    entropy: &dyn Entropy,
    now: Timestamp,
) -> Result<Loaded, BackupError> {
    let spool = Spool::in_folder(scratch, entropy)?;
    let mut walk = Walk::begin(from, own, HeadsComparison::default(), spool)?;
    let schema = known_schema(&walk.beginning().migrations)?;
    let mut fill = Fill::begin(config, schema, now).await?;
    let mut tables = fill.tx().tables().await?;
    let mut loading: Option<Loading> = None;
    let mut loaded = Vec::new();
    while let Some(step) = walk.next()? {
        match step {
            Step::Table(head) => {
                if let Some(done) = loading.take() {
                    loaded.push(done.end(&mut fill).await?);
                }
                loading = Some(Loading::begin(&head, &mut tables)?);
            }
            Step::Row(cells) => {
                let loading =
                    loading.as_mut().ok_or_else(|| BackupError::damaged("a row stands before its table"))?;
                loading.add(cells, &mut fill).await?;
            }
            Step::Other => {}
        }
    }
    if let Some(done) = loading.take() {
        loaded.push(done.end(&mut fill).await?);
    }
    if let Some(missing) = tables.first() {
        let says = format!("the backup lacks the table {}", missing.name);
        return Err(BackupError::DoesNotFit { says });
    }
    let (report, spool) = walk.report()?;
    compare(&mut fill, &loaded, &report.manifest.tables).await?;
    fill.number_on().await?;
    Ok(Loaded { fill, report, spool })
}

/// The backup's last migration, where this release knows all of them.
fn known_schema(migrations: &[(i64, String)]) -> Result<i64, BackupError> {
    let mut known = migrations::MIGRATIONS.iter();
    for (number, name) in migrations {
        match known.next() {
            Some(step) if step.number == *number && step.name == name => {}
            Some(step) => {
                let says = format!("the backup has migration {name} where this release has {}", step.name);
                return Err(BackupError::DoesNotFit { says });
            }
            None => {
                return Err(BackupError::Newer { says: format!("the backup has migration {name}") });
            }
        }
    }
    Ok(migrations.last().map_or(0, |(number, _)| *number))
}

/// A table being loaded.
struct Loading {
    table: Table,
    rows: Vec<Vec<Cell>>,
    octets: usize,
}

impl Loading {
    /// Takes the table out of those that are still to come.
    fn begin(head: &TableHead, tables: &mut Vec<Table>) -> Result<Self, BackupError> {
        let found = tables.iter().position(|table| table.name == head.name && head.fits(table));
        let found = found.ok_or_else(|| BackupError::DoesNotFit {
            says: format!("the backup's table {} is none of this release, or has other columns", head.name),
        })?;
        Ok(Self { table: tables.remove(found), rows: Vec::new(), octets: 0 })
    }

    async fn add(&mut self, cells: Vec<Cell>, fill: &mut Fill) -> Result<(), BackupError> {
        self.octets += cells.iter().map(length).sum::<usize>();
        self.rows.push(cells);
        if self.rows.len() >= Fill::rows_at_once(&self.table) || self.octets >= GATHERED {
            self.flush(fill).await?;
        }
        Ok(())
    }

    async fn flush(&mut self, fill: &mut Fill) -> Result<(), BackupError> {
        fill.add(&self.table, &self.rows).await?;
        self.rows.clear();
        self.octets = 0;
        Ok(())
    }

    async fn end(mut self, fill: &mut Fill) -> Result<Table, BackupError> {
        self.flush(fill).await?;
        Ok(self.table)
    }
}

fn length(cell: &Cell) -> usize {
    match cell {
        Cell::Null | Cell::Int(_) => 8,
        Cell::Text(text) => text.len(),
        Cell::Bytes(octets) => octets.len(),
    }
}

/// Reads everything back from the database and compares it with the manifest: what the engine made of it is what was saved.
async fn compare(fill: &mut Fill, tables: &[Table], said: &[TableEntry]) -> Result<(), BackupError> {
    for (table, said) in tables.iter().zip(said) {
        let (mut rows, mut digest, mut body) = (0, Sm3::new(), Vec::new());
        for part in parts(table) {
            fill.tx()
                .each_row(table, part, async |cells| {
                    frame::row(&cells, &mut body);
                    digest.update(&body);
                    rows += 1;
                    Ok::<_, BackupError>(())
                })
                .await?;
        }
        let found = TableEntry { name: table.name.clone(), rows, sm3: hex::encode(digest.finish()) };
        if found != *said {
            let says = format!(
                "table {} is not what it was: {} rows of {} came back, or others; nothing was kept",
                said.name, found.rows, said.rows
            );
            return Err(BackupError::DoesNotFit { says });
        }
    }
    Ok(())
}
