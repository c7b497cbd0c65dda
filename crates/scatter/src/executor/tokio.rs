//! Async work on a tokio runtime.

use std::future::Future;
use std::time::Instant;

use cells::CellId;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::Sleep;

use super::{AbortTask, AsyncExecutor, Clock, Refusal};

/// Spawns on a tokio runtime, one task per cell. Work, or a connector, that blocks without awaiting holds up whatever the
/// runtime had queued behind it, and on a `current_thread` runtime the caller too; for work that may block use
/// `ThreadExecutor`, or `BridgedExecutor`, which runs the same async work with a thread for each cell.
#[derive(Debug, Clone)]
pub struct TokioExecutor {
    runtime: Handle,
}

impl TokioExecutor {
    /// Spawns on this runtime.
    #[must_use]
    pub fn new(runtime: Handle) -> Self {
        Self { runtime }
    }

    /// Spawns on the runtime that the caller is in.
    ///
    /// # Errors
    /// The error of tokio where the caller is in none.
    pub fn current() -> Result<Self, tokio::runtime::TryCurrentError> {
        Handle::try_current().map(Self::new)
    }
}

impl AsyncExecutor for TokioExecutor {
    type Handle = JoinHandle<()>;
    type Timer = Sleep;

    /// tokio's clock, which tests can pause; outside a runtime it is the monotonic one.
    fn clock(&self) -> Clock {
        Clock::new(|| tokio::time::Instant::now().into_std())
    }

    /// Never refuses: a runtime that is shutting down drops the task, and the outcome says so.
    fn spawn<F>(&self, _cell: CellId, task: F) -> Result<JoinHandle<()>, Refusal>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Ok(self.runtime.spawn(task))
    }

    fn sleep_until(&self, at: Instant) -> Sleep {
        // A timer is made within its runtime, where most callers are already.
        let here = Handle::try_current().is_ok_and(|here| here.id() == self.runtime.id());
        let _inside = (!here).then(|| self.runtime.enter());
        tokio::time::sleep_until(at.into())
    }
}

/// Nobody joins it: dropped, it lets its task run on.
impl AbortTask for JoinHandle<()> {
    fn abort(&self) {
        JoinHandle::abort(self);
    }
}
