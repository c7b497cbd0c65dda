//! Rows of figures: read from a bench target, checked, written as one JSON array and as a table.
//!
//! A row is `{"name","value","unit","peer","ratio"}`: what was measured, how much, of what; the peer it was compared with
//! in the same run (its name, its figure, or nothing); our figure divided by the peer's, or nothing.

use std::fmt::Write as _;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

/// One figure.
#[derive(Debug, PartialEq)]
pub(super) struct Row {
    name: String,
    value: f64,
    unit: String,
    peer: Value,
    ratio: Option<f64>,
}

/// Reads a bench target's JSON lines. A target that wrote no row did not measure anything, which is an error.
pub(super) fn parse(lines: &str) -> Result<Vec<Row>> {
    let rows = lines
        .lines()
        .filter(|line| !line.trim().is_empty())
        .map(|line| row(line).with_context(|| format!("not a row: {line}")))
        .collect::<Result<Vec<Row>>>()?;
    ensure!(!rows.is_empty(), "it wrote no row");
    Ok(rows)
}

fn row(line: &str) -> Result<Row> {
    let value: Value = serde_json::from_str(line)?;
    let string = |key: &str| {
        value[key]
            .as_str()
            .filter(|text| !text.is_empty())
            .map(str::to_owned)
            .with_context(|| format!("`{key}` is not a text"))
    };
    let peer = value["peer"].clone();
    ensure!(
        peer.is_null() || peer.is_string() || peer.is_number(),
        "`peer` is neither a name, nor a figure, nor null"
    );
    let ratio = &value["ratio"];
    ensure!(
        ratio.is_null() || ratio.is_number(),
        "`ratio` is neither a figure nor null"
    );
    Ok(Row {
        name: string("name")?,
        value: value["value"].as_f64().context("`value` is not a figure")?,
        unit: string("unit")?,
        ratio: ratio.as_f64(),
        peer,
    })
}

/// All rows as one JSON array, a row per line, keys in the order in which they are explained.
pub(super) fn to_json(rows: &[Row]) -> String {
    let rows: Vec<String> = rows
        .iter()
        .map(|row| {
            format!(
                r#"{{"name":{},"value":{},"unit":{},"peer":{},"ratio":{}}}"#,
                json!(row.name),
                json!(row.value),
                json!(row.unit),
                row.peer,
                json!(row.ratio),
            )
        })
        .collect();
    format!("[\n  {}\n]\n", rows.join(",\n  "))
}

/// All rows for people, figures aligned on the right.
pub(super) fn table(rows: &[Row]) -> String {
    let mut cells = vec![["name", "value", "unit", "peer", "ratio"].map(str::to_owned)];
    cells.extend(rows.iter().map(|row| {
        let peer = match &row.peer {
            Value::String(name) => name.clone(),
            other => other.as_f64().map_or_else(|| "-".to_owned(), figure),
        };
        [
            row.name.clone(),
            figure(row.value),
            row.unit.clone(),
            peer,
            row.ratio.map_or_else(|| "-".to_owned(), figure),
        ]
    }));
    let width = |column: usize| {
        cells
            .iter()
            .map(|line| line[column].chars().count())
            .max()
            .unwrap_or_default()
    };
    let [name, value, unit, peer, ratio] = std::array::from_fn(width);
    let mut text = String::new();
    for line in &cells {
        // Writing to a `String` cannot fail.
        let _ = writeln!(
            text,
            "{:<name$}  {:>value$}  {:<unit$}  {:>peer$}  {:>ratio$}",
            line[0], line[1], line[2], line[3], line[4]
        );
    }
    text
}

/// Four figures that count: `0.001234`, `1.234`, `123.4`, `1234567`; whole numbers as they are.
fn figure(value: f64) -> String {
    let size = value.abs();
    if size.fract() == 0.0 || size >= 1000.0 {
        return format!("{value:.0}");
    }
    let decimals = (0..9)
        .find(|decimals| size * 10_f64.powi(*decimals) >= 1000.0)
        .unwrap_or(9);
    format!("{value:.*}", usize::try_from(decimals).unwrap_or(9))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: &str = r#"
{"name":"P1/64","value":41.5,"unit":"us","peer":"JoinSet","ratio":1.02}
{"name":"P5","value":0.104,"unit":"s","peer":2.03,"ratio":0.0512}
{"name":"P7","value":24000000,"unit":"rows/s"}
"#;

    #[test]
    fn rows_survive_into_the_summary() {
        let rows = parse(LINES).expect("three rows");
        let summary: Value = serde_json::from_str(&to_json(&rows)).expect("JSON");
        assert_eq!(
            summary,
            json!([
                {"name": "P1/64", "value": 41.5, "unit": "us", "peer": "JoinSet", "ratio": 1.02},
                {"name": "P5", "value": 0.104, "unit": "s", "peer": 2.03, "ratio": 0.0512},
                {"name": "P7", "value": 24_000_000.0, "unit": "rows/s", "peer": null, "ratio": null},
            ])
        );
    }

    #[test]
    fn the_table_lines_up() {
        let rows = parse(LINES).expect("three rows");
        assert_eq!(
            table(&rows).lines().collect::<Vec<_>>(),
            [
                "name      value  unit       peer    ratio",
                "P1/64     41.50  us      JoinSet    1.020",
                "P5       0.1040  s         2.030  0.05120",
                "P7     24000000  rows/s        -        -",
            ]
        );
    }

    #[test]
    fn a_bench_without_a_row_is_an_error() {
        for nothing in ["", "\n\n"] {
            let error = parse(nothing).expect_err("no row");
            assert_eq!(error.to_string(), "it wrote no row");
        }
    }

    #[test]
    fn a_malformed_row_is_named() {
        for line in [
            "not json",
            r#"{"value":1,"unit":"s"}"#,
            r#"{"name":"a","unit":"s"}"#,
            r#"{"name":"a","value":"1","unit":"s"}"#,
            r#"{"name":"a","value":1,"unit":""}"#,
            r#"{"name":"a","value":1,"unit":"s","peer":[]}"#,
            r#"{"name":"a","value":1,"unit":"s","ratio":"1x"}"#,
        ] {
            let error = parse(line).expect_err(line);
            assert_eq!(error.to_string(), format!("not a row: {line}"));
        }
    }
}
