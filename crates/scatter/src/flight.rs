//! The async driver: starts cells up to the caller's limit, watches the budget and each cell's share of it.
//!
//! Targeting happens inside each cell's task, so it is charged to that cell and runs beside the others (W-11).

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use cells::{CellConnector, CellError, CellId, Cells, ErrorClass, TargetError};
use context::{Deadline, RequestContext};
use futures_util::FutureExt;
use tracing::Instrument;

use crate::executor::{AbortTask, AsyncExecutor, Timer};
use crate::isolation::Effect;
use crate::ledger::{Ledger, Watch};
use crate::line::{Line, refused};
use crate::outcome::{CellFailure, Outcome, Rejection};
use crate::report::ScatterReport;
use crate::seat::Seat;
use crate::task::CellTask;

/// What all tasks of one scatter share.
pub(crate) struct Shared<C: CellConnector, W> {
    pub(crate) cells: Cells<C>,
    pub(crate) request: RequestContext,
    pub(crate) deadline: Deadline,
    /// The longest that one cell may take.
    pub(crate) share: Option<Duration>,
    /// What the work does to the cell: whether it may be called again.
    pub(crate) effect: Effect,
    pub(crate) work: W,
}

impl<C: CellConnector, W> Shared<C, W> {
    /// By when a cell that begins now must have ended.
    pub(crate) fn deadline_from(&self, now: impl FnOnce() -> Instant) -> Deadline {
        match self.share {
            None => self.deadline,
            Some(share) => self.deadline.earliest(Deadline::after_at(now(), share)),
        }
    }
}

/// A scatter under way. Dropped, it aborts every task that has not ended.
pub(crate) struct Flight<'e, E: AsyncExecutor, C: CellConnector, W, T: Send + 'static> {
    executor: &'e E,
    pub(crate) ledger: Arc<Ledger<T>>,
    shared: Arc<Shared<C, W>>,
    line: Line,
    handles: Vec<(usize, E::Handle)>,
    budget: Timer,
    spent: bool,
    expiry: Option<(Duration, Timer)>,
}

impl<'e, E, C, W, F, T, X> Flight<'e, E, C, W, T>
where
    E: AsyncExecutor,
    C: CellConnector,
    W: Fn(CellTask<C>) -> F + Send + Sync + 'static,
    F: Future<Output = Result<T, X>> + Send + 'static,
    T: Send + 'static,
    X: Into<CellError> + 'static,
{
    pub(crate) fn new(
        executor: &'e E,
        ledger: Arc<Ledger<T>>,
        shared: Shared<C, W>,
        line: Line,
    ) -> Self {
        let expiry = shared.share.map(|share| {
            let first = executor.sleep_until(ledger.started() + share);
            (share, first)
        });
        // Timers may be a tick late; nothing begins in a call whose time is over already.
        let spent = shared.deadline.is_past_at(ledger.started());
        Self {
            spent,
            budget: executor.sleep_until(shared.deadline.instant()),
            expiry,
            handles: Vec::with_capacity(ledger.len()),
            executor,
            ledger,
            shared: Arc::new(shared),
            line,
        }
    }

    /// Ready when every cell has an outcome or the budget has ended.
    pub(crate) fn poll_settled(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.ledger.register(cx.waker());
        if self.spent || self.ledger.is_settled() || self.budget.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        self.start_more(cx);
        self.expire(cx);
        match self.ledger.is_settled() {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    }

    /// Ends the flight and gives the report.
    pub(crate) fn land(self) -> ScatterReport<T> {
        if self.ledger.is_settled() {
            return self.ledger.close();
        }
        let late = |at: &usize| !self.ledger.has_outcome(*at);
        let late: Vec<usize> = (0..self.ledger.len()).filter(late).collect();
        self.line.tell_late(&self.ledger, &late);
        let report = self.ledger.close();
        for (at, handle) in &self.handles {
            if late.binary_search(at).is_ok() {
                handle.abort();
            }
        }
        report
    }

    fn start_more(&mut self, cx: &Context<'_>) {
        self.line.new_round(None);
        while let Some((at, cell, permit)) = self.line.next(&self.ledger, cx.waker()) {
            let seat = Seat::new(Arc::clone(&self.ledger), at, permit);
            let shared = Arc::clone(&self.shared);
            let work = ask(shared, seat, cell);
            let span = tracing::debug_span!("cell", cell = %self.ledger.label(at));
            // Most of the time nobody listens; then the task is the work alone.
            let spawned = match span.is_disabled() {
                true => self.executor.spawn(cell, work),
                false => self.executor.spawn(cell, work.instrument(span)),
            };
            match spawned {
                Ok(handle) => self.handles.push((at, handle)),
                Err(refusal) => self.ledger.refuse(at, refused(refusal)),
            }
        }
    }

    fn expire(&mut self, cx: &mut Context<'_>) {
        while let Some((share, timer)) = &mut self.expiry
            && timer.as_mut().poll(cx).is_ready()
        {
            let (expired, next) = self.ledger.expire(*share);
            self.line.tell_late(&self.ledger, &expired);
            *timer = self.executor.sleep_until(next);
            for (at, handle) in &self.handles {
                if expired.contains(at) {
                    handle.abort();
                }
            }
        }
    }
}

impl<E: AsyncExecutor, C: CellConnector, W, T: Send + 'static> Flight<'_, E, C, W, T> {
    fn abort_unsettled(&self) {
        self.ledger.abandon();
        if self.ledger.is_settled() {
            return;
        }
        for (at, handle) in &self.handles {
            if !self.ledger.has_outcome(*at) {
                handle.abort();
            }
        }
    }
}

impl<E: AsyncExecutor, C: CellConnector, W, T: Send + 'static> Drop for Flight<'_, E, C, W, T> {
    fn drop(&mut self) {
        self.abort_unsettled();
    }
}

async fn ask<C, W, F, T, X>(
    shared: Arc<Shared<C, W>>,
    mut seat: Seat<T, Arc<Ledger<T>>>,
    cell: CellId,
) where
    C: CellConnector,
    W: Fn(CellTask<C>) -> F,
    F: Future<Output = Result<T, X>>,
    T: Send + 'static,
    X: Into<CellError>,
{
    let now = seat.now();
    if !seat.begin(now) {
        return;
    }
    let targeted = match shared.cells.target(&shared.request, cell) {
        Ok(targeted) => targeted,
        Err(error) => {
            let outcome = untargeted(seat.label(), error);
            seat.fill(outcome);
            return;
        }
    };
    if !seat.targeted() {
        return;
    }
    let deadline = shared.deadline_from(|| seat.now());
    let (mut targeted, spare) = seat.with_spare(targeted, shared.effect);
    let outcome = loop {
        let task = CellTask::new(targeted, deadline, watch(seat.ledger()), seat.at());
        // The closure itself may panic before it gives a future.
        let work = AssertUnwindSafe(async { (shared.work)(task).await }).catch_unwind();
        let error = match work.await {
            Ok(Ok(value)) => break Outcome::Answered(value),
            Ok(Err(error)) => error.into(),
            Err(panic) => break panicked(seat.label(), &*panic),
        };
        match seat.next_try(&error, shared.effect, spare.as_ref()) {
            Some(again) => targeted = again,
            None => break seat.failed(deadline, &error),
        }
    };
    seat.fill(outcome);
}

fn watch<T: Send + 'static>(ledger: &Arc<Ledger<T>>) -> Arc<dyn Watch> {
    Arc::clone(ledger) as Arc<dyn Watch>
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
