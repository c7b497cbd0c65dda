//! A report in words: a table for people, JSON for programs. It holds what may leave: ids, classes, times.

use std::fmt;
use std::time::Duration;

use crate::outcome::Outcome;
use crate::report::{CellReport, Counts, Missing, ScatterReport};

/// What became of each cell, and which one the call waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Explanation {
    /// Wall-clock time of the call.
    pub elapsed: Duration,
    /// How many cells had which outcome.
    pub counts: Counts,
    /// The cells, in the order in which they were asked for.
    pub cells: Vec<ExplainedCell>,
}

/// One cell of an [`Explanation`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExplainedCell {
    /// The cell's uuid, made printable.
    pub uuid: String,
    /// Its name.
    pub name: Option<String>,
    /// `answered`, `failed`, `timed_out`, `rejected`, `skipped`.
    pub outcome: &'static str,
    /// The class of the failure, the stage of the late one, the reason of the one not asked.
    pub detail: Option<String>,
    /// Where the protected log has more.
    pub id: Option<uuid::Uuid>,
    /// How long it waited to begin.
    pub queued: Duration,
    /// How long it connected.
    pub connect: Duration,
    /// Until its outcome was known.
    pub elapsed: Duration,
    /// How often its work was called.
    pub attempts: u32,
    /// Whether it is the one that the call waited for.
    pub critical: bool,
}

impl<T> ScatterReport<T> {
    /// The report in words.
    #[must_use]
    pub fn explain(&self) -> Explanation {
        let critical = self.critical();
        let cells = self.cells().iter().enumerate();
        Explanation {
            elapsed: self.elapsed(),
            counts: self.counts(),
            cells: cells
                .map(|(at, cell)| explained(cell, Some(at) == critical))
                .collect(),
        }
    }

    /// The cell whose outcome came last, counted in the order asked; none where no cell was asked.
    #[must_use]
    pub fn critical(&self) -> Option<usize> {
        let cells = self.cells().iter().enumerate();
        cells.max_by_key(|(_, cell)| cell.elapsed).map(|(at, _)| at)
    }
}

fn explained<T>(cell: &CellReport<T>, critical: bool) -> ExplainedCell {
    let (detail, id) = match &cell.outcome {
        Outcome::Answered(_) => (None, None),
        Outcome::Failed(failure) => (Some(failure.class().to_string()), Some(failure.id())),
        Outcome::TimedOut(late) => (Some(late.stage.as_str().to_owned()), None),
        Outcome::Rejected(why) => (Some(why.to_string()), None),
        Outcome::Skipped(why) => (Some(why.to_string()), None),
    };
    ExplainedCell {
        uuid: cell.cell.uuid().to_owned(),
        name: cell.cell.name().map(str::to_owned),
        outcome: cell.outcome.kind().as_str(),
        detail,
        id,
        queued: cell.queued,
        connect: cell.connect,
        elapsed: cell.elapsed,
        attempts: cell.attempts,
        critical,
    }
}

fn millis(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}

impl Explanation {
    /// One JSON document.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        let cell = |cell: &ExplainedCell| {
            serde_json::json!({
                "uuid": cell.uuid,
                "name": cell.name,
                "outcome": cell.outcome,
                "detail": cell.detail,
                "id": cell.id.map(|id| id.to_string()),
                "queued_ms": millis(cell.queued),
                "connect_ms": millis(cell.connect),
                "elapsed_ms": millis(cell.elapsed),
                "attempts": cell.attempts,
                "critical": cell.critical,
            })
        };
        serde_json::json!({
            "elapsed_ms": millis(self.elapsed),
            "asked": self.counts.asked,
            "answered": self.counts.answered,
            "failed": self.counts.failed,
            "timed_out": self.counts.timed_out,
            "rejected": self.counts.rejected,
            "skipped": self.counts.skipped,
            "cells": self.cells.iter().map(cell).collect::<Vec<_>>(),
        })
    }
}

impl fmt::Display for Explanation {
    /// A table, one line per cell; `*` marks the cell that the call waited for.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |cell: &ExplainedCell| cell.name.clone().unwrap_or_else(|| cell.uuid.clone());
        let names: Vec<String> = self.cells.iter().map(shown).collect();
        let width = names
            .iter()
            .map(|name| name.chars().count())
            .max()
            .unwrap_or(0)
            .max(4);
        writeln!(
            f,
            "  {:<width$} {:<9} {:>9} {:>9} {:>9}  detail",
            "cell", "outcome", "queued", "connect", "total"
        )?;
        for (cell, name) in self.cells.iter().zip(names) {
            let mark = if cell.critical { '*' } else { ' ' };
            write!(
                f,
                "{mark} {name:<width$} {:<9} {:>6.1} ms {:>6.1} ms {:>6.1} ms",
                cell.outcome,
                millis(cell.queued),
                millis(cell.connect),
                millis(cell.elapsed),
            )?;
            if let Some(detail) = &cell.detail {
                write!(f, "  {detail}")?;
            }
            if cell.attempts > 1 {
                write!(f, " ({} attempts)", cell.attempts)?;
            }
            writeln!(f)?;
        }
        let counts = &self.counts;
        write!(
            f,
            "{} of {} answered in {:.1} ms",
            counts.answered,
            counts.asked,
            millis(self.elapsed)
        )
    }
}

/// For code that counts over cells (quotas, minimum versions, the lack of something) and must not take a part for the
/// whole (W-25, W-34): what a missing cell means is said at the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenMissing<A> {
    /// There is no result.
    FailClosed,
    /// The missing cell is taken to have given this.
    Assume(A),
}

impl<T> ScatterReport<T> {
    /// Reduces the answers to one value, with a decision about missing cells that is taken before they are known.
    ///
    /// # Errors
    /// [`Incomplete`](crate::Incomplete) where a cell is missing and the caller fails closed.
    pub fn reduce<A: Clone>(
        self,
        when_missing: WhenMissing<T>,
        first: A,
        mut add: impl FnMut(A, T) -> A,
    ) -> Result<(A, Vec<Missing>), crate::Incomplete>
    where
        T: Clone,
    {
        match when_missing {
            WhenMissing::FailClosed => {
                let answers = self.require_all()?;
                let values = answers.into_iter().map(|(_, value)| value);
                Ok((values.fold(first, add), Vec::new()))
            }
            WhenMissing::Assume(assumed) => {
                let (answers, missing) = self.into_parts();
                let known = answers.into_iter().map(|(_, value)| value);
                let value = known.fold(first, &mut add);
                let value = missing
                    .iter()
                    .fold(value, |sum, _| add(sum, assumed.clone()));
                Ok((value, missing))
            }
        }
    }
}
