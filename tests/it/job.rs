//! Jobs on both engines: at least once, never two at a time, given up with a reason.

use crate::support::databases::{for_each_database, for_each_engine};
use serde::{Deserialize, Serialize};
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::sync::{Notify, watch};
use yinxin::{
    base::{
        Timestamp,
        clock::{Clock, SteppedClock},
        entropy::SeededEntropy,
    },
    job::{self, Job, JobError, Run, Settings, Worker},
    store::{Lease, Statement, Store, StoreError, lease},
};

const START: Timestamp = Timestamp::from_seconds(1_795_219_200);

#[derive(Debug, Serialize, Deserialize)]
struct Paint {
    wall: String,
}

impl Job for Paint {
    const KIND: &'static str = "test.paint";

    fn key(&self) -> String {
        self.wall.clone()
    }
}

fn paint(wall: &str) -> Paint {
    Paint { wall: wall.into() }
}

async fn ask(store: &Store, wall: &str, clock: &SteppedClock) {
    let now = clock.now();
    store.write(async |tx| job::enqueue(tx, &paint(wall), now).await).await.unwrap();
}

async fn left_over(store: &Store) -> i64 {
    store.read(async |rx| job::left_over(rx).await).await.unwrap()
}

fn clock() -> Arc<SteppedClock> {
    Arc::new(SteppedClock::at(START))
}

fn worker(store: &Store, clock: &Arc<SteppedClock>, settings: Settings, seed: u64) -> Worker {
    Worker::new(store.clone(), clock.clone(), Arc::new(SeededEntropy::new(seed)), settings)
}

#[derive(Clone, Default)]
struct Diary(Arc<Mutex<Vec<String>>>);

impl Diary {
    fn note(&self, text: impl Into<String>) {
        self.0.lock().unwrap().push(text.into());
    }

