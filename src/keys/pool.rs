//! The signing pool: a few threads that wait for signers, so that a slow device never holds up the daemon.
//!
//! Everything here has an end: the threads, the queue, the waiting. A signer that panics, vanishes or answers garbage
//! costs its own request and nothing else. One that hangs keeps its thread; so a device gets a pool of its own, and
//! the software keys are not behind it.

use super::Checked;
use crate::base::{
    Entropy,
    entropy::Rng,
    meter::{Gauge, Histogram, Tally},
};
use rand_core::CryptoRng;
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    time::{Duration, Instant},
};
use tokio::sync::{mpsc, oneshot};
use tracing::Instrument as _;
use yinxin_pki::{
    sign::{SignError, SignInput, Signer},
    sm2::SmDigest,
};

/// How large a pool is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolSize {
    /// Threads; at least one is started.
    pub threads: usize,
    /// Requests that wait while all threads are busy; at least one.
    pub queue: usize,
}

impl Default for PoolSize {
    /// Two threads; 128 waiting requests are some 20 ms of SM2 by software.
    fn default() -> Self {
        Self { threads: 2, queue: 128 }
    }
}

/// What is to be signed, owned, so that it can travel to another thread.
#[derive(Debug, Clone)]
pub enum ToSign {
    /// e of an SM2 signature.
    Sm2Digest(SmDigest),
    /// The message; the signer digests it.
    Message(Vec<u8>),
}

impl ToSign {
    /// The borrowed form that signers take.
    pub fn as_input(&self) -> SignInput<'_> {
        match self {
            Self::Sm2Digest(digest) => SignInput::Sm2Digest(digest),
            Self::Message(message) => SignInput::Message(message),
        }
    }
}

type Work = Box<dyn FnOnce(&mut Rng) + Send>;

/// Threads that sign. Dropping it lets them finish what is queued and end.
pub struct SigningPool {
    queue: Mutex<Option<SyncSender<Work>>>,
    /// Ends when the last thread has let go of its sender.
    ended: tokio::sync::Mutex<mpsc::Receiver<()>>,
    size: PoolSize,
    meters: Arc<PoolMeters>,
}

/// What the pool counts.
#[derive(Debug)]
pub struct PoolMeters {
    /// Work that waits for a thread now.
    pub waiting: Gauge,
    /// Threads that work now.
    pub working: Gauge,
    /// How long work waited for a thread, in microseconds.
    pub wait_us: Histogram,
    /// How long signers took, in microseconds.
    pub work_us: Histogram,
    /// Ends by how it went: `done`, `failed`, `busy` (the queue was full), `late` (nobody waited any more), `fault`.
    pub ends: Tally,
}

impl SigningPool {
    /// Starts the threads, each with randomness from `entropy`. Fails where the system gives no thread.
    pub fn start(size: PoolSize, entropy: &Arc<dyn Entropy>) -> std::io::Result<Self> {
        let (queue, work) = sync_channel(size.queue.max(1));
        let work = Arc::new(Mutex::new(work));
        let (alive, ended) = mpsc::channel(1);
        for number in 0..size.threads.max(1) {
            let (work, alive, mut rng) = (work.clone(), alive.clone(), Rng::new(entropy.clone()));
            std::thread::Builder::new().name(format!("sign-{number}")).spawn(move || {
                while let Some(work) = next(&work) {
                    work(&mut rng);
                }
                drop(alive);
            })?;
        }
        let meters = Arc::new(PoolMeters {
            waiting: Gauge::default(),
            working: Gauge::default(),
            wait_us: Histogram::of_times(),
            work_us: Histogram::of_times(),
            ends: Tally::default(),
        });
        let size = PoolSize { threads: size.threads.max(1), queue: size.queue.max(1) };
        Ok(Self { queue: Mutex::new(Some(queue)), ended: tokio::sync::Mutex::new(ended), size, meters })
    }

    /// What it counts as it works.
    pub fn meters(&self) -> &PoolMeters {
        &self.meters
    }

