//! Where mappings come from: a seam, and the source that holds them in memory.
//!
//! The one that reads `nova_api` lives in the crate of the connectors.

use async_trait::async_trait;
use context::Deadline;

use crate::error::CellError;
use crate::mapping::RawCellMapping;

/// Gives all rows of the cell mappings.
#[async_trait]
pub trait MappingSource: Send + Sync + 'static {
    /// Reads every row, in the order of their numeric ids, disabled ones included.
    ///
    /// # Errors
    /// [`CellError`] where the rows could not be read by the deadline: nothing answers, the login is refused, the table is
    /// missing. Rows that make no sense are not an error of the source; they are given as they are.
    ///
    /// # Cancel safety
    /// Reading changes nothing, so a dropped future loses nothing but its answer.
    async fn load(&self, deadline: Deadline) -> Result<Vec<RawCellMapping>, CellError>;
}

/// Rows held in memory, for tests and for services that are given their cells by configuration.
#[derive(Debug, Clone, Default)]
pub struct StaticSource(Vec<RawCellMapping>);

impl StaticSource {
    /// These rows, always.
    #[must_use]
    pub fn new(rows: Vec<RawCellMapping>) -> Self {
        Self(rows)
    }
}

#[async_trait]
impl MappingSource for StaticSource {
    async fn load(&self, _deadline: Deadline) -> Result<Vec<RawCellMapping>, CellError> {
        Ok(self.0.clone())
    }
}
