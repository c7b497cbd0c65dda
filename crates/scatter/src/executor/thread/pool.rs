//! The pool's threads: a loop around [`PoolState`], one lock, one condition variable. Between two jobs of a portion a
//! worker needs neither; nor does it between two portions that come through the [hatch](super::hatch).

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use cells::CellId;
use smallvec::SmallVec;

use super::hatch::Hatch;
use super::lookout::{Lookout, take_soon};
use super::policy::{PoolStats, ThreadPolicy};
use super::portion::{LONGEST, Mark, Marks, Portion, Ticket};
use super::state::{After, Full, GivenUp, PoolState};
use super::wake::Wake;
use crate::executor::job::{Batch, Desk, Jobs};
use crate::executor::{Pace, Refusal};
use crate::outcome::{Rejection, SkipReason};
use crate::sync::{Apart, AtomicU64, AtomicUsize, Builder, Condvar, Mutex, MutexGuard, Ordering};

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
    /// The next one.
    tickets: Apart<AtomicU64>,
    lookout: Lookout,
    hatch: Hatch<Works>,
    started: AtomicUsize,
}

/// Whose jobs a portion has.
pub(super) type Works = Arc<dyn Batch>;

/// Jobs that were submitted together.
pub(super) type Portions = SmallVec<[Portion<Works>; 1]>;

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
            tickets: Apart(AtomicU64::new(0)),
            lookout: Lookout::new(),
            hatch: Hatch::new(),
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

    /// Jobs of one batch, ready to be submitted.
    pub(super) fn portions(&self, batch: Works, jobs: Jobs) -> Portions {
        let first = self
            .tickets
            .0
            .fetch_add(jobs.len() as Ticket, Ordering::Relaxed);
        let portion = |first, jobs, batch| Portion {
            batch,
            marks: Arc::new(Marks::new(first, jobs)),
        };
        if jobs.len() <= LONGEST {
            return SmallVec::from_buf([portion(first, jobs, batch)]);
        }
        let each = (first..).step_by(LONGEST).zip(jobs.chunks(LONGEST));
        let each = each.map(|(first, jobs)| portion(first, jobs.into(), Arc::clone(&batch)));
        each.collect()
    }

    /// Takes jobs, and gives those that it does not take, by their numbers in the batch; they are discarded here.
    pub(super) fn submit(
        self: &Arc<Self>,
        portions: &[Portion<Works>],
        pace: Pace,
    ) -> Vec<(usize, Full)> {
        let mut refused = Vec::new();
        if let ([portion], Pace::Patient) = (portions, pace)
            && self.hatch.offer(portion)
        {
            return refused;
        }
        let mut state = self.state();
        for portion in portions {
            let jobs = portion.marks.jobs();
            state.submit(portion, |at, full| refused.push((jobs[at].1, full)));
        }
        if pace == Pace::Hurried {
            state.hurry(self.next_ticket());
        }
        self.lookout.submitted();
        self.call(state);
        if let Some(portion) = portions.first() {
            for (number, _) in &refused {
                // Outside the lock: it reports the cell.
                portion.batch.discard(*number);
            }
        }
        refused
    }

    /// Has everybody come who is needed for what was submitted.
    pub(super) fn hurry(self: &Arc<Self>) {
        let mut state = self.state();
        state.hurry(self.next_ticket());
        self.call(state);
    }

    fn next_ticket(&self) -> Ticket {
        self.tickets.0.load(Ordering::Relaxed)
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

    /// The state, for a moment, with all that came through the hatch.
    fn state(&self) -> MutexGuard<'_, PoolState<Works>> {
        self.up_to_date(take_soon(&self.state.0))
    }

    /// The lock was taken just now.
    fn up_to_date<'s>(
        &self,
        mut state: MutexGuard<'s, PoolState<Works>>,
    ) -> MutexGuard<'s, PoolState<Works>> {
        if let Some(unknown) = self.hatch.shut() {
            state.adopt(unknown);
        }
        state
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
            self.hatch.hand(portion);
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
            let Portion { batch, marks } = portion;
            // Until all is dropped it counts as busy: nobody waits for a worker that drops for long.
            let other = self.hatch.batch(&marks);
            self.let_go((batch, desk, other));
            before = Some(marks);
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
        let (mut state, mut looked) = match before {
            None => (self.state(), false),
            Some(marks) => match self.watches_again(marks) {
                Ok(()) => match self.watch() {
                    Ok(portion) => return Some(portion),
                    Err(state) => (state, true),
                },
                Err(marks) => (self.put_back(&marks), false),
            },
        };
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
                let woken = self.news.wait(state);
                state = self.up_to_date(woken.unwrap_or_else(PoisonError::into_inner));
                state.end_idle();
                looked = false;
            } else if self.hatch.is_free() && state.watch() {
                if let Some(engaged) = state.engaged() {
                    self.hatch.open(engaged);
                }
                drop(state);
                match self.watch() {
                    Ok(portion) => return Some(portion),
                    Err(again) => state = again,
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

    /// Whether the pool has never heard of what the worker is through with, which is let go of then: whoever submitted it is to
    /// be the last to hold it, and frees it where it was made.
    fn watches_again(&self, marks: Arc<Marks>) -> Result<(), Arc<Marks>> {
        match self.hatch.reopen(&marks) {
            true => Ok(()),
            false => Err(marks),
        }
    }

    fn put_back(&self, marks: &Arc<Marks>) -> MutexGuard<'_, PoolState<Works>> {
        let mut state = self.state();
        let spent = state.forget(marks);
        if !spent.is_empty() {
            drop(state);
            self.let_go(spent);
            state = self.state();
        }
        state.put_back();
        state
    }

    /// Watches for a moment. Gives what came, or the state, in which nobody watches any more.
    fn watch(&self) -> Result<Portion<Works>, MutexGuard<'_, PoolState<Works>>> {
        if let Some(portion) = self.hatch.watch() {
            return Ok(portion);
        }
        let mut state = self.state();
        match state.stop_watching() {
            true => Err(state),
            // It came in the last moment.
            false => self.hatch.take().ok_or(state),
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
