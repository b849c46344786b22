//! Files of the data directory: who may read them, and what should not lie there.

use super::{Case, finding::Notes};
use crate::{app, config::Database};
use rustix::{
    fs::{Mode, OFlags},
    process::geteuid,
};
use std::{
    fs,
    io::Write as _,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

const SUBJECT: &str = "files";
/// Syncs of which the median is told.
const SYNCS: usize = 9;
/// A disk that takes longer for a sync holds every write up.
const SYNC_SLOW: Duration = Duration::from_millis(20);
/// Below this, the daemon is not ready.
const DISK_LEAST_BYTES: u64 = 64 << 20;
/// Below this, it soon won't be.
const DISK_LOW_BYTES: u64 = 1 << 30;

pub(super) fn look(notes: &mut Notes, case: &Case<'_>) {
    let folder = &case.config.data_dir;
    if !folder.is_dir() {
        return;
    }
    rights(notes, case);
    passphrase(notes, case);
    officer_keys(notes, case);
    disk(notes, folder);
    sync(notes, folder);
}

/// What is secret, or must not be changed, is for its owner alone.
fn rights(notes: &mut Notes, case: &Case<'_>) {
    let mut of = notes.of(SUBJECT);
    let config = case.config;
    let heads = app::heads_place(config);
    let mut files = vec![heads.file];
    if let Database::Sqlite { path } = &config.database {
        let beside = ["", "-wal", "-shm"].map(|ending| PathBuf::from(format!("{}{ending}", path.display())));
        files.extend(beside);
    }
    if case.at_work {
        files.push(config.socket_path());
    }
    let mut open = 0;
    for path in files {
        let Ok(found) = fs::metadata(&path) else { continue };
        let (mode, shown) = (found.mode() & 0o7777, path.display());
        if mode & 0o077 != 0 {
            open += 1;
            let advice = format!("chmod 600 {shown}");
            of.wrong("rights", format!("{shown} has mode {mode:04o}, which lets others in"), advice);
        } else if found.uid() != geteuid().as_raw() && !geteuid().is_root() {
            open += 1;
            let found = format!("{shown} belongs to user {}, not to the user of this command", found.uid());
            of.wrong("rights", found, "run this as the daemon's user, or give the file to that user");
        }
    }
    if open == 0 {
        of.fine("rights", "database, heads and socket are for their owner alone");
    }
    if let Ok(found) = fs::metadata(&config.data_dir)
        && geteuid().is_root()
        && found.uid() != 0
    {
        let advice = format!("run it as that user, as the daemon does: `setpriv --reuid={} …`", found.uid());
        of.weak("user", format!("this runs as root, and the data are user {}'s", found.uid()), advice);
    }
}

fn passphrase(notes: &mut Notes, case: &Case<'_>) {
    let mut of = notes.of(SUBJECT);
    let source = app::passphrase_source(case.config);
    if source.path().starts_with(&case.config.data_dir) {
        of.weak(
            "passphrase",
            "the passphrase lies in the data directory: whoever copies that has the keys too; fit for trying out",
            "keep it elsewhere: passphrase_file, or a systemd credential (LoadCredentialEncrypted=passphrase)",
        );
    } else if source.path().exists() {
        of.fine("passphrase", "lies apart from the data");
    }
}

/// Keys of the first officers are handed over, and do not stay.
fn officer_keys(notes: &mut Notes, case: &Case<'_>) {
    let folder = app::officer_keys(case.config);
    let left = fs::read_dir(folder).into_iter().flatten().flatten();
    let left = left.filter(|entry| entry.file_name() != "done").count();
    let mut of = notes.of(SUBJECT);
    if left == 0 {
        return of.fine("officer-keys", "no API keys lie beside the data");
    }
    let found = format!("{left} API keys of officers lie in officer-keys, in the clear");
    of.weak("officer-keys", found, "hand each to its holder, then remove the file");
}

fn disk(notes: &mut Notes, folder: &Path) {
    let mut of = notes.of(SUBJECT);
    let Ok(found) = rustix::fs::statvfs(folder) else {
        return of.unknown("disk", "the system does not tell how much room there is");
    };
    let (free, size) =
        (found.f_bavail.saturating_mul(found.f_frsize), found.f_blocks.saturating_mul(found.f_frsize));
    let told = format!("{} of {} MiB are free", free >> 20, size >> 20);
    if free < DISK_LEAST_BYTES {
        of.wrong("disk", told, "make room: below 64 MiB the daemon takes no part in the work");
    } else if free < DISK_LOW_BYTES || free < size / 20 {
        of.weak("disk", told, "make room before it is full; backups may go to another disk");
    } else {
        of.fine("disk", told);
    }
    if found.f_favail < 1000 && found.f_files > 0 {
        of.weak("inodes", format!("{} inodes are free", found.f_favail), "remove small files from that disk");
    }
}

/// How long the disk takes to keep something for good, in a file without a name that is gone afterwards.
fn sync(notes: &mut Notes, folder: &Path) {
    let mut of = notes.of(SUBJECT);
    let opened = rustix::fs::open(folder, OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC, Mode::RUSR);
    let Ok(handle) = opened else {
        return of.unknown("sync", "this file system makes no file without a name to try it with");
    };
    let mut file = fs::File::from(handle);
    let mut times = Vec::with_capacity(SYNCS);
    for _ in 0..SYNCS {
        let begun = Instant::now();
        if let Err(error) = file.write_all(&[0; 4096]).and_then(|()| file.sync_data()) {
            return of.wrong(
                "sync",
                format!("the disk does not keep what is written: {error}"),
                "mend the disk",
            );
        }
        times.push(begun.elapsed());
    }
    times.sort();
    let median = times[SYNCS / 2];
    let told = format!("the disk takes {:.2} ms for a sync", median.as_secs_f64() * 1e3);
    if median > SYNC_SLOW {
        of.weak(
            "sync",
            told,
            "each write waits for a sync; a disk with a protected cache is many times faster",
        );
    } else {
        of.fine("sync", told);
    }
}
