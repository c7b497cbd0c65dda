//! Blocking work on a bounded pool of named threads, in which a stuck cell costs only itself.
//!
//! Nova's pool of five is used up by five hung tasks, for every cell and every later request (W-12), loses a thread to
//! every `SystemExit` (W-13), and joins its stuck threads at exit (W-14). Here a cell may hold only so many workers; what
//! it has beyond that waits in the cell's own lane until one of its jobs has ended. Work that outlives its caller's budget
//! is abandoned: its worker is replaced at once, up to a cap, and ends by itself when the work returns. Nothing joins
//! threads.
//!
//! Jobs that are submitted together come to a worker as one portion, which it works through without the pool's lock. What it
//! has not begun of it belongs to nobody: a worker that has nothing else to do takes from it job by job, so that one that
//! hangs keeps none behind it.
//!
//! Healthy cells find a free worker as long as `workers` is more than `per_cell` times the cells that hang at the same
//! time. Not fork-safe: threads do not survive a fork, so make the pool after forking. `spawn_blocking` of tokio is not used.

mod lane;
mod policy;
mod pool;
mod portion;
mod state;
mod wake;
#[cfg(test)]
mod walk;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use cells::CellId;

use self::pool::{Pool, refusal};
use self::portion::Ticket;
use self::state::Full;
use crate::executor::job::Batch;
use crate::executor::{AbandonJob, BlockingExecutor, Clock, Job, Refusal};

pub use self::policy::{PoolStats, ThreadPolicy};

/// Runs blocking work; clones share the pool. Dropping the last clone ends idle workers and joins nobody; work that is
/// still queued then is not begun.
#[derive(Clone)]
pub struct ThreadExecutor(Arc<Owner>);

/// Closes the pool when the last executor is dropped. Workers hold the pool and not this.
struct Owner {
    pool: Arc<Pool>,
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.pool.close();
    }
}

impl ThreadExecutor {
    /// A pool whose threads are named `name-1`, `name-2` and so on. One is started at once, the others when work waits
    /// and none is idle.
    ///
    /// # Errors
    /// The system's error where a thread cannot be started.
    pub fn new(name: &str, policy: ThreadPolicy) -> io::Result<Self> {
        let pool = Arc::new(Pool::new(name, policy));
        pool.start_first()?;
        Ok(Self(Arc::new(Owner { pool })))
    }

    /// What the pool is doing now.
    #[must_use]
    pub fn stats(&self) -> PoolStats {
        self.0.pool.stats()
    }

    /// Threads that are stuck in work nobody waits for.
    #[must_use]
    pub fn abandoned(&self) -> usize {
        self.stats().abandoned
    }

    /// Ends the pool: nothing new is taken, what is queued is dropped (its cells are reported as rejected), workers end
    /// after what they run. Waits for them this long at the most, and gives how many threads are still stuck. Idempotent.
    pub fn shutdown(&self, within: Duration) -> usize {
        self.0.pool.close();
        self.0.pool.wait_for_end(within)
    }
}

impl std::fmt::Debug for ThreadExecutor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ThreadExecutor")
            .field("name", &self.0.pool.name())
            .field("policy", self.0.pool.policy())
            .field("stats", &self.stats())
            .finish()
    }
}

impl BlockingExecutor for ThreadExecutor {
    type Handle = Submitted;

    fn clock(&self) -> Clock {
        Clock::MONOTONIC
    }

    fn submit(&self, cell: CellId, job: Job) -> Result<Submitted, Refusal> {
        self.submit_all(vec![(cell, job)])
            .pop()
            .unwrap_or(Err(Refusal::Rejected(crate::Rejection::ShuttingDown)))
    }

    fn submit_all(&self, jobs: Vec<(CellId, Job)>) -> Vec<Result<Submitted, Refusal>> {
        let split = |(cell, job): (CellId, Job)| {
            let (batch, at) = job.into_parts();
            (cell, batch, at)
        };
        let parts: Vec<_> = jobs.into_iter().map(split).collect();
        let results = self.0.pool.submit(&parts);
        let submitted = |((cell, batch, at), ticket): (_, Result<Ticket, Full>)| {
            ticket.map_err(refusal).map(|ticket| Submitted {
                pool: Arc::clone(&self.0.pool),
                batch,
                at,
                cell,
                ticket,
            })
        };
        parts.into_iter().zip(results).map(submitted).collect()
    }
}

/// A job in the pool.
pub struct Submitted {
    pool: Arc<Pool>,
    batch: Arc<dyn Batch>,
    at: usize,
    cell: CellId,
    ticket: Ticket,
}

impl AbandonJob for Submitted {
    fn abandon(&self) {
        if self.pool.abandon(self.cell, self.ticket) {
            self.batch.discard(self.at);
        }
    }
}
