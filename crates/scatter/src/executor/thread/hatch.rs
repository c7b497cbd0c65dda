//! The hatch: through it the worker that watches is handed work, with the pool's lock or without.
//!
//! Most calls come to a pool in which somebody watches and nothing waits. Such a call's works need nothing of the pool: they
//! are put into the open hatch, the one who watches takes them out, and opens it again when it is through. The pool's
//! bookkeeping hears of them only if somebody asks: whoever takes its lock shuts the hatch first, and works that came through
//! it are [adopted](super::state::PoolState::adopt), however far they are by then.
//!
//! It is opened under the pool's lock, by the worker that begins to watch, for cells that have no works in the pool: so nothing
//! that comes through it goes beyond what a cell may hold.

use std::sync::Arc;

use cells::CellId;

use super::lookout::{soon, take_soon};
use super::portion::{Marks, Portion};
use crate::executor::job::CellJob;
use crate::sync::{Apart, AtomicBool, Mutex, MutexGuard, Ordering, PATIENCE};

/// Works of which the pool does not know.
pub(super) struct Unknown<B> {
    pub(super) marks: Arc<Marks>,
    /// None where there is nothing in it for others to help themselves from.
    pub(super) batch: Option<B>,
}

/// What stands in the hatch, and who knows of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Nothing, and nothing is to be put here but by those who have the pool's lock.
    Shut,
    /// Nothing. Somebody watches, and anybody may put works here.
    Open,
    /// Works of which the pool does not know.
    Offered,
    /// Nothing. The one who watches is at work on what stood here, and the pool does not know.
    Taken,
    /// Works of which the pool knows.
    Handed,
}

pub(super) struct Hatch<B> {
    /// Whether works may be in it, or have come through it, of which the pool does not know. Only whoever has the pool's lock
    /// changes that.
    in_use: AtomicBool,
    front: Apart<Front<B>>,
}

/// What goes from processor to processor with each call.
struct Front<B> {
    /// Whether something stands here, or did a moment ago: for the one who watches, who finds out under the lock.
    there: AtomicBool,
    shelf: Mutex<Shelf<B>>,
}

struct Shelf<B> {
    phase: Phase,
    /// For the one who watches.
    portion: Option<Portion<B>>,
    /// The same works, for the pool, as long as it does not know of them.
    unknown: Option<Unknown<B>>,
    /// Cells that had works in the pool when it was opened.
    engaged: Vec<CellId>,
}

impl<B: Clone> Hatch<B> {
    pub(super) fn new() -> Self {
        Self {
            in_use: AtomicBool::new(false),
            front: Apart(Front {
                there: AtomicBool::new(false),
                shelf: Mutex::new(Shelf {
                    phase: Phase::Shut,
                    portion: None,
                    unknown: None,
                    engaged: Vec::new(),
                }),
            }),
        }
    }

    fn show(&self, phase: Phase) {
        let there = matches!(phase, Phase::Offered | Phase::Handed);
        self.front.0.there.store(there, Ordering::Release);
    }

