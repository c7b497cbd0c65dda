//! The thread pool under a checker of schedules (shuttle): the real source files, with locks, condition variables and threads
//! swapped for ones whose every step is a choice of the checker's. A schedule in which somebody waits for ever is a failure.
//!
//! The bookkeeping is walked through state by state too (`executor/thread/walk.rs`). Weak memory orders, which shuttle does not
//! have, matter to two pairs: a job's mark against the count of queues, and both are of the one order that all threads see;
//! everything else but hints is under a lock, or one step of one mark. The hatch has a model of its own (`hatch_model.rs`).

#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

#[path = "../src/hash.rs"]
mod hash;
#[path = "../src/executor/thread/hatch.rs"]
mod hatch;
#[path = "../src/executor/job.rs"]
#[expect(
    dead_code,
    unreachable_pub,
    reason = "what the scatter uses is not part of the model"
)]
mod job;
#[path = "../src/executor/thread/lane.rs"]
mod lane;
#[path = "../src/executor/thread/lookout.rs"]
mod lookout;
#[path = "../src/executor/thread/policy.rs"]
#[expect(unreachable_pub, reason = "public in the crate, and here nobody's")]
mod policy;
#[path = "../src/executor/thread/pool.rs"]
#[expect(dead_code, reason = "what the executor shows is not part of the model")]
mod pool;
#[path = "../src/executor/thread/portion.rs"]
#[expect(dead_code, reason = "the walk copies marks, and is not here")]
mod portion;
#[path = "../src/executor/thread/state.rs"]
mod state;
#[path = "../src/executor/thread/taking.rs"]
mod taking;
#[path = "../src/executor/thread/wake.rs"]
mod wake;

#[path = "model/sync.rs"]
mod sync;

/// The names that the pool takes from the crate.
mod executor {
    pub(crate) use crate::job;
    pub(crate) use nova_scatter::{Pace, Refusal};
}

/// As above.
mod outcome {
    pub(crate) use nova_scatter::{Rejection, SkipReason};
}

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize as Plain, Ordering::SeqCst};
use std::time::Duration;

use cells::CellId;
use executor::Pace;
use executor::job::{Batch, Desk, Job};
use policy::ThreadPolicy;
use pool::Pool;
use portion::Portion;
use shuttle::sync::mpsc::{Receiver, Sender, channel};
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

/// A job that the pool has taken.
struct Taken {
    pool: Arc<Pool>,
    portion: Portion<Arc<dyn Batch>>,
    at: usize,
}

impl Taken {
    fn abandon(&self) {
        let Portion { batch, marks } = &self.portion;
        let (cell, number) = marks.jobs()[self.at];
        if self.pool.abandon(cell, marks.ticket(self.at)) {
            batch.discard(number);
        }
    }
}

/// Submits works together; gives those that were taken.
fn submit_all(pool: &Arc<Pool>, works: Jobs, pace: Pace) -> Vec<Taken> {
    let (batch, jobs) = works;
    let portions = pool.portions(batch, jobs);
    let refused = pool.submit(&portions, pace);
    let all = portions.iter().flat_map(|portion| {
        let taken = |at| Taken {
            pool: Arc::clone(pool),
            portion: portion.clone(),
            at,
        };
        (0..portion.marks.jobs().len()).map(taken)
    });
    let is_taken = |one: &Taken| {
        let number = one.portion.marks.jobs()[one.at].1;
        refused.iter().all(|(refused, _)| *refused != number)
    };
    all.filter(is_taken).collect()
}

/// Submits jobs, each by itself; gives those that were taken.
fn submit(pool: &Arc<Pool>, jobs: Vec<(CellId, Job)>) -> Vec<Taken> {
    let alone = |(cell, job): (CellId, Job)| {
        let (batch, at) = job.into_parts();
        submit_all(pool, (batch, [(cell, at)].into()), Pace::Hurried)
    };
    jobs.into_iter().flat_map(alone).collect()
}

