//! The systemd unit, by systemd's own measure.

use super::path;
use crate::support::databases::say_skipped;
use std::process::Command;

/// In tenths, as `--threshold=` takes it; 0 would be a service that can do nothing.
const EXPOSURE_MAX: u32 = 15;

#[test]
fn the_unit_is_as_closed_as_it_is_said_to_be() {
    let measured = Command::new("systemd-analyze")
        .args(["security", "--offline=true", "--no-pager", &format!("--threshold={EXPOSURE_MAX}")])
        .arg(path("systemd/yinxin.service"))
        .output();
    let Ok(measured) = measured else {
        return say_skipped("how closed the systemd unit is: systemd-analyze is not here (Debian: systemd)");
    };
    let says =
        format!("{}{}", String::from_utf8_lossy(&measured.stdout), String::from_utf8_lossy(&measured.stderr));
    assert!(measured.status.success(), "{says}");
    assert!(says.contains("Overall exposure level"), "{says}");
    assert!(!says.contains("Unknown") && !says.contains("ignoring"), "{says}");
}
