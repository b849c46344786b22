//! Listeners that the service manager opened and hands over (systemd.socket(5), sd_listen_fds(3)). It keeps them open too:
//! while the daemon is restarted, whoever connects waits in the kernel's queue, and nobody is refused.

use super::CliError;
use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};
use std::{env, fmt, net::TcpListener, os::fd::OwnedFd};

/// The name of the socket for REST and pages, and of one without a name.
pub(super) const HTTP: &str = "http";
/// The name of the socket for administration.
pub(super) const ADMINISTRATION: &str = "admin";
/// Where handed descriptors begin: after standard input, output and error.
const FIRST: i32 = 3;
/// What systemd calls a socket whose unit names none.
const UNNAMED: &str = "unknown";

/// The TCP listener of this name (`FileDescriptorName=`), where one was handed over; it does not block. To be asked before
/// the sandbox is up.
pub(super) fn handed_over(name: &str) -> Result<Option<TcpListener>, CliError> {
    let said = |name: &str| env::var_os(name).and_then(|value| value.into_string().ok());
    let ours = said("LISTEN_PID").is_some_and(|pid| pid == getpid().as_raw_nonzero().to_string());
    let count = said("LISTEN_FDS").filter(|_| ours).and_then(|count| count.parse::<i32>().ok()).unwrap_or(0);
    let names = said("LISTEN_FDNAMES").unwrap_or_default();
    place_of(name, count, &names).map(taken).transpose()
}

/// Which descriptor has this name. One alone needs no name.
fn place_of(name: &str, count: i32, names: &str) -> Option<i32> {
    let mut names = names.split(':');
    (0..count.max(0)).find_map(|place| {
        let found = names.next().unwrap_or_default();
        let unnamed = count == 1 && found != ADMINISTRATION || found == UNNAMED;
        let fits = found == name || (unnamed && name == HTTP);
        fits.then_some(FIRST + place)
    })
}

/// The descriptor of our own process is asked for by its number, as one would ask another process's: the only way to
/// it that is safe by its types. The one at that number stays open as well, until the process ends.
fn taken(number: i32) -> Result<TcpListener, CliError> {
    let wrong = |error: &dyn fmt::Display| {
        CliError::failed(format!("the listener that the service manager hands over cannot be used: {error}"))
    };
    let ourselves = pidfd_open(getpid(), PidfdFlags::empty()).map_err(|error| wrong(&error))?;
    let found: OwnedFd =
        pidfd_getfd(ourselves, number, PidfdGetfdFlags::empty()).map_err(|error| wrong(&error))?;
    let listener = TcpListener::from(found);
    listener.set_nonblocking(true).map_err(|error| wrong(&error))?;
    Ok(listener)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_is_found_by_its_name_and_one_alone_without() {
        assert_eq!(place_of(HTTP, 0, ""), None);
        assert_eq!(place_of(HTTP, 1, "yinxin.socket"), Some(3));
        assert_eq!(place_of(HTTP, 2, "admin:http"), Some(4));
        assert_eq!(place_of(ADMINISTRATION, 2, "admin:http"), Some(3));
        assert_eq!(place_of(ADMINISTRATION, 1, "http"), None);
        assert_eq!(place_of(HTTP, 2, "unknown:unknown"), Some(3));
        assert_eq!(place_of(HTTP, -1, "http"), None);
    }
}
