//! The cache's slot under a checker of schedules (shuttle): the real source files, with the shared-memory pieces swapped
//! for ones whose every step is a choice of the checker's.
//!
//! Trusted and not checked here: that `arc_swap` is what it says, and weak memory orders, which shuttle does not have.

#[path = "../src/cache/lease.rs"]
#[expect(dead_code, reason = "operators' views are not part of the model")]
mod lease;
#[path = "../src/cache/slot.rs"]
#[expect(dead_code, reason = "operators' views are not part of the model")]
mod slot;

/// The same names as the crate's own `sync`.
mod sync {
    use std::sync::{Arc, PoisonError};

    pub(crate) use shuttle::sync::Mutex;
    pub(crate) use shuttle::sync::atomic::{AtomicU64, Ordering};

    pub(crate) struct Swap<T>(Mutex<Option<Arc<T>>>);

    impl<T> Swap<T> {
        pub(crate) fn empty() -> Self {
            Self(Mutex::new(None))
        }

        pub(crate) fn load(&self) -> Option<Arc<T>> {
            self.0
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone()
        }

        pub(crate) fn swap(&self, value: Option<Arc<T>>) -> Option<Arc<T>> {
            let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *held, value)
        }
    }
}

use std::sync::Arc;

use shuttle::sync::atomic::{AtomicI64, AtomicU64, Ordering::SeqCst};
use shuttle::thread;

use lease::{Lease, Life};
use slot::{Look, Opener, Opening, Slot};

/// What is counted in one run.
struct World {
    slot: Slot<Legs, &'static str>,
    /// How the place is at the moment; changes are told by invalidations.
    version: AtomicU64,
    /// The newest version whose invalidation has returned.
    told: AtomicU64,
    opening: AtomicU64,
    opened: AtomicU64,
    alive: Arc<AtomicI64>,
    /// Legs put in place less those taken out.
    placed: AtomicI64,
    failing: AtomicU64,
}

/// Legs that remember how the place was when their opening began.
struct Legs {
    version: u64,
    alive: Arc<AtomicI64>,
}

impl Drop for Legs {
    fn drop(&mut self) {
        self.alive.fetch_sub(1, SeqCst);
    }
}

impl Opener<Legs, &'static str> for World {
    fn now(&self) -> u64 {
        0
    }

    fn open(&self) -> Result<Legs, &'static str> {
        assert_eq!(self.opening.fetch_add(1, SeqCst), 0, "two open at once");
        self.opened.fetch_add(1, SeqCst);
        let version = self.version.load(SeqCst);
        thread::yield_now();
        self.opening.fetch_sub(1, SeqCst);
        let fails = self
            .failing
            .fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1));
        if fails.is_ok() {
            return Err("told to fail");
        }
        self.alive.fetch_add(1, SeqCst);
        Ok(Legs {
            version,
            alive: Arc::clone(&self.alive),
        })
    }

    fn life(&self) -> Life {
        Life { soft: 10, hard: 20 }
    }

    fn wait_after(&self, _failures: u32) -> u64 {
        1000
    }
}

impl World {
    fn new(failing: u64) -> Arc<Self> {
        Arc::new(Self {
            slot: Slot::new(),
            version: AtomicU64::new(0),
            told: AtomicU64::new(0),
            opening: AtomicU64::new(0),
            opened: AtomicU64::new(0),
            alive: Arc::new(AtomicI64::new(0)),
            placed: AtomicI64::new(0),
            failing: AtomicU64::new(failing),
        })
    }

