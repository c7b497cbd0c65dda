//! The cache of opened cells: what is open, since when, who holds it, and when it ends.
//!
//! Pure bookkeeping: it starts nothing and waits for nothing. Whoever drives it calls
//! [`Cells::maintain`](crate::Cells::maintain) now and then.

mod drain;
mod entry;
mod event;
mod journal;
mod keeper;
mod lease;
mod slot;

pub use entry::{CacheEntry, EntryState};
pub(crate) use entry::{Entry, Found};
pub use event::{CacheEvent, CacheEventKind, CloseReason};
pub(crate) use journal::Journal;
pub(crate) use keeper::Keeper;
pub(crate) use lease::Lease;
