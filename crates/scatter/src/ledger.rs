//! The bookkeeping of one scatter: a slot for each cell, filled once, closed at the end. It runs nothing and waits for
//! nothing; the drivers are thin loops around it.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::{Duration, Instant};

use cells::{CellId, CellLabel, Choice};
use futures_util::task::AtomicWaker;

use crate::executor::Clock;
use crate::outcome::{Outcome, OutcomeKind, Progress, Rejection, Stage, TimedOut};
use crate::report::{CellReport, ScatterReport};

pub(crate) struct Ledger<T> {
    slots: Box<[Slot<T>]>,
    clock: Clock,
    started: Instant,
    /// Slots without an outcome.
    open: AtomicUsize,
    /// Slots that are under way; the drivers keep it below the caller's limit.
    under_way: AtomicUsize,
    /// Set when the caller stops waiting; works look at it through their task.
    closed: AtomicBool,
    driver: AtomicWaker,
    /// Whether the driver wants to hear of every outcome, or of the last one alone.
    wake_each: bool,
    /// Slots with outcomes, in the order in which they came, where a stream wants to know.
    arrived: Option<Mutex<VecDeque<usize>>>,
}

struct Slot<T> {
    cell: CellLabel,
    id: Option<CellId>,
    state: Mutex<State<T>>,
}

struct State<T> {
    stage: Stage,
    began: Option<Instant>,
    /// When the work said that it connects, and how long it has connected before.
    connecting: Option<Instant>,
    connect: Duration,
    attempts: u32,
    ended: Option<(Outcome<T>, Instant)>,
    /// Whether the slot has been counted as ended: stays when a stream has taken the outcome out.
    settled: bool,
}

/// What a cell's work sees of the ledger, whatever it answers with.
pub(crate) trait Watch: Send + Sync {
    /// Whether nobody waits for this slot any more.
    fn is_given_up(&self, at: usize) -> bool;
    /// The work enters a stage.
    fn enter(&self, at: usize, stage: Stage);
    /// There is something for the driver to look at.
    fn wake(&self);
}

impl<T> Ledger<T> {
    /// A slot for every choice; rejected ones are filled at once.
    pub(crate) fn new(choices: Vec<Choice>, clock: Clock, limit: usize, streamed: bool) -> Self {
        let now = clock.now();
        let asked = |choice: &&Choice| matches!(choice, Choice::Cell(_));
        let open = choices.iter().filter(asked).count();
        let stage = match limit < open {
            true => Stage::InFlight,
            false => Stage::Queued,
        };
        let slot = |choice: Choice| {
            let (cell, id, ended) = match choice {
                Choice::Cell(mapping) => (mapping.label().clone(), Some(mapping.id()), None),
                Choice::Rejected(rejected) => {
                    let why = Rejection::Mapping(rejected.shared_problems());
                    let ended = Some((Outcome::Rejected(why), now));
                    (rejected.label().clone(), None, ended)
                }
            };
            let state = Mutex::new(State {
                stage,
                began: None,
                connecting: None,
                connect: Duration::ZERO,
                attempts: 0,
                settled: ended.is_some(),
                ended,
            });
            Slot { cell, id, state }
        };
        let slots: Box<[Slot<T>]> = choices.into_iter().map(slot).collect();
        let rejected = || {
            (0..slots.len())
                .filter(|at| slots[*at].id.is_none())
                .collect()
        };
        Self {
            arrived: streamed.then(|| Mutex::new(rejected())),
            slots,
            clock,
            started: now,
            open: AtomicUsize::new(open),
            under_way: AtomicUsize::new(0),
            closed: AtomicBool::new(false),
            driver: AtomicWaker::new(),
            wake_each: streamed || limit < open,
        }
    }

