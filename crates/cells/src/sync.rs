//! The shared-memory pieces that the cache is made of, in one place: the model test swaps them for a checker's.
//!
//! A [`Swap`] is a pointer that readers follow without a lock and without touching a shared count.

pub(crate) use std::sync::Mutex;
pub(crate) use std::sync::atomic::{AtomicU64, Ordering};

use std::sync::Arc;

use arc_swap::{ArcSwapOption, Guard};

/// A replaceable, maybe absent, shared value.
pub(crate) struct Swap<T>(ArcSwapOption<T>);

impl<T> Swap<T> {
    pub(crate) fn empty() -> Self {
        Self(ArcSwapOption::empty())
    }

    /// What is there now, borrowed from this thread's own slot.
    pub(crate) fn load(&self) -> Guard<Option<Arc<T>>> {
        self.0.load()
    }

    /// Puts another value there and gives what was there.
    pub(crate) fn swap(&self, value: Option<Arc<T>>) -> Option<Arc<T>> {
        self.0.swap(value)
    }
}
