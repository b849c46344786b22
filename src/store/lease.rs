//! Leases: what only one node may do at a time. The holder renews its lease while it works; one that stood still for too
//! long loses it to another, and nothing that it writes afterwards is kept.
//!
//! That is what the number is for: each taking of a lease counts it up, and every transaction of a holder looks first,
//! and with a lock on the row, whether the number is still its own. So whoever takes a lease over waits for the
//! transactions that the last holder has open, and no later one of those comes through. Clocks have no part in this: a
//! lease runs out by the clock of the database, and safety rests on the number alone.
//!
//! SQLite's file is locked for one process: there every lease is held, and nothing is written.

use super::{FromRow, Row, Rx, Statement, Store, StoreError, Tx};
use std::{future::Future, sync::Arc, time::Duration};
use tokio::time::{Instant, sleep_until};

/// All statements, for the test that has both engines read them.
pub const STATEMENTS: &[&Statement] = &[&TAKE, &RENEW, &DONE, &LEAVE, &DEMAND, &LOOK, &LIVES, &TIME];

/// Between a node's name and the number of its life. No name has it.
pub(super) const LIFE: char = '#';
/// Under which name a node holds the lease of its own name.
const NODE: &str = "node/";

/// The clock of the database, in milliseconds. Not the transaction's: a statement may have waited for a lock.
macro_rules! on_the_servers_clock {
    ($name:literal, $before:literal $(, $after:literal)*) => {
        Statement::split($name, "SELECT 1 WHERE 1 = 0", concat!(
            $before, $("(extract(epoch FROM clock_timestamp()) * 1000)::BIGINT", $after),*
        ))
    };
}

/// A lease that is free, that ran out, or that the same holder had in an earlier life; where it is due.
const TAKE: Statement = on_the_servers_clock!(
    "lease.take",
    "INSERT INTO lease (name, holder, number, until_ms, done_ms) VALUES ($1, $2, 1, $3 + ",
    ", 0) ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, number = lease.number + 1, \
     until_ms = excluded.until_ms WHERE (lease.until_ms <= ",
    " OR lease.holder = excluded.holder) AND lease.done_ms + $4 <= ",
    " RETURNING number"
);
const RENEW: Statement = on_the_servers_clock!(
    "lease.renew",
    "UPDATE lease SET until_ms = $3 + ",
    " WHERE name = $1 AND number = $2"
);
const DONE: Statement = on_the_servers_clock!(
    "lease.done",
    "UPDATE lease SET until_ms = 0, done_ms = ",
    " WHERE name = $1 AND number = $2"
);
const LEAVE: Statement =
    Statement::portable("lease.leave", "UPDATE lease SET until_ms = 0 WHERE name = $1 AND number = $2");
/// The lock makes whoever takes over wait for this transaction; a renewal waits too, which is why it has time.
const DEMAND: Statement = Statement::split(
    "lease.demand",
    "SELECT 1 WHERE 1 = 0",
    "SELECT number FROM lease WHERE name = $1 AND number = $2 FOR SHARE",
);
const LOOK: Statement = on_the_servers_clock!(
    "lease.look",
    "SELECT holder, until_ms, until_ms - ",
    " FROM lease WHERE name = $1"
);
const LIVES: Statement =
    on_the_servers_clock!("lease.lives", "SELECT number, until_ms - ", " FROM lease WHERE name = $1");

const TIME: Statement = on_the_servers_clock!("lease.time", "SELECT ", "");

/// What time it is by the clock of the database, in milliseconds since 1970; `None` where that is this machine's own.
pub async fn time_of_database(store: &Store) -> Result<Option<i64>, StoreError> {
    if store.is_ours_alone() {
        return Ok(None);
    }
    store.read(async |rx| rx.optional(&TIME, &[]).await).await
}

/// What may be held: a name, who wants it, and for how long at a time.
#[derive(Clone)]
pub struct Lease {
    store: Store,
    name: Arc<str>,
    holder: Arc<str>,
    lasts: Duration,
}

/// A lease as it was taken: the name and its number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    name: Arc<str>,
    number: i64,
}

/// How a lease stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Who took it last.
    pub holder: String,
    /// Until when, by the clock of the database; changes with every renewal.
    pub until_ms: i64,
    /// How long that is from now; negative where it ran out.
    pub left_ms: i64,
}

impl FromRow for Standing {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self { holder: row.text(0)?, until_ms: row.int(1)?, left_ms: row.int(2)? })
    }
}

tokio::task_local! {
    /// Under which lease this task works.
    static UNDER: Option<Held>;
}

impl Lease {
    /// The lease of this name. Two takers with the same `holder` count as two lives of one: the later one takes it at
    /// once. A holder has to renew it well before it `lasts` no longer.
    pub fn new(
        store: &Store,
        name: impl Into<Arc<str>>,
        holder: impl Into<Arc<str>>,
        lasts: Duration,
    ) -> Self {
        Self { store: store.clone(), name: name.into(), holder: holder.into(), lasts }
    }

    /// Takes it; `None` where another holds it.
    pub async fn take(&self) -> Result<Option<Held>, StoreError> {
        self.take_if_due(Duration::ZERO).await
    }

