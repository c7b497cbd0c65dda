//! One call to many cells, being prepared; and its async run.

use std::future::{Future, poll_fn};
use std::pin::pin;

use cells::{CellConnector, CellError, Cells, Choice};
use context::RequestContext;

use crate::executor::{AsyncExecutor, Clock};
use crate::flight::{Flight, Shared};
use crate::isolation::{Admit, Effect, Isolation, PermitClass};
use crate::ledger::Ledger;
use crate::line::Line;
use crate::onlookers::Onlookers;
use crate::policy::ScatterPolicy;
use crate::report::ScatterReport;
use crate::stats::ScatterStats;
use crate::stream::ScatterStream;
use crate::task::CellTask;

/// One call to many cells, being prepared.
#[must_use = "nothing is asked before `run`, `stream` or `run_blocking`"]
pub struct Scatter<'a, C: CellConnector> {
    pub(crate) request: &'a RequestContext,
    pub(crate) cells: &'a Cells<C>,
    pub(crate) choices: Vec<Choice>,
    pub(crate) policy: ScatterPolicy,
    pub(crate) isolation: Option<&'a Isolation>,
    pub(crate) class: PermitClass,
    pub(crate) effect: Effect,
    pub(crate) stats: Option<&'a ScatterStats>,
}

impl<'a, C: CellConnector> Scatter<'a, C> {
    /// Asks these cells, as chosen with [`Cells::select`], on behalf of this request.
    pub fn new(request: &'a RequestContext, cells: &'a Cells<C>, choices: Vec<Choice>) -> Self {
        Self {
            request,
            cells,
            choices,
            policy: ScatterPolicy::default(),
            isolation: None,
            class: PermitClass::default(),
            effect: Effect::default(),
            stats: None,
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

    /// Sets the longest one cell may take from when its work begins. A cell that takes longer is timed out by itself, and
    /// the rest of the budget is left for what comes after.
    pub fn cell_timeout(mut self, share: std::time::Duration) -> Self {
        self.policy.cell_timeout = share;
        self
    }

    /// Sets how many cells are asked at the same time; at least one.
    pub fn in_flight(mut self, limit: usize) -> Self {
        self.policy.in_flight = limit;
        self
    }

    /// Uses the permits, breakers and retry tokens that all calls of the process share. Without it, the executor's own
    /// limits are all there is.
    pub fn isolation(mut self, isolation: &'a Isolation, class: PermitClass) -> Self {
        self.isolation = Some(isolation);
        self.class = class;
        self
    }

    /// Notes how long each cell let the call wait.
    pub fn stats(mut self, stats: &'a ScatterStats) -> Self {
        self.stats = Some(stats);
        self
    }

    /// Says what the work does to a cell. Only what may be repeated is ever retried, and only reads are refused while a
    /// cell is left alone.
    pub fn effect(mut self, effect: Effect) -> Self {
        self.effect = effect;
        self
    }

    /// Runs async work in every cell and gives the report when all have an outcome or the budget ends.
    ///
    /// The work is called once per cell. Closures that share something do it by a clone inside the closure, so that no
    /// cell can change what another one reads (W-33):
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use cells::{CellConnector, CellError};
    /// # use nova_scatter::{AsyncExecutor, CellTask, Scatter, ScatterReport};
    /// # async fn ask<D>(_: &D, _: &str) -> Result<u64, CellError> { Ok(1) }
    /// async fn count<C: CellConnector>(
    ///     scatter: Scatter<'_, C>,
    ///     executor: &impl AsyncExecutor,
    ///     query: String,
    /// ) -> ScatterReport<u64> {
    ///     let query = Arc::new(query);
    ///     let work = move |task: CellTask<C>| {
    ///         let query = Arc::clone(&query);
    ///         async move { ask(task.cell().database(), &query).await }
    ///     };
    ///     scatter.run(executor, work).await
    /// }
    /// ```
    ///
    /// # Cancel safety
    /// Dropping the future aborts every cell's task.
    #[expect(
        clippy::manual_async_fn,
        reason = "it would keep its arguments twice in its future"
    )]
    pub fn run<E, W, F, T, X>(self, executor: &E, work: W) -> impl Future<Output = ScatterReport<T>>
    where
        E: AsyncExecutor,
        W: Fn(CellTask<C>) -> F + Send + Sync + 'static,
        F: Future<Output = Result<T, X>> + Send + 'static,
        T: Send + 'static,
        X: Into<CellError> + 'static,
    {
        async move {
            let (mut flight, onlookers) = self.take_off(executor, work, false);
            let mut budget = pin!(flight.budget());
            poll_fn(|cx| flight.poll_settled(budget.as_mut(), cx)).await;
            let report = flight.land();
            onlookers.see(&report);
            report
        }
    }

    /// Runs async work in every cell and gives each cell's report as it comes; see [`ScatterStream`].
    pub fn stream<E, W, F, T, X>(self, executor: &E, work: W) -> ScatterStream<'_, E, C, W, T>
    where
        E: AsyncExecutor,
        W: Fn(CellTask<C>) -> F + Send + Sync + 'static,
        F: Future<Output = Result<T, X>> + Send + 'static,
        T: Send + 'static,
        X: Into<CellError> + 'static,
    {
        let (flight, onlookers) = self.take_off(executor, work, true);
        ScatterStream::new(flight, onlookers.kept())
    }

    /// Prepares the async driver; nothing is under way before it is polled.
    #[inline]
    pub(crate) fn take_off<'e, E, W, F, T, X>(
        self,
        executor: &'e E,
        work: W,
        streamed: bool,
    ) -> (Flight<'e, E, C, W, T>, Onlookers<'a>)
    where
        E: AsyncExecutor,
        W: Fn(CellTask<C>) -> F + Send + Sync + 'static,
        F: Future<Output = Result<T, X>> + Send + 'static,
        T: Send + 'static,
        X: Into<CellError> + 'static,
    {
        let onlookers = self.onlookers();
        let (ledger, shared, line) = self.prepare(executor.clock(), work, streamed);
        let span = onlookers.span().clone();
        let flight = Flight::new(executor, ledger, shared, line, span, streamed);
        (flight, onlookers)
    }

    /// Those who look on at this call.
    pub(crate) fn onlookers(&self) -> Onlookers<'a> {
        Onlookers::new(self.choices.len(), self.stats)
    }

    /// What both drivers need.
    #[inline]
    pub(crate) fn prepare<W, T>(
        self,
        clock: Clock,
        work: W,
        streamed: bool,
    ) -> (Ledger<T>, Shared<C, W>, Line) {
        let limit = self.policy.in_flight.max(1);
        let mut ledger = Ledger::new(self.choices, clock, limit, streamed);
        let deadline = self.policy.deadline(self.request, ledger.started());
        let what = (self.class, self.effect);
        let admit = self
            .isolation
            .map(|isolation| Admit::new(isolation, &mut ledger, what, clock));
        let line = Line::new(limit, deadline, clock);
        let shared = Shared {
            cells: self.cells.clone(),
            request: self.request.with_deadline(deadline),
            deadline,
            share: self.policy.share(deadline, ledger.started()),
            admit,
            work,
        };
        (ledger, shared, line)
    }
}
