//! Who holds a connection, from where in the program and for how long: what a pool that is full is full of.

use std::panic::Location;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::driver::Access;

/// A connection that is in use at this moment.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Holder {
    /// Where the session was made ([`CellDb::within`](crate::CellDb::within), [`CellDb::read_only`](crate::CellDb::read_only)).
    pub location: &'static Location<'static>,
    /// For how long its statement has had the connection.
    pub held_for: Duration,
    /// Whether it may write.
    pub writes: bool,
}

/// The connections of one cell that are in use.
#[derive(Default)]
pub(super) struct Holders(Mutex<List>);

#[derive(Default)]
struct List {
    next: u64,
    held: Vec<Entry>,
}

struct Entry {
    number: u64,
    location: &'static Location<'static>,
    since: Instant,
    access: Access,
    reported: bool,
}

impl Holders {
    /// Enters one who has a connection from this moment. Gives the number of its line in the list.
    pub(super) fn enter(
        &self,
        location: &'static Location<'static>,
        access: Access,
        since: Instant,
    ) -> u64 {
        let mut list = self.lock();
        let number = list.next;
        list.next += 1;
        list.held.push(Entry {
            number,
            location,
            since,
            access,
            reported: false,
        });
        number
    }

    /// Strikes out the line with this number.
    pub(super) fn leave(&self, number: u64) {
        let mut list = self.lock();
        if let Some(at) = list.held.iter().position(|entry| entry.number == number) {
            list.held.swap_remove(at);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, List> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The longest held first.
    pub(super) fn list(&self) -> Vec<Holder> {
        let entries = &self.lock().held;
        let mut list: Vec<Holder> = entries
            .iter()
            .map(|entry| Holder {
                location: entry.location,
                held_for: entry.since.elapsed(),
                writes: entry.access == Access::ReadWrite,
            })
            .collect();
        list.sort_by_key(|holder| std::cmp::Reverse(holder.held_for));
        list
    }

    /// Logs each connection that is held for longer than this, once.
    pub(super) fn report(&self, longer_than: Duration) {
        for entry in &mut self.lock().held {
            let held_for = entry.since.elapsed();
            if held_for > longer_than && !entry.reported {
                entry.reported = true;
                tracing::warn!(holder = %entry.location, ?held_for, "a database connection is held for long");
            }
        }
    }
}
