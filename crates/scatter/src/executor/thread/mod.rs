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
//! come to the end of its work watches the [hatch](hatch) for twice as long before it sleeps. There it is handed the next
//! portion, without the pool's lock where its cells have nothing else in the pool.
//!
//! Healthy cells find a free worker as long as `workers` is more than `per_cell` times the cells that hang at the same
//! time. Not fork-safe: threads do not survive a fork, so make the pool after forking. `spawn_blocking` of tokio is not used.

#[cfg(test)]
mod cases;
mod hatch;
mod lane;
mod lookout;
mod policy;
mod pool;
mod portion;
mod state;
mod taking;
mod wake;
#[cfg(test)]
mod walk;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use smallvec::SmallVec;

use self::pool::{Pool, Portions, refusal};
use self::portion::Portion;
use crate::executor::{Accepted, BlockingExecutor, Clock, Pace, Works};

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
    type Submitted = Submitted;

    fn clock(&self) -> Clock {
        Clock::MONOTONIC
    }

    fn submit(&self, works: Works, pace: Pace) -> Accepted<Submitted> {
        let portions = match works.into_parts() {
            Some((batch, jobs)) => self.0.pool.portions(batch, jobs),
            None => SmallVec::new(),
        };
        let refused = self.0.pool.submit(&portions, pace).into_iter();
        Accepted {
            refused: refused
                .map(|(number, full)| (number, refusal(full)))
                .collect(),
            works: Submitted(portions),
        }
    }

    fn abandon(&self, works: &Submitted, numbers: &[usize]) {
        for Portion { batch, marks } in &works.0 {
            for (at, (cell, number)) in marks.jobs().iter().enumerate() {
                let late = numbers.binary_search(number).is_ok();
                if late && self.0.pool.abandon(*cell, marks.ticket(at)) {
                    batch.discard(*number);
                }
            }
        }
    }

    fn hurry(&self) {
        self.0.pool.hurry();
    }
}

/// Works in the pool. What they are made of is freed where it was made, by whoever submitted them.
pub struct Submitted(Portions);
