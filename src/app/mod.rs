//! The composition root: configuration → store, keys, rooms, router, background work; and an orderly stop.

mod audit_desk;
mod authority_desk;
mod background;
mod backup_desk;
mod bench_build;
mod entrances;
mod error;
mod fence;
mod first;
mod ground;
mod key_desk;
mod metrics;
mod node;
mod paths;
mod piped;
mod product;
mod restore;
mod vitals;

pub use bench_build::SCRATCH_MARK;
pub use entrances::{Entrances, Handed};
pub use error::AppError;
pub use fence::fence;
pub use first::{First, init, init_at_cost, is_initialised, migrate, rescue};
pub use product::StrictCheck;

// For those who look without opening the service (`doctor`).
pub(crate) use background::audit_keys;
pub(crate) use paths::{heads as heads_place, officer_keys, passphrase as passphrase_source};
pub use restore::{Restore, Restored, restore};

use crate::{
    audit::{self, AuditError},
    authority::{Authority, AuthoritySettings},
    base::{Clock, Entropy, clock::SystemClock, entropy::SystemEntropy},
    config::{Config, Database},
    document::pool::{PoolSettings, ReadingPool},
    http::{self, Held, Hold, Kit, Proxies, Stop, Table},
    job,
    keys::{KeysError, Keystore, PassphraseSource, PoolSize, SigningPool},
    officer::{KeyTerms, Officers},
    seal::{self, SealService},
    store::{Deadlines, EngineConfig, Link, Store, StoreConfig},
    verification::{
        Trust,
        service::{self as verification, AuthorityTrust, OwnRegister, Verifications},
    },
    web,
};
use audit_desk::AuditDesk;
use authority_desk::AuthorityDesk;
use axum::Router;
use background::{Background, Housekeeping, Work};
use backup_desk::BackupDesk;
use key_desk::{AuditKey, KeyDesk};
pub(crate) use node::named as node_name;
use node::{Presence, Seat};
use std::{sync::Arc, time::Duration};
use vitals::Vitals;

/// How long an orderly stop waits for signatures under way.
const STOP_PATIENCE: Duration = Duration::from_secs(5);

/// The service, open: every room wired, nothing listening yet.
pub struct App {
    store: Store,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    pool: Arc<SigningPool>,
    keystore: Keystore,
    authority: Authority,
    officers: Officers,
    seals: SealService,
    verifications: Verifications,
    audit_desk: AuditDesk,
    backup_desk: BackupDesk,
    key_desk: KeyDesk,
    audit_key: Arc<AuditKey>,
    limits: http::Limits,
    proxies: Proxies,
    by_https: bool,
    document_bytes: usize,
    background: Background,
    housekeeping: Housekeeping,
    presence: Presence,
    hold: Hold,
    vitals: Vitals,
    door: Arc<http::Meters>,
    #[cfg(feature = "otel")]
    traces: Option<Arc<crate::telemetry::trace::Meters>>,
}

/// Where time and chance come from.
#[derive(Clone)]
pub struct Sources {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub entropy: Arc<dyn Entropy>,
}

impl Default for Sources {
    /// The machine's clock and the operating system's chance.
    fn default() -> Self {
        Self { clock: Arc::new(SystemClock), entropy: Arc::new(SystemEntropy) }
    }
}

impl App {
    /// Opens the service on the machine's own time and chance.
    pub async fn open(config: &Config) -> Result<Self, AppError> {
        let app = Self::open_with(config, Sources::default()).await?;
        ground::demand_one_time(&app.store, &*app.clock).await?;
        Ok(app)
    }