/// A batch, and jobs of it.
type Jobs = (Arc<dyn Batch>, smallvec::SmallVec<[(CellId, usize); 1]>);

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
        Job::new(move || {
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
                assert_eq!(submit(&pool, vec![job(0), job(1)]).len(), 2);
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
                    .map(|n| submit(&pool, vec![(cell(n), counts.job(None))]).len())
                    .sum::<usize>()
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
        let stuck = Job::new(move || {
            let _ = released.recv();
        });
        let taken = submit(&pool, vec![(cell(0), stuck)]).remove(0);
        let abandoner = thread::spawn(move || taken.abandon());
        let (done, ran) = channel();
        submit(&pool, vec![(cell(1), counts.job(Some(done)))]);
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
        let taken = submit(&pool, jobs);
        let abandon = |taken: Taken| thread::spawn(move || taken.abandon());
        let abandoners: Vec<_> = taken.into_iter().map(abandon).collect();
        let (done, ran) = channel();
        submit(&pool, vec![(cell(7), counts.job(Some(done)))]);
        ran.recv().unwrap();
        abandoners.into_iter().for_each(|one| one.join().unwrap());
        assert!(pool.stats().workers <= 2);
        end(&pool);
        assert_eq!(counts.dropped.load(SeqCst), 3);
        assert!(counts.ran.load(SeqCst) >= 1);
    });
}

/// Works that share a batch: they go to the pool as one portion.
struct Together {
    ran: Box<[Plain]>,
    discarded: Plain,
    /// The first of them hangs until told otherwise.
    hangs: std::sync::Mutex<Option<Receiver<()>>>,
    done: std::sync::Mutex<Sender<usize>>,
}

impl Batch for Together {
    fn run(&self, at: usize, _desk: &mut Desk) {
        self.ran[at].fetch_add(1, SeqCst);
        let hangs = self.hangs.lock().unwrap().take();
        match hangs {
            Some(until) => {
                let _ = until.recv();
            }
            None => thread::yield_now(),
        }
        let done = self.done.lock().unwrap().clone();
        let _ = done.send(at);
    }

    fn discard(&self, _at: usize) {
        self.discarded.fetch_add(1, SeqCst);
    }
}

fn together(jobs: usize, hangs: Option<Receiver<()>>) -> (Arc<Together>, Receiver<usize>) {
    let (done, each) = channel();
    let batch = Together {
        ran: (0..jobs).map(|_| Plain::new(0)).collect(),
        discarded: Plain::new(0),
        hangs: std::sync::Mutex::new(hangs),
        done: std::sync::Mutex::new(done),
    };
    (Arc::new(batch), each)
}

fn all_of(batch: &Arc<Together>, cells: impl Fn(usize) -> CellId) -> Jobs {
    let jobs = (0..batch.ran.len()).map(|at| (cells(at), at)).collect();
    (Arc::clone(batch) as Arc<dyn Batch>, jobs)
}

#[test]
fn a_job_that_hangs_keeps_none_of_its_portion_behind_it() {
    check(|| {
        let pool = pool(workers(2));
        let (release, released) = channel();
        let (batch, each) = together(3, Some(released));
        let works = all_of(&batch, |at| cell(at as u128));
        let taken = submit_all(&pool, works, Pace::Hurried);
        // Nobody gives up, nobody else submits: the others are helped to by the second worker.
        let mut done: Vec<usize> = (0..2).map(|_| each.recv().unwrap()).collect();
        release.send(()).unwrap();
        done.push(each.recv().unwrap());
        done.sort_unstable();
        assert_eq!((done, taken.len()), (vec![0, 1, 2], 3));
        end(&pool);
        assert!(batch.ran.iter().all(|ran| ran.load(SeqCst) == 1));
    });
}

#[test]
fn what_is_submitted_patiently_runs_and_all_of_it_as_soon_as_its_caller_hurries() {
    check(|| {
        let pool = pool(workers(2));
        let (release, released) = channel();
        let (batch, each) = together(3, Some(released));
        let works = all_of(&batch, |at| cell(at as u128));
        let taken = submit_all(&pool, works, Pace::Patient);
        pool.hurry();
        let mut done: Vec<usize> = (0..2).map(|_| each.recv().unwrap()).collect();
        release.send(()).unwrap();
        done.push(each.recv().unwrap());
        // Nobody hurries this time, and nothing hangs.
        let (calm, each) = together(2, None);
        submit_all(&pool, all_of(&calm, |at| cell(at as u128)), Pace::Patient);
        (0..2).for_each(|_| {
            each.recv().unwrap();
        });
        done.sort_unstable();
        assert_eq!((done, taken.len()), (vec![0, 1, 2], 3));
        end(&pool);
        let ran = |batch: &Together| batch.ran.iter().all(|ran| ran.load(SeqCst) == 1);
        assert!(ran(&batch) && ran(&calm));
    });
}

