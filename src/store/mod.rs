//! The database: SQLite by default, PostgreSQL for several nodes. Other rooms write statements; this one runs them.
//!
//! A write is a closure on the caller's own task. It answers after the commit is durable, never before:
//! ```ignore
//! store.write(async |tx| {
//!     tx.execute(&ADD, &[id.as_str().into(), now.into()]).await?;
//!     audit::append(tx, &entry).await?;
//!     Ok::<_, SealError>(())
//! }).await
//! ```
//! Rules for the closure: it runs once; everything it waits for is the database; after a statement failed, nothing of
//! it can be kept (use `INSERT … ON CONFLICT DO NOTHING` and the count where a twin is expected).
//!
//! Rules for statements: constant text, columns spelled out, `LIMIT` where rows can be many; ids are text, instants
//! are milliseconds (`BIGINT`), numbers are `BIGINT` in PostgreSQL and tables are `STRICT` in SQLite.

mod config;
mod engine;
mod error;
mod fill;
pub mod lease;
mod link;
mod lock;
mod look;
mod meter;
pub mod migrations;
mod postgres;
mod reach;
mod sqlite;
mod statement;
mod whole;
mod writer;

pub use config::{Deadlines, EngineConfig, StoreConfig, is_node_name};
pub use engine::{Row, Rx, Tx};
pub use error::{Conflict, OpenError, StoreError};
pub use fill::{Fill, STATEMENTS as FILL_STATEMENTS};
pub use lease::{Held, Lease};
pub use link::Link;
pub use look::{Fact, STATEMENTS as LOOK_STATEMENTS};
pub use meter::{Connections, Meters};
pub use reach::{Reach, has_nobody_to_believe};
#[doc(hidden)]
pub use sqlite::forget_to_sync;
pub use statement::{FromRow, Statement, Value};
pub use whole::{Cell, Column, ColumnKind, MIGRATION_TABLE, Part, STATEMENTS as WHOLE_STATEMENTS, Table};

use crate::base::Timestamp;
use engine::{At, Engine};
use migrations::{MIGRATIONS, Migration};
use std::{
    future::Future,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{sync::Notify, time::timeout};
use tracing::Instrument as _;

/// The open database. Cheap to clone; the last clone dropped closes it.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    engine: Engine,
    node: Arc<str>,
    body: Duration,
    bell: Notify,
    edition: AtomicU64,
    meters: Arc<Meters>,
    life: OnceLock<String>,
    /// The last migration of this release.
    last_step: i64,
    halted: AtomicBool,
}

/// A change of what others may have kept in memory. A new edition begins before its commit and another one behind it, so
/// that whatever is read while it is under way is out of date too.
struct Outdating<'s>(&'s AtomicU64);

impl<'s> Outdating<'s> {
    fn begin(edition: &'s AtomicU64) -> Self {
        edition.fetch_add(1, Ordering::SeqCst);
        Self(edition)
    }
}

