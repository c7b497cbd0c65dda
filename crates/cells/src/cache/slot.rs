//! One cell's place in the cache: empty, open, or failed a moment ago; then closed for ever.
//!
//! Readers take no lock. Opening is single-flight: one opens, who came meanwhile shares what it got, success or failure.
//! A failure is remembered until its wait is over. What is invalidated or closed during an opening is not put in place.

use std::sync::{Arc, PoisonError};

use crate::sync::{AtomicU64, Mutex, Ordering, Swap};

use super::lease::{Lease, Life, Opened};

pub(crate) struct Slot<L, E> {
    current: Swap<Opened<L>>,
    /// Counts finished openings that failed, so that who waited for one can tell that it was meanwhile.
    failed: AtomicU64,
    /// Held while opening.
    opening: Mutex<Memory<E>>,
    /// Held for a moment while something is put in place or taken out.
    placing: Mutex<Placing>,
}

struct Memory<E> {
    failures: u32,
    retry_at: u64,
    error: Option<E>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Placing {
    closed: bool,
    /// Counts invalidations.
    generation: u64,
}

/// What a reader finds.
pub(crate) enum Look<L> {
    Fresh(Arc<Lease<L>>),
    /// Still good, and somebody should renew it.
    Ageing(Arc<Lease<L>>),
    Cold,
}

/// What opening came to.
pub(crate) enum Opening<L, E> {
    /// Somebody had opened it meanwhile.
    Shared(Arc<Lease<L>>),
    /// This call opened it.
    New {
        lease: Arc<Lease<L>>,
        opened: Arc<Opened<L>>,
        replaced: Option<Arc<Opened<L>>>,
    },
    /// The slot was invalidated each time before what was opened could be put in place: good for this one use.
    Unplaced(Opened<L>),
    /// The slot was closed: the mapping is no longer the current one.
    Closed,
    /// Opening failed, now (`fresh`) or a moment ago.
    Failed {
        error: E,
        fresh: bool,
        failures: u32,
    },
}

/// How one opening is done: reads the clock, opens, chooses lifetimes and waits.
pub(crate) trait Opener<L, E> {
    fn now(&self) -> u64;
    fn open(&self) -> Result<L, E>;
    fn life(&self) -> Life;
    fn wait_after(&self, failures: u32) -> u64;
}

/// Openings per call where each one is invalidated while it is under way.
const TRIES: usize = 3;

impl<L, E: Clone> Slot<L, E> {
    pub(crate) fn new() -> Self {
        Self {
            current: Swap::empty(),
            failed: AtomicU64::new(0),
            opening: Mutex::new(Memory {
                failures: 0,
                retry_at: 0,
                error: None,
            }),
            placing: Mutex::new(Placing {
                closed: false,
                generation: 0,
            }),
        }
    }

    /// The hot path: no lock, no shared count.
    pub(crate) fn look(&self, now: u64) -> Look<L> {
        let current = self.current.load();
        let Some(opened) = current.as_ref() else {
            return Look::Cold;
        };
        let lease = opened.lease(now);
        if !lease.wants_renewal(now) {
            return Look::Fresh(lease);
        }
        match opened.is_over(now) {
            true => Look::Cold,
            false => Look::Ageing(lease),
        }
    }

    /// Opens, or shares what another opened meanwhile.
    pub(crate) fn open(&self, how: &impl Opener<L, E>) -> Opening<L, E> {
        let failed_before = self.failed.load(Ordering::Acquire);
        let mut memory = self.opening.lock().unwrap_or_else(PoisonError::into_inner);
        let now = how.now();
        if let Look::Fresh(lease) = self.look(now) {
            return Opening::Shared(lease);
        }
        let shared = self.failed.load(Ordering::Acquire) != failed_before;
        if let Some(error) = memory
            .error
            .as_ref()
            .filter(|_| shared || now < memory.retry_at)
        {
            return Opening::Failed {
                error: error.clone(),
                fresh: false,
                failures: memory.failures,
            };
        }
        self.open_now(how, &mut memory)
    }

