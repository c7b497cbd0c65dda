//! Who holds a connection, from where in the program and for how long: what a pool that is full is full of.
//!
//! Each connection has a line of its own in the list from its login on, and whoever takes it only fills that in: two plain
//! writes, and no lock unless somebody else in the program asked the last time. Who reads the list sees of each line what
//! it says at one moment, and not all lines at the same one.

use std::panic::Location;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use super::driver::Access;
use super::lately::Moment;

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

/// The connections of one cell, and who uses each.
#[derive(Default)]
pub(super) struct Holders(Mutex<Vec<Weak<Entry>>>);

/// A connection's line in the list, in the hands of whoever has the connection.
pub(super) struct Line {
    entry: Arc<Entry>,
    /// What the entry says, too.
    location: &'static Location<'static>,
}

/// What everybody may read of it.
struct Entry {
    access: Access,
    location: Mutex<&'static Location<'static>>,
    /// When it was taken; never, while nobody has it.
    since: AtomicU64,
    /// When that one had taken it who was last said to hold it for long.
    reported: AtomicU64,
}

const FREE: u64 = Moment::NEVER.nanos();

impl Line {
    /// Somebody has the connection from this moment.
    #[inline]
    pub(super) fn enter(&mut self, location: &'static Location<'static>, since: Moment) {
        if !std::ptr::eq(self.location, location) {
            self.location = location;
            *locked(&self.entry.location) = location;
        }
        // After the place, so that nobody reads the former one's with it.
        self.entry.since.store(since.nanos(), Ordering::Release);
    }

    /// Nobody has it any more.
    #[inline]
    pub(super) fn leave(&self) {
        self.entry.since.store(FREE, Ordering::Release);
    }
}

impl Entry {
    /// Who has it and since when.
    fn read(&self) -> Option<(&'static Location<'static>, Moment)> {
        let since = self.since.load(Ordering::Acquire);
        let location = *locked(&self.location);
        // If that is somebody else's place, it was free meanwhile.
        let same = self.since.load(Ordering::Acquire) == since;
        (same && since != FREE).then(|| (location, Moment::from_nanos(since)))
    }
}

impl Holders {
    /// A line for a new connection, which nobody has. It is in the list for as long as it is kept.
    #[track_caller]
    pub(super) fn line(&self, access: Access) -> Line {
        let location = Location::caller();
        let entry = Arc::new(Entry {
            access,
            location: Mutex::new(location),
            since: AtomicU64::new(FREE),
            reported: AtomicU64::new(FREE),
        });
        let mut list = locked(&self.0);
        list.retain(|entry| entry.strong_count() > 0);
        list.push(Arc::downgrade(&entry));
        Line { entry, location }
    }

    /// The longest held first.
    pub(super) fn list(&self, now: Moment) -> Vec<Holder> {
        let list = locked(&self.0);
        let held = list.iter().filter_map(|entry| {
            let entry = entry.upgrade()?;
            let (location, since) = entry.read()?;
            Some(Holder {
                location,
                held_for: now.since(since),
                writes: entry.access == Access::ReadWrite,
            })
        });
        let mut held: Vec<Holder> = held.collect();
        held.sort_by_key(|holder| std::cmp::Reverse(holder.held_for));
        held
    }

    /// Logs each connection that is held for longer than this, once.
    pub(super) fn report(&self, now: Moment, longer_than: Duration) {
        for (holder, held_for) in self.overdue(now, longer_than) {
            tracing::warn!(%holder, ?held_for, "a database connection is held for long");
        }
    }

    /// Those that were not among them before.
    fn overdue(
        &self,
        now: Moment,
        longer_than: Duration,
    ) -> Vec<(&'static Location<'static>, Duration)> {
        let list = locked(&self.0);
        let overdue = list.iter().filter_map(|entry| {
            let entry = entry.upgrade()?;
            let (location, since) = entry.read()?;
            let held_for = now.since(since);
            let told = || entry.reported.swap(since.nanos(), Ordering::Relaxed) == since.nanos();
            (held_for > longer_than && !told()).then_some((location, held_for))
        });
        overdue.collect()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment::from_nanos(0).after(Duration::from_secs(seconds))
    }

    #[test]
    fn those_who_hold_a_connection_are_listed_and_nobody_else() {
        let holders = Holders::default();
        let (mut one, mut other) = (
            holders.line(Access::ReadOnly),
            holders.line(Access::ReadWrite),
        );
        assert!(holders.list(at(1)).is_empty());
        let (here, there) = (here(), Location::caller());
        other.enter(there, at(3));
        one.enter(here, at(2));
        let list = holders.list(at(5));
        assert_eq!(list.len(), 2);
        assert_eq!((list[0].location, list[0].writes), (here, false));
        assert_eq!(list[0].held_for, Duration::from_secs(3));
        assert_eq!((list[1].location, list[1].writes), (there, true));
        one.leave();
        one.enter(there, at(6));
        assert!(holders.list(at(7)).iter().all(|h| h.location == there));
        one.leave();
        drop(other);
        assert!(holders.list(at(7)).is_empty());
        // Of those that are closed nothing is kept.
        let _third = holders.line(Access::ReadOnly);
        assert_eq!(locked(&holders.0).len(), 2);
    }

    #[test]
    fn who_holds_one_for_long_is_told_of_once() {
        let holders = Holders::default();
        let mut line = holders.line(Access::ReadOnly);
        let overdue = |now| holders.overdue(at(now), Duration::from_secs(10));
        line.enter(here(), at(5));
        assert!(overdue(15).is_empty());
        assert_eq!(overdue(16), [(line.location, Duration::from_secs(11))]);
        assert!(overdue(17).is_empty());
        line.leave();
        assert!(overdue(30).is_empty());
        line.enter(here(), at(30));
        assert!(overdue(40).is_empty());
        assert_eq!(overdue(41).len(), 1);
    }

    #[test]
    fn nobody_is_listed_at_anothers_place() {
        const TURNS: u64 = 20_000;
        let holders = Holders::default();
        let mut line = holders.line(Access::ReadOnly);
        let places = [here(), Location::caller()];
        std::thread::scope(|scope| {
            let taking = scope.spawn(move || {
                for turn in 1..=TURNS {
                    line.enter(
                        places[usize::from(turn.is_multiple_of(2))],
                        Moment::from_nanos(turn),
                    );
                    line.leave();
                }
                line
            });
            while !taking.is_finished() {
                for holder in holders.list(Moment::from_nanos(TURNS)) {
                    let turn = TURNS - u64::try_from(holder.held_for.as_nanos()).unwrap();
                    assert_eq!(holder.location, places[usize::from(turn.is_multiple_of(2))]);
                }
            }
        });
    }

    #[track_caller]
    fn here() -> &'static Location<'static> {
        Location::caller()
    }
}
