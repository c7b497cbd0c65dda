//! One cell's permits behind their lock, and the table of all cells'. The table grows and does not shrink: an operator's
//! cells are few, and a call keeps to the table that it began with.

use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use cells::CellId;

use super::Common;
use super::bulkhead::Bulkhead;
use super::policy::{BulkheadPolicy, PermitClass};
use crate::hash::CellMap;
use crate::sync::lock;

/// One cell's permits.
pub(super) struct Station {
    bulkhead: Mutex<Bulkhead>,
    /// The classes that have no permit left, a bit for each. Written under the lock; read without, by those who may err.
    full: AtomicU8,
    pub(super) cell: CellId,
}

impl Station {
    fn new(cell: CellId, policy: &BulkheadPolicy) -> Self {
        Self {
            bulkhead: Mutex::new(Bulkhead::new(policy)),
            full: AtomicU8::new(0),
            cell,
        }
    }

    /// Does this with the permits, and counts which classes have none left among those of all cells.
    pub(super) fn permits<R>(
        &self,
        crowded: &AtomicUsize,
        with: impl FnOnce(&mut Bulkhead) -> R,
    ) -> R {
        let mut bulkhead = lock(&self.bulkhead);
        let came = with(&mut bulkhead);
        let (before, full) = (self.full.load(Ordering::Relaxed), bulkhead.full());
        if before != full {
            self.full.store(full, Ordering::Relaxed);
            let more = (full & !before).count_ones() as usize;
            let fewer = (before & !full).count_ones() as usize;
            crowded.fetch_add(more, Ordering::Relaxed);
            crowded.fetch_sub(fewer, Ordering::Relaxed);
        }
        came
    }

    /// Whether the class had no permit left a moment ago.
    pub(super) fn is_full(&self, class: PermitClass) -> bool {
        self.full.load(Ordering::Relaxed) & (1 << class.at()) != 0
    }
}

/// The stations of all cells, each at its place. What is added leaves the others where they are.
/// Apart from the count of the calls that have it.
#[derive(Clone)]
#[repr(align(64))]
pub(super) struct Table {
    pub(super) common: Arc<Common>,
    places: CellMap<Place>,
    stations: Vec<Arc<Station>>,
}

/// Where a cell's station is in a table, and in those that were grown from it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place(u32);

impl Place {
    /// There is nothing there.
    pub(crate) const NOWHERE: Self = Self(u32::MAX);
}

impl Table {
    pub(super) fn new(common: Arc<Common>) -> Self {
        Self {
            common,
            places: CellMap::default(),
            stations: Vec::new(),
        }
    }

    /// Where this cell's station is; none where it was never added.
    pub(super) fn place(&self, cell: CellId) -> Option<Place> {
        self.places.get(&cell).copied()
    }

    /// Adds those of these cells that are not known.
    pub(super) fn add(&mut self, cells: impl Iterator<Item = CellId>, policy: &BulkheadPolicy) {
        for cell in cells {
            let next = u32::try_from(self.stations.len()).map_or(Place::NOWHERE, Place);
            if *self.places.entry(cell).or_insert(next) == next {
                self.stations.push(Arc::new(Station::new(cell, policy)));
            }
        }
    }

    pub(super) fn at(&self, place: Place) -> Option<&Arc<Station>> {
        self.stations.get(place.0 as usize)
    }
}
