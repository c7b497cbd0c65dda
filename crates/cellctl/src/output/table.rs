//! Tables that fit 100 columns, with colour on a terminal and none in a file.

use std::io::IsTerminal;

use comfy_table::{
    Attribute, Cell, CellAlignment, Color, ColumnConstraint, ContentArrangement, Table, presets,
};

/// The width that tables keep to; a wider terminal is not used, so that what is pasted elsewhere stays readable.
const WIDTH: u16 = 100;

/// Blanks behind each column.
const GAP: u16 = 2;

/// A uuid's width: it is copied and searched for, so it must not be broken.
const WHOLE: u16 = 36;

/// What a column that may be broken is left at least.
const BROKEN: u16 = 12;

/// Which columns keep their width, so that one long name breaks no other column; none where they would not fit so.
fn columns_kept_whole(widths: &[u16]) -> Vec<bool> {
    let whole = |width: &u16| *width <= WHOLE;
    let need: u32 = widths
        .iter()
        .map(|width| u32::from(if whole(width) { *width } else { BROKEN }) + u32::from(GAP))
        .sum();
    let fits = need <= u32::from(WIDTH);
    widths.iter().map(|width| fits && whole(width)).collect()
}

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
    let whole = columns_kept_whole(&table.column_max_content_widths());
    for (column, whole) in table.column_iter_mut().zip(whole) {
        column.set_padding((0, GAP));
        if whole {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
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

/// The longest text that a table shows whole: what is longer, somebody reads in another format, and wrapping megabytes into
/// a column takes minutes.
const LONGEST: usize = 2000;

/// A cell with text from outside, made safe to print: names come from users, and a terminal obeys escape codes, and marks
/// that turn the rest of the line around. One that is very long is cut, and says so.
pub(crate) fn safe(text: &str) -> Cell {
    let mut shown: String = text.chars().take(LONGEST).map(cells::shown).collect();
    let left = text.chars().skip(LONGEST).count();
    if left > 0 {
        shown.push_str(&format!("… and {left} characters more: see --format json"));
    }
    Cell::new(shown)
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
    fn a_long_name_breaks_no_uuid() {
        let uuid = "6d5bd30e-147b-44db-9ceb-1a392e756c36";
        let long = "x".repeat(255);
        let text = table(
            &["UUID", "NAME", "STATE", "CREATED", "CELL"],
            [vec![
                safe(uuid),
                safe(&long),
                safe("active"),
                safe("2026-09-30T23:00:00Z"),
                safe("cell1"),
            ]],
        );
        assert!(text.contains(uuid), "{text}");
        let widest = text.lines().map(|line| line.chars().count()).max();
        assert!(widest <= Some(usize::from(WIDTH)), "{text}");
        // Where nothing fits, everything is broken rather than some of it lost.
        assert_eq!(columns_kept_whole(&[36; 4]), [false; 4]);
    }

    #[test]
    fn what_is_very_long_is_cut_and_says_so() {
        let long = "é".repeat(5_000_000);
        let text = table(&["A", "B"], [vec![safe("1"), safe(&long)]]);
        let letters = text.chars().filter(|c| *c == 'é').count();
        assert_eq!(letters, LONGEST);
        let said: String = text.split_whitespace().collect();
        assert!(said.contains("…and4998000charactersmore"), "{text}");
    }

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
        let turned = table(&["A"], [vec![safe("evil\u{202e}gpj.exe")]]);
        assert!(turned.contains("evil\u{fffd}gpj.exe"), "{turned}");
    }
}
