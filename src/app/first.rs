//! The first start: a passphrase, the keystore, the authority, the first officers.

use super::{AppError, Sources, authority_settings, ground, node::Seat, paths, store_config};
use crate::{
    authority::{Act, Authority},
    base::{Clock as _, clock::SystemClock, folder},
    config::Config,
    keys::{KeyKind, KeyPurpose, Keystore, PoolSize, SigningPool, UnlockCost},
    officer::{FirstOfficer, OfficerError, Role, bootstrap},
    store::{Store, migrations::MIGRATIONS},
};
use std::{
    fs,
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::Arc,
};
use zeroize::Zeroizing;

/// What the first start made.
#[derive(Debug)]
pub struct First {
    /// The first officers, each with the key that is shown only once.
    pub officers: Vec<FirstOfficer>,
    /// Whether a passphrase was made up here, because none was given.
    pub made_passphrase: bool,
}

/// Whether the first start is behind us.
pub fn is_initialised(config: &Config) -> bool {
    paths::officer_keys(config).join("done").exists()
}

/// The first start. Safe to repeat after a crash in the middle: what is there already is kept.
pub async fn init(config: &Config, sources: Sources) -> Result<First, AppError> {
    init_at_cost(config, sources, UnlockCost::default()).await
}

/// The same, with another cost of each unlocking than the usual one.
pub async fn init_at_cost(config: &Config, sources: Sources, cost: UnlockCost) -> Result<First, AppError> {
    if is_initialised(config) {
        return Err(AppError::Initialised);
    }
    super::bench_build::may_serve(config)?;
    let Sources { clock, entropy } = sources;
    private_dir(&config.data_dir)?;
    ground::demand_database(config)?;
    let now = clock.now();
    let seat = Seat::take(config, &*entropy).await?;
    let store = Store::open(&store_config(config, seat.name()), now).await?;
    let there = Keystore::exists(&store).await?;
    let source = paths::passphrase(config);
    if there && !source.path().exists() {
        return Err(AppError::OtherKeystore { passphrase: source.path().to_owned() });
    }
    let made_passphrase = make_passphrase(source.path(), &random_secret(&*entropy))?;
    let passphrase = source.read()?;
    let keystore = if there {
        Keystore::unlock(store.clone(), &passphrase, entropy.clone()).await?
    } else {
        Keystore::create(store.clone(), &passphrase, cost, entropy.clone(), now).await?
    };
    let pool = Arc::new(SigningPool::start(PoolSize::default(), &entropy).map_err(AppError::Threads)?);
    audit_key(&store, &keystore, now).await?;
    let settings = authority_settings(config);
    let authority = Authority::new(store.clone(), keystore, pool.clone(), entropy.clone(), settings);
    authority.bootstrap(&Act { actor: "system", request: "init", now }).await?;
    let officers = first_officers(config, &store, &*entropy, now).await?;
    pool.stop(super::STOP_PATIENCE).await;
    store.close().await;
    mark_initialised(config)?;
    Ok(First { officers, made_passphrase })
}

/// Brings the tables up to date, and with `grant` gives the roles of PostgreSQL their rights on them ([`Store::grant`]); the
/// name of the newest step.
pub async fn migrate(config: &Config, grant: bool) -> Result<&'static str, AppError> {
    // No node: it writes nothing but the tables.
    let store = Store::open(&store_config(config, "migrate"), SystemClock.now()).await?;
    if grant {
        store.grant().await?;
    }
    store.close().await;
    Ok(MIGRATIONS.last().map_or("none", |step| step.name))
}

/// Says that the first start is behind us; does nothing where that was said before.
pub(super) fn mark_initialised(config: &Config) -> Result<(), AppError> {
    if is_initialised(config) {
        return Ok(());
    }
    private_dir(&paths::officer_keys(config))?;
    private_file(&paths::officer_keys(config).join("done"), b"initialised\n")
}

