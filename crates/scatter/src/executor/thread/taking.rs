//! What a worker takes: from the pool, where it comes for it; while it watches, what it is handed; and what came to it through
//! the open [hatch](super::hatch), of which the pool hears later. The pool's lock is held by whoever asks here.

use std::sync::Arc;

use cells::CellId;

use super::hatch::Unknown;
use super::lane::Lane;
use super::portion::{Mark, Marks, Portion};
use super::state::PoolState;

/// More cells with jobs than these are not looked at one by one.
const MOST_ENGAGED: usize = 32;

impl<B: Clone> PoolState<B> {
    /// The next portion for a worker: one that somebody has and does not come forward with, so that what is in it is not
    /// overtaken for ever; else one that nobody has; else whatever is left anywhere.
    pub(crate) fn take(&mut self) -> Option<Portion<B>> {
        let (mut stalls, mut goes_on) = (None, None);
        let over = self.open.extract_if(.., |(portion, seen)| {
            let left = portion.marks.unstarted() > 0;
            if left {
                let come = portion.marks.come();
                let found = match std::mem::replace(seen, come) == come {
                    true => &mut stalls,
                    false => &mut goes_on,
                };
                found.get_or_insert_with(|| portion.clone());
            }
            !left
        });
        self.spent.extend(over.map(|(portion, _)| portion));
        let portion = stalls.or_else(|| self.open_next()).or(goes_on)?;
        self.note_taken(&portion.marks);
        Some(portion)
    }

    /// Takes in works that came to the one who watches without anybody's telling the pool, however far they are by now.
    pub(crate) fn adopt(&mut self, Unknown { marks, batch }: Unknown<B>) {
        self.watched = false;
        self.note_taken(&marks);
        for (at, (cell, _)) in marks.jobs().iter().enumerate() {
            if marks.mark(at) != Mark::Gone {
                let lane = self.lanes.entry(*cell).or_insert_with(Lane::new);
                lane.held.push((Arc::clone(&marks), at));
            }
        }
        if let Some(batch) = batch {
            let left = marks.unstarted() > 0;
            let portion = Portion { batch, marks };
            match left {
                true => self.open.push((portion, usize::MAX)),
                false => self.spent.push(portion),
            }
        }
    }

    fn note_taken(&mut self, marks: &Arc<Marks>) {
        self.busy += 1;
        self.last = Some(Arc::clone(marks));
        self.taken.push(Arc::clone(marks));
    }

    /// The cells that have jobs, for a worker that found none to take; none where that is not worth while to know.
    pub(crate) fn engaged(&self) -> Option<Vec<CellId>> {
        if self.closed || self.taken.len() > MOST_ENGAGED {
            return None;
        }
        let mut cells = Vec::new();
        for marks in &self.taken {
            for (at, (cell, _)) in marks.jobs().iter().enumerate() {
                if marks.mark(at) != Mark::Gone && !cells.contains(cell) {
                    cells.push(*cell);
                }
            }
        }
        (cells.len() <= MOST_ENGAGED).then_some(cells)
    }

    /// Whether the worker that took a portion last has run all of it, and is about to come for more.
    pub(super) fn returns_soon(&self) -> bool {
        self.last.as_ref().is_some_and(|last| last.is_over())
    }

    /// A worker that has nothing to do wants to be handed what it would take. False where it is not alone: another watches,
    /// or is at work on what was taken last, and will come back for more and need the processor. Others may be at work for as
    /// long as they like: what was taken after theirs has ended.
    pub(crate) fn watch(&mut self) -> bool {
        let watches = self.last.is_none() && !self.watched;
        self.watched |= watches;
        watches
    }

    /// It does not watch any more. False where it was handed something meanwhile.
    pub(crate) fn stop_watching(&mut self) -> bool {
        std::mem::take(&mut self.watched)
    }

    /// What the worker that watches takes.
    pub(crate) fn hand_over(&mut self) -> Option<Portion<B>> {
        let portion = if self.watched { self.take() } else { None };
        self.watched &= portion.is_none();
        portion
    }

    /// The portion that has been ready for longest.
    fn open_next(&mut self) -> Option<Portion<B>> {
        let portion = self.ready.pop_front()?;
        let left = portion.marks.unstarted();
        self.waiting -= left;
        // A single job is begun by whoever takes it, and leaves nothing to others.
        if left > 1 {
            self.open.push((portion.clone(), usize::MAX));
        }
        Some(portion)
    }
}
