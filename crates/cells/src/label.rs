//! What a report calls a cell: also one whose row is too broken to have an id.

use std::fmt;
use std::sync::Arc;

use crate::id::CellId;

/// Names one row of the mappings in reports, logs and errors; cheap to clone, safe to print.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct CellLabel(Arc<Inner>);

#[derive(PartialEq, Eq, Hash)]
struct Inner {
    id: Option<CellId>,
    uuid: String,
    name: Option<String>,
}

/// Longest stretch of a stored text that is shown; Nova's columns allow 36 and 255.
const SHOWN: usize = 64;

impl CellLabel {
    /// The label of a row with these texts. What cannot be printed safely is replaced, what is over-long is cut.
    #[must_use]
    pub fn of_row(uuid: &str, name: Option<&str>) -> Self {
        Self(Arc::new(Inner {
            id: uuid.parse().ok(),
            uuid: printable(uuid),
            name: name.filter(|name| !name.is_empty()).map(printable),
        }))
    }

    /// The label of a cell known by its id alone.
    #[must_use]
    pub fn of_id(id: CellId) -> Self {
        Self(Arc::new(Inner {
            id: Some(id),
            uuid: id.to_string(),
            name: None,
        }))
    }

    /// The cell's id; none where the row's uuid is not one.
    #[must_use]
    pub fn id(&self) -> Option<CellId> {
        self.0.id
    }

    /// The row's uuid as text, made printable.
    #[must_use]
    pub fn uuid(&self) -> &str {
        &self.0.uuid
    }

    /// The row's name, made printable.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.0.name.as_deref()
    }
}

/// Text from outside, without what would forge log lines and terminal output.
pub(crate) fn visible(text: &str) -> impl Iterator<Item = char> {
    text.chars().map(shown)
}

/// The character as it may be shown on a terminal and in a log: U+FFFD in place of those that steer either. Control
/// characters do; so do line and paragraph separators and the marks that turn the direction of what follows, which make a
/// text look like another.
#[must_use]
pub fn shown(c: char) -> char {
    let steers = c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if steers { '\u{fffd}' } else { c }
}

fn printable(text: &str) -> String {
    let mut shown: String = visible(text).take(SHOWN).collect();
    if text.chars().nth(SHOWN).is_some() {
        shown.push('…');
    }
    shown
}

impl fmt::Display for CellLabel {
    /// Nova's `identity`: `uuid(name)`, or the uuid where there is no name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.name {
            Some(name) => write!(f, "{}({name})", self.0.uuid),
            None => f.write_str(&self.0.uuid),
        }
    }
}

impl fmt::Debug for CellLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CellLabel({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_reads_as_novas_identity() {
        let uuid = "6d5bd30e-147b-44db-9ceb-1a392e756c36";
        assert_eq!(
            CellLabel::of_row(uuid, Some("cell1")).to_string(),
            format!("{uuid}(cell1)")
        );
        assert_eq!(CellLabel::of_row(uuid, Some("")).to_string(), uuid);
    }

    #[test]
    fn a_broken_row_still_has_a_label_and_it_cannot_forge_a_log_line() {
        let label = CellLabel::of_row("x\nINFO all good", None);
        assert_eq!(label.id(), None);
        assert_eq!(label.to_string(), "x\u{fffd}INFO all good");
        let turned = CellLabel::of_row("x", Some("cell\u{202e}1llec"));
        assert_eq!(turned.name(), Some("cell\u{fffd}1llec"));
        assert!(
            CellLabel::of_row(&"y".repeat(500), None)
                .uuid()
                .chars()
                .count()
                <= SHOWN + 1
        );
    }
}
