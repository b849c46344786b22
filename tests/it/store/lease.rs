//! Leases on PostgreSQL: one holder, and none who acts after having lost it. With SQLite there is nobody else.

use super::{START, add, ids, put, table};
use crate::support::databases::{for_each_engine, postgres, sqlite};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};
use tokio::sync::Notify;
use yinxin::{
    base::{Clock as _, clock::SystemClock},
    store::{Lease, Store, StoreError, lease},
};

const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(300);

async fn two() -> Option<(Store, Store)> {
    let database = postgres().await?;
    let first = Store::open(&database.config_of("a"), START).await.unwrap();
    let second = Store::open(&database.config_of("b"), START).await.unwrap();
    table(&first).await;
    Some((first, second))
}

fn held_by(store: &Store, lasts: Duration) -> Lease {
    Lease::new(store, "duty", store.node(), lasts)
}

#[tokio::test]
async fn what_one_holds_no_other_takes_until_it_is_left() {
    let Some((first, second)) = two().await else { return };
    let (ours, theirs) = (held_by(&first, LONG), held_by(&second, LONG));
    let held = ours.take().await.unwrap().expect("free");
    assert_eq!(theirs.take().await, Ok(None));
    assert_eq!(ours.renew(&held).await, Ok(true));
    assert_eq!(theirs.look().await.unwrap().unwrap().holder, "a");
    ours.leave(&held).await.unwrap();
    let next = theirs.take().await.unwrap().expect("free again");
    assert!(next.number() > held.number());
    assert_eq!(ours.renew(&held).await, Ok(false), "it is another's by now");
}

#[tokio::test]
async fn the_same_holder_in_a_later_life_takes_it_at_once() {
    let Some((first, _)) = two().await else { return };
    let lease = held_by(&first, LONG);
    let before = lease.take().await.unwrap().expect("free");
    let after = lease.take().await.unwrap().expect("our own");
    assert!(after.number() > before.number());
    let late = before.cover(add(&first, "late")).await;
    assert_eq!(late, Err(StoreError::Fenced));
    after.cover(add(&first, "kept")).await.unwrap();
    assert_eq!(ids(&first).await, ["kept"]);
}

/// The fence: a holder that stood still (here: does not renew) finds that none of its writes is kept any more.
#[tokio::test]
async fn whoever_stood_still_too_long_writes_nothing_more() {
    let Some((first, second)) = two().await else { return };
    let (ours, theirs) = (held_by(&first, SHORT), held_by(&second, LONG));
    let held = ours.take().await.unwrap().expect("free");
    held.cover(add(&first, "in time")).await.unwrap();
    tokio::time::sleep(SHORT * 2).await;
    held.cover(add(&first, "nobody else has it")).await.unwrap();
    let taken = theirs.take().await.unwrap().expect("it ran out");
    assert_eq!(held.cover(add(&first, "too late")).await, Err(StoreError::Fenced));
    taken.cover(add(&second, "next")).await.unwrap();
    add(&first, "not under the lease").await.unwrap();
    assert_eq!(ids(&first).await, ["in time", "next", "nobody else has it", "not under the lease"]);
}

