//! A TCP proxy before PostgreSQL that can lose things: a network that swallows everything, or only the answer to a COMMIT.
//! Shared with the tests (`tests/it/support`), so it knows nothing of the rest of the harness.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU8, AtomicU64, Ordering},
    },
    time::Duration,
};

/// What happens to what passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    /// Everything arrives.
    Honest,
    /// Nothing arrives, in either direction; connections stand, and new ones are taken.
    Silent,
    /// A COMMIT arrives; its answer does not, nor anything else on that connection. Then honest again.
    SwallowsCommit,
    /// Says that the server is PostgreSQL 14.
    Old,
}

const MOODS: [Mood; 4] = [Mood::Honest, Mood::Silent, Mood::SwallowsCommit, Mood::Old];
/// The message that commits, as the driver sends it: a simple query.
const COMMIT: &[u8] = b"Q\0\0\0\x0bCOMMIT\0";
/// `server_version_num` 15…, 16… as the eight octets of a BIGINT begin.
const OLD: i64 = 140_011;

/// The proxy; ends with the process. Connections that stand are cut when it is dropped.
pub struct Proxy {
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    upstream: SocketAddr,
    mood: AtomicU8,
    answered_first: AtomicU64,
    swallowed: AtomicU64,
    open: Mutex<Vec<TcpStream>>,
}

impl Proxy {
    /// Before this server, on a port of its own.
    pub fn before(upstream: SocketAddr) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            upstream,
            mood: AtomicU8::new(0),
            answered_first: AtomicU64::new(0),
            swallowed: AtomicU64::new(0),
            open: Mutex::default(),
        });
        let serving = shared.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let shared = serving.clone();
                std::thread::spawn(move || shared.carry(client));
            }
        });
        Ok(Self { address, shared })
    }

    pub fn set(&self, mood: Mood) {
        let at = MOODS.iter().position(|known| *known == mood).unwrap_or_default();
        self.shared.mood.store(at as u8, Ordering::SeqCst);
    }

    /// Lets so many COMMITs be answered, and swallows the answer to the next one.
    pub fn swallow_after(&self, answered: u64) {
        self.shared.answered_first.store(answered, Ordering::SeqCst);
        self.set(Mood::SwallowsCommit);
    }

    /// How many answers to COMMIT were swallowed so far.
    pub fn swallowed(&self) -> u64 {
        self.shared.swallowed.load(Ordering::SeqCst)
    }

    /// Cuts every connection that stands.
    pub fn cut(&self) {
        let open = std::mem::take(&mut *self.shared.open());
        for stream in open {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.cut();
    }
}

impl Shared {
    fn open(&self) -> std::sync::MutexGuard<'_, Vec<TcpStream>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn mood(&self) -> Mood {
        MOODS[usize::from(self.mood.load(Ordering::SeqCst))]
    }

    fn carry(self: Arc<Self>, client: TcpStream) {
        self.hold_while_silent();
        let Ok(server) = TcpStream::connect(self.upstream) else { return };
        let both = || Some([client.try_clone().ok()?, server.try_clone().ok()?]);
        let (Some(there), Some(back), Some(kept)) = (both(), both(), both()) else { return };
        self.open().extend(kept);
        let deaf = Arc::new(AtomicU8::new(0));
        let (asking, answering) = (self.clone(), self);
        let swallow = deaf.clone();
        let up = std::thread::spawn(move || {
            let [from, to] = there;
            asking.pump(from, to, |octets| {
                let commits = octets.windows(COMMIT.len()).any(|window| window == COMMIT);
                if commits && asking.mood() == Mood::SwallowsCommit && asking.is_next() {
                    swallow.store(1, Ordering::SeqCst);
                    asking.swallowed.fetch_add(1, Ordering::SeqCst);
                    asking.mood.store(0, Ordering::SeqCst);
                }
                true
            });
        });
        let [to, from] = back;
        answering.pump(from, to, |octets| {
            if answering.mood() == Mood::Old {
                make_old(octets);
            }
            deaf.load(Ordering::SeqCst) == 0
        });
        let _ = up.join();
    }

    /// Carries octets one way; those that `passes` refuses are lost.
    fn pump(&self, mut from: TcpStream, mut to: TcpStream, mut passes: impl FnMut(&mut [u8]) -> bool) {
        let mut octets = [0; 16 * 1024];
        while let Ok(read @ 1..) = from.read(&mut octets) {
            self.hold_while_silent();
            let octets = &mut octets[..read];
            if passes(octets) && to.write_all(octets).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
        let _ = from.shutdown(Shutdown::Both);
    }

    /// Counts a COMMIT down; whether it is the one to be swallowed.
    fn is_next(&self) -> bool {
        let less = |count: u64| count.checked_sub(1);
        self.answered_first.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less).is_err()
    }

    fn hold_while_silent(&self) {
        while self.mood() == Mood::Silent {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Puts the number of an old version in the place of any number that looks like one of ours.
fn make_old(octets: &mut [u8]) {
    for at in 0..octets.len().saturating_sub(7) {
        let mut number = [0; 8];
        number.copy_from_slice(&octets[at..at + 8]);
        if (150_000..200_000).contains(&i64::from_be_bytes(number)) {
            octets[at..at + 8].copy_from_slice(&OLD.to_be_bytes());
            return;
        }
    }
}
