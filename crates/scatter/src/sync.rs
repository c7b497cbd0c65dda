//! The shared-memory pieces that the thread pool is made of, in one place: the model test swaps them for a checker's. And how
//! everybody else takes a lock.

#[cfg(feature = "thread")]
pub(crate) use std::{
    hint::spin_loop,
    sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering},
    sync::{Condvar, Mutex, MutexGuard, TryLockError},
    thread::Builder,
};

/// How often a thread looks again before it sleeps: a microsecond or two. It never yields its processor instead: on a busy
/// machine each yield costs whole time slices, where a sleeper that is woken goes first.
#[cfg(feature = "thread")]
pub(crate) const LOOKS: u32 = 64;

/// How often the one who has nothing else to do looks: the next call of a caller in a loop comes within that time, and a
/// sleeper costs it three times as much.
pub(crate) const PATIENCE: u32 = 1024;

/// Begins with a cache line, and nothing else is in its last: that would go to and fro with every write.
#[derive(Default)]
#[repr(align(128))]
pub(crate) struct Apart<S>(pub(crate) S);

/// Takes a lock. Nothing panics under one of ours between two steps that belong together.
pub(crate) fn lock<S>(mutex: &std::sync::Mutex<S>) -> std::sync::MutexGuard<'_, S> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}
