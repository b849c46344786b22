//! The life of a seal (R-SEAL-02, R-SEAL-03), told over REST on both engines.

use crate::support::app::{At, DAY_MS, OFFICE, Person, TestApp, credit_code, fixture, on_each_engine};
use serde_json::{Value, json};
use yinxin::{
    officer::Role,
    seal::state::{Act, State},
};
use yinxin_pki::{
    report::{CheckId, Outcome, Verdict},
    x509::Cert,
};

/// The acts that REST offers, by their last word, and the act of the table that each is.
const ACTS: [(&str, Act); 10] = [
    ("approve", Act::Approve),
    ("reject", Act::Reject),
    ("make", Act::Make),
    ("stamp", Act::Stamp),
    ("suspend", Act::Suspend),
    ("resume", Act::Resume),
    ("report-loss", Act::ReportLoss),
    ("recover", Act::Recover),
    ("renewals", Act::Renew),
    ("cancel", Act::Cancel),
];

/// Who does what: the operator applies, makes, renews and stamps; the approver decides.
fn who(app: &TestApp<'_>, act: &str) -> Person {
    match act {
        "make" | "renewals" | "stamp" => app.operator(),
        _ => app.approver(),
    }
}

/// A seal in this state, brought there by acts. Two of them can't be reached so: `making` is what a crash leaves, and
/// `expired` is a matter of the clock.
async fn seal_in(app: &TestApp<'_>, state: State) -> String {
    let seal = app.apply(4).await;
    let steps: &[&str] = match state {
        State::Applied => &[],
        State::Rejected => &["reject"],
        State::Approved | State::Making => &["approve"],
        State::Active | State::Expired => &["approve", "make"],
        State::Suspended => &["approve", "make", "suspend"],
        State::Lost => &["approve", "make", "report-loss"],
        State::Superseded => &["approve", "make", "renewals"],
        State::Cancelled => &["approve", "make", "cancel"],
    };
    let mut last = Value::Null;
    for act in steps {
        last = app.done(&who(app, act), &seal, act).await;
    }
    if state == State::Superseded {
        app.bring_into_force(last["id"].as_str().unwrap()).await;
    }
    seal
}

async fn attempt(app: &TestApp<'_>, seal: &str, act: &str) -> (u16, String) {
    let person = who(app, act);
    let answer = match act {
        "stamp" => app.stamp(&person, seal, &At::page(1, 100.0, 100.0), fixture("pdf/many-pages.pdf")).await,
        _ => app.act(&person, seal, act).await,
    };
    let told = if answer.status < 300 { String::new() } else { answer.problem() };
    (answer.status, told)
}

#[tokio::test]
async fn every_state_answers_every_act_as_the_table_says() {
    on_each_engine(async |app| {
        let reachable = State::ALL.into_iter().filter(|state| !matches!(state, State::Making | State::Expired));
        for state in reachable {
            every_act_in(app, state).await;
        }
    })
    .await;
}

/// Refused acts first, all on one seal, which they leave as it is; then each allowed one on a seal of its own.
async fn every_act_in(app: &TestApp<'_>, state: State) {
    let mut spare = Some(seal_in(app, state).await);
    let (allowed, refused): (Vec<_>, Vec<_>) =
        ACTS.into_iter().partition(|(_, act)| state.after(*act).is_ok());
    let seal = spare.clone().unwrap();
    for (word, _) in refused {
        let (_, told) = attempt(app, &seal, word).await;
        assert_eq!(told, "409 seal/wrong-state", "{word} in {state}");
        assert_eq!(app.seal(&seal).await["state"], state.name(), "after {word} was refused");
    }
    for (word, act) in allowed {
        let seal = match spare.take() {
            Some(seal) => seal,
            None => seal_in(app, state).await,
        };
        let (status, told) = attempt(app, &seal, word).await;
        assert!(status < 300, "{word} in {state}: {told}");
        let after = state.after(act).unwrap();
        let after = if act == Act::Make { State::Active } else { after };
        assert_eq!(app.seal(&seal).await["state"], after.name(), "after {word} in {state}");
    }
}
