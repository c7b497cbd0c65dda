//! The bookkeeping of one scatter: a slot for each cell, filled once, closed at the end. It runs nothing and waits for
//! nothing; both drivers are thin loops around it.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Instant;

use cells::{CellId, CellLabel, Choice};
use futures_util::task::AtomicWaker;

use crate::outcome::{Outcome, Progress, Rejection, Stage, TimedOut};
use crate::report::{CellReport, ScatterReport};

pub(crate) struct Ledger<T> {
    slots: Box<[Slot<T>]>,
    started: Instant,
    /// Slots without an outcome.
    open: AtomicUsize,
    /// Slots that are under way; the drivers keep it below the caller's limit.
    under_way: AtomicUsize,
    /// Set when the caller stops waiting; works look at it through their task.
    closed: Arc<AtomicBool>,
    driver: AtomicWaker,
    /// Whether the driver wants to hear of every outcome, to feed the next cell, or of the last one alone.
    wake_each: bool,
}

struct Slot<T> {
    cell: CellLabel,
    id: Option<CellId>,
    state: Mutex<State<T>>,
}

struct State<T> {
    stage: Stage,
    began: Option<Instant>,
    ended: Option<(Outcome<T>, Instant)>,
}

impl<T> Ledger<T> {
    /// A slot for every choice; rejected ones are filled at once.
    pub(crate) fn new(choices: Vec<Choice>, now: Instant, in_flight: usize) -> Self {
        let mut open = 0;
        let slots: Box<[Slot<T>]> = choices
            .into_iter()
            .map(|choice| {
                let cell = choice.label().clone();
                let (id, ended) = match choice {
                    Choice::Cell(mapping) => (Some(mapping.id()), None),
                    Choice::Rejected(rejected) => {
                        let why = Rejection::Mapping(rejected.shared_problems());
                        (None, Some((Outcome::Rejected(why), now)))
                    }
                };
                open += usize::from(ended.is_none());
                let state = State {
                    stage: Stage::Queued,
                    began: None,
                    ended,
                };
                Slot {
                    cell,
                    id,
                    state: Mutex::new(state),
                }
            })
            .collect();
        Self {
            wake_each: in_flight < open,
            slots,
            started: now,
            open: AtomicUsize::new(open),
            under_way: AtomicUsize::new(0),
            closed: Arc::new(AtomicBool::new(false)),
            driver: AtomicWaker::new(),
        }
    }

    /// The cells to ask: slot number, and id.
    pub(crate) fn to_ask(&self) -> impl Iterator<Item = (usize, CellId)> + '_ {
        self.slots
            .iter()
            .enumerate()
            .filter_map(|(at, slot)| Some((at, slot.id?)))
    }

    pub(crate) fn label(&self, at: usize) -> &CellLabel {
        &self.slots[at].cell
    }

    pub(crate) fn closed_flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.closed)
    }

    pub(crate) fn is_settled(&self) -> bool {
        self.open.load(Ordering::Acquire) == 0
    }

    pub(crate) fn under_way(&self) -> usize {
        self.under_way.load(Ordering::Acquire)
    }

    /// Counts a slot as handed to the executor.
    pub(crate) fn hand_out(&self) {
        self.under_way.fetch_add(1, Ordering::AcqRel);
    }

    pub(crate) fn register(&self, waker: &Waker) {
        self.driver.register(waker);
    }

    /// A worker takes the slot up. False where the caller has gone: then the work must not run.
    pub(crate) fn begin(&self, at: usize, now: Instant) -> bool {
        if self.closed.load(Ordering::Acquire) {
            return false;
        }
        let mut state = self.state(at);
        state.stage = Stage::Targeting;
        state.began = Some(now);
        state.ended.is_none()
    }

    pub(crate) fn enter(&self, at: usize, stage: Stage) {
        self.state(at).stage = stage;
    }

    /// Fills the slot, unless it was closed or filled before: a late answer changes nothing that was reported.
    pub(crate) fn finish(&self, at: usize, outcome: Outcome<T>, now: Instant) {
        {
            let mut state = self.state(at);
            if state.ended.is_some() || self.closed.load(Ordering::Acquire) {
                return;
            }
            state.ended = Some((outcome, now));
        }
        self.under_way.fetch_sub(1, Ordering::AcqRel);
        let last = self.open.fetch_sub(1, Ordering::AcqRel) == 1;
        if last || self.wake_each {
            self.driver.wake();
        }
    }

    /// Ends the scatter: whatever has no outcome timed out where it was. Works that look see that nobody waits.
    pub(crate) fn close(&self, now: Instant) -> ScatterReport<T> {
        self.closed.store(true, Ordering::Release);
        let since = |at: Instant| at.saturating_duration_since(self.started);
        let cells = self
            .slots
            .iter()
            .enumerate()
            .map(|(at, slot)| {
                let mut state = self.state(at);
                let (outcome, ended) = state.ended.take().unwrap_or_else(|| {
                    let progress = match state.began {
                        Some(_) => Progress::StillRunning,
                        None => Progress::NeverStarted,
                    };
                    (
                        Outcome::TimedOut(TimedOut {
                            stage: state.stage,
                            progress,
                        }),
                        now,
                    )
                });
                let queued = since(state.began.unwrap_or(ended));
                CellReport {
                    cell: slot.cell.clone(),
                    outcome,
                    elapsed: since(ended),
                    queued,
                }
            })
            .collect();
        ScatterReport::new(cells, since(now))
    }

    /// Tells works that nobody waits any more, without making a report.
    pub(crate) fn abandon(&self) {
        self.closed.store(true, Ordering::Release);
    }

    fn state(&self, at: usize) -> MutexGuard<'_, State<T>> {
        self.slots[at]
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
