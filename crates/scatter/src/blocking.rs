//! One piece of blocking work in many cells at once: the driver for threads. It blocks its caller until the report is
//! there, at the end of the budget at the latest.

use std::sync::Arc;
use std::task::{Wake, Waker};
use std::thread::Thread;
use std::time::Instant;

use cells::{CellConnector, CellError};
use context::Deadline;

use crate::executor::job::Batch;
use crate::executor::{AbandonJob, BlockingExecutor, Works};
use crate::line::{Line, refused, tell_late};
use crate::party::Party;
use crate::report::ScatterReport;
use crate::scatter::Scatter;
use crate::sync::PATIENCE;
use crate::task::CellTask;

/// Wakes the thread that waits for the report.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

impl<C: CellConnector> Scatter<'_, C> {
    /// Runs blocking work in every cell and gives the report when all have an outcome or the budget ends.
    ///
    /// Works that outlive the budget cannot be stopped; they see [`CellTask::is_cancelled`] and are abandoned. Async
    /// handles are reached from here with a runtime's `block_on`, always the one that made them; or write the work as
    /// async and run it on a `BridgedExecutor`.
    pub fn run_blocking<E, W, T, X>(mut self, executor: &E, work: W) -> ScatterReport<T>
    where
        E: BlockingExecutor,
        W: Fn(CellTask<C>) -> Result<T, X> + Send + Sync + 'static,
        T: Send + 'static,
        X: Into<CellError>,
    {
        let onlookers = self.onlookers();
        let span = onlookers.span().clone();
        let _inside = span.enter();
        let (ledger, shared, line) = self.prepare(executor.clock(), work, false);
        let deadline = shared.deadline;
        let mut crew = Crew {
            executor,
            expiry: shared.share.map(|share| ledger.started() + share),
            handles: Vec::with_capacity(ledger.len()),
            party: Arc::new(Party::new(ledger, shared, span.clone())),
            line: line.permits_on_arrival(),
        };
        crew.wait(deadline);
        let report = crew.home();
        onlookers.see(&report);
        report
    }
}

/// Jobs that are submitted together.
const PORTION: usize = 32;

/// A blocking scatter under way.
struct Crew<'e, E: BlockingExecutor, C: CellConnector, W, T> {
    executor: &'e E,
    party: Arc<Party<C, W, T>>,
    line: Line,
    handles: Vec<(usize, E::Handle)>,
    /// When to look for cells that took longer than their share.
    expiry: Option<Instant>,
}

impl<E, C, W, T, X> Crew<'_, E, C, W, T>
where
    E: BlockingExecutor,
    C: CellConnector,
    W: Fn(CellTask<C>) -> Result<T, X> + Send + Sync + 'static,
    T: Send + 'static,
    X: Into<CellError>,
{
    fn wait(&mut self, deadline: Deadline) {
        let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
        let mut now = self.party.ledger.started();
        while !self.party.ledger.is_settled() && !deadline.is_past_at(now) {
            self.party.ledger.register(&waker);
            self.start_more(&waker, now);
            self.expire(now);
            if self.party.ledger.is_settled() || self.settles_soon() {
                return;
            }
            self.executor.hurry();
            let next = self
                .expiry
                .map_or(deadline, |at| deadline.earliest(Deadline::at(at)));
            std::thread::park_timeout(next.remaining_at(self.party.ledger.now()));
            now = self.party.ledger.now();
        }
    }

    /// Looks for a moment before it sleeps, as the pool's workers do: most works on warm cells end within what a wake-up
    /// would cost. And for one more, as long as what is left would end in two more.
    fn settles_soon(&self) -> bool {
        let ledger = &self.party.ledger;
        let mut before = ledger.left();
        loop {
            let settled = (0..PATIENCE).any(|_| {
                std::hint::spin_loop();
                ledger.is_settled()
            });
            let left = ledger.left();
            if settled || left > 2 * before.saturating_sub(left) {
                return settled;
            }
            before = left;
        }
    }

    /// Submits what may begin, a portion at a time: the pool is at work while the rest is being admitted.
    fn start_more(&mut self, waker: &Waker, now: Instant) {
        self.line.new_round(Some(now));
        self.line.ask_again(self.party.turned_away());
        loop {
            let mut works = Vec::with_capacity(PORTION.min(self.party.ledger.len()));
            while works.len() < PORTION
                && let Some((at, cell, permit)) = self.line.next(&*self.party, waker)
            {
                if let Some(permit) = permit {
                    self.party.keep(at, permit);
                }
                works.push((cell, at));
            }
            let last = works.len() < PORTION;
            if works.is_empty() {
                return;
            }
            let batch = Arc::clone(&self.party) as Arc<dyn Batch>;
            let submitted = self.executor.submit_all(Works::new(batch, works.clone()));
            for ((_, at), submitted) in works.into_iter().zip(submitted) {
                match submitted {
                    Ok(handle) => self.handles.push((at, handle)),
                    Err(refusal) => self.party.ledger.refuse(at, refused(refusal)),
                }
            }
            if last {
                return;
            }
        }
    }

    fn expire(&mut self, now: Instant) {
        let (Some(share), Some(at)) = (self.party.share(), self.expiry) else {
            return;
        };
        if at <= now {
            let (expired, next) = self.party.ledger.expire(share);
            self.expiry = Some(next);
            tell_late(&*self.party, &expired);
            self.give_up(&expired);
        }
    }

    fn home(self) -> ScatterReport<T> {
        if self.party.ledger.is_settled() {
            return self.party.ledger.close();
        }
        let late = |at: &usize| !self.party.ledger.has_outcome(*at);
        let late: Vec<usize> = (0..self.party.ledger.len()).filter(late).collect();
        tell_late(&*self.party, &late);
        let report = self.party.ledger.close();
        self.give_up(&late);
        report
    }

    /// Abandons the works of these slots, given in rising order.
    fn give_up(&self, slots: &[usize]) {
        for (at, handle) in &self.handles {
            if slots.binary_search(at).is_ok() {
                handle.abandon();
            }
        }
    }
}
