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
//! A blocking scatter waits for its works and looks for their end for a moment before it sleeps. For that moment its portions
//! are left to the workers that are awake; then it hurries the pool, and everybody who is needed is woken. One worker that has
//! come to the end of its work looks out for as long before it sleeps, and is handed the next portion.
//!
//! Healthy cells find a free worker as long as `workers` is more than `per_cell` times the cells that hang at the same
//! time. Not fork-safe: threads do not survive a fork, so make the pool after forking. `spawn_blocking` of tokio is not used.

#[cfg(test)]
mod cases;
mod lane;
mod lookout;
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
use self::wake::Pace;
use crate::executor::job::Batch;
use crate::executor::{AbandonJob, BlockingExecutor, Clock, Job, Refusal, Works};

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
        let (batch, at) = job.into_parts();
        let submitted = self.hand_over(batch, &[(cell, at)], Pace::Hurried).pop();
        submitted.unwrap_or(Err(Refusal::Rejected(crate::Rejection::ShuttingDown)))
    }

    fn submit_all(&self, works: Works) -> Vec<Result<Submitted, Refusal>> {
        let (batch, works) = works.into_parts();
        self.hand_over(batch, &works, Pace::Patient)
    }

    fn hurry(&self) {
        self.0.pool.hurry();
    }
}

impl ThreadExecutor {
    fn hand_over(
        &self,
        batch: Arc<dyn Batch>,
        works: &[(CellId, usize)],
        pace: Pace,
    ) -> Vec<Result<Submitted, Refusal>> {
        let tickets = self.0.pool.submit(&batch, works, pace);
        let pool = Arc::clone(&self.0.pool);
        let to = Arc::new(Submission { pool, batch });
        let submitted = |(&(cell, at), ticket): (&(CellId, usize), Result<Ticket, Full>)| {
            ticket.map_err(refusal).map(|ticket| Submitted {
                to: Arc::clone(&to),
                at,
                cell,
                ticket,
            })
        };
        works.iter().zip(tickets).map(submitted).collect()
    }
}

/// What jobs that were submitted together have in common.
struct Submission {
    pool: Arc<Pool>,
    batch: Arc<dyn Batch>,
}

/// A job in the pool.
pub struct Submitted {
    to: Arc<Submission>,
    at: usize,
    cell: CellId,
    ticket: Ticket,
}

impl AbandonJob for Submitted {
    fn abandon(&self) {
        if self.to.pool.abandon(self.cell, self.ticket) {
            self.to.batch.discard(self.at);
        }
    }
}
