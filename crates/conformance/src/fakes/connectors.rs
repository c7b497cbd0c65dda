//! Connectors that open nothing, named by how they misbehave.

use std::collections::HashSet;

use cells::{CellConnector, CellError, CellMapping, ErrorClass};

use super::gate::Gate;

/// A database that knows which cell it is: `number` counts from 0 in the order of the cloud's rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FakeDatabase {
    /// Which cell of the cloud.
    pub number: usize,
}

impl FakeDatabase {
    fn of(mapping: &CellMapping) -> Self {
        Self {
            number: number(mapping),
        }
    }
}

/// Rows of a [`FakeCloud`](super::FakeCloud) carry their number in the last group of the uuid.
fn number(mapping: &CellMapping) -> usize {
    let low = mapping.id().uuid().as_u128() & 0xffff_ffff_ffff;
    usize::try_from(low).unwrap_or(usize::MAX)
}

/// Opens whatever it is asked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct HonestConnector;

impl CellConnector for HonestConnector {
    type Database = FakeDatabase;
    type Messaging = ();

    fn open_database(&self, mapping: &CellMapping) -> Result<FakeDatabase, CellError> {
        Ok(FakeDatabase::of(mapping))
    }

    fn open_messaging(&self, _mapping: &CellMapping) -> Result<(), CellError> {
        Ok(())
    }
}

/// Cannot open some cells.
#[derive(Debug, Clone)]
pub struct FailingConnector {
    /// What it says when it cannot.
    pub class: ErrorClass,
    /// Which cells it cannot open.
    pub cells: HashSet<usize>,
}

impl CellConnector for FailingConnector {
    type Database = FakeDatabase;
    type Messaging = ();

    fn open_database(&self, mapping: &CellMapping) -> Result<FakeDatabase, CellError> {
        let database = FakeDatabase::of(mapping);
        match self.cells.contains(&database.number) {
            true => Err(CellError::new(self.class, "this connector cannot open it")),
            false => Ok(database),
        }
    }

    fn open_messaging(&self, _mapping: &CellMapping) -> Result<(), CellError> {
        Ok(())
    }
}

/// Blocks while it opens some cells, until its gate is opened: what the seam forbids, and what must cost one cell only.
#[derive(Debug, Clone)]
pub struct StallingConnector {
    /// Opens all stalled cells.
    pub gate: Gate,
    /// Which cells stall.
    pub cells: HashSet<usize>,
}

impl CellConnector for StallingConnector {
    type Database = FakeDatabase;
    type Messaging = ();

    fn open_database(&self, mapping: &CellMapping) -> Result<FakeDatabase, CellError> {
        let database = FakeDatabase::of(mapping);
        if self.cells.contains(&database.number) {
            self.gate.pass_blocking();
        }
        Ok(database)
    }

    fn open_messaging(&self, _mapping: &CellMapping) -> Result<(), CellError> {
        Ok(())
    }
}
