//! The thread pool from outside: refusals, replacement, quarantine, bounded ends. The suite of all executors is
//! in the conformance crate, which stands above this one.

#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use cells::CellId;
use nova_scatter::{
    BlockingExecutor, Job, Pace, PoolStats, Refusal, Rejection, SkipReason, Submitted,
    ThreadExecutor, ThreadPolicy, Works,
};

const SICK: CellId = CellId::CELL0;

fn healthy(n: u128) -> CellId {
    CellId::new(uuid::Uuid::from_u128(n + 1))
}

fn pool(policy: ThreadPolicy) -> ThreadExecutor {
    ThreadExecutor::new("pool", policy).unwrap()
}

fn submit(pool: &ThreadExecutor, cell: CellId, job: Job) -> Result<Submitted, Refusal> {
    pool.submit(Works::one(cell, job), Pace::Hurried).alone()
}

/// Nobody waits for it any more.
fn abandon(pool: &ThreadExecutor, submitted: &Submitted) {
    pool.abandon(submitted, &[0]);
}

/// A job that says when it began and ends when told to, or when the sender is dropped.
fn stuck() -> (Job, Receiver<()>, Sender<()>) {
    let (began, has_begun) = channel();
    let (release, released) = channel::<()>();
    let job = Job::new(move || {
        let _ = began.send(());
        let _ = released.recv();
    });
    (job, has_begun, release)
}

/// Waits until the pool looks like this.
fn eventually(pool: &ThreadExecutor, what: &str, holds: impl Fn(PoolStats) -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !holds(pool.stats()) {
        assert!(Instant::now() < end, "{what}: {:?}", pool.stats());
        std::thread::yield_now();
    }
}

/// As many jobs of different cells as the pool has workers, each of which waits for all others.
fn all_workers_meet(pool: &ThreadExecutor, workers: usize) {
    let barrier = Arc::new(Barrier::new(workers + 1));
    for n in 0..workers {
        let barrier = Arc::clone(&barrier);
        let meet = Job::new(move || {
            barrier.wait();
        });
        submit(pool, healthy(n as u128), meet).unwrap();
    }
    barrier.wait();
}

#[test]
fn five_stuck_workers_are_replaced_at_once() {
    let pool = pool(ThreadPolicy {
        workers: 5,
        per_cell: 5,
        ..ThreadPolicy::default()
    });
    let works: Vec<_> = (0..5).map(|_| stuck()).collect();
    let mut held = Vec::new();
    for (job, began, release) in works {
        let handle = submit(&pool, SICK, job).unwrap();
        began.recv().unwrap();
        held.push((handle, release));
    }
    let abandoned_at = Instant::now();
    held.iter().for_each(|(handle, _)| abandon(&pool, handle));
    all_workers_meet(&pool, 5);
    assert!(abandoned_at.elapsed() < Duration::from_secs(1));
    assert_eq!((pool.stats().workers, pool.abandoned()), (5, 5));
    drop(held);
    eventually(&pool, "released work ends its thread", |now| {
        now.abandoned == 0
    });
    all_workers_meet(&pool, 5);
    assert_eq!(pool.stats().workers, 5);
}

#[test]
fn a_worker_beyond_the_cap_stays_in_the_pool_when_its_work_returns() {
    let pool = pool(ThreadPolicy {
        workers: 2,
        per_cell: 2,
        max_abandoned: 1,
        ..ThreadPolicy::default()
    });
    let mut held = Vec::new();
    for _ in 0..2 {
        let (job, began, release) = stuck();
        let handle = submit(&pool, SICK, job).unwrap();
        began.recv().unwrap();
        held.push((handle, release));
    }
    held.iter().for_each(|(handle, _)| abandon(&pool, handle));
    let shrunk = pool.stats();
    assert_eq!((shrunk.workers, shrunk.abandoned), (2, 2));
    drop(held);
    eventually(&pool, "both have returned", |now| now.abandoned == 0);
    all_workers_meet(&pool, 2);
    assert_eq!(pool.stats().workers, 2);
}

#[test]
fn what_waits_behind_stuck_work_runs_when_the_work_returns() {
    let pool = pool(ThreadPolicy {
        workers: 3,
        per_cell: 1,
        ..ThreadPolicy::default()
    });
    let (job, began, release) = stuck();
    let first = submit(&pool, SICK, job).unwrap();
    began.recv().unwrap();
    let (ran, has_run) = channel();
    let waits = Job::new(move || ran.send(()).unwrap());
    submit(&pool, SICK, waits).unwrap();
    abandon(&pool, &first);
    assert!(has_run.try_recv().is_err());
    drop(release);
    has_run.recv_timeout(Duration::from_secs(20)).unwrap();
}

#[test]
fn a_cell_whose_permits_are_all_stuck_is_quarantined_and_no_other() {
    let pool = pool(ThreadPolicy {
        workers: 4,
        per_cell: 2,
        ..ThreadPolicy::default()
    });
    let mut held = Vec::new();
    for _ in 0..2 {
        let (job, began, release) = stuck();
        let handle = submit(&pool, SICK, job).unwrap();
        began.recv().unwrap();
        abandon(&pool, &handle);
        held.push(release);
    }
    match submit(&pool, SICK, Job::new(|| {})) {
        Err(Refusal::Skipped(SkipReason::Quarantined)) => {}
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("it was taken"),
    }
    all_workers_meet(&pool, 4);
    drop(held);
    eventually(&pool, "the cell is free again", |now| now.abandoned == 0);
    submit(&pool, SICK, Job::new(|| {})).unwrap();
}