#[test]
fn what_waits_for_its_cell_is_let_in_by_whoever_ends_there() {
    check(|| {
        // One worker per cell, and all jobs of one cell: two wait in its lane.
        let pool = pool(workers(2));
        let (batch, each) = together(3, None);
        let taken = submit_all(&pool, all_of(&batch, |_| cell(0)), Pace::Hurried);
        assert_eq!(taken.len(), 3);
        (0..3).for_each(|_| {
            each.recv().unwrap();
        });
        end(&pool);
        assert!(batch.ran.iter().all(|ran| ran.load(SeqCst) == 1));
    });
}

#[test]
fn each_job_of_a_portion_that_is_given_up_runs_or_is_discarded_once() {
    check(|| {
        let pool = pool(workers(2));
        let (batch, _each) = together(3, None);
        let works = all_of(&batch, |at| cell(at as u128));
        let taken = submit_all(&pool, works, Pace::Patient);
        let abandon = |taken: Taken| thread::spawn(move || taken.abandon());
        let abandoners: Vec<_> = taken.into_iter().map(abandon).collect();
        abandoners.into_iter().for_each(|one| one.join().unwrap());
        end(&pool);
        let ran: usize = batch.ran.iter().map(|ran| ran.load(SeqCst)).sum();
        assert_eq!(ran + batch.discarded.load(SeqCst), 3);
        // A thread that has left lets go of what it had as it ends.
        while Arc::strong_count(&batch) > 1 {
            thread::yield_now();
        }
    });
}

#[test]
fn what_comes_in_turn_runs_once_whoever_asks_the_pool_meanwhile() {
    check(|| {
        let pool = pool(workers(2));
        let others = {
            let pool = Arc::clone(&pool);
            thread::spawn(move || {
                let (batch, each) = together(1, None);
                submit_all(&pool, all_of(&batch, |_| cell(9)), Pace::Patient);
                each.recv().unwrap();
                assert!(pool.stats().running <= 2);
                batch
            })
        };
        // A caller in a loop: from the second on, somebody may watch.
        let mine: Vec<_> = (1..=2)
            .map(|jobs| {
                let (batch, each) = together(jobs, None);
                submit_all(&pool, all_of(&batch, |at| cell(at as u128)), Pace::Patient);
                (0..jobs).for_each(|_| {
                    each.recv().unwrap();
                });
                batch
            })
            .collect();
        let other = others.join().unwrap();
        end(&pool);
        for batch in mine.iter().chain([&other]) {
            assert!(batch.ran.iter().all(|ran| ran.load(SeqCst) == 1));
            // Who ran it lets go of it before it ends.
            while Arc::strong_count(batch) > 1 {
                thread::yield_now();
            }
        }
    });
}

/// A batch that takes its time to be dropped.
struct Slow {
    ran: Sender<()>,
    until: std::sync::Mutex<Receiver<()>>,
}

impl Batch for Slow {
    fn run(&self, _at: usize, _desk: &mut Desk) {
        let _ = self.ran.send(());
    }

    fn discard(&self, _at: usize) {}
}

impl Drop for Slow {
    fn drop(&mut self) {
        let _ = self.until.lock().unwrap().recv();
    }
}

#[test]
fn what_takes_long_to_be_dropped_keeps_no_other_job_waiting() {
    check(|| {
        for jobs in [1, 2] {
            let pool = pool(workers(2));
            let calm = |n| {
                let (batch, each) = together(1, None);
                submit_all(&pool, all_of(&batch, |_| cell(n)), Pace::Patient);
                pool.hurry();
                each.recv().unwrap();
            };
            calm(7);
            let (release, until) = channel();
            let (ran, has_run) = channel();
            let until = std::sync::Mutex::new(until);
            let slow: Arc<dyn Batch> = Arc::new(Slow { ran, until });
            let each = (0..jobs).map(|at| (cell(at as u128), at)).collect();
            // Nobody but the pool holds it from here on.
            let taken = submit_all(&pool, (slow, each), Pace::Patient);
            thread::spawn(move || drop(taken));
            (0..jobs).for_each(|_| has_run.recv().unwrap());
            calm(8);
            release.send(()).unwrap();
            end(&pool);
        }
    });
}
