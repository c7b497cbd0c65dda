//! One cell's permits: who holds one, who waits, in which order. Pure; whoever has a lock drives it.

use std::collections::VecDeque;
use std::task::Waker;
use std::time::Duration;

use super::policy::{BulkheadPolicy, PermitClass};

/// Identifies one who waits.
pub(super) type WaitId = u64;

/// Small, because there is one for each cell and most have nobody waiting.
#[repr(C)]
pub(super) struct Bulkhead {
    classes: [Compartment; 3],
    limit: usize,
    /// None until somebody waits for the first time.
    queues: Option<Box<Queues>>,
}

struct Compartment {
    permits: u32,
    held: u32,
    /// How long works have held a permit, smoothed, in nanoseconds; 0 until one has ended.
    typical: u64,
}

#[derive(Default)]
struct Queues {
    next: WaitId,
    classes: [Queue; 3],
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<(WaitId, Option<Waker>)>,
    /// Granted to one who waited and has not come for it yet.
    granted: Vec<WaitId>,
}

/// What asking for a permit came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Granted,
    Waits(WaitId),
    /// As many wait as may.
    Full,
    /// By what works took until now, its turn would come after its time.
    TooLate,
}

impl Bulkhead {
    pub(super) fn new(policy: &BulkheadPolicy) -> Self {
        let compartment = |permits: usize| Compartment {
            permits: u32::try_from(permits.max(1)).unwrap_or(u32::MAX),
            held: 0,
            typical: 0,
        };
        Self {
            classes: [policy.interactive, policy.listing, policy.periodic].map(compartment),
            limit: policy.waiting,
            queues: None,
        }
    }

    /// The classes that have no permit left: a bit for each, by its place.
    pub(super) fn full(&self) -> u8 {
        let bit =
            |(at, compartment): (usize, &Compartment)| u8::from(!compartment.has_room()) << at;
        self.classes.iter().enumerate().map(bit).sum()
    }

    /// A permit, for one who would not wait.
    pub(super) fn take(&mut self, class: PermitClass) -> bool {
        let compartment = &mut self.classes[class.at()];
        let room = compartment.has_room();
        compartment.held += u32::from(room);
        room
    }

    pub(super) fn ask(&mut self, class: PermitClass, left: Duration) -> Asked {
        if self.take(class) {
            return Asked::Granted;
        }
        let compartment = &self.classes[class.at()];
        let queues = self.queues.get_or_insert_default();
        let waiting = &mut queues.classes[class.at()].waiting;
        if waiting.len() >= self.limit {
            return Asked::Full;
        }
        if compartment.wait_behind(waiting.len()) > left {
            return Asked::TooLate;
        }
        queues.next += 1;
        waiting.push_back((queues.next, None));
        Asked::Waits(queues.next)
    }

    fn queue(&mut self, class: PermitClass) -> Option<&mut Queue> {
        self.queues
            .as_mut()
            .map(|queues| &mut queues.classes[class.at()])
    }

    /// Whether it is the waiting one's turn. If not, the waker is woken when it is.
    pub(super) fn poll(&mut self, class: PermitClass, id: WaitId, waker: &Waker) -> bool {
        let Some(queue) = self.queue(class) else {
            return false;
        };
        if queue.collect(id) {
            return true;
        }
        if let Some((_, kept)) = queue.waiting.iter_mut().find(|(waits, _)| *waits == id) {
            *kept = Some(waker.clone());
        }
        false
    }

    /// One who waits goes away. What it had been granted goes to the next, whose waker is given.
    pub(super) fn cancel(&mut self, class: PermitClass, id: WaitId) -> Option<Waker> {
        let queue = self.queue(class)?;
        queue.waiting.retain(|(waits, _)| *waits != id);
        match queue.collect(id) {
            true => self.hand_on(class),
            false => None,
        }
    }

    /// A permit comes back, after this long. It goes to the next who waits, whose waker is given.
    pub(super) fn release(&mut self, class: PermitClass, held_for: Duration) -> Option<Waker> {
        self.classes[class.at()].note(held_for);
        self.hand_on(class)
    }

    fn hand_on(&mut self, class: PermitClass) -> Option<Waker> {
        let queue = self.queue(class);
        match queue.and_then(|queue| Some((queue.waiting.pop_front()?, queue))) {
            Some(((next, waker), queue)) => {
                queue.granted.push(next);
                waker
            }
            None => {
                self.classes[class.at()].held -= 1;
                None
            }
        }
    }
}

