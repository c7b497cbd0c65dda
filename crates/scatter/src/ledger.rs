//! The bookkeeping of one scatter: a slot for each cell, filled once, closed at the end. It runs nothing and waits for
//! nothing; the drivers are thin loops around it.
//!
//! Where a slot is, is told by atomics that anybody may read; how it ended is behind its lock, which is taken to fill it and
//! to read the outcome, and by works that connect.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Waker;
use std::time::{Duration, Instant};

use cells::{CellId, CellLabel, Choice};
use futures_util::task::AtomicWaker;

use crate::executor::Clock;
use crate::isolation::{Admit, Place};
use crate::outcome::{Outcome, OutcomeKind, Rejection, Stage};
use crate::report::{CellReport, ScatterReport};
use crate::slot::Slot;
use crate::sync::lock;

/// What works write to comes first; it shares its cache line with the count of those who hold the books. What the caller
/// watches is among what nobody writes to before the end. No longer than what is moved at once, without a call of memcpy: a
/// call's preparation moves it three times.
#[repr(C)]
pub(crate) struct Ledger<T> {
    /// Slots without an outcome, where all are neighbours.
    few: AtomicU32,
    /// Slots that are under way, where the caller limits them; the drivers keep it below that.
    under_way: AtomicU32,
    driver: AtomicWaker,
    /// Slots with outcomes, in the order in which they came, where a stream wants to know.
    arrived: Option<Box<Mutex<VecDeque<usize>>>>,
    clock: Clock,
    /// Which cell each slot is for.
    cells: Vec<Choice>,
    slots: Box<[Slot<T>]>,
    /// Slots without an outcome, counted by neighbourhood: those who work on neighbours count beside each other. Empty where
    /// all are neighbours.
    left: Box<[Left]>,
    started: Instant,
    limited: bool,
    /// Whether the driver wants to hear of every outcome, or of the last one alone.
    wake_each: bool,
    /// Set when the caller stops waiting; works look at it through their task.
    closed: AtomicBool,
    /// Neighbourhoods with slots that have no outcome.
    open: AtomicU32,
}

/// So many slots are counted together.
const NEIGHBOURS: usize = 16;

