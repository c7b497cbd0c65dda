//! The seams to what runs the work: an async runtime, or threads. Each is small enough to write for another runtime.

use std::fmt;
use std::future::Future;
use std::time::Instant;

use cells::CellId;

use crate::outcome::{Rejection, SkipReason};

pub use self::job::{Job, Work, Works};

#[cfg(all(feature = "thread", feature = "tokio"))]
pub(crate) mod bridged;
pub(crate) mod job;
#[cfg(feature = "thread")]
pub(crate) mod thread;
#[cfg(feature = "tokio")]
pub(crate) mod tokio;

/// What time it is for an executor: the monotonic clock, or one that tests pause.
///
/// A plain function, so that work in a queue can read it without keeping its executor alive.
#[derive(Clone, Copy)]
pub struct Clock(fn() -> Instant);

impl Clock {
    /// The monotonic clock.
    pub const MONOTONIC: Self = Self(Instant::now);

    /// The clock that this function reads.
    #[must_use]
    pub const fn new(now: fn() -> Instant) -> Self {
        Self(now)
    }

    /// The time on it.
    #[must_use]
    pub fn now(self) -> Instant {
        (self.0)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

/// Runs async work.
pub trait AsyncExecutor: Send + Sync {
    /// Stops one spawned task; see [`AbortTask`].
    type Handle: AbortTask;
    /// Ends at an instant; see [`sleep_until`](Self::sleep_until).
    type Timer: Future<Output = ()> + Send;

    /// The executor's clock.
    fn clock(&self) -> Clock;

    /// Starts a task that uses this cell. It never panics: what panics inside is caught before it gets here. An executor
    /// may drop a task it cannot run any more; the cell's outcome then says so.
    ///
    /// # Errors
    /// [`Refusal`] where the task will never run.
    fn spawn<F>(&self, cell: CellId, task: F) -> Result<Self::Handle, Refusal>
    where
        F: Future<Output = ()> + Send + 'static;

    /// Ready at this instant of [`clock`](Self::clock)'s time.
    fn sleep_until(&self, at: Instant) -> Self::Timer;
}

/// Stops a task that nobody waits for.
pub trait AbortTask: Send {
    /// Drops the task's future at its next await, or before its first poll. Idempotent.
    fn abort(&self);
}

/// Runs blocking work.
pub trait BlockingExecutor: Send + Sync {
    /// What works that were submitted together are given up by.
    type Submitted: Send;

    /// The executor's clock.
    fn clock(&self) -> Clock;

    /// Queues works, and says which it does not take. Returns at once.
    fn submit(&self, works: Works, pace: Pace) -> Accepted<Self::Submitted>;

    /// Nobody waits for those of the works any more whose numbers are among these, which rise. One that has not begun never
    /// will. One that has is left to end by itself, and must not cost anybody else a worker meanwhile. Idempotent.
    fn abandon(&self, works: &Self::Submitted, numbers: &[usize]);

    /// A caller has waited for a moment: everything that was submitted is begun now, as far as there are threads.
    fn hurry(&self) {}
}

/// How soon works are to be begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// As soon as there are threads.
    Hurried,
    /// Their caller waits for all of them. Until it [hurries](BlockingExecutor::hurry), an executor may go through them with
    /// fewer threads than it has: most works on warm cells are over in less time than it takes to wake one.
    Patient,
}

/// Works that an executor has taken, or some of them.
#[derive(Debug)]
pub struct Accepted<S> {
    /// What to give them up by.
    pub works: S,
    /// Those that will never run, by their numbers, and why.
    pub refused: Vec<(usize, Refusal)>,
}

impl<S> Accepted<S> {
    /// For a single work: whether it was taken.
    ///
    /// # Errors
    /// [`Refusal`] where it will never run.
    pub fn alone(mut self) -> Result<S, Refusal> {
        match self.refused.pop() {
            Some((_, why)) => Err(why),
            None => Ok(self.works),
        }
    }
}

/// Why an executor did not take a piece of work.
#[derive(Debug, Clone)]
pub enum Refusal {
    /// The cell cannot be asked.
    Rejected(Rejection),
    /// The cell is left out on purpose.
    Skipped(SkipReason),
}
