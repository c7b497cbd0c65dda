//! Blocking work on a bounded pool of named threads, in which a stuck cell costs only itself.
//!
//! Nova's pool of five is used up by five hung tasks, for every cell and every later request (W-12), and joins its stuck
//! threads at exit (W-14). Here a cell may hold only so many workers; what it has beyond that waits in the cell's own
//! queue. Work that outlives its caller's budget is abandoned: its worker is replaced at once, up to a cap, and ends by
//! itself when the work returns. Nothing joins threads at exit.
//!
//! Not fork-safe: threads do not survive a fork, so make the pool after forking.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use cells::CellId;
use crossbeam_channel::{Receiver, Sender, TrySendError};

use crate::executor::{AbandonJob, BlockingExecutor, Job, Refusal};
use crate::outcome::{Rejection, SkipReason};

/// The sizes of a thread pool.
#[derive(Debug, Clone)]
pub struct ThreadPolicy {
    /// Threads that run work: 64.
    pub workers: usize,
    /// Jobs that may wait for a worker, over all cells: 4096.
    pub queue: usize,
    /// Workers one cell may hold at the same time: 8.
    pub per_cell: usize,
    /// Jobs that may wait for one cell's workers: 256.
    pub per_cell_queue: usize,
    /// Stuck threads that are replaced; beyond it the pool shrinks instead of growing without end: 256.
    pub max_abandoned: usize,
}

impl Default for ThreadPolicy {
    fn default() -> Self {
        Self {
            workers: 64,
            queue: 4096,
            per_cell: 8,
            per_cell_queue: 256,
            max_abandoned: 256,
        }
    }
}

/// Runs blocking work; clones share the pool. Dropping the last clone ends idle workers and joins nobody.
#[derive(Clone)]
pub struct ThreadExecutor {
    pool: Arc<Pool>,
    /// Closes the queue when the last executor is dropped, which ends the workers.
    ready: Sender<Work>,
}

struct Pool {
    policy: ThreadPolicy,
    name: String,
    queue: Receiver<Work>,
    lanes: Mutex<HashMap<CellId, Lane>>,
    abandoned: AtomicUsize,
    spawned: AtomicUsize,
}

/// What one cell holds and what waits for it.
#[derive(Default)]
struct Lane {
    running: usize,
    stuck: usize,
    waiting: VecDeque<Work>,
}

struct Work {
    cell: CellId,
    job: Job,
    ticket: Arc<Ticket>,
}

/// Where a job is: shared by its worker and its caller.
struct Ticket(AtomicU8);

const WAITING: u8 = 0;
const RUNNING: u8 = 1;
const GIVEN_UP: u8 = 2;
const ENDED: u8 = 3;

impl ThreadExecutor {
    /// Starts the pool's threads, named `name-1`, `name-2` and so on.
    ///
    /// # Errors
    /// The system's error where a thread cannot be started.
    pub fn new(name: &str, policy: ThreadPolicy) -> io::Result<Self> {
        let (ready, queue) = crossbeam_channel::bounded(policy.queue.max(1));
        let workers = policy.workers.max(1);
        let pool = Arc::new(Pool {
            policy,
            name: name.to_owned(),
            queue,
            lanes: Mutex::new(HashMap::new()),
            abandoned: AtomicUsize::new(0),
            spawned: AtomicUsize::new(0),
        });
        for _ in 0..workers {
            pool.start_worker()?;
        }
        Ok(Self { pool, ready })
    }

    /// Threads that are stuck in work nobody waits for.
    #[must_use]
    pub fn abandoned(&self) -> usize {
        self.pool.abandoned.load(Ordering::Acquire)
    }
}

impl std::fmt::Debug for ThreadExecutor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ThreadExecutor")
            .field("name", &self.pool.name)
            .field("policy", &self.pool.policy)
            .field("abandoned", &self.abandoned())
            .finish_non_exhaustive()
    }
}

impl BlockingExecutor for ThreadExecutor {
    type Handle = Submitted;

    fn now(&self) -> Instant {
        Instant::now()
    }

