//! The clock: whether somebody keeps it right.

use super::finding::Notes;
use std::{path::Path, process::Command, time::Duration};

const SUBJECT: &str = "clock";
/// systemd's own daemon makes this file when it has set the clock.
const TIMESYNCD: &str = "/run/systemd/timesync/synchronized";
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) async fn look(notes: &mut Notes) {
    let mut of = notes.of(SUBJECT);
    let advice = "run an NTP client (chrony, systemd-timesyncd): stamps and records carry this clock's time";
    if Path::new(TIMESYNCD).exists() {
        return of.fine("kept", "systemd-timesyncd keeps it");
    }
    match ask_systemd().await {
        Some(true) => of.fine("kept", "the kernel says that it is kept by NTP"),
        Some(false) => of.weak("kept", "nobody keeps it: the kernel says that it is not kept by NTP", advice),
        None => of.unknown("kept", "neither systemd-timesyncd nor timedatectl says whether NTP keeps it"),
    }
}

async fn ask_systemd() -> Option<bool> {
    let asked = tokio::task::spawn_blocking(|| {
        Command::new("timedatectl").args(["show", "--property=NTPSynchronized", "--value"]).output()
    });
    let answer = tokio::time::timeout(PATIENCE, asked).await.ok()?.ok()?.ok()?;
    match String::from_utf8_lossy(&answer.stdout).trim() {
        "yes" => Some(true),
        "no" => Some(false),
        _ => None,
    }
}
