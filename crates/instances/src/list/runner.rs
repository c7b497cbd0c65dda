//! How the cells are asked: as async tasks, or by blocking threads that share one runtime.

use std::future::Future;

use cells::{CellConnector, CellError, ErrorClass};
use scatter::{AsyncExecutor, BlockingExecutor, CellTask, Scatter, ScatterReport};
use tokio::runtime::Handle;

use super::stragglers::Stragglers;

/// Runs one async question in every cell of a scatter.
pub trait Runner: Send + Sync {
    /// Asks, and gives the report when all cells have an outcome or the budget ends.
    ///
    /// # Cancel safety
    /// Dropping the future gives the question up in every cell.
    fn run<C, W, F, T>(
        &self,
        scatter: Scatter<'_, C>,
        work: W,
    ) -> impl Future<Output = ScatterReport<T>> + Send
    where
        C: CellConnector,
        W: Fn(CellTask<C>) -> F + Send + Sync + 'static,
        F: Future<Output = Result<T, CellError>> + Send + 'static,
        T: Send + 'static;
}

/// Asks as async tasks of this executor.
#[derive(Debug, Clone)]
pub struct OnTasks<E>(pub E);

impl<E> Runner for OnTasks<E>
where
    E: AsyncExecutor + Clone + 'static,
{
    async fn run<C, W, F, T>(&self, scatter: Scatter<'_, C>, work: W) -> ScatterReport<T>
    where
        C: CellConnector,
        W: Fn(CellTask<C>) -> F + Send + Sync + 'static,
        F: Future<Output = Result<T, CellError>> + Send + 'static,
        T: Send + 'static,
    {
        scatter.run(&self.0, work).await
    }
}

/// Asks on threads of this executor. Connections belong to one runtime, which the threads share through its handle.
///
/// Polling blocks until the report is there, as thread executors do: drive it from a thread that may block
/// (`Handle::block_on` in `main`), and let the runtime have threads of its own (`multi_thread`). Work that outlives its
/// budget ends within a moment, for which the report is held back, so that the runtime may be dropped afterwards.
#[derive(Debug, Clone)]
pub struct OnThreads<E> {
    /// The threads.
    pub executor: E,
    /// The runtime that owns the connections.
    pub runtime: Handle,
}

impl<E> Runner for OnThreads<E>
where
    E: BlockingExecutor + Clone + 'static,
{
    async fn run<C, W, F, T>(&self, scatter: Scatter<'_, C>, work: W) -> ScatterReport<T>
    where
        C: CellConnector,
        W: Fn(CellTask<C>) -> F + Send + Sync + 'static,
        F: Future<Output = Result<T, CellError>> + Send + 'static,
        T: Send + 'static,
    {
        let runtime = self.runtime.clone();
        let stragglers = Stragglers::default();
        let begun = stragglers.clone();
        let report = scatter.run_blocking(&self.executor, move |task| {
            let _working = begun.begin();
            let deadline = task.deadline().instant().into();
            // The thread itself cannot be stopped; its work can, so the thread is free again when the budget ends.
            let work = async { tokio::time::timeout_at(deadline, work(task)).await };
            runtime
                .block_on(work)
                .unwrap_or_else(|late| Err(CellError::new(ErrorClass::Timeout, late)))
        });
        stragglers.wait();
        report
    }
}
