//! The composition root: configuration → store, keys, rooms, router, background work; and an orderly stop.

mod audit_desk;
mod background;
mod bench_build;
mod entrances;
mod error;
mod first;
mod key_desk;
mod paths;
mod product;

pub use bench_build::SCRATCH_MARK;
pub use entrances::Entrances;
pub use error::AppError;
pub use first::{First, init, init_at_cost, is_initialised};
pub use product::StrictCheck;

use crate::{
    authority::{Authority, AuthoritySettings},
    base::{Clock, Entropy, clock::SystemClock, entropy::SystemEntropy},
    config::{Config, Database},
    document::pool::{PoolSettings, ReadingPool},
    http::{self, Kit, Proxies, Stop, Table},
    keys::{Keystore, PassphraseSource, PoolSize, SigningPool},
    officer::Officers,
    seal::{self, SealService},
    store::{EngineConfig, Store, StoreConfig},
    verification::{
        Trust,
        service::{self as verification, AuthorityTrust, OwnRegister, Verifications},
    },
    web,
};
use audit_desk::AuditDesk;
use axum::Router;
use background::Background;
use std::{sync::Arc, time::Duration};

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
    limits: http::Limits,
    proxies: Proxies,
    document_bytes: usize,
    background: Background,
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
        Self::open_with(config, Sources::default()).await
    }

    /// Opens the service: the database and its durability are checked, the keystore is unlocked, and what a crash left
    /// open is closed.
    pub async fn open_with(config: &Config, sources: Sources) -> Result<Self, AppError> {
        let Sources { clock, entropy } = sources;
        let now = clock.now();
        bench_build::may_serve(config)?;
        // First, for a mistyped directory is left as it was.
        let passphrase = passphrase(config)?.read()?;
        let store = Store::open(&store_config(config), now).await?;
        let keystore = Keystore::unlock(store.clone(), &passphrase, entropy.clone()).await?;
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
        let audit_key = background::audit_signer(&keystore).await?.public_key();
        let app = Self {
            audit_desk: AuditDesk::new(store.clone(), paths::heads(config), audit_key),
            officers: Officers::new(store.clone(), entropy.clone()),
            background: Background::new(paths::heads(config)),
            limits: entrances::limits(&config.limits),
            proxies: config.listen.proxies.clone(),
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
        app.clean_up().await?;
        Ok(app)
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

    /// Chains what was recorded, now: what the sequencer beside the requests does within a second.
    pub async fn chain_records(&self) -> Result<(), AppError> {
        self.background.chain_once(self).await
    }

    /// Closes what never ended, as it happens every minute beside the requests.
    pub async fn sweep(&self) -> Result<(), AppError> {
        background::sweep_once(&self.seals, &self.store, self.clock.now()).await
    }

    /// All routes: REST, pages, health.
    pub fn table(&self) -> Result<Table, AppError> {
        let mut routes = http::health::routes(&self.store);
        routes.extend(web::routes());
        routes.extend(crate::officer::http::routes(&self.officers));
        routes.extend(crate::authority::http::routes(&self.authority));
        routes.extend(self.audit_desk.routes());
        routes.extend(key_desk::routes(&self.keystore));
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
        kit.with_problem_page(web::problem_page).behind(self.proxies.clone())
    }

    /// Serves at these entrances until `stop`, with all background work beside; then lets everything come to rest. Where
    /// administration has its own entrance, a crowd at the public one takes no place from it.
    pub async fn serve(self, entrances: Entrances, stop: Stop) -> Result<(), AppError> {
        let whole = self.router()?;
        let public = match entrances.administration {
            Some(_) => self.public_router()?,
            None => whole.clone(),
        };
        let work = self.background.start(&self).await?;
        let administration = async {
            if let Some(entrance) = entrances.administration {
                entrance.serve(whole.clone(), self.limits, stop.clone()).await;
            }
        };
        let unix = async {
            if let Some(unix) = entrances.unix {
                http::serve_unix(unix, whole.clone(), self.limits, stop.clone()).await;
            }
        };
        tokio::join!(entrances.public.serve(public, self.limits, stop.clone()), administration, unix);
        work.end().await;
        self.rest().await;
        Ok(())
    }

    /// Comes to rest without having served: chains what was recorded, and closes.
    pub async fn close(self) {
        if let Err(error) = self.do_jobs().await {
            tracing::warn!(%error, "jobs wait for the next start");
        }
        if let Err(error) = self.background.chain_once(&self).await {
            tracing::warn!(%error, "audit records wait to be chained at the next start");
        }
        self.rest().await;
    }

    async fn rest(&self) {
        if !self.pool.stop(STOP_PATIENCE).await {
            tracing::warn!("a signer still hangs; its thread is left behind");
        }
        self.store.close().await;
    }

    /// What a crash left open is closed before the first request.
    async fn clean_up(&self) -> Result<(), AppError> {
        let caller = crate::officer::Caller::system("start", self.clock.now());
        let act = crate::authority::Act { actor: "system", request: &caller.request, now: caller.now };
        self.authority.complete_intents(&act).await?;
        // The file is locked for us alone, so whoever was at work, or held a lease, is gone. On PostgreSQL another node
        // may be at work.
        if self.store.is_ours_alone() {
            self.seals.close_all(&caller).await?;
            http::idempotency::end_leases(&self.store, caller.now).await?;
        } else {
            self.seals.sweep(&caller).await?;
        }
        Ok(())
    }
}

fn store_config(config: &Config) -> StoreConfig {
    match &config.database {
        Database::Sqlite { path } => StoreConfig::sqlite(path),
        Database::Postgres { url, schema } => StoreConfig {
            engine: EngineConfig::Postgres {
                url: crate::base::Secret::new(url.expose().clone()),
                schema: schema.clone(),
                connections: 16,
            },
            ..StoreConfig::sqlite("")
        },
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

fn authority_settings(config: &Config) -> AuthoritySettings {
    let at = |name: &str| Some(format!("{}/pki/{name}", config.public_url));
    AuthoritySettings {
        crl_url: at("ca.crl"),
        issuer_url: at("issuing.cer"),
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
