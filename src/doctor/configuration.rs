//! The configuration, and what it names.

use super::finding::Notes;
use crate::{
    base::Timestamp,
    config::{self, Config, ConfigError, Severity},
};

const SUBJECT: &str = "configuration";

/// It can't be taken: there is nothing else to look at.
pub(super) fn refused(notes: &mut Notes, error: &ConfigError) {
    for fault in error.to_string().lines().map(str::trim).filter(|line| !line.is_empty()) {
        notes.of(SUBJECT).wrong(
            "taken",
            fault,
            "mend the configuration; `yinxin config check` tells the same",
        );
    }
}

pub(super) fn look(notes: &mut Notes, config: &Config, now: Timestamp) {
    let mut of = notes.of(SUBJECT);
    of.fine("taken", "every key is known, and every value makes sense");
    let findings = config::inspect(config, now);
    if findings.is_empty() {
        of.fine("named", "the files and addresses that it names can be used");
    }
    for finding in findings {
        let found = format!("{} ({}): {}", finding.key, finding.origin, finding.says);
        let advice = "see `yinxin config check` and `yinxin config show`";
        match finding.severity {
            Severity::Weak => of.weak("named", found, advice),
            Severity::Wrong => of.wrong("named", found, advice),
        }
    }
    if config.trace.is_some() && !cfg!(feature = "otel") {
        let found = "trace.endpoint is set, and this program was built without the feature otel";
        of.weak("traces", found, "build with `--features otel`, or take the key out");
    }
    let is_open = !config.listen.address.ip().is_loopback();
    let mut of = notes.of("entrances");
    match (is_open, config.listen.tls.is_some(), config.listen.behind_proxy) {
        (false, ..) => of.fine("encrypted", format!("{} is this machine's alone", config.listen.address)),
        (true, true, _) => of.fine("encrypted", format!("{} speaks TLS", config.listen.address)),
        (true, false, _) => of.weak(
            "encrypted",
            format!("{} speaks plain HTTP and counts on a proxy before it", config.listen.address),
            "let nobody but the proxy reach it: a firewall, or a network of their own",
        ),
    }
    if is_open && config.listen.administration.is_none() {
        of.weak(
            "administration",
            "administrators come in at the same address as everybody",
            "give them their own: listen.admin_address, with a network that only they reach",
        );
    } else {
        of.fine("administration", "not at an address that everybody reaches");
    }
    if is_open && config.public_url.starts_with("http://") {
        let found = format!("others see the service as {}, without TLS", config.public_url);
        of.weak("public-url", found, "set public_url to the https:// address; it stands in certificates");
    }
}
