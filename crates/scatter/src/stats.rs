//! How long cells let their callers wait: histograms and counters per cell, bounded in number, read at any time.
//!
//! One call notes each cell's report once, at its end. Where the figures go is the service's matter.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use cells::CellLabel;

use crate::outcome::OutcomeKind;
use crate::report::ScatterReport;

/// Upper ends of the buckets are powers of two of microseconds: 1 µs to 36 min, the last one open.
const BUCKETS: usize = 32;

/// Times in buckets whose ends double.
#[derive(Debug, Default)]
struct Times([AtomicU64; BUCKETS]);

impl Times {
    fn note(&self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let bucket = (u64::BITS - micros.leading_zeros()) as usize;
        self.0[bucket.min(BUCKETS - 1)].fetch_add(1, Ordering::Relaxed);
    }

    fn read(&self) -> Histogram {
        Histogram(std::array::from_fn(|at| self.0[at].load(Ordering::Relaxed)))
    }
}

/// A histogram as read at one moment: bucket `n` counts times below `2^n` µs that are in no earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Histogram([u64; BUCKETS]);

impl Histogram {
    /// How many times were noted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.iter().sum()
    }

    /// An upper bound of the time that this part of all is below: 0.5, 0.99. None where nothing was noted.
    #[must_use]
    pub fn quantile(&self, part: f64) -> Option<Duration> {
        let count = self.count();
        let mut seen = 0;
        for (at, in_bucket) in self.0.iter().enumerate() {
            seen += in_bucket;
            #[expect(
                clippy::cast_precision_loss,
                reason = "a quantile of buckets is rough anyway"
            )]
            if seen > 0 && seen as f64 >= part * count as f64 {
                return Some(Duration::from_micros(1 << at));
            }
        }
        None
    }

    /// The counts, with each bucket's upper end.
    pub fn buckets(&self) -> impl Iterator<Item = (Duration, u64)> + '_ {
        let end = |at: usize| Duration::from_micros(1 << at);
        self.0
            .iter()
            .enumerate()
            .map(move |(at, count)| (end(at), *count))
    }
}

#[derive(Debug, Default)]
struct Cell {
    queue: Times,
    connect: Times,
    run: Times,
    outcomes: [AtomicU64; 5],
}

/// What was noted of one cell.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CellStats {
    /// The cell; none for all those beyond the most that are told apart.
    pub cell: Option<CellLabel>,
    /// Waiting to begin.
    pub queue: Histogram,
    /// Connecting, where the work says so.
    pub connect: Histogram,
    /// From the beginning to the outcome.
    pub run: Histogram,
    /// How often each outcome came.
    pub outcomes: [(OutcomeKind, u64); 5],
}

/// Figures of all calls that were given them; clones are the same.
#[derive(Debug, Clone, Default)]
pub struct ScatterStats(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    cells: RwLock<HashMap<CellLabel, Arc<Cell>>>,
    others: Cell,
}

/// Cells that are told apart; those that come later are counted together, so that figures cannot fill the memory.
const MOST_CELLS: usize = 1024;

const KINDS: [OutcomeKind; 5] = [
    OutcomeKind::Answered,
    OutcomeKind::Failed,
    OutcomeKind::TimedOut,
    OutcomeKind::Rejected,
    OutcomeKind::Skipped,
];

impl ScatterStats {
    /// Notes every cell of a report.
    pub fn note<T>(&self, report: &ScatterReport<T>) {
        for cell in report.cells() {
            self.with(&cell.cell, |noted| {
                let kind = cell.outcome.kind();
                let at = KINDS.iter().position(|one| *one == kind).unwrap_or(0);
                noted.outcomes[at].fetch_add(1, Ordering::Relaxed);
                noted.queue.note(cell.queued);
                noted.run.note(cell.elapsed.saturating_sub(cell.queued));
                if !cell.connect.is_zero() {
                    noted.connect.note(cell.connect);
                }
            });
        }
    }

    fn with(&self, label: &CellLabel, note: impl FnOnce(&Cell)) {
        {
            let cells = self.0.cells.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(cell) = cells.get(label) {
                return note(cell);
            }
        }
        let mut cells = self.0.cells.write().unwrap_or_else(PoisonError::into_inner);
        if cells.len() >= MOST_CELLS && !cells.contains_key(label) {
            drop(cells);
            return note(&self.0.others);
        }
        let cell = Arc::clone(cells.entry(label.clone()).or_default());
        drop(cells);
        note(&cell);
    }

    /// What was noted until now.
    #[must_use]
    pub fn read(&self) -> Vec<CellStats> {
        let read = |cell: Option<CellLabel>, noted: &Cell| CellStats {
            cell,
            queue: noted.queue.read(),
            connect: noted.connect.read(),
            run: noted.run.read(),
            outcomes: std::array::from_fn(|at| {
                (KINDS[at], noted.outcomes[at].load(Ordering::Relaxed))
            }),
        };
        let cells = self.0.cells.read().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<CellStats> = cells
            .iter()
            .map(|(label, cell)| read(Some(label.clone()), cell))
            .collect();
        all.sort_by(|one, other| {
            let uuid = |stats: &CellStats| stats.cell.as_ref().map(|cell| cell.uuid().to_owned());
            uuid(one).cmp(&uuid(other))
        });
        if self.0.others.run.read().count() > 0 {
            all.push(read(None, &self.0.others));
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_counted_in_the_bucket_that_ends_above_it() {
        let times = Times::default();
        for micros in [0, 1, 3, 1000, u64::MAX] {
            times.note(Duration::from_micros(micros));
        }
        let read = times.read();
        let filled: Vec<usize> = read
            .0
            .iter()
            .enumerate()
            .filter(|(_, count)| **count > 0)
            .map(|(at, _)| at)
            .collect();
        assert_eq!(filled, [0, 1, 2, 10, BUCKETS - 1]);
        assert_eq!(read.quantile(0.5), Some(Duration::from_micros(4)));
        assert_eq!(Times::default().read().quantile(0.5), None);
    }
}
