//! Ending what a server still runs for connections that nobody waits for any more.
//!
//! Neither MariaDB nor PostgreSQL notices a closed socket while a statement runs. So such a connection is held until a
//! second one, the side connection, has told the server to end it and seen it gone. Because it is held, and never goes
//! back to a pool, its number on the server cannot be another owner's by then.
//!
//! A cell has one side connection at most, made when first needed and kept for a while: where one statement is in
//! trouble others soon are, and logging in anew for each would take the time that they must be gone in.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use cells::ErrorClass;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::classify::class_of_driver;

/// Longest time that ending one connection may take; the server's own limit on the statement is what is left then.
const PATIENCE: Duration = Duration::from_secs(10);

/// Longest time for one round trip of the side connection, or for making it.
const ROUND: Duration = Duration::from_secs(3);

/// Between two looks at whether they are gone.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// How long the side connection stays after its last use.
const KEPT_WARM: Duration = Duration::from_secs(30);

/// Connections that wait to be ended; beyond that they are closed and left to the server's own limit.
const QUEUE: usize = 256;

/// How connections are ended on one kind of server.
pub(super) trait Ender: Send + Sync + 'static {
    /// The side connection.
    type Side: Send;
    /// What names a connection on the server for as long as it is held here.
    type Target: Send + Sync + 'static;

    /// Makes a side connection that can end this one.
    fn connect(
        &self,
        target: &Self::Target,
    ) -> impl Future<Output = Result<Self::Side, sqlx::Error>> + Send;

    /// Whether that side connection leads to the same server, as the same user.
    fn reaches(&self, side: &Self::Side, target: &Self::Target) -> bool;

    /// Tells the server to end these, and says of each whether it is still there.
    fn end(
        &self,
        side: &mut Self::Side,
        targets: &[&Self::Target],
    ) -> impl Future<Output = Result<Vec<bool>, sqlx::Error>> + Send;

    /// Says goodbye.
    fn close(&self, side: Self::Side) -> impl Future<Output = ()> + Send;
}

/// Takes connections to be ended, and does so in the background. Everything ends with it, the last ones first.
pub(super) struct Reaper<E: Ender, L> {
    ender: Arc<E>,
    state: Mutex<State<L, E::Target>>,
}

struct State<L, T> {
    queue: Option<mpsc::Sender<Doomed<L, T>>>,
    closed: bool,
}

struct Doomed<L, T> {
    target: T,
    until: Instant,
    /// Held, so that its number stays its own.
    _link: L,
}

impl<E: Ender, L: Send + 'static> Reaper<E, L> {
    pub(super) fn new(ender: E) -> Self {
        Self {
            ender: Arc::new(ender),
            state: Mutex::new(State {
                queue: None,
                closed: false,
            }),
        }
    }

    pub(super) fn ender(&self) -> &E {
        &self.ender
    }

    /// Ends this connection on the server, then here. Does not wait.
    pub(super) fn end(&self, runtime: &Handle, link: L, target: E::Target) {
        let doomed = Doomed {
            target,
            until: Instant::now() + PATIENCE,
            _link: link,
        };
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let doomed = match &state.queue {
            None => doomed,
            Some(queue) => match queue.try_send(doomed) {
                Ok(()) => return,
                Err(mpsc::error::TrySendError::Full(_)) => {
                    tracing::debug!("too many statements wait to be ended");
                    return;
                }
                // It had nothing to do for long and has just ended.
                Err(mpsc::error::TrySendError::Closed(doomed)) => doomed,
            },
        };
        let (sender, queue) = mpsc::channel(QUEUE);
        let worker = Worker {
            ender: Arc::clone(&self.ender),
            queue,
            doomed: vec![doomed],
            side: None,
        };
        runtime.spawn(worker.run());
        state.queue = (!state.closed).then_some(sender);
    }

    /// Keeps nothing warm any more: what is waiting is still ended, what comes later too.
    pub(super) fn close(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.closed = true;
        state.queue = None;
    }
}

struct Worker<E: Ender, L> {
    ender: Arc<E>,
    queue: mpsc::Receiver<Doomed<L, E::Target>>,
    doomed: Vec<Doomed<L, E::Target>>,
    side: Option<E::Side>,
}

impl<E: Ender, L: Send + 'static> Worker<E, L> {
    async fn run(mut self) {
        loop {
            if self.doomed.is_empty() {
                match timeout(KEPT_WARM, self.queue.recv()).await {
                    Ok(Some(next)) => self.doomed.push(next),
                    Ok(None) => break,
                    // What was sent meanwhile is still received.
                    Err(_) => self.queue.close(),
                }
            }
            while let Ok(next) = self.queue.try_recv() {
                self.doomed.push(next);
            }
            self.doomed.retain(|doomed| Instant::now() < doomed.until);
            if self.doomed.is_empty() {
                continue;
            }
            let was_warm = self.side.is_some();
            match timeout(ROUND, self.round()).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => self.failed(was_warm, &error),
                Err(_) => {
                    self.side = None;
                    tracing::debug!("a statement could not be ended in time, trying again");
                }
            }
            if !self.doomed.is_empty() && self.side.is_some() {
                // Who comes meanwhile does not wait.
                if let Ok(Some(next)) = timeout(LOOK_AGAIN, self.queue.recv()).await {
                    self.doomed.push(next);
                }
            }
        }
        if let Some(side) = self.side {
            let _gone_anyway = timeout(ROUND, self.ender.close(side)).await;
        }
    }

    /// Tells the server once, of all that this side connection can reach, and forgets those that are gone.
    async fn round(&mut self) -> Result<(), sqlx::Error> {
        let Some(first) = self.doomed.first() else {
            return Ok(());
        };
        let side = match self.side.take() {
            Some(side) if self.ender.reaches(&side, &first.target) => side,
            // To another server behind the name, or as another user.
            Some(_) | None => self.ender.connect(&first.target).await?,
        };
        let side = self.side.insert(side);
        let reached: Vec<bool> = self
            .doomed
            .iter()
            .map(|doomed| self.ender.reaches(side, &doomed.target))
            .collect();
        let targets: Vec<&E::Target> = self
            .doomed
            .iter()
            .zip(&reached)
            .filter(|(_, reached)| **reached)
            .map(|(doomed, _)| &doomed.target)
            .collect();
        let mut alive = self.ender.end(side, &targets).await?.into_iter();
        let mut reached = reached.into_iter();
        self.doomed
            .retain(|_| reached.next() != Some(true) || alive.next() == Some(true));
        Ok(())
    }

    /// A side connection that was kept may just have grown old; a new one that fails says that nothing can be done.
    fn failed(&mut self, was_warm: bool, error: &sqlx::Error) {
        self.side = None;
        if was_warm {
            return;
        }
        let class = class_of_driver(error);
        tracing::debug!(%class, "a statement could not be ended");
        // The first is the one that it was made for; others may have another server, another login.
        self.doomed.remove(0);
        if class == ErrorClass::Unreachable {
            self.doomed.clear();
        }
    }
}
