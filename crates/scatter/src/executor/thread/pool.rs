//! The pool's threads: a loop around [`PoolState`], one lock, one condition variable. Between two jobs of a portion a
//! worker needs neither.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use cells::CellId;

use super::lookout::Lookout;
use super::policy::{PoolStats, ThreadPolicy};
use super::portion::{CellJob, LONGEST, Mark, Marks, Portion, Ticket};
use super::state::{After, Full, GivenUp, PoolState};
use super::wake::{Pace, Wake};
use crate::executor::Refusal;
use crate::executor::job::{Batch, Desk};
use crate::outcome::{Rejection, SkipReason};
use crate::sync::{
    Apart, AtomicUsize, Builder, Condvar, LOOKS, Mutex, MutexGuard, Ordering, TryLockError,
    spin_loop,
};

pub(super) struct Pool {
    name: String,
    policy: ThreadPolicy,
    state: Apart<Mutex<PoolState<Works>>>,
    /// How many cells have jobs beyond their limit; see [`PoolState`].
    queues: Arc<AtomicUsize>,
    /// Work came, or the pool was closed.
    news: Condvar,
    /// A worker left a closed pool.
    left: Condvar,
    lookout: Lookout<Portion<Works>>,
    started: AtomicUsize,
}

/// Whose jobs a portion has.
type Works = Arc<dyn Batch>;

