//! Everything that opens something is changed while it is in use: passphrase, master key, API keys, certificates, the key
//! of the audit; and the tables, while the release before goes on.

mod api_keys;
mod audit;
mod authority;
mod commands;
mod keystore;
mod upgrade;

use crate::support::{
    app::{At, TestApp, fixture},
    front::Answer,
};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Stamps without a pause, with a time stamp each, while `change` goes on, and a little longer; every request must go
/// well. Answers what came of `change`, and the stamped files.
pub async fn while_stamping<T>(
    app: &TestApp<'_>,
    seal: &str,
    change: impl Future<Output = T>,
) -> (T, Vec<Vec<u8>>) {
    let (over, count) = (AtomicBool::new(false), AtomicUsize::new(0));
    let stamp = async || {
        let mut files = Vec::new();
        while !over.load(Ordering::SeqCst) || files.len() < 2 {
            let answer: Answer = app
                .stamp(
                    &app.operator(),
                    seal,
                    &At::notice().and("&time_stamp=true"),
                    fixture("pdf/one-page.pdf"),
                )
                .await;
            assert_eq!(answer.status, 201, "{}", answer.text());
            count.fetch_add(1, Ordering::SeqCst);
            files.push(answer.body.to_vec());
        }
        files
    };
    let change = async {
        // Something is under way when it begins, and something comes after it.
        until(|| count.load(Ordering::SeqCst) >= 2).await;
        let changed = change.await;
        let seen = count.load(Ordering::SeqCst);
        until(|| count.load(Ordering::SeqCst) >= seen + 2).await;
        over.store(true, Ordering::SeqCst);
        changed
    };
    let (changed, one, two) = tokio::join!(change, stamp(), stamp());
    (changed, [one, two].concat())
}

async fn until(there: impl Fn() -> bool) {
    while !there() {
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
}