/// A count as long as a cache line, so that no two are in one. It need not begin with one, which would cost an allocator
/// more than it is worth to a call that needs a single count.
#[repr(C)]
struct Left(AtomicU32, [u32; 15]);

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
        let limited = limit < open;
        let stage = match limited {
            true => Stage::InFlight,
            false => Stage::Queued,
        };
        let slot = |choice: &Choice| match choice {
            Choice::Cell(_) => Slot::new(stage, None),
            Choice::Rejected(rejected) => {
                let why = Rejection::Mapping(rejected.shared_problems());
                Slot::new(stage, Some(Outcome::Rejected(why)))
            }
        };
        let slots: Box<[Slot<T>]> = choices.iter().map(slot).collect();
        let unsettled =
            |slots: &[Slot<T>]| counted(slots.iter().filter(|slot| !slot.is_settled()).count());
        let count = |slots: &[Slot<T>]| Left(AtomicU32::new(unsettled(slots)), [0; 15]);
        let (few, left): (u32, Box<[Left]>) = match slots.len() <= NEIGHBOURS {
            true => (unsettled(&slots), Box::default()),
            false => (0, slots.chunks(NEIGHBOURS).map(count).collect()),
        };
        let some = |slots: &&[Slot<T>]| unsettled(slots) > 0;
        let open = slots.chunks(NEIGHBOURS).filter(some).count();
        let rejected = || {
            (0..slots.len())
                .filter(|at| slots[*at].is_settled())
                .collect()
        };
        Self {
            arrived: streamed.then(|| Box::new(Mutex::new(rejected()))),
            cells: choices,
            slots,
            clock,
            started: now,
            open: AtomicU32::new(counted(open)),
            few: AtomicU32::new(few),
            left,
            under_way: AtomicU32::new(0),
            limited,
            closed: AtomicBool::new(false),
            driver: AtomicWaker::new(),
            wake_each: streamed || limited,
        }
    }

    /// The slots to ask from here on: slot number, and id.
    pub(crate) fn next_to_ask(&self, from: usize) -> Option<(usize, CellId)> {
        let rest = self.cells.iter().enumerate().skip(from);
        rest.filter_map(|(at, choice)| Some((at, id(choice)?)))
            .next()
    }

    /// The cells that can be asked, each with the place where its permits are to be noted.
    pub(crate) fn places(&mut self) -> impl Iterator<Item = (CellId, &mut Place)> {
        let slots = self.slots.iter_mut().map(|slot| &mut slot.place);
        let both = self.cells.iter().zip(slots);
        both.filter_map(|(choice, place)| Some((id(choice)?, place)))
    }

    /// Where the permits of a slot's cell are.
    pub(crate) fn place(&self, at: usize) -> Place {
        self.slots[at].place
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

    /// The cell of a slot; none where its row has no id.
    pub(crate) fn cell(&self, at: usize) -> Option<CellId> {
        id(&self.cells[at])
    }

    pub(crate) fn label(&self, at: usize) -> &CellLabel {
        self.cells[at].label()
    }

    pub(crate) fn is_settled(&self) -> bool {
        self.open.load(Ordering::Acquire) == 0
    }

    /// Slots without an outcome, as far as is known at this moment.
    pub(crate) fn left(&self) -> usize {
        let count = |left: &Left| left.0.load(Ordering::Relaxed);
        let all: u32 = match self.left.is_empty() {
            true => self.few.load(Ordering::Relaxed),
            false => self.left.iter().map(count).sum(),
        };
        all as usize
    }

    /// Slots under way; counted only where the caller limits them.
    pub(crate) fn under_way(&self) -> usize {
        self.under_way.load(Ordering::Acquire) as usize
    }

    /// Counts a slot as handed out.
    pub(crate) fn hand_out(&self) {
        if self.limited {
            self.under_way.fetch_add(1, Ordering::AcqRel);
        }
    }

    pub(crate) fn register(&self, waker: &Waker) {
        self.driver.register(waker);
    }

    /// A worker takes the slot up. False where nobody waits for it: then the work must not run.
    pub(crate) fn begin(&self, at: usize, now: Instant) -> bool {
        if self.is_closed() {
            return false;
        }
        let slot = &self.slots[at];
        let after = self.after(now).min(u64::MAX - 1);
        slot.attempts.store(1, Ordering::Relaxed);
        slot.enter(Stage::Targeting);
        // Whoever closes the ledger does it the other way round, so that a slot that is reported as never begun does not
        // begin: one of the two sees the other.
        slot.began.store(after + 1, Ordering::SeqCst);
        !slot.settled.load(Ordering::SeqCst)
    }

    /// Fills the slot, unless it was closed or filled before: a late answer changes nothing that was reported.
    pub(crate) fn finish(&self, at: usize, outcome: Outcome<T>) {
        self.finish_at(at, outcome, self.now());
    }

    /// As [`finish`](Self::finish), for callers who have read the clock already. Whether it filled the slot.
    pub(crate) fn finish_at(&self, at: usize, outcome: Outcome<T>, now: Instant) -> bool {
        {
            let slot = &self.slots[at];
            let now = self.after(now);
            let mut end = lock(&slot.end);
            if slot.is_settled() || self.is_closed() {
                return false;
            }
            end.fill(outcome, now);
            slot.settled.store(true, Ordering::Release);
        }
        if let Some(arrived) = &self.arrived {
            lock(arrived).push_back(at);
        }
        if self.limited {
            self.under_way.fetch_sub(1, Ordering::AcqRel);
        }
        let one_less = |count: &AtomicU32| match self.slots.len() {
            // A single slot is filled once, by one.
            1 => {
                count.store(0, Ordering::Release);
                true
            }
            _ => count.fetch_sub(1, Ordering::AcqRel) == 1,
        };
        let here = self.left.get(at / NEIGHBOURS);
        let last = one_less(here.map_or(&self.few, |left| &left.0)) && one_less(&self.open);
        if last || self.wake_each {
            self.driver.wake();
        }
        true
    }

    /// Fills the slot of work that the executor did not take. Such work is dropped before its executor says why, so what
    /// the drop reported is put right.
    pub(crate) fn refuse(&self, at: usize, outcome: Outcome<T>) {
        let mut end = lock(&self.slots[at].end);
        match &mut end.outcome {
            Some((dropped @ Outcome::Rejected(Rejection::ShuttingDown), _)) => *dropped = outcome,
            _ => {
                drop(end);
                self.finish(at, outcome);
            }
        }
    }

    /// Fills the slots whose work began longer ago than one cell's share, and gives their numbers, and when to look again.
    pub(crate) fn expire(&self, share: Duration) -> (Vec<usize>, Instant) {
        let now = self.now();
        let mut next = now + share;
        let mut expired = Vec::new();
        for (at, slot) in self.slots.iter().enumerate() {
            let Some(began) = slot.began(self.started).filter(|_| !slot.is_settled()) else {
                continue;
            };
            let end = began + share;
            if end > now {
                next = next.min(end);
            } else if self.finish_at(at, Outcome::TimedOut(slot.timed_out()), now) {
                expired.push(at);
            }
        }
        (expired, next)
    }

    /// Whether the slot has its outcome.
    pub(crate) fn has_outcome(&self, at: usize) -> bool {
        self.slots[at].is_settled()
    }

    /// How a slot has ended, and where, if it was late.
    pub(crate) fn outcome_of(&self, at: usize) -> Option<(OutcomeKind, Option<Stage>)> {
        let slot = &self.slots[at];
        if !slot.is_settled() {
            return None;
        }
        let end = lock(&slot.end);
        end.outcome
            .as_ref()
            .map(|(outcome, _)| (outcome.kind(), outcome.late_stage()))
    }

    /// The stage a slot is in, or was in when it ended.
    pub(crate) fn stage_of(&self, at: usize) -> Option<Stage> {
        self.slots.get(at).map(Slot::stage)
    }

    /// How often the work has been called.
    pub(crate) fn attempts(&self, at: usize) -> u32 {
        self.slots[at].attempts.load(Ordering::Relaxed).into()
    }

    /// When the work of a slot began.
    pub(crate) fn began(&self, at: usize) -> Option<Instant> {
        self.slots[at].began(self.started)
    }

    /// The work is called once more.
    pub(crate) fn again(&self, at: usize) {
        let attempts = &self.slots[at].attempts;
        let one_more = attempts.load(Ordering::Relaxed).saturating_add(1);
        attempts.store(one_more, Ordering::Relaxed);
    }

    /// Takes the report that came next out before the end, for a stream. Its slot stays settled.
    pub(crate) fn take_arrived(&self) -> Option<CellReport<T>> {
        let at = lock(self.arrived.as_ref()?).pop_front()?;
        let mut end = lock(&self.slots[at].end);
        let outcome = end.outcome.take()?;
        Some(self.report_of(at, end.connect(), outcome))
    }

    /// Ends the scatter: whatever has no outcome timed out where it was. Works that look see that nobody waits.
    pub(crate) fn close(&self) -> ScatterReport<T> {
        let now = match self.is_settled() {
            true => 0,
            false => self.after(self.now()),
        };
        // Where every slot is settled, there is nobody left to be told.
        if !self.is_settled() {
            self.closed.store(true, Ordering::Release);
        }
        let report = |(at, slot): (usize, &Slot<T>)| {
            let mut end = lock(&slot.end);
            let outcome = match (end.outcome.take(), slot.is_settled()) {
                (Some(outcome), _) => outcome,
                // A stream has it.
                (None, true) => return None,
                (None, false) => {
                    end.disconnect(now);
                    slot.settled.store(true, Ordering::SeqCst);
                    (Outcome::TimedOut(slot.timed_out()), now)
                }
            };
            Some(self.report_of(at, end.connect(), outcome))
        };
        let mut cells = Vec::with_capacity(self.len());
        cells.extend(self.slots.iter().enumerate().filter_map(report));
        let elapsed = cells.iter().map(|cell| cell.elapsed).max();
        ScatterReport::new(cells, elapsed.unwrap_or_default())
    }

    /// Nanoseconds from the start of the call until then.
    fn after(&self, now: Instant) -> u64 {
        let after = now.saturating_duration_since(self.started);
        u64::try_from(after.as_nanos()).unwrap_or(u64::MAX)
    }

    /// Tells works that nobody waits any more, without making a report.
    pub(crate) fn abandon(&self) {
        self.closed.store(true, Ordering::Release);
    }

    fn report_of(
        &self,
        at: usize,
        connect: Duration,
        (outcome, ended): (Outcome<T>, u64),
    ) -> CellReport<T> {
        let elapsed = Duration::from_nanos(ended);
        let slot = &self.slots[at];
        CellReport {
            cell: self.label(at).clone(),
            outcome,
            elapsed,
            queued: slot.waited().unwrap_or(elapsed),
            connect,
            attempts: slot.attempts.load(Ordering::Relaxed).into(),
        }
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Whether nobody waits for this slot any more.
    pub(crate) fn is_given_up(&self, at: usize) -> bool {
        self.is_closed() || self.slots[at].is_settled()
    }

    /// The work of a slot enters a stage.
    pub(crate) fn enter(&self, at: usize, stage: Stage) {
        let slot = &self.slots[at];
        let connects = stage == Stage::Connecting;
        if connects || slot.stage() == Stage::Connecting {
            let now = self.after(self.now());
            let mut end = lock(&slot.end);
            end.disconnect(now);
            if connects {
                end.connect_from(now);
            }
        }
        if !slot.is_settled() {
            slot.enter(stage);
        }
    }
}

/// A scatter has no more cells than this can count.
fn counted(slots: usize) -> u32 {
    u32::try_from(slots).unwrap_or(u32::MAX)
}

/// The cell's id, where it can be asked.
fn id(choice: &Choice) -> Option<CellId> {
    match choice {
        Choice::Cell(mapping) => Some(mapping.id()),
        Choice::Rejected(_) => None,
    }
}

/// What has a ledger, perhaps among other things that works share with it by one count.
pub(crate) trait Books: Send + Sync {
    type Answer: Send;
    fn books(&self) -> &Ledger<Self::Answer>;
    /// Where works' permits go back to; none where they need none.
    fn admit(&self) -> Option<&Admit> {
        None
    }
}

impl<T: Send> Books for Ledger<T> {
    type Answer = T;
    fn books(&self) -> &Self {
        self
    }
}

impl<B: Books + ?Sized> Books for &B {
    type Answer = B::Answer;
    fn books(&self) -> &Ledger<B::Answer> {
        (**self).books()
    }
    fn admit(&self) -> Option<&Admit> {
        (**self).admit()
    }
}

impl<B: Books + ?Sized> Books for Arc<B> {
    type Answer = B::Answer;
    fn books(&self) -> &Ledger<B::Answer> {
        (**self).books()
    }
    fn admit(&self) -> Option<&Admit> {
        (**self).admit()
    }
}

impl<B: Books> Watch for B {
    fn wake(&self) {
        self.books().driver.wake();
    }

    fn is_given_up(&self, at: usize) -> bool {
        self.books().is_given_up(at)
    }

    fn enter(&self, at: usize, stage: Stage) {
        self.books().enter(at, stage);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn books_are_moved_at_once() {
        assert_eq!(size_of::<Ledger<u64>>(), 128);
    }
}
