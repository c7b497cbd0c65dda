//! A scatter's report in the shapes of the contract: the `cells` part of a JSON document, and the table beneath a list.

use std::time::Duration;

use cells::{CellLabel, ErrorClass};
use scatter::{CellFailure, CellReport, Outcome, OutcomeKind};
use serde::Serialize;

use super::table;
use crate::exit::Exit;

/// One cell of a report: `{"uuid","name","outcome","elapsed_ms","rows","error","detail"}`.
#[derive(Serialize)]
pub(crate) struct CellDocument {
    pub(crate) uuid: String,
    pub(crate) name: Option<String>,
    pub(crate) outcome: &'static str,
    pub(crate) elapsed_ms: u64,
    pub(crate) rows: usize,
    pub(crate) error: Option<ErrorDocument>,
    /// In words, for people: where a late cell was, why one was rejected.
    pub(crate) detail: Option<String>,
}

/// What scripts may know of an error: its class, and where the log has the rest.
#[derive(Serialize, Clone)]
pub(crate) struct ErrorDocument {
    pub(crate) class: &'static str,
    pub(crate) id: Option<String>,
}

impl ErrorDocument {
    pub(crate) fn of(failure: CellFailure) -> Self {
        Self {
            class: failure.class().as_str(),
            id: Some(failure.id().to_string()),
        }
    }

    pub(crate) fn of_class(class: ErrorClass) -> Self {
        Self {
            class: class.as_str(),
            id: None,
        }
    }
}

impl CellDocument {
    /// The document of one cell, whose answer had this many rows.
    pub(crate) fn of<T>(report: &CellReport<T>, rows: impl Fn(&T) -> usize) -> Self {
        let (rows, error, detail) = match &report.outcome {
            Outcome::Answered(value) => (rows(value), None, None),
            Outcome::Failed(failure) => (0, Some(ErrorDocument::of(*failure)), None),
            Outcome::TimedOut(late) => (
                0,
                Some(ErrorDocument::of_class(ErrorClass::Timeout)),
                Some(late.stage.as_str().into()),
            ),
            Outcome::Rejected(why) => (
                0,
                Some(ErrorDocument::of_class(ErrorClass::Configuration)),
                Some(why.to_string()),
            ),
            Outcome::Skipped(why) => (
                0,
                Some(ErrorDocument::of_class(ErrorClass::Overloaded)),
                Some(why.to_string()),
            ),
        };
        Self::new(
            &report.cell,
            report.outcome.kind(),
            report.elapsed,
            rows,
            error,
            detail,
        )
    }

    pub(crate) fn is_answered(&self) -> bool {
        self.outcome == OutcomeKind::Answered.as_str()
    }

    fn new(
        cell: &CellLabel,
        outcome: OutcomeKind,
        elapsed: Duration,
        rows: usize,
        error: Option<ErrorDocument>,
        detail: Option<String>,
    ) -> Self {
        Self {
            uuid: cell.uuid().to_owned(),
            name: cell.name().map(str::to_owned),
            outcome: outcome.as_str(),
            elapsed_ms: millis(elapsed),
            rows,
            error,
            detail,
        }
    }
}

/// Whole milliseconds, as the contract counts.
pub(crate) fn millis(elapsed: Duration) -> u64 {
    u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
}

/// One line to stderr for each cell that did not answer: for formats whose rows have no place for it.
pub(crate) fn note_missing(cells: &[CellDocument]) {
    for cell in cells.iter().filter(|cell| !cell.is_answered()) {
        let name = cell.name.as_deref().unwrap_or("?");
        let class = cell.error.as_ref().map_or("", |error| error.class);
        let detail = cell.detail.as_deref().unwrap_or_default();
        let id = cell.error.as_ref().and_then(|error| error.id.as_deref());
        super::note(format_args!(
            "cellctl: cell {name} ({}) {}: {class} {detail}{}",
            cell.uuid,
            cell.outcome,
            id.map(|id| format!("id {id}")).unwrap_or_default(),
        ));
    }
}

/// One line to stderr where a cell has rows that nobody can read: they are an operator's to mend, in the database.
pub(crate) fn note_unreadable(cells: &[CellDocument]) {
    let unreadable = |cell: &CellDocument| {
        let class = cell.error.as_ref().map(|error| error.class);
        class == Some(ErrorClass::Decode.as_str())
    };
    if cells.iter().any(unreadable) {
        super::note(
            "cellctl: a cell's answer could not be read; -vv names the row and what is wrong with it",
        );
    }
}

/// How a command ends that asked these cells.
pub(crate) fn exit(cells: &[CellDocument]) -> Exit {
    let answered = cells.iter().filter(|cell| cell.is_answered()).count();
    Exit::of(cells.len(), answered)
}

/// The table of outcomes, missing cells first.
pub(crate) fn outcomes(cells: &[CellDocument]) -> String {
    let mut order: Vec<&CellDocument> = cells.iter().collect();
    order.sort_by_key(|cell| cell.is_answered());
    table::table(
        &["CELL", "UUID", "OUTCOME", "MS", "ROWS", "WHY"],
        order.into_iter().map(|cell| {
            let class = cell.error.as_ref().map(|error| error.class);
            let why: Vec<&str> = class.into_iter().chain(cell.detail.as_deref()).collect();
            vec![
                table::optional(cell.name.as_deref()),
                table::safe(&cell.uuid),
                table::state(cell.outcome),
                table::number(cell.elapsed_ms),
                table::number(cell.rows),
                table::safe(&why.join(": ")),
            ]
        }),
    )
}