impl Drop for Outdating<'_> {
    /// Also where nobody waits for the commit any more.
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Store {
    /// Opens the database, brings its tables up to date and reads its durability back; `now` is written beside each
    /// migration applied. Refuses where a second daemon holds the file, where a commit would not be durable, where
    /// the database is too old, or newer than this program.
    pub async fn open(config: &StoreConfig, now: Timestamp) -> Result<Self, OpenError> {
        Self::open_as(config, MIGRATIONS, now).await
    }

    /// The same as another release would, whose steps are `migrations`: to try out how releases get along.
    pub async fn open_as(
        config: &StoreConfig,
        migrations: &[Migration],
        now: Timestamp,
    ) -> Result<Self, OpenError> {
        config.check()?;
        let at = At::of(config);
        let engine = Engine::open(config, &at, (migrations, now)).await?;
        Ok(Self::assembled(engine, &at, config, migrations))
    }

    fn assembled(engine: Engine, at: &At, config: &StoreConfig, migrations: &[Migration]) -> Self {
        let body = Duration::from_millis(config.deadlines.body_ms);
        let (node, meters, bell) = (at.node.clone(), at.meters.clone(), Notify::new());
        let last_step = migrations::last_of(migrations);
        let (edition, halted) = (AtomicU64::new(0), AtomicBool::new(false));
        let life = OnceLock::new();
        Self(Arc::new(Inner { engine, node, body, bell, edition, meters, life, last_step, halted }))
    }

    /// Gives the roles of `deploy/postgresql/roles.sql` their rights on the tables of this release. PostgreSQL alone, as the
    /// role that owns the tables in the schema `yinxin`; safe to repeat, and while daemons are at work.
    ///
    /// # Errors
    /// [`StoreError::Busy`] where others held a table for two minutes; [`StoreError::Fault`] where a role is not there.
    pub async fn grant(&self) -> Result<(), StoreError> {
        migrations::grant(self).await
    }

    /// Runs `body` in a transaction and answers once the commit is durable. An error of `body` rolls back and is
    /// returned; the store's own errors come through `E::from`.
    ///
    /// Dropping the future before its body is done rolls back; after that the outcome is not known to anybody.
    /// The body has the configured deadline ([`StoreError::Deadline`], rolled back).
    pub async fn write<T, E>(&self, body: impl AsyncFnOnce(&mut Tx) -> Result<T, E>) -> Result<T, E>
    where
        E: From<StoreError>,
    {
        self.write_within(body).instrument(tracing::debug_span!("store.write")).await
    }

    async fn write_within<T, E>(&self, body: impl AsyncFnOnce(&mut Tx) -> Result<T, E>) -> Result<T, E>
    where
        E: From<StoreError>,
    {
        let meters = &*self.0.meters;
        self.refuse_if_halted().map_err(|error| self.noted(error))?;
        let mut turn = self.turn().await?;
        let work = async {
            let tx = turn.tx();
            lease::demand(tx).await.map_err(|error| self.noted(error))?;
            body(tx).await
        };
        let out = match timeout(self.0.body, work).await {
            Ok(out) => out,
            Err(_) => Err(self.noted(StoreError::Deadline).into()),
        };
        let out = match out {
            Ok(_) if turn.tx().is_spoiled() => Err(self.noted(StoreError::Spoiled).into()),
            out => out,
        };
        let rang = turn.tx().take_ring() && out.is_ok();
        let outdating = turn.tx().take_outdates().then(|| Outdating::begin(&self.0.edition));
        turn.finish(out.is_ok()).await.map_err(|error| self.noted(error))?;
        drop(outdating);
        if out.is_ok() {
            meters.writes.one();
        }
        if rang {
            self.0.bell.notify_waiters();
        }
        out
    }

    /// A turn to write, and how long it was waited for.
    async fn turn(&self) -> Result<engine::Turn, StoreError> {
        let (meters, asked) = (&*self.0.meters, Instant::now());
        let waiting = meters.waiting.hold();
        let turn = self.0.engine.turn().await;
        drop(waiting);
        meters.wait_us.note_time(asked.elapsed());
        turn.map_err(|error| self.noted(error))
    }

    /// Counts a failure on its way up.
    fn noted(&self, error: StoreError) -> StoreError {
        self.0.meters.failed(&error);
        error
    }

    /// Runs `body` on a connection that reads; each statement sees what was committed before it.
    pub async fn read<T, E>(&self, body: impl AsyncFnOnce(&mut Rx) -> Result<T, E>) -> Result<T, E>
    where
        E: From<StoreError>,
    {
        let work = async {
            self.0.meters.reads.one();
            let mut rx = self.0.engine.reader().await.map_err(|error| self.noted(error))?;
            self.within_deadline(body(&mut rx)).await
        };
        work.instrument(tracing::debug_span!("store.read")).await
    }

    /// Like [`Store::read`], but all statements see one instant of the database. For walks over many rows: it has no
    /// deadline but those of the single statements.
    pub async fn snapshot<T, E>(&self, body: impl AsyncFnOnce(&mut Rx) -> Result<T, E>) -> Result<T, E>
    where
        E: From<StoreError>,
    {
        self.0.meters.reads.one();
        let mut rx = self.0.engine.snapshot().await.map_err(|error| self.noted(error))?;
        body(&mut rx).await
    }

    fn refuse_if_halted(&self) -> Result<(), StoreError> {
        match self.0.halted.load(Ordering::SeqCst) || self.0.engine.is_halted() {
            true => Err(StoreError::Halted),
            false => Ok(()),
        }
    }

    async fn within_deadline<T, E: From<StoreError>>(
        &self,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        match timeout(self.0.body, work).await {
            Ok(out) => out,
            Err(_) => Err(self.noted(StoreError::Deadline).into()),
        }
    }

    /// Asks the engine whether it understands `statement`; runs nothing.
    pub async fn prepare(&self, statement: &Statement) -> Result<(), StoreError> {
        self.0.engine.reader().await?.prepare(statement).await
    }

    /// Takes no more writes: for when what has to stand beside them (the signed heads of the audit) cannot be kept any more.
    /// Reads go on; only a new process takes writes again.
    pub fn halt(&self) {
        self.0.halted.store(true, Ordering::SeqCst);
    }

    /// Whether the database answers, writes are taken, and no later release has meanwhile made of the tables what this
    /// one cannot work with ([`StoreError::Outgrown`]): for readiness.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.refuse_if_halted()?;
        let asked = self.read(async |rx| rx.one::<i64>(&migrations::WORKS_FROM, &[]).await).await?;
        if asked > self.0.last_step { Err(StoreError::Outgrown) } else { Ok(()) }
    }

    /// Changes with every write of this process that called [`Tx::outdate`]. What was read under one edition and is kept
    /// in memory holds as long as that lasts, as far as this node goes: of other nodes' writes nothing is heard.
    pub fn edition(&self) -> u64 {
        self.0.edition.load(Ordering::SeqCst)
    }

    /// What it counts as it works.
    pub fn meters(&self) -> &Meters {
        &self.0.meters
    }

    /// Its connections now.
    pub fn connections(&self) -> Connections {
        self.0.engine.connections()
    }

    /// Whether it takes no more writes: after a failed sync, or closed.
    pub fn is_halted(&self) -> bool {
        self.refuse_if_halted().is_err()
    }

    /// The name of this node, as configured.
    pub fn node(&self) -> &str {
        &self.0.node
    }

    /// The name of this node and which of its lives this is, `a#7`: whoever leaves something open in the database for a
    /// while writes it beside, so that [`lease::is_over`] tells whether anybody is still at it.
    pub fn life(&self) -> &str {
        self.0.life.get().map_or(&self.0.node, String::as_str)
    }

    /// Begins a life of this node, once it holds the lease of its name.
    pub fn begin_life(&self, held: &Held) {
        // A process has one life: a second word about it changes nothing.
        let _ = self.0.life.set(format!("{}{}{}", self.0.node, lease::LIFE, held.number()));
    }

    /// `sqlite` or `postgres`, for reports.
    pub fn engine_name(&self) -> &'static str {
        self.0.engine.name()
    }

    /// Whether no other process can be at work on these data: SQLite's file is locked for one, PostgreSQL serves many.
    pub fn is_ours_alone(&self) -> bool {
        self.0.engine.is_one_process()
    }

    /// Resolves when a write of this process that called [`Tx::ring`] has been committed. Rings are not kept: take
    /// the future before looking for work.
    pub fn rung(&self) -> impl Future<Output = ()> + '_ {
        self.0.bell.notified()
    }

    /// Commits what is under way and closes. Later writes answer [`StoreError::Halted`].
    pub async fn close(&self) {
        self.0.engine.close().await;
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Store({})", self.engine_name())
    }
}
