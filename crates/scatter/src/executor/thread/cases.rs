//! The pool's bookkeeping, case by case: who is handed what, and who is woken for it.

use std::sync::Arc;

use cells::CellId;
use uuid::Uuid;

use super::policy::ThreadPolicy;
use super::state::PoolState;

fn cell(n: u128) -> CellId {
    CellId::new(Uuid::from_u128(n))
}

fn pool() -> PoolState<()> {
    PoolState::new(&ThreadPolicy::default(), Arc::default())
}

/// Submits a job in each of these cells, together.
fn submit(pool: &mut PoolState<()>, cells: &[u128]) {
    let jobs: Vec<_> = cells.iter().map(|n| (cell(*n), 0)).collect();
    pool.submit(&(), &jobs, &mut Vec::new());
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
        pool.put_back(&portion.marks);
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
    pool.put_back(&first.marks);
    assert!(!pool.watch(), "the second has the processor");
    pool.begin_idle();
    submit(&mut pool, &[3]);
    assert_eq!(pool.wake_some().calls, 0);
    pool.hurry();
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
    pool.put_back(&ends.marks);
    assert!(pool.watch());
    submit(&mut pool, &[3]);
    assert!(pool.hand_over().is_some());
}
