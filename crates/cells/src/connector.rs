//! The seam to drivers: how a cell's two legs are opened. No driver is known here.

use crate::error::CellError;
use crate::mapping::CellMapping;

/// Opens what a cell's mapping names.
///
/// Opening is lazy: it builds options and an empty pool and waits for no network, so that targeting a cell costs no time
/// even where the cell is down. The first use connects, within the budget of who uses it.
pub trait CellConnector: Send + Sync + 'static {
    /// A handle on a cell's database.
    type Database: Send + Sync + 'static;
    /// A handle on a cell's bus.
    type Messaging: Send + Sync + 'static;

    /// Makes the handle on the cell's database.
    ///
    /// # Errors
    /// [`CellError`] where the mapping asks for what this connector does not have, such as a backend that was not built in.
    fn open_database(&self, mapping: &CellMapping) -> Result<Self::Database, CellError>;

    /// Makes the handle on the cell's bus. Never called for a cell without one.
    ///
    /// # Errors
    /// As for [`open_database`](Self::open_database).
    fn open_messaging(&self, mapping: &CellMapping) -> Result<Self::Messaging, CellError>;

    /// Told once of handles that were replaced and are still held at the end of the drain limit: closes what is under
    /// them, so that an old password or address is not used any longer. Must not block; work still going on fails.
    ///
    /// Handles that nobody holds any more are dropped without this call.
    fn abandon(&self, database: &Self::Database, messaging: Option<&Self::Messaging>) {
        let _nothing_to_close = (database, messaging);
    }
}
