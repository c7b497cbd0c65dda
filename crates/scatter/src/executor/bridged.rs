//! Async work on the thread pool: each cell's task has a worker of its own, which waits on one shared runtime.
//!
//! What is written for [`AsyncExecutor`] runs here unchanged, with the isolation of threads: a task that blocks holds up
//! its own worker and nobody else. Sockets stay with the one runtime that owns the pools; no worker has a runtime.

use std::future::Future;
use std::time::Instant;

use ::tokio::runtime::Handle;
use ::tokio::time::Sleep;
use cells::CellId;
use futures_util::future::{AbortHandle, abortable};

use super::thread::{Submitted, ThreadExecutor};
use super::tokio::TokioExecutor;
use super::{AbortTask, AsyncExecutor, BlockingExecutor, Clock, Job, Pace, Refusal, Works};

/// Runs async work on the workers of a [`ThreadExecutor`], over one shared runtime. The runtime must be one whose I/O and
/// timers run by themselves: a multi-threaded one, or one that another thread drives.
#[derive(Debug, Clone)]
pub struct BridgedExecutor {
    threads: ThreadExecutor,
    runtime: TokioExecutor,
    handle: Handle,
}

impl BridgedExecutor {
    /// Workers of this pool, waiting on this runtime.
    #[must_use]
    pub fn new(threads: ThreadExecutor, runtime: Handle) -> Self {
        Self {
            threads,
            runtime: TokioExecutor::new(runtime.clone()),
            handle: runtime,
        }
    }
}

impl AsyncExecutor for BridgedExecutor {
    type Handle = BridgedTask;
    type Timer = Sleep;

    fn clock(&self) -> Clock {
        self.threads.clock()
    }

    fn spawn<F>(&self, cell: CellId, task: F) -> Result<BridgedTask, Refusal>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let handle = self.handle.clone();
        let (task, stop) = abortable(task);
        let job = Job::new(move || {
            // Whether it was stopped is the driver's knowledge; it asked for it.
            let _stopped = handle.block_on(task);
        });
        let accepted = self.threads.submit(Works::one(cell, job), Pace::Hurried);
        Ok(BridgedTask {
            threads: self.threads.clone(),
            submitted: accepted.alone()?,
            stop,
        })
    }

    fn sleep_until(&self, at: Instant) -> Sleep {
        self.runtime.sleep_until(at)
    }
}

/// An async task on a worker.
pub struct BridgedTask {
    threads: ThreadExecutor,
    submitted: Submitted,
    stop: AbortHandle,
}

impl AbortTask for BridgedTask {
    fn abort(&self) {
        self.stop.abort();
        // One that waits on an await returns in a moment; one that blocks is replaced at once.
        self.threads.abandon(&self.submitted, &[0]);
    }
}