    /// How large it is.
    pub fn size(&self) -> PoolSize {
        self.size
    }

    /// Signs `input`, waiting no longer than `patience`. A product leaves only if it verifies.
    ///
    /// # Errors
    /// * [`SignError::Busy`]: the queue is full (said at once), or `patience` is over; what is made later is dropped.
    /// * [`SignError::Gone`]: the signer has lost its key, or the pool was stopped.
    /// * [`SignError::WrongInput`]: this key cannot sign that input.
    /// * [`SignError::Fault`]: the signer panicked, or its product didn't verify.
    pub async fn sign(
        &self,
        signer: Arc<dyn Signer>,
        input: ToSign,
        patience: Duration,
    ) -> Result<Vec<u8>, SignError> {
        let signer = Checked::new(signer);
        self.run(move |rng| signer.sign(input.as_input(), rng), patience).await
    }

    /// Runs `work`, which signs something on its way, on a thread of the pool: for formats that make a whole product
    /// around one signature. Limits and errors are those of [`SigningPool::sign`]; `work` checks its product itself, or
    /// wraps its signer in [`Checked`].
    pub async fn run<T, E>(
        &self,
        work: impl FnOnce(&mut dyn CryptoRng) -> Result<T, E> + Send + 'static,
        patience: Duration,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<SignError> + Send + 'static,
    {
        self.wait_for(work, patience).instrument(tracing::debug_span!("sign")).await
    }

    async fn wait_for<T, E>(
        &self,
        work: impl FnOnce(&mut dyn CryptoRng) -> Result<T, E> + Send + 'static,
        patience: Duration,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<SignError> + Send + 'static,
    {
        let (answer, product) = oneshot::channel();
        let (meters, asked) = (self.meters.clone(), Instant::now());
        let counted = move |rng: &mut Rng| {
            meters.waiting.lower();
            meters.wait_us.note_time(asked.elapsed());
            let _working = meters.working.hold();
            let begun = Instant::now();
            serve(work, answer, rng);
            meters.work_us.note_time(begun.elapsed());
        };
        // Before the work is handed over: a thread may take it at once.
        self.meters.waiting.raise();
        if let Err(error) = self.submit(Box::new(counted)) {
            self.meters.waiting.lower();
            self.meters.ends.one("busy");
            return Err(error.into());
        }
        let (end, outcome) = match tokio::time::timeout(patience, product).await {
            Ok(Ok(Ok(product))) => ("done", Ok(product)),
            Ok(Ok(Err(error))) => ("failed", Err(error)),
            Ok(Err(_)) => ("fault", Err(SignError::Fault.into())),
            Err(_) => ("late", Err(SignError::Busy.into())),
        };
        self.meters.ends.one(end);
        outcome
    }

    /// Takes no more work, and waits up to `patience` until everything queued is done and the threads have ended.
    /// `false` where a signer still hangs; its thread is left behind.
    pub async fn stop(&self, patience: Duration) -> bool {
        drop(self.queue.lock().unwrap_or_else(PoisonError::into_inner).take());
        let mut ended = self.ended.lock().await;
        tokio::time::timeout(patience, ended.recv()).await.is_ok()
    }

    fn submit(&self, work: Work) -> Result<(), SignError> {
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let stopped = || SignError::Gone { says: "the signing pool is stopped".into() };
        match queue.as_ref().ok_or_else(stopped)?.try_send(work) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(_)) => Err(SignError::Busy),
            Err(TrySendError::Disconnected(_)) => Err(SignError::Fault),
        }
    }
}

impl std::fmt::Debug for SigningPool {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("SigningPool(…)")
    }
}

/// The next work, `None` when the pool has stopped. One thread waits in the channel, the others for the lock.
fn next(work: &Mutex<Receiver<Work>>) -> Option<Work> {
    work.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
}