impl Pool {
    pub(super) fn new(name: &str, policy: ThreadPolicy) -> Self {
        let queues = Arc::new(AtomicUsize::new(0));
        Self {
            name: name.to_owned(),
            state: Apart(Mutex::new(PoolState::new(&policy, Arc::clone(&queues)))),
            queues,
            policy,
            news: Condvar::new(),
            left: Condvar::new(),
            lookout: Lookout::new(),
            started: AtomicUsize::new(0),
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn policy(&self) -> &ThreadPolicy {
        &self.policy
    }

    pub(super) fn stats(&self) -> PoolStats {
        self.state().stats()
    }

    pub(super) fn start_first(self: &Arc<Self>) -> io::Result<()> {
        self.state().start_first();
        self.start_worker()
            .inspect_err(|_| self.state().did_not_start())
    }

    /// Takes jobs of one batch: the cell and the number of each. What came of each stands in their order. Those that are not
    /// taken are discarded here.
    pub(super) fn submit(
        self: &Arc<Self>,
        batch: &Arc<dyn Batch>,
        jobs: &[CellJob],
        pace: Pace,
    ) -> Vec<Result<Ticket, Full>> {
        let mut results = Vec::with_capacity(jobs.len());
        let mut state = self.state();
        for portion in jobs.chunks(LONGEST) {
            state.submit(batch, portion, &mut results);
        }
        if pace == Pace::Hurried {
            state.hurry();
        }
        self.lookout.submitted();
        self.call(state);
        for ((_, at), result) in jobs.iter().zip(&results) {
            if result.is_err() {
                // Outside the lock: it reports the cell.
                batch.discard(*at);
            }
        }
        results
    }

    /// Has everybody come who is needed for what was submitted.
    pub(super) fn hurry(self: &Arc<Self>) {
        let mut state = self.state();
        state.hurry();
        self.call(state);
    }

    /// True where the job had not begun, and never will.
    pub(super) fn abandon(self: &Arc<Self>, cell: CellId, ticket: Ticket) -> bool {
        let mut state = self.state();
        let given_up = state.abandon(cell, ticket);
        self.call(state);
        match given_up {
            GivenUp::Nothing => {}
            GivenUp::NeverBegan(_) => return true,
            GivenUp::NotReplaced => {
                tracing::error!(pool = self.name, %cell, "too many threads are stuck: this one is not replaced");
            }
            GivenUp::Replace => {
                if let Err(error) = self.start_worker() {
                    let one_short = self.state().not_replaced(cell, ticket);
                    tracing::error!(pool = self.name, %cell, one_short, %error, "a stuck thread could not be replaced");
                }
            }
        }
        false
    }

    pub(super) fn close(&self) {
        let left_over = self.state().close();
        self.news.notify_all();
        for (batch, at) in &left_over.jobs {
            batch.discard(*at);
        }
    }

    pub(super) fn wait_for_end(&self, within: Duration) -> usize {
        let until = Instant::now() + within;
        let mut state = self.state();
        while state.threads() > 0 {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            state = self
                .left
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        state.threads()
    }

    /// The state, for a moment. What is done under the lock takes less than going to sleep over it.
    fn state(&self) -> MutexGuard<'_, PoolState<Works>> {
        for _ in 0..LOOKS {
            match self.state.0.try_lock() {
                Ok(state) => return state,
                Err(TryLockError::Poisoned(state)) => return state.into_inner(),
                Err(TryLockError::WouldBlock) => spin_loop(),
            }
        }
        self.state.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn start_worker(self: &Arc<Self>) -> io::Result<()> {
        let number = self.started.fetch_add(1, Ordering::Relaxed) + 1;
        let pool = Arc::clone(self);
        // Detached on purpose: a stuck thread must not hold up anybody who ends the pool or the process.
        Builder::new()
            .name(format!("{}-{number}", self.name))
            .spawn(move || pool.work())?;
        Ok(())
    }

    /// Has those come who are to come for what there is now: the one who watches, and whoever else is needed.
    fn call(self: &Arc<Self>, mut state: MutexGuard<'_, PoolState<Works>>) {
        if let Some(portion) = state.hand_over() {
            self.lookout.put(portion);
        }
        let wake = state.wake_some();
        drop(state);
        self.wake(&wake);
    }

    /// Wakes and starts those that were counted.
    fn wake(self: &Arc<Self>, wake: &Wake) {
        (0..wake.calls).for_each(|_| self.news.notify_one());
        for _ in 0..wake.starts {
            if let Err(error) = self.start_worker() {
                tracing::error!(pool = self.name, %error, "a worker could not be started");
                self.state().did_not_start();
            }
        }
    }

    fn work(self: &Arc<Self>) {
        let mut before = None;
        while let Some(portion) = self.come_for_more(before.take()) {
            let mut desk = Desk::default();
            if !self.work_through(&portion, &mut desk) {
                return;
            }
            self.let_go((portion.batch, desk));
            before = Some(portion.marks);
        }
    }

    /// Drops what may be the last hold on what a caller gave: not under the lock, and not with another caller's portion in
    /// hand. Whatever that does, the worker stays.
    fn let_go(&self, held: impl Sized) {
        if catch_unwind(AssertUnwindSafe(|| drop(held))).is_err() {
            tracing::error!(
                pool = self.name,
                "what a work had panicked as it was dropped"
            );
        }
    }

    /// The next portion for a worker that is through with the one before; none where the pool is closed.
    fn come_for_more(self: &Arc<Self>, before: Option<Arc<Marks>>) -> Option<Portion<Works>> {
        let mut state = self.state();
        let spent = before.map_or_else(Vec::new, |marks| state.put_back(&marks));
        if !spent.is_empty() {
            drop(state);
            self.let_go(spent);
            state = self.state();
        }
        let mut looked = false;
        loop {
            if let Some(portion) = state.take() {
                self.call(state);
                return Some(portion);
            } else if state.is_closed() {
                state.leave();
                self.left.notify_all();
                return None;
            } else if looked {
                state.begin_idle();
                state = self
                    .news
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
                state.end_idle();
                looked = false;
            } else if self.lookout.is_free() && state.watch() {
                drop(state);
                if let Some(portion) = self.lookout.watch() {
                    return Some(portion);
                }
                state = self.state();
                // It may have come in the last moment.
                if !state.stop_watching()
                    && let Some(portion) = self.lookout.take()
                {
                    return Some(portion);
                }
                looked = true;
            } else {
                let submissions = self.lookout.submissions();
                drop(state);
                self.lookout.look(submissions);
                looked = true;
                state = self.state();
            }
        }
    }

    /// Runs what nobody has begun of a portion, one job after the other. False where the thread's place was taken
    /// meanwhile: it has left the pool, and ends.
    fn work_through(self: &Arc<Self>, portion: &Portion<Works>, desk: &mut Desk) -> bool {
        while let Some(at) = portion.marks.claim() {
            let (cell, number) = portion.marks.jobs()[at];
            // Jobs catch the panics of the work; this keeps the worker if the machinery itself has one (W-13).
            let run = AssertUnwindSafe(|| portion.batch.run(number, desk));
            if catch_unwind(run).is_err() {
                tracing::error!(pool = self.name, %cell, "a job panicked outside its work");
            }
            let was = portion.marks.end(at);
            let looked_at = was != Mark::Running || self.queues.load(Ordering::SeqCst) > 0;
            if looked_at && !self.returned(portion, cell, was) {
                return false;
            }
        }
        true
    }

    /// Work has returned that somebody has given up, or that another may wait for. False where the thread is to end.
    fn returned(self: &Arc<Self>, portion: &Portion<Works>, cell: CellId, was: Mark) -> bool {
        let mut state = self.state();
        let stays = match state.returned(cell, was) {
            After::Stay => Ok(()),
            After::Leave => state.stay_or_leave(&portion.marks),
        };
        self.call(state);
        if stays.is_err() {
            self.left.notify_all();
        }
        stays.is_ok()
    }
}

pub(super) fn refusal(full: Full) -> Refusal {
    match full {
        Full::Closed => Refusal::Rejected(Rejection::ShuttingDown),
        Full::Queue => Refusal::Rejected(Rejection::QueueFull),
        Full::Quarantined => Refusal::Skipped(SkipReason::Quarantined),
    }
}
