//! Single-flight: however many callers want the same answer, one of them has it asked for.
//!
//! A flight lives as long as somebody waits for it, is polled by whoever waits, and leaves the table when it lands, when
//! it is grounded, or when the last one who waited gives up. Nothing is spawned here.

use std::collections::HashMap;
use std::hash::Hash;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared, WeakShared};

/// An answer on its way, shared by all who wait for it.
pub(crate) type Flight<V> = Shared<BoxFuture<'static, V>>;

/// The flights of one kind of question.
pub(crate) struct Flights<K, V: Clone>(Mutex<Table<K, V>>);

struct Table<K, V: Clone> {
    next: u64,
    aloft: HashMap<K, (u64, WeakShared<BoxFuture<'static, V>>)>,
}

/// What joining gave.
pub(crate) enum Joined<V: Clone> {
    /// The answer, which had landed a moment before.
    Landed(V),
    /// A flight to wait for.
    Aloft(Flight<V>),
}

impl<K, V> Flights<K, V>
where
    K: Hash + Eq + Clone + Send + 'static,
    V: Clone + Send + Sync + 'static,
{
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(Table {
            next: 0,
            aloft: HashMap::new(),
        })))
    }

    fn table(&self) -> MutexGuard<'_, Table<K, V>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Joins the flight for `key`. Where there is none, looks once more whether the answer has `landed` (flights land
    /// under the same lock, so none is missed), and starts one otherwise. A panic in it becomes `panicked`.
    pub(crate) fn join<F>(
        self: &Arc<Self>,
        key: K,
        landed: impl FnOnce() -> Option<V>,
        start: impl FnOnce(Ticket<K, V>) -> F,
        panicked: V,
    ) -> Joined<V>
    where
        F: Future<Output = V> + Send + 'static,
    {
        let mut table = self.table();
        if let Some(flight) = table.aloft.get(&key).and_then(|(_, weak)| weak.upgrade()) {
            return Joined::Aloft(flight);
        }
        if let Some(answer) = landed() {
            return Joined::Landed(answer);
        }
        let id = table.next;
        table.next += 1;
        let ticket = Ticket {
            flights: Arc::clone(self),
            key: key.clone(),
            id,
        };
        let flight = AssertUnwindSafe(start(ticket))
            .catch_unwind()
            .map(|outcome| outcome.unwrap_or(panicked))
            .boxed()
            .shared();
        if let Some(weak) = flight.downgrade() {
            table.aloft.insert(key, (id, weak));
        }
        Joined::Aloft(flight)
    }

    /// Nobody joins the flight for `key` any more, and it keeps its answer to those who did.
    pub(crate) fn ground(&self, key: &K) {
        self.table().aloft.remove(key);
    }

    /// The same for every key.
    pub(crate) fn ground_all(&self) {
        self.table().aloft.clear();
    }

    #[cfg(test)]
    fn aloft(&self) -> usize {
        self.table().aloft.len()
    }
}

/// A flight's right to land.
pub(crate) struct Ticket<K: Hash + Eq, V: Clone> {
    flights: Arc<Flights<K, V>>,
    key: K,
    id: u64,
}

impl<K: Hash + Eq, V: Clone> Ticket<K, V> {
    /// Runs `keep` unless the flight was grounded, and leaves the table, in one step.
    pub(crate) fn land(self, keep: impl FnOnce()) {
        self.leave(keep);
    }

    fn leave(&self, keep: impl FnOnce()) {
        let table = self.flights.0.lock();
        let mut table = table.unwrap_or_else(PoisonError::into_inner);
        if table
            .aloft
            .get(&self.key)
            .is_some_and(|(id, _)| *id == self.id)
        {
            keep();
            table.aloft.remove(&self.key);
        }
    }
}

impl<K: Hash + Eq, V: Clone> Drop for Ticket<K, V> {
    /// After landing this finds nothing of its own; after a panic or when nobody waits any more it tidies up.
    fn drop(&mut self) {
        self.leave(|| ());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::Notify;

    use super::*;

    type Started = Arc<AtomicUsize>;

    fn fly(
        flights: &Arc<Flights<u8, usize>>,
        started: &Started,
        gate: &Arc<Notify>,
        kept: &Started,
    ) -> Flight<usize> {
        let (started, gate, kept) = (started.clone(), gate.clone(), kept.clone());
        let joined = flights.join(
            7,
            || None,
            |ticket| async move {
                let number = started.fetch_add(1, Ordering::SeqCst) + 1;
                gate.notified().await;
                ticket.land(|| kept.store(number, Ordering::SeqCst));
                number
            },
            0,
        );
        match joined {
            Joined::Aloft(flight) => flight,
            Joined::Landed(_) => panic!("nothing has landed"),
        }
    }

    #[tokio::test]
    async fn a_thousand_callers_make_one_flight() {
        let (flights, started, kept) = (Flights::new(), Started::default(), Started::default());
        let gate = Arc::new(Notify::new());
        let all: Vec<_> = (0..1000)
            .map(|_| fly(&flights, &started, &gate, &kept))
            .collect();
        gate.notify_one();
        let answers = futures_util::future::join_all(all).await;
        assert!(answers.iter().all(|answer| *answer == 1));
        assert_eq!(kept.load(Ordering::SeqCst), 1);
        assert_eq!(flights.aloft(), 0);
    }

    #[tokio::test]
    async fn the_first_caller_may_give_up_and_the_others_still_get_their_answer() {
        let (flights, started, kept) = (Flights::new(), Started::default(), Started::default());
        let gate = Arc::new(Notify::new());
        let mut first = fly(&flights, &started, &gate, &kept);
        assert!((&mut first).now_or_never().is_none());
        let second = fly(&flights, &started, &gate, &kept);
        drop(first);
        gate.notify_one();
        assert_eq!(second.await, 1);
    }

    #[tokio::test]
    async fn a_flight_nobody_waits_for_leaves_nothing_behind() {
        let (flights, started, kept) = (Flights::new(), Started::default(), Started::default());
        let gate = Arc::new(Notify::new());
        let mut only = fly(&flights, &started, &gate, &kept);
        assert!((&mut only).now_or_never().is_none());
        assert_eq!(flights.aloft(), 1);
        drop(only);
        assert_eq!(flights.aloft(), 0);
    }

    #[tokio::test]
    async fn a_grounded_flight_answers_who_waits_but_keeps_nothing_and_takes_nobody() {
        let (flights, started, kept) = (Flights::new(), Started::default(), Started::default());
        let gate = Arc::new(Notify::new());
        let mut before = fly(&flights, &started, &gate, &kept);
        assert!((&mut before).now_or_never().is_none());
        flights.ground(&7);
        let mut after = fly(&flights, &started, &gate, &kept);
        assert!((&mut after).now_or_never().is_none());
        gate.notify_one();
        assert_eq!(before.await, 1);
        assert_eq!(kept.load(Ordering::SeqCst), 0);
        gate.notify_one();
        assert_eq!(after.await, 2);
        assert_eq!(kept.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn a_panic_is_everybodys_answer_and_ends_the_flight() {
        let flights = Flights::<u8, usize>::new();
        let joined = flights.join(
            7,
            || None,
            |ticket| async move {
                let _ticket = ticket;
                panic!("on purpose")
            },
            99,
        );
        let Joined::Aloft(flight) = joined else {
            panic!("nothing has landed")
        };
        assert_eq!(flight.await, 99);
        assert_eq!(flights.aloft(), 0);
    }
}
