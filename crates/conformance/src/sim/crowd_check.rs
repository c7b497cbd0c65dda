//! What a crowd is promised, held against what its callers were told.

use std::fmt;
use std::time::Duration;

use scatter::Effect;

use super::check::{TICK, hold};
use super::crowd::{CLASSES, Caller, CrowdTrace};
use super::trace::Told;

impl CrowdTrace {
    /// Every budget held, every cell is accounted for to every caller, nobody is blamed who is not to blame, permits were
    /// neither exceeded nor lost, nothing is left.
    ///
    /// # Errors
    /// The first promise that was not kept, with the seed.
    pub fn check(&self) -> Result<(), String> {
        self.kept().map_err(|promise| format!("{promise}\n{self}"))
    }

    fn kept(&self) -> Result<(), String> {
        hold(self.leaked == 0, || {
            format!("{} tasks are left", self.leaked)
        })?;
        hold(self.permits_are_back == [true; 3], || {
            format!("permits are lost: {:?}", self.permits_are_back)
        })?;
        for (cell, peaks) in self.peaks.iter().enumerate() {
            for (peak, permits) in peaks.iter().zip(self.permits()) {
                hold(*peak <= permits, || {
                    format!("{peak} works at once in cell {cell}, and {permits} permits")
                })?;
            }
        }
        for (number, (caller, (told, took))) in
            self.crowd.callers.iter().zip(&self.told).enumerate()
        {
            let end = caller
                .gone_after
                .unwrap_or(Duration::MAX)
                .min(caller.budget);
            hold(*took <= end + TICK, || {
                format!("caller {number} waited {took:?} of {end:?}")
            })?;
            let Some(told) = told else { continue };
            hold(told.len() == self.crowd.programs.len(), || {
                format!("caller {number} was not told of every cell")
            })?;
            for (cell, told) in told.iter().enumerate() {
                self.fair(caller, cell, told)
                    .map_err(|why| format!("caller {number}, cell {cell}: {why}"))?;
            }
        }
        Ok(())
    }

    fn permits(&self) -> [usize; 3] {
        let policy = &self.crowd.policy.bulkhead;
        [policy.interactive, policy.listing, policy.periodic]
    }

    /// Whether what a caller was told of a cell is what the cell's program, and the crowd, deserve.
    fn fair(&self, caller: &Caller, cell: usize, told: &Told) -> Result<(), String> {
        let program = &self.crowd.programs[cell];
        let outcome = told.outcome.as_str();
        let given = caller.budget.saturating_sub(told.queued);
        // Each step may end a tick late.
        let steps = u32::try_from(program.steps().len() + 1).unwrap_or(u32::MAX);
        let crowded = || {
            let class = CLASSES.iter().position(|one| *one == caller.class);
            class.is_some_and(|class| self.peaks[cell][class] == self.permits()[class])
        };
        match (program.ends(), outcome) {
            (Some((takes, how)), "answered" | "failed") => {
                hold(how == outcome, || format!("{outcome}, but it {how}"))?;
                hold(takes <= given + TICK, || format!("{outcome} too late"))
            }
            (None, "timed_out(running)") => Ok(()),
            (Some((takes, _)), "timed_out(running)" | "timed_out(connecting)") => {
                let again = self.crowd.policy.retry.is_some() && caller.effect.may_repeat();
                let calls = if again { 2 } else { 1 };
                hold((takes + TICK * steps) * calls >= given, || {
                    format!("blamed, and needs {takes:?} of {given:?}")
                })
            }
            (_, "timed_out(connecting)") => Ok(()),
            (_, "timed_out(queued)") => {
                hold(given <= TICK, || "there is no queue for workers".to_owned())
            }
            (_, "timed_out(permit)" | "rejected") => hold(crowded(), || {
                format!("{outcome}, and there was always a permit")
            }),
            (ends, "skipped") => {
                let good = matches!(ends, Some((_, "answered")));
                hold(self.crowd.policy.breaker.is_some() && !good, || {
                    "left alone, and nothing is wrong with it".to_owned()
                })?;
                hold(caller.effect == Effect::Read, || {
                    "only reads are refused".to_owned()
                })
            }
            (_, other) => Err(format!("{other}, which no program here leads to")),
        }
    }
}

impl fmt::Display for CrowdTrace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}", self.crowd.seed)?;
        writeln!(f, "{:#?}\n{:#?}", self.crowd.policy, self.crowd.programs)?;
        for (caller, (told, took)) in self.crowd.callers.iter().zip(&self.told) {
            let told: Vec<&str> = told
                .iter()
                .flatten()
                .map(|one| one.outcome.as_str())
                .collect();
            writeln!(f, "{caller:?}: {told:?} in {took:?}")?;
        }
        write!(f, "most at once {:?}", self.peaks)
    }
}
