//! The time, as a value that is passed in: caches and seals ask a [`Clock`], and tests move one by hand.
//!
//! There are readings for different questions: ages are measured on a clock that never goes back, as a point in time or,
//! where it is asked at each use of a cell, as a count of milliseconds; the expiry that an operator signed is a point of
//! the calendar.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use rustix::time::{ClockId, clock_gettime};

/// Tells the time.
pub trait Clock: Send + Sync + 'static {
    /// The monotonic clock, for ages and limits.
    fn now(&self) -> Instant;

    /// The same clock in milliseconds since some beginning, never going back. It may be behind by a few of them, and
    /// should cost next to nothing: it is read at each use of a cell.
    fn ticks(&self) -> u64;

    /// The calendar, for dates that somebody signed.
    fn wall(&self) -> SystemTime;
}

/// The system's clocks.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Instant {
        Instant::now()
    }

    /// Linux's coarse clock, which is a fifth of the cost of the exact one and at most 10 ms behind it.
    #[inline]
    fn ticks(&self) -> u64 {
        let now = clock_gettime(ClockId::MonotonicCoarse);
        let (seconds, nanos) = (u64::try_from(now.tv_sec), u64::try_from(now.tv_nsec));
        seconds.unwrap_or(0) * 1000 + nanos.unwrap_or(0) / 1_000_000
    }

    fn wall(&self) -> SystemTime {
        SystemTime::now()
    }
}

/// A clock that stands still until it is moved, for tests. Clones are the same clock.
#[derive(Debug, Clone)]
pub struct ManualClock(Arc<Manual>);

#[derive(Debug)]
struct Manual {
    start: Instant,
    wall: SystemTime,
    moved_ms: AtomicU64,
}

impl ManualClock {
    /// A clock that shows this date.
    #[must_use]
    pub fn at(wall: SystemTime) -> Self {
        Self(Arc::new(Manual {
            start: Instant::now(),
            wall,
            moved_ms: AtomicU64::new(0),
        }))
    }

    /// Moves both readings on, by whole milliseconds.
    pub fn advance(&self, by: Duration) {
        self.0.moved_ms.fetch_add(millis(by), Ordering::SeqCst);
    }

    fn moved(&self) -> Duration {
        Duration::from_millis(self.0.moved_ms.load(Ordering::SeqCst))
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::at(SystemTime::now())
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Instant {
        self.0.start + self.moved()
    }

    fn ticks(&self) -> u64 {
        self.0.moved_ms.load(Ordering::SeqCst)
    }

    fn wall(&self) -> SystemTime {
        self.0.wall + self.moved()
    }
}

/// Whole milliseconds; more than half a billion years counts as that.
pub(crate) fn millis(duration: Duration) -> u64 {
    duration
        .as_secs()
        .saturating_mul(1000)
        .saturating_add(u64::from(duration.subsec_millis()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_systems_ticks_keep_up_with_its_clock_and_never_go_back() {
        let (since, first) = (SystemClock.now(), SystemClock.ticks());
        let mut last = first;
        while since.elapsed() < Duration::from_millis(60) {
            let ticks = SystemClock.ticks();
            assert!(ticks >= last);
            last = ticks;
        }
        let passed = millis(since.elapsed());
        // Behind by one period of the coarse clock at either end; how long this thread had to wait, both count.
        assert!(
            last - first >= 40 && last - first <= passed + 10,
            "{} of {passed}",
            last - first
        );
    }

    #[test]
    fn a_manual_clock_moves_only_by_hand_and_with_all_its_clones() {
        let clock = ManualClock::at(SystemTime::UNIX_EPOCH);
        let (other, start) = (clock.clone(), clock.now());
        clock.advance(Duration::from_secs(7));
        assert_eq!(other.now() - start, Duration::from_secs(7));
        assert_eq!(
            other.wall(),
            SystemTime::UNIX_EPOCH + Duration::from_secs(7)
        );
    }
}
