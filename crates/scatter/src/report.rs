//! The report of a scatter: every cell asked for, exactly once, and no way to the answers around the missing ones.

use std::time::Duration;

use cells::CellLabel;

use crate::outcome::{Outcome, OutcomeKind, Rejection, Stage};

/// What became of one cell, and how long it took.
#[derive(Debug)]
pub struct CellReport<T> {
    /// Which cell.
    pub cell: CellLabel,
    /// What it gave.
    pub outcome: Outcome<T>,
    /// From the start of the call until the outcome was known.
    pub elapsed: Duration,
    /// Of that, how long the work waited before it began: for the caller's limit, a permit, a worker.
    pub queued: Duration,
    /// Of that, how long it connected, where the work says so.
    pub connect: Duration,
    /// How often the work was called: 0 where it never began, more than 1 where it was retried.
    pub attempts: u32,
}

impl<T> CellReport<T> {
    /// The report of a cell that could not be asked, for callers who know so beforehand.
    #[must_use]
    pub fn rejected(cell: CellLabel, why: Rejection) -> Self {
        Self {
            cell,
            outcome: Outcome::Rejected(why),
            elapsed: Duration::ZERO,
            queued: Duration::ZERO,
            connect: Duration::ZERO,
            attempts: 0,
        }
    }

    /// The same report with its answer, if it has one, turned into something else.
    #[must_use]
    pub fn map<U>(self, turn: impl FnOnce(T) -> U) -> CellReport<U> {
        CellReport {
            cell: self.cell,
            outcome: self.outcome.map(turn),
            elapsed: self.elapsed,
            queued: self.queued,
            connect: self.connect,
            attempts: self.attempts,
        }
    }

    /// The answer, or the report of a cell that gave none.
    ///
    /// # Errors
    /// The report itself, where the cell did not answer.
    pub fn into_answer(self) -> Result<(CellLabel, T), Missing> {
        let missing = |outcome| CellReport {
            cell: self.cell.clone(),
            outcome,
            elapsed: self.elapsed,
            queued: self.queued,
            connect: self.connect,
            attempts: self.attempts,
        };
        Err(missing(match self.outcome {
            Outcome::Answered(value) => return Ok((self.cell, value)),
            Outcome::Failed(failure) => Outcome::Failed(failure),
            Outcome::TimedOut(late) => Outcome::TimedOut(late),
            Outcome::Rejected(why) => Outcome::Rejected(why),
            Outcome::Skipped(why) => Outcome::Skipped(why),
        }))
    }
}

impl<T> CellReport<T> {
    pub(crate) fn map_outcome<U>(
        self,
        map: impl FnOnce(Outcome<T>) -> Outcome<U>,
    ) -> CellReport<U> {
        CellReport {
            cell: self.cell,
            outcome: map(self.outcome),
            elapsed: self.elapsed,
            queued: self.queued,
            connect: self.connect,
            attempts: self.attempts,
        }
    }

    /// A copy without the answer; none where there is one.
    fn missing(&self) -> Option<Missing> {
        Some(CellReport {
            cell: self.cell.clone(),
            outcome: self.outcome.missing()?,
            elapsed: self.elapsed,
            queued: self.queued,
            connect: self.connect,
            attempts: self.attempts,
        })
    }
}

/// How many cells had which outcome. `asked == answered + failed + timed_out + rejected + skipped`, always.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Cells asked for.
    pub asked: usize,
    /// Cells that answered.
    pub answered: usize,
    /// Cells that failed.
    pub failed: usize,
    /// Cells that were late.
    pub timed_out: usize,
    /// Cells that could not be asked.
    pub rejected: usize,
    /// Cells left out on purpose.
    pub skipped: usize,
}

impl Counts {
    pub(crate) fn count(&mut self, kind: OutcomeKind) {
        *match kind {
            OutcomeKind::Answered => &mut self.answered,
            OutcomeKind::Failed => &mut self.failed,
            OutcomeKind::TimedOut => &mut self.timed_out,
            OutcomeKind::Rejected => &mut self.rejected,
            OutcomeKind::Skipped => &mut self.skipped,
        } += 1;
    }

    /// Whether every cell asked for is counted exactly once.
    #[must_use]
    pub fn add_up(&self) -> bool {
        self.asked == self.answered + self.failed + self.timed_out + self.rejected + self.skipped
    }
}

