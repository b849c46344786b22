//! The outbox: work that was given up, or is late.

use super::{Case, finding::Notes, read};
use crate::{job, store::Store};

const SUBJECT: &str = "outbox";
/// A job that is due is taken within a second.
const LATE_MS: i64 = 300_000;
/// Failed jobs that are told.
const TOLD: u32 = 5;

pub(super) async fn look(notes: &mut Notes, case: &Case<'_>, store: &Store) {
    let found = read(notes, SUBJECT, "line", store, async |rx| {
        Ok((job::line(rx).await?, job::failed(rx, TOLD).await?))
    });
    let Some((line, failed)) = found.await else { return };
    let mut of = notes.of(SUBJECT);
    match line.failed {
        0 => of.fine("failed", "no job was given up"),
        count => {
            let told: Vec<_> =
                failed.iter().map(|job| format!("{} {} ({})", job.kind, job.key, job.reason)).collect();
            let found = format!("{count} jobs were given up: {}", told.join("; "));
            of.wrong("failed", found, "mend what the reasons say; what they were to do is not done");
        }
    }
    let late_ms = line.first_due.map_or(0, |due| case.now.ms() - due.ms());
    let told = format!("{} wait, {} run", line.waiting, line.running);
    match (case.at_work, late_ms > LATE_MS) {
        (true, true) => {
            let found = format!("{told}; the first has been due for {} s", late_ms / 1000);
            of.wrong("late", found, "see the daemon's log for events job.*; start it again if it hangs");
        }
        (false, true) => of.fine("late", format!("{told}; they wait for the daemon")),
        (_, false) => of.fine("late", told),
    }
}