    /// The slots to ask from here on: slot number, and id.
    pub(crate) fn next_to_ask(&self, from: usize) -> Option<(usize, CellId)> {
        let rest = self.slots.iter().enumerate().skip(from);
        rest.filter_map(|(at, slot)| Some((at, slot.id?))).next()
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(crate) fn started(&self) -> Instant {
        self.started
    }

    pub(crate) fn now(&self) -> Instant {
        self.clock.now()
    }

    pub(crate) fn label(&self, at: usize) -> &CellLabel {
        &self.slots[at].cell
    }

    pub(crate) fn is_settled(&self) -> bool {
        self.open.load(Ordering::Acquire) == 0
    }

    pub(crate) fn under_way(&self) -> usize {
        self.under_way.load(Ordering::Acquire)
    }

    /// Counts a slot as handed out.
    pub(crate) fn hand_out(&self) {
        self.under_way.fetch_add(1, Ordering::AcqRel);
    }

    pub(crate) fn register(&self, waker: &Waker) {
        self.driver.register(waker);
    }

    /// A worker takes the slot up. False where nobody waits for it: then the work must not run.
    pub(crate) fn begin(&self, at: usize) -> bool {
        if self.is_closed() {
            return false;
        }
        let now = self.now();
        let mut state = self.state(at);
        state.stage = Stage::Targeting;
        state.began = Some(now);
        state.attempts = 1;
        !state.settled
    }

    /// Fills the slot, unless it was closed or filled before: a late answer changes nothing that was reported.
    pub(crate) fn finish(&self, at: usize, outcome: Outcome<T>) {
        let now = self.now();
        {
            let mut state = self.state(at);
            if state.settled || self.is_closed() {
                return;
            }
            state.leave_stage(now);
            state.settled = true;
            state.ended = Some((outcome, now));
        }
        if let Some(arrived) = &self.arrived {
            lock(arrived).push_back(at);
        }
        self.under_way.fetch_sub(1, Ordering::AcqRel);
        let last = self.open.fetch_sub(1, Ordering::AcqRel) == 1;
        if last || self.wake_each {
            self.driver.wake();
        }
    }

    /// Fills the slot of work that the executor did not take. Such work is dropped before its executor says why, so what
    /// the drop reported is put right.
    pub(crate) fn refuse(&self, at: usize, outcome: Outcome<T>) {
        let mut state = self.state(at);
        match &mut state.ended {
            Some((dropped @ Outcome::Rejected(Rejection::ShuttingDown), _)) => *dropped = outcome,
            _ => {
                drop(state);
                self.finish(at, outcome);
            }
        }
    }

    /// Fills the slots whose work began longer ago than one cell's share, and gives their numbers, and when to look again.
    pub(crate) fn expire(&self, share: Duration) -> (Vec<usize>, Instant) {
        let now = self.now();
        let mut next = now + share;
        let mut expired = Vec::new();
        for at in 0..self.slots.len() {
            let late = {
                let state = self.state(at);
                match state.began {
                    Some(began) if !state.settled => {
                        let end = began + share;
                        if end > now {
                            next = next.min(end);
                        }
                        (end <= now).then(|| state.timed_out())
                    }
                    _ => None,
                }
            };
            if let Some(late) = late {
                self.finish(at, Outcome::TimedOut(late));
                expired.push(at);
            }
        }
        (expired, next)
    }

    /// Whether the slot has its outcome.
    pub(crate) fn has_outcome(&self, at: usize) -> bool {
        self.state(at).settled
    }

    /// How a slot has ended, and where, if it was late.
    pub(crate) fn outcome_of(&self, at: usize) -> Option<(OutcomeKind, Option<Stage>)> {
        let state = self.state(at);
        state
            .ended
            .as_ref()
            .map(|(outcome, _)| (outcome.kind(), outcome.late_stage()))
    }

    /// The stage a slot is in, or was in when it ended.
    pub(crate) fn stage_of(&self, at: usize) -> Option<Stage> {
        self.slots.get(at).map(|slot| lock(&slot.state).stage)
    }

    /// The work is called once more.
    pub(crate) fn again(&self, at: usize) {
        self.state(at).attempts += 1;
    }

    /// Takes the report that came next out before the end, for a stream. Its slot stays settled.
    pub(crate) fn take_arrived(&self) -> Option<CellReport<T>> {
        let at = lock(self.arrived.as_ref()?).pop_front()?;
        let mut state = self.state(at);
        let ended = state.ended.take()?;
        Some(self.report_of(at, &state, ended))
    }

    /// Ends the scatter: whatever has no outcome timed out where it was. Works that look see that nobody waits.
    pub(crate) fn close(&self) -> ScatterReport<T> {
        let now = self.now();
        self.closed.store(true, Ordering::Release);
        let report = |at: usize| {
            let mut state = self.state(at);
            match (state.ended.take(), state.settled) {
                (Some(ended), _) => Some(self.report_of(at, &state, ended)),
                (None, true) => None,
                (None, false) => {
                    state.leave_stage(now);
                    state.settled = true;
                    let late = Outcome::TimedOut(state.timed_out());
                    Some(self.report_of(at, &state, (late, now)))
                }
            }
        };
        let cells = (0..self.slots.len()).filter_map(report).collect();
        ScatterReport::new(cells, now.saturating_duration_since(self.started))
    }

    /// Tells works that nobody waits any more, without making a report.
    pub(crate) fn abandon(&self) {
        self.closed.store(true, Ordering::Release);
    }

    fn report_of(
        &self,
        at: usize,
        state: &State<T>,
        ended: (Outcome<T>, Instant),
    ) -> CellReport<T> {
        let since = |instant: Instant| instant.saturating_duration_since(self.started);
        let (outcome, ended) = ended;
        CellReport {
            cell: self.slots[at].cell.clone(),
            outcome,
            elapsed: since(ended),
            queued: since(state.began.unwrap_or(ended)),
            connect: state.connect,
            attempts: state.attempts,
        }
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    fn state(&self, at: usize) -> MutexGuard<'_, State<T>> {
        lock(&self.slots[at].state)
    }
}

fn lock<S>(mutex: &Mutex<S>) -> MutexGuard<'_, S> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<T> State<T> {
    fn timed_out(&self) -> TimedOut {
        TimedOut {
            stage: self.stage,
            progress: match self.began {
                Some(_) => Progress::StillRunning,
                None => Progress::NeverStarted,
            },
        }
    }

    fn leave_stage(&mut self, now: Instant) {
        if let Some(since) = self.connecting.take() {
            self.connect += now.saturating_duration_since(since);
        }
    }
}

impl<T: Send> Watch for Ledger<T> {
    fn wake(&self) {
        self.driver.wake();
    }

    fn is_given_up(&self, at: usize) -> bool {
        self.is_closed() || self.state(at).settled
    }

    fn enter(&self, at: usize, stage: Stage) {
        let connects = stage == Stage::Connecting;
        let mut state = self.state(at);
        if connects || state.connecting.is_some() {
            let now = self.now();
            state.leave_stage(now);
            state.connecting = connects.then_some(now);
        }
        if !state.settled {
            state.stage = stage;
        }
    }
}
