//! Counts what a cell gives while it gives it, so that too much is refused before it is held.

use cells::{CellError, ErrorClass};

use super::spec::Limits;

/// One cell's account of rows and bytes.
#[derive(Debug)]
pub struct Meter {
    limits: Limits,
    rows: usize,
    bytes: usize,
}

impl Meter {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            rows: 0,
            bytes: 0,
        }
    }

    /// Counts a row of this many bytes; call it before keeping the row.
    ///
    /// # Errors
    /// [`CellError`] of class `limit` where it is one too many.
    pub fn row(&mut self, bytes: usize) -> Result<(), CellError> {
        self.rows = self.rows.saturating_add(1);
        self.bytes = self.bytes.saturating_add(bytes);
        if self.rows > self.limits.rows || self.bytes > self.limits.bytes {
            return Err(CellError::new(
                ErrorClass::Limit,
                "more rows or bytes than the operation allows",
            ));
        }
        Ok(())
    }

    /// Rows that may still come: for the statement's own limit, one more than which tells that there are too many.
    #[must_use]
    pub fn rows_left(&self) -> usize {
        self.limits.rows.saturating_sub(self.rows)
    }
}
