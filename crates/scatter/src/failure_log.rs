//! How often the log hears of one cell's failures. A cell that is down fails every call there is; a line for each would hide
//! everything else and fill the disk. What is kept back here is counted, and still in the protected detail log under its id.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use cells::CellLabel;

/// Warnings that one cell may cause in a [`WINDOW`].
const MOST: u32 = 10;

/// After this long a cell may warn again, and says how much was kept back.
const WINDOW: Duration = Duration::from_secs(10);

/// Cells that are told apart; the table is swept, and then emptied, rather than grown beyond it.
const MOST_CELLS: usize = 1024;

/// The log belongs to the process, and so does what it hears.
static PROCESS: LazyLock<Mutex<FailureLog>> = LazyLock::new(Mutex::default);

/// Whether the process's log hears of this failure: if so, how many of this cell's were kept back before it.
pub(crate) fn hears(cell: &CellLabel) -> Option<u64> {
    let mut log = PROCESS.lock().unwrap_or_else(PoisonError::into_inner);
    log.hears(cell, Instant::now())
}

#[derive(Default)]
struct FailureLog(HashMap<CellLabel, Window>);

struct Window {
    began: Instant,
    warned: u32,
    kept_back: u64,
}

impl FailureLog {
    fn hears(&mut self, cell: &CellLabel, now: Instant) -> Option<u64> {
        if let Some(window) = self.0.get_mut(cell) {
            return window.hears(now);
        }
        if self.0.len() >= MOST_CELLS {
            self.0.retain(|_, window| !window.is_over(now));
        }
        if self.0.len() >= MOST_CELLS {
            self.0.clear();
        }
        let window = Window {
            began: now,
            warned: 1,
            kept_back: 0,
        };
        self.0.insert(cell.clone(), window);
        Some(0)
    }
}

impl Window {
    fn is_over(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.began) >= WINDOW
    }

    fn hears(&mut self, now: Instant) -> Option<u64> {
        if self.is_over(now) {
            self.began = now;
            self.warned = 0;
        }
        if self.warned >= MOST {
            self.kept_back += 1;
            return None;
        }
        self.warned += 1;
        Some(std::mem::take(&mut self.kept_back))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(n: u32) -> CellLabel {
        CellLabel::of_row(&format!("row-{n}"), None)
    }

    #[test]
    fn a_failing_cell_is_heard_a_few_times_and_then_with_the_number_of_the_others() {
        let (mut log, start) = (FailureLog::default(), Instant::now());
        let heard = (0..100).filter_map(|_| log.hears(&cell(1), start)).count();
        assert_eq!(heard, 10);
        assert_eq!(log.hears(&cell(2), start), Some(0), "another cell's");
        let later = start + WINDOW;
        assert_eq!(log.hears(&cell(1), later), Some(90));
        assert_eq!(log.hears(&cell(1), later), Some(0));
    }

    #[test]
    fn the_table_does_not_grow_with_the_names_it_is_given() {
        let (mut log, start) = (FailureLog::default(), Instant::now());
        for n in 0..10_000 {
            assert!(log.hears(&cell(n), start).is_some());
            assert!(log.0.len() <= MOST_CELLS);
        }
    }
}
