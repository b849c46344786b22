//! Connections to one server: bounded, lent out, taken back. A connection whose state is not known for certain is never
//! lent again; nobody waits for a dead one longer than the deadline.
//!
//! Why not the driver's own: it asks every connection for a sign of life whenever it is lent and whenever it comes back,
//! and waits without end for that sign. A cut network would keep each place for a quarter of an hour.

use super::super::{Connections, OpenError, StoreError};
use super::session::{self, Session};
use sqlx::{Connection as _, PgConnection};
use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

/// A connection is replaced after this long, so that a load balancer's changes are followed.
const LIFETIME: Duration = Duration::from_secs(1800);
/// One that nobody needed for this long is closed.
const IDLE: Duration = Duration::from_secs(600);
/// One that lay idle for longer is asked for a sign of life first.
const TRUSTED: Duration = Duration::from_secs(1);
/// How long it has for that sign; and for a farewell.
const SIGN_OF_LIFE: Duration = Duration::from_secs(2);
/// How long a transaction that nobody wants any more has to be rolled back.
const CLEANING: Duration = Duration::from_secs(5);
/// Waits between attempts to connect, from the first to the longest.
const PAUSES: [Duration; 2] = [Duration::from_millis(10), Duration::from_millis(250)];

/// The connections of this node. Cheap to clone.
#[derive(Clone)]
pub(in super::super) struct Pool(Arc<Shared>);

struct Shared {
    session: Session,
    /// How long anyone waits for a connection.
    wait: Duration,
    places: Arc<Semaphore>,
    most: u32,
    /// Places of those that write: fewer than all, so that commits without an answer leave room for readers.
    writers: Arc<Semaphore>,
    most_writers: usize,
    /// Commits without an answer.
    hung: AtomicUsize,
    idle: Mutex<Vec<Idle>>,
}

struct Idle {
    conn: PgConnection,
    process: i32,
    born: Instant,
    since: Instant,
}

/// A connection and its places. Dropped, it goes back clean, or is closed.
pub(in super::super) struct Lent {
    /// Present until the drop.
    conn: Option<PgConnection>,
    process: i32,
    born: Instant,
    state: State,
    /// A transaction may be open.
    begun: bool,
    shared: Arc<Shared>,
    places: Vec<OwnedSemaphorePermit>,
}

/// What is known of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    /// Every statement's answer was read.
    Settled,
    /// An answer is still to come.
    Waiting,
    /// It broke, or nobody knows.
    Broken,
}

impl Pool {
    /// A pool of so many connections, none of them open yet.
    pub(super) fn new(session: Session, connections: u32, wait: Duration) -> Self {
        let most = usize::try_from(connections).unwrap_or(usize::MAX);
        let most_writers = (most - (most / 8).max(1)).max(1);
        Self(Arc::new(Shared {
            session,
            wait,
            places: Arc::new(Semaphore::new(most)),
            most: connections,
            writers: Arc::new(Semaphore::new(most_writers)),
            most_writers,
            hung: AtomicUsize::new(0),
            idle: Mutex::default(),
        }))
    }

    /// A connection for reading.
    pub(in super::super) async fn reader(&self) -> Result<Lent, StoreError> {
        self.lend(Vec::new(), Instant::now() + self.0.wait).await
    }

    /// A connection for writing.
    pub(super) async fn writer(&self, until: Instant) -> Result<Lent, StoreError> {
        if self.0.hung.load(Ordering::SeqCst) >= self.0.most_writers {
            // Every one of them waits for a commit's answer: to wait behind them helps nobody.
            return Err(StoreError::Busy);
        }
        let writers = self.0.writers.clone();
        let place = timeout(until.saturating_duration_since(Instant::now()), writers.acquire_owned()).await;
        let place = place.map_err(|_| StoreError::Busy)?.map_err(|_| StoreError::Halted)?;
        self.lend(vec![place], until).await
    }

    /// When whoever begins to wait now gives up.
    pub(super) fn patience(&self) -> Instant {
        Instant::now() + self.0.wait
    }

