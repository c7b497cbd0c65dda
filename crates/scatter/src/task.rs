//! What the caller's work is given: the targeted cell, by when, and whether anybody still waits.

use std::fmt;
use std::sync::Arc;

use cells::{CellConnector, CellContext};
use context::Deadline;

use crate::ledger::Watch;
use crate::outcome::Stage;

/// One cell's piece of a scatter.
pub struct CellTask<C: CellConnector> {
    cell: CellContext<C>,
    deadline: Deadline,
    stages: TaskStages,
}

impl<C: CellConnector> CellTask<C> {
    pub(crate) fn new(
        cell: CellContext<C>,
        deadline: Deadline,
        ledger: Arc<dyn Watch>,
        at: usize,
    ) -> Self {
        Self {
            cell,
            deadline,
            stages: TaskStages { ledger, at },
        }
    }

    /// Which slot of the scatter this is.
    pub(crate) fn at(&self) -> usize {
        self.stages.at
    }

    pub(crate) fn watch(&self) -> Arc<dyn Watch> {
        Arc::clone(&self.stages.ledger)
    }

    /// The cell, with the request bound to it.
    pub fn cell(&self) -> &CellContext<C> {
        &self.cell
    }

    /// When the caller stops waiting for this cell. Hand it to whatever waits: a checkout, a statement, a call.
    #[must_use]
    pub fn deadline(&self) -> Deadline {
        self.deadline
    }

    /// Whether the caller has stopped waiting for this cell. Blocking work looks at it between steps and returns; async
    /// work is dropped at its next await and need not look.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.stages.ledger.is_given_up(self.stages.at)
    }

    /// Says that the work connects now. Reports then name the stage, and tell connecting from running.
    pub fn connecting(&self) {
        self.stages.connecting();
    }

    /// Says that the work has connected and goes on.
    pub fn connected(&self) {
        self.stages.connected();
    }

    /// To say the same from where the task is not at hand: within whatever connects.
    #[must_use]
    pub fn stages(&self) -> TaskStages {
        self.stages.clone()
    }
}

/// What a task says of itself while its work runs; see [`CellTask::stages`]. Said after its end, nothing comes of it.
#[derive(Clone)]
pub struct TaskStages {
    ledger: Arc<dyn Watch>,
    at: usize,
}

impl TaskStages {
    /// The work connects now.
    pub fn connecting(&self) {
        self.ledger.enter(self.at, Stage::Connecting);
    }

    /// The work has connected and goes on.
    pub fn connected(&self) {
        self.ledger.enter(self.at, Stage::Running);
    }
}

impl fmt::Debug for TaskStages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskStages").finish_non_exhaustive()
    }
}

impl<C: CellConnector> fmt::Debug for CellTask<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CellTask")
            .field("cell", &self.cell)
            .finish_non_exhaustive()
    }
}
