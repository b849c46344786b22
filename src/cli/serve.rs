//! `yinxin serve`: the daemon.

use super::{CliError, manager::Manager, sockets};
use crate::{
    app::{App, Entrances, Handed},
    base::{Clock, clock::SystemClock},
    config::{Config, environment},
    http::{Stop, Switch},
    sandbox::{Mode, Standing},
    telemetry::{self, Running},
};
use clap::Command;
use std::{
    fs, io,
    os::unix::fs::{FileTypeExt, PermissionsExt},
    path::Path,
    sync::Arc,
    time::Duration,
};
use tokio::{
    net::UnixListener,
    signal::unix::{Signal, SignalKind, signal},
    sync::Notify,
    time::timeout,
};

pub(super) fn command() -> Command {
    Command::new("serve").about("Serves REST and pages until SIGTERM or Ctrl-C").arg(super::listen())
}

/// What is done while there is one thread alone.
pub(super) struct Prepared {
    config: Config,
    manager: Manager,
    running: Running,
    handed: Handed,
    _standing: Standing,
}

/// Finds the service manager and what it hands over, then gives up what the daemon does not need, and says how far that went.
pub(super) fn prepare(config: Config) -> Result<Prepared, CliError> {
    let running = log(&config);
    let manager = Manager::of(environment());
    let handed = Handed {
        public: sockets::handed_over(sockets::HTTP)?,
        administration: sockets::handed_over(sockets::ADMINISTRATION)?,
    };
    let standing = crate::app::fence(&config)?;
    if standing.is_full() {
        tracing::info!(name: "sandbox.full", %standing, "the sandbox is up");
    } else if config.sandbox == Mode::Off {
        tracing::warn!(name: "sandbox.off", "the sandbox is switched off by the configuration");
    } else {
        tracing::warn!(name: "sandbox.partial", %standing, "the sandbox is up as far as this kernel has it");
    }
    Ok(Prepared { config, manager, running, handed, _standing: standing })
}

pub(super) async fn run(prepared: Prepared) -> Result<(), CliError> {
    let Prepared { config, manager, running, handed, _standing } = prepared;
    let entrances = bind(&config, handed).await?;
    let app = App::open(&config).await?;
    listen(&config, app, entrances, &manager, running).await
}

/// Tells on standard error what happens, as the configuration asks.
pub(super) fn log(config: &Config) -> Running {
    let clock = Arc::new(SystemClock);
    #[cfg(feature = "otel")]
    if let Some(trace) = &config.trace {
        let traces = telemetry::trace::Settings { endpoint: trace.endpoint.clone(), percent: trace.percent };
        return telemetry::start_tracing(config.log, traces, clock, &crate::base::entropy::SystemEntropy);
    }
    let running = telemetry::start(config.log, clock);
    if config.trace.is_some() && !cfg!(feature = "otel") {
        tracing::warn!(name: "trace.not_built", "trace.endpoint is set, and this program was built without the feature otel");
    }
    running
}

/// Takes the addresses, before anything else is done: a port that is taken shall be said at once. Listeners that the service
/// manager hands over stay open while the daemon is restarted.
pub(super) async fn bind(config: &Config, handed: Handed) -> Result<Entrances, CliError> {
    Ok(Entrances::bind(config, &clock(), handed).await?)
}

fn clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock)
}

/// Serves until told to stop.
pub(super) async fn listen(
    config: &Config,
    app: App,
    entrances: Entrances,
    manager: &Manager,
    running: Running,
) -> Result<(), CliError> {
    let running = running.deliver();
    #[cfg(feature = "otel")]
    let app = app.with_traces(running.traces());
    let socket = config.socket_path();
    let entrances = entrances.with_unix(bind_socket(&socket)?);
    let watch = entrances.watch(clock())?;
    let wrong = |error: io::Error| CliError::failed(error.to_string());
    let public = entrances.public.url().map_err(wrong)?;
    let administration = entrances.administration.as_ref().map(|entrance| entrance.url()).transpose();
    let administration = administration.map_err(wrong)?;
    let serving = Notify::new();
    let announce = || {
        say!("serving on {public}");
        if let Some(administration) = &administration {
            say!("administration on {administration}");
        }
        manager.ready();
        serving.notify_one();
    };
    // A sign of life before the first word would be the first word.
    let alive = async {
        serving.notified().await;
        manager.keep_alive().await
    };
    let (switch, stop) = Stop::switch();
    let signals = Signals::new().map_err(|error| CliError::failed(format!("no signals: {error}")))?;
    let hurried = orderly(signals, switch, config.listen.announce, manager);
    let served = tokio::select! {
        served = app.serve(entrances, stop, announce) => served.map_err(CliError::from),
        () = hurried => Err(CliError::failed("ended at once, as a second signal asked")),
        () = alive => Ok(()),
    };
    watch.abort();
    // Gone already, or removed by hand: either way nobody listens there.
    let _ = fs::remove_file(&socket);
    running.end().await;
    served
}

/// The first signal: says for `announce` that the service is leaving, then stops it. Ends with the second: no more patience.
async fn orderly(mut signals: Signals, switch: Switch, announce: Duration, manager: &Manager) {
    signals.next().await;
    manager.stopping();
    switch.leave();
    if timeout(announce, signals.next()).await.is_err() {
        switch.stop();
        signals.next().await;
    }
}

/// SIGTERM and Ctrl-C.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        let (terminate, interrupt) = (SignalKind::terminate(), SignalKind::interrupt());
        Ok(Self { terminate: signal(terminate)?, interrupt: signal(interrupt)? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// A socket that only our own user may use. What an earlier daemon left behind is removed: the lock on the database
/// says that it is no longer alive.
fn bind_socket(path: &Path) -> Result<UnixListener, CliError> {
    let wrong = |error: io::Error| CliError::failed(format!("{}: {error}", path.display()));
    match fs::symlink_metadata(path) {
        // A mistyped path must not cost somebody a file.
        Ok(found) if !found.file_type().is_socket() => {
            return Err(CliError::failed(format!("{} is there and is no socket", path.display())));
        }
        Ok(_) => fs::remove_file(path).map_err(wrong)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(wrong(error)),
    }
    let listener = UnixListener::bind(path).map_err(wrong)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(wrong)?;
    Ok(listener)
}