    /// Opens the service: the database and its durability are checked, the keystore is unlocked, and what a crash left
    /// open is closed.
    pub async fn open_with(config: &Config, sources: Sources) -> Result<Self, AppError> {
        let Sources { clock, entropy } = sources;
        let now = clock.now();
        bench_build::may_serve(config)?;
        // First, for a mistyped directory is left as it was.
        let passphrase = passphrase(config)?;
        passphrase.read()?;
        ground::demand_closed(config)?;
        ground::demand_database(config)?;
        warn_of_open_link(config);
        let seat = Seat::take(config, &*entropy).await?;
        let store = Store::open(&store_config(config, seat.name()), now).await?;
        let presence = Presence::join(&store, seat).await?;
        let keystore = unlock(&store, &passphrase, &entropy).await?;
        let pool = Arc::new(SigningPool::start(PoolSize::default(), &entropy).map_err(AppError::Threads)?);
        let readers = Arc::new(ReadingPool::start(reading(config)).map_err(AppError::Threads)?);
        let authority = Authority::new(
            store.clone(),
            keystore.clone(),
            pool.clone(),
            entropy.clone(),
            authority_settings(config),
        );
        let seals = SealService::new(seal::Parts {
            store: store.clone(),
            keystore: keystore.clone(),
            pool: pool.clone(),
            authority: authority.clone(),
            check: Arc::new(StrictCheck),
            readers: readers.clone(),
            entropy: entropy.clone(),
        });
        let verifications = Verifications::new(verification::Parts {
            store: store.clone(),
            trust: Arc::new(AuthorityTrust::new(authority.clone(), Trust::default())),
            register: Some(Arc::new(OwnRegister::new(store.clone()))),
            entropy: entropy.clone(),
            readers,
            settings: verification_settings(config),
        });
        let (heads, hold) = (paths::heads(config), Hold::default());
        match audit::compare(&store, &heads).await {
            Ok(()) => {}
            Err(error @ AuditError::RolledBack { .. }) => hold.set(background::held_by(&error)),
            Err(error) => return Err(error.into()),
        }
        let background = Background::new(heads.clone());
        let vitals = Vitals::new(vitals::Parts {
            store: store.clone(),
            clock: clock.clone(),
            folder: config.data_dir.clone(),
            database: database_file(config),
            chain: background.chain().clone(),
            hold: hold.clone(),
        });
        let audit_key = AuditKey::open(&keystore).await?;
        let key_desk = KeyDesk::new(key_desk::Parts {
            store: store.clone(),
            keystore: keystore.clone(),
            clock: clock.clone(),
            passphrase,
            credentials_dir: config.credentials_dir.clone(),
            audit_key: audit_key.clone(),
        });
        let app = Self {
            audit_desk: AuditDesk::new(audit_desk::Parts {
                store: store.clone(),
                keystore: keystore.clone(),
                heads: heads.clone(),
                clock: clock.clone(),
                entropy: entropy.clone(),
                hold: hold.clone(),
            }),
            backup_desk: BackupDesk::new(backup_desk::Parts {
                store: store.clone(),
                keystore: keystore.clone(),
                heads_file: heads.file.clone(),
                clock: clock.clone(),
                entropy: entropy.clone(),
                recipients: config.backup.recipients.clone(),
                deadline: config.backup.deadline,
                log_limit_bytes: config.backup.log_limit_bytes,
            }),
            key_desk,
            audit_key,
            officers: Officers::new(store.clone(), entropy.clone()).with_terms(terms(config)),
            vitals,
            door: Arc::default(),
            #[cfg(feature = "otel")]
            traces: None,
            background,
            housekeeping: Housekeeping::new(&store, &seals, &authority, &clock, config.limits.request),
            presence,
            hold,
            limits: entrances::limits(&config.limits),
            proxies: config.listen.proxies.clone(),
            by_https: config.public_url.starts_with("https://"),
            document_bytes: config.limits.document_bytes,
            store,
            clock,
            entropy,
            pool,
            keystore,
            authority,
            seals,
            verifications,
        };
        if app.hold.held().is_none() {
            app.clean_up().await?;
        }
        Ok(app)
    }

    /// Tells how many spans are delivered.
    #[cfg(feature = "otel")]
    pub fn with_traces(self, traces: Option<Arc<crate::telemetry::trace::Meters>>) -> Self {
        Self { traces, ..self }
    }

    /// The database, for the commands that look into it.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The keystore.
    pub fn keystore(&self) -> &Keystore {
        &self.keystore
    }

    /// Does the jobs that are due, as the worker does beside the requests.
    pub async fn do_jobs(&self) -> Result<(), AppError> {
        self.background.work_once(self).await
    }

    /// Looks after keys, as it happens every second beside the requests: learns of new ones, and does what there is to do
    /// of a replacement of the master key.
    pub async fn look_after_keys(&self) -> Result<(), AppError> {
        Ok(self.key_desk.work_off().await?)
    }

    /// Gives certificates of the service that end soon their successors, as it happens every hour beside the requests.
    pub async fn renew_certificates(&self) -> Result<(), AppError> {
        AuthorityDesk::new(&self.authority, &self.seals).renew_due(self.clock.now()).await
    }

    /// Chains what was recorded, now: what the sequencer beside the requests does within a second.
    pub async fn chain_records(&self) -> Result<(), AppError> {
        self.presence.cover(self.background.chain_once(self)).await
    }

    /// Looks how the service stands, as it happens every few seconds beside the requests: for metrics.
    pub async fn look_around(&self) -> Result<(), AppError> {
        Ok(self.vitals.look(true).await?)
    }

    /// Closes what never ended, as it happens every minute beside the requests.
    pub async fn sweep(&self) -> Result<(), AppError> {
        self.housekeeping.once().await
    }

