//! What the caller's work is given: the targeted cell, by when, and whether anybody still waits.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cells::{CellConnector, CellContext};
use context::Deadline;

/// One cell's piece of a scatter.
pub struct CellTask<C: CellConnector> {
    cell: CellContext<C>,
    deadline: Deadline,
    closed: Arc<AtomicBool>,
}

impl<C: CellConnector> CellTask<C> {
    pub(crate) fn new(cell: CellContext<C>, deadline: Deadline, closed: Arc<AtomicBool>) -> Self {
        Self {
            cell,
            deadline,
            closed,
        }
    }

    /// The cell, with the request bound to it.
    pub fn cell(&self) -> &CellContext<C> {
        &self.cell
    }

    /// When the caller stops waiting. Hand it to whatever waits: a checkout, a statement, a call.
    #[must_use]
    pub fn deadline(&self) -> Deadline {
        self.deadline
    }

    /// Whether the caller has stopped waiting. Blocking work looks at it between steps and returns; async work is
    /// dropped at its next await and need not look.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }
}

impl<C: CellConnector> fmt::Debug for CellTask<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CellTask")
            .field("cell", &self.cell)
            .finish_non_exhaustive()
    }
}
