//! The daemon as a process: commands beside it, a second one, an orderly stop, and being killed.

use crate::support::process::{Daemon, Place, Said};
use rustix::process::Signal;
use std::{
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    os::{
        fd::OwnedFd,
        unix::{fs::PermissionsExt as _, net::UnixDatagram},
    },
    process::{Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

fn heard(mut stream: TcpStream) -> String {
    let mut all = Vec::new();
    stream.read_to_end(&mut all).unwrap();
    String::from_utf8_lossy(&all).into_owned()
}

fn get(daemon: &Daemon, path: &str) -> String {
    let mut stream = daemon.connect();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    heard(stream)
}

#[test]
fn commands_beside_a_running_daemon_go_through_its_socket() {
    let place = Place::initialised();
    let daemon = place.serve();
    assert!(get(&daemon, "/healthz").ends_with("ok\n"));
    let sealed = place.sealed();
    let out = place.file("stamped.pdf");
    place.good(sealed.stamp(&out));
    for name in ["root", "issuing"] {
        let mut stream = daemon.connect();
        write!(stream, "GET /pki/{name}.cer HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        let mut all = Vec::new();
        stream.read_to_end(&mut all).unwrap();
        let body = all.windows(4).position(|word| word == b"\r\n\r\n").unwrap() + 4;
        fs::write(place.file(&format!("{name}.cer")), &all[body..]).unwrap();
    }
    let (root, issuing) = (place.file("root.cer"), place.file("issuing.cer"));
    let verified = place.run(["verify", &out, "--trust", &root, "--cert", &issuing]);
    assert_eq!(verified.code, 0, "{verified:?}");
    // The socket belongs to our own user alone.
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &fs::metadata(place.dir().join("yinxin.sock")).unwrap().permissions(),
    );
    assert_eq!(mode & 0o777, 0o600);
    // A key that opens nothing opens nothing here either.
    fs::write(place.file("stale"), "yx_nonsense").unwrap();
    let refused = place.run(["seal", "list", "--key-file", &place.file("stale")]);
    assert_eq!(refused.code, 1);
    assert!(refused.err.contains("auth/api-key-invalid"), "{refused:?}");
}

#[test]
fn a_second_daemon_on_the_same_data_is_refused_with_a_word() {
    let place = Place::initialised();
    let daemon = place.serve();
    let second = place.run(["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(second.code, 1);
    assert!(second.err.contains("another daemon") && second.err.contains("yinxin.db"), "{second:?}");
    // It did no harm to the first, or to its socket.
    assert!(get(&daemon, "/readyz").starts_with("HTTP/1.1 200"));
    place.good(["officer", "list", "--key-file", &place.key("security_administrator")]);
}

/// The lock lies beside the file itself, not beside a name for it.
#[test]
fn a_link_to_the_database_of_another_daemon_is_no_way_in() {
    let (place, other) = (Place::initialised(), Place::empty());
    fs::create_dir_all(other.dir()).unwrap();
    for name in ["passphrase", "audit-heads.jsonl"] {
        if place.dir().join(name).exists() {
            fs::copy(place.dir().join(name), other.dir().join(name)).unwrap();
        }
    }
    std::os::unix::fs::symlink(place.dir().join("yinxin.db"), other.dir().join("yinxin.db")).unwrap();
    let daemon = place.serve();
    let second =
        other.command(["serve", "--listen", "127.0.0.1:0"]).env("YINXIN_SANDBOX", "off").output().unwrap();
    let second = Said::of(second);
    assert!(second.code == 1 && second.err.contains("another daemon"), "{second:?}");
    assert!(get(&daemon, "/readyz").starts_with("HTTP/1.1 200"));
}

#[test]
fn what_everybody_may_write_is_not_taken_for_ours() {
    let place = Place::initialised();
    drop(place.serve());
    for name in ["", "yinxin.db", "audit-heads.jsonl"] {
        let path = if name.is_empty() { place.dir() } else { place.dir().join(name) };
        if !path.exists() {
            fs::write(&path, "").unwrap();
        }
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode | 0o002)).unwrap();
        let refused = place.run(["serve", "--listen", "127.0.0.1:0"]);
        assert!(refused.code == 1 && refused.err.contains("chmod o-w"), "{name}: {refused:?}");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }
    drop(place.serve());
}

#[test]
fn a_port_in_use_is_named() {
    let (place, other) = (Place::initialised(), TcpListener::bind("127.0.0.1:0").unwrap());
    let address = other.local_addr().unwrap().to_string();
    let said = place.run(["serve", "--listen", &address]);
    assert_eq!(said.code, 1);
    assert!(said.err.contains(&address), "{said:?}");
}

/// What was begun is answered; new connections are not taken; the process ends well and takes its socket away.
#[test]
fn an_orderly_stop_answers_what_was_begun() {
    let place = Place::initialised();
    let daemon = place.serve();
    let mut begun = daemon.connect();
    let head = "POST /tsa HTTP/1.1\r\nHost: x\r\nContent-Type: application/timestamp-query\r\n";
    write!(begun, "{head}Content-Length: 4\r\nExpect: 100-continue\r\n\r\n").unwrap();
    // It asks for the body when a handler waits for it.
    let mut go_on = [0; 25];
    begun.read_exact(&mut go_on).unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    daemon.signal(Signal::TERM);
    begun.write_all(b"\x30\x02\x05\x00").unwrap();
    let answer = heard(begun);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("application/timestamp-reply"));
    assert_eq!(daemon.wait().code(), Some(0));
    assert!(!place.dir().join("yinxin.sock").exists());
    let said = place.good(["audit", "verify", "--key-file", &place.key("auditor")]);
    assert!(said.contains("the chain holds"), "{said}");
    assert!(said.contains(" 0 waiting"), "an orderly stop chains what was recorded: {said}");
}

/// R-OPS-05: whatever was answered is there after the hardest of ends, and the chain of records holds.
#[test]
fn what_was_acknowledged_survives_being_killed() {
    let place = Place::initialised();
    let daemon = place.serve();
    let sealed = place.sealed();
    let mut stamps = Vec::new();
    for at in 0..3 {
        let out = place.file(&format!("stamped-{at}.pdf"));
        let said = place.good(sealed.stamp(&out));
        stamps.push(said.split_whitespace().next().unwrap().to_owned());
    }
    daemon.signal(Signal::KILL);
    assert_eq!(daemon.wait().code(), None);
    // Beside the dead one's socket, which nobody listens at, commands open the data themselves.
    assert!(place.dir().join("yinxin.sock").exists());
    let before = place.good(["seal", "show", &sealed.seal, "--key-file", &sealed.operator]);
    assert!(before.contains("\"active\""), "{before}");
    let daemon = place.serve();
    let key = fs::read_to_string(&sealed.operator).unwrap();
    for stamp in stamps {
        let mut stream = daemon.connect();
        let head =
            format!("GET /api/v1/stamps/{stamp} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n");
        write!(stream, "{head}Connection: close\r\n\r\n").unwrap();
        let answer = heard(stream);
        assert!(answer.contains("\"state\":\"done\""), "{answer}");
    }
    place.good(["seal", "suspend", &sealed.seal, "--reason", "盘点", "--key-file", &sealed.approver]);
    let said = place.good(["audit", "verify", "--key-file", &place.key("auditor")]);
    assert!(said.contains("the chain holds"), "{said}");
}

/// Told to stop, it says so where balancers look, and still takes everything for the time that was configured.
#[test]
fn a_daemon_that_is_told_to_stop_announces_it_first() {
    let place = Place::initialised().with([("YINXIN_LISTEN_ANNOUNCE".to_owned(), "3s".to_owned())]);
    let daemon = place.serve();
    assert!(get(&daemon, "/readyz").starts_with("HTTP/1.1 200"));
    daemon.signal(Signal::TERM);
    let told = Instant::now();
    while !get(&daemon, "/readyz").contains("service/draining") {
        assert!(told.elapsed() < Duration::from_secs(2), "readiness does not say so");
    }
    assert!(get(&daemon, "/healthz").ends_with("ok\n"));
    assert_eq!(daemon.wait().code(), Some(0));
    assert!(told.elapsed() >= Duration::from_secs(3));
}

#[test]
fn a_second_signal_ends_a_daemon_at_once() {
    let place = Place::initialised().with([("YINXIN_LISTEN_ANNOUNCE".to_owned(), "10m".to_owned())]);
    for signals in [[Signal::TERM, Signal::TERM], [Signal::TERM, Signal::INT]] {
        let daemon = place.serve();
        let mut begun = daemon.connect();
        let head = "POST /tsa HTTP/1.1\r\nHost: x\r\nContent-Type: application/timestamp-query\r\n";
        write!(begun, "{head}Content-Length: 4\r\nExpect: 100-continue\r\n\r\n").unwrap();
        let mut go_on = [0; 25];
        begun.read_exact(&mut go_on).unwrap();
        daemon.signal(signals[0]);
        while !get(&daemon, "/readyz").contains("service/draining") {}
        let asked = Instant::now();
        daemon.signal(signals[1]);
        let (status, log) = daemon.last_words();
        assert_eq!(status.code(), Some(1), "{log}");
        assert!(log.contains("as a second signal asked"), "{log}");
        assert!(asked.elapsed() < Duration::from_secs(5));
    }
}

/// A listener that stays open while the daemon is restarted, as systemd's does: nobody is refused, some wait.
#[test]
fn a_single_node_is_restarted_on_a_socket_that_is_handed_over_and_refuses_nobody() {
    let place = Place::initialised();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let serve = || {
        let yinxin = place.command(["serve", "--listen", "127.0.0.1:1"]);
        let mut shell = Command::new("/bin/sh");
        // The shell puts the listener where sd_listen_fds(3) says, and becomes the daemon.
        shell.args(["-c", "exec 3<&0 0</dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$@\"", "sh"]);
        shell
            .arg(yinxin.get_program())
            .args(yinxin.get_args())
            .current_dir(yinxin.get_current_dir().unwrap());
        shell.stdin(Stdio::from(OwnedFd::from(listener.try_clone().unwrap())));
        Daemon::start(&mut shell)
    };
    let first = serve();
    assert_eq!(
        first.address,
        address.to_string(),
        "the address that was handed over, not the configured one"
    );
    let stop = AtomicBool::new(false);
    let (asked, failed) = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..4).map(|_| scope.spawn(|| knock(&address, &stop))).collect();
        let mut daemon = first;
        for _ in 0..3 {
            std::thread::sleep(Duration::from_millis(200));
            daemon.signal(Signal::TERM);
            assert_eq!(daemon.wait().code(), Some(0));
            daemon = serve();
        }
        stop.store(true, Ordering::SeqCst);
        let told = clients.into_iter().map(|client| client.join().unwrap());
        told.fold((0, Vec::new()), |(asked, mut failed), (more, wrong)| {
            failed.extend(wrong);
            (asked + more, failed)
        })
    });
    assert!(failed.is_empty(), "of {asked}: {failed:?}");
    assert!(asked > 20, "{asked}");
}

