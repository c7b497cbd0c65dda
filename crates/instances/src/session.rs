//! The session on which a cell's work reads: by the task's deadline, and with the scatter told when it has to connect, so
//! that a report says of a late cell whether its server was not reached or its statement did not end.

use cells::CellConnector;
use connect::{CellDb, ConnectionWait, DbSession};
use scatter::CellTask;

/// The cell's database, for statements that only read, within what is left for this cell. While a statement waits for a
/// connection the task is at [`Stage::Connecting`](scatter::Stage::Connecting). For services' own works beside
/// [`Servers`](crate::Servers), too.
#[must_use]
#[track_caller]
pub fn reading<C: CellConnector<Database = CellDb>>(task: &CellTask<C>) -> DbSession {
    let stages = task.stages();
    let session = task.cell().database().read_only(task.deadline());
    session.observed(move |wait| match wait {
        ConnectionWait::Begins => stages.connecting(),
        ConnectionWait::Over => stages.connected(),
    })
}
