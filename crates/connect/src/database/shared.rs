//! What all cells of one connector share: a limit on their connections together, and the look through idle ones.
//!
//! Where the limit is reached and one more is needed, idle connections of all cells are closed; where none is idle, those
//! that are given back are closed instead of kept, until nobody waits. So a busy cell cannot keep the others out.

use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::failure::Failure;
use super::lately::{Lately, Moment};
#[cfg(feature = "_server")]
use super::logins::Memory;
use crate::options::ConnectorOptions;

/// Closes idle connections of one pool that were unused for this long. False when the pool is gone.
type CloseIdle = Box<dyn Fn(Duration) -> bool + Send>;

/// How long connections were unused that are closed to make room, in turns.
const LONG_UNUSED: [Duration; 3] = [
    Duration::from_secs(10),
    Duration::from_secs(1),
    Duration::ZERO,
];

pub(crate) struct Shared {
    places: Arc<Semaphore>,
    waiting: AtomicUsize,
    pools: Mutex<Vec<CloseIdle>>,
    /// When the clocks of all cells begin.
    beginning: Instant,
    /// The second at which idle connections were last looked through.
    swept: AtomicU64,
    #[cfg(feature = "_server")]
    pub(super) memory: Memory,
}

/// A connection's place under the limit.
pub(super) struct Place {
    _permit: OwnedSemaphorePermit,
}

impl Shared {
    pub(crate) fn new(options: &ConnectorOptions) -> Self {
        let most = options.connections.clamp(1, Semaphore::MAX_PERMITS);
        Self {
            places: Arc::new(Semaphore::new(most)),
            waiting: AtomicUsize::new(0),
            pools: Mutex::new(Vec::new()),
            beginning: Instant::now(),
            swept: AtomicU64::new(0),
            #[cfg(feature = "_server")]
            memory: Memory::default(),
        }
    }

    /// A clock for one cell. A moment is the same on those of all.
    pub(super) fn clock(&self) -> Lately {
        Lately::new(self.beginning)
    }

    /// Makes a pool's idle connections known.
    pub(super) fn register(&self, close_idle: CloseIdle) {
        self.pools().push(close_idle);
    }

    fn pools(&self) -> std::sync::MutexGuard<'_, Vec<CloseIdle>> {
        self.pools.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for one more connection, waiting for it if need be.
    ///
    /// # Cancel safety
    /// Nobody is left waiting.
    pub(super) async fn place(&self) -> Place {
        if let Ok(permit) = Arc::clone(&self.places).try_acquire_owned() {
            return Place { _permit: permit };
        }
        let _waiting = Waiting::count(&self.waiting);
        // What was unused longest goes first, and the rest only if that made no room.
        for unused_for in LONG_UNUSED {
            self.close_idle(unused_for);
            if let Ok(permit) = Arc::clone(&self.places).try_acquire_owned() {
                return Place { _permit: permit };
            }
        }
        loop {
            // It is never closed; there is no other error.
            if let Ok(permit) = Arc::clone(&self.places).acquire_owned().await {
                return Place { _permit: permit };
            }
        }
    }

    /// Whether some cell waits for a place, so that a connection that becomes free should be closed.
    pub(super) fn is_short(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }

    /// What the time was spent on in which no connection was made: waiting for one of another cell's to end, if those of all
    /// cells are at their limit.
    pub(super) fn not_in_time(&self) -> Failure {
        match self.places.available_permits() {
            0 => Failure::PoolFull,
            _ => Failure::ConnectTimeout,
        }
    }

    pub(super) fn close_idle(&self, unused_for: Duration) {
        self.pools().retain(|close_idle| close_idle(unused_for));
    }

    /// Closes what nobody used for long. Done by those who come, at most once a second, so no task has to outlive them.
    /// Whether this was the time.
    #[inline]
    pub(super) fn sweep(&self, now: Moment, idle_age: Duration) -> bool {
        let now = now.seconds();
        let due = self.swept.load(Ordering::Relaxed) != now
            && self.swept.swap(now, Ordering::Relaxed) != now;
        if due {
            self.close_idle(idle_age);
        }
        due
    }
}

impl Default for Shared {
    fn default() -> Self {
        Self::new(&ConnectorOptions::default())
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("places", &self.places.available_permits())
            .finish_non_exhaustive()
    }
}

struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn count(waiting: &'a AtomicUsize) -> Self {
        waiting.fetch_add(1, Ordering::Relaxed);
        Self(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
