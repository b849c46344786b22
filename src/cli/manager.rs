//! Words to the service manager: that we serve, that we are still alive, that we stop (systemd's `sd_notify(3)`, which others
//! speak as well). One datagram each; without a manager, or with a deaf one, nothing happens.

use std::{
    os::{
        linux::net::SocketAddrExt as _,
        unix::net::{SocketAddr, UnixDatagram},
    },
    time::Duration,
};

/// The service manager, where there is one.
#[derive(Debug, Default)]
pub(super) struct Manager {
    socket: Option<UnixDatagram>,
    watchdog: Option<Duration>,
}

impl Manager {
    /// The manager of these variables. It is connected to now: an abstract socket is out of reach from within the sandbox.
    pub fn of(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut manager = Self::default();
        let mut meant = true;
        for (name, value) in variables {
            match name.as_str() {
                "NOTIFY_SOCKET" => manager.socket = connect(&value),
                "WATCHDOG_USEC" => manager.watchdog = value.parse().ok().map(Duration::from_micros),
                // Inherited from a parent that was meant.
                "WATCHDOG_PID" => meant = value == std::process::id().to_string(),
                _ => {}
            }
        }
        manager.watchdog = manager.watchdog.filter(|wait| meant && !wait.is_zero());
        manager
    }

    /// Requests are answered from now on.
    pub fn ready(&self) {
        self.say("READY=1\nSTATUS=serving");
    }

    /// The orderly stop has begun.
    pub fn stopping(&self) {
        self.say("STOPPING=1\nSTATUS=letting requests in progress end");
    }

    /// Says again and again that there is life, twice as often as is asked for; each time after a task among all others had its
    /// turn. Where they don't get it any more, nothing is said, and the manager starts us anew.
    pub async fn keep_alive(&self) {
        let Some(wait) = self.watchdog else { return std::future::pending().await };
        loop {
            // An empty task fails only where the runtime ends, and then so do we.
            let _ = tokio::spawn(async {}).await;
            self.say("WATCHDOG=1");
            tokio::time::sleep(wait / 2).await;
        }
    }

    fn say(&self, words: &str) {
        if let Some(Err(error)) = self.socket.as_ref().map(|socket| socket.send(words.as_bytes())) {
            tracing::warn!(name: "service.manager_away", %error, "the service manager was not reached");
        }
    }
}

/// `/run/systemd/notify`, or `@name` for an abstract one.
fn connect(place: &str) -> Option<UnixDatagram> {
    let socket = UnixDatagram::unbound().ok()?;
    let address = match place.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name),
        None => SocketAddr::from_pathname(place),
    };
    match address.and_then(|address| socket.connect_addr(&address)) {
        // Words are few; a manager that does not read is not waited for.
        Ok(()) => socket.set_nonblocking(true).ok().map(|()| socket),
        Err(error) => {
            eprintln!("yinxin: NOTIFY_SOCKET names {place}, which can't be reached: {error}");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watchdog(variables: &[(&str, &str)]) -> Option<Duration> {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Manager::of(variables).watchdog
    }

    #[test]
    fn a_watchdog_that_is_meant_for_another_process_is_not_ours() {
        let own = std::process::id().to_string();
        assert_eq!(watchdog(&[("WATCHDOG_USEC", "2000000")]), Some(Duration::from_secs(2)));
        assert_eq!(
            watchdog(&[("WATCHDOG_USEC", "2000000"), ("WATCHDOG_PID", &own)]),
            Some(Duration::from_secs(2))
        );
        assert_eq!(watchdog(&[("WATCHDOG_PID", "1"), ("WATCHDOG_USEC", "2000000")]), None);
        for none in ["0", "soon", ""] {
            assert_eq!(watchdog(&[("WATCHDOG_USEC", none)]), None, "{none}");
        }
    }

    #[test]
    fn what_is_said_arrives_at_a_path_and_at_an_abstract_name() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("notify").display().to_string();
        let name = format!("yinxin-test-{}", std::process::id());
        let abstract_name = SocketAddr::from_abstract_name(&name).expect("a name");
        for (place, heard) in [
            (path.clone(), UnixDatagram::bind(&path).expect("bound")),
            (format!("@{name}"), UnixDatagram::bind_addr(&abstract_name).expect("bound")),
        ] {
            Manager::of([("NOTIFY_SOCKET".to_owned(), place)]).ready();
            let mut words = [0; 100];
            let length = heard.recv(&mut words).expect("a word");
            assert!(words[..length].starts_with(b"READY=1\n"));
        }
    }

    #[test]
    fn a_manager_that_is_not_there_hinders_nobody() {
        let manager = Manager::of([("NOTIFY_SOCKET".to_owned(), "/nowhere/at/all".to_owned())]);
        manager.ready();
        manager.stopping();
        assert!(manager.socket.is_none());
    }
}
