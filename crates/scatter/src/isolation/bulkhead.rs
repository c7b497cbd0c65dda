//! One cell's permits: who holds one, who waits, in which order. Pure; whoever has a lock drives it.

use std::collections::VecDeque;
use std::task::Waker;
use std::time::Duration;

use super::policy::{BulkheadPolicy, PermitClass};

/// Identifies one who waits.
pub(super) type WaitId = u64;

pub(super) struct Bulkhead {
    classes: [Compartment; 3],
    limit: usize,
    next: WaitId,
}

struct Compartment {
    permits: usize,
    held: usize,
    waiting: VecDeque<(WaitId, Option<Waker>)>,
    /// Granted to one who waited and has not come for it yet.
    granted: Vec<WaitId>,
    /// How long works have held a permit, smoothed; nothing until one has ended.
    typical: Option<Duration>,
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
            permits: permits.max(1),
            held: 0,
            waiting: VecDeque::new(),
            granted: Vec::new(),
            typical: None,
        };
        Self {
            classes: [policy.interactive, policy.listing, policy.periodic].map(compartment),
            limit: policy.waiting,
            next: 0,
        }
    }

    pub(super) fn ask(&mut self, class: PermitClass, left: Duration) -> Asked {
        let compartment = &mut self.classes[class.at()];
        if compartment.held < compartment.permits {
            compartment.held += 1;
            return Asked::Granted;
        }
        if compartment.waiting.len() >= self.limit {
            return Asked::Full;
        }
        if compartment.wait_of_next() > left {
            return Asked::TooLate;
        }
        self.next += 1;
        compartment.waiting.push_back((self.next, None));
        Asked::Waits(self.next)
    }

    /// Whether it is the waiting one's turn. If not, the waker is woken when it is.
    pub(super) fn poll(&mut self, class: PermitClass, id: WaitId, waker: &Waker) -> bool {
        let compartment = &mut self.classes[class.at()];
        if let Some(at) = compartment
            .granted
            .iter()
            .position(|granted| *granted == id)
        {
            compartment.granted.swap_remove(at);
            return true;
        }
        if let Some((_, kept)) = compartment
            .waiting
            .iter_mut()
            .find(|(waits, _)| *waits == id)
        {
            *kept = Some(waker.clone());
        }
        false
    }

    /// One who waits goes away. What it had been granted goes to the next, whose waker is given.
    pub(super) fn cancel(&mut self, class: PermitClass, id: WaitId) -> Option<Waker> {
        let compartment = &mut self.classes[class.at()];
        compartment.waiting.retain(|(waits, _)| *waits != id);
        let at = compartment
            .granted
            .iter()
            .position(|granted| *granted == id)?;
        compartment.granted.swap_remove(at);
        compartment.hand_on()
    }

    /// A permit comes back, after this long. It goes to the next who waits, whose waker is given.
    pub(super) fn release(&mut self, class: PermitClass, held_for: Duration) -> Option<Waker> {
        let compartment = &mut self.classes[class.at()];
        compartment.typical = Some(match compartment.typical {
            None => held_for,
            Some(before) => (before * 7 + held_for) / 8,
        });
        compartment.hand_on()
    }
}

impl Compartment {
    fn hand_on(&mut self) -> Option<Waker> {
        match self.waiting.pop_front() {
            Some((next, waker)) => {
                self.granted.push(next);
                waker
            }
            None => {
                self.held -= 1;
                None
            }
        }
    }

    /// How long one who comes now would wait, if works go on as before.
    fn wait_of_next(&self) -> Duration {
        let ahead = u32::try_from(self.waiting.len() / self.permits).unwrap_or(u32::MAX);
        self.typical
            .map_or(Duration::ZERO, |typical| typical.saturating_mul(ahead))
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
