//! An ordered stream over simulated cells: every program's rows are sent as it comes to them, and a reader takes them at a
//! pace of its own, until it has enough.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use cells::CellError;
use scatter::{CellTask, MergePolicy, MissingCells, RowSink, Scatter, TokioExecutor};
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep};

use super::program::{Program, Step};
use super::random::{Seeded, program};
use super::scenario::{cloud, on_simulated_time, settled};
use super::trace::Told;
use crate::fakes::{HonestConnector, admin};

/// Sorted rows of some cells, and who reads them as one list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merging {
    pub(super) seed: Option<u64>,
    pub(super) programs: Vec<Program>,
    /// The keys of each cell's rows.
    pub(super) keys: Vec<Vec<u32>>,
    pub(super) budget: Duration,
    /// Rows that a cell may be ahead of the reader.
    pub(super) look_ahead: usize,
    /// What the reader does with a row takes this long.
    pub(super) pause: Duration,
    /// The reader leaves after so many rows.
    pub(super) enough: Option<usize>,
}

/// What the reader got, and what it was told at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MergingTrace {
    pub(super) merging: Merging,
    /// Key, cell, and which of the cell's rows it was.
    pub(super) given: Vec<(u32, usize, usize)>,
    /// Whether the stream came to its end, and was not left.
    pub(super) to_the_end: bool,
    pub(super) told: Vec<Told>,
    /// How much longer than until the budget's end the reader ever waited for a row.
    pub(super) late: Duration,
    pub(super) leaked: usize,
}

impl Merging {
    /// These cells, each with its program and the sorted keys of its rows; a budget of a second, and a reader who takes every
    /// row at once and lets cells run ahead.
    #[must_use]
    pub fn of(cells: impl IntoIterator<Item = (Program, Vec<u32>)>) -> Self {
        let (programs, keys) = cells.into_iter().unzip();
        Self {
            seed: None,
            programs,
            keys,
            budget: Duration::from_secs(1),
            look_ahead: 1000,
            pause: Duration::ZERO,
            enough: None,
        }
    }

    /// Sets the budget of the call.
    #[must_use]
    pub fn budget(mut self, budget: Duration) -> Self {
        self.budget = budget;
        self
    }

    /// Sets how many rows a cell may be ahead of the reader.
    #[must_use]
    pub fn look_ahead(mut self, rows: usize) -> Self {
        self.look_ahead = rows;
        self
    }

    /// The reader takes this long for each row.
    #[must_use]
    pub fn pause(mut self, each: Duration) -> Self {
        self.pause = each;
        self
    }

    /// The reader leaves after so many rows.
    #[must_use]
    pub fn enough(mut self, rows: usize) -> Self {
        self.enough = Some(rows);
        self
    }

    /// The scenario of a seed: up to eight cells, some slow, failing, panicking or hung; sometimes a reader that is slow, has
    /// enough early, or lets nobody run ahead.
    #[must_use]
    pub fn random(seed: u64) -> Self {
        let mut dice = Seeded::new(seed);
        let programs: Vec<Program> = (0..dice.below(9)).map(|_| program(&mut dice)).collect();
        let keys = programs.iter().map(|program| keys(program, &mut dice));
        Self {
            seed: Some(seed),
            keys: keys.collect(),
            programs,
            budget: Duration::from_millis(1) + dice.millis(500),
            look_ahead: if dice.percent(50) {
                1000
            } else {
                1 + dice.below(4)
            },
            pause: if dice.percent(70) {
                Duration::ZERO
            } else {
                dice.millis(40)
            },
            enough: dice.percent(30).then(|| dice.below(12)),
        }
    }

    /// Plays it and says what happened.
    ///
    /// # Panics
    /// Where the machine does not give a runtime.
    #[must_use]
    pub fn play(&self) -> MergingTrace {
        on_simulated_time(self.played())
    }

    async fn played(&self) -> MergingTrace {
        let cloud = cloud(self.programs.len(), &[]);
        let (request, executor) = (admin(), TokioExecutor::new(Handle::current()));
        let policy = MergePolicy {
            look_ahead_rows: self.look_ahead,
            missing: MissingCells::Skip,
            ..MergePolicy::default()
        };
        let actor = Arc::new(self.clone());
        let began = Instant::now();
        let mut merged = Scatter::new(&request, &cloud.cells, cloud.all())
            .timeout(self.budget)
            .merge(&executor, policy, move |task, sink| {
                Arc::clone(&actor).send(task, sink)
            });
        let (mut given, mut late, mut to_the_end) = (Vec::new(), Duration::ZERO, false);
        while !to_the_end && self.enough.is_none_or(|enough| given.len() < enough) {
            let asked = began.elapsed();
            match merged.next().await {
                Ok(Some(row)) => given.push((row.key, row.at, row.row)),
                // An error would be a missing cell, and those are skipped.
                Ok(None) | Err(_) => to_the_end = true,
            }
            late = late.max(began.elapsed().saturating_sub(asked.max(self.budget)));
            sleep(self.pause).await;
        }
        let report = merged.finish();
        MergingTrace {
            merging: self.clone(),
            given,
            to_the_end,
            told: report.into_cells().into_iter().map(Told::of).collect(),
            late,
            leaked: settled().await,
        }
    }

    async fn send(
        self: Arc<Self>,
        task: CellTask<HonestConnector>,
        mut sink: RowSink<u32, usize>,
    ) -> Result<(), CellError> {
        let cell = task.cell().database().number;
        let mut keys = self.keys[cell].iter().enumerate();
        for step in self.programs[cell].steps() {
            step.perform(&task, &mut |_| ()).await?;
            if *step == Step::Row
                && let Some((row, key)) = keys.next()
            {
                sink.send(vec![(*key, row)]).await?;
            }
        }
        Ok(())
    }
}

impl MergingTrace {
    /// The rows as the reader got them: key, cell, and which of the cell's rows it was.
    #[must_use]
    pub fn given(&self) -> &[(u32, usize, usize)] {
        &self.given
    }

    /// Each cell's outcome in words: `answered`, `timed_out(running)`.
    #[must_use]
    pub fn outcomes(&self) -> Vec<&str> {
        self.told.iter().map(|cell| cell.outcome.as_str()).collect()
    }
}

/// A key for each row of a program, many of them equal.
fn keys(program: &Program, dice: &mut Seeded) -> Vec<u32> {
    let rows = program.steps().iter().filter(|step| **step == Step::Row);
    let mut key = 0;
    rows.map(|_| {
        key += u32::from(dice.percent(60)) + u32::from(dice.percent(20)) * 3;
        key
    })
    .collect()
}

impl fmt::Display for MergingTrace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:#?}", self.merging)?;
        writeln!(f, "{:?}", self.given)?;
        write!(f, "{:#?}", self.told)
    }
}
