//! How long cells let their callers wait: histograms and counters per cell, bounded in number, read at any time.
//!
//! One call notes each cell's report once, at its end. The same figures go to the recorder of the `metrics` facade, where
//! the service has installed one before its first call.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use cells::{CellId, CellLabel};
use metrics::{counter, histogram};

use crate::hash::CellMap;
use crate::outcome::OutcomeKind;
use crate::report::{CellReport, ScatterReport};

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

/// What every note touches stands together.
#[repr(C)]
struct Cell {
    outcomes: [AtomicU64; 5],
    recorder: Recorder,
    label: Option<CellLabel>,
    queue: Times,
    run: Times,
    connect: Times,
}

/// The same figures at the service's recorder.
#[repr(C)]
struct Recorder {
    queue: metrics::Histogram,
    run: metrics::Histogram,
    outcomes: [metrics::Counter; 5],
    connect: metrics::Histogram,
}

impl Cell {
    fn new(label: Option<CellLabel>) -> Self {
        let name = label.as_ref().map_or("others", CellLabel::uuid).to_owned();
        let outcome = |kind: OutcomeKind| counter!("nova_scatter_outcomes_total", "cell" => name.clone(), "outcome" => kind.as_str());
        Self {
            queue: Times::default(),
            connect: Times::default(),
            run: Times::default(),
            outcomes: Default::default(),
            recorder: Recorder {
                queue: histogram!("nova_scatter_queue_seconds", "cell" => name.clone()),
                connect: histogram!("nova_scatter_connect_seconds", "cell" => name.clone()),
                run: histogram!("nova_scatter_run_seconds", "cell" => name.clone()),
                outcomes: KINDS.map(outcome),
            },
            label,
        }
    }

    fn note<T>(&self, report: &CellReport<T>) {
        let at = report.outcome.kind() as usize;
        let run = report.elapsed.saturating_sub(report.queued);
        self.outcomes[at].fetch_add(1, Ordering::Relaxed);
        self.queue.note(report.queued);
        self.run.note(run);
        self.recorder.outcomes[at].increment(1);
        self.recorder.queue.record(report.queued);
        self.recorder.run.record(run);
        if !report.connect.is_zero() {
            self.connect.note(report.connect);
            self.recorder.connect.record(report.connect);
        }
    }

    fn read(&self) -> CellStats {
        CellStats {
            cell: self.label.clone(),
            queue: self.queue.read(),
            connect: self.connect.read(),
            run: self.run.read(),
            outcomes: std::array::from_fn(|at| {
                (KINDS[at], self.outcomes[at].load(Ordering::Relaxed))
            }),
        }
    }
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
///
/// The recorder of the `metrics` facade gets them too: `nova_scatter_queue_seconds`, `nova_scatter_connect_seconds`,
/// `nova_scatter_run_seconds` and `nova_scatter_outcomes_total`, labelled with the cell's uuid.
#[derive(Clone)]
pub struct ScatterStats(Arc<Inner>);

struct Inner {
    cells: RwLock<CellMap<Cell>>,
    /// Cells beyond the most that are told apart, and rows without an id.
    others: Cell,
}

/// Cells that are told apart; those that come later are counted together, so that figures cannot fill the memory.
const MOST_CELLS: usize = 1024;

/// In the order in which they are declared.
const KINDS: [OutcomeKind; 5] = [
    OutcomeKind::Answered,
    OutcomeKind::Failed,
    OutcomeKind::TimedOut,
    OutcomeKind::Rejected,
    OutcomeKind::Skipped,
];

impl Default for ScatterStats {
    fn default() -> Self {
        Self(Arc::new(Inner {
            cells: RwLock::default(),
            others: Cell::new(None),
        }))
    }
}

impl ScatterStats {
    /// Notes every cell of a report.
    pub fn note<T>(&self, report: &ScatterReport<T>) {
        self.note_all(report.cells());
    }

    /// Notes one cell of a call whose reports come one by one.
    pub(crate) fn note_one<T>(&self, cell: &CellReport<T>) {
        self.note_all(std::slice::from_ref(cell));
    }

    fn note_all<T>(&self, cells: &[CellReport<T>]) {
        let mut known = self.0.cells.read().unwrap_or_else(PoisonError::into_inner);
        for cell in cells {
            let Some(id) = cell.cell.id() else {
                self.0.others.note(cell);
                continue;
            };
            if let Some(noted) = known.get(&id) {
                noted.note(cell);
                continue;
            }
            if known.len() < MOST_CELLS {
                drop(known);
                self.add(id, &cell.cell);
                known = self.0.cells.read().unwrap_or_else(PoisonError::into_inner);
            }
            known.get(&id).unwrap_or(&self.0.others).note(cell);
        }
    }

    fn add(&self, id: CellId, label: &CellLabel) {
        let mut cells = self.0.cells.write().unwrap_or_else(PoisonError::into_inner);
        if cells.len() < MOST_CELLS {
            cells
                .entry(id)
                .or_insert_with(|| Cell::new(Some(label.clone())));
        }
    }

    /// What was noted until now.
    #[must_use]
    pub fn read(&self) -> Vec<CellStats> {
        let cells = self.0.cells.read().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<CellStats> = cells.values().map(Cell::read).collect();
        drop(cells);
        all.sort_by(|one, other| {
            let uuid = |stats: &CellStats| stats.cell.as_ref().map(|cell| cell.uuid().to_owned());
            uuid(one).cmp(&uuid(other))
        });
        let others = self.0.others.read();
        if others.run.count() > 0 {
            all.push(others);
        }
        all
    }
}

impl std::fmt::Debug for ScatterStats {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.read()).finish()
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

    #[test]
    fn kinds_stand_in_the_order_of_their_numbers() {
        for (at, kind) in KINDS.into_iter().enumerate() {
            assert_eq!(kind as usize, at);
        }
    }
}
