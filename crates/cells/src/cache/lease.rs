//! Opened legs and the leases on them: how many hold them, since when, and until when they may.
//!
//! Handing out legs must not make two threads fight for one reference count, so opened legs are leased through a few
//! separate counts, and a thread takes the one its stack address points to. That choice only spreads load: any thread
//! may take any lease.

use std::array;
use std::sync::{Arc, OnceLock, Weak};

use crate::sync::{AtomicU64, Ordering};

/// Separate counts per opened legs.
const SPREAD: usize = 8;

/// One value with its end: set once, when it is replaced.
pub(crate) struct Held<L> {
    legs: L,
    /// 0 while current; else the tick, plus one, by which holders must be done.
    drain_by: AtomicU64,
    /// The leases there are, for those who count holders without being one.
    leased: [OnceLock<Weak<Lease<L>>>; SPREAD],
}

/// One of the counts, together with what a reader looks at and writes when it takes it: the lines of memory that a hit
/// touches are what it costs once there are more cells than a processor's cache holds.
///
/// Padded and not aligned, so that neighbours are two lines apart (processors fetch lines in pairs) and yet the
/// reference count, which comes before all this, is beside it.
#[repr(C)]
pub(crate) struct Lease<L> {
    held: Arc<Held<L>>,
    soft: u64,
    used: AtomicU64,
    _apart: [u64; 11],
}

impl<L> Lease<L> {
    pub(crate) fn legs(&self) -> &L {
        &self.held.legs
    }

    /// The tick by which holders must be done; none while the legs are the current ones.
    pub(crate) fn drain_by(&self) -> Option<u64> {
        self.held.drain_by.load(Ordering::Acquire).checked_sub(1)
    }

    /// Whether somebody should open them anew.
    pub(crate) fn wants_renewal(&self, now: u64) -> bool {
        now >= self.soft
    }
}

/// Legs that are open and current, or were until a moment ago. All times are ticks (milliseconds).
pub(crate) struct Opened<L> {
    /// Made when a thread first takes its own: many cells are only ever used from a few.
    leases: [OnceLock<Arc<Lease<L>>>; SPREAD],
    held: Arc<Held<L>>,
    since: u64,
    soft: u64,
    hard: u64,
}

/// When opened legs are to be renewed, and when they are over.
#[derive(Clone, Copy)]
pub(crate) struct Life {
    pub(crate) soft: u64,
    pub(crate) hard: u64,
}

/// Uses within this many ticks of the last one noted are not noted again, so that readers seldom write.
const USE_GRAIN: u64 = 500;

impl<L> Opened<L> {
    pub(crate) fn new(legs: L, now: u64, life: Life) -> Self {
        let hard = now.saturating_add(life.hard);
        Self {
            leases: array::from_fn(|_| OnceLock::new()),
            held: Arc::new(Held {
                legs,
                drain_by: AtomicU64::new(0),
                leased: array::from_fn(|_| OnceLock::new()),
            }),
            since: now,
            // What is over is to be renewed, too, so that one look tells what is good without reserve.
            soft: now.saturating_add(life.soft).min(hard),
            hard,
        }
    }

    /// A lease for the calling thread.
    #[inline]
    pub(crate) fn lease(&self, now: u64) -> Arc<Lease<L>> {
        let lane = this_thread() % SPREAD;
        let lease = self.leases[lane].get_or_init(|| self.new_lease(lane, now));
        if now.saturating_sub(lease.used.load(Ordering::Relaxed)) >= USE_GRAIN {
            lease.used.fetch_max(now, Ordering::Relaxed);
        }
        Arc::clone(lease)
    }

    #[cold]
    fn new_lease(&self, lane: usize, now: u64) -> Arc<Lease<L>> {
        let lease = Arc::new(Lease {
            held: Arc::clone(&self.held),
            soft: self.soft,
            used: AtomicU64::new(now),
            _apart: [0; 11],
        });
        self.held.leased[lane].get_or_init(|| Arc::downgrade(&lease));
        lease
    }

    fn leases(&self) -> impl Iterator<Item = &Arc<Lease<L>>> {
        self.leases.iter().filter_map(OnceLock::get)
    }

    pub(crate) fn since(&self) -> u64 {
        self.since
    }

    pub(crate) fn used(&self) -> u64 {
        let used = self
            .leases()
            .map(|lease| lease.used.load(Ordering::Relaxed));
        used.max().unwrap_or(self.since)
    }

    pub(crate) fn is_over(&self, now: u64) -> bool {
        now >= self.hard
    }

    pub(crate) fn hard(&self) -> u64 {
        self.hard
    }

    /// How many hold the legs, the cache itself not counted.
    pub(crate) fn holders(&self) -> usize {
        self.leases()
            .map(|lease| Arc::strong_count(lease).saturating_sub(1))
            .sum()
    }

    /// Tells holders that these legs are replaced, once. Whether this call was the one.
    pub(crate) fn supersede(&self, drain_by: u64) -> bool {
        let drain_by = drain_by.saturating_add(1);
        let end = &self.held.drain_by;
        end.compare_exchange(0, drain_by, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
    }

    /// Watches the legs without keeping them open.
    pub(crate) fn watch(&self) -> Watch<L> {
        Watch(Arc::downgrade(&self.held))
    }
}

/// Sees whether legs are still held, and keeps none open.
pub(crate) struct Watch<L>(Weak<Held<L>>);

impl<L> Watch<L> {
    pub(crate) fn holders(&self) -> usize {
        let Some(held) = self.0.upgrade() else {
            return 0;
        };
        let leased = held.leased.iter().filter_map(OnceLock::get);
        leased.map(Weak::strong_count).sum()
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.0.strong_count() == 0
    }

    /// Uses the legs if they are still there.
    pub(crate) fn with(&self, use_them: impl FnOnce(&L)) -> bool {
        self.0.upgrade().map(|held| use_them(&held.legs)).is_some()
    }
}

/// A number that differs between threads whose stacks are 2 MiB apart, as they are by default.
fn this_thread() -> usize {
    let here = 0_u8;
    (&raw const here as usize) >> 21
}
