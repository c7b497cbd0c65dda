//! What the caller's work is given: the targeted cell, by when, and whether anybody still waits.

use std::fmt;
use std::sync::{Arc, Weak};

use cells::{CellConnector, CellContext};
use context::Deadline;

use crate::ledger::Watch;
use crate::outcome::Stage;

/// One cell's piece of a scatter.
pub struct CellTask<C: CellConnector> {
    cell: CellContext<C>,
    deadline: Deadline,
    watch: Arc<dyn Watch>,
    at: usize,
}

impl<C: CellConnector> CellTask<C> {
    pub(crate) fn new(
        cell: CellContext<C>,
        deadline: Deadline,
        watch: Arc<dyn Watch>,
        at: usize,
    ) -> Self {
        Self {
            cell,
            deadline,
            watch,
            at,
        }
    }

    /// Which slot of the scatter this is.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    pub(crate) fn watch(&self) -> Arc<dyn Watch> {
        Arc::clone(&self.watch)
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
        self.watch.is_given_up(self.at)
    }

    /// Says that the work connects now. Reports then name the stage, and tell connecting from running.
    pub fn connecting(&self) {
        self.watch.enter(self.at, Stage::Connecting);
    }

    /// Says that the work has connected and goes on.
    pub fn connected(&self) {
        self.watch.enter(self.at, Stage::Running);
    }

    /// To say the same from where the task is not at hand: within whatever connects.
    #[must_use]
    pub fn stages(&self) -> TaskStages {
        TaskStages {
            watch: Arc::downgrade(&self.watch),
            at: self.at,
        }
    }
}

/// What a task says of itself while its work runs; see [`CellTask::stages`]. Said after its end, nothing comes of it. It keeps
/// nothing of the call: whoever has it for longer has no request and no token with it.
#[derive(Clone)]
pub struct TaskStages {
    watch: Weak<dyn Watch>,
    at: usize,
}

impl TaskStages {
    /// The work connects now.
    pub fn connecting(&self) {
        self.enter(Stage::Connecting);
    }

    /// The work has connected and goes on.
    pub fn connected(&self) {
        self.enter(Stage::Running);
    }

    fn enter(&self, stage: Stage) {
        if let Some(watch) = self.watch.upgrade() {
            watch.enter(self.at, stage);
        }
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
