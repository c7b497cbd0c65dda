//! What one cell gave: exactly one of five outcomes, never a sentinel that could be taken for an answer (W-32).

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;

use cells::{CellError, ErrorClass, InvalidMapping};
use uuid::Uuid;

use crate::failure_log;

/// What became of one cell that was asked for.
#[derive(Debug)]
pub enum Outcome<T> {
    /// The work ended with a value.
    Answered(T),
    /// The work, or targeting before it, ended with an error or a panic.
    Failed(CellFailure),
    /// The budget ended first.
    TimedOut(TimedOut),
    /// The cell could not be asked at all.
    Rejected(Rejection),
    /// The cell was left out on purpose.
    Skipped(SkipReason),
}

impl<T> Outcome<T> {
    /// Which of the five it is.
    #[must_use]
    pub fn kind(&self) -> OutcomeKind {
        match self {
            Self::Answered(_) => OutcomeKind::Answered,
            Self::Failed(_) => OutcomeKind::Failed,
            Self::TimedOut(_) => OutcomeKind::TimedOut,
            Self::Rejected(_) => OutcomeKind::Rejected,
            Self::Skipped(_) => OutcomeKind::Skipped,
        }
    }

    /// The same outcome with its answer, if it is one, turned into something else.
    #[must_use]
    pub fn map<U>(self, turn: impl FnOnce(T) -> U) -> Outcome<U> {
        match self {
            Self::Answered(value) => Outcome::Answered(turn(value)),
            Self::Failed(failure) => Outcome::Failed(failure),
            Self::TimedOut(late) => Outcome::TimedOut(late),
            Self::Rejected(why) => Outcome::Rejected(why),
            Self::Skipped(why) => Outcome::Skipped(why),
        }
    }
}

impl<T> Outcome<T> {
    /// Where it was, if it was late.
    pub(crate) fn late_stage(&self) -> Option<Stage> {
        match self {
            Self::TimedOut(late) => Some(late.stage),
            _ => None,
        }
    }

    /// A copy without the answer; none where there is one.
    pub(crate) fn missing(&self) -> Option<Outcome<Infallible>> {
        match self {
            Self::Answered(_) => None,
            Self::Failed(failure) => Some(Outcome::Failed(*failure)),
            Self::TimedOut(late) => Some(Outcome::TimedOut(*late)),
            Self::Rejected(why) => Some(Outcome::Rejected(why.clone())),
            Self::Skipped(why) => Some(Outcome::Skipped(*why)),
        }
    }
}

/// The five outcomes by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OutcomeKind {
    /// See [`Outcome::Answered`].
    Answered,
    /// See [`Outcome::Failed`].
    Failed,
    /// See [`Outcome::TimedOut`].
    TimedOut,
    /// See [`Outcome::Rejected`].
    Rejected,
    /// See [`Outcome::Skipped`].
    Skipped,
}

impl OutcomeKind {
    /// The name in tables and JSON documents.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Failed => "failed",
            Self::TimedOut => "timed_out",
            Self::Rejected => "rejected",
            Self::Skipped => "skipped",
        }
    }
}

impl fmt::Display for OutcomeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A failure as the caller sees it: a class, and an id under which the protected log has the details.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CellFailure {
    class: ErrorClass,
    id: Uuid,
}

impl CellFailure {
    /// Gives the error an id, writes its detail to the log under that id, and keeps the class. A cell that fails often is
    /// warned of ten times in ten seconds and no more, with the number of warnings kept back; details are all written.
    /// For reports of the caller's own beside a scatter's.
    #[must_use = "the id leads from a report to the log"]
    pub fn record(cell: &cells::CellLabel, error: &CellError) -> Self {
        let failure = Self {
            class: error.class(),
            id: Uuid::new_v4(),
        };
        // The target's name lets a subscriber route details, which may name hosts and statements, to a protected log.
        tracing::debug!(
            target: "nova_cells::detail",
            %cell, class = %failure.class, id = %failure.id, detail = %error.detail(),
        );
        if let Some(kept_back) = failure_log::hears(cell) {
            tracing::warn!(%cell, class = %failure.class, id = %failure.id, kept_back, "cell failed");
        }
        failure
    }

    /// What kind of failure it was.
    #[must_use]
    pub fn class(self) -> ErrorClass {
        self.class
    }

    /// Where the protected log has the details.
    #[must_use]
    pub fn id(self) -> Uuid {
        self.id
    }
}

/// How far a cell's work had come when the budget ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimedOut {
    /// Where it was.
    pub stage: Stage,
    /// Whether anything is still going on.
    pub progress: Progress,
}

/// The stages of one cell's work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Stage {
    /// Not begun: as many other cells as the caller allows at the same time were under way.
    InFlight,
    /// Waiting for one of the cell's permits.
    Permit,
    /// Waiting for a free worker.
    Queued,
    /// Binding the request to the cell.
    Targeting,
    /// Connecting, where the work says so.
    Connecting,
    /// Inside the caller's work.
    Running,
    /// As far ahead of the reader of an ordered stream as it may be: not the cell's fault.
    Reader,
}

impl Stage {
    /// Every stage, in the order of its number.
    pub(crate) const ALL: [Self; 7] = [
        Self::InFlight,
        Self::Permit,
        Self::Queued,
        Self::Targeting,
        Self::Connecting,
        Self::Running,
        Self::Reader,
    ];

    /// The name in tables and logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InFlight => "in_flight",
            Self::Permit => "permit",
            Self::Queued => "queued",
            Self::Targeting => "targeting",
            Self::Connecting => "connecting",
            Self::Running => "running",
            Self::Reader => "reader",
        }
    }
}

/// Whether overdue work had begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Progress {
    /// It never began and never will.
    NeverStarted,
    /// It had begun and was told to stop: an async task is dropped, a thread is abandoned.
    StillRunning,
    /// It had begun and ended itself, without an answer, because its budget did: a statement that the database cut short.
    Ended,
}

/// Why a cell could not be asked.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Rejection {
    /// Its mapping was refused.
    Mapping(Arc<InvalidMapping>),
    /// It is no longer among the current mappings.
    Gone,
    /// The executor's queue for it is full.
    QueueFull,
    /// Its turn would have come after the budget's end: said at once, instead of letting it wait in vain.
    NoTime,
    /// The executor is shutting down.
    ShuttingDown,
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mapping(problems) => problems.fmt(f),
            Self::Gone => f.write_str("no longer among the current mappings"),
            Self::QueueFull => f.write_str("too much is queued for this cell"),
            Self::NoTime => f.write_str("its turn would come after the end of the budget"),
            Self::ShuttingDown => f.write_str("the executor is shutting down"),
        }
    }
}

/// Why a cell was left out on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SkipReason {
    /// Work of an earlier call is stuck in it, and holds all that the cell may use.
    Quarantined,
    /// Its breaker is open: works and a probe have failed, and reads are not tried for a while.
    BreakerOpen,
    /// The caller had enough before the cell's first row.
    NotNeeded,
}

impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Quarantined => f.write_str("earlier work is still stuck in this cell"),
            Self::BreakerOpen => f.write_str("the cell has failed and is left alone for a while"),
            Self::NotNeeded => f.write_str("the caller had enough without it"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_stand_in_the_order_of_their_numbers() {
        for (at, stage) in Stage::ALL.into_iter().enumerate() {
            assert_eq!(stage as usize, at);
        }
    }
}
