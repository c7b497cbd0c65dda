//! Nothing lasts for the life of a process: ends by age, idleness, number and on request, and a look at what there is.

use std::cmp::Reverse;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use crate::allow::AllowList;
use crate::cache::{CacheEntry, CacheEvent, CacheEventKind};
use crate::cells::Cells;
use context::TokenFingerprint;

use crate::clock::millis;
use crate::connector::CellConnector;
use crate::id::CellId;

/// What is to be forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Invalidation {
    /// Every cell.
    All,
    /// One cell.
    Cell(CellId),
    /// One token, which was revoked: whatever believes it without asking. The cells themselves keep no tokens.
    Token(TokenFingerprint),
}

/// What one round of upkeep did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Upkeep {
    /// Cells closed because of their age, or because nobody used them.
    pub closed: usize,
    /// Retired legs closed under their holders.
    pub forced: usize,
    /// Whether [`Cells::refresh`] is due.
    pub reload_due: bool,
}

impl<C: CellConnector> Cells<C> {
    /// Forgets what is open, and any failure: the next use opens anew, and a [`refresh`](Self::refresh) is due. Who
    /// holds the old legs may finish. An opening under way counts as old. Gives how many cells were closed.
    pub fn invalidate(&self, what: Invalidation) -> usize {
        let keeper = &self.0.keeper;
        let view = self.0.view.load();
        let closed = match what {
            Invalidation::All => {
                let entries = view.entries.values();
                let closed = entries.filter(|entry| entry.invalidate(keeper)).count();
                keeper.journal.note(None, CacheEventKind::Invalidated);
                closed
            }
            Invalidation::Token(_) => 0,
            Invalidation::Cell(id) => view.entries.get(&id).map_or(0, |entry| {
                let closed = usize::from(entry.invalidate(keeper));
                let label = Some(entry.mapping.label());
                keeper.journal.note(label, CacheEventKind::Invalidated);
                closed
            }),
        };
        self.ask_for_reload();
        closed
    }

    /// Says that the mappings may have changed unnoticed: a [`refresh`](Self::refresh) is due. What is open stays so
    /// until that shows a change.
    pub fn suspect(&self) {
        self.0.keeper.journal.note(None, CacheEventKind::Suspect);
        self.ask_for_reload();
    }

    /// Puts another allow-list in force, or none. It counts from the next [`refresh`](Self::refresh) on, which is due.
    pub fn set_allow_list(&self, allow: Option<Arc<AllowList>>) {
        self.0
            .checks
            .rcu(|checks| checks.with_allow_list(allow.clone()));
        self.suspect();
    }

    pub(crate) fn ask_for_reload(&self) {
        self.0.asked.fetch_add(1, Ordering::SeqCst);
    }

    /// Whether the mappings are due to be loaded: never loaded, asked for since the last load began, or old.
    #[must_use]
    pub fn reload_due(&self) -> bool {
        let asked = self.0.asked.load(Ordering::SeqCst);
        asked > self.0.answered.load(Ordering::SeqCst)
            || self.0.keeper.tick() >= self.0.reload_at.load(Ordering::SeqCst)
    }

    /// One round of upkeep: closes cells that are too old or unused, and retired legs that are held too long. Call it
    /// every second or so, from wherever the process has a timer; it takes time in proportion to the cells and never
    /// waits. Age limits hold without it, since every use checks them; idleness, and the drain limit, need it.
    pub fn maintain(&self) -> Upkeep {
        let keeper = &self.0.keeper;
        let idle = millis(keeper.policy.idle);
        let view = self.0.view.load();
        let closed = view
            .entries
            .values()
            .filter(|entry| entry.sweep(keeper, idle))
            .count();
        Upkeep {
            closed,
            forced: keeper.drain(),
            reload_due: self.reload_due(),
        }
    }

    /// What the cache holds at this moment: a line for each mapping, and one for each set of retired legs that somebody
    /// still holds. A snapshot for people: the lines are read one after the other.
    #[must_use]
    pub fn entries(&self) -> Vec<CacheEntry> {
        let keeper = &self.0.keeper;
        let view = self.0.view.load();
        let mut lines: Vec<CacheEntry> = view
            .snapshot
            .mappings()
            .filter_map(|mapping| view.entries.get(&mapping.id()))
            .map(|entry| entry.describe(keeper))
            .collect();
        let now = keeper.tick();
        keeper.each_draining(|old| lines.push(CacheEntry::draining(old, now)));
        lines
    }

    /// The events after this number that are still kept ([`CachePolicy::events`](crate::CachePolicy::events)), oldest
    /// first. Start with 0; numbers have no gaps, so a reader sees what it missed.
    #[must_use]
    pub fn events(&self, after: u64) -> Vec<CacheEvent> {
        self.0.keeper.journal.since(after)
    }

    /// Events that the audit sink did not keep.
    #[must_use]
    pub fn audit_events_lost(&self) -> u64 {
        self.0.keeper.journal.lost()
    }

    /// Closes the cells unused longest where more are open than may be; an eighth at once, so that a cache that is
    /// always full does not look through all cells at each opening.
    pub(crate) fn make_room(&self, but: CellId) {
        let keeper = &self.0.keeper;
        let capacity = keeper.policy.capacity.max(1);
        if keeper.open() <= capacity {
            return;
        }
        let _one_at_a_time = self
            .0
            .making_room
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let excess = keeper.open().saturating_sub(capacity - capacity / 8);
        if keeper.open() <= capacity {
            return;
        }
        let view = self.0.view.load();
        let mut open: Vec<_> = view
            .entries
            .iter()
            .filter(|(id, _)| **id != but)
            .filter_map(|(_, entry)| entry.used().map(|used| (used, entry)))
            .collect();
        open.sort_by_key(|(used, _)| Reverse(*used));
        for (used, entry) in open.iter().rev().take(excess) {
            entry.evict(keeper, *used);
        }
    }
}