    /// All routes: REST, pages, health.
    pub fn table(&self) -> Result<Table, AppError> {
        let mut routes = http::health::routes(&self.vitals.health());
        routes.extend(metrics::routes(self));
        routes.extend(web::routes());
        routes.extend(crate::officer::http::routes(&self.officers));
        routes.extend(crate::authority::http::routes(&self.authority));
        routes.extend(self.audit_desk.routes());
        routes.extend(self.backup_desk.routes());
        routes.extend(self.key_desk.routes());
        routes.extend(AuthorityDesk::new(&self.authority, &self.seals).routes());
        routes.extend(seal::routes(&self.seals, self.document_bytes));
        routes.extend(crate::verification::routes(&self.verifications));
        Ok(Table::new(routes)?)
    }

    /// The router over all routes.
    pub fn router(&self) -> Result<Router, AppError> {
        Ok(self.table()?.router(self.kit()))
    }

    /// The router over all routes but those of administration, which it turns away.
    pub fn public_router(&self) -> Result<Router, AppError> {
        Ok(self.table()?.router(self.kit().without_administration()))
    }

    /// A front door, with places of its own among the requests that are worked on.
    fn kit(&self) -> Kit {
        let (clock, entropy) = (self.clock.clone(), self.entropy.clone());
        let kit = Kit::new(self.store.clone(), self.officers.clone(), clock, entropy, self.limits);
        let kit = kit.with_problem_page(web::problem_page).behind(self.proxies.clone());
        kit.by_https(self.by_https).with_hold(self.hold.clone()).counted_by(self.door.clone())
    }

    /// Serves at these entrances until `stop`, with all background work beside; then lets everything come to rest. Where
    /// administration has its own entrance, a crowd at the public one takes no place from it. `announce` is called once nothing
    /// can keep it from serving any more.
    pub async fn serve(
        self,
        entrances: Entrances,
        stop: Stop,
        announce: impl FnOnce(),
    ) -> Result<(), AppError> {
        let whole = self.router()?;
        let public = match entrances.administration {
            Some(_) => self.public_router()?,
            None => whole.clone(),
        };
        let mut work = match self.hold.held() {
            None => Some(self.background.start(&self).await?),
            Some(_) => None,
        };
        let (version, database) = (env!("CARGO_PKG_VERSION"), self.store.engine_name());
        tracing::info!(name: "service.started", version, database, node = self.store.node(), "serving");
        announce();
        let administration = async {
            if let Some(entrance) = entrances.administration {
                let door = self.door.clone();
                entrance.serve(whole.clone(), self.limits, stop.clone(), door).await;
            }
        };
        let unix = async {
            if let Some(unix) = entrances.unix {
                http::serve_unix(unix, whole.clone(), self.limits, stop.clone()).await;
            }
        };
        let serving = async {
            let public = entrances.public.serve(public, self.limits, stop.clone(), self.door.clone());
            tokio::join!(public, administration, unix);
        };
        // Whoever has lost the node's name breaks off: the one who has it now does this node's work.
        let served = tokio::select! {
            () = serving => Ok(()),
            () = self.mind_hold(&mut work) => Ok(()),
            lost = self.presence.lost() => Err(lost),
        };
        if let Some(work) = work {
            work.end().await;
        }
        self.rest().await;
        tracing::info!(name: "service.stopped", "came to rest");
        served
    }

