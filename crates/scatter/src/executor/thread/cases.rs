//! The pool's bookkeeping, case by case: who is handed what, and who is woken for it.

use std::sync::Arc;

use cells::CellId;
use uuid::Uuid;

use super::hatch::Unknown;
use super::policy::ThreadPolicy;
use super::portion::{Marks, Portion, Ticket};
use super::state::PoolState;

fn cell(n: u128) -> CellId {
    CellId::new(Uuid::from_u128(n))
}

fn pool() -> PoolState<()> {
    PoolState::new(&ThreadPolicy::default(), Arc::default())
}

/// A job in each of these cells, together, with a ticket like the first cell.
fn portion(cells: &[u128]) -> Portion<()> {
    let jobs = cells.iter().map(|n| (cell(*n), 0)).collect();
    let first = Ticket::try_from(cells[0]).unwrap();
    Portion {
        batch: (),
        marks: Arc::new(Marks::new(first, jobs)),
    }
}

fn submit(pool: &mut PoolState<()>, cells: &[u128]) {
    pool.submit(&portion(cells), |_, full| panic!("{full:?}"));
}

/// The worker is through with it.
fn put_back(pool: &mut PoolState<()>, portion: &Portion<()>) {
    pool.forget(&portion.marks);
    pool.put_back();
}

#[test]
fn what_a_hung_worker_has_not_begun_is_not_overtaken_for_ever() {
    let mut pool = pool();
    submit(&mut pool, &[1, 2]);
    let hangs = pool.take().unwrap();
    assert_eq!(hangs.marks.claim(), Some(0));
    // There is always something newer.
    let mut taken = 0;
    while hangs.marks.unstarted() > 0 {
        submit(&mut pool, &[3, 4]);
        let portion = pool.take().unwrap();
        while portion.marks.claim().is_some() {}
        put_back(&mut pool, &portion);
        taken += 1;
        assert!(taken < 3, "it is overtaken by whatever comes");
    }
}

#[test]
fn nobody_is_woken_for_what_a_worker_about_to_return_takes_unless_its_caller_hurries() {
    let mut pool = pool();
    // One is at work, one sleeps.
    pool.start_first();
    pool.start_first();
    pool.begin_idle();
    submit(&mut pool, &[1]);
    let first = pool.take().unwrap();
    assert_eq!(first.marks.claim(), Some(0));
    submit(&mut pool, &[2]);
    assert_eq!(pool.wake_some().calls, 1, "the first may take long");
    let second = pool.take().unwrap();
    pool.end_idle();
    for portion in [&first, &second] {
        portion.marks.end(0);
    }
    put_back(&mut pool, &first);
    assert!(!pool.watch(), "the second has the processor");
    pool.begin_idle();
    submit(&mut pool, &[3]);
    assert_eq!(pool.wake_some().calls, 0);
    pool.hurry(4);
    assert_eq!(pool.wake_some().calls, 1);
}

#[test]
fn a_worker_beside_one_that_hangs_is_handed_what_comes() {
    let mut pool = pool();
    submit(&mut pool, &[1]);
    submit(&mut pool, &[2]);
    let (hangs, ends) = (pool.take().unwrap(), pool.take().unwrap());
    assert_eq!(
        (hangs.marks.claim(), ends.marks.claim()),
        (Some(0), Some(0))
    );
    ends.marks.end(0);
    put_back(&mut pool, &ends);
    assert!(pool.watch());
    submit(&mut pool, &[3]);
    assert!(pool.hand_over().is_some());
}

#[test]
fn what_came_through_the_hatch_counts_once_it_is_adopted() {
    let policy = ThreadPolicy {
        per_cell: 1,
        ..ThreadPolicy::default()
    };
    let mut pool = PoolState::<()>::new(&policy, Arc::default());
    pool.start_first();
    assert!(pool.watch());
    assert_eq!(pool.engaged(), Some(Vec::new()));
    let came = portion(&[1, 2, 3]);
    assert_eq!(came.marks.claim(), Some(0));
    came.marks.end(0);
    assert_eq!(came.marks.claim(), Some(1));
    pool.adopt(Unknown {
        marks: Arc::clone(&came.marks),
        batch: Some(()),
    });
    assert_eq!((pool.stats().running, pool.stats().waiting), (1, 1));
    assert_eq!(pool.engaged(), Some(vec![cell(2), cell(3)]));
    // Its cells have what they may hold, but for the one whose job has ended.
    submit(&mut pool, &[1]);
    submit(&mut pool, &[2]);
    let waiting = |n| pool.lanes[&cell(n)].waiting.len();
    assert_eq!((waiting(1), waiting(2)), (0, 1));
    // What it has not begun is anybody's, who finds that it does not get on.
    assert!(!pool.take().unwrap().is(&came.marks));
    assert!(pool.take().unwrap().is(&came.marks));
}