    /// How many there are. One that is being opened counts as open.
    pub(in super::super) fn connections(&self) -> Connections {
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let (idle, free) = (count(self.0.idle().len()), count(self.0.places.available_permits()));
        let lent = self.0.most.saturating_sub(free);
        let hung = count(self.0.hung.load(Ordering::SeqCst));
        Connections { open: lent.saturating_add(idle), idle, hung, most: self.0.most }
    }

    pub(in super::super) fn is_closed(&self) -> bool {
        self.0.places.is_closed()
    }

    /// Lends nothing more, and says farewell to the server on every idle connection.
    pub(in super::super) async fn close(&self) {
        self.0.places.close();
        self.0.writers.close();
        let idle = std::mem::take(&mut *self.0.idle());
        for Idle { conn, .. } in idle {
            // A server that does not take the farewell sees the socket close.
            let _ = timeout(SIGN_OF_LIFE, conn.close()).await;
        }
    }

    async fn lend(&self, mut places: Vec<OwnedSemaphorePermit>, until: Instant) -> Result<Lent, StoreError> {
        let left = until.saturating_duration_since(Instant::now());
        let place = timeout(left, self.0.places.clone().acquire_owned()).await;
        places.push(place.map_err(|_| StoreError::Busy)?.map_err(|_| StoreError::Halted)?);
        while let Some(idle) = self.0.pop() {
            if let Some(idle) = idle.if_alive().await {
                return Ok(self.lent(idle, places));
            }
            self.0.distrust();
        }
        Ok(self.lent(self.connect(until).await?, places))
    }

    fn lent(&self, idle: Idle, places: Vec<OwnedSemaphorePermit>) -> Lent {
        let Idle { conn, process, born, .. } = idle;
        let (conn, shared) = (Some(conn), self.0.clone());
        Lent { conn, process, born, state: State::Settled, begun: false, shared, places }
    }

    /// A fresh connection. A server that starts, or is being replaced, is asked again until the deadline.
    async fn connect(&self, until: Instant) -> Result<Idle, StoreError> {
        let [mut pause, longest] = PAUSES;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let error = match timeout(left, self.0.session.open()).await {
                Ok(Ok(opened)) => {
                    let now = Instant::now();
                    return Ok(Idle { conn: opened.conn, process: opened.process, born: now, since: now });
                }
                Ok(Err(error)) => error,
                Err(_) => return Err(StoreError::Unavailable),
            };
            let sorted = session::sorted(&error);
            if !sorted.is_passing() || self.is_closed() || Instant::now() + pause >= until {
                tracing::warn!(name: "store.no_connection", %error, "no connection to the database");
                return Err(sorted);
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(longest);
        }
    }
}

impl Shared {
    fn idle(&self) -> MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The one used last, which is the likeliest to live.
    fn pop(&self) -> Option<Idle> {
        self.idle().pop()
    }

    /// One connection was found broken: those that lay beside it very likely are too.
    fn distrust(&self) {
        for idle in self.idle().iter_mut() {
            idle.since = idle.since.min(Instant::now() - TRUSTED);
        }
    }

    /// Takes one back, and closes the one that nobody needed for longest.
    fn take_back(&self, idle: Idle) {
        if self.places.is_closed() || idle.born.elapsed() > LIFETIME {
            return farewell(idle.conn);
        }
        let mut all = self.idle();
        all.push(idle);
        let useless = all.first().is_some_and(|first| first.since.elapsed() > IDLE).then(|| all.remove(0));
        drop(all);
        if let Some(useless) = useless {
            farewell(useless.conn);
        }
    }
}

impl Idle {
    async fn if_alive(mut self) -> Option<Self> {
        if self.since.elapsed() < TRUSTED {
            return Some(self);
        }
        let sign = timeout(SIGN_OF_LIFE, self.conn.ping()).await;
        matches!(sign, Ok(Ok(()))).then_some(self)
    }
}

/// Says farewell beside whatever goes on; outside of a runtime the socket just closes.
fn farewell(conn: PgConnection) {
    if let Ok(runtime) = Handle::try_current() {
        runtime.spawn(async move { timeout(SIGN_OF_LIFE, conn.close()).await.is_ok() });
    }
}

