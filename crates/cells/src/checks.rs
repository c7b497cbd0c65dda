//! Everything a row must pass by itself before it is a mapping; the rules between rows are the snapshot's.

use crate::mapping::{CellMapping, RawCellMapping, UrlDefaults};
use crate::problem::InvalidMapping;
use crate::revision::RevisionKey;

/// The checks in force.
pub(crate) struct Checks {
    defaults: UrlDefaults,
    key: RevisionKey,
}

impl Checks {
    pub(crate) fn new(defaults: UrlDefaults, key: RevisionKey) -> Self {
        Self { defaults, key }
    }

    /// Reads one row.
    pub(crate) fn parse(&self, row: &RawCellMapping) -> Result<CellMapping, InvalidMapping> {
        CellMapping::parse(row, &self.defaults, &self.key)
    }
}
