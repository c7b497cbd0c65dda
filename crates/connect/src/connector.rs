//! The connector that `Cells` is given: opens both legs of a cell by what its mapping says.

use std::sync::Arc;

use cells::{CellConnector, CellError, CellMapping};

use crate::bus::{CellBus, InProcessBuses};
use crate::database::{CellDb, Shared};
use crate::options::ConnectorOptions;

/// Opens cells' databases and buses. Clones share the buses inside this process.
#[derive(Debug, Clone, Default)]
pub struct NovaConnector {
    options: Arc<ConnectorOptions>,
    shared: Arc<Shared>,
    in_process: InProcessBuses,
}

impl NovaConnector {
    /// A connector with these options.
    #[must_use]
    pub fn new(options: ConnectorOptions) -> Self {
        Self {
            in_process: InProcessBuses::new(options.bus_queue),
            shared: Arc::new(Shared::new(&options)),
            options: Arc::new(options),
        }
    }
}

impl CellConnector for NovaConnector {
    type Database = CellDb;
    type Messaging = CellBus;

    fn open_database(&self, mapping: &CellMapping) -> Result<CellDb, CellError> {
        CellDb::one_of(mapping, &self.options, &self.shared)
    }

    fn open_messaging(&self, mapping: &CellMapping) -> Result<CellBus, CellError> {
        CellBus::of_cell(mapping, &self.options, &self.in_process)
    }

    fn abandon(&self, database: &CellDb, messaging: Option<&CellBus>) {
        database.close();
        if let Some(bus) = messaging {
            bus.close();
        }
    }
}
