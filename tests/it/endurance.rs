//! The endurance harness in short: what `cargo run --release --example endurance` does a hundred times is done a few times
//! here. The long runs are commands of their own.

use crate::support::{
    databases::say_skipped,
    process::{Place, Said},
};
use std::{
    path::PathBuf,
    process::{Command, Stdio},
};

/// What the harness's daemon would take for "end at the first look of readiness".
const ARMED: [(&str, &str); 2] = [("ENDURANCE_FAILPOINT", "sqlite.left 1"), ("ENDURANCE_CONTROLLED", "yes")];

/// The harness, which cargo builds beside this binary; with `CI=true` it must be there.
pub fn harness() -> Option<PathBuf> {
    let own = std::env::current_exe().unwrap();
    let beside = own.parent().unwrap().parent().unwrap().join("examples/endurance");
    if beside.is_file() {
        return Some(beside);
    }
    let required = std::env::var_os("CI").is_some_and(|value| value == "true");
    assert!(!required, "cargo test builds examples; {} is not there", beside.display());
    say_skipped("the endurance harness: build it with `cargo build --example endurance`");
    None
}

/// Runs the harness; its exit code, and the figures of its last line.
fn figures(arguments: &[&str]) -> Option<(i32, serde_json::Value)> {
    let output = Command::new(harness()?).args(arguments).stdin(Stdio::null()).output().unwrap();
    let said = Said::of(output);
    if said.code == 3 {
        say_skipped(&format!("endurance {arguments:?}: {}", said.err));
        return None;
    }
    let line = said.out.lines().last().unwrap_or_default();
    let figures = serde_json::from_str(line).unwrap_or_else(|_| panic!("{said:?}"));
    Some((said.code, figures))
}

#[test]
fn a_daemon_killed_at_its_steps_under_load_loses_nothing_and_does_nothing_twice() {
    let Some((code, figures)) = figures(&["kill", "12"]) else { return };
    assert_eq!(code, 0, "{figures}");
    assert!(figures["acknowledged"].as_u64() > Some(10), "{figures}");
    assert_eq!((&figures["runs"], &figures["sound"]), (&12.into(), &true.into()), "{figures}");
}

#[test]
fn a_power_cut_takes_nothing_that_was_acknowledged() {
    for words in [&["power", "4"][..], &["power", "4", "torn"]] {
        let Some((code, figures)) = figures(words) else { return };
        assert_eq!(code, 0, "{figures}");
        assert!(figures["acknowledged"].as_u64() > Some(4), "{figures}");
        assert!(figures["unsynced_bytes_dropped"].as_u64() > Some(0), "nothing was cut off: {figures}");
    }
}

/// Killing alone would not tell: the mutation passes that test, and has to fail this one.
#[test]
fn commits_that_are_not_synced_are_lost_in_a_power_cut_and_this_is_noticed() {
    let Some((code, figures)) = figures(&["power", "4", "normal"]) else { return };
    assert_eq!((code, &figures["synchronous"]), (1, &"NORMAL".into()), "{figures}");
    assert!(figures["lost"].as_u64() > Some(0), "{figures}");
}

#[test]
fn what_many_clients_write_at_once_is_all_there_and_many_writes_share_a_sync() {
    let Some((code, figures)) = figures(&["writes", "short"]) else { return };
    assert_eq!(code, 0, "{figures}");
    assert!(figures["acknowledged"].as_u64() > Some(10), "{figures}");
    assert!(figures["sqlite_http"]["16"].as_f64() > Some(0.0), "{figures}");
    match figures["delayed"]["5ms"]["writes_a_sync"].as_f64() {
        Some(writes) => assert!(writes > 1.0, "{figures}"),
        None => say_skipped("endurance writes: a disk that is slow to sync"),
    }
}

/// Ten times what it can do: most is refused, with a word when to come again; all that was begun is brought to its end.
#[test]
fn a_daemon_that_is_asked_for_too_much_refuses_and_goes_on() {
    let Some((code, figures)) = figures(&["overload", "10", "short"]) else { return };
    assert_eq!(code, 0, "{figures}");
    let storm = &figures["stages"]["10"];
    assert!(storm["statuses"]["503"].as_u64() > Some(0), "{figures}");
    assert!(storm["statuses"]["201"].as_u64() > Some(0), "{figures}");
    assert!(figures["memory_mib"]["peak"].as_f64() < Some(1024.0), "{figures}");
}

#[test]
fn nodes_that_are_replaced_one_behind_the_other_under_load_fail_no_request() {
    let Some((code, figures)) = figures(&["failover", "1", "--seed", "7"]) else { return };
    assert_eq!((code, &figures["failed"], &figures["lost"]), (0, &0.into(), &0.into()), "{figures}");
    assert_eq!(figures["harms"]["rolling_restarts"], 1, "{figures}");
    assert!(figures["acknowledged"].as_u64() > Some(20), "{figures}");
}

#[test]
fn nothing_in_its_surroundings_reaches_the_failpoints_of_the_program_itself() {
    let place = Place::empty();
    let said = Said::of(place.command(["init"]).envs(ARMED).stdin(Stdio::null()).output().unwrap());
    assert_eq!(said.code, 0, "{said:?}");
    // The same words end the harness's daemon.
    let Some(harness) = harness() else { return };
    let other = Place::empty();
    let mut command = Command::new(harness);
    command.args(["daemon", "init", "--dir"]).arg(other.dir());
    let said = Said::of(command.envs([ARMED[0]]).stdin(Stdio::null()).output().unwrap());
    assert_eq!(said.code, -1, "{said:?}");
}
