//! What happened in a played scenario, and when.

use std::fmt;
use std::time::Duration;

use scatter::{CellReport, Outcome};

use super::scenario::Scenario;

/// One thing that happened in one cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Since the start of the scenario.
    pub at: Duration,
    /// In which cell.
    pub cell: usize,
    /// What it was.
    pub what: What,
}

/// The things that can happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum What {
    Began,
    Connected,
    Row,
    Answered,
    Failed,
    Panicked,
    /// The work was dropped before its end.
    Dropped,
}

/// What happened, and what the caller was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    pub(crate) scenario: Scenario,
    pub(crate) events: Vec<Event>,
    /// Per cell: the outcome in words, when it was known, how long it had waited to begin. None where the caller went.
    pub(crate) told: Option<Vec<Told>>,
    pub(crate) took: Duration,
    pub(crate) leaked: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) outcome: String,
    pub(crate) elapsed: Duration,
    pub(crate) queued: Duration,
}

impl Told {
    pub(crate) fn of<T>(cell: CellReport<T>) -> Self {
        Self {
            outcome: match &cell.outcome {
                Outcome::TimedOut(late) => format!("timed_out({})", late.stage.as_str()),
                other => other.kind().to_string(),
            },
            elapsed: cell.elapsed,
            queued: cell.queued,
        }
    }
}

impl Trace {
    pub(crate) fn new<T>(
        scenario: Scenario,
        events: Vec<Event>,
        report: Option<Vec<CellReport<T>>>,
        took: Duration,
        leaked: usize,
    ) -> Self {
        Self {
            scenario,
            events,
            told: report.map(|cells| cells.into_iter().map(Told::of).collect()),
            took,
            leaked,
        }
    }

    /// The same events told of another scenario: how a check is checked.
    #[must_use]
    pub fn told_of(&self, scenario: &Scenario) -> Self {
        Self {
            scenario: scenario.clone(),
            ..self.clone()
        }
    }

    /// What happened in the cells, in order.
    #[must_use]
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// Each cell's outcome in words: `answered`, `timed_out(running)`; nothing where the caller went away.
    #[must_use]
    pub fn outcomes(&self) -> Vec<&str> {
        let told = self.told.iter().flatten();
        told.map(|cell| cell.outcome.as_str()).collect()
    }

    /// How long the call took, on the scenario's clock.
    #[must_use]
    pub fn took(&self) -> Duration {
        self.took
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(seed) = self.scenario.seed {
            writeln!(f, "seed {seed}")?;
        }
        writeln!(f, "{:#?}", self.scenario)?;
        for event in &self.events {
            writeln!(f, "{:>8.1?} cell {} {:?}", event.at, event.cell, event.what)?;
        }
        write!(f, "{:>8.1?} {:?}", self.took, self.outcomes())
    }
}
