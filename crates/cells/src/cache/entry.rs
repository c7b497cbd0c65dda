//! One cell of the current mappings, with its slot in the cache; and how operators see it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use crate::connector::CellConnector;
use crate::error::{CellError, ErrorClass};
use crate::label::CellLabel;
use crate::mapping::CellMapping;
use crate::revision::Revision;
use crate::target::Legs;

use super::drain::Draining;
use super::event::{CacheEventKind, CloseReason};
use super::keeper::Keeper;
use super::lease::{Lease, Life, Opened};
use super::slot::{Look, Opener, Opening, Slot};

pub(crate) struct Entry<C: CellConnector> {
    pub(crate) mapping: CellMapping,
    slot: Slot<Legs<C>, CellError>,
}

/// What targeting finds.
pub(crate) enum Found<C: CellConnector> {
    Legs(Arc<Lease<Legs<C>>>),
    /// This entry is no longer the current one: look again.
    Gone,
    Failed(CellError),
}

struct Opens<'e, C: CellConnector> {
    keeper: &'e Keeper<C>,
    mapping: &'e CellMapping,
}

impl<C: CellConnector> Opener<Legs<C>, CellError> for Opens<'_, C> {
    fn now(&self) -> u64 {
        self.keeper.tick()
    }

    fn open(&self) -> Result<Legs<C>, CellError> {
        // A panic here must not cost each of a thousand waiters the same panic: it is a failure, remembered as one.
        catch_unwind(AssertUnwindSafe(|| Legs::open(self.keeper, self.mapping))).unwrap_or_else(
            |_| {
                Err(CellError::new(
                    ErrorClass::Panicked,
                    "the connector panicked",
                ))
            },
        )
    }

    fn life(&self) -> Life {
        self.keeper.life()
    }

    fn wait_after(&self, failures: u32) -> u64 {
        self.keeper.wait_after(failures)
    }
}

impl<C: CellConnector> Entry<C> {
    pub(crate) fn new(mapping: CellMapping) -> Self {
        Self {
            mapping,
            slot: Slot::new(),
        }
    }

    /// Legs that are there and need nobody's care.
    #[inline]
    pub(crate) fn warm(&self, now: u64) -> Option<Arc<Lease<Legs<C>>>> {
        match self.slot.look(now) {
            Look::Fresh(lease) => Some(lease),
            Look::Ageing(_) | Look::Cold => None,
        }
    }

    /// Legs, opened if need be. Whether a cell was opened is told to `opened`.
    pub(crate) fn legs(&self, keeper: &Keeper<C>) -> Found<C> {
        let how = Opens {
            keeper,
            mapping: &self.mapping,
        };
        match self.slot.look(keeper.tick()) {
            Look::Fresh(lease) => Found::Legs(lease),
            Look::Ageing(lease) => {
                match self.slot.renew(&how).map(|got| self.settle(keeper, got)) {
                    Some(Found::Legs(renewed)) => Found::Legs(renewed),
                    Some(Found::Gone) => Found::Gone,
                    // Ageing legs are good until the hard limit, whoever fails to replace them.
                    Some(Found::Failed(_)) | None => Found::Legs(lease),
                }
            }
            Look::Cold => {
                let opening = self.slot.open(&how);
                self.settle(keeper, opening)
            }
        }
    }

    fn settle(&self, keeper: &Keeper<C>, opening: Opening<Legs<C>, CellError>) -> Found<C> {
        match opening {
            Opening::Shared(lease) => Found::Legs(lease),
            Opening::New {
                lease,
                opened,
                replaced,
            } => {
                keeper.opened(self.mapping.label(), self.mapping.revision());
                if let Some(old) = replaced {
                    let why = match old.is_over(keeper.tick()) {
                        true => CloseReason::Expired,
                        false => CloseReason::Renewed,
                    };
                    self.retire(keeper, &old, why);
                }
                drop(opened);
                Found::Legs(lease)
            }
            Opening::Unplaced(opened) => {
                let lease = opened.lease(keeper.tick());
                let (label, revision) = (self.mapping.label(), self.mapping.revision());
                keeper.retire(label, revision, &opened, CloseReason::Invalidated, false);
                Found::Legs(lease)
            }
            Opening::Closed => Found::Gone,
            Opening::Failed {
                error,
                fresh,
                failures,
            } => {
                if fresh {
                    let class = error.class();
                    let kind = CacheEventKind::OpenFailed { class, failures };
                    keeper.journal.note(Some(self.mapping.label()), kind);
                }
                Found::Failed(error)
            }
        }
    }