    fn read(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

#[tokio::test]
async fn a_job_runs_once_its_transaction_is_committed_and_not_otherwise() {
    for_each_engine(async |store| {
        let (clock, diary) = (clock(), Diary::default());
        let noted = diary.clone();
        let worker = worker(&store, &clock, Settings::default(), 1).on(move |job: Paint, run: Run| {
            noted.note(format!("{} {}", job.wall, run.attempt));
            async { Ok(()) }
        });
        ask(&store, "north", &clock).await;
        let refused: Result<(), StoreError> = store
            .write(async |tx| {
                job::enqueue(tx, &paint("south"), START).await?;
                Err(StoreError::Busy)
            })
            .await;
        assert_eq!(refused, Err(StoreError::Busy));
        assert_eq!(worker.run_due(10).await, Ok(1));
        assert_eq!((diary.read(), left_over(&store).await), (vec!["north 1".to_owned()], 0));
    })
    .await;
}

#[tokio::test]
async fn a_failing_job_is_tried_again_later_and_later_and_then_given_up_with_its_reason() {
    for_each_engine(async |store| {
        let (clock, diary) = (clock(), Diary::default());
        let noted = diary.clone();
        let settings =
            Settings { attempts_max: 4, first_wait_ms: 1000, wait_max_ms: 3000, ..Settings::default() };
        let worker = worker(&store, &clock, settings, 2).on(move |_: Paint, run: Run| {
            noted.note(format!("{}", run.now.ms() - START.ms()));
            async move { Err(JobError::Retry(format!("no paint at {}", run.attempt))) }
        });
        ask(&store, "north", &clock).await;
        let mut waits = Vec::new();
        for _ in 0..1000 {
            let ran = worker.run_due(10).await.unwrap();
            waits.extend((0..ran).map(|_| clock.now().ms() - START.ms()));
            if left_over(&store).await == 0 {
                break;
            }
            clock.step_ms(50);
        }
        assert_eq!(waits.len(), 4, "{waits:?}");
        // Doubled each time up to the cap, of which the second half is chance; steps of 50 ms.
        for (pair, full) in waits.windows(2).zip([1000, 2000, 3000]) {
            let wait = pair[1] - pair[0];
            assert!(wait >= full / 2 && wait <= full + 50, "{waits:?}");
        }
        let failed = store.read(async |rx| job::failed(rx, 10).await).await.unwrap();
        assert_eq!((failed.len(), failed[0].attempts, failed[0].reason.as_str()), (1, 4, "no paint at 4"));
        let (id, now) = (failed[0].id, clock.now());
        assert!(store.write(async |tx| job::try_again(tx, id, now).await).await.unwrap());
        assert_eq!(worker.run_due(10).await, Ok(1));
    })
    .await;
}

#[tokio::test]
async fn a_job_that_says_never_and_one_that_panics_and_one_that_is_garbled() {
    for_each_database(async |database| {
        let store = database.open().await;
        let clock = clock();
        let settings = Settings { attempts_max: 2, first_wait_ms: 10, ..Settings::default() };
        let worker = worker(&store, &clock, settings, 3).on(|job: Paint, _: Run| async move {
            match job.wall.as_str() {
                "never" => Err(JobError::Fail("the wall is gone".into())),
                "panic" => panic!("for the test"),
                _ => Ok(()),
            }
        });
        for wall in ["never", "panic", "garbled"] {
            ask(&store, wall, &clock).await;
        }
        database.tamper("UPDATE job SET payload = '[]' WHERE key = 'garbled'").await;
        worker.run_due(10).await.unwrap();
        clock.step_ms(100);
        worker.run_due(10).await.unwrap();
        let mut failed = store.read(async |rx| job::failed(rx, 10).await).await.unwrap();
        failed.sort_by(|a, b| a.key.cmp(&b.key));
        let said: Vec<_> = failed.iter().map(|job| (job.key.as_str(), job.attempts)).collect();
        assert_eq!(said, [("garbled", 1), ("never", 1), ("panic", 2)]);
        assert_eq!(failed[1].reason, "the wall is gone");
        assert_eq!(left_over(&store).await, 0);
    })
    .await;
}

#[tokio::test]
async fn a_job_whose_worker_died_between_claim_and_end_runs_again_after_its_lease() {
    for_each_engine(async |store| {
        let (clock, diary) = (clock(), Diary::default());
        let started = Arc::new(Notify::new());
        ask(&store, "north", &clock).await;

        let (noted, told) = (diary.clone(), started.clone());
        let dying = worker(&store, &clock, Settings::default(), 4).on(move |_: Paint, _: Run| {
            noted.note("first");
            told.notify_one();
            std::future::pending()
        });
        let (_keep, stop) = watch::channel(false);
        let killed = tokio::spawn(dying.run(stop));
        started.notified().await;
        killed.abort();
        assert!(killed.await.unwrap_err().is_cancelled());

        let noted = diary.clone();
        let heir = worker(&store, &clock, Settings::default(), 5).on(move |_: Paint, run: Run| {
            noted.note(format!("again {}", run.attempt));
            async { Ok(()) }
        });
        assert_eq!(heir.run_due(10).await, Ok(0), "the lease still holds");
        clock.step_ms(i64::from(Settings::default().lease_ms) + 1);
        assert_eq!(heir.run_due(10).await, Ok(1));
        assert_eq!(diary.read(), ["first", "again 2"]);
        assert_eq!(left_over(&store).await, 0);
    })
    .await;
}

/// On PostgreSQL by the life of the worker's node, which gives no sign any more; on SQLite because nobody else can be there.
#[tokio::test]
async fn a_job_whose_node_is_gone_is_taken_up_at_once_and_one_whose_node_lives_is_not() {
    for_each_database(async |database| {
        let a = Store::open(&database.config_of("a"), START).await.unwrap();
        let name = Lease::new(&a, lease::of_node("a"), "place", Duration::from_millis(500));
        let held = name.take().await.unwrap().expect("free");
        a.begin_life(&held);
        let clock = clock();
        ask(&a, "north", &clock).await;
        let begun = Arc::new(Notify::new());
        let dying = worker(&a, &clock, Settings::default(), 1).on({
            let begun = begun.clone();
            move |_: Paint, _: Run| {
                begun.notify_one();
                std::future::pending()
            }
        });
        let dying = tokio::spawn(async move { dying.run_due(1).await });
        begun.notified().await;
        let b = if database.is_sqlite() {
            dying.abort();
            a.close().await;
            database.open().await
        } else {
            let b = Store::open(&database.config_of("b"), START).await.unwrap();
            assert_eq!(job::free_abandoned(&b).await, Ok(0), "its node lives");
            tokio::time::sleep(Duration::from_millis(700)).await;
            b
        };
        let diary = Diary::default();
        let noted = diary.clone();
        let heir = worker(&b, &clock, Settings::default(), 2).on(move |job: Paint, run: Run| {
            noted.note(format!("{} {}", job.wall, run.attempt));
            async { Ok(()) }
        });
        assert_eq!(heir.run_due(10).await, Ok(0), "its lease runs on");
        assert_eq!(job::free_abandoned(&b).await, Ok(1));
        assert_eq!(heir.run_due(10).await, Ok(1));
        assert_eq!((diary.read(), left_over(&b).await), (vec!["north 2".to_owned()], 0));
    })
    .await;
}

#[tokio::test]
async fn a_job_that_kills_its_worker_each_time_is_given_up() {
    for_each_database(async |database| {
        let store = database.open().await;
        let clock = clock();
        ask(&store, "north", &clock).await;
        database
            .tamper("UPDATE job SET state = 'running', attempts = 12, lease = 'x', lease_until_ms = 0")
            .await;
        let worker = worker(&store, &clock, Settings::default(), 6)
            .on(|_: Paint, _: Run| async { panic!("must not be tried a 13th time") });
        assert_eq!(worker.run_due(10).await, Ok(1));
        let failed = store.read(async |rx| job::failed(rx, 10).await).await.unwrap();
        assert_eq!(failed[0].reason, "given up: no attempt came to an end");
    })
    .await;
}

#[tokio::test]
async fn two_workers_never_run_one_job_or_its_twin_at_once() {
    for_each_database(async |database| {
        let store = database.open().await;
        let clock = clock();
        let at_work: Arc<Mutex<Vec<String>>> = Arc::default();
        let (done, clashes) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (tell, stop) = watch::channel(false);
        let mut workers = Vec::new();
        for seed in 0..3 {
            let (at_work, done, clashes) = (at_work.clone(), done.clone(), clashes.clone());
            let settings = Settings { concurrency: 4, poll_ms: 20, ..Settings::default() };
            let worker = worker(&store, &clock, settings, seed).on(move |job: Paint, _: Run| {
                let (at_work, done, clashes) = (at_work.clone(), done.clone(), clashes.clone());
                async move {
                    {
                        let mut walls = at_work.lock().unwrap();
                        clashes.fetch_add(usize::from(walls.contains(&job.wall)), Ordering::SeqCst);
                        walls.push(job.wall.clone());
                    }
                    tokio::time::sleep(Duration::from_millis(3)).await;
                    at_work.lock().unwrap().retain(|wall| *wall != job.wall);
                    done.fetch_add(1, Ordering::SeqCst);
                    Ok(())
                }
            });
            workers.push(tokio::spawn(worker.run(stop.clone())));
        }
        for round in 0..60 {
            ask(&store, &format!("wall {}", round % 7), &clock).await;
        }
        while left_over(&store).await > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tell.send(true).unwrap();
        for worker in workers {
            worker.await.unwrap();
        }
        let failed = store.read(async |rx| job::failed(rx, 10).await).await.unwrap();
        assert_eq!(failed, []);
        assert_eq!(clashes.load(Ordering::SeqCst), 0);
        let done = done.load(Ordering::SeqCst);
        assert!((7..=60).contains(&done), "{done}");
    })
    .await;
}

#[tokio::test]
async fn a_job_asked_for_while_its_twin_runs_runs_after_it() {
    for_each_engine(async |store| {
        let (clock, diary) = (clock(), Diary::default());
        let (started, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (noted, told, released) = (diary.clone(), started.clone(), go_on.clone());
        let worker = worker(&store, &clock, Settings { poll_ms: 20, ..Settings::default() }, 7);
        let worker = worker.on(move |_: Paint, _: Run| {
            let (noted, told, released) = (noted.clone(), told.clone(), released.clone());
            async move {
                noted.note("begin");
                told.notify_one();
                released.notified().await;
                noted.note("end");
                Ok(())
            }
        });
        let (tell, stop) = watch::channel(false);
        let working = tokio::spawn(worker.run(stop));
        ask(&store, "north", &clock).await;
        started.notified().await;
        ask(&store, "north", &clock).await;
        ask(&store, "north", &clock).await;
        assert_eq!(left_over(&store).await, 2, "one runs, one waits, the third is the second");
        go_on.notify_one();
        started.notified().await;
        // The word to stop lets the running one end.
        tell.send(true).unwrap();
        go_on.notify_one();
        working.await.unwrap();
        assert_eq!(diary.read(), ["begin", "end", "begin", "end"]);
        assert_eq!(left_over(&store).await, 0);
    })
    .await;
}

#[tokio::test]
async fn a_job_asked_for_while_its_twin_is_just_being_claimed_is_not_lost() {
    for_each_engine(async |store| {
        const CLAIM: Statement = Statement::portable(
            "test.claim",
            "UPDATE job SET state = 'running', lease = 'x', lease_until_ms = 0 WHERE state = 'waiting'",
        );
        let clock = clock();
        ask(&store, "north", &clock).await;
        let (claimed, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (claiming, told, released) = (store.clone(), claimed.clone(), go_on.clone());
        let claim = tokio::spawn(async move {
            claiming
                .write(async |tx| {
                    let count = tx.execute(&CLAIM, &[]).await?;
                    told.notify_one();
                    released.notified().await;
                    Ok::<_, StoreError>(count)
                })
                .await
        });
        claimed.notified().await;
        let (asking, later) = (store.clone(), clock.clone());
        let asked = tokio::spawn(async move { ask(&asking, "north", &later).await });
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(!asked.is_finished(), "it waits to see how the claim ends");
        go_on.notify_one();
        assert_eq!(claim.await.unwrap(), Ok(1));
        asked.await.unwrap();
        assert_eq!(left_over(&store).await, 2, "one runs, one waits");
    })
    .await;
}

#[tokio::test]
async fn a_kind_that_this_release_does_not_know_stays_in_line() {
    for_each_engine(async |store| {
        let clock = clock();
        ask(&store, "north", &clock).await;
        let worker = worker(&store, &clock, Settings::default(), 8);
        assert_eq!(worker.run_due(10).await, Ok(0));
        assert_eq!(left_over(&store).await, 1);
    })
    .await;
}

#[tokio::test]
async fn a_retry_gives_way_to_a_twin_that_waits() {
    for_each_engine(async |store| {
        let clock = clock();
        let (inner, ticking) = (store.clone(), clock.clone());
        let worker = worker(&store, &clock, Settings::default(), 9).on(move |_: Paint, _: Run| {
            let (store, clock) = (inner.clone(), ticking.clone());
            async move {
                ask(&store, "north", &clock).await;
                Err(JobError::Retry("asked again meanwhile".into()))
            }
        });
        ask(&store, "north", &clock).await;
        assert_eq!(worker.run_due(1).await, Ok(1));
        assert_eq!(left_over(&store).await, 1);
        const COUNT: Statement = Statement::portable("test.jobs", "SELECT count(*) FROM job");
        assert_eq!(store.read(async |rx| rx.one::<i64>(&COUNT, &[]).await).await, Ok(1));
    })
    .await;
}
