//! The reading pool: a few threads on which documents are read and judged, so that none of them holds up anything else.
//!
//! Everything here has an end. Threads: about as many as there are processors. Queues: each [`Lane`] has its own. Waiting: a
//! work that isn't begun in time is given up. The work itself: it gets a [`Budget`] that ends with the CPU time that one
//! document may take, and as soon as nobody waits for the answer. And documents of strangers never have every thread.

use std::{
    collections::VecDeque,
    fmt, io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU8, Ordering},
    },
    thread,
    time::{Duration, Instant},
};
use tokio::{sync::oneshot, time::timeout};
use yinxin_pki::budget::Budget;

/// How large a pool is, and what it allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolSettings {
    /// Threads, at least 2: one is never given to documents of strangers.
    pub threads: usize,
    /// Works of one lane that wait while all threads are busy. The lane of what was begun takes four times as many.
    pub queue: usize,
    /// How long a work waits for a thread.
    pub wait: Duration,
    /// CPU time that one document may take. What was begun may take four times as much.
    pub cpu: Duration,
}

impl Default for PoolSettings {
    /// A thread for each processor, 64 waiting works, two seconds of CPU time, five of waiting.
    fn default() -> Self {
        let threads = thread::available_parallelism().map_or(2, usize::from);
        Self { threads, queue: 64, wait: Duration::from_secs(5), cpu: Duration::from_secs(2) }
    }
}

/// Who goes first: a thread that is free takes from the first lane that has something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// The second half of what was begun: signed already, and to be checked before it leaves.
    Begun,
    /// Documents of our own officers.
    Own,
    /// Documents of anyone.
    Foreign,
}

/// Why a work gave no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unread {
    /// Its lane is full, or no thread was free in time. It was not begun.
    Busy,
    /// It broke down: a defect of ours. Or the pool was stopped.
    Broken,
}

impl fmt::Display for Unread {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Busy => out.write_str("as many documents are being read as the service takes on at a time"),
            Self::Broken => out.write_str("reading the document broke down"),
        }
    }
}

impl std::error::Error for Unread {}

/// Threads that read documents. Dropping it lets them end with the work at hand.
pub struct ReadingPool {
    shared: Arc<Shared>,
    settings: PoolSettings,
}

struct Shared {
    queues: Mutex<Queues>,
    woken: Condvar,
}

#[derive(Default)]
struct Queues {
    /// By [`Lane`].
    lanes: [VecDeque<Job>; 3],
    is_stopped: bool,
}

type Job = Box<dyn FnOnce() + Send>;

/// What a thread takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Takes {
    /// Whatever is there. It steps back behind all other threads of the process, so that many documents hold nobody up.
    All,
    /// What was begun and what our own officers ask. It steps back behind nobody: those who are refused under a flood
    /// shall not take the time of those who were let in.
    OurOwn,
}

impl ReadingPool {
    /// Starts the threads. Fails where the system gives none.
    pub fn start(settings: PoolSettings) -> io::Result<Self> {
        let settings = PoolSettings { threads: settings.threads.max(2), ..settings };
        let shared = Arc::new(Shared { queues: Mutex::default(), woken: Condvar::new() });
        // Made before the threads, so that those that were started end where a later one can't be.
        let pool = Self { shared, settings };
        for number in 0..settings.threads {
            let takes = if number == 0 { Takes::OurOwn } else { Takes::All };
            let shared = pool.shared.clone();
            thread::Builder::new().name(format!("read-{number}")).spawn(move || {
                if takes == Takes::All {
                    step_back();
                }
                while let Some(job) = shared.next(takes) {
                    job();
                }
            })?;
        }
        Ok(pool)
    }

    /// How it was started.
    pub fn settings(&self) -> &PoolSettings {
        &self.settings
    }

    /// Runs `work` on a thread of the pool. Dropping the future gives the place up: a work that waits is not begun, one
    /// that runs finds its budget spent.
    ///
    /// # Errors
    /// [`Unread::Busy`] at once where the lane is full, or once the time to wait is over; [`Unread::Broken`] where the
    /// work panicked.
    pub async fn run<T: Send + 'static>(
        &self,
        lane: Lane,
        work: impl FnOnce(&Budget) -> T + Send + 'static,
    ) -> Result<T, Unread> {
        let (answer, mut answered) = oneshot::channel();
        let asked = Asked::default();
        let (cpu, wait) = (self.settings.cpu * lane.share(), self.settings.wait);
        let mine = asked.clone();
        let job = move || {
            if !mine.begin() {
                return;
            }
            let budget = budget(cpu, mine);
            let outcome = catch_unwind(AssertUnwindSafe(|| work(&budget))).map_err(|_| {
                tracing::error!(name: "document.reader_panicked", "reading a document panicked; its request was answered with a fault");
                Unread::Broken
            });
            // Whoever asked may have given up meanwhile.
            let _ = answer.send(outcome);
        };
        self.shared.submit(lane, Box::new(job), self.settings.queue * lane.share() as usize)?;
        let asks = Asks(asked);
        if lane != Lane::Begun {
            match timeout(wait, &mut answered).await {
                Ok(outcome) => return outcome.unwrap_or(Err(Unread::Broken)),
                Err(_) if asks.0.give_up_waiting() => return Err(Unread::Busy),
                Err(_) => {}
            }
        }
        answered.await.unwrap_or(Err(Unread::Broken))
    }
}