/// Asks on one connection after the other; how often, and what went wrong.
fn knock(address: &SocketAddr, stop: &AtomicBool) -> (usize, Vec<String>) {
    let (mut asked, mut failed) = (0, Vec::new());
    while !stop.load(Ordering::SeqCst) {
        asked += 1;
        let answer = TcpStream::connect(address).and_then(|mut stream| {
            stream.set_read_timeout(Some(Duration::from_secs(60)))?;
            stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")?;
            let mut all = String::new();
            stream.read_to_string(&mut all).map(|_| all)
        });
        match answer {
            Ok(answer) if answer.ends_with("ok\n") => {}
            other => failed.push(format!("{other:?}")),
        }
    }
    (asked, failed)
}

#[test]
fn the_service_manager_hears_when_it_serves_that_it_lives_and_that_it_stops() {
    let place = Place::initialised();
    let socket = place.file("notify");
    let manager = UnixDatagram::bind(&socket).unwrap();
    manager.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let hear = || {
        let mut words = [0; 200];
        let length = manager.recv(&mut words).unwrap();
        String::from_utf8_lossy(&words[..length]).lines().next().unwrap().to_owned()
    };
    let mut command = place.command(["serve", "--listen", "127.0.0.1:0"]);
    let daemon = Daemon::start(command.env("NOTIFY_SOCKET", &socket).env("WATCHDOG_USEC", "100000"));
    assert_eq!([hear(), hear(), hear()], ["READY=1", "WATCHDOG=1", "WATCHDOG=1"]);
    daemon.signal(Signal::TERM);
    let last = std::iter::from_fn(|| Some(hear())).find(|word| word != "WATCHDOG=1");
    assert_eq!(last.as_deref(), Some("STOPPING=1"));
    assert!(daemon.wait().success());
}
