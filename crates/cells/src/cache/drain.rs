//! Legs that were taken out of the cache and are still held: who holds finishes, and at the limit the connector is told
//! to close them all the same.

use crate::label::CellLabel;
use crate::revision::Revision;

use super::event::CloseReason;
use super::lease::{Opened, Watch};

/// One set of retired legs. Times are ticks.
pub(crate) struct Draining<L> {
    pub(crate) cell: CellLabel,
    pub(crate) revision: Revision,
    pub(crate) why: CloseReason,
    pub(crate) opened: u64,
    pub(crate) used: u64,
    pub(crate) by: u64,
    pub(crate) forced: bool,
    watch: Watch<L>,
}

/// What a look at one of them came to.
pub(crate) enum Drained {
    /// Still held, and it may be.
    Waiting,
    /// Nobody holds it any more.
    Done,
    /// Held beyond the limit, for the first time: close it.
    Force(usize),
}

impl<L> Draining<L> {
    pub(crate) fn new(
        cell: &CellLabel,
        revision: Revision,
        opened: &Opened<L>,
        why: CloseReason,
        by: u64,
    ) -> Self {
        Self {
            cell: cell.clone(),
            revision,
            why,
            opened: opened.since(),
            used: opened.used(),
            by,
            forced: false,
            watch: opened.watch(),
        }
    }

    pub(crate) fn holders(&self) -> usize {
        self.watch.holders()
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.watch.is_gone()
    }

    pub(crate) fn check(&mut self, now: u64) -> Drained {
        if self.watch.is_gone() {
            Drained::Done
        } else if now >= self.by && !self.forced {
            self.forced = true;
            Drained::Force(self.holders())
        } else {
            Drained::Waiting
        }
    }

    pub(crate) fn with(&self, use_them: impl FnOnce(&L)) -> bool {
        self.watch.with(use_them)
    }
}