impl Drop for ReadingPool {
    fn drop(&mut self) {
        let mut queues = self.shared.queues();
        queues.is_stopped = true;
        queues.lanes.iter_mut().for_each(VecDeque::clear);
        drop(queues);
        self.shared.woken.notify_all();
    }
}

impl fmt::Debug for ReadingPool {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "ReadingPool({} threads)", self.settings.threads)
    }
}

impl Lane {
    /// How much more it may have of everything: what is given up half-way was done for nothing.
    fn share(self) -> u32 {
        match self {
            Self::Begun => 4,
            Self::Own | Self::Foreign => 1,
        }
    }
}

impl Shared {
    fn queues(&self) -> MutexGuard<'_, Queues> {
        // Nothing panics while it is held, and the queues would be whole if it did.
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn submit(&self, lane: Lane, job: Job, most: usize) -> Result<(), Unread> {
        let mut queues = self.queues();
        let jobs = &mut queues.lanes[lane as usize];
        if jobs.len() >= most {
            return Err(Unread::Busy);
        }
        jobs.push_back(job);
        drop(queues);
        // All: a single one might be the one that takes nothing of strangers.
        self.woken.notify_all();
        Ok(())
    }

    /// The next work; `None` when the pool has stopped.
    fn next(&self, takes: Takes) -> Option<Job> {
        let mut queues = self.queues();
        loop {
            if queues.is_stopped {
                return None;
            }
            if let Some(job) = queues.take(takes) {
                return Some(job);
            }
            queues = self.woken.wait(queues).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Queues {
    fn take(&mut self, takes: Takes) -> Option<Job> {
        let [begun, own, foreign] = &mut self.lanes;
        let ours = begun.pop_front().or_else(|| own.pop_front());
        match takes {
            Takes::OurOwn => ours,
            Takes::All => ours.or_else(|| foreign.pop_front()),
        }
    }
}

/// Where a work stands between whoever asked and whoever does it.
#[derive(Clone, Default)]
struct Asked(Arc<AtomicU8>);

const WAITING: u8 = 0;
const BEGUN: u8 = 1;
const GIVEN_UP: u8 = 2;

impl Asked {
    /// Whether it is still wanted; from now on it is no longer waiting.
    fn begin(&self) -> bool {
        self.0.compare_exchange(WAITING, BEGUN, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// Whether it had not begun; now it won't.
    fn give_up_waiting(&self) -> bool {
        self.0.compare_exchange(WAITING, GIVEN_UP, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    fn is_given_up(&self) -> bool {
        self.0.load(Ordering::Relaxed) == GIVEN_UP
    }
}

/// Held by whoever asks. Dropped, the work is given up, begun or not.
struct Asks(Asked);

impl Drop for Asks {
    fn drop(&mut self) {
        self.0.0.store(GIVEN_UP, Ordering::Release);
    }
}

/// What one document may cost: CPU time of this thread, and five times as much of everybody's, for what waits for others.
fn budget(cpu: Duration, asked: Asked) -> Budget {
    let (begun, cpu_begun) = (Instant::now(), cpu_time());
    Budget::new(u64::MAX, move || {
        asked.is_given_up() || cpu_time().saturating_sub(cpu_begun) > cpu || begun.elapsed() > cpu * 5
    })
}

/// CPU time that this thread has used.
fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// Lets threads that answer go before this one, which computes for long: a refusal must not wait for it.
fn step_back() {
    const NICE: i32 = 5;
    // On Linux this is the thread's own. Where it isn't allowed, all is as before.
    let _ = rustix::process::setpriority_process(None, NICE);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    fn pool(threads: usize, queue: usize) -> Arc<ReadingPool> {
        let settings = PoolSettings { threads, queue, ..PoolSettings::default() };
        Arc::new(ReadingPool::start(settings).unwrap())
    }

    /// A work that says that it has begun, and waits until it is let go.
    fn held(
        pool: &Arc<ReadingPool>,
        lane: Lane,
    ) -> (tokio::task::JoinHandle<Result<(), Unread>>, mpsc::Receiver<()>, mpsc::Sender<()>) {
        let (begun, has_begun) = mpsc::channel();
        let (let_go, go) = mpsc::channel::<()>();
        let pool = pool.clone();
        let work = move |_: &Budget| {
            begun.send(()).unwrap();
            let _ = go.recv();
        };
        (tokio::spawn(async move { pool.run(lane, work).await }), has_begun, let_go)
    }

    async fn wait_for(begun: mpsc::Receiver<()>) {
        tokio::task::spawn_blocking(move || begun.recv()).await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn strangers_never_have_every_thread_and_a_full_lane_is_said_at_once() {
        let pool = pool(2, 1);
        let (first, begun, go) = held(&pool, Lane::Foreign);
        wait_for(begun).await;
        let (second, not_begun, go_too) = held(&pool, Lane::Foreign);
        while pool.shared.queues().lanes[Lane::Foreign as usize].is_empty() {
            tokio::task::yield_now().await;
        }
        assert_eq!(pool.run(Lane::Foreign, |_| ()).await, Err(Unread::Busy));
        assert!(not_begun.try_recv().is_err());
        // The thread that is kept from strangers serves everybody else meanwhile.
        assert_eq!(pool.run(Lane::Own, |_| 7).await, Ok(7));
        assert_eq!(pool.run(Lane::Begun, |_| 8).await, Ok(8));
        drop((go, go_too));
        assert_eq!((first.await.unwrap(), second.await.unwrap()), (Ok(()), Ok(())));
    }

    #[tokio::test]
    async fn whoever_goes_away_frees_his_place() {
        let pool = pool(2, 2);
        let (running, begun, go) = held(&pool, Lane::Foreign);
        wait_for(begun).await;
        let (waiting, not_begun, _go) = held(&pool, Lane::Foreign);
        while pool.shared.queues().lanes[Lane::Foreign as usize].is_empty() {
            tokio::task::yield_now().await;
        }
        waiting.abort();
        let _ = waiting.await;
        drop(go);
        assert_eq!(running.await.unwrap(), Ok(()));
        assert_eq!(pool.run(Lane::Foreign, |_| ()).await, Ok(()));
        assert!(not_begun.try_recv().is_err(), "what nobody waits for is not begun");
    }

    #[tokio::test]
    async fn an_endless_work_ends_with_its_cpu_time_or_with_whoever_asked() {
        let settings = PoolSettings { cpu: Duration::from_millis(50), ..PoolSettings::default() };
        let pool = ReadingPool::start(settings).unwrap();
        let endless = |budget: &Budget| while budget.spend(1).is_ok() {};
        assert_eq!(pool.run(Lane::Foreign, endless).await, Ok(()));
        let patient = PoolSettings { cpu: Duration::from_secs(3600), ..PoolSettings::default() };
        let pool = ReadingPool::start(patient).unwrap();
        let (ended, has_ended) = mpsc::channel();
        let given_up = pool.run(Lane::Foreign, move |budget: &Budget| {
            while budget.spend(1).is_ok() {}
            ended.send(()).unwrap();
        });
        assert!(timeout(Duration::from_millis(50), given_up).await.is_err());
        wait_for(has_ended).await;
    }

    #[tokio::test]
    async fn a_work_that_panics_costs_its_own_answer_only() {
        let pool = pool(2, 4);
        let panicked: Result<(), _> = pool.run(Lane::Begun, |_| panic!("as told")).await;
        assert_eq!(panicked, Err(Unread::Broken));
        assert_eq!(pool.run(Lane::Own, |_| ()).await, Ok(()));
    }

    #[tokio::test]
    async fn a_work_that_waits_too_long_is_not_begun_but_for_what_was_begun_before() {
        let settings =
            PoolSettings { threads: 2, queue: 4, wait: Duration::from_millis(20), ..PoolSettings::default() };
        let pool = Arc::new(ReadingPool::start(settings).unwrap());
        let (one, begun, go) = held(&pool, Lane::Begun);
        wait_for(begun).await;
        let (two, begun, go_too) = held(&pool, Lane::Begun);
        wait_for(begun).await;
        assert_eq!(pool.run(Lane::Own, |_| ()).await, Err(Unread::Busy));
        let (patient, _begun, go_three) = held(&pool, Lane::Begun);
        assert_eq!(pool.run(Lane::Foreign, |_| ()).await, Err(Unread::Busy));
        drop((go, go_too, go_three));
        for task in [one, two, patient] {
            assert_eq!(task.await.unwrap(), Ok(()));
        }
    }
}
