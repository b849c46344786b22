//! Writers that misbehave in every way, and what is there afterwards.

use super::{DEFERRED, ORPHAN, add, ids, put, table};
use crate::support::databases::sqlite;
use proptest::prelude::*;
use std::{
    pin::Pin,
    task::{Context, Poll},
};
use yinxin::store::{Statement, Store, StoreError};

/// What one write of the property test does.
#[derive(Debug, Clone, Copy)]
enum Act {
    Keep,
    /// Answers with an error.
    Refuse,
    /// A statement fails and the closure goes on.
    Swallow,
    /// Is dropped after so many polls.
    Drop(u8),
    /// Makes the commit fail.
    Orphan,
    /// Has SQLite roll back the whole transaction, as it does by itself when the disk is full.
    RollBackAll,
    /// The same, and is dropped after so many polls.
    RollBackAllAndDrop(u8),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        6 => Just(Act::Keep),
        2 => Just(Act::Refuse),
        1 => Just(Act::Swallow),
        6 => (0..14u8).prop_map(Act::Drop),
        1 => Just(Act::Orphan),
        1 => Just(Act::RollBackAll),
        3 => (4..14u8).prop_map(Act::RollBackAllAndDrop),
    ]
}

/// Two rows, so that half a write would show.
async fn write_two(store: &Store, id: &str, act: Act) -> Result<(), StoreError> {
    const ROLL_BACK: Statement =
        Statement::portable("test.roll_back", "INSERT OR ROLLBACK INTO thing (id) VALUES ('taken')");
    store
        .write(async |tx| {
            put(tx, &format!("{id} a")).await?;
            // SQLite's statements wait for nothing: here is where such a writer may be dropped half-way.
            tokio::task::yield_now().await;
            match act {
                Act::Refuse => return Err(StoreError::Full),
                Act::Swallow => assert!(put(tx, "taken").await.is_err()),
                Act::Orphan => drop(tx.execute(&ORPHAN, &[]).await?),
                Act::RollBackAll | Act::RollBackAllAndDrop(_) => drop(tx.execute(&ROLL_BACK, &[]).await?),
                Act::Keep | Act::Drop(_) => {}
            }
            tokio::task::yield_now().await;
            // A swallowed failure is found out by the store.
            match put(tx, &format!("{id} b")).await {
                Err(StoreError::Spoiled) => Ok(()),
                other => other.map(drop),
            }
        })
        .await
}

/// A future that is dropped after so many polls.
struct Polls<F>(Option<Pin<Box<F>>>, u8);

impl<F: Future> Future for Polls<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if self.1 == 0 {
            self.0 = None;
        }
        self.1 = self.1.saturating_sub(1);
        match self.0.as_mut() {
            None => Poll::Ready(None),
            Some(future) => future.as_mut().poll(context).map(Some),
        }
    }
}

/// Tells each writer's acts; what each was told: `None` where it was dropped.
async fn tell(store: &Store, writers: Vec<Vec<Act>>) -> Vec<(String, Option<Result<(), StoreError>>)> {
    let tasks: Vec<_> = writers
        .into_iter()
        .enumerate()
        .map(|(writer, acts)| {
            let store = store.clone();
            tokio::spawn(async move {
                let mut told = Vec::new();
                for (number, act) in acts.into_iter().enumerate() {
                    let id = format!("{writer}-{number}");
                    let polls = match act {
                        Act::Drop(polls) | Act::RollBackAllAndDrop(polls) => polls,
                        _ => u8::MAX,
                    };
                    let outcome = Polls(Some(Box::pin(write_two(&store, &id, act))), polls).await;
                    told.push((id, outcome));
                }
                told
            })
        })
        .collect();
    let mut told = Vec::new();
    for task in tasks {
        told.extend(task.await.unwrap());
    }
    told
}

async fn is_kept_exactly(writers: Vec<Vec<Act>>, workers: bool) {
    let database = sqlite();
    let store = database.open().await;
    table(&store).await;
    store.write(async |tx| tx.execute(&DEFERRED, &[]).await).await.unwrap();
    add(&store, "taken").await.unwrap();
    let told = tell(&store, writers).await;
    // Not closed: dropped, as in a crash. The lock goes with the last task that holds the store.
    drop(store);
    let store = database.open().await;
    let mut there = ids(&store).await;
    there.retain(|id| id != "taken");
    for (id, outcome) in told {
        let rows = there.iter().filter(|row| row.starts_with(&format!("{id} "))).count();
        match outcome {
            Some(Ok(())) => assert_eq!(rows, 2, "{id} was acknowledged (threads: {workers})"),
            Some(Err(StoreError::Unknown)) | None => assert!(rows != 1, "{id} is half there"),
            Some(Err(error)) => assert_eq!(rows, 0, "{id} was told: {error} (threads: {workers})"),
        }
        there.retain(|row| !row.starts_with(&format!("{id} ")));
    }
    assert!(there.is_empty(), "{there:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, max_shrink_iters: 200, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn what_was_acknowledged_is_there_after_reopening_and_nothing_else(
        writers in proptest::collection::vec(proptest::collection::vec(act(), 1..12), 1..10),
        threads in any::<bool>(),
    ) {
        let mut builder = match threads {
            true => tokio::runtime::Builder::new_multi_thread(),
            false => tokio::runtime::Builder::new_current_thread(),
        };
        let runtime = builder.worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(is_kept_exactly(writers, threads));
    }
}
