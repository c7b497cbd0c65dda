//! A million random operations with faults: what is held is what was asked for, bounds hold, and nothing is left open.

#![expect(
    clippy::unwrap_used,
    reason = "a helper that breaks should stop the test"
)]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

use async_trait::async_trait;
use context::{AuditError, AuditEvent, AuditSink, Deadline, RequestContext};
use nova_cells::{
    CellContext, CellError, Cells, EntryState, ErrorClass, Invalidation, MappingSource,
    RawCellMapping, RevisionKey, TargetError, UrlDefaults,
};
use support::{Cloud, CountingConnector, id, now, request, row, soon};

/// SplitMix64 (Steele, Lea, Flood 2014): the same operations each time.
struct Chance(u64);

impl Chance {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % n
    }
}

const CELLS: u32 = 24;
const CAPACITY: usize = 16;
const OPERATIONS: u32 = 1_000_000;

struct Run {
    cloud: Cloud,
    chance: Chance,
    /// The content of each cell's mapping as the source has it; none where the row is gone.
    truth: Vec<Option<u64>>,
    /// The same as it was loaded last.
    loaded: Vec<Option<u64>>,
    held: Vec<(CellContext<CountingConnector>, String)>,
    request: RequestContext,
}

impl Run {
    fn rows(&self) -> Vec<RawCellMapping> {
        let cells = self.truth.iter().enumerate();
        cells
            .filter_map(|(n, version)| Some((u32::try_from(n).unwrap(), (*version)?)))
            .map(|(n, version)| row(n, &format!("sqlite:///c{n}-v{version}")))
            .collect()
    }

    fn step(&mut self) {
        let n = u32::try_from(self.chance.below(u64::from(CELLS))).unwrap();
        match self.chance.below(1000) {
            0..=799 => self.target(n),
            800..=899 => {
                if !self.held.is_empty() {
                    let at = self.chance.below(self.held.len() as u64);
                    drop(self.held.swap_remove(usize::try_from(at).unwrap()));
                }
            }
            900..=939 => self
                .cloud
                .clock
                .advance(Duration::from_millis(self.chance.below(400))),
            940..=959 => drop(self.cloud.cells.maintain()),
            960..=974 => drop(self.cloud.cells.invalidate(Invalidation::Cell(id(n)))),
            975 => drop(self.cloud.cells.invalidate(Invalidation::All)),
            976..=985 => {
                let version = self.chance.below(1 << 40);
                let gone = self.chance.below(4) == 0;
                self.truth[n as usize] = (!gone).then_some(version);
                self.cloud.rows.set(self.rows());
            }
            986..=989 => {
                self.cloud.rows.fail(ErrorClass::Unreachable);
                assert!(now(self.cloud.cells.refresh(soon())).is_err());
                self.cloud.rows.set(self.rows());
            }
            990..=993 => {
                self.cloud.refresh();
                self.loaded.clone_from(&self.truth);
            }
            994..=996 => self
                .cloud
                .counts
                .failing
                .store(self.chance.below(5), SeqCst),
            _ => self
                .cloud
                .counts
                .bus_failing
                .store(self.chance.below(5), SeqCst),
        }
    }

    fn target(&mut self, n: u32) {
        let expected = self.loaded[n as usize].map(|version| format!("sqlite:///c{n}-v{version}"));
        match (self.cloud.cells.target(&self.request, id(n)), expected) {
            (Ok(target), Some(place)) => {
                assert_eq!(target.database().place, place);
                assert_eq!(target.messaging().is_ok(), n != 0);
                assert!(!target.superseded());
                if self.held.len() < 64 {
                    self.held.push((target, place));
                }
            }
            (Err(TargetError::Unknown(_)), None) | (Err(TargetError::Open { .. }), Some(_)) => {}
            (got, expected) => panic!("{got:?} where {expected:?} was expected"),
        }
    }

    fn inspect(&self) {
        for (target, place) in &self.held {
            assert_eq!(
                target.database().place,
                *place,
                "what is held stays what it was"
            );
        }
        let entries = self.cloud.cells.entries();
        let open = |state: &EntryState| matches!(state, EntryState::Open { .. });
        let draining = |state: &EntryState| matches!(state, EntryState::Draining { .. });
        let count = |which: &dyn Fn(&EntryState) -> bool| {
            entries.iter().filter(|e| which(&e.state)).count()
        };
        assert!(count(&open) <= CAPACITY, "{} are open", count(&open));
        let holders: usize = entries.iter().map(|entry| entry.holders).sum();
        assert_eq!(
            holders,
            self.held.len(),
            "everybody who holds something is listed"
        );
        let most = 2 * i64::try_from(count(&open) + count(&draining)).unwrap();
        assert!(
            self.cloud.counts.alive() <= most,
            "something is open that nobody lists"
        );
    }
}