impl Lent {
    /// The connection, for a statement. [`Lent::settle`] says how that ended.
    #[allow(clippy::expect_used, reason = "only the drop takes it")]
    pub(in super::super) fn link(&mut self) -> &mut PgConnection {
        self.state = self.state.max(State::Waiting);
        self.conn.as_mut().expect("a connection that is lent is there")
    }

    /// A statement came to its end: nothing of its answer is left in the connection, unless that itself broke.
    pub(in super::super) fn settle<T>(&mut self, outcome: &Result<T, sqlx::Error>) {
        let whole = match outcome {
            Ok(_) | Err(sqlx::Error::RowNotFound) => true,
            Err(sqlx::Error::Database(said)) => {
                // The end of a session: told to go, or idle within a transaction for too long. Or one that takes no
                // writes: the next one may.
                !said.code().is_some_and(|code| code.starts_with("57P") || code == "25P03" || code == "25006")
            }
            Err(_) => false,
        };
        match (whole, self.state) {
            (true, State::Waiting) => self.state = State::Settled,
            (true, _) => {}
            (false, _) => {
                self.state = State::Broken;
                self.shared.distrust();
            }
        }
    }

    /// Says farewell to the server, on this and every other connection of its pool.
    pub(in super::super) async fn farewell(self) {
        let pool = self.pool();
        drop(self);
        pool.close().await;
    }

    /// Whether the answer to the last statement is still to come.
    pub(super) fn is_waiting(&self) -> bool {
        self.state == State::Waiting
    }

    /// The connection is not to be lent again.
    pub(super) fn spoil(&mut self) {
        self.state = State::Broken;
    }

    /// From here on a transaction may be open, or is certainly not.
    pub(in super::super) fn set_begun(&mut self, begun: bool) {
        self.begun = begun;
    }

    /// The server's process behind it.
    pub(super) fn process(&self) -> i32 {
        self.process
    }

    /// The pool it belongs to.
    pub(super) fn pool(&self) -> Pool {
        Pool(self.shared.clone())
    }

    /// Counts it among the commits without an answer, until that guard is dropped.
    pub(super) fn hung(&self) -> Hung {
        self.shared.hung.fetch_add(1, Ordering::SeqCst);
        Hung(self.shared.clone())
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let Some(conn) = self.conn.take() else { return };
        let back = Back { conn, process: self.process, born: self.born, shared: self.shared.clone() };
        let places = std::mem::take(&mut self.places);
        match (self.state, self.begun) {
            (State::Settled, false) => back.take_back(places),
            (State::Broken, _) => {}
            (_, begun) => {
                if let Ok(runtime) = Handle::try_current() {
                    runtime.spawn(back.clean(begun, places));
                }
            }
        }
    }
}

/// A connection on its way back.
struct Back {
    conn: PgConnection,
    process: i32,
    born: Instant,
    shared: Arc<Shared>,
}

impl Back {
    /// The places are free when the connection is back, not before.
    fn take_back(self, places: Vec<OwnedSemaphorePermit>) {
        let Self { conn, process, born, shared } = self;
        shared.take_back(Idle { conn, process, born, since: Instant::now() });
        drop(places);
    }

    /// Reads what is still to come, and rolls back; a connection that takes too long for that is closed.
    async fn clean(mut self, begun: bool, places: Vec<OwnedSemaphorePermit>) {
        let cleaned = async {
            match begun {
                true => sqlx::raw_sql("ROLLBACK").execute(&mut self.conn).await.is_ok(),
                false => self.conn.ping().await.is_ok(),
            }
        };
        if timeout(CLEANING, cleaned).await == Ok(true) {
            self.take_back(places);
        }
    }
}

/// A commit without an answer.
pub(super) struct Hung(Arc<Shared>);

impl Drop for Hung {
    fn drop(&mut self) {
        self.0.hung.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Opens the first connection of all: what it meets is told in full, at the start.
pub(super) async fn try_out(session: &Session, wait: Duration) -> Result<(), OpenError> {
    let opened = timeout(wait, session.open()).await;
    let opened = opened.map_err(|_| OpenError::Unreachable { says: "no answer in time".into() })?;
    let _ = timeout(SIGN_OF_LIFE, opened?.for_writing()?.conn.close()).await;
    Ok(())
}
