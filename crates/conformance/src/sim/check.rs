//! The promises of a scatter, held against a trace. What each cell should have given is worked out from its program alone.

use std::fmt;
use std::time::Duration;

use super::trace::{Told, Trace, What};

/// A promise that was not kept.
#[derive(Debug)]
pub struct Broken {
    promise: String,
    trace: Box<Trace>,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}", self.promise, self.trace)
    }
}

impl std::error::Error for Broken {}

/// The runtime's timers are this coarse.
pub(super) const TICK: Duration = Duration::from_millis(1);

impl Trace {
    /// The budget held, every cell is accounted for, the blamed cells are to blame, nothing is left.
    ///
    /// # Errors
    /// [`Broken`] with the first promise that was not kept, the seed and the trace.
    pub fn check(&self) -> Result<(), Broken> {
        self.kept().map_err(|promise| Broken {
            promise,
            trace: Box::new(self.clone()),
        })
    }

    fn kept(&self) -> Result<(), String> {
        let scenario = &self.scenario;
        hold(self.leaked == 0, || {
            format!("{} tasks are left", self.leaked)
        })?;
        let end = scenario
            .gone_after
            .unwrap_or(Duration::MAX)
            .min(scenario.budget);
        hold(self.took <= end + TICK, || {
            format!("took {:?} of {end:?}", self.took)
        })?;
        for event in &self.events {
            let late = event.at > end + TICK && event.what != What::Dropped;
            hold(!late, || {
                format!("cell {} went on after the end", event.cell)
            })?;
        }
        self.works_add_up()?;
        let Some(told) = &self.told else {
            return Ok(());
        };
        hold(told.len() == scenario.programs.len(), || {
            "a cell is missing".to_owned()
        })?;
        for (cell, told) in told.iter().enumerate() {
            self.fair(cell, told)
                .map_err(|why| format!("cell {cell}: {why}"))?;
        }
        Ok(())
    }

    /// Every work that began ended or was dropped, once; no cell was asked twice; the limit held.
    fn works_add_up(&self) -> Result<(), String> {
        let limit = self.scenario.in_flight.unwrap_or(usize::MAX).max(1);
        let mut at_once = 0_usize;
        let mut begun = vec![false; self.scenario.programs.len()];
        for event in &self.events {
            match event.what {
                What::Began => {
                    let again = std::mem::replace(&mut begun[event.cell], true);
                    hold(!again, || format!("cell {} was asked twice", event.cell))?;
                    at_once += 1;
                    // Aborted works are dropped a moment after their places are given away.
                    let sharp = self.scenario.cell_timeout.is_none();
                    hold(at_once <= limit || !sharp, || {
                        "more than allowed at once".to_owned()
                    })?;
                }
                What::Answered | What::Failed | What::Panicked | What::Dropped => at_once -= 1,
                What::Connected | What::Row => {}
            }
        }
        hold(at_once == 0, || format!("{at_once} works never ended"))
    }

    /// Whether what was told of a cell is what its program deserves.
    fn fair(&self, cell: usize, told: &Told) -> Result<(), String> {
        let scenario = &self.scenario;
        let outcome = told.outcome.as_str();
        if scenario.rejected.contains(&cell) {
            return hold(outcome == "rejected", || {
                format!("{outcome}, its mapping is bad")
            });
        }
        let limited = scenario
            .in_flight
            .is_some_and(|limit| limit < scenario.programs.len());
        let given = (scenario.budget - told.queued.min(scenario.budget))
            .min(scenario.cell_timeout.unwrap_or(Duration::MAX));
        // Each step may end a tick late.
        let steps = u32::try_from(scenario.programs[cell].steps().len()).unwrap_or(u32::MAX);
        match (scenario.programs[cell].ends(), outcome) {
            (_, "timed_out(in_flight)") => {
                hold(limited, || "held back without a limit".to_owned())?;
                hold(told.elapsed + TICK >= scenario.budget, || {
                    "given up before the end".to_owned()
                })
            }
            (Some((takes, how)), "answered" | "failed") => {
                hold(how == outcome, || format!("{outcome}, but it {how}"))?;
                hold(takes <= given + TICK, || format!("{outcome} too late"))
            }
            (None, "timed_out(running)") => Ok(()),
            (Some((takes, _)), "timed_out(running)" | "timed_out(connecting)") => {
                hold(takes + TICK * (steps + 1) >= given, || {
                    format!("blamed, and needs {takes:?} of {given:?}")
                })
            }
            (_, "timed_out(connecting)") => Ok(()),
            // A budget of nothing, or the last tick of it.
            (_, "timed_out(queued)") => hold(scenario.budget <= TICK, || {
                "queued, and there is no queue".to_owned()
            }),
            (_, other) => Err(format!("{other}, which no program here leads to")),
        }
    }
}

pub(super) fn hold(holds: bool, promise: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(promise()) }
}