impl Queue {
    /// Whether this one had been granted a permit; it has come for it now.
    fn collect(&mut self, id: WaitId) -> bool {
        let at = self.granted.iter().position(|granted| *granted == id);
        at.map(|at| self.granted.swap_remove(at)).is_some()
    }
}

impl Compartment {
    fn has_room(&self) -> bool {
        self.held < self.permits
    }

    fn note(&mut self, held_for: Duration) {
        let held_for = u64::try_from(held_for.as_nanos())
            .unwrap_or(u64::MAX)
            .max(1);
        self.typical = match self.typical {
            0 => held_for,
            before => before - before / 8 + held_for / 8,
        };
    }

    /// How long one who comes behind so many would wait, if works go on as before.
    fn wait_behind(&self, ahead: usize) -> Duration {
        let rounds = ahead as u64 / u64::from(self.permits);
        Duration::from_nanos(self.typical.saturating_mul(rounds))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone)]
    enum Event {
        Ask(bool),
        Poll(usize),
        Cancel(usize),
        Release,
    }

    fn event() -> impl Strategy<Value = Event> {
        prop_oneof![
            any::<bool>().prop_map(Event::Ask),
            (0_usize..8).prop_map(Event::Poll),
            (0_usize..8).prop_map(Event::Cancel),
            Just(Event::Release),
        ]
    }

    proptest! {
        /// Permits are neither made nor lost, turns come in order, and a class cannot take another's.
        #[test]
        fn permits_are_neither_made_nor_lost(events in proptest::collection::vec(event(), 0..200)) {
            let policy = BulkheadPolicy { interactive: 2, listing: 1, periodic: 1, waiting: 3 };
            let mut bulkhead = Bulkhead::new(&policy);
            let (mut held, mut waiting) = (0_usize, Vec::new());
            let class = PermitClass::Interactive;
            for event in events {
                match event {
                    Event::Ask(true) => match bulkhead.ask(class, Duration::MAX) {
                        Asked::Granted => held += 1,
                        Asked::Waits(id) => waiting.push(id),
                        Asked::Full => prop_assert!(waiting.len() >= 3),
                        Asked::TooLate => prop_assert!(false, "there is all the time"),
                    },
                    Event::Ask(false) => {
                        if bulkhead.ask(PermitClass::Listing, Duration::MAX) == Asked::Granted {
                            bulkhead.release(PermitClass::Listing, Duration::ZERO);
                        } else {
                            prop_assert!(false, "another class took it");
                        }
                    }
                    Event::Poll(at)
                        if at < waiting.len() && bulkhead.poll(class, waiting[at], Waker::noop()) =>
                    {
                        waiting.remove(at);
                        held += 1;
                    }
                    Event::Cancel(at) if at < waiting.len() => {
                        bulkhead.cancel(class, waiting.remove(at));
                    }
                    Event::Release if held > 0 => {
                        held -= 1;
                        bulkhead.release(class, Duration::ZERO);
                    }
                    _ => {}
                }
                prop_assert!(held <= 2);
            }
            // Everybody who waits gets a turn once all holders are done.
            let mut turns = 0;
            while held > 0 || !waiting.is_empty() {
                let before = waiting.len();
                waiting.retain(|id| !bulkhead.poll(class, *id, Waker::noop()));
                held += before - waiting.len();
                prop_assert!(held > 0, "a permit is lost");
                held -= 1;
                bulkhead.release(class, Duration::ZERO);
                turns += 1;
                prop_assert!(turns < 100);
            }
            prop_assert_eq!(bulkhead.classes[class.at()].held, 0);
        }
    }

    #[test]
    fn work_whose_turn_would_come_too_late_is_refused_at_once() {
        let policy = BulkheadPolicy {
            interactive: 1,
            ..BulkheadPolicy::default()
        };
        let mut bulkhead = Bulkhead::new(&policy);
        let (class, second) = (PermitClass::Interactive, Duration::from_secs(1));
        assert_eq!(bulkhead.ask(class, second), Asked::Granted);
        bulkhead.release(class, second);
        assert_eq!(bulkhead.ask(class, second), Asked::Granted);
        for _ in 0..2 {
            assert!(matches!(bulkhead.ask(class, second * 3), Asked::Waits(_)));
        }
        assert_eq!(bulkhead.ask(class, second), Asked::TooLate);
    }
}
