//! One cell's slot in the books of a scatter. It fits a cache line where the answer is small: a call has one for each cell,
//! and each goes from the caller's processor to a worker's and back.
//!
//! Times are in nanoseconds after the call's start.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU16, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::isolation::Place;
use crate::outcome::{Outcome, Progress, Stage, TimedOut};

pub(crate) struct Slot<T> {
    /// A [`Stage`], by its number.
    stage: AtomicU8,
    /// Whether the slot has been counted as ended: stays when a stream has taken the outcome out. Set under the lock.
    pub(crate) settled: AtomicBool,
    pub(crate) attempts: AtomicU16,
    /// Where the cell's permits are, once the ledger was told.
    pub(crate) place: Place,
    /// When the work began, plus one; 0 where it has not.
    pub(crate) began: AtomicU64,
    pub(crate) end: Mutex<End<T>>,
}

/// How a slot has ended, and what is counted on the way there.
pub(crate) struct End<T> {
    /// How long the work has connected. While it connects: that, less the time now, less one; so it is negative then, and
    /// then only.
    connect: i64,
    /// And when.
    pub(crate) outcome: Option<(Outcome<T>, u64)>,
}

impl<T> Slot<T> {
    /// In this stage; or with an outcome, from the start.
    pub(crate) fn new(stage: Stage, outcome: Option<Outcome<T>>) -> Self {
        Self {
            stage: AtomicU8::new(stage as u8),
            settled: AtomicBool::new(outcome.is_some()),
            attempts: AtomicU16::new(0),
            place: Place::NOWHERE,
            began: AtomicU64::new(0),
            end: Mutex::new(End {
                connect: 0,
                outcome: outcome.map(|outcome| (outcome, 0)),
            }),
        }
    }

    pub(crate) fn is_settled(&self) -> bool {
        self.settled.load(Ordering::Acquire)
    }

    pub(crate) fn stage(&self) -> Stage {
        let number = usize::from(self.stage.load(Ordering::Relaxed));
        Stage::ALL.get(number).copied().unwrap_or(Stage::Running)
    }

    pub(crate) fn enter(&self, stage: Stage) {
        self.stage.store(stage as u8, Ordering::Relaxed);
    }

    /// How long the work waited before it began.
    pub(crate) fn waited(&self) -> Option<Duration> {
        let after = self.began.load(Ordering::SeqCst).checked_sub(1)?;
        Some(Duration::from_nanos(after))
    }

    /// When the work began, in a call that started then.
    pub(crate) fn began(&self, started: Instant) -> Option<Instant> {
        Some(started + self.waited()?)
    }

    pub(crate) fn timed_out(&self) -> TimedOut {
        TimedOut {
            stage: self.stage(),
            progress: match self.began.load(Ordering::SeqCst) {
                0 => Progress::NeverStarted,
                _ => Progress::StillRunning,
            },
        }
    }
}

impl<T> End<T> {
    /// The work connects from now on.
    pub(crate) fn connect_from(&mut self, now: u64) {
        self.connect = self.connect.saturating_sub(signed(now)).saturating_sub(1);
    }

    /// It does not, if it did.
    pub(crate) fn disconnect(&mut self, now: u64) {
        if self.connect < 0 {
            self.connect = self
                .connect
                .saturating_add(signed(now))
                .saturating_add(1)
                .max(0);
        }
    }

    /// How long the work has connected.
    pub(crate) fn connect(&self) -> Duration {
        Duration::from_nanos(u64::try_from(self.connect).unwrap_or(0))
    }

    pub(crate) fn fill(&mut self, outcome: Outcome<T>, now: u64) {
        self.disconnect(now);
        self.outcome = Some((outcome, now));
    }
}

/// Nearly three hundred years.
fn signed(nanoseconds: u64) -> i64 {
    i64::try_from(nanoseconds).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::lock;

    #[test]
    fn a_slot_of_a_small_answer_is_a_cache_line() {
        assert_eq!(size_of::<Slot<u64>>(), 64);
    }

    #[test]
    fn the_times_of_connecting_add_up_wherever_they_begin() {
        let slot = Slot::<()>::new(Stage::Running, None);
        let mut end = lock(&slot.end);
        end.disconnect(5);
        for (from, to) in [(0, 7), (7, 7), (10, 13), (100, 1000)] {
            end.connect_from(from);
            end.disconnect(to);
        }
        end.disconnect(2000);
        assert_eq!(end.connect(), Duration::from_nanos(7 + 3 + 900));
    }
}
