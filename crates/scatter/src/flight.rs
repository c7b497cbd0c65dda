//! The async driver: starts cells up to the caller's limit, watches the budget and each cell's share of it.
//!
//! Targeting happens inside each cell's task, so it is charged to that cell and runs beside the others (W-11).

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use cells::{CellConnector, CellError, Cells, ErrorClass};
use context::{Deadline, RequestContext};
use futures_util::FutureExt;
use smallvec::SmallVec;
use tracing::{Instrument, Span};

use crate::executor::{AbortTask, AsyncExecutor};
use crate::isolation::Admit;
use crate::ledger::{Books, Ledger, Watch};
use crate::line::{Line, refused, tell_late};
use crate::onlookers::{attempt_span, cell_span};
use crate::outcome::{CellFailure, Outcome};
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
    /// Where works get permits and give them back; none where they need none.
    pub(crate) admit: Option<Admit>,
    pub(crate) work: W,
}

/// What the tasks of one scatter hold: what they share, and the books of the call.
pub(crate) struct Call<C: CellConnector, W, T> {
    ledger: Ledger<T>,
    shared: Shared<C, W>,
}

impl<C: CellConnector, W: Send + Sync, T: Send> Books for Call<C, W, T> {
    type Answer = T;
    fn books(&self) -> &Ledger<T> {
        &self.ledger
    }
    fn admit(&self) -> Option<&Admit> {
        self.shared.admit.as_ref()
    }
}

/// A scatter under way. Dropped, it aborts every task that has not ended.
pub(crate) struct Flight<'e, E: AsyncExecutor, C: CellConnector, W, T: Send + 'static> {
    executor: &'e E,
    call: Arc<Call<C, W, T>>,
    line: Line,
    /// Where slots are handed out right after the start, the time of that.
    now: Option<Instant>,
    handles: SmallVec<[(usize, E::Handle); 1]>,
    spent: bool,
    expiry: Option<(Duration, Pin<Box<E::Timer>>)>,
    /// The call's.
    span: Span,
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
    #[inline]
    pub(crate) fn new(
        executor: &'e E,
        ledger: Ledger<T>,
        shared: Shared<C, W>,
        line: Line,
        span: Span,
        streamed: bool,
    ) -> Self {
        let expiry = shared.share.map(|share| {
            let first = executor.sleep_until(ledger.started() + share);
            (share, Box::pin(first))
        });
        // Timers may be a tick late; nothing begins in a call whose time is over already.
        let spent = shared.deadline.is_past_at(ledger.started());
        Self {
            spent,
            expiry,
            handles: SmallVec::with_capacity(ledger.len()),
            executor,
            // A stream may be polled long after it was made.
            now: (!streamed).then_some(ledger.started()),
            call: Arc::new(Call { ledger, shared }),
            line,
            span,
        }
    }

    pub(crate) fn ledger(&self) -> &Ledger<T> {
        &self.call.ledger
    }

    /// The timer of the whole call, for whoever polls it: it may be kept in place, which costs no memory of its own.
    pub(crate) fn budget(&self) -> E::Timer {
        let deadline = self.call.shared.deadline;
        self.executor.sleep_until(deadline.instant())
    }

    /// Ready when every cell has an outcome or the [budget](Self::budget) has ended.
    pub(crate) fn poll_settled(
        &mut self,
        budget: Pin<&mut E::Timer>,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        let span = self.span.clone();
        span.in_scope(|| self.poll_inside(budget, cx))
    }