/// Makes a key for a security administrator where none has one that is good any more, and writes it into a file of its own.
/// Whoever asks holds the database and the passphrase that opens its keystore.
///
/// # Errors
/// [`AppError::Officers`] with [`OfficerError::NoRescue`] while somebody has a good one.
pub async fn rescue(config: &Config, sources: Sources) -> Result<(FirstOfficer, PathBuf), AppError> {
    let Sources { clock, entropy } = sources;
    let now = clock.now();
    let passphrase = super::passphrase(config)?;
    passphrase.read()?;
    let seat = Seat::take(config, &*entropy).await?;
    let store = Store::open(&store_config(config, seat.name()), now).await?;
    super::unlock(&store, &passphrase, &entropy).await?;
    let rescued = crate::officer::rescue(&store, &*entropy, now).await?;
    let folder = paths::officer_keys(config);
    private_dir(&folder)?;
    let path = folder.join(rescued.key.key.id.as_str());
    private_file(&path, rescued.key.clear.text().expose().as_bytes())?;
    store.close().await;
    Ok((rescued, path))
}

/// Makes the first officers and writes each one's key into a file of its own before anything else can fail.
async fn first_officers(
    config: &Config,
    store: &Store,
    entropy: &dyn crate::base::Entropy,
    now: crate::base::Timestamp,
) -> Result<Vec<FirstOfficer>, AppError> {
    let folder = paths::officer_keys(config);
    private_dir(&folder)?;
    let officers = match bootstrap(store, entropy, now).await {
        // A crash after the last key was written, and before the last word.
        Err(OfficerError::Exists) if all_keys_written(&folder) => return Ok(Vec::new()),
        Err(OfficerError::Exists) => return Err(AppError::KeysLost),
        other => other?,
    };
    for first in &officers {
        let role = first.officer.roles.iter().next().map_or("officer", |role| role.name());
        private_file(&folder.join(role), first.key.clear.text().expose().as_bytes())?;
    }
    Ok(officers)
}

fn all_keys_written(folder: &Path) -> bool {
    let first = Role::ALL.iter().filter(|role| role.stands_apart());
    first.map(|role| folder.join(role.name())).all(|path| fs::metadata(path).is_ok_and(|file| file.len() > 0))
}

/// The key that signs the heads of the audit chain; one for all nodes.
async fn audit_key(store: &Store, keystore: &Keystore, now: crate::base::Timestamp) -> Result<(), AppError> {
    if super::key_desk::newest(keystore).await?.is_some() {
        return Ok(());
    }
    store.write(async |tx| keystore.make(tx, KeyPurpose::Audit, KeyKind::Sm2, now).await.map(drop)).await?;
    Ok(())
}

/// 256 bits as hex.
fn random_secret(entropy: &dyn crate::base::Entropy) -> Zeroizing<String> {
    let mut secret = Zeroizing::new([0; 32]);
    entropy.fill(&mut *secret);
    Zeroizing::new(hex::encode(*secret))
}

fn make_passphrase(path: &Path, secret: &str) -> Result<bool, AppError> {
    if path.exists() {
        return Ok(false);
    }
    private_file(path, secret.as_bytes())?;
    Ok(true)
}

/// A directory for nobody else (0700), on the disk when this returns; kept where it is there already.
pub(super) fn private_dir(path: &Path) -> Result<(), AppError> {
    folder::make_private(path).map_err(|error| AppError::File { path: path.to_owned(), error })
}

/// A new file for nobody else (0600), on the disk when this returns; whole or not there, should this be interrupted.
pub(super) fn private_file(path: &Path, content: &[u8]) -> Result<(), AppError> {
    let wrong = |error| AppError::File { path: path.to_owned(), error };
    if path.exists() {
        return Err(wrong(io::ErrorKind::AlreadyExists.into()));
    }
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&part)
        .map_err(wrong)?;
    let written = file.write_all(content).and_then(|()| file.sync_all());
    written.and_then(|()| folder::rename(&part, path)).map_err(wrong)
}
