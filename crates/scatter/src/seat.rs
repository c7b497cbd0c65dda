//! One cell's place in a scatter, held by whatever is to run its work. Dropped unfilled, it fills itself: an executor that
//! ends, or a job that is thrown away, is an outcome of that cell and never a silence.

use std::marker::PhantomData;
use std::ops::Deref;
use std::time::{Duration, Instant};

use cells::{CellError, CellLabel, ErrorClass};
use context::Deadline;

use crate::isolation::{Effect, Permit};
use crate::ledger::{Ledger, Watch as _};
use crate::outcome::{CellFailure, Outcome, Progress, Rejection, Stage, TimedOut};

/// Databases are told limits in whole milliseconds, rounded down, and some end a statement a little before its limit.
const ROUNDING: Duration = Duration::from_millis(20);

/// Some drivers round limits by such a part of the time there was, so that one limit serves several statements.
const PART: u32 = 50;

/// A task holds the ledger with its seat; a job borrows it from its batch.
pub(crate) struct Seat<T, L: Deref<Target = Ledger<T>>> {
    ledger: L,
    answers: PhantomData<fn() -> T>,
    at: usize,
    /// Kept until the work has ended, whether somebody waits for it or not.
    permit: Option<Permit>,
    calls: u32,
    began: bool,
    filled: bool,
}

impl<T: Send + 'static, L: Deref<Target = Ledger<T>>> Seat<T, L> {
    pub(crate) fn new(ledger: L, at: usize, permit: Option<Permit>) -> Self {
        Self {
            ledger,
            answers: PhantomData,
            at,
            permit,
            calls: 1,
            began: false,
            filled: false,
        }
    }

    /// The work begins. False where nobody waits for it any more.
    pub(crate) fn begin(&mut self, now: Instant) -> bool {
        self.began = self.ledger.begin(self.at, now);
        self.filled = !self.began;
        self.began
    }

    /// The cell is targeted; the work is next. False where nobody waits for it any more, however long targeting took.
    pub(crate) fn targeted(&self) -> bool {
        self.ledger.enter(self.at, Stage::Running);
        !self.ledger.is_given_up(self.at)
    }

    pub(crate) fn label(&self) -> &CellLabel {
        self.ledger.label(self.at)
    }

    pub(crate) fn now(&self) -> Instant {
        self.ledger.now()
    }

    pub(crate) fn at(&self) -> usize {
        self.at
    }

    pub(crate) fn ledger(&self) -> &L {
        &self.ledger
    }

    /// The outcome of work that gave an error. Work that was cut short by the very budget it was given timed out: whether
    /// its own timer or the driver's fires first is chance, and must not decide what the report says.
    pub(crate) fn failed(&self, deadline: Deadline, error: &CellError) -> Outcome<T> {
        let failure = CellFailure::record(self.label(), error);
        let rounding = ROUNDING + deadline.remaining_at(self.ledger.started()) / PART;
        let cut_short =
            error.class() == ErrorClass::Timeout && deadline.remaining_at(self.now()) <= rounding;
        match cut_short {
            true => Outcome::TimedOut(TimedOut {
                stage: Stage::Running,
                progress: Progress::Ended,
            }),
            false => Outcome::Failed(failure),
        }
    }

    /// What the work is given, and a copy for another call where there can be one.
    pub(crate) fn with_spare<S: Clone>(&self, given: S, effect: Effect) -> (S, Option<S>) {
        let spare = self.permit.is_some() && effect.may_repeat();
        let spare = spare.then(|| given.clone());
        (given, spare)
    }

    /// What the next call of the work that failed like this is given; none where there is no next one.
    pub(crate) fn next_try<S: Clone>(
        &mut self,
        error: &CellError,
        effect: Effect,
        spare: Option<&S>,
    ) -> Option<S> {
        let (spare, permit) = spare.zip(self.permit.as_ref())?;
        if self.ledger.is_given_up(self.at) || !permit.may_retry(self.calls, effect, error.class())
        {
            return None;
        }
        self.calls += 1;
        self.ledger.again(self.at);
        Some(spare.clone())
    }

    /// Fills it, and gives the time of that.
    pub(crate) fn fill(mut self, outcome: Outcome<T>) -> Instant {
        self.filled = true;
        let now = self.ledger.now();
        if let Some(permit) = &mut self.permit {
            permit.ended(&outcome, now);
        }
        self.ledger.finish_at(self.at, outcome, now);
        now
    }
}

impl<T, L: Deref<Target = Ledger<T>>> Drop for Seat<T, L> {
    fn drop(&mut self) {
        if self.filled || self.ledger.has_outcome(self.at) {
            return;
        }
        let outcome = match self.began {
            false => Outcome::Rejected(Rejection::ShuttingDown),
            true => {
                let error = CellError::new(ErrorClass::Internal, "the executor dropped the work");
                Outcome::Failed(CellFailure::record(self.ledger.label(self.at), &error))
            }
        };
        self.ledger.finish(self.at, outcome);
    }
}
