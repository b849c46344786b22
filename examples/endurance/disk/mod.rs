//! A disk for tests that keeps apart what was written and what was synced, mounted by FUSE: when its power is cut, only
//! what was synced is left. It can also be slow to sync, fail to sync, and be full.

mod model;
mod serve;

pub use model::Cut;

use fuser::{BackgroundSession, MountOption};
use model::Platter;
use serve::Served;
use std::{
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

/// Requests served at a time: one that sleeps in a slow sync does not hold up the others.
const THREADS: usize = 4;

/// A mounted disk; unmounted when dropped.
pub struct Disk {
    folder: tempfile::TempDir,
    platter: Arc<Mutex<Platter>>,
    faults: Arc<Faults>,
    mounted: Option<BackgroundSession>,
}

/// What is wrong with the disk. Takes effect at once, and outlives a power cut.
#[derive(Debug)]
pub struct Faults {
    sync_delay_us: AtomicU64,
    /// Syncs until the first that fails, and how many fail then.
    sync_well: AtomicU64,
    sync_ill: AtomicU64,
    room_bytes: AtomicU64,
    read_only: AtomicBool,
    syncs: AtomicU64,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            sync_delay_us: AtomicU64::new(0),
            sync_well: AtomicU64::new(u64::MAX),
            sync_ill: AtomicU64::new(0),
            room_bytes: AtomicU64::new(u64::MAX),
            read_only: AtomicBool::new(false),
            syncs: AtomicU64::new(0),
        }
    }
}

impl Faults {
    /// Every sync takes so much longer.
    pub fn delay_syncs_us(&self, microseconds: u64) {
        self.sync_delay_us.store(microseconds, Ordering::SeqCst);
    }

    /// After `well` further syncs, `ill` of them fail (EIO); as in Linux, what could not be synced counts as clean then.
    pub fn fail_syncs(&self, well: u64, ill: u64) {
        self.sync_ill.store(ill, Ordering::SeqCst);
        self.sync_well.store(well, Ordering::SeqCst);
    }

    /// The files together hold so many bytes at the most (ENOSPC); what is there already stays.
    pub fn limit_room(&self, bytes: u64) {
        self.room_bytes.store(bytes, Ordering::SeqCst);
    }

    /// Nothing can be changed any more (EROFS), as after an error for which the kernel mounts a disk anew.
    pub fn forbid_writing(&self, forbidden: bool) {
        self.read_only.store(forbidden, Ordering::SeqCst);
    }

    /// Syncs so far, of files and folders.
    pub fn syncs(&self) -> u64 {
        self.syncs.load(Ordering::SeqCst)
    }

    /// Counts a sync; whether it goes well.
    fn count_sync(&self) -> bool {
        self.syncs.fetch_add(1, Ordering::SeqCst);
        let less = |left: u64| if left == u64::MAX { None } else { left.checked_sub(1) };
        let well = self.sync_well.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less);
        match well {
            Ok(_) | Err(u64::MAX) => true,
            Err(_) => self.sync_ill.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less).is_err(),
        }
    }
}

impl Disk {
    /// An empty disk. An error where there is no `/dev/fuse`, or where mounting is not allowed.
    pub fn mount() -> io::Result<Self> {
        if !Path::new("/dev/fuse").exists() {
            return Err(io::Error::new(io::ErrorKind::NotFound, "/dev/fuse is not there"));
        }
        let folder = tempfile::Builder::new().prefix("endurance-disk-").tempdir()?;
        let platter = Arc::new(Mutex::new(Platter::empty()));
        let mut disk = Self { folder, platter, faults: Arc::default(), mounted: None };
        disk.attach()?;
        Ok(disk)
    }

    /// Where it is mounted.
    pub fn path(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    /// What is wrong with it.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// The bytes of all its files.
    pub fn used_bytes(&self) -> u64 {
        self.platter.lock().unwrap_or_else(PoisonError::into_inner).used_bytes()
    }

    /// Cuts the power and mounts what is left. Whoever had files open must be dead. Answers how many bytes were not synced.
    pub fn cut_power(&mut self, cut: Cut) -> io::Result<u64> {
        self.detach()?;
        let left = self.platter.lock().unwrap_or_else(PoisonError::into_inner).after(cut);
        // A sync that still sleeps in the old one comes too late.
        self.platter = Arc::new(Mutex::new(left.platter));
        self.attach()?;
        Ok(left.gone_bytes)
    }

    fn attach(&mut self) -> io::Result<()> {
        let mut config = fuser::Config::default();
        config.mount_options = vec![MountOption::FSName("endurance".into()), MountOption::NoAtime];
        config.n_threads = Some(THREADS);
        let served = Served::new(self.platter.clone(), self.faults.clone());
        self.mounted = Some(fuser::spawn_mount(served, self.folder.path(), &config)?);
        Ok(())
    }

    fn detach(&mut self) -> io::Result<()> {
        let Some(mounted) = self.mounted.take() else { return Ok(()) };
        // Lazily: a process that is just being buried may still hold a file.
        rustix::mount::unmount(self.folder.path(), rustix::mount::UnmountFlags::DETACH)?;
        mounted.join()
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if let Err(error) = self.detach() {
            eprintln!("endurance: {} could not be unmounted: {error}", self.folder.path().display());
        }
    }
}
