//! Taking the addresses that the configuration names, with their TLS; and reading its files again when they change.

use super::AppError;
use crate::{
    base::{Clock, Timestamp},
    config::{Config, Limits},
    http,
    tls::{Refreshed, ServerFiles, ServerTls},
};
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    net::{TcpListener, UnixListener},
    signal::unix::{Signal, SignalKind, signal},
    task::JoinHandle,
};

/// Where requests come in.
pub struct Entrances {
    /// The public address.
    pub public: http::Entrance,
    /// The address of administration, where it has its own.
    pub administration: Option<http::Entrance>,
    /// The socket for commands beside the daemon.
    pub unix: Option<UnixListener>,
}

/// Listeners that the service manager opened and hands over: they go before the configured addresses.
#[derive(Debug, Default)]
pub struct Handed {
    /// For the public entrance; it does not block.
    pub public: Option<std::net::TcpListener>,
    /// For that of administration, where the configuration has one.
    pub administration: Option<std::net::TcpListener>,
}

/// How often files of TLS are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// From here on the log speaks of a certificate's end, once a day.
const EXPIRES_SOON_MS: i64 = 14 * DAY_MS;
const DAY_MS: i64 = 86_400_000;

impl Entrances {
    /// Takes the addresses, before anything else is done: a port that is taken, or a certificate that can't be used, shall be
    /// said at once.
    ///
    /// # Errors
    /// [`AppError::Listen`], [`AppError::Tls`].
    pub async fn bind(config: &Config, clock: &Arc<dyn Clock>, handed: Handed) -> Result<Self, AppError> {
        let listen = &config.listen;
        let tls = opened(listen.tls.as_ref(), "listen.tls", clock)?;
        let tcp = bound(handed.public, listen.address).await?;
        let public = http::Entrance { tcp, tls, proxies: listen.proxies.clone() };
        let administration = match &listen.administration {
            Some(own) => {
                let tls = opened(own.tls.as_ref(), "listen.admin_tls", clock)?;
                let tcp = bound(handed.administration, own.address).await?;
                Some(http::Entrance { tcp, tls, proxies: listen.proxies.clone() })
            }
            None => None,
        };
        Ok(Self { public, administration, unix: None })
    }

    /// With the socket for commands.
    pub fn with_unix(self, unix: UnixListener) -> Self {
        Self { unix: Some(unix), ..self }
    }

    /// Reads files of TLS again when they change, and at once on SIGHUP, until it is aborted.
    ///
    /// # Errors
    /// [`AppError::Threads`] where the system gives no handler for the signal.
    pub fn watch(&self, clock: Arc<dyn Clock>) -> Result<JoinHandle<()>, AppError> {
        let hangup = signal(SignalKind::hangup()).map_err(AppError::Threads)?;
        let all = [Some(&self.public), self.administration.as_ref()];
        let tls = all.into_iter().flatten().filter_map(|entrance| entrance.tls.clone()).collect();
        Ok(tokio::spawn(watch(tls, hangup, clock)))
    }
}

fn opened(
    files: Option<&ServerFiles>,
    section: &'static str,
    clock: &Arc<dyn Clock>,
) -> Result<Option<Arc<ServerTls>>, AppError> {
    let tls = files.map(|files| ServerTls::open(files.clone(), clock.clone())).transpose();
    Ok(tls.map_err(|error| AppError::Tls { section, error })?.map(Arc::new))
}

async fn bound(handed: Option<std::net::TcpListener>, address: SocketAddr) -> Result<TcpListener, AppError> {
    let bound = match handed {
        Some(listener) => TcpListener::from_std(listener),
        None => TcpListener::bind(address).await,
    };
    bound.map_err(|error| AppError::Listen { address, error })
}

async fn watch(all: Vec<Arc<ServerTls>>, mut hangup: Signal, clock: Arc<dyn Clock>) {
    let mut told_at = None;
    loop {
        let asked = tokio::select! {
            _ = hangup.recv() => true,
            () = tokio::time::sleep(LOOK_EVERY) => false,
        };
        for tls in &all {
            let looked = {
                let tls = tls.clone();
                tokio::task::spawn_blocking(move || tls.refresh(asked)).await
            };
            // An error means that the runtime is going down.
            if let Ok(outcome) = looked {
                tell(tls, &outcome);
            }
        }
        tell_end(&all, clock.now(), &mut told_at);
    }
}

fn tell(tls: &ServerTls, outcome: &Refreshed) {
    let certificate = tls.files().certificate.display();
    match outcome {
        Refreshed::Same => {}
        Refreshed::Taken => {
            tracing::info!(name: "tls.renewed", %certificate, "a certificate was read again and is in force");
        }
        Refreshed::Refused(error) => {
            tracing::warn!(name: "tls.not_renewed", %error, "the certificate that was in force goes on");
        }
    }
}

/// Says once a day that a certificate ends soon.
fn tell_end(all: &[Arc<ServerTls>], now: Timestamp, told_at: &mut Option<Timestamp>) {
    if told_at.is_some_and(|told| now.ms() - told.ms() < DAY_MS) {
        return;
    }
    for tls in all {
        let Some(end) = tls.not_after().filter(|end| end.ms() - now.ms() < EXPIRES_SOON_MS) else { continue };
        let certificate = tls.files().certificate.display();
        tracing::warn!(name: "tls.ends_soon", %certificate, %end, "a certificate ends soon");
        *told_at = Some(now);
    }
}

/// The limits of the front door.
pub(super) fn limits(limits: &Limits) -> http::Limits {
    http::Limits {
        connections: limits.connections,
        connections_per_address: limits.connections_per_address,
        stamp_requests: limits.stamp_requests,
        bodies_bytes: limits.bodies_bytes,
        pace: limits.pace_bytes,
        light_requests: limits.light_requests,
        heavy_requests: limits.heavy_requests,
        request: limits.request,
        stop: limits.stop,
        handshake: limits.handshake,
        handshakes: limits.handshakes,
        ..http::Limits::default()
    }
}