    fn set(&self, shelf: &mut Shelf<B>, phase: Phase) {
        shelf.phase = phase;
        self.show(phase);
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf<B>> {
        take_soon(&self.front.0.shelf)
    }

    /// Opens it for all but these cells. The pool's lock is held, and whoever opens it begins to watch.
    pub(super) fn open(&self, engaged: Vec<CellId>) {
        let mut shelf = self.shelf();
        shelf.engaged = engaged;
        self.set(&mut shelf, Phase::Open);
        self.in_use.store(true, Ordering::Release);
    }

    /// Puts works here, if it is open for all of them.
    pub(super) fn offer(&self, portion: &Portion<B>) -> bool {
        let jobs = portion.marks.jobs();
        if !self.in_use.load(Ordering::Acquire) || !are_of_different_cells(jobs) {
            return false;
        }
        // Clones are made before others wait for the lock.
        let theirs = portion.clone();
        let unknown = Unknown {
            marks: Arc::clone(&portion.marks),
            batch: (jobs.len() > 1).then(|| portion.batch.clone()),
        };
        let Ok(mut shelf) = self.front.0.shelf.try_lock() else {
            return false;
        };
        if shelf.phase != Phase::Open || shelf.engages(jobs) {
            return false;
        }
        shelf.phase = Phase::Offered;
        shelf.portion = Some(theirs);
        shelf.unknown = Some(unknown);
        drop(shelf);
        // Only now does the one who watches come for it: it finds the lock free.
        self.show(Phase::Offered);
        true
    }

    /// Shuts it for all who do not have the pool's lock, as the caller does. Gives works of which the pool does not know.
    pub(super) fn shut(&self) -> Option<Unknown<B>> {
        if !self.in_use.load(Ordering::Acquire) {
            return None;
        }
        self.in_use.store(false, Ordering::Release);
        let mut shelf = self.shelf();
        let phase = match shelf.phase {
            Phase::Offered | Phase::Handed => Phase::Handed,
            Phase::Open | Phase::Taken | Phase::Shut => Phase::Shut,
        };
        self.set(&mut shelf, phase);
        shelf.unknown.take()
    }

    /// Whether one may begin to watch: whoever was handed something before has taken it out. The pool's lock is held.
    pub(super) fn is_free(&self) -> bool {
        self.shelf().phase == Phase::Shut
    }

    /// For the one who watches. The pool's lock is held, and says that there is such a worker; the hatch is shut.
    pub(super) fn hand(&self, portion: Portion<B>) {
        let mut shelf = self.shelf();
        debug_assert!(shelf.portion.is_none(), "somebody else's");
        shelf.portion = Some(portion);
        shelf.phase = Phase::Handed;
        drop(shelf);
        self.show(Phase::Handed);
    }

    /// Looks for something that is put here. Twice as long as whoever waits for works: who was woken from that wait, which
    /// takes about as long as the wait, is to find somebody here with the next.
    pub(super) fn watch(&self) -> Option<Portion<B>> {
        let there = || self.front.0.there.load(Ordering::Acquire);
        soon(2 * PATIENCE, there).then(|| self.take())?
    }

    /// What was put here, for the one who watches.
    pub(super) fn take(&self) -> Option<Portion<B>> {
        let mut shelf = self.shelf();
        let phase = match shelf.phase {
            Phase::Offered => Phase::Taken,
            Phase::Handed => Phase::Shut,
            Phase::Shut | Phase::Open | Phase::Taken => return None,
        };
        self.set(&mut shelf, phase);
        shelf.portion.take()
    }

    /// Takes the batch of these works out, where the pool has not heard of them: whoever is through with them lets go of it
    /// before it [watches again](Self::reopen).
    pub(super) fn batch(&self, marks: &Arc<Marks>) -> Option<B> {
        if marks.jobs().len() == 1 || !self.in_use.load(Ordering::Acquire) {
            return None;
        }
        let mut shelf = self.shelf();
        let unknown = shelf.unknown.as_mut()?;
        unknown
            .batch
            .take_if(|_| Arc::ptr_eq(&unknown.marks, marks))
    }

    /// Whoever is through with these works opens the hatch again and watches, where they came through it and the pool has not
    /// heard of them. False where it has.
    pub(super) fn reopen(&self, marks: &Arc<Marks>) -> bool {
        if !self.in_use.load(Ordering::Acquire) {
            return false;
        }
        let mut shelf = self.shelf();
        let came = |unknown: &mut Unknown<B>| Arc::ptr_eq(&unknown.marks, marks);
        let reopens = shelf.unknown.take_if(came).is_some();
        if reopens {
            self.set(&mut shelf, Phase::Open);
        }
        reopens
    }
}

impl<B> Shelf<B> {
    /// Whether one of these is of a cell that it was not opened for.
    fn engages(&self, jobs: &[CellJob]) -> bool {
        let engaged = |(cell, _): &CellJob| self.engaged.contains(cell);
        jobs.iter().any(engaged)
    }
}

/// Whether each job is of another cell.
fn are_of_different_cells(mut jobs: &[CellJob]) -> bool {
    while let Some(((cell, _), others)) = jobs.split_first() {
        if others.iter().any(|(other, _)| other == cell) {
            return false;
        }
        jobs = others;
    }
    true
}
