//! The seams to what runs the work: an async runtime, or threads. Each is small enough to write for another runtime.

use std::future::Future;
use std::pin::Pin;
use std::time::Instant;

use cells::CellId;

use crate::outcome::{Rejection, SkipReason};

#[cfg(feature = "thread")]
pub(crate) mod thread;
#[cfg(feature = "tokio")]
pub(crate) mod tokio;

/// A future that an executor can own.
pub type BoxFuture = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Runs async work.
pub trait AsyncExecutor: Send + Sync {
    /// Stops one spawned task; see [`AbortTask`].
    type Handle: AbortTask;

    /// The executor's clock: paused in tests, the monotonic clock otherwise.
    fn now(&self) -> Instant;

    /// Starts a task. It never panics: what panics inside is caught before it gets here.
    fn spawn(&self, task: BoxFuture) -> Self::Handle;

    /// Ready at this instant of [`now`](Self::now)'s clock.
    fn sleep_until(&self, at: Instant) -> BoxFuture;
}

/// Stops a task that nobody waits for.
pub trait AbortTask: Send {
    /// Drops the task's future at its next await, or before its first poll. Idempotent.
    fn abort(&self);
}

/// A piece of blocking work.
pub type Job = Box<dyn FnOnce() + Send>;

/// Runs blocking work.
pub trait BlockingExecutor: Send + Sync {
    /// Gives one submitted job up; see [`AbandonJob`].
    type Handle: AbandonJob;

    /// The executor's clock.
    fn now(&self) -> Instant;

    /// Queues a job that uses this cell. Returns at once.
    ///
    /// # Errors
    /// [`Refusal`] where the job will never run.
    fn submit(&self, cell: CellId, job: Job) -> Result<Self::Handle, Refusal>;
}

/// Gives up a job that nobody waits for.
pub trait AbandonJob: Send {
    /// A job that has not begun never will. One that has is left to end by itself, and must not cost anybody else a
    /// worker meanwhile. Idempotent.
    fn abandon(&self);
}

/// Why an executor did not take a job.
#[derive(Debug, Clone)]
pub enum Refusal {
    /// The cell cannot be asked.
    Rejected(Rejection),
    /// The cell is left out on purpose.
    Skipped(SkipReason),
}
