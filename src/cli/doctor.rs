//! `yinxin doctor`: tells what is wrong and what is weak.

use super::CliError;
use crate::{
    base::clock::SystemClock,
    config::Settings,
    doctor::{self, Depth, Finding, Report, State},
};
use clap::{Arg, ArgAction, ArgMatches, Command};
use std::{io::IsTerminal as _, sync::Arc};

const EXIT_CODES: &str = "\
Exit codes:
   0  all is fine
   1  something is weak, or could not be looked at
   2  something is wrong
  64  wrong usage";
/// Findings end here, so that a terminal of usual width does not break them.
const WIDTH: usize = 100;

pub(super) fn command() -> Command {
    let flag = |name: &'static str| Arg::new(name).long(name).action(ArgAction::SetTrue);
    Command::new("doctor")
        .about("Tells what is wrong and what is weak, and what to do; changes nothing")
        .long_about(
            "Tells what is wrong and what is weak, and what to do.\n\n\
             Looks at configuration, files, database, clock, keys, certificates, record, outbox, officers, backups and the \
             machine. Changes nothing and takes no lock; a daemon may be at work, which is then asked over its socket.",
        )
        .arg(flag("deep").help("Reads everything: all pages and indexes, the whole record, every key"))
        .arg(flag("json").help("As JSON"))
        .arg(flag("quiet").help("Only what is not fine"))
        .after_help(EXIT_CODES)
}

pub(super) async fn run(settings: Settings, matches: &ArgMatches) -> Result<u8, CliError> {
    let depth = Depth { deep: matches.get_flag("deep") };
    let report = doctor::examine(settings, Arc::new(SystemClock), depth).await;
    match matches.get_flag("json") {
        true => json(&report)?,
        false => text(&report, matches.get_flag("quiet"), is_coloured()),
    }
    Ok(match report.worst() {
        State::Fine => 0,
        State::Unknown | State::Weak => 1,
        State::Wrong => 2,
    })
}

/// Colours are for terminals whose owners have not asked for none (no-color.org).
fn is_coloured() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

fn json(report: &Report) -> Result<(), CliError> {
    let mut told = serde_json::to_value(report).map_err(|error| CliError::failed(error.to_string()))?;
    told["state"] = serde_json::to_value(report.worst()).unwrap_or_default();
    say!("{told:#}");
    Ok(())
}

fn text(report: &Report, quiet: bool, coloured: bool) {
    let shown = |finding: &&Finding| !(quiet && finding.state == State::Fine);
    let mut subject = "";
    for finding in report.findings.iter().filter(shown) {
        if finding.subject != subject {
            subject = finding.subject;
            say!("{}", painted(subject, "1", coloured));
        }
        let (word, colour) = match finding.state {
            State::Fine => ("fine   ", "32"),
            State::Unknown => ("unknown", "36"),
            State::Weak => ("weak   ", "33"),
            State::Wrong => ("WRONG  ", "31;1"),
        };
        let lines = broken(&finding.found, WIDTH - 11);
        for (at, line) in lines.iter().enumerate() {
            match at {
                0 => say!("  {}  {line}", painted(word, colour, coloured)),
                _ => say!("           {line}"),
            }
        }
        for (at, line) in finding.advice.iter().flat_map(|advice| broken(advice, WIDTH - 14)).enumerate() {
            say!("           {} {line}", if at == 0 { "->" } else { "  " });
        }
    }
    let count = |state| report.count(state);
    let (wrong, weak, unknown, fine) =
        (count(State::Wrong), count(State::Weak), count(State::Unknown), count(State::Fine));
    say!("\n{wrong} wrong, {weak} weak, {unknown} unknown, {fine} fine");
}

fn painted(text: &str, colour: &str, coloured: bool) -> String {
    if coloured { format!("\x1b[{colour}m{text}\x1b[0m") } else { text.to_owned() }
}

/// Lines of at most `width` characters, broken at blanks. Control characters, which a file's name may hold, become `?`.
fn broken(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.is_empty() && line.chars().count() + word.chars().count() >= width {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.extend(word.chars().map(|c| if crate::base::text::is_hidden(c) { '?' } else { c }));
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::broken;

    #[test]
    fn findings_are_broken_at_blanks_and_hold_nothing_hidden() {
        assert_eq!(broken("one two three", 8), ["one two", "three"]);
        assert_eq!(broken("a-word-that-is-too-long b", 8), ["a-word-that-is-too-long", "b"]);
        assert_eq!(broken("印\u{202e}信\u{1b}[31m", 80), ["印?信?[31m"]);
        assert_eq!(broken("", 8), [""]);
    }
}
