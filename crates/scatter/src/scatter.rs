//! One piece of work in many cells at once: the async driver.
//!
//! Targeting happens inside each cell's task, so it is charged to that cell and runs beside the others (W-11).

use std::future::{Future, poll_fn};
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use cells::{CellConnector, CellError, CellId, Cells, Choice, ErrorClass, TargetError};
use context::{Deadline, RequestContext};
use futures_util::FutureExt;

use crate::executor::{AbortTask, AsyncExecutor};
use crate::ledger::Ledger;
use crate::outcome::{CellFailure, Outcome, Rejection, Stage};
use crate::policy::ScatterPolicy;
use crate::report::ScatterReport;
use crate::task::CellTask;

/// One call to many cells, being prepared.
#[must_use = "nothing is asked before `run` or `run_blocking`"]
pub struct Scatter<'a, C: CellConnector> {
    pub(crate) request: &'a RequestContext,
    pub(crate) cells: &'a Cells<C>,
    pub(crate) choices: Vec<Choice>,
    pub(crate) policy: ScatterPolicy,
}

impl<'a, C: CellConnector> Scatter<'a, C> {
    /// Asks these cells, as chosen with [`Cells::select`], on behalf of this request.
    pub fn new(request: &'a RequestContext, cells: &'a Cells<C>, choices: Vec<Choice>) -> Self {
        Self {
            request,
            cells,
            choices,
            policy: ScatterPolicy::default(),
        }
    }

    /// Sets the whole policy.
    pub fn policy(mut self, policy: ScatterPolicy) -> Self {
        self.policy = policy;
        self
    }

    /// Sets the budget of the whole call. The request's own deadline and the policy's maximum still hold.
    pub fn timeout(mut self, budget: std::time::Duration) -> Self {
        self.policy.timeout = budget;
        self
    }

    /// Sets how many cells are asked at the same time; at least one.
    pub fn in_flight(mut self, limit: usize) -> Self {
        self.policy.in_flight = limit;
        self
    }

    /// Runs async work in every cell and gives the report when all have an outcome or the budget ends.
    ///
    /// The work is called once per cell. Closures that share something do it by a clone inside the closure:
    ///
    /// ```ignore
    /// let query = Arc::new(query);
    /// scatter.run(&executor, move |task| {
    ///     let query = Arc::clone(&query);
    ///     async move { ask(task.cell().database(), &query).await }
    /// })
    /// ```
    ///
    /// # Cancel safety
    /// Dropping the future aborts every cell's task.
    pub async fn run<E, W, F, T, X>(self, executor: &E, work: W) -> ScatterReport<T>
    where
        E: AsyncExecutor,
        W: Fn(CellTask<C>) -> F + Send + Sync + 'static,
        F: Future<Output = Result<T, X>> + Send + 'static,
        T: Send + 'static,
        X: Into<CellError> + 'static,
        E: Clone + 'static,
    {
        let now = executor.now();
        let deadline = self.policy.deadline(self.request, now);
        let limit = self.policy.in_flight.max(1);
        let ledger = Arc::new(Ledger::new(self.choices, now, limit));
        let mut running = Running {
            ledger: Arc::clone(&ledger),
            handles: Vec::new(),
        };
        let shared = Arc::new(Shared {
            ledger: Arc::clone(&ledger),
            cells: self.cells.clone(),
            request: self.request.with_deadline(deadline),
            deadline,
            work,
        });
        let mut waiting = ledger.to_ask();
        let mut budget = pin!(executor.sleep_until(deadline.instant()));
        poll_fn(|cx| {
            ledger.register(cx.waker());
            if ledger.is_settled() || budget.as_mut().poll(cx).is_ready() {
                return Poll::Ready(());
            }
            while ledger.under_way() < limit {
                let Some((at, id)) = waiting.next() else {
                    break;
                };
                ledger.hand_out();
                let (shared, clock) = (Arc::clone(&shared), executor.clone());
                running.handles.push(executor.spawn(Box::pin(async move {
                    if shared.ledger.begin(at, clock.now()) {
                        let outcome = shared.ask(at, id).await;
                        shared.ledger.finish(at, outcome, clock.now());
                    }
                })));
            }
            Poll::Pending
        })
        .await;
        ledger.close(executor.now())
    }
}

/// What all tasks of one scatter share.
struct Shared<C: CellConnector, W, T> {
    ledger: Arc<Ledger<T>>,
    cells: Cells<C>,
    request: RequestContext,
    deadline: Deadline,
    work: W,
}

impl<C, W, F, T, X> Shared<C, W, T>
where
    C: CellConnector,
    W: Fn(CellTask<C>) -> F,
    F: Future<Output = Result<T, X>>,
    X: Into<CellError>,
{
    async fn ask(&self, at: usize, id: CellId) -> Outcome<T> {
        let label = self.ledger.label(at);
        let targeted = match self.cells.target(&self.request, id) {
            Ok(targeted) => targeted,
            Err(error) => return untargeted(label, error),
        };
        self.ledger.enter(at, Stage::Running);
        let task = CellTask::new(targeted, self.deadline, self.ledger.closed_flag());
        // The closure itself may panic before it gives a future.
        let work = AssertUnwindSafe(async { (self.work)(task).await }).catch_unwind();
        match work.await {
            Ok(Ok(value)) => Outcome::Answered(value),
            Ok(Err(error)) => Outcome::Failed(CellFailure::record(label, &error.into())),
            Err(panic) => panicked(label, &*panic),
        }
    }
}

pub(crate) fn untargeted<T>(label: &cells::CellLabel, error: TargetError) -> Outcome<T> {
    match error {
        TargetError::Unknown(_) => Outcome::Rejected(Rejection::Gone),
        TargetError::Open { source, .. } => Outcome::Failed(CellFailure::record(label, &source)),
        other => {
            let error = CellError::new(ErrorClass::Internal, other);
            Outcome::Failed(CellFailure::record(label, &error))
        }
    }
}

pub(crate) fn panicked<T>(
    label: &cells::CellLabel,
    panic: &(dyn std::any::Any + Send),
) -> Outcome<T> {
    let message = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a message".to_owned());
    let error = CellError::new(ErrorClass::Panicked, message);
    Outcome::Failed(CellFailure::record(label, &error))
}

/// Aborts whatever is still running when the driver ends, also by being dropped.
struct Running<T, H: AbortTask> {
    ledger: Arc<Ledger<T>>,
    handles: Vec<H>,
}

impl<T, H: AbortTask> Drop for Running<T, H> {
    fn drop(&mut self) {
        self.ledger.abandon();
        self.handles.iter().for_each(AbortTask::abort);
    }
}
