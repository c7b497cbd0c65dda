//! Nothing lasts for ever: ages, idleness, capacity, drains, invalidations, overtaken loads, with a clock moved by hand.

#![expect(
    clippy::unwrap_used,
    reason = "a fake that breaks should stop the test"
)]

mod support;

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use async_trait::async_trait;
use context::Deadline;
use nova_cells::{
    CellError, Cells, EntryState, Epoch, ErrorClass, Invalidation, MappingSource, RawCellMapping,
    RevisionKey, UrlDefaults,
};
use support::{Cloud, CountingConnector, id, now, request, row, soon};

const SECOND: Duration = Duration::from_secs(1);

fn one_cell() -> Cloud {
    Cloud::with(vec![row(1, "sqlite:///one")], |options| {
        options.policy.soft_ttl = 10 * SECOND;
        options.policy.hard_ttl = 20 * SECOND;
        options.policy.idle = 15 * SECOND;
        options.policy.drain = 5 * SECOND;
    })
}

#[test]
fn ageing_legs_are_renewed_by_the_next_user_and_the_old_ones_drained() {
    let cloud = one_cell();
    let held = cloud.cells.target(&request(), id(1)).unwrap();
    cloud.clock.advance(9 * SECOND);
    cloud.place(1);
    assert_eq!(cloud.counts.opened(), 1);
    cloud.clock.advance(SECOND);
    cloud.place(1);
    assert_eq!((cloud.counts.opened(), cloud.counts.alive()), (2, 4));
    assert!(held.superseded());
    drop(held);
    assert_eq!(cloud.counts.alive(), 2);
}

#[test]
fn a_renewal_that_fails_keeps_the_old_legs_until_the_hard_limit_and_not_beyond() {
    let cloud = one_cell();
    cloud.place(1);
    cloud.counts.failing.store(u64::MAX, SeqCst);
    cloud.clock.advance(19 * SECOND);
    assert_eq!(cloud.place(1), "sqlite:///one");
    cloud.clock.advance(SECOND);
    assert!(cloud.cells.target(&request(), id(1)).is_err());
    cloud.cells.maintain();
    assert_eq!(cloud.counts.alive(), 0);
}

#[test]
fn unused_cells_are_closed_and_used_ones_are_not() {
    let cloud = one_cell();
    cloud.place(1);
    cloud.clock.advance(8 * SECOND);
    cloud.place(1);
    cloud.clock.advance(8 * SECOND);
    assert_eq!(cloud.cells.maintain().closed, 0);
    cloud.clock.advance(8 * SECOND);
    assert_eq!(cloud.cells.maintain().closed, 1);
    assert_eq!(cloud.counts.alive(), 0);
}

#[test]
fn holders_of_replaced_legs_finish_and_are_forced_once_at_the_limit() {
    let cloud = one_cell();
    let held = cloud.cells.target(&request(), id(1)).unwrap();
    cloud.rows.set(vec![row(1, "sqlite:///two")]);
    cloud.refresh();
    assert_eq!(cloud.cells.maintain().forced, 0);
    let draining = &cloud.cells.entries()[1];
    assert_eq!(draining.holders, 1);
    assert!(
        matches!(draining.state, EntryState::Draining { forced_in, .. } if forced_in == 5 * SECOND)
    );
    cloud.clock.advance(5 * SECOND);
    assert_eq!(cloud.cells.maintain().forced, 1);
    assert_eq!(cloud.cells.maintain().forced, 0);
    assert_eq!(cloud.counts.abandoned.load(SeqCst), 1);
    drop(held);
    cloud.cells.maintain();
    assert_eq!(cloud.cells.entries().len(), 1);
    assert_eq!(cloud.counts.alive(), 0);
}

#[test]
fn the_longest_unused_cells_make_room_for_new_ones() {
    let rows = (1..=12)
        .map(|n| row(n, &format!("sqlite:///{n}")))
        .collect();
    let cloud = Cloud::with(rows, |options| options.policy.capacity = 8);
    for n in 1..=12 {
        cloud.place(n);
        cloud.clock.advance(SECOND);
    }
    let open = |n: usize| matches!(cloud.cells.entries()[n - 1].state, EntryState::Open { .. });
    assert!((9..=12).all(open) && !open(1), "the newest are open");
    assert!((1..=12).filter(|n| open(*n)).count() <= 8);
    assert!(cloud.counts.alive() <= 16);
}

#[test]
fn what_is_invalidated_opens_anew_and_a_reload_is_due() {
    let cloud = Cloud::new(vec![row(1, "sqlite:///one"), row(2, "sqlite:///two")]);
    cloud.place(1);
    cloud.place(2);
    assert!(!cloud.cells.reload_due());
    assert_eq!(cloud.cells.invalidate(Invalidation::Cell(id(1))), 1);
    assert!(cloud.cells.reload_due());
    cloud.place(1);
    cloud.place(2);
    assert_eq!(cloud.counts.opened(), 3);
    cloud.refresh();
    assert!(!cloud.cells.reload_due());
    assert_eq!(cloud.cells.invalidate(Invalidation::All), 2);
    assert_eq!(cloud.counts.alive(), 0);
}

