//! Running operations, and nothing else: who holds this and not the cells can scatter only what is registered.

use std::future::Future;
use std::sync::Arc;

use cells::{CellConnector, CellError, Cells, ErrorClass, SelectError, Selection};
use context::{AuditEvent, AuditJournal, AuditOutcome, NotAudited, RequestContext, TracingAudit};

use super::meter::Meter;
use super::registry::Registry;
use super::spec::{InvalidValue, Operation, OperationSpec};
use crate::executor::{AsyncExecutor, BlockingExecutor};
use crate::isolation::{Effect, Isolation};
use crate::report::ScatterReport;
use crate::scatter::Scatter;
use crate::stats::ScatterStats;
use crate::task::CellTask;

/// Why an operation was not run in any cell.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// It is not registered, or not as it is now.
    #[error("operation `{0}` version {1} is not registered as it is")]
    Unregistered(&'static str, u32),
    /// Who asks may not run it.
    #[error("operation `{0}` is not allowed for this request")]
    Forbidden(&'static str),
    /// The input breaks one of its rules.
    #[error("operation `{name}` does not take this input")]
    Input {
        /// The operation.
        name: &'static str,
        /// The rule.
        #[source]
        rule: InvalidValue,
    },
    /// It changes cells, and the journal could not keep that it was run.
    #[error("operation `{name}` cannot be audited")]
    NotAudited {
        /// The operation.
        name: &'static str,
        /// What the journal said.
        #[source]
        why: NotAudited,
    },
    /// There are no cells to ask.
    #[error("no cells to ask")]
    Select(#[from] SelectError),
}

type Policy = Box<dyn Fn(&RequestContext, &OperationSpec) -> bool + Send + Sync>;

/// A service's cells behind its operations.
pub struct Operations<C: CellConnector> {
    cells: Cells<C>,
    registry: Registry,
    policy: Policy,
    isolation: Isolation,
    journal: Arc<AuditJournal>,
    stats: Option<ScatterStats>,
}

impl<C: CellConnector> Operations<C> {
    /// These cells, for these operations. The policy says who may run which: for every request, before any cell is asked.
    pub fn new(
        cells: Cells<C>,
        registry: Registry,
        isolation: Isolation,
        policy: impl Fn(&RequestContext, &OperationSpec) -> bool + Send + Sync + 'static,
    ) -> Self {
        Self {
            cells,
            registry,
            policy: Box::new(policy),
            isolation,
            journal: Arc::new(AuditJournal::new(vec![Arc::new(TracingAudit)])),
            stats: None,
        }
    }

    /// Writes refusals, and runs of what may change a cell, to this journal instead of the log alone.
    #[must_use]
    pub fn journal(mut self, journal: Arc<AuditJournal>) -> Self {
        self.journal = journal;
        self
    }

    /// Notes how long each cell lets each operation wait.
    #[must_use]
    pub fn stats(mut self, stats: &ScatterStats) -> Self {
        self.stats = Some(stats.clone());
        self
    }

    /// What may be run here.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Runs an operation as async work in the selected cells. The work is how it is done with this connector; it counts
    /// what it reads on its [`Meter`]. What a cell gives is checked before it is an answer: too much of it, or a value that
    /// breaks a rule, is that cell's failure.
    ///
    /// # Errors
    /// [`Refused`] where no cell was asked; the refusal is in the audit trail.
    ///
    /// # Cancel safety
    /// Dropping the future aborts every cell's task.
    pub async fn run<O, E, W, F, X>(
        &self,
        request: &RequestContext,
        executor: &E,
        operation: &Arc<O>,
        input: O::Input,
        selection: &Selection,
        work: W,
    ) -> Result<ScatterReport<O::Output>, Refused>
    where
        O: Operation,
        E: AsyncExecutor,
        W: Fn(CellTask<C>, Arc<O::Input>, Meter) -> F + Send + Sync + 'static,
        F: Future<Output = Result<O::Output, X>> + Send + 'static,
        X: Into<CellError> + Send + 'static,
    {
        let (scatter, run) = self.admit(request, operation, input, selection)?;
        let checked = move |task| {
            let (output, run) = (work(task, run.input(), run.meter()), run.clone());
            async move { run.checked(output.await) }
        };
        Ok(scatter.run(executor, checked).await)
    }

    /// Runs an operation as blocking work; as [`run`](Self::run) otherwise. Blocks its caller.
    ///
    /// # Errors
    /// As for [`run`](Self::run).
    pub fn run_blocking<O, E, W, X>(
        &self,
        request: &RequestContext,
        executor: &E,
        operation: &Arc<O>,
        input: O::Input,
        selection: &Selection,
        work: W,
    ) -> Result<ScatterReport<O::Output>, Refused>
    where
        O: Operation,
        E: BlockingExecutor,
        W: Fn(CellTask<C>, Arc<O::Input>, Meter) -> Result<O::Output, X> + Send + Sync + 'static,
        X: Into<CellError>,
    {
        let (scatter, run) = self.admit(request, operation, input, selection)?;
        let checked = move |task| run.checked(work(task, run.input(), run.meter()));
        Ok(scatter.run_blocking(executor, checked))
    }

    /// Everything that stands before the first cell.
    fn admit<'a, O: Operation>(
        &'a self,
        request: &'a RequestContext,
        operation: &Arc<O>,
        input: O::Input,
        selection: &Selection,
    ) -> Result<(Scatter<'a, C>, Run<O>), Refused> {
        let spec = operation.spec();
        self.allow(request, &spec)
            .and_then(|()| {
                let name = spec.name;
                let rule = |rule| Refused::Input { name, rule };
                operation.check_input(&input).map_err(rule)
            })
            .inspect_err(|refused| self.note_refusal(request, &spec, refused))?;
        let choices = self.cells.select(selection)?;
        if spec.effect != Effect::Read {
            let name = spec.name;
            let event = event(request, &spec, AuditOutcome::Success);
            let kept = self.journal.record(&event);
            kept.map_err(|why| Refused::NotAudited { name, why })?;
        }
        let mut scatter = Scatter::new(request, &self.cells, choices)
            .timeout(spec.limits.time)
            .isolation(&self.isolation, spec.class)
            .effect(spec.effect);
        if let Some(stats) = &self.stats {
            scatter = scatter.stats(stats);
        }
        let run = Run {
            operation: Arc::clone(operation),
            input: Arc::new(input),
            spec,
        };
        Ok((scatter, run))
    }

    fn allow(&self, request: &RequestContext, spec: &OperationSpec) -> Result<(), Refused> {
        if !self.registry.knows(spec) {
            return Err(Refused::Unregistered(spec.name, spec.version));
        }
        match (self.policy)(request, spec) {
            true => Ok(()),
            false => Err(Refused::Forbidden(spec.name)),
        }
    }

    fn note_refusal(&self, request: &RequestContext, spec: &OperationSpec, refused: &Refused) {
        let event = event(request, spec, AuditOutcome::Failure).reason(refused.to_string());
        // What is refused stays refused, whether the journal keeps it or not; the journal counts what it does not keep.
        let _kept = self.journal.record(&event);
    }
}

/// One run of an operation, as all its cells share it.
struct Run<O: Operation> {
    operation: Arc<O>,
    input: Arc<O::Input>,
    spec: OperationSpec,
}

impl<O: Operation> Clone for Run<O> {
    fn clone(&self) -> Self {
        Self {
            operation: Arc::clone(&self.operation),
            input: Arc::clone(&self.input),
            spec: self.spec.clone(),
        }
    }
}

impl<O: Operation> Run<O> {
    fn input(&self) -> Arc<O::Input> {
        Arc::clone(&self.input)
    }

    fn meter(&self) -> Meter {
        Meter::new(self.spec.limits)
    }

    /// What one cell gave, if it may be an answer.
    fn checked<X: Into<CellError>>(
        &self,
        output: Result<O::Output, X>,
    ) -> Result<O::Output, CellError> {
        let output = output.map_err(Into::into)?;
        let invalid = |rule| CellError::new(ErrorClass::Decode, rule);
        self.operation.check_output(&output).map_err(invalid)?;
        Ok(output)
    }
}

fn event(request: &RequestContext, spec: &OperationSpec, outcome: AuditOutcome) -> AuditEvent {
    let mut event = AuditEvent::new("operation/run", outcome).target(spec.name);
    event.request_id = Some(request.request_id().clone());
    event.user.clone_from(&request.identity().user.id);
    event.project.clone_from(&request.identity().project.id);
    event
}