    fn submit(&self, cell: CellId, job: Job) -> Result<Submitted, Refusal> {
        let ticket = Arc::new(Ticket(AtomicU8::new(WAITING)));
        let work = Work {
            cell,
            job,
            ticket: Arc::clone(&ticket),
        };
        let mut lanes = self.pool.lanes();
        let lane = lanes.entry(cell).or_default();
        if lane.stuck >= self.pool.policy.per_cell {
            return Err(Refusal::Skipped(SkipReason::Quarantined));
        }
        if lane.running >= self.pool.policy.per_cell {
            if lane.waiting.len() >= self.pool.policy.per_cell_queue {
                return Err(Refusal::Rejected(Rejection::QueueFull));
            }
            lane.waiting.push_back(work);
        } else {
            match self.ready.try_send(work) {
                Ok(()) => lane.running += 1,
                Err(TrySendError::Full(_)) => return Err(Refusal::Rejected(Rejection::QueueFull)),
                Err(TrySendError::Disconnected(_)) => {
                    return Err(Refusal::Rejected(Rejection::ShuttingDown));
                }
            }
        }
        Ok(Submitted {
            pool: Arc::clone(&self.pool),
            cell,
            ticket,
        })
    }
}

/// A job in the pool.
pub struct Submitted {
    pool: Arc<Pool>,
    cell: CellId,
    ticket: Arc<Ticket>,
}

impl AbandonJob for Submitted {
    fn abandon(&self) {
        if self
            .ticket
            .0
            .compare_exchange(WAITING, GIVEN_UP, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
        {
            return;
        }
        if self
            .ticket
            .0
            .compare_exchange(RUNNING, GIVEN_UP, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
        {
            self.pool.replace_worker_of(self.cell);
        }
    }
}

impl Pool {
    fn lanes(&self) -> MutexGuard<'_, HashMap<CellId, Lane>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn start_worker(self: &Arc<Self>) -> io::Result<()> {
        let number = self.spawned.fetch_add(1, Ordering::Relaxed) + 1;
        let pool = Arc::clone(self);
        // Detached on purpose: a stuck thread must not hold up anybody who ends the pool or the process.
        std::thread::Builder::new()
            .name(format!("{}-{number}", self.name))
            .spawn(move || pool.work())?;
        Ok(())
    }

    fn work(&self) {
        while let Ok(work) = self.queue.recv() {
            let mut next = Some(work);
            while let Some(work) = next {
                let cell = work.cell;
                match self.run(work) {
                    Ran::Kept => next = self.next_of(cell),
                    Ran::Replaced => {
                        self.returned(cell);
                        return;
                    }
                }
            }
        }
    }

    fn run(&self, Work { job, ticket, .. }: Work) -> Ran {
        if ticket
            .0
            .compare_exchange(WAITING, RUNNING, Ordering::AcqRel, Ordering::Acquire)
            .is_err()
        {
            return Ran::Kept;
        }
        // Jobs catch the panics of the work; this keeps the worker if the machinery itself has one.
        if catch_unwind(AssertUnwindSafe(job)).is_err() {
            tracing::error!("a job panicked outside its work");
        }
        match ticket
            .0
            .compare_exchange(RUNNING, ENDED, Ordering::AcqRel, Ordering::Acquire)
        {
            Ok(_) => Ran::Kept,
            Err(_) => Ran::Replaced,
        }
    }

    /// The cell's next waiting job, or its place given back.
    fn next_of(&self, cell: CellId) -> Option<Work> {
        let mut lanes = self.lanes();
        let lane = lanes.get_mut(&cell)?;
        while let Some(work) = lane.waiting.pop_front() {
            if work.ticket.0.load(Ordering::Acquire) == WAITING {
                return Some(work);
            }
        }
        lane.running = lane.running.saturating_sub(1);
        if lane.running == 0 {
            lanes.remove(&cell);
        }
        None
    }

    fn replace_worker_of(self: &Arc<Self>, cell: CellId) {
        if let Some(lane) = self.lanes().get_mut(&cell) {
            lane.stuck += 1;
        }
        let stuck = self.abandoned.fetch_add(1, Ordering::AcqRel) + 1;
        if stuck > self.policy.max_abandoned {
            tracing::error!(%cell, stuck, "too many threads are stuck: this one is not replaced");
        } else if let Err(error) = self.start_worker() {
            tracing::error!(%cell, stuck, %error, "a stuck thread could not be replaced");
        }
    }

    /// An abandoned work has returned after all: its thread ends, since it was replaced.
    fn returned(&self, cell: CellId) {
        self.abandoned.fetch_sub(1, Ordering::AcqRel);
        if let Some(lane) = self.lanes().get_mut(&cell) {
            lane.stuck = lane.stuck.saturating_sub(1);
        }
        // The replacement cannot know what waits for this cell, so it is handed over here.
        while let Some(work) = self.next_of(cell) {
            self.run(work);
        }
    }
}

enum Ran {
    /// The worker goes on.
    Kept,
    /// The worker was replaced while it ran.
    Replaced,
}
