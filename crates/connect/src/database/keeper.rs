//! Looks after the connections of one database while nobody uses them: they are asked from time to time, so that nothing on
//! the way forgets them, and closed when they are old.
//!
//! A task that is there as long as there are connections, and no longer than their pools. It takes every idle connection
//! for the moment of its answer; who comes just then waits for that moment.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use deadpool::managed::{Manager, Pool, Timeouts, WeakPool};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::options::ConnectorOptions;

/// Whether it runs and what it does, for those who use the connections.
#[derive(Debug, Default)]
pub(super) struct Keeper {
    runs: AtomicBool,
    looks: AtomicBool,
}

/// When connections are looked after.
#[derive(Debug, Clone, Copy)]
pub(super) struct Care {
    every: Duration,
    answer_wait: Duration,
}

impl Care {
    /// None where nobody wants it.
    pub(super) fn of(options: &ConnectorOptions) -> Option<Self> {
        let every = options.keepalive.min(options.idle_age);
        (!every.is_zero()).then_some(Self {
            every,
            answer_wait: options.answer_wait,
        })
    }
}

impl Keeper {
    /// Whether connections that nobody holds are asked just now.
    pub(super) fn looks(&self) -> bool {
        self.looks.load(Ordering::Acquire)
    }

    /// Whether connections are looked after.
    #[inline]
    pub(super) fn runs(&self) -> bool {
        self.runs.load(Ordering::Relaxed)
    }

    /// Has connections looked after, unless they are. `is_old` says which to close.
    pub(super) fn start<M: Manager + 'static>(
        self: &Arc<Self>,
        care: Care,
        over: &CancellationToken,
        pools: impl FnOnce() -> [WeakPool<M>; 2],
        is_old: impl Fn(&M::Type) -> bool + Clone + Send + Sync + 'static,
    ) where
        M::Type: Send,
    {
        if self.runs.swap(true, Ordering::AcqRel) {
            return;
        }
        let (keeper, over, pools) = (Arc::clone(self), over.clone(), pools());
        tokio::spawn(async move {
            let _left = over
                .run_until_cancelled(keeper.run(care, &pools, is_old))
                .await;
        });
    }

    async fn run<M: Manager>(
        &self,
        care: Care,
        pools: &[WeakPool<M>; 2],
        is_old: impl Fn(&M::Type) -> bool + Clone,
    ) {
        loop {
            sleep(care.every).await;
            let mut open = 0;
            for pool in pools {
                let Some(pool) = pool.upgrade() else { return };
                pool.retain(|kept, _| !is_old(kept));
                self.looks.store(true, Ordering::Release);
                // Together no longer than one may take: what is silent must not keep the others.
                let _cut_short = timeout(care.answer_wait, ask_all(&pool)).await;
                self.looks.store(false, Ordering::Release);
                open += pool.status().size;
            }
            if open > 0 {
                continue;
            }
            self.runs.store(false, Ordering::Release);
            // One that was made meanwhile found this running.
            let some = |pool: &WeakPool<M>| pool.upgrade().is_some_and(|p| p.status().size > 0);
            if !pools.iter().any(some) || self.runs.swap(true, Ordering::AcqRel) {
                return;
            }
        }
    }
}

/// Takes every idle connection, which has it answer, and gives all of them back in the order that they were in.
async fn ask_all<M: Manager>(pool: &Pool<M>) {
    let at_once = Timeouts {
        wait: Some(Duration::ZERO),
        create: Some(Duration::ZERO),
        recycle: None,
    };
    let mut taken = Vec::new();
    for _ in 0..pool.status().available {
        match pool.timeout_get(&at_once).await {
            Ok(link) => taken.push(link),
            Err(_) => break,
        }
    }
    while let Some(link) = taken.pop() {
        drop(link);
    }
}
