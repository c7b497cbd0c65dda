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

/// One line to stderr where a cell failed: how to learn more than its class. `verbose` is how much was logged already.
pub(crate) fn note_failed(cells: &[CellDocument], verbose: u8) {
    hint(cells.iter().filter_map(|cell| cell.error.as_ref()), verbose);
}

/// The same for these errors. Those without an id say all there is to say.
pub(crate) fn hint<'e>(errors: impl Iterator<Item = &'e ErrorDocument>, verbose: u8) {
    let logged = errors.filter(|error| error.id.is_some());
    let classes: Vec<&str> = logged.map(|error| error.class).collect();
    if classes.is_empty() || verbose > 1 {
        return;
    }
    // Rows are somebody's to mend in a database, settings on this host.
    super::note(if classes.contains(&ErrorClass::Decode.as_str()) {
        "cellctl: an answer could not be read; -vv names the row and what is wrong with it"
    } else if classes.contains(&ErrorClass::Configuration.as_str()) {
        "cellctl: something on this host cannot be used, or is not allowed; -vv says what"
    } else {
        "cellctl: -vv shows what failed, in the servers' own words"
    });
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