/// Every cell's outcome, in the order in which the cells were asked for.
///
/// There is no way to the answers around the missing cells, and none to forget the report:
///
/// ```compile_fail,E0616
/// fn first<T>(report: &nova_scatter::ScatterReport<T>) -> &T {
///     &report.cells[0] // private
/// }
/// ```
///
/// ```compile_fail
/// #![deny(unused_must_use)]
/// fn forget<T>(make: impl Fn() -> nova_scatter::ScatterReport<T>) {
///     make(); // must be used
/// }
/// ```
///
/// ```compile_fail
/// #![deny(unused_must_use)]
/// fn forget<T>(report: nova_scatter::ScatterReport<T>) {
///     report.into_parts(); // must be used
/// }
/// ```
///
/// ```compile_fail,E0308
/// fn only_the_answers<T>(report: nova_scatter::ScatterReport<T>) -> nova_scatter::Answers<T> {
///     report.into_parts() // a pair: the missing ones are beside them
/// }
/// ```
///
/// ```compile_fail,E0308
/// fn unwrapped<T>(report: nova_scatter::ScatterReport<T>) -> nova_scatter::Answers<T> {
///     report.require_all() // a result
/// }
/// ```
///
/// The same, told what the missing ones mean, compiles:
///
/// ```
/// fn all<T>(report: nova_scatter::ScatterReport<T>) -> nova_scatter::Answers<T> {
///     report.require_all().unwrap_or_default()
/// }
/// ```
///
/// The answers come out only through a method that says what a missing cell means: [`require`](Self::require) and its
/// short forms, [`reduce`](Self::reduce), or [`into_parts`](Self::into_parts), which hands over the missing ones beside
/// them.
#[derive(Debug)]
#[must_use = "cells may be missing: say with `require_all`, `require_any` or `into_parts` what that means"]
pub struct ScatterReport<T> {
    cells: Vec<CellReport<T>>,
    elapsed: Duration,
}

/// The answers of the cells that gave one, in the order asked.
pub type Answers<T> = Vec<(CellLabel, T)>;

/// A cell that gave no answer.
pub type Missing = CellReport<std::convert::Infallible>;

impl<T> ScatterReport<T> {
    pub(crate) fn new(cells: Vec<CellReport<T>>, elapsed: Duration) -> Self {
        Self { cells, elapsed }
    }

    /// Wall-clock time from the start of the call until the last outcome, or the end of the budget.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.elapsed
    }

    /// How many cells had which outcome.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let mut counts = Counts {
            asked: self.cells.len(),
            ..Counts::default()
        };
        for cell in &self.cells {
            counts.count(cell.outcome.kind());
        }
        counts
    }

    /// Whether some cell gave no answer.
    #[must_use]
    pub fn is_partial(&self) -> bool {
        let counts = self.counts();
        counts.answered < counts.asked
    }

    /// The answers and the cells that gave none, for callers who show both.
    #[must_use = "the second part names the cells whose answers are missing"]
    pub fn into_parts(self) -> (Answers<T>, Vec<Missing>) {
        let (mut answers, mut missing) = (Vec::new(), Vec::new());
        for cell in self.cells {
            match cell.into_answer() {
                Ok(answer) => answers.push(answer),
                Err(cell) => missing.push(cell),
            }
        }
        (answers, missing)
    }

    /// The reports in place, for this crate's own tables and figures: callers get them with the answers' owner only.
    pub(crate) fn cells(&self) -> &[CellReport<T>] {
        &self.cells
    }

    /// What a cell is called, counted in the order in which the cells were asked for.
    #[must_use]
    pub fn label(&self, at: usize) -> Option<&CellLabel> {
        self.cells.get(at).map(|cell| &cell.cell)
    }

    pub(crate) fn outcome_of(&self, at: usize) -> Option<(OutcomeKind, Option<Stage>)> {
        let outcome = &self.cells.get(at)?.outcome;
        Some((outcome.kind(), outcome.late_stage()))
    }

    /// Copies of the reports of the cells that gave no answer.
    pub(crate) fn missing(&self) -> Vec<Missing> {
        self.cells.iter().filter_map(CellReport::missing).collect()
    }

    /// Every cell's report, missing ones in their places: for callers who make a report of their own.
    #[must_use]
    pub fn into_cells(self) -> Vec<CellReport<T>> {
        self.cells
    }
}
