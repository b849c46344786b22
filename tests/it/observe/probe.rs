//! `yinxin probe`: what people do with the service, done by a timer.

use crate::support::process::Place;
use serde_json::Value;
use std::fs;

#[test]
fn a_probe_comes_through_on_a_service_that_works_and_says_where_it_does_not() {
    let place = Place::initialised();
    let nobody = place.run(["probe", "--seal", "seal_x", "--key-file", &place.key("auditor"), "--json"]);
    assert_eq!(nobody.code, 1, "no daemon is at work: {nobody:?}");
    let daemon = place.serve();
    let sealed = place.sealed();
    let metrics = place.file("probe.prom");
    let arguments = ["probe", "--seal", &sealed.seal, "--key-file", &sealed.operator];
    let said = place.run(arguments.iter().chain(&["--json", "--metrics", &metrics]));
    assert_eq!(said.code, 0, "{said:?}");
    let told: Value = serde_json::from_str(&said.out).unwrap();
    let names: Vec<_> =
        told["steps"].as_array().unwrap().iter().map(|step| step["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["ready", "sign-in", "stamp", "verify", "register", "revocation-list"]);
    assert_eq!(told["ok"], true);
    let page = fs::read_to_string(&metrics).unwrap();
    assert_eq!(super::exposition::read(&page).of("yinxin_probe_success"), 1.0);
    assert!(super::exposition::read_by_prometheus(&page).is_none_or(|samples| samples == 8));
    assert!(place.good(arguments).lines().all(|line| line.starts_with("ok ")));

    place.good(["seal", "suspend", &sealed.seal, "--reason", "盘点", "--key-file", &sealed.approver]);
    let said = place.run(arguments.iter().chain(&["--metrics", &metrics]));
    assert_eq!(said.code, 1);
    let last = said.out.lines().last().unwrap();
    assert!(
        last.starts_with("FAILED") && last.contains("stamp") && last.contains("seal/wrong-state"),
        "{said:?}"
    );
    assert_eq!(
        super::exposition::read(&fs::read_to_string(&metrics).unwrap()).of("yinxin_probe_success"),
        0.0
    );
    drop(daemon);
}
