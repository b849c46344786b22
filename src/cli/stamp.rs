//! `yinxin stamp`: stamps a PDF.

use super::{
    CliError,
    door::{Ask, Door, PATIENCE},
    files,
};
use crate::config::Config;
use axum::http::Method;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use std::path::PathBuf;

pub(super) fn command() -> Command {
    let number = |name: &'static str, help: &'static str| {
        Arg::new(name)
            .long(name)
            .required(true)
            .allow_negative_numbers(true)
            .value_parser(value_parser!(f64))
            .help(help)
    };
    Command::new("stamp")
        .about("Stamps a PDF with a seal")
        .arg(Arg::new("file").value_name("FILE").required(true).value_parser(value_parser!(PathBuf)))
        .arg(Arg::new("seal").long("seal").value_name("ID").required(true).help("With which seal"))
        .arg(
            Arg::new("page")
                .long("page")
                .default_value("1")
                .value_parser(value_parser!(u32))
                .help("On which page, from 1"),
        )
        .arg(
            number("x", "Centre of the seal from the left edge of the page, in millimetres").value_name("MM"),
        )
        .arg(number("y", "Centre of the seal from the top edge of the page, in millimetres").value_name("MM"))
        .arg(
            Arg::new("purpose")
                .long("purpose")
                .value_name("TEXT")
                .help("What for; stands in the register of use"),
        )
        .arg(
            Arg::new("time-stamp")
                .long("time-stamp")
                .action(ArgAction::SetTrue)
                .help("Has the time-stamp authority confirm the instant"),
        )
        .arg(
            Arg::new("out")
                .long("out")
                .value_name("FILE")
                .value_parser(value_parser!(PathBuf))
                .help("Where the stamped file goes [default: FILE-stamped.pdf]"),
        )
        .arg(super::key_file())
}

/// Where a stamp goes and what it says, as the command line has it.
pub(super) struct Wanted {
    pub(super) seal: String,
    pub(super) page: u32,
    pub(super) x_mm: f64,
    pub(super) y_mm: f64,
    pub(super) purpose: Option<String>,
    pub(super) time_stamp: bool,
}

pub(super) async fn run(config: &Config, matches: &ArgMatches) -> Result<(), CliError> {
    let file = path(matches, "file")?;
    let out = matches.get_one::<PathBuf>("out").cloned().unwrap_or_else(|| {
        let mut name = file.file_stem().unwrap_or_default().to_owned();
        name.push("-stamped.pdf");
        file.with_file_name(name)
    });
    if out.exists() {
        return Err(CliError::usage(format!("{} is there already; name another --out", out.display())));
    }
    let wanted = Wanted {
        seal: matches.get_one::<String>("seal").cloned().unwrap_or_default(),
        page: matches.get_one("page").copied().unwrap_or(1),
        x_mm: matches.get_one("x").copied().unwrap_or_default(),
        y_mm: matches.get_one("y").copied().unwrap_or_default(),
        purpose: matches.get_one::<String>("purpose").cloned(),
        time_stamp: matches.get_flag("time-stamp"),
    };
    let key = files::read_key(&path(matches, "key-file")?)?;
    let document = files::read(&file, files::FILE_BYTES)?;
    let door = Door::open(config).await?;
    let stamped = stamp(&door, &key, &wanted, document, None).await;
    door.close().await;
    let (id, content) = stamped?;
    files::write(&out, &content)?;
    say!("{id}  {}", out.display());
    Ok(())
}

/// Stamps `document`; answers the id of the stamp and the stamped file.
pub(super) async fn stamp(
    door: &Door,
    key: &str,
    wanted: &Wanted,
    document: Vec<u8>,
    once: Option<&str>,
) -> Result<(String, axum::body::Bytes), CliError> {
    let mut path = format!(
        "/api/v1/stamps?seal={}&page={}&x_mm={}&y_mm={}&time_stamp={}",
        escaped(&wanted.seal),
        wanted.page,
        wanted.x_mm,
        wanted.y_mm,
        wanted.time_stamp
    );
    if let Some(purpose) = &wanted.purpose {
        path.push_str("&purpose=");
        path.push_str(&escaped(purpose));
    }
    let ask = Ask {
        method: Method::POST,
        path: &path,
        content: "application/pdf",
        body: document.into(),
        idempotency_key: once,
        patience: PATIENCE,
    };
    let answer = door.ask(Some(key), ask).await?.good()?;
    let id = answer.headers.get("yinxin-stamp").and_then(|value| value.to_str().ok()).unwrap_or_default();
    Ok((id.to_owned(), answer.body))
}

/// A path that clap has made sure of.
pub(super) fn path(matches: &ArgMatches, name: &str) -> Result<PathBuf, CliError> {
    matches.get_one::<PathBuf>(name).cloned().ok_or_else(|| CliError::usage(format!("{name} is missing")))
}

/// Percent-encodes all but letters, digits and `-._~` (RFC 3986 2.3).
pub(super) fn escaped(text: &str) -> String {
    let plain = |octet: u8| octet.is_ascii_alphanumeric() || b"-._~".contains(&octet);
    text.bytes()
        .map(|octet| if plain(octet) { char::from(octet).to_string() } else { format!("%{octet:02X}") })
        .collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_goes_into_a_query_is_escaped() {
        assert_eq!(super::escaped("a b&印"), "a%20b%26%E5%8D%B0");
    }
}
