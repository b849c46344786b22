//! Which node of its database this process is. Every node has a chain of audit records of its own, so no two may have one
//! name: a process holds its name by a lease, and a second one under the same name is refused.

use super::{AppError, first::private_dir};
use crate::{
    audit,
    base::Entropy,
    config::{Config, Database},
    store::{
        Held, Lease, Store, is_node_name,
        lease::{self, Standing},
    },
};
use rustix::fs::{FlockOperation, flock};
use std::{
    fs::{File, OpenOptions},
    future::Future,
    io::{self, Read as _, Seek as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
    time::Duration,
};
use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{Instant, sleep},
};

/// The name of the only node of an SQLite file.
const ALONE: &str = "local";
/// How long a silent node is thought to live: a paused one loses its name after that.
const LASTS: Duration = Duration::from_secs(15);
/// How long a command waits for another one in the same data directory.
const PATIENCE: Duration = Duration::from_secs(10);
/// Characters of the host's name that are taken into a node's.
const HOST_CHARS: usize = 40;

/// A name, before the database has been asked whether it is free.
#[derive(Debug)]
pub(super) struct Seat {
    name: String,
    /// Tells this data directory from every other, and on which host it is: who starts again there is the same node.
    place: String,
    /// Locked as long as the process lives: one process for each data directory.
    _file: Option<File>,
}

impl Seat {
    /// The configured name, or the one that the data directory keeps; at the first start it is made up.
    pub(super) async fn take(config: &Config, entropy: &dyn Entropy) -> Result<Self, AppError> {
        Self::take_or(config, entropy, None).await
    }

    /// The same where a backup is restored: a data directory without a name goes on as the node that made the backup.
    pub(super) async fn restored(
        config: &Config,
        entropy: &dyn Entropy,
        made_by: &str,
    ) -> Result<Self, AppError> {
        Self::take_or(config, entropy, Some(made_by)).await
    }

    async fn take_or(config: &Config, entropy: &dyn Entropy, usual: Option<&str>) -> Result<Self, AppError> {
        if matches!(config.database, Database::Sqlite { .. }) {
            let name = config.node.clone().unwrap_or_else(|| ALONE.to_owned());
            return Ok(Self { name, place: String::new(), _file: None });
        }
        private_dir(&config.data_dir)?;
        let path = config.data_dir.join("node");
        let wrong = |error| AppError::File { path: path.clone(), error };
        let mut file = locked(&path).await.map_err(wrong)?;
        let kept = Kept::read(&mut file).map_err(wrong)?;
        let kept = match kept {
            Some(kept) => kept,
            None => {
                let made = Kept::made(&super::paths::heads(config).file, entropy, usual).map_err(wrong)?;
                made.write(&mut file).map_err(wrong)?;
                made
            }
        };
        Ok(Self {
            name: config.node.clone().unwrap_or(kept.name),
            place: format!("{}@{}", kept.place, host()),
            _file: Some(file),
        })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }
}

/// The name that a process with this configuration would have, for whoever only looks: nothing is locked, and none is made
/// up where there is none yet.
pub(crate) fn named(config: &Config) -> Option<String> {
    if config.node.is_some() {
        return config.node.clone();
    }
    match &config.database {
        Database::Sqlite { .. } => Some(ALONE.to_owned()),
        Database::Postgres { .. } => {
            let kept = File::open(config.data_dir.join("node")).and_then(|mut file| Kept::read(&mut file));
            let kept = kept.ok().flatten().map(|kept| kept.name);
            kept.or_else(|| audit::node_of(&super::paths::heads(config).file).ok().flatten())
        }
    }
}

/// What the data directory keeps: two words.
struct Kept {
    name: String,
    place: String,
}

impl Kept {
    fn read(file: &mut File) -> io::Result<Option<Self>> {
        const LONGEST: u64 = 1024;
        let mut text = String::new();
        file.take(LONGEST).read_to_string(&mut text)?;
        let mut words = text.split_whitespace();
        match (words.next(), words.next()) {
            (None, _) => Ok(None),
            (Some(name), Some(place)) if is_node_name(name) => {
                Ok(Some(Self { name: name.to_owned(), place: place.to_owned() }))
            }
            _ => {
                Err(io::Error::new(io::ErrorKind::InvalidData, "it does not hold a node's name and its mark"))
            }
        }
    }

    /// A fresh name; the one that its audit records have, where the release before has written some; or the usual one.
    fn made(heads: &Path, entropy: &dyn Entropy, usual: Option<&str>) -> io::Result<Self> {
        let mut chance = [0; 16];
        entropy.fill(&mut chance);
        let place = hex::encode(chance);
        let usual = usual.filter(|name| is_node_name(name)).map(str::to_owned);
        let name = audit::node_of(heads)?.or(usual);
        let name = name.unwrap_or_else(|| format!("{}-{}", host(), &place[..6]));
        Ok(Self { name, place })
    }

