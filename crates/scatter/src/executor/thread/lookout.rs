//! How a thread of the pool looks for something before it goes to sleep over it: a worker for work, anybody for a lock.
//!
//! One of them, where what was taken last has ended, is patient: the next call of a caller in a loop comes soon, and a sleeper
//! costs it more than the call. It watches the [hatch](super::hatch), and needs nothing of the pool's to begin what is put
//! there. Others look for a moment at a count that moves with every submission: at work for longer, they would burn the
//! processors that the others' work needs.

use std::sync::PoisonError;

use crate::sync::{
    Apart, AtomicUsize, LOOKS, Mutex, MutexGuard, Ordering, TryLockError, spin_loop,
};

/// Counts submissions for those who look.
pub(super) struct Lookout(Apart<AtomicUsize>);

impl Lookout {
    pub(super) fn new() -> Self {
        Self(Apart(AtomicUsize::new(0)))
    }

    /// Work was submitted.
    pub(super) fn submitted(&self) {
        self.0.0.fetch_add(1, Ordering::Release);
    }

    pub(super) fn submissions(&self) -> usize {
        self.0.0.load(Ordering::Acquire)
    }

    /// Looks for a submission later than those.
    pub(super) fn look(&self, submissions: usize) {
        soon(LOOKS, || self.submissions() != submissions);
    }
}

/// Takes a lock under which nobody does more than what takes less than going to sleep over it.
pub(super) fn take_soon<S>(mutex: &Mutex<S>) -> MutexGuard<'_, S> {
    for _ in 0..LOOKS {
        match mutex.try_lock() {
            Ok(guard) => return guard,
            Err(TryLockError::Poisoned(guard)) => return guard.into_inner(),
            Err(TryLockError::WouldBlock) => spin_loop(),
        }
    }
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether it happens within so many looks.
pub(super) fn soon(looks: u32, happened: impl Fn() -> bool) -> bool {
    (0..looks).any(|_| {
        spin_loop();
        happened()
    })
}