#[test]
fn a_million_random_operations_leave_nothing_open_and_nothing_wrong() {
    let cloud = Cloud::with(Vec::new(), |options| {
        options.policy.capacity = CAPACITY;
        options.audit = Arc::new(Nobody);
        options.policy.soft_ttl = Duration::from_secs(20);
        options.policy.hard_ttl = Duration::from_secs(60);
        options.policy.idle = Duration::from_secs(10);
        options.policy.drain = Duration::from_secs(5);
        options.policy.jitter_percent = 30;
    });
    let mut run = Run {
        cloud,
        chance: Chance(20_261_121),
        truth: vec![Some(0); CELLS as usize],
        loaded: vec![None; CELLS as usize],
        held: Vec::new(),
        request: request(),
    };
    run.cloud.rows.set(run.rows());
    for n in 0..OPERATIONS {
        run.step();
        if n % 1000 == 0 {
            run.inspect();
        }
    }
    run.inspect();
    let opened = run.cloud.counts.opened();
    assert!(opened > 10_000, "only {opened} openings: nothing was tried");
    run.held.clear();
    run.cloud.cells.invalidate(Invalidation::All);
    run.cloud.cells.maintain();
    assert_eq!(run.cloud.counts.alive(), 0);
    let left = run.cloud.cells.entries();
    assert!(
        left.iter()
            .all(|entry| !matches!(entry.state, EntryState::Draining { .. }))
    );
}

/// Keeps nothing, at no cost: a million operations make as many events.
struct Nobody;

impl AuditSink for Nobody {
    fn record(&self, _event: &AuditEvent) -> Result<(), AuditError> {
        Ok(())
    }
}

/// Gives the version that the cloud has at the moment of the load, and lets loads overlap.
struct Versions(Arc<AtomicU64>);

#[async_trait]
impl MappingSource for Versions {
    async fn load(&self, _deadline: Deadline) -> Result<Vec<RawCellMapping>, CellError> {
        let version = self.0.load(SeqCst);
        thread::yield_now();
        Ok((1..=4)
            .map(|n| row(n, &format!("sqlite:///c{n}-v{version}")))
            .collect())
    }
}

#[test]
fn nobody_sees_an_older_version_than_a_finished_load_and_never_two_cells_mixed() {
    let version = Arc::new(AtomicU64::new(0));
    let connector = CountingConnector::default();
    let counts = Arc::clone(&connector.0);
    let key = RevisionKey::from_bytes(b"test");
    let cells = Cells::new(
        Versions(Arc::clone(&version)),
        connector,
        UrlDefaults::default(),
        key,
    );
    now(cells.refresh(soon())).unwrap();
    let (finished, over) = (AtomicU64::new(0), AtomicBool::new(false));
    let of = |place: &str, n: u32| -> u64 {
        place
            .strip_prefix(&format!("sqlite:///c{n}-v"))
            .unwrap()
            .parse()
            .unwrap()
    };
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..400 {
                    let mine = version.fetch_add(1, SeqCst) + 1;
                    now(cells.refresh(soon())).unwrap();
                    finished.fetch_max(mine, SeqCst);
                }
                over.store(true, SeqCst);
            });
        }
        for n in 1..=4 {
            let (cells, finished, over) = (&cells, &finished, &over);
            scope.spawn(move || {
                let (mut last, mut epoch) = (0, cells.snapshot().epoch());
                while !over.load(SeqCst) {
                    let at_least = finished.load(SeqCst);
                    let target = match cells.target(&request(), id(n)) {
                        Ok(target) => target,
                        Err(TargetError::Restless(_)) => continue,
                        Err(other) => panic!("{other}"),
                    };
                    let seen = of(&target.database().place, n);
                    assert!(
                        seen >= at_least && seen >= last,
                        "{seen} after {last}, {at_least}"
                    );
                    assert_eq!(
                        target.messaging().unwrap().place,
                        format!("rabbit://nova:***@mq{n}:5672//")
                    );
                    last = seen;
                    let now = cells.snapshot().epoch();
                    assert!(now >= epoch);
                    epoch = now;
                }
            });
        }
    });
    cells.invalidate(Invalidation::All);
    drop(cells);
    assert_eq!(counts.alive(), 0);
}
