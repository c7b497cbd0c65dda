//! `cellctl cells list`: every mapping, with masked URLs, and what is wrong with those that were rejected.

use cells::{Choice, SealState, Selection, Snapshot};
use comfy_table::Cell;
use serde::Serialize;

use crate::args::{Format, Global};
use crate::cloud::{Cloud, select_error};
use crate::exit::{CliError, Exit};
use crate::output::{self, table};

#[derive(Serialize)]
struct Document {
    cells: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    uuid: String,
    name: Option<String>,
    database: Option<String>,
    transport: Option<String>,
    disabled: Option<bool>,
    revision: Option<String>,
    seal: Option<&'static str>,
    problems: Vec<String>,
}

pub(crate) async fn run(global: &Global) -> Result<Exit, CliError> {
    let cloud = Cloud::open(global, "cellctl cells list").await?;
    let choices = cloud
        .snapshot()
        .select(&Selection::All)
        .map_err(|error| select_error(&error))?;
    let snapshot = cloud.snapshot();
    let rows: Vec<Row> = choices
        .iter()
        .map(|choice| row(choice, &snapshot))
        .collect();
    let valid = rows.iter().filter(|row| row.problems.is_empty()).count();
    let exit = Exit::of(rows.len(), valid);
    match global.format {
        Format::Json => output::json(&Document { cells: rows })?,
        _ => output::text(&shown(&rows))?,
    }
    Ok(exit)
}

fn row(choice: &Choice, snapshot: &Snapshot) -> Row {
    let label = choice.label();
    let seal = label
        .id()
        .and_then(|id| snapshot.seal(id))
        .map(SealState::as_str);
    let (uuid, name) = (label.uuid().to_owned(), label.name().map(str::to_owned));
    match choice {
        Choice::Cell(mapping) => Row {
            uuid,
            name,
            database: Some(mapping.database().to_string()),
            transport: Some(mapping.transport().to_string()),
            disabled: Some(mapping.disabled()),
            revision: Some(mapping.revision().to_string()),
            seal,
            problems: Vec::new(),
        },
        Choice::Rejected(rejected) => Row {
            uuid,
            name,
            database: None,
            transport: None,
            disabled: None,
            revision: None,
            seal,
            problems: rejected
                .problems()
                .problems()
                .iter()
                .map(ToString::to_string)
                .collect(),
        },
    }
}

fn shown(rows: &[Row]) -> String {
    // UUIDs are read more often than compared: the name leads, and the long URLs share what is left of the width.
    table::table(
        &[
            "NAME",
            "UUID",
            "STATE",
            "DATABASE AND BUS, OR WHAT IS WRONG",
        ],
        rows.iter().map(|row| {
            let state = match row.disabled {
                None => "rejected",
                Some(true) => "disabled",
                Some(false) => "ok",
            };
            let mut lines: Vec<&str> = [&row.database, &row.transport]
                .into_iter()
                .flatten()
                .map(String::as_str)
                .collect();
            lines.extend(row.problems.iter().map(String::as_str));
            vec![
                table::optional(row.name.as_deref()),
                table::safe(&row.uuid),
                table::state(state),
                Cell::new(lines.join("\n")),
            ]
        }),
    )
}
