//! The sandbox, from inside: a process of its own enters it and tries what it has given up.

use crate::support::{
    databases::{self, say_skipped},
    process::{Daemon, Place},
};
use std::{
    fs,
    io::{self, BufRead as _, BufReader},
    net::{TcpListener, TcpStream},
    os::unix::net::{UnixListener, UnixStream},
    path::PathBuf,
    process::{Command, Stdio},
    time::Duration,
};
use yinxin::sandbox::{self, Mode, Plan};

/// Where the child finds its scratch directory; without it the child's test does nothing.
const ROOM: &str = "SANDBOX_TEST_ROOM";
const CHILD: &str = "sandbox::what_a_process_in_the_sandbox_tries";

/// A scratch directory with a room for the child, and a file outside of it.
struct House {
    folder: tempfile::TempDir,
}

impl House {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["room", "shelf"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        fs::write(folder.path().join("outside"), "a secret").unwrap();
        fs::write(folder.path().join("shelf").join("book"), "to be read").unwrap();
        Self { folder }
    }

    /// Lets the child try everything, as it says in its lines `act: outcome`.
    fn tried(&self) -> Vec<String> {
        let output = self.child().env(ROOM, self.folder.path()).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.lines().filter_map(|line| line.split_once("TRIED ")).map(|(_, said)| said.to_owned()).collect()
    }

    fn child(&self) -> Command {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args([CHILD, "--exact", "--nocapture", "--test-threads=1"]);
        command
    }
}

const EPERM: &str = "1";
const EACCES: &str = "13";

/// What a service does stays open; each other way out is closed by one of the layers, with its own number.
const EXPECTED: &[(&str, &str)] = &[
    ("standing", "Some(Full) true true"),
    ("read the shelf", "done"),
    ("write the shelf", EACCES),
    ("write in the room", "done"),
    ("rename in the room", "done"),
    ("make a directory in the room", "done"),
    ("move between directories of the room", "done"),
    ("remove in the room", "done"),
    ("listen on a socket in the room", "done"),
    ("connect to a socket of the room", "done"),
    ("see how many cores there are", "done"),
    ("read its own state", "done"),
    ("listen on any port", "done"),
    ("start a thread", "done"),
    ("connect where it may", "done"),
    ("look a name up", "done"),
    ("read /etc/passwd", EACCES),
    ("read outside", EACCES),
    ("list outside", EACCES),
    ("write outside", EACCES),
    ("move out of the room", EACCES),
    ("read another process", EACCES),
    ("listen on another port", EACCES),
    ("connect to another port", EACCES),
    ("run a program", EPERM),
    ("signal another process", EPERM),
    ("be traced", EPERM),
    ("trace", EPERM),
    ("leave for another namespace", EPERM),
    ("mount", EPERM),
    ("open its memory to others", EPERM),
    ("open a raw socket", EPERM),
];

#[test]
fn a_process_in_the_sandbox_keeps_what_it_needs_and_nothing_else() {
    let tried = House::new().tried();
    if !tried[0].contains("Some(Full)") {
        say_skipped(&format!("the sandbox in full, which this kernel has not: {}", tried[0]));
        return;
    }
    let expected: Vec<String> = EXPECTED.iter().map(|(act, outcome)| format!("{act}: {outcome}")).collect();
    assert_eq!(tried, expected);
}

#[test]
fn switched_off_it_takes_nothing_away() {
    let standing = sandbox::enter(Mode::Off, &Plan::default()).unwrap();
    assert!(!standing.is_full() && standing.fence.is_none() && !standing.calls);
    assert!(fs::read("/etc/passwd").is_ok());
}

