//! `yinxin serve`: the daemon.

use super::{CliError, manager::Manager};
use crate::{
    app::{App, Entrances},
    base::{Clock, clock::SystemClock},
    config::{Config, environment},
    http::Stop,
    sandbox::{Mode, Standing},
};
use clap::Command;
use std::{
    fs, io,
    os::unix::fs::{FileTypeExt, PermissionsExt},
    path::Path,
    sync::Arc,
};
use tokio::{
    net::UnixListener,
    signal::unix::{SignalKind, signal},
    sync::Notify,
};

pub(super) fn command() -> Command {
    Command::new("serve").about("Serves REST and pages until SIGTERM or Ctrl-C").arg(super::listen())
}

/// What is done while there is one thread alone.
pub(super) struct Prepared {
    config: Config,
    manager: Manager,
    _standing: Standing,
}

/// Finds the service manager, then gives up what the daemon does not need, and says how far that went.
pub(super) fn prepare(config: Config) -> Result<Prepared, CliError> {
    log();
    let manager = Manager::of(environment());
    let standing = crate::app::fence(&config)?;
    if standing.is_full() {
        tracing::info!("the sandbox is up: {standing}");
    } else if config.sandbox == Mode::Off {
        tracing::warn!("the sandbox is switched off by the configuration");
    } else {
        tracing::warn!("the sandbox is up as far as this kernel has it: {standing}");
    }
    Ok(Prepared { config, manager, _standing: standing })
}

pub(super) async fn run(prepared: &Prepared) -> Result<(), CliError> {
    let entrances = bind(&prepared.config).await?;
    let app = App::open(&prepared.config).await?;
    listen(&prepared.config, app, entrances, &prepared.manager).await
}

/// Logs to standard error, one line an event.
pub(super) fn log() {
    let lines = tracing_subscriber::fmt()
        .with_writer(io::stderr)
        .with_max_level(tracing::Level::INFO)
        .with_target(false);
    // A second call finds a logger in place, which is as well.
    let _ = lines.try_init();
}

/// Takes the addresses, before anything else is done: a port that is taken shall be said at once.
pub(super) async fn bind(config: &Config) -> Result<Entrances, CliError> {
    Ok(Entrances::bind(config, &clock()).await?)
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
) -> Result<(), CliError> {
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
    let signal = async {
        wait_for_signal().await;
        manager.stopping();
        // Nobody left to tell where the service has ended by itself.
        let _ = switch.send(true);
        std::future::pending().await
    };
    let served = tokio::select! {
        served = app.serve(entrances, stop, announce) => served,
        () = signal => Ok(()),
        () = alive => Ok(()),
    };
    watch.abort();
    // Gone already, or removed by hand: either way nobody listens there.
    let _ = fs::remove_file(&socket);
    Ok(served?)
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

async fn wait_for_signal() {
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        // Without a handler Ctrl-C still ends the process; only the orderly stop is lost.
        let _ = tokio::signal::ctrl_c().await;
        return;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}
