//! From options to a cloud that can be asked: configuration read, mappings loaded, executor started.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use cells::{
    CachePolicy, CellError, Cells, CellsOptions, DatabaseLocation, SelectError, Selection, Snapshot,
};
use connect::{ConnectorOptions, NovaApi, NovaConnector};
use context::{Deadline, Identity, RequestContext, Roles};
use scatter::{
    BridgedExecutor, CellTask, Scatter, ScatterReport, ThreadExecutor, ThreadPolicy, TokioExecutor,
};
use tokio::runtime::Handle;

use crate::args::{ExecutorKind, Global};
use crate::exit::CliError;
use crate::revision_key;
use crate::settings::Settings;
use crate::trust;

/// A cloud whose mappings are loaded, and how its cells are asked.
pub(crate) struct Cloud {
    pub(crate) cells: Cells<NovaConnector>,
    pub(crate) api: NovaApi,
    pub(crate) executor: Executor,
    pub(crate) request: RequestContext,
    pub(crate) deadline: Deadline,
}

/// What runs the work, as `--executor` says.
pub(crate) enum Executor {
    /// Tasks of the runtime.
    Tasks(TokioExecutor),
    /// A thread for each cell, which waits for the runtime's handles: sockets belong to the runtime that made them.
    Threads(BridgedExecutor),
}

impl Cloud {
    /// Opens the cloud that the options name, within their timeout. `task` names the command in audit events.
    pub(crate) async fn open(global: &Global, task: &'static str) -> Result<Self, CliError> {
        Self::kept(global, task, CachePolicy::default()).await
    }

    /// As [`open`](Self::open), for a command that stays: with these limits of the cache.
    pub(crate) async fn kept(
        global: &Global,
        task: &'static str,
        policy: CachePolicy,
    ) -> Result<Self, CliError> {
        let deadline = Deadline::after(global.timeout);
        let settings = Settings::read(global)?;
        let mut mappings = CellsOptions::new(revision_key::load()?);
        mappings.defaults = settings.defaults;
        mappings.policy = policy;
        mappings.allow = trust::allow_list(global)?;
        mappings.seals = trust::seals(global)?;
        Self::at(&settings.api, mappings, global.executor, task, deadline).await
    }

    /// Opens the cloud of this API database, with mappings read and checked by these options.
    pub(crate) async fn at(
        api: &DatabaseLocation,
        mappings: CellsOptions,
        executor: ExecutorKind,
        task: &'static str,
        deadline: Deadline,
    ) -> Result<Self, CliError> {
        let options = ConnectorOptions::default();
        let api = NovaApi::at(api, &options).map_err(|error| CliError::usage_because(&error))?;
        let cells = Cells::with_options(api.clone(), NovaConnector::new(options), mappings);
        cells
            .refresh(deadline)
            .await
            .map_err(|error| source_error(&error))?;
        let request = RequestContext::for_background(task, Identity::default(), Roles::admin());
        Ok(Self {
            cells,
            api,
            executor: Executor::start(executor)?,
            request: request.with_deadline(deadline),
            deadline,
        })
    }

    /// The mappings in place.
    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        self.cells.snapshot()
    }

    /// Runs the same async work in the selected cells, on whichever executor was asked for.
    pub(crate) async fn ask<W, F, T>(
        &self,
        selection: &Selection,
        work: W,
    ) -> Result<ScatterReport<T>, CliError>
    where
        W: Fn(CellTask<NovaConnector>) -> F + Send + Sync + 'static,
        F: Future<Output = Result<T, CellError>> + Send + 'static,
        T: Send + 'static,
    {
        let choices = self
            .cells
            .select(selection)
            .map_err(|error| select_error(&error))?;
        let left = self.deadline.remaining();
        let scatter = Scatter::new(&self.request, &self.cells, choices).timeout(left);
        Ok(match &self.executor {
            Executor::Tasks(tasks) => scatter.run(tasks, work).await,
            Executor::Threads(threads) => scatter.run(threads, work).await,
        })
    }
}

impl Executor {
    pub(crate) fn start(kind: ExecutorKind) -> Result<Self, CliError> {
        let runtime = Handle::current();
        match kind {
            ExecutorKind::Async => Ok(Self::Tasks(TokioExecutor::new(runtime))),
            ExecutorKind::Thread => ThreadExecutor::new("cell-worker", ThreadPolicy::default())
                .map(|threads| Self::Threads(BridgedExecutor::new(threads, runtime)))
                .map_err(|error| CliError::nothing(format_args!("starting threads: {error}"))),
        }
    }
}

/// Runs the same with the servers of this cloud on whichever executor was asked for.
macro_rules! on_servers {
    ($cloud:expr, $servers:ident => $work:expr) => {{
        let cloud: &$crate::cloud::Cloud = $cloud;
        let left = cloud.deadline.remaining();
        match &cloud.executor {
            $crate::cloud::Executor::Tasks(tasks) => {
                let $servers = instances::Servers::new(&cloud.request, &cloud.cells, tasks.clone());
                let $servers = $servers.api(&cloud.api).timeout(left);
                $work
            }
            $crate::cloud::Executor::Threads(threads) => {
                let $servers =
                    instances::Servers::new(&cloud.request, &cloud.cells, threads.clone());
                let $servers = $servers.api(&cloud.api).timeout(left);
                $work
            }
        }
    }};
}
pub(crate) use on_servers;

fn source_error(error: &CellError) -> CliError {
    tracing::debug!(target: "nova_cells::detail", detail = %error.detail(), "reading the mappings failed");
    CliError::nothing(format_args!(
        "the mappings could not be read from the API database: {} (-vv shows the database's own words)",
        explained(error)
    ))
}

/// A class in words an operator can act on.
fn explained(error: &CellError) -> &'static str {
    use cells::ErrorClass as Class;
    match error.class() {
        Class::Unreachable => "nothing answers there, or the file cannot be opened",
        Class::Authentication => "the login was refused",
        Class::Tls => "TLS could not be set up",
        Class::Timeout => "it did not answer in time",
        Class::Overloaded => "it is locked or overloaded",
        Class::Schema => "it has no table cell_mappings as Nova's has; is it a nova_api database?",
        Class::Decode => "what it holds is not what Nova writes",
        Class::Configuration => {
            "what it needs on this host cannot be used: its TLS files, or the environment"
        }
        other => other.as_str(),
    }
}

/// No cells at all is *nobody answered*; an unknown id is a mistake of the caller's.
pub(crate) fn select_error(error: &SelectError) -> CliError {
    match error {
        SelectError::NoCells => {
            CliError::nothing("no cells are configured: cell_mappings is empty")
        }
        other => CliError::usage(other),
    }
}

/// Time for one part of a call that ends at `deadline`: a little less, so that the part's own report is still heard.
pub(crate) fn inner_deadline(deadline: Deadline) -> Deadline {
    let left = deadline.remaining();
    Deadline::after(left.saturating_sub((left / 10).min(Duration::from_millis(100))))
}
