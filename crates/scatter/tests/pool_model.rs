//! The thread pool under a checker of schedules (shuttle): the real source files, with locks, condition variables and threads
//! swapped for ones whose every step is a choice of the checker's. A schedule in which somebody waits for ever is a failure.
//!
//! The bookkeeping by itself is walked through state by state (`executor/thread/state/tests.rs`). Weak memory
//! orders, which shuttle does not have, do not come into it: everything but one hint is under the lock.

#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

#[path = "../src/hash.rs"]
mod hash;
#[path = "../src/executor/thread/policy.rs"]
#[expect(unreachable_pub, reason = "public in the crate, and here nobody's")]
mod policy;
#[path = "../src/executor/thread/pool.rs"]
#[expect(dead_code, reason = "what the executor shows is not part of the model")]
mod pool;
#[path = "../src/executor/thread/state.rs"]
mod state;

/// The same names as the crate's own `sync`.
mod sync {
    pub(crate) use shuttle::hint::spin_loop;
    pub(crate) use shuttle::sync::atomic::{AtomicUsize, Ordering};
    pub(crate) use shuttle::sync::{Condvar, Mutex, MutexGuard};
    pub(crate) use shuttle::thread::Builder;
    pub(crate) use std::sync::TryLockError;

    /// Once is enough to be a choice.
    pub(crate) const LOOKS: u32 = 1;
    pub(crate) const PATIENCE: u32 = 2;
}

/// The names that the pool takes from the crate.
mod executor {
    pub(crate) use nova_scatter::{Job, Refusal};
}

/// As above.
mod outcome {
    pub(crate) use nova_scatter::{Rejection, SkipReason};
}

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize as Plain, Ordering::SeqCst};
use std::time::Duration;

use cells::CellId;
use executor::Job;
use policy::ThreadPolicy;
use pool::Pool;
use shuttle::sync::mpsc::{Sender, channel};
use shuttle::thread;

/// Long enough that no run of the checker comes to it: waiting for the end waits for the end.
const EVER: Duration = Duration::from_secs(86_400);

fn check(run: impl Fn() + Send + Sync + 'static) {
    let run = Arc::new(run);
    let again = Arc::clone(&run);
    shuttle::check_random(move || run(), 400);
    shuttle::check_pct(move || again(), 400, 3);
}

fn cell(n: u128) -> CellId {
    CellId::new(uuid::Uuid::from_u128(n + 1))
}

fn pool(policy: ThreadPolicy) -> Arc<Pool> {
    let pool = Arc::new(Pool::new("model", policy));
    pool.start_first().unwrap();
    pool
}

fn workers(workers: usize) -> ThreadPolicy {
    ThreadPolicy {
        workers,
        per_cell: 1,
        ..ThreadPolicy::default()
    }
}

/// The pool comes to its end, and nobody is left in it.
fn end(pool: &Pool) {
    pool.close();
    assert_eq!(pool.wait_for_end(EVER), 0);
    let stats = pool.stats();
    assert_eq!((stats.workers, stats.running, stats.abandoned), (0, 0, 0));
}

/// Counts how often it was run and dropped.
struct Counted {
    ran: Arc<Plain>,
    dropped: Arc<Plain>,
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.dropped.fetch_add(1, SeqCst);
    }
}

#[derive(Clone, Default)]
struct Counts {
    ran: Arc<Plain>,
    dropped: Arc<Plain>,
}

impl Counts {
    fn job(&self, done: Option<Sender<()>>) -> Job {
        let counted = Counted {
            ran: Arc::clone(&self.ran),
            dropped: Arc::clone(&self.dropped),
        };
        Box::new(move || {
            counted.ran.fetch_add(1, SeqCst);
            thread::yield_now();
            if let Some(done) = done {
                let _ = done.send(());
            }
        })
    }
}

#[test]
fn every_job_runs_once_whoever_submits_it_and_whoever_sleeps() {
    check(|| {
        let (pool, counts) = (pool(workers(2)), Counts::default());
        let (done, each) = channel();
        let submit = |from: u128| {
            let (pool, counts, done) = (Arc::clone(&pool), counts.clone(), done.clone());
            thread::spawn(move || {
                let job = |n| (cell(from + n), counts.job(Some(done.clone())));
                let tickets = pool.submit(vec![job(0), job(1)]);
                assert!(tickets.iter().all(Result::is_ok));
            })
        };
        let submitters = [submit(0), submit(1)];
        // Nothing is closed before all have run: a wake-up that is lost leaves this waiting for ever.
        (0..4).for_each(|_| each.recv().unwrap());
        submitters.into_iter().for_each(|one| one.join().unwrap());
        end(&pool);
        assert_eq!(counts.ran.load(SeqCst), 4);
        assert_eq!(counts.dropped.load(SeqCst), 4);
    });
}

#[test]
fn a_job_submitted_while_the_pool_closes_runs_or_is_dropped_and_never_lost() {
    check(|| {
        let (pool, counts) = (pool(workers(1)), Counts::default());
        let submitter = {
            let (pool, counts) = (Arc::clone(&pool), counts.clone());
            thread::spawn(move || {
                (0..2)
                    .filter(|n| pool.submit(vec![(cell(*n), counts.job(None))])[0].is_ok())
                    .count()
            })
        };
        end(&pool);
        let taken = submitter.join().unwrap();
        assert!(counts.ran.load(SeqCst) <= taken);
        assert_eq!(counts.dropped.load(SeqCst), 2);
    });
}

#[test]
fn a_worker_that_is_stuck_is_replaced_and_the_next_job_runs() {
    check(|| {
        let (pool, counts) = (pool(workers(1)), Counts::default());
        let (release, released) = channel::<()>();
        let stuck: Job = Box::new(move || {
            let _ = released.recv();
        });
        let ticket = *pool.submit(vec![(cell(0), stuck)])[0].as_ref().unwrap();
        let abandoner = {
            let pool = Arc::clone(&pool);
            thread::spawn(move || pool.abandon(cell(0), ticket))
        };
        let (done, ran) = channel();
        pool.submit(vec![(cell(1), counts.job(Some(done)))]);
        ran.recv().unwrap();
        abandoner.join().unwrap();
        assert!(pool.stats().workers <= 1);
        release.send(()).unwrap_or_default();
        end(&pool);
    });
}

#[test]
fn work_that_returns_as_it_is_given_up_leaves_the_pool_its_size() {
    check(|| {
        let (pool, counts) = (pool(workers(2)), Counts::default());
        let jobs = (0..2).map(|n| (cell(n), counts.job(None))).collect();
        let tickets = pool.submit(jobs);
        let abandon = |n: u128, ticket| {
            let pool = Arc::clone(&pool);
            thread::spawn(move || pool.abandon(cell(n), ticket))
        };
        let abandoners: Vec<_> = (0..)
            .zip(&tickets)
            .map(|(n, ticket)| abandon(n, *ticket.as_ref().unwrap()))
            .collect();
        let (done, ran) = channel();
        pool.submit(vec![(cell(7), counts.job(Some(done)))]);
        ran.recv().unwrap();
        abandoners.into_iter().for_each(|one| one.join().unwrap());
        assert!(pool.stats().workers <= 2);
        end(&pool);
        assert_eq!(counts.dropped.load(SeqCst), 3);
        assert!(counts.ran.load(SeqCst) >= 1);
    });
}
