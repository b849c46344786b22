//! The database: can it be opened, does it keep what it is given, is it whole.

use super::{Case, finding::Notes, read};
use crate::{
    app,
    config::Database,
    store::{Fact, Link, OpenError, Store, migrations},
};
use std::{collections::BTreeMap, fs};

const SUBJECT: &str = "database";
/// SQLite empties its log all the time; beyond this, something holds it.
const LOG_LARGE_BYTES: u64 = 256 << 20;

/// A name for whoever looks where no node has one yet.
const NO_NODE: &str = "looking";

/// Opens it, to look at it.
pub(super) async fn open(notes: &mut Notes, case: &Case<'_>) -> Option<Store> {
    let mut of = notes.of(SUBJECT);
    let node = app::node_name(case.config);
    let config = app::store_config(case.config, node.as_deref().unwrap_or(NO_NODE));
    match Store::look(&config).await {
        Ok(store) => {
            of.fine("opens", format!("it opens ({})", store.engine_name()));
            Some(store)
        }
        Err(error) => {
            let advice = match &error {
                OpenError::File { .. } if !app::is_initialised(case.config) => "run `yinxin init` first",
                OpenError::NotDurable { .. } => {
                    "set it right: what was acknowledged would be lost in a power cut"
                }
                OpenError::Unreachable { .. } => "start the server, or mend database.url",
                OpenError::TooOld { .. } => "upgrade the server",
                _ => "see what it says; restore a backup where the file is damaged",
            };
            of.wrong("opens", error.to_string(), advice);
            None
        }
    }
}

pub(super) async fn look(notes: &mut Notes, case: &Case<'_>, store: &Store) {
    schema(notes, store).await;
    match store.facts().await {
        Ok(facts) => settings(notes, case, facts),
        Err(error) => notes.of(SUBJECT).unknown("settings", format!("the engine did not say: {error}")),
    }
    let mut of = notes.of(SUBJECT);
    match store.check_pages(case.depth.deep).await {
        Ok(wrong) if wrong.is_empty() && store.engine_name() == "sqlite" => {
            let how = if case.depth.deep { "pages and indexes are whole" } else { "pages are whole" };
            of.fine("whole", how);
        }
        Ok(wrong) if wrong.is_empty() => {}
        Ok(wrong) => {
            let advice = "stop the daemon, keep a copy of the file, restore the newest backup";
            of.wrong("whole", format!("it is damaged: {}", wrong.join("; ")), advice);
        }
        Err(error) => {
            let advice = "stop the daemon, keep a copy of the file, restore the newest backup";
            of.wrong("whole", format!("its pages can't be read: {error}"), advice);
        }
    }
}

async fn schema(notes: &mut Notes, store: &Store) {
    let applied = store.read(async |rx| migrations::applied(rx).await).await;
    let mut of = notes.of(SUBJECT);
    let Ok(applied) = applied else {
        return of.wrong(
            "schema",
            "it has no tables of this service",
            "run `yinxin init`, or name the right database",
        );
    };
    let (known, last) = (migrations::MIGRATIONS, migrations::MIGRATIONS.last().map_or(0, |step| step.number));
    let later = applied.iter().filter(|(number, _)| *number > last).count();
    let found = applied.len() - later;
    let same = applied.iter().zip(known).take(found);
    if !same.into_iter().all(|(found, step)| found.0 == step.number && found.1 == step.name)
        || found > known.len()
    {
        return of.wrong("schema", "its steps are not those of this release", "use the release that made it");
    }
    if later > 0 {
        return newer(notes, store, &applied, last).await;
    }
    match known.len() - found {
        0 => of.fine("schema", format!("up to date, step {last}")),
        missing => {
            of.fine("schema", format!("{missing} steps behind this release; the next start takes them"));
        }
    }
}

/// A newer release has been at work here: this one may go on beside it, or not.
async fn newer(notes: &mut Notes, store: &Store, applied: &[(i64, String)], last: i64) {
    let asks = read(notes, SUBJECT, "schema", store, async |rx| migrations::works_from(rx).await).await;
    let name = applied.last().map_or("", |(_, name)| name.as_str());
    let mut of = notes.of(SUBJECT);
    match asks {
        None => {}
        Some(asks) if asks > last => {
            let advice = "use that release, or restore a backup of this one";
            of.wrong(
                "schema",
                format!("it was made by a newer release ({name}), and this one can't go on"),
                advice,
            );
        }
        Some(_) => of.weak(
            "schema",
            format!("a newer release brought it up to date ({name}); this one may go on beside it"),
            "end the upgrade: one release on all nodes",
        ),
    }
}

fn settings(notes: &mut Notes, case: &Case<'_>, facts: Vec<Fact>) {
    let facts: BTreeMap<String, String> = facts.into_iter().map(|fact| (fact.name, fact.value)).collect();
    let fact = |name: &str| facts.get(name).map(String::as_str).unwrap_or_default();
    match &case.config.database {
        Database::Sqlite { path } => {
            let mut of = notes.of(SUBJECT);
            of.fine(
                "durable",
                "SQLite with a write-ahead log, each commit synced; the daemon reads that back at its start",
            );
            let size = |ending: &str| {
                fs::metadata(format!("{}{ending}", path.display())).map_or(0, |file| file.len())
            };
            let (file, log) = (size(""), size("-wal"));
            let told = format!("{} MiB, {} MiB of log", file >> 20, log >> 20);
            if log > LOG_LARGE_BYTES {
                of.weak(
                    "size",
                    told,
                    "a long read or backup holds the log; start the daemon again where nothing does",
                );
            } else {
                of.fine("size", told);
            }
        }
        Database::Postgres { url, .. } => {
            server(notes, fact);
            if let Some(weakness) = Link::of(url).and_then(Link::weakness) {
                notes.of(SUBJECT).weak("way", "the way to the server can be read or bent", weakness);
            }
        }
    }
}

fn server<'f>(notes: &mut Notes, fact: impl Fn(&str) -> &'f str) {
    let mut of = notes.of(SUBJECT);
    for name in ["fsync", "full_page_writes", "synchronous_commit"] {
        let value = fact(name);
        if value == "off" {
            let advice = format!("set {name} = on: what was acknowledged would be lost in a power cut");
            of.wrong("durable", format!("the server has {name} = {value}"), advice);
        }
    }
    let version = fact("server_version");
    of.fine("durable", format!("PostgreSQL {version}, synchronous_commit = {}", fact("synchronous_commit")));
    match fact("data_checksums") {
        "on" => of.fine("checksums", "pages carry checksums"),
        _ => of.weak(
            "checksums",
            "pages carry no checksums: a disk that decays is not noticed",
            "stop the server and run `pg_checksums --enable`, or make the next cluster with `initdb --data-checksums`",
        ),
    }
    if fact("standby") == "true" || fact("standby") == "t" {
        of.wrong(
            "primary",
            "the server is a standby and takes no writes",
            "let database.url lead to the primary",
        );
    }
    if fact("log_statement") == "all" || fact("log_min_duration_statement") == "0" {
        let advice =
            "set log_statement = none and log_min_duration_statement = -1, or log_parameter_max_length = 0";
        of.weak("server-log", "the server logs every statement, with values that may be personal", advice);
    }
}