    fn poll_inside(&mut self, budget: Pin<&mut E::Timer>, cx: &mut Context<'_>) -> Poll<()> {
        if self.call.ledger.is_settled() {
            return Poll::Ready(());
        }
        self.call.ledger.register(cx.waker());
        if self.spent || self.call.ledger.is_settled() || budget.poll(cx).is_ready() {
            return Poll::Ready(());
        }
        self.start_more(cx);
        self.expire(cx);
        match self.call.ledger.is_settled() {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    }

    /// Ends the flight and gives the report.
    pub(crate) fn land(&self) -> ScatterReport<T> {
        let span = self.span.clone();
        let _inside = span.enter();
        if self.call.ledger.is_settled() {
            return self.call.ledger.close();
        }
        let late = |at: &usize| !self.call.ledger.has_outcome(*at);
        let late: Vec<usize> = (0..self.call.ledger.len()).filter(late).collect();
        tell_late(&*self.call, &late);
        let report = self.call.ledger.close();
        for (at, handle) in &self.handles {
            if late.binary_search(at).is_ok() {
                handle.abort();
            }
        }
        report
    }

    fn start_more(&mut self, cx: &Context<'_>) {
        self.line.new_round(self.now.take());
        while let Some((at, cell, permit)) = self.line.next(&*self.call, cx.waker()) {
            let seat = Seat::new(Arc::clone(&self.call), at, permit);
            let span = cell_span(&self.span, seat.label());
            // Most of the time nobody looks on; then the task is the work alone.
            let spawned = match span.is_disabled() {
                true => self.executor.spawn(cell, ask(seat, Unseen)),
                false => self.executor.spawn(cell, ask(seat, Seen).instrument(span)),
            };
            match spawned {
                Ok(handle) => self.handles.push((at, handle)),
                Err(refusal) => self.call.ledger.refuse(at, refused(refusal)),
            }
        }
    }

    fn expire(&mut self, cx: &mut Context<'_>) {
        while let Some((share, timer)) = &mut self.expiry
            && timer.as_mut().poll(cx).is_ready()
        {
            let (expired, next) = self.call.ledger.expire(*share);
            tell_late(&*self.call, &expired);
            timer.set(self.executor.sleep_until(next));
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
        self.call.ledger.abandon();
        if self.call.ledger.is_settled() {
            return;
        }
        for (at, handle) in &self.handles {
            if !self.call.ledger.has_outcome(*at) {
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

/// Whether each call of the work has a span. Two kinds of task, so that the usual one has no place for it.
trait Look: Send + 'static {
    /// Calls the work, and gives what it is to wait for.
    fn call<F: Future + Send>(
        &self,
        attempt: u32,
        work: impl FnOnce() -> F,
    ) -> impl Future<Output = F::Output> + Send;
}

struct Unseen;

impl Look for Unseen {
    fn call<F: Future + Send>(
        &self,
        _attempt: u32,
        work: impl FnOnce() -> F,
    ) -> impl Future<Output = F::Output> + Send {
        work()
    }
}

struct Seen;

impl Look for Seen {
    fn call<F: Future + Send>(
        &self,
        attempt: u32,
        work: impl FnOnce() -> F,
    ) -> impl Future<Output = F::Output> + Send {
        let span = attempt_span(attempt);
        let work = span.in_scope(work);
        work.instrument(span)
    }
}

/// Asks one cell.
#[expect(
    clippy::manual_async_fn,
    reason = "it would keep its argument twice, in each cell's task"
)]
fn ask<C, W, F, T, X>(
    mut seat: Seat<Arc<Call<C, W, T>>>,
    look: impl Look,
) -> impl Future<Output = ()> + Send + 'static
where
    C: CellConnector,
    W: Fn(CellTask<C>) -> F + Send + Sync + 'static,
    F: Future<Output = Result<T, X>> + Send + 'static,
    T: Send + 'static,
    X: Into<CellError> + 'static,
{
    async move {
        let now = seat.call().ledger.now();
        if !seat.begin(now) {
            return;
        }
        let outcome = loop {
            let Call { shared, .. } = &**seat.call();
            let Some(cell) = seat.cell() else { return };
            let targeted = match seat.targeted(shared.cells.target(&shared.request, cell)) {
                Some(Ok(targeted)) => targeted,
                Some(Err(outcome)) => break outcome,
                None => return,
            };
            let deadline = seat.deadline(shared.deadline, shared.share);
            let watch = Arc::clone(seat.call()) as Arc<dyn Watch>;
            let task = CellTask::new(targeted, deadline, watch, seat.at());
            // The closure itself may panic before it gives a future. It is called here rather than in the future that is
            // waited for, which would keep a place for its task beside its own.
            let called = || look.call(seat.attempt(), || (shared.work)(task));
            let came = match catch_unwind(AssertUnwindSafe(called)) {
                Ok(work) => AssertUnwindSafe(work).catch_unwind().await,
                Err(panic) => Err(panic),
            };
            let error = match came {
                Ok(Ok(value)) => break Outcome::Answered(value),
                Ok(Err(error)) => error.into(),
                Err(panic) => break panicked(seat.label(), &*panic),
            };
            if !seat.tries_again(&error) {
                let Call { shared, .. } = &**seat.call();
                let deadline = seat.deadline(shared.deadline, shared.share);
                break seat.failed(deadline, &error);
            }
        };
        seat.fill(outcome);
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
