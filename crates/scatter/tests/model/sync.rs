//! The names of the crate's own `sync`, with every step a choice of the checker's.

#![allow(unused_imports, dead_code, reason = "each model takes what it needs")]

pub(crate) use shuttle::hint::spin_loop;
pub(crate) use shuttle::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
pub(crate) use shuttle::sync::{Condvar, Mutex, MutexGuard};
pub(crate) use shuttle::thread::Builder;
pub(crate) use std::sync::TryLockError;

pub(crate) struct Apart<S>(pub(crate) S);

/// Once is enough to be a choice.
pub(crate) const LOOKS: u32 = 1;
pub(crate) const PATIENCE: u32 = 2;