    /// As [`open`](Self::open), unless somebody is at it or failed a moment ago: who holds good legs does not wait.
    pub(crate) fn renew(&self, how: &impl Opener<L, E>) -> Option<Opening<L, E>> {
        let mut memory = match self.opening.try_lock() {
            Ok(memory) => memory,
            Err(std::sync::TryLockError::Poisoned(memory)) => memory.into_inner(),
            Err(std::sync::TryLockError::WouldBlock) => return None,
        };
        let now = how.now();
        let fresh = matches!(self.look(now), Look::Fresh(_));
        let waiting = memory.error.is_some() && now < memory.retry_at;
        (!fresh && !waiting).then(|| self.open_now(how, &mut memory))
    }

    fn open_now(&self, how: &impl Opener<L, E>, memory: &mut Memory<E>) -> Opening<L, E> {
        let mut unplaced = None;
        for _ in 0..TRIES {
            let before = self.state();
            if before.closed {
                return Opening::Closed;
            }
            let legs = match how.open() {
                Ok(legs) => legs,
                Err(error) => return self.remember(error, how, memory),
            };
            let now = how.now();
            let opened = Opened::new(legs, now, how.life());
            *memory = Memory {
                failures: 0,
                retry_at: 0,
                error: None,
            };
            let placing = self.placing.lock().unwrap_or_else(PoisonError::into_inner);
            if *placing == before {
                let (lease, opened) = (opened.lease(now), Arc::new(opened));
                let replaced = self.current.swap(Some(Arc::clone(&opened)));
                return Opening::New {
                    lease,
                    opened,
                    replaced,
                };
            }
            drop(placing);
            unplaced = Some(opened);
        }
        match unplaced {
            Some(opened) if !self.state().closed => Opening::Unplaced(opened),
            _ => Opening::Closed,
        }
    }

    fn remember(&self, error: E, how: &impl Opener<L, E>, memory: &mut Memory<E>) -> Opening<L, E> {
        let failures = memory.failures.saturating_add(1);
        *memory = Memory {
            failures,
            retry_at: how.now().saturating_add(how.wait_after(failures)),
            error: Some(error.clone()),
        };
        self.failed.fetch_add(1, Ordering::AcqRel);
        Opening::Failed {
            error,
            fresh: true,
            failures,
        }
    }

    /// Takes out what is there; an opening under way will not put in place what it opened before this call.
    pub(crate) fn invalidate(&self) -> Option<Arc<Opened<L>>> {
        // Who is at it forgets the failure by itself, or fails anew.
        if let Ok(mut memory) = self.opening.try_lock() {
            memory.retry_at = 0;
        }
        self.take(|placing| placing.generation += 1)
    }

    /// Takes out what is there, for ever.
    pub(crate) fn close(&self) -> Option<Arc<Opened<L>>> {
        self.take(|placing| placing.closed = true)
    }

    /// Takes out what is there if it is (still) one that `which` means: idle, over, evicted.
    pub(crate) fn take_if(&self, which: impl Fn(&Opened<L>) -> bool) -> Option<Arc<Opened<L>>> {
        let _placing = self.placing.lock().unwrap_or_else(PoisonError::into_inner);
        let meant = self
            .current
            .load()
            .as_ref()
            .is_some_and(|opened| which(opened));
        meant.then(|| self.current.swap(None)).flatten()
    }

    fn take(&self, note: impl FnOnce(&mut Placing)) -> Option<Arc<Opened<L>>> {
        let mut placing = self.placing.lock().unwrap_or_else(PoisonError::into_inner);
        note(&mut placing);
        self.current.swap(None)
    }

    fn state(&self) -> Placing {
        *self.placing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is open, for a look from outside.
    pub(crate) fn peek<T>(&self, see: impl FnOnce(&Opened<L>) -> T) -> Option<T> {
        self.current.load().as_ref().map(|opened| see(opened))
    }

    /// How many openings in a row failed, and at which tick the next one may be tried; none while one is under way.
    pub(crate) fn failing(&self) -> Option<(u32, u64)> {
        let memory = self.opening.try_lock().ok()?;
        memory
            .error
            .as_ref()
            .map(|_| (memory.failures, memory.retry_at))
    }
}
