//! Rows that were read before: what is unchanged since the last load is not read again.
//!
//! A load of ten thousand mappings finds nearly all of them as they were. Rows are recognised by a keyed digest of their
//! whole text, so no second copy of their passwords is kept; what was read from a row holds only under the checks that
//! it was read under.

use std::collections::HashMap;
use std::sync::Arc;

use crate::checks::Checks;
use crate::mapping::{CellMapping, RawCellMapping};
use crate::problem::InvalidMapping;
use crate::revision::Revision;

/// What the rows of one load said.
pub(crate) struct Readings {
    under: Arc<Checks>,
    rows: HashMap<Revision, CellMapping>,
}

impl Readings {
    /// For a load of so many rows under these checks; nothing is read yet.
    pub(crate) fn under(checks: Arc<Checks>, rows: usize) -> Self {
        Self {
            under: checks,
            rows: HashMap::with_capacity(rows),
        }
    }

    /// Reads a row, or takes what `before` has of it. Rows that are refused are read each time: they are few.
    pub(crate) fn read(
        &mut self,
        before: &Self,
        row: &RawCellMapping,
    ) -> Result<CellMapping, InvalidMapping> {
        let digest = self.under.digest(row);
        let known = match Arc::ptr_eq(&before.under, &self.under) {
            true => before.rows.get(&digest),
            false => None,
        };
        let mapping = match known {
            Some(known) => known.clone(),
            None => self.under.parse(row)?,
        };
        self.rows.insert(digest, mapping.clone());
        Ok(mapping)
    }
}
