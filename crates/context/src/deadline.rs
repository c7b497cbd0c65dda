//! By when: a point on the monotonic clock at which the caller wants its answer, whatever has come.
//!
//! A deadline holds no clock. Who has one (an executor, a test on paused time) asks
//! [`remaining_at`](Deadline::remaining_at); [`remaining`](Deadline::remaining) is for code on real time.

use std::time::{Duration, Instant};

/// A point in time after which nobody waits any more. Combine two with [`Deadline::earliest`]: a deadline never grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(Instant);

/// A budget nobody can mean; keeps `now + budget` inside the clock's range.
const FAR: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

impl Deadline {
    /// The deadline `budget` from now on the real clock.
    #[must_use]
    pub fn after(budget: Duration) -> Self {
        Self::after_at(Instant::now(), budget)
    }

    /// The deadline `budget` after `now`, for callers with a clock of their own. Budgets beyond a century count as one.
    #[must_use]
    pub fn after_at(now: Instant, budget: Duration) -> Self {
        Self(now.checked_add(budget.min(FAR)).unwrap_or(now))
    }

    /// The deadline at this instant.
    #[must_use]
    pub fn at(instant: Instant) -> Self {
        Self(instant)
    }

    /// The instant itself.
    #[must_use]
    pub fn instant(self) -> Instant {
        self.0
    }

    /// Time left at `now`; zero once past.
    #[must_use]
    pub fn remaining_at(self, now: Instant) -> Duration {
        self.0.saturating_duration_since(now)
    }

    /// Time left on the real clock; zero once past.
    #[must_use]
    pub fn remaining(self) -> Duration {
        self.remaining_at(Instant::now())
    }

    /// Whether nothing is left at `now`.
    #[must_use]
    pub fn is_past_at(self, now: Instant) -> bool {
        self.remaining_at(now).is_zero()
    }

    /// The earlier of two: how a deadline is narrowed, and the only way two are combined.
    #[must_use]
    pub fn earliest(self, other: Self) -> Self {
        Self(self.0.min(other.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_left_shrinks_to_zero_and_stays_there() {
        let now = Instant::now();
        let deadline = Deadline::after_at(now, Duration::from_secs(2));
        assert_eq!(deadline.remaining_at(now), Duration::from_secs(2));
        assert_eq!(
            deadline.remaining_at(now + Duration::from_secs(3)),
            Duration::ZERO
        );
        assert!(deadline.is_past_at(now + Duration::from_secs(2)));
    }

    #[test]
    fn an_endless_budget_is_a_deadline_all_the_same() {
        let now = Instant::now();
        assert!(
            Deadline::after_at(now, Duration::MAX).remaining_at(now) > Duration::from_secs(1 << 30)
        );
    }
}