    fn retire(&self, keeper: &Keeper<C>, legs: &Opened<Legs<C>>, why: CloseReason) {
        keeper.retire(
            self.mapping.label(),
            self.mapping.revision(),
            legs,
            why,
            true,
        );
    }

    /// Ends this entry: its mapping is not the current one any more.
    pub(crate) fn close(&self, keeper: &Keeper<C>, why: CloseReason) {
        if let Some(legs) = self.slot.close() {
            self.retire(keeper, &legs, why);
        }
    }

    /// Forgets what is open, and any failure. Whether anything was open.
    pub(crate) fn invalidate(&self, keeper: &Keeper<C>) -> bool {
        let taken = self.slot.invalidate();
        if let Some(legs) = &taken {
            self.retire(keeper, legs, CloseReason::Invalidated);
        }
        taken.is_some()
    }

    /// Closes what is over or unused. Whether anything was.
    pub(crate) fn sweep(&self, keeper: &Keeper<C>, idle: u64) -> bool {
        let now = keeper.tick();
        let over = |legs: &Opened<Legs<C>>| legs.is_over(now);
        let unused =
            |legs: &Opened<Legs<C>>| legs.holders() == 0 && now.saturating_sub(legs.used()) >= idle;
        if let Some(legs) = self.slot.take_if(over) {
            self.retire(keeper, &legs, CloseReason::Expired);
            return true;
        }
        if let Some(legs) = self.slot.take_if(unused) {
            self.retire(keeper, &legs, CloseReason::Idle);
            return true;
        }
        false
    }

    /// The tick of the last use, where it is open.
    pub(crate) fn used(&self) -> Option<u64> {
        self.slot.peek(Opened::used)
    }

    /// Makes room, unless it was used since.
    pub(crate) fn evict(&self, keeper: &Keeper<C>, unused_since: u64) -> bool {
        let taken = self.slot.take_if(|legs| legs.used() <= unused_since);
        if let Some(legs) = &taken {
            self.retire(keeper, legs, CloseReason::Evicted);
        }
        taken.is_some()
    }

    pub(crate) fn describe(&self, keeper: &Keeper<C>) -> CacheEntry {
        let now = keeper.tick();
        let ms = |from: u64, to: u64| Duration::from_millis(to.saturating_sub(from));
        let mut described = CacheEntry {
            cell: self.mapping.label().clone(),
            revision: self.mapping.revision(),
            state: EntryState::Idle,
            holders: 0,
        };
        if let Some((failures, retry_at)) = self.slot.failing() {
            described.state = EntryState::Failing {
                failures,
                retry_in: ms(now, retry_at),
            };
        }
        self.slot.peek(|legs| {
            described.holders = legs.holders();
            described.state = EntryState::Open {
                open_for: ms(legs.since(), now),
                unused_for: ms(legs.used(), now),
                ends_in: ms(now, legs.hard()),
            };
        });
        described
    }
}

/// One line of what the cache holds.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CacheEntry {
    /// The cell.
    pub cell: CellLabel,
    /// The content of its mapping that this is about.
    pub revision: Revision,
    /// What there is.
    pub state: EntryState,
    /// How many targets hold it at this moment.
    pub holders: usize,
}

/// The state of one line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum EntryState {
    /// Nothing is open: nobody asked for the cell lately.
    Idle,
    /// Open and current.
    Open {
        /// Age.
        open_for: Duration,
        /// Time since the last use, to half a second.
        unused_for: Duration,
        /// Time until its hard limit.
        ends_in: Duration,
    },
    /// The last opening failed.
    Failing {
        /// How many times in a row.
        failures: u32,
        /// Time until the next try.
        retry_in: Duration,
    },
    /// Replaced or gone, and still held.
    Draining {
        /// Why it was taken out.
        why: CloseReason,
        /// Age.
        open_for: Duration,
        /// Time since the last use, to half a second.
        unused_for: Duration,
        /// Time until it is closed all the same; zero once it was.
        forced_in: Duration,
    },
}

impl CacheEntry {
    pub(crate) fn draining<L>(old: &Draining<L>, now: u64) -> Self {
        let since = |tick: u64| Duration::from_millis(now.saturating_sub(tick));
        Self {
            cell: old.cell.clone(),
            revision: old.revision,
            state: EntryState::Draining {
                why: old.why,
                open_for: since(old.opened),
                unused_for: since(old.used),
                forced_in: Duration::from_millis(old.by.saturating_sub(now)),
            },
            holders: old.holders(),
        }
    }
}
