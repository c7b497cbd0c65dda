//! `cellctl query`: one statement that only reads, in every cell. It is each database that refuses to write, not this file.

use cells::{CellId, Selection};
use connect::{AdHocRefused, Record};
use serde_json::Value;

use crate::args::{Format, Global, Query};
use crate::cloud::Cloud;
use crate::exit::{CliError, Exit};
use crate::output::lines::{Fields, Lines, object};
use crate::output::report::{CellDocument, exit, note_failed, note_missing, outcomes};
use crate::output::{self, progress::Progress, table};

pub(crate) async fn run(global: &Global, args: &Query) -> Result<Exit, CliError> {
    let selection = selection(&args.cells)?;
    if args.sql.trim().is_empty() {
        return Err(CliError::usage("--sql: no statement"));
    }
    let cloud = Cloud::open(global, "cellctl query").await?;
    let progress = Progress::of("asking the cells", global.timeout);
    let sql = args.sql.clone();
    let headed = matches!(global.format, Format::Csv | Format::Table);
    let report = cloud
        .ask(&selection, move |task| {
            let sql = sql.clone();
            async move {
                let session = instances::reading(&task);
                let records = session.ad_hoc(&sql).await?;
                // No row brings their names, and a heading has them. Without them the answer is as complete.
                let columns = match headed && records.is_empty() {
                    true => session.ad_hoc_columns(&sql).await.unwrap_or_default(),
                    false => Vec::new(),
                };
                Ok((columns, records))
            }
        })
        .await?;
    drop(progress);
    let (mut cells, mut rows, mut empty) = (Vec::new(), Vec::new(), Vec::new());
    for cell in report.into_cells() {
        cells.push(CellDocument::of(&cell, |(_, records)| records.len()));
        if let Ok((label, (columns, records))) = cell.into_answer() {
            let of_cell = |record| fields(label.uuid(), record);
            rows.extend(records.into_iter().map(of_cell));
            let unknown = columns.into_iter().map(|name| (name, Value::Null));
            empty.push(of_cell(unknown.collect()));
        }
    }
    let names = names(&rows, &empty);
    match global.format {
        Format::Json => output::text(&json(&rows, &cells)?)?,
        Format::Table => output::text(&shown(&names, &rows, &cells))?,
        Format::Jsonl | Format::Csv => {
            let mut lines = Lines::new(global.format, names);
            for row in &rows {
                if !lines.row(row)? {
                    break;
                }
            }
            lines.flush()?;
            note_missing(&cells);
        }
    }
    if let Some(refused) = AdHocRefused::of(&args.sql) {
        output::note(format_args!(
            "cellctl: the statement was sent to no database: {refused}"
        ));
        return Ok(exit(&cells));
    }
    let of_sql = |cell: &CellDocument| {
        let class = cell.error.as_ref().map(|error| error.class);
        matches!(class, Some("statement" | "schema" | "forbidden"))
    };
    if cells.iter().any(of_sql) {
        output::note("cellctl: a database refused the statement; -vv shows its own words");
    } else {
        note_failed(&cells, global.verbose);
    }
    Ok(exit(&cells))
}

fn selection(text: &str) -> Result<Selection, CliError> {
    match text {
        "all" => return Ok(Selection::All),
        "no-cell0" => return Ok(Selection::WithoutCell0),
        _ => {}
    }
    let ids: Result<Vec<CellId>, _> = text.split(',').map(|id| id.trim().parse()).collect();
    let ids = ids.map_err(|_| CliError::usage("--cells: `all`, `no-cell0`, or uuids of cells"))?;
    for (at, id) in ids.iter().enumerate() {
        if ids[..at].contains(id) {
            return Err(CliError::usage(format_args!(
                "--cells: {id} is named twice"
            )));
        }
    }
    Ok(Selection::Only(ids))
}

/// A row with its cell in front. A column that is itself called so has a stroke behind its name.
fn fields(cell: &str, record: Record) -> Fields {
    let mut fields: Fields = vec![("cell".into(), cell.into())];
    for (mut name, value) in record {
        while fields.iter().any(|(other, _)| *other == name) {
            name.push('_');
        }
        fields.push((name, value));
    }
    fields
}

/// The columns of all rows, and then of the answers without any, each once: cells of different Novas have different tables.
fn names(rows: &[Fields], empty: &[Fields]) -> Vec<String> {
    // Nearly all rows have those of the row before.
    let runs = rows.chunk_by(|one, other| columns(one).eq(columns(other)));
    let mut names: Vec<String> = Vec::new();
    let firsts = runs.filter_map(|run| run.first());
    for name in firsts.chain(empty).flat_map(columns) {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    names
}

fn columns(row: &Fields) -> impl Iterator<Item = &String> {
    row.iter().map(|(name, _)| name)
}

/// `{"rows","cells","partial"}`, each row's columns in the statement's order.
fn json(rows: &[Fields], cells: &[CellDocument]) -> Result<String, CliError> {
    let failed =
        |error: std::io::Error| CliError::nothing(format_args!("writing the result: {error}"));
    let mut out = b"{\"rows\":[".to_vec();
    for (at, row) in rows.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        object(&mut out, row).map_err(failed)?;
    }
    let cells_text = serde_json::to_string(cells).map_err(|error| failed(error.into()))?;
    let partial = cells.iter().any(|cell| !cell.is_answered());
    let mut text = String::from_utf8_lossy(&out).into_owned();
    text.push_str(&format!(
        "],\"cells\":{cells_text},\"partial\":{partial}}}\n"
    ));
    Ok(text)
}

/// Missing cells first: rows that are not there are not seen.
fn shown(names: &[String], rows: &[Fields], cells: &[CellDocument]) -> String {
    let missing = cells.iter().any(|cell| !cell.is_answered());
    let mut text = if missing {
        outcomes(cells)
    } else {
        String::new()
    };
    if !names.is_empty() {
        let headings: Vec<String> = names.iter().map(|name| name.to_uppercase()).collect();
        let headings: Vec<&str> = headings.iter().map(String::as_str).collect();
        let lines = rows.iter().map(|row| {
            names
                .iter()
                .map(|name| match row.iter().find(|(other, _)| other == name) {
                    None | Some((_, Value::Null)) => table::optional(None),
                    Some((_, Value::String(text))) => table::safe(text),
                    Some((_, other)) => table::number(other),
                })
                .collect()
        });
        text.push_str(&table::table(&headings, lines));
    }
    if !missing {
        text.push_str(&outcomes(cells));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_that_only_a_later_cell_has_is_a_column() {
        let row = |names: &[&str]| -> Fields {
            let value = |name: &&str| ((*name).to_owned(), Value::from(*name));
            names.iter().map(value).collect()
        };
        let rows = [
            row(&["cell", "a"]),
            row(&["cell", "a"]),
            row(&["cell", "b", "a"]),
        ];
        let empty = [row(&["cell", "c"])];
        let names_of = |rows| names(rows, &empty);
        assert_eq!(names_of(&rows), ["cell", "a", "b", "c"]);
        assert_eq!(names_of(&[]), ["cell", "c"]);
        let table = shown(&names(&rows, &[]), &rows, &[]);
        assert!(table.starts_with("CELL  A  B\n"), "{table}");
        assert_eq!(names(&[], &[]), [""; 0]);
    }
}
