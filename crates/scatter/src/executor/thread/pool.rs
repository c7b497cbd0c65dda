//! The pool's threads: a loop around [`PoolState`], one lock, one condition variable.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use cells::CellId;

use super::policy::{PoolStats, ThreadPolicy};
use super::state::{After, Full, GivenUp, PoolState, Ticket};
use crate::executor::{Job, Refusal};
use crate::outcome::{Rejection, SkipReason};
use crate::sync::{
    AtomicUsize, Builder, Condvar, LOOKS, Mutex, MutexGuard, Ordering, PATIENCE, TryLockError,
    spin_loop,
};

pub(super) struct Pool {
    name: String,
    policy: ThreadPolicy,
    state: Mutex<PoolState<Job>>,
    /// Work came, or the pool was closed.
    news: Condvar,
    /// A worker left a closed pool.
    left: Condvar,
    /// Moves with every submission: what a worker watches for a moment before it goes to sleep.
    submissions: AtomicUsize,
    /// Workers that watch it. One of them is patient; all of them would burn the processors that the others' work needs.
    watching: AtomicUsize,
    started: AtomicUsize,
}

impl Pool {
    pub(super) fn new(name: &str, policy: ThreadPolicy) -> Self {
        Self {
            name: name.to_owned(),
            state: Mutex::new(PoolState::new(&policy)),
            policy,
            news: Condvar::new(),
            left: Condvar::new(),
            submissions: AtomicUsize::new(0),
            watching: AtomicUsize::new(0),
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

    pub(super) fn submit(
        self: &Arc<Self>,
        jobs: Vec<(CellId, Job)>,
    ) -> Vec<Result<Ticket, Refusal>> {
        let mut refused = Vec::new();
        let (mut calls, mut starts) = (0_usize, 0_usize);
        let results = {
            let mut state = self.state();
            let submit = |(cell, job)| {
                state.submit(cell, job).map_err(|(full, job)| {
                    // Dropped outside the lock: its drop reports the cell.
                    refused.push(job);
                    refusal(full)
                })
            };
            let results = jobs.into_iter().map(submit).collect();
            while state.call_idle() {
                calls += 1;
            }
            while state.grow() {
                starts += 1;
            }
            results
        };
        self.submissions.fetch_add(1, Ordering::Release);
        (0..calls).for_each(|_| self.news.notify_one());
        for _ in 0..starts {
            if let Err(error) = self.start_worker() {
                tracing::error!(pool = self.name, %error, "a worker could not be started");
                self.state().did_not_start();
            }
        }
        results
    }

    pub(super) fn abandon(self: &Arc<Self>, cell: CellId, ticket: Ticket) {
        let given_up = self.state().abandon(cell, ticket);
        match given_up {
            GivenUp::Nothing | GivenUp::NeverBegan(_) => {}
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
    }

    pub(super) fn close(&self) {
        let dropped = self.state().close();
        self.news.notify_all();
        drop(dropped);
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
    fn state(&self) -> MutexGuard<'_, PoolState<Job>> {
        for _ in 0..LOOKS {
            match self.state.try_lock() {
                Ok(state) => return state,
                Err(TryLockError::Poisoned(state)) => return state.into_inner(),
                Err(TryLockError::WouldBlock) => spin_loop(),
            }
        }
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
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

    fn work(&self) {
        let mut looked = false;
        let mut state = self.state();
        loop {
            if let Some((cell, ticket, job)) = state.take() {
                drop(state);
                // Jobs catch the panics of the work; this keeps the worker if the machinery itself has one (W-13).
                if catch_unwind(AssertUnwindSafe(job)).is_err() {
                    tracing::error!(pool = self.name, %cell, "a job panicked outside its work");
                }
                looked = false;
                state = self.state();
                // Where its place was taken, it stays only if the pool would start a worker now.
                if state.returned(cell, ticket) == After::Leave && !state.grow() {
                    self.left.notify_all();
                    if state.call_idle() {
                        self.news.notify_one();
                    }
                    return;
                }
            } else if state.is_closed() {
                state.leave();
                self.left.notify_all();
                return;
            } else if looked {
                state.begin_idle();
                state = self
                    .news
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
                state.end_idle();
                looked = false;
            } else {
                let seen = self.submissions.load(Ordering::Acquire);
                drop(state);
                self.look_around(seen);
                looked = true;
                state = self.state();
            }
        }
    }

    /// Waits a moment for a submission later than the one seen.
    fn look_around(&self, seen: usize) {
        let looks = match self.watching.fetch_add(1, Ordering::Relaxed) {
            0 => PATIENCE,
            _ => LOOKS,
        };
        for _ in 0..looks {
            if self.submissions.load(Ordering::Acquire) != seen {
                break;
            }
            spin_loop();
        }
        self.watching.fetch_sub(1, Ordering::Relaxed);
    }
}

fn refusal(full: Full) -> Refusal {
    match full {
        Full::Closed => Refusal::Rejected(Rejection::ShuttingDown),
        Full::Queue => Refusal::Rejected(Rejection::QueueFull),
        Full::Quarantined => Refusal::Skipped(SkipReason::Quarantined),
    }
}