/// Does one work. Nothing a signer does, not even in its drop, reaches the thread's loop.
fn serve<T, E: From<SignError>>(
    work: impl FnOnce(&mut dyn CryptoRng) -> Result<T, E>,
    answer: oneshot::Sender<Result<T, E>>,
    rng: &mut Rng,
) {
    if answer.is_closed() {
        // Whoever asked has given up: a device's time is for the others.
        let _ = catch_unwind(AssertUnwindSafe(move || drop(work)));
        return;
    }
    let product = catch_unwind(AssertUnwindSafe(move || work(rng.as_dyn()))).unwrap_or_else(|_| {
        tracing::error!(name: "keys.signer_panicked", "a signer panicked; its request was answered with a fault");
        Err(SignError::Fault.into())
    });
    // The one who asked may have given up meanwhile; the product is dropped then.
    let _ = answer.send(product);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::entropy::SeededEntropy;
    use yinxin_pki::{
        sign::{Algorithm, Digest, P256Key, PublicKey, verify},
        sm2,
    };

    const LONG: Duration = Duration::from_secs(60);

    /// What a device may do to us.
    enum Mood {
        Honest,
        /// Says that it has begun, then waits until it is let go.
        Slow {
            begun: std::sync::mpsc::Sender<()>,
            go: Mutex<Receiver<()>>,
        },
        Vanishing,
        Panicking,
        Garbage(Vec<u8>),
        /// Signs well, but something else.
        OtherMessage,
    }

    struct Device {
        key: sm2::PrivateKey,
        mood: Mood,
    }

    impl Signer for Device {
        fn public_key(&self) -> PublicKey {
            PublicKey::Sm2(self.key.public_key())
        }

        fn sign(&self, input: SignInput<'_>, rng: &mut dyn CryptoRng) -> Result<Vec<u8>, SignError> {
            match &self.mood {
                Mood::Honest => {}
                Mood::Slow { begun, go } => {
                    begun.send(()).unwrap();
                    go.lock().unwrap().recv().unwrap();
                }
                Mood::Vanishing => return Err(SignError::Gone { says: "the token was pulled out".into() }),
                Mood::Panicking => panic!("the driver fell over"),
                Mood::Garbage(value) => return Ok(value.clone()),
                Mood::OtherMessage => return Signer::sign(&self.key, SignInput::Message(b"other"), rng),
            }
            Signer::sign(&self.key, input, rng)
        }
    }

    fn device(mood: Mood) -> Arc<dyn Signer> {
        Arc::new(Device { key: sm2::PrivateKey::from_bytes(&[5; 32]).unwrap(), mood })
    }

    fn slow() -> (Arc<dyn Signer>, Receiver<()>, std::sync::mpsc::Sender<()>) {
        let (begun, has_begun) = std::sync::mpsc::channel();
        let (let_go, go) = std::sync::mpsc::channel();
        (device(Mood::Slow { begun, go: Mutex::new(go) }), has_begun, let_go)
    }

    fn pool(threads: usize, queue: usize) -> SigningPool {
        let entropy: Arc<dyn Entropy> = Arc::new(SeededEntropy::new(1));
        SigningPool::start(PoolSize { threads, queue }, &entropy).unwrap()
    }

    fn message() -> ToSign {
        ToSign::Message(b"message".to_vec())
    }

    async fn works(pool: &SigningPool) {
        let honest = device(Mood::Honest);
        let value = pool.sign(honest.clone(), message(), LONG).await.unwrap();
        assert_eq!(verify(&honest.public_key(), Algorithm::Sm2Sm3, b"message", &value), Ok(()));
    }

    #[tokio::test]
    async fn keys_of_both_kinds_sign_what_they_can() {
        let pool = pool(2, 8);
        let sm2_key = sm2::PrivateKey::from_bytes(&[6; 32]).unwrap();
        let digest = sm2_key.public_key().digest("m");
        let sm2_key: Arc<dyn Signer> = Arc::new(sm2_key);
        let p256: Arc<dyn Signer> = Arc::new(P256Key::from_pkcs8(&P256Key::generate().unwrap()).unwrap());
        works(&pool).await;
        for signer in [sm2_key, device(Mood::Honest)] {
            assert!(pool.sign(signer, ToSign::Sm2Digest(digest), LONG).await.is_ok());
        }
        let value = pool.sign(p256.clone(), message(), LONG).await.unwrap();
        let algorithm = Algorithm::Ecdsa(Digest::Sha256);
        assert_eq!(verify(&p256.public_key(), algorithm, b"message", &value), Ok(()));
        let refused = pool.sign(p256, ToSign::Sm2Digest(digest), LONG).await;
        assert_eq!(refused, Err(SignError::WrongInput));
    }

    #[tokio::test]
    async fn a_bad_signer_costs_its_own_request_only() {
        let pool = pool(1, 8);
        let gone = Err(SignError::Gone { says: "the token was pulled out".into() });
        for (mood, expected) in [
            (Mood::Vanishing, gone),
            (Mood::Panicking, Err(SignError::Fault)),
            (Mood::Garbage(vec![]), Err(SignError::Fault)),
            (Mood::Garbage(vec![0x30; 70]), Err(SignError::Fault)),
            (Mood::OtherMessage, Err(SignError::Fault)),
        ] {
            assert_eq!(pool.sign(device(mood), message(), LONG).await, expected);
            works(&pool).await;
        }
    }

    #[tokio::test]
    async fn a_full_queue_is_said_at_once_and_a_late_product_is_dropped() {
        let pool = Arc::new(pool(1, 1));
        let (signer, has_begun, let_go) = slow();
        let ask = |signer: &Arc<dyn Signer>| {
            let (pool, signer) = (pool.clone(), signer.clone());
            tokio::spawn(async move { pool.sign(signer, message(), LONG).await })
        };
        let first = ask(&signer);
        let has_begun = tokio::task::spawn_blocking(move || has_begun.recv().map(|()| has_begun)).await;
        let has_begun = has_begun.unwrap().unwrap();
        // The thread is busy: this one takes the queue's only place and gives up there.
        assert_eq!(pool.sign(signer.clone(), message(), Duration::ZERO).await, Err(SignError::Busy));
        // The place stays taken until the thread comes by: no room, whatever the patience.
        assert_eq!(pool.sign(device(Mood::Honest), message(), LONG).await, Err(SignError::Busy));
        let_go.send(()).unwrap();
        assert!(first.await.unwrap().is_ok());
        // The thread passes over the request that was given up, so the slow signer never begins it.
        while pool.sign(device(Mood::Honest), message(), LONG).await.is_err() {
            tokio::task::yield_now().await;
        }
        assert!(has_begun.try_recv().is_err());
    }

    #[tokio::test]
    async fn a_stopped_pool_finishes_what_is_queued_and_takes_nothing_more() {
        let pool = Arc::new(pool(1, 4));
        let (signer, has_begun, let_go) = slow();
        let asked = tokio::spawn({
            let (pool, signer) = (pool.clone(), signer.clone());
            async move { pool.sign(signer, message(), LONG).await }
        });
        tokio::task::spawn_blocking(move || has_begun.recv()).await.unwrap().unwrap();
        assert!(!pool.stop(Duration::ZERO).await, "a signer still works");
        assert!(matches!(pool.sign(signer, message(), LONG).await, Err(SignError::Gone { .. })));
        let_go.send(()).unwrap();
        assert!(asked.await.unwrap().is_ok());
        assert!(pool.stop(LONG).await);
    }

    #[tokio::test]
    async fn many_at_once_are_all_answered() {
        let pool = Arc::new(pool(2, 64));
        let tasks: Vec<_> = (0..64)
            .map(|_| {
                let pool = pool.clone();
                tokio::spawn(async move { pool.sign(device(Mood::Honest), message(), LONG).await })
            })
            .collect();
        for task in tasks {
            assert!(task.await.unwrap().is_ok());
        }
    }
}
