//! The audit record: does its chain hold, is it signed, was the clock set back since; and when the last backup was taken.

use super::{Case, days, finding::Notes, read};
use crate::{
    app,
    audit::{self, AuditError},
    backup,
    keys::Keystore,
    store::Store,
};

const SUBJECT: &str = "record";
/// Records are chained within a second; a stopped daemon leaves none, unless it was killed.
const WAITING_MANY: i64 = 1000;
/// Clocks of nodes differ by less.
const STEP_MS: i64 = 2_000;
/// A backup is taken daily.
const BACKUP_DAYS: i64 = 2;
/// Defects that are told.
const DEFECTS_TOLD: usize = 5;

pub(super) async fn look(notes: &mut Notes, case: &Case<'_>, store: &Store, keystore: Option<&Keystore>) {
    end(notes, case, store).await;
    waiting(notes, case, store).await;
    clock(notes, case, store).await;
    match (case.depth.deep, keystore) {
        (true, Some(keystore)) => whole(notes, case, store, keystore).await,
        (true, None) => {
            notes.of(SUBJECT).unknown("chain", "without the keystore no signature can be checked")
        }
        (false, _) => {}
    }
    backups(notes, case, store).await;
}

/// The end of the chain against the last signed head outside the database.
async fn end(notes: &mut Notes, case: &Case<'_>, store: &Store) {
    let heads = app::heads_place(case.config);
    let compared = audit::compare(store, &heads).await;
    let chained = read(notes, SUBJECT, "end", store, async |rx| audit::chain_ends(rx).await).await;
    let begun = chained.is_some_and(|ends| ends.iter().any(|end| end.seq > 0));
    let mut of = notes.of(SUBJECT);
    let wrong = "keep copies of the database and of the file; run `yinxin audit verify`";
    match compared {
        Ok(()) if heads.file.exists() => {
            of.fine("end", "the database has what the last signed head says it had")
        }
        Ok(()) if !begun => of.fine("end", "no record was chained yet; the first start begins the chain"),
        Ok(()) => of.weak(
            "end",
            "there is no file of signed heads: a cut or an old copy of the database would not show",
            "start the daemon, which begins one; if there was one, find out who removed it",
        ),
        Err(error @ (AuditError::RolledBack { .. } | AuditError::FileCut { .. })) => {
            of.wrong("end", error.to_string(), wrong);
        }
        Err(error) => of.unknown("end", error.to_string()),
    }
    if heads.witness.is_none() {
        of.weak(
            "witness",
            "the signed heads are kept in one place only",
            "set audit.witness_file on another disk or machine: whoever cuts both back has it against them",
        );
    }
}

async fn waiting(notes: &mut Notes, case: &Case<'_>, store: &Store) {
    let node = store.node().to_owned();
    let found = read(notes, SUBJECT, "waiting", store, async |rx| audit::waiting(rx, &node).await).await;
    let mut of = notes.of(SUBJECT);
    match found {
        Some(waiting) if waiting > WAITING_MANY && case.at_work => {
            let advice = "see its log for audit.waiting and audit.stopped";
            of.wrong(
                "waiting",
                format!("{waiting} records wait to be chained while the daemon works"),
                advice,
            );
        }
        Some(waiting) => of.fine("waiting", format!("{waiting} records wait to be chained")),
        None => {}
    }
}

/// A record that seems to come from the future tells of a clock that was set back.
async fn clock(notes: &mut Notes, case: &Case<'_>, store: &Store) {
    let newest = read(notes, SUBJECT, "clock", store, async |rx| audit::newest_at(rx).await).await.flatten();
    let Some(newest) = newest else { return };
    let mut of = notes.of("clock");
    let ahead_ms = newest.ms() - case.now.ms();
    if ahead_ms > STEP_MS {
        let found = format!("the newest record is of {newest}, and the clock shows {}", case.now);
        of.wrong("forward", found, "set the clock right before anything is stamped; stamps carry its time");
    } else {
        of.fine("forward", "not behind the newest record");
    }
}

async fn whole(notes: &mut Notes, case: &Case<'_>, store: &Store, keystore: &Keystore) {
    let keys = app::audit_keys(keystore).await;
    let Ok(keys) = keys else {
        return notes.of(SUBJECT).unknown("chain", "the keys that sign the record can't be read");
    };
    let verified = audit::verify(store, &app::heads_place(case.config).file, &keys).await;
    let mut of = notes.of(SUBJECT);
    match verified {
        Ok(Ok(report)) if report.is_sound() => {
            of.fine(
                "chain",
                format!("all {} records hold, under {} signed heads", report.chained, report.heads),
            );
        }
        Ok(Ok(report)) => {
            let told: Vec<_> = report.defects.iter().take(DEFECTS_TOLD).map(ToString::to_string).collect();
            let all = report.defects.len() as u64 + report.further;
            let advice =
                "keep copies of the database and of the file; run `yinxin audit verify` for all of it";
            of.wrong("chain", format!("{all} defects: {}", told.join("; ")), advice);
        }
        Ok(Err(error)) => of.unknown("chain", format!("the file of heads can't be read: {error}")),
        Err(error) => of.unknown("chain", format!("the database did not say: {error}")),
    }
}

async fn backups(notes: &mut Notes, case: &Case<'_>, store: &Store) {
    let found = read(notes, "backup", "taken", store, async |rx| backup::last_at(rx).await).await;
    let Some(last) = found else { return };
    let mut of = notes.of("backup");
    let advice = "take one daily, and try to restore it: `yinxin backup`, `yinxin restore`";
    match last {
        None => of.weak("taken", "no backup was ever recorded", advice),
        Some(at) if days(at, case.now) >= BACKUP_DAYS => {
            of.weak("taken", format!("the last one was taken {} days ago", days(at, case.now)), advice);
        }
        Some(at) => of.fine("taken", format!("the last one was taken at {at}")),
    }
    if case.config.backup.recipients.is_empty() {
        let advice = "run `yinxin backup keygen` and put its public line into backup.recipients";
        of.weak("recipients", "nobody is named who could open a backup, so none can be taken", advice);
    }
}
