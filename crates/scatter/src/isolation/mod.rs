//! What keeps a sick cell from costing more than itself, over all calls of a process: permits by class, breakers, retry
//! tokens. Each is a plain policy and a pure state machine; this is their one home, with a lock for each cell's permits, and
//! one for breakers and tokens that is taken only where there are any.

mod admit;
mod breaker;
mod bulkhead;
mod policy;
#[cfg(feature = "tokio")]
mod prober;
mod retry;
mod station;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Instant;

use cells::CellId;

use self::breaker::Breakers;
use self::retry::RetryBudget;
use self::station::Table;
use crate::sync::{Apart, lock};

#[cfg(feature = "tokio")]
pub use self::prober::{Prober, ProberPolicy};

pub(crate) use self::admit::{Admission, Admit, Permit, Waiting};
pub use self::policy::{
    BreakerPolicy, BulkheadPolicy, Effect, IsolationPolicy, PermitClass, RetryPolicy,
};
pub(crate) use self::station::Place;

/// Shared by all scatters that should know of each other; clones are the same.
#[derive(Clone)]
pub struct Isolation(Arc<Inner>);

/// Apart from the count of its holders, and from what each call writes to: works read it all the time.
#[repr(align(64))]
struct Inner {
    policy: IsolationPolicy,
    common: Arc<Common>,
    stations: Apart<RwLock<Arc<Table>>>,
}

/// What is not of one cell alone: read by works, apart from what callers write to.
#[repr(align(64))]
struct Common {
    /// How many classes of cells have no permit left: read by every call, and hardly ever written.
    crowded: AtomicUsize,
    /// None where nothing looks at more than one cell.
    judges: Option<Mutex<Judges>>,
}

/// What looks at more than one cell.
struct Judges {
    breakers: Option<Breakers>,
    retries: Option<RetryBudget>,
    probing: bool,
}

impl Isolation {
    /// Permits, breakers and tokens of this policy.
    #[must_use]
    pub fn new(policy: IsolationPolicy) -> Self {
        let judges = Judges {
            breakers: policy.breaker.clone().map(Breakers::new),
            retries: policy.retry.clone().map(RetryBudget::new),
            probing: false,
        };
        let any = judges.breakers.is_some() || judges.retries.is_some();
        let common = Arc::new(Common {
            crowded: AtomicUsize::new(0),
            judges: any.then(|| Mutex::new(judges)),
        });
        Self(Arc::new(Inner {
            policy,
            stations: Apart(RwLock::new(Arc::new(Table::new(Arc::clone(&common))))),
            common,
        }))
    }

    /// Cells whose breaker is open or half open.
    #[must_use]
    pub fn ejected(&self) -> usize {
        let mut ejected = 0;
        self.0
            .common
            .breakers(|breakers| ejected = breakers.ejected());
        ejected
    }

    /// Cells that should be probed now, and the right to probe them. None while somebody else does: there is one prober.
    /// Probe them however the service checks a cell, and say with [`Probe::came_back`] what came of it. A `Prober` does it
    /// again and again.
    #[must_use]
    pub fn probe(&self, now: Instant) -> Option<Probe> {
        let mut judges = self.0.common.judges()?;
        if judges.probing {
            return None;
        }
        let cells = judges.breakers.as_ref()?.due(now);
        judges.probing = true;
        drop(judges);
        Some(Probe {
            isolation: self.clone(),
            cells,
        })
    }

    /// The stations.
    fn table(&self) -> Arc<Table> {
        let table = self.0.stations.0.read();
        Arc::clone(&table.unwrap_or_else(PoisonError::into_inner))
    }

    /// The stations, with those of these cells among them.
    fn grown_table(&self, cells: impl Iterator<Item = CellId>) -> Arc<Table> {
        let table = self.0.stations.0.write();
        let mut table = table.unwrap_or_else(PoisonError::into_inner);
        Arc::make_mut(&mut table).add(cells, &self.0.policy.bulkhead);
        Arc::clone(&table)
    }
}

impl Common {
    fn judges(&self) -> Option<MutexGuard<'_, Judges>> {
        self.judges.as_ref().map(lock)
    }

    /// Does this with the breakers, where there are any.
    fn breakers(&self, with: impl FnOnce(&mut Breakers)) {
        if let Some(breakers) = self.judges().as_mut().and_then(|all| all.breakers.as_mut()) {
            with(breakers);
        }
    }

    /// Does this with the retry tokens, where there are any.
    fn retries(&self, with: impl FnOnce(&mut RetryBudget)) {
        if let Some(retries) = self.judges().as_mut().and_then(|all| all.retries.as_mut()) {
            with(retries);
        }
    }

    /// Whether a class of some cell had no permit left a moment ago.
    fn is_crowded(&self) -> bool {
        self.crowded.load(Ordering::Relaxed) > 0
    }
}

impl std::fmt::Debug for Isolation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Isolation")
            .field("policy", &self.0.policy)
            .finish_non_exhaustive()
    }
}

/// Cells to be probed, and the right to do so. Dropped, it lets others probe.
#[must_use = "the cells stay suspect until a probe has come back"]
pub struct Probe {
    isolation: Isolation,
    cells: Vec<CellId>,
}

impl Probe {
    /// The cells to probe.
    #[must_use]
    pub fn cells(&self) -> &[CellId] {
        &self.cells
    }

    /// Says what came of one cell's probe.
    pub fn came_back(&self, cell: CellId, good: bool, now: Instant) {
        let all = &self.isolation.0.common;
        all.breakers(|breakers| breakers.probed(cell, good, now));
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        if let Some(mut judges) = self.isolation.0.common.judges() {
            judges.probing = false;
        }
    }
}
