//! The last look at the clock, for whoever comes just after it: a look costs as much as all else that is done when a free
//! connection is taken. It is for ages of seconds and more, and for nothing that a budget depends on.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

pub(super) struct Lately {
    since: Instant,
    /// Nanoseconds after that.
    last: AtomicU64,
}

impl Lately {
    pub(super) fn new() -> Self {
        Self {
            since: Instant::now(),
            last: AtomicU64::new(0),
        }
    }

    /// Looks at the clock.
    pub(super) fn look(&self) -> Instant {
        let now = Instant::now();
        let nanos = now.saturating_duration_since(self.since).as_nanos();
        let nanos = u64::try_from(nanos).unwrap_or(u64::MAX);
        self.last.store(nanos, Ordering::Relaxed);
        now
    }

    /// What it said when somebody last looked.
    pub(super) fn last(&self) -> Instant {
        self.since + Duration::from_nanos(self.last.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_last_look_is_remembered() {
        let lately = Lately::new();
        let begun = Instant::now();
        tokio::time::advance(Duration::from_secs(7)).await;
        assert_eq!(lately.last(), begun);
        assert_eq!(lately.look(), begun + Duration::from_secs(7));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(lately.last(), begun + Duration::from_secs(7));
    }
}
