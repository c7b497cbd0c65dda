//! `cellctl servers list --page-all`: page after page, each written before the next is asked for.
//!
//! Memory holds one page. A cell that did not answer is left out of later pages, so that it costs its wait once; what it
//! would have had is missing from there on, and it is named at the end.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use cells::Selection;
use instances::{DownCells, Page, ServerQuery};
use serde_json::Value;

use crate::args::{Format, Global};
use crate::cloud::{Cloud, on_servers, select_error};
use crate::commands::servers_filter::list_error;
use crate::commands::servers_list::{NAMES, ServerDocument, servers_table};
use crate::exit::{CliError, Exit};
use crate::output::lines::{Lines, object};
use crate::output::report::{CellDocument, exit, note_failed, note_missing, outcomes};
use crate::output::{self, progress::Progress};

pub(super) async fn run(
    global: &Global,
    cloud: &Cloud,
    query: &ServerQuery,
) -> Result<Exit, CliError> {
    let written = Arc::new(AtomicU64::new(0));
    let progress = Progress::counting("listing servers", global.timeout, Arc::clone(&written));
    let mut out = Out::new(global.format);
    let mut cells: Vec<CellDocument> = Vec::new();
    let mut query = query.clone();
    let mut cursor = None;
    let mut selection = Selection::All;
    let marker = loop {
        let left = cloud.deadline.remaining();
        // Half of what is left, so that a cell that hangs leaves the others time for their next pages.
        let budget = left / 2;
        let page = on_servers!(cloud, servers => {
            let servers = servers.selection(selection.clone()).timeout(budget);
            match &cursor {
                Some(cursor) => servers.list_after(&query, cursor, DownCells::Skip).await,
                None => servers.list(&query, DownCells::Skip).await,
            }
        });
        let page = page.map_err(|error| list_error(&error))?;
        query.marker = None;
        account(&mut cells, &page);
        let next = page.next_marker;
        written.fetch_add(page.servers.len() as u64, Ordering::Relaxed);
        let reader = out.page(page.servers.into_iter().map(ServerDocument::of))?;
        let over = next.is_none() || !reader;
        if over || cloud.deadline.remaining() < std::time::Duration::from_millis(20) {
            break next.filter(|_| reader);
        }
        selection = answering(cloud, &cells)?;
        if selection == Selection::Only(Vec::new()) {
            break next;
        }
        cursor = Some(page.cursor);
    };
    drop(progress);
    out.end(
        &cells,
        marker.map(|uuid| uuid.to_string()),
        written.load(Ordering::Relaxed),
    )?;
    note_failed(&cells, global.verbose);
    let code = exit(&cells);
    Ok(match marker {
        // The time is over and the list is not.
        Some(_) if code == Exit::Complete => Exit::Partial,
        _ => code,
    })
}

/// Adds up a page's report: rows and time of cells that answer; what was wrong first of those that do not.
fn account(cells: &mut Vec<CellDocument>, page: &Page) {
    for report in &page.cells {
        let new = CellDocument::of(report, |rows| *rows);
        match cells.iter_mut().find(|cell| cell.uuid == new.uuid) {
            None => cells.push(new),
            Some(held) => {
                let (rows, elapsed) = (held.rows + new.rows, held.elapsed_ms + new.elapsed_ms);
                *held = new;
                (held.rows, held.elapsed_ms) = (rows, elapsed);
            }
        }
    }
}

/// The cells that answered so far.
fn answering(cloud: &Cloud, cells: &[CellDocument]) -> Result<Selection, CliError> {
    if cells.iter().all(CellDocument::is_answered) {
        return Ok(Selection::All);
    }
    let choices = cloud
        .cells
        .select(&Selection::All)
        .map_err(|error| select_error(&error))?;
    let ids = choices.iter().filter_map(|choice| choice.label().id());
    let is_well = |id: &cells::CellId| {
        let text = id.to_string();
        cells
            .iter()
            .any(|cell| cell.uuid == text && cell.is_answered())
    };
    Ok(Selection::Only(ids.filter(is_well).collect()))
}

/// Where the pages go.
enum Out {
    Lines(Lines),
    /// One JSON document, written as it grows; whether a server is in it yet.
    Document(bool),
    Tables,
}

impl Out {
    fn new(format: Format) -> Self {
        match format {
            Format::Jsonl | Format::Csv => Self::Lines(Lines::new(format, NAMES)),
            Format::Json => Self::Document(false),
            Format::Table => Self::Tables,
        }
    }

    /// Writes a page; whether anybody still reads.
    fn page(&mut self, servers: impl Iterator<Item = ServerDocument>) -> Result<bool, CliError> {
        match self {
            Self::Lines(lines) => {
                for server in servers {
                    if !lines.row(&server.fields())? {
                        return Ok(false);
                    }
                }
                lines.flush()
            }
            Self::Document(begun) => {
                let mut text: Vec<u8> = Vec::new();
                for server in servers {
                    text.extend(if *begun { &b","[..] } else { b"{\"servers\":[" });
                    *begun = true;
                    object(&mut text, &server.fields()).map_err(CliError::nothing)?;
                }
                output::going_text(&String::from_utf8_lossy(&text))
            }
            Self::Tables => {
                let servers: Vec<ServerDocument> = servers.collect();
                match servers.is_empty() {
                    true => Ok(true),
                    false => output::going_text(&servers_table(servers.iter())),
                }
            }
        }
    }

    fn end(
        self,
        cells: &[CellDocument],
        marker: Option<String>,
        written: u64,
    ) -> Result<(), CliError> {
        let partial = marker.is_some() || cells.iter().any(|cell| !cell.is_answered());
        match self {
            Self::Lines(lines) => {
                drop(lines);
                note_missing(cells);
                if let Some(marker) = marker {
                    output::note(format_args!(
                        "cellctl: time is over; more with --marker {marker}"
                    ));
                }
                Ok(())
            }
            Self::Document(begun) => {
                let begin = if begun { "" } else { "{\"servers\":[" };
                let text = |value: &Value| value.to_string();
                let cells = serde_json::to_value(cells).map_err(CliError::nothing)?;
                let (cells, marker) = (text(&cells), text(&marker.into()));
                output::text(&format!(
                    "{begin}],\"cells\":{cells},\"partial\":{partial},\"next_marker\":{marker}}}\n"
                ))
            }
            Self::Tables => {
                let mut text = outcomes(cells);
                text.push_str(&format!("{written} servers\n"));
                if let Some(marker) = marker {
                    text.push_str(&format!("Time is over. More with --marker {marker}\n"));
                }
                output::text(&text)
            }
        }
    }
}
