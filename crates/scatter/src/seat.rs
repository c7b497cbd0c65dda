//! One cell's place in a scatter, held by whatever is to run its work. Dropped unfilled, it fills itself: an executor that
//! ends, or a job that is thrown away, is an outcome of that cell and never a silence.

use std::time::{Duration, Instant};

use cells::{CellConnector, CellContext, CellError, CellId, CellLabel, ErrorClass, TargetError};
use context::Deadline;

use crate::isolation::Permit;
use crate::ledger::{Books, Ledger};
use crate::outcome::{CellFailure, Outcome, Progress, Rejection, Stage, TimedOut};

/// Databases are told limits in whole milliseconds, rounded down, and some end a statement a little before its limit.
const ROUNDING: Duration = Duration::from_millis(20);

/// Some drivers round limits by such a part of the time there was, so that one limit serves several statements.
const PART: u32 = 50;

/// A task holds its call's books with its seat; a job borrows them from its batch.
pub(crate) struct Seat<B: Books> {
    call: B,
    /// The slot's number; a scatter has no more cells than this can count.
    at: u32,
    /// Kept until the work has ended, whether somebody waits for it or not.
    permit: Option<Permit>,
    began: bool,
    filled: bool,
}

impl<B: Books> Seat<B> {
    pub(crate) fn new(call: B, at: usize, permit: Option<Permit>) -> Self {
        Self {
            call,
            at: u32::try_from(at).unwrap_or(u32::MAX),
            permit,
            began: false,
            filled: false,
        }
    }

    /// The work begins. False where nobody waits for it any more.
    pub(crate) fn begin(&mut self, now: Instant) -> bool {
        self.began = self.books().begin(self.at(), now);
        self.filled = !self.began;
        self.began
    }

    /// The cell; none where its row has no id.
    pub(crate) fn cell(&self) -> Option<CellId> {
        self.books().cell(self.at())
    }

    /// The request is bound to the cell, for one call of the work; or that gives the outcome. None where nobody waits for it
    /// any more, however long that took.
    pub(crate) fn targeted<C: CellConnector>(
        &self,
        came: Result<CellContext<C>, TargetError>,
    ) -> Option<Result<CellContext<C>, Outcome<B::Answer>>> {
        match came {
            Err(error) => Some(Err(untargeted(self.label(), error))),
            Ok(targeted) => {
                self.books().enter(self.at(), Stage::Running);
                (!self.books().is_given_up(self.at())).then_some(Ok(targeted))
            }
        }
    }

    fn books(&self) -> &Ledger<B::Answer> {
        self.call.books()
    }

    pub(crate) fn label(&self) -> &CellLabel {
        self.books().label(self.at())
    }

    pub(crate) fn at(&self) -> usize {
        self.at as usize
    }

    /// Which call of the work this is, from 1.
    pub(crate) fn attempt(&self) -> u32 {
        self.books().attempts(self.at())
    }

    pub(crate) fn call(&self) -> &B {
        &self.call
    }

    /// By when the work must have ended, in a call that ends then and gives each cell such a share of its time.
    pub(crate) fn deadline(&self, whole: Deadline, share: Option<Duration>) -> Deadline {
        let own = share.and_then(|share| {
            let began = self.books().began(self.at())?;
            Some(Deadline::after_at(began, share))
        });
        own.map_or(whole, |own| whole.earliest(own))
    }

    /// The outcome of work that gave an error. Work that was cut short by the very budget it was given timed out: whether
    /// its own timer or the driver's fires first is chance, and must not decide what the report says.
    pub(crate) fn failed(&self, deadline: Deadline, error: &CellError) -> Outcome<B::Answer> {
        let failure = CellFailure::record(self.label(), error);
        let rounding = ROUNDING + deadline.remaining_at(self.books().started()) / PART;
        let cut_short = error.class() == ErrorClass::Timeout
            && deadline.remaining_at(self.books().now()) <= rounding;
        match cut_short {
            true => Outcome::TimedOut(TimedOut {
                stage: self.books().stage_of(self.at()).unwrap_or(Stage::Running),
                progress: Progress::Ended,
            }),
            false => Outcome::Failed(failure),
        }
    }

    /// Whether the work that failed like this is called once more.
    pub(crate) fn tries_again(&self, error: &CellError) -> bool {
        let at = self.at();
        let admit = self.call.admit().filter(|_| self.permit.is_some());
        let again = !self.books().is_given_up(at)
            && admit.is_some_and(|admit| {
                admit.may_retry(self.books().place(at), || self.attempt(), error.class())
            });
        if again {
            self.books().again(self.at());
        }
        again
    }

    /// Fills it, and gives the time of that.
    pub(crate) fn fill(mut self, outcome: Outcome<B::Answer>) -> Instant {
        self.filled = true;
        let now = self.books().now();
        if let (Some(permit), Some(admit)) = (self.permit.take(), self.call.admit()) {
            admit.ended(self.books().place(self.at()), permit, &outcome, now);
        }
        self.books().finish_at(self.at(), outcome, now);
        now
    }
}

impl<B: Books> Drop for Seat<B> {
    fn drop(&mut self) {
        let at = self.at();
        if let (Some(permit), Some(admit)) = (self.permit.take(), self.call.admit()) {
            admit.dropped(self.books().place(at), permit);
        }
        if self.filled || self.books().has_outcome(at) {
            return;
        }
        let outcome = match self.began {
            false => Outcome::Rejected(Rejection::ShuttingDown),
            true => {
                let error = CellError::new(ErrorClass::Internal, "the executor dropped the work");
                Outcome::Failed(CellFailure::record(self.books().label(at), &error))
            }
        };
        self.books().finish(at, outcome);
    }
}

fn untargeted<T>(label: &CellLabel, error: TargetError) -> Outcome<T> {
    match error {
        TargetError::Unknown(_) => Outcome::Rejected(Rejection::Gone),
        TargetError::Open { source, .. } => Outcome::Failed(CellFailure::record(label, &source)),
        other => {
            let error = CellError::new(ErrorClass::Internal, other);
            Outcome::Failed(CellFailure::record(label, &error))
        }
    }
}
