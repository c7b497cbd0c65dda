//! Pools over a database that is none: what they do by themselves, without a driver's own behaviour in between.

use std::panic::Location;
use std::sync::atomic::Ordering;

use tokio::task::JoinSet;
use tokio::time::Instant;

use super::doorkeeper::Doorkeeper;
use super::*;
use crate::database::held::Held;

fn pools(options: &ConnectorOptions) -> Arc<Pools<Doorkeeper>> {
    let shared = Arc::new(Shared::new(options));
    Arc::new(Pools::new(Doorkeeper::new(0), options, &shared).unwrap())
}

#[track_caller]
fn budget() -> Budget {
    // On the clock of the tests, which may be ahead.
    let end = Instant::now() + Duration::from_secs(60);
    Budget::unobserved(
        Deadline::at(end.into_std()),
        Access::ReadOnly,
        Location::caller(),
    )
}

#[tokio::test]
async fn a_start_is_slow_so_many_logins_at_once_and_no_more() {
    let pools = pools(&ConnectorOptions {
        logins: 2,
        ..ConnectorOptions::default()
    });
    let mut asking = JoinSet::new();
    for _ in 0..8 {
        let pools = Arc::clone(&pools);
        asking.spawn(async move { pools.check_out(&budget()).await.map(drop).is_ok() });
    }
    for _ in 0..8 {
        // Everybody who can come to the door is there by now.
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
        let at_the_door = pools.driver().connecting.load(Ordering::SeqCst);
        assert!(at_the_door <= 2, "{at_the_door} at the door");
        pools.driver().let_in.add_permits(1);
    }
    assert_eq!(asking.join_all().await, [true; 8]);
}

#[tokio::test(start_paused = true)]
async fn a_door_that_stays_shut_is_a_matter_of_time_and_not_of_load() {
    let pools = pools(&ConnectorOptions {
        connect_timeout: Duration::from_millis(50),
        ..ConnectorOptions::default()
    });
    let refused = pools.check_out(&budget()).await.err().unwrap();
    assert_eq!(Failure::inside(&refused), Some(Failure::ConnectTimeout));
    assert!(pools.holders().is_empty());
}

#[tokio::test]
async fn what_nobody_used_for_long_is_closed_by_whoever_comes_to_any_cell() {
    let options = ConnectorOptions::default();
    let pools = pools(&options);
    pools.driver().let_in.add_permits(1);
    let mut held = pools.check_out(&budget()).await.ok().unwrap();
    give_back(&mut held).await;
    assert_eq!(pools.reading.status().size, 1);
    pools.common.shared.close_idle(Duration::from_secs(60));
    assert_eq!(pools.reading.status().size, 1);
    pools.common.shared.close_idle(Duration::ZERO);
    assert_eq!(pools.reading.status().size, 0);
}

/// Lets the others run until something holds.
async fn soon(holds: impl Fn() -> bool) {
    for _ in 0..1000 {
        if holds() {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("it never does");
}

async fn give_back(held: &mut Held<Doorkeeper>) {
    let ran = Ran::Ended(Ok(()));
    let instead = held.settle(&ran, true, budget().deadline).await;
    ran.told(instead).unwrap();
}

/// Takes this many connections at once and gives them back; who looks after them has begun to.
async fn use_some(pools: &Pools<Doorkeeper>, count: usize) {
    pools.driver().let_in.add_permits(count);
    let mut all = Vec::new();
    for _ in 0..count {
        all.push(pools.check_out(&budget()).await.ok().unwrap());
    }
    for mut held in all {
        give_back(&mut held).await;
    }
    tokio::task::yield_now().await;
}

#[tokio::test(start_paused = true)]
async fn idle_connections_are_asked_from_time_to_time_and_closed_when_they_are_old() {
    let seconds = |count: u64| tokio::time::advance(Duration::from_millis(count * 1000 + 1));
    let pools = pools(&ConnectorOptions {
        keepalive: Duration::from_secs(10),
        idle_age: Duration::from_secs(35),
        ..ConnectorOptions::default()
    });
    let tasks = || {
        tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks()
    };
    for _ in 0..2 {
        pools.driver().asked.store(0, Ordering::SeqCst);
        use_some(&pools, 3).await;
        assert_eq!(tasks(), 1);
        for round in 1..=3 {
            seconds(10).await;
            soon(|| pools.driver().asked.load(Ordering::SeqCst) == 3 * round).await;
        }
        assert_eq!(pools.reading.status().size, 3);
        seconds(10).await;
        // With the last connection nobody has to look after any.
        soon(|| tasks() == 0).await;
        assert_eq!(pools.reading.status().size, 0);
        assert_eq!(pools.driver().asked.load(Ordering::SeqCst), 9);
    }
    use_some(&pools, 1).await;
    drop(pools);
    soon(|| tasks() == 0).await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_silent_costs_a_moment_and_not_the_budget() {
    let options = ConnectorOptions {
        keepalive: Duration::ZERO,
        ..ConnectorOptions::default()
    };
    let pools = pools(&options);
    use_some(&pools, 1).await;
    pools.driver().silent.store(true, Ordering::SeqCst);
    let begun = Instant::now();
    use_some(&pools, 1).await;
    assert_eq!(begun.elapsed(), options.answer_wait);
    assert_eq!(pools.reading.status().size, 1);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_looked_after_is_not_a_busy_one() {
    let pools = pools(&ConnectorOptions {
        pool_size: 1,
        ..ConnectorOptions::default()
    });
    use_some(&pools, 1).await;
    pools.driver().silent.store(true, Ordering::SeqCst);
    tokio::time::advance(ConnectorOptions::default().keepalive).await;
    soon(|| pools.keeper.looks()).await;
    pools.driver().let_in.add_permits(2);
    // The silent one is let go, and another one made.
    pools.probe(&budget()).await.unwrap();
}
