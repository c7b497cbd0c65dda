//! Async work on a tokio runtime.

use std::time::Instant;

use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use super::{AbortTask, AsyncExecutor, BoxFuture};

/// Spawns on a tokio runtime, one task per cell. On a `current_thread` runtime, work that blocks without awaiting holds up
/// the caller too; use a multi-threaded one, or the thread executor, for work that may block.
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
    type Handle = AbortHandle;

    fn now(&self) -> Instant {
        // tokio's clock, which tests can pause; outside a runtime it is the monotonic one.
        tokio::time::Instant::now().into_std()
    }

    fn spawn(&self, task: BoxFuture) -> AbortHandle {
        self.runtime.spawn(task).abort_handle()
    }

    fn sleep_until(&self, at: Instant) -> BoxFuture {
        let _inside = self.runtime.enter();
        Box::pin(tokio::time::sleep_until(at.into()))
    }
}

impl AbortTask for AbortHandle {
    fn abort(&self) {
        AbortHandle::abort(self);
    }
}
