//! The one prober of a process: it looks for cells that breakers suspect, and asks about them. How a cell is asked is the
//! service's business; nothing here knows what a cell is made of.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use cells::CellId;
use context::Deadline;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};
use tokio::task::{AbortHandle, spawn};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use super::Isolation;

/// How often, and how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProberPolicy {
    /// Time between two looks: 1 s. A breaker opens, and closes again, at most so much later than it could.
    pub every: Duration,
    /// Longest time that a cell may take to answer: 2 s. One that takes longer has come back badly.
    pub budget: Duration,
}

impl Default for ProberPolicy {
    fn default() -> Self {
        Self {
            every: Duration::from_secs(1),
            budget: Duration::from_secs(2),
        }
    }
}

/// Probes the cells that the breakers of an [`Isolation`] suspect, until it is dropped. Breakers open on a probe and on nothing
/// else, so a service that has turned them on needs one.
#[derive(Debug)]
#[must_use = "it stops when it is dropped"]
pub struct Prober(AbortHandle);

impl Prober {
    /// Starts to look. `answers` says whether a cell can be used; it is asked about all suspects at once, and given up at the
    /// deadline. One that panics has said no. Must be called on a tokio runtime.
    pub fn start<F, A>(isolation: &Isolation, policy: ProberPolicy, answers: F) -> Self
    where
        F: Fn(CellId, Deadline) -> A + Send + Sync + 'static,
        A: Future<Output = bool> + Send + 'static,
    {
        let isolation = isolation.clone();
        let task = spawn(async move {
            let mut looks = interval(policy.every.max(Duration::from_millis(1)));
            looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                looks.tick().await;
                look(&isolation, policy.budget, &answers).await;
            }
        });
        Self(task.abort_handle())
    }
}

impl Drop for Prober {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Probes what should be probed now.
async fn look<F, A>(isolation: &Isolation, budget: Duration, answers: &F)
where
    F: Fn(CellId, Deadline) -> A,
    A: Future<Output = bool>,
{
    let now = || Instant::now().into_std();
    let Some(probe) = isolation.probe(now()) else {
        return;
    };
    let deadline = Deadline::after_at(now(), budget);
    let ask = |cell: &CellId| {
        let cell = *cell;
        // The closure itself may panic before it gives a future.
        let answer = AssertUnwindSafe(async move { answers(cell, deadline).await }).catch_unwind();
        async move { (cell, matches!(timeout(budget, answer).await, Ok(Ok(true)))) }
    };
    let mut asked: FuturesUnordered<_> = probe.cells().iter().map(ask).collect();
    while let Some((cell, good)) = asked.next().await {
        tracing::debug!(%cell, good, "a suspect cell was probed");
        probe.came_back(cell, good, now());
    }
}