#[test]
fn what_comes_to_a_worker_that_watches_keeps_to_the_limits_of_its_cell() {
    let pool = pool(ThreadPolicy {
        workers: 2,
        per_cell: 1,
        ..ThreadPolicy::default()
    });
    let (job, began, release) = stuck();
    let sick = submit(&pool, SICK, job).unwrap();
    began.recv().unwrap();
    abandon(&pool, &sick);
    let patiently = |cell| {
        let (ran, has_run) = channel();
        let job = Job::new(move || ran.send(()).unwrap());
        let taken = pool.submit(Works::one(cell, job), Pace::Patient);
        taken.alone().map(|_| has_run.recv().unwrap())
    };
    // One after the other, as a caller in a loop has them: somebody watches, some of the time.
    for _ in 0..1000 {
        patiently(healthy(1)).unwrap();
        match patiently(SICK) {
            Err(Refusal::Skipped(SkipReason::Quarantined)) => {}
            other => panic!("{other:?}"),
        }
        patiently(healthy(2)).unwrap();
    }
    drop(release);
    eventually(&pool, "the cell is free again", |now| now.abandoned == 0);
    patiently(SICK).unwrap();
}

#[test]
fn a_full_queue_refuses_and_a_job_given_up_makes_room() {
    let pool = pool(ThreadPolicy {
        workers: 1,
        per_cell: 1,
        per_cell_queue: 1,
        ..ThreadPolicy::default()
    });
    let (job, began, release) = stuck();
    submit(&pool, SICK, job).unwrap();
    began.recv().unwrap();
    let waits = submit(&pool, SICK, Job::new(|| {})).unwrap();
    match submit(&pool, SICK, Job::new(|| {})) {
        Err(Refusal::Rejected(Rejection::QueueFull)) => {}
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("it was taken"),
    }
    abandon(&pool, &waits);
    abandon(&pool, &waits);
    submit(&pool, SICK, Job::new(|| {})).unwrap();
    drop(release);
    eventually(&pool, "all is done", |now| now.waiting + now.running == 0);
}

#[test]
fn a_job_given_up_before_it_began_never_runs() {
    let pool = pool(ThreadPolicy {
        workers: 1,
        ..ThreadPolicy::default()
    });
    let (job, began, release) = stuck();
    submit(&pool, SICK, job).unwrap();
    began.recv().unwrap();
    let ran = Arc::new(AtomicUsize::new(0));
    let counts = Arc::clone(&ran);
    let count = Job::new(move || {
        counts.fetch_add(1, Ordering::SeqCst);
    });
    let given_up = submit(&pool, healthy(1), count).unwrap();
    abandon(&pool, &given_up);
    assert_eq!(Arc::strong_count(&ran), 1, "what it held is freed at once");
    drop(release);
    all_workers_meet(&pool, 1);
    assert_eq!(ran.load(Ordering::SeqCst), 0);
}

#[test]
fn shutdown_waits_no_longer_than_told_for_stuck_work() {
    let pool = pool(ThreadPolicy {
        workers: 4,
        ..ThreadPolicy::default()
    });
    let (job, began, release) = stuck();
    submit(&pool, SICK, job).unwrap();
    began.recv().unwrap();
    let asked_at = Instant::now();
    assert_eq!(pool.shutdown(Duration::from_millis(50)), 1);
    assert!(asked_at.elapsed() < Duration::from_secs(5));
    match submit(&pool, healthy(1), Job::new(|| {})) {
        Err(Refusal::Rejected(Rejection::ShuttingDown)) => {}
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("it was taken"),
    }
    drop(release);
    assert_eq!(pool.shutdown(Duration::from_secs(20)), 0);
}

#[test]
fn a_panic_in_a_job_costs_no_worker() {
    let pool = pool(ThreadPolicy {
        workers: 2,
        ..ThreadPolicy::default()
    });
    for n in 0..10 {
        submit(&pool, healthy(n), Job::new(|| panic!("on purpose"))).unwrap();
    }
    all_workers_meet(&pool, 2);
    assert_eq!(pool.stats().workers, 2);
}

#[test]
fn dropping_the_last_executor_ends_the_workers() {
    let pool = pool(ThreadPolicy::default());
    all_workers_meet(&pool, 3);
    let (job, began, release) = stuck();
    // What a thread holds is dropped when it ends.
    let alive = Arc::new(());
    let seen = Arc::downgrade(&alive);
    submit(
        &pool,
        SICK,
        Job::new(move || {
            job.run();
            drop(alive);
        }),
    )
    .unwrap();
    began.recv().unwrap();
    let queued = Arc::new(());
    drop(pool);
    drop(release);
    let end = Instant::now() + Duration::from_secs(20);
    while seen.strong_count() > 0 {
        assert!(Instant::now() < end);
        std::thread::yield_now();
    }
    drop(queued);
}
