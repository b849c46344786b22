//! The settings of a listener: who we are, and of whom we ask the same. Read again when the files change, without a connection
//! lost; what can't be used is refused with a word, and what was in use goes on.

use super::{
    files::{self, Identity, TlsError, wrong},
    provider,
};
use crate::base::{Clock, Timestamp};
use rustls::{
    RootCertStore, ServerConfig,
    pki_types::UnixTime,
    server::{NoServerSessionStorage, WebPkiClientVerifier, danger::ClientCertVerifier},
    sign::SingleCertAndKey,
    time_provider::TimeProvider,
};
use std::{
    fmt, fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::Duration,
};

/// The files of a listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerFiles {
    /// The certificate, then its chain.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// Whose certificates clients show; `None`: none is asked for.
    pub clients: Option<ClientCertificates>,
}

/// What is asked of clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificates {
    /// The authorities that may have issued them.
    pub authorities: PathBuf,
    /// Which of them are revoked; `None`: nobody asks.
    pub revoked: Option<PathBuf>,
    /// Whether a client without one is turned away.
    pub demand: Demand,
}

/// Whether a client without a certificate is turned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Demand {
    /// It is.
    Required,
    /// It is not; but one that is shown must be good.
    Optional,
}

/// A listener's settings, as they are now.
pub struct ServerTls {
    files: ServerFiles,
    clock: Arc<dyn Clock>,
    now: RwLock<Loaded>,
    /// What the files looked like when they were last read, whatever came of it.
    seen: Mutex<Vec<Option<Print>>>,
}

#[derive(Clone)]
struct Loaded {
    config: Arc<ServerConfig>,
    not_after: Option<Timestamp>,
}

/// What came of looking at the files again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refreshed {
    /// They are as they were.
    Same,
    /// They are new, and in force for new connections.
    Taken,
    /// They can't be used; what was in force goes on.
    Refused(TlsError),
}

/// By this a file that was changed or swapped is known.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Print {
    inode: u64,
    length: u64,
    changed: (i64, i64),
    modified: (i64, i64),
}

impl ServerTls {
    /// Reads the files.
    ///
    /// # Errors
    /// [`TlsError`] where they can't be used. A certificate that has expired can: who may be reached is not decided by a date
    /// alone, and `config check` and the log say it.
    pub fn open(files: ServerFiles, clock: Arc<dyn Clock>) -> Result<Self, TlsError> {
        let seen = prints(&files);
        let (loaded, identity) = load(&files, &clock)?;
        if let Some(says) = out_of_time(&identity, clock.now()) {
            let certificate = files.certificate.display();
            tracing::warn!(name: "tls.out_of_time", %certificate, found = says, "a certificate is out of its time");
        }
        Ok(Self { files, clock, now: RwLock::new(loaded), seen: Mutex::new(seen) })
    }

    /// Looks at the files again, where they have changed since, or anyway. Blocking: reads small files.
    pub fn refresh(&self, anyway: bool) -> Refreshed {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        // Before the files: what is written while they are read is seen by the next look.
        let found = prints(&self.files);
        if !anyway && *seen == found {
            return Refreshed::Same;
        }
        *seen = found;
        drop(seen);
        match self.reload() {
            Ok(()) => Refreshed::Taken,
            Err(error) => Refreshed::Refused(error),
        }
    }

    /// The settings for a new connection.
    pub fn config(&self) -> Arc<ServerConfig> {
        self.current().config
    }

    /// When the certificate expires, where it can be read that far.
    pub fn not_after(&self) -> Option<Timestamp> {
        self.current().not_after
    }

    /// The files.
    pub fn files(&self) -> &ServerFiles {
        &self.files
    }

    fn reload(&self) -> Result<(), TlsError> {
        let (loaded, identity) = load(&self.files, &self.clock)?;
        let now = self.clock.now();
        let ours_is_good = self.not_after().is_some_and(|not_after| now <= not_after);
        if let Some(says) = out_of_time(&identity, now).filter(|_| ours_is_good) {
            return Err(wrong(&self.files.certificate, &says));
        }
        *self.now.write().unwrap_or_else(PoisonError::into_inner) = loaded;
        Ok(())
    }

