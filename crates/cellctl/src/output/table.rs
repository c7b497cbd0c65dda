//! Tables that fit 100 columns, with colour on a terminal and none in a file.

use std::io::IsTerminal;

use comfy_table::{Attribute, Cell, CellAlignment, Color, ContentArrangement, Table, presets};

/// The width that tables keep to; a wider terminal is not used, so that what is pasted elsewhere stays readable.
const WIDTH: u16 = 100;

/// A table with these headings and rows.
pub(crate) fn table(headings: &[&str], rows: impl IntoIterator<Item = Vec<Cell>>) -> String {
    let mut table = Table::new();
    table
        .load_preset(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(WIDTH)
        .set_header(
            headings
                .iter()
                .map(|text| Cell::new(text).add_attribute(Attribute::Bold)),
        );
    if coloured() {
        table.enforce_styling();
    } else {
        table.force_no_tty();
    }
    table.add_rows(rows);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let mut text: String = table
        .lines()
        .map(|line| line.trim_end().to_owned() + "\n")
        .collect();
    text.push('\n');
    text
}

/// Whether stdout shows colour: it is a terminal, and NO_COLOR (no-color.org) is not set.
fn coloured() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
}

/// A cell that is green, yellow or red by what its word means.
pub(crate) fn state(word: &str) -> Cell {
    let colour = match word {
        "answered" | "ok" | "valid" => Color::Green,
        "none" | "skipped" | "disabled" => Color::Yellow,
        _ => Color::Red,
    };
    Cell::new(word).fg(colour)
}

/// A cell with text from outside, made safe to print: names come from users, and a terminal obeys escape codes.
pub(crate) fn safe(text: &str) -> Cell {
    Cell::new(
        text.chars()
            .map(|c| if c.is_control() { '\u{fffd}' } else { c })
            .collect::<String>(),
    )
}

/// A number, to the right.
pub(crate) fn number(number: impl std::fmt::Display) -> Cell {
    Cell::new(number).set_alignment(CellAlignment::Right)
}

/// A cell for a value that may be missing.
pub(crate) fn optional(text: Option<&str>) -> Cell {
    text.map_or_else(|| Cell::new("-"), safe)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_keeps_to_its_width_and_forges_no_escape_codes() {
        let long = "x".repeat(150);
        let text = table(&["A", "B"], [vec![safe("\u{1b}[31mred"), safe(&long)]]);
        assert!(
            text.lines()
                .all(|line| line.chars().count() <= usize::from(WIDTH)),
            "{text}"
        );
        assert!(!text.contains('\u{1b}'));
    }
}
