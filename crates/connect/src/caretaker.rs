//! Keeps the cells of a process current with nobody asking: a [`Caretaker`] runs their upkeep on a timer, loads the
//! mappings again when that is due, on SIGHUP and when a peer says so, and subscribes anew when a channel is lost.
//!
//! What is done at each of these moments is the cells' own; here is only the timing. Nova's services do all of it by a
//! restart, and its WSGI API in no other way (W-9, W-10).

use std::io;
use std::sync::Arc;
use std::time::Duration;

use cells::{CellConnector, Cells, InvalidationGate, InvalidationSource};
use context::Deadline;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

/// How often, and how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CaretakerPolicy {
    /// Time between two rounds of upkeep. What a peer announces does not wait for it.
    pub every: Duration,
    /// Longest time for one load of the mappings, and for one subscription.
    pub budget: Duration,
    /// Wait after a first load that failed, or a first channel that was lost; it doubles with each further one.
    pub retry: Duration,
    /// Longest wait after either.
    pub retry_limit: Duration,
}

impl Default for CaretakerPolicy {
    fn default() -> Self {
        Self {
            every: Duration::from_secs(1),
            budget: Duration::from_secs(10),
            retry: Duration::from_secs(1),
            retry_limit: Duration::from_secs(30),
        }
    }
}

impl CaretakerPolicy {
    fn wait_after(&self, failures: u32) -> Duration {
        let doubled = 1_u32
            .checked_shl(failures.saturating_sub(1))
            .unwrap_or(u32::MAX);
        self.retry.saturating_mul(doubled).min(self.retry_limit)
    }
}

/// Looks after the cells of a process until it is dropped.
#[must_use = "it stops when it is dropped"]
pub struct Caretaker<C: CellConnector> {
    cells: Cells<C>,
    policy: CaretakerPolicy,
    now: Arc<Notify>,
    tasks: JoinSet<()>,
}

impl<C: CellConnector> Caretaker<C> {
    /// Starts upkeep on a timer, and loads whenever one is due; the first at once, where nothing was loaded yet. Must be
    /// called on a tokio runtime.
    pub fn start(cells: &Cells<C>, policy: CaretakerPolicy) -> Self {
        let mut started = Self {
            cells: cells.clone(),
            policy,
            now: Arc::new(Notify::new()),
            tasks: JoinSet::new(),
        };
        // Two tasks, so that a load from a slow database does not hold up what closes cells.
        started.tasks.spawn(maintain(cells.clone(), policy.every));
        let loads = load_when_due(cells.clone(), policy, Arc::clone(&started.now));
        started.tasks.spawn(loads);
        started
    }

    /// On SIGHUP from now on: `reread` is called, for what the process itself keeps of its files, such as an allow-list
    /// ([`Cells::set_allow_list`]); then every cell is invalidated and the mappings are loaded. The manifest of the seals
    /// and its keys are read at every load.
    ///
    /// # Errors
    /// The system's, where the signal cannot be listened to.
    pub fn on_hangup(mut self, reread: impl Fn() + Send + Sync + 'static) -> io::Result<Self> {
        let mut hangups = signal(SignalKind::hangup())?;
        let (cells, now) = (self.cells.clone(), Arc::clone(&self.now));
        self.tasks.spawn(async move {
            while hangups.recv().await.is_some() {
                tracing::info!("hangup: the cells are invalidated and the mappings loaded again");
                reread();
                cells.invalidate(cells::Invalidation::All);
                now.notify_one();
            }
        });
        Ok(self)
    }

    /// Acts on what peers announce, from now on and over as many channels as it takes. While there is no channel the
    /// periodic loads go on; when there is one again, and when one is lost, everything is looked at again.
    pub fn follow(mut self, source: impl InvalidationSource, gate: InvalidationGate) -> Self {
        let follow = follow(self.cells.clone(), self.policy, source, gate);
        self.tasks.spawn(follow);
        self
    }

    /// Has the mappings loaded at once, whether or not that is due by itself and however often it failed of late. Does not
    /// wait for it.
    pub fn load_now(&self) {
        self.cells.suspect();
        self.now.notify_one();
    }
}

impl<C: CellConnector> std::fmt::Debug for Caretaker<C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Caretaker")
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}

async fn maintain<C: CellConnector>(cells: Cells<C>, every: Duration) {
    let mut rounds = interval(every.max(Duration::from_millis(1)));
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        rounds.tick().await;
        cells.maintain();
    }
}

async fn load_when_due<C: CellConnector>(
    cells: Cells<C>,
    policy: CaretakerPolicy,
    now: Arc<Notify>,
) {
    let mut failures = 0;
    loop {
        if cells.reload_due() {
            failures = match cells.refresh(Deadline::after(policy.budget)).await {
                Ok(_) => 0,
                Err(error) => {
                    tracing::warn!(class = %error.class(), "the mappings could not be loaded");
                    failures + 1
                }
            };
        } else {
            failures = 0;
        }
        let wait = match failures {
            0 => policy.every,
            failures => policy.wait_after(failures),
        };
        tokio::select! {
            () = sleep(wait) => {}
            () = now.notified() => {}
        }
    }
}

async fn follow<C: CellConnector>(
    cells: Cells<C>,
    policy: CaretakerPolicy,
    source: impl InvalidationSource,
    gate: InvalidationGate,
) {
    let mut failures = 0;
    loop {
        let since = Instant::now();
        match source.subscribe(Deadline::after(policy.budget)).await {
            Ok(channel) => {
                let lost = cells.follow(&*channel, &gate, policy.budget).await;
                tracing::warn!(class = %lost.0.class(), "{lost}");
            }
            Err(error) => {
                tracing::warn!(class = %error.class(), "invalidations could not be subscribed to");
            }
        }
        // A channel that was lost as soon as it was there is no better than none.
        failures = match since.elapsed() > policy.retry_limit {
            true => 1,
            false => failures + 1,
        };
        sleep(policy.wait_after(failures)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_limit() {
        let waits = [1, 2, 3, 6, 40].map(|n| CaretakerPolicy::default().wait_after(n).as_secs());
        assert_eq!(waits, [1, 2, 4, 30, 30]);
    }
}