    fn write(&self, file: &mut File) -> io::Result<()> {
        file.rewind()?;
        writeln!(file, "{} {}", self.name, self.place)?;
        file.sync_all()
    }
}

/// The file, for this process alone. A command that is about to end is waited for.
async fn locked(path: &Path) -> io::Result<File> {
    let file =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
    let until = Instant::now() + PATIENCE;
    loop {
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(file),
            Err(rustix::io::Errno::WOULDBLOCK) if Instant::now() < until => {
                sleep(Duration::from_millis(50)).await
            }
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let says = "another yinxin process is at work in this data directory; stop it first";
                return Err(io::Error::new(io::ErrorKind::WouldBlock, says));
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// The host's name, as far as it fits into a node's.
fn host() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let plain = |found: char| if is_node_name(&found.to_string()) { found } else { '-' };
    let name: String = name.chars().take(HOST_CHARS).map(plain).collect();
    if name.is_empty() { "node".to_owned() } else { name }
}

/// This node among the others. Ends when it is dropped; [`Presence::leave`] gives the name free at once.
pub(super) struct Presence {
    lease: Lease,
    held: Held,
    lost: watch::Receiver<bool>,
    /// `None` where nobody else can be there.
    renewing: Option<JoinHandle<()>>,
    seat: Seat,
}

impl Presence {
    /// Takes the name of `seat`. The same data directory takes its own name back at once; any other waits until whoever
    /// has it gives a sign of life, and is refused, or gives none for as long as a lease lasts.
    pub(super) async fn join(store: &Store, seat: Seat) -> Result<Self, AppError> {
        let lease = Lease::new(store, lease::of_node(&seat.name), &*seat.place, LASTS);
        let held = taken(&lease, &seat.name).await?;
        store.begin_life(&held);
        let (tell, lost) = watch::channel(false);
        let renewing = {
            let (lease, held, name) = (lease.clone(), held.clone(), seat.name.clone());
            async move {
                lease.until_lost(&held).await;
                tracing::error!(name: "node.name_lost", node = name, "another process has taken this node's name");
                tell.send_replace(true);
            }
        };
        let renewing = (!store.is_ours_alone()).then(|| tokio::spawn(renewing));
        Ok(Self { lease, held, lost, renewing, seat })
    }

    /// Does `work` as this node: nothing of it is kept once another has the name.
    pub(super) async fn cover<T>(&self, work: impl Future<Output = T>) -> T {
        self.held.cover(work).await
    }

    /// What this node holds its name by, for work that goes on beside.
    pub(super) fn held(&self) -> Held {
        self.held.clone()
    }

    /// Ends when another process has taken the name.
    pub(super) fn lost(&self) -> impl Future<Output = AppError> + use<> {
        let (mut lost, name) = (self.lost.clone(), self.seat.name.clone());
        async move {
            if lost.wait_for(|lost| *lost).await.is_err() {
                // Nobody renews any more, for this node is leaving by itself.
                std::future::pending::<()>().await;
            }
            AppError::NodeLost { name }
        }
    }

    fn stop_renewing(&self) {
        if let Some(renewing) = &self.renewing {
            renewing.abort();
        }
    }

    /// Gives the name free.
    pub(super) async fn leave(&self) {
        self.stop_renewing();
        if let Err(error) = self.lease.leave(&self.held).await {
            tracing::debug!(name: "node.not_left", %error, "the node's name was not given free; it will be in a moment");
        }
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.stop_renewing();
    }
}

async fn taken(lease: &Lease, name: &str) -> Result<Held, AppError> {
    const LOOK_EVERY: Duration = Duration::from_millis(500);
    let until = Instant::now() + LASTS * 2;
    let mut first: Option<Standing> = None;
    loop {
        if let Some(held) = lease.take().await? {
            return Ok(held);
        }
        let standing = lease.look().await?;
        let refused = |standing: &Standing| {
            let host = standing.holder.rsplit('@').next().unwrap_or_default().to_owned();
            AppError::NodeTaken { name: name.to_owned(), host }
        };
        match (&first, standing) {
            (Some(first), Some(now)) if first.until_ms < now.until_ms || Instant::now() > until => {
                return Err(refused(&now));
            }
            (None, now) => {
                tracing::info!(
                    name: "node.waits",
                    node = name,
                    "the name of this node is held; waiting whether its holder lives"
                );
                first = now;
            }
            _ => {}
        }
        sleep(LOOK_EVERY).await;
    }
}
