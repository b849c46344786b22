//! Pages of the database that were overwritten behind the daemon's back.

use super::{ask, get, stamp};
use crate::support::process::Place;
use std::fs;

/// Pages of SQLite.
const PAGE: usize = 4096;

/// Every page in turn is overwritten: the start refuses with a word, or the daemon serves, answers what it can, and says of
/// the rest that it is damaged. It never panics, and never answers with made-up contents.
#[test]
fn a_damaged_page_is_found_and_said_and_nothing_panics() {
    let place = Place::initialised();
    let sealed = place.sealed();
    let daemon = place.serve();
    let id = stamp(&daemon, &sealed).unwrap();
    daemon.signal(rustix::process::Signal::TERM);
    assert!(daemon.wait().success());
    let file = place.dir().join("yinxin.db");
    let whole = fs::read(&file).unwrap();
    let (mut refused, mut damaged, mut unharmed) = (0, 0, 0);
    let pages = whole.len() / PAGE;
    for page in (0..pages).step_by((pages / 24).max(1)) {
        let mut bytes = whole.clone();
        for (at, octet) in bytes[page * PAGE..(page + 1) * PAGE].iter_mut().enumerate() {
            *octet = (at * 31 + page) as u8 ^ 0xa5;
        }
        fs::write(&file, &bytes).unwrap();
        let check = place.run(["audit", "verify", "--key-file", &place.key("auditor")]);
        assert!(!check.err.contains("panicked"), "page {page}: {check:?}");
        let Some(daemon) = place.try_serve() else {
            refused += 1;
            assert!(!check.err.is_empty() && check.code == 1, "page {page}: {check:?}");
            continue;
        };
        let mut answers = vec![
            get(&daemon, &format!("/api/v1/seals/{}", sealed.seal), Some(&sealed.approver)),
            get(&daemon, &format!("/api/v1/seals/{}/seal.esl", sealed.seal), Some(&sealed.approver)),
            get(&daemon, "/api/v1/stamps?limit=500", Some(&sealed.approver)),
            get(&daemon, &format!("/api/v1/stamps/{id}"), Some(&sealed.approver)),
            get(&daemon, "/pki/ca.crl", None),
            ask(&daemon, "POST", "/api/v1/verifications", None, "application/pdf", &super::document()),
        ];
        answers.extend(stamp(&daemon, &sealed).err());
        for answer in &answers {
            assert_ne!(answer.json()["code"], "internal", "page {page}: {answer:?}");
        }
        let told = answers.iter().any(|answer| answer.problem() == "503 service/damaged");
        damaged += u32::from(told);
        unharmed += u32::from(!told);
        assert!(!daemon.log().contains("panicked"), "page {page}:\n{}", daemon.log());
    }
    fs::write(&file, &whole).unwrap();
    println!("pages: {refused} refused at the start, {damaged} told, {unharmed} not met");
    assert!(refused > 0 && damaged > 0);
}
