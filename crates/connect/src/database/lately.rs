//! One look at the clock for everything that a checkout has to know of the time: a look costs a tenth of a checkout. The
//! last one is kept for whoever comes just after it, for ages of seconds and more and for nothing that a budget depends on.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// A point in time, in nanoseconds after its clock began: eight bytes that compare as one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment(u64);

impl Moment {
    /// Clocks go no farther: five centuries on.
    pub(super) const NEVER: Self = Self(u64::MAX);

    pub(super) fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    pub(super) const fn nanos(self) -> u64 {
        self.0
    }

    pub(super) fn seconds(self) -> u64 {
        self.0 / 1_000_000_000
    }

    /// Never, if that is farther off than clocks go.
    pub(super) fn after(self, wait: Duration) -> Self {
        let wait = u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(wait))
    }

    /// The time from an earlier one to this; none from a later one.
    pub(super) fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// A clock that remembers what it last said.
pub(super) struct Lately {
    beginning: Instant,
    last: AtomicU64,
}

/// What a look at the clock says: in its own terms, and in those of deadlines.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look {
    pub(super) moment: Moment,
    pub(super) instant: std::time::Instant,
}

impl Lately {
    pub(super) fn new(beginning: Instant) -> Self {
        Self {
            beginning,
            last: AtomicU64::new(0),
        }
    }

    /// Looks at the clock.
    pub(super) fn look(&self) -> Look {
        let now = Instant::now();
        let since = now.saturating_duration_since(self.beginning);
        // In 64 bits, which last for five centuries.
        let nanos = since
            .as_secs()
            .saturating_mul(1_000_000_000)
            .saturating_add(u64::from(since.subsec_nanos()));
        self.last.store(nanos, Ordering::Relaxed);
        Look {
            moment: Moment(nanos),
            instant: now.into_std(),
        }
    }

    /// What it said when somebody last looked.
    pub(super) fn last(&self) -> Moment {
        Moment(self.last.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_last_look_is_remembered() {
        let begun = Instant::now();
        let lately = Lately::new(begun);
        let at = |seconds: u64| Moment::from_nanos(seconds * 1_000_000_000);
        tokio::time::advance(Duration::from_secs(7)).await;
        assert_eq!(lately.last(), at(0));
        let look = lately.look();
        assert_eq!(look.moment, at(7));
        assert_eq!(look.instant, (begun + Duration::from_secs(7)).into_std());
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(lately.last(), at(7));
    }

    #[test]
    fn moments_are_as_far_apart_as_they_are_and_no_farther_than_clocks_go() {
        let (early, wait) = (Moment::from_nanos(5), Duration::from_millis(1500));
        let late = early.after(wait);
        assert!(early < late);
        assert_eq!(late.since(early), wait);
        assert_eq!(early.since(late), Duration::ZERO);
        assert_eq!(late.seconds(), 1);
        assert_eq!(early.after(Duration::MAX), Moment::NEVER);
    }
}
