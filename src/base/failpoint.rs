//! Named places at which the endurance harness ends the process, to see that nothing acknowledged is lost.
//!
//! They are in every build, so that what is tested is what is shipped, and they do nothing: a place is one load of a
//! pointer that nobody sets. Only code can set it ([`install`]), and only the harness (`examples/endurance`) has such
//! code; the `yinxin` program has none, and no setting, variable or request reaches it (a test tries).

use std::sync::OnceLock;

/// Every place that work passes, in its order. A test compares the list with the source.
pub const ALL: &[&str] = &[
    // Idempotency keys: reserved and committed; the work done; its answer kept.
    "idempotency.reserved",
    "idempotency.worked",
    "idempotency.answered",
    // Applying, and the changes of a seal's life (approving among them): written, not committed; committed.
    "seal.apply.written",
    "seal.apply.committed",
    "seal.change.written",
    "seal.change.committed",
    // Certificates: intent written, intent committed, signed, checked, record written, record committed.
    "authority.issue.intended",
    "authority.issue.committed",
    "authority.issue.signed",
    "authority.issue.checked",
    "authority.issue.written",
    "authority.issue.recorded",
    "authority.list.signed",
    "authority.list.recorded",
    "authority.time_stamp.signed",
    // Making: the owner's certificate is there; then as above.
    "seal.make.certified",
    "seal.make.intended",
    "seal.make.committed",
    "seal.make.signed",
    "seal.make.checked",
    "seal.make.written",
    "seal.make.recorded",
    // Stamping.
    "stamp.prepared",
    "stamp.intended",
    "stamp.committed",
    "stamp.signed",
    "stamp.checked",
    "stamp.written",
    "stamp.recorded",
    // The store: a writer of the group has left; just before and just after the commit, before anybody is told.
    "sqlite.left",
    "sqlite.committing",
    "sqlite.committed",
    "postgres.committing",
    "postgres.committed",
    // The audit chain: links committed; head signed; head in the file; head in the database.
    "audit.chained",
    "audit.signed",
    "audit.appended",
    "audit.kept",
    // What opens the keystore: a new passphrase or master key written, committed; keys rewrapped; the old one going, gone.
    "keys.passphrase.written",
    "keys.passphrase.changed",
    "keys.rotation.written",
    "keys.rotation.begun",
    "keys.rotation.stepped",
    "keys.rotation.ending",
    "keys.rotation.ended",
    "keys.audit.written",
    // The outbox: claimed; the handler has ended; its end is written down.
    "job.claimed",
    "job.worked",
    "job.settled",
];

/// Places that only a start passes: a step of the tables' making written, and committed.
pub const AT_START: &[&str] = &["migration.written", "migration.committed"];

static HOOK: OnceLock<fn(&'static str)> = OnceLock::new();

/// Has `hook` called at each place, on the thread that comes by, with the place's name. The first hook stays for the life
/// of the process; whether this was it.
pub fn install(hook: fn(&'static str)) -> bool {
    HOOK.set(hook).is_ok()
}

/// Here is a place. Does nothing where no hook is installed.
#[inline]
pub fn reach(name: &'static str) {
    if let Some(hook) = HOOK.get() {
        hook(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{collections::BTreeSet, fs, path::Path};

    #[test]
    fn the_list_names_every_place_in_the_source_once_and_nothing_else() {
        let mut found = Vec::new();
        walk(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")), &mut found);
        found.sort();
        let mut listed: Vec<String> = ALL.iter().chain(AT_START).map(|name| (*name).to_owned()).collect();
        listed.sort();
        assert_eq!(found, listed);
        assert_eq!(listed.iter().collect::<BTreeSet<_>>().len(), listed.len());
    }

    fn walk(folder: &Path, found: &mut Vec<String>) {
        for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                walk(&entry, found);
            } else if !entry.ends_with("failpoint.rs") {
                let source = fs::read_to_string(&entry).unwrap_or_default();
                let names = source.split("failpoint::reach(\"").skip(1);
                found.extend(names.filter_map(|rest| rest.split('"').next()).map(str::to_owned));
            }
        }
    }
}
