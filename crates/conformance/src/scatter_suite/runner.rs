//! How the suite reaches an executor.

use std::sync::Arc;

use cells::CellConnector;
use scatter::{AsyncExecutor, BlockingExecutor, Scatter, ScatterReport};
use tokio::runtime::Runtime;

use super::script::Script;
use crate::fakes::FakeDatabase;

/// Runs a scatter whose works follow a script.
pub trait Runner: Send + Sync {
    /// Whether work that blocks holds up nothing but itself, as on a thread of its own.
    fn isolates_blocking(&self) -> bool;

    /// Gives the report; blocks the calling thread until it is there.
    fn run<C>(&self, scatter: Scatter<'_, C>, script: &Script) -> ScatterReport<Option<usize>>
    where
        C: CellConnector<Database = FakeDatabase>;
}

/// Runs on an executor for async work, called from within a runtime.
#[derive(Debug)]
pub struct AsyncRunner<E> {
    /// The executor.
    pub executor: E,
    /// Where the caller of the scatter is.
    pub runtime: Arc<Runtime>,
    /// Whether the executor gives each task a thread of its own.
    pub isolates_blocking: bool,
}

impl<E: AsyncExecutor> Runner for AsyncRunner<E> {
    fn isolates_blocking(&self) -> bool {
        self.isolates_blocking
    }

    fn run<C>(&self, scatter: Scatter<'_, C>, script: &Script) -> ScatterReport<Option<usize>>
    where
        C: CellConnector<Database = FakeDatabase>,
    {
        let script = script.clone();
        let work = move |task| script.clone().play(task);
        self.runtime.block_on(scatter.run(&self.executor, work))
    }
}

/// Runs on an executor for blocking work.
#[derive(Debug)]
pub struct BlockingRunner<E>(pub E);

impl<E: BlockingExecutor> Runner for BlockingRunner<E> {
    fn isolates_blocking(&self) -> bool {
        true
    }

    fn run<C>(&self, scatter: Scatter<'_, C>, script: &Script) -> ScatterReport<Option<usize>>
    where
        C: CellConnector<Database = FakeDatabase>,
    {
        let script = script.clone();
        scatter.run_blocking(&self.0, move |task| script.play_blocking(&task))
    }
}
