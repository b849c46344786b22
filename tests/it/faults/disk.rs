//! The whole daemon on a disk that is full, fails to sync, or cannot be written any more.

use super::{get, is_a_clear_refusal, kept_all, stamp, still_serves_readers};
use crate::support::{
    databases::say_skipped,
    disk::{Cut, Disk},
    process::{Place, Sealed},
};
use rustix::process::Signal;
use std::time::{Duration, Instant};

/// A data directory on a disk of our own, with a seal in force; `None`, said loudly, without FUSE.
fn scene() -> Option<(Disk, Place, Sealed)> {
    let disk = match Disk::mount() {
        Ok(disk) => disk,
        Err(error) => {
            assert!(!std::path::Path::new("/dev/fuse").exists(), "FUSE is here and does not work: {error}");
            say_skipped(&format!("disks that fail under the whole daemon: no FUSE: {error}"));
            return None;
        }
    };
    let place = Place::with_data_in(disk.path().join("data"));
    place.good(["init"]);
    let sealed = place.sealed();
    Some((disk, place, sealed))
}

#[test]
fn on_a_full_disk_changes_are_refused_and_readers_served_until_there_is_room_again() {
    let Some((disk, place, sealed)) = scene() else { return };
    let daemon = place.serve();
    let mut kept = vec![stamp(&daemon, &sealed).unwrap()];
    disk.faults().limit_room(disk.used_bytes() + 200_000);
    let mut refused = 0;
    for _ in 0..100 {
        match stamp(&daemon, &sealed) {
            Ok(id) => kept.push(id),
            Err(answer) => {
                is_a_clear_refusal(&answer);
                assert_eq!(answer.problem(), "503 service/no-changes");
                refused += 1;
            }
        }
        if refused == 5 {
            break;
        }
    }
    assert_eq!(refused, 5);
    still_serves_readers(&daemon, &sealed);
    // Long enough for the audit's sequencer to run into it too.
    std::thread::sleep(Duration::from_millis(1_500));
    disk.faults().limit_room(u64::MAX);
    let healed = Instant::now();
    let id = loop {
        match stamp(&daemon, &sealed) {
            Ok(id) => break id,
            Err(answer) => assert!(healed.elapsed() < Duration::from_secs(5), "{answer:?}"),
        }
    };
    kept.push(id);
    kept_all(&place, &daemon, &sealed, &kept);
    daemon.signal(Signal::TERM);
    assert!(daemon.wait().success());
}

/// After a failed sync nobody knows what the disk holds, and the next one would be answered "fine".
#[test]
fn after_a_failed_sync_changes_are_refused_for_good_and_nothing_acknowledged_is_lost() {
    let Some((mut disk, place, sealed)) = scene() else { return };
    let mut kept = Vec::new();
    for well in [0, 1, 2, 5, 9] {
        let daemon = place.serve();
        kept.push(stamp(&daemon, &sealed).unwrap());
        disk.faults().fail_syncs(well, 1);
        let first = (0..50).find_map(|_| match stamp(&daemon, &sealed) {
            Ok(id) => {
                kept.push(id);
                None
            }
            Err(answer) => Some(answer),
        });
        let first = first.expect("a failing sync");
        is_a_clear_refusal(&first);
        // It may have been the database's sync or that of the audit's heads.
        let codes = ["503 service/unknown", "503 service/deadline", "503 service/no-changes"];
        assert!(codes.contains(&first.problem().as_str()), "{first:?}");
        std::thread::sleep(Duration::from_millis(700));
        let syncs = disk.faults().syncs();
        for _ in 0..3 {
            let refused = stamp(&daemon, &sealed).unwrap_err();
            assert_eq!(refused.problem(), "503 service/no-changes");
            is_a_clear_refusal(&refused);
        }
        assert_eq!(get(&daemon, "/readyz", None).status, 503);
        still_serves_readers(&daemon, &sealed);
        std::thread::sleep(Duration::from_millis(1_200));
        assert_eq!(disk.faults().syncs(), syncs, "a sync was tried again");
        drop(daemon);
        if well % 2 == 1 {
            disk.cut_power(Cut::Clean).unwrap();
        }
        // Without a cut the kernel shows what the disk may not have; a cut after the next start would tell.
        let daemon = place.serve();
        kept.push(stamp(&daemon, &sealed).unwrap());
        drop(daemon);
        disk.cut_power(Cut::Clean).unwrap();
        let daemon = place.serve();
        kept_all(&place, &daemon, &sealed, &kept);
        daemon.signal(Signal::TERM);
        assert!(daemon.wait().success());
    }
}

#[test]
fn on_a_disk_that_turned_read_only_readers_are_served_and_a_start_says_which_file() {
    let Some((disk, place, sealed)) = scene() else { return };
    let daemon = place.serve();
    let mut kept = vec![stamp(&daemon, &sealed).unwrap()];
    disk.faults().forbid_writing(true);
    for _ in 0..3 {
        is_a_clear_refusal(&stamp(&daemon, &sealed).unwrap_err());
    }
    still_serves_readers(&daemon, &sealed);
    drop(daemon);
    let said = place.run(["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.err.contains("yinxin.db") && said.err.contains("Read-only file system"), "{said:?}");
    disk.faults().forbid_writing(false);
    let daemon = place.serve();
    kept.push(stamp(&daemon, &sealed).unwrap());
    kept_all(&place, &daemon, &sealed, &kept);
}