#[test]
fn what_a_process_in_the_sandbox_tries() {
    let Some(folder) = std::env::var_os(ROOM).map(PathBuf::from) else { return };
    let (room, shelf) = (folder.join("room"), folder.join("shelf"));
    let neighbour = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let reachable = TcpListener::bind("127.0.0.1:0").unwrap();
    let plan = Plan {
        read: vec![shelf.clone()],
        write: vec![room.clone()],
        sockets: Vec::new(),
        bind: vec![0],
        connect: vec![reachable.local_addr().unwrap().port()],
    };
    let standing = sandbox::enter(Mode::On, &plan).unwrap();
    let say = |act: &str, outcome: io::Result<()>| match outcome {
        Ok(()) => println!("TRIED {act}: done"),
        Err(error) => println!("TRIED {act}: {}", error.raw_os_error().unwrap_or(-1)),
    };
    let fence = standing.fence.as_ref().map(|fence| fence.layer);
    println!("TRIED standing: {fence:?} {} {}", standing.calls, standing.process);

    say("read the shelf", fs::read(shelf.join("book")).map(drop));
    say("write the shelf", fs::write(shelf.join("book"), "mine"));
    say("write in the room", fs::write(room.join("note"), "mine"));
    say("rename in the room", fs::rename(room.join("note"), room.join("kept")));
    say("make a directory in the room", fs::create_dir_all(room.join("deep/deeper")));
    say("move between directories of the room", fs::rename(room.join("kept"), room.join("deep/kept")));
    say("remove in the room", fs::remove_file(room.join("deep/kept")));
    let listener = UnixListener::bind(room.join("socket"));
    say("listen on a socket in the room", listener.as_ref().map(drop).map_err(|error| error.kind().into()));
    say("connect to a socket of the room", UnixStream::connect(room.join("socket")).map(drop));
    say("see how many cores there are", std::thread::available_parallelism().map(drop));
    say("read its own state", fs::read("/proc/self/status").map(drop));
    say("listen on any port", TcpListener::bind("127.0.0.1:0").map(drop));
    say("start a thread", std::thread::Builder::new().spawn(|| ()).map(|thread| thread.join().unwrap()));
    say("connect where it may", TcpStream::connect(reachable.local_addr().unwrap()).map(drop));
    say("look a name up", std::net::ToSocketAddrs::to_socket_addrs("localhost:80").map(drop));

    say("read /etc/passwd", fs::read("/etc/passwd").map(drop));
    say("read outside", fs::read(folder.join("outside")).map(drop));
    say("list outside", fs::read_dir(&folder).map(drop));
    say("write outside", fs::write(folder.join("new"), "x"));
    say("move out of the room", fs::rename(room.join("deep"), folder.join("deep")));
    say("read another process", fs::read(format!("/proc/{}/environ", parent())).map(drop));
    say("listen on another port", TcpListener::bind(("127.0.0.1", neighbour.port())).map(drop));
    say("connect to another port", TcpStream::connect_timeout(&neighbour, Duration::from_secs(5)).map(drop));
    say("run a program", Command::new("/bin/true").status().map(drop));
    say("signal another process", of(nix::sys::signal::kill(nix::unistd::Pid::from_raw(parent()), None)));
    say("be traced", of(nix::sys::ptrace::traceme()));
    say("trace", of(nix::sys::ptrace::attach(nix::unistd::Pid::from_raw(parent()))));
    say("leave for another namespace", of(nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWUSER)));
    let nothing = nix::mount::MsFlags::empty();
    say("mount", of(nix::mount::mount(None::<&str>, &room, Some("tmpfs"), nothing, None::<&str>)));
    say("open its memory to others", {
        use rustix::process::{DumpableBehavior, set_dumpable_behavior};
        set_dumpable_behavior(DumpableBehavior::Dumpable).map_err(Into::into)
    });
    let packet = rustix::net::AddressFamily::PACKET;
    say("open a raw socket", {
        rustix::net::socket(packet, rustix::net::SocketType::RAW, None).map(drop).map_err(Into::into)
    });
}

fn of(outcome: nix::Result<()>) -> io::Result<()> {
    outcome.map_err(Into::into)
}

fn parent() -> i32 {
    std::os::unix::process::parent_id().cast_signed()
}

#[test]
fn every_thread_of_the_daemon_is_in_it_and_a_core_is_never_written() {
    let place = Place::initialised();
    let daemon = place.serve();
    let threads: Vec<_> = fs::read_dir(format!("/proc/{}/task", daemon.pid())).unwrap().collect();
    assert!(threads.len() > 2, "{threads:?}");
    for thread in threads {
        let status = fs::read_to_string(thread.unwrap().path().join("status")).unwrap();
        for line in ["NoNewPrivs:\t1", "Seccomp:\t2", "Seccomp_filters:\t2"] {
            assert!(status.contains(line), "{line}: {status}");
        }
    }
    let limits = fs::read_to_string(format!("/proc/{}/limits", daemon.pid())).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().rev().take(3).collect::<Vec<_>>(), ["bytes", "0", "0"]);
}

#[test]
fn a_daemon_that_is_told_to_goes_without_and_says_so() {
    let place = Place::initialised();
    let mut child = place
        .command(["serve", "--listen", "127.0.0.1:0"])
        .env("YINXIN_SANDBOX", "off")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    child.kill().unwrap();
    let said = child.wait_with_output().unwrap();
    assert!(status.contains("Seccomp:\t0"), "{status}");
    assert!(String::from_utf8_lossy(&said.stderr).contains("sandbox is switched off"), "{said:?}");
}

#[tokio::test]
async fn in_its_sandbox_the_daemon_stamps_on_postgresql() {
    let Some(database) = databases::postgres().await else { return };
    let yinxin::config::Database::Postgres { url, schema, .. } = database.setting() else {
        panic!("PostgreSQL")
    };
    let place = Place::empty();
    let on_it = |arguments: &[&str]| {
        let mut command = place.command(arguments);
        command.env("YINXIN_DATABASE_URL", url.expose());
        command.env("YINXIN_DATABASE_SCHEMA", schema.as_deref().unwrap());
        command
    };
    assert!(on_it(&["init"]).status().unwrap().success());
    let _daemon = Daemon::start(&mut on_it(&["serve", "--listen", "127.0.0.1:0"]));
    // The commands find the daemon by its socket.
    let sealed = place.sealed();
    let out = place.file("stamped.pdf");
    place.good(sealed.stamp(&out));
    assert!(fs::read(out).unwrap().starts_with(b"%PDF-"));
}