    /// Uses the slot as an entry of the cache does.
    fn target(&self) -> Result<Arc<Lease<Legs>>, &'static str> {
        let told = self.told.load(SeqCst);
        let lease = match self.slot.look(0) {
            Look::Fresh(lease) | Look::Ageing(lease) => lease,
            Look::Cold => match self.slot.open(self) {
                Opening::Shared(lease) => lease,
                Opening::New {
                    lease, replaced, ..
                } => {
                    self.placed
                        .fetch_add(1 - i64::from(replaced.is_some()), SeqCst);
                    lease
                }
                Opening::Unplaced(opened) => {
                    assert!(opened.supersede(0), "nobody else knows of it");
                    opened.lease(0)
                }
                Opening::Closed => return Err("closed"),
                Opening::Failed { error, .. } => return Err(error),
            },
        };
        assert!(
            lease.legs().version >= told,
            "legs from before an invalidation that had returned"
        );
        Ok(lease)
    }

    fn invalidate(&self) {
        let version = self.version.fetch_add(1, SeqCst) + 1;
        if let Some(taken) = self.slot.invalidate() {
            self.placed.fetch_sub(1, SeqCst);
            assert!(taken.supersede(7), "taken out twice");
            assert_eq!(taken.lease(0).drain_by(), Some(7));
        }
        self.told.fetch_max(version, SeqCst);
    }
}

fn check(run: impl Fn() + Send + Sync + 'static) {
    let run = Arc::new(run);
    let again = Arc::clone(&run);
    shuttle::check_random(move || run(), 400);
    shuttle::check_pct(move || again(), 400, 3);
}

type Part = Box<dyn FnOnce(&World) + Send>;

fn all(world: &Arc<World>, parts: Vec<Part>) {
    let running: Vec<_> = parts
        .into_iter()
        .map(|part| {
            let world = Arc::clone(world);
            thread::spawn(move || part(&world))
        })
        .collect();
    for thread in running {
        assert!(thread.join().is_ok());
    }
}

#[test]
fn however_many_come_at_once_one_opens_and_all_hold_the_same() {
    check(|| {
        let world = World::new(0);
        let target = |world: &World| drop(world.target().unwrap());
        all(&world, (0..4).map(|_| Box::new(target) as _).collect());
        assert_eq!(world.opened.load(SeqCst), 1);
        let alive = Arc::clone(&world.alive);
        drop(world);
        assert_eq!(alive.load(SeqCst), 0);
    });
}

#[test]
fn one_failure_is_everybodys_who_waited() {
    check(|| {
        let world = World::new(1);
        let target = |world: &World| assert_eq!(world.target().err(), Some("told to fail"));
        all(&world, (0..4).map(|_| Box::new(target) as _).collect());
        assert_eq!(world.opened.load(SeqCst), 1);
    });
}

#[test]
fn nobody_is_given_what_was_opened_before_an_invalidation_that_had_returned() {
    check(|| {
        let world = World::new(0);
        let twice = |world: &World| {
            drop(world.target().unwrap());
            drop(world.target().unwrap());
        };
        let invalidate = |world: &World| {
            world.invalidate();
            world.invalidate();
        };
        all(
            &world,
            vec![
                Box::new(twice),
                Box::new(twice),
                Box::new(invalidate),
                Box::new(invalidate),
            ],
        );
        let placed = i64::from(world.slot.peek(|_| ()).is_some());
        assert_eq!(world.placed.load(SeqCst), placed, "each was taken out once");
        assert_eq!(
            world.alive.load(SeqCst),
            placed,
            "and nothing else stayed open"
        );
    });
}

#[test]
fn a_closed_slot_stays_closed_and_empty() {
    check(|| {
        let world = World::new(0);
        let target = |world: &World| drop(world.target());
        let close = |world: &World| {
            if world.slot.close().is_some() {
                world.placed.fetch_sub(1, SeqCst);
            }
            assert!(matches!(world.slot.look(0), Look::Cold));
            assert_eq!(world.target().err(), Some("closed"));
        };
        all(
            &world,
            vec![
                Box::new(target),
                Box::new(target),
                Box::new(close),
                Box::new(close),
            ],
        );
        assert_eq!(world.placed.load(SeqCst), 0);
        assert_eq!(world.alive.load(SeqCst), 0);
    });
}
