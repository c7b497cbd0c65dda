//! How much of a report is enough, and the error where it is less. The answers themselves are not looked at.

use std::fmt;

use cells::{CellId, CellLabel};

use crate::outcome::Outcome;
use crate::report::{Answers, Missing, ScatterReport};

/// What a caller needs of a report.
#[derive(Clone, Copy)]
pub enum Need<'a> {
    /// Every cell asked for.
    All,
    /// At least this many cells; more than were asked for are never there.
    AtLeast(usize),
    /// More than half of the cells asked for.
    Majority,
    /// These cells, whatever the others gave. One that was not asked for is never there.
    Cells(&'a [CellId]),
    /// Cells that weigh this much together: servers they hold, say, or hosts.
    Weight {
        /// What one cell weighs.
        of: &'a dyn Fn(&CellLabel) -> u64,
        /// How much is enough.
        at_least: u64,
    },
}

impl<T> ScatterReport<T> {
    /// The answers, if they are enough.
    ///
    /// ```
    /// # use nova_scatter::{Answers, Incomplete, Need, ScatterReport};
    /// fn most<T>(report: ScatterReport<T>) -> Result<Answers<T>, Incomplete> {
    ///     report.require(Need::Majority)
    /// }
    /// ```
    ///
    /// # Errors
    /// [`Incomplete`] with the missing cells; the answers of the others are dropped.
    pub fn require(self, need: Need<'_>) -> Result<Answers<T>, Incomplete> {
        let asked = self.cells().len();
        let (answers, missing) = self.into_parts();
        match short_of(need, asked, &answers) {
            None => Ok(answers),
            Some(needed) => Err(Incomplete {
                asked,
                needed,
                missing,
            }),
        }
    }

    /// The answers, if every cell gave one.
    ///
    /// # Errors
    /// As for [`require`](Self::require).
    pub fn require_all(self) -> Result<Answers<T>, Incomplete> {
        self.require(Need::All)
    }

    /// The answers, if at least one cell gave one.
    ///
    /// # Errors
    /// As for [`require`](Self::require).
    pub fn require_any(self) -> Result<Answers<T>, Incomplete> {
        self.require(Need::AtLeast(1))
    }

    /// The error of a caller who needs every cell.
    pub(crate) fn incomplete(&self) -> Incomplete {
        let asked = self.cells().len();
        Incomplete {
            asked,
            needed: Needed::Count(asked),
            missing: self.missing(),
        }
    }
}

/// What was needed, where it is not there.
fn short_of<T>(need: Need<'_>, asked: usize, answers: &Answers<T>) -> Option<Needed> {
    let count = |needed: usize| (answers.len() < needed).then_some(Needed::Count(needed));
    match need {
        Need::All => count(asked),
        Need::AtLeast(needed) => count(needed),
        Need::Majority => count(asked / 2 + 1),
        Need::Cells(cells) => {
            let silent = |id: &&CellId| !answers.iter().any(|(cell, _)| cell.id() == Some(**id));
            let silent: Vec<CellId> = cells.iter().filter(silent).copied().collect();
            (!silent.is_empty()).then_some(Needed::Cells(silent))
        }
        Need::Weight { of, at_least } => {
            let weigh = |sum: u64, (cell, _): &(CellLabel, T)| sum.saturating_add(of(cell));
            let there = answers.iter().fold(0, weigh);
            (there < at_least).then_some(Needed::Weight { there, at_least })
        }
    }
}

/// Fewer cells answered than the caller needs.
#[derive(Debug)]
pub struct Incomplete {
    asked: usize,
    needed: Needed,
    missing: Vec<Missing>,
}

#[derive(Debug)]
enum Needed {
    Count(usize),
    Cells(Vec<CellId>),
    Weight { there: u64, at_least: u64 },
}

impl Incomplete {
    /// The cells that gave no answer.
    #[must_use]
    pub fn missing(&self) -> &[Missing] {
        &self.missing
    }
}

impl fmt::Display for Incomplete {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let answered = self.asked - self.missing.len();
        write!(f, "{answered} of {} cells answered, ", self.asked)?;
        match &self.needed {
            Needed::Count(needed) => write!(f, "{needed} needed")?,
            Needed::Cells(cells) => {
                f.write_str("needed too:")?;
                cells.iter().try_for_each(|cell| write!(f, " {cell}"))?;
            }
            Needed::Weight { there, at_least } => {
                write!(f, "which weigh {there} of {at_least} needed")?;
            }
        }
        f.write_str("; missing:")?;
        for cell in &self.missing {
            write!(f, " {} {}", cell.cell, cell.outcome.kind())?;
            match &cell.outcome {
                Outcome::Failed(failure) => {
                    write!(f, " ({}, id {})", failure.class(), failure.id())?;
                }
                Outcome::TimedOut(late) => write!(f, " ({})", late.stage.as_str())?,
                Outcome::Rejected(why) => write!(f, " ({why})")?,
                Outcome::Skipped(why) => write!(f, " ({why})")?,
                Outcome::Answered(never) => match *never {},
            }
            f.write_str(",")?;
        }
        Ok(())
    }
}

impl std::error::Error for Incomplete {}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::outcome::Rejection;
    use crate::report::CellReport;

    fn id(n: u128) -> CellId {
        let uuid = uuid::Uuid::from_u128(n);
        uuid.to_string().parse().unwrap()
    }

    /// Cells 1 to 5, of which 4 and 5 gave nothing.
    fn three_of_five() -> ScatterReport<u32> {
        let cell = |n: u32| {
            let silent = CellReport::rejected(CellLabel::of_id(id(n.into())), Rejection::NoTime);
            silent.map_outcome(|silent| match n {
                1..=3 => Outcome::Answered(n),
                _ => silent,
            })
        };
        ScatterReport::new((1..=5).map(cell).collect(), Duration::ZERO)
    }

    #[test]
    fn each_need_is_met_by_its_own_measure() {
        let met = |need: Need<'_>| three_of_five().require(need).is_ok();
        assert!(!met(Need::All));
        assert!(met(Need::Majority));
        assert!(met(Need::AtLeast(3)) && !met(Need::AtLeast(4)) && !met(Need::AtLeast(6)));
        assert!(met(Need::Cells(&[id(3), id(1)])) && met(Need::Cells(&[])));
        assert!(!met(Need::Cells(&[id(3), id(4)])) && !met(Need::Cells(&[id(9)])));
        let heavy = |cell: &CellLabel| if cell.id() == Some(id(4)) { 90 } else { 5 };
        let weight = |at_least| Need::Weight {
            of: &heavy,
            at_least,
        };
        assert!(met(weight(15)) && !met(weight(16)));
    }

    #[test]
    fn the_majority_of_an_even_number_is_more_than_its_half() {
        let mut cells = three_of_five().into_cells();
        cells.truncate(4);
        cells.remove(0);
        cells.push(three_of_five().into_cells().remove(4));
        // Two of four.
        let report = ScatterReport::new(cells, Duration::ZERO);
        assert!(report.require(Need::Majority).is_err());
    }

    #[test]
    fn the_error_names_the_cells_that_were_needed() {
        let error = three_of_five().require(Need::Cells(&[id(1), id(4)]));
        let error = error.unwrap_err();
        assert_eq!(error.missing().len(), 2);
        let text = error.to_string();
        let needed = format!("3 of 5 cells answered, needed too: {}; missing:", id(4));
        assert!(text.starts_with(&needed), "{text}");
    }
}