/// A transaction that was begun under the lease is waited for: either all of it comes before the next holder, or none.
#[tokio::test]
async fn the_next_holder_waits_for_what_the_last_one_has_open() {
    let Some((first, second)) = two().await else { return };
    let (ours, theirs) = (held_by(&first, SHORT), held_by(&second, LONG));
    let held = ours.take().await.unwrap().expect("free");
    let (inside, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let writer = tokio::spawn({
        let (first, inside, go_on) = (first.clone(), inside.clone(), go_on.clone());
        async move {
            let write = first.write(async |tx| {
                put(tx, "begun in time").await?;
                inside.notify_one();
                go_on.notified().await;
                Ok::<_, StoreError>(())
            });
            held.cover(write).await
        }
    });
    inside.notified().await;
    tokio::time::sleep(SHORT * 2).await;
    let mut taking = tokio::spawn(async move { theirs.take().await });
    let early = tokio::time::timeout(SHORT, &mut taking).await;
    assert!(early.is_err(), "the transaction of the last holder is still open");
    go_on.notify_one();
    writer.await.unwrap().unwrap();
    assert!(taking.await.unwrap().unwrap().is_some());
    assert_eq!(ids(&first).await, ["begun in time"]);
}

#[tokio::test]
async fn what_is_to_be_done_once_in_a_while_is_done_once_over_all_nodes() {
    let Some((first, second)) = two().await else { return };
    let done = Arc::new(AtomicU32::new(0));
    let mut nodes = tokio::task::JoinSet::new();
    for number in 0..20 {
        let store = if number % 2 == 0 { first.clone() } else { second.clone() };
        let done = done.clone();
        nodes.spawn(async move {
            let work = async {
                tokio::time::sleep(Duration::from_millis(50)).await;
                done.fetch_add(1, Ordering::SeqCst);
                Ok::<_, StoreError>(())
            };
            // Twenty holders, two duties.
            let duty = format!("once-{}", number / 2 % 2);
            Lease::new(&store, duty, number.to_string(), LONG).once(LONG, work).await
        });
    }
    let mut taken = 0;
    while let Some(node) = nodes.join_next().await {
        taken += u32::from(node.unwrap().unwrap().is_some());
    }
    assert_eq!((taken, done.load(Ordering::SeqCst)), (2, 2), "once for each of the two names");
}

#[tokio::test]
async fn what_failed_is_not_done_and_may_be_tried_by_another_at_once() {
    let Some((first, second)) = two().await else { return };
    let (ours, theirs) = (held_by(&first, LONG), held_by(&second, LONG));
    let failed = ours.once(LONG, async { Err::<(), _>(StoreError::Full) }).await;
    assert_eq!(failed, Err(StoreError::Full));
    let done = theirs.once(LONG, async { Ok::<_, StoreError>(7) }).await;
    assert_eq!(done, Ok(Some(7)));
    assert_eq!(ours.once(LONG, async { Ok::<_, StoreError>(8) }).await, Ok(None), "not due");
}

#[tokio::test]
async fn long_work_keeps_its_lease_and_is_dropped_when_it_is_lost() {
    let Some((first, second)) = two().await else { return };
    let (ours, theirs) = (held_by(&first, SHORT), held_by(&second, SHORT));
    let work = tokio::spawn({
        let ours = ours.clone();
        async move {
            ours.once(Duration::ZERO, async { std::future::pending::<Result<(), StoreError>>().await }).await
        }
    });
    tokio::time::sleep(SHORT * 4).await;
    assert_eq!(theirs.take().await, Ok(None), "it is renewed as long as the work goes on");
    // As if this process had stood still, and another had taken it.
    first.write(async |tx| tx.execute(&STEAL, &[]).await).await.unwrap();
    assert_eq!(work.await.unwrap(), Err(StoreError::Fenced));
}

const STEAL: yinxin::store::Statement = yinxin::store::Statement::portable(
    "test.steal",
    "UPDATE lease SET number = number + 1, holder = 'thief'",
);

#[tokio::test]
async fn the_life_of_a_node_that_gives_no_sign_is_over() {
    let Some((first, second)) = two().await else { return };
    let name = Lease::new(&first, lease::of_node("a"), "place", SHORT);
    let held = name.take().await.unwrap().expect("free");
    first.begin_life(&held);
    let is_over = async |life: &str| second.read(async |rx| lease::is_over(rx, life).await).await.unwrap();
    let life = first.life().to_owned();
    assert!(!is_over(&life).await);
    assert!(is_over("a#0").await, "an earlier one");
    assert!(!is_over("nobody#1").await && !is_over("01k").await && !is_over("").await);
    tokio::time::sleep(SHORT * 2).await;
    assert!(is_over(&life).await);
}

#[tokio::test]
async fn on_a_file_for_one_process_everything_is_held_and_nothing_is_written() {
    let database = sqlite();
    let store = database.open().await;
    table(&store).await;
    let lease = held_by(&store, SHORT);
    let held = lease.take().await.unwrap().expect("always");
    held.cover(add(&store, "kept")).await.unwrap();
    assert_eq!(lease.renew(&held).await, Ok(true));
    assert_eq!(lease.once(LONG, async { Ok::<_, StoreError>(1) }).await, Ok(Some(1)));
    assert_eq!(lease.look().await, Ok(None));
    assert_eq!(store.life(), "local");
}

#[tokio::test]
async fn a_write_without_a_lease_asks_for_none() {
    for_each_engine(async |store| {
        table(&store).await;
        add(&store, "a").await.unwrap();
        assert_eq!(ids(&store).await, ["a"]);
    })
    .await;
}

#[tokio::test]
async fn the_time_of_a_database_for_many_nodes_is_its_own() {
    assert_eq!(lease::time_of_database(&sqlite().open().await).await.unwrap(), None);
    let Some((store, _)) = two().await else { return };
    let theirs = lease::time_of_database(&store).await.unwrap().unwrap();
    let ours = SystemClock.now().ms();
    assert!((theirs - ours).abs() < 60_000, "{theirs} {ours}");
}
