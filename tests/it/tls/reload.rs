//! Certificates that change while the daemon runs.

use super::{curl, serial, serial_shown, with};
use crate::support::{
    certificates::{Authority, Kind, Pair, swap},
    process::{Daemon, Place},
};
use rustix::process::Signal;
use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    os::unix::fs::symlink,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};

/// A pair where the daemon looks, which can be changed.
fn installed(authority: &Authority, first: &Pair) -> Pair {
    let place = Pair { certificate: authority.at("live.pem"), key: authority.at("live.key") };
    first.install(&place.certificate, &place.key);
    place
}

fn serial_of(pair: &Pair) -> String {
    serial(&fs::read(&pair.certificate).unwrap())
}

#[test]
fn a_new_certificate_is_in_force_within_seconds_or_at_once_when_asked() {
    let Some(authority) = Authority::new() else { return };
    let (place, first) = (Place::initialised(), authority.server("first"));
    let live = installed(&authority, &first);
    let daemon = place.serve_as(&with(&live, ""));
    assert_eq!(serial_shown(&authority, &daemon.address), serial_of(&first));
    // By itself.
    let second = authority.server("second");
    second.install(&live.certificate, &live.key);
    daemon.has_logged("was read again and is in force", 1);
    assert_eq!(serial_shown(&authority, &daemon.address), serial_of(&second));
    // When asked, even where nothing has changed.
    daemon.signal(Signal::HUP);
    daemon.has_logged("was read again and is in force", 2);
    assert_eq!(serial_shown(&authority, &daemon.address), serial_of(&second));
}

/// As certbot keeps them: what is named is a link, what it leads to lies elsewhere, and a renewal leads it to another file there.
#[test]
fn certificates_behind_links_are_served_and_followed() {
    let Some(authority) = Authority::new() else { return };
    let (place, folder) = (Place::initialised(), tempfile::tempdir().unwrap());
    let at = |name: String| folder.path().join(name);
    ["live", "archive"].map(|name| fs::create_dir(at(name.into())).unwrap());
    let put = |pair: &Pair, number: u32| {
        pair.install(&at(format!("archive/cert{number}.pem")), &at(format!("archive/key{number}.pem")));
        for name in ["key", "cert"] {
            symlink(format!("../archive/{name}{number}.pem"), at("live/new".into())).unwrap();
            fs::rename(at("live/new".into()), at(format!("live/{name}.pem"))).unwrap();
        }
    };
    let (first, second) = (authority.server("first"), authority.server("second"));
    put(&first, 1);
    let live = Pair { certificate: at("live/cert.pem".into()), key: at("live/key.pem".into()) };
    let daemon = place.serve_as(&with(&live, ""));
    assert_eq!(serial_shown(&authority, &daemon.address), serial_of(&first));
    put(&second, 2);
    daemon.has_logged("was read again and is in force", 1);
    assert_eq!(serial_shown(&authority, &daemon.address), serial_of(&second));
}

#[test]
fn what_can_t_be_used_is_refused_with_a_word_and_the_old_one_goes_on() {
    let Some(authority) = Authority::new() else { return };
    let (place, first) = (Place::initialised(), authority.server("first"));
    let live = installed(&authority, &first);
    let daemon = place.serve_as(&with(&live, ""));
    let (second, other) = (authority.server("second"), Authority::new().unwrap());
    let expired = authority.issue("expired", Kind::P256, -1);
    let sm2 = other.issue("sm2", Kind::Sm2, 90);
    let whole = fs::read(&second.certificate).unwrap();
    let refused = |words: &str| {
        daemon.has_logged(words, 1);
        daemon.has_logged("the certificate that was in force goes on", 1);
        assert_eq!(serial_shown(&authority, &daemon.address), serial_of(&first), "{words}");
    };
    swap(&second.certificate, &live.certificate);
    refused("does not belong to the certificate");
    fs::write(&live.certificate, &whole[..whole.len() / 2]).unwrap();
    refused("half written, or cut off");
    fs::write(&live.certificate, "").unwrap();
    refused("holds no certificate");
    fs::remove_file(&live.certificate).unwrap();
    refused("can't be read");
    expired.install(&live.certificate, &live.key);
    refused("has expired");
    sm2.install(&live.certificate, &live.key);
    refused("SM2");
    // And when all is well again, it is taken.
    second.install(&live.certificate, &live.key);
    daemon.has_logged("was read again and is in force", 1);
    assert_eq!(serial_shown(&authority, &daemon.address), serial_of(&second));
}

/// Old connections go on, new ones show whichever certificate is in force: nobody is turned away.
#[test]
fn nobody_is_turned_away_while_certificates_change() {
    const CHANGES: usize = 20;
    let Some(authority) = Authority::new() else { return };
    let (place, first) = (Place::initialised(), authority.server("first"));
    let live = installed(&authority, &first);
    let daemon = place.serve_as(&with(&live, ""));
    let done = Arc::new(AtomicBool::new(false));
    let asked = Arc::new(AtomicUsize::new(0));
    let clients: Vec<_> = (0..4)
        .map(|number| {
            let (done, asked, config) = (done.clone(), asked.clone(), client(&authority));
            let address = daemon.address.clone();
            thread::spawn(move || {
                let mut failed = Vec::new();
                while !done.load(Ordering::Relaxed) {
                    // Some come anew for each request, some stay for many.
                    let requests = if number % 2 == 0 { 1 } else { 50 };
                    if let Err(error) = converse(&config, &address, requests) {
                        failed.push(error.to_string());
                    }
                    asked.fetch_add(requests, Ordering::Relaxed);
                }
                failed
            })
        })
        .collect();
    let pairs = [authority.server("one"), authority.server("two")];
    for change in 0..CHANGES {
        pairs[change % 2].install(&live.certificate, &live.key);
        reload(&daemon, change + 1);
    }
    done.store(true, Ordering::Relaxed);
    for client in clients {
        assert_eq!(client.join().unwrap(), Vec::<String>::new());
    }
    let asked = asked.load(Ordering::Relaxed);
    println!("{asked} requests while the certificate changed {CHANGES} times, 0 failed");
    assert!(asked > 100, "too little was asked to say anything");
    assert_eq!(serial_shown(&authority, &daemon.address), serial_of(&pairs[(CHANGES + 1) % 2]));
    assert!(curl(&authority, &daemon.address, "/healthz", &[]).is_ok());
}

fn reload(daemon: &Daemon, times: usize) {
    daemon.signal(Signal::HUP);
    daemon.has_logged("was read again and is in force", times);
}

fn client(authority: &Authority) -> Arc<rustls::ClientConfig> {
    yinxin::tls::client(&authority.certificate()).unwrap()
}

fn converse(config: &Arc<rustls::ClientConfig>, address: &str, requests: usize) -> std::io::Result<()> {
    let name = rustls::pki_types::ServerName::try_from("localhost").unwrap();
    let session = rustls::ClientConnection::new(config.clone(), name).map_err(std::io::Error::other)?;
    let mut stream = rustls::StreamOwned::new(session, TcpStream::connect(address)?);
    for _ in 0..requests {
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
        let mut answer = Vec::new();
        while !answer.ends_with(b"ok\n") {
            let mut piece = [0; 4096];
            match stream.read(&mut piece)? {
                0 => return Err(std::io::Error::other("the connection ended")),
                length => answer.extend_from_slice(&piece[..length]),
            }
        }
    }
    Ok(())
}
