//! `cellctl cells check`: does each cell's database answer, and its bus? Both legs of all cells are asked at once.

use std::future::Future;
use std::time::{Duration, Instant};

use cells::{CellError, ErrorClass, SealState, Selection};
use connect::NovaConnector;
use scatter::{CellFailure, CellReport, CellTask, Outcome};
use serde::Serialize;

use crate::args::{Format, Global};
use crate::cloud::{Cloud, inner_deadline};
use crate::exit::{CliError, Exit};
use crate::output::{self, progress::Progress, report::ErrorDocument, table};

#[derive(Serialize)]
struct Document {
    cells: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    uuid: String,
    name: Option<String>,
    database: Leg,
    transport: Leg,
    seal: Option<&'static str>,
    problems: Vec<String>,
}

/// What one leg of a cell said.
#[derive(Serialize)]
struct Leg {
    state: &'static str,
    error: Option<ErrorDocument>,
    elapsed_ms: u64,
}

impl Leg {
    fn of(state: &'static str, elapsed: Duration) -> Self {
        Self {
            state,
            error: None,
            elapsed_ms: output::report::millis(elapsed),
        }
    }

    /// `ok` states may also be `none`, for a bus that there is not.
    fn told(state: Result<&'static str, CellFailure>, elapsed: Duration) -> Self {
        match state {
            Ok(state) => Self::of(state, elapsed),
            Err(failure) => Self {
                error: Some(ErrorDocument::of(failure)),
                ..Self::of("down", elapsed)
            },
        }
    }

    fn is_well(&self) -> bool {
        matches!(self.state, "ok" | "none")
    }
}

pub(crate) async fn run(global: &Global) -> Result<Exit, CliError> {
    let cloud = Cloud::open(global, "cellctl cells check").await?;
    let progress = Progress::of("checking cells", global.timeout);
    let report = cloud.ask(&Selection::All, check).await?;
    drop(progress);
    let snapshot = cloud.snapshot();
    let mut rows: Vec<Row> = report.into_cells().into_iter().map(row).collect();
    for row in &mut rows {
        let id = row.uuid.parse().ok();
        row.seal = id.and_then(|id| snapshot.seal(id)).map(SealState::as_str);
    }
    let well = rows
        .iter()
        .filter(|row| row.database.is_well() && row.transport.is_well())
        .count();
    let exit = Exit::of(rows.len(), well);
    let errors: Vec<ErrorDocument> = rows
        .iter()
        .flat_map(|row| [&row.database.error, &row.transport.error])
        .filter_map(Clone::clone)
        .collect();
    match global.format {
        Format::Json => output::json(&Document { cells: rows })?,
        _ => output::text(&shown(&rows))?,
    }
    output::report::hint(errors.iter(), global.verbose);
    Ok(exit)
}

/// Asks both legs side by side, so that a hung database does not hide a healthy bus.
async fn check(task: CellTask<NovaConnector>) -> Result<(Leg, Leg), CellError> {
    let deadline = inner_deadline(task.deadline());
    let cell = task.cell();
    let database = timed(async { cell.database().ping(deadline).await.map(|()| "ok") });
    let transport = timed(async {
        match cell.messaging() {
            Err(cells::NoBus) => Ok("none"),
            Ok(bus) => bus.check(deadline).await.map(|()| "ok"),
        }
    });
    let ((database, took), (transport, also_took)) = tokio::join!(database, transport);
    let told = |state: Result<_, CellError>, elapsed| {
        Leg::told(
            state.map_err(|error| CellFailure::record(cell.label(), &error)),
            elapsed,
        )
    };
    Ok((told(database, took), told(transport, also_took)))
}

async fn timed<T>(work: impl Future<Output = T>) -> (T, Duration) {
    let begun = Instant::now();
    (work.await, begun.elapsed())
}

fn row(cell: CellReport<(Leg, Leg)>) -> Row {
    let elapsed = cell.elapsed;
    let both = |state: &'static str, class: Option<ErrorClass>| {
        let leg = || Leg {
            error: class.map(ErrorDocument::of_class),
            ..Leg::of(state, elapsed)
        };
        (leg(), leg())
    };
    let mut problems = Vec::new();
    let (database, transport) = match cell.outcome {
        Outcome::Answered(legs) => legs,
        Outcome::Failed(failure) => both("down", Some(failure.class())),
        Outcome::TimedOut(_) => both("down", Some(ErrorClass::Timeout)),
        Outcome::Skipped(_) => both("down", Some(ErrorClass::Overloaded)),
        Outcome::Rejected(scatter::Rejection::Mapping(invalid)) => {
            problems.extend(invalid.problems().iter().map(ToString::to_string));
            both("rejected", None)
        }
        Outcome::Rejected(why) => {
            problems.push(why.to_string());
            both("rejected", None)
        }
    };
    Row {
        uuid: cell.cell.uuid().to_owned(),
        name: cell.cell.name().map(str::to_owned),
        database,
        transport,
        seal: None,
        problems,
    }
}

fn shown(rows: &[Row]) -> String {
    table::table(
        &[
            "NAME",
            "UUID",
            "DATABASE",
            "MS",
            "BUS",
            "MS",
            "WHAT IS WRONG",
        ],
        rows.iter().map(|row| {
            let mut wrong = row.problems.clone();
            for (leg, name) in [(&row.database, "database"), (&row.transport, "bus")] {
                wrong.extend(
                    leg.error
                        .as_ref()
                        .map(|error| format!("{name}: {}", error.class)),
                );
            }
            vec![
                table::optional(row.name.as_deref()),
                table::safe(&row.uuid),
                table::state(row.database.state),
                table::number(row.database.elapsed_ms),
                table::state(row.transport.state),
                table::number(row.transport.elapsed_ms),
                table::safe(&wrong.join("; ")),
            ]
        }),
    )
}
