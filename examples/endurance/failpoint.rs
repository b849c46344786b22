//! What the harness's daemon does at a failpoint: counts, and ends itself where it was told to.
//!
//! Told by the variable [`VARIABLE`] before the start, or by lines on standard input while it runs, each
//! `NAME COUNT` (ends at the COUNT-th passage from now on) or `NAME COUNT sleep MS` (sleeps there from then on). The end of
//! standard input ends the daemon too, so that none outlives its harness.

use rustix::process::{Signal, getpid, kill_process};
use std::{
    io::BufRead as _,
    sync::{Mutex, PoisonError},
    time::Duration,
};
use yinxin::base::failpoint;

/// One armed point: `NAME COUNT [sleep MS]`.
pub const VARIABLE: &str = "ENDURANCE_FAILPOINT";
/// `normal`: commits are not synced, to see that a power cut is noticed.
pub const MUTATION: &str = "ENDURANCE_MUTATION";
/// Set where the harness holds the other end of standard input.
pub const CONTROLLED: &str = "ENDURANCE_CONTROLLED";

#[derive(Debug, PartialEq, Eq)]
struct Armed {
    name: String,
    left: u32,
    act: Act,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    Die,
    Sleep(Duration),
}

static ARMED: Mutex<Option<Armed>> = Mutex::new(None);

/// Puts the hook in, and listens to whoever holds standard input.
pub fn install() {
    if let Some(text) = std::env::var_os(VARIABLE) {
        arm(&text.to_string_lossy());
    }
    failpoint::install(passed);
    if std::env::var_os(MUTATION).is_some_and(|text| text == "normal") {
        yinxin::store::forget_to_sync();
    }
    if std::env::var_os(CONTROLLED).is_some() {
        std::thread::spawn(|| {
            for line in std::io::stdin().lock().lines().map_while(Result::ok) {
                arm(&line);
            }
            die();
        });
    }
}

fn arm(text: &str) {
    let armed = parse(text);
    if armed.is_none() {
        eprintln!("endurance: no failpoint is meant by {text:?}");
    }
    *ARMED.lock().unwrap_or_else(PoisonError::into_inner) = armed;
}

fn parse(text: &str) -> Option<Armed> {
    let mut words = text.split_whitespace();
    let known = |name: &&str| failpoint::ALL.contains(name) || failpoint::AT_START.contains(name);
    let name = words.next().filter(known)?.to_owned();
    let left = words.next()?.parse().ok().filter(|count| *count > 0)?;
    let act = match words.next() {
        None => Act::Die,
        Some("sleep") => Act::Sleep(Duration::from_millis(words.next()?.parse().ok()?)),
        Some(_) => return None,
    };
    Some(Armed { name, left, act })
}

fn passed(name: &'static str) {
    let act = {
        let mut armed = ARMED.lock().unwrap_or_else(PoisonError::into_inner);
        match armed.as_mut().filter(|armed| armed.name == name) {
            None => return,
            Some(armed) if armed.left > 1 => {
                armed.left -= 1;
                return;
            }
            Some(armed) => armed.act,
        }
    };
    match act {
        Act::Die => die(),
        Act::Sleep(time) => std::thread::sleep(time),
    }
}

/// As the power switch would: no unwinding, no flushing, no farewell.
fn die() {
    let _ = kill_process(getpid(), Signal::KILL);
    // The signal is on its way to every thread; this one shall not take another step.
    loop {
        std::thread::park();
    }
}