#[test]
fn an_invalidated_failure_is_tried_again_at_once() {
    let cloud = Cloud::new(vec![row(1, "sqlite:///one")]);
    cloud.counts.failing.store(1, SeqCst);
    assert!(cloud.cells.target(&request(), id(1)).is_err());
    cloud.cells.invalidate(Invalidation::Cell(id(1)));
    assert_eq!(cloud.place(1), "sqlite:///one");
}

#[test]
fn a_failed_load_leaves_everything_in_place_and_stays_due() {
    let cloud = Cloud::new(vec![row(1, "sqlite:///one")]);
    cloud.cells.suspect();
    cloud.rows.fail(ErrorClass::Unreachable);
    let failed = now(cloud.cells.refresh(soon())).unwrap_err();
    assert_eq!(failed.class(), ErrorClass::Unreachable);
    assert_eq!(cloud.place(1), "sqlite:///one");
    assert!(cloud.cells.reload_due());
}

#[test]
fn mappings_are_due_to_be_loaded_again_with_time() {
    let cloud = Cloud::new(vec![row(1, "sqlite:///one")]);
    cloud.clock.advance(59 * SECOND);
    assert!(!cloud.cells.maintain().reload_due);
    cloud.clock.advance(SECOND);
    assert!(cloud.cells.maintain().reload_due);
}

#[test]
fn what_happened_is_told_in_order_and_only_once() {
    let mut bad = row(2, "gopher://x");
    bad.name = None;
    let cloud = Cloud::new(vec![row(1, "sqlite:///one"), bad.clone()]);
    assert_eq!(
        cloud.actions(0),
        ["mapping/add", "mapping/refuse", "mapping/reload"]
    );
    let seen = cloud.last_event();
    cloud.place(1);
    cloud.rows.set(vec![row(1, "sqlite:///two"), bad]);
    cloud.refresh();
    cloud.rows.set(vec![]);
    cloud.refresh();
    assert_eq!(
        cloud.actions(seen),
        [
            "cell/open",
            "mapping/change",
            "cache/retire",
            "mapping/reload",
            "mapping/remove",
            "mapping/reload"
        ]
    );
    let numbers: Vec<u64> = cloud.cells.events(0).iter().map(|e| e.sequence).collect();
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>());
}

/// A source whose loads end when the test says so, in the order it says.
#[derive(Clone, Default)]
struct Gates(Arc<Mutex<Vec<Option<Vec<RawCellMapping>>>>>);

#[async_trait]
impl MappingSource for Gates {
    async fn load(&self, _deadline: Deadline) -> Result<Vec<RawCellMapping>, CellError> {
        let mine = {
            let mut gates = self.0.lock().unwrap();
            gates.push(None);
            gates.len() - 1
        };
        let gates = Arc::clone(&self.0);
        Ok(
            std::future::poll_fn(move |_| match gates.lock().unwrap()[mine].take() {
                Some(rows) => Poll::Ready(rows),
                None => Poll::Pending,
            })
            .await,
        )
    }
}

#[test]
fn a_load_that_began_earlier_never_replaces_a_later_ones_result() {
    let gates = Gates::default();
    let key = RevisionKey::from_bytes(b"test");
    let cells = Cells::new(
        gates.clone(),
        CountingConnector::default(),
        UrlDefaults::default(),
        key,
    );
    let mut context = Context::from_waker(Waker::noop());
    let mut first = pin!(cells.refresh(soon()));
    let mut second = pin!(cells.refresh(soon()));
    assert!(first.as_mut().poll(&mut context).is_pending());
    assert!(second.as_mut().poll(&mut context).is_pending());
    gates.0.lock().unwrap()[1] = Some(vec![row(1, "sqlite:///new")]);
    let Poll::Ready(Ok(later)) = second.as_mut().poll(&mut context) else {
        panic!("the later load has its rows");
    };
    gates.0.lock().unwrap()[0] = Some(vec![row(1, "sqlite:///old")]);
    let Poll::Ready(Ok(earlier)) = first.as_mut().poll(&mut context) else {
        panic!("the earlier load has its rows");
    };
    assert_eq!(later.epoch(), earlier.epoch());
    assert!(later.epoch() > Epoch::default());
    let target = cells.target(&request(), id(1)).unwrap();
    assert_eq!(target.database().place, "sqlite:///new");
    let events = cells.events(0);
    assert!(
        events
            .iter()
            .any(|event| event.kind.action() == "mapping/overtaken")
    );
}
