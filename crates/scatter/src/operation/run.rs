//! Running operations, and nothing else: who holds this and not the cells can scatter only what is registered.

use std::future::Future;
use std::sync::Arc;

use cells::{CellConnector, CellError, Cells, ErrorClass, SelectError, Selection};
use context::{AuditEvent, AuditOutcome, RequestContext, TracingAudit};

use super::meter::Meter;
use super::registry::Registry;
use super::spec::{InvalidValue, Operation, OperationSpec};
use crate::executor::AsyncExecutor;
use crate::isolation::{Isolation, PermitClass};
use crate::report::ScatterReport;
use crate::scatter::Scatter;
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
        }
    }

    /// What may be run here.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Runs an operation in the selected cells. The work is how it is done with this connector; it counts what it reads on
    /// its [`Meter`]. What a cell gives is checked before it is an answer: too much of it, or a value that breaks a rule,
    /// is that cell's failure.
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
        let spec = operation.spec();
        self.allow(request, &spec)
            .and_then(|()| {
                let name = spec.name;
                let rule = |rule| Refused::Input { name, rule };
                operation.check_input(&input).map_err(rule)
            })
            .inspect_err(|refused| audit(request, &spec, refused))?;
        let choices = self.cells.select(selection)?;
        let (input, operation) = (Arc::new(input), Arc::clone(operation));
        let scatter = Scatter::new(request, &self.cells, choices)
            .timeout(spec.limits.time)
            .isolation(&self.isolation, PermitClass::Interactive)
            .effect(spec.effect);
        let checked = move |task| {
            let meter = Meter::new(spec.limits);
            let (work, operation) = (
                work(task, Arc::clone(&input), meter),
                Arc::clone(&operation),
            );
            async move {
                let output = work.await.map_err(Into::into)?;
                let invalid = |rule| CellError::new(ErrorClass::Decode, rule);
                operation.check_output(&output).map_err(invalid)?;
                Ok::<_, CellError>(output)
            }
        };
        Ok(scatter.run(executor, checked).await)
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
}

fn audit(request: &RequestContext, spec: &OperationSpec, refused: &Refused) {
    let mut event = AuditEvent::new("operation/run", AuditOutcome::Failure)
        .target(spec.name)
        .reason(refused.to_string());
    event.request_id = Some(request.request_id().clone());
    event.user.clone_from(&request.identity().user.id);
    event.project.clone_from(&request.identity().project.id);
    TracingAudit::write(&event);
}
