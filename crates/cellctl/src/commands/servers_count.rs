//! `cellctl servers count`: how many servers there are, by project, state and cell. A sum that lacks a cell is none, unless
//! the caller says otherwise.

use instances::ServerCounts;
use serde::Serialize;

use crate::args::{Format, Global, ServersCount};
use crate::cloud::{Cloud, on_servers};
use crate::commands::servers_filter::{filter, list_error};
use crate::exit::{CliError, Exit};
use crate::output::lines::Lines;
use crate::output::report::{CellDocument, exit, note_failed, note_missing, outcomes};
use crate::output::{self, progress::Progress, table};

/// `{"total","by_project","by_state","by_cell","cells","partial"}`; no total where a cell is missing.
#[derive(Serialize)]
struct Document {
    total: Option<u64>,
    by_project: Vec<Project>,
    by_state: Vec<State>,
    by_cell: Vec<Cell>,
    cells: Vec<CellDocument>,
    partial: bool,
}

#[derive(Serialize)]
struct Project {
    project_id: Option<String>,
    servers: u64,
}

#[derive(Serialize)]
struct State {
    vm_state: Option<String>,
    servers: u64,
}

#[derive(Serialize)]
struct Cell {
    cell: String,
    name: Option<String>,
    servers: u64,
}

pub(crate) async fn run(global: &Global, args: &ServersCount) -> Result<Exit, CliError> {
    let filter = filter(&args.filter)?;
    let cloud = Cloud::open(global, "cellctl servers count").await?;
    let progress = Progress::of("counting servers", global.timeout);
    let report = on_servers!(&cloud, servers => servers.count(&filter).await);
    drop(progress);
    let report = report.map_err(|error| list_error(&error))?.into_report();
    let sum = |tallies: &Vec<instances::Tally>| {
        let servers: u64 = tallies.iter().map(|tally| tally.servers).sum();
        usize::try_from(servers).unwrap_or(usize::MAX)
    };
    let (mut cells, mut counted) = (Vec::new(), Vec::new());
    for cell in report.into_cells() {
        cells.push(CellDocument::of(&cell, sum));
        if let Ok(answer) = cell.into_answer() {
            counted.push(answer);
        }
    }
    let partial = counted.len() < cells.len();
    let mut counts = ServerCounts::default();
    if !partial || args.allow_partial {
        counts.cells = counted;
    }
    let document = Document {
        total: (!partial || args.allow_partial).then(|| counts.total()),
        by_project: counts
            .by_project()
            .into_iter()
            .map(|(project_id, servers)| Project {
                project_id,
                servers,
            })
            .collect(),
        by_state: counts
            .by_state()
            .into_iter()
            .map(|(vm_state, servers)| State { vm_state, servers })
            .collect(),
        by_cell: counts
            .by_cell()
            .into_iter()
            .map(|(label, servers)| Cell {
                cell: label.uuid().to_owned(),
                name: label.name().map(str::to_owned),
                servers,
            })
            .collect(),
        cells,
        partial,
    };
    match global.format {
        Format::Json => output::json(&document)?,
        Format::Table => output::text(&document.table())?,
        Format::Jsonl | Format::Csv => {
            // A heading over nothing would say that there are no servers.
            if document.total.is_some() {
                lines(global.format, &counts)?;
            }
            note_missing(&document.cells);
        }
    }
    note_failed(&document.cells, global.verbose);
    Ok(exit(&document.cells))
}

const NAMES: [&str; 4] = ["cell", "project_id", "vm_state", "servers"];

/// The counts themselves, one row for each cell, project and state.
fn lines(format: Format, counts: &ServerCounts) -> Result<(), CliError> {
    let mut lines = Lines::new(format, NAMES);
    for (label, tallies) in &counts.cells {
        for tally in tallies {
            let fields = [
                label.uuid().into(),
                tally.project_id.clone().into(),
                tally.vm_state.clone().into(),
                tally.servers.into(),
            ];
            let named = NAMES.map(str::to_owned).into_iter().zip(fields);
            if !lines.row(&named.collect())? {
                return Ok(());
            }
        }
    }
    lines.flush().map(drop)
}

impl Document {
    fn table(&self) -> String {
        let mut text = String::new();
        if self.partial {
            text.push_str(&outcomes(&self.cells));
        }
        let row =
            |name: Option<&str>, servers: u64| vec![table::optional(name), table::number(servers)];
        let Some(total) = self.total else {
            text.push_str(
                "No count: a cell is missing. --allow-partial counts what the others have.\n",
            );
            return text;
        };
        let projects = self
            .by_project
            .iter()
            .map(|of| row(of.project_id.as_deref(), of.servers));
        text.push_str(&table::table(&["PROJECT", "SERVERS"], projects));
        let states = self
            .by_state
            .iter()
            .map(|of| row(of.vm_state.as_deref(), of.servers));
        text.push_str(&table::table(&["STATE", "SERVERS"], states));
        let cells = self
            .by_cell
            .iter()
            .map(|of| row(of.name.as_deref().or(Some(&of.cell)), of.servers));
        text.push_str(&table::table(&["CELL", "SERVERS"], cells));
        text.push_str(&format!(
            "{total} servers in {} cells\n",
            self.by_cell.len()
        ));
        text
    }
}
