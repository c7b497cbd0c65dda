//! A scenario, and how it is played.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use cells::CellError;
use scatter::{CellTask, Scatter, ScatterReport, TokioExecutor};
use tokio::runtime::Builder;
use tokio::time::Instant;

use super::program::Program;
use super::trace::{Event, Trace, What};
use crate::fakes::{FakeCloud, HonestConnector, admin};

/// What every cell does, and what the caller asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scenario {
    pub(crate) seed: Option<u64>,
    pub(crate) programs: Vec<Program>,
    pub(crate) rejected: Vec<usize>,
    pub(crate) budget: Duration,
    pub(crate) cell_timeout: Option<Duration>,
    pub(crate) in_flight: Option<usize>,
    pub(crate) gone_after: Option<Duration>,
}

impl Scenario {
    /// This many cells, each of which answers at once, and a budget of a second.
    #[must_use]
    pub fn of(cells: usize) -> Self {
        Self {
            seed: None,
            programs: vec![Program::new(); cells],
            rejected: Vec::new(),
            budget: Duration::from_secs(1),
            cell_timeout: None,
            in_flight: None,
            gone_after: None,
        }
    }

    /// Sets what one cell does.
    ///
    /// # Panics
    /// Where there is no such cell.
    #[must_use]
    pub fn cell(mut self, cell: usize, program: Program) -> Self {
        self.programs[cell] = program;
        self
    }

    /// Spoils one cell's mapping.
    #[must_use]
    pub fn reject(mut self, cell: usize) -> Self {
        self.rejected.push(cell);
        self
    }

    /// Sets the budget of the call.
    #[must_use]
    pub fn budget(mut self, budget: Duration) -> Self {
        self.budget = budget;
        self
    }

    /// Sets the longest one cell may take.
    #[must_use]
    pub fn cell_timeout(mut self, share: Duration) -> Self {
        self.cell_timeout = Some(share);
        self
    }

    /// Sets how many cells are asked at the same time.
    #[must_use]
    pub fn in_flight(mut self, limit: usize) -> Self {
        self.in_flight = Some(limit);
        self
    }

    /// The caller drops the call after this long.
    #[must_use]
    pub fn gone_after(mut self, time: Duration) -> Self {
        self.gone_after = Some(time);
        self
    }

    /// Plays it and says what happened.
    ///
    /// # Panics
    /// Where the machine does not give a runtime.
    #[must_use]
    pub fn play(&self) -> Trace {
        on_simulated_time(self.played())
    }

    async fn played(&self) -> Trace {
        let cloud = cloud(self.programs.len(), &self.rejected);
        let stage = Stage::new(self.programs.clone());
        let executor = TokioExecutor::new(tokio::runtime::Handle::current());
        let request = admin();
        let mut scatter = Scatter::new(&request, &cloud.cells, cloud.all()).timeout(self.budget);
        if let Some(share) = self.cell_timeout {
            scatter = scatter.cell_timeout(share);
        }
        if let Some(limit) = self.in_flight {
            scatter = scatter.in_flight(limit);
        }
        let actor = stage.clone();
        let call = scatter.run(&executor, move |task| actor.clone().play(task));
        let report = match self.gone_after {
            None => Some(call.await),
            Some(time) => tokio::time::timeout(time, call).await.ok(),
        };
        let took = stage.now();
        let leaked = settled().await;
        Trace::new(
            self.clone(),
            stage.events(),
            report.map(ended),
            took,
            leaked,
        )
    }
}

/// Runs something on time that passes only when everybody waits.
pub(super) fn on_simulated_time<F: Future>(work: F) -> F::Output {
    let runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build();
    let runtime = runtime.unwrap_or_else(|error| panic!("no runtime: {error}"));
    runtime.block_on(work)
}

/// How many tasks are left, once the runtime has come to those that were aborted and has dropped them.
pub(super) async fn settled() -> usize {
    let left = || {
        tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks()
    };
    for _ in 0..1_000 {
        if left() == 0 {
            break;
        }
        tokio::task::yield_now().await;
    }
    left()
}

fn ended<T>(report: ScatterReport<T>) -> Vec<scatter::CellReport<T>> {
    report.into_cells()
}

/// Clouds are read-only here and take long to make: one of each kind is enough.
pub(super) fn cloud(cells: usize, rejected: &[usize]) -> FakeCloud {
    type Kept = Mutex<HashMap<(usize, Vec<usize>), FakeCloud>>;
    static KEPT: OnceLock<Kept> = OnceLock::new();
    let kept = KEPT.get_or_init(Kept::default);
    let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
    kept.entry((cells, rejected.to_vec()))
        .or_insert_with(|| FakeCloud::of(cells).with_rejected(rejected))
        .clone()
}

/// Where the programs run, and what was seen.
#[derive(Clone)]
struct Stage(Arc<Inner>);

struct Inner {
    programs: Vec<Program>,
    began: Instant,
    seen: Mutex<Vec<Event>>,
}

/// Notes that a work was dropped before its end.
struct Unfinished<'a> {
    stage: &'a Stage,
    cell: usize,
    finished: bool,
}

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        if !self.finished {
            self.stage.note(self.cell, What::Dropped);
        }
    }
}

impl Stage {
    fn new(programs: Vec<Program>) -> Self {
        Self(Arc::new(Inner {
            programs,
            began: Instant::now(),
            seen: Mutex::default(),
        }))
    }

    fn now(&self) -> Duration {
        self.0.began.elapsed()
    }

    fn note(&self, cell: usize, what: What) {
        let at = self.now();
        let mut seen = self.0.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.push(Event { at, cell, what });
    }

    fn events(&self) -> Vec<Event> {
        std::mem::take(&mut self.0.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn play(self, task: CellTask<HonestConnector>) -> Result<usize, CellError> {
        let cell = task.cell().database().number;
        self.note(cell, What::Began);
        let mut watch = Unfinished {
            stage: &self,
            cell,
            finished: false,
        };
        let seen = |what| {
            let ends = matches!(what, What::Answered | What::Failed | What::Panicked);
            watch.finished |= ends;
            self.note(cell, what);
        };
        self.0.programs[cell].perform(&task, seen).await
    }
}
