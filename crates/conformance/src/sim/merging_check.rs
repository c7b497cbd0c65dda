//! What the reader of an ordered stream is promised, held against what it got. What each cell should have given is worked
//! out from its program alone.

use std::time::Duration;

use super::check::{TICK, hold};
use super::merging::{Merging, MergingTrace};

impl MergingTrace {
    /// One order, every row once, whole beginnings of each cell, all of the healthy ones, nobody blamed who is not to blame,
    /// no wait beyond the budget, nothing left.
    ///
    /// # Errors
    /// The first promise that was not kept, with the scenario.
    pub fn check(&self) -> Result<(), String> {
        self.kept().map_err(|promise| format!("{promise}\n{self}"))
    }

    fn kept(&self) -> Result<(), String> {
        let merging = &self.merging;
        hold(self.leaked == 0, || {
            format!("{} tasks are left", self.leaked)
        })?;
        hold(self.late <= TICK, || {
            format!(
                "a row was waited for {:?} longer than the budget",
                self.late
            )
        })?;
        hold(self.given.is_sorted(), || "rows out of order".to_owned())?;
        hold(self.told.len() == merging.programs.len(), || {
            "a cell is missing".to_owned()
        })?;
        for cell in 0..merging.programs.len() {
            self.fair(cell)
                .map_err(|why| format!("cell {cell}: {why}"))?;
        }
        Ok(())
    }

    fn fair(&self, cell: usize) -> Result<(), String> {
        let merging = &self.merging;
        let given = self.given.iter().filter(|(_, at, _)| *at == cell);
        let given: Vec<(u32, usize)> = given.map(|(key, _, row)| (*key, *row)).collect();
        let keys = &merging.keys[cell];
        let sent: Vec<(u32, usize)> = keys.iter().zip(0..).map(|(key, row)| (*key, row)).collect();
        hold(sent.starts_with(&given), || {
            "not the beginning of its rows, each once".to_owned()
        })?;
        let outcome = self.told[cell].outcome.as_str();
        let left = !self.to_the_end;
        // Who may be ahead of the reader without end waits for nobody.
        let waits = merging.look_ahead < keys.len();
        match (merging.ends(cell), outcome) {
            // All of it, unless the reader left before, or came too late for what others held back.
            (Ends::Well(_), "answered") => {
                let waited_for = merging.pause.is_zero() && !merging.is_held_back();
                let whole = given.len() == keys.len() || left || !waited_for;
                hold(whole, || format!("{} rows of {}", given.len(), keys.len()))
            }
            (_, "answered" | "skipped") if left => Ok(()),
            (Ends::Badly(_), "failed") => Ok(()),
            (Ends::Never, "timed_out(running)" | "timed_out(connecting)") => Ok(()),
            (_, "timed_out(reader)") if waits => Ok(()),
            (
                Ends::Well(needs) | Ends::Badly(needs),
                "timed_out(running)" | "timed_out(connecting)",
            ) => {
                // Each step may end a tick late; who had to wait for the reader may have begun the rest too late.
                let steps = u32::try_from(merging.programs[cell].steps().len()).unwrap_or(u32::MAX);
                let by_itself = needs + TICK * (steps + 1) >= merging.budget;
                hold(by_itself || waits, || {
                    format!("blamed, and needs {needs:?} of {:?}", merging.budget)
                })
            }
            (_, "timed_out(queued)") => hold(merging.budget <= TICK, || {
                "queued, and there is no queue".to_owned()
            }),
            (_, other) => Err(format!("{other}, which this program does not lead to")),
        }
    }
}

/// How a cell's work ends by itself.
enum Ends {
    Well(Duration),
    Badly(Duration),
    Never,
}

impl Merging {
    fn ends(&self, cell: usize) -> Ends {
        match self.programs[cell].ends() {
            Some((after, "answered")) => Ends::Well(after),
            Some((after, _)) => Ends::Badly(after),
            None => Ends::Never,
        }
    }

    /// Whether some cell has more rows than it may be ahead of the reader.
    fn is_held_back(&self) -> bool {
        self.keys.iter().any(|keys| keys.len() > self.look_ahead)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::Program;

    const EACH: Duration = Duration::from_millis(5);

    /// Two healthy cells, and one that hangs after its second row.
    fn played() -> MergingTrace {
        let rows = |n| Program::new().rows(n, EACH);
        let merging = Merging::of([
            (rows(3), vec![1, 4, 9]),
            (rows(2).hang(), vec![2, 4]),
            (rows(2), vec![4, 5]),
        ]);
        merging.play()
    }

    #[test]
    fn a_hung_cell_s_rows_stay_and_the_others_follow() {
        let trace = played();
        assert_eq!(trace.check(), Ok(()));
        let rows = [
            (1, 0, 0),
            (2, 1, 0),
            (4, 0, 1),
            (4, 1, 1),
            (4, 2, 0),
            (5, 2, 1),
            (9, 0, 2),
        ];
        assert_eq!(trace.given(), rows);
        let outcomes = ["answered", "timed_out(running)", "answered"];
        assert_eq!(trace.outcomes(), outcomes);
    }

    #[test]
    fn the_check_sees_what_is_forged() {
        type Forge = fn(&mut MergingTrace);
        let forged: [(&str, Forge); 8] = [
            ("not the beginning", |trace| {
                trace.given.remove(1);
            }),
            ("2 rows of 3", |trace| {
                trace.given.pop();
            }),
            ("out of order", |trace| trace.given.swap(0, 1)),
            ("not the beginning", |trace| {
                trace.given.insert(0, (1, 0, 0));
            }),
            ("blamed", |trace| {
                trace.told[2].outcome = "timed_out(running)".into();
            }),
            ("does not lead to", |trace| {
                trace.told[1].outcome = "answered".into();
            }),
            ("longer than the budget", |trace| trace.late = 2 * TICK),
            ("left", |trace| trace.leaked = 1),
        ];
        for (told, forge) in forged {
            let mut trace = played();
            forge(&mut trace);
            let broken = trace.check().expect_err(told);
            assert!(broken.contains(told), "{broken}");
        }
    }
}
