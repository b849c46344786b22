//! A daemon that starts on an old copy of its database: it says so, does nothing, and goes on once somebody answers for it.

use crate::support::process::{Daemon, for_each_place};
use rustix::process::Signal;
use std::{
    fs,
    io::{Read as _, Write as _},
    time::{Duration, Instant},
};

fn get(daemon: &Daemon, path: &str) -> String {
    let mut stream = daemon.connect();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut all = Vec::new();
    stream.read_to_end(&mut all).unwrap();
    String::from_utf8_lossy(&all).into_owned()
}

#[tokio::test]
async fn a_daemon_on_an_old_copy_is_not_ready_and_goes_on_without_a_restart_once_it_is_accepted() {
    for_each_place(async |place, database| {
        let witness = place.file("witness.jsonl");
        place.set("YINXIN_AUDIT_WITNESS_FILE", &witness);
        place.good(["init"]);
        let (auditor, security) = (place.key("auditor"), place.key("security_administrator"));
        place.good(["audit", "verify", "--key-file", &auditor]);
        let copy = database.folder().join("copy");
        database.copy_to(&copy);
        let daemon = place.serve();
        let sealed = place.sealed();
        place.good(sealed.stamp(&place.file("one.pdf")));
        daemon.signal(Signal::TERM);
        assert_eq!(daemon.wait().code(), Some(0));
        database.put_back(&copy).await;

        let daemon = place.serve();
        assert!(get(&daemon, "/healthz").starts_with("HTTP/1.1 200"));
        let ready = get(&daemon, "/readyz");
        assert!(ready.starts_with("HTTP/1.1 503") && ready.contains("audit/rolled-back"), "{ready}");
        daemon.has_logged("old copy", 1);
        daemon.has_logged("accept-restored", 1);
        let refused = place.run(["officer", "list", "--key-file", &security]);
        assert!(refused.code == 1 && refused.err.contains("audit/rolled-back"), "{refused:?}");
        let told = place.run(["audit", "verify", "--key-file", &auditor]);
        assert!(told.code == 1 && told.out.contains("an old copy"), "{told:?}");
        // The witness says the same, to whoever has it.
        let told = place.run(["audit", "verify", "--heads", &witness, "--key-file", &auditor]);
        assert!(told.code == 1 && told.out.contains("an old copy"), "{told:?}");

        let by_auditor = place.run(["audit", "accept-restored", "--reason", "演练", "--key-file", &auditor]);
        assert!(by_auditor.code == 1 && by_auditor.err.contains("auth/right-missing"), "{by_auditor:?}");
        let said = place.good(["audit", "accept-restored", "--reason", "演练", "--key-file", &security]);
        assert!(said.starts_with("accepted as restoration_") && said.contains("are lost"), "{said}");
        let by = Instant::now() + Duration::from_secs(30);
        while !get(&daemon, "/readyz").starts_with("HTTP/1.1 200") {
            assert!(Instant::now() < by, "{}", daemon.log());
            std::thread::sleep(Duration::from_millis(100));
        }
        // What had been made after the copy is gone, and can be made again.
        let sealed = place.sealed();
        place.good(sealed.stamp(&place.file("two.pdf")));
        daemon.signal(Signal::TERM);
        assert_eq!(daemon.wait().code(), Some(0));
        let told = place.good(["audit", "verify", "--key-file", &auditor]);
        assert!(told.contains("went on from an older state") && told.contains("the chain holds"), "{told}");
        // Both files say the same.
        assert_eq!(
            fs::read_to_string(&witness).unwrap(),
            fs::read_to_string(place.dir().join("audit-heads.jsonl")).unwrap()
        );
        let told = place.good(["audit", "verify", "--heads", &witness, "--key-file", &auditor]);
        assert!(told.contains("went on from an older state"), "{told}");
    })
    .await;
}

/// The witness's place is gone for a while, as a mount may be: work goes on, and it is brought up to date.
#[tokio::test]
async fn a_witness_that_was_out_of_reach_is_brought_up_to_date() {
    for_each_place(async |place, _| {
        let folder = place.file("mount");
        place.set("YINXIN_AUDIT_WITNESS_FILE", &format!("{folder}/witness.jsonl"));
        place.good(["init"]);
        place.hire("一", "viewer");
        assert!(!fs::exists(&folder).unwrap());
        fs::create_dir(&folder).unwrap();
        place.hire("二", "viewer");
        let witness = fs::read_to_string(format!("{folder}/witness.jsonl")).unwrap();
        assert_eq!(witness, fs::read_to_string(place.dir().join("audit-heads.jsonl")).unwrap());
        assert!(witness.lines().count() >= 2);
    })
    .await;
}
