//! `yinxin doctor`: what is wrong, and what is weak. Looks at the configuration, the files, the database, the clock, the keys,
//! the certificates, the record, the outbox, the officers, the backups and the machine; changes nothing, takes no lock, and
//! does so beside a daemon at work as well as without one.

mod clock;
mod configuration;
mod daemon;
mod database;
mod files;
mod finding;
mod keys;
mod machine;
mod officers;
mod papers;
mod record;
mod work;

pub use finding::{Finding, Report, State};

use crate::{
    app,
    base::{Clock, Timestamp},
    config::{Config, Settings},
    store::Store,
};
use finding::Notes;
use std::sync::Arc;

/// How closely to look.
#[derive(Debug, Clone, Copy, Default)]
pub struct Depth {
    /// Whether to read everything: each page of the database with its indexes, the whole record, every key.
    pub deep: bool,
}

/// What most looks need.
struct Case<'c> {
    config: &'c Config,
    now: Timestamp,
    depth: Depth,
    /// Whether a daemon answers at the socket.
    at_work: bool,
}

/// Looks at everything that the settings lead to.
pub async fn examine(settings: Settings, clock: Arc<dyn Clock>, depth: Depth) -> Report {
    let now = clock.now();
    let mut notes = Notes::default();
    let folder = match Config::of(settings) {
        Ok(config) => {
            look(&mut notes, &config, now, depth).await;
            Some(config.data_dir)
        }
        Err(error) => {
            configuration::refused(&mut notes, &error);
            None
        }
    };
    machine::look(&mut notes);
    Report { version: env!("CARGO_PKG_VERSION"), at: now, folder, findings: notes.take() }
}

async fn look(notes: &mut Notes, config: &Config, now: Timestamp, depth: Depth) {
    configuration::look(notes, config, now);
    let daemon = daemon::ask(config).await;
    let case = Case { config, now, depth, at_work: daemon.is_some() };
    daemon::look(notes, &case, daemon.as_ref());
    files::look(notes, &case);
    clock::look(notes).await;
    let Some(store) = database::open(notes, &case).await else { return };
    database::look(notes, &case, &store).await;
    if !app::is_initialised(config) {
        notes.of("database").wrong(
            "initialised",
            "the first start was not made, or not to its end",
            "run `yinxin init`; it goes on where it was cut short",
        );
    }
    let keystore = keys::look(notes, &case, &store).await;
    papers::look(notes, &case, &store).await;
    record::look(notes, &case, &store, keystore.as_ref()).await;
    work::look(notes, &case, &store).await;
    officers::look(notes, &case, &store).await;
    store.close().await;
}

/// Days between two instants, rounded down.
fn days(from: Timestamp, until: Timestamp) -> i64 {
    (until.ms() - from.ms()).div_euclid(86_400_000)
}

/// What a read gave; where it failed, that is noted and nothing is known.
async fn read<T>(
    notes: &mut Notes,
    subject: &'static str,
    name: &'static str,
    store: &Store,
    body: impl AsyncFnOnce(&mut crate::store::Rx) -> Result<T, crate::store::StoreError>,
) -> Option<T> {
    match store.read(body).await {
        Ok(found) => Some(found),
        Err(error) => {
            notes.of(subject).unknown(name, format!("the database did not say: {error}"));
            None
        }
    }
}