    async fn take_if_due(&self, every: Duration) -> Result<Option<Held>, StoreError> {
        if self.store.is_ours_alone() {
            return Ok(Some(Held { name: self.name.clone(), number: 0 }));
        }
        let values = [(&*self.name).into(), (&*self.holder).into(), ms(self.lasts).into(), ms(every).into()];
        let taken: Option<i64> = self.store.write(async |tx| tx.optional(&TAKE, &values).await).await?;
        Ok(taken.map(|number| Held { name: self.name.clone(), number }))
    }

    /// Holds on to it. `false` where another has it by now.
    pub async fn renew(&self, held: &Held) -> Result<bool, StoreError> {
        if self.store.is_ours_alone() {
            return Ok(true);
        }
        let values = [(&*held.name).into(), held.number.into(), ms(self.lasts).into()];
        self.store.write(async |tx| tx.execute(&RENEW, &values).await).await.map(|rows| rows == 1)
    }

    /// Lets go of it, so that another need not wait until it runs out.
    pub async fn leave(&self, held: &Held) -> Result<(), StoreError> {
        self.end(&LEAVE, held).await
    }

    /// How it stands; `None` where nobody ever had it.
    pub async fn look(&self) -> Result<Option<Standing>, StoreError> {
        self.store.read(async |rx| rx.optional(&LOOK, &[(&*self.name).into()]).await).await
    }

    /// Does `work` once in `every` over all nodes: `None` where another is at it, or did it within that time. The lease
    /// is renewed beside; when it is lost all the same, `work` is dropped where it stands, and what it has not committed
    /// is rolled back ([`StoreError::Fenced`]). What fails is not counted as done.
    pub async fn once<T, E>(
        &self,
        every: Duration,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<Option<T>, E>
    where
        E: From<StoreError>,
    {
        let Some(held) = self.take_if_due(every).await? else { return Ok(None) };
        let done = tokio::select! {
            done = held.cover(work) => done,
            lost = self.until_lost(&held) => Err(lost.into()),
        };
        match done {
            Ok(done) => {
                self.end(&DONE, &held).await?;
                Ok(Some(done))
            }
            Err(error) => {
                // Whatever ended the work is told; a lease that is not given back runs out.
                let _ = self.leave(&held).await;
                Err(error)
            }
        }
    }

    /// Renews the lease, again and again; ends when it is lost. A database that does not answer is asked until it does:
    /// as long as nobody else has the lease, it is still this one's.
    pub async fn until_lost(&self, held: &Held) -> StoreError {
        let mut next = Instant::now() + self.lasts / 3;
        loop {
            sleep_until(next).await;
            next = Instant::now() + self.lasts / 3;
            match self.renew(held).await {
                Ok(true) => {}
                Ok(false) => return StoreError::Fenced,
                Err(error) => {
                    tracing::warn!(name: "store.lease_not_renewed", lease = &*self.name, %error, "a lease could not be renewed");
                    next = Instant::now() + self.lasts / 15;
                }
            }
        }
    }

    async fn end(&self, statement: &Statement, held: &Held) -> Result<(), StoreError> {
        if self.store.is_ours_alone() {
            return Ok(());
        }
        let values = [(&*held.name).into(), held.number.into()];
        self.store.write(async |tx| tx.execute(statement, &values).await).await.map(drop)
    }
}

impl Held {
    /// Does `work` under this lease: none of its writes is kept once another holds it. Tasks that `work` starts are not
    /// under it.
    pub async fn cover<T>(&self, work: impl Future<Output = T>) -> T {
        // Another process cannot be there where the number is none.
        UNDER.scope((self.number > 0).then(|| self.clone()), work).await
    }

    /// Which taking of the lease this is: larger than every one before.
    pub fn number(&self) -> i64 {
        self.number
    }
}

/// The name of the lease that a node holds as long as it lives.
pub fn of_node(name: &str) -> String {
    format!("{NODE}{name}")
}

/// Whether a life ([`Store::life`]) is surely over: its node lives another one, or gave no sign of life for as long as its
/// lease lasts. Of what is no life, nobody knows.
pub async fn is_over(rx: &mut Rx, life: &str) -> Result<bool, StoreError> {
    let Some((node, number)) = life.rsplit_once(LIFE) else { return Ok(false) };
    let Ok(number) = number.parse::<i64>() else { return Ok(false) };
    let found: Option<Life> = rx.optional(&LIVES, &[(&of_node(node)).into()]).await?;
    Ok(found.is_some_and(|found| found.number != number || found.left_ms <= 0))
}

/// The last life of a node.
struct Life {
    number: i64,
    left_ms: i64,
}

impl FromRow for Life {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self { number: row.int(0)?, left_ms: row.int(1)? })
    }
}

/// Whether the lease that this task works under, if any, is still its own. The first word of every write.
pub(super) async fn demand(tx: &mut Tx) -> Result<(), StoreError> {
    let Some(held) = UNDER.try_with(Clone::clone).ok().flatten() else { return Ok(()) };
    let found: Option<i64> = tx.optional(&DEMAND, &[(&*held.name).into(), held.number.into()]).await?;
    found.map(drop).ok_or(StoreError::Fenced)
}

fn ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
