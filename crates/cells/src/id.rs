//! A cell's id: the UUID of its row in `nova_api.cell_mappings`.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use uuid::Uuid;

/// Identifies one cell.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct CellId(Uuid);

impl Hash for CellId {
    /// One number instead of sixteen bytes and their count.
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u128(self.0.as_u128());
    }
}

impl CellId {
    /// The cell that holds the servers no cell could build; its UUID is nil and it has no bus.
    pub const CELL0: Self = Self(Uuid::nil());

    /// The id with this UUID.
    #[must_use]
    pub const fn new(uuid: Uuid) -> Self {
        Self(uuid)
    }

    /// The UUID.
    #[must_use]
    pub const fn uuid(self) -> Uuid {
        self.0
    }

    /// Whether this is cell0.
    #[must_use]
    pub fn is_cell0(self) -> bool {
        self == Self::CELL0
    }
}

/// A text that is not a UUID.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a UUID")]
pub struct InvalidCellId;

impl FromStr for CellId {
    type Err = InvalidCellId;

    /// Reads the hyphenated form, as Nova writes it; case does not matter.
    fn from_str(text: &str) -> Result<Self, InvalidCellId> {
        // Uuid also takes braces and URNs, which no row of Nova's holds: one spelling, so that ids compare as texts do.
        if text.len() != 36 {
            return Err(InvalidCellId);
        }
        Uuid::try_parse(text).map(Self).map_err(|_| InvalidCellId)
    }
}

impl fmt::Display for CellId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for CellId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CellId({})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_hyphenated_form_is_an_id() {
        assert_eq!(
            "00000000-0000-0000-0000-000000000000".parse(),
            Ok(CellId::CELL0)
        );
        assert_eq!(
            "00000000000000000000000000000000".parse::<CellId>(),
            Err(InvalidCellId)
        );
        assert_eq!("cell1".parse::<CellId>(), Err(InvalidCellId));
    }
}
