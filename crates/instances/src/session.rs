//! The session on which a cell's work reads: by the task's deadline, and with the scatter told when it has to connect, so
//! that a report says of a late cell whether its server was not reached or its statement did not end. And the question that a
//! prober puts to a cell's database.

use std::pin::Pin;

use cells::{CellConnector, CellId, Cells};
use connect::{CellDb, ConnectionWait, DbSession};
use context::{Deadline, RequestContext};
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

/// For a [`Prober`](scatter::Prober): whether a cell's database answers, asked on behalf of this context, the service's own.
/// A database that is there and busy has not answered.
///
/// ```no_run
/// # use cells::Cells;
/// # use connect::NovaConnector;
/// # use context::RequestContext;
/// # use scatter::{BreakerPolicy, Isolation, IsolationPolicy, Prober, ProberPolicy};
/// # fn start(ctx: &RequestContext, cells: &Cells<NovaConnector>) -> (Isolation, Prober) {
/// let isolation = Isolation::new(IsolationPolicy {
///     breaker: Some(BreakerPolicy::default()),
///     ..IsolationPolicy::default()
/// });
/// let answers = nova_instances::database_answers(ctx, cells);
/// let prober = Prober::start(&isolation, ProberPolicy::default(), answers);
/// # (isolation, prober)
/// # }
/// ```
pub fn database_answers<C: CellConnector<Database = CellDb>>(
    ctx: &RequestContext,
    cells: &Cells<C>,
) -> impl Fn(CellId, Deadline) -> Pin<Box<dyn Future<Output = bool> + Send>> + Send + Sync + 'static
{
    let (ctx, cells) = (ctx.clone(), cells.clone());
    move |cell, deadline| {
        let target = cells.target(&ctx, cell);
        Box::pin(async move {
            match target {
                Ok(target) => target.database().ping(deadline).await.is_ok(),
                Err(_) => false,
            }
        })
    }
}
