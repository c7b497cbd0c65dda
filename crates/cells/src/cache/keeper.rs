//! What all slots of one cache share: the clock, the limits, the count of open cells, the legs still draining.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ring::rand::{SecureRandom, SystemRandom};

use crate::clock::{Clock, millis};
use crate::connector::CellConnector;
use crate::label::CellLabel;
use crate::policy::CachePolicy;
use crate::revision::Revision;
use crate::target::Legs;

use super::drain::{Drained, Draining};
use super::event::{CacheEventKind, CloseReason};
use super::journal::Journal;
use super::lease::{Life, Opened};

pub(crate) struct Keeper<C: CellConnector> {
    pub(crate) connector: C,
    pub(crate) policy: CachePolicy,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) journal: Journal,
    /// Tick 0, by both readings of the clock.
    born: Instant,
    born_ticks: u64,
    chance: AtomicU64,
    /// Signed: of one opening, the end may be counted a moment before the beginning.
    open: AtomicI64,
    draining: Mutex<Vec<Draining<Legs<C>>>>,
}

impl<C: CellConnector> Keeper<C> {
    pub(crate) fn new(
        connector: C,
        policy: CachePolicy,
        clock: Arc<dyn Clock>,
        journal: Journal,
    ) -> Self {
        let mut seed = [0; 8];
        // Without random bytes the spread is the same in each process: a little worse, and nothing is unsafe.
        let _unspread = SystemRandom::new().fill(&mut seed);
        Self {
            connector,
            policy,
            born: clock.now(),
            born_ticks: clock.ticks(),
            clock,
            journal,
            chance: AtomicU64::new(u64::from_ne_bytes(seed)),
            open: AtomicI64::new(0),
            draining: Mutex::new(Vec::new()),
        }
    }

    /// Milliseconds since this cache began.
    #[inline]
    pub(crate) fn tick(&self) -> u64 {
        self.clock.ticks().saturating_sub(self.born_ticks)
    }

    pub(crate) fn instant(&self, tick: u64) -> Instant {
        self.born
            .checked_add(Duration::from_millis(tick))
            .unwrap_or(self.born)
    }

    /// The time in ticks, shortened by chance within the policy's spread.
    pub(crate) fn spread(&self, time: Duration) -> u64 {
        let whole = millis(time);
        let percent = u64::from(self.policy.jitter_percent.min(100));
        // SplitMix64 (Steele, Lea, Flood 2014).
        let mut z = self
            .chance
            .fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        let most = whole / 100 * percent + whole % 100 * percent / 100;
        whole - (z ^ (z >> 31)) % (most + 1)
    }

    pub(crate) fn life(&self) -> Life {
        Life {
            soft: self.spread(self.policy.soft_ttl),
            hard: self.spread(self.policy.hard_ttl),
        }
    }

    pub(crate) fn wait_after(&self, failures: u32) -> u64 {
        let doubled = 1_u32
            .checked_shl(failures.saturating_sub(1))
            .unwrap_or(u32::MAX);
        let wait = self.policy.backoff.saturating_mul(doubled);
        self.spread(wait.min(self.policy.backoff_limit))
    }

    pub(crate) fn opened(&self, cell: &CellLabel, revision: Revision) {
        let open = self.open.fetch_add(1, Ordering::AcqRel) + 1;
        self.gauge(open);
        self.journal
            .note(Some(cell), CacheEventKind::Opened { revision });
    }

    /// How many cells are open and current.
    pub(crate) fn open(&self) -> usize {
        usize::try_from(self.open.load(Ordering::Acquire)).unwrap_or(0)
    }

    /// Ends legs that were taken out of their slot; `counted` where [`opened`](Self::opened) was told of them.
    pub(crate) fn retire(
        &self,
        cell: &CellLabel,
        revision: Revision,
        legs: &Opened<Legs<C>>,
        why: CloseReason,
        counted: bool,
    ) {
        let by = self.tick().saturating_add(self.spread(self.policy.drain));
        if !legs.supersede(by) {
            return;
        }
        if counted {
            let open = self.open.fetch_sub(1, Ordering::AcqRel) - 1;
            self.gauge(open);
        }
        let holders = legs.holders();
        {
            let mut draining = self.draining.lock().unwrap_or_else(PoisonError::into_inner);
            // The list is never longer than what is alive, whether or not anybody maintains it.
            if draining.len() == draining.capacity() {
                draining.retain(|old| !old.is_gone());
            }
            draining.push(Draining::new(cell, revision, legs, why, by));
        }
        self.journal
            .note(Some(cell), CacheEventKind::Retired { why, holders });
    }

    /// Looks after retired legs: forgets the ones nobody holds, has the overdue ones closed. How many were forced.
    pub(crate) fn drain(&self) -> usize {
        let now = self.tick();
        let mut done = Vec::new();
        let mut overdue = Vec::new();
        {
            let mut draining = self.draining.lock().unwrap_or_else(PoisonError::into_inner);
            for mut old in std::mem::take(&mut *draining) {
                match old.check(now) {
                    Drained::Waiting => draining.push(old),
                    Drained::Done => done.push(old),
                    Drained::Force(holders) => overdue.push((old, holders)),
                }
            }
            #[expect(clippy::cast_precision_loss, reason = "a gauge of a few thousand")]
            metrics::gauge!("nova_cells_draining").set((draining.len() + overdue.len()) as f64);
        }
        for old in done {
            self.journal.note(Some(&old.cell), CacheEventKind::Drained);
        }
        let forced = overdue.len();
        for (old, holders) in overdue {
            // Outside the lock: what a connector does when it closes is its own matter.
            old.with(|legs| legs.abandon(&self.connector));
            self.journal
                .note(Some(&old.cell), CacheEventKind::Forced { holders });
            let mut draining = self.draining.lock().unwrap_or_else(PoisonError::into_inner);
            draining.push(old);
        }
        forced
    }

    /// A look at each of the retired legs that are still held.
    pub(crate) fn each_draining(&self, mut see: impl FnMut(&Draining<Legs<C>>)) {
        let draining = self.draining.lock().unwrap_or_else(PoisonError::into_inner);
        draining
            .iter()
            .filter(|old| !old.is_gone())
            .for_each(&mut see);
    }

    fn gauge(&self, open: i64) {
        #[expect(clippy::cast_precision_loss, reason = "a gauge of a few thousand")]
        metrics::gauge!("nova_cells_open").set(open as f64);
    }
}