    fn current(&self) -> Loaded {
        self.now.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl ServerFiles {
    /// Every file, with whatever is wrong with them.
    ///
    /// # Errors
    /// [`TlsError`], the first.
    pub fn check(&self) -> Result<Identity, TlsError> {
        if let Some(clients) = &self.clients {
            verifier(clients)?;
        }
        files::identity(&self.certificate, &self.key)
    }

    fn all(&self) -> impl Iterator<Item = &Path> {
        let clients = self.clients.iter().flat_map(|clients| {
            [Some(clients.authorities.as_path()), clients.revoked.as_deref()].into_iter().flatten()
        });
        [self.certificate.as_path(), self.key.as_path()].into_iter().chain(clients)
    }
}

fn load(files: &ServerFiles, clock: &Arc<dyn Clock>) -> Result<(Loaded, Identity), TlsError> {
    let identity = files::identity(&files.certificate, &files.key)?;
    let time = Arc::new(Time(clock.clone()));
    let builder = ServerConfig::builder_with_details(provider(), time)
        .with_safe_default_protocol_versions()
        .map_err(|error| wrong(&files.certificate, &format!("is of no use: {error}")))?;
    let clients = files.clients.as_ref().map(verifier).transpose()?;
    let asks_clients = clients.is_some();
    let clients = clients.unwrap_or_else(WebPkiClientVerifier::no_client_auth);
    let who = Arc::new(SingleCertAndKey::from(identity.certified.clone()));
    let mut config = builder.with_client_cert_verifier(clients).with_cert_resolver(who);
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    if asks_clients {
        // A resumed session is not asked again: a certificate that has expired or was revoked since would still be good.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
    }
    Ok((Loaded { config: Arc::new(config), not_after: identity.not_after }, identity))
}

fn verifier(clients: &ClientCertificates) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let path = &clients.authorities;
    let mut roots = RootCertStore::empty();
    for certificate in files::certificates(path)? {
        roots
            .add(certificate)
            .map_err(|_| wrong(path, "holds a certificate that can't be an authority for TLS"))?;
    }
    let mut builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider());
    if let Some(revoked) = &clients.revoked {
        // Whether a client's own certificate is revoked; a list that is out of date says less, and no more is refused for it.
        builder = builder
            .with_crls(files::revocation_lists(revoked)?)
            .only_check_end_entity_revocation()
            .allow_unknown_revocation_status();
    }
    if clients.demand == Demand::Optional {
        builder = builder.allow_unauthenticated();
    }
    let blamed = clients.revoked.as_deref().unwrap_or(path);
    builder.build().map_err(|error| wrong(blamed, &format!("can't be used: {error}")))
}

/// What is wrong with the time of a certificate.
fn out_of_time(identity: &Identity, now: Timestamp) -> Option<String> {
    match (identity.not_before, identity.not_after) {
        (_, Some(end)) if now > end => Some(format!("has expired at {end}")),
        (Some(start), _) if now < start => Some(format!("is not valid before {start}")),
        _ => None,
    }
}

fn prints(files: &ServerFiles) -> Vec<Option<Print>> {
    let print = |path: &Path| {
        let found = fs::metadata(path).ok()?;
        Some(Print {
            inode: found.ino(),
            length: found.len(),
            changed: (found.ctime(), found.ctime_nsec()),
            modified: (found.mtime(), found.mtime_nsec()),
        })
    };
    files.all().map(print).collect()
}

/// Our clock for rustls.
struct Time(Arc<dyn Clock>);

impl TimeProvider for Time {
    fn current_time(&self) -> Option<UnixTime> {
        let ms = u64::try_from(self.0.now().ms()).ok()?;
        Some(UnixTime::since_unix_epoch(Duration::from_millis(ms)))
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Time")
    }
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("ServerTls").field("files", &self.files).finish_non_exhaustive()
    }
}
