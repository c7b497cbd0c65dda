//! Pools over a database that is none: what they do by themselves, without a driver's own behaviour in between.

use std::panic::Location;
use std::sync::atomic::{AtomicUsize, Ordering};

use sea_orm::{DbBackend, ExecResult, QueryResult, Statement};
use tokio::task::JoinSet;

use super::*;
use crate::database::stream::Batches;

/// Lets connections in one by one, as it is told.
struct Doorkeeper {
    connecting: AtomicUsize,
    let_in: Semaphore,
}

type Nothing<T> = Result<T, sqlx::Error>;

impl Driver for Doorkeeper {
    type Link = ();

    const BACKEND: DbBackend = DbBackend::Sqlite;

    async fn connect(&self, _access: Access) -> Nothing<()> {
        self.connecting.fetch_add(1, Ordering::SeqCst);
        self.let_in.acquire().await.unwrap().forget();
        self.connecting.fetch_sub(1, Ordering::SeqCst);
        Ok(())
    }

    async fn still_good(&self, _link: &mut (), _idle: Duration) -> bool {
        true
    }

    async fn arm(&self, _link: &mut (), _access: Access, _deadline: Deadline) -> Nothing<()> {
        Ok(())
    }

    async fn disarm(&self, _link: &mut ()) -> Nothing<()> {
        Ok(())
    }

    fn abandon(&self, _link: ()) {}

    fn ended_by_budget(&self, _error: &sqlx::Error) -> bool {
        false
    }

    async fn probe(&self, _link: &mut ()) -> Nothing<()> {
        Ok(())
    }

    async fn execute(&self, _link: &mut (), _statement: &Statement) -> Nothing<ExecResult> {
        Err(sqlx::Error::WorkerCrashed)
    }

    async fn script(&self, _link: &mut (), _sql: &str) -> Nothing<ExecResult> {
        Err(sqlx::Error::WorkerCrashed)
    }

    async fn query_one(
        &self,
        _link: &mut (),
        _statement: &Statement,
    ) -> Nothing<Option<QueryResult>> {
        Err(sqlx::Error::WorkerCrashed)
    }

    async fn query_all(&self, _link: &mut (), _statement: &Statement) -> Nothing<Vec<QueryResult>> {
        Err(sqlx::Error::WorkerCrashed)
    }

    async fn each(&self, _link: &mut (), _statement: &Statement, _to: &Batches) -> Nothing<()> {
        Err(sqlx::Error::WorkerCrashed)
    }
}

fn pools(options: &ConnectorOptions) -> Arc<Pools<Doorkeeper>> {
    let doorkeeper = Doorkeeper {
        connecting: AtomicUsize::new(0),
        let_in: Semaphore::new(0),
    };
    let shared = Arc::new(Shared::new(options));
    Arc::new(Pools::new(doorkeeper, options, &shared).unwrap())
}

#[track_caller]
fn budget() -> Budget {
    Budget {
        deadline: Deadline::after(Duration::from_secs(60)),
        access: Access::ReadOnly,
        asked_at: Location::caller(),
    }
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
        asking.spawn(async move { pools.check_out(budget()).await.map(drop).is_ok() });
    }
    for _ in 0..8 {
        // Everybody who can come to the door is there by now.
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
        let at_the_door = pools.driver.connecting.load(Ordering::SeqCst);
        assert!(at_the_door <= 2, "{at_the_door} at the door");
        pools.driver.let_in.add_permits(1);
    }
    assert_eq!(asking.join_all().await, [true; 8]);
}

#[tokio::test(start_paused = true)]
async fn a_door_that_stays_shut_is_a_matter_of_time_and_not_of_load() {
    let pools = pools(&ConnectorOptions {
        connect_timeout: Duration::from_millis(50),
        ..ConnectorOptions::default()
    });
    let refused = pools.check_out(budget()).await.err().unwrap();
    assert_eq!(Failure::inside(&refused), Some(Failure::ConnectTimeout));
    assert!(pools.holders().is_empty());
}

#[tokio::test]
async fn what_nobody_used_for_long_is_closed_by_whoever_comes_to_any_cell() {
    let options = ConnectorOptions::default();
    let pools = pools(&options);
    pools.driver.let_in.add_permits(1);
    let held = pools.check_out(budget()).await.ok().unwrap();
    held.settle(Ran::Ended(Ok(())), true, budget().deadline)
        .await
        .unwrap();
    assert_eq!(pools.reading.status().size, 1);
    pools.shared.close_idle(Duration::from_secs(60));
    assert_eq!(pools.reading.status().size, 1);
    pools.shared.close_idle(Duration::ZERO);
    assert_eq!(pools.reading.status().size, 0);
}