    /// Ends the background work while the service is held back, and begins it when it is let go on. Never ends.
    async fn mind_hold(&self, work: &mut Option<Work>) {
        let mut changes = self.hold.changes();
        loop {
            match (self.hold.held(), work.take()) {
                (Some(_), Some(running)) => running.end().await,
                (None, None) => match self.resume().await {
                    Ok(begun) => *work = Some(begun),
                    Err(AppError::Audit(error)) => self.hold.set(background::held_by(&error)),
                    Err(error) => self.hold.set(Held { code: "audit/stopped", says: error.to_string() }),
                },
                (_, as_it_is) => *work = as_it_is,
            }
            // The sender is ours, so this ends only by a change.
            if changes.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    async fn resume(&self) -> Result<Work, AppError> {
        self.clean_up().await?;
        self.background.start(self).await
    }

    /// Comes to rest without having served: chains what was recorded, and closes.
    pub async fn close(self) {
        if self.hold.held().is_some() {
            return self.rest().await;
        }
        if let Err(error) = self.do_jobs().await {
            tracing::warn!(name: "job.wait_for_start", %error, "jobs wait for the next start");
        }
        if let Err(error) = self.look_after_keys().await {
            tracing::warn!(name: "keys.rotation_waits", %error, "a replacement of the master key goes on at the next start");
        }
        let chained = self.presence.cover(self.background.chain_once(&self)).await;
        if let Err(error) = chained {
            tracing::warn!(name: "audit.wait_for_start", %error, "audit records wait to be chained at the next start");
        }
        self.rest().await;
    }

    async fn rest(&self) {
        if !self.pool.stop(STOP_PATIENCE).await {
            tracing::warn!(name: "keys.signer_hangs", "a signer still hangs; its thread is left behind");
        }
        self.presence.leave().await;
        self.store.close().await;
    }

    /// What a crash left open is closed before the first request.
    async fn clean_up(&self) -> Result<(), AppError> {
        let caller = crate::officer::Caller::system("start", self.clock.now());
        job::free_abandoned(&self.store).await?;
        // The file is locked for us alone, so whoever was at work, or held a lease, is gone. On PostgreSQL another node
        // may be at work.
        if self.store.is_ours_alone() {
            let act = crate::authority::Act { actor: "system", request: &caller.request, now: caller.now };
            self.authority.complete_intents(&act).await?;
            self.seals.close_all(&caller).await?;
            http::idempotency::end_leases(&self.store, caller.now).await?;
        } else {
            self.housekeeping.once().await?;
        }
        Ok(())
    }
}

pub(crate) fn store_config(config: &Config, node: &str) -> StoreConfig {
    let node = node.to_owned();
    match &config.database {
        Database::Sqlite { path } => StoreConfig { node, ..StoreConfig::sqlite(path) },
        Database::Postgres { url, schema, connections, commit_deadline } => StoreConfig {
            engine: EngineConfig::Postgres {
                url: crate::base::Secret::new(url.expose().clone()),
                schema: schema.clone(),
                connections: *connections,
            },
            node,
            deadlines: Deadlines {
                commit_ms: u64::try_from(commit_deadline.as_millis()).unwrap_or(u64::MAX),
                ..Deadlines::default()
            },
        },
    }
}

fn database_file(config: &Config) -> Option<std::path::PathBuf> {
    match &config.database {
        Database::Sqlite { path } => Some(path.clone()),
        Database::Postgres { .. } => None,
    }
}

/// Where this configuration has the passphrase.
pub fn passphrase_place(config: &Config) -> std::path::PathBuf {
    paths::passphrase(config).path().to_owned()
}

/// Where the database is reached over a network, and not by a way that keeps what travels on it.
fn warn_of_open_link(config: &Config) {
    let Database::Postgres { url, .. } = &config.database else { return };
    if let Some(found) = Link::of(url).and_then(Link::weakness) {
        tracing::warn!(name: "store.open_link", found, "the way to the database is weak");
    }
}

/// Where the passphrase is; an error where nothing is there.
fn passphrase(config: &Config) -> Result<PassphraseSource, AppError> {
    let source = paths::passphrase(config);
    if !source.path().exists() {
        return Err(AppError::NotInitialised { passphrase: source.path().to_owned() });
    }
    Ok(source)
}

/// Unlocks the keystore. A passphrase that does not open it is told with where it lay.
async fn unlock(
    store: &Store,
    passphrase: &PassphraseSource,
    entropy: &Arc<dyn Entropy>,
) -> Result<Keystore, AppError> {
    let unlocked = Keystore::unlock_from(store.clone(), passphrase.clone(), entropy.clone()).await;
    unlocked.map_err(|error| match error {
        KeysError::WrongPassphrase { .. } => {
            AppError::Refused { passphrase: passphrase.path().to_owned(), error }
        }
        other => other.into(),
    })
}

fn terms(config: &Config) -> KeyTerms {
    KeyTerms { longest_days: i64::from(config.officers.key_days) }
}

fn authority_settings(config: &Config) -> AuthoritySettings {
    let at = |name: &str| Some(format!("{}/pki/{name}", config.public_url));
    AuthoritySettings {
        crl_url: at("ca.crl"),
        issuer_url: at("issuing.cer"),
        later_url: at("issuing"),
        ..AuthoritySettings::of("Yinxin")
    }
}

fn verification_settings(config: &Config) -> verification::Settings {
    verification::Settings {
        max_bytes: config.limits.document_bytes,
        per_minute: config.limits.verifications_per_minute,
        ..verification::Settings::default()
    }
}

/// Documents are read on threads of their own.
fn reading(config: &Config) -> PoolSettings {
    let (limits, usual) = (&config.limits, PoolSettings::default());
    PoolSettings {
        threads: limits.document_threads.unwrap_or(usual.threads),
        // As many as are let in; nobody who was is refused here.
        queue: limits.light_requests.max(limits.heavy_requests).max(limits.stamp_requests),
        cpu: limits.document_cpu,
        ..usual
    }
}
