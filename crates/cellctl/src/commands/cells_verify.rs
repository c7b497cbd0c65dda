//! `cellctl cells verify`: the state of each cell's seal, sealed cells that are gone included.

use serde::Serialize;

use crate::args::{Format, Global};
use crate::cloud::Cloud;
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
    seal: &'static str,
}

pub(crate) async fn run(global: &Global) -> Result<Exit, CliError> {
    if global.seals.is_none() {
        return Err(CliError::usage(
            "which seals? Give --seals MANIFEST and --trusted-keys FILE",
        ));
    }
    let cloud = Cloud::open(global, "cellctl cells verify").await?;
    let snapshot = cloud.snapshot();
    let rows: Vec<Row> = snapshot
        .seals()
        .iter()
        .map(|(cell, state)| Row {
            uuid: cell.uuid().to_owned(),
            name: cell.name().map(str::to_owned),
            seal: state.as_str(),
        })
        .collect();
    let valid = rows
        .iter()
        .filter(|row| row.seal == cells::SealState::Valid.as_str())
        .count();
    let exit = Exit::of(rows.len(), valid);
    match global.format {
        Format::Json => output::json(&Document { cells: rows })?,
        _ => output::text(&table::table(
            &["NAME", "UUID", "SEAL"],
            rows.iter().map(|row| {
                vec![
                    table::optional(row.name.as_deref()),
                    table::safe(&row.uuid),
                    table::state(row.seal),
                ]
            }),
        ))?,
    }
    Ok(exit)
}
