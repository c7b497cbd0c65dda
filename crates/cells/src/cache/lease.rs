//! Opened legs and the leases on them: how many hold them, since when, and until when they may.
//!
//! Handing out legs must not make two threads fight for one reference count, so opened legs are leased through a few
//! separate counts, and a thread takes the one its stack address points to. That choice only spreads load: any thread
//! may take any lease.

use std::array;
use std::sync::{Arc, Weak};

use crate::sync::{AtomicU64, Ordering};

/// Separate counts per opened legs.
const SPREAD: usize = 8;

/// One value with its end: set once, when it is replaced.
pub(crate) struct Held<L> {
    legs: L,
    /// 0 while current; else the tick, plus one, by which holders must be done.
    drain_by: AtomicU64,
}

/// One of the counts. Padded, so that neighbouring counts share no cache line (two lines: processors fetch in pairs).
#[repr(align(128))]
pub(crate) struct Lease<L>(Arc<Held<L>>);

impl<L> Lease<L> {
    pub(crate) fn legs(&self) -> &L {
        &self.0.legs
    }

    /// The tick by which holders must be done; none while the legs are the current ones.
    pub(crate) fn drain_by(&self) -> Option<u64> {
        self.0.drain_by.load(Ordering::Acquire).checked_sub(1)
    }
}

/// Legs that are open and current, or were until a moment ago. All times are ticks (milliseconds).
pub(crate) struct Opened<L> {
    leases: [Arc<Lease<L>>; SPREAD],
    since: u64,
    soft: u64,
    hard: u64,
    used: AtomicU64,
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
        let held = Arc::new(Held {
            legs,
            drain_by: AtomicU64::new(0),
        });
        Self {
            leases: array::from_fn(|_| Arc::new(Lease(Arc::clone(&held)))),
            since: now,
            soft: now.saturating_add(life.soft),
            hard: now.saturating_add(life.hard),
            used: AtomicU64::new(now),
        }
    }

    /// A lease for the calling thread.
    pub(crate) fn lease(&self, now: u64) -> Arc<Lease<L>> {
        if now.saturating_sub(self.used.load(Ordering::Relaxed)) >= USE_GRAIN {
            self.used.fetch_max(now, Ordering::Relaxed);
        }
        Arc::clone(&self.leases[this_thread() % SPREAD])
    }

    pub(crate) fn since(&self) -> u64 {
        self.since
    }

    pub(crate) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    pub(crate) fn wants_renewal(&self, now: u64) -> bool {
        now >= self.soft
    }

    pub(crate) fn is_over(&self, now: u64) -> bool {
        now >= self.hard
    }

    pub(crate) fn hard(&self) -> u64 {
        self.hard
    }

    /// How many hold the legs, the cache itself not counted.
    pub(crate) fn holders(&self) -> usize {
        self.leases
            .iter()
            .map(|lease| Arc::strong_count(lease).saturating_sub(1))
            .sum()
    }

    /// Tells holders that these legs are replaced, once. Whether this call was the one.
    pub(crate) fn supersede(&self, drain_by: u64) -> bool {
        let end = &self.leases[0].0.drain_by;
        end.compare_exchange(
            0,
            drain_by.saturating_add(1),
            Ordering::AcqRel,
            Ordering::Acquire,
        )
        .is_ok()
    }

    /// Watches the legs without keeping them open.
    pub(crate) fn watch(&self) -> Watch<L> {
        Watch {
            leases: array::from_fn(|n| Arc::downgrade(&self.leases[n])),
            held: Arc::downgrade(&self.leases[0].0),
        }
    }
}

/// Sees whether legs are still held, and keeps none open.
pub(crate) struct Watch<L> {
    leases: [Weak<Lease<L>>; SPREAD],
    held: Weak<Held<L>>,
}

impl<L> Watch<L> {
    pub(crate) fn holders(&self) -> usize {
        self.leases.iter().map(Weak::strong_count).sum()
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.held.strong_count() == 0
    }

    /// Uses the legs if they are still there.
    pub(crate) fn with(&self, use_them: impl FnOnce(&L)) -> bool {
        self.held
            .upgrade()
            .map(|held| use_them(&held.legs))
            .is_some()
    }
}

/// A number that differs between threads whose stacks are 2 MiB apart, as they are by default.
fn this_thread() -> usize {
    let here = 0_u8;
    (&raw const here as usize) >> 21
}
