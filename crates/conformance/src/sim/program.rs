//! What a simulated cell does, step by step.

use std::time::Duration;

use cells::{CellConnector, CellError, ErrorClass};
use scatter::CellTask;

use super::trace::What;

/// One step of a cell's work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Connects for this long.
    Connect(Duration),
    /// Works for this long.
    Wait(Duration),
    /// Has one row more.
    Row,
    /// Fails.
    Fail(ErrorClass),
    /// Panics.
    Panic,
    /// Never goes on.
    Hang,
}

/// Steps in their order; a program that comes to its end answers with its rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Program(Vec<Step>);

impl Program {
    /// A program that answers at once, with nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Connects for this long.
    #[must_use]
    pub fn connect(self, time: Duration) -> Self {
        self.then(Step::Connect(time))
    }

    /// Works for this long.
    #[must_use]
    pub fn wait(self, time: Duration) -> Self {
        self.then(Step::Wait(time))
    }

    /// Gives rows, each after this long.
    #[must_use]
    pub fn rows(mut self, rows: usize, each: Duration) -> Self {
        for _ in 0..rows {
            self = self.wait(each).then(Step::Row);
        }
        self
    }

    /// Fails with this class.
    #[must_use]
    pub fn fail(self, class: ErrorClass) -> Self {
        self.then(Step::Fail(class))
    }

    /// Panics.
    #[must_use]
    pub fn panic(self) -> Self {
        self.then(Step::Panic)
    }

    /// Never goes on.
    #[must_use]
    pub fn hang(self) -> Self {
        self.then(Step::Hang)
    }

    /// Adds a step.
    #[must_use]
    pub fn then(mut self, step: Step) -> Self {
        self.0.push(step);
        self
    }

    /// The steps.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.0
    }

    /// How long the cell takes to its end, and how it ends; none where it never does.
    #[must_use]
    pub fn ends(&self) -> Option<(Duration, &'static str)> {
        let mut time = Duration::ZERO;
        for step in &self.0 {
            match step {
                Step::Connect(wait) | Step::Wait(wait) => time += *wait,
                Step::Row => {}
                Step::Fail(_) | Step::Panic => return Some((time, "failed")),
                Step::Hang => return None,
            }
        }
        Some((time, "answered"))
    }

    /// Does it, step by step, as one cell's work. What is dropped before its end has said nothing of its end.
    pub(super) async fn perform<C: CellConnector>(
        &self,
        task: &CellTask<C>,
        mut seen: impl FnMut(What),
    ) -> Result<usize, CellError> {
        let mut rows = 0;
        for step in &self.0 {
            rows += usize::from(*step == Step::Row);
            step.perform(task, &mut seen).await?;
        }
        seen(What::Answered);
        Ok(rows)
    }
}

impl Step {
    /// Does it. A row is only seen; who gives it to somebody does that himself.
    pub(super) async fn perform<C: CellConnector>(
        &self,
        task: &CellTask<C>,
        seen: &mut impl FnMut(What),
    ) -> Result<(), CellError> {
        match self {
            Self::Connect(time) => {
                task.connecting();
                tokio::time::sleep(*time).await;
                task.connected();
                seen(What::Connected);
            }
            Self::Wait(time) => tokio::time::sleep(*time).await,
            Self::Row => seen(What::Row),
            Self::Fail(class) => {
                seen(What::Failed);
                return Err(CellError::new(*class, "the program says so"));
            }
            Self::Panic => {
                seen(What::Panicked);
                // Unlike `panic!`, it does not fill the log with thousands of traces.
                std::panic::resume_unwind(Box::new("the program says so"));
            }
            Self::Hang => std::future::pending().await,
        }
        Ok(())
    }
}
